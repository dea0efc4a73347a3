"""The residual head's answer made a motion: `final = sft + delta`, small, nothing at first, and never sideways where nothing moves.

along_k = 1.5 m * min(t_k / 4 s, 1) * tanh(along of the net)
aside_k = 0.5 m * min(t_k / 4 s, 1) * tanh(aside of the net), changing by a tenth of the way driven since the last knot at most
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whyway.plan.course import Motion
from whyway.plan.knots import KNOT_TIMES_S, PER_KNOT, smooth
from whyway.types import Floats

ALONG_M, ASIDE_M = 1.5, 0.5
"""The most that is added along and aside of the path."""
GROWS_S = 4.0
"""When the bounds are reached."""
SLOPE = 0.1
"""Metres aside for a metre ahead, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What is added to a motion."""

    along_m: Floats
    """(T,) at the times of the waypoints."""
    aside_m: Floats
    """(KNOTS + 1,) left of the path, at 0 and the knots."""

    @property
    def is_nothing(self) -> bool:
        """Whether it changes nothing at all."""
        return not self.along_m.any() and not self.aside_m.any()


def bounded(answer: tuple[Floats, Floats], motion: Motion) -> Delta:
    """The residual head's answers, along and aside (KNOTS,), within their bounds, for the motion they are added to."""
    along, aside = answer
    grown = np.minimum(KNOT_TIMES_S / GROWS_S, 1.0)
    along_m = smooth(np.append(0.0, ALONG_M * grown * np.tanh(along)), 0.0)
    way = np.diff(motion.ahead_m[::PER_KNOT]).tolist()
    aside_m = [0.0]
    for wanted, ahead in zip((ASIDE_M * grown * np.tanh(aside)).tolist(), way, strict=True):
        step = SLOPE * ahead
        aside_m.append(min(max(wanted, aside_m[-1] - step), aside_m[-1] + step))
    return Delta(along_m, np.array(aside_m))


def sideways(delta: Delta, motion: Motion) -> Callable[[Floats], Floats]:
    """The offset left of the path that is added, by distance ahead (...), with a smooth course between the knots."""
    by_time = smooth(delta.aside_m, 0.0)
    at, index = np.unique(motion.ahead_m, return_index=True)

    def more_m(ahead_m: Floats) -> Floats:
        return np.interp(ahead_m, at, by_time[index])

    return more_m
