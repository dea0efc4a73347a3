"""Our town, exported as OpenDRIVE and read back by CARLA's own map: the same lanes, widths, links, crossings and signs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from whyway.geometry import Polyline
from whyway.maps.lanes import RoadLane
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.road import Road
from whyway.maps.town import Town, make_town
from whyway.maps.town_layout import LANE_WIDTH_M

carla = pytest.importorskip(
    "carla", reason="needs carla 0.9.16, which has wheels for Linux x86_64 and Python 3.10-3.12"
)

NEAR_M = 0.05


@pytest.fixture(scope="module", params=range(5))
def read(request: pytest.FixtureRequest) -> tuple[Town, Any]:
    town = make_town(request.param)
    return town, carla.Map(town.lane_map.name, write_opendrive(town))


def _names(town: Town) -> dict[tuple[int, int], int]:
    """(road, lane number) in OpenDRIVE -> the map's lane id."""
    found = {(link.id, -1): link.lane_id for link in town.layout.links}
    for edge in town.layout.edges:
        for number in (*range(-edge.lanes, 0), *range(1, edge.lanes + 1)):
            found[edge.id, number] = edge.lane_id(number)
    return found


def _waypoints(town: Town, carla_map: Any) -> Iterator[tuple[RoadLane, Any]]:
    """Waypoints each metre along every lane of every road."""
    lanes = {lane.id: RoadLane(lane) for lane in town.lane_map.lanes}
    length = {e.id: e.length_m for e in town.layout.edges} | {
        k.id: k.curve.length_m for k in town.layout.links
    }
    for (road, number), lane_id in _names(town).items():
        for s in np.arange(0.2, length[road] - 0.2, 1.0):
            yield lanes[lane_id], carla_map.get_waypoint_xodr(road, number, float(s))


def _xy(waypoint: Any) -> tuple[float, float]:
    # CARLA's world is left-handed: its y is ours mirrored
    return waypoint.transform.location.x, -waypoint.transform.location.y


def test_lane_centres_and_widths_agree(read: tuple[Town, Any]) -> None:
    town, _ = read
    # the map's own points: `RoadLane.center` is rounded, which moves a turn by some centimetres
    drawn = {
        lane.id: Polyline.through(lane.center_x_m, lane.center_y_m) for lane in town.lane_map.lanes
    }
    for lane, waypoint in _waypoints(*read):
        assert waypoint is not None, lane
        _, d = drawn[lane.lane.id].project(*_xy(waypoint))
        assert abs(float(d)) <= NEAR_M, lane
        assert waypoint.lane_width == pytest.approx(LANE_WIDTH_M, abs=1e-4)


def test_lanes_go_the_same_way(read: tuple[Town, Any]) -> None:
    for lane, waypoint in _waypoints(*read):
        s, _ = lane.project(*_xy(waypoint))
        yaw = float(lane.center.at(s)[2])
        theirs = -np.radians(waypoint.transform.rotation.yaw)
        assert abs(np.angle(np.exp(1j * (yaw - theirs)))) < 0.08


def test_successors_agree(read: tuple[Town, Any]) -> None:
    town, carla_map = read
    names = _names(town)
    ours = {(lane.id, s) for lane in town.lane_map.lanes for s in lane.successor_ids.tolist()}
    theirs = set()
    for (road, number), lane_id in names.items():
        # a waypoint next to the lane's end: what it leads on to half a metre further
        length = next((e.length_m for e in town.layout.edges if e.id == road), None)
        if length is None:
            length = next(k.curve.length_m for k in town.layout.links if k.id == road)
        end = carla_map.get_waypoint_xodr(road, number, length - 0.1 if number < 0 else 0.1)
        theirs |= {(lane_id, names[w.road_id, w.lane_id]) for w in end.next(0.5)}
    assert theirs == ours


def test_neighbours_agree(read: tuple[Town, Any]) -> None:
    town, carla_map = read
    names = _names(town)
    for (road, number), lane_id in names.items():
        lane = next(lane for lane in town.lane_map.lanes if lane.id == lane_id)
        if lane.in_junction:
            continue
        waypoint = carla_map.get_waypoint_xodr(road, number, 10.0)
        left, right = waypoint.get_left_lane(), waypoint.get_right_lane()
        same = left is not None and left.lane_id * number > 0
        assert lane.left_id == (names[left.road_id, left.lane_id] if same else 0)
        assert lane.opposite_id == (
            0 if same or left is None else names[left.road_id, left.lane_id]
        )
        assert lane.right_id == (names[right.road_id, right.lane_id] if right is not None else 0)


def test_crossings_agree(read: tuple[Town, Any]) -> None:
    town, carla_map = read
    corners = np.array([(p.x, -p.y) for p in carla_map.get_crosswalks()])
    ours = np.concatenate([np.column_stack([c.x_m, c.y_m]) for c in town.lane_map.crossings])
    assert len(corners) == 5 * len(town.lane_map.crossings)  # closed outlines
    away = np.hypot(*(corners[:, None] - ours[None]).transpose(2, 0, 1))
    assert away.min(axis=1).max() <= NEAR_M and away.min(axis=0).max() <= NEAR_M


def test_signs_and_lights_stand_at_our_stop_lines(read: tuple[Town, Any]) -> None:
    town, carla_map = read
    road = Road(town.lane_map, town.default_route)
    landmarks = {int(mark.id): mark for mark in carla_map.get_all_landmarks()}
    assert landmarks.keys() == {line.id for line in town.lane_map.stop_lines}
    for line in town.lane_map.stop_lines:
        mark = landmarks[line.id]
        assert mark.type == ("1000001" if line.light_id else "206" if line.is_stop_sign else "205")
        edge = next(e for e in town.layout.edges if e.id == mark.road_id)
        lane = road.lanes[int(line.lane_ids[-1])]
        s_line, _ = lane.project(float(line.x_m.mean()), float(line.y_m.mean()))
        s_mark = mark.s if lane.lane.id % 10 < 5 else edge.length_m - mark.s
        assert abs(s_line - s_mark) <= NEAR_M
        # CARLA moves signs by quarter metres until they stand beside the lanes of the junction too
        _, d_mark = lane.project(mark.transform.location.x, -mark.transform.location.y)
        assert d_mark < -LANE_WIDTH_M / 2
