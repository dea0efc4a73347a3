"""Routes over lanes: the cheapest one, straight on, and where on the map a pose is. The search itself: `lane_graph.py`."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from whyway.maps.lane_graph import LANE_CHANGE_COST_M, LaneGraph, graph_of
from whyway.maps.lanes import bend
from whyway.types import InputError, LaneKind, LaneMap, Route

__all__ = [
    "LANE_CHANGE_COST_M", "LaneGraph", "RouteError", "find_route", "follow", "graph_of", "lanes_near", "make_route", "start_lane",
]  # fmt: skip


class RouteError(InputError):
    """There is no way between two places; one line."""


def find_route(
    lane_map: LaneMap, from_lane: int, to: int | tuple[float, float] | Collection[int]
) -> Route:
    """The cheapest route from a lane to a lane, to the nearest of some lanes, or to a point.

    Cost is length, and something for each lane change; a lawful way goes before one that changes across a solid line.

    Args:
      lane_map: the map; its graph is kept for the next call.
      from_lane: id of the lane to start on.
      to: a lane's id, several of them, or x, y of a goal point (the lanes there, or else the nearest).

    Returns:
      The route with the lane changes it needs; the goal point is the one given, or the end of the last lane.

    Raises:
      RouteError: no such lane, or no way to it.
    """
    graph = graph_of(lane_map)
    point: tuple[float, float] | None = None
    if isinstance(to, tuple) and len(to) == 2 and any(isinstance(v, float) for v in to):
        point = (float(to[0]), float(to[1]))
        goals = frozenset(lanes_near(lane_map, *point))
    else:
        goals = frozenset({int(to)} if isinstance(to, (int, np.integer)) else {int(i) for i in to})
    for lane_id in {from_lane, *goals}:
        if lane_id not in graph:
            raise RouteError(
                f"map {lane_map.name!r} has no lane {lane_id}; it has {len(lane_map.lanes)} lanes"
            )
    ids = graph.cheapest(from_lane, goals)
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
    lanes = graph_of(lane_map).lanes
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

    Raises:
      RouteError: the map has no lane, or the pose is none.
    """
    try:
        return graph_of(lane_map).start_lane(x_m, y_m, yaw_rad)
    except ValueError as error:
        raise RouteError(f"{error}; give a place on the map") from None


def lanes_near(lane_map: LaneMap, x_m: float, y_m: float) -> tuple[int, ...]:
    """Driving lanes that contain a point; where none does, the nearest one.

    Raises:
      RouteError: the map has no lane, or the point is none.
    """
    try:
        return graph_of(lane_map).lanes_near(x_m, y_m)
    except ValueError as error:
        raise RouteError(f"{error}; give a place on the map") from None
