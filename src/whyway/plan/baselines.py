"""The plainest planner: straight on at the speed it has (NAVSIM's constant-velocity agent)."""

from __future__ import annotations

import numpy as np

from whyway.config import Config
from whyway.maps.road import Road
from whyway.plan.view import PlannerView
from whyway.types import CYCLE_S, Plan, Waypoints


class ConstantVelocityPlanner:
    """Holds speed and heading, whatever comes."""

    def __init__(self, config: Config, road: Road) -> None:
        del road
        self._t_s = np.arange(0.0, config.plan.horizon_s + CYCLE_S / 2, CYCLE_S)

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def step(self, view: PlannerView) -> Plan:
        """A straight line at constant speed."""
        ego, t = view.ego, self._t_s
        s, n = ego.v_mps * t, len(t)
        waypoints = Waypoints(
            t, ego.x_m + s * np.cos(ego.yaw_rad), ego.y_m + s * np.sin(ego.yaw_rad), np.full(n, ego.yaw_rad),
            np.full(n, ego.v_mps), np.zeros(n), np.zeros(n),
        )  # fmt: skip
        return Plan(view.stamp_ns, view.trace_id, waypoints)
