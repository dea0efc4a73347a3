"""View -> waypoints by the learned head: its speeds, guarded, along the way the decision means. Rate: 10 Hz. No clock, no state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from whyway.config import Config
from whyway.maps.road import Road
from whyway.plan.course import (
    Course,
    Motion,
    course_of,
    drivable,
    sample_times,
    slower,
    straight_stop,
)
from whyway.plan.delta import bounded, sideways
from whyway.plan.guard import guarded
from whyway.plan.head_features import head_input, said
from whyway.plan.knots import KNOT_TIMES_S, smooth
from whyway.plan.view import PlannerView
from whyway.plan.waypoint_head import WaypointHead
from whyway.types import Floats, InputError, Plan, Waypoints


class LearnedPlanner:
    """Plans what a trace's decision says with a learned head.

    Args:
      config: the whole tree; it plans exactly the head's horizon.
      road: map and route.
      head: the net.

    Raises:
      InputError: another horizon is configured.
    """

    def __init__(self, config: Config, road: Road, head: WaypointHead) -> None:
        horizon = float(KNOT_TIMES_S[-1])
        if config.plan.horizon_s != horizon:
            raise InputError(
                f"the learned planner plans {horizon:g} s; set plan.horizon_s={horizon:g} (it is {config.plan.horizon_s:g})"
            )
        self._config, self._road, self._head = config, road, head
        self._t_s = sample_times(config)

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def step(self, view: PlannerView) -> Plan:
        """The plan; off the lanes it brakes straight on, as the rule planner does."""
        view = said(view)
        course = course_of(view, self._road, self._config, self._t_s)
        if course is None:
            stopping = straight_stop(view, self._config.driving, self._t_s)
            return Plan(view.stamp_ns, view.trace_id, stopping)
        out = self._head(head_input(view, course, self._config))
        speeds = smooth(np.append(max(view.ego.v_mps, 0.0), out.speeds_mps), view.ego.a_mps2)
        sft, motion = self._driven(view, course, speeds)
        if out.delta is None:
            return Plan(view.stamp_ns, view.trace_id, sft)
        delta = bounded(out.delta, motion)
        if delta.is_nothing:
            zero = np.zeros_like(self._t_s)
            return Plan(view.stamp_ns, view.trace_id, sft, sft, zero, zero.copy())
        moved = motion.v_mps + np.gradient(delta.along_m, self._t_s)
        final, _ = self._driven(view, course, moved, sideways(delta, motion))
        return Plan(
            view.stamp_ns, view.trace_id, final, sft, final.x_m - sft.x_m, final.y_m - sft.y_m
        )

    def _driven(
        self, view: PlannerView, course: Course, speeds_mps: Floats,
        more_m: Callable[[Floats], Floats] | None = None,
    ) -> tuple[Waypoints, Motion]:  # fmt: skip
        """Speeds (T,) behind the guard, along the course."""
        driving = self._config.driving

        def drive(pace: float) -> Motion:
            profile = slower(course.profile, pace)
            return guarded(
                pace * speeds_mps, view.ego, view.decision, profile, driving, course.room_m
            )

        return drivable(self._t_s, course, view.ego, self._config, drive, more_m)
