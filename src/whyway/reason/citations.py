"""Decision -> what the trace cites: the objects that moved it, with roles, and the road as perceived."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whyway.config import Config
from whyway.maps.corridor import Corridor, hypotheses
from whyway.maps.road import LanePath, Road
from whyway.reason.facts import Decision, Facts, Option
from whyway.trace.integrity import lane_relation
from whyway.types import (
    CauseKind,
    Conflict,
    CriticalObject,
    Direction,
    LaneRelation,
    Lateral,
    LightColor,
    NavCommand,
    ObjectClass,
    ObjectPrediction,
    PerceptionTrace,
    RoadType,
    Role,
    Scene,
    TrackedObject,
)

NEIGHBOUR_M = 50.0
"""Who is farther off in the lane changed to is cited only if it holds the car back."""
_VRU = (ObjectClass.PEDESTRIAN, ObjectClass.ANIMAL)


@dataclass(frozen=True, slots=True, eq=False)
class Citation:
    """One cited object, the row of the chosen option's corridor that matters, and how much."""

    critical: CriticalObject
    row: int


def cited(decision: Decision, facts: Facts, config: Config, road: Road) -> list[Citation]:
    """Every object the decision rests on, most relevant first; at most `max_critical_objects`.

    An object is cited when it holds the car back in the chosen rollout, is yielded to or passed, makes a lane change unsafe or
    not worth while, or is what a lane change avoids.
    """
    relevance: dict[int, float] = {}

    def note(object_id: int, weight: float) -> None:
        relevance[object_id] = max(relevance.get(object_id, 0.0), weight)

    chosen = decision.chosen
    _held_by(chosen, note, 1.0)
    for object_id in chosen.yields_to:
        note(object_id, 1.0)
    for object_id in chosen.passes:
        note(object_id, 0.4)
    for (_, object_id), weight in decision.weights.items():
        if object_id and any(o.id == object_id for o in facts.objects):
            note(object_id, 0.5 + 0.5 * weight)
    for object_id in (*chosen.round, *(i for o in decision.others for i in o.round)):
        note(object_id, 0.7)
    if chosen.capped_by is not None and chosen.capped_by[0] == CauseKind.OBJECT:
        note(chosen.capped_by[1], 0.5)
    for option in decision.others:
        if option.manoeuvre.lateral in (Lateral.LANE_CHANGE, Lateral.NUDGE):
            _held_by(option, note, 0.3)
            if option.hindered_by:
                note(option.hindered_by, 0.3)
    if chosen.manoeuvre.lateral == Lateral.NUDGE:
        for option in decision.others:
            if option.manoeuvre.lateral == Lateral.KEEP_LANE:
                _held_by(option, note, 0.6)
    if chosen.manoeuvre.lateral == Lateral.LANE_CHANGE:
        for object_id in _neighbours_of_change(chosen):
            note(object_id, 0.3)
        for option in decision.others:
            if option.manoeuvre.lateral == Lateral.KEEP_LANE:
                _held_by(option, note, 0.6)
    ranked = sorted(relevance.items(), key=lambda item: (-item[1], item[0]))
    objects = {o.id: o for o in facts.objects}
    home = road.path_from(facts.place.lane_id, facts.place.s_m + 120.0)
    found = []
    for object_id, weight in ranked[: config.reason.max_critical_objects]:
        o = objects[object_id]
        row = _row(chosen, object_id)
        found.append(Citation(_critical(o, row, weight, chosen.corridor, home), row))
    return found


def _held_by(option: Option, note: Callable[[int, float], None], scale: float) -> None:
    rows, pressure = option.rollout.binding, option.rollout.pressure_mps2
    if option.halt is not None and option.halt.key[0] == CauseKind.OBJECT:
        note(option.halt.key[1], scale)
    for row in np.unique(rows[rows >= 0]):
        share = float(np.max(pressure[rows == row])) / 3.0
        note(int(option.corridor.ids[row]), scale * min(1.0, 0.2 + share))


def _neighbours_of_change(option: Option) -> list[int]:
    """The nearest object ahead and behind in the lane that is changed to, if it is near enough to matter."""
    c = option.corridor
    lateral = np.abs(c.aside_m[:, 0] + option.manoeuvre.d_m)
    near_by = np.abs(c.ahead_m[:, 0]) < NEIGHBOUR_M
    rows = np.flatnonzero(~c.leaves & (lateral < 1.8) & near_by)
    ahead = [r for r in rows if c.ahead_m[r, 0] >= 0]
    behind = [r for r in rows if c.ahead_m[r, 0] < 0]
    near = [min(ahead, key=lambda r: c.ahead_m[r, 0])] if ahead else []
    near += [max(behind, key=lambda r: c.ahead_m[r, 0])] if behind else []
    return [int(c.ids[r]) for r in near]


def _row(option: Option, object_id: int) -> int:
    """The hypothesis of an object that holds the car back, or its most probable one; -1 where it has none."""
    rows = np.flatnonzero(option.corridor.ids == object_id)
    if len(rows) == 0:
        return -1
    binding = [r for r in rows if (option.rollout.binding == r).any()]
    return int(binding[0]) if binding else int(rows[np.argmax(option.corridor.probability[rows])])


def _critical(
    o: TrackedObject, row: int, relevance: float, c: Corridor, home: LanePath
) -> CriticalObject:
    relation = lane_relation(home, o.x_m, o.y_m)
    return CriticalObject(
        o.id, o.object_class, _role(o, row, relation, c), o.x_m, o.y_m, o.yaw_rad, o.vx_mps, o.vy_mps, relation,
        o.existence_probability, relevance,
    )  # fmt: skip


def _role(o: TrackedObject, row: int, relation: LaneRelation, c: Corridor) -> Role:
    if o.object_class in _VRU:
        return Role.CROSSING if row >= 0 and bool(c.crosses[row]) else Role.VRU
    if row < 0:
        return Role.REAR
    standing = math.hypot(o.vx_mps, o.vy_mps) < 0.3
    if bool(c.crosses[row]):
        return Role.CROSSING
    if float(c.along_mps[row, 0]) < -0.5:
        return Role.ONCOMING
    if float(c.ahead_m[row, 0]) < 0.0 and relation == LaneRelation.EGO:
        return Role.REAR
    if bool(c.inside[row, 0]):
        return Role.BLOCKER if standing else Role.LEAD
    if relation == LaneRelation.OFF and standing:
        return Role.PARKED
    if bool(c.inside[row].any()) and not standing:
        return Role.CUT_IN
    return Role.ADJACENT_LEFT if float(c.aside_m[row, 0]) > 0 else Role.ADJACENT_RIGHT


def predicted(
    decision: Decision, citation: Citation, objects: tuple[TrackedObject, ...]
) -> ObjectPrediction:
    """What a cited object is expected to do, and how it meets the ego in the chosen rollout."""
    c, roll, row = decision.chosen.corridor, decision.chosen.rollout, citation.row
    o = next(o for o in objects if o.id == citation.critical.id)
    modes = hypotheses(o)
    mode = max(modes, key=lambda p: p.probability)
    if row < 0:
        return ObjectPrediction(
            o.id, mode.intent, mode.probability, mode.dt_s, mode.x_m, mode.y_m, mode.sigma_m, Conflict.NONE,
            math.inf, math.inf, math.inf,
        )  # fmt: skip
    mode = min(modes, key=lambda p: abs(p.probability - float(c.probability[row])))
    gap = c.ahead_m[row] - c.half_length_m[row] - roll.ahead_m
    inside = c.inside[row]
    enters = float(c.t_s[np.argmax(inside)]) if inside.any() else math.inf
    closing = float(roll.v_mps[0] - c.along_mps[row, 0])
    ttc = float(gap[0]) / closing if inside[0] and closing > 0.1 and gap[0] > 0 else math.inf
    least = float(np.min(np.where(inside, np.abs(gap), np.inf)))
    return ObjectPrediction(
        o.id, mode.intent, mode.probability, mode.dt_s, mode.x_m, mode.y_m, mode.sigma_m,
        _conflict(c, row, enters), ttc, least, enters,
    )  # fmt: skip


def _conflict(c: Corridor, row: int, enters_s: float) -> Conflict:
    if not math.isfinite(enters_s):
        return Conflict.NONE
    if bool(c.crosses[row]):
        return Conflict.CROSS
    if float(c.along_mps[row, 0]) < -0.5:
        return Conflict.HEAD_ON
    return Conflict.REAR_END if enters_s == 0.0 else Conflict.MERGE


def perceived(
    decision: Decision,
    facts: Facts,
    scene: Scene,
    citations: list[Citation],
    road: Road,
    config: Config,
) -> PerceptionTrace:
    """The road ahead in numbers, and the cited objects."""
    m = decision.chosen.manoeuvre
    path, s = m.path, m.s_m
    front = config.vehicle.front_m
    junction = next((max(a - s, 0.0) for a, b in path.junctions if b > s), math.inf)
    line = next(((at - s, part) for at, part in path.stop_lines if at - s > front - 0.5), None)
    light, light_at, sure = LightColor.UNKNOWN, math.inf, 0.0
    for at, part in path.stop_lines:
        if at - s > front - 0.5 and part.light_id in facts.lights:
            light, light_at = facts.lights[part.light_id], at - s
            sure = next(x.confidence for x in scene.lights if x.light_id == part.light_id)
            break
    curvature = float(path.center.at(np.array([s + max(scene.ego.v_mps, 3.0)]))[3][0])
    command, command_at = _command(decision, path, s)
    return PerceptionTrace(
        _road_type(path, s, curvature), float(path.limit_at(np.array([s]))[0]), curvature, junction,
        line[0] if line else math.inf, light, light_at, sure, scene.ego, command, command_at,
        tuple(c.critical for c in citations),
    )  # fmt: skip


def _command(decision: Decision, path: LanePath, s_m: float) -> tuple[NavCommand, float]:
    if decision.route_change != Direction.NONE:
        left = decision.route_change == Direction.LEFT
        return (NavCommand.CHANGE_LEFT if left else NavCommand.CHANGE_RIGHT), 0.0
    turn = path.next_turn(s_m)
    if turn is not None:
        return (NavCommand.LEFT if turn[0] == Direction.LEFT else NavCommand.RIGHT), max(
            turn[1] - s_m, 0.0
        )
    junction = next((max(a - s_m, 0.0) for a, b in path.junctions if b > s_m), math.inf)
    return (
        (NavCommand.STRAIGHT, junction)
        if math.isfinite(junction)
        else (NavCommand.FOLLOW, math.inf)
    )


def _road_type(path: LanePath, s_m: float, curvature_1pm: float) -> RoadType:
    if path.in_junction_at(s_m):
        return RoadType.INTERSECTION
    return RoadType.CURVE if abs(curvature_1pm) > 0.01 else RoadType.STRAIGHT
