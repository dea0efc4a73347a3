"""The ego's row: how it moves, what it remembers, what route and road ask of it next."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from whyway.maps.path import LanePath, project_near
from whyway.reason.features.table import one_hot, one_hot_names
from whyway.reason.features.view import STEP_S, WINDOW_STEPS, View, Viewer
from whyway.trace.meta_actions import turn_between
from whyway.types import Direction, Floats, LaneKind, Lateral, Longitudinal

AGO_S = (0.5, 1.0, 1.5, 2.0)
LATER_S = (1, 2, 3, 5)
_BRAKES = (1.5, 3.0, 6.0)

EGO: dict[str, str] = {
    "speed": "v / 15 m/s",
    "speed_low": "v / 3 m/s up to 1",
    "stands": "v < 0.3 m/s",
    "acceleration": "a / 3 m/s2",
    "steer": "steering tyre angle / 0.5 rad",
    "yaw_rate": "/ 0.5 rad/s",
    "offset": "left of the lane's middle / 1.75 m",
    "offset_share": "... / half the lane's width",
    "heading": "relative to the lane / 0.5 rad",
    "half_width": "of the lane / 2 m",
    **{f"speed_gained_{s:g}s": "since then / 3 m/s" for s in AGO_S},
    **{f"moved_left_{s:g}s": "since then / 1 m" for s in AGO_S},
    "limit": "here / 15 m/s",
    "over_limit": "v - limit / 5 m/s",
    "cap": "most that the road allows soon / 15 m/s",
    "over_cap": "v - cap / 5 m/s",
    "over_allowed": "v - speed the road allows here / 5 m/s",
    "bends_slow": "how much less the road allows soon because of its bends / 5 m/s",
    "visible": "speed not to exceed for what cannot be seen, less the cap / 5 m/s",
    "visible_over": "v less that speed / 5 m/s",
    "visible_holds": "whether that speed is below the cap",
    "free_acceleration": "that a free road asks for now / 2 m/s2",
    **{f"free_gain_{s}s": "speed gained on a free road / 5 m/s" for s in LATER_S},
    **{f"free_way_{s}s": "way made on a free road / 50 m" for s in LATER_S},
    "held_acceleration": "that the first holding line asks for now / 2 m/s2",
    **{f"held_gain_{s}s": "speed gained before the first holding line / 5 m/s" for s in LATER_S},
    "free_turn": "heading change of the road within the words' window on a free road / 1 rad",
    "held_turn": "... before the first holding line / 1 rad",
    "turn_window": "whether the free window touches a junction",
    "held_turn_window": "whether the held window does",
    **{f"brake_{b:g}": "braking distance at so many m/s2 / 50 m" for b in _BRAKES},
    "in_junction": "",
    "junction": "distance to the next junction / 50 m",
    "junction_through": "distance to its end / 50 m",
    "turn_side": "next turn on the path: 1 left, -1 right",
    "turn_distance": "/ 100 m",
    "turn_after": "whether there is one ahead",
    "gate": "distance of the front to the next line or junction / 30 m",
    "gate_light": "whether a light stands there",
    "gate_green": "whether that light is green",
    "road_end": "distance to where the map ends / 50 m",
    "narrow": "distance to a stretch too narrow to meet on / 50 m",
    "narrow_through": "distance to its end / 50 m",
    "narrow_ahead": "whether there is one",
    "change_left": "the route needs a change to the left",
    "change_right": "the route needs a change to the right",
    "change_distance": "by when / 100 m",
    "change_time": "by when, at this speed / 10 s",
    "change_count": "how many changes in a row / 3",
    "change_search": "whether a gap is to be looked for already",
    "change_in_time": "speed at which all changes fit, less the cap / 5 m/s",
    "last_chance": "distance to where to wait for a gap / 30 m",
    "goal": "distance along the path / 100 m",
    "curvature": "of the road, a second ahead / 0.05 1/m",
    "line": "distance from base_link to the next line of any kind / 50 m",
    "on_route": "whether the lane is one of the route",
    "changing_left": "a change to the left is under way",
    "changing_right": "a change to the right is under way",
    "crossed": "its border is behind us",
    "nudging": "driving aside round somebody",
    "waited": "own standing time / 20 s up to 1",
    "waited_10": "... / 10 s up to 1",
    "waited_1": "... / 1 s up to 1",
    "said": "whether anything was said yet",
    **one_hot_names("said_", Longitudinal, "last said"),
    **one_hot_names("said_", Lateral, "last said"),
    "said_side": "side of the last lateral decision: 1 left, -1 right",
    "said_speed": "last target speed less v / 5 m/s",
    "said_acceleration": "last target acceleration / 2 m/s2",
    "said_halt": "last stop distance / 50 m",
    "said_halts": "whether there was one",
    "said_offset": "last offset / 2 m",
    "said_offset_until": "until where / 50 m",
}
"""Names and meanings. Distances that do not exist stand at the far end (3); flags are 0 or 1."""

SAID = tuple(name for name in EGO if name.startswith("said"))
"""What repeats the last words: a trainer may blank these, so that nobody learns to only say the last thing again."""


def ego_columns(v: View, viewer: Viewer) -> dict[str, Any]:
    """The ego's features by name."""
    return {
        **_motion(v),
        **_speeds(v),
        **_turns(v),
        **_ahead(v, viewer),
        **_route(v, viewer),
        **_memory(v),
    }


def _motion(v: View) -> dict[str, Any]:
    ego, m = v.scene.ego, v.keep
    half = float(m.path.half_width_at(m.s_m))
    found: dict[str, Any] = {
        "speed": ego.v_mps / 15,
        "speed_low": min(ego.v_mps / 3, 1.0),
        "stands": ego.v_mps < 0.3,
        "acceleration": ego.a_mps2 / 3,
        "steer": ego.steer_rad / 0.5,
        "yaw_rate": ego.yaw_rate_rps / 0.5,
        "offset": m.d_m / 1.75,
        "offset_share": m.d_m / max(half, 0.5),
        "heading": v.heading_rad / 0.5,
        "half_width": half / 2,
        **{f"brake_{b:g}": ego.v_mps**2 / (2 * b) / 50 for b in _BRAKES},
    }
    speeds, offsets = _history(v)
    for s, then_v, then_d in zip(AGO_S, speeds, offsets, strict=True):
        found[f"speed_gained_{s:g}s"] = (ego.v_mps - then_v) / 3
        found[f"moved_left_{s:g}s"] = m.d_m - then_d
    return found


def _history(v: View) -> tuple[Floats, Floats]:
    """Speeds and offsets from the present path, some times ago; as now where there is no history."""
    scene, m = v.scene, v.keep
    n = len(scene.history_v_mps)
    if n == 0:
        return np.full(len(AGO_S), scene.ego.v_mps), np.full(len(AGO_S), m.d_m)
    at = np.maximum(n - 1 - np.rint(10 * np.array(AGO_S)).astype(np.int64), 0)
    x, y = scene.history_x_m[at], scene.history_y_m[at]
    _, d = project_near(m.path.center, x, y, m.s_m - 60.0, m.s_m + 10.0)
    return scene.history_v_mps[at], d


def _speeds(v: View) -> dict[str, Any]:
    ego, limit = v.scene.ego, float(v.keep.path.limit_at(v.keep.s_m))
    span = max(5, int(ego.v_mps * 5.0))
    bends = np.min(v.straight.allowed_mps[:span]) - np.min(v.profile.allowed_mps[:span])
    steps = [round(s / STEP_S) for s in LATER_S]
    found: dict[str, Any] = {
        "limit": limit / 15,
        "over_limit": (ego.v_mps - limit) / 5,
        "cap": v.cap_mps / 15,
        "over_cap": (ego.v_mps - v.cap_mps) / 5,
        "over_allowed": (ego.v_mps - float(v.profile.allowed_mps[0])) / 5,
        "bends_slow": bends / 5,
        "visible": (v.visible_mps - v.cap_mps) / 5,
        "visible_over": (ego.v_mps - v.visible_mps) / 5,
        "visible_holds": v.visible_mps < v.cap_mps,
        "free_acceleration": v.free.a_mps2[1] / 2,
        "held_acceleration": v.held.a_mps2[1] / 2,
    }
    for s, k in zip(LATER_S, steps, strict=True):
        found[f"free_gain_{s}s"] = (v.free.v_mps[k] - ego.v_mps) / 5
        found[f"free_way_{s}s"] = v.free.ahead_m[k] / 50
        found[f"held_gain_{s}s"] = (v.held.v_mps[k] - ego.v_mps) / 5
    return found


def _turns(v: View) -> dict[str, Any]:
    m, path = v.keep, v.keep.path
    found: dict[str, Any] = {}
    for name, roll in (("free", v.free), ("held", v.held)):
        to = m.s_m + float(roll.ahead_m[WINDOW_STEPS - 1])
        touches = any(a < to and b > m.s_m for a, b in path.junctions)
        found[f"{name}_turn"] = turn_between(path, m.s_m, to)
        found["turn_window" if name == "free" else "held_turn_window"] = touches
    turn = path.next_turn(m.s_m)
    side = 0.0 if turn is None else 1.0 if turn[0] == Direction.LEFT else -1.0
    found["turn_side"] = side
    found["turn_distance"] = math.inf if turn is None else max(turn[1] - m.s_m, 0.0) / 100
    found["turn_after"] = turn is not None
    return found


def _ahead(v: View, viewer: Viewer) -> dict[str, Any]:
    m, path = v.keep, v.keep.path
    junction = next(((a - m.s_m, b - m.s_m) for a, b in path.junctions if b > m.s_m), None)
    begins, ends = junction or (math.inf, math.inf)
    narrow = next(
        ((a - m.s_m, b - m.s_m) for a, b in viewer.narrows.along(path) if b > m.s_m), None
    )
    gate, light_id = _gate(path, m.s_m + viewer.config.vehicle.front_m)
    color = v.facts.lights.get(light_id)
    over = viewer.config.vehicle.front_m - 0.5
    line = next((s - m.s_m for s, _ in path.stop_lines if s - m.s_m > over), math.inf)
    soon = m.s_m + max(v.scene.ego.v_mps, 3.0)
    return {
        "line": line / 50,
        "curvature": float(path.center.at(soon)[3]) / 0.05,
        "in_junction": path.in_junction_at(m.s_m),
        "junction": max(begins, 0.0) / 50,
        "junction_through": ends / 50,
        "gate": gate / 30,
        "gate_light": light_id != 0,
        "gate_green": color is not None and color.name == "GREEN",
        "road_end": v.road_end_m / 50,
        "narrow": (max(narrow[0], 0.0) if narrow else math.inf) / 50,
        "narrow_through": (narrow[1] if narrow else math.inf) / 50,
        "narrow_ahead": narrow is not None,
    }


def _gate(path: LanePath, front_s_m: float) -> tuple[float, int]:
    """How far the front is from the next line of any kind or junction, and the light there (0: none)."""
    line = next(((s, x.light_id) for s, x in path.stop_lines if s > front_s_m - 0.5), None)
    begins = next((a for a, _ in path.junctions if a > front_s_m), math.inf)
    if line is not None and line[0] < begins + 3.0:
        return line[0] - front_s_m, line[1]
    return begins - front_s_m, 0


def _route(v: View, viewer: Viewer) -> dict[str, Any]:
    road, place, speed = viewer.road, v.place, v.scene.ego.v_mps
    wish = road.next_route_lane_change(place.lane_id)
    left = wish[1] - place.s_m if wish else math.inf
    last = viewer.changes.last_chance(v.facts, left) if wish else None
    lane = road.lanes[place.lane_id].lane
    return {
        "change_left": wish is not None and wish[0] == Direction.LEFT,
        "change_right": wish is not None and wish[0] == Direction.RIGHT,
        "change_distance": left / 100,
        "change_time": left / max(speed, 1.0) / 10,
        "change_count": road.route_lane_changes(place.lane_id) / 3,
        "change_search": left < max(120.0, 15.0 * speed),
        "change_in_time": (viewer.changes.in_time(v.keep, left) - v.cap_mps) / 5,
        "last_chance": last.ahead_m / 30 if last else math.inf,
        "goal": (viewer.goal_m(v.keep.path) - v.keep.s_m) / 100,
        "on_route": place.lane_id in road.route_ids and lane.kind == LaneKind.DRIVING,
    }


def _memory(v: View) -> dict[str, Any]:
    memory, said = v.memory, v.memory.said
    waited = memory.waited_s
    sides = {Direction.LEFT: 1.0, Direction.RIGHT: -1.0}
    stops = said is not None and math.isfinite(said.stop_distance_m)
    return {
        "changing_left": memory.changing == Direction.LEFT,
        "changing_right": memory.changing == Direction.RIGHT,
        "crossed": memory.crossed,
        "nudging": memory.nudging,
        "waited": min(waited / 20, 1.0),
        "waited_10": min(waited / 10, 1.0),
        "waited_1": min(waited, 1.0),
        "said": said is not None,
        **one_hot("said_", [said.longitudinal if said else -1], Longitudinal),
        **one_hot("said_", [said.lateral if said else -1], Lateral),
        "said_side": sides.get(said.direction, 0.0) if said else 0.0,
        "said_speed": (said.target_speed_mps - v.scene.ego.v_mps) / 5 if said else 0.0,
        "said_acceleration": said.target_acceleration_mps2 / 2 if said else 0.0,
        "said_halt": said.stop_distance_m / 50 if said and stops else 0.0,
        "said_halts": stops,
        "said_offset": said.offset_m / 2 if said else 0.0,
        "said_offset_until": said.offset_until_m / 50 if said else 0.0,
    }
