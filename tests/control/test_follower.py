"""The follower in closed loop with the single-track model."""

import math
from dataclasses import replace

import numpy as np
import pytest

from whyway.control import Follower
from whyway.control.path import PlanPath
from whyway.types import Plan, Waypoints

SPEEDS = [1.0, 3.0, 7.0, 10.0, 15.0, 25.0, 35.0]


@pytest.fixture(scope="module")
def follower(kit):
    return Follower(kit.config)


def follow(kit, follower, curve, e, cycles):
    """Offsets from the curve, and the egos."""
    egos, _ = kit.drive(lambda k, e: (follower.step(e, curve.plan(e), 0), None), e, cycles)
    return np.array([curve.nearest(e)[1] for e in egos]), egos


@pytest.mark.parametrize(
    ("v", "radius"), [(3.0, 7.0), (5.0, 8.0), (8.0, 16.0), (10.0, 25.0), (10.0, 40.0)]
)
def test_town_curves_are_followed_within_15_cm(kit, follower, v, radius):
    def s_curve(s):
        return np.where(
            (s > 20) & (s < 40), 1 / radius, np.where((s > 55) & (s < 75), -1 / radius, 0.0)
        )

    off, _ = follow(kit, follower, kit.Curve(s_curve), kit.ego(v=v), int(110 / v / 0.1))
    assert np.abs(off).max() < 0.15
    assert np.abs(off[-10:]).max() < 0.02


@pytest.mark.parametrize("v", SPEEDS)
def test_an_offset_dies_out_without_oscillation(kit, follower, v):
    off, egos = follow(
        kit,
        follower,
        kit.Curve(lambda s: 0 * s),
        kit.ego(y=0.5, v=v),
        int(max(6.0, 15.0 / v) / 0.1),
    )
    assert off.min() > -0.06  # one small overshoot
    assert np.abs(off[-5:]).max() < 0.02
    steer = np.array([e.steer_rad for e in egos])
    assert np.sum(np.diff(np.sign(np.where(np.abs(steer) < 1e-3, 0, steer))) != 0) <= 6


@pytest.mark.parametrize("v", [5.0, 10.0, 20.0, 35.0])
def test_lane_changes_are_followed(kit, follower, v):
    length = max(5.0 * v, 25.0)  # 3.5 m to the left over five seconds

    def change(s):
        u = np.clip((s - 2 * v) / length, 0, 1)
        return (
            3.5 * 60 * u * (1 - u) * (1 - 2 * u) / length**2
        )  # second derivative of the minimum-jerk shift

    off, _ = follow(kit, follower, kit.Curve(change), kit.ego(v=v), 100)
    assert np.abs(off).max() < 0.05


def test_on_a_circle_there_is_no_offset(kit, follower):
    off, egos = follow(
        kit,
        follower,
        kit.Curve(lambda s: 0 * s + 0.05),
        kit.ego(v=8.0, steer=math.atan(0.05 * 2.5789)),
        100,
    )
    assert np.abs(off[-20:]).max() < 5e-3
    assert egos[-1].steer_rad == pytest.approx(
        math.atan(0.05 * kit.config.vehicle.wheelbase_m), abs=2e-3
    )


@pytest.mark.parametrize("v", SPEEDS)
def test_steering_never_moves_faster_than_it_can(kit, follower, v):
    _, egos = follow(kit, follower, kit.Curve(lambda s: 0 * s), kit.ego(y=1.4, yaw=-0.3, v=v), 30)
    rate = np.abs(np.diff([e.steer_rad for e in egos])) / 0.1
    assert rate.max() <= kit.config.vehicle.steer_rate_max_rps + 1e-9


def test_speed_follows_the_plan_to_a_stop_and_stays(kit, follower):
    start = kit.ego(v=10.0)
    plan = kit.straight(start, a=-2.0)

    def step(k, e):
        return follower.step(e, plan, k * kit.step_ns), None

    egos, _ = kit.drive(step, start, 79)
    assert egos[-1].v_mps == 0.0
    assert egos[-1].x_m == pytest.approx(25.0, abs=0.3)
    assert follower.step(egos[-1], plan, 7_900_000_000).acceleration_mps2 < 0


def test_a_plan_some_cycles_old_is_followed_from_where_it_is_by_now(kit, follower):
    plan = kit.straight(kit.ego(v=0.0), a=2.0, v=0.0)
    command = follower.step(kit.ego(x=1.0, v=2.0), plan, 1_000_000_000)
    assert command.acceleration_mps2 == pytest.approx(2.0, abs=1e-6)


def test_it_starts_when_the_plan_starts(kit, follower):
    assert (
        follower.step(kit.ego(v=0.0), kit.straight(kit.ego(v=0.0), a=1.5), 0).acceleration_mps2
        > 1.0
    )


def test_steering_is_held_at_standstill(kit, follower):
    e = kit.ego(v=0.0, steer=0.2)
    assert follower.step(e, kit.straight(e), 0).steer_rad == 0.2


def test_stopping_in_a_bend_does_not_unwind_the_steering(kit, follower):
    curve, bend = kit.Curve(lambda s: 0 * s + 0.1), math.atan(0.1 * kit.config.vehicle.wheelbase_m)
    e = kit.ego(v=2.0, steer=bend)
    t = np.arange(0.0, 3.05, 0.1)
    s = 2.0 * np.minimum(t, 2.0) - 0.5 * np.minimum(t, 2.0) ** 2
    x, y, yaw = (np.interp(s, curve.s, c) for c in (curve.x, curve.y, curve.yaw))
    w = Waypoints(t, x, y, yaw, np.maximum(2.0 - t, 0.0), np.where(t < 2, -1.0, 0.0), 0 * t + 0.1)
    egos, _ = kit.drive(
        lambda k, e: (follower.step(e, Plan(0, 0, w), k * kit.step_ns), None), e, 25
    )
    assert egos[-1].v_mps == 0.0
    assert all(abs(e.steer_rad - bend) < 0.02 for e in egos)


def test_a_path_of_one_place_has_a_heading():
    w = Waypoints(*(np.zeros(5) for _ in range(7)))
    path = PlanPath.of(replace(w, t_s=np.arange(5.0), yaw_rad=np.full(5, 0.5)))
    s, d, turned = path.project(1.0, 0.0, 0.5)
    assert (s, d, turned) == pytest.approx((math.cos(0.5), -math.sin(0.5), 0.0))


def test_projection_and_pose_are_inverse(kit):
    curve = kit.Curve(lambda s: 0.04 * np.sin(s / 15), length=120.0)
    path = PlanPath.of(curve.plan(kit.ego()).waypoints)
    for at in np.linspace(1, 75, 40):
        x, y, yaw = (float(v) for v in path.pose_at(np.float64(at)))
        for left in (-0.5, 0.0, 0.5):
            s, d, _ = path.project(x - left * math.sin(yaw), y + left * math.cos(yaw), yaw)
            assert s == pytest.approx(at, abs=0.03)
            assert d == pytest.approx(left, abs=0.01)
