"""Manoeuvres: a lateral decision made concrete on this road, as a path from where the ego is and the speed it allows."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.config import DrivingConfig
from whyway.geometry import Polyline, wrap_angle
from whyway.maps.road import LanePath, Road
from whyway.maps.swerve import Shift, Swerve
from whyway.motion import SpeedProfile, speed_profile
from whyway.types import Direction, EgoState, Floats, Lateral

TIGHT_1PM = 0.15
"""Tighter than this even over 4 m (radius 7 m): a turn, not a kink."""
REACH_M = 150.0
"""How far ahead of the ego paths are laid."""
LEAST_BLEND_M = 8.0
"""Shortest distance over which an offset from the path is taken back: less would jerk the wheel at walking pace."""
EASY_1PM = 0.06
"""Bends of moving over that are no reason to slow down."""
CENTRED = 0.4
"""Share of the half width beyond which the ego counts as still moving into its lane."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the ego is: lane, arc length along it and offset to the left of its centre."""

    lane_id: int
    s_m: float
    d_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Manoeuvre:
    """A lateral decision made concrete: the path to follow and where on it the ego is."""

    lateral: Lateral
    direction: Direction
    path: LanePath
    s_m: float
    d_m: float
    leaving: LanePath | None = None
    """The lane's path that a lane change leaves, and the ego's arc length on it."""
    leaving_s_m: float = 0.0
    shift: Shift | None = None
    """Where it drives aside of the path's centre, if it does."""


def aside(m: Manoeuvre, swerve: Swerve, ego: EgoState) -> Manoeuvre:
    """The manoeuvre driven aside of its path's centre for a while."""
    yaw = float(m.path.center.at(np.array([m.s_m]))[2][0])
    shift = Shift.of(swerve, m.d_m, float(wrap_angle(ego.yaw_rad - yaw)), ego.v_mps)
    return dataclasses.replace(m, shift=shift)


def place_of(road: Road, ego: EgoState) -> Place | None:
    """The ego's lane; None off the lanes."""
    found = road.locate_ego(ego.x_m, ego.y_m, ego.yaw_rad)
    return None if found is None else Place(*found)


def ego_path(road: Road, ego: EgoState, length_m: float = 120.0) -> LanePath | None:
    """The lane path the ego is on; None off the lanes."""
    place = place_of(road, ego)
    return None if place is None else road.path_from(place.lane_id, place.s_m + length_m)


def manoeuvre(
    road: Road,
    place: Place,
    lateral: Lateral,
    direction: Direction,
    length_m: float,
    *,
    on_route: bool = True,
) -> Manoeuvre | None:
    """What a lateral decision means here; None where it means nothing (no lane on that side).

    A lane change is said from its beginning to its end, over the border between the lanes: an ego that has its new lane but is still
    off its centre, on the side it came from, goes on into that lane rather than one further.
    """

    def on(lane_id: int, s_m: float, d_m: float) -> Manoeuvre:
        return Manoeuvre(
            lateral, direction, road.path_from(lane_id, s_m + length_m, on_route), s_m, d_m
        )

    if lateral != Lateral.LANE_CHANGE:
        return on(place.lane_id, place.s_m, place.d_m)
    left, right = road.neighbours(place.lane_id)
    neighbour = left if direction == Direction.LEFT else right
    half = float(road.lanes[place.lane_id].width_at(place.s_m)) / 2
    came_from = -1.0 if direction == Direction.LEFT else 1.0
    if place.d_m * came_from > CENTRED * half or neighbour == 0:
        finishing = place.d_m * came_from > CENTRED * half
        return on(place.lane_id, place.s_m, place.d_m) if finishing else None
    here = road.lanes[place.lane_id].center.at(place.s_m, place.d_m)
    s, d = road.lanes[neighbour].center.project(here[0], here[1])
    path = road.path_from(neighbour, float(s) + length_m, on_route)
    leaving = road.path_from(place.lane_id, place.s_m + length_m, on_route)
    return Manoeuvre(lateral, direction, path, float(s), float(d), leaving, place.s_m)


def change_time_s(offset_m: float, driving: DrivingConfig) -> float:
    """How long moving over by an offset takes: a lane's width in `lane_change_s`, less for less."""
    return float(
        np.clip(driving.lane_change_s * math.sqrt(abs(offset_m) / 3.5), 2.0, driving.lane_change_s)
    )


def offset_at(t_s: Any, offset_m: float, driving: DrivingConfig) -> Floats:
    """What is left of an offset at times `(...)`, on the way to the centre with least jerk."""
    u = np.clip(np.asarray(t_s) / change_time_s(offset_m, driving), 0.0, 1.0)
    left: Floats = offset_m * (1.0 - u**3 * (10.0 - 15.0 * u + 6.0 * u * u))
    return left


def offset_ahead(m: Manoeuvre, ego: EgoState, ahead_m: Any, driving: DrivingConfig) -> Floats:
    """Offset left of the path at distances ahead `(...)`, as it is planned: the shift's, or the ego's own taken back.

    Without a shift a quintic leads from the ego's offset and heading to none, over the distance its change takes.
    """
    if m.shift is not None:
        return m.shift.at(ahead_m)
    yaw_path = float(m.path.center.at(np.array([m.s_m]))[2][0])
    heading = float(np.clip(wrap_angle(ego.yaw_rad - yaw_path), -0.5, 0.5))
    length = max(LEAST_BLEND_M, ego.v_mps * change_time_s(m.d_m, driving))
    slope = math.tan(heading) * length
    u = np.clip(np.asarray(ahead_m) / length, 0.0, 1.0)
    d0 = m.d_m
    # least-jerk quintic with value d0 and slope at 0, and nothing left of either at 1 (nor of the second derivatives)
    c3, c4, c5 = -10 * d0 - 6 * slope, 15 * d0 + 8 * slope, -6 * d0 - 3 * slope
    offset: Floats = d0 + slope * u + c3 * u**3 + c4 * u**4 + c5 * u**5
    return offset


def profile_along(
    m: Manoeuvre,
    ego: EgoState,
    driving: DrivingConfig,
    length_m: float,
    *,
    limits: bool = True,
    curves: bool = True,
) -> SpeedProfile:
    """The speed the manoeuvre's path allows from `base_link` on; without `limits`, up to 30 % above them."""
    ahead = np.arange(0.0, length_m, 1.0)
    s = m.s_m + ahead
    limit = m.path.limit_at(s) * (1.0 if limits else 1.3)
    curvature = _smoothed_curvature(m.path.center, s) if curves else np.zeros(len(s))
    if m.shift is not None:
        # the wheel takes its time: a little slower than the bends alone would have it
        curvature = np.abs(curvature) + 1.4 * m.shift.bend_at(ahead)
    elif curves:
        bend = _bend_of_offset(m, ego, ahead, driving)
        curvature = np.abs(curvature) + np.where(bend > EASY_1PM, bend, 0.0)
    return speed_profile(limit, curvature, 1.0, driving)


def _bend_of_offset(m: Manoeuvre, ego: EgoState, ahead_m: Floats, driving: DrivingConfig) -> Floats:
    """Bend (without sign) relative to the path of taking the ego's offset back, at distances ahead."""
    h = 0.5
    d = offset_ahead(m, ego, np.stack([ahead_m - h, ahead_m, ahead_m + h]), driving)
    result: Floats = np.where(ahead_m >= h, np.abs(d[0] - 2.0 * d[1] + d[2]) / (h * h), 0.0)
    return result


def _smoothed_curvature(line: Polyline, s_m: Floats) -> Floats:
    # heading change over 4 m: kinks of hand-drawn maps are not curves; but a turn this tight is one, and its apex counts
    wide, apex = _bend(line, s_m, 4.0), _bend(line, s_m, 1.0)
    tighter = (np.abs(wide) > TIGHT_1PM) & (np.abs(apex) > np.abs(wide))
    return np.where(tighter, apex, wide)


def _bend(line: Polyline, s_m: Floats, over_m: float) -> Floats:
    ends = np.stack([s_m - over_m / 2, s_m + over_m / 2])
    yaw = np.interp(ends, line.s_m, line.yaw_rad)
    change: Floats = (yaw[1] - yaw[0]) / over_m
    return change
