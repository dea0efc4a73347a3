"""Where traffic can begin on a lane graph: places so far from each other that any choice of them is sound.

P places, L lines. Built once for a table; `populate.py` chooses among them for any number of worlds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from whyway.geometry import to_frame
from whyway.types import Floats, Ints, LaneKind
from whyway.worlds.sim.table import LaneTable

SPACING_M = 16.0
"""Distance of places along a lane: two long vehicles fit."""
JITTER_M = 1.0
"""So far from its place a vehicle may be put along its lane."""
BRAKE_MPS2 = 1.5
"""Whatever one has to stop or slow down for at the start, this braking suffices."""

_FROM_ENDS_M = 8.0
_BEFORE_GATE_M = 5.0
_BESIDE_M = 2.7
_CROWDED_M = SPACING_M - 2.5
_LOOK_LINES = 12
"""How many lines ahead gates and curves are looked for."""
_FREE = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """P places in an order without pattern, and what each line asks of those on it."""

    line: Ints
    s_m: Floats
    x_m: Floats
    y_m: Floats
    bike: np.ndarray
    """`(P,)` whether it lies on a bicycle lane."""
    squared: Floats
    """`(L,)` the square of the speed at which one may come to the end of a line, whichever way one goes on."""

    def __len__(self) -> int:
        return len(self.line)


def find_places(table: LaneTable, avoid: Collection[int] = ()) -> Places:
    """All places on the lanes between junctions, except on the lines to `avoid`; none on a map of short lanes alone."""
    kind = np.asarray(table.kind)
    lines = np.nonzero(
        np.isin(kind, (int(LaneKind.DRIVING), int(LaneKind.BIKE)))
        & (table.lane_id > 0)
        & ~table.in_junction
        & ((table.successors > 0) | (table.length_m > 4 * SPACING_M))
    )[0]
    forbidden = set(avoid)
    line, s = [], []
    for i in lines.tolist():
        if i in forbidden:
            continue
        end = float(table.length_m[i]) - _FROM_ENDS_M
        end = min(end, float(table.gate_s_m[i]) - _BEFORE_GATE_M)
        count = int((end - _FROM_ENDS_M) // SPACING_M) + 1 if end >= _FROM_ENDS_M else 0
        line += count * [i]
        s += [_FROM_ENDS_M + k * SPACING_M for k in range(count)]
    at, along = np.array(line, dtype=np.int64), np.array(s, dtype=np.float64)
    x, y, yaw, _, _ = table.pose(at, along, np.zeros(len(at)))
    keep = _apart(x, y, yaw)
    order = np.random.default_rng(len(at)).permutation(np.nonzero(keep)[0])
    return Places(
        at[order], along[order], x[order], y[order], kind[at[order]] == int(LaneKind.BIKE), _ends(table)
    )  # fmt: skip


def _apart(x: Floats, y: Floats, yaw: Floats) -> np.ndarray:
    """Which places remain when each that is too near an earlier one is left out; beside each other is no harm."""
    if not len(x):
        return np.zeros(0, dtype=bool)
    pairs = cKDTree(np.stack([x, y], axis=-1)).query_pairs(_CROWDED_M, output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    keep = np.ones(len(x), dtype=bool)
    too_near = np.zeros(len(pairs), dtype=bool)
    for i, j in ((a, b), (b, a)):
        along, across = to_frame(x[j], y[j], x[i], y[i], yaw[i])
        crosses = np.abs(np.sin(yaw[j] - yaw[i])) > 0.3
        too_near |= (np.abs(across) < _BESIDE_M) | (crosses & (np.hypot(along, across) < 10.0))
    order = np.lexsort((b[too_near], a[too_near]))
    for i, j in zip(a[too_near][order].tolist(), b[too_near][order].tolist(), strict=True):
        if keep[i]:
            keep[j] = False
    return keep


def _ends(table: LaneTable) -> Floats:
    """`(L,)` square of the speed at a line's end from which one can slow down for whatever comes behind it."""
    here = np.arange(len(table.length_m))
    after = np.where(table.successor >= 0, table.successor, here[:, None])
    ending = (table.successors == 0) & ((table.left >= 0) | (table.right >= 0))
    brake, length = 2 * BRAKE_MPS2, np.asarray(table.length_m)
    gate = np.where(np.isfinite(table.gate_s_m), brake * table.gate_s_m, _FREE)
    begin = np.minimum(np.asarray(table.entry_mps) ** 2, gate)
    end = np.where(ending, 0.0, _FREE)
    for _ in range(_LOOK_LINES):
        starts = np.minimum(begin, end + brake * length)
        least = np.where(table.successor >= 0, starts[after], _FREE).min(axis=1)
        end = np.where(ending, 0.0, least)
    return end


def sound_squared(table: LaneTable, places: Places, line: Ints, s_m: Floats, reach_m: Floats) -> Floats:  # fmt: skip
    """Square of the speed `(...)` from which braking comfortably suffices for the next gate, curves and ends.

    Args:
      table: the lanes.
      places: of that table.
      line: where, `(...)`.
      s_m: and how far along, of the centre.
      reach_m: from the centre to the front bumper.
    """
    brake = 2 * BRAKE_MPS2
    *_, speed = table.pose(line, s_m, np.zeros_like(s_m))
    front = s_m + reach_m
    room = table.gate_s_m[line] - front - 1.0
    gate = np.where(room > -2.0, brake * np.clip(room, 0.0, _FREE), _FREE)
    rest = np.maximum(table.length_m[line] - front - 1.0, 0.0)
    end = places.squared[line] + brake * rest
    squared: Floats = np.minimum(np.minimum(speed**2, gate), end)
    return squared
