"""ADE, FDE, their best of k, miss rates: against what they are by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.evaluate.metrics import displacement as metrics

T = np.arange(1, 31) * 0.1
TRUTH = np.stack([10.0 * T, 0.0 * T], axis=-1)


def beside(*offsets):
    """Forecasts `(K, T, 2)` that run parallel to the truth."""
    return np.stack([TRUTH + [0.0, d] for d in offsets])


def test_a_parallel_path_is_as_far_off_on_average_as_at_the_end():
    got = metrics.average_displacement(beside(0.5, -2.0), TRUTH)
    assert got == pytest.approx([0.5, 2.0])
    assert metrics.final_displacement(beside(0.5, -2.0), TRUTH) == pytest.approx([0.5, 2.0])
    assert metrics.min_ade(beside(0.5, -2.0), TRUTH) == pytest.approx(0.5)
    assert metrics.min_fde(beside(0.5, -2.0), TRUTH) == pytest.approx(0.5)


def test_a_constant_speed_forecast_of_who_brakes_is_off_by_the_square_of_time():
    braked = np.stack([10.0 * T - T**2, 0.0 * T], axis=-1)
    assert metrics.final_displacement(TRUTH[None], braked) == pytest.approx([9.0])
    assert metrics.average_displacement(TRUTH[None], braked) == pytest.approx([np.mean(T**2)])


def test_instants_nobody_knows_do_not_count():
    half = TRUTH.copy()
    half[15:] = np.nan
    assert metrics.average_displacement(beside(0.5), half) == pytest.approx([0.5])
    assert np.isnan(metrics.final_displacement(beside(0.5), half)).all()
    assert np.isnan(metrics.average_displacement(beside(0.5), half * np.nan)).all()
    assert not metrics.argoverse_miss(beside(9.0), half)
    assert not metrics.waymo_miss(beside(9.0), half, np.zeros(()), np.array(10.0), 3.0)


@pytest.mark.parametrize(("offsets", "miss"), [((1.9,), False), ((2.1,), True), ((2.1, 1.0), False)])  # fmt: skip
def test_argoverse_misses_from_two_metres_on(offsets, miss):
    assert bool(metrics.argoverse_miss(beside(*offsets), TRUTH)) is miss


@pytest.mark.parametrize(
    ("horizon", "speed", "aside", "along"),
    [(3.0, 12.0, 1.0, 2.0), (5.0, 12.0, 1.8, 3.6), (8.0, 12.0, 3.0, 6.0), (3.0, 1.0, 0.5, 1.0), (8.0, 6.2, 2.25, 4.5)],
)  # fmt: skip
def test_waymo_misses_by_side_and_length_as_speed_scales_them(horizon, speed, aside, along):
    def missed(dx, dy, yaw=0.0):
        c, s = np.cos(yaw), np.sin(yaw)
        forecast = TRUTH[None] + [c * dx - s * dy, s * dx + c * dy]
        return bool(metrics.waymo_miss(forecast, TRUTH, np.array(yaw), np.array(speed), horizon))

    for yaw in (0.0, 1.0, -2.5):
        assert not missed(0.0, 0.99 * aside, yaw) and missed(0.0, 1.01 * aside, yaw)
        assert not missed(-0.99 * along, 0.0, yaw) and missed(-1.01 * along, 0.0, yaw)


def test_waymos_scale_rises_from_a_half_to_one():
    got = metrics.waymo_scale(np.array([0.0, 1.4, 6.2, 11.0, 30.0]))
    assert got == pytest.approx([0.5, 0.5, 0.75, 1.0, 1.0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_more_forecasts_never_hurt_and_a_batch_is_judged_as_each_of_it(seed, k):
    rng = np.random.default_rng(seed)
    forecast, truth = rng.normal(size=(4, k, 30, 2)), rng.normal(size=(4, 30, 2))
    best, few = metrics.min_ade(forecast, truth), metrics.min_ade(forecast[:, :1], truth)
    assert (best <= few + 1e-12).all()
    assert (metrics.min_fde(forecast, truth) <= metrics.final_displacement(forecast, truth).max(-1)).all()  # fmt: skip
    for b in range(4):
        assert metrics.min_ade(forecast[b], truth[b]) == best[b]


def test_waymo_has_no_threshold_of_other_horizons():
    with pytest.raises(KeyError):
        metrics.waymo_miss(beside(1.0), TRUTH, np.zeros(()), np.array(1.0), 4.0)
