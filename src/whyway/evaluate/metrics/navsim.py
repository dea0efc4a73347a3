"""PDMS, the score of NAVSIM v1: its terms, one small pure function each, over arrays with any leading axes.

Names, thresholds and order are those of NAVSIM v1 (Dauner et al., "NAVSIM: Data-Driven Non-Reactive Autonomous Vehicle
Simulation and Benchmarking", NeurIPS 2024), which re-implements nuPlan's closed-loop metrics (Karnchanachari et al., ICRA 2024).
Comfort is in `navsim_comfort.py`, what version 2 adds in `navsim_v2.py`. Times T are samples every `dt_s`; actors A are the last
axis; what is not there is NaN and touches nothing. What needs the map (which lanes, which lights) comes in as arrays, so that the
same bodies judge a log and reward a batch.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

from array_api_compat import array_namespace

# the term C and its bounds, which belong to this score
from whyway.evaluate.metrics.navsim_comfort import COMFORT_BOUNDS as COMFORT_BOUNDS
from whyway.evaluate.metrics.navsim_comfort import LAT_ACCELERATION_MPS2 as LAT_ACCELERATION_MPS2
from whyway.evaluate.metrics.navsim_comfort import LON_ACCELERATION_MPS2 as LON_ACCELERATION_MPS2
from whyway.evaluate.metrics.navsim_comfort import LON_JERK_MPS3 as LON_JERK_MPS3
from whyway.evaluate.metrics.navsim_comfort import STEP_S as STEP_S
from whyway.evaluate.metrics.navsim_comfort import YAW_ACCELERATION_RPS2 as YAW_ACCELERATION_RPS2
from whyway.evaluate.metrics.navsim_comfort import YAW_RATE_RPS as YAW_RATE_RPS
from whyway.evaluate.metrics.navsim_comfort import comfort as comfort
from whyway.evaluate.metrics.navsim_comfort import comfort_signals as comfort_signals
from whyway.evaluate.metrics.navsim_comfort import savitzky_golay as savitzky_golay
from whyway.geometry import boxes_overlap, wrap_angle
from whyway.types import Floats

Array = Any

EGO_STANDS_MPS = 5e-2
ACTOR_STANDS_MPS = 5e-2
EGO_MOVES_MPS = 5e-3
"""Below this the ego is on no collision course."""

AHEAD_RAD, BEHIND_RAD = math.radians(30.0), math.radians(150.0)
"""Angle from the ego's heading, at the rear axle, to an actor's centre (nuplan-devkit, `observation/idm/utils.py`, as the speed above)."""

TTC_STEPS = (0, 3, 6, 9)
"""Projections ahead, in steps of `STEP_S`."""

PROGRESS_MIN_M = 5.0
"""Where nobody could have come farther than this, progress is full."""

ONCOMING_OK_M, ONCOMING_BAD_M, ONCOMING_WINDOW_S = 2.0, 6.0, 1.0

WEIGHTS = {"ego_progress": 5.0, "time_to_collision_within_bound": 5.0, "comfort": 2.0}
"""NAVSIM v1's weights of the averaged terms."""


class Collision(IntEnum):
    """How the ego and an actor touch (nuPlan's collision types)."""

    NONE = 0
    STOPPED_EGO = 1
    STOPPED_TRACK = 2
    REAR = 3
    FRONT = 4
    LATERAL = 5


# ---------------------------------------------------------------------------------------------------- collisions


def bearing(x_m: Array, y_m: Array, yaw_rad: Array, actor_x_m: Array, actor_y_m: Array) -> Array:
    """Angle in [0, pi] from the heading of poses `(..., 1)` to points `(..., A)`."""
    xp = array_namespace(actor_x_m)
    return xp.abs(wrap_angle(xp.atan2(actor_y_m - y_m, actor_x_m - x_m) - yaw_rad))


def collision_kinds(
    x_m: Array, y_m: Array, yaw_rad: Array, v_mps: Array,
    length_m: float, width_m: float, center_offset_m: float,
    actor_x_m: Array, actor_y_m: Array, actor_yaw_rad: Array, actor_v_mps: Array, actor_length_m: Array, actor_width_m: Array,
) -> Array:  # fmt: skip
    """How the ego touches each actor at each instant: `Collision` values `(..., T, A)`.

    Args:
      x_m: the ego's `base_link` `(..., T)`, as are `y_m`, `yaw_rad`, `v_mps`.
      y_m: see `x_m`.
      yaw_rad: see `x_m`.
      v_mps: see `x_m`.
      length_m: of the ego's box.
      width_m: of the ego's box.
      center_offset_m: from `base_link` forward to the box's centre.
      actor_x_m: box centres `(..., T, A)`, as are the other actor arrays; NaN where an actor is not there.
      actor_y_m: see `actor_x_m`.
      actor_yaw_rad: see `actor_x_m`.
      actor_v_mps: see `actor_x_m`.
      actor_length_m: see `actor_x_m`.
      actor_width_m: see `actor_x_m`.
    """
    xp = array_namespace(x_m)
    x, y, yaw, v = (a[..., None] for a in (x_m, y_m, yaw_rad, v_mps))
    c, s = xp.cos(yaw), xp.sin(yaw)
    actor = (actor_x_m, actor_y_m, actor_yaw_rad, actor_length_m, actor_width_m)
    touches = boxes_overlap(
        x + center_offset_m * c, y + center_offset_m * s, yaw, length_m, width_m, *actor
    )
    front = center_offset_m + length_m / 2
    bumper = boxes_overlap(x + front * c, y + front * s, yaw, 0.0, width_m, *actor)
    behind = bearing(x, y, yaw, actor_x_m, actor_y_m) > BEHIND_RAD
    kind = xp.where(bumper, int(Collision.FRONT), int(Collision.LATERAL))
    kind = xp.where(behind, int(Collision.REAR), kind)
    stands = xp.abs(actor_v_mps) <= ACTOR_STANDS_MPS
    kind = xp.where(stands, int(Collision.STOPPED_TRACK), kind)
    kind = xp.where(xp.abs(v) <= EGO_STANDS_MPS, int(Collision.STOPPED_EGO), kind)
    return xp.where(touches, kind, int(Collision.NONE))


def first_contact(kinds: Array) -> tuple[Array, Array]:
    """Index of the first instant `(..., A)` at which the ego touches each actor (T if never), and its kind there."""
    xp = array_namespace(kinds)
    touches = kinds != int(Collision.NONE)
    index = xp.argmax(xp.astype(touches, xp.int64), axis=-2)
    kind = xp.take_along_axis(kinds, index[..., None, :], axis=-2)[..., 0, :]
    return xp.where(xp.any(touches, axis=-2), index, kinds.shape[-2]), kind


def at_fault(kinds: Array, ego_astray: Array, ignore: Array) -> tuple[Array, Array, Array]:
    """Which actors `(..., A)` the ego runs into by its own fault, when (index, T if never), and the kind of each first contact.

    The first contact decides, as nuPlan's does: hitting with the front or hitting what stands is the ego's fault, a lateral
    contact is if the ego is in several lanes or off the road; being hit from behind or while standing is not.

    Args:
      kinds: from `collision_kinds` `(..., T, A)`.
      ego_astray: whether the ego is in several lanes or not wholly on the road `(..., T)`.
      ignore: actors not to judge `(..., A)`.
    """
    xp = array_namespace(kinds)
    index, kind = first_contact(kinds)
    last = kinds.shape[-2] - 1
    astray = xp.take_along_axis(
        xp.broadcast_to(ego_astray[..., None], kinds.shape),
        xp.clip(index, 0, last)[..., None, :],
        axis=-2,
    )[..., 0, :]
    fault = (kind == int(Collision.FRONT)) | (kind == int(Collision.STOPPED_TRACK))
    fault = fault | ((kind == int(Collision.LATERAL)) & astray)
    fault = fault & ~ignore & (index <= last)
    return fault, index, kind


def no_at_fault_collisions(fault: Array, is_agent: Array) -> Array:
    """NC `(...)`: 0 after an at-fault collision with a road user, 0.5 with an object, 1 otherwise."""
    xp = array_namespace(fault)
    person, thing = xp.any(fault & is_agent, axis=-1), xp.any(fault & ~is_agent, axis=-1)
    return xp.where(person, 0.0, xp.where(thing, 0.5, 1.0))


def time_to_collision_within_bound(
    x_m: Array, y_m: Array, yaw_rad: Array, v_mps: Array,
    length_m: float, width_m: float, center_offset_m: float,
    actor_x_m: Array, actor_y_m: Array, actor_yaw_rad: Array, actor_length_m: Array, actor_width_m: Array,
    ego_aside: Array, ignore: Array, dt_s: float = STEP_S,
) -> tuple[Array, Array]:  # fmt: skip
    """TTC `(...)`, and whether each instant `(..., T)` violates it.

    The ego goes on at constant velocity for 0, 0.3, 0.6 and 0.9 s; the actors are where they then are. A contact with one that is
    ahead (30 degrees) counts; with one aside (not behind) only if `ego_aside`. The first contact with an actor decides about it.

    Args:
      x_m: the ego's `base_link` `(..., T)`, as are `y_m`, `yaw_rad`, `v_mps`.
      y_m: see `x_m`.
      yaw_rad: see `x_m`.
      v_mps: see `x_m`.
      length_m: of the ego's box.
      width_m: of the ego's box.
      center_offset_m: from `base_link` forward to the box's centre.
      actor_x_m: box centres `(..., T + k, A)`, k >= 0 instants beyond the ego's, as are the other actor arrays.
      actor_y_m: see `actor_x_m`.
      actor_yaw_rad: see `actor_x_m`.
      actor_length_m: see `actor_x_m`.
      actor_width_m: see `actor_x_m`.
      ego_aside: whether the ego is in several lanes, off the road or in a junction `(..., T)`.
      ignore: actors not to judge `(..., A)`.
      dt_s: between instants; the projections are as far ahead at any.
    """
    xp = array_namespace(x_m)
    n = x_m.shape[-1]
    x, y, yaw, v = (a[..., None] for a in (x_m, y_m, yaw_rad, v_mps))
    c, s = xp.cos(yaw), xp.sin(yaw)
    touches, counts = [], []
    for k in TTC_STEPS:
        ax, ay, ayaw, al, aw = (
            _later(a, round(k * STEP_S / dt_s), n)
            for a in (actor_x_m, actor_y_m, actor_yaw_rad, actor_length_m, actor_width_m)
        )
        forward = center_offset_m + v * STEP_S * k
        hit = boxes_overlap(
            x + forward * c, y + forward * s, yaw, length_m, width_m, ax, ay, ayaw, al, aw
        )
        angle = bearing(x, y, yaw, ax, ay)
        touches.append(hit & (xp.abs(v) >= EGO_MOVES_MPS) & ~ignore[..., None, :])
        counts.append((angle < AHEAD_RAD) | (ego_aside[..., None] & (angle <= BEHIND_RAD)))
    # (..., T, K, A): in order of time, then of projection
    touch, count = xp.stack(touches, axis=-2), xp.stack(counts, axis=-2)
    shape = (*touch.shape[:-3], n * len(TTC_STEPS), touch.shape[-1])
    flat, count = xp.reshape(touch, shape), xp.reshape(count, shape)
    first = xp.argmax(xp.astype(flat, xp.int64), axis=-2)[..., None, :]
    decisive = xp.take_along_axis(count, first, axis=-2)
    bad = xp.any(flat & count & decisive, axis=-1)
    bad = xp.any(xp.reshape(bad, (*bad.shape[:-1], n, len(TTC_STEPS))), axis=-1)
    return xp.where(xp.any(bad, axis=-1), 0.0, 1.0), bad


def _later(values: Array, steps: int, n: int) -> Array:
    """The n samples that begin `steps` later; NaN beyond the end."""
    xp = array_namespace(values)
    part = values[..., steps : steps + n, :]
    missing = n - part.shape[-2]
    if missing <= 0:
        return part
    pad = xp.full((*part.shape[:-2], missing, part.shape[-1]), xp.nan, dtype=part.dtype)
    return xp.concat([part, pad], axis=-2)


# ---------------------------------------------------------------------------------------------- road and progress


def drivable_area_compliance(off_road: Array) -> Array:
    """DAC `(...)`: 0 if any corner is off the road at any instant; `off_road` is `(..., T)`."""
    xp = array_namespace(off_road)
    return xp.where(xp.any(off_road, axis=-1), 0.0, 1.0)


def driving_direction_compliance(x_m: Array, y_m: Array, oncoming: Array, dt_s: float) -> Array:
    """DDC `(...)`: metres of the centre `(..., T)` within 1 s in oncoming lanes; < 2 gives 1, < 6 gives 0.5, else 0."""
    xp = array_namespace(x_m)
    step = xp.hypot(x_m[..., 1:] - x_m[..., :-1], y_m[..., 1:] - y_m[..., :-1])
    step = xp.where(oncoming[..., 1:], step, xp.zeros_like(step))
    total = xp.cumulative_sum(step, axis=-1)
    window = max(1, round(ONCOMING_WINDOW_S / dt_s) + 1)
    before = xp.concat([xp.zeros_like(total[..., :window]), total[..., :-window]], axis=-1)
    worst = xp.max(total - before[..., : total.shape[-1]], axis=-1)
    return xp.where(worst < ONCOMING_OK_M, 1.0, xp.where(worst < ONCOMING_BAD_M, 0.5, 0.0))


def ego_progress(progress_m: Array, reference_m: Array) -> Array:
    """EP `(...)`: progress as a share of the farthest anyone could come, in [0, 1]; 1 where that is at most 5 m."""
    xp = array_namespace(progress_m)
    best = xp.where(reference_m > progress_m, reference_m, progress_m)
    share = xp.clip(progress_m, 0.0, None) / xp.clip(best, 1e-9, None)
    return xp.where(best <= PROGRESS_MIN_M, xp.ones_like(share), xp.clip(share, 0.0, 1.0))


def crossings_of_line(
    x_m: Array, y_m: Array, line_x_m: Floats, line_y_m: Floats, forward_yaw_rad: float
) -> Array:
    """Whether a point `(..., T)` crosses a line (its two ends) forwards in the step that leads to each instant `(..., T)`."""
    xp = array_namespace(x_m)
    ax, ay, bx, by = (
        float(line_x_m[0]),
        float(line_y_m[0]),
        float(line_x_m[-1]),
        float(line_y_m[-1]),
    )
    side = (bx - ax) * (y_m - ay) - (by - ay) * (x_m - ax)
    ux, uy = x_m[..., 1:] - x_m[..., :-1], y_m[..., 1:] - y_m[..., :-1]
    from_a = ux * (ay - y_m[..., :-1]) - uy * (ax - x_m[..., :-1])
    from_b = ux * (by - y_m[..., :-1]) - uy * (bx - x_m[..., :-1])
    forwards = ux * math.cos(forward_yaw_rad) + uy * math.sin(forward_yaw_rad) > 0.0
    changes = (side[..., :-1] > 0.0) != (side[..., 1:] > 0.0)
    crosses = changes & (from_a * from_b <= 0.0) & forwards
    return xp.concat([xp.zeros_like(crosses[..., :1]), crosses], axis=-1)


# --------------------------------------------------------------------------------------------------------- total


def weighted_terms(ep: Array, ttc: Array, c: Array) -> Array:
    """The averaged part of PDMS `(...)`: (5 EP + 5 TTC + 2 C) / 12."""
    w = WEIGHTS
    total = w["ego_progress"] * ep + w["time_to_collision_within_bound"] * ttc + w["comfort"] * c
    return total / sum(w.values())


def pdms(nc: Array, dac: Array, ep: Array, ttc: Array, c: Array) -> Array:
    """NAVSIM v1's score `(...)`: NC * DAC * (5 EP + 5 TTC + 2 C) / 12."""
    return nc * dac * weighted_terms(ep, ttc, c)
