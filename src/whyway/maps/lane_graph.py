"""The lanes of a map as a graph, and the cheapest way through it: A* over successors and lane changes. Built once per map."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping
from functools import cached_property, lru_cache

import numpy as np

from whyway.maps.cover import LaneCover
from whyway.maps.grid import LaneGrid
from whyway.maps.lanes import RoadLane
from whyway.types import Floats, Lane, LaneKind, LaneMap, MarkingKind

LANE_CHANGE_COST_M = 25.0
"""What a lane change costs in a route, as extra metres: unneeded ones are left out."""

CHANGE_ROOM_M = 50.0
"""On a lane shorter than this a change costs as many times more as the lane is shorter: longer lanes are for changing."""

MIN_CHANGE_M = 15.0
"""A lane shorter than this is no place to change lanes."""


class LaneGraph:
    """What of a map does not depend on the route: its lanes, where they are and what leads where. Immutable.

    Nodes are lanes: being on one, at its start.

    An edge to a successor costs the lane's length (or, across a gap in the map, the distance between the two starts if that is
    longer), one to a neighbour of the same direction a lane change. Only driving lanes are entered. Changing across a solid line
    is unlawful: it is kept apart, for maps that offer nothing else.
    """

    def __init__(self, lane_map: LaneMap) -> None:
        self.lane_map = lane_map
        self.lanes: Mapping[int, RoadLane] = {lane.id: RoadLane(lane) for lane in lane_map.lanes}
        self._row = {lane.id: i for i, lane in enumerate(lane_map.lanes)}
        self._ids = [lane.id for lane in lane_map.lanes]
        self._length = _lengths(lane_map.lanes)
        self._start = np.array([(lane.center_x_m[0], lane.center_y_m[0]) for lane in lane_map.lanes]).reshape(-1, 2)  # fmt: skip
        self._driving = np.array([lane.kind == LaneKind.DRIVING for lane in lane_map.lanes], bool)

    def __contains__(self, lane_id: int) -> bool:
        return lane_id in self._row

    @cached_property
    def _edges(self) -> tuple[list[list[tuple[int, float]]], list[list[tuple[int, float]]]]:
        lawful: list[list[tuple[int, float]]] = []
        unlawful: list[list[tuple[int, float]]] = []
        driving, row = self._driving.tolist(), self._row
        start, lengths = self._start.tolist(), self._length.tolist()
        for i, lane in enumerate(self.lane_map.lanes):
            length, here = lengths[i], start[i]
            ahead = [row[s] for s in lane.successor_ids.tolist() if s in row]
            ways = [(j, max(length, math.dist(here, start[j]))) for j in ahead if driving[j]]
            against: list[tuple[int, float]] = []
            if length >= MIN_CHANGE_M and not lane.in_junction:
                cost = LANE_CHANGE_COST_M * max(1.0, CHANGE_ROOM_M / length)
                for id_, line in ((lane.left_id, lane.left_marking), (lane.right_id, lane.right_marking)):  # fmt: skip
                    if id_ in row and driving[j := row[id_]]:
                        change = (j, max(cost, math.dist(here, start[j])))
                        (against if line == MarkingKind.SOLID else ways).append(change)
            lawful.append(ways)
            unlawful.append(against)
        return lawful, unlawful

    def steps(self, lane_id: int, lawful: bool = True) -> list[tuple[int, float]]:
        """The lanes a lane leads to, and what each costs; unless `lawful`, across solid lines too."""
        i = self._row[lane_id]
        within, across = self._edges
        ways = within[i] + ([] if lawful else across[i])
        return [(self._ids[j], cost) for j, cost in ways]

    def cheapest(self, from_lane: int, goals: Collection[int]) -> list[int] | None:
        """The lanes of the cheapest way from a lane to the nearest of some, both included; None where there is none.

        Lawful ways go before all others. A* (Hart, Nilsson and Raphael, 1968): the straight line to the nearest goal's start is
        what is left at least. No edge costs less than the distance of its two lanes' starts, so this never overestimates, and
        falls along no edge by more than the edge costs: each lane is settled once. O((V + E) log V) for V lanes with E links,
        most often a fraction of them.

        Raises:
          KeyError: a lane the map does not have.
        """
        start, ends = self._row[from_lane], [self._row[g] for g in goals]
        if not ends:
            return None
        left = _distance_to_nearest(self._start, self._start[ends]).tolist()
        lawful, unlawful = self._edges
        found = _a_star(lawful, left, start, frozenset(ends))
        if found is None and any(unlawful):
            both = [a + b for a, b in zip(lawful, unlawful, strict=True)]
            found = _a_star(both, left, start, frozenset(ends))
        return None if found is None else [self._ids[i] for i in found]

    @cached_property
    def grid(self) -> LaneGrid:
        """All lanes by place."""
        return LaneGrid(self.lane_map.lanes)

    @cached_property
    def cover(self) -> LaneCover:
        """All lanes by the points they cover, many at once."""
        return LaneCover(self.lane_map.lanes, self.grid)

    @cached_property
    def _drivable(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which pieces of the grid belong to driving lanes, or all where the map has none of these."""
        allowed = self._driving if self._driving.any() else ~self._driving
        return np.asarray(allowed[self.grid.index])

    def lanes_near(self, x_m: float, y_m: float) -> tuple[int, ...]:
        """Driving lanes that contain a point; where none does, the nearest one.

        Raises:
          ValueError: the map has no lane, or the point is none.
        """
        pieces = self.grid.covering(x_m, y_m)
        rows = self.grid.index[pieces[self._drivable[pieces]]]
        if len(rows):
            return tuple(self._ids[i] for i in sorted(set(rows.tolist())))
        g = self.grid
        pieces = np.flatnonzero(self._drivable & g.real)
        if len(pieces) == 0 or not (math.isfinite(x_m) and math.isfinite(y_m)):
            raise ValueError(f"no lane of map {self.lane_map.name!r} is near ({x_m:g}, {y_m:g})")
        rx, ry = x_m - g.start_x_m[pieces], y_m - g.start_y_m[pieces]
        ux, uy = g.ux[pieces], g.uy[pieces]
        along = np.clip(rx * ux + ry * uy, 0.0, g.length_m[pieces])
        nearest = np.hypot(rx - along * ux, ry - along * uy).argmin()
        return (self._ids[int(g.index[pieces[nearest]])],)

    def start_lane(self, x_m: float, y_m: float, yaw_rad: float) -> int:
        """The lane a vehicle at a pose is on; far from all lanes, the one that passes nearest.

        Where lanes overlap (a junction, a fork) it is the one whose heading fits best.
        """
        piece = self.grid.best(x_m, y_m, yaw_rad, self._drivable)
        if piece >= 0:
            return self._ids[int(self.grid.index[piece])]
        return self.lanes_near(x_m, y_m)[0]


@lru_cache(maxsize=4)
def graph_of(lane_map: LaneMap) -> LaneGraph:
    """The graph of a map. Those of the last few maps are kept: many routes on one map share what is worked out about its lanes."""
    return LaneGraph(lane_map)


def _a_star(
    edges: list[list[tuple[int, float]]], left: list[float], start: int, goals: frozenset[int]
) -> list[int] | None:
    queue: list[tuple[float, int]] = [(left[start], start)]
    cost: dict[int, float] = {start: 0.0}
    came: dict[int, int] = {}
    done: set[int] = set()
    while queue:
        _, here = heapq.heappop(queue)
        if here in done:
            continue
        done.add(here)
        if here in goals:
            way = [here]
            while way[-1] in came:
                way.append(came[way[-1]])
            return way[::-1]
        paid = cost[here]
        for there, step in edges[here]:
            total = paid + step
            if there not in done and total < cost.get(there, math.inf):
                cost[there], came[there] = total, here
                heapq.heappush(queue, (total + left[there], there))
    return None


def _distance_to_nearest(points: Floats, goals: Floats) -> Floats:
    """(n,) distance of points (n, 2) from the nearest of some goals (g, 2); one goal at a time, so that memory stays small."""
    best = np.full(len(points), np.inf)
    for x, y in goals.tolist():
        best = np.minimum(best, np.hypot(points[:, 0] - x, points[:, 1] - y))
    return best


def _lengths(lanes: tuple[Lane, ...]) -> Floats:
    """Length of each lane's centre line, all in one go."""
    if not lanes:
        return np.zeros(0)
    count = np.array([len(lane.center_x_m) for lane in lanes])
    x = np.concatenate([lane.center_x_m for lane in lanes])
    y = np.concatenate([lane.center_y_m for lane in lanes])
    step = np.hypot(np.diff(x, prepend=x[0]), np.diff(y, prepend=y[0]))
    first = np.cumsum(count) - count
    step[first] = 0.0  # from the end of one lane to the start of the next
    result: Floats = np.add.reduceat(step, first)
    return result
