"""Trace -> completed trace: is what is done what was said, and is what was said there?

Run every cycle on the final trajectory. `agreement` is a table, so that two people who read a log reach the same verdict.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from whyway.trace.frame import LaneFrame
from whyway.trace.meta_actions import MetaActions, meta_actions
from whyway.types import (
    ActionTrace,
    Agreement,
    CauseKind,
    Decision,
    Direction,
    LaneRelation,
    Lateral,
    Longitudinal,
    MetaLane,
    MetaLateral,
    MetaLongitudinal,
    Plan,
    PlanningTrace,
    Scene,
    StageLatency,
    Trace,
    Waypoints,
)

_SPEEDS_UP = {MetaLongitudinal.GENTLE_ACCELERATION, MetaLongitudinal.STRONG_ACCELERATION}
_SLOWS = {MetaLongitudinal.GENTLE_DECELERATION, MetaLongitudinal.STRONG_DECELERATION}
_HOLDS = {MetaLongitudinal.MAINTAIN_SPEED}
_STANDS = {MetaLongitudinal.STOP}

# decision -> meta-actions that do what it says, meta-actions that do the opposite; the rest neither supports nor contradicts it
_LONGITUDINAL: dict[Longitudinal, tuple[set[MetaLongitudinal], set[MetaLongitudinal]]] = {
    Longitudinal.STOP: (_SLOWS | _STANDS, _SPEEDS_UP),
    Longitudinal.YIELD: (_SLOWS | _STANDS, _SPEEDS_UP),
    Longitudinal.PASS: (_SPEEDS_UP | _HOLDS, _STANDS | {MetaLongitudinal.STRONG_DECELERATION}),
    Longitudinal.GAP_SEARCH: (_HOLDS | _SLOWS | {MetaLongitudinal.GENTLE_ACCELERATION}, _STANDS),
    # whoever follows a lead does what the lead does, but does not sprint at it
    Longitudinal.KEEP_DISTANCE: (
        _HOLDS | _SLOWS | _STANDS | {MetaLongitudinal.GENTLE_ACCELERATION},
        {MetaLongitudinal.STRONG_ACCELERATION},
    ),
    Longitudinal.ADAPT_SPEED: (_HOLDS | _SLOWS, _STANDS | {MetaLongitudinal.STRONG_ACCELERATION}),
    Longitudinal.RESUME_SPEED: (_SPEEDS_UP | _HOLDS, _SLOWS | _STANDS),
}

_LEFTWARD = {MetaLane.LEFT_LANE_CHANGE, MetaLane.SLIGHTLY_SHIFT_LEFT}
_RIGHTWARD = {MetaLane.RIGHT_LANE_CHANGE, MetaLane.SLIGHTLY_SHIFT_RIGHT}
_WITH_LANE = {MetaLane.LANE_KEEP, MetaLane.FOLLOW_CURVE_LEFT, MetaLane.FOLLOW_CURVE_RIGHT}
_STEERS_LEFT = {MetaLateral.STEER_LEFT, MetaLateral.SHARP_STEER_LEFT}
_STEERS_RIGHT = {MetaLateral.STEER_RIGHT, MetaLateral.SHARP_STEER_RIGHT}


def longitudinal_agreement(said: Longitudinal, done: MetaLongitudinal) -> Agreement:
    """Whether a longitudinal decision and meta-action agree."""
    supports, contradicts = _LONGITUDINAL[said]
    if done in supports:
        return Agreement.OK
    return (
        Agreement.CONTRADICTORY
        if done in contradicts or done == MetaLongitudinal.REVERSE
        else Agreement.UNSUPPORTED
    )


def lane_agreement(said: Lateral, side: Direction, done: MetaLane) -> Agreement:
    """Whether a lateral decision and the motion in the lane's frame agree."""
    if said == Lateral.KEEP_LANE:
        # shifting within the lane is keeping it (centring, wandering); leaving it or turning off is not
        if done in _WITH_LANE | {MetaLane.SLIGHTLY_SHIFT_LEFT, MetaLane.SLIGHTLY_SHIFT_RIGHT}:
            return Agreement.OK
        leaves = done in {MetaLane.LEFT_LANE_CHANGE, MetaLane.RIGHT_LANE_CHANGE}
        return Agreement.CONTRADICTORY if leaves else Agreement.UNSUPPORTED
    ours, other = (_LEFTWARD, _RIGHTWARD) if side == Direction.LEFT else (_RIGHTWARD, _LEFTWARD)
    if said == Lateral.TURN:
        our_turn, other_turn = (
            (MetaLane.TURN_LEFT, MetaLane.TURN_RIGHT)
            if side == Direction.LEFT
            else (MetaLane.TURN_RIGHT, MetaLane.TURN_LEFT)
        )
        our_curve = (
            MetaLane.FOLLOW_CURVE_LEFT if side == Direction.LEFT else MetaLane.FOLLOW_CURVE_RIGHT
        )
        if done in {our_turn, our_curve}:
            return Agreement.OK
        return Agreement.CONTRADICTORY if done == other_turn else Agreement.UNSUPPORTED
    if said == Lateral.NUDGE and done in _WITH_LANE:
        return Agreement.OK  # holding the offset it has
    if done in ours:
        return Agreement.OK
    return Agreement.CONTRADICTORY if done in other else Agreement.UNSUPPORTED


def lateral_agreement(said: Lateral, side: Direction, done: MetaLateral) -> Agreement:
    """Whether a turn steers to its side; other decisions are judged in the lane's frame alone."""
    if said != Lateral.TURN:
        return Agreement.OK
    ours, other = (
        (_STEERS_LEFT, _STEERS_RIGHT) if side == Direction.LEFT else (_STEERS_RIGHT, _STEERS_LEFT)
    )
    if done in ours:
        return Agreement.OK
    return Agreement.CONTRADICTORY if done in other else Agreement.UNSUPPORTED


def agreement(planning: PlanningTrace, done: MetaActions) -> tuple[Agreement, Agreement, Agreement]:
    """Agreement of a decision with meta-actions: longitudinal, lateral (steering), lane."""
    return (
        longitudinal_agreement(planning.longitudinal, done.longitudinal),
        lateral_agreement(planning.lateral, planning.direction, done.lateral),
        lane_agreement(planning.lateral, planning.direction, done.lane),
    )


def lane_relation(path: LaneFrame, x_m: float, y_m: float, limit_m: float = 6.0) -> LaneRelation:
    """Where a point lies relative to a lane path: in it, left or right of it, or off (beyond `limit_m`)."""
    s, d = path.center.project(x_m, y_m)
    half = float(path.half_width_at(s))
    if abs(d) <= half:
        return LaneRelation.EGO
    if abs(d) > half + limit_m:
        return LaneRelation.OFF
    return LaneRelation.LEFT if d > 0 else LaneRelation.RIGHT


def grounded(trace: Trace, scene: Scene, path: LaneFrame) -> bool:
    """Whether every cited id exists in the scene, with its class and on its side, and every cause and prediction cites a listed one."""
    objects = {o.id: o for o in scene.objects}
    cited = {c.id for c in trace.perception.critical_objects}
    for c in trace.perception.critical_objects:
        o = objects.get(c.id)
        if o is None or o.object_class != c.object_class:
            return False
        if lane_relation(path, o.x_m, o.y_m) != c.lane_relation:
            return False
    lights = {light.light_id for light in scene.lights}
    for cause in trace.planning.causes:
        if cause.kind == CauseKind.OBJECT and cause.id not in cited:
            return False
        if cause.kind == CauseKind.TRAFFIC_LIGHT and cause.id not in lights:
            return False
    return all(p.id in cited for p in trace.prediction.objects)


def scene_hash(scene: Scene) -> str:
    """Sixteen hex digits that identify the input a trace was computed from (SHA-256 over stamp, ego and objects)."""
    ego = scene.ego
    row = [scene.stamp_ns, ego.x_m, ego.y_m, ego.yaw_rad, ego.v_mps, ego.a_mps2, ego.steer_rad]
    for o in scene.objects:
        row += [
            o.id,
            o.object_class,
            o.x_m,
            o.y_m,
            o.yaw_rad,
            o.vx_mps,
            o.vy_mps,
            o.length_m,
            o.width_m,
        ]
    for light in scene.lights:
        row += [light.light_id, light.color]
    return hashlib.sha256(np.array(row, dtype=np.float64).tobytes()).hexdigest()[:16]


def complete(draft: Trace, scene: Scene, plan: Plan, path: LaneFrame | None) -> Trace:
    """The whole trace: the reasoner's draft with the action and the integrity computed from the final trajectory.

    Args:
      draft: what was said.
      scene: what it was said of.
      plan: what will be done.
      path: the lane path the ego is on; None off the lanes, where nothing can be measured and no axis is supported.
    """
    w = plan.waypoints
    if path is None or len(w.t_s) < 2:
        done = MetaActions(MetaLongitudinal.STOP, MetaLateral.GO_STRAIGHT, MetaLane.LANE_KEEP)
        agreements = (Agreement.UNSUPPORTED,) * 3
        is_grounded = path is not None and grounded(draft, scene, path)
    else:
        done = meta_actions(w, path)
        agreements = agreement(draft.planning, done)
        is_grounded = grounded(draft, scene, path)
    norm = float(np.max(np.hypot(plan.delta_x_m, plan.delta_y_m))) if len(plan.delta_x_m) else 0.0
    action = ActionTrace(
        done.longitudinal,
        done.lateral,
        done.lane,
        w,
        plan.sft_waypoints,
        plan.delta_x_m,
        plan.delta_y_m,
        norm,
    )
    integrity = dataclasses.replace(
        draft.integrity,
        longitudinal=agreements[0],
        lateral=agreements[1],
        lane=agreements[2],
        grounding_ok=is_grounded,
        latency=(
            StageLatency("perception", scene.latency_ms),
            *draft.integrity.latency,
            StageLatency("planner", plan.latency_ms),
        ),
    )
    return dataclasses.replace(draft, action=action, integrity=integrity)


def decision_names(decision: Decision) -> tuple[str, str]:
    """The two halves of a decision as they are told and counted: "STOP", "TURN LEFT"."""
    longitudinal, lateral, side = decision
    return longitudinal.name, lateral.name if side == Direction.NONE else f"{lateral.name} {side.name}"  # fmt: skip


def objection(trace: Trace) -> str:
    """Why a whole trace's trajectory must not be driven, in one line; empty: nothing speaks against it.

    The trajectory contradicts the decision on some axis, the trace cites what is not there, or it breaks the grammar. A trajectory that
    merely does not show yet what was decided (`UNSUPPORTED`) is driven.
    """
    said, done, integrity = trace.planning, trace.action, trace.integrity
    longitudinal, lateral = decision_names(said.decision)
    axes = (
        (integrity.longitudinal, longitudinal, done.meta_longitudinal),
        (integrity.lateral, lateral, done.meta_lateral),
        (integrity.lane, lateral, done.meta_lane),
    )
    for agrees, decision, action in axes:
        if agrees == Agreement.CONTRADICTORY:
            return f"says {decision} and would {action.name}"
    if not integrity.grounding_ok:
        return "cites what is not there"
    return "" if integrity.grammar_ok else "breaks the grammar"


def with_latency(trace: Trace, stage: str, latency_ms: float) -> Trace:
    """The trace with one more stage's latency noted in its integrity."""
    latency = (*trace.integrity.latency, StageLatency(stage, latency_ms))
    return dataclasses.replace(
        trace, integrity=dataclasses.replace(trace.integrity, latency=latency)
    )


NO_ACTION = ActionTrace(
    MetaLongitudinal.STOP, MetaLateral.GO_STRAIGHT, MetaLane.LANE_KEEP, Waypoints(), Waypoints(),
    np.zeros(0), np.zeros(0), 0.0,
)  # fmt: skip
"""The action of a draft: none yet."""
