"""The drivable area as a grid of cells: whether a point is on it, in O(1), for any number of points."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from whyway.geometry import points_in_polygon
from whyway.types import Floats
from whyway.worlds.sim.state import clamp

Array = Any


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
        xp = array_namespace(x_m)
        column = xp.astype(xp.floor((x_m - self.origin_x_m) / self.cell_m), xp.int64)
        row = xp.astype(xp.floor((y_m - self.origin_y_m) / self.cell_m), xp.int64)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        at = clamp(row, 0, self.rows - 1) * self.columns + clamp(column, 0, self.columns - 1)
        return inside & xp.take(self.cells, at)


def build_surface(polygons: Iterable[tuple[Floats, Floats]], cell_m: float = 0.5) -> Surface:
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
