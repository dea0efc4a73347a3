"""Where lanes that no map marks as a junction merge or cross: they are cut there, so that the shared part is a way of its own.

OpenDRIVE marks its junctions; CommonRoad and Lanelet2 maps often have lanes that simply run into one another. Crossings are
looked for only where a map marks no junction at all: on others, lanes that cross unmarked are bridges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from whyway.geometry import wrap_angle
from whyway.types import Floats, Ints
from whyway.worlds.sim.sampling import Ragged, Samples

Bools = NDArray[np.bool_]

CONFLICT_M = 2.6
"""Centre lines that come so near each other are used one at a time; lanes side by side are further apart."""

_MERGE_LEAST_M, _MERGE_MOST_M = 12.0, 60.0
"""How much of a lane before it merges is shared ground."""
_BESIDE_M = 2.0
"""Shared ground begins and ends so far from where the lines come near each other."""
_STUB_M = 8.0
"""A shorter rest of a lane is not cut off."""
_TOUCH_M = 1.5
_SAME_WAY_RAD = 0.35
"""Lines that come within `_TOUCH_M` at a greater angle cross (or meet head-on in a narrow street)."""
_NARROW_M = 150.0
"""A longer street of one lane for both directions is not used by one at a time."""


def shared_stretches(
    samples: Samples, links: Ints, driving: Bools, inside: Bools, no_junctions: bool
) -> dict[int, list[tuple[int, int]]]:
    """Stretches (first and last row, counted within the line) of unmarked lines that others merge with or cross.

    Args:
      samples: the lines.
      links: `[L, S]` successors.
      driving: `(L,)` lines that count.
      inside: `(L,)` lines that the map marks as a junction's.
      no_junctions: whether to look for crossings, too.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for line, stretch in _merges(samples, links, driving & ~inside):
        found.setdefault(line, []).append(stretch)
    if no_junctions:
        for line, stretch in _crossings(samples, links, driving):
            found.setdefault(line, []).append(stretch)
    return {line: _joined(samples, line, stretches) for line, stretches in found.items()}


def pieces(
    samples: Samples, stretches: dict[int, list[tuple[int, int]]]
) -> tuple[Samples, Ints, Bools, Ints]:
    """The lines cut along their shared stretches: the first part keeps the line's number, the others follow behind all lines.

    Returns:
      The samples, the line `(P,)` each part is of (those of one line in driving order), whether it is shared ground, and which
      of the given points each point is.
    """
    shape = samples.shape
    spans = [[(0, int(n) - 1, False)] for n in shape.count]
    for line, shared in stretches.items():
        cuts = sorted({0, int(shape.count[line]) - 1, *(k for stretch in shared for k in stretch)})
        spans[line] = [
            (a, b, any(c <= a and b <= d for c, d in shared))
            for a, b in zip(cuts, cuts[1:], strict=False)
        ]
    order = [(i, parts[0]) for i, parts in enumerate(spans)]
    order += [(i, part) for i, parts in enumerate(spans) for part in parts[1:]]
    of = np.array([i for i, _ in order], dtype=np.int64)
    begins = np.array([part[0] for _, part in order], dtype=np.int64)
    count = np.array([part[1] - part[0] + 1 for _, part in order], dtype=np.int64)
    even = Ragged.of(count)
    at = np.repeat(shape.first[of] + begins, count) + even.place
    step = samples.step_m[of]
    cut = Samples(
        even, samples.x_m[at], samples.y_m[at], samples.ux[at], samples.uy[at], samples.yaw_rad[at],
        samples.curvature_1pm[at], samples.bend_1pm[at], step, step * (count - 1),
    )  # fmt: skip
    return cut, of, np.array([part[2] for _, part in order], dtype=bool), at


def _joined(samples: Samples, line: int, stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in order; those with too little between them, or between them and the line's ends, become one."""
    least = max(1, round(_STUB_M / float(samples.step_m[line])))
    top = int(samples.shape.count[line]) - 1
    joined: list[tuple[int, int]] = []
    for a, b in sorted(stretches):
        a, b = (0 if a < least else a), (top if top - b < least else b)
        if joined and a - joined[-1][1] < least:
            joined[-1] = (joined[-1][0], max(joined[-1][1], b))
        else:
            joined.append((a, b))
    return joined


def _points(samples: Samples, line: int) -> Floats:
    a = int(samples.shape.first[line])
    rows = slice(a, a + int(samples.shape.count[line]))
    return np.stack([samples.x_m[rows], samples.y_m[rows]], axis=-1)


def _merges(samples: Samples, links: Ints, open_: Bools) -> Iterator[tuple[int, tuple[int, int]]]:
    """The last part of each of several lines that lead into one."""
    before, after = np.nonzero(links >= 0)[0], links[links >= 0]
    many = np.bincount(after[open_[before]], minlength=len(links)) > 1
    for into in np.nonzero(many)[0].tolist():
        group = before[(after == into) & open_[before]].tolist()
        for line in group:
            step, top = float(samples.step_m[line]), int(samples.shape.count[line]) - 1
            own = _points(samples, line)
            others = np.concatenate([_points(samples, k) for k in group if k != line])
            apart = cKDTree(others).query(own)[0] > CONFLICT_M
            length = (top - int(np.nonzero(apart)[0].max(initial=-1))) * step + _BESIDE_M
            length = min(max(length, _MERGE_LEAST_M), _MERGE_MOST_M)
            yield line, (max(0, top - round(length / step)), top)


def _crossings(
    samples: Samples, links: Ints, driving: Bools
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where lines of different origin and destination cross, or share a narrow street."""
    owner = samples.shape.owner
    rows = np.nonzero(driving[owner])[0]
    points = np.stack([samples.x_m[rows], samples.y_m[rows]], axis=-1)
    tree = cKDTree(points)
    pairs = rows[tree.query_pairs(_TOUCH_M, output_type="ndarray")]
    a, b = owner[pairs[:, 0]], owner[pairs[:, 1]]
    angle = np.abs(wrap_angle(samples.yaw_rad[pairs[:, 0]] - samples.yaw_rad[pairs[:, 1]]))
    cross = (a != b) & (angle > _SAME_WAY_RAD)
    after = [set(row[row >= 0].tolist()) for row in links]
    before: list[set[int]] = [set() for _ in links]
    for i, nexts in enumerate(after):
        for j in nexts:
            before[j].add(i)
    for i, j in set(zip(a[cross].tolist(), b[cross].tolist(), strict=True)):
        related = j in after[i] or i in after[j] or after[i] & after[j] or before[i] & before[j]
        if related:
            continue
        for line, other in ((i, j), (j, i)):
            near = cKDTree(_points(samples, other)).query(_points(samples, line))[0] < CONFLICT_M
            k, step = np.nonzero(near)[0], float(samples.step_m[line])
            beside, top = round(_BESIDE_M / step), int(samples.shape.count[line]) - 1
            if (k.max() - k.min()) * step < _NARROW_M:
                yield line, (max(0, int(k.min()) - beside), min(top, int(k.max()) + beside))
