"""The drivable area as a grid of cells: whether a point is on it, in O(1), for any number of points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.geometry import points_in_polygon
from whyway.maps.grid import LaneGrid
from whyway.maps.road import DRIVABLE
from whyway.types import Floats, InputError, Lane
from whyway.worlds.sim.arrays import clamp, namespace

Array = Any

CELL_M = 0.5
_MOST_CELLS = 100_000_000
_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """`[H * B]` cells that are drivable at their centres."""

    cells: Array
    origin_x_m: float
    origin_y_m: float
    cell_m: float
    rows: int
    columns: int

    def drivable(self, x_m: Array, y_m: Array) -> Array:
        """Whether points `(...)` lie on a drivable cell."""
        xp = namespace(x_m)
        column = xp.astype(xp.floor((x_m - self.origin_x_m) / self.cell_m), xp.int64)
        row = xp.astype(xp.floor((y_m - self.origin_y_m) / self.cell_m), xp.int64)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        at = clamp(row, 0, self.rows - 1) * self.columns + clamp(column, 0, self.columns - 1)
        return inside & xp.reshape(xp.take(self.cells, xp.reshape(at, (-1,))), at.shape)


def lane_surface(lanes: Sequence[Lane], cell_m: float = CELL_M) -> Surface:
    """Where a car may physically be, from the lanes of a map; the effort grows with their length alone.

    Raises:
      InputError: no lane is for driving, or the map is too large for cells of that size.
    """
    grid = LaneGrid(tuple(lane for lane in lanes if lane.kind in DRIVABLE))
    x, y = grid.x_m[grid.real], grid.y_m[grid.real]
    if not len(x):
        raise InputError("a drivable area needs at least one lane")
    surface = _blank(x, y, cell_m)
    c0, c1 = (np.floor((v - surface.origin_x_m) / cell_m).astype(int) for v in (x.min(1), x.max(1)))
    r0, r1 = (np.floor((v - surface.origin_y_m) / cell_m).astype(int) for v in (y.min(1), y.max(1)))
    each = (c1 - c0 + 1) * (r1 - r0 + 1)
    begins = np.searchsorted(np.cumsum(each), np.arange(0, int(each.sum()), _AT_ONCE), side="right")
    for a, b in zip(begins.tolist(), [*begins[1:].tolist(), len(each)], strict=True):
        piece = np.repeat(np.arange(a, b), each[a:b])
        k = np.arange(len(piece)) - np.repeat(np.cumsum(each[a:b]) - each[a:b], each[a:b])
        wide = (c1 - c0 + 1)[piece]
        column, row = c0[piece] + k % wide, r0[piece] + k // wide
        px = surface.origin_x_m + (column + 0.5) * cell_m
        py = surface.origin_y_m + (row + 0.5) * cell_m
        inside = _inside(px[:, None] - x[piece], py[:, None] - y[piece])
        surface.cells[(row * surface.columns + column)[inside]] = True
    return surface


def _blank(x: Floats, y: Floats, cell_m: float) -> Surface:
    """No cell drivable yet, around some points."""
    low_x, low_y = float(x.min()) - cell_m, float(y.min()) - cell_m
    columns = math.ceil((float(x.max()) + cell_m - low_x) / cell_m) + 1
    rows = math.ceil((float(y.max()) + cell_m - low_y) / cell_m) + 1
    if rows * columns > _MOST_CELLS:
        raise InputError(
            f"a drivable area of {columns} x {rows} cells is too large; give cells of more than {cell_m:g} m"
        )
    return Surface(np.zeros(rows * columns, dtype=bool), low_x, low_y, cell_m, rows, columns)


def _inside(rx: Floats, ry: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether points lie in quadrilaterals, from their places relative to the four corners `(n, 4)`; even-odd rule."""
    nx, ny = np.roll(rx, -1, axis=1), np.roll(ry, -1, axis=1)
    rise = ry - ny
    # an edge that passes the point's height does so to its right iff this cross product has the sign of the edge's rise
    cross = rx * ny - ry * nx
    right = ((ry > 0.0) != (ny > 0.0)) & ((cross > 0.0) == (rise > 0.0))
    inside: np.ndarray[Any, np.dtype[np.bool_]] = np.logical_xor.reduce(right, axis=1)
    return inside


def build_surface(polygons: Iterable[tuple[Floats, Floats]], cell_m: float = CELL_M) -> Surface:
    """The union of polygons (x, y of each, not closed) on a grid.

    Raises:
      ValueError: no polygon.
    """
    shapes = [(np.asarray(x), np.asarray(y)) for x, y in polygons]
    if not shapes:
        raise ValueError("a drivable area needs at least one polygon")
    low = np.array([min(x.min() for x, _ in shapes), min(y.min() for _, y in shapes)]) - cell_m
    high = np.array([max(x.max() for x, _ in shapes), max(y.max() for _, y in shapes)]) + cell_m
    columns, rows = (math.ceil(v) for v in (high - low) / cell_m)
    cells = np.zeros((rows, columns), dtype=bool)
    for x, y in shapes:
        c0, c1 = (int((v - low[0]) / cell_m) for v in (x.min(), x.max()))
        r0, r1 = (int((v - low[1]) / cell_m) for v in (y.min(), y.max()))
        cx, cy = np.meshgrid(
            low[0] + (np.arange(c0, c1 + 1) + 0.5) * cell_m,
            low[1] + (np.arange(r0, r1 + 1) + 0.5) * cell_m,
        )
        cells[r0 : r1 + 1, c0 : c1 + 1] |= points_in_polygon(cx, cy, x, y)
    return Surface(cells.ravel(), float(low[0]), float(low[1]), cell_m, rows, columns)
