"""The black box: why an alternative was not taken, over a whole drive or at one instant. From the log alone.

A trace lists what was weighed and left (`Rejected`): an alternative, the metric it would have violated and when. In a cycle an
alternative was done, weighed and left, or not weighed at all; which of the three is never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.evaluate.black_box.explain import ExplainError, span
from whyway.evaluate.plain import plain
from whyway.evaluate.supervision import runs
from whyway.log import Log
from whyway.maps.manoeuvre import place_of
from whyway.maps.road import Road
from whyway.trace.sentences import name, sentence
from whyway.types import (
    Direction,
    LaneMap,
    LaneRelation,
    Lateral,
    Longitudinal,
    Rejected,
    Risk,
    Route,
    Trace,
)

DONE, LEFT, NOT_WEIGHED = "done", "left", "not weighed"
_SIDES = {Direction.LEFT: LaneRelation.LEFT, Direction.RIGHT: LaneRelation.RIGHT}


@dataclass(frozen=True, slots=True)
class Alternative:
    """What is asked for: a longitudinal decision, or a lateral one to a side (or to either)."""

    text: str
    longitudinal: Longitudinal | None = None
    lateral: Lateral | None = None
    direction: Direction | None = None

    def is_done(self, trace: Trace) -> bool:
        """Whether it is what was decided."""
        p = trace.planning
        if self.lateral is None:
            return p.longitudinal == self.longitudinal
        return p.lateral == self.lateral and self.direction in (None, p.direction)

    def was_left(self, trace: Trace) -> list[Rejected]:
        """The rejected alternatives that are meant."""
        p = trace.planning
        if self.lateral is None:
            # a way to the side is driven on along, too, but it is the side that was weighed
            own = (Lateral.KEEP_LANE, p.lateral)
            return [
                r for r in p.rejected if r.longitudinal == self.longitudinal and r.lateral in own
            ]
        return [
            r for r in p.rejected
            if r.lateral == self.lateral and self.direction in (None, r.direction)
        ]  # fmt: skip


def alternatives() -> tuple[str, ...]:
    """Every name that can be asked for."""
    sided = [x for x in Lateral if x != Lateral.KEEP_LANE]
    return (
        *(x.name for x in Longitudinal),
        Lateral.KEEP_LANE.name,
        *(f"{x.name}_{side}" for x in sided for side in ("LEFT", "RIGHT")),
        *(x.name for x in sided),
    )


def alternative(text: str) -> Alternative:
    """An alternative by its name, e.g. "LANE_CHANGE_LEFT", "stop", "nudge" (to either side).

    Raises:
      ExplainError: no such name; the line lists those there are.
    """
    word = text.strip().upper().replace("-", "_").replace(" ", "_")
    if word not in alternatives():
        raise ExplainError(
            f"--why-not {text}: no such alternative; give one of {', '.join(alternatives())}"
        )
    if word in Longitudinal.__members__:
        return Alternative(word, longitudinal=Longitudinal[word])
    for side in (Direction.LEFT, Direction.RIGHT):
        stem = word.removesuffix(f"_{side.name}")
        if stem != word:
            return Alternative(word, lateral=Lateral[stem], direction=side)
    return Alternative(word, lateral=Lateral[word])


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time during which one answer holds.

    `risk` and `after_s` (the earliest and the latest it would have happened, ahead of each instant; None where no instant is named)
    are of alternatives that were left, `why` says more where the map or the trace does.
    """

    from_s: float
    to_s: float
    cycles: int
    answer: str
    risk: str | None
    after_s: tuple[float, float] | None
    why: str
    instead: str
    beside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The answer over a drive."""

    asked: str
    cycles: int
    done: int
    left: dict[str, int]
    """Cycles by the risk for which it was left."""
    not_weighed: int
    stretches: tuple[Stretch, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        values: dict[str, Any] = plain(self)
        return values


@dataclass(frozen=True, slots=True, eq=False)
class _Cycle:
    """One trace and its answer."""

    at_s: float
    trace: Trace
    answer: str
    why: str
    left: Rejected | None = None

    @property
    def key(self) -> tuple[str, str, Risk | None]:
        return self.answer, self.why, self.left.risk if self.left else None


def why_not(log: Log, asked: Alternative, at_s: float | None = None) -> WhyNot:
    """Why an alternative was not taken, over the whole log or at one instant.

    Raises:
      ExplainError: nothing was decided in the log (up to that instant), or it does not reach there.
    """
    times = span(log)
    traces: Sequence[Trace] = log.of(Trace)
    if at_s is not None:
        times.holds(at_s)
        now = [t for t in traces if times.seconds(t.stamp_ns) <= at_s + 1e-6]
        if not now:
            raise ExplainError(f"--at {at_s:g}: nothing was decided up to then; give a later time")
        traces = now[-1:]
    road = _road(log)
    cycles = [_answer(asked, t, times.seconds(t.stamp_ns), road) for t in traces]
    left = [c.left.risk.name for c in cycles if c.left is not None]
    return WhyNot(
        asked.text,
        len(cycles),
        sum(c.answer == DONE for c in cycles),
        {risk: left.count(risk) for risk in dict.fromkeys(left)},
        sum(c.answer == NOT_WEIGHED for c in cycles),
        tuple(_stretch(asked, part) for part in runs(cycles, lambda c: c.at_s, lambda c: c.key)),
    )


def _road(log: Log) -> Road | None:
    maps, routes = log.of(LaneMap), log.of(Route)
    return Road(maps[-1], routes[-1]) if maps and routes else None


def _answer(asked: Alternative, trace: Trace, at_s: float, road: Road | None) -> _Cycle:
    if asked.is_done(trace):
        return _Cycle(at_s, trace, DONE, "")
    left = asked.was_left(trace)
    if left:
        # of several, e.g. to either side, the one that would have gone wrong first
        return _Cycle(at_s, trace, LEFT, "", min(left, key=lambda r: r.at_s))
    return _Cycle(at_s, trace, NOT_WEIGHED, _no_lane(asked, trace, road))


def _no_lane(asked: Alternative, trace: Trace, road: Road | None) -> str:
    """What the map says of a side that was not weighed; nothing where it has a lane there."""
    if road is None or asked.lateral != Lateral.LANE_CHANGE or asked.direction is None:
        return ""
    place = place_of(road, trace.perception.ego)
    if place is None:
        return "the car was off the lanes"
    beside = road.neighbours(place.lane_id)[0 if asked.direction == Direction.LEFT else 1]
    return "" if beside else "the map has no lane there"


def _stretch(asked: Alternative, part: Sequence[_Cycle]) -> Stretch:
    first = part[0]
    at = [c.left.at_s for c in part if c.left is not None and np.isfinite(c.left.at_s)]
    said = [sentence(c.trace) for c in part]
    return Stretch(
        first.at_s,
        part[-1].at_s,
        len(part),
        first.answer,
        first.left.risk.name if first.left else None,
        (min(at), max(at)) if at else None,
        first.why,
        max(dict.fromkeys(said), key=said.count),
        _beside(asked, part),
    )


def _beside(asked: Alternative, part: Sequence[_Cycle]) -> tuple[str, ...]:
    """Who was cited on the side asked for, most often first; at most three."""
    side = _SIDES.get(asked.direction) if asked.direction is not None else None
    if side is None:
        return ()
    found = [
        name(c)
        for cycle in part
        for c in cycle.trace.perception.critical_objects
        if c.lane_relation == side
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda n: -found.count(n))[:3])
