"""Silent changes and failures: what the plan does changes and stays so, and nothing that is said does.

Behaviour is the plan's meta-action by its kind: longitudinal (speeds up, holds, slows down, stands, reverses; how strongly is a matter
of degree) and in the lane's frame (keeps it, changes or turns to a side; which way the lane itself bends is not the driver's doing).
A change counts if behaviour was the same for `HOLDS_S` before and is the same for `HOLDS_S` after it.
It is silent if decision and causes (kind, id) are the same from `HOLDS_S` before until `HOLDS_S` after: "behaviour changes without
the trace changing", arXiv 2605.17268, which counts 14.3 % of them in Alpamayo-R1. It is a silent *failure* if those words do not
cover what is done all the while: who keeps a distance slows down as the lead does and has said so; who says "drives on" and comes
to a stand has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whyway.trace.meta_actions import MetaActions
from whyway.types import MetaLane, MetaLongitudinal, PlanningTrace

HOLDS_S = 0.5
_HOLDS_NS = round(HOLDS_S * 1e9)
_WAVERS_NS = _HOLDS_NS
"""Between two behaviours it may waver for so long; what is farther apart is no single change."""

Words = tuple[int, int, int, frozenset[tuple[int, int]]]
"""Longitudinal and lateral decision, direction, and the causes' kinds and ids."""

_PACE = {
    MetaLongitudinal.STRONG_ACCELERATION: "speeds up",
    MetaLongitudinal.GENTLE_ACCELERATION: "speeds up",
    MetaLongitudinal.STRONG_DECELERATION: "slows down",
    MetaLongitudinal.GENTLE_DECELERATION: "slows down",
}
_COURSE = {
    MetaLane.LEFT_LANE_CHANGE: "changes left",
    MetaLane.RIGHT_LANE_CHANGE: "changes right",
    MetaLane.TURN_LEFT: "turns left",
    MetaLane.TURN_RIGHT: "turns right",
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What is done and said at one instant."""

    stamp_ns: int
    kind: tuple[str, str]
    words: Words
    covered: bool
    """The words agree with what is done."""

    @classmethod
    def of(cls, stamp_ns: int, done: MetaActions, words: Words, covered: bool) -> Behaviour:
        """A plan's meta-actions by their kinds, with what was said of it."""
        pace = _PACE.get(done.longitudinal, done.longitudinal.name)
        return cls(stamp_ns, (pace, _COURSE.get(done.lane, "keeps")), words, covered)


@dataclass(frozen=True, slots=True)
class Silence:
    """Changes of behaviour, and the stamps [ns] of those without a word and of those that the words do not cover either."""

    changes: int
    silent_ns: tuple[int, ...]
    failures_ns: tuple[int, ...]


def words_of(planning: PlanningTrace) -> Words:
    """All that is said of what is done."""
    causes = frozenset((int(c.kind), c.id) for c in planning.causes)
    return *planning.decision, causes


def silence(cycles: Sequence[Behaviour]) -> Silence:
    """Find the changes of behaviour, and which of them nobody was told of."""
    held = _held(cycles)
    changes, silent, failures = 0, [], []
    for before, after in zip(held, held[1:], strict=False):
        at = cycles[after[0]].stamp_ns
        between_ns = at - cycles[before[1]].stamp_ns
        if cycles[before[0]].kind == cycles[after[0]].kind or between_ns > _WAVERS_NS:
            continue
        changes += 1
        part = cycles[before[0] : after[1] + 1]
        around = [c for c in part if abs(c.stamp_ns - at) <= _HOLDS_NS]
        if all(c.words == around[0].words for c in around):
            silent.append(at)
            if not all(c.covered for c in around):
                failures.append(at)
    return Silence(changes, tuple(silent), tuple(failures))


def _held(cycles: Sequence[Behaviour]) -> list[tuple[int, int]]:
    """Stretches (first, last index) of one behaviour that last at least `HOLDS_S`."""
    held: list[tuple[int, int]] = []
    first = 0
    for i, cycle in enumerate(cycles):
        ends = i + 1 == len(cycles) or cycles[i + 1].kind != cycle.kind
        if ends:
            if cycle.stamp_ns - cycles[first].stamp_ns >= _HOLDS_NS:
                held.append((first, i))
            first = i + 1
    return held
