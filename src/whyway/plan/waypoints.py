"""View -> waypoints: the stated decision driven forward along its path, held back only by cited objects. Rate: 10 Hz."""

from __future__ import annotations

import math

import numpy as np

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.maps.corridor import look
from whyway.maps.manoeuvre import (
    REACH_M,
    Manoeuvre,
    aside,
    manoeuvre,
    offset_ahead,
    place_of,
    profile_along,
)
from whyway.maps.road import Road
from whyway.maps.swerve import Swerve
from whyway.motion import Obstacles, Rollout, SpeedProfile, lateral_demands, roll_out
from whyway.plan.view import PlannerView
from whyway.types import CYCLE_S, Direction, Floats, Lateral, Plan, Waypoints

_GEOMETRY_STEP_M = 0.5
_TRIES = 3
"""So often a trajectory that turns too fast is tried slower ..."""
_BELOW = 0.97
"""... by its excess, and a little more."""


class WaypointPlanner:
    """Plans the trajectory a trace's decision describes."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config = config
        self._road = road
        step = CYCLE_S
        self._t_s = np.arange(0.0, config.plan.horizon_s + step / 2, step)
        self._front_m = config.vehicle.front_m

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def step(self, view: PlannerView) -> Plan:
        """The plan; off the lanes it brakes straight on."""
        place = place_of(self._road, view.ego)
        if place is None:
            return Plan(view.stamp_ns, view.trace_id, self._straight_stop(view))
        decision = view.decision
        m = manoeuvre(self._road, place, decision.lateral, decision.direction, REACH_M)
        if (
            m is None
        ):  # a side without a lane: the decision cannot be meant, keeping the lane is what is left of it
            m = manoeuvre(self._road, place, Lateral.KEEP_LANE, Direction.NONE, REACH_M)
            assert m is not None
        if decision.offset_until_m > 0.0 and (decision.offset_m == 0.0) == (m.leaving is not None):
            swerve = Swerve(decision.offset_m, decision.offset_from_m, decision.offset_until_m)
            m = aside(m, swerve, view.ego)
        return Plan(view.stamp_ns, view.trace_id, self._drivable(view, m))

    def _drivable(self, view: PlannerView, m: Manoeuvre) -> Waypoints:
        """The manoeuvre, slower than its speeds alone would have it where the car could not turn so fast.

        Speeds follow their profile with limited jerk and overshoot it where it ends suddenly: what safety would refuse must not be asked
        for, or a car that stands before such a bend stands there for ever.
        """
        config, pace = self._config, 1.0
        profile = profile_along(m, view.ego, config.driving, REACH_M)
        corridor = look(m, view.ego, view.objects, config.vehicle, config.driving, self._t_s)
        obstacles = corridor.obstacles(view.ego.v_mps)
        waypoints = self._waypoints(view, m, self._roll(view, profile, obstacles))
        for _ in range(_TRIES):
            excess = self._excess(waypoints)
            if excess <= 1.0:
                break
            pace *= _BELOW / excess
            slower = SpeedProfile(
                profile.step_m, pace * profile.allowed_mps, pace * profile.possible_mps
            )
            waypoints = self._waypoints(view, m, self._roll(view, slower, obstacles))
        return waypoints

    def _excess(self, w: Waypoints) -> float:
        """How many times too fast the trajectory is for what safety lets the car do sideways; at most 1 is fine."""
        limits = self._config.safety
        n = int(np.searchsorted(w.t_s, limits.horizon_s, side="right"))
        yaw_rate, a_lat = lateral_demands(
            w.t_s[:n], w.yaw_rad[:n], w.v_mps[:n], w.curvature_1pm[:n]
        )
        turning = float(yaw_rate.max()) / limits.yaw_rate_max_rps
        return max(turning, math.sqrt(float(a_lat.max()) / limits.a_lat_max_mps2))

    def _roll(self, view: PlannerView, profile: SpeedProfile, obstacles: Obstacles) -> Rollout:
        driving = self._config.driving
        return roll_out(
            view.ego.v_mps, view.ego.a_mps2, profile,
            view.decision.target_speed_mps, view.decision.stop_distance_m,
            obstacles, driving.idm, driving.limits, self._front_m, self._t_s,
        )  # fmt: skip

    def _waypoints(self, view: PlannerView, m: Manoeuvre, roll: Rollout) -> Waypoints:
        x, y, yaw, curvature = self._geometry(view, m, roll.ahead_m)
        return Waypoints(self._t_s, x, y, yaw, roll.v_mps, roll.a_mps2, curvature)

    def _geometry(
        self, view: PlannerView, m: Manoeuvre, ahead_m: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Poses at distances ahead: the path, with the ego's offset and heading blended out."""
        reach = float(ahead_m[-1]) + 10.0
        grid = np.arange(0.0, reach + _GEOMETRY_STEP_M, _GEOMETRY_STEP_M)
        d = offset_ahead(m, view.ego, grid, self._config.driving)
        x, y, _, _ = m.path.center.at(m.s_m + grid, d)
        dx, dy = np.gradient(x, grid), np.gradient(y, grid)
        yaw = np.unwrap(np.arctan2(dy, dx))
        arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        curvature = np.gradient(yaw, arc)
        # the first pose is where the ego is, heading where it heads
        start = yaw[0] + wrap_angle(view.ego.yaw_rad - yaw[0])
        yaw = yaw + (start - yaw[0]) * np.exp(-grid / 2.0)
        x, y, yaw, curvature = (np.interp(ahead_m, grid, v) for v in (x, y, yaw, curvature))
        return x, y, np.asarray(wrap_angle(yaw)), curvature

    def _straight_stop(self, view: PlannerView) -> Waypoints:
        least = self._config.driving.limits.a_min_mps2
        brake = float(np.clip(-view.decision.target_acceleration_mps2, 1.0, -least))
        t, v0 = self._t_s, view.ego.v_mps
        stops = v0 / brake
        moving = np.minimum(t, stops)
        s = v0 * moving - 0.5 * brake * moving**2
        v = np.maximum(v0 - brake * t, 0.0)
        c, sn = math.cos(view.ego.yaw_rad), math.sin(view.ego.yaw_rad)
        n = len(t)
        return Waypoints(
            t, view.ego.x_m + c * s, view.ego.y_m + sn * s, np.full(n, view.ego.yaw_rad), v,
            np.where(t < stops, -brake, 0.0), np.zeros(n),
        )  # fmt: skip
