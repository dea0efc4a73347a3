"""A small road: 200 m straight east with a left neighbour, then a junction that goes on, turns left or right."""

import numpy as np
import pytest

from whyway.maps.road import Road
from whyway.types import Crossing, Lane, LaneKind, LaneMap, MarkingKind, Route

HALF_WIDTH_M = 1.75


def make_lane(lane_id, x, y, successors=(), left=0, right=0, in_junction=False):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    yaw = np.arctan2(np.gradient(y), np.gradient(x))
    nx, ny = -np.sin(yaw) * HALF_WIDTH_M, np.cos(yaw) * HALF_WIDTH_M
    return Lane(
        lane_id, LaneKind.DRIVING, 14.0, in_junction, left, right, 0, MarkingKind.SOLID, MarkingKind.SOLID,
        np.array(successors, dtype=np.int64), np.zeros(0, dtype=np.int64),
        x, y, x + nx, y + ny, x - nx, y - ny,
    )  # fmt: skip


def arc(side, radius=12.0, points=25):
    angle = np.linspace(0.0, np.pi / 2, points)
    return 200.0 + radius * np.sin(angle), side * radius * (1 - np.cos(angle))


@pytest.fixture(scope="session")
def road():
    straight = np.linspace(0.0, 200.0, 101)
    (left_x, left_y), (right_x, right_y) = arc(+1), arc(-1)
    away = np.linspace(0.0, 150.0, 76)
    lanes = (
        make_lane(1, straight, 0 * straight, (11, 12, 13), left=2),
        make_lane(2, straight, 0 * straight + 3.5, (), right=1),
        make_lane(11, 200 + np.linspace(0, 24, 13), np.zeros(13), (21,), in_junction=True),
        make_lane(12, left_x, left_y, (22,), in_junction=True),
        make_lane(13, right_x, right_y, (23,), in_junction=True),
        make_lane(21, 224 + away, 0 * away),
        make_lane(22, 212 + 0 * away, 12 + away),
        make_lane(23, 212 + 0 * away, -12 - away),
    )
    zebra = Crossing(
        1,
        np.array([98.0, 102.0, 102.0, 98.0]),
        np.array([-1.75, -1.75, 5.25, 5.25]),
        np.array([1, 2]),
    )
    lane_map = LaneMap(0, "a straight road and a junction", lanes, crossings=(zebra,))
    return Road(lane_map, Route(0, np.array([1, 11, 21]), 350.0, 0.0))
