"""One driver against another, or new code against old: paired over the same drives, and honest where nothing is shown."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_drives import Made, Other, a_plan, a_scene, a_trace, straight
from test_suite import QUIET, here, printed

from whyway.evaluate.suites.compare import Baseline, compared, earlier_run
from whyway.evaluate.suites.run import Order, evaluate
from whyway.evaluate.suites.schema import SuiteError
from whyway.evaluate.suites.summary import summarise

EGO = straight(20.0, 10.0)


def drive(scene, driver, seed, config, log_path, duration_s=None):
    """Stands for two drivers: idm runs into whoever stands in a scene that says so, rules does not."""
    hit = Path(scene).read_text() == "hard" and driver == "idm"
    made = Made(log_path.parent / f"{log_path.stem}-made")
    made.folder.mkdir(exist_ok=True)
    made.drive(
        EGO, *((Other(straight(50.0, 0.0)),) if hit else ()), duration_s=4.0, driver=driver, seed=seed, world=scene,
        say=lambda t: a_trace(t, EGO), plan=lambda t: a_plan(t, EGO), scene=lambda t: a_scene(t, EGO),
    )  # fmt: skip
    (made.folder / "0.mcap").rename(log_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six scenes that a driver can fail, two that none does."""
    found = tmp_path_factory.mktemp("suite") / "scenes"
    found.mkdir()
    for i in range(8):
        (found / f"s{i}.xml").write_text("hard" if i < 6 else "easy")
    return found


@pytest.fixture(scope="module")
def both(folder):
    """The suite driven by rules, with idm as its baseline."""
    out = folder.parent / "both"
    return (*evaluate(Order(folder, out, drive, "rules", "idm"), here, QUIET), out)


def test_both_drivers_drive_the_same_in_one_run(both):
    summary, code, out = both
    assert code == 0 and summary == json.loads((out / "summary.json").read_text())
    assert (summary["driver"], summary["baseline"]["driver"]) == ("rules", "idm")
    assert summary["baseline"]["source"] == "this run"
    assert summary["drives"] == {"wanted": 16, "done": 16}
    theirs = summary["baseline"]["scenes"]
    assert [s["name"] for s in summary["scenes"]] == [s["name"] for s in theirs]
    for driver, scenes in (("rules", summary["scenes"]), ("idm", theirs)):
        for s in scenes:
            assert s["log"] == f"{driver}/logs/{s['name']}.mcap"
            assert (out / s["log"]).is_file() and (out / s["report"]).is_file()
    assert [s["verdict"] == "passed" for s in theirs] == [False] * 6 + [True] * 2


def test_differences_are_those_of_the_two_summaries_and_have_verdicts(both):
    summary, _, _ = both
    ours, theirs = summary["summary"], summary["baseline"]["summary"]
    for name in ("pdms", "at_fault_collisions", "route_completion", "grounding", "latency_p99_ms"):
        d = summary["differences"][name]
        assert d["mean"] == pytest.approx(ours[name] - theirs[name], abs=1e-5)
        assert (d["ours"], d["theirs"]) == pytest.approx((ours[name], theirs[name]))
        assert d["low"] <= d["mean"] + 1e-9 and d["mean"] - 1e-9 <= d["high"]
        assert d["pairs"] == 8
    assert summary["differences"]["at_fault_collisions"]["verdict"] == "better"
    assert summary["differences"]["pass_rate"]["verdict"] == "better"
    assert summary["differences"]["grounding"]["verdict"] == "no difference shown"
    assert summary["verdict"] == "better"
    words = summary["overall"]
    assert words.startswith(
        "rules: 8 of 8 drives passed. Against idm over the same 8 drives: better."
    )
    assert "pass rate" in words and "No difference shown in the other" in words


def test_an_earlier_run_is_a_baseline_and_the_same_again_shows_no_difference(folder, both, tmp_path):  # fmt: skip
    _, _, out = both
    again, code = evaluate(
        Order(folder, tmp_path / "again", drive, "rules", str(out / "rules")), here, QUIET
    )
    assert code == 0
    assert again["baseline"]["source"] == str(out / "rules")
    assert again["verdict"] == "no difference shown"
    skip = ("cpu", "wall", "peak_rss")
    timed = {n for n in again["differences"] if n.startswith(skip)}
    said = {n: d["verdict"] for n, d in again["differences"].items() if n not in timed}
    assert set(said.values()) == {"no difference shown"}
    assert again["differences"]["latency_p50_ms"]["pairs"] == 8, "times come from the scores' files"
    for s in again["baseline"]["scenes"]:
        assert (tmp_path / "again" / s["log"]).resolve().is_file()
    # the whole earlier run, whose judged driver is compared with
    other, _ = evaluate(
        Order(folder, tmp_path / "again", drive, "idm", str(out / "summary.json")), here, QUIET
    )
    assert other["baseline"]["driver"] == "rules" and other["verdict"] == "worse"


def test_the_table_fits_120_columns_and_shows_failures_first(both):
    summary, _, _ = both
    turned = compared(
        summarise("constant_velocity", summary["baseline"]["scenes"], {}), summary["baseline"]["scenes"],
        Baseline("rules", "this run", tuple(summary["scenes"]), summary["summary"], {}),
    )  # fmt: skip
    text = printed(turned, width=120)
    assert max(map(len, text.splitlines())) <= 120
    narrow = printed(turned, width=80)
    assert max(map(len, narrow.splitlines())) <= 80
    for told in (text, narrow):
        assert "…" not in re.sub(r"\S+ … \S+", "", told), "nothing is cut off"
    order = ["6 of 8 drives failed", "ran into actor", "constant_velocity on 8 drives, against rules", "difference", "worse"]  # fmt: skip
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert "Worse in pass rate" in text


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        ("ruels", "no driver (rules"), ("rules", "is who drives"), ("{out}", "choose another --out"),
        ("{empty}", "no driver and no earlier run"), ("{broken}", "no driver and no earlier run"),
    ],
)  # fmt: skip
def test_a_baseline_that_is_none_is_one_line_before_anything_is_driven(folder, tmp_path, baseline, says):  # fmt: skip
    out = tmp_path / "out"
    for name, text in (("out", "{}"), ("broken", '{"scenes": [3], "summary": {}, "driver": "x"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(text)
    (tmp_path / "empty").mkdir()
    places = {n: str(tmp_path / n) for n in ("out", "empty", "broken")}
    with pytest.raises(SuiteError) as error:
        evaluate(Order(folder, out, drive, "rules", baseline.format(**places)), here, QUIET)
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not (out / "logs").exists()


def test_the_suites_second_driver_is_the_baseline_of_its_first(folder, tmp_path):
    listed = folder.parent / "two.yaml"
    listed.write_text("drivers: [idm, rules]\nrows: [{folder: scenes}]")
    found, _ = evaluate(Order(listed, tmp_path / "out", drive), here, QUIET)
    assert (found["driver"], found["baseline"]["driver"]) == ("idm", "rules")
    assert found["verdict"] == "worse"
    alone, _ = evaluate(Order(listed, tmp_path / "alone", drive, driver="rules"), here, QUIET)
    assert alone["baseline"] is None and alone["differences"] == {} and alone["verdict"] is None


def results(driver, values, **more):
    return [
        {"name": f"s{i}", "file": f"s{i}.xml", "seed": 1, "verdict": "passed", "metrics": {"pdms": float(v), **more}, "decision_ms": []}
        for i, v in enumerate(values)
    ]  # fmt: skip


def against(ours, theirs):
    baseline = Baseline("old", "this run", tuple(theirs), summarise("old", theirs, {})["summary"], {})  # fmt: skip
    return compared(summarise("new", ours, {}), ours, baseline)


def test_drives_that_only_one_has_are_left_out_and_an_error_counts_nothing():
    ours, theirs = results("new", [0.9] * 10), results("old", [0.5] * 8)
    ours[0] = {"name": "s0", "file": "s0.xml", "seed": 1, "verdict": "error", "error": "crashed"}
    found = against(ours, theirs)["differences"]["pdms"]
    assert found["pairs"] == 8
    assert found["ours"] == pytest.approx(0.9 * 7 / 8) and found["theirs"] == 0.5
    nothing = against(ours, [{**r, "name": "other"} for r in theirs])
    assert nothing["differences"] == {} and nothing["verdict"] == "no difference shown"
    assert "Nothing to compare with old" in nothing["overall"]


def test_a_scene_that_has_changed_since_is_no_pair():
    ours, theirs = results("new", [0.9] * 9), results("old", [0.5] * 9)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        a["content"], b["content"] = "abc", "abc" if i else "def"
    found = against(ours, theirs)
    assert found["differences"]["pdms"]["pairs"] == 8
    assert "1 drive left out: its world's files are not what they were." in found["overall"]


def test_equal_drivers_are_seldom_called_different():
    rng = np.random.default_rng(21)
    verdicts = []
    for _ in range(120):
        scene = rng.uniform(0.2, 0.8, 20)
        ours, theirs = (results("x", np.clip(scene + rng.normal(0, 0.1, 20), 0, 1)) for _ in "ab")
        verdicts.append(against(ours, theirs)["differences"]["pdms"]["verdict"])
    assert sum(v != "no difference shown" for v in verdicts) <= 14  # 6 expected at 95 %


def test_a_mixed_result_is_called_mixed():
    good = results("new", [0.9] * 12, route_completion=0.4, at_fault_collisions=0)
    fast = results("old", [0.7] * 12, route_completion=0.9, at_fault_collisions=0)
    found = against(good, fast)
    assert found["verdict"] == "mixed"
    assert (
        "Better in PDMS." in found["overall"] and "Worse in route completion." in found["overall"]
    )


def test_an_earlier_runs_summary_may_come_from_anybody(tmp_path):
    for text in ("", "[]", "{}", '{"scenes": 3}', '{"scenes": [{}], "summary": {}, "driver": 1}', "[" * 99999, "NaN"):  # fmt: skip
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(SuiteError) as error:
            earlier_run(tmp_path, tmp_path / "out")
        assert "\n" not in str(error.value)
