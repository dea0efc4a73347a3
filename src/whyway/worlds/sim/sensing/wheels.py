"""Wheel odometry: speed and turning measured with a wrong radius and a drifting rate -> a pose that runs away from the true one.

The pose is dead-reckoned from what is measured, in a frame `odom` that is `map` as it was believed at the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.types import EgoState
from whyway.worlds.sim.sensing.rig import WheelSpec


@dataclass(frozen=True, slots=True)
class WheelState:
    """Errors of this drive, and the pose reckoned so far with its variances (position along each axis, heading)."""

    scale: float
    yaw_rate_bias_rps: float
    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    yaw_rate_rps: float
    travelled_m: float = 0.0
    elapsed_s: float = 0.0


def start(spec: WheelSpec, ego: EgoState, rng: np.random.Generator) -> WheelState:
    """Errors for a drive that begins where the car is."""
    scale, bias = rng.standard_normal(2).tolist()
    return WheelState(
        1.0 + spec.scale_sigma * scale, spec.yaw_rate_bias_sigma_rps * bias,
        ego.x_m, ego.y_m, ego.yaw_rad, ego.v_mps, ego.yaw_rate_rps,
    )  # fmt: skip


def measure(
    spec: WheelSpec, state: WheelState, ego: EgoState, dt_s: float, rng: np.random.Generator
) -> WheelState:
    """The next reading, `dt_s` after the last: its speed, turning and the pose that follows from them.

    Wheels that stand say so: no noise, no drift.
    """
    speed_noise, rate_noise = rng.standard_normal(2).tolist()
    v = rate = 0.0
    if ego.v_mps != 0.0:
        v = state.scale * ego.v_mps + spec.speed_sigma_mps * speed_noise
        rate = ego.yaw_rate_rps + state.yaw_rate_bias_rps + spec.yaw_rate_sigma_rps * rate_noise
    # both ends of the step count, and the heading half way through it (midpoint rule)
    step, turned = (state.v_mps + v) / 2 * dt_s, (state.yaw_rate_rps + rate) / 2 * dt_s
    middle = state.yaw_rad + turned / 2
    return WheelState(
        state.scale, state.yaw_rate_bias_rps,
        state.x_m + step * math.cos(middle), state.y_m + step * math.sin(middle),
        math.remainder(state.yaw_rad + turned, 2 * math.pi), v, rate,
        state.travelled_m + abs(step), state.elapsed_s + dt_s,
    )  # fmt: skip


def variances(spec: WheelSpec, state: WheelState) -> tuple[float, float]:
    """Rough variances of a coordinate and of the heading: the errors of the drive, grown with way and time."""
    yaw = (spec.yaw_rate_bias_sigma_rps * state.elapsed_s) ** 2
    place = (spec.scale_sigma * state.travelled_m) ** 2 + yaw * state.travelled_m**2 / 4
    return place + 1e-6, yaw + 1e-8
