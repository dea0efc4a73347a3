"""What passing a family takes, and how results are told."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from whyway.config import Config
from whyway.drives import drive
from whyway.evaluate.drive import read_drive
from whyway.evaluate.score import score
from whyway.evaluate.suites.family_table import (
    family_entry,
    family_result,
    family_summary,
    family_table,
)
from whyway.log import read_log


@pytest.fixture(scope="module")
def stop_sign(tmp_path_factory: pytest.TempPathFactory):
    """A log of somebody who minds no stop sign: log, score, drive."""
    path = tmp_path_factory.mktemp("family") / "drive.mcap"
    drive("family:stop_sign", "constant_velocity", 1, Config(), path, duration_s=12.0)
    log = read_log(path)
    return log, score(log), read_drive(log)


def test_a_drive_past_a_stop_sign_and_into_somebody_has_failed_and_says_why(stop_sign) -> None:
    found = family_result(*stop_sign)
    assert found is not None and not found.passed and found.family == "stop_sign"
    assert "did not stop at the stop sign" in found.reason and "goal not reached" in found.reason
    assert "ran into from_" in found.reason, "the actor is called by its part"


def test_one_who_stands_before_the_line_has_stopped(stop_sign) -> None:
    log, judged, driven = stop_sign
    (s, _line) = driven.road.route_path.stop_lines[0]
    front = driven.route_s_m + driven.center_offset_m + driven.length_m / 2
    stands = np.where((front > s - 6.0) & (front < s), 0.0, driven.v_mps)
    found = family_result(log, judged, replace(driven, v_mps=stands))
    assert found is not None and "stop sign" not in found.reason


def test_too_fast_for_half_a_second_is_no_fault_but_longer_is(stop_sign) -> None:
    log, judged, driven = stop_sign
    notes = {**log.info["notes"], "passes": "limit_slack_mps=1"}
    log = replace(log, info={**log.info, "notes": notes})
    limit = driven.road.route_path.limit_at(driven.route_s_m)
    for instants, fault in ((5, False), (12, True)):
        v = np.where(np.arange(driven.count) < instants, limit + 3.0, limit)
        found = family_result(log, judged, replace(driven, v_mps=v))
        assert found is not None
        assert ("2.0 m/s above the limit" in found.reason) == fault


def test_a_drive_elsewhere_is_of_no_family(stop_sign) -> None:
    log, judged, driven = stop_sign
    log = replace(log, info={**log.info, "notes": {}})
    assert family_result(log, judged, driven) is None and family_entry(log, judged, driven) == {}


RESULTS = [
    {"seed": 1, "file": "family:cut_in", "family": "cut_in", "family_passed": True, "family_reason": ""},
    {"seed": 2, "file": "family:cut_in", "family": "cut_in", "family_passed": False,
     "family_reason": "ran into cutter at 4.1 s"},
    {"seed": 3, "file": "family:cut_in", "family": "cut_in", "family_passed": False,
     "family_reason": "ran into cutter at 5.3 s"},
    {"seed": 1, "file": "family:jaywalker@Town01.xodr", "error": "InputError: no place"},
    {"seed": 1, "file": "some/scene.xml"},
]  # fmt: skip


def test_the_table_counts_by_family_and_puts_like_failures_together() -> None:
    summary = family_summary(RESULTS)
    assert (summary["family_drives"], summary["family_passed"]) == (4, 1)
    assert summary["families"] == {"cut_in": pytest.approx(0.3333), "jaywalker": 0.0}
    assert summary["family_worst"] == "jaywalker"
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(family_table(RESULTS))
    text = console.export_text()
    assert "ran into cutter: 2, 3" in text and "1/3" in text and "no place: 1" in text


def test_without_families_there_is_no_table() -> None:
    assert family_table(RESULTS[-1:]) is None and family_summary(RESULTS[-1:]) == {}
