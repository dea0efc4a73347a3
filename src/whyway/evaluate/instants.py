"""All that a log says of one stamp: what was true, what perception tracked of it, and what the trace cited."""

from __future__ import annotations

import math
from dataclasses import dataclass

from whyway.log import Log
from whyway.types import Actor, CauseKind, Plan, Scene, Trace, Truth

UNSEEN_M = 3.0
"""A true road user with no track within this distance is unseen."""


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """All that a log says about one stamp; what it does not hold is None."""

    index: int
    scene: Scene | None
    trace: Trace | None
    plan: Plan | None
    truth: Truth


class Instants:
    """The instants of a log, by index of its truths."""

    def __init__(self, log: Log) -> None:
        self._truths = tuple({t.stamp_ns: t for t in log.of(Truth)}.values())
        self._scenes = {s.stamp_ns: s for s in log.of(Scene)}
        self._traces = {t.stamp_ns: t for t in log.of(Trace)}
        self._plans = {p.stamp_ns: p for p in log.of(Plan)}

    def __len__(self) -> int:
        return len(self._truths)

    def at(self, index: int) -> Instant:
        """One instant."""
        truth = self._truths[index]
        stamp = truth.stamp_ns
        return Instant(
            index, self._scenes.get(stamp), self._traces.get(stamp), self._plans.get(stamp), truth
        )


def cited(moment: Instant) -> tuple[set[int], set[int]]:
    """Ids of objects that are causes, and of those that are listed only."""
    if moment.trace is None:
        return set(), set()
    causes = {c.id for c in moment.trace.planning.causes if c.kind == CauseKind.OBJECT}
    return causes, {c.id for c in moment.trace.perception.critical_objects} - causes


def unseen(moment: Instant) -> list[Actor]:
    """True road users that perception has no track of."""
    tracks = () if moment.scene is None else moment.scene.objects
    return [
        a
        for a in moment.truth.actors
        if all(math.hypot(a.x_m - o.x_m, a.y_m - o.y_m) > UNSEEN_M for o in tracks)
    ]
