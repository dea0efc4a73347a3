"""Trajectory -> meta-actions: what a trajectory does, in words, computed and never claimed.

Thresholds are those of NVIDIA's chain-of-causation autolabeler (Apache-2.0), averaged over a window that starts now. Lateral
motion is measured in the lane's frame: measured in the ego's, every curve would look like a lane change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.geometry import wrap_angle
from whyway.trace.frame import LaneFrame
from whyway.types import MetaLane, MetaLateral, MetaLongitudinal, Waypoints

WINDOW_S = 3.0
"""The stretch of a trajectory its words are about: long enough for every minimum length (12 ticks), short enough to be now."""

STANDSTILL_MPS = 0.12
GENTLE_MPS2, STRONG_MPS2, SPEED_CHANGE_MPS = 0.15, 1.4, 0.8
STEER_1PM, STEER_RAD = 0.0015, 0.015
SHARP_STEER_1PM, SHARP_STEER_RAD = 0.05, 0.2
SHIFT_M = 0.5
"""Lateral motion within the lane that counts as a shift."""
TURN_RAD, CURVE_RAD = 0.35, 0.1
"""Heading change within the window that makes a turn (in a junction) or a curve (elsewhere)."""


@dataclass(frozen=True, slots=True)
class MetaActions:
    """What a trajectory does, on each axis."""

    longitudinal: MetaLongitudinal
    lateral: MetaLateral
    lane: MetaLane


def longitudinal_action(t_s: np.ndarray, v_mps: np.ndarray) -> MetaLongitudinal:
    """The longitudinal meta-action of speeds `(n,)` at times `(n,)`.

    A trajectory that comes to rest from less speed than a deceleration needs (0.8 m/s) is a stop: nothing else is left of it.
    """
    mean_v, change = float(np.mean(v_mps)), float(v_mps[-1] - v_mps[0])
    duration = max(float(t_s[-1] - t_s[0]), 1e-6)
    a = change / duration
    if mean_v < -STANDSTILL_MPS:
        return MetaLongitudinal.REVERSE
    settles = abs(v_mps[-1]) < STANDSTILL_MPS and v_mps[0] < SPEED_CHANGE_MPS + STANDSTILL_MPS
    if mean_v < STANDSTILL_MPS or settles:
        return MetaLongitudinal.STOP
    if change >= SPEED_CHANGE_MPS and a >= GENTLE_MPS2:
        strong = a >= STRONG_MPS2
        return (
            MetaLongitudinal.STRONG_ACCELERATION if strong else MetaLongitudinal.GENTLE_ACCELERATION
        )
    if change <= -SPEED_CHANGE_MPS and a <= -GENTLE_MPS2:
        strong = a <= -STRONG_MPS2
        return (
            MetaLongitudinal.STRONG_DECELERATION if strong else MetaLongitudinal.GENTLE_DECELERATION
        )
    return MetaLongitudinal.MAINTAIN_SPEED


def lateral_action(
    x_m: np.ndarray, y_m: np.ndarray, yaw_rad: np.ndarray, v_mps: np.ndarray
) -> MetaLateral:
    """The lateral meta-action of poses `(n,)`: turn rate per metre travelled, and heading change."""
    distance = float(np.sum(np.hypot(np.diff(x_m), np.diff(y_m))))
    turn = float(np.sum(wrap_angle(np.diff(yaw_rad))))
    rate = abs(turn) / max(distance, 1e-6)
    if distance < 0.1 or rate < STEER_1PM or abs(turn) < STEER_RAD:
        return MetaLateral.GO_STRAIGHT
    left = turn > 0
    if float(np.mean(v_mps)) < -STANDSTILL_MPS:
        return MetaLateral.REVERSE_LEFT if left else MetaLateral.REVERSE_RIGHT
    if rate >= SHARP_STEER_1PM and abs(turn) >= SHARP_STEER_RAD:
        return MetaLateral.SHARP_STEER_LEFT if left else MetaLateral.SHARP_STEER_RIGHT
    return MetaLateral.STEER_LEFT if left else MetaLateral.STEER_RIGHT


def lane_action(x_m: np.ndarray, y_m: np.ndarray, path: LaneFrame) -> MetaLane:
    """Motion relative to the lane path the trajectory starts on: leaving it, turning with it, shifting in it, or keeping it."""
    s, d = path.center.project(x_m[[0, -1]], y_m[[0, -1]])
    half = path.half_width_at(s)
    shift = float(d[1] - d[0])
    if abs(d[1]) > half[1] and abs(d[1]) > abs(d[0]) and abs(shift) >= SHIFT_M:
        return MetaLane.LEFT_LANE_CHANGE if shift > 0 else MetaLane.RIGHT_LANE_CHANGE
    turn = turn_between(path, float(s[0]), float(s[1]))
    if abs(turn) >= TURN_RAD and any(a < s[1] and b > s[0] for a, b in path.junctions):
        return MetaLane.TURN_LEFT if turn > 0 else MetaLane.TURN_RIGHT
    if abs(shift) >= SHIFT_M:
        return MetaLane.SLIGHTLY_SHIFT_LEFT if shift > 0 else MetaLane.SLIGHTLY_SHIFT_RIGHT
    if abs(turn) >= CURVE_RAD:
        return MetaLane.FOLLOW_CURVE_LEFT if turn > 0 else MetaLane.FOLLOW_CURVE_RIGHT
    return MetaLane.LANE_KEEP


def turn_between(path: LaneFrame, from_s_m: float, to_s_m: float) -> float:
    """Heading change of a lane path between two arc lengths, left positive."""
    yaw = path.center.at(np.array([from_s_m, to_s_m]))[2]
    return float(yaw[1] - yaw[0])


def meta_actions(waypoints: Waypoints, path: LaneFrame) -> MetaActions:
    """What a trajectory does over the window that starts now.

    Args:
      waypoints: poses of `base_link` in `map`; at least two within the window.
      path: the lane path the trajectory starts on.
    """
    w = waypoints.t_s <= waypoints.t_s[0] + WINDOW_S + 1e-6
    x, y, v = waypoints.x_m[w], waypoints.y_m[w], waypoints.v_mps[w]
    return MetaActions(
        longitudinal_action(waypoints.t_s[w], v),
        lateral_action(x, y, waypoints.yaw_rad[w], v),
        lane_action(x, y, path),
    )
