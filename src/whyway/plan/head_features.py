"""What the waypoint head reads, as numbers: the words of a decision, the ego, the way ahead, and the cited objects on it.

Everything that says how fast to drive is even: it is the same in a mirrored world. What tells left from right stands apart (`odd`,
`rows_odd`; left positive), and only the residual head's sideways part reads it. Numbers are scaled to about [-1, 1], finite, and well
resolved in half precision, in which examples are stored.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.maps.corridor import Corridor
from whyway.maps.manoeuvre import Manoeuvre
from whyway.maps.road import Road
from whyway.motion import Bools, SpeedProfile
from whyway.plan.course import Course, course_of, sample_times
from whyway.plan.knots import KNOT_TIMES_S, KNOTS, PER_KNOT
from whyway.plan.view import PlannerView
from whyway.trace.tokens import quantised
from whyway.types import (
    CYCLE_S,
    Direction,
    EgoState,
    Floats,
    Ints,
    Lateral,
    Longitudinal,
    PlanningTrace,
)

Float32s = NDArray[np.float32]

HEAD_VERSION = "1"
"""Changes with the meaning of any feature: a head reads only what it was trained on."""
MAX_ROWS = 16
"""Hypotheses that are looked at: those in the way first, then the nearest."""

_AHEAD_M = np.array(
    [0, 1, 2, 3, 4.5, 6, 8, 10, 12.5, 15, 18, 21, 25, 30, 35, 40, 50, 60, 70, 80, 95, 110, 130, 149]
)  # fmt: skip
"""Where the way ahead is sampled."""
_LOOKS_S = np.array([0.0, 2.0, 4.0])
_BENDS_M = np.array([5.0, 15.0, 30.0, 60.0])
_FAR_M = 100.0
_V, _A = 15.0, 3.0

STATE = (
    *(f"longitudinal_{w.name}" for w in Longitudinal), *(f"lateral_{w.name}" for w in Lateral), "has_side",
    "confidence", "target_speed", "target_speed_change", "target_acceleration",
    "has_stop", "stop", "stop_near_2", "stop_near_8", "stop_near_25", "stop_braking", "stop_time",
    "offset", "offset_from", "offset_until", "is_shifted", "is_leaving",
    "speed", "speed_squared", "standing", "acceleration", "aside", "askew",
)  # fmt: skip
PROFILE = (
    *(f"allowed_at_{m:g}_m" for m in _AHEAD_M), *(f"possible_at_{m:g}_m" for m in _AHEAD_M),
    *(f"allowed_at_pace_{t:g}_s" for t in KNOT_TIMES_S),
)  # fmt: skip
ROW = (
    "is_there", "probability", "crosses", "leaves", "half_length", "half_width", "closing_braking",
    *(f"ahead_{t:g}_s" for t in _LOOKS_S), *(f"aside_{t:g}_s" for t in _LOOKS_S),
    *(f"{what}_{t:g}_s" for what in ("blocks", "gap", "near", "along") for t in (0.0, *KNOT_TIMES_S)),
)  # fmt: skip
ODD = ("aside", "askew", "side", "offset", *(f"bend_{m:g}_m" for m in _BENDS_M))
ROW_ODD = tuple(f"aside_{t:g}_s" for t in _LOOKS_S)
WHOLE = (*STATE, *PROFILE)
SPEED_AT, SPEED_SCALE = STATE.index("speed"), _V
"""Where in `whole` the ego's speed stands, and in what unit [m/s]."""

_SHAPES = {
    "whole": (len(WHOLE),),
    "rows": (MAX_ROWS, len(ROW)),
    "odd": (len(ODD),),
    "rows_odd": (MAX_ROWS, len(ROW_ODD)),
}
HEAD_INPUT_SIZE = sum(math.prod(shape) for shape in _SHAPES.values())
"""Numbers of one flattened input."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadInput:
    """One view as the head reads it; leading axes `...` for many."""

    whole: Float32s
    """(..., len(WHOLE)) decision, ego and profile."""
    rows: Float32s
    """(..., MAX_ROWS, len(ROW)) hypotheses of cited objects; rows that are not there are all zero."""
    odd: Float32s
    """(..., len(ODD))"""
    rows_odd: Float32s
    """(..., MAX_ROWS, len(ROW_ODD))"""

    def flat(self) -> NDArray[np.float16]:
        """All numbers in a row (..., HEAD_INPUT_SIZE), in half precision, as they are stored."""
        parts = [getattr(self, name) for name in _SHAPES]
        lead = self.whole.shape[:-1]
        joined = np.concatenate([p.reshape(*lead, -1) for p in parts], axis=-1)
        return joined.astype(np.float16)

    @staticmethod
    def of_flat(flat: NDArray[np.float16] | Float32s) -> HeadInput:
        """The inverse of `flat`, for arrays (..., HEAD_INPUT_SIZE)."""
        assert flat.shape[-1] == HEAD_INPUT_SIZE, (
            f"{flat.shape[-1]} numbers, {HEAD_INPUT_SIZE} are needed"
        )
        values, parts, at = flat.astype(np.float32), [], 0
        for shape in _SHAPES.values():
            size = math.prod(shape)
            parts.append(values[..., at : at + size].reshape(*values.shape[:-1], *shape))
            at += size
        return HeadInput(*parts)


def said(view: PlannerView) -> PlannerView:
    """The view with its decision as tokens say it: numbers are the centres of their bins."""
    return dataclasses.replace(view, decision=quantised(view.decision))


def head_example(view: PlannerView, road: Road, config: Config) -> HeadInput | None:
    """What the head reads of a view; None off the lanes, where it is not asked."""
    view = said(view)
    course = course_of(view, road, config, sample_times(config))
    return None if course is None else head_input(view, course, config)


def head_input(view: PlannerView, course: Course, config: Config) -> HeadInput:
    """What the head reads of a view whose decision is quantised, on the course it means."""
    ego, m, c = view.ego, course.manoeuvre, course.corridor
    yaw_path = float(m.path.center.at(np.array([m.s_m]))[2][0])
    askew = float(wrap_angle(ego.yaw_rad - yaw_path))
    whole = np.concatenate(
        [_state(view.decision, ego, m, askew), _profile(course.profile, view.decision, ego)]
    )
    rows = np.zeros((MAX_ROWS, len(ROW)), dtype=np.float32)
    rows_odd = np.zeros((MAX_ROWS, len(ROW_ODD)), dtype=np.float32)
    if len(c.ids):
        blocks = c.obstacles(ego.v_mps).blocks
        order = _order(c, blocks)
        even, aside = _rows(c, blocks, ego, config.vehicle.front_m)
        rows[: len(order)], rows_odd[: len(order)] = even[order], aside[order]
    return HeadInput(
        whole.astype(np.float32), rows, _odd(view.decision, m, askew).astype(np.float32), rows_odd
    )


def _state(p: PlanningTrace, ego: EgoState, m: Manoeuvre, askew_rad: float) -> Floats:
    """`STATE`, in its order."""
    v = max(ego.v_mps, 0.0)
    has_stop = math.isfinite(p.stop_distance_m)
    stop = max(p.stop_distance_m, 0.0) if has_stop else 0.0
    near = [math.exp(-stop / reach) if has_stop else 0.0 for reach in (2.0, 8.0, 25.0)]
    braking = min(v * v / (2.0 * max(stop, 0.1)), 8.0) / 4.0 if has_stop else 0.0
    time = min(stop / max(v, 0.5), 16.0) / 8.0 if has_stop else 0.0
    words = [*(p.longitudinal == w for w in Longitudinal), *(p.lateral == w for w in Lateral)]
    return np.array([
        *words, p.direction != Direction.NONE,
        p.confidence, _cut(p.target_speed_mps / _V, 4.0), _cut((p.target_speed_mps - v) / 10.0, 3.0),
        _cut(p.target_acceleration_mps2 / _A, 3.0),
        has_stop, min(stop / 50.0, 4.0), *near, braking, time,
        abs(p.offset_m) / 2.0, _cut(p.offset_from_m / 50.0, 4.0), _cut(p.offset_until_m / 50.0, 4.0),
        m.shift is not None, m.leaving is not None,
        v / _V, v * v / (_V * _V), math.exp(-2.0 * v), _cut(ego.a_mps2 / _A, 3.0),
        min(abs(m.d_m) / 2.0, 4.0), min(3.0 * abs(askew_rad), 4.0),
    ], dtype=np.float64)  # fmt: skip


def _profile(profile: SpeedProfile, p: PlanningTrace, ego: EgoState) -> Floats:
    """`PROFILE`: the speeds the way and the words allow, by place and by where the ego is in time if it goes on as it does."""
    at = profile.step_m * np.arange(len(profile.allowed_mps))
    allowed = np.minimum(profile.allowed_mps, p.target_speed_mps)
    v = max(ego.v_mps, 0.0)
    pace = np.interp(v * KNOT_TIMES_S, at, allowed)
    return np.concatenate([
        np.interp(_AHEAD_M, at, allowed) / _V,
        np.minimum(np.interp(_AHEAD_M, at, profile.possible_mps) / _V, 3.0),
        (pace - v) / 10.0,
    ])  # fmt: skip


def _order(c: Corridor, blocks: Bools) -> Ints:
    """Rows to be read: those in the way before the others, the nearer first."""
    nearest = np.min(np.abs(c.ahead_m), axis=1)
    order: Ints = np.lexsort((nearest, ~blocks.any(axis=1)))
    return order[:MAX_ROWS]


def _rows(c: Corridor, blocks: Bools, ego: EgoState, front_m: float) -> tuple[Floats, Floats]:
    """`ROW` (H, len(ROW)) and `ROW_ODD` (H, len(ROW_ODD)) of a corridor's rows."""
    gap = c.ahead_m - c.half_length_m - front_m
    gap_when = np.where(blocks, np.clip(gap, -10.0, _FAR_M), _FAR_M)
    around = _around(blocks.shape[1])
    # between two knots somebody may come and go: at a knot stands what holds within half a knot's time
    in_way: Bools = np.any(blocks[:, around], axis=2)
    nearest = gap_when[:, around].min(axis=2)
    knots = around[:, PER_KNOT // 2]
    along = np.where(in_way, np.clip(c.along_mps[:, knots], -_V, 2 * _V), 0.0)
    looks = np.rint(_LOOKS_S / CYCLE_S).astype(np.int64)
    aside = np.clip(c.aside_m[:, looks] / 5.0, -4.0, 4.0)
    closing = np.maximum(ego.v_mps - c.along_mps[:, 0], 0.0)
    braking = np.clip(closing**2 / (2.0 * np.clip(gap[:, 0], 0.5, None)), 0.0, 8.0) / 4.0
    columns = [
        np.ones(len(gap)), c.probability, c.crosses, c.leaves,
        c.half_length_m[:, 0] / 5.0, c.half_width_m[:, 0] / 2.0, np.where(in_way.any(axis=1), braking, 0.0),
        np.clip(gap[:, looks] / 50.0, -2.0, 4.0), np.abs(aside),
        in_way, nearest / 50.0, np.exp(-np.clip(nearest, 0.0, None) / 8.0), along / _V,
    ]  # fmt: skip
    return np.column_stack(columns), aside


def _around(count: int) -> Ints:
    """(KNOTS + 1, PER_KNOT + 1) columns within half a knot's time of every knot, from now on."""
    half = np.arange(PER_KNOT + 1) - PER_KNOT // 2
    columns: Ints = np.clip(PER_KNOT * np.arange(KNOTS + 1)[:, None] + half, 0, count - 1)
    return columns


def _odd(p: PlanningTrace, m: Manoeuvre, askew_rad: float) -> Floats:
    """`ODD`: what changes its sign in a mirror."""
    side = {Direction.LEFT: 1.0, Direction.RIGHT: -1.0}.get(p.direction, 0.0)
    s = m.s_m + np.array([_BENDS_M - 2.0, _BENDS_M + 2.0])
    yaw = m.path.center.at(s)[2]
    bend = np.clip((yaw[1] - yaw[0]) / 4.0 * 10.0, -4.0, 4.0)
    return np.array(
        [_cut(m.d_m / 2.0, 4.0), _cut(3.0 * askew_rad, 4.0), side, p.offset_m / 2.0, *bend]
    )


def _cut(value: float, most: float) -> float:
    return min(max(value, -most), most)
