"""The sensor model: what is hidden, out of range or out of view is not seen; noise and luck are as configured."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from whyway.config import SensorConfig
from whyway.types import EgoState, LightColor, ObjectClass
from whyway.worlds.sim.sensors import Boxes, see_lights, sense, visible_share

EXACT = SensorConfig(
    position_sigma_m=0.0, yaw_sigma_rad=0.0, speed_sigma_mps=0.0, size_sigma_m=0.0, miss_probability=0.0, false_per_cycle=0.0
)  # fmt: skip
EGO = EgoState(0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0)
ALL_NOISE = SensorConfig(miss_probability=0.1, false_per_cycle=0.3)


def boxes(*rows: tuple[float, float, float, float, float]) -> Boxes:
    """Boxes from (x, y, yaw, length, width); each drives at 5 m/s."""
    x, y, yaw, length, width = (np.array(c, dtype=float) for c in zip(*rows, strict=True))
    return Boxes(
        np.full(len(x), int(ObjectClass.CAR)), x, y, yaw, np.full(len(x), 5.0), length, width
    )


def seen(scene: Boxes, sensor: SensorConfig, ego: EgoState = EGO, seed: int = 0):
    return sense(ego, 1.3, scene, sensor, np.random.default_rng(seed))


def test_a_box_behind_a_wider_one_is_not_seen():
    scene = boxes((20.0, 0.0, 0.0, 4.5, 2.5), (35.0, 0.0, 0.0, 4.5, 1.8))
    assert [round(d.x_m) for d in seen(scene, EXACT)] == [20]
    assert len(seen(scene, replace(EXACT, occlusion=False))) == 2


def test_a_box_that_looks_out_by_half_is_seen():
    near = (20.0, 0.0, 0.0, 4.5, 1.8)
    shares = [
        visible_share(boxes(near, (35.0, y, 0.0, 4.5, 1.8)), 1.3, 0.0)[1]
        for y in (1.0, 1.5, 2.0, 4.0)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.25 < shares[1] < 1.0 == shares[3]
    assert len(seen(boxes(near, (35.0, 2.0, 0.0, 4.5, 1.8)), EXACT)) == 2


def test_nothing_hides_what_is_nearer_or_beside_it():
    scene = boxes(
        (35.0, 0.0, 0.0, 12.0, 2.5),
        (20.0, 0.0, 0.0, 0.5, 0.5),
        (0.0, 20.0, 1.0, 4.5, 1.8),
        (-15.0, 0.0, 0.0, 4.5, 1.8),
    )
    share = visible_share(scene, 0.0, 0.0)
    assert (share[1:] == 1.0).all()
    assert 0.5 < share[0] < 1.0


def test_range_and_field_of_view_bound_what_is_seen():
    scene = boxes(
        (99.0, 0.0, 0.0, 4.0, 2.0),
        (0.0, 103.0, 0.0, 4.0, 2.0),
        (-30.0, 0.0, 0.0, 4.0, 2.0),
        (0.0, -30.0, 0.0, 4.0, 2.0),
    )
    assert len(seen(scene, EXACT)) == 3
    ahead = seen(scene, replace(EXACT, field_of_view_rad=math.radians(120.0)))
    assert [round(d.x_m) for d in ahead] == [99]


def test_detections_are_in_base_link_and_velocities_over_ground():
    ego = EgoState(10.0, 5.0, math.pi / 2, 7.0, 0.0, 0.0, 0.0)
    (d,) = seen(boxes((10.0, 25.0, math.pi, 4.0, 2.0)), EXACT, ego)
    assert (d.x_m, d.y_m) == pytest.approx((20.0, 0.0))
    assert d.yaw_rad == pytest.approx(math.pi / 2)
    assert (d.vx_mps, d.vy_mps) == pytest.approx((0.0, 5.0), abs=1e-12)


def test_detections_come_nearest_first_whoever_they_are():
    scene = boxes(
        (50.0, 9.0, 0.0, 4.0, 2.0), (20.0, -9.0, 0.0, 4.0, 2.0), (-30.0, 0.0, 0.0, 4.0, 2.0)
    )
    order = np.array([2, 0, 1])
    first, second = ([(d.x_m, d.y_m) for d in seen(s, EXACT)] for s in (scene, scene[order]))
    assert first == second
    assert [round(d.x_m) for d in seen(scene, EXACT)] == [20, -30, 50]


def test_misses_false_detections_and_noise_come_as_often_and_as_large_as_configured():
    scene, rng = boxes((20.0, 0.0, 0.0, 4.0, 2.0)), np.random.default_rng(4)
    found, false, errors = 0, 0, []
    for _ in range(4000):
        for d in sense(EGO, 1.3, scene, ALL_NOISE, rng):
            if math.hypot(d.x_m - 20.0, d.y_m) < 1.0:
                found += 1
                errors.append((d.x_m - 20.0, d.y_m, d.yaw_rad, d.length_m - 4.0))
            else:
                false += 1
    assert found / 4000 == pytest.approx(0.9, abs=0.02)
    assert false / 4000 == pytest.approx(0.3, abs=0.04)
    sigma = np.std(errors, axis=0)
    np.testing.assert_allclose(sigma, [0.1, 0.1, 0.01, 0.05], rtol=0.08)
    np.testing.assert_allclose(np.mean(errors, axis=0), 0.0, atol=0.01)


def test_without_the_model_everything_is_seen_exactly_and_no_luck_is_drawn():
    scene = boxes(
        (20.0, 0.0, 0.3, 4.5, 2.5), (35.0, 0.0, 0.0, 4.5, 1.8), (300.0, 0.0, 0.0, 4.5, 1.8)
    )
    rng = np.random.default_rng(1)
    before = rng.bit_generator.state
    found = sense(EGO, 1.3, scene, SensorConfig(enabled=False), rng)
    assert rng.bit_generator.state == before
    assert [(d.x_m, d.y_m, d.length_m) for d in found] == [
        (20.0, 0.0, 4.5),
        (35.0, 0.0, 4.5),
        (300.0, 0.0, 4.5),
    ]


def test_an_empty_world_has_no_detections():
    none = boxes((1.0, 1.0, 1.0, 1.0, 1.0))[np.array([False])]
    assert seen(none, EXACT) == ()


def test_lights_are_seen_ahead_and_within_range():
    x, y = np.array([50.0, -5.0, 120.0, 3.0]), np.array([5.0, 0.0, 0.0, 50.0])
    lights = see_lights(EGO, np.array([4, 5, 6, 7]), x, y, np.array([1, 2, 3, 3]), 100.0)
    assert [(s.light_id, s.color) for s in lights] == [(4, LightColor.RED)]
