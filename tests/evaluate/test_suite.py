"""Suites: nothing is dropped, nothing is driven twice, and the exit code tells."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))  # also in the processes a suite starts

from made_drives import Made, Other, a_plan, a_scene, a_trace, straight

from whyway.config import Config, load
from whyway.evaluate.suites.job import DIED, drive_and_judge
from whyway.evaluate.suites.run import Order, evaluate
from whyway.evaluate.suites.summary import summarise
from whyway.evaluate.suites.table import suite_table

EGO = straight(20.0, 10.0)
QUIET = Console(quiet=True)


def drive(scene, driver, seed, config, log_path, duration_s=None):
    """Stands for a driver in a world: what a scene's file says is what happens."""
    text = Path(scene).read_text()
    with (log_path.parent / "driven.txt").open("a") as record:
        record.write(f"{Path(scene).name} {seed}\n")
    if text == "crash":
        raise RuntimeError(f"{scene}: cannot go on")
    if text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if Path(scene).name == os.environ.get("MADE_DRIVE_NEVER_ENDS"):
        time.sleep(600.0)
    (log_path.parent / "threads.txt").write_text(os.environ.get("OMP_NUM_THREADS", "any"))
    others = (Other(straight(60.0, 0.0)),) if text == "collide" else ()
    made = Made(log_path.parent / f"{log_path.stem}-made")
    made.folder.mkdir(exist_ok=True)
    made.drive(
        EGO, *others, duration_s=duration_s or 5.0, driver=driver, seed=seed, world=scene,
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


def here(jobs):
    """A pool that is no pool: every job in this process, which spares the start of another."""
    for job in jobs:
        try:
            yield job, drive_and_judge(job)
        except RuntimeError as error:
            yield job, error


def run(suite, out, seeds=1, pool=here, config=None, **more):
    order = Order(
        suite, out, drive, seeds=seeds, config=config or Config(), provenance={"git": "abc"}, **more
    )
    return evaluate(order, pool, QUIET)


def driven(out):
    return sorted((out / "logs" / "driven.txt").read_text().split("\n")[:-1])


def test_a_suite_is_judged_resumed_and_told(suite, tmp_path):
    out = tmp_path / "out"
    summary, code = run(suite, out, pool=2)
    assert code == 0
    assert summary == json.loads((out / "summary.json").read_text())
    assert (summary["driver"], summary["state"], summary["schema"]) == ("microgpt", "complete", 2)
    assert summary["drives"] == {"wanted": 2, "done": 2}
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
        assert scene["name"] in page
        assert (out / scene["report"]).is_file() and (out / scene["log"]).is_file()
    assert sorted(p.name for p in (out / "logs").glob("*.mcap")) == [
        "deeper__hit-seed1.mcap",
        "fine-seed1.mcap",
    ]

    if "OMP_NUM_THREADS" not in os.environ:
        assert (out / "logs" / "threads.txt").read_text() == "1", "a core for each process"

    # what is known is not driven again; what is new, or lost in a kill, is
    (out / "scores" / "fine-seed1.json").unlink()
    again, _ = run(suite, out, seeds=2)
    assert driven(out) == sorted(
        ["fine.xml 1", "hit.xml.gz 1", "fine.xml 1", "fine.xml 2", "hit.xml.gz 2"]
    )
    assert again["summary"]["scenes"] == 4
    assert "ran into actor 50" in printed(again)


def printed(summary, width=120):
    console = Console(width=width, file=io.StringIO())
    console.print(suite_table(summary, width))
    return console.file.getvalue()


def test_another_scene_file_dial_or_length_is_driven_anew(suite, tmp_path):
    out = tmp_path / "out"
    (suite / "deeper" / "hit.xml.gz").unlink()
    run(suite, out)
    (suite / "fine.xml").write_text("finer")
    run(suite, out)
    run(suite, out, config=load(overrides=["sim.sensor.enabled=false"]))
    run(suite, out, overrides=["sim.sensor.enabled=false"])  # the same another way
    assert driven(out) == ["fine.xml 1"] * 3
    listed = suite.parent / "suite.yaml"
    listed.write_text("rows: [{world: scenes/fine.xml, name: x, duration_s: 3}]")
    run(listed, out)
    listed.write_text("rows: [{world: scenes/fine.xml, name: x, duration_s: 4}]")
    found, _ = run(listed, out)
    assert len(driven(out)) == 5
    assert found["scenes"][0]["metrics"]["duration_s"] == pytest.approx(4.0, abs=0.11)


def test_dials_of_a_row_lie_over_the_suites_and_the_command_lines_over_both(suite, tmp_path):
    listed = tmp_path / "suite.yaml"
    listed.write_text(
        "set: {sim.sensor.range_m: 50, sim.sensor.latency_s: 0.3}\n"
        "rows: [{world: scenes/fine.xml, set: {sim.sensor.range_m: 60, safety.reaction_s: 0.5}}]"
    )
    from whyway.evaluate.suites.run import _state

    order = Order(listed, tmp_path / "out", drive, overrides=["safety.reaction_s=0.7"])
    (job,) = _state(order).jobs
    sensor = job.config.sim.sensor
    assert (sensor.range_m, sensor.latency_s) == (60.0, 0.3)
    assert job.config.safety.reaction_s == 0.7


def test_a_scene_that_crashes_or_dies_is_an_error_and_the_rest_is_judged(suite, tmp_path):
    (suite / "bad.xml").write_text("crash")
    (suite / "gone.xml").write_text("die")
    out = tmp_path / "out"
    summary, code = run(suite, out, pool=2)
    assert code == 1
    errors = {x["name"]: x["error"] for x in summary["scenes"] if "error" in x}
    assert errors.keys() == {"bad-seed1", "gone-seed1"}
    assert errors["gone-seed1"] == DIED
    assert errors["bad-seed1"].startswith("RuntimeError:")
    assert "cannot go on" in (out / "scenes" / "bad-seed1.error.txt").read_text()
    s = summary["summary"]
    assert (s["scenes"], s["errors"]) == (4, 2)
    assert s["pdms"] == pytest.approx(0.25, abs=0.01), "what does not run does not drive"
    assert s["intervals"]["pdms"][0] == 0.0
    text = printed(summary)
    assert text.index("cannot go on") < text.index("ran into actor") < text.index("95 % interval")


PROGRAM = """
import sys
sys.path[:0] = {paths!r}
from test_suite import drive, evaluate, Order, QUIET
from pathlib import Path
if __name__ == "__main__":
    evaluate(Order(Path({suite!r}), Path({out!r}), drive, seeds=2), 2, QUIET)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, how):
    folder, out = tmp_path / "scenes", tmp_path / "out"
    folder.mkdir()
    for i in range(4):
        (folder / f"s{i}.xml").write_text("fine")
    program = tmp_path / "program.py"
    paths = [str(Path(__file__).parent)]
    program.write_text(PROGRAM.format(paths=paths, suite=str(folder), out=str(out)))
    endless = os.environ | {
        "MADE_DRIVE_NEVER_ENDS": "s3.xml"
    }  # so it is under way when it is killed
    # a shell that starts us in the background has Ctrl-C ignored, and who inherits that never hears it
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen(
        [sys.executable, str(program)], stderr=subprocess.DEVNULL, env=endless, preexec_fn=heard
    )
    try:
        deadline = time.monotonic() + 60.0
        while len(list((out / "scores").glob("*.json"))) < 3 and time.monotonic() < deadline:
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        child.send_signal(how)
        child.wait(timeout=80)
    finally:
        child.kill()
    time.sleep(0.5)  # its workers end with it
    judged = {p.stem: json.loads(p.read_text()) for p in (out / "scores").glob("*.json")}
    assert 3 <= len(judged) < 8
    if how == signal.SIGINT:
        summary = json.loads((out / "summary.json").read_text())
        assert summary["state"] == "interrupted"
        assert 3 <= summary["drives"]["done"] < summary["drives"]["wanted"] == 8
        assert "interrupted" in printed(summary)

    before = driven(out)
    whole, code = run(folder, out, seeds=2)
    assert code == 0 and whole["state"] == "complete" and whole["summary"]["scenes"] == 8
    begun = [f"{x['file'].rpartition('/')[2]} {x['seed']}" for x in judged.values()]
    added = driven(out)
    for entry in before:
        added.remove(entry)
    assert not set(begun) & set(added), "what was judged is not driven again"
    fresh, _ = run(folder, tmp_path / "fresh", seeds=2)
    strip = ("wall_s", "cpu_s", "peak_rss_mib")
    for a, b in zip(whole["scenes"], fresh["scenes"], strict=True):
        assert a["name"] == b["name"]
        for name, value in a["metrics"].items():
            assert name in strip or value == b["metrics"][name]


INTERRUPTED = """
from whyway.evaluate.suites import run
seen, really = [], run.result_of
def result_of(job, outcome):
    seen.append(job)
    if len(seen) == 3:
        raise KeyboardInterrupt
    return really(job, outcome)
run.result_of = result_of
"""


def test_an_interruption_between_two_results_ends_the_drives_under_way(tmp_path):
    folder, out = tmp_path / "scenes", tmp_path / "out"
    folder.mkdir()
    for i in range(4):
        (folder / f"s{i}.xml").write_text("fine")
    program = tmp_path / "program.py"
    text = PROGRAM.format(paths=[str(Path(__file__).parent)], suite=str(folder), out=str(out))
    head, main, rest = text.partition("if __name__")
    indented = INTERRUPTED.replace("\n", "\n    ")
    program.write_text(f'{head}if __name__ == "__main__":{indented}\n{main}{rest}')
    endless = os.environ | {"MADE_DRIVE_NEVER_ENDS": "s2.xml"}
    command = [sys.executable, str(program)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=endless, timeout=60, check=False)  # fmt: skip
    assert "KeyboardInterrupt" in done.stderr
    assert json.loads((out / "summary.json").read_text())["state"] == "interrupted"


def test_what_a_suite_asks_for_decides_the_exit_code(suite, tmp_path):
    listed = tmp_path / "suite.yaml"
    for ask, code in (("{max: 1}", 0), ("{max: 0}", 1)):
        listed.write_text(
            f"asks: {{at_fault_collisions: {ask}}}\nrows: [{{folder: scenes}}]\nname: Two"
        )
        summary, found = run(listed, tmp_path / "out")
        assert found == code
        assert [(a["value"], a["met"]) for a in summary["asks"]] == [(1, code == 0)]
        assert summary["suite"]["name"] == "Two"
        assert ("not met" in printed(summary)) == bool(code)
    listed.write_text("asks: {at_fault_colisions: {max: 5}}\nscenes: scenes/fine.xml")
    summary, found = run(listed, tmp_path / "out")
    assert found == 1 and "no such number" in printed(summary)


ROUTE = '<route id="{}" town="T"><waypoint x="0" y="0" z="0"/><waypoint x="1" y="0" z="0"/></route>'


def route_drive(scene, driver, seed, config, log_path, duration_s=None):
    """Stands for a driver on a route of 480 m: half of it, without a fault if its id is 3, through a car otherwise."""
    made = Made(log_path.parent / f"{log_path.stem}-made")
    made.folder.mkdir(exist_ok=True)
    others = () if scene.endswith("#3") else (Other(straight(60.0, 0.0)),)
    notes = {"route": scene}
    made.drive(EGO, *others, duration_s=24.0, driver=driver, seed=seed, world=scene, notes=notes)
    (made.folder / "0.mcap").rename(log_path)


def test_a_suite_of_routes_tells_the_driving_score(tmp_path):
    routes = tmp_path / "routes.xml"
    routes.write_text(f"<routes>{ROUTE.format('3')}{ROUTE.format('b')}</routes>")
    found, code = evaluate(Order(routes, tmp_path / "out", route_drive), here, QUIET)
    assert code == 0
    assert [s["name"] for s in found["scenes"]] == ["routes-3-seed1", "routes-b-seed1"]
    assert [s["metrics"]["carla_driving_score"] for s in found["scenes"]] == pytest.approx(
        [50.0, 30.0], abs=0.1
    )
    numbers = found["summary"]
    assert numbers["carla_driving_score"] == pytest.approx(40.0, abs=0.1)
    assert numbers["carla_km"] == pytest.approx(0.48, abs=0.01)
    assert numbers["carla_vehicle_per_km"] == pytest.approx(1 / 0.48, abs=0.1)
    low, high = numbers["intervals"]["carla_driving_score"]
    assert (low, high) == pytest.approx((30.0, 50.0), abs=0.1)
    said = printed(found, width=160)
    assert "2 routes, CARLA driving score" in said and "unfinished" in said
    # a route that cannot be driven counts nothing
    broken = {"name": "r", "file": "routes.xml#9", "seed": 1, "verdict": "error", "error": "no"}
    again = summarise("rules", [*found["scenes"], broken], {})["summary"]
    assert again["carla_driving_score"] == pytest.approx(80.0 / 3, abs=0.1)


def result(name="x", file="x", verdict="passed", ms=(), **metrics):
    return {"name": name, "file": file, "seed": 1, "verdict": verdict, "metrics": metrics, "decision_ms": list(ms)}  # fmt: skip


def test_shares_count_cycles_and_latencies_are_pooled():
    scenes = [
        result("a", "a", grounding=1.0, cycles=100, ms=[1.0] * 99),
        result("b", "b", grounding=0.0, cycles=300, ms=[9.0]),
        result("c", "c", grounding=None, cycles=0),
    ]
    s = summarise("rules", scenes, {})["summary"]
    assert s["grounding"] == pytest.approx(0.25)
    assert s["latency_p50_ms"] == 1.0
    assert 1.0 < s["latency_p99_ms"] < 9.0
    assert s["intervals"]["grounding"] == [0.0, 1.0]
    assert s["intervals"]["latency_p99_ms"][1] is None, "a hundred cycles do not bound a p99"


def test_every_number_of_a_drive_is_summed_up_with_an_interval_whoever_made_it():
    drives = [result(f"d{i}", f"d{i}", new_metric=float(i), works=i > 1, said="text") for i in range(4)]  # fmt: skip
    s = summarise("rules", drives, {})["summary"]
    assert s["new_metric"] == 1.5 and s["works"] == 0.5
    low, high = s["intervals"]["new_metric"]
    assert 0.0 <= low < 1.5 < high <= 3.0
    assert "said" not in s


def test_what_never_happened_is_not_excluded():
    drives = [result(f"d{i}", f"d{i}", at_fault_collisions=0, red_lights_run=0) for i in range(20)]
    intervals = summarise("rules", drives, {})["summary"]["intervals"]
    assert intervals["pass_rate"] == [pytest.approx(0.8316, abs=1e-3), 1.0]
    assert intervals["at_fault_collisions"] == [0.0, pytest.approx(3.37, abs=0.01)]


def test_drives_of_one_scene_are_one_and_seeds_of_a_family_are_many():
    ten = [result(f"s{i}", "scene.xml", pdms=float(i)) for i in range(10)]
    assert summarise("rules", ten, {})["summary"]["intervals"]["pdms"] == [None, None]
    family = [result(f"f{i}", "family:cut_in", pdms=float(i)) for i in range(10)]
    found = summarise("rules", family, {})
    assert None not in found["summary"]["intervals"]["pdms"]
    assert {x["stratum"] for x in found["scenes"]} == {"family:cut_in"}
    assert len({x["scene"] for x in found["scenes"]}) == 10


def test_a_suite_in_which_nothing_ran_still_has_a_summary(suite, tmp_path):
    for name in ("fine.xml", "deeper/hit.xml.gz"):
        (suite / name).write_text("crash")
    summary, code = run(suite, tmp_path / "out")
    assert code == 1 and summary["summary"]["errors"] == 2 and summary["summary"]["pdms"] == 0.0
    assert (tmp_path / "out" / "report.html").is_file()
    assert "0 of 2 drives passed, 2 did not run" in printed(summary)
