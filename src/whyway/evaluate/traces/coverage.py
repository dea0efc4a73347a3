"""How many of the true causes are named: the rule expert decides again in the logged scenes, and its causes are looked for in the trace.

An omission counts: a trace that names one of two causes covers half of them. The expert's causes are exact by construction (`reason/`),
so no judge is needed. Causes are the same if kind and id are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from whyway.config import Config, override
from whyway.log import Log
from whyway.maps.road import Road
from whyway.reason import RuleReasoner
from whyway.types import Plan, Scene, Trace

EVERY = 5
"""The expert decides again in every fifth cycle: twice a second, its memory of who stands and waits goes on in between."""


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """One cycle of a log, and what the expert says to its scene; `before` is the expert as it was just then."""

    scene: Scene
    trace: Trace
    plan: Plan | None
    before: RuleReasoner
    expert: Trace


def logged_config(log: Log) -> Config:
    """The configuration a log was driven with; the default where it says nothing.

    Raises:
      ConfigError: it was driven by a version with other dials.
    """
    return override(Config(), log.info.get("config", {}), f"{log.path}: config")


def decided_again(log: Log, road: Road, every: int = EVERY) -> Iterator[Again]:
    """The expert's decisions in the logged scenes, in order.

    Args:
      log: with scenes and traces.
      road: its map and route.
      every: how many cycles to go on by; only with 1 does the expert remember all that the driver did.

    Raises:
      ConfigError: see `logged_config`.
    """
    reasoner = RuleReasoner(logged_config(log), road)
    traces = {t.stamp_ns: t for t in log.of(Trace)}
    plans = {p.stamp_ns: p for p in log.of(Plan)}
    for scene in log.of(Scene)[::every]:
        before = copy.copy(reasoner)
        expert = reasoner.step(scene)
        trace = traces.get(scene.stamp_ns)
        if trace is not None:
            yield Again(scene, trace, plans.get(scene.stamp_ns), before, expert)


def coverage(log: Log, road: Road, every: int = EVERY) -> float | None:
    """Share of the expert's causes that the log's traces cite; None without scenes or traces.

    Raises:
      ConfigError: see `logged_config`.
    """
    found = 0
    total = 0
    for again in decided_again(log, road, every):
        cited = {(c.kind, c.id) for c in again.trace.planning.causes}
        true = {(c.kind, c.id) for c in again.expert.planning.causes}
        found += len(true & cited)
        total += len(true)
    return found / total if total else None
