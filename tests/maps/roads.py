"""Hand-made roads for the tests, drawn in a few numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from whyway.maps.road import Road
from whyway.maps.routes import make_route
from whyway.types import Floats, Lane, LaneKind, LaneMap, MarkingKind


def lane(lane_id: int, x_m: Floats, y_m: Floats, width_m: float = 3.5, **changes: Any) -> Lane:
    """A lane along centre points."""
    x, y = np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float)
    yaw = np.arctan2(np.gradient(y), np.gradient(x))
    nx, ny = -np.sin(yaw) * width_m / 2, np.cos(yaw) * width_m / 2
    none = np.zeros(0, dtype=np.int64)
    made = Lane(
        lane_id, LaneKind.DRIVING, 13.89, False, 0, 0, 0, MarkingKind.DASHED, MarkingKind.SOLID, none, none,
        x, y, x + nx, y + ny, x - nx, y - ny,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def straight(lane_id: int, x0: float, x1: float, y: float = 0.0, **changes: Any) -> Lane:
    """A lane along the x axis; towards -x if x1 < x0."""
    n = max(2, round(abs(x1 - x0) / 5) + 1)
    return lane(lane_id, np.linspace(x0, x1, n), np.full(n, y), **changes)


def arc(
    lane_id: int, radius_m: float, turn_rad: float, x0: float = 0.0, y0: float = 0.0, **changes: Any
) -> Lane:
    """A lane that starts along +x and turns left (or right, for a negative turn)."""
    angle = np.linspace(0.0, abs(turn_rad), max(4, math.ceil(abs(turn_rad) * radius_m)))
    side = math.copysign(1.0, turn_rad)
    return lane(
        lane_id,
        x0 + radius_m * np.sin(angle),
        y0 + side * radius_m * (1 - np.cos(angle)),
        **changes,
    )


def ids(*values: int) -> Any:
    """Lane ids as an array."""
    return np.array(values, dtype=np.int64)


def road(lanes: list[Lane], route: list[int], **parts: Any) -> Road:
    """A road from lanes and a route."""
    lane_map = LaneMap(0, "by hand", tuple(lanes), **parts)
    return Road(lane_map, make_route(lane_map, route))


def two_lane_road(route: list[int]) -> Road:
    """Two lanes east (1 then 3 right, 2 then 4 left), one lane west (9), a right exit (5) from the right lane.

    Lanes 1, 2 reach from x = 0 to 100, lanes 3, 4 on to 200.
    """
    return road(
        [
            straight(1, 0, 100, 0.0, left_id=2, successor_ids=ids(3, 5)),
            straight(2, 0, 100, 3.5, right_id=1, opposite_id=9, successor_ids=ids(4)),
            straight(3, 100, 200, 0.0, left_id=4, predecessor_ids=ids(1)),
            straight(4, 100, 200, 3.5, right_id=3, predecessor_ids=ids(2)),
            arc(
                5,
                20.0,
                -1.4,
                100.0,
                0.0,
                in_junction=True,
                speed_limit_mps=8.33,
                predecessor_ids=ids(1),
            ),
            straight(9, 200, 0, 7.0),
        ],
        route,
    )
