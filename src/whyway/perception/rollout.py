"""Hypotheses -> predicted paths, all at once: a speed profile along a lane's line, or freely. No clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from whyway.geometry import wrap_angle
from whyway.maps.road import LanePath
from whyway.types import Direction, Floats, Intent, Ints

COMFORT_BRAKE_MPS2 = 2.0
TURN_ACCELERATION_MPS2 = 2.5
"""Lateral, in turns at junctions."""

_TURN_FADE_S = 1.5
_LASTS_S = 1e3  # an acceleration that does not fade
_NEVER = 1e3
_FINER = 5  # steps of integration per predicted step


@dataclass(frozen=True, slots=True)
class Mover:
    """What prediction needs of one track; `lane` is `(lane_id, s_m, d_m)` of the lane it is on or nearest to."""

    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    """Over ground, along its course."""
    course_rad: float
    acceleration_mps2: float
    yaw_rate_rps: float
    standing: bool
    is_vehicle: bool
    length_m: float
    lane: tuple[int, float, float] | None


@dataclass(frozen=True, eq=False)
class Line:
    """A lane path sampled evenly: rows `(n, 3)` of x, y, unwrapped yaw, one a metre; its turns `(from_s, to_s, side, comfortable speed)`."""

    path: LanePath
    rows: Floats
    turns: tuple[tuple[float, float, Direction, float], ...]
    starts: tuple[float, ...]
    """Where each lane of the path begins."""

    def yaw_at(self, s_m: float) -> float:
        """Heading at an arc length."""
        return float(self.rows[min(max(int(s_m), 0), len(self.rows) - 1), 2])


class Hypothesis(NamedTuple):
    """One thing a road user may do, ready to be rolled out along `line`, or freely where it is None."""

    intent: Intent
    weight: float
    line: Line | None
    x_m: float
    y_m: float
    yaw_rad: float
    """Of the box, where it moves freely."""
    v_mps: float
    acceleration_mps2: float = 0.0
    fade_s: float = _LASTS_S
    """Time constant with which the acceleration fades."""
    v_min_mps: float = 0.0
    """Braking ends there."""
    v_max_mps: float = _NEVER
    turn_v_mps: float = _NEVER
    """Speed to slow down to comfortably ..."""
    turn_from_s: float = 0.0
    """... braking from then on, for the turn ahead."""
    course_rad: float = 0.0
    yaw_rate_rps: float = 0.0
    s_m: float = 0.0
    d_m: float = 0.0
    target_d_m: float = 0.0
    settle_s: float = 4.0
    """The offset goes from `d_m` to `target_d_m` with this time constant."""
    waits: float = 0.0
    """1 if it stops at a line that holds it."""


_FIRST_NUMBER = Hypothesis._fields.index("x_m")
_COLUMN = {name: i for i, name in enumerate(Hypothesis._fields[_FIRST_NUMBER:])}


def sampled(path: LanePath) -> Line:
    """A lane path made ready for rolling out."""
    center = path.center
    s = np.arange(0.0, math.floor(center.length_m) + 2.0)
    x, y, yaw, _ = center.at(s)
    starts = path.lane_start_s.tolist()
    turns = []
    for start, end in zip(starts, [*starts[1:], center.length_m], strict=True):
        side = path.turn_at(start)
        if side is not Direction.NONE:
            inside = (center.s_m >= start) & (center.s_m <= end)
            bend = float(np.abs(center.curvature_1pm[inside]).max(initial=1e-3))
            turns.append((start, end, side, math.sqrt(TURN_ACCELERATION_MPS2 / bend)))
    return Line(path, np.stack([x, y, yaw], axis=-1), tuple(turns), tuple(starts))


def roll_out(
    hypotheses: Sequence[Hypothesis], t_s: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """x, y, yaw, speed, sigma `(h, k)` of h >= 1 hypotheses at k evenly spaced times `t_s` from now."""
    numbers = np.array([h[_FIRST_NUMBER:] for h in hypotheses], dtype=np.float64)
    v, travelled = _speeds(numbers, t_s)
    x, y, yaw = _freely(numbers, travelled, t_s)
    bound = np.array([i for i, h in enumerate(hypotheses) if h.line is not None], dtype=np.int64)
    if len(bound):
        lines = [h.line for h in hypotheses if h.line is not None]
        x[bound], y[bound], yaw[bound] = _along_lines(lines, numbers[bound], travelled[bound], t_s)
    moving = np.minimum(_of(numbers, "v_mps") / 5.0, 1.0)
    # fitted to the likeliest paths' errors in recorded US-101 traffic, SUMO scenes and our town
    sigma = np.sqrt(
        0.08**2 + ((0.1 + 0.3 * moving) * t_s) ** 2 + ((0.04 + 0.16 * moving) * t_s**2) ** 2
    )
    return x, y, wrap_angle(yaw), v, sigma


def _of(numbers: Floats, name: str) -> Floats:
    """One field of all hypotheses as a column `(h, 1)`."""
    i = _COLUMN[name]
    return numbers[:, i : i + 1]


def _speeds(n: Floats, t_s: Floats) -> tuple[Floats, Floats]:
    """Speed at the times and distance travelled until them."""
    fine = np.linspace(0.0, t_s[-1], _FINER * len(t_s) + 1)
    v0, fade = _of(n, "v_mps"), _of(n, "fade_s")
    v = v0 - _of(n, "acceleration_mps2") * fade * np.expm1(-fine / fade)
    slowing = v0 - COMFORT_BRAKE_MPS2 * np.maximum(fine - _of(n, "turn_from_s"), 0.0)
    v = np.minimum(v, np.maximum(_of(n, "turn_v_mps"), slowing))
    v = np.clip(v, np.minimum(_of(n, "v_min_mps"), v0), _of(n, "v_max_mps"))
    distance = np.cumsum(0.5 * (v[:, 1:] + v[:, :-1]) * (fine[1] - fine[0]), axis=1)
    return v[:, _FINER::_FINER], distance[:, _FINER - 1 :: _FINER]


def _freely(n: Floats, travelled: Floats, t_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Off the lanes: the course turns on while the turn rate fades, and the box turns with it."""
    turn = -_of(n, "yaw_rate_rps") * _TURN_FADE_S * np.expm1(-t_s / _TURN_FADE_S)
    before = np.concatenate([np.zeros_like(turn[:, :1]), turn[:, :-1]], axis=1)
    step = np.diff(travelled, axis=1, prepend=0.0)
    course = _of(n, "course_rad") + 0.5 * (turn + before)
    x = _of(n, "x_m") + np.cumsum(step * np.cos(course), axis=1)
    y = _of(n, "y_m") + np.cumsum(step * np.sin(course), axis=1)
    return x, y, _of(n, "yaw_rad") + turn


def _along_lines(
    lines: Sequence[Line], n: Floats, travelled: Floats, t_s: Floats
) -> tuple[Floats, Floats, Floats]:
    """On lanes: interpolation in all lines at once, laid end to end; beyond their ends they go on straight."""
    distinct = list(dict.fromkeys(lines))
    counts = [len(line.rows) for line in distinct]
    begins = dict(zip(distinct, np.cumsum([0, *counts]).tolist(), strict=False))
    table = np.concatenate([line.rows for line in distinct])
    offset: Ints = np.array([begins[line] for line in lines], dtype=np.int64)[:, None]
    count: Ints = np.array([len(line.rows) for line in lines], dtype=np.int64)[:, None]
    s = _of(n, "s_m") + travelled
    i = np.clip(np.floor(s).astype(np.int64), 0, count - 2)
    f = (s - i)[..., None]
    a, b = table[offset + i], table[offset + i + 1]
    at = a + f * (b - a)
    yaw = np.where(f[..., 0] > 1.0, b[..., 2], at[..., 2])
    target = _of(n, "target_d_m")
    d = target + (_of(n, "d_m") - target) * np.exp(-t_s / _of(n, "settle_s"))
    return at[..., 0] - d * np.sin(yaw), at[..., 1] + d * np.cos(yaw), yaw
