"""What a planner may see: ego, decision, and the objects the trace cites, nobody else (law 2)."""

from __future__ import annotations

from dataclasses import dataclass

from whyway.types import EgoState, PlanningTrace, Scene, Trace, TrackedObject


@dataclass(frozen=True, slots=True, eq=False)
class PlannerView:
    """The planner's whole input besides the road."""

    stamp_ns: int
    trace_id: int
    ego: EgoState
    decision: PlanningTrace
    objects: tuple[TrackedObject, ...]


def planner_view(scene: Scene, trace: Trace) -> PlannerView:
    """The scene as the trace lets it through: what is not said cannot move the car.

    Raises:
      ValueError: the trace was written for another scene.
    """
    if trace.stamp_ns != scene.stamp_ns:
        raise ValueError(
            f"trace of {trace.stamp_ns} ns does not belong to scene of {scene.stamp_ns} ns"
        )
    cited = {c.id for c in trace.perception.critical_objects}
    objects = tuple(o for o in scene.objects if o.id in cited)
    return PlannerView(scene.stamp_ns, trace.trace_id, scene.ego, trace.planning, objects)
