"""What the log says of the machinery: when safety intervened, what went wrong, how long each stage took."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np

from whyway.log import Log
from whyway.trace.sentences import in_words
from whyway.types import Event, Fault, SafetyState, Trace, Verdict

GAP_S = 0.35
"""Verdicts further apart than this belong to two interventions, traces to two stretches of a decision."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Intervention:
    """A stretch in which safety did not let the driver's command through."""

    from_s: float
    to_s: float
    state: str
    fault: str
    reason: str
    object_id: int

    @property
    def did(self) -> str:
        """What safety did, e.g. "emergency brake"."""
        return in_words(self.state)

    @property
    def why(self) -> str:
        """Its reason, or at least the fault."""
        return self.reason or in_words(self.fault)

    @property
    def text(self) -> str:
        """What it did and why, e.g. "emergency brake, car 7 ahead is too near"."""
        return f"{self.did}, {self.why}"


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the log."""

    at_s: float
    source: str
    fault: str
    detail: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall-clock time of a stage, or of all together."""

    stage: str
    p50_ms: float
    p99_ms: float
    max_ms: float
    count: int


def runs(items: Iterable[V], at_s: Callable[[V], float], what: Callable[[V], Any]) -> list[list[V]]:
    """Items in the order of time, cut where it is not the same any more, and where there is a gap of more than `GAP_S`."""
    found: list[list[V]] = []
    for item in items:
        last = found[-1][-1] if found else None
        if last is not None and what(last) == what(item) and at_s(item) - at_s(last) <= GAP_S:
            found[-1].append(item)
        else:
            found.append([item])
    return found


def stretches(
    instants: Iterable[tuple[float, K]], until_next: bool = False
) -> list[tuple[float, float, K]]:
    """Runs of the same: from, to [s], what.

    Args:
      instants: time [s] and what is so then, in the order of time.
      until_next: a run lasts until the next one begins (without a gap), not only until it was last seen.
    """
    parts = runs(instants, itemgetter(0), itemgetter(1))
    ends = [part[-1][0] for part in parts]
    if until_next:
        begins = [part[0][0] for part in parts[1:]]
        ends = [b if b - e <= GAP_S else e for e, b in zip(ends, begins, strict=False)] + ends[-1:]
    return [(part[0][0], end, part[0][1]) for part, end in zip(parts, ends, strict=True)]


def interventions(verdicts: Iterable[Verdict], start_ns: int) -> tuple[Intervention, ...]:
    """Stretches of verdicts that are not nominal, cut where the state or the fault changes; each has the reason of its first."""
    acted = (v for v in verdicts if v.state != SafetyState.NOMINAL)

    def at_s(v: Verdict) -> float:
        return (v.stamp_ns - start_ns) * 1e-9

    found = []
    for run in runs(acted, at_s, lambda v: (v.state, v.fault)):
        v, ends_s = run[0], at_s(run[-1])
        state, fault = v.state.name, v.fault.name
        found.append(Intervention(at_s(v), ends_s, state, fault, v.reason, v.object_id))
    return tuple(found)


def happenings(log: Log, start_ns: int) -> tuple[Happening, ...]:
    """The events of a log, in time order."""
    events = sorted(log.of(Event), key=lambda e: e.stamp_ns)
    return tuple(
        Happening((e.stamp_ns - start_ns) * 1e-9, e.source, e.fault.name, e.detail) for e in events
    )


def faults(found: Iterable[Happening]) -> list[str]:
    """Names of the faults among some events."""
    return sorted({h.fault for h in found} - {Fault.NONE.name})


def latencies(log: Log) -> tuple[Latency, ...]:
    """Each stage's latency in the order in which a cycle runs them, then `decision`: all stages of a cycle together."""
    return tuple(_latency(stage, ms) for stage, ms in stage_times(log).items())


def stage_times(log: Log) -> dict[str, list[float]]:
    """Milliseconds of every cycle by stage, and as `decision` their sum.

    A trace carries the latencies of perception, reasoner and planner; the verdict that of control.
    """
    control = {v.stamp_ns: v.latency_ms for v in log.of(Verdict)}
    by_stage: dict[str, list[float]] = {}
    totals: list[float] = []
    for trace in log.of(Trace):
        stages = [(s.stage, s.latency_ms) for s in trace.integrity.latency]
        if trace.stamp_ns in control:
            stages.append(("control", control[trace.stamp_ns]))
        for stage, ms in stages:
            by_stage.setdefault(stage, []).append(ms)
        if stages:
            totals.append(sum(ms for _, ms in stages))
    if totals:
        by_stage["decision"] = totals
    return by_stage


def _latency(stage: str, ms: list[float]) -> Latency:
    p50, p99 = np.percentile(ms, [50, 99])
    return Latency(stage, float(p50), float(p99), max(ms), len(ms))
