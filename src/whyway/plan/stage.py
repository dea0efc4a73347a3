"""The planning stage: scene and draft -> plan, and the draft completed by what the plan does. One object for car, simulator and nodes."""

from __future__ import annotations

from typing import Protocol

from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import Road
from whyway.plan.view import PlannerView, planner_view
from whyway.trace import complete
from whyway.types import Plan, Scene, Trace


class Planner(Protocol):
    """View -> plan."""

    def step(self, view: PlannerView) -> Plan:
        """One plan."""

    def reset(self) -> None:
        """Forget the past."""


class Planning:
    """A planner behind the view the trace allows it."""

    def __init__(self, planner: Planner, road: Road) -> None:
        self._planner, self._road = planner, road

    def plan(self, scene: Scene, draft: Trace) -> Plan:
        """The plan, from what the planner may see: other road users only through the trace."""
        return self._planner.step(planner_view(scene, draft))

    def complete(self, draft: Trace, scene: Scene, plan: Plan) -> Trace:
        """The draft with the action and the integrity of this plan."""
        return complete(draft, scene, plan, ego_path(self._road, scene.ego))
