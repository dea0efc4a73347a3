"""Regressions planted on purpose are caught, each by its gate and by no other; code that has not changed passes every time."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "gates"))

from replayed import BAGS, GATES, replay

from whyway import driver
from whyway import log as logs
from whyway.config import load
from whyway.evaluate.gates.results import Outcome, Report
from whyway.evaluate.gates.run import run_gates
from whyway.evaluate.gates.schema import Gates, read_gates
from whyway.trace import sentences
from whyway.types import Longitudinal, Trace

SECONDS = 5.0
"""Of each bag: enough for every figure and for the emergency brake after 4.7 s, short enough for many replays."""


class Clock:
    """Every look at it takes a millisecond; so does, on it, every stage."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1e-3
        return self.now_s


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    """The project's own gates, their references made now, of the first seconds of the bags."""
    folder = tmp_path_factory.mktemp("gates")
    found = own_gates(folder)
    run_gates(found, replays(folder / "logs", "town", "cut_in", "jaywalker"), update=True)
    return found


def own_gates(folder: Path) -> Gates:
    """The project's own gates, without references yet."""
    path = folder / "gates.yaml"
    path.write_text(GATES.read_text())
    return read_gates(path)


def replays(folder: Path, *bags: str, dial: str = "", clock: Clock | None = None) -> list[Path]:
    """Logs of bags, driven with a dial set."""
    config = load(None, [dial] if dial else [])
    chosen = [bag for bag in BAGS if bag.stem in bags]
    return [replay(bag, folder, config, clock or Clock(), SECONDS) for bag in chosen]


def failed(report: Report) -> set[str]:
    """Gates that failed on any log; there is none that could not judge."""
    results = [r for log in report.logs for r in log.results]
    assert not [r for r in results if r.outcome is Outcome.NOT_JUDGED]
    return {r.name for r in results if r.outcome is Outcome.FAILED}


@pytest.mark.parametrize(
    ("dial", "bag"),
    [("driving.comfort_brake_mps2=1.8", "town"), ("driving.idm.b_mps2=1.8", "cut_in")],
)  # both 1.5 by default
def test_braking_a_fifth_harder_fails_the_golden_gate_alone(dial, bag, gates, tmp_path):
    report = run_gates(gates, replays(tmp_path, bag, dial=dial))
    assert failed(report) == {"golden"}
    told = "".join(r.detail for log in report.logs for r in log.results)
    assert "plan.waypoints.v_mps" in told and "(allowed: 1e-06 + 1e-06 of it, off by " in told


@pytest.mark.parametrize("dial", ["safety.required_brake_mps2=4.56", "safety.emergency_brake_mps2=8.4"])  # fmt: skip
def test_an_emergency_brake_changed_by_a_fifth_fails_the_golden_gate_alone(dial, gates, tmp_path):
    report = run_gates(gates, replays(tmp_path, "jaywalker", dial=dial))
    assert failed(report) == {"golden"}
    assert "at 4.700 s" in report.logs[0].results[0].detail


def test_two_decisions_swapped_on_the_wire_fail_the_golden_gate_and_are_named(
    gates, tmp_path, monkeypatch
):
    swap = {Longitudinal.KEEP_DISTANCE: Longitudinal.ADAPT_SPEED}
    swap |= {b: a for a, b in swap.items()}
    encode = logs.to_cdr

    def swapped(value: object) -> bytes:
        if isinstance(value, Trace):
            said = value.planning.longitudinal
            planning = dataclasses.replace(value.planning, longitudinal=swap.get(said, said))
            value = dataclasses.replace(value, planning=planning)
        return encode(value)

    monkeypatch.setattr(logs, "to_cdr", swapped)
    report = run_gates(gates, replays(tmp_path, "town"))
    golden = [r for log in report.logs for r in log.results if r.name == "golden"]
    assert "golden" in failed(report)
    told = "".join(r.detail for r in golden)
    assert "expected KEEP_DISTANCE  got ADAPT_SPEED" in told
    assert "expected: keeps its distance" in told and "got:      slows down" in told


def test_two_words_swapped_in_a_template_fail_the_golden_gate_alone(gates, tmp_path, monkeypatch):
    words = sentences._DOES
    a, b = words[Longitudinal.ADAPT_SPEED], words[Longitudinal.KEEP_DISTANCE]
    monkeypatch.setitem(words, Longitudinal.ADAPT_SPEED, b)
    monkeypatch.setitem(words, Longitudinal.KEEP_DISTANCE, a)
    report = run_gates(gates, replays(tmp_path, "town"))
    assert failed(report) == {"golden"}
    assert "trace.sentence" in "".join(r.detail for log in report.logs for r in log.results)


def test_thirty_milliseconds_more_in_the_reasoner_fail_its_latency_gate_alone(
    gates, tmp_path, monkeypatch
):
    clock = Clock()
    make = driver.make_reasoner

    def slow(*arguments):
        reasoner = make(*arguments)
        step = reasoner.step

        def later(scene):
            clock.now_s += 0.030
            return step(scene)

        monkeypatch.setattr(reasoner, "step", later)
        return reasoner

    monkeypatch.setattr(driver, "make_reasoner", slow)
    report = run_gates(gates, replays(tmp_path, "jaywalker", clock=clock))
    assert failed(report) == {"latency: reasoner_p50_ms at most 25"}


def test_unchanged_code_passes_twenty_times_out_of_twenty(tmp_path):
    gates = own_gates(tmp_path)
    bag = next(bag for bag in BAGS if bag.stem == "jaywalker")
    for run in range(21):
        log = replay(bag, tmp_path / str(run), clock=Clock(), duration_s=3.2)
        assert failed(run_gates(gates, [log], update=run == 0)) == set()
