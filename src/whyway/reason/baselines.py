"""Reasoners to compare with: one that decides nothing, one that says nothing, plain IDM. They speak the same trace, so they are judged alike.

State is replaced, never changed: a `copy.copy` of any of them decides again from the same past.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import TypeVar

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import Road
from whyway.reason.rules import RuleReasoner
from whyway.types import (
    CauseKind,
    Direction,
    Lateral,
    Longitudinal,
    PlanningTrace,
    PredictionTrace,
    Scene,
    Trace,
)


class _WithRules:
    """Asks the rule expert on its way."""

    def __init__(self, config: Config, road: Road) -> None:
        self._road = road
        self._rules = RuleReasoner(config, road, detours=False)

    def __copy__(self: W) -> W:
        twin = object.__new__(type(self))
        twin.__dict__ |= self.__dict__ | {"_rules": copy.copy(self._rules)}
        return twin

    def reset(self) -> None:
        """Forget stop signs."""
        self._rules.reset()


W = TypeVar("W", bound=_WithRules)


class SilentReasoner(_WithRules):
    """Cites nobody and decides nothing: goes with planners that do not listen."""

    def step(self, scene: Scene) -> Trace:
        """A trace that drives on for no reason."""
        draft = self._rules.step(dataclasses.replace(scene, objects=(), lights=()))
        return dataclasses.replace(draft, planning=driving_on(scene.ego.v_mps))


class BlankReasoner(_WithRules):
    """A trace without content: nobody is cited, nothing is a cause, and it drives on along its lane at the limit.

    What is left of a driver when its reasoner says nothing ("no trace" in tables): its planner, its safety, the road.
    """

    def step(self, scene: Scene) -> Trace:
        """The same words wherever it is."""
        draft = self._rules.step(dataclasses.replace(scene, objects=(), lights=()))
        return dataclasses.replace(draft, planning=driving_on(draft.perception.speed_limit_mps))


def driving_on(target_speed_mps: float) -> PlanningTrace:
    """To drive on along the lane, for no reason."""
    return PlanningTrace(
        Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE, (), (), target_speed_mps, 0.0, math.inf, 1.0
    )  # fmt: skip


class IdmReasoner(_WithRules):
    """Follows whoever is ahead in the lane and stops at red lights: no lane changes, no crossing traffic, no forecasts.

    The IDM planner of the nuPlan benchmark (Caesar et al., arXiv 2106.11810), with our own car-following terms.
    """

    def step(self, scene: Scene) -> Trace:
        """The rule expert's trace of a scene in which everybody goes straight on along the ego's lane or stands."""
        path = ego_path(self._road, scene.ego)
        ahead = () if path is None else path.lane_ids
        lane_keepers = tuple(o for o in scene.objects if o.lane_id in ahead)
        draft = self._rules.step(dataclasses.replace(scene, objects=lane_keepers))
        if draft.planning.lateral == Lateral.LANE_CHANGE:
            self._rules.reset()
            planning = dataclasses.replace(
                draft.planning, lateral=Lateral.KEEP_LANE, direction=Direction.NONE,
                causes=tuple(c for c in draft.planning.causes if c.kind != CauseKind.ROUTE),
            )  # fmt: skip
            return dataclasses.replace(draft, planning=planning, prediction=PredictionTrace())
        return draft
