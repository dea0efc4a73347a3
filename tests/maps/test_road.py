"""What a road answers, on hand-made roads and towns."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.geometry import points_in_polygon
from whyway.maps.leaderboard import read_route
from whyway.maps.load import load_map
from whyway.maps.path import project_near
from whyway.maps.road import Road
from whyway.maps.routes import make_route
from whyway.maps.snap import snap_route
from whyway.maps.town import make_town
from whyway.types import Crossing, Direction, LaneKind, StopLine

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LONGEST6 = DATA / "carla_routes_lb1_mit/leaderboard/data/longest6"
TOWN = make_town(5)
ROAD = Road(TOWN.lane_map, TOWN.default_route)
lane_ids = st.sampled_from([lane.id for lane in TOWN.lane_map.lanes])


# ------------------------------------------------------------------------------------------------- where is a point


@given(lane_ids, st.floats(0.02, 0.98), st.floats(-1.4, 1.4))
def test_a_car_on_a_lane_is_located_there(lane_id: int, share: float, d: float) -> None:
    lane = ROAD.lanes[lane_id]
    s = share * lane.center.length_m
    x, y, yaw, _ = (float(v) for v in lane.center.at(s, d))
    assert lane_id in ROAD.lanes_at(x, y, 0.05)
    located = ROAD.locate(x, y, yaw)
    assert located is not None
    if lane.lane.in_junction:  # lanes overlap there: one that goes the same way will do
        found = ROAD.lanes[located[0]]
        assert abs(math.remainder(float(found.center.at(located[1])[2]) - yaw, 2 * math.pi)) < 0.5
    else:
        assert located[0] == lane_id
        assert located[1] == pytest.approx(s, abs=0.02) and located[2] == pytest.approx(d, abs=0.02)


@given(st.floats(-200, 200), st.floats(-200, 200))
def test_lanes_at_is_what_a_test_of_every_polygon_says(x: float, y: float) -> None:
    point = np.array(x), np.array(y)
    inside = {
        lane.id
        for lane in TOWN.lane_map.lanes
        if points_in_polygon(*point, *ROAD.lanes[lane.id].polygon)
    }
    assert set(ROAD.lanes_at(x, y)) == inside
    assert bool(ROAD.off_road(x, y, margin_m=0.0)) == (not inside)


@given(st.lists(st.tuples(st.floats(-300, 300), st.floats(-300, 300)), min_size=1, max_size=20))
def test_many_points_at_once_give_the_answers_of_each_alone(
    points: list[tuple[float, float]],
) -> None:
    x, y = np.array(points).T
    together = ROAD.off_road(x, y)
    assert together.tolist() == [bool(ROAD.off_road(*p)) for p in points]
    assert ROAD.off_road(x[None, :, None], y[None, :, None]).shape == (1, len(points), 1)


def test_a_margin_bridges_a_slit_between_lanes() -> None:
    road = roads.road(
        [roads.straight(1, 0, 50, 0.0), roads.straight(2, 0, 50, 4.0)], [1]
    )  # 0.5 m apart
    assert not road.off_road(25.0, 2.0) and road.off_road(25.0, 2.0, margin_m=0.2)
    assert road.off_road(25.0, -2.2) and not road.off_road(25.0, -2.0)
    assert road.lanes_at(25.0, 2.0) == () and road.lanes_at(25.0, 2.0, 0.3) == (1, 2)


def test_only_lanes_for_vehicles_are_road() -> None:
    lanes = [
        roads.straight(1, 0, 50),
        roads.straight(2, 0, 50, 3.5, kind=LaneKind.SIDEWALK),
        roads.straight(3, 0, 50, -3.5, kind=LaneKind.SHOULDER),
    ]
    road = roads.road(lanes, [1])
    assert road.off_road(np.array([25.0] * 3), np.array([0.0, 3.5, -3.5])).tolist() == [
        False,
        True,
        False,
    ]
    assert road.locate(25.0, 3.5, 0.0)[0] == 1
    assert road.locate(25.0, 3.5, 0.0, kinds=(LaneKind.SIDEWALK,))[0] == 2


def test_the_lane_that_goes_its_way_wins_over_a_nearer_one() -> None:
    road = roads.two_lane_road([1, 3])
    assert road.locate(50.0, 5.5, 0.0)[0] == 2  # overtakes in the lane of those who come
    assert road.locate(50.0, 5.5, math.pi)[0] == 9
    assert road.locate(50.0, -6.0, 0.0) == (1, pytest.approx(50.0), pytest.approx(-6.0))
    assert road.locate(50.0, -20.0, 0.0) is None
    assert road.locate(math.nan, 0.0, 0.0) is None


def test_the_road_goes_on_where_only_the_map_ends() -> None:
    road = roads.two_lane_road([1, 3])
    assert road.off_road(np.array([-20.0, 220.0, -40.0]), np.zeros(3)).tolist() == [
        False,
        False,
        True,
    ]
    assert road.locate(-20.0, 0.5, 0.0) == (1, pytest.approx(-20.0), pytest.approx(0.5))
    assert road.locate(220.0, 0.0, 0.0) == (3, pytest.approx(120.0), pytest.approx(0.0))
    assert road.lanes_at(-20.0, 0.5) == ()
    assert road.locate(120.0, 3.5, 0.0)[0] == 4  # not the lane that would go on from another


def test_the_routes_lane_wins_where_lanes_overlap() -> None:
    lanes = [roads.straight(i, 0, 60) for i in (1, 2, 3)]
    for favourite in (1, 2, 3):
        assert roads.road(lanes, [favourite]).locate(30.0, 0.2, 0.0)[0] == favourite


def test_oncoming_is_a_lane_of_the_other_way_outside_junctions() -> None:
    road = roads.two_lane_road([1, 3])
    assert road.oncoming(50.0, 7.0, 0.0) and not road.oncoming(50.0, 7.0, math.pi)
    assert not road.oncoming(50.0, 0.0, 0.3)
    assert not road.oncoming(50.0, 30.0, 0.0)  # no lane at all
    x, y, yaw, _ = road.lanes[5].center.at(15.0)
    assert not road.oncoming(float(x), float(y), float(yaw) + math.pi)


# ------------------------------------------------------------------------------------------------------------ paths


@settings(max_examples=60)
@given(lane_ids, st.booleans(), st.floats(0.02, 0.98), st.floats(-1.5, 1.5))
def test_a_point_of_a_path_projects_back_to_where_it_was_taken(
    lane_id: int, on_route: bool, share: float, d: float
) -> None:
    path = ROAD.path_from(lane_id, 120.0, on_route)
    s = share * path.length_m
    x, y, _, _ = path.center.at(s, d)
    window = path.center.s_m[np.abs(path.center.s_m - s) < 30.0]
    back_s, back_d = project_near(path.center, x, y, float(window[0]), float(window[-1]))
    assert float(back_s) == pytest.approx(s, abs=0.15) and float(back_d) == pytest.approx(
        d, abs=0.05
    )


@given(lane_ids, st.booleans())
def test_a_path_follows_successors_and_is_long_enough(lane_id: int, on_route: bool) -> None:
    path = ROAD.path_from(lane_id, 150.0, on_route)
    assert path.lane_ids[0] == lane_id and path.length_m >= 149.0
    for here, there in zip(path.lane_ids, path.lane_ids[1:], strict=False):
        assert there in ROAD.lanes[here].lane.successor_ids
    assert (np.diff(path.lane_start_s) > 0).all() and path.lane_start_s[0] == 0.0
    assert np.abs(path.center.curvature_1pm).max() < 0.2
    assert ROAD.path_from(lane_id, 150.0, on_route) is path  # cached


@given(lane_ids, st.floats(0.05, 0.95))
def test_a_path_knows_the_lane_limit_and_width_at_a_place(lane_id: int, share: float) -> None:
    path = ROAD.path_from(lane_id, 150.0)
    s = share * path.length_m
    here = path.lane_at(s)
    lane = ROAD.lanes[here]
    x, y, _, _ = path.center.at(s)
    assert abs(lane.project(float(x), float(y))[1]) < 0.3
    assert path.limit_at(s) == lane.lane.speed_limit_mps
    assert path.half_width_at(s) == pytest.approx(1.75, abs=0.01)
    assert (
        path.in_junction_at(s)
        == lane.lane.in_junction
        == any(a <= s <= b for a, b in path.junctions)
    )
    assert path.limit_at(np.array([[s, s]])).shape == (1, 2)


def test_a_path_on_the_route_takes_its_branch_and_off_it_the_straightest() -> None:
    road = roads.two_lane_road([1, 5])
    assert road.path_from(1, 110.0).lane_ids == (1, 5)
    assert road.path_from(1, 110.0, on_route=False).lane_ids == (1, 3)
    assert [p.lane_ids for p in road.branches_from(1, 150.0)] == [(1, 3), (1, 5)]
    assert len(road.branches_from(1, 150.0, max_paths=1)) == 1


def test_a_path_says_where_it_turns() -> None:
    path = roads.two_lane_road([1, 5]).path_from(1, 110.0)
    assert path.turn_at(50.0) is Direction.NONE and path.turn_at(105.0) is Direction.RIGHT
    assert path.next_turn(10.0) == (Direction.RIGHT, pytest.approx(100.0, abs=0.1))
    assert path.junctions[0] == (pytest.approx(100.0, abs=0.1), pytest.approx(path.length_m))


def test_stop_lines_and_crossings_lie_along_a_path_where_they_are_drawn() -> None:
    line = StopLine(7, np.array([90.0, 90.0]), np.array([-1.75, 1.75]), roads.ids(1), 0, True)
    crossing = Crossing(
        8, np.array([40.0, 43.0, 43.0, 40.0]), np.array([-9.0, -9.0, 9.0, 9.0]), roads.ids(1)
    )
    lanes = [
        roads.straight(1, 0, 100, successor_ids=roads.ids(2)),
        roads.straight(2, 100, 150, predecessor_ids=roads.ids(1)),
    ]
    path = roads.road(lanes, [1, 2], stop_lines=(line,), crossings=(crossing,)).route_path
    assert [(s, found.id) for s, found in path.stop_lines] == [(pytest.approx(90.0, abs=0.01), 7)]
    assert path.crossings[0][2].id == 8
    assert path.crossings[0][:2] == (pytest.approx(40.0, abs=0.3), pytest.approx(43.0, abs=0.3))


def test_kinks_are_rounded_and_gaps_bridged() -> None:
    lanes = [
        roads.straight(1, 0, 30, successor_ids=roads.ids(2)),
        roads.straight(
            2, 30.1, 30.2, 0.05, successor_ids=roads.ids(3)
        ),  # as in maps made from OpenStreetMap
        roads.lane(
            3, np.array([29.8, 50.0]), np.array([0.0, 8.0])
        ),  # begins behind the end of the one before
    ]
    center = roads.road(lanes, [1, 2, 3]).route_path.center
    assert np.abs(center.curvature_1pm).max() < 0.25
    assert (np.diff(center.x_m) > 0).all()
    assert (center.x_m[-1], center.y_m[-1]) == (pytest.approx(50.0), pytest.approx(8.0))


# ------------------------------------------------------------------------------------------------------------ route


def test_the_route_path_moves_over_smoothly_to_the_neighbour_lane() -> None:
    road = roads.two_lane_road([1, 2, 4])
    path = road.route_path
    assert path.length_m == pytest.approx(200.0, abs=0.5)
    y = path.center.at(np.array([0.0, 24.0, 50.0, 76.0]))[1]
    np.testing.assert_allclose(y, [0.0, 0.0, 1.75, 3.5], atol=0.02)
    assert (np.diff(path.center.y_m) > -1e-9).all() and np.abs(
        path.center.curvature_1pm
    ).max() < 0.02
    assert path.lane_at(45.0) == 1 and path.lane_at(55.0) == 2 and path.lane_at(150.0) == 4


def test_a_needed_lane_change_is_told_with_how_far_it_may_wait() -> None:
    road = roads.two_lane_road([1, 2, 4])
    assert road.next_route_lane_change(1) == (Direction.LEFT, pytest.approx(100.0))
    assert road.next_route_lane_change(2) is None and road.next_route_lane_change(4) is None
    # not on the route: lane 3 runs beside it to the end
    assert road.next_route_lane_change(3) == (Direction.LEFT, pytest.approx(100.0))
    early = roads.two_lane_road([2, 4])
    assert early.next_route_lane_change(1) == (Direction.LEFT, pytest.approx(200.0))
    assert early.next_route_lane_change(9) is None
    exit_route = roads.two_lane_road([2, 1, 5])
    assert exit_route.next_route_lane_change(2) == (Direction.RIGHT, pytest.approx(100.0))


def test_lane_changes_due_at_one_place_are_counted():
    ids, straight = roads.ids, roads.straight
    lanes = [
        straight(1, 0, 100, 0.0, left_id=2),
        straight(2, 0, 100, 3.5, left_id=3, right_id=1),
        straight(3, 0, 100, 7.0, right_id=2, successor_ids=ids(4)),
        straight(4, 100, 200, 7.0, left_id=5),
        straight(5, 100, 200, 10.5, right_id=4),
    ]
    road = roads.road(lanes, [1, 2, 3, 4, 5])
    # the one to lane 5 comes later
    assert [road.route_lane_changes(i) for i in (1, 2, 3, 4, 5)] == [2, 1, 0, 1, 0]


def test_a_lane_beside_the_route_is_not_the_later_place_where_the_route_is_on_it():
    """Twice down a road of two lanes: on the first by way of the right one, on the second by way of the left one."""
    half = math.pi
    ids, straight = roads.ids, roads.straight
    lanes = [
        straight(1, 0, 100, 0.0, left_id=2, successor_ids=ids(3)),
        straight(2, 0, 100, 3.5, right_id=1, successor_ids=ids(6)),
        roads.arc(3, 20.0, half, 100.0, 0.0, successor_ids=ids(4)),
        straight(4, 100, 0, 40.0, successor_ids=ids(5)),
        roads.lane(
            5,
            -20.0 * np.sin(np.linspace(0.0, half, 30)),
            21.75 + 18.25 * np.cos(np.linspace(0.0, half, 30)),
            successor_ids=ids(2),
        ),
        straight(6, 100, 200, 3.5),
    ]
    road = roads.road(lanes, [1, 3, 4, 5, 2, 6])
    assert road.locate_ego(50.0, 3.5, 0.0) is not None
    assert road.next_route_lane_change(2) == (Direction.RIGHT, pytest.approx(100.0))
    for pose in ((120.0, 20.0, half / 2), (50.0, 40.0, half), (-20.0, 21.75, -half / 2)):
        road.locate_ego(*pose)
    assert road.locate_ego(50.0, 3.5, 0.0) is not None
    assert road.next_route_lane_change(2) is None


def test_a_change_to_the_goals_lane_is_over_before_the_goal() -> None:
    lanes = two_lane_map()
    road = Road(lanes, make_route(lanes, [1, 2], (60.0, 3.5)))
    assert road.next_route_lane_change(1) == (Direction.LEFT, pytest.approx(60.0))
    assert float(road.route_path.center.at(58.0)[1]) == pytest.approx(3.5, abs=0.01)
    # a goal on a later lane does not hurry it
    far = Road(lanes, make_route(lanes, [1, 2, 4], (130.0, 3.5)))
    assert far.next_route_lane_change(1) == (Direction.LEFT, pytest.approx(100.0))


def two_lane_map() -> Any:
    return roads.two_lane_road([1]).lane_map


def test_neighbours_are_those_of_the_same_direction() -> None:
    road = roads.two_lane_road([1, 3])
    assert (
        road.neighbours(1) == (2, 0)
        and road.neighbours(2) == (0, 1)
        and road.neighbours(9) == (0, 0)
    )


@given(st.floats(0.0, 1.0), st.floats(-1.0, 1.0))
def test_progress_along_the_route_near_where_it_was_last(share: float, d: float) -> None:
    path = ROAD.route_path
    s = share * path.length_m
    x, y, _, _ = (float(v) for v in path.center.at(s, d))
    found = ROAD.route_progress(x, y, near_s=s - 2.0)
    assert found == (pytest.approx(s, abs=0.15), pytest.approx(d, abs=0.05))
    if 5.0 < s < path.length_m - 5.0:
        assert ROAD.route_progress(x, y) == (pytest.approx(s, abs=0.15), pytest.approx(d, abs=0.05))


def test_the_goal_is_a_place_along_the_route() -> None:
    assert ROAD.route_length_m == pytest.approx(ROAD.route_path.length_m - 20.0, abs=0.5)


def test_a_route_the_map_does_not_have_is_refused_in_one_line() -> None:
    lane_map = roads.two_lane_road([1]).lane_map
    route = make_route(lane_map, [1])
    with pytest.raises(ValueError, match=r"names lanes \[77\].*find_route"):
        Road(lane_map, type(route)(0, roads.ids(1, 77), 0.0, 0.0))
    with pytest.raises(ValueError, match="has no lanes"):
        Road(lane_map, type(route)(0, roads.ids(), 0.0, 0.0))


def test_a_route_that_comes_back_is_answered_for_the_time_that_it_is():
    """Round a stadium once, then straight on where the first time the way turned off."""
    half = math.pi
    lanes = [
        roads.straight(1, 0, 100, successor_ids=roads.ids(2, 5), predecessor_ids=roads.ids(4)),
        roads.arc(2, 20.0, half, 100.0, 0.0, successor_ids=roads.ids(3)),
        roads.straight(3, 100, 0, 40.0, successor_ids=roads.ids(4)),
        roads.lane(
            4,
            -20.0 * np.sin(np.linspace(0.0, half, 30)),
            20.0 + 20.0 * np.cos(np.linspace(0.0, half, 30)),
            successor_ids=roads.ids(1),
        ),
        roads.straight(5, 100, 200, successor_ids=roads.ids(6)),
        roads.straight(6, 200, 300, successor_ids=roads.ids(7)),
        roads.straight(7, 300, 400),
    ]
    road = roads.road(lanes, [1, 2, 3, 4, 1, 5, 6, 7])
    places = {
        1: (50.0, 0.0, 0.0),
        2: (120.0, 20.0, half / 2),
        3: (50.0, 40.0, half),
        4: (-20.0, 20.0, -half / 2),
        5: (150.0, 0.0, 0.0),
        7: (350.0, 0.0, 0.0),
    }
    for _ in range(2):  # and all over again
        seen = []
        for lane in (1, 2, 3, 4, 1, 5, 7):
            found = road.locate_ego(*places[lane])
            assert found is not None and found[0] == lane
            seen.append(road.path_from(lane, 200.0).lane_ids)
        assert seen[0][:2] == (1, 2)
        assert seen[1][:3] == (2, 3, 4) and seen[2] == (3, 4, 1)
        assert seen[3] == (4, 1, 5)
        assert seen[4] == (1, 5)


def test_beside_its_route_the_ego_turns_off_with_it_where_a_lane_straight_on_lies_over_its_own():
    ids, straight = roads.ids, roads.straight
    out_x = np.full(11, 143.5)
    lanes = [
        straight(1, 0, 100, 0.0, left_id=2, successor_ids=ids(3)),
        straight(2, 0, 100, 3.5, right_id=1, successor_ids=ids(6, 4)),
        roads.arc(3, 40.0, -math.pi / 2, 100.0, 0.0, in_junction=True, successor_ids=ids(5)),
        roads.arc(4, 43.5, -math.pi / 2, 100.0, 3.5, in_junction=True, successor_ids=ids(7)),
        roads.lane(5, out_x - 3.5, np.linspace(-40.0, -140.0, 11), left_id=7),
        straight(6, 100, 160, 3.5, in_junction=True),
        roads.lane(7, out_x, np.linspace(-40.0, -140.0, 11), right_id=5),
    ]
    road = roads.road(lanes, [1, 3, 5])
    turning = 106.0, 3.3, -0.05  # not yet turned as far as its lane does
    assert road.locate(*turning)[0] == 6
    road.locate_ego(90.0, 3.5, 0.0)
    assert [road.locate_ego(*turning)[0] for _ in range(2)] == [4, 4]
    gone_straight = 125.0, 3.5, 0.0
    assert road.locate_ego(*gone_straight)[0] == 6  # it is where it is


def test_a_change_is_wanted_only_from_where_the_next_lane_leads_along():
    ids, straight = roads.ids, roads.straight
    lanes = [
        straight(1, 0, 100, 0.0, left_id=2, successor_ids=ids(3, 7)),
        straight(2, 0, 100, 3.5, right_id=1, successor_ids=ids(9)),
        # to the right, where a change is needed only behind the turn
        roads.arc(3, 20.0, -math.pi / 2, 100.0, 0.0, in_junction=True, successor_ids=ids(4)),
        roads.lane(4, np.full(11, 120.0), np.linspace(-20.0, -120.0, 11), left_id=5),
        roads.lane(5, np.full(11, 123.5), np.linspace(-20.0, -120.0, 11), right_id=4),
        # straight on, where the lane beside leads along
        straight(7, 100, 130, 0.0, in_junction=True, successor_ids=ids(8)),
        straight(8, 130, 230, 0.0, left_id=10),
        straight(9, 100, 130, 3.5, in_junction=True, successor_ids=ids(10)),
        straight(10, 130, 230, 3.5, right_id=8),
    ]
    turning = roads.road(lanes, [1, 3, 4, 5])
    assert turning.next_route_lane_change(1) is None
    assert turning.next_route_lane_change(4) == (Direction.LEFT, pytest.approx(100.0))
    straight_on = roads.road(lanes, [1, 7, 8, 10])
    assert straight_on.next_route_lane_change(1) == (Direction.LEFT, pytest.approx(230.0))
    # who changed early stays: the lane beside leads to where the route is going
    assert straight_on.next_route_lane_change(2) is None
    assert straight_on.path_from(2, 200.0).lane_ids == (2, 9, 10)
    assert turning.next_route_lane_change(2) == (Direction.RIGHT, pytest.approx(100.0))


@pytest.mark.parametrize("number", [8, 12])
def test_an_ego_that_drives_along_a_route_is_on_the_lane_the_route_takes_there(number):
    routes = LONGEST6 / "longest6.xml"
    if not routes.exists():
        pytest.skip(f"no CARLA routes at {LONGEST6}")
    route = read_route(f"{routes}#{number}")
    lane_map, _ = load_map(DATA / "carla_xodr_mit" / f"{route.town}.xodr.gz")
    road = Road(lane_map, snap_route(lane_map, route.waypoints).route)
    path = road.route_path
    assert len(set(road.route_ids)) < len(road.route_ids)  # it comes to a place twice
    astray = []
    for s in np.arange(1.0, path.length_m - 1.0, 1.0):
        x, y, yaw, _ = (float(v) for v in path.center.at(s))
        found = road.locate_ego(x, y, yaw)
        at = int(path.index_at(s))
        # between two lanes either will do, and beside a change of lanes both of them
        if found is None or found[0] not in path.lane_ids[max(at - 1, 0) : at + 2]:
            astray.append((round(float(s)), found and found[0], path.lane_ids[at]))
    assert not astray
