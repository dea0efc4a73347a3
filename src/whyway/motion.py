"""How vehicles move: the kinematic single-track model, and the car-following law. One body for car, simulator and plan.

Everything is written for arrays with any leading axes (numpy or torch through the array API).
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace

from whyway.config import IdmConfig, VehicleConfig

Array = Any


def actuate(
    v_mps: Array, steer_rad: Array, command_acceleration_mps2: Array, command_steer_rad: Array, vehicle: VehicleConfig, dt_s: float
) -> tuple[Array, Array]:
    """What the actuators make of a command: feasible acceleration and the steering tyre angle after `dt_s`.

    Limits as in the CommonRoad vehicle models (Althoff, Koschi, Manzinger, "CommonRoad: composable benchmarks", IV 2017,
    vehicle 2): engine power bounds the acceleration above `v_switch_mps`, the steering angle and its rate are bounded, and brakes do
    not drive backwards.
    """
    xp = array_namespace(v_mps)
    v_over = xp.clip(v_mps, vehicle.v_switch_mps, None)
    high = vehicle.a_max_mps2 * vehicle.v_switch_mps / v_over
    a = xp.clip(command_acceleration_mps2, -vehicle.a_max_mps2, None)
    a = xp.where(a > high, high, a)
    stops_at = -v_mps / dt_s  # braking ends at standstill
    a = xp.where((a < 0.0) & (a < stops_at), stops_at, a)
    a = xp.where((v_mps >= vehicle.v_max_mps) & (a > 0.0), 0.0 * a, a)
    rate = xp.clip((command_steer_rad - steer_rad) / dt_s, -vehicle.steer_rate_max_rps, vehicle.steer_rate_max_rps)
    steer = xp.clip(steer_rad + rate * dt_s, -vehicle.steer_max_rad, vehicle.steer_max_rad)
    return a, steer


def single_track(
    x_m: Array, y_m: Array, yaw_rad: Array, v_mps: Array, a_mps2: Array, steer_rad: Array, wheelbase_m: float, dt_s: float
) -> tuple[Array, Array, Array, Array]:
    """Pose and speed of `base_link` after `dt_s`: x' = v cos(yaw), y' = v sin(yaw), yaw' = v tan(steer) / wheelbase.

    Exact for constant acceleration and steering angle: the rear axle moves on an arc of curvature tan(steer) / wheelbase
    by v dt + a dt^2 / 2 (chord and mean heading of that arc).
    """
    xp = array_namespace(x_m)
    distance = v_mps * dt_s + 0.5 * a_mps2 * dt_s * dt_s
    turn = distance * xp.tan(steer_rad) / wheelbase_m
    half = 0.5 * turn
    # chord / arc = sin(h) / h, by its series where h is small enough for it to be exact in double precision
    small = xp.abs(half) < 1e-3
    safe = xp.where(small, xp.ones_like(half), half)
    chord = distance * xp.where(small, 1.0 - half * half / 6.0, xp.sin(safe) / safe)
    heading = yaw_rad + half
    return x_m + chord * xp.cos(heading), y_m + chord * xp.sin(heading), yaw_rad + turn, v_mps + a_mps2 * dt_s


def idm_free(v_mps: Array, desired_mps: Array, idm: IdmConfig) -> Array:
    """IDM's free-road term: a (1 - (v / v0)^4), and braking at most `b` above v0.

    Treiber, Hennecke, Helbing, Phys. Rev. E 62 (2000), eq. 2; above v0 the improved form of Treiber & Kesting,
    "Traffic Flow Dynamics" (2013), section 11.3.7.
    """
    xp = array_namespace(v_mps)
    v0 = xp.clip(desired_mps, 0.1, None)
    ratio = v_mps / v0
    below = idm.a_mps2 * (1.0 - ratio**4)
    above = -idm.b_mps2 * (1.0 - xp.clip(ratio, 1.0, None) ** (-4.0 * idm.a_mps2 / idm.b_mps2))
    return xp.where(ratio <= 1.0, below, above)


def idm_interaction(v_mps: Array, gap_m: Array, lead_v_mps: Array, idm: IdmConfig) -> Array:
    """IDM's interaction term, <= 0: -a (s* / s)^2 with s* = s0 + v T + v dv / (2 sqrt(a b)); an infinite gap gives 0.

    Treiber, Hennecke, Helbing, Phys. Rev. E 62 (2000), eq. 2-3.
    """
    xp = array_namespace(v_mps)
    closing = v_mps - lead_v_mps
    desired = idm.s0_m + xp.clip(
        v_mps * idm.headway_s + v_mps * closing / (2.0 * math.sqrt(idm.a_mps2 * idm.b_mps2)), 0.0, None
    )
    gap = xp.clip(gap_m, 0.1, None)
    return -idm.a_mps2 * (desired / gap) ** 2
