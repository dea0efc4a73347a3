"""How close was it? TTC, THW, PET, DRAC, a_req, TET and TIT of the ego and everyone else, over arrays with any leading axes.

Definitions: Westhofen et al., "Criticality Metrics for Automated Driving: A Review and Suitability Analysis of the State of the Art",
Archives of Computational Methods in Engineering 30 (2023), section 4, and its supplement criticality-metrics.readthedocs.io; the
papers that brought them in are named at each function. Actors A are the last axis, times T the one before; NaN is not there.
Ours where they leave it open: distance is that of boxes, not of points; who is followed is found along the arc that the ego is on.
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace

from whyway.geometry import boxes_overlap, to_frame, wrap_angle

Array = Any

TTC_TARGET_S = 1.5
"""TET and TIT count below this: van der Horst & Hogema (1994) found it to tell critical encounters from others in towns."""

REACH_M = 100.0
"""Nobody farther ahead is followed: the arc says nothing about the road there."""

STRAIGHT_1PM = 1e-6
"""A smaller curvature is taken for this one."""

STANDS_MPS = 0.1
NEAREST_GAP_M = 0.1
"""Smaller gaps count as this one: a required deceleration has no bound where boxes touch."""

CROSSING_RAD = math.radians(30.0)
"""Paths that meet at a smaller angle are followed, not crossed: time headway tells of those."""


def contact_interval(
    x_m: Array, y_m: Array, yaw_rad: Array, vx_mps: Array, vy_mps: Array, length_m: Array, width_m: Array,
    actor_x_m: Array, actor_y_m: Array, actor_yaw_rad: Array, actor_vx_mps: Array, actor_vy_mps: Array,
    actor_length_m: Array, actor_width_m: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """From when to when two boxes would overlap if both went on at constant velocity: seconds `(...)`, (inf, -inf) if never.

    Separating axes: on each of the four side normals two boxes overlap during one interval of time, and altogether during what these
    have in common. All arguments `(...)`, broadcast together; x, y are the boxes' centres. The start may lie in the past.
    """
    xp = array_namespace(actor_x_m)
    dx, dy = actor_x_m - x_m, actor_y_m - y_m
    ux, uy = actor_vx_mps - vx_mps, actor_vy_mps - vy_mps
    turn = actor_yaw_rad - yaw_rad
    cos_d, sin_d = xp.abs(xp.cos(turn)), xp.abs(xp.sin(turn))
    half = (length_m / 2, width_m / 2, actor_length_m / 2, actor_width_m / 2)
    begin = xp.full_like(dx, -math.inf)
    end = xp.full_like(dx, math.inf)
    for yaw, (along, across, other_along, other_across) in (
        (yaw_rad, half), (actor_yaw_rad, (*half[2:], *half[:2])),
    ):  # fmt: skip
        c, s = xp.cos(yaw), xp.sin(yaw)
        for nx, ny, reach in (
            (c, s, along + other_along * cos_d + other_across * sin_d),
            (-s, c, across + other_along * sin_d + other_across * cos_d),
        ):
            distance, speed = dx * nx + dy * ny, ux * nx + uy * ny
            stays = xp.abs(speed) < 1e-9
            safe = xp.where(stays, xp.ones_like(speed), speed)
            middle, half_time = -distance / safe, xp.abs(reach / safe)
            apart = xp.abs(distance) > reach
            first = xp.where(stays, xp.where(apart, math.inf, -math.inf), middle - half_time)
            last = xp.where(stays, xp.where(apart, -math.inf, math.inf), middle + half_time)
            begin, end = xp.where(first > begin, first, begin), xp.where(last < end, last, end)
    meets = (begin <= end) & ~xp.isnan(dx)
    return xp.where(meets, begin, math.inf), xp.where(meets, end, -math.inf)


def time_to_collision(begin_s: Array, end_s: Array) -> Array:
    """TTC `(...)`: until the boxes touch at constant velocities, 0 while they do, inf if they never will (Hayward 1972)."""
    xp = array_namespace(begin_s)
    ahead = xp.where(end_s >= 0.0, begin_s, math.inf)
    return xp.where(ahead > 0.0, ahead, xp.zeros_like(ahead))


def time_exposed(ttc_s: Array, dt_s: float, target_s: float = TTC_TARGET_S) -> Array:
    """TET `(...)` [s]: for how long TTC `(..., T)` was at most the target (Minderhoud & Bovy 2001)."""
    xp = array_namespace(ttc_s)
    return xp.sum(xp.where(ttc_s <= target_s, dt_s, 0.0), axis=-1)


def time_integrated(ttc_s: Array, dt_s: float, target_s: float = TTC_TARGET_S) -> Array:
    """TIT `(...)` [s^2]: by how much TTC `(..., T)` was below the target, integrated over time (Minderhoud & Bovy 2001)."""
    xp = array_namespace(ttc_s)
    below = xp.where(ttc_s <= target_s, target_s - ttc_s, xp.zeros_like(ttc_s))
    return xp.sum(below, axis=-1) * dt_s


def following(
    x_m: Array, y_m: Array, yaw_rad: Array, curvature_1pm: Array, length_m: float, width_m: float, center_offset_m: float,
    actor_x_m: Array, actor_y_m: Array, actor_yaw_rad: Array, actor_v_mps: Array, actor_length_m: Array, actor_width_m: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Gap from the front bumper to whoever is in the ego's way ahead, and his speed along it `(..., T, A)`; inf and 0 for others.

    In the way is whose box reaches into the strip that the ego's width sweeps along its arc, up to `REACH_M` and a quarter turn, unless
    he comes towards it.

    Args:
      x_m: the ego's `base_link` `(..., T)`, as are `y_m`, `yaw_rad`, `curvature_1pm`.
      y_m: see `x_m`.
      yaw_rad: see `x_m`.
      curvature_1pm: of the arc the ego is on, left positive.
      length_m: of the ego's box.
      width_m: of the ego's box.
      center_offset_m: from `base_link` forward to the box's centre.
      actor_x_m: box centres `(..., T, A)`, as are the other actor arrays.
      actor_y_m: see `actor_x_m`.
      actor_yaw_rad: see `actor_x_m`.
      actor_v_mps: see `actor_x_m`.
      actor_length_m: see `actor_x_m`.
      actor_width_m: see `actor_x_m`.
    """
    xp = array_namespace(actor_x_m)
    x, y, yaw, k = (a[..., None] for a in (x_m, y_m, yaw_rad, curvature_1pm))
    ahead, left = to_frame(actor_x_m, actor_y_m, x, y, yaw)
    k = xp.where(xp.abs(k) < STRAIGHT_1PM, STRAIGHT_1PM, k)
    radius, side = 1.0 / xp.abs(k), xp.where(k > 0.0, 1.0, -1.0)
    inward = left * side
    angle = xp.atan2(ahead, radius - inward)
    s, d = radius * angle, radius - xp.hypot(ahead, radius - inward)
    turn = actor_yaw_rad - yaw - angle * side
    cos_d, sin_d = xp.cos(turn), xp.abs(xp.sin(turn))
    half_length = (xp.abs(cos_d) * actor_length_m + sin_d * actor_width_m) / 2
    half_width = (sin_d * actor_length_m + xp.abs(cos_d) * actor_width_m) / 2
    speed = actor_v_mps * cos_d
    lead = (s > center_offset_m) & (s < REACH_M) & (xp.abs(angle) < math.pi / 2)
    lead = lead & (xp.abs(d) < half_width + width_m / 2) & (speed > -STANDS_MPS)
    gap = s - half_length - center_offset_m - length_m / 2
    gap = xp.where(gap > 0.0, gap, xp.zeros_like(gap))
    return xp.where(lead, gap, math.inf), xp.where(lead, speed, xp.zeros_like(speed))


def time_headway(gap_m: Array, v_mps: Array) -> Array:
    """THW `(..., T, A)`: until the ego's front is where the rear of who is ahead is now (Jansson 2005); inf if it stands."""
    xp = array_namespace(gap_m)
    v = v_mps[..., None]
    moves = v > STANDS_MPS
    return xp.where(moves, gap_m / xp.where(moves, v, xp.ones_like(v)), math.inf)


def deceleration_to_avoid_crash(gap_m: Array, v_mps: Array, lead_v_mps: Array) -> Array:
    """DRAC `(..., T, A)` >= 0: (v - v_lead)^2 / (2 gap) where the ego closes in, else 0 (Almqvist et al. 1991; Archer 2005)."""
    xp = array_namespace(gap_m)
    closing = v_mps[..., None] - lead_v_mps
    closing = xp.where((closing > 0.0) & (gap_m < math.inf), closing, xp.zeros_like(closing))
    return closing**2 / (2.0 * xp.where(gap_m > NEAREST_GAP_M, gap_m, NEAREST_GAP_M))


def required_acceleration(
    gap_m: Array, v_mps: Array, lead_v_mps: Array, lead_a_mps2: Array
) -> Array:
    """a_long,req `(..., T, A)` <= 0: the gentlest steady braking that avoids a crash if the lead keeps its acceleration (Jansson 2005).

    a_lead - (v - v_lead)^2 / (2 gap) where the ego closes in. A lead that would stand before that is met where it stands:
    -v^2 / (2 (gap + v_lead^2 / (2 |a_lead|))).
    """
    xp = array_namespace(gap_m)
    v = v_mps[..., None]
    gap = xp.where(gap_m > NEAREST_GAP_M, gap_m, NEAREST_GAP_M)
    lead_v = xp.where(lead_v_mps > 0.0, lead_v_mps, xp.zeros_like(lead_v_mps))
    closing = v - lead_v
    moving = lead_a_mps2 - closing**2 / (2.0 * gap)
    brakes = lead_a_mps2 < -1e-3
    braking = xp.where(brakes, -lead_a_mps2, xp.ones_like(lead_a_mps2))
    standing = -(v**2) / (2.0 * (gap + lead_v**2 / (2.0 * braking)))
    # at equal speeds after 2 gap / closing; a lead that brakes stands after v / |a|
    late = 2.0 * gap * braking > closing * lead_v
    needed = xp.where(closing > 0.0, moving, xp.zeros_like(moving))
    needed = xp.where(brakes & (late | (closing <= 0.0)), standing, needed)
    return xp.where((gap_m < math.inf) & (needed < 0.0), needed, xp.zeros_like(needed))


def post_encroachment_time(
    x_m: Array, y_m: Array, yaw_rad: Array, length_m: float, width_m: float,
    actor_x_m: Array, actor_y_m: Array, actor_yaw_rad: Array, actor_length_m: Array, actor_width_m: Array,
    dt_s: float, horizon_s: float = 3.0,
) -> Array:  # fmt: skip
    """PET `(..., A)`: the least time between one leaving a place and the other coming there, as it was driven (Allen et al. 1978).

    The conflict area is any place that both boxes cover, at headings at least `CROSSING_RAD` apart. 0 where they are there at the same
    time, inf where no place is shared within the horizon. Exact to `dt_s`.

    Args:
      x_m: centres of the ego's box `(..., T)`, as are `y_m`, `yaw_rad`.
      y_m: see `x_m`.
      yaw_rad: see `x_m`.
      length_m: of the ego's box.
      width_m: of the ego's box.
      actor_x_m: box centres `(..., T, A)`, as are the other actor arrays.
      actor_y_m: see `actor_x_m`.
      actor_yaw_rad: see `actor_x_m`.
      actor_length_m: see `actor_x_m`.
      actor_width_m: see `actor_x_m`.
      dt_s: between instants.
      horizon_s: places reached later than this after the other one's are no conflict.
    """
    xp = array_namespace(actor_x_m)
    ego = (x_m[..., None], y_m[..., None], yaw_rad[..., None])
    actor = (actor_x_m, actor_y_m, actor_yaw_rad, actor_length_m, actor_width_m)
    count = x_m.shape[-1]
    pet = xp.full_like(actor_x_m[..., 0, :], math.inf)
    for lag in range(min(round(horizon_s / dt_s), count - 1), -1, -1):
        before, after = slice(0, count - lag), slice(lag, count)
        for mine, theirs in ((before, after), (after, before)):
            ex, ey, eyaw = (a[..., mine, :] for a in ego)
            ax, ay, ayaw, al, aw = (a[..., theirs, :] for a in actor)
            shared = boxes_overlap(ex, ey, eyaw, length_m, width_m, ax, ay, ayaw, al, aw)
            shared = shared & (xp.abs(wrap_angle(ayaw - eyaw)) >= CROSSING_RAD)
            pet = xp.where(xp.any(shared, axis=-2), lag * dt_s, pet)
    return pet
