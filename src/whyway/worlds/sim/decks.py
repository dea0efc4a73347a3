"""Bridges: lines that cross although the map marks no junction there lie one above the other. Runs once, when a table is built.

Maps are flat, so what is above what is not known, nor needed: lines that cross get opposite numbers of one bridge.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from whyway.geometry import wrap_angle
from whyway.types import Ints
from whyway.worlds.sim.sampling import Samples

_TOUCH_M = 1.5
_ANGLES_RAD = (0.35, 2.8)
"""Flatter crossings are lanes that run into each other or side by side."""
_FROM_ENDS_M = 5.0
"""Overlaps nearer to an end of a line are carelessly drawn junctions."""


def find_decks(samples: Samples, links: Ints, driving: NDArray[np.bool_], marked: NDArray[np.bool_]) -> Ints:  # fmt: skip
    """`(L,)` 0 for lines at grade; two lines whose numbers are opposite (k and -k) are on different decks of a bridge.

    Args:
      samples: the lines.
      links: `[L, S]` successors.
      driving: `(L,)` lines that count.
      marked: `(L,)` lines of junctions: where both are, they do cross. Without any, nothing is taken for a bridge.
    """
    deck = np.zeros(len(links), dtype=np.int64)
    if not marked.any():
        return deck
    owner = samples.shape.owner
    along = samples.shape.place * samples.step_m[owner]
    inner = np.minimum(along, samples.length_m[owner] - along) > _FROM_ENDS_M
    rows = np.nonzero(driving[owner] & inner)[0]
    if not len(rows):
        return deck
    points = np.stack([samples.x_m[rows], samples.y_m[rows]], axis=-1)
    pairs = rows[cKDTree(points).query_pairs(_TOUCH_M, output_type="ndarray")]
    a, b = owner[pairs[:, 0]], owner[pairs[:, 1]]
    angle = np.abs(wrap_angle(samples.yaw_rad[pairs[:, 0]] - samples.yaw_rad[pairs[:, 1]]))
    cross = (a != b) & (angle > _ANGLES_RAD[0]) & (angle < _ANGLES_RAD[1])
    cross &= ~(marked[a] & marked[b])
    beside: dict[int, set[int]] = {}
    for i, j in set(zip(a[cross].tolist(), b[cross].tolist(), strict=True)):
        if j not in links[i] and i not in links[j]:
            beside.setdefault(i, set()).add(j)
            beside.setdefault(j, set()).add(i)
    bridge = 0
    for start in sorted(beside):
        if deck[start]:
            continue
        bridge += 1
        deck[start] = bridge
        queue = deque([start])
        while queue:
            i = queue.popleft()
            for j in sorted(beside[i]):
                if not deck[j]:
                    deck[j] = -deck[i]
                    queue.append(j)
    return deck
