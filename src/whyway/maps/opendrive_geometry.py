"""Reference lines of OpenDRIVE roads: lines, arcs, spirals, poly3 and paramPoly3, evaluated for all roads of a map at once.

Every record is measured by arc length, as the standard says (ASAM OpenDRIVE 1.7, chapter 7); for the cubics that means to
invert their arc length. Beyond its ends a record goes on straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from whyway.types import Floats, Ints

MAX_TURN_RAD = 40.0
"""Most that one record may turn: six times round, more than any car park's ramp. The quadrature below is exact to there."""

Coefficients: TypeAlias = tuple[float, float, float, float]
"""a, b, c, d of a + b p + c p^2 + d p^3."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_CELL_NODES, _CELL_WEIGHTS = np.polynomial.legendre.leggauss(6)
_CELLS = 64
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    """One `<geometry>`: where it starts, and either a curvature that changes evenly or a parametric cubic.

    `u`, `v` are the cubic's coordinates in the frame of its start, for p in 0..1.
    """

    s_m: float
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    curvature_1pm: tuple[float, float] = (0.0, 0.0)
    u: Coefficients | None = None
    v: Coefficients | None = None


def parametric(u: Coefficients, v: Coefficients, p_end: float) -> tuple[Coefficients, Coefficients]:
    """Coefficients for p in 0..1 of a cubic given for p in 0..p_end (pRange="arcLength")."""
    scale = (1.0, p_end, p_end**2, p_end**3)
    pairs = [tuple(w * k for w, k in zip(c, scale, strict=True)) for c in (u, v)]
    return pairs[0], pairs[1]  # type: ignore[return-value]


def explicit(v: Coefficients, length_m: float) -> tuple[Coefficients, Coefficients]:
    """A poly3 v(u) as a parametric cubic whose arc length is `length_m`: Newton on the arc length over u.

    The arc length rises at least as fast as u and is convex or concave in pieces; u stays within 0..length_m.
    """
    _, b, c, d = v
    end = length_m
    for _ in range(50):
        u = end * (_NODES + 1) / 2
        arc = end / 2 * float(_WEIGHTS @ np.hypot(1.0, b + u * (2 * c + u * 3 * d)))
        step = (arc - length_m) / float(np.hypot(1.0, b + end * (2 * c + end * 3 * d)))
        end = min(max(end - step, 0.0), length_m)
        if abs(step) < 1e-12 * length_m:
            break
    return parametric((0.0, 1.0, 0.0, 0.0), v, end)


class PlanView:
    """All geometry records of a map, G of them."""

    def __init__(self, records: Sequence[Record]) -> None:
        columns = [(r.s_m, r.x_m, r.y_m, r.yaw_rad, r.length_m, *r.curvature_1pm) for r in records]
        table = np.array(columns, dtype=np.float64).reshape(-1, 7)
        self.s_m, self.x_m, self.y_m, self.yaw_rad, self.length_m, self._k0, self._k1 = table.T
        cubic = [i for i, r in enumerate(records) if r.u is not None and r.v is not None]
        self._row = np.full(len(records), -1, dtype=np.int64)
        self._row[cubic] = np.arange(len(cubic))
        self._cubics = _Cubics(
            np.array([records[i].u for i in cubic], dtype=np.float64).reshape(-1, 4),
            np.array([records[i].v for i in cubic], dtype=np.float64).reshape(-1, 4),
        )
        self._bent = (self._k0 != self._k1) & (self._row < 0)

    @cached_property
    def sharpest_1pm(self) -> Floats:
        """The greatest curvature of each record `(G,)`; of a cubic, at 65 points along it."""
        sharpest: Floats = np.maximum(np.abs(self._k0), np.abs(self._k1))
        cubic = self._row >= 0
        sharpest[cubic] = self._cubics.sharpest_1pm[self._row[cubic]]
        return sharpest

    def at(self, record: Ints, ds_m: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y, yaw at `ds_m` from the start of records, both `(n,)`."""
        # in blocks: the quadratures hold 40 numbers for each place
        blocks = [slice(i, i + _BLOCK) for i in range(0, max(len(record), 1), _BLOCK)]
        parts = [self._at(record[b], ds_m[b]) for b in blocks]
        x, y, yaw = (np.concatenate(column) for column in zip(*parts, strict=True))
        return x, y, yaw

    def _at(self, record: Ints, ds_m: Floats) -> tuple[Floats, Floats, Floats]:
        length = self.length_m[record]
        ds = np.clip(ds_m, 0.0, length)
        k0, k1 = self._k0[record], self._k1[record]
        # an arc's chord and its direction; a line is an arc without curvature
        half = ds * k0 / 2
        chord = ds * np.sinc(half / np.pi)
        u, v, turned = chord * np.cos(half), chord * np.sin(half), 2 * half
        bent = np.flatnonzero(self._bent[record])
        if len(bent):
            u[bent], v[bent], turned[bent] = _spiral(k0[bent], k1[bent], length[bent], ds[bent])
        cubic = np.flatnonzero(self._row[record] >= 0)
        if len(cubic):
            share = ds[cubic] / np.maximum(length[cubic], 1e-12)
            u[cubic], v[cubic], turned[cubic] = self._cubics.at(self._row[record[cubic]], share)
        c, s = np.cos(self.yaw_rad[record]), np.sin(self.yaw_rad[record])
        yaw = self.yaw_rad[record] + turned
        beyond = ds_m - ds
        x = self.x_m[record] + c * u - s * v + beyond * np.cos(yaw)
        y = self.y_m[record] + s * u + c * v + beyond * np.sin(yaw)
        return x, y, yaw


def _spiral(k0: Floats, k1: Floats, length: Floats, ds: Floats) -> tuple[Floats, Floats, Floats]:
    """u, v and the heading of clothoids at `ds`: the Fresnel integrals by Gauss-Legendre quadrature.

    Unlike the closed form it loses no digits where the curvature hardly changes.
    """
    rate = (k1 - k0) / np.maximum(length, 1e-12)
    at = ds[:, None] * (_NODES + 1) / 2
    heading = at * (k0[:, None] + at * rate[:, None] / 2)
    u = ds / 2 * (np.cos(heading) @ _WEIGHTS)
    v = ds / 2 * (np.sin(heading) @ _WEIGHTS)
    return u, v, ds * (k0 + ds * rate / 2)


class _Cubics:
    """C parametric cubics, each over p in 0..1, evaluated at shares of their arc length."""

    def __init__(self, u: Floats, v: Floats) -> None:
        self._u, self._v = u, v
        self._p = np.linspace(0.0, 1.0, _CELLS + 1)
        self._arc = np.zeros((len(u), _CELLS + 1))
        # node by node, to hold no more than one number for each cell
        for node, weight in zip(_CELL_NODES, _CELL_WEIGHTS, strict=True):
            p = self._p[:-1] + (node + 1) / 2 / _CELLS
            speed = self._speed(np.arange(len(u))[:, None], p[None])
            self._arc[:, 1:] += speed * weight / 2 / _CELLS
        np.cumsum(self._arc, axis=1, out=self._arc)

    @cached_property
    def sharpest_1pm(self) -> Floats:
        i, p = np.arange(len(self._u))[:, None], self._p[None]
        du, dv = _slope(self._u[i], p), _slope(self._v[i], p)
        ddu, ddv = _bend(self._u[i], p), _bend(self._v[i], p)
        speed = np.maximum(np.hypot(du, dv), 1e-6 * (1e-6 + self._arc[:, -1:]))
        sharpest: Floats = np.max(np.abs(du * ddv - dv * ddu) / speed**3, axis=1, initial=0.0)
        return np.minimum(sharpest, 1e3)

    def at(self, row: Ints, share: Floats) -> tuple[Floats, Floats, Floats]:
        """u, v and heading `(n,)` where the arc length is a share of the whole."""
        p = self._parameter(row, share)
        du, dv = _slope(self._u[row], p), _slope(self._v[row], p)
        still = np.hypot(du, dv) < 1e-9
        if still.any():  # a cusp, mostly at an end: the heading next to it
            near = np.where(p < 0.5, p + 1e-6, p - 1e-6)
            du = np.where(still, _slope(self._u[row], near), du)
            dv = np.where(still, _slope(self._v[row], near), dv)
        return _value(self._u[row], p), _value(self._v[row], p), np.arctan2(dv, du)

    def _parameter(self, row: Ints, share: Floats) -> Floats:
        """P where the arc length is a share of the whole: looked up, then two Newton steps."""
        total = np.maximum(self._arc[:, -1:], 1e-12)
        # all rows one behind the other, so that one search serves all
        flat = (self._arc / total + 2 * np.arange(len(total))[:, None]).ravel()
        cell = np.searchsorted(flat, share + 2 * row, side="right") - 1 - row * (_CELLS + 1)
        cell = np.clip(cell, 0, _CELLS - 1)
        goal = share * total[row, 0] - self._arc[row, cell]
        low = cell / _CELLS
        size = np.maximum(self._arc[row, cell + 1] - self._arc[row, cell], 1e-12)
        p = low + np.clip(goal / size, 0.0, 1.0) / _CELLS
        for _ in range(2):
            at = low[:, None] + (p - low)[:, None] * (_CELL_NODES + 1) / 2
            arc = (p - low) / 2 * (self._speed(row[:, None], at) @ _CELL_WEIGHTS)
            here = np.maximum(self._speed(row, p), 0.05 * size * _CELLS)
            p = np.clip(p - (arc - goal) / np.maximum(here, 1e-12), low, low + 1.0 / _CELLS)
        result: Floats = p
        return result

    def _speed(self, row: Ints, p: Floats) -> Floats:
        speed: Floats = np.hypot(_slope(self._u[row], p), _slope(self._v[row], p))
        return speed


def _value(c: Floats, p: Floats) -> Floats:
    value: Floats = c[..., 0] + p * (c[..., 1] + p * (c[..., 2] + p * c[..., 3]))
    return value


def _slope(c: Floats, p: Floats) -> Floats:
    slope: Floats = c[..., 1] + p * (2 * c[..., 2] + p * 3 * c[..., 3])
    return slope


def _bend(c: Floats, p: Floats) -> Floats:
    bend: Floats = 2 * c[..., 2] + p * 6 * c[..., 3]
    return bend
