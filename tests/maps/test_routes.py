"""Routes: shortest, with the lane changes they need and no others."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.maps.routes import RouteError, find_route, follow, lanes_near, start_lane
from whyway.maps.town import make_town

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

MAP = roads.two_lane_road([1]).lane_map
TOWN = make_town(2).lane_map
lane_ids = st.sampled_from([lane.id for lane in TOWN.lanes])


def test_a_route_changes_lanes_where_it_must_and_not_otherwise() -> None:
    assert find_route(MAP, 1, 3).lane_ids.tolist() == [1, 3]
    assert find_route(MAP, 1, 4).lane_ids.tolist() in ([1, 2, 4], [1, 3, 4])
    assert find_route(MAP, 2, 5).lane_ids.tolist() == [2, 1, 5]
    assert find_route(MAP, 1, 1).lane_ids.tolist() == [1]


def test_a_route_leads_to_a_point_or_the_nearest_of_some_lanes() -> None:
    route = find_route(MAP, 1, (150.0, 0.5))
    assert route.lane_ids.tolist() == [1, 3] and (route.goal_x_m, route.goal_y_m) == (150.0, 0.5)
    assert find_route(MAP, 1, frozenset({4, 3})).lane_ids.tolist() == [1, 3]
    assert find_route(MAP, 1, (150.0, -30.0)).lane_ids.tolist()[-1] in (
        3,
        5,
    )  # off every lane: the nearest


def test_where_no_way_leads_it_says_so_in_one_line() -> None:
    with pytest.raises(RouteError, match=r"no way from lane 3 to \[1\]"):
        find_route(MAP, 3, 1)
    with pytest.raises(RouteError, match="has no lane 77"):
        find_route(MAP, 1, 77)


def test_straight_on_takes_the_way_that_goes_on() -> None:
    assert follow(MAP, 1, 150.0).lane_ids.tolist() == [1, 3]
    # the straight lane ends; the exit goes on: 20 m straight against a 60 m exit
    lanes = [
        roads.straight(1, 0, 50, successor_ids=roads.ids(2, 3)),
        roads.straight(2, 50, 70),
        roads.arc(3, 40.0, 1.5, 50.0, 0.0),
    ]
    lane_map = roads.road(lanes, [1]).lane_map
    assert follow(lane_map, 1, 60.0).lane_ids.tolist() == [1, 2]
    assert follow(lane_map, 1, 105.0).lane_ids.tolist() == [1, 3]
    assert follow(lane_map, 1, 999.0).lane_ids.tolist() == [1, 3]  # the longest there is


@given(lane_ids, lane_ids)
def test_every_lane_of_a_town_is_reached_from_every_other(start: int, goal: int) -> None:
    ids = find_route(TOWN, start, goal).lane_ids.tolist()
    lanes = {lane.id: lane for lane in TOWN.lanes}
    assert ids[0] == start and ids[-1] == goal and len(set(ids)) == len(ids)
    for here, there in zip(ids, ids[1:], strict=False):
        assert there in lanes[here].successor_ids or there in (
            lanes[here].left_id,
            lanes[here].right_id,
        )


def test_the_start_lane_is_the_one_whose_heading_fits() -> None:
    assert start_lane(MAP, 50.0, 5.4, 0.0) == 2 and start_lane(MAP, 50.0, 5.4, 3.1) == 9
    assert start_lane(MAP, 106.0, -1.0, -0.3) == 5 and start_lane(MAP, 106.0, -0.5, 0.0) == 3
    assert start_lane(MAP, 50.0, -40.0, 0.0) == 1  # far off: the nearest
    assert lanes_near(MAP, 50.0, 0.0) == (1,)
