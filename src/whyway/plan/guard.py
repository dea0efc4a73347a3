"""The guard behind the waypoint head: what the words say and physics allow holds, whatever the net answers.

Speeds r(t) of the net are tracked from the ego's state (s = 0, v, a) in steps of dt = 0.1 s. Each step's acceleration is

  a = (r(t + dt) - v) / dt                                 what the net asks for, but at most
      (target - v) / 0.3 s                                 to the said target speed; from above at most
      max((target - v) / 1.4 s, -1.25 m/s2)                half as firmly as the rule planner would
      (possible(s + 0.7 s v) - v) / 0.3 s                  where the bend ahead could not be taken
      -b, b = u^2 / (2 (stop - 0.1 m - s))                 to the said stop, or where the lane ends if that is nearer, once b is
                                                           B = 2.5 m/s2 or more, where
      u = v + max(a + B, 0)^2 / (2 jerk)                   counts what it still gains while braking builds up
  then within [a_min, a_max] of driving.limits, rising by jerk_mps3 at most (braking may ease off by its own size a second), falling
  by emergency_jerk_mps3 at most; braking never goes through standstill, and ends with no more than the emergency jerk.

A car that stands or creeps (below 0.1 m/s) stands while r or the said speed stays below 0.1 m/s for a second, or while a stop is said
that is less than 0.3 m away. What a guard has passed, it passes again; only at a creep, below 0.1 m/s, it may change again.
"""

from __future__ import annotations

import math

import numpy as np

from whyway.config import DrivingConfig
from whyway.motion import CURVE_TIME_S, SPEED_BRAKE_MPS2, SPEED_TIME_S, SpeedProfile
from whyway.plan.course import Motion
from whyway.types import CYCLE_S, EgoState, Floats, PlanningTrace

HALT_MPS2 = 2.5
"""Braking for a said stop that the guard takes into its own hands ..."""
SHORT_M = 0.1
"""... and so much before it the car stands."""
CREEP_MPS, START_S, AT_STOP_M = 0.1, 1.0, 0.3


def guarded(
    speeds_mps: Floats, ego: EgoState, decision: PlanningTrace, profile: SpeedProfile, driving: DrivingConfig,
    room_m: float = math.inf,
) -> Motion:  # fmt: skip
    """The motion nearest to planned speeds that the words and physics allow.

    Args:
      speeds_mps: (T,) speeds every `CYCLE_S` from now on.
      ego: its speed and acceleration are where the motion begins.
      decision: the said target speed and stop distance.
      profile: the speeds the way makes possible.
      driving: limits of acceleration and jerk.
      room_m: how far the way goes (`Course.room_m`).
    """
    limits, dt = driving.limits, CYCLE_S
    planned = speeds_mps.tolist()
    rising = _soon(np.minimum(speeds_mps, decision.target_speed_mps)).tolist()
    possible, last = profile.possible_mps.tolist(), len(profile.possible_mps) - 1
    target, stop = decision.target_speed_mps, min(decision.stop_distance_m, room_m) - SHORT_M
    s, v = 0.0, max(ego.v_mps, 0.0)
    a = min(max(ego.a_mps2, limits.a_min_mps2), limits.a_max_mps2)
    rows = []
    for k in range(len(planned)):
        wanted = (planned[min(k + 1, len(planned) - 1)] - v) / dt
        if v <= target:
            wanted = min(wanted, (target - v) / CURVE_TIME_S)
        else:
            wanted = min(wanted, max((target - v) / SPEED_TIME_S, -SPEED_BRAKE_MPS2) / 2.0)
        bend = possible[min(int((s + v * SPEED_TIME_S) / profile.step_m) + 1, last)]
        if v > bend:
            wanted = min(wanted, (bend - v) / CURVE_TIME_S)
        gained = v + max(a + HALT_MPS2, 0.0) ** 2 / (2.0 * limits.emergency_jerk_mps3)
        needed = gained * gained / (2.0 * max(stop - s, 0.01))
        if needed >= HALT_MPS2:
            wanted = min(wanted, -needed)
        if v < CREEP_MPS and (rising[k] < CREEP_MPS or stop - s < AT_STOP_M - SHORT_M):
            wanted = -v / dt
        wanted = min(max(wanted, limits.a_min_mps2), limits.a_max_mps2)
        wanted = min(wanted, a + max(limits.jerk_mps3, -a) * dt)
        a = max(
            wanted, a - limits.emergency_jerk_mps3 * dt,
            -math.sqrt(2.0 * limits.emergency_jerk_mps3 * v), -v / dt,
        )  # fmt: skip
        rows.append((s, v, a))
        s += v * dt + 0.5 * a * dt * dt
        v = max(v + a * dt, 0.0)
    ahead, speed, acceleration = np.array(rows).T
    return Motion(ahead, speed, acceleration)


def _soon(speeds_mps: Floats) -> Floats:
    """(T,) the largest of the speeds within `START_S` after each."""
    n = round(START_S / CYCLE_S)
    padded = np.append(speeds_mps[1:], np.repeat(speeds_mps[-1], n))
    result: Floats = np.lib.stride_tricks.sliding_window_view(padded, n).max(axis=1)
    return result
