"""Plan -> Command: steer along the plan's path, hold its speed. Rate: 10 Hz. No clock, no ROS, no state."""

from __future__ import annotations

import math

import numpy as np

from whyway.config import Config
from whyway.control.path import PlanPath, at_time
from whyway.control.steering import SteeringLaw, tyre_angle
from whyway.maps.road import Road
from whyway.types import CYCLE_S, Command, EgoState, Plan

_STANDING_MPS = 0.1


class Follower:
    """Path and speed follower. Steering is measured along the path, speed along the plan's own times."""

    def __init__(self, config: Config, road: Road | None = None) -> None:
        """A follower needs no road: the argument is there because every stage is made alike."""
        self._config, self._vehicle = config.control, config.vehicle
        self._law = SteeringLaw.of(config.control)

    def step(self, ego: EgoState, plan: Plan, now_ns: int) -> Command:
        """The command for the coming period.

        Args:
          ego: where the car is now.
          plan: waypoints of `base_link`, finite, at least one.
          now_ns: the data's time; the plan may be some cycles old.
        """
        t_s = (now_ns - plan.stamp_ns) * 1e-9
        return Command(
            now_ns, self.acceleration(ego, plan, t_s), self.steer(ego, PlanPath.of(plan.waypoints))
        )

    def steer(self, ego: EgoState, path: PlanPath) -> float:
        """Steering tyre angle that follows a path from where the ego is; standing, or with no way to go, it stays as it is."""
        period = CYCLE_S
        s, offset, heading_error = path.project(ego.x_m, ego.y_m, ego.yaw_rad)
        way = ego.v_mps * period
        if way < 0.01 or path.length_m < 0.1:
            return ego.steer_rad
        headings = path.heading_at(s + way * np.arange(self._law.preview.shape[1] + 1))
        held = math.tan(ego.steer_rad) / self._vehicle.wheelbase_m
        curvature = self._law.curvature(
            ego.v_mps, offset, heading_error, held, np.diff(headings) / way
        )
        wanted = tyre_angle(curvature, self._vehicle.wheelbase_m, self._vehicle.steer_max_rad)
        step = self._vehicle.steer_rate_max_rps * period
        return min(max(wanted, ego.steer_rad - step), ego.steer_rad + step)

    def acceleration(self, ego: EgoState, plan: Plan, t_s: float) -> float:
        """The plan's mean acceleration over the coming period, and a little of the speed error; brakes held at standstill."""
        w, period = plan.waypoints, CYCLE_S
        now, soon = at_time(w, w.v_mps, t_s), at_time(w, w.v_mps, t_s + period)
        stays = max(now, soon, at_time(w, w.v_mps, t_s + 0.5)) < _STANDING_MPS
        if stays and ego.v_mps < _STANDING_MPS:
            return -self._config.hold_brake_mps2
        return (soon - now) / period + self._config.speed_gain_1ps * (now - ego.v_mps)
