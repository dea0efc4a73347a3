"""An earlier trace said again of a scene that is a little newer: what is gone is no longer cited, what has come nearer is nearer. No clock.

For the cycle in which the model has no new trace in time. It says nothing new, so it can be carried only as long as what it rests on
is still there: its main cause, the colour of its light, the lane change it speaks of.
"""

from __future__ import annotations

import dataclasses
import math

from whyway.geometry import wrap_angle
from whyway.motion import hypotheses
from whyway.trace.frame import LaneFrame
from whyway.trace.integrity import lane_relation, scene_hash
from whyway.types import (
    CYCLE_NS,
    Cause,
    CauseKind,
    CriticalObject,
    Direction,
    EgoState,
    Lateral,
    LightColor,
    ObjectPrediction,
    PerceptionTrace,
    PlanningTrace,
    PredictionTrace,
    Scene,
    Trace,
    TrackedObject,
)

LONGEST_S = 0.5
"""An older trace is not said again: the car has moved on by more than its words allow for."""


def carried(trace: Trace, scene: Scene, path: LaneFrame, changing: Direction) -> Trace | None:
    """The trace as it would be said now; None where it would not.

    Args:
      trace: of an earlier scene of the same drive.
      scene: now.
      path: the lane path the ego is on.
      changing: the side of the lane change that is under way by now; a finished one is not begun again.
    """
    age_s = (scene.stamp_ns - trace.stamp_ns) * 1e-9
    planning = trace.planning
    finished = planning.lateral == Lateral.LANE_CHANGE and planning.direction != changing
    if not 0.0 <= age_s <= LONGEST_S or finished or _light_changed(trace, scene):
        return None
    there = {o.id: o for o in scene.objects}
    cited = tuple(
        _seen_now(c, there[c.id], path)
        for c in trace.perception.critical_objects
        if c.id in there and there[c.id].object_class == c.object_class
    )
    ids = {c.id for c in cited}
    lights = {light.light_id for light in scene.lights}
    causes = tuple(c for c in planning.causes if _holds(c, ids, lights))
    if planning.causes and planning.causes[0] not in causes:
        return None
    moved_m = _moved(trace.perception.ego, scene.ego)
    predictions = tuple(
        _expected_now(p, there[p.id], age_s) for p in trace.prediction.objects if p.id in ids
    )
    return dataclasses.replace(
        trace,
        stamp_ns=scene.stamp_ns,
        trace_id=scene.stamp_ns // CYCLE_NS,
        perception=_perceived_now(trace.perception, scene.ego, cited, moved_m),
        prediction=PredictionTrace(predictions),
        planning=_planned_now(planning, causes, moved_m),
        integrity=dataclasses.replace(trace.integrity, input_hash=scene_hash(scene)),
    )


def _light_changed(trace: Trace, scene: Scene) -> bool:
    """Whether a light the decision rests on has another colour than the trace says."""
    colors = {light.light_id: light.color for light in scene.lights}
    said = trace.perception.traffic_light
    governed = [c.id for c in trace.planning.causes if c.kind == CauseKind.TRAFFIC_LIGHT]
    if said == LightColor.UNKNOWN:
        return False
    return any(colors.get(light_id) != said for light_id in governed) or (
        not governed and said not in colors.values()
    )


def _holds(cause: Cause, objects: set[int], lights: set[int]) -> bool:
    """Whether what a cause names is still there."""
    if cause.kind == CauseKind.OBJECT:
        return cause.id in objects
    return cause.kind != CauseKind.TRAFFIC_LIGHT or cause.id in lights


def _moved(before: EgoState, now: EgoState) -> float:
    """How far the ego has come, along its heading [m]."""
    yaw = before.yaw_rad + 0.5 * float(wrap_angle(now.yaw_rad - before.yaw_rad))
    dx, dy = now.x_m - before.x_m, now.y_m - before.y_m
    return max(dx * math.cos(yaw) + dy * math.sin(yaw), 0.0)


def _seen_now(c: CriticalObject, o: TrackedObject, path: LaneFrame) -> CriticalObject:
    return dataclasses.replace(
        c, x_m=o.x_m, y_m=o.y_m, yaw_rad=o.yaw_rad, vx_mps=o.vx_mps, vy_mps=o.vy_mps,
        lane_relation=lane_relation(path, o.x_m, o.y_m), existence_probability=o.existence_probability,
    )  # fmt: skip


def _expected_now(p: ObjectPrediction, o: TrackedObject, age_s: float) -> ObjectPrediction:
    """The object's present hypothesis of the same intent, or else its most probable one."""
    modes = hypotheses(o)
    same = [m for m in modes if m.intent == p.intent]
    mode = max(same or modes, key=lambda m: m.probability)
    return dataclasses.replace(
        p, intent=mode.intent, probability=mode.probability, dt_s=mode.dt_s,
        path_x_m=mode.x_m, path_y_m=mode.y_m, path_sigma_m=mode.sigma_m,
        time_to_collision_s=max(p.time_to_collision_s - age_s, 0.0),
        time_of_conflict_s=max(p.time_of_conflict_s - age_s, 0.0),
    )  # fmt: skip


def _perceived_now(
    seen: PerceptionTrace, ego: EgoState, cited: tuple[CriticalObject, ...], moved_m: float
) -> PerceptionTrace:
    names = (
        "distance_to_junction_m", "distance_to_stop_line_m", "traffic_light_distance_m", "command_distance_m"
    )  # fmt: skip
    nearer = {name: max(getattr(seen, name) - moved_m, 0.0) for name in names}
    return dataclasses.replace(seen, ego=ego, critical_objects=cited, **nearer)


def _planned_now(said: PlanningTrace, causes: tuple[Cause, ...], moved_m: float) -> PlanningTrace:
    until = said.offset_until_m - moved_m
    aside = (said.offset_m, said.offset_from_m - moved_m, until) if until > 0.0 else (0.0, 0.0, 0.0)
    return dataclasses.replace(
        said,
        causes=causes,
        stop_distance_m=max(said.stop_distance_m - moved_m, 0.0),
        offset_m=aside[0],
        offset_from_m=aside[1],
        offset_until_m=aside[2],
    )
