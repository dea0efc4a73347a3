"""Knots: the few times at which the learned head plans, and the smooth curve through them at every waypoint's time."""

from __future__ import annotations

import dataclasses

import numpy as np

from whyway.types import CYCLE_S, Floats, Waypoints

KNOTS = 16
"""So many values are planned ..."""
KNOT_S = 0.5
"""... so far apart in time."""
KNOT_TIMES_S = KNOT_S * np.arange(1, KNOTS + 1)
PER_KNOT = round(KNOT_S / CYCLE_S)
"""Waypoints from knot to knot."""

_u = np.arange(PER_KNOT) / PER_KNOT
# Hermite's basis within an interval: value and slope (times KNOT_S) at its beginning, at its end
_BASIS = np.stack([
    1.0 - _u**2 * (3.0 - 2.0 * _u), KNOT_S * _u * (1.0 - _u) ** 2,
    _u**2 * (3.0 - 2.0 * _u), KNOT_S * _u**2 * (_u - 1.0),
])  # fmt: skip


def smooth(values: Floats, slope: float) -> Floats:
    """A curve (KNOTS * PER_KNOT + 1,) every `CYCLE_S` through values (KNOTS + 1,) at 0 and the knots, beginning with a slope.

    Piecewise cubic, without overshoot behind the second interval: Fritsch and Butland, "A method for constructing local monotone
    piecewise cubic interpolants", SIAM J. Sci. Stat. Comput. 5 (1984), with the harmonic mean of even spacing, but for the first
    knot. What is nowhere negative stays so.
    """
    secant = np.diff(values) / KNOT_S
    product = secant[:-1] * secant[1:]
    total = secant[:-1] + secant[1:]
    inner = np.where(product > 0.0, 2.0 * product / np.where(product > 0.0, total, 1.0), 0.0)
    # what is driven before the next plan is its beginning: the mean of the secants is exact there while the jerk is even, the harmonic
    # one hardly eases off: braking that ends would last twice as long
    inner[0] = 0.5 * total[0]
    slopes = np.concatenate([[slope], inner, secant[-1:]])
    ends = np.stack([values[:-1], slopes[:-1], values[1:], slopes[1:]], axis=-1)
    curve = np.append((ends @ _BASIS).reshape(-1), values[-1])
    if values.min() >= 0.0:
        curve = np.maximum(curve, 0.0)
    return curve


def at_knots(waypoints: Waypoints) -> Waypoints:
    """The waypoints at 0 and the knots alone: a plan as benchmarks that sample it every half second take it."""
    columns = (getattr(waypoints, f.name)[::PER_KNOT] for f in dataclasses.fields(Waypoints))
    return Waypoints(*columns)
