"""One lane with what is derived from it: a smooth centre line with arc length, widths, heading change."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from whyway.geometry import Polyline, wrap_angle
from whyway.types import Floats, Lane

SPACING_M = 1.0
"""Distance of the points of every resampled centre line."""

SMOOTHING_M = 1.0
"""Standard deviation of the Gaussian that rounds the kinks of a surveyed or hand-drawn line.

It moves an arc of radius R inwards by sigma^2 / (2 R): 8 cm for the tightest turn of a town.
"""


def smoothed(x_m: Floats, y_m: Floats, spacing_m: float = SPACING_M) -> tuple[Floats, Floats]:
    """Evenly spaced points with their kinks rounded; the two ends stay where they are."""
    radius = min(round(3 * SMOOTHING_M / spacing_m), len(x_m) - 1)
    if radius < 1:
        return x_m, y_m
    offsets = np.arange(-radius, radius + 1) * spacing_m
    kernel = np.exp(-0.5 * (offsets / SMOOTHING_M) ** 2)
    kernel /= kernel.sum()
    return _convolved(x_m, kernel, radius), _convolved(y_m, kernel, radius)


def _convolved(values: Floats, kernel: Floats, radius: int) -> Floats:
    # continued beyond the ends by point reflection, under which the end itself does not move
    before = 2 * values[0] - values[radius:0:-1]
    after = 2 * values[-1] - values[-2 : -radius - 2 : -1]
    result: Floats = np.convolve(np.concatenate([before, values, after]), kernel, mode="valid")
    return result


def even(x_m: Floats, y_m: Floats, spacing_m: float = SPACING_M) -> tuple[Floats, Floats, Floats]:
    """Points along a polyline at even spacing, and the arc length of the *given* polyline there."""
    s = arc_length(x_m, y_m)
    n = max(2, round(float(s[-1]) / spacing_m) + 1)
    at = np.linspace(0.0, s[-1], n)
    return np.interp(at, s, x_m), np.interp(at, s, y_m), at


def arc_length(x_m: Floats, y_m: Floats) -> Floats:
    """Arc length at each of n points, from 0."""
    result: Floats = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x_m), np.diff(y_m)))])
    return result


class RoadLane:
    """A lane of the map and what follows from its three polylines. Immutable; computed when first asked for."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane

    def __repr__(self) -> str:
        return f"RoadLane({self.lane.id}, {self.length_m:.1f} m)"

    @cached_property
    def center(self) -> Polyline:
        """Centre line, a point every metre, kinks rounded."""
        x, y, _ = even(self.lane.center_x_m, self.lane.center_y_m)
        return Polyline.through(*smoothed(x, y))

    @cached_property
    def length_m(self) -> float:
        """Arc length of the centre line as it stands in the map."""
        return float(self.raw_s_m[-1])

    @cached_property
    def raw_s_m(self) -> Floats:
        """Arc length at the map's own centre points."""
        return arc_length(self.lane.center_x_m, self.lane.center_y_m)

    @cached_property
    def raw_width_m(self) -> Floats:
        """Distance of the two borders at the map's own points."""
        lane = self.lane
        width: Floats = np.hypot(lane.left_x_m - lane.right_x_m, lane.left_y_m - lane.right_y_m)
        return width

    def width_at(self, s_m: Any) -> Floats:
        """Width at arc lengths `(...)`."""
        return np.asarray(np.interp(s_m, self.raw_s_m, self.raw_width_m))

    @cached_property
    def turn_rad(self) -> float:
        """Total heading change from start to end, left positive."""
        return float(self.center.yaw_rad[-1] - self.center.yaw_rad[0])

    @cached_property
    def polygon(self) -> tuple[Floats, Floats]:
        """Outline x, y: along the left border and back along the right; not closed."""
        lane = self.lane
        return (
            np.concatenate([lane.left_x_m, lane.right_x_m[::-1]]),
            np.concatenate([lane.left_y_m, lane.right_y_m[::-1]]),
        )

    @cached_property
    def _segments(self) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
        c = self.center
        ds = np.diff(c.s_m)
        low, high = np.zeros(len(ds)), ds.copy()
        low[0], high[-1] = -np.inf, np.inf
        return c.x_m[:-1], c.y_m[:-1], np.diff(c.x_m) / ds, np.diff(c.y_m) / ds, low, high, c.s_m

    def project(self, x_m: float, y_m: float) -> tuple[float, float]:
        """`s_m`, `d_m` of one point along `center`: `Polyline.project` for a single point, some times quicker."""
        x0, y0, ux, uy, low, high, s = self._segments
        rx, ry = x_m - x0, y_m - y0
        along = np.minimum(np.maximum(rx * ux + ry * uy, low), high)
        qx, qy = rx - along * ux, ry - along * uy
        squared = qx * qx + qy * qy
        i = int(squared.argmin())
        distance = float(squared[i]) ** 0.5
        left = float(ux[i] * ry[i] - uy[i] * rx[i]) >= 0.0
        return float(s[i] + along[i]), distance if left else -distance


def bend(here: RoadLane, there: RoadLane) -> float:
    """Heading change from the end of a lane to the end of its successor, in [-pi, pi)."""
    return float(wrap_angle(there.center.yaw_rad[-1] - here.center.yaw_rad[-1]))
