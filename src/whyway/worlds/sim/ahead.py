"""What lies ahead of each agent on its lines: where they begin, samples of its way, where its neighbours are along it.

Shapes: W worlds, A agents, R lines in a window, P samples of a way, K neighbours; the short axis first (`arrays.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.worlds.sim.arrays import (
    clamp,
    filled,
    first,
    in_row,
    leading,
    none,
    pick,
    pick_quads,
    pick_rows,
    those,
    to,
)
from whyway.worlds.sim.state import FAR_M, WINDOW, State
from whyway.worlds.sim.table import LaneTable

Array = Any

_AHEAD = (1.5, 0.06)
_BEHIND = (2.5, 0.5)
"""Sample i of a way lies b i + c i^2 ahead (behind): dense where the own box is, thin far off."""
_SAMPLES_AHEAD, _SAMPLES_BEHIND = 26, 5
SAMPLES = _SAMPLES_BEHIND + 1 + _SAMPLES_AHEAD
"""P: from 25 m behind to 80 m ahead; straight on from there."""
_STEPS = 3
"""Newton steps of a projection: one is exact on a straight way, the others follow it round a bend."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The window's lines as seen from the agent's centre `[R + 1, W, A]`, the line it came from first."""

    line: Array
    """Index, never negative."""
    there: Array
    """Whether there is one."""
    begins_m: Array
    """Arc length from the centre to where it begins, `FAR_M` and more where there is none."""
    length_m: Array
    way: Array
    """The passage it belongs to, -1 for none."""
    marks: Array
    """`[R + 1, W, A, 4]` `LaneTable.marks` of each, with `begins_m` in place of the length."""


def lines_ahead(xp: Any, state: State, table: LaneTable) -> Lines:
    """Where the lines of each window begin."""
    window = leading(state.window)
    known = window >= 0
    own = filled(window, ~known, 0)
    has_back = (state.came_from >= 0) & known[0]
    back = xp.where(has_back, state.came_from, own[0])
    line = xp.concat([back[None], own], axis=0)
    there = xp.concat([has_back[None], known], axis=0)
    long = pick(table.length_m, line)
    begins = [-state.s_m - long[0] * to(has_back, long.dtype), -state.s_m]
    for r in range(1, WINDOW):
        begins.append(begins[-1] + long[r])
    begins_m, way = xp.stack(begins, axis=0), filled(pick(table.way, line), ~there, -1)
    begins_m[1:] = filled(begins_m[1:], ~known, FAR_M * WINDOW)
    marks = pick_rows(table.marks, line)
    marks[..., 0] = begins_m
    return Lines(line, there, begins_m, long, way, marks)


def next_merge(xp: Any, lines: Lines, merges: Array) -> tuple[Array, Array]:
    """The next line ahead into which others lead too `[W, A]` (-1 for none), and the way from the centre to its start."""
    lined, begins = lines.line[2:], lines.begins_m[2:]
    slot = first(xp, lines.there[2:] & pick(merges, lined))
    at = in_row(xp, clamp(slot, None, WINDOW - 2))
    found = (slot < WINDOW - 1) & (pick(begins, at) < FAR_M)
    return xp.where(found, pick(lined, at), 0 * slot - 1), pick(begins, at)


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """The way of each agent over the lines of its window, looked up at some arc lengths from its centre, where it is asked for."""

    at_m: Array
    """`[P]` the arc lengths, rising."""
    slot: Array
    """`[P, W, A]` which of the window's lines lies there."""
    marks: Array
    """`[(R + 1) W A, 4]` where each of them begins, and its `LaneTable.marks`."""
    rows: Array
    """`LaneTable.rows`."""

    def point(self, xp: Any, sample: Array, agent: Array) -> tuple[Array, ...]:
        """Arc length, x, y and direction of samples of agents' ways, both by flat index `(...)`."""
        agents = self.slot.shape[1] * self.slot.shape[2]
        slot, f = pick(self.slot, sample * agents + agent), pick(self.at_m, sample)
        return f, *self._on_line(xp, to(slot, xp.int64) * agents + agent, f)

    def every_point(self, xp: Any) -> tuple[Array, Array]:
        """Coordinates x, y `[P, W, A]` of all ways at all samples."""
        line = in_row(xp, to(self.slot, xp.int64))
        return self._on_line(xp, line, self.at_m[:, None, None])[:2]

    def _on_line(self, xp: Any, line: Array, f_m: Array) -> tuple[Array, ...]:
        """x, y and direction at arc lengths from agents' centres, on lines by flat index in `marks`."""
        begin, step, last, first = pick_quads(self.marks, line)
        along = f_m - begin
        index = xp.minimum(clamp(xp.floor(along / step), 0.0, None), last)
        x, y, ux, uy = pick_quads(self.rows, to(index + first, xp.int64))
        rest = along - index * step
        return rest * ux + x, rest * uy + y, ux, uy


def arc_of_samples(xp: Any, like: Array) -> Array:
    """`[P]` arc lengths of the samples from the centre."""
    rising = [_AHEAD[0] * i + _AHEAD[1] * i * i for i in range(_SAMPLES_AHEAD + 1)]
    falling = [-(_BEHIND[0] * i + _BEHIND[1] * i * i) for i in range(_SAMPLES_BEHIND, 0, -1)]
    return xp.asarray(falling + rising, dtype=like.dtype, device=like.device)


def way_at(xp: Any, lines: Lines, table: LaneTable, at_m: Array) -> Way:
    """The ways of all agents, to be looked up at rising arc lengths `[P]`."""
    f, begins = at_m[:, None, None], lines.begins_m
    slot = (f >= begins[1]).view(xp.int8)
    for r in range(2, WINDOW + 1):
        if none(begins[r] <= at_m[-1]):
            break  # further lines begin further away
        slot += (f >= begins[r]).view(xp.int8)
    return Way(at_m, slot, xp.reshape(lines.marks, (-1, lines.marks.shape[-1])), table.rows)


def nearest_sample(xp: Any, f_m: Array) -> Array:
    """Which of `arc_of_samples` is the nearest to arc lengths, counted in samples."""
    (b, c), (d, e) = _AHEAD, _BEHIND
    forth, back = clamp(f_m, 0.0, None), clamp(f_m, None, 0.0)
    i = (xp.sqrt(forth * (4 * c) + b * b) - b) * (0.5 / c)
    i = i - (xp.sqrt(back * (-4 * e) + d * d) - d) * (0.5 / e)
    return to(clamp(i + (_SAMPLES_BEHIND + 0.5), 0.0, SAMPLES - 0.5), xp.int64)


def project(
    xp: Any, way: Way, agent: Array, x_m: Array, y_m: Array, sample: Array, steps: int = _STEPS
) -> list[Array]:
    """Points `(...)` on agents' ways: arc length from the centre, offset to the left, the way's direction there.

    By Newton's method from a guess: f += (point - way(f)) . direction(f). As the way is straight at a sample, whoever comes to the
    sample it came from has arrived.

    Args:
      xp: array namespace.
      way: sampled at `arc_of_samples`.
      agent: flat index of the agent of each point.
      x_m: the points, as is `y_m`.
      y_m: see `x_m`.
      sample: guesses, from `nearest_sample`.
      steps: one is exact on a straight way, the others follow it round a bend.
    """
    at, wx, wy, ux, uy = way.point(xp, sample, agent)
    rx, ry = x_m - wx, y_m - wy
    found = [at + rx * ux + ry * uy, ux * ry - uy * rx, ux, uy]
    if steps == 1:
        return found
    after = nearest_sample(xp, found[0])
    moved = those(after != sample)
    if moved is None:
        return project(xp, way, agent, x_m, y_m, after, steps - 1)
    if moved.size:
        agent, x_m, y_m, after = (pick(v, moved) for v in (agent, x_m, y_m, after))
        better = project(xp, way, agent, x_m, y_m, after, steps - 1)
        for values, new in zip(found, better, strict=True):
            values[moved] = new
    return found
