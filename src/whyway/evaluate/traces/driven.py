"""What the car really drove after a decision, as long as the decision stood: waypoints of the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whyway.trace.meta_actions import WINDOW_S
from whyway.types import CYCLE_NS, Floats, Ints, Trace, Truth, Waypoints

_WINDOW_NS = round(WINDOW_S * 1e9)


def stands_until(traces: Sequence[Trace]) -> list[int]:
    """Per trace, the stamp [ns] of the last one in a row that states the same decision; a trace that is missing ends it."""
    until: list[int] = []
    for i in range(len(traces) - 1, -1, -1):
        here = traces[i]
        goes_on = bool(until) and (
            traces[i + 1].stamp_ns - here.stamp_ns <= 1.5 * CYCLE_NS
            and traces[i + 1].planning.decision == here.planning.decision
        )
        until.append(until[-1] if goes_on else here.stamp_ns)
    return until[::-1]


class Driven:
    """The ego's driven path, to cut windows from."""

    def __init__(self, truths: Sequence[Truth]) -> None:
        self._stamps: Ints = np.array([t.stamp_ns for t in truths], dtype=np.int64)
        egos = [t.ego for t in truths]
        self._columns = tuple(
            np.array([getattr(e, name) for e in egos])
            for name in ("x_m", "y_m", "yaw_rad", "v_mps", "a_mps2")
        )

    def window(self, stamp_ns: int, until_ns: int) -> Waypoints | None:
        """What was driven in the `WINDOW_S` from a stamp on; None if the decision did not stand so long, or nothing tells."""
        if until_ns - stamp_ns < _WINDOW_NS:
            return None
        first, last = np.searchsorted(self._stamps, [stamp_ns, stamp_ns + _WINDOW_NS])
        whole = last < len(self._stamps) and self._stamps[last] == stamp_ns + _WINDOW_NS
        if not whole or self._stamps[first] != stamp_ns:
            return None
        part = slice(int(first), int(last) + 1)
        t: Floats = np.asarray((self._stamps[part] - stamp_ns) * 1e-9, dtype=np.float64)
        x, y, yaw, v, a = (c[part] for c in self._columns)
        return Waypoints(t, x, y, yaw, v, a, np.zeros_like(t))
