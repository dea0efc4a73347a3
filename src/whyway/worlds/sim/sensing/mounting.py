"""Where a sensor sits on the car, as rotation and translation. REP-103: x forward, y left, z up; an optical frame has z forward, x right, y down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.types import Floats

OPTICAL_IN_BODY: Floats = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation from a camera's optical frame to its body frame (REP-103, suffix `_optical`)."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A sensor's body frame in `base_link`: fixed-axis roll, pitch, yaw as in URDF, so a positive pitch looks down."""

    x_m: float = 0.0
    y_m: float = 0.0
    z_m: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0

    @property
    def translation(self) -> Floats:
        """The frame's origin in `base_link`, (3,)."""
        return np.array([self.x_m, self.y_m, self.z_m])

    @property
    def rotation(self) -> Floats:
        """Body frame -> `base_link`, (3, 3): Rz(yaw) Ry(pitch) Rx(roll)."""
        cr, sr = math.cos(self.roll_rad), math.sin(self.roll_rad)
        cp, sp = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
        about_y = np.array([[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]])
        rotation: Floats = turn(self.yaw_rad) @ about_y @ about_x
        return rotation

    def in_map(self, x_m: float, y_m: float, yaw_rad: float) -> tuple[Floats, Floats]:
        """Body frame -> `map` for a car at a pose: rotation (3, 3) and origin (3,)."""
        turned = turn(yaw_rad)
        return turned @ self.rotation, turned @ self.translation + np.array([x_m, y_m, 0.0])


def turn(yaw_rad: float) -> Floats:
    """Rotation about z, (3, 3)."""
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def quaternion(rotation: Floats) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation (3, 3), w >= 0.

    By the largest of the four, so nothing small is divided by (Shepperd, "Quaternion from Rotation Matrix", 1978).
    """
    m = rotation
    trace = float(np.trace(m))
    squares = [1.0 + 2.0 * float(m[i, i]) - trace for i in range(3)] + [1.0 + trace]
    k = int(np.argmax(squares))
    q = np.zeros(4)
    q[k] = squares[k]
    if k == 3:
        q[:3] = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    else:
        i, j = (k + 1) % 3, (k + 2) % 3
        q[i], q[j], q[3] = m[k, i] + m[i, k], m[k, j] + m[j, k], m[j, i] - m[i, j]
    q *= math.copysign(1.0, q[3]) / float(np.linalg.norm(q))
    return float(q[0]), float(q[1]), float(q[2]), float(q[3])
