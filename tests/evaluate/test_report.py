"""The report: one file that holds everything it must, needs no network and shows itself in a browser."""

import json
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_drives import (
    Other,
    a_citation,
    a_plan,
    a_scene,
    a_trace,
    a_verdict,
    ns,
    straight,
)
from rich.console import Console

from whyway.evaluate.drive import read_drive
from whyway.evaluate.instants import Instants
from whyway.evaluate.moments import box_gap, decisions, moments
from whyway.evaluate.report import player as replay
from whyway.evaluate.report.buttons import buttons
from whyway.evaluate.report.page import write_report
from whyway.evaluate.report.picture import picture_of
from whyway.evaluate.report.rows import DRIVING_ROWS, TRACE_ROWS, table
from whyway.evaluate.report.trace_data import Texts
from whyway.evaluate.score import score_drive
from whyway.types import Event, Fault, Longitudinal, SafetyState, Trace

EGO = straight(20.0, 8.0)
LEAD, BESIDE = Other(straight(42.0, 8.0), id=50), Other(straight(36.0, 6.0, y=3.5), id=51)
CHANGE_S, FAULT_S = 3.0, 5.0


@pytest.fixture
def log(made):
    def say(t):
        if t < CHANGE_S:
            return a_trace(t, EGO)
        return a_trace(t, EGO, Longitudinal.KEEP_DISTANCE, cited=(a_citation(LEAD, t),))

    def verdict(t):
        if FAULT_S <= t < 5.5:
            return a_verdict(t, SafetyState.MINIMAL_RISK, Fault.PLAN_STALE, "no plan for <0.4> s")
        return a_verdict(t, SafetyState.NOMINAL)

    return made.drive(
        EGO, LEAD, BESIDE,
        say=say, verdict=verdict,
        scene=lambda t: a_scene(t, EGO, LEAD, BESIDE), plan=lambda t: a_plan(t, EGO),
        events=(Event(ns(4.9), "supervisor", Fault.NODE_DIED, "planner: signal 9"),),
        name="a drive & more", git="abc123", config_hash="0123456789abcdef", versions={"whyway": "0.1"},
        notes={"town": "seed 1"},
    )  # fmt: skip


@pytest.fixture
def folder(log, tmp_path):
    write_report(log, tmp_path / "report")
    return tmp_path / "report"


def test_the_page_says_what_it_must(folder):
    page = (folder / "report.html").read_text()
    for text in (
        "a drive &amp; more", "abc123", "0123456789abcdef", "passed",
        "because of car 50 ahead",  # the sentence at an instant
        "resume speed \\u2192 keep distance",  # a moment to jump to
        "no plan for &lt;0.4&gt; s", "minimal risk", "plan stale",  # every safety intervention
        "planner: signal 9", "node died",  # events
        "perception", "reasoner", "planner", "control",  # latency by stage
    ):  # fmt: skip
        assert text in page, text
    for row in (*DRIVING_ROWS, *TRACE_ROWS):
        assert row.meaning in page
        assert f">{row.label}<" in page


def test_the_page_needs_nothing_else_and_is_small(folder):
    page = (folder / "report.html").read_text()
    page = page.replace('<link rel="icon" href="data:,">', "")  # else browsers ask for a favicon
    links = re.findall(r"""\b(?:src|href)\s*=\s*["']([^"']+)|url\(([^)]+)\)|@import""", page)
    assert not links
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {
        "https://github.com/leeoniya/uPlot"  # in its licence line
    }
    assert len(page) < 1_000_000
    assert "prefers-color-scheme:dark" in page
    assert sorted(p.name for p in folder.iterdir()) == ["report.html", "report.json"]


def test_the_players_numbers_are_the_drives(folder):
    page = (folder / "report.html").read_text()
    data = json.loads(re.search(r'class="drive-data">(.*?)</script>', page, re.S).group(1))
    assert len(data["frames"]) == 81
    assert data["frames"][10]["ego"][:2] == [800, 0]
    kinds = {o[0]: o[6] for o in data["frames"][40]["objects"]}
    assert kinds == {50: 2, 51: 0}, "the cited one is marked"
    assert data["texts"][data["frames"][40]["why"]].endswith("because of car 50 ahead")


def test_of_a_long_drive_fewer_instants_are_shown_and_nobody_far_away(made, monkeypatch):
    monkeypatch.setattr(replay, "MOST_FRAMES", 30)
    far, near = Other(straight(300.0, 0.0), id=60), Other(straight(60.0, 0.0), id=61)
    log = made.drive(straight(20.0, 5.0), far, near)
    data = replay.replay(read_drive(log), Instants(log), Texts())
    assert (data["every"], data["dt"], len(data["frames"])) == (3, pytest.approx(0.3), 27)
    assert data["frames"][10]["ego"][0] == pytest.approx(3.0 * 500, abs=1)
    assert {o[0] for f in data["frames"] for o in f["objects"]} == {61}


def test_the_json_is_of_the_agreed_form(folder):
    data = json.loads((folder / "report.json").read_text())
    assert {"driver", "world", "provenance", "scenes", "summary"} <= data.keys()
    assert data["provenance"] == {
        "git": "abc123", "config_hash": "0123456789abcdef", "seed": 1, "versions": {"whyway": "0.1"},
    }  # fmt: skip
    (scene,) = data["scenes"]
    assert {"name", "metrics", "verdict"} <= scene.keys()
    assert scene["metrics"]["pdms"] == data["summary"]["pdms"]


def test_moments_are_what_is_remarkable_in_time_order_and_apart(log):
    drive = read_drive(log)
    score = score_drive(log, drive)
    start_ns = int(drive.stamps_ns[0])
    all_of_them = moments(log, start_ns, drive, score.driving, score.faithfulness)
    found = buttons(all_of_them, drive)
    told = {round(drive.t_s[b.index], 1): b.text for b in found}
    assert told[CHANGE_S] == "resume speed → keep distance"
    assert told[FAULT_S] == "safety: minimal risk, no plan for <0.4> s"
    times = [drive.t_s[b.index] for b in found]
    assert times == sorted(times)
    assert np.diff(times).min() >= 0.99
    assert len(buttons(all_of_them, drive, most=2)) == 2


def test_a_decision_lasts_until_the_next_one(log):
    drive = read_drive(log)
    (a, b), (c, d) = ((x[0], x[1]) for x in decisions(log.of(Trace), int(drive.stamps_ns[0])))
    assert (a, b, c, d) == pytest.approx((0.0, CHANGE_S, CHANGE_S, 8.0))


def test_a_decision_does_not_outlive_the_one_who_decides(made):
    log = made.drive(EGO, say=lambda t: None if 2.0 < t < 4.0 else a_trace(t, EGO))
    stretches = [(a, b) for a, b, _ in decisions(log.of(Trace), 0)]
    assert stretches == [pytest.approx((0.0, 2.0)), pytest.approx((4.0, 8.0))]


def test_the_gap_is_from_box_to_box(log):
    drive = read_drive(log)
    gap = box_gap(drive)
    assert gap[0] == pytest.approx(math.hypot(36.0 - 20.0 - 4.5, 3.5 - 1.8))
    assert gap.min() == pytest.approx(3.5 - 1.8), "beside us"


def test_a_picture_marks_who_is_cited_and_stands_alone(log):
    root = ET.fromstring(picture_of(log, 4.0))
    kinds = [e.get("class", "") for e in root.iter()]
    assert kinds.count("cause") == 1
    assert kinds.count("other") == 1
    assert kinds.count("ego") == 1
    assert {"route", "road", "plan", "driven"} <= set(kinds)
    text = "".join(root.itertext())
    assert text.count("car 50 ahead") == 2, "on the car, and in the caption"


def test_a_drive_without_traces_has_a_report_too(made, tmp_path):
    score = write_report(made.drive(EGO, BESIDE, duration_s=2.0), tmp_path / "bare")
    assert score.passed
    assert "no trace at this instant" in (tmp_path / "bare" / "report.html").read_text()


def test_the_terminal_table_has_the_same_numbers(log):
    drive = read_drive(log)
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(table(score_drive(log, drive)))
    text = console.export_text()
    for word in (
        "PDMS",
        "NC",
        "consistency, longitudinal",
        "latency, reasoner",
        "safety interventions",
    ):
        assert word in text
