"""Paths on arrays agree with the polylines they were made of."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.geometry import Polyline
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
