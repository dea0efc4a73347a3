"""What lies ahead of each agent on its lines: where they begin, samples of its way, where its neighbours are along it.

Shapes: W worlds, A agents, R lines in a window, P samples of a way, K neighbours; the short axis first (`arrays.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.worlds.sim.arrays import clamp, leading, none, pick, pick_quads, pick_rows, to
from whyway.worlds.sim.state import FAR_M, WINDOW, State
from whyway.worlds.sim.table import LaneTable

Array = Any

_AHEAD = (1.5, 0.06)
_BEHIND = (2.5, 0.5)
"""Sample i of a way lies b i + c i^2 ahead (behind): dense where the own box is, thin far off."""
_SAMPLES_AHEAD, _SAMPLES_BEHIND = 26, 5
SAMPLES = _SAMPLES_BEHIND + 1 + _SAMPLES_AHEAD
"""P: from 25 m behind to 80 m ahead; straight on from there."""
_EXACT_ROWS = 1 << 24
"""Whole numbers below this are exact in single precision."""
_STEPS = 3
"""Newton steps of a projection: one is exact on a straight way, the others follow it round a bend."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The window's lines as seen from the agent's centre `[R + 1, W, A]`, the line it came from first."""

    line: Array
    """Index, never negative; where no line is known the one before it."""
    there: Array
    """Whether there is one."""
    begins_m: Array
    """Arc length from the centre to where it begins, `FAR_M` and more where there is none."""
    length_m: Array
    way: Array
    """The passage it belongs to, -1 for none."""


def lines_ahead(xp: Any, state: State, table: LaneTable) -> Lines:
    """Where the lines of each window begin."""
    window = leading(state.window)
    line, there, begins, length = [], [], [], []
    at, known = clamp(window[0], 0, None), window[0] >= 0
    reach = -state.s_m
    for r in range(WINDOW):
        if r:
            known = known & (window[r] >= 0)
            at = xp.where(known, window[r], at)
        long = pick(table.length_m, at)
        line.append(at)
        there.append(known)
        length.append(long)
        begins.append(reach if r == 0 else xp.where(known, reach, reach + FAR_M * (WINDOW + r)))
        reach = reach + long
    back, has_back = clamp(state.came_from, 0, None), (state.came_from >= 0) & there[0]
    back = xp.where(has_back, back, line[0])
    long = pick(table.length_m, back)
    before = xp.where(has_back, -state.s_m - long, -state.s_m)
    lines = xp.stack([back, *line], axis=0)
    exists = xp.stack([has_back, *there], axis=0)
    way = xp.where(exists, pick(table.way, lines), -1)
    return Lines(
        lines, exists, xp.stack([before, *begins], axis=0), xp.stack([long, *length], axis=0), way
    )


def next_merge(xp: Any, lines: Lines, merges: Array) -> tuple[Array, Array]:
    """The next line ahead into which others lead too `[W, A]` (-1 for none), and the way from the centre to its start."""
    joins = lines.there[2:] & pick(merges, lines.line[2:])
    at = xp.where(joins, lines.begins_m[2:], lines.begins_m[2:] + FAR_M * FAR_M)
    nearest = xp.min(at, axis=0)
    line = xp.max(xp.where(at <= nearest, lines.line[2:], -1), axis=0)
    return xp.where(nearest < FAR_M, line, -1), nearest


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """The way ahead (and a little behind) of each agent, sampled `[P, W, A]`."""

    x_m: Array
    y_m: Array
    ux: Array
    uy: Array
    at_m: Array
    """`[P, 1, 1]` arc lengths of the samples."""


def arc_of_samples(xp: Any, like: Array) -> Array:
    """`[P]` arc lengths of the samples from the centre."""
    rising = [_AHEAD[0] * i + _AHEAD[1] * i * i for i in range(_SAMPLES_AHEAD + 1)]
    falling = [-(_BEHIND[0] * i + _BEHIND[1] * i * i) for i in range(_SAMPLES_BEHIND, 0, -1)]
    return xp.asarray(falling + rising, dtype=like.dtype, device=like.device)


def sample_way(xp: Any, lines: Lines, table: LaneTable, at_m: Array) -> Way:
    """The way of each agent at arc lengths `[P]` from its centre."""
    f = at_m[:, None, None]
    (worlds, agents), begins = lines.line.shape[1:], lines.begins_m
    slot = (f >= begins[1]).view(xp.int8)
    furthest = at_m[-1]
    for r in range(2, WINDOW + 1):
        if none(begins[r] <= furthest):
            break  # further lines begin further away
        slot += (f >= begins[r]).view(xp.int8)
    flat = to(slot, xp.int64)
    flat *= worlds * agents
    flat += _cells(xp, worlds, agents, at_m)
    # lines' own values ride along with their begins, as floats: so long as a map's rows are few enough to be counted in floats
    counted = table.rows.shape[0] < _EXACT_ROWS
    own = [0.0 * table.step_m, table.step_m, to(table.last, f.dtype), to(table.first, f.dtype)]
    every = pick_rows(xp.stack(own, axis=-1), lines.line)
    every[..., 0] = begins
    every = xp.reshape(every, (-1, 4))
    begin, step, last, start = pick_quads(every, flat)
    along = f - begin
    index = xp.minimum(clamp(xp.floor(along / step), 0.0, None), last)
    rest = along - index * step
    at = (
        to(index + start, xp.int64)
        if counted
        else to(index, xp.int64) + pick(table.first, pick(lines.line, flat))
    )
    x, y, ux, uy = pick_quads(table.rows, at)
    return Way(x + rest * ux, y + rest * uy, ux, uy, f)


def _cells(xp: Any, worlds: int, agents: int, like: Array) -> Array:
    """`[W, A]` flat indices."""
    return xp.reshape(
        xp.arange(worlds * agents, dtype=xp.int64, device=like.device), (worlds, agents)
    )


def project(xp: Any, way: Way, x_m: Array, y_m: Array, guess_m: Array) -> tuple[Array, ...]:
    """Points `[K, W, A]` on each agent's way: arc length from its centre, offset to the left, the way's direction there.

    By Newton's method from a guess: f += (point - way(f)) . direction(f).
    """
    samples, worlds, agents = way.x_m.shape
    cell = _cells(xp, worlds, agents, x_m)
    f = guess_m
    (b, c), (d, e) = _AHEAD, _BEHIND
    first = float(_SAMPLES_BEHIND) + 0.5
    for _ in range(_STEPS):
        forth, back = clamp(f, 0.0, None), clamp(f, None, 0.0)
        i = (xp.sqrt(forth * (4 * c) + b * b) - b) * (0.5 / c)
        i = i - (xp.sqrt(back * (-4 * e) + d * d) - d) * (0.5 / e)
        i = to(clamp(i + first, 0.0, samples - 0.5), xp.int64)
        flat = i * (worlds * agents) + cell
        ux, uy = pick(way.ux, flat), pick(way.uy, flat)
        rx, ry = x_m - pick(way.x_m, flat), y_m - pick(way.y_m, flat)
        f = pick(way.at_m, i) + rx * ux + ry * uy
    return f, ux * ry - uy * rx, ux, uy
