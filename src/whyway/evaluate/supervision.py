"""What the log says of the machinery: when safety intervened, what went wrong, how long each stage took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from whyway.log import Log
from whyway.types import Event, Fault, SafetyState, Trace, Verdict

GAP_S = 0.35
"""Verdicts further apart than this belong to two interventions, traces to two stretches of a decision."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """A stretch in which safety did not let the driver's command through."""

    from_s: float
    to_s: float
    state: str
    fault: str
    reason: str
    object_id: int


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


def interventions(verdicts: Iterable[Verdict], start_ns: int) -> tuple[Intervention, ...]:
    """Stretches of verdicts that are not nominal, cut where the state or the fault changes."""
    found: list[Intervention] = []
    for v in verdicts:
        if v.state == SafetyState.NOMINAL:
            continue
        t = (v.stamp_ns - start_ns) * 1e-9
        last = found[-1] if found else None
        same = last is not None and (last.state, last.fault) == (v.state.name, v.fault.name)
        if last is not None and same and t - last.to_s <= GAP_S:
            found[-1] = Intervention(
                last.from_s, t, last.state, last.fault, last.reason, last.object_id
            )
        else:
            found.append(Intervention(t, t, v.state.name, v.fault.name, v.reason, v.object_id))
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
