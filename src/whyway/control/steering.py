"""Steering by optimal preview: the curvature that follows a path, knowing what the path does next.

State of the lateral error model, exact for a vehicle that steers in steps of `period_s`: offset e, heading error p, curvature k held last.
    p+ = p + h (k+ - r),   e+ = e + h p + h^2 (k+ - r) / 2,   h = v period,   r = the path's mean curvature over the step.
The cost  sum e^2 + rho ((k+ - k) / h)^2  with rho = settle^6 damps offsets over the length `settle` (the optimal triple
integrator has its poles at distance 1 / settle from zero: Anderson & Moore, "Optimal Control" (1990), section 6).
The linear-quadratic regulator of the model gives the feedback and, through its closed loop's adjoint, the weight of every
future r (Tomizuka, "Optimal discrete finite preview problem", 1975). Both depend on speed alone: solved once, then a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import solve_discrete_are

from whyway.config import ControlConfig
from whyway.types import CYCLE_S, Floats

_SPEED_STEP_MPS = 0.5
_SPEED_MAX_MPS = 51.0
_SPEED_MIN_MPS = 0.5


@dataclass(frozen=True, eq=False)
class SteeringLaw:
    """Gains by speed: feedback `(speeds, 3)` on offset, heading error, curvature; preview `(speeds, steps)` on the path's curvature."""

    period_s: float
    feedback: Floats
    preview: Floats

    @staticmethod
    @lru_cache(maxsize=8)
    def of(config: ControlConfig) -> SteeringLaw:
        """The law for every speed up to what cars do; solving takes some tens of ms, so it is kept."""
        steps = max(1, round(config.preview_s / CYCLE_S))
        speeds = np.arange(_SPEED_MIN_MPS, _SPEED_MAX_MPS, _SPEED_STEP_MPS)
        gains = [_gains(v, steps, config) for v in speeds]
        return SteeringLaw(
            CYCLE_S, np.stack([g[0] for g in gains]), np.stack([g[1] for g in gains])
        )

    def curvature(
        self,
        v_mps: float,
        offset_m: float,
        heading_error_rad: float,
        curvature_1pm: float,
        path_curvature_1pm: Floats,
    ) -> float:
        """The curvature to steer now.

        Args:
          v_mps: speed, >= 0.
          offset_m: left of the path.
          heading_error_rad: the vehicle's heading less the path's.
          curvature_1pm: what is steered at the moment.
          path_curvature_1pm: `(steps,)` mean curvature of the path over each of the next periods' ways.
        """
        at = min(max((v_mps - _SPEED_MIN_MPS) / _SPEED_STEP_MPS, 0.0), len(self.feedback) - 1.001)
        i, f = int(at), at - int(at)
        feedback = (1 - f) * self.feedback[i] + f * self.feedback[i + 1]
        preview = (1 - f) * self.preview[i] + f * self.preview[i + 1]
        return float(
            -feedback @ np.array([offset_m, heading_error_rad, curvature_1pm])
            + preview @ path_curvature_1pm
        )


def settle_length(v_mps: float, config: ControlConfig) -> float:
    """The length [m] over which offsets are damped at a speed."""
    return max(config.settle_min_m, config.settle_s * v_mps)


def _gains(v_mps: float, steps: int, config: ControlConfig) -> tuple[Floats, Floats]:
    h = v_mps * CYCLE_S
    a = np.array([[1.0, h, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    b = np.array([[h * h / 2], [h], [1.0]])
    disturbance = np.array([-h * h / 2, -h, 0.0])
    rho = settle_length(v_mps, config) ** 6 / h**2
    # the cost on k+ - k couples input and state: (k+ - k)^2 = k+^2 - 2 k+ k + k^2
    q = np.diag([1.0, 0.0, rho])
    r = np.array([[rho]])
    cross = np.array([[0.0], [0.0], [-rho]])
    p = solve_discrete_are(a, b, q, r, s=cross)
    weight = 1.0 / float(r[0, 0] + (b.T @ p @ b)[0, 0])
    feedback = weight * (b.T @ p @ a + cross.T)[0]
    closed = a - b @ feedback[None]
    preview = np.zeros(steps)
    adjoint = p @ disturbance
    for j in range(steps):
        preview[j] = -weight * float(b[:, 0] @ adjoint)
        adjoint = closed.T @ adjoint
    # what lies beyond the preview goes on like its end: the sum is then exact on a circle (k = r, no error)
    preview[-1] += 1.0 + float(feedback[2]) - float(preview.sum())
    return feedback, preview


def tyre_angle(curvature_1pm: float, wheelbase_m: float, limit_rad: float) -> float:
    """The steering tyre angle of a curvature at the rear axle, within the limit."""
    return min(max(math.atan(wheelbase_m * curvature_1pm), -limit_rad), limit_rad)
