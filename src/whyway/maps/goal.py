"""The goal of a recorded scene: regions, time windows and intervals, and whether a state meets them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whyway.geometry import points_in_polygon
from whyway.types import Floats

_TIME_GRACE_S = 1e-6
_YAW_GRACE_RAD = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A place: a polygon of n points, not closed, or a disc where `radius_m` > 0 (then x, y hold its centre)."""

    x_m: Floats
    y_m: Floats
    radius_m: float = 0.0

    def contains(self, x_m: float, y_m: float) -> bool:
        """Whether a point is inside or on the border."""
        if self.radius_m > 0.0:
            return math.hypot(x_m - self.x_m[0], y_m - self.y_m[0]) <= self.radius_m
        if bool(points_in_polygon(np.array(x_m), np.array(y_m), self.x_m, self.y_m)):
            return True
        dx, dy = np.roll(self.x_m, -1) - self.x_m, np.roll(self.y_m, -1) - self.y_m
        t = ((x_m - self.x_m) * dx + (y_m - self.y_m) * dy) / np.maximum(dx * dx + dy * dy, 1e-18)
        t = np.clip(t, 0.0, 1.0)
        away = np.hypot(self.x_m + t * dx - x_m, self.y_m + t * dy - y_m)
        return bool(away.min() <= 1e-9)

    @property
    def center(self) -> tuple[float, float]:
        """Mean of its corners."""
        return float(self.x_m.mean()), float(self.y_m.mean())


@dataclass(frozen=True, slots=True, eq=False)
class GoalState:
    """One way to meet the goal: every condition given must hold. Intervals are closed; None is no condition.

    `yaw_rad` goes counter-clockwise from its first angle to its second. `lane_ids` names the lanes whose outlines are regions.
    """

    time_s: tuple[float, float]
    regions: tuple[Region, ...] = ()
    lane_ids: tuple[int, ...] = ()
    v_mps: tuple[float, float] | None = None
    yaw_rad: tuple[float, float] | None = None

    def reached(
        self, t_s: float, center_x_m: float, center_y_m: float, yaw_rad: float, v_mps: float
    ) -> bool:
        """Whether a state of the ego (centre of its box) meets all conditions."""
        if not self.time_s[0] - _TIME_GRACE_S <= t_s <= self.time_s[1] + _TIME_GRACE_S:
            return False
        if self.v_mps is not None and not self.v_mps[0] <= v_mps <= self.v_mps[1]:
            return False
        if self.yaw_rad is not None:
            low, high = self.yaw_rad
            if (yaw_rad - low + _YAW_GRACE_RAD) % (2 * math.pi) > high - low + 2 * _YAW_GRACE_RAD:
                return False
        return not self.regions or any(r.contains(center_x_m, center_y_m) for r in self.regions)


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """Goal states of which one must be met."""

    states: tuple[GoalState, ...]

    def reached(
        self, t_s: float, center_x_m: float, center_y_m: float, yaw_rad: float, v_mps: float
    ) -> bool:
        """Whether a state of the ego (centre of its box) meets the goal."""
        return any(s.reached(t_s, center_x_m, center_y_m, yaw_rad, v_mps) for s in self.states)

    @property
    def end_s(self) -> float:
        """The last time at which it can be met."""
        return max(s.time_s[1] for s in self.states)


def goal_counts(scene: Path) -> bool:
    """Whether reaching a recorded scene's goal says anything: many are met by a car that stays parked, or drives straight on.

    `SCENES.tsv`, in the scene's folder or one of the three above it, tells; without it nothing counts.
    """
    for folder in list(scene.absolute().parents)[:4]:
        table = folder / "SCENES.tsv"
        if table.is_file():
            rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
            head = {name: i for i, name in enumerate(rows[0])}
            columns = [
                head.get(f"{who}_meets_goal") for who in ("parked_ego", "straight_constant_speed")
            ]
            names = {
                scene.name,
                scene.relative_to(folder).as_posix() if scene.is_absolute() else "",
            }
            for row in rows[1:]:
                if row[0] in names and None not in columns:
                    return all(row[i] == "False" for i in columns if i is not None)
    return False
