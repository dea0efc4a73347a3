"""Where a road is too narrow for two to meet: stretches on which a lane and that of the other direction lie nearly upon each other."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from whyway.maps.lanes import RoadLane
from whyway.maps.path import LanePath
from whyway.maps.road import Road

MEETING_M = 2.4
"""Middles of lanes nearer to each other than this: two cars of ordinary width do not pass each other there."""

Stretch = tuple[float, float]


class Narrows:
    """Finds a road's narrow stretches. Answers are cached by lane."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._of_lane = lru_cache(maxsize=4096)(self._found)

    def along(self, path: LanePath) -> tuple[Stretch, ...]:
        """From and to, in arc length of a path; what continues on the next lane is one stretch."""
        found: list[Stretch] = []
        for lane_id, start in zip(path.lane_ids, path.lane_start_s.tolist(), strict=True):
            for a, b in self._of_lane(lane_id):
                if found and start + a - found[-1][1] < 2.0:
                    found[-1] = found[-1][0], start + b
                else:
                    found.append((start + a, start + b))
        return tuple(found)

    def _found(self, lane_id: int) -> tuple[Stretch, ...]:
        lane = self._road.lanes[lane_id]
        other = self._road.lanes.get(lane.lane.opposite_id)
        return () if other is None else _nearer_than(lane, other, MEETING_M)


def _nearer_than(lane: RoadLane, other: RoadLane, apart_m: float) -> tuple[Stretch, ...]:
    line = lane.center
    _, d = other.center.project(line.x_m, line.y_m)
    near = np.abs(d) < apart_m
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(np.int8)))
    return tuple((float(line.s_m[a]), float(line.s_m[b - 1])) for a, b in edges.reshape(-1, 2))
