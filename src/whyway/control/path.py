"""A plan's waypoints as a path to steer along and a speed profile to hold. No clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.geometry import wrap_angle
from whyway.types import Floats, Waypoints

_MIN_STEP_M = 0.02
"""Waypoints closer than this are one place: a car that stands has no heading to derive."""


@dataclass(frozen=True, eq=False)
class PlanPath:
    """Distinct places of a plan in order: m points with arc length and unwrapped heading, and the m-1 curvatures between them."""

    s_m: Floats
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    curvature_1pm: Floats

    @staticmethod
    def of(waypoints: Waypoints) -> PlanPath:
        """The path of n >= 1 finite waypoints."""
        step = np.hypot(np.diff(waypoints.x_m), np.diff(waypoints.y_m))
        travelled = np.concatenate([[0.0], np.cumsum(step)])
        # keep the first waypoint of every place, by steps along the way (a sum, so that creeping counts)
        keep = np.concatenate([[True], np.diff(np.floor(travelled / _MIN_STEP_M)) > 0])
        s, x, y = travelled[keep], waypoints.x_m[keep], waypoints.y_m[keep]
        yaw = np.unwrap(waypoints.yaw_rad[keep])
        curvature = np.diff(yaw) / np.diff(s) if len(s) > 1 else np.zeros(0)
        return PlanPath(s, x, y, yaw, curvature)

    @property
    def length_m(self) -> float:
        """From the first place to the last."""
        return float(self.s_m[-1])

    def project(self, x_m: float, y_m: float, yaw_rad: float) -> tuple[float, float, float]:
        """Arc length, offset to the left and heading difference of a pose; straight on before the start and beyond the end."""
        if len(self.s_m) < 2:
            dx, dy = x_m - self.x_m[0], y_m - self.y_m[0]
            c, s = np.cos(self.yaw_rad[0]), np.sin(self.yaw_rad[0])
            return (
                float(c * dx + s * dy),
                float(c * dy - s * dx),
                float(wrap_angle(yaw_rad - self.yaw_rad[0])),
            )
        ds = np.diff(self.s_m)
        ux, uy = np.diff(self.x_m) / ds, np.diff(self.y_m) / ds
        rx, ry = x_m - self.x_m[:-1], y_m - self.y_m[:-1]
        along = rx * ux + ry * uy
        low, high = np.zeros(len(ds)), ds.copy()
        low[0], high[-1] = -np.inf, np.inf
        along = np.minimum(np.maximum(along, low), high)
        qx, qy = rx - along * ux, ry - along * uy
        i = int(np.argmin(qx * qx + qy * qy))
        s_here = float(self.s_m[i] + along[i])
        # a waypoint's heading is the path's tangent there; an offset is measured square to the tangent, not to the chord
        yaw = float(np.interp(s_here, self.s_m, self.yaw_rad))
        cx, cy = float(self.x_m[i] + along[i] * ux[i]), float(self.y_m[i] + along[i] * uy[i])
        sagitta = (
            -0.5 * self.curvature_1pm[i] * along[i] * (ds[i] - along[i])
            if 0 <= along[i] <= ds[i]
            else 0.0
        )
        offset = -np.sin(yaw) * (x_m - cx) + np.cos(yaw) * (y_m - cy)
        return s_here, float(offset + sagitta), float(wrap_angle(yaw_rad - yaw))

    def heading_at(self, s_m: Floats) -> Floats:
        """Heading at arc lengths; beyond the end the path bends on as it ended, so that a stop in a bend unwinds nothing."""
        yaw = np.interp(s_m, self.s_m, self.yaw_rad)
        if len(self.curvature_1pm):
            yaw = yaw + np.maximum(s_m - self.s_m[-1], 0.0) * self.curvature_1pm[-1]
            yaw = yaw + np.minimum(s_m - self.s_m[0], 0.0) * self.curvature_1pm[0]
        return np.asarray(yaw)

    def pose_at(self, s_m: Floats) -> tuple[Floats, Floats, Floats]:
        """x, y, heading at arc lengths `(...)`; straight on beyond the end."""
        x, y = np.interp(s_m, self.s_m, self.x_m), np.interp(s_m, self.s_m, self.y_m)
        yaw = np.interp(s_m, self.s_m, self.yaw_rad)
        beyond = np.maximum(s_m - self.s_m[-1], 0.0) + np.minimum(s_m - self.s_m[0], 0.0)
        return x + beyond * np.cos(yaw), y + beyond * np.sin(yaw), yaw


def at_time(waypoints: Waypoints, values: Floats, t_s: float) -> float:
    """A waypoint column at a time after the plan's stamp, linear between waypoints, held beyond the ends."""
    return float(np.interp(t_s, waypoints.t_s, values))
