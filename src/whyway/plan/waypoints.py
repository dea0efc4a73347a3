"""View -> waypoints: the stated decision driven forward along its path, held back only by cited objects. Rate: 10 Hz."""

from __future__ import annotations

from whyway.config import Config
from whyway.maps.road import Road
from whyway.motion import roll_out
from whyway.plan.course import (
    Course,
    Motion,
    course_of,
    drivable,
    sample_times,
    slower,
    straight_stop,
)
from whyway.plan.view import PlannerView
from whyway.types import Plan, Waypoints


class WaypointPlanner:
    """Plans the trajectory a trace's decision describes: the rule planner, and the learned one's teacher."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config = config
        self._road = road
        self._t_s = sample_times(config)
        self._front_m = config.vehicle.front_m

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def step(self, view: PlannerView) -> Plan:
        """The plan; off the lanes it brakes straight on."""
        course = course_of(view, self._road, self._config, self._t_s)
        if course is None:
            waypoints = straight_stop(view, self._config.driving, self._t_s)
        else:
            waypoints, _ = self.drive(view, course)
        return Plan(view.stamp_ns, view.trace_id, waypoints)

    def drive(self, view: PlannerView, course: Course) -> tuple[Waypoints, Motion]:
        """The course of a view's decision, driven by the car-following law."""
        ego, decision, driving = view.ego, view.decision, self._config.driving
        obstacles = course.corridor.obstacles(ego.v_mps)

        def drive(pace: float) -> Motion:
            roll = roll_out(
                ego.v_mps, ego.a_mps2, slower(course.profile, pace),
                decision.target_speed_mps, decision.stop_distance_m,
                obstacles, driving.idm, driving.limits, self._front_m, self._t_s,
            )  # fmt: skip
            return Motion(roll.ahead_m, roll.v_mps, roll.a_mps2)

        return drivable(self._t_s, course, ego, self._config, drive)
