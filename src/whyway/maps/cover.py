"""Which lanes are many points on? Every question a judge asks of a whole drive at once, answered without a loop over its instants."""

from __future__ import annotations

from typing import Any

import numpy as np

from whyway.maps.grid import Bools, LaneGrid
from whyway.types import Floats, Ints, Lane, LaneKind


class LaneCover:
    """Lanes of a map by the points they cover; points are `(...)`, and so are the answers. Immutable."""

    def __init__(self, lanes: tuple[Lane, ...], grid: LaneGrid) -> None:
        self._grid = grid
        index = grid.index
        self._count = len(lanes)
        self._in_junction: Bools = np.array([a.in_junction for a in lanes], dtype=np.bool_)[index]
        driving = np.array([a.kind == LaneKind.DRIVING for a in lanes], dtype=np.bool_)[index]
        self._driving: Bools = driving & grid.real
        self._limit_mps: Floats = _limits(lanes)[index]

    def _covering(self, x_m: Any, y_m: Any, allowed: Bools | None = None) -> tuple[Ints, Ints]:
        x, y = np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)
        return self._grid.covering_each(x.reshape(-1), y.reshape(-1), allowed=allowed)

    def in_junction(self, x_m: Any, y_m: Any) -> Bools:
        """Whether points lie in a lane of a junction."""
        pieces, point = self._covering(x_m, y_m)
        return _some(point[self._in_junction[pieces]], np.shape(x_m))

    def astride(self, corners: Floats) -> Bools:
        """Whether some points `(..., 4, 2)` lie in more than one lane and no lane holds all of them `(...)`."""
        number = corners.shape[-2]
        pieces, point = self._covering(corners[..., 0], corners[..., 1])
        # one entry per point and lane: pieces of a lane overlap
        pairs = np.unique(point * self._count + self._grid.index[pieces])
        boxes, lanes = pairs // self._count // number, pairs % self._count
        where, held = np.unique(boxes * self._count + lanes, return_counts=True)
        box = where // self._count
        lanes_of = np.bincount(box, minlength=corners[..., 0, 0].size)
        whole = _some(box[held == number], lanes_of.shape)
        result: Bools = ((lanes_of > 1) & ~whole).reshape(corners.shape[:-2])
        return result

    def oncoming(self, x_m: Any, y_m: Any, yaw_rad: Any) -> Bools:
        """Whether points lie in driving lanes of a heading opposite to theirs only, outside junctions."""
        shape, yaw = np.shape(x_m), np.reshape(yaw_rad, -1)
        pieces, point = self._covering(x_m, y_m, self._driving)
        ahead = self._grid.ux[pieces] * np.cos(yaw[point])
        ahead = ahead + self._grid.uy[pieces] * np.sin(yaw[point])
        lawful = _some(point[(ahead >= 0.0) | self._in_junction[pieces]], shape)
        return _some(point, shape) & ~lawful

    def along_lanes(self, x_m: Any, y_m: Any, dx_m: Any, dy_m: Any) -> Floats:
        """How far steps that lead to points go the way of the driving lane there; 0 off the lanes, negative against the traffic.

        In a junction, where lanes overlap, it is the lane that the step follows best; a lane outside junctions goes before.
        """
        shape = np.shape(x_m)
        dx, dy = np.reshape(dx_m, -1), np.reshape(dy_m, -1)
        pieces, point = self._first_choice(x_m, y_m)
        along = self._grid.ux[pieces] * dx[point] + self._grid.uy[pieces] * dy[point]
        return _most(along, point, shape, otherwise=0.0)

    def speed_limit(self, x_m: Any, y_m: Any) -> Floats:
        """The limit [m/s] at points; inf off the lanes. Of a junction's lane it is the highest of the lanes it joins."""
        pieces, point = self._first_choice(x_m, y_m)
        return _most(self._limit_mps[pieces], point, np.shape(x_m), otherwise=np.inf)

    def _first_choice(self, x_m: Any, y_m: Any) -> tuple[Ints, Ints]:
        """Driving lanes over points: those outside junctions, where there are such."""
        pieces, point = self._covering(x_m, y_m, self._driving)
        plain = ~self._in_junction[pieces]
        keep = plain | ~_some(point[plain], (np.size(x_m),))[point]
        return pieces[keep], point[keep]


def _limits(lanes: tuple[Lane, ...]) -> Floats:
    limit = {lane.id: lane.speed_limit_mps for lane in lanes}
    found = []
    for lane in lanes:
        joined = [*lane.predecessor_ids.tolist(), *lane.successor_ids.tolist()]
        beside = [limit[i] for i in joined if i in limit] if lane.in_junction else []
        found.append(max(beside, default=lane.speed_limit_mps))
    return np.array(found, dtype=np.float64)


def _some(points: Ints, shape: tuple[int, ...]) -> Bools:
    result = np.zeros(shape, dtype=np.bool_)
    result.reshape(-1)[points] = True
    return result


def _most(values: Floats, points: Ints, shape: tuple[int, ...], otherwise: float) -> Floats:
    """The greatest of each point's values."""
    result = np.full(int(np.prod(shape)), -np.inf)
    np.maximum.at(result, points, values)
    result[np.isneginf(result)] = otherwise
    return result.reshape(shape)
