"""Any seed gives a sound town."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.geometry import Polyline, wrap_angle
from whyway.maps.road import Road
from whyway.maps.town import Town, make_town, start_pose
from whyway.maps.town_layout import LANE_WIDTH_M, Control
from whyway.types import Direction, Floats, Lane, LightColor, same

seeds = st.integers(min_value=0, max_value=2**32 - 1)
few = settings(max_examples=8)


def _ends(lane: Lane) -> tuple[Floats, Floats]:
    """First and last points of left border, centre, right border: (3, 2) each."""
    first = [
        [lane.left_x_m[0], lane.left_y_m[0]],
        [lane.center_x_m[0], lane.center_y_m[0]],
        [lane.right_x_m[0], lane.right_y_m[0]],
    ]
    last = [
        [lane.left_x_m[-1], lane.left_y_m[-1]],
        [lane.center_x_m[-1], lane.center_y_m[-1]],
        [lane.right_x_m[-1], lane.right_y_m[-1]],
    ]
    return np.array(first), np.array(last)


@few
@given(seeds)
def test_the_same_seed_gives_the_same_town(seed: int) -> None:
    one, two = make_town(seed), make_town(seed)
    assert same(one.lane_map, two.lane_map) and same(one.default_route, two.default_route)
    assert one.signals == two.signals and one.spawns == two.spawns


@few
@given(seeds)
def test_links_go_both_ways_and_ends_meet_within_a_centimetre(seed: int) -> None:
    lanes = {lane.id: lane for lane in make_town(seed).lane_map.lanes}
    for lane in lanes.values():
        assert len(lane.successor_ids) and len(lane.predecessor_ids)  # a town has no dead ends
        for other in lane.successor_ids.tolist():
            assert lane.id in lanes[other].predecessor_ids.tolist()
            np.testing.assert_allclose(_ends(lane)[1], _ends(lanes[other])[0], atol=0.01)
        for other in lane.predecessor_ids.tolist():
            assert lane.id in lanes[other].successor_ids.tolist()
        if lane.left_id:
            assert lanes[lane.left_id].right_id == lane.id
            np.testing.assert_allclose(lane.left_x_m, lanes[lane.left_id].right_x_m, atol=1e-9)
        if lane.right_id:
            assert lanes[lane.right_id].left_id == lane.id
        if lane.opposite_id:
            other_lane = lanes[lane.opposite_id]
            assert other_lane.opposite_id == lane.id
            np.testing.assert_allclose(lane.left_y_m, other_lane.left_y_m[::-1], atol=1e-9)


@few
@given(seeds)
def test_borders_are_finite_do_not_cross_and_lanes_are_wide_enough(seed: int) -> None:
    for lane in make_town(seed).lane_map.lanes:
        arrays = [
            lane.left_x_m,
            lane.left_y_m,
            lane.center_x_m,
            lane.center_y_m,
            lane.right_x_m,
            lane.right_y_m,
        ]
        assert len({len(a) for a in arrays}) == 1
        assert all(np.isfinite(a).all() for a in arrays)
        dx, dy = np.diff(lane.center_x_m), np.diff(lane.center_y_m)
        for bx, by, side in (
            (lane.left_x_m, lane.left_y_m, 1),
            (lane.right_x_m, lane.right_y_m, -1),
        ):
            # a border goes the lane's way everywhere and stays on its side: so the two never cross
            assert (np.diff(bx) * dx + np.diff(by) * dy > 0).all()
            assert (
                side * (dx * (by - lane.center_y_m)[:-1] - dy * (bx - lane.center_x_m)[:-1]) > 0
            ).all()
        width = np.hypot(lane.left_x_m - lane.right_x_m, lane.left_y_m - lane.right_y_m)
        np.testing.assert_allclose(width, LANE_WIDTH_M, atol=1e-9)


@few
@given(seeds)
def test_a_car_can_take_every_turn(seed: int) -> None:
    town = make_town(seed)
    for lane in Road(town.lane_map, town.default_route).lanes.values():
        assert np.abs(lane.center.curvature_1pm).max() <= 0.2
        yaw = np.unwrap(np.arctan2(np.diff(lane.lane.center_y_m), np.diff(lane.lane.center_x_m)))
        assert np.abs(np.diff(yaw)).max(initial=0.0) < 0.2


@few
@given(seeds)
def test_the_default_route_shows_the_whole_town(seed: int) -> None:
    town = make_town(seed)
    road = Road(town.lane_map, town.default_route)
    path = road.route_path
    assert 600.0 <= path.length_m <= 950.0
    ids = town.default_route.lane_ids.tolist()
    assert len(set(ids)) == len(ids)
    assert any(line.light_id for _, line in path.stop_lines)
    assert any(not line.light_id for _, line in path.stop_lines) or len(town.signals.cycles) > 4
    mid_block = [
        a for a, _, _ in path.crossings if not any(abs(a - s) < 40.0 for s, _ in path.junctions)
    ]
    assert mid_block
    assert {road.lanes[i].lane.speed_limit_mps for i in ids} == {8.33, 13.89}
    turns = [path.turn_at(a + 0.5) for a, _ in path.junctions]
    assert turns.count(Direction.LEFT) >= 2
    change = road.next_route_lane_change(ids[0])
    assert change is not None and change[0] is Direction.LEFT
    # the curve: it turns both ways outside junctions
    outside = ~np.any(
        [(path.center.s_m > a - 2) & (path.center.s_m < b + 2) for a, b in path.junctions], axis=0
    )
    k = path.center.curvature_1pm[outside]
    assert k.max() > 0.02 and k.min() < -0.02


@few
@given(seeds)
def test_each_lane_of_the_route_is_reached_from_the_one_before(seed: int) -> None:
    town = make_town(seed)
    lanes = {lane.id: lane for lane in town.lane_map.lanes}
    ids = town.default_route.lane_ids.tolist()
    for here, there in zip(ids, ids[1:], strict=False):
        assert there in lanes[here].successor_ids or there in (
            lanes[here].left_id,
            lanes[here].right_id,
        )


@few
@given(seeds)
def test_the_ego_starts_on_the_route_and_spawns_lie_on_lanes(seed: int) -> None:
    town = make_town(seed)
    road = Road(town.lane_map, town.default_route)
    x, y, yaw = start_pose(town)
    located = road.locate(x, y, yaw)
    assert located is not None and located[0] == town.ego_start[0] == town.default_route.lane_ids[0]
    assert located[1] == pytest.approx(town.ego_start[1], abs=0.01)
    for lane_id, s in town.spawns:
        assert 0.0 < s < road.lanes[lane_id].length_m


@few
@given(seeds, st.floats(min_value=0.0, max_value=300.0))
def test_crossing_traffic_never_has_green_at_once(seed: int, t_s: float) -> None:
    town = make_town(seed)
    colors = {state.light_id: state.color for state in town.signals.states(t_s)}
    for junction in town.layout.junctions:
        if junction.control is not Control.SIGNALS:
            continue
        going = {
            i in junction.major
            for i, _ in enumerate(junction.arms)
            if colors[10 * junction.id + i + 1] is not LightColor.RED
        }
        assert len(going) <= 1


def test_a_drive_from_the_start_meets_a_red_light() -> None:
    for seed in range(10):
        town = make_town(seed)
        path = Road(town.lane_map, town.default_route).route_path
        light = path.stop_lines[0][1].light_id
        assert all(
            dict((s.light_id, s.color) for s in town.signals.states(t))[light] is LightColor.RED
            for t in (7.5, 9.0, 14.0)
        )


def test_signalled_and_unsignalled_junctions_stop_signs_and_give_way_lines_occur() -> None:
    towns = [make_town(seed) for seed in range(8)]
    controls = {j.control for town in towns for j in town.layout.junctions}
    assert controls == set(Control)
    for town in towns:
        assert {Control.SIGNALS} < {j.control for j in town.layout.junctions}


def test_stop_lines_lie_across_the_end_of_their_lanes() -> None:
    town = make_town(3)
    road = Road(town.lane_map, town.default_route)
    for line in town.lane_map.stop_lines:
        for lane_id in line.lane_ids.tolist():
            lane = road.lanes[lane_id]
            drawn = Polyline.through(lane.lane.center_x_m, lane.lane.center_y_m)
            s, d = drawn.project(line.x_m, line.y_m)
            assert lane.length_m - 6.0 < float(s.mean()) < lane.length_m
            assert np.ptp(s) < 0.1 and d.min() < 0.0 < d.max()
            across = np.arctan2(np.diff(line.y_m), np.diff(line.x_m))[0]
            assert abs(abs(float(wrap_angle(across - lane.center.yaw_rad[-1]))) - np.pi / 2) < 1e-6


def test_a_town_is_right_handed() -> None:
    town: Town = make_town(0)
    for lane in town.lane_map.lanes:
        if lane.opposite_id:
            other = next(o for o in town.lane_map.lanes if o.id == lane.opposite_id)
            line = Polyline.through(lane.center_x_m, lane.center_y_m)
            _, d = line.project(other.center_x_m[3], other.center_y_m[3])
            assert float(d) > 0.0  # oncoming traffic is on the left
