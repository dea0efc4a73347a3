"""Where is which lane: all lanes cut into short quadrilaterals, found through a grid in constant time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.types import Floats, Ints, Lane

Bools = NDArray[np.bool_]

REACH_M = 5.0
"""How far from a lane it is still found."""

_CELL_M = 5.0
_PIECE_M = 4.0
_MAX_CELLS = 2_000_000
_BLOCK = 16_384
"""Points looked at together: an hour's corners must fit the memory."""

OPEN_END_M = 30.0
"""How far lanes go straight on where the map ends: the road does not end with the survey."""

_BEYOND_PENALTY_M = 2.0
_HEADING_WEIGHT_M = 4.0
_OFFSET_WEIGHT = 0.25


class LaneGrid:
    """Quadrilaterals between the borders of lanes (at most ~4 m long) in a uniform grid.

    A piece is registered in every cell within `REACH_M` of its bounding box, so one look-up finds all pieces near a point.
    """

    def __init__(self, lanes: tuple[Lane, ...]) -> None:
        cut = [_pieces(lane) for lane in lanes]
        counts = [c.shape[1] for c in cut]
        open_ends = [(i, ends) for i, lane in enumerate(lanes) if (ends := _beyond(lane)).shape[1]]
        corners = np.concatenate([np.zeros((8, 0)), *cut, *(ends for _, ends in open_ends)], axis=1)
        beyond = [np.full(ends.shape[1], i) for i, ends in open_ends]
        self.index: Ints = np.concatenate([np.repeat(np.arange(len(lanes)), counts), *beyond])
        """(Q,) which lane (its position in the tuple) a piece belongs to."""
        self.real: Bools = np.arange(len(self.index)) < sum(counts)
        """(Q,) whether a piece is on the map; the others continue lanes beyond its edge."""
        self.x_m: Floats = np.ascontiguousarray(corners[:4].T)
        self.y_m: Floats = np.ascontiguousarray(corners[4:].T)
        # corners: left start, left end, right end, right start
        sx, sy = (corners[0] + corners[3]) / 2, (corners[4] + corners[7]) / 2
        ex, ey = (corners[1] + corners[2]) / 2, (corners[5] + corners[6]) / 2
        self.start_x_m, self.start_y_m = sx, sy
        length = np.maximum(np.hypot(ex - sx, ey - sy), 1e-9)
        self.length_m: Floats = length
        self.ux, self.uy = (ex - sx) / length, (ey - sy) / length
        self.half_width_m: Floats = (
            np.hypot(corners[0] - corners[3], corners[4] - corners[7])
            + np.hypot(corners[1] - corners[2], corners[5] - corners[6])
        ) / 4
        self._middle_x, self._middle_y = (sx + ex) / 2, (sy + ey) / 2
        self._radius: Floats = np.hypot(
            self.x_m - self._middle_x[:, None], self.y_m - self._middle_y[:, None]
        ).max(axis=1, initial=0.0)
        self._register()

    def _register(self) -> None:
        n = len(self.index)
        if n == 0:
            self._x0 = self._y0 = 0.0
            self._cell, self._nx, self._ny = _CELL_M, 0, 0
            self._starts: list[int] = [0]
            self._entries: Ints = np.zeros(0, dtype=np.int64)
            self._start_of_cell: Ints = np.zeros(2, dtype=np.int64)
            return
        low_x, high_x = self.x_m.min(axis=1) - REACH_M, self.x_m.max(axis=1) + REACH_M
        low_y, high_y = self.y_m.min(axis=1) - REACH_M, self.y_m.max(axis=1) + REACH_M
        self._x0, self._y0 = float(low_x.min()), float(low_y.min())
        span_x, span_y = float(high_x.max()) - self._x0, float(high_y.max()) - self._y0
        cell = max(_CELL_M, math.sqrt(span_x * span_y / _MAX_CELLS))
        self._cell = cell
        self._nx, self._ny = int(span_x / cell) + 1, int(span_y / cell) + 1
        ix0, ix1 = (
            ((low_x - self._x0) // cell).astype(np.int64),
            ((high_x - self._x0) // cell).astype(np.int64),
        )
        iy0, iy1 = (
            ((low_y - self._y0) // cell).astype(np.int64),
            ((high_y - self._y0) // cell).astype(np.int64),
        )
        wide, high = ix1 - ix0 + 1, iy1 - iy0 + 1
        each = wide * high
        piece = np.repeat(np.arange(n), each)
        k = np.arange(len(piece)) - np.repeat(np.cumsum(each) - each, each)
        cells = (iy0[piece] + k // wide[piece]) * self._nx + ix0[piece] + k % wide[piece]
        order = np.argsort(cells, kind="stable")
        self._entries = piece[order]
        count = np.bincount(cells, minlength=self._nx * self._ny)
        self._starts = [0, *np.cumsum(count).tolist()]
        self._start_of_cell = np.array(self._starts, dtype=np.int64)

    def near(self, x_m: float, y_m: float) -> Ints:
        """Pieces whose bounding box is within `REACH_M` of a point (and some more)."""
        if not (math.isfinite(x_m) and math.isfinite(y_m)):
            return self._entries[:0]
        ix, iy = int((x_m - self._x0) // self._cell), int((y_m - self._y0) // self._cell)
        if not (0 <= ix < self._nx and 0 <= iy < self._ny):
            return self._entries[:0]
        cell = iy * self._nx + ix
        return self._entries[self._starts[cell] : self._starts[cell + 1]]

    def best(
        self, x_m: float, y_m: float, yaw_rad: float, allowed: Bools, bonus_m: Floats | None = None
    ) -> int:
        """The piece a vehicle at a pose is on, or -1 if none of those `allowed` `(Q,)` is within `REACH_M`.

        The one that goes its way wins over a nearer one that does not; a `bonus_m` `(Q,)` favours some.
        """
        pieces = self.near(x_m, y_m)
        pieces = pieces[allowed[pieces]]
        if len(pieces) == 0:
            return -1
        ux, uy = self.ux[pieces], self.uy[pieces]
        rx, ry = x_m - self.start_x_m[pieces], y_m - self.start_y_m[pieces]
        along = np.minimum(np.maximum(rx * ux + ry * uy, 0.0), self.length_m[pieces])
        away = np.hypot(rx - along * ux, ry - along * uy)
        outside = np.maximum(away - self.half_width_m[pieces], 0.0)
        against = 1.0 - (ux * math.cos(yaw_rad) + uy * math.sin(yaw_rad))
        cost = outside + _OFFSET_WEIGHT * away + _HEADING_WEIGHT_M * against
        cost += _BEYOND_PENALTY_M * ~self.real[pieces]
        if bonus_m is not None:
            cost -= bonus_m[pieces]
        cost[outside > REACH_M] = np.inf
        i = int(cost.argmin())
        return int(pieces[i]) if math.isfinite(cost[i]) else -1

    def covering(self, x_m: float, y_m: float, margin_m: float = 0.0) -> Ints:
        """Pieces that contain a point or come within `margin_m` (at most `REACH_M`) of it."""
        pieces = self.near(x_m, y_m)
        dx, dy = self._middle_x[pieces] - x_m, self._middle_y[pieces] - y_m
        close = self._radius[pieces] + margin_m
        pieces = pieces[(dx * dx + dy * dy <= close * close) & self.real[pieces]]
        within = _within(x_m, y_m, self.x_m[pieces], self.y_m[pieces], margin_m)
        found: Ints = pieces[within]
        return found

    def near_each(self, x_m: Floats, y_m: Floats) -> tuple[Ints, Ints]:
        """What `near` gives for each of the points `(P,)`, one after the other: pieces `(k,)` and which point each is near `(k,)`."""
        ix, iy = (x_m - self._x0) // self._cell, (y_m - self._y0) // self._cell
        on_map = (ix >= 0) & (ix < self._nx) & (iy >= 0) & (iy < self._ny)
        cell = np.where(on_map, iy * self._nx + ix, 0.0).astype(np.int64)
        first = self._start_of_cell[cell]
        count = np.where(on_map, self._start_of_cell[cell + 1] - first, 0)
        point = np.repeat(np.arange(len(count)), count)
        k = np.arange(len(point)) + np.repeat(first - (np.cumsum(count) - count), count)
        return self._entries[k], point

    def covering_each(
        self, x_m: Floats, y_m: Floats, margin_m: float = 0.0, allowed: Bools | None = None
    ) -> tuple[Ints, Ints]:
        """What `covering` gives for each of the points `(P,)`: pieces `(k,)` and which point each covers `(k,)`, by points.

        Args:
          x_m: of the points.
          y_m: of the points.
          margin_m: at most `REACH_M`.
          allowed: (Q,) the pieces to look at; those on the map if None.
        """
        allowed = self.real if allowed is None else allowed
        found_pieces, found_points = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for start in range(0, len(x_m), _BLOCK):
            x, y = x_m[start : start + _BLOCK], y_m[start : start + _BLOCK]
            pieces, point = self.near_each(x, y)
            dx, dy = self._middle_x[pieces] - x[point], self._middle_y[pieces] - y[point]
            close = self._radius[pieces] + margin_m
            keep = (dx * dx + dy * dy <= close * close) & allowed[pieces]
            pieces, point = pieces[keep], point[keep]
            within = _within(
                x[point][:, None], y[point][:, None], self.x_m[pieces], self.y_m[pieces], margin_m
            )
            found_pieces.append(pieces[within])
            found_points.append(point[within] + start)
        return np.concatenate(found_pieces), np.concatenate(found_points)

    def covered(self, x_m: Floats, y_m: Floats, margin_m: float, allowed: Bools) -> Bools:
        """Whether each of the points `(P,)` is inside, or within `margin_m` of, one of the pieces `allowed` `(Q,)`."""
        result: Bools = np.zeros(len(x_m), dtype=np.bool_)
        result[self.covering_each(x_m, y_m, margin_m, allowed)[1]] = True
        return result


def _pieces(lane: Lane) -> Floats:
    """(8, q) corners x (4) and y (4) of the pieces of one lane; long ones are cut, which leaves the outline as it is."""
    step = np.hypot(np.diff(lane.center_x_m), np.diff(lane.center_y_m))
    cuts = np.maximum(1, np.ceil(step / _PIECE_M)).astype(np.int64)
    if int(cuts.max(initial=1)) > 1:
        ends = np.concatenate([[0], np.cumsum(cuts)])
        at = np.interp(np.arange(ends[-1] + 1), ends, np.arange(len(ends)))
        grid = np.arange(len(ends))
        lx, ly = np.interp(at, grid, lane.left_x_m), np.interp(at, grid, lane.left_y_m)
        rx, ry = np.interp(at, grid, lane.right_x_m), np.interp(at, grid, lane.right_y_m)
    else:
        lx, ly, rx, ry = lane.left_x_m, lane.left_y_m, lane.right_x_m, lane.right_y_m
    return _corners(lx, ly, rx, ry)


def _beyond(lane: Lane) -> Floats:
    """(8, q) pieces that continue a lane straight on before its start and behind its end where nothing links to it there."""
    pieces = []
    for linked, end, inner in ((lane.predecessor_ids, 0, 1), (lane.successor_ids, -1, -2)):
        if len(linked):
            continue
        dx = float(lane.center_x_m[end] - lane.center_x_m[inner])
        dy = float(lane.center_y_m[end] - lane.center_y_m[inner])
        size = math.hypot(dx, dy)
        if size < 1e-9:
            continue
        steps = np.linspace(0.0, OPEN_END_M, math.ceil(OPEN_END_M / _PIECE_M) + 1)
        if end == 0:
            dx, dy, steps = -dx, -dy, steps[::-1] * -1.0
        ux, uy = dx / size, dy / size
        lx, ly = lane.left_x_m[end] + steps * ux, lane.left_y_m[end] + steps * uy
        rx, ry = lane.right_x_m[end] + steps * ux, lane.right_y_m[end] + steps * uy
        pieces.append(_corners(lx, ly, rx, ry))
    return np.concatenate([np.zeros((8, 0)), *pieces], axis=1)


def _corners(lx: Floats, ly: Floats, rx: Floats, ry: Floats) -> Floats:
    return np.stack([lx[:-1], lx[1:], rx[1:], rx[:-1], ly[:-1], ly[1:], ry[1:], ry[:-1]])


def _within(x: Any, y: Any, corner_x: Floats, corner_y: Floats, margin_m: float) -> Bools:
    """Whether a point is inside quadrilaterals `(K, 4)` (even-odd rule) or within a distance of their edges."""
    x0, y0 = corner_x - x, corner_y - y
    x1, y1 = x0[:, _NEXT], y0[:, _NEXT]
    ex, ey = x1 - x0, y1 - y0
    # an edge that crosses the point's height does so to its right iff this cross product has the sign of the edge's rise
    cross = x0 * ey - y0 * ex
    right = ((y0 > 0.0) != (y1 > 0.0)) & ((cross > 0.0) == (ey > 0.0))
    inside: Bools = np.logical_xor.reduce(right, axis=1)
    along = np.clip(-(x0 * ex + y0 * ey) / np.maximum(ex * ex + ey * ey, 1e-18), 0.0, 1.0)
    qx, qy = x0 + along * ex, y0 + along * ey
    reach = max(margin_m, 1e-9)
    touching: Bools = (qx * qx + qy * qy <= reach * reach).any(axis=1)
    return inside | touching


_NEXT = np.array([1, 2, 3, 0])
