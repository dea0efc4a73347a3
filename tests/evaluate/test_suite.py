"""Suites: nothing is dropped, nothing is driven twice, and the exit code tells."""

import io
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))  # also in the processes a suite starts

from made_drives import Made, Other, a_plan, a_scene, a_trace, straight

from whyway.config import Config, load
from whyway.evaluate.suites.run import DIED, SuiteError, evaluate, scenes_of, worlds_of
from whyway.evaluate.suites.summary import render_summary, summarise, summary_table

EGO = straight(20.0, 10.0)
QUIET = Console(quiet=True)


def drive(scene, driver, seed, config, log_path):
    """Stands for a driver in a world: what a scene's file says is what happens."""
    text = Path(scene).read_text()
    with (log_path.parent / "driven.txt").open("a") as record:
        record.write(f"{Path(scene).name} {seed}\n")
    if text == "crash":
        raise RuntimeError(f"{scene}: cannot go on")
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    others = (Other(straight(60.0, 0.0)),) if text == "collide" else ()
    made = Made(log_path.parent / f"{log_path.stem}-made")
    made.folder.mkdir(exist_ok=True)
    made.drive(
        EGO, *others, duration_s=5.0, driver=driver, seed=seed, world=scene,
        say=lambda t: a_trace(t, EGO), plan=lambda t: a_plan(t, EGO), scene=lambda t: a_scene(t, EGO),
    )  # fmt: skip
    (made.folder / "0.mcap").rename(log_path)


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "scenes"
    (folder / "deeper").mkdir(parents=True)
    for name, text in (("fine.xml", "fine"), ("deeper/hit.xml.gz", "collide")):
        (folder / name).write_text(text)
    return folder


def run(suite, out, seeds=1, jobs=2, config=None):
    return evaluate(
        suite, "rules", seeds, jobs, out, drive, config or Config(), {"git": "abc"}, QUIET
    )


def driven(out):
    return sorted((out / "logs" / "driven.txt").read_text().split("\n")[:-1])


def test_a_suite_is_judged_resumed_and_told(suite, tmp_path):
    out = tmp_path / "out"
    summary, code = run(suite, out)
    assert code == 0
    assert summary == json.loads((out / "summary.json").read_text())
    assert summary["driver"] == "rules"
    assert summary["provenance"]["git"] == "abc"
    s = summary["summary"]
    assert {
        "scenes", "pdms", "at_fault_collisions", "route_completion", "consistency_longitudinal",
        "consistency_lateral", "contradiction", "grounding", "latency_p50_ms", "latency_p99_ms",
    } <= s.keys()  # fmt: skip
    assert (s["scenes"], s["errors"], s["passed"], s["at_fault_collisions"]) == (2, 0, 1, 1)
    assert s["pdms"] == pytest.approx(0.5, abs=0.01)
    assert s["consistency_longitudinal"] == 1.0
    by_name = {x["name"]: x for x in summary["scenes"]}
    assert by_name["fine-seed1"]["verdict"] == "passed"
    assert by_name["deeper__hit-seed1"]["verdict"].startswith("failed: ran into actor 50")
    page = (out / "report.html").read_text()
    for scene in by_name.values():
        assert f'href="{scene["report"]}"' in page
        assert (out / scene["report"]).is_file()
    assert sorted(p.name for p in (out / "logs").glob("*.mcap")) == [
        "deeper__hit-seed1.mcap",
        "fine-seed1.mcap",
    ]

    # what is known is not driven again; what is new, or lost in a kill, is
    (out / "scores" / "fine-seed1.json").unlink()
    again, _ = run(suite, out, seeds=2)
    assert driven(out) == sorted(
        ["fine.xml 1", "hit.xml.gz 1", "fine.xml 1", "fine.xml 2", "hit.xml.gz 2"]
    )
    assert again["summary"]["scenes"] == 4
    Console(quiet=True).print(summary_table(again))


def test_the_report_shows_failures_first_then_the_lower_scores(suite, tmp_path):
    run(suite, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    one = summary["scenes"][0]
    scenes = [
        {**one, "name": name, "verdict": verdict, "metrics": {**one["metrics"], "pdms": pdms, "carla_driving_score": score}}
        for name, verdict, pdms, score in (
            ("fine", "passed", 0.91, 100.0), ("best", "passed", 0.95, 100.0),
            ("red-light", "passed", 0.99, 70.0), ("blocked", "failed: blocked", 0.97, 95.0),
        )
    ]  # fmt: skip
    page = render_summary({**summary, "scenes": scenes})
    table = page[page.index("worst first") :]
    names = sorted((s["name"] for s in scenes), key=lambda name: table.index(f">{name}<"))
    assert names == ["blocked", "red-light", "fine", "best"]


def test_another_scene_file_or_configuration_is_driven_anew(suite, tmp_path):
    out = tmp_path / "out"
    (suite / "deeper" / "hit.xml.gz").unlink()
    run(suite, out, jobs=1)
    (suite / "fine.xml").write_text("finer")
    run(suite, out, jobs=1)
    run(suite, out, config=load(overrides=["sim.sensor.enabled=false"]), jobs=1)
    assert driven(out) == ["fine.xml 1"] * 3


def test_a_scene_that_crashes_or_dies_is_an_error_and_the_rest_is_judged(suite, tmp_path):
    (suite / "bad.xml").write_text("crash")
    (suite / "gone.xml").write_text("die")
    out = tmp_path / "out"
    summary, code = run(suite, out)
    assert code == 1
    errors = {x["name"]: x["error"] for x in summary["scenes"] if "error" in x}
    assert errors.keys() == {"bad-seed1", "gone-seed1"}
    assert errors["gone-seed1"] == DIED
    assert errors["bad-seed1"].startswith("RuntimeError:")
    assert "cannot go on" in (out / "scenes" / "bad-seed1.error.txt").read_text()
    s = summary["summary"]
    assert (s["scenes"], s["errors"]) == (4, 2)
    assert s["pdms"] == pytest.approx(0.25, abs=0.01), "what does not run does not drive"


def test_scenes_are_found_in_folders_files_and_lists(suite, tmp_path):
    assert [Path(s).name for s in scenes_of(suite)] == ["hit.xml.gz", "fine.xml"]
    assert scenes_of(suite / "fine.xml") == (str(suite / "fine.xml"),)
    listed = tmp_path / "suite.yaml"
    listed.write_text("scenes: [town, scenes/fine.xml]")
    assert scenes_of(listed) == ("town", str(tmp_path / "scenes/fine.xml"))


ROUTE = '<route id="{}" town="T"><waypoint x="0" y="0" z="0"/><waypoint x="1" y="0" z="0"/></route>'


def test_every_route_of_a_leaderboard_file_is_a_scene(tmp_path):
    routes = tmp_path / "routes.xml"
    routes.write_text(f"<routes>{ROUTE.format('3')}{ROUTE.format('b')}</routes>")
    both = (f"{routes}#3", f"{routes}#b")
    assert scenes_of(routes) == both
    assert scenes_of(Path(f"{routes}#b")) == both[1:]
    assert scenes_of(tmp_path) == both
    listed = tmp_path / "suite.yaml"
    listed.write_text("scenes: [family:cut_in, 'routes.xml#b', routes.xml]")
    assert scenes_of(listed) == ("family:cut_in", f"{routes}#b", *both)


def route_drive(scene, driver, seed, config, log_path):
    """Stands for a driver on a route of 480 m: half of it, without a fault if its id is 3, through a car otherwise."""
    made = Made(log_path.parent / f"{log_path.stem}-made")
    made.folder.mkdir(exist_ok=True)
    others = () if scene.endswith("#3") else (Other(straight(60.0, 0.0)),)
    notes = {"route": scene}
    made.drive(EGO, *others, duration_s=24.0, driver=driver, seed=seed, world=scene, notes=notes)
    (made.folder / "0.mcap").rename(log_path)


def test_rows_of_a_suite_have_their_own_seeds_and_ready_suites_are_known_by_name(tmp_path):
    listed = tmp_path / "rows.yaml"
    listed.write_text("rows: [{family: cut_in, seeds: [4, 7]}, {family: jaywalker}]")
    assert worlds_of(listed, 3) == (("family:cut_in", (4, 7)), ("family:jaywalker", (1, 2, 3)))
    ready = worlds_of(Path("families"), 1)
    assert len(ready) >= 28
    assert all(spec.startswith("family:") and len(seeds) == 20 for spec, seeds in ready)


def test_a_suite_of_routes_tells_the_driving_score(tmp_path):
    routes = tmp_path / "routes.xml"
    routes.write_text(f"<routes>{ROUTE.format('3')}{ROUTE.format('b')}</routes>")
    found, code = evaluate(
        routes, "rules", 1, 2, tmp_path / "out", route_drive, Config(), {}, QUIET
    )
    assert code == 0
    assert [s["name"] for s in found["scenes"]] == ["routes-3-seed1", "routes-b-seed1"]
    assert [s["metrics"]["carla_driving_score"] for s in found["scenes"]] == pytest.approx(
        [50.0, 30.0], abs=0.1
    )
    numbers = found["summary"]
    assert numbers["carla_driving_score"] == pytest.approx(40.0, abs=0.1)
    assert numbers["carla_km"] == pytest.approx(0.48, abs=0.01)
    assert numbers["carla_vehicle_per_km"] == pytest.approx(1 / 0.48, abs=0.1)
    console = Console(width=160, file=io.StringIO())
    console.print(summary_table(found))
    said = console.file.getvalue()
    assert "2 routes, CARLA driving score" in said and "unfinished" in said
    assert "CARLA DS" in (tmp_path / "out/report.html").read_text()
    # a route that cannot be driven counts nothing
    broken = {"name": "r", "file": "routes.xml#9", "seed": 1, "verdict": "error", "error": "no"}
    again = summarise("rules", [*found["scenes"], broken], {})["summary"]
    assert again["carla_driving_score"] == pytest.approx(80.0 / 3, abs=0.1)


@pytest.mark.parametrize("text", ["", "scenes: []", "scenes: 3", "{", "scenes: [1]"])
def test_a_suite_that_is_none_says_so_in_one_line(tmp_path, text):
    (tmp_path / "empty").mkdir()
    (tmp_path / "suite.yaml").write_text(text)
    for path in (tmp_path / "suite.yaml", tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(SuiteError) as error:
            scenes_of(path)
        assert "\n" not in str(error.value)


def test_shares_count_cycles_and_latencies_are_pooled():
    def result(cycles, share, ms):
        numbers = dict.fromkeys(
            ("pdms", "route_completion", "no_at_fault_collisions", "drivable_area_compliance",
             "driving_direction_compliance", "traffic_light_compliance", "ego_progress",
             "time_to_collision_within_bound", "comfort"), 1.0,
        )  # fmt: skip
        counts = dict.fromkeys(("at_fault_collisions", "red_lights_run", "interventions"), 0)
        shares = dict.fromkeys(
            ("consistency_longitudinal", "consistency_lateral", "contradiction", "grounding",
             "grounding_scene", "grounding_truth"), share,
        )  # fmt: skip
        metrics = numbers | counts | shares | {"cycles": cycles, "goal_reached": None}
        return {"name": "x", "verdict": "passed", "metrics": metrics, "decision_ms": ms}

    s = summarise(
        "rules", [result(100, 1.0, [1.0] * 99), result(300, 0.0, [9.0]), result(0, None, [])], {}
    )
    assert s["summary"]["grounding"] == pytest.approx(0.25)
    assert s["summary"]["latency_p50_ms"] == 1.0
    assert 1.0 < s["summary"]["latency_p99_ms"] < 9.0
