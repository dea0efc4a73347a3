"""WOSAC 2025: from trajectories to what is compared. Rules: waymo-open-dataset, `sim_agents_metrics/{trajectory,interaction}_features.py`.

Speeds and accelerations are central differences of positions and headings (angles taken the short way); who is there before the first
compared step gives it a difference. The distance to the nearest object is signed between outlines: negative is how deep boxes overlap.
Time to collision is to whom one follows: ahead of the front bumper, in the own trail, headed alike, at both speeds as they are now.

Shapes: N rollouts (or one recording), A road users, T steps. One deviation: differences of headings are wrapped, which the reference
forgets for time to collision, so that who drives towards -x follows nobody there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.evaluate.metrics.wosac import Bools, Features
from whyway.geometry import box_corners, distance_to_box, to_frame, wrap_angle
from whyway.types import CYCLE_S, Floats

FAR_M = 1e10
MOST_TTC_S = 5.0
_ALIGNED_RAD, _STRICTLY_RAD = math.radians(75.0), math.radians(10.0)
_SMALL_OVERLAP_M = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Everybody's box centres `(N, A, T)`, NaN where somebody is not there, and sizes `(A,)`."""

    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    length_m: Floats
    width_m: Floats

    @property
    def there(self) -> Bools:
        """Who is there when `(N, A, T)`."""
        return ~np.isnan(self.x_m)


def features(
    motion: Motion, road_edge_m: Floats, red_light: Bools, evaluated: Bools, first: int
) -> Features:
    """What is compared of the road users that are evaluated, from a step on.

    Args:
      motion: everybody; who is not evaluated is only in the others' way.
      road_edge_m: signed distance `(N, A, T)` of each box's worst corner from the road's edge, positive outside.
      red_light: whether a red light is run `(N, A, T)`.
      evaluated: `(A,)`, A' of them.
      first: the first compared step.

    Returns:
      `(N, A', T - first)`.
    """
    v, a, w, dw = kinematics(motion.x_m, motion.y_m, motion.yaw_rad)

    def mine(values: Any) -> Any:
        return values[:, evaluated, first:]

    return Features(
        valid=mine(motion.there),
        x_m=mine(motion.x_m),
        y_m=mine(motion.y_m),
        linear_speed=mine(v),
        linear_acceleration=mine(a),
        angular_speed=mine(w),
        angular_acceleration=mine(dw),
        distance_to_nearest_object=nearest_object(motion, evaluated)[..., first:],
        time_to_collision=time_to_collision(motion, v, evaluated)[..., first:],
        distance_to_road_edge=mine(road_edge_m),
        traffic_light_violation=mine(red_light),
    )


def one(of: Features) -> Features:
    """The first of N: a recording `(A, T)`."""
    return Features(*(getattr(of, name)[0] for name in Features.__dataclass_fields__))


def kinematics(x_m: Floats, y_m: Floats, yaw_rad: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Speed [m/s], acceleration along it [m/s2], yaw rate [rad/s], yaw acceleration [rad/s2], all `(..., T)`; NaN at the ends."""
    speed: Floats = np.hypot(_central(x_m), _central(y_m)) / CYCLE_S
    turn = wrap_angle(2.0 * _central(yaw_rad)) / 2.0
    bend = wrap_angle(2.0 * _central(turn)) / 2.0
    return speed, _central(speed) / CYCLE_S, turn / CYCLE_S, bend / CYCLE_S**2


def _central(values: Floats) -> Floats:
    pad = np.full((*values.shape[:-1], 1), np.nan)
    return np.concatenate([pad, (values[..., 2:] - values[..., :-2]) / 2.0, pad], axis=-1)


# ------------------------------------------------------------------------------------------------- nearest object


def signed_box_distance(
    ax_m: Floats, ay_m: Floats, a_yaw_rad: Floats, a_length_m: Floats, a_width_m: Floats,
    bx_m: Floats, by_m: Floats, b_yaw_rad: Floats, b_length_m: Floats, b_width_m: Floats,
) -> Floats:  # fmt: skip
    """Distance `(n,)` between the outlines of oriented boxes, negative where they overlap: by how little one must move to part them.

    That is the signed distance of the origin from the Minkowski difference. Outside, a corner of one is nearest to the other;
    inside, the nearest side is one of the two boxes' (Gottschalk, Lin, Manocha, "OBBTree", SIGGRAPH 1996: four axes).
    """
    a, b = (
        box_corners(ax_m, ay_m, a_yaw_rad, a_length_m, a_width_m),
        box_corners(bx_m, by_m, b_yaw_rad, b_length_m, b_width_m),
    )
    depth = np.full_like(ax_m, -np.inf)
    for yaw in (a_yaw_rad, a_yaw_rad + np.pi / 2, b_yaw_rad, b_yaw_rad + np.pi / 2):
        c, s = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
        pa, pb = a[..., 0] * c + a[..., 1] * s, b[..., 0] * c + b[..., 1] * s
        apart = np.maximum(pb.min(-1) - pa.max(-1), pa.min(-1) - pb.max(-1))
        depth = np.maximum(depth, apart)
    box_a = (v[..., None] for v in (ax_m, ay_m, a_yaw_rad, a_length_m, a_width_m))
    box_b = (v[..., None] for v in (bx_m, by_m, b_yaw_rad, b_length_m, b_width_m))
    gap = np.minimum(
        distance_to_box(a[..., 0], a[..., 1], *box_b).min(-1),
        distance_to_box(b[..., 0], b[..., 1], *box_a).min(-1),
    )
    found: Floats = np.where(depth < 0.0, depth, gap)
    return found


def nearest_object(motion: Motion, evaluated: Bools) -> Floats:
    """Signed distance [m] `(N, A', T)` to the nearest other road user; `FAR_M` where there is none, NaN where one is not there.

    Outlines are compared only where centres leave it open who is nearest: a box lies between its inscribed and its circumscribed circle.
    """
    n, count, steps = motion.x_m.shape
    mine = np.flatnonzero(evaluated)
    inner, outer = motion.width_m / 2, np.hypot(motion.length_m, motion.width_m) / 2
    inner = np.minimum(inner, motion.length_m / 2)
    result = np.full((n, len(mine), steps), np.nan)
    own = mine[:, None] == np.arange(count)
    for k in range(n):
        x, y = motion.x_m[k], motion.y_m[k]
        away = np.hypot(x[mine, None] - x[None], y[mine, None] - y[None])  # (A', A, T)
        away[own] = np.nan
        least = away - (outer[mine, None] + outer)[..., None]
        most = away - (inner[mine, None] + inner)[..., None]
        bound = np.where(np.isnan(most), np.inf, most).min(axis=1, keepdims=True)
        i, j, t = np.nonzero(least <= bound)
        a, b = mine[i], j
        yaw = motion.yaw_rad[k]
        exact = signed_box_distance(
            x[a, t], y[a, t], yaw[a, t], motion.length_m[a], motion.width_m[a],
            x[b, t], y[b, t], yaw[b, t], motion.length_m[b], motion.width_m[b],
        )  # fmt: skip
        found = np.full((len(mine), steps), FAR_M)
        np.minimum.at(found, (i, t), exact)
        result[k] = np.where(np.isnan(x[mine]), np.nan, found)
    return result


# ---------------------------------------------------------------------------------------------- time to collision


def time_to_collision(motion: Motion, speed_mps: Floats, evaluated: Bools) -> Floats:
    """Time [s] `(N, A', T)` to the one that is followed, at most 5; NaN where one is not there."""
    n, _, steps = motion.x_m.shape
    mine = np.flatnonzero(evaluated)
    result = np.empty((n, len(mine), steps))
    for k in range(n):
        x, y, yaw, v = (
            c[k].T for c in (motion.x_m, motion.y_m, motion.yaw_rad, speed_mps)
        )  # (T, A)
        gap, ahead = _followed(x, y, yaw, motion.length_m, motion.width_m, mine)
        closing = v[:, mine] - np.take_along_axis(v, ahead, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ttc = np.where(closing > 0.0, np.minimum(gap / closing, MOST_TTC_S), MOST_TTC_S)
        result[k] = np.where(np.isnan(x[:, mine]), np.nan, ttc).T
    return result


def _followed(
    x: Floats, y: Floats, yaw: Floats, length: Floats, width: Floats, mine: np.ndarray
) -> tuple[Floats, np.ndarray]:
    """Gap [m] to whom each of `mine` follows, `FAR_M` for nobody, and who it is: both `(T, A')`."""
    turn = np.abs(wrap_angle(yaw[:, None] - yaw[:, mine, None]))  # (T, A', A)
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    along, across = to_frame(
        x[:, None], y[:, None], x[:, mine, None], y[:, mine, None], yaw[:, mine, None]
    )
    gap = along - (length[mine, None] + length * cos + width * sin) / 2
    overlap = np.abs(across) - (width[mine, None] + length * sin + width * cos) / 2
    strictly = (overlap < -_SMALL_OVERLAP_M) | (turn <= _STRICTLY_RAD)
    follows = (gap > 0.0) & (turn <= _ALIGNED_RAD) & (overlap < 0.0) & strictly
    gap = np.where(follows, gap, FAR_M)
    ahead = np.argmin(gap, axis=-1)
    return np.take_along_axis(gap, ahead[..., None], axis=-1)[..., 0], ahead
