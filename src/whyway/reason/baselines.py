"""Reasoners to compare with: one that says nothing, and plain IDM. They speak the same trace, so they are judged alike."""

from __future__ import annotations

import dataclasses

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


class SilentReasoner:
    """Cites nobody and decides nothing: goes with the constant-velocity planner."""

    def __init__(self, config: Config, road: Road) -> None:
        self._rules = RuleReasoner(config, road, detours=False)

    def reset(self) -> None:
        """Nothing is remembered between steps."""
        self._rules.reset()

    def step(self, scene: Scene) -> Trace:
        """A trace that drives on for no reason."""
        empty = dataclasses.replace(scene, objects=(), lights=())
        draft = self._rules.step(empty)
        planning = PlanningTrace(
            Longitudinal.RESUME_SPEED,
            Lateral.KEEP_LANE,
            Direction.NONE,
            (),
            (),
            scene.ego.v_mps,
            0.0,
            float("inf"),
            1.0,
        )
        return dataclasses.replace(draft, planning=planning)


class IdmReasoner:
    """Follows whoever is ahead in the lane and stops at red lights: no lane changes, no crossing traffic, no forecasts.

    The IDM planner of the nuPlan benchmark (Caesar et al., arXiv 2106.11810), with our own car-following terms.
    """

    def __init__(self, config: Config, road: Road) -> None:
        self._road = road
        self._rules = RuleReasoner(config, road, detours=False)

    def reset(self) -> None:
        """Forget stop signs."""
        self._rules.reset()

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
