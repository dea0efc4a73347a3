"""Whether odometry and plan may be believed: each check answers with one line, or None. No clock, no state."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from whyway.config import SafetyConfig, VehicleConfig
from whyway.control.path import at_time
from whyway.geometry import wrap_angle
from whyway.motion import lateral_demands
from whyway.types import EgoState, Floats, Plan, Waypoints

_TOLERANCE = 1.05  # limits are meant for what is driven; a plan is sampled
_START_SPEED_MPS = 3.0
_STEP_SLACK_M = 0.3
_STOPPING_MPS = 1.0  # below it braking ends with a jolt, in one step of a sampled plan
_JUMP_M = 1.0
_JUMP_MPS = 1.5
_JUMP_RAD = 0.3
_JUMP_GAP_S = 1.0  # after a longer silence a jump proves nothing
_COLUMNS = tuple(f.name for f in dataclasses.fields(Waypoints))


def ego_fault(ego: EgoState, vehicle: VehicleConfig) -> str | None:
    """What no vehicle can be: not finite, or faster than it goes."""
    for f in dataclasses.fields(ego):
        if not math.isfinite(getattr(ego, f.name)):
            return f"odometry {f.name} is {getattr(ego, f.name)}"
    if abs(ego.v_mps) > 1.1 * vehicle.v_max_mps:
        return (
            f"odometry says {ego.v_mps:.1f} m/s, the vehicle goes {vehicle.v_max_mps:.1f} at most"
        )
    return None


def jump_fault(
    before: EgoState, ego: EgoState, dt_s: float, vehicle: VehicleConfig, limits: SafetyConfig
) -> str | None:
    """A change between two odometry readings `dt_s` apart that no vehicle can make."""
    if not 0.0 < dt_s <= _JUMP_GAP_S:
        return None
    moved = math.hypot(ego.x_m - before.x_m, ego.y_m - before.y_m)
    reach = (
        max(abs(ego.v_mps), abs(before.v_mps)) * dt_s + 0.5 * vehicle.a_max_mps2 * dt_s**2 + _JUMP_M
    )
    if moved > reach:
        return f"odometry jumped {moved:.1f} m in {dt_s:.2f} s (at most {reach:.1f} m)"
    gained = abs(ego.v_mps - before.v_mps)
    if gained > vehicle.a_max_mps2 * dt_s + _JUMP_MPS:
        return f"odometry speed jumped by {gained:.1f} m/s in {dt_s:.2f} s"
    turned = abs(float(wrap_angle(ego.yaw_rad - before.yaw_rad)))
    if turned > 2 * limits.yaw_rate_max_rps * dt_s + _JUMP_RAD:
        return f"odometry heading jumped by {turned:.2f} rad in {dt_s:.2f} s"
    return None


def plan_fault(
    plan: Plan, ego: EgoState, age_s: float, vehicle: VehicleConfig, limits: SafetyConfig
) -> str | None:
    """Why a plan must not be driven.

    Args:
      plan: as it came; nothing about it is taken for granted.
      ego: where the car is now, finite.
      age_s: time since the plan's stamp.
      vehicle: what the car can do.
      limits: what it may do.
    """
    w = plan.waypoints
    return (
        _shape_fault(w) or _start_fault(w, ego, age_s, limits) or _limit_fault(w, vehicle, limits)
    )


def followable(plan: Plan, ego: EgoState, now_ns: int, limits: SafetyConfig) -> bool:
    """Whether a plan at least says where the road goes from here, though it may be too fast for it."""
    age_s = (now_ns - plan.stamp_ns) * 1e-9
    w = plan.waypoints
    return _shape_fault(w) is None and _start_fault(w, ego, age_s, limits) is None


def _shape_fault(w: Waypoints) -> str | None:
    n = len(w.t_s)
    if n < 2:
        return f"plan has {n} waypoints (at least 2)"
    for name in _COLUMNS:
        column = getattr(w, name)
        if column.shape != (n,):
            return f"plan has {n} times but {name} of shape {column.shape}"
        if not np.isfinite(column).all():
            return f"plan {name} is not finite at waypoint {int(np.argmin(np.isfinite(column)))}"
    steps = np.diff(w.t_s)
    if steps.min() <= 0.0:
        return f"plan times do not increase at waypoint {int(np.argmin(steps)) + 1}"
    return None


def _start_fault(w: Waypoints, ego: EgoState, age_s: float, limits: SafetyConfig) -> str | None:
    x, y = at_time(w, w.x_m, age_s), at_time(w, w.y_m, age_s)
    away = math.hypot(x - ego.x_m, y - ego.y_m)
    if away > limits.start_distance_m:
        return f"plan starts {away:.1f} m from the ego (limit {limits.start_distance_m:.1f})"
    turned = abs(float(wrap_angle(at_time(w, np.unwrap(w.yaw_rad), age_s) - ego.yaw_rad)))
    if turned > limits.start_heading_rad:
        return f"plan starts {turned:.2f} rad off the ego's heading (limit {limits.start_heading_rad:.2f})"
    v = at_time(w, w.v_mps, age_s)
    if abs(v - ego.v_mps) > _START_SPEED_MPS:
        return f"plan starts at {v:.1f} m/s, the ego drives {ego.v_mps:.1f}"
    return None


def _limit_fault(w: Waypoints, vehicle: VehicleConfig, limits: SafetyConfig) -> str | None:
    # what lies beyond the horizon is planned anew many times before it is driven
    count = max(2, int(np.searchsorted(w.t_s, limits.horizon_s, side="right")))
    w = Waypoints(*(getattr(w, name)[:count] for name in _COLUMNS))
    dt = np.diff(w.t_s)
    v = 0.5 * (w.v_mps[1:] + w.v_mps[:-1])
    step = np.hypot(np.diff(w.x_m), np.diff(w.y_m))
    yaw_rate, a_lat = lateral_demands(w.t_s, w.yaw_rad, w.v_mps, w.curvature_1pm)
    jerk = np.where(
        np.minimum(w.v_mps[1:], w.v_mps[:-1]) > _STOPPING_MPS, np.abs(np.diff(w.a_mps2)) / dt, 0.0
    )
    curvature_max = math.tan(vehicle.steer_max_rad) / vehicle.wheelbase_m
    checks: tuple[tuple[str, Floats, float, str], ...] = (
        ("drives backwards at", -w.v_mps, 0.05, "m/s"),
        (
            "leaves its own speed by",
            np.abs(step - v * dt) - 0.2 * v * dt,
            _STEP_SLACK_M,
            "m a step",
        ),
        ("accelerates with", w.a_mps2, limits.a_lon_max_mps2 * _TOLERANCE, "m/s2"),
        ("brakes with", -w.a_mps2, -limits.a_lon_min_mps2 * _TOLERANCE, "m/s2"),
        ("has a lateral acceleration of", a_lat, limits.a_lat_max_mps2 * _TOLERANCE, "m/s2"),
        ("has a yaw rate of", yaw_rate, limits.yaw_rate_max_rps * _TOLERANCE, "rad/s"),
        ("has a jerk of", jerk, limits.jerk_max_mps3 * _TOLERANCE, "m/s3"),
        ("has a curvature of", np.abs(w.curvature_1pm), curvature_max * _TOLERANCE, "1/m"),
    )
    for what, values, limit, unit in checks:
        k = int(np.argmax(values))
        if values[k] > limit:
            return f"plan {what} {values[k]:.2f} {unit} after {w.t_s[k]:.1f} s (limit {limit:.2f})"
    return None
