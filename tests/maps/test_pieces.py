"""The map kit: every map of it is connected, continuous, as wide as asked and drivable from end to end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from whyway.geometry import wrap_angle
from whyway.maps.lanes import RoadLane
from whyway.maps.pieces import LANE_WIDTH_M, Piece
from whyway.maps.pieces_junctions import CONTROLS, junction, roundabout
from whyway.maps.pieces_roads import bend, lane_drop, merge_ramp, narrows, road, zipper
from whyway.maps.road import Road
from whyway.maps.routes import find_route
from whyway.types import InputError, Lane, LaneKind

MAKERS: dict[str, Callable[[], Piece]] = {
    "two-way road": road,
    "one-way road": partial(road, lanes=3, oncoming=0),
    "road with everything": partial(
        road, lanes=2, oncoming=2, bike=True, crossing_m=170.0, zone_from_m=120.0, zone_m=100.0
    ),
    "sharp curve": bend,
    "right curve of two lanes": partial(bend, radius_m=30.0, turn_deg=-120.0, lanes=2),
    "lane drop": lane_drop,
    "three lanes to two": partial(lane_drop, lanes=3),
    "zipper": zipper,
    "merge ramp": merge_ramp,
    "narrow street": narrows,
    "roundabout": roundabout,
    "roundabout of three arms": partial(roundabout, arms=3),
    "T, we end": partial(junction, arms=3, control="stop"),
    "T, side road": partial(junction, arms=3, control="give_way", missing=3),
    "wide with bicycles": partial(junction, lanes=2, side_lanes=2, bike=True, crossings=True),
    **{f"four arms, {c}": partial(junction, control=c) for c in CONTROLS},
}


@pytest.fixture(params=MAKERS, scope="module")
def piece(request: pytest.FixtureRequest) -> Piece:
    return MAKERS[request.param]()


def lanes_of(piece: Piece) -> dict[int, Lane]:
    return {lane.id: lane for lane in piece.lane_map.lanes}


def test_links_point_both_ways_and_nobody_names_a_lane_that_is_not_there(piece: Piece) -> None:
    lanes = lanes_of(piece)
    for lane in lanes.values():
        for after in lane.successor_ids.tolist():
            assert lane.id in lanes[after].predecessor_ids.tolist()
            assert lanes[after].kind == lane.kind
        for before in lane.predecessor_ids.tolist():
            assert lane.id in lanes[before].successor_ids.tolist()
        if lane.left_id:
            assert lanes[lane.left_id].right_id == lane.id
        if lane.right_id:
            assert lanes[lane.right_id].left_id == lane.id
        if lane.opposite_id:
            assert lanes[lane.opposite_id].opposite_id == lane.id


def test_a_lane_begins_where_and_as_the_one_before_it_ends(piece: Piece) -> None:
    lanes = lanes_of(piece)
    for lane in lanes.values():
        for after in (lanes[i] for i in lane.successor_ids.tolist()):
            gap = np.hypot(
                lane.center_x_m[-1] - after.center_x_m[0], lane.center_y_m[-1] - after.center_y_m[0]
            )
            assert gap < 1e-6, (lane.id, after.id)
            yaws = [
                np.arctan2(np.diff(x.center_y_m)[i], np.diff(x.center_x_m)[i])
                for x, i in ((lane, -1), (after, 0))
            ]
            # chords of 1 m on the tightest curve of the kit differ from their tangents by 0.1 rad
            assert abs(wrap_angle(yaws[1] - yaws[0])) < 0.2, (lane.id, after.id)


def test_borders_lie_on_their_sides_and_as_far_apart_as_the_lane_is_wide(piece: Piece) -> None:
    for lane in piece.lane_map.lanes:
        tangent_x, tangent_y = np.gradient(lane.center_x_m), np.gradient(lane.center_y_m)
        for x, y, side in (
            (lane.left_x_m, lane.left_y_m, 1.0),
            (lane.right_x_m, lane.right_y_m, -1.0),
        ):
            across = tangent_x * (y - lane.center_y_m) - tangent_y * (x - lane.center_x_m)
            assert (side * across > 0.0).all(), lane.id
        width = RoadLane(lane).raw_width_m
        assert width.min() > 0.5 and width.max() < LANE_WIDTH_M + 0.6


def test_the_right_neighbour_begins_where_the_lane_ends_sideways(piece: Piece) -> None:
    lanes = lanes_of(piece)
    for lane in lanes.values():
        if lane.right_id:
            other = lanes[lane.right_id]
            np.testing.assert_allclose(lane.right_x_m, other.left_x_m, atol=0.05)
            np.testing.assert_allclose(lane.right_y_m, other.left_y_m, atol=0.05)


def test_curvature_stays_drivable(piece: Piece) -> None:
    for lane in piece.lane_map.lanes:
        if lane.kind == LaneKind.DRIVING:
            assert np.abs(RoadLane(lane).center.curvature_1pm).max() < 0.22, lane.id


def test_every_driving_lane_that_can_be_entered_leads_somewhere(piece: Piece) -> None:
    """From each lane that nobody leads into, some lane that leads nowhere on is reached, lane changes allowed."""
    lanes = piece.lane_map.lanes
    driving = [lane for lane in lanes if lane.kind == LaneKind.DRIVING]
    ends = [lane.id for lane in driving if not len(lane.successor_ids)]
    for lane in driving:
        if not len(lane.predecessor_ids):
            route = find_route(piece.lane_map, lane.id, ends)
            assert Road(piece.lane_map, route).route_length_m > 100.0


def test_stop_lines_lie_across_the_lanes_they_govern(piece: Piece) -> None:
    lanes = lanes_of(piece)
    for line in piece.lane_map.stop_lines:
        length = float(np.hypot(np.diff(line.x_m), np.diff(line.y_m))[0])
        widths = [RoadLane(lanes[i]).raw_width_m[-1] for i in line.lane_ids.tolist()]
        assert length == pytest.approx(sum(widths), abs=0.05)
        for i in line.lane_ids.tolist():
            s, d = RoadLane(lanes[i]).center.project(line.x_m, line.y_m)
            assert d.min() < 0.0 < d.max() and np.ptp(s) < 0.1
            assert 0.0 < RoadLane(lanes[i]).length_m - s[0] < 6.0


def test_lights_have_a_program_and_a_stop_line_each() -> None:
    piece = junction(control="signals", crossings=True)
    lights = {light.id for light in piece.lane_map.lights}
    assert lights == set(piece.signals.cycles) == {s.light_id for s in piece.lane_map.stop_lines}
    assert len(piece.lane_map.crossings) == 4


@pytest.mark.parametrize("t_s", np.arange(0.0, 40.0, 0.5))
def test_crossing_roads_never_have_green_or_amber_at_once(t_s: float) -> None:
    piece = junction(control="signals")
    by_id = {state.light_id: state.color for state in piece.signals.states(t_s)}
    east_west, north_south = {by_id[1], by_id[3]}, {by_id[2], by_id[4]}
    assert len(east_west) == len(north_south) == 1
    assert 1 in east_west | north_south  # red


def test_the_two_directions_of_a_narrow_street_share_its_middle() -> None:
    shared = [lane for lane in narrows(width_m=3.2).lane_map.lanes if lane.id in (5, 6)]
    (ax, ay), (bx, by) = ((lane.center_x_m, lane.center_y_m) for lane in shared)
    assert np.allclose(ax, bx[::-1]) and np.allclose(ay, by[::-1], atol=1e-9)
    assert RoadLane(shared[0]).raw_width_m.max() == pytest.approx(3.2)


def test_a_zone_has_its_own_limit_and_the_way_on_the_old_one() -> None:
    lanes = road(zone_from_m=100.0, zone_m=80.0, zone_mps=5.0, shoulder_m=0.0, oncoming=0).lane_map
    assert [lane.speed_limit_mps for lane in lanes.lanes] == [13.89, 5.0, 13.89]
    assert [round(RoadLane(lane).length_m) for lane in lanes.lanes] == [100, 80, 220]


def test_a_control_that_does_not_exist_is_one_line_with_those_that_do() -> None:
    with pytest.raises(InputError, match="signals, stop, give_way") as error:
        junction(control="traffic warden")
    assert "\n" not in str(error.value)
