"""Shortest routes over lanes, with lane changes between neighbours of the same direction."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

import numpy as np

from whyway.geometry import points_in_polygon
from whyway.maps.grid import LaneGrid
from whyway.maps.lanes import RoadLane, bend
from whyway.types import InputError, LaneKind, LaneMap, Route

LANE_CHANGE_COST_M = 25.0
"""What a lane change costs in a route, as extra metres: unneeded ones are left out."""

_MIN_CHANGE_M = 15.0
"""A lane shorter than this is no place to change lanes."""

_Lanes: TypeAlias = Mapping[int, RoadLane]


class RouteError(InputError):
    """There is no way between two places; one line."""


def find_route(
    lane_map: LaneMap, from_lane: int, to: int | tuple[float, float] | Collection[int]
) -> Route:
    """The shortest route from a lane to a lane, to the nearest of some lanes, or to a point.

    Args:
      lane_map: the map.
      from_lane: id of the lane to start on.
      to: a lane's id, several of them, or x, y of a goal point (the lanes there, or else the nearest).

    Returns:
      The route with the lane changes it needs; the goal point is the one given, or the end of the last lane.

    Raises:
      RouteError: no such lane, or no way to it.
    """
    lanes = {lane.id: RoadLane(lane) for lane in lane_map.lanes}
    point: tuple[float, float] | None = None
    if isinstance(to, tuple) and len(to) == 2 and any(isinstance(v, float) for v in to):
        point = (float(to[0]), float(to[1]))
        goals = frozenset(lanes_near(lane_map, *point))
    else:
        goals = frozenset({int(to)} if isinstance(to, (int, np.integer)) else {int(i) for i in to})
    for lane_id in {from_lane, *goals}:
        if lane_id not in lanes:
            raise RouteError(
                f"map {lane_map.name!r} has no lane {lane_id}; it has {len(lanes)} lanes"
            )
    ids = _shortest(lanes, from_lane, goals)
    if ids is None:
        raise RouteError(
            f"map {lane_map.name!r}: no way from lane {from_lane} to {sorted(goals)}; choose another goal"
        )
    return make_route(lane_map, ids, point)


def make_route(
    lane_map: LaneMap, lane_ids: Collection[int], goal: tuple[float, float] | None = None
) -> Route:
    """The route along lanes already known; without a goal point, to the end of the last."""
    ids = [int(i) for i in lane_ids]
    if goal is None:
        last = next(lane for lane in lane_map.lanes if lane.id == ids[-1])
        goal = float(last.center_x_m[-1]), float(last.center_y_m[-1])
    return Route(lane_map.stamp_ns, np.array(ids, dtype=np.int64), goal[0], goal[1])


def follow(lane_map: LaneMap, from_lane: int, length_m: float) -> Route:
    """The route that goes straight on from a lane until it is `length_m` long or the map ends.

    Where the straightest way ends early, a way that goes on is taken instead.
    """
    lanes = {lane.id: RoadLane(lane) for lane in lane_map.lanes}
    best: list[int] = [from_lane]
    best_length = 0.0
    # depth first, straightest first: the first that is long enough wins, otherwise the longest seen
    stack: list[tuple[list[int], float]] = [([from_lane], lanes[from_lane].length_m)]
    for _ in range(2000):
        if not stack:
            break
        ids, total = stack.pop()
        if total > best_length:
            best, best_length = ids, total
        if total >= length_m:
            break
        nexts = [
            s for s in lanes[ids[-1]].lane.successor_ids.tolist() if s in lanes and s not in ids
        ]
        nexts = [s for s in nexts if lanes[s].lane.kind == LaneKind.DRIVING] or nexts
        nexts.sort(key=lambda s: (-round(abs(bend(lanes[ids[-1]], lanes[s])), 2), -s))
        stack += [([*ids, s], total + lanes[s].length_m) for s in nexts]
    return make_route(lane_map, best)


def start_lane(lane_map: LaneMap, x_m: float, y_m: float, yaw_rad: float) -> int:
    """The lane a vehicle at a pose is on; far from all lanes, the one that passes nearest.

    Where lanes overlap (a junction, a fork) it is the one whose heading fits best.
    """
    grid = LaneGrid(lane_map.lanes)
    piece = grid.best(
        x_m,
        y_m,
        yaw_rad,
        np.array([lane.kind == LaneKind.DRIVING for lane in lane_map.lanes])[grid.index],
    )
    return (
        lane_map.lanes[int(grid.index[piece])].id
        if piece >= 0
        else lanes_near(lane_map, x_m, y_m)[0]
    )


def lanes_near(lane_map: LaneMap, x_m: float, y_m: float) -> tuple[int, ...]:
    """Driving lanes that contain a point; where none does, the nearest one."""
    driving = [lane for lane in lane_map.lanes if lane.kind == LaneKind.DRIVING] or list(
        lane_map.lanes
    )
    inside: list[int] = []
    nearest, distance = 0, math.inf
    x, y = np.array(x_m), np.array(y_m)
    for lane in driving:
        outline = RoadLane(lane).polygon
        if bool(points_in_polygon(x, y, *outline)):
            inside.append(lane.id)
        away = float(np.hypot(lane.center_x_m - x_m, lane.center_y_m - y_m).min())
        if away < distance:
            nearest, distance = lane.id, away
    return tuple(inside) or (nearest,)


def _shortest(lanes: _Lanes, start: int, goals: Collection[int]) -> list[int] | None:
    """Dijkstra over lanes; the cost of a lane is its length, paid on leaving it at its end."""
    queue: list[tuple[float, int, int]] = [(0.0, 0, start)]
    came: dict[int, int] = {}
    cost: dict[int, float] = {start: 0.0}
    done: set[int] = set()
    order = 0
    while queue:
        paid, _, here = heapq.heappop(queue)
        if here in done:
            continue
        done.add(here)
        if here in goals:
            ids = [here]
            while ids[-1] in came:
                ids.append(came[ids[-1]])
            return ids[::-1]
        for there, step in _steps(lanes, here):
            total = paid + step
            if total < cost.get(there, math.inf):
                cost[there], came[there] = total, here
                order += 1
                heapq.heappush(queue, (total, order, there))
    return None


def _steps(lanes: _Lanes, here: int) -> list[tuple[int, float]]:
    lane, length = lanes[here].lane, lanes[here].length_m
    allowed: Callable[[int], bool] = lambda i: i in lanes and lanes[i].lane.kind == LaneKind.DRIVING  # noqa: E731
    steps = [(s, length) for s in lane.successor_ids.tolist() if allowed(s)]
    if length >= _MIN_CHANGE_M and not lane.in_junction:
        steps += [
            (n, LANE_CHANGE_COST_M) for n in (lane.left_id, lane.right_id) if n and allowed(n)
        ]
    return steps
