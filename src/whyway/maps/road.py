"""`Road`: one map and one route, and every question the stages ask about them. Answers are cached.

It never changes, but for one thing: it remembers on which lane the ego was, and where a route comes to a place a second time, which
time this is (`locate_ego`).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np

from whyway.maps.cover import LaneCover
from whyway.maps.grid import Bools
from whyway.maps.lane_graph import graph_of
from whyway.maps.lanes import RoadLane, bend
from whyway.maps.legs import legs, passes, side_by_side
from whyway.maps.path import LanePath, join, project_near
from whyway.types import Crossing, Direction, Floats, InputError, LaneKind, LaneMap, Route, StopLine

__all__ = ["DRIVABLE", "LanePath", "Road", "RoadLane"]

DRIVABLE = (
    LaneKind.DRIVING, LaneKind.SHOULDER, LaneKind.BIKE, LaneKind.PARKING, LaneKind.CROSSWALK,
)  # fmt: skip
"""Kinds of lane a car may physically be on."""

_ROUND_UP_M = 25.0
"""Path lengths are rounded up to this, so that few different paths are built and cached."""

_ROUTE_BONUS_M = 0.5

_SAME_PLACE_M = 30.0
"""Lane changes that are due within so much of each other have to be made one right after the other."""

_BACK = 2
"""So many lanes back on the route, an ego is still on the same leg of it: between two lanes it may be seen on either."""

_ON = 4
"""... and so many lanes on, it may be seen on the way through a junction that the route takes next."""

P = TypeVar("P", StopLine, Crossing)


class Road:
    """A map with a route through it.

    Raises:
      InputError: the route is empty or names a lane the map does not have.
    """

    def __init__(self, lane_map: LaneMap, route: Route) -> None:
        self.lane_map = lane_map
        self.route = route
        graph = graph_of(lane_map)
        self.lanes: Mapping[int, RoadLane] = graph.lanes
        self.route_ids: tuple[int, ...] = tuple(int(i) for i in route.lane_ids)
        unknown = [i for i in self.route_ids if i not in self.lanes]
        if unknown or not self.route_ids:
            what = (
                f"names lanes {unknown} that map {lane_map.name!r} does not have"
                if unknown
                else "has no lanes"
            )
            raise InputError(f"the route {what}; make it with maps.routes.find_route on this map")
        self._legs = legs(self.route_ids, self.lanes)
        self._passes = passes(self.route_ids, self.lanes) if len(self._legs) > 1 else {}
        self._position = 0
        self._here = 0
        self._on_leg(0)
        self._grid = graph.grid
        self._graph = graph
        index = self._grid.index
        lanes = lane_map.lanes
        kinds = np.array([lane.kind for lane in lanes], dtype=np.int64)[index]
        self._ids = np.array([lane.id for lane in lanes], dtype=np.int64)[index]
        self._kinds = kinds
        self._allowed: dict[tuple[LaneKind, ...], Bools] = {}
        self._bonus = lru_cache(maxsize=32)(self._bonus_of)
        self._route_bonus = self._bonus(self.route_ids)
        self._stop_lines = _by_lane(lane_map.stop_lines)
        self._crossings = _by_lane(lane_map.crossings)
        self._changes: dict[tuple[int, int], tuple[Direction, float] | None] = {}
        # caches belong to the object, so they go when it goes
        self._joined = lru_cache(maxsize=2048)(self._join)
        self._path = lru_cache(maxsize=512)(self._build_path)
        self._branches = lru_cache(maxsize=512)(self._build_branches)

    # ------------------------------------------------------------------------------------------- where is a point

    def lanes_at(self, x_m: float, y_m: float, margin_m: float = 0.0) -> tuple[int, ...]:
        """Lanes whose polygon contains the point or comes within `margin_m` (at most 5 m) of it; those of the route first."""
        pieces = self._grid.covering(x_m, y_m, margin_m)
        found = dict.fromkeys(self._ids[pieces].tolist())
        return tuple(sorted(found, key=lambda i: i not in self._route_set))

    @property
    def cover(self) -> LaneCover:
        """The same questions for many points at once."""
        return self._graph.cover

    def locate(
        self,
        x_m: float,
        y_m: float,
        yaw_rad: float,
        kinds: Sequence[LaneKind] = (LaneKind.DRIVING,),
    ) -> tuple[int, float, float] | None:
        """The lane a vehicle at a pose is on, with its `s_m` and `d_m` (left positive) there; None if none is within 5 m.

        Up to 30 m beyond the edge of the map it is still on the lane that ended there, with `s_m` < 0 or > length.

        The lane that goes its way wins over a nearer one that does not; of equals, the route's.
        """
        return self._located(x_m, y_m, yaw_rad, kinds, self._route_bonus)

    def _located(
        self, x_m: float, y_m: float, yaw_rad: float, kinds: Sequence[LaneKind], bonus_m: Floats
    ) -> tuple[int, float, float] | None:
        piece = self._grid.best(x_m, y_m, yaw_rad, self._of_kinds(kinds), bonus_m)
        if piece < 0:
            return None
        lane_id = int(self._ids[piece])
        return (lane_id, *self.lanes[lane_id].project(x_m, y_m))

    def locate_ego(self, x_m: float, y_m: float, yaw_rad: float) -> tuple[int, float, float] | None:
        """As `locate`, for the ego: answers about the route are from now on about the leg of it that the ego is on.

        Only a route that comes to the same road twice has more than one leg; of two possible places on it, the next one ahead is taken,
        the first one if there is none. Who is on a lane beside the route is where the route passes beside it, even if the route comes
        to that very lane later.
        """
        if len(self._legs) > 1:
            low, high = self._position - _BACK, self._position + _ON + 1
            self._route_bonus = self._bonus(self.route_ids[max(low, 0) : high])
        bonus_m = np.maximum(self._route_bonus, self._bonus(self._onward()))
        found = self._located(x_m, y_m, yaw_rad, (LaneKind.DRIVING,), bonus_m)
        if found is not None:
            self._here = found[0]
            here = self._passes.get(found[0], ())
            if here:
                ahead = [i for i in here if i >= self._position - _BACK] or list(here)
                # ways through a junction overlap: another one's lane is not yet another place of the route
                if self.lanes[found[0]].lane.in_junction and ahead[0] > self._position + _ON:
                    return found
                run = [i for k, i in enumerate(ahead) if i == ahead[0] + k]
                self._position = next((i for i in run if self.route_ids[i] == found[0]), run[0])
                leg = bisect.bisect_right([a for a, _ in self._legs], self._position) - 1
                self._on_leg(leg)
        return found

    def _onward(self) -> tuple[int, ...]:
        """The lanes that lead on from where the ego was: within a junction others lie over them, which it does not take."""
        if self._here == 0:
            return ()
        here = self.lanes[self._here]
        way = self.path_from(self._here, here.length_m + _ROUND_UP_M).lane_ids
        return way if here.lane.in_junction else way[1:]

    def _bonus_of(self, lane_ids: tuple[int, ...]) -> Floats:
        """By how much the grid's pieces of some lanes are preferred: of ways that overlap, the one that the route takes here."""
        return np.where(np.isin(self._ids, lane_ids), _ROUTE_BONUS_M, 0.0)

    def _on_leg(self, leg: int) -> None:
        """Answer for a leg of the route: no lane of it stands in it twice."""
        start, stop = self._legs[leg]
        self._leg = leg
        self._leg_ids = self.route_ids[start:stop]
        self._route_set = frozenset(self._leg_ids)
        self._index = {lane: i for i, lane in enumerate(self._leg_ids)}

    def off_road(
        self, x_m: Any, y_m: Any, margin_m: float = 0.3, kinds: Sequence[LaneKind] = DRIVABLE
    ) -> Bools:
        """Whether points `(...)` lie further than `margin_m` from every lane of some kinds: those a car may be on.

        Maps made from OpenStreetMap leave slits between the lanes of a junction: hence the margin. Where a lane ends with the map, the
        road is taken to go on straight for 30 m.
        """
        x, y = np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)
        allowed = self._of_kinds(kinds)
        covered = self._grid.covered(x.reshape(-1), y.reshape(-1), margin_m, allowed)
        result: Bools = ~covered.reshape(x.shape)
        return result

    def _of_kinds(self, kinds: Sequence[LaneKind]) -> Bools:
        """Which of the grid's pieces belong to lanes of some kinds."""
        key = tuple(kinds)
        if key not in self._allowed:
            self._allowed[key] = np.isin(self._kinds, key)
        return self._allowed[key]

    def oncoming(self, x_m: float, y_m: float, yaw_rad: float) -> bool:
        """Whether the point lies in lanes of opposite heading only, outside junctions."""
        return bool(self.cover.oncoming(x_m, y_m, yaw_rad))

    # -------------------------------------------------------------------------------------------------- neighbours

    def neighbours(self, lane_id: int) -> tuple[int, int]:
        """Left and right neighbour of the same direction; 0 where there is none."""
        lane = self.lanes[lane_id].lane
        return lane.left_id, lane.right_id

    def next_route_lane_change(self, lane_id: int) -> tuple[Direction, float] | None:
        """The side to which the route needs a lane change from a lane, and how far from the lane's *start* it must be done:
        by the end of the lane from which it is needed, or by the goal.

        None where the lane leads on along the route by itself, where the route cannot be reached by neighbours, and as long as the lane
        on that side leads elsewhere: a change there would have to be taken back.
        """
        key = self._leg, lane_id
        if key not in self._changes:
            self._changes[key] = self._find_change(lane_id)
        return self._changes[key]

    def route_lane_changes(self, lane_id: int) -> int:
        """How many lane changes in a row, to the same side and by about the same place, the route needs from a lane."""
        first = wish = self.next_route_lane_change(lane_id)
        count, current = 0, lane_id
        while first is not None and wish is not None and count < len(self.lanes):
            if wish[0] is not first[0] or wish[1] > first[1] + _SAME_PLACE_M:
                break
            count += 1
            current = self.neighbours(current)[0 if wish[0] is Direction.LEFT else 1]
            wish = self.next_route_lane_change(current) if current in self.lanes else None
        return count

    def _find_change(self, lane_id: int) -> tuple[Direction, float] | None:
        distance, current = 0.0, lane_id
        way: list[int] = []
        target: frozenset[int] = frozenset()
        for _ in range(len(self.lanes)):
            distance += self.lanes[current].length_m
            way.append(current)
            if current in self._route_set:
                i = self._index[current]
                if i + 1 == len(self._leg_ids):
                    return None
                side = self._side(current, self._leg_ids[i + 1])
                if side is not Direction.NONE:
                    open_ = self._leads_along(way, side)
                    return (side, distance - self._behind_goal_m(i)) if open_ else None
                current = self._leg_ids[i + 1]
                continue
            side = self._towards_route(current)
            target = self._next_road(current, target)
            nexts = [s for s in self._successors(current) if self._reaches(s, target)]
            nexts = nexts or [s for s in self._successors(current) if self._leads_to_route(s)]
            if not nexts:
                open_ = side is not Direction.NONE and self._leads_along(way, side)
                return (side, distance) if open_ else None
            current = nexts[0]
        return None

    def _leads_along(self, way: Sequence[int], side: Direction) -> bool:
        """Whether the lane beside the first of some lanes leads on beside all of them, through junctions too."""
        step = 0 if side is Direction.LEFT else 1
        beside = {self.neighbours(way[0])[step]} & self.lanes.keys()
        for lane_id in way[1:]:
            beside = {s for b in beside for s in self._successors(b)}
            if not self.lanes[lane_id].lane.in_junction:
                beside &= {self.neighbours(lane_id)[step]}
        return bool(beside)

    def _goal_m(self, lane_id: int) -> float:
        """Arc length of the goal along a lane."""
        s, _ = self.lanes[lane_id].project(self.route.goal_x_m, self.route.goal_y_m)
        return s

    def _behind_goal_m(self, i: int) -> float:
        """How much of the i-th lane of the leg lies behind the goal: only where from there on all are neighbours."""
        rest = self._leg_ids[i:]
        if self._legs[self._leg][1] < len(self.route_ids):
            return 0.0
        if any(self._side(a, b) is Direction.NONE for a, b in zip(rest, rest[1:], strict=False)):
            return 0.0
        length_m = self.lanes[rest[0]].length_m
        return length_m - min(max(self._goal_m(rest[0]), 0.0), length_m)

    def _side(self, lane_id: int, other_id: int) -> Direction:
        left, right = self.neighbours(lane_id)
        if other_id in (0, lane_id):
            return Direction.NONE
        return (
            Direction.LEFT
            if other_id == left
            else Direction.RIGHT
            if other_id == right
            else Direction.NONE
        )

    def _towards_route(self, lane_id: int) -> Direction:
        """The side on which a lane of the route lies, over any number of neighbours; the nearer one."""
        for count in range(1, 8):
            for side, step in ((Direction.LEFT, 0), (Direction.RIGHT, 1)):
                current = lane_id
                for _ in range(count):
                    current = self.neighbours(current)[step] if current in self.lanes else 0
                if current in self._route_set:
                    return side
        return Direction.NONE

    def _next_road(self, lane_id: int, before: frozenset[int]) -> frozenset[int]:
        """The lanes, side by side, that the route comes to next outside junctions, as seen from a lane on or beside it.

        Inside a junction, and away from the route, it is that of the lane `before`.
        """
        if self.lanes[lane_id].lane.in_junction:
            return before
        here = side_by_side(lane_id, self.lanes)
        at = max((self._index[i] for i in here if i in self._index), default=None)
        if at is None:
            return before
        for other in self._leg_ids[at + 1 :]:
            if not self.lanes[other].lane.in_junction:
                return side_by_side(other, self.lanes)
        return frozenset()

    def _reaches(self, lane_id: int, target: frozenset[int], depth: int = 4) -> bool:
        """Whether a lane is one of some, or leads to one through a junction only."""
        if lane_id in target:
            return True
        if depth == 0 or not target or not self.lanes[lane_id].lane.in_junction:
            return False
        return any(self._reaches(s, target, depth - 1) for s in self._successors(lane_id))

    def _leads_to_route(self, lane_id: int) -> bool:
        return lane_id in self._route_set or self._towards_route(lane_id) is not Direction.NONE

    def _successors(self, lane_id: int) -> list[int]:
        """Successors that exist, the straightest first (by hundredths of a radian, then by id)."""
        here = self.lanes[lane_id]
        found = [s for s in here.lane.successor_ids.tolist() if s in self.lanes]
        return sorted(found, key=lambda s: (round(abs(bend(here, self.lanes[s])), 2), s))

    # ------------------------------------------------------------------------------------------------------- paths

    def path_from(self, lane_id: int, length_m: float, on_route: bool = True) -> LanePath:
        """The way on from the start of a lane, at least `length_m` long where the map is; it never changes lanes.

        With `on_route`, at a fork it takes the branch on the route or beside it; otherwise (or elsewhere) the straightest.
        """
        leg = self._leg if on_route else -1
        return self._path(lane_id, math.ceil(length_m / _ROUND_UP_M), on_route, leg)

    def _build_path(self, lane_id: int, length: int, on_route: bool, _leg: int) -> LanePath:
        ids, total = [lane_id], self.lanes[lane_id].length_m
        target: frozenset[int] = frozenset()
        while total < length * _ROUND_UP_M:
            nexts = self._successors(ids[-1])
            if not nexts:
                break
            target = self._next_road(ids[-1], target) if on_route else target
            ids.append(self._fork(nexts, ids[-1], target) if on_route else nexts[0])
            total += self.lanes[ids[-1]].length_m
        return self._joined(tuple(ids))

    def _fork(self, nexts: list[int], lane_id: int, target: frozenset[int]) -> int:
        i = self._index.get(lane_id, len(self._leg_ids))
        after = self._leg_ids[i + 1 : i + 2]
        ranked = [[s for s in nexts if s in after]]
        ranked.append([s for s in nexts if self._reaches(s, target)])
        ranked.append([s for s in nexts if s in self._route_set])
        ranked.append([s for s in nexts if self._leads_to_route(s)])
        return next((found[0] for found in ranked if found), nexts[0])

    def branches_from(
        self, lane_id: int, length_m: float, max_paths: int = 4
    ) -> tuple[LanePath, ...]:
        """Every way on from the start of a lane, at least `length_m` long where the map is; the straightest first."""
        return self._branches(lane_id, math.ceil(length_m / _ROUND_UP_M), max_paths)

    def _build_branches(self, lane_id: int, length: int, max_paths: int) -> tuple[LanePath, ...]:
        done: list[list[int]] = []
        open_ = [([lane_id], self.lanes[lane_id].length_m)]
        while open_ and len(done) < max_paths:
            ids, total = open_.pop()
            nexts = [s for s in self._successors(ids[-1]) if s not in ids]
            if total >= length * _ROUND_UP_M or not nexts:
                done.append(ids)
                continue
            open_ += [([*ids, s], total + self.lanes[s].length_m) for s in reversed(nexts)]
        return tuple(self._joined(tuple(ids)) for ids in done)

    def _join(self, lane_ids: tuple[int, ...]) -> LanePath:
        return join(lane_ids, self.lanes, self._stop_lines, self._crossings)

    # ------------------------------------------------------------------------------------------------------- route

    @cached_property
    def route_path(self) -> LanePath:
        """The whole route as one line; a lane change lies in the middle of the lanes that are neighbours, before the goal."""
        return join(
            self.route_ids,
            self.lanes,
            self._stop_lines,
            self._crossings,
            goal_m=self._goal_m(self.route_ids[-1]),
        )

    def route_progress(
        self, x_m: float, y_m: float, near_s: float | None = None
    ) -> tuple[float, float]:
        """`s_m`, `d_m` along `route_path.center`; with `near_s`, searched from 30 m before it to 60 m behind it only.

        Pass the last answer as `near_s`: a route may cross itself.
        """
        center = self.route_path.center
        low, high = (0.0, center.length_m) if near_s is None else (near_s - 30.0, near_s + 60.0)
        s, d = project_near(center, x_m, y_m, low, high)
        return float(s), float(d)

    @cached_property
    def route_length_m(self) -> float:
        """From the start of the route to the goal point, which lies on the route's last lane: the way there may pass it before."""
        path = self.route_path
        low = float(path.lane_start_s[-1]) - 10.0
        goal = self.route.goal_x_m, self.route.goal_y_m
        s, _ = project_near(path.center, *goal, low, path.length_m)
        return float(s)


def _by_lane(parts: Sequence[P]) -> dict[int, list[P]]:
    found: dict[int, list[P]] = {}
    for part in parts:
        for lane_id in part.lane_ids.tolist():
            found.setdefault(int(lane_id), []).append(part)
    return found
