"""Many points at once get the answers that each of them gets alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.maps.grid import LaneGrid
from whyway.maps.road import Road
from whyway.maps.town import make_town
from whyway.types import LaneKind

TOWN = make_town(3)
ROAD = Road(TOWN.lane_map, TOWN.default_route)
X = np.concatenate([lane.center_x_m for lane in TOWN.lane_map.lanes])
Y = np.concatenate([lane.center_y_m for lane in TOWN.lane_map.lanes])


def places(seed, count=40):
    """Points on and off the lanes, one that is nowhere among them."""
    rng = np.random.default_rng(seed)
    i = rng.integers(0, len(X), count)
    x, y = X[i] + rng.normal(0, 3, count), Y[i] + rng.normal(0, 3, count)
    x[0] = math.nan
    return x, y, rng.uniform(-4, 4, count)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_many_points_are_covered_as_each_is(seed):
    x, y, _ = places(seed)
    pieces, point = ROAD._grid.covering_each(x, y, 0.2)
    for k in range(len(x)):
        assert pieces[point == k].tolist() == ROAD._grid.covering(x[k], y[k], 0.2).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_junctions_lanes_and_traffic_are_what_the_lanes_there_say(seed):
    x, y, yaw = places(seed)
    at = [[ROAD.lanes[i] for i in ROAD.lanes_at(float(a), float(b))] for a, b in zip(x, y, strict=True)]  # fmt: skip
    assert ROAD.cover.in_junction(x, y).tolist() == [
        any(lane.lane.in_junction for lane in lanes) for lanes in at
    ]
    corners = np.stack([x, y], axis=-1)[: len(x) // 4 * 4].reshape(-1, 4, 2)
    expected = []
    for box in corners:
        lanes = [set(ROAD.lanes_at(float(a), float(b))) for a, b in box]
        expected.append(len(set.union(*lanes)) > 1 and not set.intersection(*lanes))
    assert ROAD.cover.astride(corners).tolist() == expected
    for k in np.flatnonzero(ROAD.cover.oncoming(x, y, yaw)):
        for lane in at[k]:
            if lane.lane.kind == LaneKind.DRIVING:
                s, _ = lane.project(x[k], y[k])
                assert math.cos(float(lane.center.at(s)[2]) - yaw[k]) < 0.3
                assert not lane.lane.in_junction


def test_a_box_across_a_lane_border_is_astride_and_one_within_a_lane_is_not():
    path = ROAD.route_path
    x, y, yaw, _ = path.center.at(np.array([20.0, 20.0]), np.array([0.0, 1.75]))
    c, s = np.cos(yaw), np.sin(yaw)
    along, across = np.array([2.0, -2.0, -2.0, 2.0]), np.array([0.9, 0.9, -0.9, -0.9])
    corners = np.stack(
        [x[:, None] + along * c[:, None] - across * s[:, None],
         y[:, None] + along * s[:, None] + across * c[:, None]], axis=-1,
    )  # fmt: skip
    assert ROAD.cover.astride(corners).tolist() == [False, True]


def test_steps_along_a_lane_count_and_those_against_it_count_negative():
    path = ROAD.route_path
    x, y, yaw, _ = path.center.at(np.array([20.0, 20.0]))
    dx, dy = np.cos(yaw) * [1.0, -1.0], np.sin(yaw) * [1.0, -1.0]
    assert ROAD.cover.along_lanes(x, y, dx, dy) == pytest.approx([1.0, -1.0], abs=0.01)
    assert ROAD.cover.along_lanes(np.array([1e5]), np.zeros(1), dx[:1], dy[:1]).tolist() == [0.0]


def test_the_limit_is_that_of_the_lane_and_off_the_road_there_is_none():
    path = ROAD.route_path
    x, y, _, _ = path.center.at(np.array([20.0]))
    assert ROAD.cover.speed_limit(x, y)[0] == pytest.approx(float(path.limit_at(20.0)))
    assert ROAD.cover.speed_limit(np.array([1e5]), np.zeros(1)).tolist() == [math.inf]


def test_a_junctions_lane_has_the_highest_limit_of_those_it_joins():
    junction = next(a for a in TOWN.lane_map.lanes if a.in_junction)
    joined = [*junction.predecessor_ids.tolist(), *junction.successor_ids.tolist()]
    middle = len(junction.center_x_m) // 2
    limit = ROAD.cover.speed_limit(junction.center_x_m[middle], junction.center_y_m[middle])
    assert float(limit) >= max(ROAD.lanes[i].lane.speed_limit_mps for i in joined)


def test_a_map_without_lanes_covers_nothing():
    pieces, point = LaneGrid(()).covering_each(np.zeros(3), np.zeros(3))
    assert len(pieces) == len(point) == 0
