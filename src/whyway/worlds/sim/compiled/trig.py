"""Cosines and sines of many angles in one go: calls of a library's would be made one by one.

Reduction to an eighth of a turn and polynomials as in fdlibm's `k_sin.c` and `k_cos.c` (Sun Microsystems 1993): right to the last bit
or the one before it for angles up to a million.
"""

from __future__ import annotations

import math
from typing import Any

from whyway.worlds.sim.compiled.jit import part

_QUARTERS_PER_RAD = 2.0 / math.pi
_QUARTER, _QUARTER_REST = 1.57079632673412561417, 6.07710050650619224932e-11
"""Half of pi: 33 bits of it, which times a whole number are exact, and what they leave."""
_S1, _S2, _S3, _S4, _S5, _S6 = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
_C1, _C2, _C3, _C4, _C5, _C6 = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip


@part
def direction(yaw: float) -> tuple[float, float]:
    """Cosine and sine, without a branch."""
    quarters = math.floor(yaw * _QUARTERS_PER_RAD + 0.5)
    r = (yaw - quarters * _QUARTER) - quarters * _QUARTER_REST
    z = r * r
    s = r + z * r * (_S1 + z * (_S2 + z * (_S3 + z * (_S4 + z * (_S5 + z * _S6)))))
    c = 1.0 - (0.5 * z - z * z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * (_C5 + z * _C6))))))
    odd = quarters & 1 != 0
    forth, aside = (s, c) if odd else (c, s)
    forth = -forth if (quarters + 1) & 2 != 0 else forth
    return forth, -aside if quarters & 2 != 0 else aside


@part
def directions(rows: Any, yaw: int, cos: int, sin: int, count: int) -> None:
    """`direction` of the first `count` columns of a row of angles, into two others."""
    for a in range(count):
        rows[cos, a], rows[sin, a] = direction(rows[yaw, a])
