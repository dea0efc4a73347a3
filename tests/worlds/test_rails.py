"""Paths on arrays agree with the polylines they were made of; recordings and lights are what they were given as."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.geometry import Polyline
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import LightColor, TrafficLight
from whyway.worlds.sim.logs import build_logs, build_signals
from whyway.worlds.sim.rails import Rail, build_rails, speed_profile


@pytest.fixture(scope="module")
def curve() -> Polyline:
    t = np.linspace(0.0, 1.6, 200)
    return Polyline.through(60.0 * np.sin(t), 40.0 * (1.0 - np.cos(t)))


@pytest.fixture(scope="module")
def rails(curve):
    straight = Polyline.through(np.array([0.0, 30.0]), np.array([10.0, 10.0]))
    flat = [Rail(line, line.s_m, np.full(len(line.s_m), 9.0)) for line in (straight, curve)]
    return build_rails(flat)


def test_poses_on_a_rail_are_those_of_its_line(curve, rails):
    s = np.linspace(-3.0, curve.length_m + 3.0, 150)
    d = np.linspace(-2.0, 2.0, 150)
    x, y, yaw, speed = rails.pose(np.ones(150, dtype=np.int64), s, d)
    ex, ey, eyaw, _ = curve.at(s, d)
    np.testing.assert_allclose(np.hypot(x - ex, y - ey), 0.0, atol=0.05)
    np.testing.assert_allclose(yaw, eyaw, atol=0.02)
    assert (speed == 9.0).all()


def test_projection_by_the_grid_agrees_with_the_search_along_the_line(curve, rails):
    rng = np.random.default_rng(0)
    s, d = rng.uniform(0.0, curve.length_m, 400), rng.uniform(-5.0, 5.0, 400)
    x, y, _, _ = curve.at(s, d)
    es, ed = curve.project(x, y)
    fs, fd, yaw, found = rails.project(np.ones(400, dtype=np.int64), x, y)
    assert found.all()
    np.testing.assert_allclose(fd, ed, atol=0.1)
    np.testing.assert_allclose(fs, es, atol=0.25)
    np.testing.assert_allclose(yaw, curve.at(es)[2], atol=0.05)


def test_points_far_from_a_rail_are_not_found(rails):
    path = np.zeros(3, dtype=np.int64)
    _, _, _, found = rails.project(path, np.array([15.0, 15.0, 9e3]), np.array([10.0, 25.0, 0.0]))
    assert found.tolist() == [True, False, False]


def test_speed_profiles_brake_in_time_for_curves():
    x = np.concatenate([np.linspace(0, 60, 61), 60 + 8 * np.sin(np.linspace(0.1, 1.5, 15))])
    y = np.concatenate([np.zeros(61), 8 * (1 - np.cos(np.linspace(0.1, 1.5, 15)))])
    line = Polyline.through(x, y)
    v = speed_profile(line, np.full(len(line.s_m), 14.0))
    assert v[0] > 13.0
    assert v[65] < 4.6
    assert (np.diff(v**2) / (2 * np.diff(line.s_m)) > -1.51).all()


def test_a_recording_is_there_from_its_first_to_its_last_sample_and_straight_between_them():
    track = (
        0.5,
        np.array([0.0, 1.0, 3.0]),
        np.zeros(3),
        np.array([3.0, -3.1, -3.0]),
        np.array([1.0, 2.0, 3.0]),
        False,
    )
    parked = (0.0, np.array([7.0]), np.array([8.0]), np.zeros(1), np.zeros(1), True)
    logs = build_logs([track, parked], 0.25)
    t = np.array([0.4, 0.5, 0.625, 1.0, 1.1])
    x, _, yaw, v, _, there = logs.at(np.zeros(5, dtype=np.int64), t)
    assert there.tolist() == [False, True, True, True, False]
    np.testing.assert_allclose(x[1:4], [0.0, 0.5, 3.0])
    np.testing.assert_allclose(v[1:4], [1.0, 1.5, 3.0])
    assert abs(yaw[2]) > 3.0  # over the seam at pi, not back through 0
    x, *_, there = logs.at(np.ones(5, dtype=np.int64), t)
    assert there.all() and (x == 7.0).all()


def test_lights_follow_their_program_and_wait_where_they_are_to_wait():
    colors = (LightColor.GREEN, LightColor.AMBER, LightColor.RED)
    plan = SignalPlan(
        {
            5: SignalCycle(colors, (4.0, 1.0, 5.0), 2.0),
            9: SignalCycle(colors, (6.0, 3.0, 9.0), -7.0),
        }
    )
    none = np.zeros(0, dtype=np.int64)
    lights = [
        TrafficLight(9, 0.0, 0.0, none),
        TrafficLight(5, 0.0, 0.0, none),
        TrafficLight(6, 0.0, 0.0, none),
    ]
    t = np.arange(0.0, 40.0, 0.1)
    found = build_signals(lights, plan).colors(t, 0 * t)
    expected = [[s.color for s in plan.states(float(k))] for k in t]
    assert found.tolist() == expected
    waiting = build_signals(lights, plan, waiting=[9], dwell_s=3.0).colors(
        t, np.maximum(t - 20.0, 0.0)
    )
    assert (waiting[:, 0] == found[:, 0]).all()
    assert (waiting[t < 28.0, 1] == LightColor.RED).all()
    assert waiting[285, 1] == LightColor.GREEN
