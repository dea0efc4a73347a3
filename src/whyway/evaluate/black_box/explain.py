"""The black box: what a log says of one instant, and why. From the log alone; plain values, so that a terminal and JSON tell the same.

Times are seconds since the log's first value. An instant is explained by the decision in force then: the last trace up to it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whyway.evaluate.plain import plain
from whyway.evaluate.supervision import Happening, Intervention, happenings, interventions
from whyway.log import Log
from whyway.trace.sentences import deed, name, reason, risk, sentence
from whyway.types import (
    Actor,
    Cause,
    Conflict,
    CriticalObject,
    EgoState,
    Event,
    InputError,
    Observation,
    Plan,
    Rejected,
    Scene,
    Trace,
    Truth,
    Verdict,
)

NEAR_S = 5.0
"""Events and interventions so near in time are told along."""
STALE_S = 0.15
"""A trace older than this at the instant asked for is told to be old."""
_TIMED: tuple[type[Any], ...] = (Truth, Scene, Observation, Trace, Plan, Verdict, Event)


class ExplainError(InputError):
    """Nothing can be explained; one line that says why and what can be."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a log begins [ns] and how long it is."""

    start_ns: int
    duration_s: float

    def seconds(self, stamp_ns: int) -> float:
        """A stamp as time since the start."""
        return (stamp_ns - self.start_ns) * 1e-9

    def holds(self, at_s: float) -> None:
        """Refuse a time outside.

        Raises:
          ExplainError: it is.
        """
        if not -1e-6 <= at_s <= self.duration_s + 1e-6:
            raise ExplainError(
                f"--at {at_s:g}: the log lasts from 0 to {self.duration_s:.1f} s; give a time within"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """One instant: the decision in force, what safety made of it, and what happened around it."""

    at_s: float
    decided_s: float
    """When the decision in force was taken."""
    trace: Trace
    scene: Scene | None
    verdict: Verdict | None
    interventions: tuple[Intervention, ...]
    events: tuple[Happening, ...]

    @property
    def sentence(self) -> str:
        """The decision and its causes."""
        return sentence(self.trace)

    @property
    def old_s(self) -> float:
        """How old the decision is, 0 for one of this cycle."""
        age = self.at_s - self.decided_s
        return age if age > STALE_S else 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values; what is not finite is null."""
        t = self.trace
        seen = plain(t.perception)
        del seen["critical_objects"]
        latency = {s.stage: s.latency_ms for s in t.integrity.latency}
        return {
            "at_s": round(self.at_s, 3),
            "decided_s": round(self.decided_s, 3),
            "stamp_ns": t.stamp_ns,
            "trace_id": t.trace_id,
            "sentence": self.sentence,
            "perception": seen,
            "cited": [_cited(t, c) for c in t.perception.critical_objects],
            "decision": plain(dataclasses.replace(t.planning, causes=(), rejected=())),
            "causes": [_cause(t, c) for c in t.planning.causes],
            "rejected": [_rejected(r) for r in t.planning.rejected],
            "action": {
                "longitudinal": t.action.meta_longitudinal.name,
                "lateral": t.action.meta_lateral.name,
                "lane": t.action.meta_lane.name,
                "delta_norm_m": plain(t.action.delta_norm_m),
            },
            "integrity": plain(t.integrity) | {"latency": latency},
            "safety": None if self.verdict is None else plain(self.verdict),
            "interventions": plain(self.interventions),
            "events": plain(self.events),
        }


def span(log: Log) -> Span:
    """When a log begins and ends; maps and routes are older than that.

    Raises:
      ExplainError: nothing was decided in it.
    """
    if not log.of(Trace):
        raise ExplainError(
            f"{log.path}: holds no Trace: nothing was decided in it that could be explained"
        )
    stamps = [int(v.stamp_ns) for kind in _TIMED for v in log.of(kind)]
    start = min(stamps)
    return Span(start, (max(stamps) - start) * 1e-9)


def account(log: Log, at_s: float) -> Account:
    """Explain one instant.

    Raises:
      ExplainError: the log does not reach there, or nothing was decided up to then.
    """
    times = span(log)
    times.holds(at_s)
    until_ns = times.start_ns + round(at_s * 1e9) + 1
    trace = _last(log.of(Trace), until_ns)
    if trace is None:
        first = times.seconds(min(t.stamp_ns for t in log.of(Trace)))
        raise ExplainError(
            f"--at {at_s:g}: the first decision was taken at {first:.1f} s; give a later time"
        )
    scene = next((s for s in log.of(Scene) if s.stamp_ns == trace.stamp_ns), None)
    stretches = interventions(log.of(Verdict), times.start_ns)
    return Account(
        at_s,
        times.seconds(trace.stamp_ns),
        trace,
        scene,
        _last(log.of(Verdict), until_ns),
        tuple(i for i in stretches if i.from_s - NEAR_S <= at_s <= i.to_s + NEAR_S),
        tuple(e for e in happenings(log, times.start_ns) if abs(e.at_s - at_s) <= NEAR_S),
    )


def _last(values: Sequence[Any], until_ns: int) -> Any:
    """The newest value up to a stamp."""
    return max(
        (v for v in values if v.stamp_ns <= until_ns), key=lambda v: v.stamp_ns, default=None
    )


# ---------------------------------------------------------------------------------------------------------- parts


def place_words(ego: EgoState, c: CriticalObject | Actor) -> str:
    """Where something is, seen from the ego's rear axle, e.g. "18 m ahead, 3 m left"."""
    dx, dy = c.x_m - ego.x_m, c.y_m - ego.y_m
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
    along = f"{abs(ahead):.0f} m {'ahead' if ahead >= 0 else 'behind'}"
    return (
        along
        if abs(left) < 0.5
        else f"{along}, {abs(left):.0f} m {'left' if left > 0 else 'right'}"
    )


def forecast_words(trace: Trace, object_id: int) -> str:
    """What a cited object is expected to do, and how that meets the ego."""
    p = next((p for p in trace.prediction.objects if p.id == object_id), None)
    if p is None:
        return "–"
    text = f"{p.intent.name.lower().replace('_', ' ')} ({p.probability:.0%})"
    if p.conflict != Conflict.NONE:
        text += f", {p.conflict.name.lower().replace('_', ' ')}"
        text += f" in {p.time_of_conflict_s:.1f} s" if math.isfinite(p.time_of_conflict_s) else ""
    if math.isfinite(p.time_to_collision_s):
        text += f", TTC {p.time_to_collision_s:.1f} s"
    if math.isfinite(p.min_gap_m):
        text += f", gap ≥ {p.min_gap_m:.1f} m"
    return text


def instead(cause: Cause) -> str:
    """The declared counterfactual in words: what would be done without a cause."""
    return deed(
        cause.counterfactual_longitudinal,
        cause.counterfactual_lateral,
        cause.counterfactual_direction,
    )


def _cited(trace: Trace, c: CriticalObject) -> dict[str, Any]:
    values: dict[str, Any] = plain(c)
    words = {"what": name(c), "where": place_words(trace.perception.ego, c)}
    p = next((p for p in trace.prediction.objects if p.id == c.id), None)
    if p is None:
        return values | words | {"prediction": None}
    known = (
        "intent",
        "probability",
        "conflict",
        "time_to_collision_s",
        "min_gap_m",
        "time_of_conflict_s",
    )
    return values | words | {"prediction": {k: plain(getattr(p, k)) for k in known}}


def _cause(trace: Trace, c: Cause) -> dict[str, Any]:
    values: dict[str, Any] = plain(c)
    return values | {"what": reason(c, trace), "without_it": instead(c)}


def _rejected(r: Rejected) -> dict[str, Any]:
    values: dict[str, Any] = plain(r)
    return values | {"what": deed(r.longitudinal, r.lateral, r.direction), "why": risk(r.risk)}
