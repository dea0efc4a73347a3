"""What a trajectory does, in words: every class is hit by a made-up trajectory, on either side of its threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.geometry import Polyline
from whyway.trace.meta_actions import (
    WINDOW_S,
    lane_action,
    lateral_action,
    longitudinal_action,
    meta_actions,
)
from whyway.types import MetaLane, MetaLateral, MetaLongitudinal, Waypoints

T_S = np.arange(0.0, WINDOW_S + 0.05, 0.1)
HALF_WIDTH_M = 1.75


@dataclass(frozen=True)
class Lane:
    """A lane path, as far as meta-actions need it."""

    center: Polyline
    junctions: tuple[tuple[float, float], ...] = ()

    def half_width_at(self, s_m):
        return np.full(np.shape(s_m), HALF_WIDTH_M)


def bend(radius_m: float, junction: bool = False) -> Lane:
    """A lane that bends left (right for a negative radius) from the origin, 200 m long."""
    angle = np.linspace(0.0, min(200.0 / abs(radius_m), 2.5), 400)
    x = abs(radius_m) * np.sin(angle)
    y = radius_m * (1 - np.cos(angle))
    return Lane(Polyline.through(x, y), ((0.0, 200.0),) if junction else ())


STRAIGHT = Lane(Polyline.through(np.array([0.0, 400.0]), np.zeros(2)))
STRAIGHT_IN_JUNCTION = Lane(STRAIGHT.center, ((0.0, 400.0),))


def along(lane: Lane, v: float, d_from: float = 0.0, d_to: float = 0.0):
    """x, y of a drive along a lane that moves over from one offset to another within the window."""
    u = T_S / T_S[-1]
    d = d_from + (d_to - d_from) * u**3 * (10 - 15 * u + 6 * u * u)
    x, y, _, _ = lane.center.at(v * T_S, d)
    return x, y


# ---------------------------------------------------------------------------------------------------- longitudinal


@pytest.mark.parametrize(
    ("v0", "v1", "expected"),
    [
        (-0.2, -0.2, MetaLongitudinal.REVERSE),
        (-0.11, -0.11, MetaLongitudinal.STOP),
        (0.0, 0.0, MetaLongitudinal.STOP),
        (0.11, 0.11, MetaLongitudinal.STOP),
        (0.13, 0.13, MetaLongitudinal.MAINTAIN_SPEED),
        (0.9, 0.0, MetaLongitudinal.STOP),  # too slow to decelerate by 0.8 m/s and be moving before
        (5.0, 5.0 + 1.41 * WINDOW_S, MetaLongitudinal.STRONG_ACCELERATION),
        (5.0, 5.0 + 1.39 * WINDOW_S, MetaLongitudinal.GENTLE_ACCELERATION),
        (5.0, 5.81, MetaLongitudinal.GENTLE_ACCELERATION),
        (5.0, 5.79, MetaLongitudinal.MAINTAIN_SPEED),
        (5.0, 5.0, MetaLongitudinal.MAINTAIN_SPEED),
        (5.0, 4.21, MetaLongitudinal.MAINTAIN_SPEED),
        (5.0, 4.19, MetaLongitudinal.GENTLE_DECELERATION),
        (5.0, 5.0 - 1.39 * WINDOW_S, MetaLongitudinal.GENTLE_DECELERATION),
        (5.0, 5.0 - 1.41 * WINDOW_S, MetaLongitudinal.STRONG_DECELERATION),
        (3.0, 0.0, MetaLongitudinal.GENTLE_DECELERATION),
    ],
)
def test_speeds_have_their_name(v0, v1, expected):
    assert longitudinal_action(T_S, np.linspace(v0, v1, len(T_S))) == expected


@given(st.floats(-3.0, 30.0), st.floats(-6.0, 6.0))
def test_speeding_up_is_never_called_slowing_and_the_other_way_round(v0, a):
    speeding = {MetaLongitudinal.GENTLE_ACCELERATION, MetaLongitudinal.STRONG_ACCELERATION}
    slowing = {MetaLongitudinal.GENTLE_DECELERATION, MetaLongitudinal.STRONG_DECELERATION}
    done = longitudinal_action(T_S, v0 + a * T_S)
    assert done not in (slowing if a > 0 else speeding)


@given(st.floats(1.5, 30.0), st.floats(-3.0, 3.0))
def test_speeding_up_mirrors_slowing_down(v0, a):
    v = v0 + a * T_S
    if v.min() < 1.0:
        return
    there, back = longitudinal_action(T_S, v), longitudinal_action(T_S, v[::-1])
    mirror = {"ACCELERATION": "DECELERATION", "DECELERATION": "ACCELERATION"}
    kind, _, rest = there.name.partition("_")
    assert back.name == f"{kind}_{mirror.get(rest, rest)}"


# --------------------------------------------------------------------------------------------------------- lateral


def turning(rate_1pm: float, turn_rad: float):
    """Poses on an arc of a curvature through an angle."""
    s = np.linspace(0.0, abs(turn_rad / rate_1pm), len(T_S))
    yaw = rate_1pm * s
    return np.sin(yaw) / rate_1pm, (1 - np.cos(yaw)) / rate_1pm, yaw


@pytest.mark.parametrize(
    ("rate", "turn", "expected"),
    [
        (0.0014, 0.1, "GO_STRAIGHT"),
        (0.0016, 0.014, "GO_STRAIGHT"),
        (0.0016, 0.016, "STEER"),
        (0.049, 0.5, "STEER"),
        (0.051, 0.19, "STEER"),
        (0.051, 0.21, "SHARP_STEER"),
    ],
)
def test_turns_have_their_name_on_either_side(rate, turn, expected):
    v = np.full(len(T_S), 5.0)
    for side, sign in (("LEFT", 1.0), ("RIGHT", -1.0)):
        name = expected if expected == "GO_STRAIGHT" else f"{expected}_{side}"
        assert lateral_action(*turning(sign * rate, turn), v) == MetaLateral[name]


def test_turning_while_reversing_has_its_own_name():
    x, y, yaw = turning(0.02, 0.2)
    back = np.full(len(T_S), -1.0)
    assert lateral_action(x, y, yaw, back) == MetaLateral.REVERSE_LEFT
    assert lateral_action(x, -y, -yaw, back) == MetaLateral.REVERSE_RIGHT


def test_a_heading_that_wobbles_at_standstill_is_no_turn():
    zeros = np.zeros(len(T_S))
    assert lateral_action(zeros, zeros, 0.1 * T_S, zeros) == MetaLateral.GO_STRAIGHT


@given(st.floats(-math.pi, math.pi))
def test_turning_does_not_depend_on_where_north_is(north):
    x, y, yaw = turning(0.03, 0.4)
    c, s = math.cos(north), math.sin(north)
    turned = (yaw + north + math.pi) % (2 * math.pi) - math.pi
    seen = lateral_action(c * x - s * y, s * x + c * y, turned, np.full(len(T_S), 5.0))
    assert seen == MetaLateral.STEER_LEFT


# ------------------------------------------------------------------------------------------------------------ lane


@pytest.mark.parametrize(
    ("lane", "d_from", "d_to", "expected"),
    [
        (STRAIGHT, 0.0, 0.0, MetaLane.LANE_KEEP),
        (STRAIGHT, 0.0, 0.49, MetaLane.LANE_KEEP),
        (STRAIGHT, 0.0, 0.51, MetaLane.SLIGHTLY_SHIFT_LEFT),
        (STRAIGHT, 0.0, -0.51, MetaLane.SLIGHTLY_SHIFT_RIGHT),
        (STRAIGHT, 0.0, 1.74, MetaLane.SLIGHTLY_SHIFT_LEFT),
        (STRAIGHT, 0.0, 1.76, MetaLane.LEFT_LANE_CHANGE),
        (STRAIGHT, 0.0, -1.76, MetaLane.RIGHT_LANE_CHANGE),
        (STRAIGHT, 1.9, 0.0, MetaLane.SLIGHTLY_SHIFT_RIGHT),  # coming back into the lane
        (STRAIGHT, 1.6, 1.8, MetaLane.LANE_KEEP),  # hardly moving
        (bend(150.0), 0.0, 0.0, MetaLane.FOLLOW_CURVE_LEFT),
        (bend(-150.0), 0.0, 0.0, MetaLane.FOLLOW_CURVE_RIGHT),
        (bend(400.0), 0.0, 0.0, MetaLane.LANE_KEEP),
        (bend(20.0), 0.0, 0.0, MetaLane.FOLLOW_CURVE_LEFT),
        (bend(20.0, junction=True), 0.0, 0.0, MetaLane.TURN_LEFT),
        (bend(-20.0, junction=True), 0.0, 0.0, MetaLane.TURN_RIGHT),
        (STRAIGHT_IN_JUNCTION, 0.0, 0.0, MetaLane.LANE_KEEP),
        (bend(150.0), 0.0, 2.0, MetaLane.LEFT_LANE_CHANGE),
    ],
)
def test_motion_in_the_lane_has_its_name(lane, d_from, d_to, expected):
    assert lane_action(*along(lane, 10.0, d_from, d_to), lane) == expected


@given(
    st.floats(25.0, 500.0), st.booleans(), st.booleans(), st.floats(1.0, 15.0), st.floats(-1.2, 1.2)
)
def test_a_curve_followed_is_never_a_lane_change_nor_a_shift(radius, right, junction, v, d):
    lane = bend(-radius if right else radius, junction)
    done = lane_action(*along(lane, v, d, d), lane)
    side = "RIGHT" if right else "LEFT"
    assert done.name in ("LANE_KEEP", f"FOLLOW_CURVE_{side}", f"TURN_{side}")


@given(st.floats(60.0, 500.0), st.booleans(), st.floats(5.0, 15.0))
def test_leaving_the_lane_is_a_lane_change_in_any_curve(radius, right, v):
    lane = bend(-radius if right else radius)
    assert lane_action(*along(lane, v, 0.0, 3.5), lane) == MetaLane.LEFT_LANE_CHANGE
    assert lane_action(*along(lane, v, 0.0, -3.5), lane) == MetaLane.RIGHT_LANE_CHANGE


def test_only_the_window_from_now_on_counts():
    t = np.arange(0.0, 8.05, 0.1)
    late = np.clip(t - WINDOW_S - 0.05, 0.0, None)
    v, d = 10.0 - 1.5 * late, 1.5 * late
    x = np.concatenate([[0.0], np.cumsum(v[:-1] * 0.1)])
    yaw = 0.2 * np.clip(late, 0.0, 1.0)
    done = meta_actions(Waypoints(t, x, d, yaw, v, 0 * t, 0 * t), STRAIGHT)
    assert done.longitudinal == MetaLongitudinal.MAINTAIN_SPEED
    assert done.lateral == MetaLateral.GO_STRAIGHT
    assert done.lane == MetaLane.LANE_KEEP
