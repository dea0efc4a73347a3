"""Walks for pedestrians on any map: along the road, over crossings, and a few over the road elsewhere. They go round for ever.

A walk over the road is a ring of six lines: away along the pavement, back, over the road, and the same on the other side. Its
walker waits at the kerb: the line before the crossing one has a gate at its end. No two walks come near each other, so any choice
of them is sound. Runs once for a map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from whyway.maps.lanes import arc_length
from whyway.types import Floats, Ints, LaneKind, LaneMap
from whyway.worlds.sim.table import HALF_WIDTH, LaneTable, Line, X, Y

WALK_MPS = 1.35
KERB_M = 1.2
"""How far from the road's edge one waits, and walks back along it."""
PAVEMENT_M = 2.3
"""How far from the road's edge one walks away along it."""

_PAVED_M = (8.0, 24.0)
_ALONG_M = (20.0, 70.0)
_TRACK_M = 0.8
"""Beside the middle of a crossing walk two who do not meet."""
_CLEAR_M = 0.5
_APART_M = 1.3
_WIDEST_M = 36.0
_END_M = 12.0
"""Nobody crosses so near the end of a lane."""
_FAST_MPS = 17.0
"""Beside faster roads nobody walks."""
_ELSEWHERE = 0.2
"""Part of all walks over the road that keep to no crossing."""
_OVER = 0.6
"""Part of all walks that lead over the road."""
_TRIES = 12


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """M walks as own lines of a table: line `first[m]` is the first one; the first `pavements[m]` of each walk are off the road."""

    lines: tuple[Line, ...]
    first: Ints
    """`(M,)` indices of lines in the table that is built with them."""
    pavements: Ints
    """`(M,)`."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a walk begins: beside a line at `s_m`, away from there forwards (1) or back (-1), over the road or not."""

    line: int
    s_m: float
    side: int
    over: bool


def plan_walks(table: LaneTable, lane_map: LaneMap, count: int, seed: int) -> Walks:
    """Up to `count` walks; fewer where there is no room for more.

    Args:
      table: of the map, without own lines.
      lane_map: the map.
      count: how many are wanted.
      seed: of where they lie.

    Returns:
      The walks; build the table again with `walks.lines` as its first own lines.
    """
    rng = np.random.default_rng([seed, 31])
    ground = _Ground(table)
    over = round(count * _OVER)
    sources = (
        (over - round(over * _ELSEWHERE), _at_crossings(table, lane_map, rng)),
        (over, _anywhere(table, rng, over=True, tries=_TRIES * count)),
        (count, _anywhere(table, rng, over=False, tries=_TRIES * count)),
    )
    walks: list[list[Line]] = []
    for wanted, spots in sources:
        for spot in spots:
            if len(walks) >= wanted:
                break
            walk = _walk(ground, spot, rng)
            if walk:
                walks.append(walk)
    lines: list[Line] = []
    first: list[int] = []
    for walk in walks:
        base = len(lines)
        first.append(len(lane_map.lanes) + base)
        lines += [replace(v, then=base + (k + 1) % len(walk)) for k, v in enumerate(walk)]
    return Walks(tuple(lines), np.array(first, dtype=np.int64), np.full(len(first), 2))


def _at_crossings(table: LaneTable, lane_map: LaneMap, rng: np.random.Generator) -> Iterator[_Spot]:
    """Two for each crossing, which part at the kerb."""
    for i in rng.permutation(2 * len(lane_map.crossings)).tolist():
        crossing, side = lane_map.crossings[i // 2], 1 - 2 * (i % 2)
        found = np.nonzero(np.isin(table.lane_id, crossing.lane_ids) & (table.successors > 0))[0]
        if len(found):
            line = int(found[0])
            x, y = float(crossing.x_m.mean()), float(crossing.y_m.mean())
            yield _Spot(line, _nearest_s(table, line, x, y) + side * _TRACK_M, side, True)


def _anywhere(
    table: LaneTable, rng: np.random.Generator, over: bool, tries: int
) -> Iterator[_Spot]:
    good = (table.kind == int(LaneKind.DRIVING)) & ~table.in_junction & (table.lane_id > 0)
    good &= (table.length_m > 3 * _END_M) & (table.entry_mps < _FAST_MPS)
    lines = np.nonzero(good)[0]
    if not len(lines):
        return
    for _ in range(tries):
        line = int(rng.choice(lines))
        s = float(rng.uniform(_END_M, table.length_m[line] - _END_M))
        yield _Spot(line, s, 1 - 2 * int(rng.integers(2)), over)


def _walk(ground: _Ground, spot: _Spot, rng: np.random.Generator) -> list[Line] | None:
    """The lines of a walk, or None where there is no room for it; its ground is taken from then on."""
    edges = ground.edges(spot.line, spot.s_m)
    if edges is None:
        return None
    right, left = edges
    speed = WALK_MPS
    if not spot.over:
        paved = _pavement(ground, spot, right, -1, float(rng.uniform(*_ALONG_M)), speed)
        lines = list(paved)
    else:
        there = _pavement(ground, spot, right, -1, float(rng.uniform(*_PAVED_M)), speed, waits=True)
        back = _pavement(ground, spot, left, 1, float(rng.uniform(*_PAVED_M)), speed, waits=True)
        ends = np.array([right - KERB_M, left + KERB_M])
        x, y = ground.at(spot.line, np.full(2, spot.s_m), ends)
        lines = [*there, Line(x, y, speed), *back, Line(x[::-1], y[::-1], speed)]
    off_road = lines if not spot.over else [*lines[:2], *lines[3:5]]
    if not ground.take(off_road, lines):
        return None
    return lines


def _pavement(
    ground: _Ground, spot: _Spot, edge_m: float, away: int, length_m: float, speed: float, waits: bool = False
) -> tuple[Line, Line]:  # fmt: skip
    """Along the pavement from the kerb, and back to it nearer to the road; `away` is the side the road's edge lies on."""
    kerb, outer = edge_m + away * KERB_M, edge_m + away * PAVEMENT_M
    steps = np.linspace(1.0, length_m, max(2, round(length_m / 2.0)))
    s = spot.s_m + spot.side * np.concatenate([[0.0], steps, [length_m]])
    d = np.concatenate([[kerb], np.full(len(steps), outer), [kerb]])
    x, y = ground.at(spot.line, s, d)
    s = spot.s_m + spot.side * np.concatenate([steps[::-1], [0.0]])
    bx, by = ground.at(spot.line, s, np.full(len(s), kerb))
    gate = float(arc_length(bx, by)[-1]) if waits else math.inf
    return Line(x, y, speed), Line(bx, by, speed, gate_s_m=gate)


class _Ground:
    """Where lanes are, and where walks are already."""

    def __init__(self, table: LaneTable) -> None:
        self._table = table
        traffic = np.isin(table.kind, (int(LaneKind.DRIVING), int(LaneKind.BIKE), int(LaneKind.SHOULDER), int(LaneKind.PARKING)))  # fmt: skip
        rows = table.rows[np.repeat(traffic, np.asarray(table.last) + 2)]
        self._lanes, self._half = cKDTree(rows[:, [X, Y]]), rows[:, HALF_WIDTH]
        self._taken: list[Floats] = []

    def at(self, line: int, s_m: Floats, d_m: Floats) -> tuple[Floats, Floats]:
        """Points beside a line."""
        x, y, *_ = self._table.pose(np.full(len(s_m), line), s_m, d_m)
        return x, y

    def edges(self, line: int, s_m: float) -> tuple[float, float] | None:
        """Offsets of the road's right and left edge, across all lanes that lie side by side; None for a square."""
        d = np.arange(-_WIDEST_M, _WIDEST_M + 0.1, 0.25)
        x, y = self.at(line, np.full(len(d), s_m), d)
        road = self._covered(np.stack([x, y], axis=-1), 0.3)
        middle = len(d) // 2
        off = np.nonzero(~road)[0]
        below, above = off[off < middle], off[off > middle]
        if not road[middle] or not len(below) or not len(above):
            return None
        right, left = float(d[below[-1]]), float(d[above[0]])
        return None if left - right > _WIDEST_M else (right, left)

    def take(self, off_road: list[Line], lines: list[Line]) -> bool:
        """Whether walks may lie here: off the lanes, and away from all others; if so, they do."""
        points = [_every(line) for line in off_road]
        if self._covered(np.concatenate(points), _CLEAR_M).any():
            return False
        every = np.concatenate([_every(line) for line in lines])
        if self._taken:
            nearest, _ = cKDTree(np.concatenate(self._taken)).query(every)
            if float(nearest.min()) < _APART_M:
                return False
        self._taken.append(every)
        return True

    def _covered(self, points: Floats, margin_m: float) -> np.ndarray:
        """Whether points lie on a lane or within a margin of it."""
        distance, row = self._lanes.query(points, k=min(8, len(self._half)))
        covered: np.ndarray = (distance < self._half[row] + margin_m).any(axis=-1)
        return covered


def _every(line: Line) -> Floats:
    """Points of a walk every half metre."""
    s = arc_length(line.x_m, line.y_m)
    at = np.linspace(0.0, s[-1], max(2, round(2 * float(s[-1]))))
    return np.stack([np.interp(at, s, line.x_m), np.interp(at, s, line.y_m)], axis=-1)


def _nearest_s(table: LaneTable, line: int, x_m: float, y_m: float) -> float:
    a, n = int(table.first[line]), int(table.last[line]) + 2
    rows = table.rows[a : a + n]
    return float(np.argmin(np.hypot(rows[:, X] - x_m, rows[:, Y] - y_m)) * table.step_m[line])
