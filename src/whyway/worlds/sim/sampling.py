"""Many polylines at once, each sampled evenly: positions, headings, curvatures and widths, without a loop over lines.

Ragged arrays: the points of all lines stand one behind the other; `first` `(L,)` says where each begins. N points in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.geometry import wrap_angle
from whyway.maps.lanes import SMOOTHING_M
from whyway.types import Floats, Ints

_REACH = 3
"""Points to either side that smoothing looks at: three standard deviations at a spacing of a metre."""


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Values at the points of L lines, `(N,)` each, line after line."""

    first: Ints
    """`(L,)` index of each line's first point."""
    count: Ints
    """`(L,)` points of each line, 2 or more."""

    @property
    def owner(self) -> Ints:
        """`(N,)` the line each point belongs to."""
        return np.repeat(np.arange(len(self.count)), self.count)

    @property
    def place(self) -> Ints:
        """`(N,)` position of each point in its line."""
        place: Ints = np.arange(int(self.count.sum())) - np.repeat(self.first, self.count)
        return place

    @staticmethod
    def of(count: Ints) -> Ragged:
        """Lines of so many points each."""
        return Ragged(np.cumsum(count) - count, count)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """L lines sampled evenly: N points."""

    shape: Ragged
    x_m: Floats
    y_m: Floats
    ux: Floats
    """Step to the next point over the spacing: of length 1 but for what a chord is shorter than its arc."""
    uy: Floats
    yaw_rad: Floats
    """At the points, unwrapped along each line."""
    curvature_1pm: Floats
    """Of the segment behind each point: headings in between are exact."""
    bend_1pm: Floats
    """Curvature over four metres, for speeds: a survey's noise is not driven slowly through."""
    step_m: Floats
    """`(L,)`."""
    length_m: Floats
    """`(L,)`."""


def arc_lengths(x_m: Floats, y_m: Floats, shape: Ragged) -> Floats:
    """Arc length at each point from the start of its own line."""
    ds = np.hypot(np.diff(x_m, prepend=0.0), np.diff(y_m, prepend=0.0))
    ds[shape.first] = 0.0
    s = np.cumsum(ds)
    local: Floats = s - np.repeat(s[shape.first], shape.count)
    return local


def sample_lines(
    x_m: Floats, y_m: Floats, shape: Ragged, smooth: NDArray[np.bool_], spacing_m: float
) -> tuple[Samples, Any]:
    """Lines sampled about every `spacing_m`, those of `smooth` `(L,)` with their kinks rounded (their ends stay).

    Returns:
      The samples, and a function that carries values `(points given,)` over to them.
    """
    s = arc_lengths(x_m, y_m, shape)
    length = s[shape.first + shape.count - 1]
    even = Ragged.of(np.maximum(2, np.round(length / spacing_m).astype(np.int64) + 1))

    def carry(values: Floats) -> Floats:
        return _interpolated(values, s, shape, even)

    x, y = carry(x_m), carry(y_m)
    x, y = _smoothed(x, even, smooth), _smoothed(y, even, smooth)
    # rounding moved the points together in curves: once more evenly
    again = arc_lengths(x, y, even)
    x, y = (_interpolated(v, again, even, even) for v in (x, y))
    chord = arc_lengths(x, y, even)
    length = chord[even.first + even.count - 1]
    step = length / (even.count - 1)
    return _with_headings(x, y, even, step, length), carry


def _interpolated(values: Floats, s_m: Floats, given: Ragged, wanted: Ragged) -> Floats:
    """Values at arc lengths `s_m` of each line, at evenly spaced points of it."""
    length = s_m[given.first + given.count - 1]
    # one long axis with a gap between lines, so that a single interpolation serves them all
    base = np.cumsum(length + 1.0) - length
    at = wanted.place / np.repeat(wanted.count - 1, wanted.count) * np.repeat(length, wanted.count)
    found: Floats = np.interp(
        at + np.repeat(base, wanted.count), s_m + np.repeat(base, given.count), values
    )
    return found


def _smoothed(values: Floats, shape: Ragged, smooth: NDArray[np.bool_]) -> Floats:
    """Gaussian means along each line, which goes on beyond its ends by point reflection, so that its ends do not move."""
    place, first = shape.place, np.repeat(shape.first, shape.count)
    last = np.repeat(shape.count - 1, shape.count)
    radius = np.repeat(np.where(smooth, np.minimum(_REACH, shape.count - 1), 0), shape.count)
    total, weight = np.zeros_like(values), np.zeros_like(values)
    for offset in range(-_REACH, _REACH + 1):
        at = place + offset
        inside = np.clip(at, 0, last)
        mirror = np.clip(2 * inside - at, 0, last)
        value = values[first + inside] * np.where(inside == at, 1, 2)
        value -= np.where(inside == at, 0.0, values[first + mirror])
        w = np.exp(-0.5 * (offset / SMOOTHING_M) ** 2) * (abs(offset) <= radius)
        total, weight = total + w * value, weight + w
    mean: Floats = total / weight
    return mean


def _with_headings(x: Floats, y: Floats, shape: Ragged, step: Floats, length: Floats) -> Samples:
    first, last = shape.first, shape.first + shape.count - 1
    each = np.repeat(step, shape.count)
    dx, dy = np.diff(x, append=0.0), np.diff(y, append=0.0)
    dx[last], dy[last] = dx[last - 1], dy[last - 1]
    heading = np.arctan2(dy, dx)
    turn = wrap_angle(np.diff(heading, prepend=0.0))
    turn[first] = heading[first]
    total = np.cumsum(turn)
    heading = total - np.repeat(total[first] - heading[first], shape.count)
    before = np.concatenate([heading[:1], heading[:-1]])
    # at the ends the bend goes on as it is beside them
    bent = shape.count > 2
    before[first] = heading[first] - np.where(bent, heading[first + 1] - heading[first], 0.0)
    heading[last] += np.where(bent, heading[last - 1] - heading[last - np.where(bent, 2, 1)], 0.0)
    yaw = (before + heading) / 2
    curvature = np.diff(yaw, append=0.0) / each
    curvature[last] = 0.0
    place, top = shape.place, np.repeat(shape.count - 1, shape.count)
    low, high = np.maximum(place - 2, 0), np.minimum(place + 2, top)
    base = np.repeat(first, shape.count)
    bend = (yaw[base + high] - yaw[base + low]) / ((high - low) * each)
    return Samples(shape, x, y, dx / each, dy / each, yaw, curvature, bend, step, length)
