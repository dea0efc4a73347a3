"""Recordings and lights are what they were given as."""

from __future__ import annotations

import numpy as np

from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import LightColor, TrafficLight
from whyway.worlds.sim.logs import Track, build_logs, build_signals, recorded_way


def test_a_recording_is_there_from_its_first_to_its_last_sample_and_straight_between_them():
    track = Track(
        0.5,
        np.array([0.0, 1.0, 3.0]),
        np.zeros(3),
        np.array([3.0, -3.1, -3.0]),
        np.array([1.0, 2.0, 3.0]),
    )
    parked = Track(0.0, np.array([7.0]), np.array([8.0]), np.zeros(1), np.zeros(1), forever=True)
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


def test_a_recorded_way_is_driven_at_the_speed_recorded_nearby_even_where_somebody_stood():
    t = np.arange(0.0, 30.0, 0.1)
    v = np.where(t < 10.0, 8.0, np.where(t < 15.0, 0.0, 8.0))
    x = np.cumsum(v) * 0.1
    line = recorded_way(Track(0.0, x, 0 * x, 0 * x, v))
    assert line is not None and (line.speed_mps == 8.0).all()
    assert (np.diff(line.x_m) > 0.1).all() and line.x_m[[0, -1]].tolist() == x[[0, -1]].tolist()
    assert recorded_way(Track(0.0, x[:1], x[:1], x[:1], v[:1], forever=True)) is None
    jitter = 0.1 * np.sin(t[:5])
    assert recorded_way(Track(0.0, jitter, jitter, 0 * jitter, 0 * jitter)) is None
