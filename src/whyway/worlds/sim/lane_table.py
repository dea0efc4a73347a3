"""The lane graph on arrays: what agents drive on. Pose lookups in O(1), memory in proportion to the length of the lanes.

L lines, N rows (points of lines), S successors at most, V ways (passages through junctions), E entries. Lines are a map's
lanes; behind them, actors' own ways: a walk, a reversing path, a recorded path; and last, the further parts of lanes that are
cut where unmarked lanes merge or cross. `table.py` builds it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.types import Floats, InputError, Ints
from whyway.worlds.sim.arrays import clamp, namespace, pick_quads, to

Array = Any

X, Y, UX, UY, YAW, CURVATURE, SPEED, HALF_WIDTH = range(8)
"""Columns of `LaneTable.rows`."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """An actor's own way: its points `(n,)`, n >= 2, and the speed wanted on it (one, or at each point)."""

    x_m: Floats
    y_m: Floats
    speed_mps: float | Floats
    half_width_m: float = 0.5
    gate_s_m: float = np.inf
    """Where one may have to wait on it: a walker at the kerb."""
    then: int = -1
    """Which of the own lines goes on from its end (its own index: round again), -1 for none."""


@dataclass(frozen=True, slots=True, eq=False)
class LaneTable:
    """All lines. Arrays of one float type and of integers, of numpy or any other namespace (`to`)."""

    rows: Array
    """`[N, 8]` x, y, tangent, heading at the point (unwrapped along the line), curvature of the segment behind it, comfortable
    speed (limit, the line's own curves, braking for them), half width."""
    first: Array
    """`[L]` the first row."""
    last: Array
    """`[L]` index of the last segment: rows - 2."""
    step_m: Array
    """`[L]` distance of the rows."""
    length_m: Array
    """`[L]`."""
    entry_mps: Array
    """`[L]` comfortable speed at the start."""
    kind: Array
    """`[L]` `LaneKind` values; OTHER for an actor's own line."""
    lane_id: Array
    """`[L]` the map's id, 0 for an actor's own line."""
    in_junction: Array
    """`[L]`."""
    successor: Array
    """`[L, S]` lines that go on from the end, straightest first, -1 where there is none."""
    successors: Array
    """`[L]` how many."""
    entries: Array
    """`[E]` driving lines without predecessor: where traffic can come from."""
    left: Array
    """`[L]` the neighbour of the same direction to which one may change, else -1."""
    right: Array
    gate_s_m: Array
    """`[L]` where one may have to stop: a stop line, or the end before a junction; inf where never."""
    gate_light: Array
    """`[L]` index of the `Signals` light at the gate, -1 without."""
    gate_stops: Array
    """`[L]` whether one has to stand there first: a stop sign."""
    way: Array
    """`[L]` the passage through a junction that a line belongs to, -1 elsewhere."""
    way_priority: Array
    """`[V]` 0 goes first, 1 turns left across those, 2 gives way, 3 has a stop sign."""
    marks: Array
    """`[L, 4]` length, step, last, first: what is asked for together, side by side, as numbers of one type."""
    conflict: Array
    """`[V, V]` two ways that may not be used at once."""
    swings: Array
    """`[V, V]` two ways that may not be used at once if a long vehicle is on either."""
    deck: Array
    """`[L]` 0 at grade; two lines with opposite numbers (k and -k) cross on a bridge and do not meet."""
    has_bridges: bool
    """Whether any line is on a bridge or under one."""

    def pose(self, line: Array, s_m: Array, d_m: Array) -> tuple[Array, Array, Array, Array, Array]:
        """x, y, yaw, curvature, speed at `s_m` `(...)`, `d_m` to the left, of each line; straight on beyond the ends."""
        row, f, step = self._row(line, s_m)
        x, y, ux, uy = pick_quads(self.rows, row)
        yaw, curvature, speed, _ = pick_quads(self.rows, row, 1)
        turned = clamp(f, 0.0, step) * curvature
        return x + f * ux - d_m * uy, y + f * uy + d_m * ux, yaw + turned, curvature, speed

    def point(self, line: Array, s_m: Array, d_m: Array) -> tuple[Array, Array]:
        """x, y of `pose`."""
        row, f, _ = self._row(line, s_m)
        x, y, ux, uy = pick_quads(self.rows, row)
        return x + f * ux - d_m * uy, y + f * uy + d_m * ux

    def lane(self, line: Array, s_m: Array) -> tuple[Array, Array, Array]:
        """Yaw and speed at `s_m` `(...)` of each line, and from its centre to either border: lanes open and close along the way."""
        row, f, step = self._row(line, s_m)
        yaw, curvature, speed, half_width = pick_quads(self.rows, row, 1)
        return yaw + clamp(f, 0.0, step) * curvature, speed, half_width

    def half_width(self, line: Array, s_m: Array) -> Array:
        """The last one of `lane`."""
        return self.lane(line, s_m)[2]

    def _row(self, line: Array, s_m: Array) -> tuple[Array, Array, Array]:
        """The row before a place, how far beyond that it is, and the distance of rows."""
        xp = namespace(s_m)
        _, step, last, first = pick_quads(self.marks, line)
        k = xp.minimum(clamp(xp.floor(s_m / step), 0.0, None), last)
        return to(k + first, xp.int64), s_m - k * step, step

    def to(self, xp: Any, dtype: Any, device: Any = None) -> LaneTable:
        """The same table in another namespace and float type, on a device."""
        fields = {}
        for f in dataclasses.fields(self):
            if f.name == "has_bridges":
                continue
            value = np.asarray(getattr(self, f.name))
            kind = dtype if value.dtype.kind == "f" else None
            fields[f.name] = xp.asarray(value, dtype=kind, device=device)
        return LaneTable(**fields, has_bridges=self.has_bridges)

    def decks(self, window: Array) -> Array:
        """The deck `[W, A]` of agents with such windows `[W, A, R]` of lines: that of their line, or else of the next one."""
        xp = namespace(window)
        lines = window[..., :2]
        known = xp.take(self.deck, xp.reshape(xp.where(lines < 0, 0 * lines, lines), (-1,)))
        deck = xp.where(lines < 0, 0 * lines, xp.reshape(known, lines.shape))
        return xp.where(deck[..., 0] != 0, deck[..., 0], deck[..., 1])


def line_of(table: LaneTable, lane_id: int) -> int:
    """The line on which a lane of the map begins.

    Raises:
      InputError: the map has no such lane.
    """
    found = np.nonzero(np.asarray(table.lane_id) == lane_id)[0]
    if lane_id <= 0 or not len(found):
        raise InputError(f"the map has no lane {lane_id}")
    return int(found[0])


def line_at(table: LaneTable, lane_id: int, share: float) -> tuple[int, float]:
    """The line at a share of a lane's length, and how far along it: a lane is cut where others merge or cross.

    Raises:
      InputError: the map has no such lane.
    """
    first = line_of(table, lane_id)
    parts = _parts(np.asarray(table.successor), np.asarray(table.lane_id), first)
    lengths = np.asarray(table.length_m)[parts]
    s_m = share * float(lengths.sum())
    for part, length_m in zip(parts[:-1], lengths.tolist(), strict=False):
        if s_m <= length_m:
            return part, s_m
        s_m -= length_m
    return parts[-1], s_m


def lines_of(table: LaneTable, lane_ids: Sequence[int]) -> list[int]:
    """The lines along lanes of the map, in driving order: more than one where a lane is cut because others merge or cross.

    Where the next lane is a neighbour (a change of lanes), only the first line of the lane is given.

    Raises:
      InputError: the map has no such lane.
    """
    lines: list[int] = []
    successor, lane_id = np.asarray(table.successor), np.asarray(table.lane_id)
    for k, i in enumerate(lane_ids):
        lines.append(line_of(table, i))
        parts = _parts(successor, lane_id, lines[-1])
        if k + 1 == len(lane_ids) or line_of(table, lane_ids[k + 1]) in successor[parts[-1]]:
            lines += parts[1:]
    return lines


def _parts(successor: Ints, lane_id: Ints, line: int) -> list[int]:
    parts = [line]
    while True:
        after = successor[parts[-1]]
        same = [int(j) for j in after[after >= 0] if lane_id[j] == lane_id[line] and j not in parts]
        if not same:
            return parts
        parts.append(same[0])
