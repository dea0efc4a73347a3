"""The way ahead in stretches, and the lanes on either side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from whyway.reason.features.beside import NEXT
from whyway.reason.features.table import numbered, spread
from whyway.reason.features.view import View, Viewer
from whyway.reason.spec import PATH_ROWS
from whyway.types import Direction, Floats, MarkingKind

SAMPLES = 5
LEAST_STEP_M, MOST_STEP_M, STEP_S = 3.0, 7.0, 0.4
"""A sample every 0.4 s of way, 3 m at least: 20 samples are 8 s, a plan's horizon, and no less than 60 m and no more than 140 m, what
paths are laid for. At walking pace metres matter, on a highway seconds do."""

PATH: dict[str, str] = {
    "begins": "of the stretch / 50 m",
    "step": "between samples / 5 m",
    **numbered("limit", SAMPLES, "/ 15 m/s"),
    **numbered("allowed", SAMPLES, "speed that limits and bends allow / 15 m/s"),
    **numbered("over", SAMPLES, "v less that speed / 5 m/s"),
    **numbered("curvature", SAMPLES, "left positive / 0.1 1/m"),
    **numbered("turned", SAMPLES, "heading change since the ego / 1.5 rad"),
    **numbered("half_width", SAMPLES, "/ 2 m"),
    **numbered("junction", SAMPLES, "whether inside one"),
    **numbered("crossing", SAMPLES, "whether a pedestrian crossing lies there"),
}

ROAD_M = np.array([0.0, 10.0, 20.0, 40.0])
SIDE: dict[str, str] = {
    "side": "1 left, -1 right",
    "same": "whether a lane of the same direction lies there",
    "oncoming": "whether a lane of the opposite direction does",
    "solid": "whether the border is a solid line",
    "width": "of that lane / 3.5 m",
    "limit": "there / 15 m/s",
    "faster": "its limit less the own one / 5 m/s",
    "centre": "how far aside its middle is from the ego / 3.5 m",
    "asked": "whether the route asks for that lane",
    "on_route": "whether it is one of the route",
    "leaves": "whether the route asks to leave it again",
    "leave_distance": "by when / 100 m",
    **{f"road_{m:.0f}m": "free road beyond the border, so far ahead / 3.5 m" for m in ROAD_M},
    "room": "of the ego's flank to the border of its lane / 1 m",
    **NEXT,
}


def path_columns(v: View) -> dict[str, Any]:
    """Columns `(PATH_ROWS,)` by name."""
    m, speed = v.keep, v.scene.ego.v_mps
    step = float(np.clip(STEP_S * speed, LEAST_STEP_M, MOST_STEP_M))
    at = np.arange(PATH_ROWS * SAMPLES, dtype=np.float64).reshape(PATH_ROWS, SAMPLES)
    ahead = np.asarray(step * at)
    s: Floats = np.asarray(m.s_m + ahead, dtype=np.float64)
    _, _, yaw, curvature = m.path.center.at(s)
    own_yaw = float(m.path.center.at(m.s_m)[2])
    allowed = np.interp(
        ahead, v.profile.step_m * np.arange(len(v.profile.allowed_mps)), v.profile.allowed_mps
    )
    return {
        "begins": ahead[:, 0] / 50,
        "step": step / 5,
        **spread("limit", m.path.limit_at(s) / 15),
        **spread("allowed", allowed / 15),
        **spread("over", (speed - allowed) / 5),
        **spread("curvature", curvature / 0.1),
        **spread("turned", (yaw - own_yaw) / 1.5),
        **spread("half_width", m.path.half_width_at(s) / 2),
        **spread("junction", _within(s, [(a, b) for a, b in m.path.junctions], 0.0)),
        **spread("crossing", _within(s, [(a, b) for a, b, _ in m.path.crossings], step / 2)),
    }


def _within(s_m: Floats, spans: list[tuple[float, float]], margin_m: float) -> Floats:
    inside = np.zeros(s_m.shape)
    for a, b in spans:
        inside[(s_m > a - margin_m) & (s_m < b + margin_m)] = 1.0
    return inside


def side_columns(v: View, viewer: Viewer) -> dict[str, Any]:
    """Columns `(2,)` by name: left, right; those of `NEXT`, `beside.next_columns` makes."""
    rows = [_side(v, viewer, side) for side in (Direction.LEFT, Direction.RIGHT)]
    road = viewer.margins.along(v.keep.path, v.keep.s_m + ROAD_M) / 3.5
    return {
        **{name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]},
        **{f"road_{m:.0f}m": road[:, k] for k, m in enumerate(ROAD_M)},
    }


def _side(v: View, viewer: Viewer, side: Direction) -> dict[str, float]:
    road, place, left = viewer.road, v.place, side == Direction.LEFT
    lane = road.lanes[place.lane_id].lane
    same = lane.left_id if left else lane.right_id
    opposite = lane.opposite_id if left and same not in road.lanes else 0
    other = road.lanes.get(same) or road.lanes.get(opposite)
    half = float(v.keep.path.half_width_at(v.keep.s_m))
    sign = 1.0 if left else -1.0
    wish = road.next_route_lane_change(place.lane_id)
    back = road.next_route_lane_change(same) if same in road.lanes else None
    width = float(np.mean(other.raw_width_m)) if other else 0.0
    marking = lane.left_marking if left else lane.right_marking
    return {
        "side": sign,
        "same": float(same in road.lanes),
        "oncoming": float(opposite in road.lanes),
        "solid": float(marking == MarkingKind.SOLID),
        "width": width / 3.5,
        "limit": other.lane.speed_limit_mps / 15 if other else 0.0,
        "faster": (other.lane.speed_limit_mps - lane.speed_limit_mps) / 5 if other else 0.0,
        "centre": (half + width / 2 - sign * place.d_m) / 3.5 if other else 0.0,
        "asked": float(wish is not None and wish[0] == side),
        "on_route": float(same in road.route_ids),
        "leaves": float(back is not None),
        "leave_distance": (back[1] - place.s_m) / 100 if back else math.inf,
        "room": half - sign * place.d_m - viewer.config.vehicle.width_m / 2,
    }
