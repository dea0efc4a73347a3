"""Points along a way find back to the lanes they came from; what is off the map is said with its name."""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.maps.lanes import RoadLane
from whyway.maps.leaderboard import Place, read_routes
from whyway.maps.path import join, project_near
from whyway.maps.routes import RouteError, find_route
from whyway.maps.snap import Snapped, snap_route
from whyway.maps.town import make_town
from whyway.types import LaneMap

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

DATA = Path(__file__).parents[3] / "shared/data"
LONGEST6 = DATA / "carla_routes_lb1_mit/leaderboard/data/longest6/longest6.xml"
TOWNS = DATA / "carla_xodr_mit"
MAP = roads.two_lane_road([1]).lane_map
TOWN = make_town(2).lane_map


def _at(*points: tuple[float, float], yaw: float = math.nan) -> list[Place]:
    return [Place(x, y, 0.0, yaw) for x, y in points]


def _ids(snapped: Snapped) -> list[int]:
    return snapped.route.lane_ids.tolist()


def test_points_in_the_middle_of_lanes_give_these_lanes_and_the_changes_between():
    assert _ids(snap_route(MAP, _at((5.0, 0.0), (150.0, 0.0)))) == [1, 3]
    snapped = snap_route(MAP, _at((5.0, 0.0), (90.0, 3.5), (150.0, 3.5)))
    assert _ids(snapped) == [1, 2, 4]
    assert snapped.index.tolist() == [0, 1, 2]
    assert snapped.s_m[0] == pytest.approx(5.0) and np.abs(snapped.d_m).max() < 1e-6
    assert (snapped.start_x_m, snapped.start_y_m, snapped.start_yaw_rad) == (5.0, 0.0, 0.0)
    assert (snapped.route.goal_x_m, snapped.route.goal_y_m) == (150.0, 3.5)


def test_one_point_beside_the_way_is_passed_rather_than_changed_to_for_a_moment():
    assert _ids(snap_route(MAP, _at((5.0, 0.0), (95.0, 1.9), (150.0, 0.0)))) == [1, 3]


def test_a_heading_decides_where_lanes_cross():
    lanes = [
        roads.straight(1, 0, 100),
        roads.lane(2, np.full(3, 50.0), np.array([-50.0, 0.0, 50.0])),
        roads.lane(3, np.full(3, 50.2), np.array([50.0, 0.0, -50.0])),
    ]
    lane_map = LaneMap(0, "crossing", tuple(lanes))
    for yaw, lane in ((0.0, 1), (math.pi / 2, 2), (-math.pi / 2, 3)):
        here = (50.0, 0.0)
        on = (50.0 + 5 * math.cos(yaw), 5 * math.sin(yaw))
        assert _ids(snap_route(lane_map, _at(here, on, yaw=yaw))) == [lane]


@settings(max_examples=40)
@given(st.data())
def test_noisy_points_along_a_route_give_the_route_back(data):
    lanes = [lane.id for lane in TOWN.lanes if not lane.in_junction]
    start, end = data.draw(st.permutations(lanes))[:2]
    ids = find_route(TOWN, start, end).lane_ids.tolist()
    chosen = {lane.id: lane for lane in TOWN.lanes}
    # one point in every lane, junctions too, up to 0.8 m aside; a lane changed away from has none of its own
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    points = []
    for i in ids:
        x, y = chosen[i].center_x_m, chosen[i].center_y_m
        k = len(x) // 2
        nx, ny = chosen[i].left_x_m[k] - x[k], chosen[i].left_y_m[k] - y[k]
        d = rng.uniform(-0.8, 0.8) / math.hypot(nx, ny)
        points.append((float(x[k] + d * nx), float(y[k] + d * ny)))
    pairs = list(zip(ids, ids[1:], strict=False))
    changed = {a for a, b in pairs if b in (chosen[a].left_id, chosen[a].right_id)}
    kept = [p for i, p in zip(ids, points, strict=True) if i not in changed]
    if len(kept) < 2 or changed & {ids[0], *[b for a, b in pairs if a in changed]}:
        return
    assert _ids(snap_route(TOWN, _at(*kept))) == ids


def test_what_is_off_the_map_or_cannot_be_reached_is_named():
    with pytest.raises(RouteError, match=r"waypoint 2 of 2 at \(50.0, -30.0\) is 30.0 m off"):
        snap_route(MAP, _at((5.0, 0.0), (50.0, -30.0)))
    with pytest.raises(RouteError, match="no way leads from waypoint 1 of 2 at .* to waypoint 2"):
        snap_route(MAP, _at((150.0, 0.0), (5.0, 0.0)))
    with pytest.raises(RouteError, match="at least two waypoints"):
        snap_route(MAP, _at((5.0, 0.0)))
    with pytest.raises(RouteError, match="no lanes for driving"):
        snap_route(LaneMap(0, "empty"), _at((5.0, 0.0), (6.0, 0.0)))
    with pytest.raises(RouteError, match="off the nearest lane"):
        snap_route(MAP, _at((5.0, 0.0), (math.inf, 0.0)))


# ------------------------------------------------------------------------------------------- the shared longest6


@cache
def _town(name: str) -> LaneMap:
    load = pytest.importorskip("whyway.maps.load")
    return load.load_map(TOWNS / f"{name}.xodr.gz")[0]


@cache
def _lanes(name: str) -> dict[int, RoadLane]:
    return {lane.id: RoadLane(lane) for lane in _town(name).lanes}


def _measured(town: str, points: tuple[Place, ...]) -> tuple[float, float, float]:
    """Length of the route between the first point and the last, of the polyline, and the farthest a point is off the route."""
    snapped = snap_route(_town(town), points)
    center = join(_ids(snapped), _lanes(town), {}, {}).center
    s, off, last = [], [], points[0]
    for p in points:
        chord = math.dist((p.x_m, p.y_m), (last.x_m, last.y_m))
        low, high = (s[-1] - 1.0, s[-1] + 2 * chord + 80.0) if s else (-5.0, 60.0)
        at, d = project_near(center, p.x_m, p.y_m, low, high)
        s.append(float(at))
        off.append(abs(float(d)))
        last = p
    polyline = sum(
        math.dist((a.x_m, a.y_m), (b.x_m, b.y_m)) for a, b in zip(points, points[1:], strict=False)
    )
    return s[-1] - s[0], polyline, max(off)


@pytest.mark.skipif(not LONGEST6.is_file(), reason=f"no {LONGEST6}")
@pytest.mark.parametrize("town", [f"Town0{i}" for i in range(1, 7)])
def test_every_longest6_route_lies_on_its_town(town):
    routes = [r for r in read_routes(LONGEST6) if r.town == town]
    assert len(routes) == 6
    for route in routes:
        length, polyline, off = _measured(town, route.waypoints)
        # the polyline cuts corners: a little shorter than the way; on a motorway's ramps, which loop, by up to an eighth
        assert 1.0 < length / polyline < 1.13, route.id
        # a lane change may lie before or behind the point that asked for it: a lane's width, two where two follow each other
        assert off < 7.1, route.id
