"""How many of the true causes are named: the rule expert decides in the logged scenes, and its causes are looked for in the trace.

An omission counts: a trace that names one of two causes covers half of them. The expert's causes are exact by construction (`reason/`),
so no judge is needed. Causes are the same if kind and id are. The expert stands in the driver's place: it remembers what the driver said,
so it speaks of the lane change that is under way, not of one that it would have begun.
"""

from __future__ import annotations

from whyway.config import Config
from whyway.evaluate.traces.rerun import logged_config
from whyway.log import Log
from whyway.maps.road import Road
from whyway.reason.stand_in import RuleStandIn
from whyway.types import Cause, CauseKind, PlanningTrace, Scene, Trace

EVERY = 5
"""The expert decides in every fifth cycle: twice a second, its memory of who stands and waits goes on in between."""

Key = tuple[CauseKind, int]


class Expert:
    """The rule expert in the place of a log's driver."""

    def __init__(self, config: Config, road: Road) -> None:
        self._stand_in = RuleStandIn(config, road)

    def decide(self, scene: Scene) -> Trace:
        """What it says to the scene that comes next."""
        return self._stand_in.answer(scene, "asked what is true")

    def go_on(self, scene: Scene, logged: Trace) -> None:
        """The next scene has been decided, as the log has it."""
        self._stand_in.heard(scene, logged)


def key(cause: Cause) -> Key:
    """What tells one cause from another."""
    return cause.kind, cause.id


def covered(said: PlanningTrace, expert: PlanningTrace) -> tuple[int, int]:
    """How many of the expert's causes are named, and how many there are."""
    true = set(map(key, expert.causes))
    return len(true & set(map(key, said.causes))), len(true)


def coverage(log: Log, road: Road, every: int = EVERY) -> float | None:
    """Share of the expert's causes that the log's traces cite; None without scenes or traces.

    Raises:
      ConfigError: the log was driven by a version with other dials.
    """
    expert = Expert(logged_config(log), road)
    traces = {t.stamp_ns: t for t in log.of(Trace)}
    found = total = 0
    for k, scene in enumerate(log.of(Scene)):
        trace = traces.get(scene.stamp_ns)
        if trace is None:
            continue
        if k % every == 0:
            named, true = covered(trace.planning, expert.decide(scene).planning)
            found, total = found + named, total + true
        expert.go_on(scene, trace)
    return found / total if total else None
