"""The black box: what went wrong can be looked at afterwards, and watching costs neither memory without end nor a drive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway import black_box, topics
from whyway.black_box import AFTER_S, KEEP_S, MOST_FILES, REST_S, BlackBox
from whyway.log import read_log
from whyway.messages import to_cdr
from whyway.types import Command, Event, Fault, LaneMap, Route, SafetyState, Verdict

S = 1_000_000_000
INFO = {"driver": "rules", "config_hash": "0123"}


def verdict(at_ns: int, state: SafetyState = SafetyState.NOMINAL) -> Verdict:
    return Verdict(at_ns, state, Fault.NONE, "", 0, 0.0, 0.0)


def event(at_ns: int, fault: Fault = Fault.TRACE_CONTRADICTED) -> Event:
    return Event(at_ns, "planner", fault, "says STOP and would MAINTAIN_SPEED")


def drive(
    folder: Path, seconds: float, wrong: dict[int, Fault], *, as_bytes: bool = False
) -> BlackBox:
    """A drive of nothing but commands and verdicts, with events at some cycles."""
    box = BlackBox(folder, INFO)

    def add(topic: topics.Topic, value: object) -> None:
        if as_bytes:
            box.add(topic.name, to_cdr(value), value.stamp_ns)  # type: ignore[attr-defined]
        else:
            box.add(topic.name, value)

    add(topics.LANE_MAP, LaneMap(0, "nowhere"))
    add(topics.ROUTE, Route(0, np.zeros(0, np.int64), 0.0, 0.0))
    for k in range(round(seconds * 10)):
        at_ns = k * S // 10
        add(topics.COMMAND, Command(at_ns, 0.1 * k, 0.0))
        add(topics.VERDICT, verdict(at_ns))
        if k in wrong:
            add(topics.EVENT, event(at_ns, wrong[k]))
    box.close()
    return box


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_file_holds_the_last_seconds_before_its_cause_and_a_moment_after(
    tmp_path: Path, as_bytes: bool
) -> None:
    box = drive(tmp_path, 40.0, {300: Fault.TRACE_CONTRADICTED}, as_bytes=as_bytes)
    (path,) = box.files
    log = read_log(path)
    assert not log.truncated and log.info["black_box"] == {
        "why": "trace_contradicted",
        "at_s": 30.0,
    }
    assert log.info["driver"] == "rules"
    stamps = [c.stamp_ns for c in log.of(Command)]
    assert stamps == list(range(11 * S, 31 * S + 1, S // 10))
    assert len(log.of(LaneMap)) == len(log.of(Route)) == 1
    assert [e.fault for e in log.of(Event)] == [Fault.TRACE_CONTRADICTED]


def test_nothing_wrong_leaves_nothing(tmp_path: Path) -> None:
    drive(tmp_path / "box", 40.0, {50: Fault.NONE})
    assert not (tmp_path / "box").exists()


def test_a_drive_that_ends_right_after_the_cause_has_its_file(tmp_path: Path) -> None:
    (path,) = drive(tmp_path, 5.0, {49: Fault.FALLBACK}).files
    assert read_log(path).of(Command)[-1].stamp_ns == 49 * S // 10


def test_an_intervention_is_a_cause_when_it_begins(tmp_path: Path) -> None:
    box = BlackBox(tmp_path, INFO)
    for k in range(100):
        state = SafetyState.EMERGENCY_BRAKE if k >= 30 else SafetyState.NOMINAL
        box.add(topics.VERDICT.name, verdict(k * S // 10, state))
    (path,) = box.files
    assert path.name == "black_box-3.0s-emergency_brake.mcap"


def test_somebody_may_ask_for_a_file_at_any_time(tmp_path: Path) -> None:
    box = BlackBox(tmp_path, INFO)
    box.add(topics.COMMAND.name, Command(5 * S, 0.0, 0.0))
    assert read_log(box.request()).of(Command)[0].stamp_ns == 5 * S


def test_no_half_written_file_is_ever_there_under_a_log_s_name(tmp_path: Path) -> None:
    drive(tmp_path, 3.0, {10: Fault.FALLBACK})
    assert [p.suffix for p in tmp_path.iterdir()] == [".mcap"]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 599), max_size=40))
def test_files_keep_their_distance(
    tmp_path_factory: pytest.TempPathFactory, ticks: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("box")
    box = drive(folder, 60.0, dict.fromkeys(ticks, Fault.FALLBACK))
    at_s = [read_log(p).info["black_box"]["at_s"] for p in box.files]
    assert bool(at_s) == bool(ticks)
    assert all(b - a >= REST_S for a, b in zip(at_s, at_s[1:], strict=False))


def test_there_are_never_more_than_so_many_files(tmp_path: Path) -> None:
    apart = round(10 * (REST_S + AFTER_S)) + 1
    wrong = {k * apart: Fault.FALLBACK for k in range(MOST_FILES + 5)}
    box = drive(tmp_path, 0.1 * apart * (MOST_FILES + 5), wrong)
    assert len(box.files) == MOST_FILES == len(list(tmp_path.iterdir()))


def test_memory_is_bounded_by_time_and_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = BlackBox(tmp_path, INFO)
    for k in range(2000):
        box.add(topics.COMMAND.name, Command(k * S // 10, 0.0, 0.0))
    assert len(box._entries) == round(KEEP_S * 10) + 1
    data = to_cdr(Command(0, 0.0, 0.0))
    monkeypatch.setattr(black_box, "MOST_BYTES", 5 * len(data))
    small = BlackBox(tmp_path, INFO)
    for k in range(50):
        small.add(topics.COMMAND.name, data, k * S // 10)
    assert len(small._entries) == 5 and small._bytes == 5 * len(data)


def test_a_folder_that_cannot_be_written_to_stops_no_drive(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    box = drive(blocked / "box", 5.0, {10: Fault.FALLBACK})
    assert box.files == [] and "cannot be written" in box.trouble and "\n" not in box.trouble
