"""The planning stage: scene and draft -> plan, and the draft completed by what the plan does. One object for car, simulator and nodes.

Every cycle it is checked that the trajectory does what the trace says, and that the trace speaks of what is there. What fails is not
driven: the rule expert answers instead, and if its plan fails too, or there is no such stand-in, the plan is withheld. A plan that is
withheld has no waypoints, so nobody can drive it by mistake; its trajectory stands in the trace's action.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import LanePath, Road
from whyway.plan.view import PlannerView, planner_view
from whyway.trace import complete
from whyway.trace.integrity import objection
from whyway.types import Plan, Scene, Trace, Waypoints


class Planner(Protocol):
    """View -> plan."""

    def step(self, view: PlannerView) -> Plan:
        """One plan."""

    def reset(self) -> None:
        """Forget the past."""


class StandIn(Protocol):
    """Who answers when a plan may not be driven; `reason.stand_in.RuleStandIn` is one."""

    def heard(self, scene: Scene, said: Trace) -> None:
        """Remember what was decided."""

    def answer(self, scene: Scene, why: str) -> Trace:
        """A draft of its own, marked as a fallback."""


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """A plan and the draft it follows.

    `withheld` is why it may not be driven (empty: it may), `replaced` why what was said first is not.
    """

    draft: Trace
    plan: Plan
    withheld: str = ""
    replaced: str = ""

    def given(self, plan: Plan) -> Plan:
        """What leaves the stage: the plan, or one without waypoints."""
        if not self.withheld:
            return plan
        return dataclasses.replace(plan, waypoints=Waypoints(), sft_waypoints=Waypoints())


class Planning:
    """A planner behind the view the trace allows it.

    Args:
      planner: of the driver.
      road: map and route.
      checked: whether plans that contradict their trace are kept back; benchmarks' baselines drive them.
      stand_in: who answers instead, planned for by `stand_in_planner`, as everything that is a fallback already.
      stand_in_planner: see there; None: the driver's own planner.
    """

    def __init__(
        self,
        planner: Planner,
        road: Road,
        *,
        checked: bool = True,
        stand_in: StandIn | None = None,
        stand_in_planner: Planner | None = None,
    ) -> None:
        self._planner, self._road, self._checked = planner, road, checked
        self._stand_in, self._stand_in_planner = stand_in, stand_in_planner or planner

    def decide(self, scene: Scene, draft: Trace) -> Decided:
        """A plan that does what the draft says, or what the stand-in says, or one that is kept back."""
        plan = self._plan(scene, draft)
        path = ego_path(self._road, scene.ego)
        withheld, replaced = self._objection(scene, draft, plan, path), ""
        if withheld and self._stand_in is not None:
            other = _as_late(self._stand_in.answer(scene, withheld), draft)
            instead = self._plan(scene, other)
            if not self._objection(scene, other, instead, path):
                draft, plan, withheld, replaced = other, instead, "", withheld
        if self._stand_in is not None:
            self._stand_in.heard(scene, draft)
        return Decided(draft, plan, withheld, replaced)

    def foresee(self, scene: Scene, draft: Trace) -> Trace | None:
        """The draft with what would be driven if it were said; None off the lanes, where nothing can be measured. Nothing is remembered."""
        path = ego_path(self._road, scene.ego)
        return None if path is None else complete(draft, scene, self._plan(scene, draft), path)

    def complete(self, draft: Trace, scene: Scene, plan: Plan) -> Trace:
        """The draft with the action and the integrity of this plan."""
        return complete(draft, scene, plan, ego_path(self._road, scene.ego))

    def _plan(self, scene: Scene, draft: Trace) -> Plan:
        """The plan, from what the planner may see: other road users only through the trace."""
        by_rules = draft.integrity.fallback_used
        planner = self._stand_in_planner if by_rules else self._planner
        return planner.step(planner_view(scene, draft))

    def _objection(self, scene: Scene, draft: Trace, plan: Plan, path: LanePath | None) -> str:
        if not self._checked or path is None:  # off the lanes nothing can be measured
            return ""
        return objection(complete(draft, scene, plan, path))


def _as_late(other: Trace, draft: Trace) -> Trace:
    """The stand-in's draft with the latencies until now."""
    integrity = dataclasses.replace(other.integrity, latency=draft.integrity.latency)
    return dataclasses.replace(other, integrity=integrity)
