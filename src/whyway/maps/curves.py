"""Plane curves a road's reference line is made of: lines, arcs and cubics, as OpenDRIVE knows them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from whyway.types import Floats

Pose: TypeAlias = tuple[float, float, float]
"""x [m], y [m], yaw [rad]."""

_HANDLE = 0.65
"""Bezier handles as a share of the tangents' length: curvature rises to 1.35 / tangent in the middle of a right angle.

0.55 would be nearly an arc, whose curvature jumps at its ends; near 1 the middle becomes a corner.
"""


@dataclass(frozen=True)
class Arc:
    """A line (`curvature_1pm` 0) or an arc from a pose."""

    start: Pose
    length_m: float
    curvature_1pm: float = 0.0

    def at(self, share: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y, yaw at shares of its length `(n,)`."""
        x, y, yaw = self.start
        s = share * self.length_m
        half = s * self.curvature_1pm / 2
        chord = s * np.sinc(half / math.pi)
        return x + chord * np.cos(yaw + half), y + chord * np.sin(yaw + half), yaw + 2 * half

    @property
    def end(self) -> Pose:
        """Where it leads."""
        x, y, yaw = self.at(np.array([1.0]))
        return float(x[0]), float(y[0]), float(yaw[0])


@dataclass(frozen=True)
class Cubic:
    """A cubic Bezier curve from one pose to another: the way through a junction."""

    start: Pose
    end: Pose

    @cached_property
    def handles_m(self) -> tuple[float, float]:
        """Length of the first and the last leg of the control polygon."""
        (x0, y0, yaw0), (x1, y1, yaw1) = self.start, self.end
        dx, dy = x1 - x0, y1 - y0
        turn = math.sin(yaw1 - yaw0)
        if abs(turn) < 0.35:  # nearly straight on: the tangents meet far away or not at all
            return (math.hypot(dx, dy) / 3,) * 2
        first = (dx * math.sin(yaw1) - dy * math.cos(yaw1)) / turn
        second = (dy * math.cos(yaw0) - dx * math.sin(yaw0)) / -turn
        return _HANDLE * first, -_HANDLE * second

    @cached_property
    def coefficients(self) -> tuple[Floats, Floats]:
        """Both coordinates in the start's frame as polynomials of p in 0..1, lowest power first (OpenDRIVE: paramPoly3)."""
        (x0, y0, yaw0), (x1, y1, yaw1) = self.start, self.end
        c, s = math.cos(yaw0), math.sin(yaw0)
        u1, v1 = c * (x1 - x0) + s * (y1 - y0), -s * (x1 - x0) + c * (y1 - y0)
        h0, h1 = self.handles_m
        bend = yaw1 - yaw0
        u = (0.0, h0, u1 - h1 * math.cos(bend), u1)
        v = (0.0, 0.0, v1 - h1 * math.sin(bend), v1)
        return _power_basis(*u), _power_basis(*v)

    @cached_property
    def length_m(self) -> float:
        """Arc length."""
        x, y, _ = self.at(np.linspace(0.0, 1.0, 2001))
        return float(np.hypot(np.diff(x), np.diff(y)).sum())

    def at(self, share: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y, yaw at shares of its parameter `(n,)`."""
        x0, y0, yaw0 = self.start
        a, b = self.coefficients
        u, v = _value(a, share), _value(b, share)
        du, dv = _slope(a, share), _slope(b, share)
        c, s = math.cos(yaw0), math.sin(yaw0)
        return x0 + c * u - s * v, y0 + s * u + c * v, yaw0 + np.arctan2(dv, du)


Curve: TypeAlias = Arc | Cubic


def _power_basis(p0: float, p1: float, p2: float, p3: float) -> Floats:
    return np.array([p0, 3 * (p1 - p0), 3 * (p0 - 2 * p1 + p2), p3 - p0 + 3 * (p1 - p2)])


def _value(a: Floats, p: Floats) -> Floats:
    value: Floats = a[0] + p * (a[1] + p * (a[2] + p * a[3]))
    return value


def _slope(a: Floats, p: Floats) -> Floats:
    slope: Floats = a[1] + p * (2 * a[2] + p * 3 * a[3])
    return slope


def chain(start: Pose, parts: list[tuple[float, float]]) -> tuple[Curve, ...]:
    """Lines and arcs one after the other, from their lengths and curvatures; those without length are left out."""
    curves: list[Curve] = []
    for length_m, curvature in parts:
        if length_m > 1e-9:
            curves.append(Arc(start, length_m, curvature))
            start = curves[-1].end
    return tuple(curves)


def sample(curves: tuple[Curve, ...], spacing_m: float) -> tuple[Floats, Floats, Floats]:
    """x, y, yaw at points about `spacing_m` apart along curves, their joints and both ends among them."""
    columns = []
    for i, curve in enumerate(curves):
        n = max(2, math.ceil(curve.length_m / spacing_m))
        shares = np.linspace(0.0, 1.0, n + 1)
        columns.append(np.stack(curve.at(shares[(1 if i else 0) :])))
    x, y, yaw = np.concatenate(columns, axis=1)
    return x, y, yaw


def length(curves: tuple[Curve, ...]) -> float:
    """Arc length of all together."""
    return sum(c.length_m for c in curves)
