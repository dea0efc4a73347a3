"""Driving aside of the lane's centre for a while: round somebody who stands in it, or to leave somebody room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.types import Floats

LATERAL_MPS2 = 1.2
"""Lateral acceleration of moving aside, at its strongest."""
BEND_1PM = 0.2
"""Tightest bend of moving aside at walking pace."""
_LEAST_M, _LEAST_S = 4.0, 1.0
_STRONGEST = 10.0 / math.sqrt(3.0)
"""Largest second derivative of the least-jerk step u^3 (10 - 15 u + 6 u^2)."""


@dataclass(frozen=True, slots=True)
class Swerve:
    """`offset_m` left of the centre from `from_m` to `until_m` ahead of `base_link`, moving over before and back behind."""

    offset_m: float
    from_m: float
    until_m: float


def shift_length_m(by_m: float, v_mps: float) -> float:
    """Over what distance one moves aside comfortably by some metres at a speed."""
    strongest = _STRONGEST * abs(by_m)
    bend = math.sqrt(strongest / BEND_1PM)
    return max(_LEAST_M, bend, v_mps * math.sqrt(strongest / LATERAL_MPS2))


@dataclass(frozen=True, slots=True)
class Shift:
    """A swerve from where the ego is and heads: offset left of the centre by distance ahead."""

    swerve: Swerve
    d0_m: float
    slope: float
    """Of the ego's heading against the path's, as a tangent."""
    begin_m: float
    """Where moving over begins ..."""
    length_m: float
    """... and over what distance it does."""
    back_m: float
    """Over what distance it moves back."""

    @staticmethod
    def of(swerve: Swerve, d0_m: float, heading_rad: float, v_mps: float) -> Shift:
        """The swerve begun from an offset and a heading relative to the path, at a speed."""
        comfortable = shift_length_m(swerve.offset_m - d0_m, v_mps)
        slope = math.tan(min(max(heading_rad, -0.6), 0.6))
        # who is on the way over already goes on; else it begins no sooner than it must
        begin = max(0.0, swerve.from_m - comfortable) if abs(slope) < 0.03 else 0.0
        least = max(_LEAST_M, _LEAST_S * v_mps)
        length = max(least, min(swerve.from_m - begin, 2.0 * comfortable))
        return Shift(swerve, d0_m, slope, begin, length, shift_length_m(swerve.offset_m, v_mps))

    @property
    def bend_1pm(self) -> float:
        """The tightest bend on the way over, relative to the path."""
        step = self.length_m / 12.0
        return float(self.bend_at(self.begin_m + step * np.arange(13.0), 0.5 * step).max())

    def bend_at(self, ahead_m: Any, step_m: float = 0.5) -> Floats:
        """Bend (without sign) relative to the path at distances ahead `(...)`, over two steps."""
        x = np.asarray(ahead_m, dtype=np.float64)
        second = self.at(x + step_m) - 2.0 * self.at(x) + self.at(np.maximum(x - step_m, 0.0))
        result: Floats = np.where(x >= step_m, np.abs(second) / (step_m * step_m), 0.0)
        return result

    def at(self, ahead_m: Any) -> Floats:
        """Offset at distances ahead `(...)`: quintics with least jerk, over and back."""
        x = np.asarray(ahead_m, dtype=np.float64)
        u = np.clip((x - self.begin_m) / self.length_m, 0.0, 1.0)
        w = np.clip((x - self.swerve.until_m) / self.back_m, 0.0, 1.0)
        by = self.swerve.offset_m - self.d0_m
        over = self.d0_m + by * _step(u) + self.slope * self.length_m * _leaning(u)
        result: Floats = over - self.swerve.offset_m * _step(w)
        return result


def _step(u: Floats) -> Floats:
    result: Floats = u**3 * (10.0 - 15.0 * u + 6.0 * u * u)
    return result


def _leaning(u: Floats) -> Floats:
    """Slope 1 at 0, nothing left of value, slope and bend at 1, no bend at 0."""
    result: Floats = u - 6.0 * u**3 + 8.0 * u**4 - 3.0 * u**5
    return result
