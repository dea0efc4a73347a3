"""Pedestrian crossings as prediction sees them: an axis people walk along, and who is about to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.maps.road import Road
from whyway.types import Crossing

_BESIDE_M = 1.5
_BEFORE_M = 3.0


@dataclass(frozen=True)
class CrossingArea:
    """A crossing's box: centre, the direction in which it is walked (either way), half sizes along and across it."""

    x_m: float
    y_m: float
    axis_rad: float
    half_along_m: float
    half_across_m: float

    @staticmethod
    def of(crossing: Crossing, road: Road) -> CrossingArea:
        """The area of a crossing of the map: it is walked square to the lane it crosses, or along its longer side."""
        x, y = float(np.mean(crossing.x_m)), float(np.mean(crossing.y_m))
        lane_ids = [int(i) for i in crossing.lane_ids if int(i) in road.lanes]
        if lane_ids:
            lane = road.lanes[lane_ids[0]]
            s, _ = lane.project(x, y)
            axis = float(lane.center.at(s)[2]) + math.pi / 2
        else:
            dx, dy = np.diff(crossing.x_m[:3]), np.diff(crossing.y_m[:3])
            longer = int(np.argmax(np.hypot(dx, dy)))
            axis = float(np.arctan2(dy[longer], dx[longer]))
        c, s_ = math.cos(axis), math.sin(axis)
        along = c * (crossing.x_m - x) + s_ * (crossing.y_m - y)
        across = -s_ * (crossing.x_m - x) + c * (crossing.y_m - y)
        return CrossingArea(x, y, axis, float(np.abs(along).max()), float(np.abs(across).max()))


def crossing_direction(
    area: CrossingArea, x_m: float, y_m: float, v_mps: float, course_rad: float
) -> tuple[float, float] | None:
    """The course on which someone is about to cross and how likely that is; None if they are not at this crossing.

    Args:
      area: the crossing.
      x_m: where they are.
      y_m: where they are.
      v_mps: how fast they walk, 0 if they stand.
      course_rad: which way they walk, or face.
    """
    dx, dy = x_m - area.x_m, y_m - area.y_m
    c, s = math.cos(area.axis_rad), math.sin(area.axis_rad)
    along, across = c * dx + s * dy, -s * dx + c * dy
    if abs(along) > area.half_along_m + _BEFORE_M or abs(across) > area.half_across_m + _BESIDE_M:
        return None
    pace = v_mps * math.cos(course_rad - area.axis_rad)
    inside = abs(along) <= area.half_along_m
    if inside and abs(pace) > 0.3:
        return area.axis_rad + (math.pi if pace < 0 else 0.0), 0.9
    if inside:
        return area.axis_rad + (math.pi if along > 0 else 0.0), 0.4
    inwards = -math.copysign(1.0, along)
    course = area.axis_rad + (math.pi if inwards < 0 else 0.0)
    if pace * inwards > 0.4:
        return course, 0.65
    facing = math.cos(course_rad - course) > 0.5
    return (course, 0.2) if v_mps < 0.3 and facing else None
