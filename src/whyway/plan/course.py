"""A decision made concrete: which way it means here, how fast that may be driven, who is on it, and poses along it. Both planners use it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whyway.config import Config, DrivingConfig, SafetyConfig, VehicleConfig
from whyway.geometry import wrap_angle
from whyway.maps.corridor import Corridor, look
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
from whyway.motion import SpeedProfile, lateral_demands
from whyway.plan.view import PlannerView
from whyway.types import CYCLE_S, Direction, EgoState, Floats, Lateral, PlanningTrace, Waypoints

_GEOMETRY_STEP_M = 0.5
_TRIES = 3
"""So often a trajectory that turns too fast is tried slower ..."""
_BELOW = 0.97
"""... by its excess, and a little more."""
ENDS_SHARE = 0.75
"""A lane that has narrowed to this share of the car's width has ended: a wheel would leave the road."""


def sample_times(config: Config) -> Floats:
    """Times of a plan's waypoints (T,), every cycle from now on."""
    return np.arange(0.0, config.plan.horizon_s + CYCLE_S / 2, CYCLE_S)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What a decision means here."""

    manoeuvre: Manoeuvre
    profile: SpeedProfile
    corridor: Corridor
    """The cited objects, at the times of the waypoints."""
    room_m: float = math.inf
    """How far `base_link` may go before the front is where the lane ends; inf where it goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How a course is driven: distances ahead, speeds, accelerations, (T,) each."""

    ahead_m: Floats
    v_mps: Floats
    a_mps2: Floats


Drive = Callable[[float], Motion]
"""Share of the course's speeds (at most 1) -> how it is driven."""


def course_of(view: PlannerView, road: Road, config: Config, t_s: Floats) -> Course | None:
    """The course a view's decision means; None off the lanes."""
    m = _meant(road, view.ego, view.decision)
    if m is None:
        return None
    driving = config.driving
    profile = profile_along(m, view.ego, driving, REACH_M)
    corridor = look(m, view.ego, view.objects, config.vehicle, driving, t_s)
    return Course(m, profile, corridor, _room_m(m, road, config.vehicle))


def _room_m(m: Manoeuvre, road: Road, vehicle: VehicleConfig) -> float:
    """See `Course.room_m`: a lane that has no successor and gets narrower than a car ends there; other ends are the map's."""
    last = m.path.lane_ids[-1]
    if len(road.lanes[last].lane.successor_ids):
        return math.inf
    s = np.arange(m.s_m + vehicle.front_m, m.path.length_m, 1.0)
    narrow = 2.0 * m.path.half_width_at(s) < ENDS_SHARE * vehicle.width_m
    narrow &= s >= m.path.lane_start_s[-1]
    if not narrow.any() or narrow[0]:  # who is there already has to get on
        return math.inf
    return float(s[narrow.argmax()]) - m.s_m - vehicle.front_m


def _meant(road: Road, ego: EgoState, decision: PlanningTrace) -> Manoeuvre | None:
    place = place_of(road, ego)
    if place is None:
        return None
    m = manoeuvre(road, place, decision.lateral, decision.direction, REACH_M)
    if (
        m is None
    ):  # a side without a lane: the decision cannot be meant, keeping the lane is what is left of it
        m = manoeuvre(road, place, Lateral.KEEP_LANE, Direction.NONE, REACH_M)
        assert m is not None
    if decision.offset_until_m > 0.0 and (decision.offset_m == 0.0) == (m.leaving is not None):
        swerve = Swerve(decision.offset_m, decision.offset_from_m, decision.offset_until_m)
        m = aside(m, swerve, ego)
    return m


def drivable(
    t_s: Floats, course: Course, ego: EgoState, config: Config, drive: Drive,
    more_m: Callable[[Floats], Floats] | None = None,
) -> tuple[Waypoints, Motion]:  # fmt: skip
    """A course driven, slower than its speeds alone would have it where the car could not turn so fast.

    Speeds follow their profile with limited jerk and overshoot it where it ends suddenly: what safety would refuse must not be asked
    for, or a car that stands before such a bend stands there for ever.

    Args:
      t_s: (T,) times of the waypoints.
      course: the way.
      ego: where it begins.
      config: the driver's dials and safety's limits.
      drive: how it is driven at a share of its speeds.
      more_m: what is added to the offset left of the path, by distance ahead.
    """
    pace, m, driving = 1.0, course.manoeuvre, config.driving
    motion = drive(pace)
    waypoints = waypoints_along(t_s, m, ego, motion, driving, more_m)
    for _ in range(_TRIES):
        excess = _excess(waypoints, config.safety)
        if excess <= 1.0:
            break
        pace *= _BELOW / excess
        motion = drive(pace)
        waypoints = waypoints_along(t_s, m, ego, motion, driving, more_m)
    return waypoints, motion


def slower(profile: SpeedProfile, pace: float) -> SpeedProfile:
    """A share of a profile's speeds."""
    if pace == 1.0:
        return profile
    return SpeedProfile(profile.step_m, pace * profile.allowed_mps, pace * profile.possible_mps)


def _excess(w: Waypoints, limits: SafetyConfig) -> float:
    """How many times too fast the trajectory is for what safety lets the car do sideways; at most 1 is fine."""
    n = int(np.searchsorted(w.t_s, limits.horizon_s, side="right"))
    yaw_rate, a_lat = lateral_demands(w.t_s[:n], w.yaw_rad[:n], w.v_mps[:n], w.curvature_1pm[:n])
    turning = float(yaw_rate.max()) / limits.yaw_rate_max_rps
    return max(turning, math.sqrt(float(a_lat.max()) / limits.a_lat_max_mps2))


def waypoints_along(
    t_s: Floats, m: Manoeuvre, ego: EgoState, motion: Motion, driving: DrivingConfig,
    more_m: Callable[[Floats], Floats] | None = None,
) -> Waypoints:  # fmt: skip
    """Poses of a motion: the path, with the ego's offset and heading blended out."""
    ahead_m = motion.ahead_m
    reach = float(ahead_m[-1]) + 10.0
    grid = np.arange(0.0, reach + _GEOMETRY_STEP_M, _GEOMETRY_STEP_M)
    d = offset_ahead(m, ego, grid, driving)
    if more_m is not None:
        d = d + more_m(grid)
    x, y, _, _ = m.path.center.at(m.s_m + grid, d)
    dx, dy = np.gradient(x, grid), np.gradient(y, grid)
    yaw = np.unwrap(np.arctan2(dy, dx))
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    curvature = np.gradient(yaw, arc)
    # the first pose is where the ego is, heading where it heads
    start = yaw[0] + wrap_angle(ego.yaw_rad - yaw[0])
    yaw = yaw + (start - yaw[0]) * np.exp(-grid / 2.0)
    x, y, yaw, curvature = (np.interp(ahead_m, grid, v) for v in (x, y, yaw, curvature))
    yaw = np.asarray(wrap_angle(yaw))
    return Waypoints(t_s, x, y, yaw, motion.v_mps, motion.a_mps2, curvature)


def straight_stop(view: PlannerView, driving: DrivingConfig, t_s: Floats) -> Waypoints:
    """Off the lanes: braking as hard as the decision asks for, at least gently, straight on."""
    least = driving.limits.a_min_mps2
    brake = float(np.clip(-view.decision.target_acceleration_mps2, 1.0, -least))
    t, v0 = t_s, view.ego.v_mps
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
