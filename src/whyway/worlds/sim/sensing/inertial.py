"""Inertial measurement unit: how the car moves -> specific force and angular rate in the sensor's frame, with bias and noise.

REP-145: the accelerometer measures specific force, so at rest on level ground it shows +9.81 m/s^2 upwards; rates are right-handed.
The car moves in the plane; the unit sits anywhere on it and so feels the turning too (lever arm).

Noise as IEEE Std 952 has it: white noise of density N has a standard deviation of N / sqrt(dt) per sample, and the bias walks by
K sqrt(dt) per sample; an Allan deviation falls with slope -1/2 and rises with +1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.types import EgoState, Floats, Ints
from whyway.worlds.sim.sensing.rig import ImuSpec

GRAVITY_MPS2 = 9.80665


@dataclass(frozen=True, slots=True, eq=False)
class ImuState:
    """What the unit carries on from sample to sample: its biases, three axes each."""

    acceleration_mps2: Floats
    rate_rps: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ImuSamples:
    """Samples `(n,)`, oldest first, in the unit's body frame."""

    stamp_ns: Ints
    acceleration_mps2: Floats
    """(n, 3)."""
    rate_rps: Floats
    """(n, 3)."""


def start(spec: ImuSpec, rng: np.random.Generator) -> ImuState:
    """Biases at switching on."""
    return ImuState(
        spec.acceleration_bias_sigma_mps2 * rng.standard_normal(3),
        spec.rate_bias_sigma_rps * rng.standard_normal(3),
    )


def true_motion(
    spec: ImuSpec, before: EgoState, now: EgoState, share: Floats, dt_s: float
) -> tuple[Floats, Floats]:
    """Specific force and angular rate (n, 3) without any error, at shares of the way between two looks `dt_s` apart."""
    a, v, w = (
        old + share * (new - old)
        for old, new in (
            (before.a_mps2, now.a_mps2), (before.v_mps, now.v_mps), (before.yaw_rate_rps, now.yaw_rate_rps),
        )
    )  # fmt: skip
    swing = (now.yaw_rate_rps - before.yaw_rate_rps) / dt_s
    x, y = spec.mount.x_m, spec.mount.y_m
    # base_link: tangential a, centripetal v w; at the unit also swing x r and w x (w x r)
    force = np.stack(
        [
            a - swing * y - w * w * x,
            v * w + swing * x - w * w * y,
            np.full_like(a, GRAVITY_MPS2),
        ],
        axis=1,
    )
    rate = np.stack([0.0 * w, 0.0 * w, w], axis=1)
    return force @ spec.mount.rotation, rate @ spec.mount.rotation


def measure(
    spec: ImuSpec, state: ImuState, before: EgoState, now: EgoState, stamp_ns: int, dt_ns: int, rng: np.random.Generator
) -> tuple[ImuSamples, ImuState]:  # fmt: skip
    """The samples after the look before, up to and with that at the stamp; and the biases after them.

    Args:
      spec: the unit.
      state: its biases before.
      before: the car at the look before.
      now: the car at the stamp.
      stamp_ns: of this look.
      dt_ns: since the look before.
      rng: advanced by the same number of draws in every cycle.
    """
    n = max(1, round(spec.rate_hz * dt_ns * 1e-9))
    share = (np.arange(n) + 1.0) / n
    dt_s = dt_ns * 1e-9 / n
    force, rate = true_motion(spec, before, now, share, dt_ns * 1e-9)
    draw = rng.standard_normal((4, n, 3))
    bias_a, bias_w = (
        old + walk * math.sqrt(dt_s) * np.cumsum(steps, axis=0)
        for old, walk, steps in (
            (state.acceleration_mps2, spec.acceleration_bias_walk, draw[0]),
            (state.rate_rps, spec.rate_bias_walk, draw[1]),
        )
    )
    samples = ImuSamples(
        stamp_ns - dt_ns + np.round(share * dt_ns).astype(np.int64),
        force + bias_a + spec.acceleration_density / math.sqrt(dt_s) * draw[2],
        rate + bias_w + spec.rate_density / math.sqrt(dt_s) * draw[3],
    )
    return samples, ImuState(bias_a[-1], bias_w[-1])
