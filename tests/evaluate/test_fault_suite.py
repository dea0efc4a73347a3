"""The suite of faults: what it drives, what it promises, that it catches who breaks a promise, and how it says so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from whyway.cli import NO, OK, WRONG_INPUT, main
from whyway.config import Config, override
from whyway.evaluate.faults import promise, read_suite
from whyway.evaluate.faults.judge import Result
from whyway.evaluate.faults.picture import picture
from whyway.evaluate.faults.promise import ENVELOPE
from whyway.evaluate.faults.run import run
from whyway.evaluate.faults.suite import FaultSuite, FaultSuiteError, Scene
from whyway.evaluate.faults.summary import Row, caused, summarise
from whyway.evaluate.faults.table import lines, markdown
from whyway.types import InputError
from whyway.worlds.faults import FAULTS, parse

CONFIG = Config()
SMALL = """
from_s: 2
worlds: [{world: "family:sharp_curve", duration_s: 8}]
faults: [{fault: "freeze:odometry", values: [60]}, {fault: "clock:step", values: [10]}]
"""


def suite_file(folder: Path, text: str = SMALL) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


# --------------------------------------------------------------------------------------------------------- reading


def test_a_suite_is_every_world_and_seed_and_every_severity(tmp_path):
    text = """
    from_s: 4
    worlds: [{world: town, seeds: 2, duration_s: 5}, {world: "family:cut_in", seeds: [7]}]
    faults:
      - {fault: "late:all", values: [0.1, 0.2]}
      - {fault: "drop:lights", values: [1], from_s: 1, for_s: 2}
    """
    suite = read_suite(suite_file(tmp_path, text))
    assert suite.scenes == (Scene("town", 1, 5.0), Scene("town", 2, 5.0), Scene("family:cut_in", 7, None))  # fmt: skip
    assert [str(f) for f in suite.faults] == ["late:all=0.1@4", "late:all=0.2@4", "drop:lights=1@1-3"]  # fmt: skip
    assert [str(f) for f in suite.chosen(("drop",), 1).faults] == ["drop:lights=1@1-3"]
    with pytest.raises(FaultSuiteError, match="no such fault"):
        suite.chosen(("melt",), None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2", "not readable"),
        ("[]", "expected keys and values"),
        ("{worlds: [{world: town}]}", "faults"),
        ("{worlds: [], faults: []}", "worlds"),
        ("{worlds: [{world: 3}], faults: [{}]}", r"worlds\[1\]: world: expected a text, found 3"),
        ("{worlds: [{world: town, seeds: 0}], faults: [{}]}", "seeds"),
        ("{worlds: [{world: town, speed: 3}], faults: [{}]}", "unknown key 'speed'"),
        ("{worlds: [{world: town, duration_s: 0}], faults: [{}]}", "duration_s"),
        ("{worlds: [{world: town}], faults: [{fault: late}]}", "values"),
        ("{worlds: [{world: town}], faults: [{fault: 'late:all', values: [x]}]}", "expected a number, found 'x'"),
        ("{worlds: [{world: town}], faults: [{fault: 'late:all', values: []}]}", "names no severity"),
        ("{worlds: [{world: town}], faults: [{fault: 'lost:all', values: [1]}]}", "no fault 'lost'"),
        ("{worlds: [{world: town, seeds: 100000}], faults: [{fault: 'late:all', values: [1]}]}", "more than"),
    ],
)  # fmt: skip
def test_what_is_no_suite_is_refused_in_one_line(tmp_path, text, says):
    with pytest.raises(InputError, match=says) as caught:
        read_suite(suite_file(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_the_packages_suite_has_every_kind_of_fault_and_three_severities_of_most():
    suite = read_suite(None)
    assert {f.kind for f in suite.faults} == FAULTS.keys()
    assert len(suite.faults) > 60 and len({s.world for s in suite.scenes}) == len(suite.scenes) == 8
    assert {f.name for f in suite.faults} - ENVELOPE.keys() == {"miss:objects", "miss:pedestrian", "miss:front"}  # fmt: skip


# --------------------------------------------------------------------------------------------------------- promises


@pytest.mark.parametrize(
    ("text", "within_s"),
    [
        ("nan:odometry", 0.1), ("nan:odometry=0.5", None), ("freeze:odometry=0.2", None), ("freeze:odometry=1", 0.35),
        ("late:odometry=0.2", None), ("late:odometry=0.3", 0.35), ("drop:all", 0.4), ("freeze:all=60", 0.4), ("drop:all=0.5", None),
        ("clock:step=10", 0.1), ("clock:step=0.1", None), ("clock:step=-10", 0.4), ("clock:step=-0.2", None),
        ("slow:reasoner=2", None), ("slow:reasoner=3", 0.75), ("slow:reasoner=10", 0.85), ("jump:pose=0.3", None), ("jump:pose=-5", 0.1),
        ("drift:pose=0.2", None), ("drift:pose=1", 0.6), ("drift:heading=0.02", None), ("freeze:detections=60", 0.35),
        ("late:detections=5", None), ("miss:objects", None), ("freeze:lights=60", None), ("spoil:plan", 0.1),
    ],
)  # fmt: skip
def test_how_soon_a_fault_is_answered_follows_from_the_dials(text, within_s):
    assert promise(parse(text), CONFIG, 10.0).within_s == (None if within_s is None else pytest.approx(within_s))  # fmt: skip


def test_a_looser_dial_is_a_later_promise_and_faster_is_a_longer_stop():
    loose = override(CONFIG, {"safety.odometry_timeout_s": 0.5})
    fault = parse("freeze:odometry=60")
    assert promise(fault, loose, 10.0).within_s == pytest.approx(0.6)
    slow, fast = (promise(fault, CONFIG, v).stands_within_s(v) for v in (7.0, 14.0))
    assert fast - slow == pytest.approx(2.0)


def test_a_late_pose_is_right_again_where_the_car_stands():
    late, frozen = (promise(parse(t), CONFIG, 10.0) for t in ("late:pose=1", "freeze:pose=60"))
    assert late.within_s == frozen.within_s and not late.lasts and frozen.lasts
    assert not promise(parse("clock:step=10"), CONFIG, 10.0).lasts


def test_what_makes_driving_impossible_may_never_harm():
    for fault in read_suite(None).faults:
        promised = promise(fault, CONFIG, 10.0)
        assert promised.harmless or promised.within_s is None
        assert promised.reason


# ------------------------------------------------------------------------------------------------------ the gate


def test_who_drives_on_blindly_is_caught_and_who_stops_is_not(tmp_path, capsys):
    argv = ["faults", "--suite", str(suite_file(tmp_path)), "--jobs", "1"]
    assert main([*argv, "--out", str(tmp_path / "safe")]) == OK
    assert "2 of 2 promises kept" in capsys.readouterr().out
    assert not list((tmp_path / "safe" / "logs").iterdir())

    assert main([*argv, "--out", str(tmp_path / "blind"), "--safety.enabled=false"]) == NO
    told = capsys.readouterr().out
    assert "BROKEN freeze:odometry=60@2 in family:sharp_curve 1: drives on at" in told
    assert "left the road" in told and "0 of 2 promises kept" in told
    assert "BROKEN clock:step=10@2 in family:sharp_curve 1: drives on at" in told
    logs = sorted(p.name for p in (tmp_path / "blind" / "logs").iterdir())
    assert len(logs) == 2 and "clock_step" in logs[0] and "freeze_odometry" in logs[1]
    summary = json.loads((tmp_path / "blind" / "faults.json").read_text())
    assert summary["points"][0]["harmed"] == summary["points"][0]["broken"] == 1


def test_what_was_driven_is_not_driven_again(tmp_path, monkeypatch):
    suite = FaultSuite((Scene("family:sharp_curve", 1, 3.0),), (parse("drop:lights@1"),))
    first = run(suite, "rules", CONFIG, tmp_path, 1, {})

    def never(*_):
        raise AssertionError("driven again")

    monkeypatch.setattr("whyway.evaluate.faults.run.drive_and_judge", never)
    (tmp_path / "results.jsonl").open("a").write('{"key": "cut o')
    assert run(suite, "rules", CONFIG, tmp_path, 1, {}) == first


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--only", "melt"), "no such fault"),
        (("--jobs", "0"), "at least 1"),
        (("--suite", "no/such.yaml"), "not readable"),
        (("--safety.nonsense=1",), "unknown key"),
        (("--driver", "nobody"), "choose one of"),
    ],
)
def test_wrong_input_is_one_line(capsys, tmp_path, argv, says):
    assert main(["faults", *argv, "--out", str(tmp_path / "out")]) == WRONG_INPUT
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line


def test_a_world_that_there_is_not_is_refused_before_anything_is_driven(tmp_path):
    suite = FaultSuite((Scene("family:nowhere", 1, None),), (parse("drop:all"),))
    with pytest.raises(InputError, match="nowhere"):
        run(suite, "rules", CONFIG, tmp_path, 1, {})


# ------------------------------------------------------------------------------------------------------ the summary

FINE = Result(0.9, 0, "", 0.0, None, None, "", True)
HIT = Result(0.0, 1, "ran into actor 3 at 5.0 s", 0.1, None, None, "", True)
LATE = Result(0.7, 0, "", 0.5, 2.0, 0.35, "drives on at 4.0 s", True)
SCENES = [Scene("town", seed, None) for seed in (1, 2)] + [Scene("family:cut_in", 1, None)]


def rows(*results, fault="jump:pose=5@3", without=(FINE, FINE, FINE)):
    found = [Row(s, None, r) for s, r in zip(SCENES, without, strict=True)]
    return found + [Row(s, parse(fault), r) for s, r in zip(SCENES, results, strict=True)]


def test_harm_is_caused_by_a_fault_only_where_there_is_none_without_it():
    assert caused(HIT, FINE) and not caused(HIT, HIT) and not caused(FINE, HIT)
    summary = summarise(rows(HIT, HIT, FINE, without=(FINE, HIT, FINE)), {})
    assert [b["scene"] for b in summary["broken"]] == ["town 1"]
    assert summary["points"][0]["harmed"] == 1 and summary["baseline"]["harmed"] == 1


def test_harm_that_nobody_promised_to_avoid_is_measured_and_breaks_nothing():
    hit = Result(0.0, 1, "ran into actor 3 at 5.0 s", 0.0, None, None, "", False)
    summary = summarise(rows(hit, hit, hit, fault="miss:objects=1@3"), {})
    assert summary["broken"] == [] and summary["points"][0]["harmed"] == 3
    assert summary["points"][0]["gated"] == 0 and "measured" in markdown(summary)


def test_a_late_answer_breaks_the_promise_without_any_harm():
    summary = summarise(rows(LATE, FINE, FINE), {})
    assert lines(summary) == ["BROKEN jump:pose=5@3 in town 1: drives on at 4.0 s", "2 of 3 promises kept"]  # fmt: skip
    point = summary["points"][0]
    assert (point["reacted_s"], point["within_s"]) == (2.0, 0.35)


def test_a_drive_that_could_not_be_driven_is_an_error_and_no_score():
    summary = summarise([*rows(FINE, FINE, FINE)[:-1], Row(SCENES[2], parse("jump:pose=5@3"), "error: boom")], {})  # fmt: skip
    assert summary["errors"] == [{"scene": "family:cut_in 1", "fault": "jump:pose=5@3", "error": "error: boom"}]  # fmt: skip
    assert summary["points"][0]["drives"] == 2 and lines(summary)[0].startswith(
        "ERROR jump:pose=5@3"
    )


def test_scores_come_with_intervals_over_scenes_and_the_page_is_whole():
    summary = summarise(rows(FINE, HIT, LATE), {"suite": "made"})
    p = summary["points"][0]["pdms"]
    assert p["low"] <= p["mean"] <= p["high"] and p["mean"] == pytest.approx(1.6 / 3)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    drawing = ElementTree.fromstring(picture(summary))
    assert "jump:pose [m]" in "".join(drawing.itertext())
    assert len(markdown(summary).splitlines()) == 3


def test_with_one_scene_nothing_is_known_of_others():
    one = summarise([Row(SCENES[0], None, FINE), Row(SCENES[0], parse("jump:pose=5@3"), LATE)], {})
    assert one["points"][0]["pdms"]["low"] is None and math.isfinite(one["points"][0]["pdms"]["mean"])  # fmt: skip
    ElementTree.fromstring(picture(one))
