"""A log's driver again, as it stood before each of its decisions: it may decide anew in other scenes, and nothing of that is remembered.

A reasoner that remembers what it decided is stepped through the logged scenes. The learnt one is told its logged words, which costs no
decision: only where what was driven was not its own word (another answered instead, or a person) it is asked what it had said.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from whyway.config import Config, override
from whyway.driver import (
    Reasoner,
    driver_config,
    driver_kind,
    load_mind,
    make_planner,
    make_reasoner,
)
from whyway.log import Log
from whyway.maps.road import Road
from whyway.plan import Planner
from whyway.reason.reasoner import LATE, MicrogptReasoner, Mind
from whyway.reason.stand_in import RULES
from whyway.trace.override import OVERRIDE
from whyway.types import CYCLE_NS, InputError, Plan, Scene, Trace

AT_ONCE = 8
"""Scenes decided together by a learnt reasoner: more gain nothing on one core."""
WARMTH = 1.0
"""The temperature of samples: the model's own distribution."""


class Rerun(Protocol):
    """A driver's reasoner on its way through a log."""

    def decide(self, scenes: Sequence[Scene]) -> list[Trace]:
        """What it says to each of some scenes if that one comes next."""

    def sample(self, scene: Scene, count: int) -> list[Trace]:
        """What it might say as well: drawn by the probabilities it has for its words; nothing where it has none."""

    def go_on(self, scene: Scene, logged: Trace) -> None:
        """The next scene has been decided, as the log has it."""


class Stepped:
    """A reasoner without probabilities. A `copy.copy` of it must decide from the same past."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner

    def decide(self, scenes: Sequence[Scene]) -> list[Trace]:
        """One after the other, each from the same past."""
        return [copy.copy(self._reasoner).step(scene) for scene in scenes]

    def sample(self, scene: Scene, count: int) -> list[Trace]:
        """Nothing is left to chance."""
        return []

    def go_on(self, scene: Scene, logged: Trace) -> None:
        """It remembers what it decides itself."""
        self._reasoner.step(scene)


class Told:
    """The learnt reasoner."""

    def __init__(self, reasoner: MicrogptReasoner) -> None:
        self._reasoner = reasoner

    def decide(self, scenes: Sequence[Scene]) -> list[Trace]:
        """Some at once; where the model has nothing whole to say, what the driver says then."""
        found: list[Trace] = []
        for at in range(0, len(scenes), AT_ONCE):
            part = scenes[at : at + AT_ONCE]
            found += [
                copy.copy(self._reasoner).step(scene) if trace is None else trace
                for scene, trace in zip(part, self._reasoner.decide(part), strict=True)
            ]
        return found

    def sample(self, scene: Scene, count: int) -> list[Trace]:
        """Drawn by generators of the stamp and their number."""
        cycle = max(scene.stamp_ns, 0) // CYCLE_NS
        rngs = [np.random.default_rng([cycle, i]) for i in range(count)]
        drawn: list[Trace | None] = []
        for at in range(0, count, AT_ONCE):
            part = rngs[at : at + AT_ONCE]
            drawn += self._reasoner.decide([scene] * len(part), WARMTH, part)
        return [trace for trace in drawn if trace is not None]

    def go_on(self, scene: Scene, logged: Trace) -> None:
        """It remembers what it said."""
        said = None if own_words(logged) or _late(logged) else self._reasoner.decide([scene])[0]
        self._reasoner.tell(scene, said or logged)


def own_words(trace: Trace) -> bool:
    """Whether a logged trace is what its reasoner said: no fallback's, no person's."""
    by = trace.integrity
    return not by.fallback_used and not by.validator.startswith(OVERRIDE)


def _late(trace: Trace) -> bool:
    """Whether another answered because no decision was there in time; then that answer is what is remembered."""
    by = trace.integrity
    return by.fallback_used and (LATE in by.validator or not by.validator.startswith(RULES))


# -------------------------------------------------------------------------------------------------- through a log


@dataclass(frozen=True, slots=True)
class Here:
    """One decision of a log; `rerun` stands before it for as long as nobody asks for the next one."""

    scene: Scene
    trace: Trace
    plan: Plan | None
    rerun: Rerun


def logged_config(log: Log) -> Config:
    """The configuration a log was driven with; the default where it says nothing.

    Raises:
      ConfigError: it was driven by a version with other dials.
    """
    return override(Config(), log.info.get("config", {}), f"{log.path}: config")


def logged_driver(log: Log, road: Road) -> tuple[Rerun, Planner]:
    """The reasoner and planner that drove a log, before its first scene.

    Raises:
      InputError: no such driver, another model than the one that drove, or a configuration of another version.
    """
    name = str(log.info.get("driver"))
    kind = driver_kind(name)
    config = driver_config(name, logged_config(log))
    mind = _mind(name, config) if kind.learnt else None
    reasoner, planner = (
        make_reasoner(name, config, road, mind),
        make_planner(name, config, road, mind),
    )
    if not isinstance(reasoner, MicrogptReasoner):
        return Stepped(reasoner), planner
    _check_model(log, reasoner.mind)
    return Told(reasoner), planner


@lru_cache(maxsize=2)
def _mind(name: str, config: Config) -> Mind | None:
    """A model is loaded once for all logs it drove."""
    return load_mind(name, config)


def _check_model(log: Log, mind: Mind) -> None:
    here = mind.backend.info.weights_sha256 if mind.backend is not None else ""
    drove = {t.integrity.model_sha256 for t in log.of(Trace) if own_words(t)} or {here}
    if drove != {here}:
        raise InputError(
            f"{log.path}: was driven by the model {sorted(drove)[0][:12]}, its folder holds {here[:12] or 'none'} now; drive it again"
        )


def again(log: Log, rerun: Rerun) -> Iterator[Here]:
    """Every decision of a log in order, with the driver as it stood before it."""
    traces = {t.stamp_ns: t for t in log.of(Trace)}
    plans = {p.stamp_ns: p for p in log.of(Plan)}
    for scene in log.of(Scene):
        trace = traces.get(scene.stamp_ns)
        if trace is not None:  # else it was busy: nothing was decided, and nothing is remembered
            yield Here(scene, trace, plans.get(scene.stamp_ns), rerun)
            rerun.go_on(scene, trace)
