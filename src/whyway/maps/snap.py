"""Points along a way -> a route over lanes: each point finds its lanes, dynamic programming finds the way through them all.

Map matching as by Newson and Krumm, "Hidden Markov Map Matching Through Noise and Sparseness" (ACM GIS 2009), with costs in metres in
place of log-probabilities: a point costs its distance from a lane squared (and its heading's error, where it has one), a step the
length of the way from lane to lane and something for every lane change. Points may lie in junctions, where many lanes overlap, or
near a border: what decides is which lane leads on. A polyline may be coarse: between two points the shortest way is taken, as
CARLA's leaderboard does (`route_manipulation.interpolate_trajectory`).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whyway.maps.grid import LaneGrid
from whyway.maps.lanes import RoadLane
from whyway.maps.leaderboard import Place
from whyway.maps.routes import LANE_CHANGE_COST_M, RouteError, make_route
from whyway.types import Floats, Ints, LaneKind, LaneMap, Route

REACH_M = 2.5
"""A point further than this from every lane is off the map."""

OFFSET_COST_1PM = 4.0
"""Metres of way that a squared metre beside a lane is worth: to leave out one lane change and the way back costs about as much as to
pass a point on the lane beside its own, a tight change before a junction or a detour costs more."""

HEADING_COST_M = 30.0
"""What a heading at right angles to the lane costs."""

CHANGE_ROOM_M = 30.0
"""With less room than this a lane change costs `TIGHT_COST` more for every metre that is missing."""
TIGHT_COST = 5.0

BACK_M = 2.0
"""Two points in a row may stand so much in the wrong order on a lane."""

DETOUR, DETOUR_M = 4.0, 1000.0
"""A way between two points is searched up to so many times their distance, and so much more."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapped:
    """A route and where its n points lie: the position in `route.lane_ids`, arc length along that lane, offset to its left."""

    route: Route
    index: Ints
    s_m: Floats
    d_m: Floats
    start_x_m: float
    start_y_m: float
    start_yaw_rad: float


def snap_route(lane_map: LaneMap, points: Sequence[Place]) -> Snapped:
    """The route through points, with the lane changes it needs; its goal is the last point.

    Args:
      lane_map: the map.
      points: at least two, in driving order; a heading (`yaw_rad`) helps and may be NaN.

    Raises:
      RouteError: a point is off the map, or no way leads from one to the next; it names the point.
    """
    if len(points) < 2:
        raise RouteError(f"a route needs at least two waypoints, not {len(points)}")
    net = _Net(lane_map)
    columns = [net.candidates(p, i, len(points)) for i, p in enumerate(points)]
    best = [c.cost for c in columns[0]]
    came: list[list[tuple[int, list[int]]]] = []
    for i in range(1, len(points)):
        reach = DETOUR_M + DETOUR * math.dist(_xy(points[i - 1]), _xy(points[i]))
        ways = [net.ways(c, columns[i], reach) for c in columns[i - 1]]
        costs, links = [], []
        for j, c in enumerate(columns[i]):
            k = min(range(len(ways)), key=lambda k, j=j: best[k] + ways[k][j][0])  # type: ignore[misc]
            costs.append(best[k] + ways[k][j][0] + c.cost)
            links.append((k, ways[k][j][1]))
        if not min(costs) < math.inf:
            raise RouteError(
                f"no way leads from {_named(points, i - 1)} to {_named(points, i)} on map {lane_map.name!r}:"
                " check that both belong to it"
            )
        best = costs
        came.append(links)
    return _traced(lane_map, points, net, columns, came, best)


def _traced(
    lane_map: LaneMap, points: Sequence[Place], net: _Net, columns: list[list[_Candidate]],
    came: list[list[tuple[int, list[int]]]], best: list[float],
) -> Snapped:  # fmt: skip
    """Follow the cheapest way back from the last point."""
    j = int(np.argmin(best))
    chosen, legs = [columns[-1][j]], []
    for links, column in zip(reversed(came), reversed(columns[:-1]), strict=True):
        j, leg = links[j]
        chosen.append(column[j])
        legs.append(leg)
    chosen.reverse()
    ids, index = [chosen[0].lane], [0]
    for leg in reversed(legs):
        ids += leg[1:]
        index.append(len(ids) - 1)
    goal = points[-1].x_m, points[-1].y_m
    x, y, yaw, _ = net.lanes[ids[0]].center.at(chosen[0].s_m)
    return Snapped(
        route=make_route(lane_map, ids, goal),
        index=np.array(index, dtype=np.int64),
        s_m=np.array([c.s_m for c in chosen]),
        d_m=np.array([c.d_m for c in chosen]),
        start_x_m=float(x),
        start_y_m=float(y),
        start_yaw_rad=math.remainder(float(yaw), 2 * math.pi),
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A lane a point may be on."""

    lane: int
    s_m: float
    d_m: float
    cost: float


class _Net:
    """The driving lanes of a map as a graph."""

    def __init__(self, lane_map: LaneMap) -> None:
        driving = tuple(lane for lane in lane_map.lanes if lane.kind == LaneKind.DRIVING)
        if not driving:
            raise RouteError(f"map {lane_map.name!r} has no lanes for driving")
        self._name = lane_map.name
        self._grid = LaneGrid(driving)
        self._driving = driving
        self.lanes = {lane.id: RoadLane(lane) for lane in driving}
        self._next = {
            lane.id: [s for s in lane.successor_ids.tolist() if s in self.lanes] for lane in driving
        }
        self._beside = {
            lane.id: [n for n in (lane.left_id, lane.right_id) if n in self.lanes]
            if not lane.in_junction
            else []
            for lane in driving
        }

    def candidates(self, point: Place, i: int, count: int) -> list[_Candidate]:
        """The lanes a point may be on; at least one."""
        x, y = point.x_m, point.y_m
        pieces = self._grid.covering(x, y, REACH_M)
        found = []
        for k in dict.fromkeys(self._grid.index[pieces].tolist()):
            lane = self.lanes[self._driving[k].id]
            s, d = lane.project(x, y)
            s = min(max(s, 0.0), lane.length_m)
            cost = OFFSET_COST_1PM * d * d
            if math.isfinite(point.yaw_rad):
                yaw = float(lane.center.at(s)[2])
                cost += HEADING_COST_M * (1.0 - math.cos(yaw - point.yaw_rad))
            found.append(_Candidate(lane.lane.id, s, d, cost))
        if not found:
            raise RouteError(
                f"waypoint {i + 1} of {count} at ({x:.1f}, {y:.1f}) is {self._away_m(x, y):.1f} m off the nearest lane"
                f" of map {self._name!r}: check that the route belongs to it"
            )
        return found

    def _away_m(self, x_m: float, y_m: float) -> float:
        distances = [
            np.hypot(lane.center_x_m - x_m, lane.center_y_m - y_m).min() for lane in self._driving
        ]
        return float(min(distances))

    def ways(
        self, start: _Candidate, goals: list[_Candidate], reach_m: float
    ) -> list[tuple[float, list[int]]]:
        """For each goal, what the cheapest way to it costs (inf where there is none within reach) and its lanes."""
        side = self._side_by_side(start.lane)
        length = self.lanes[start.lane].length_m
        wanted = {g.lane for g in goals}
        search = _Search(self._next, self._beside, self.lanes)
        room = length - start.s_m
        for lane, path in side.items():
            cost = room + _change_cost(len(path) - 1, room)
            for after in self._next[lane]:
                search.push(cost, (after, False), None, path)
        search.run(reach_m, wanted)
        found = []
        for goal in goals:
            cost, path = search.to(goal)
            if goal.lane in side and goal.s_m >= start.s_m - BACK_M:
                forward = goal.s_m - start.s_m
                changes = len(side[goal.lane]) - 1
                direct = abs(forward) + _change_cost(changes, forward)
                if direct <= cost:
                    cost, path = direct, side[goal.lane]
            found.append((cost, path))
        return found

    def _side_by_side(self, lane: int) -> dict[int, list[int]]:
        """Lanes beside a lane that changes lead to, with the lanes changed through."""
        found, queue = {lane: [lane]}, [lane]
        for here in queue:
            for there in self._beside[here]:
                if there not in found:
                    found[there] = [*found[here], there]
                    queue.append(there)
        return found


_Node = tuple[int, bool]
"""A lane at its start, and whether it was entered by a change from the lane beside it."""


class _Search:
    """Dijkstra from some lanes on; the cost of a lane is its length, paid on leaving it at its end."""

    def __init__(
        self, after: dict[int, list[int]], beside: dict[int, list[int]], lanes: dict[int, RoadLane]
    ) -> None:
        self._after, self._beside, self._lanes = after, beside, lanes
        self._queue: list[tuple[float, int, _Node]] = []
        self._cost: dict[_Node, float] = {}
        self._came: dict[_Node, _Node | None] = {}
        self._prefix: dict[_Node, list[int]] = {}
        self._order = 0

    def push(self, cost: float, node: _Node, came: _Node | None, prefix: list[int]) -> None:
        """Offer a way to a node: from another one, or from the start by the lanes `prefix`."""
        if cost < self._cost.get(node, math.inf):
            self._cost[node], self._came[node], self._prefix[node] = cost, came, prefix
            self._order += 1
            heapq.heappush(self._queue, (cost, self._order, node))

    def run(self, reach_m: float, wanted: set[int]) -> None:
        """Search until all wanted lanes are reached by their start, or `reach_m` is."""
        done: set[_Node] = set()
        missing = set(wanted)
        while self._queue and missing:
            cost, _, node = heapq.heappop(self._queue)
            if cost > reach_m:
                break
            if node in done:
                continue
            done.add(node)
            lane, changed = node
            if not changed:
                missing.discard(lane)
            length = self._lanes[lane].length_m
            for after in self._after[lane]:
                self.push(cost + length, (after, False), node, [])
            for beside in self._beside[lane]:
                self.push(cost + _change_cost(1, length), (beside, True), node, [])

    def to(self, goal: _Candidate) -> tuple[float, list[int]]:
        """What the way to a candidate costs, and its lanes."""
        straight, changed = (goal.lane, False), (goal.lane, True)
        cost = self._cost.get(straight, math.inf)
        tight = TIGHT_COST * max(0.0, CHANGE_ROOM_M - goal.s_m)
        other = self._cost.get(changed, math.inf) + tight
        node: _Node | None = straight if cost <= other else changed
        cost = min(cost, other)
        path: list[int] = []
        if cost == math.inf:
            return cost, path
        while node is not None:
            path.append(node[0])
            prefix, node = self._prefix[node], self._came[node]
        return cost + goal.s_m, [*prefix, *reversed(path)]


def _change_cost(changes: int, room_m: float) -> float:
    """What some lane changes in a row cost on a stretch of so much room."""
    if changes == 0:
        return 0.0
    return changes * LANE_CHANGE_COST_M + TIGHT_COST * max(0.0, CHANGE_ROOM_M * changes - room_m)


def _xy(point: Place) -> tuple[float, float]:
    return point.x_m, point.y_m


def _named(points: Sequence[Place], i: int) -> str:
    return f"waypoint {i + 1} of {len(points)} at ({points[i].x_m:.1f}, {points[i].y_m:.1f})"
