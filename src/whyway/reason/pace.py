"""How long passes take: the slowest of the last ones of each size, so that none is begun that would come too late. Reads no clock."""

from __future__ import annotations

import statistics
from collections import deque

KEPT = 8
"""Passes remembered of each size."""
HICCUP = 2.0
"""A pass that took so many times the median was no fault of ours."""
FADES = 0.99
"""By this, what is remembered of a size shrinks whenever a pass of it is not begun: a machine that was slow for a while gets another try
within seconds, and one that is too slow is late in less than one decision of a hundred."""
GRAIN = 8
"""Passes whose numbers of positions round up to the same multiple of it are one size."""

Size = tuple[int, int]
"""(scenes, positions rounded up)"""


class Pace:
    """What passes have taken, in milliseconds."""

    def __init__(self) -> None:
        self._taken: dict[Size, deque[float]] = {}

    def expect(self, scenes: int, positions: int) -> float:
        """What a pass is expected to take at most: as long as the slowest of the last of its size; of an unknown size, of the next
        larger one, or else of the largest; 0 if nothing is known.
        """
        size = _size(scenes, positions)
        known = sorted(self._taken)
        if not known:
            return 0.0
        like = next((k for k in known if k[0] >= size[0] and k[1] >= size[1]), known[-1])
        return max(self._taken[like])

    def took(self, scenes: int, positions: int, ms: float) -> None:
        """Remember a pass."""
        self._taken.setdefault(_size(scenes, positions), deque(maxlen=KEPT)).append(ms)

    def refused(self, scenes: int, positions: int) -> None:
        """A pass was not begun: forget the slowest if it was a hiccup, else trust what is remembered a little less.

        Nobody would ever measure again otherwise.
        """
        taken = self._taken.get(_size(scenes, positions))
        if not taken:
            return
        slowest = max(taken)
        if slowest > HICCUP * statistics.median(taken):
            taken.remove(slowest)
        else:
            taken.extend([ms * FADES for ms in taken])


def _size(scenes: int, positions: int) -> Size:
    return scenes, -(-positions // GRAIN) * GRAIN
