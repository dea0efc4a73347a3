"""The library of paths that traffic runs on: P paths resampled evenly, their stops, and lookups in O(1).

Shapes: P paths, K points, S stops per path, M movements (ways through junctions), H x B cells. Points anywhere are projected
on any path by a grid that knows each cell's nearest path point, so that no search runs in the hot path; paths must
not come within `reach_m` of themselves (they may cross others).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.spatial import cKDTree

from whyway.geometry import Polyline
from whyway.types import Floats
from whyway.worlds.sim.state import clamp

Array = Any

X, Y, DX, DY, YAW, DYAW, SPEED = range(7)
"""Columns of `Rails.table`."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a path may have to stop, and the way through the junction behind it.

    A path keeps its right to the `movement` until its rear has passed `exit_s_m`. `priority` 0 goes first; `light` is an index of
    `Signals`, -1 without.
    """

    s_m: float
    exit_s_m: float
    movement: int
    priority: int = 0
    light: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Rail:
    """One path before it is resampled: its centre line, the speed wanted at arc lengths, its stops in order."""

    line: Polyline
    speed_s_m: Floats
    speed_mps: Floats
    stops: tuple[Stop, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rails:
    """The library on arrays."""

    spacing_m: float
    points: int
    """K."""
    table: Array
    """`[P * K, 7]`: x, y, step to the next point, yaw, its step, speed profile."""
    length_m: Array
    """`[P]`."""
    stop_s_m: Array
    """`[P, S]`, inf where there is none; so `stop_exit_m`."""
    stop_exit_m: Array
    stop_light: Array
    stop_priority: Array
    stop_movement: Array
    conflict: Array
    """`[M, M]`: two movements that may not be used at once."""
    grid: Array
    """`[P * H * B]` index of the nearest point of path p for a cell, -1 out of reach."""
    origin_x_m: float
    origin_y_m: float
    cell_m: float
    rows: int
    columns: int

    def pose(self, path: Array, s_m: Array, d_m: Array) -> tuple[Array, Array, Array, Array]:
        """x, y, yaw, wanted speed at `s_m`, `d_m` to the left, of each path index; straight on beyond the ends."""
        xp = array_namespace(s_m)
        u = s_m / self.spacing_m
        i = clamp(xp.floor(u), 0, self.points - 2)
        row = xp.take(
            self.table, xp.reshape(path * self.points + xp.astype(i, xp.int64), (-1,)), axis=0
        )
        row = xp.reshape(row, (*s_m.shape, row.shape[-1]))
        f = u - i
        inside = clamp(f, 0.0, 1.0)
        yaw = row[..., YAW] + inside * row[..., DYAW]
        ux, uy = row[..., DX] / self.spacing_m, row[..., DY] / self.spacing_m
        x = row[..., X] + f * row[..., DX] - d_m * uy
        y = row[..., Y] + f * row[..., DY] + d_m * ux
        return x, y, yaw, row[..., SPEED]

    def project(self, path: Array, x_m: Array, y_m: Array) -> tuple[Array, Array, Array, Array]:
        """s, d, path heading and whether the point is within the grid's reach, for points `(n,)` on path indices `(n,)`."""
        xp = array_namespace(x_m)
        column = xp.astype(xp.floor((x_m - self.origin_x_m) / self.cell_m), xp.int64)
        row = xp.astype(xp.floor((y_m - self.origin_y_m) / self.cell_m), xp.int64)
        on_grid = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        cell = (path * self.rows + clamp(row, 0, self.rows - 1)) * self.columns + clamp(
            column, 0, self.columns - 1
        )
        nearest = xp.astype(xp.take(self.grid, cell), xp.int64)
        found = on_grid & (nearest >= 0)
        nearest = xp.where(found, nearest, 0 * nearest)
        at = xp.take(self.table, path * self.points + nearest, axis=0)
        ux, uy = at[:, DX] / self.spacing_m, at[:, DY] / self.spacing_m
        rx, ry = x_m - at[:, X], y_m - at[:, Y]
        along = rx * ux + ry * uy
        return nearest * self.spacing_m + along, ux * ry - uy * rx, at[:, YAW], found


def build_rails(
    rails: Sequence[Rail],
    conflict: np.ndarray[Any, Any] | None = None,
    *,
    spacing_m: float = 1.0,
    cell_m: float = 1.0,
    reach_m: float = 9.0,
    dtype: Any = np.float64,
) -> Rails:
    """Resample the paths and lay the grid.

    Raises:
      ValueError: no path at all.
    """
    if not rails:
        raise ValueError("a library of paths needs at least one path")
    # one point more than the longest path needs: the last step of each path goes straight on
    k = max(math.floor(r.line.length_m / spacing_m) for r in rails) + 2
    table = np.zeros((len(rails), k, 7))
    s = np.arange(k + 1) * spacing_m
    for p, rail in enumerate(rails):
        x, y, yaw, _ = rail.line.at(s)
        table[p, :, X], table[p, :, Y], table[p, :, DX], table[p, :, DY] = (
            x[:-1],
            y[:-1],
            np.diff(x),
            np.diff(y),
        )
        table[p, :, YAW], table[p, :, DYAW] = yaw[:-1], np.diff(yaw)
        table[p, :, SPEED] = np.interp(s[:-1], rail.speed_s_m, rail.speed_mps)
    most = max([len(r.stops) for r in rails] + [1])
    stops = {
        n: np.full((len(rails), most), v)
        for n, v in (
            ("s", np.inf),
            ("exit", np.inf),
            ("light", -1),
            ("priority", 0),
            ("movement", 0),
        )
    }
    for p, rail in enumerate(rails):
        for j, stop in enumerate(rail.stops):
            stops["s"][p, j], stops["exit"][p, j] = stop.s_m, stop.exit_s_m
            stops["light"][p, j], stops["priority"][p, j], stops["movement"][p, j] = (
                stop.light,
                stop.priority,
                stop.movement,
            )
    movements = 1 + max([s.movement for r in rails for s in r.stops] + [0])
    lengths = np.array([r.line.length_m for r in rails])
    grid, ox, oy, rows, columns = _grid(table, lengths, spacing_m, cell_m, reach_m)
    return Rails(
        spacing_m=spacing_m,
        points=k,
        table=table.reshape(-1, 7).astype(dtype),
        length_m=lengths.astype(dtype),
        stop_s_m=stops["s"].astype(dtype),
        stop_exit_m=stops["exit"].astype(dtype),
        stop_light=stops["light"],
        stop_priority=stops["priority"],
        stop_movement=stops["movement"],
        conflict=np.zeros((movements, movements), dtype=bool) if conflict is None else conflict,
        grid=grid,
        origin_x_m=ox,
        origin_y_m=oy,
        cell_m=cell_m,
        rows=rows,
        columns=columns,
    )


def _grid(
    table: Floats, lengths: Floats, spacing_m: float, cell_m: float, reach_m: float
) -> tuple[Any, float, float, int, int]:
    points = [t[: math.floor(n / spacing_m) + 1, :2] for t, n in zip(table, lengths, strict=True)]
    every = np.concatenate(points)
    ox, oy = (float(v) for v in every.min(axis=0) - reach_m)
    columns, rows = (int(v) for v in np.ceil((every.max(axis=0) + reach_m - [ox, oy]) / cell_m))
    cx, cy = np.meshgrid(
        ox + (np.arange(columns) + 0.5) * cell_m, oy + (np.arange(rows) + 0.5) * cell_m
    )
    centers = np.stack([cx.ravel(), cy.ravel()], axis=-1)
    grid = np.full((len(points), rows * columns), -1, dtype=np.int32)
    for p, at in enumerate(points):
        # only the cells around the path are asked
        low, high = at.min(axis=0) - reach_m, at.max(axis=0) + reach_m
        near = np.nonzero(((centers >= low) & (centers <= high)).all(axis=1))[0]
        distance, index = cKDTree(at).query(centers[near], distance_upper_bound=reach_m)
        hit = np.isfinite(distance)
        grid[p, near[hit]] = index[hit]
    return grid.ravel(), ox, oy, rows, columns


def speed_profile(
    line: Polyline, limit_mps: Floats, lateral_mps2: float = 2.0, brake_mps2: float = 1.5
) -> Floats:
    """The speed wanted at the polyline's points: the limit, slower in curves, braking in time for both."""
    speed = np.minimum(
        limit_mps, np.sqrt(lateral_mps2 / np.maximum(np.abs(line.curvature_1pm), 1e-6))
    )
    for i in range(len(speed) - 2, -1, -1):
        speed[i] = min(
            speed[i],
            math.sqrt(speed[i + 1] ** 2 + 2 * brake_mps2 * (line.s_m[i + 1] - line.s_m[i])),
        )
    return speed
