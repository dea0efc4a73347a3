"""Intervals: as scipy's where it has them, at their level where the truth is known, and over scenes rather than drives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from whyway.evaluate.statistics import (
    NOTHING_KNOWN,
    bootstrap_interval,
    paired_difference,
    quantile_difference,
    quantile_interval,
)

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@pytest.mark.parametrize("statistic", [np.mean, np.median, np.std])
@pytest.mark.parametrize("n", [5, 30, 200])
def test_intervals_are_scipys_percentile_intervals(statistic, n):
    values = np.random.default_rng(n).gamma(2.0, size=n)
    ours = bootstrap_interval(values, statistic=statistic, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), statistic, method="percentile", n_resamples=20_000, rng=np.random.default_rng(3)
    ).confidence_interval
    # both are Monte Carlo: they agree within what the drawing leaves open
    slack = 0.06 * (theirs.high - theirs.low) + 1e-12
    assert ours == pytest.approx((theirs.low, theirs.high), abs=slack)


def share(hits):
    return sum(hits) / len(hits)


def held(interval, value):
    return interval[0] <= value <= interval[1]


def test_intervals_of_a_mean_hold_it_as_often_as_they_say():
    rng = np.random.default_rng(7)
    samples = [rng.normal(3.0, 1.0, 40) for _ in range(400)]
    for level in (0.8, 0.95):
        found = share([held(bootstrap_interval(s, level=level, resamples=600), 3.0) for s in samples])  # fmt: skip
        assert found == pytest.approx(level, abs=0.05)


def test_expanded_intervals_keep_their_level_with_six_scenes():
    rng = np.random.default_rng(8)
    samples = [rng.normal(0.0, 1.0, 6) for _ in range(400)]
    plain = share([held(bootstrap_interval(s, resamples=600), 0.0) for s in samples])
    expanded = share(
        [held(bootstrap_interval(s, resamples=600, expanded=True), 0.0) for s in samples]
    )
    assert plain < 0.91 < expanded == pytest.approx(0.95, abs=0.04)


def test_drives_of_one_scene_are_drawn_together():
    rng = np.random.default_rng(9)
    labels = np.repeat(np.arange(25), 4)
    drives = [np.repeat(rng.normal(size=25), 4) + rng.normal(0.0, 0.2, 100) for _ in range(200)]
    by_scene = share([held(bootstrap_interval(d, scenes=labels, resamples=500), 0) for d in drives])
    by_drive = share([held(bootstrap_interval(d, resamples=500), 0) for d in drives])
    assert by_scene == pytest.approx(0.94, abs=0.05)
    assert by_drive < 0.8, "who takes drives of a scene as independent believes too much"


def test_strata_take_the_spread_between_families_out():
    rng = np.random.default_rng(10)
    family = np.repeat(np.arange(10), 20)
    values = 10.0 * family + rng.normal(size=200)
    inside = bootstrap_interval(values, strata=family)
    whole = bootstrap_interval(values)
    assert inside[1] - inside[0] == pytest.approx(2 * 1.96 / math.sqrt(200), rel=0.15)
    assert whole[1] - whole[0] > 10 * (inside[1] - inside[0])
    alone = bootstrap_interval(values[::20], strata=family[::20])
    assert alone == bootstrap_interval(values[::20]), "strata of one scene each have no spread"
    one_more = bootstrap_interval([*values, 1000.0], strata=[*family, "lone"])
    assert one_more[1] - one_more[0] > 1.0, "a stratum of one scene still counts as uncertain"


@given(NUMBERS, st.integers(0, 5))
def test_intervals_are_reproducible_and_within_the_data(values, seed):
    low, high = bootstrap_interval(values, resamples=50, seed=seed)
    assert (low, high) == bootstrap_interval(values, resamples=50, seed=seed)
    slack = 1e-9 * (1.0 + max(map(abs, values)))
    assert min(values) - slack <= low <= high <= max(values) + slack


@given(NUMBERS, st.floats(-100.0, 100.0), st.floats(0.1, 10.0))
def test_intervals_move_and_grow_with_the_values(values, shift, scale):
    low, high = bootstrap_interval(values, resamples=50)
    moved = bootstrap_interval(np.array(values) * scale + shift, resamples=50)
    assert moved == pytest.approx((low * scale + shift, high * scale + shift), rel=1e-6, abs=1e-3)


@given(NUMBERS)
def test_what_is_missing_is_left_out(values):
    holes = [x for v in values for x in (v, None, math.nan)]
    assert bootstrap_interval(holes, resamples=50) == bootstrap_interval(values, resamples=50)


def test_none_or_one_scene_tells_nothing():
    for values in ([], [None, math.nan], [3.0], np.array([])):
        assert bootstrap_interval(values) == NOTHING_KNOWN
    assert bootstrap_interval([1.0, 2.0, 3.0], scenes=["a", "a", "a"]) == NOTHING_KNOWN
    assert bootstrap_interval([2.0] * 5) == (2.0, 2.0)


@pytest.mark.parametrize(
    "wrong",
    [{"level": 1.0}, {"level": 95.0}, {"resamples": 0}, {"scenes": ["a"]}, {"strata": ["a"]}],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        bootstrap_interval([1.0, 2.0], **wrong)


# ------------------------------------------------------------------------------------------------ paired differences


def test_a_difference_smaller_than_the_spread_of_scenes_is_found_in_pairs():
    rng = np.random.default_rng(11)
    scene = rng.normal(size=60)
    ours = scene + 0.1 + rng.normal(0.0, 0.1, 60)
    found = paired_difference(ours, scene)
    assert found.verdict == "better" and found.pairs == 60
    assert found.low < 0.1 < found.high
    assert found.mean == pytest.approx(float(np.mean(ours - scene)))
    assert paired_difference(scene, ours).verdict == "worse"
    assert paired_difference(ours, scene, higher_is_better=False).verdict == "worse"
    assert paired_difference(ours, scene, higher_is_better=None).verdict == "higher"
    assert paired_difference(scene, ours, higher_is_better=None).verdict == "lower"


def test_the_same_numbers_show_no_difference():
    values = list(np.random.default_rng(12).normal(size=30))
    found = paired_difference(values, values)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    assert found.verdict == "no difference shown"


def test_few_pairs_show_nothing_however_far_apart():
    for n in range(6):
        assert paired_difference([1.0] * n, [0.0] * n).verdict == "no difference shown"
    assert paired_difference([1.0] * 6, [0.0] * 6).verdict == "better"
    # six drives of one scene are one scene
    found = paired_difference([1.0] * 6, [0.0] * 6, scenes=["a"] * 6)
    assert (found.pairs, found.verdict) == (6, "no difference shown")


@pytest.mark.parametrize("n", [6, 12, 40])
def test_verdicts_on_equal_drivers_are_wrong_at_most_as_often_as_they_say(n):
    rng = np.random.default_rng(13)
    said = [
        paired_difference(rng.normal(size=n), rng.normal(size=n), resamples=500).verdict
        for _ in range(400)
    ]
    assert share([v != "no difference shown" for v in said]) < 0.085


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=6, max_size=30))
def test_exchanging_the_two_turns_the_difference_round(pairs):
    a, b = zip(*pairs, strict=True)
    one, other = paired_difference(a, b, resamples=100), paired_difference(b, a, resamples=100)
    assert one.mean == pytest.approx(-other.mean, abs=1e-12)
    assert {one.verdict, other.verdict} in ({"better", "worse"}, {"no difference shown"})


def test_pairs_with_a_missing_side_are_left_out():
    found = paired_difference([1.0, None, 3.0, 5.0], [0.0, 2.0, math.nan, 5.0])
    assert (found.pairs, found.mean) == (2, 0.5)
    assert math.isnan(paired_difference([None], [1.0]).mean)
    with pytest.raises(ValueError, match="equal lengths"):
        paired_difference([1.0, 2.0], [1.0])


# --------------------------------------------------------------------------------------------------------- quantiles


def wander(rng, n, memory):
    """A standard normal series in which each value knows of the one before (AR(1))."""
    noise = rng.normal(size=n) * math.sqrt(1.0 - memory**2)
    found = np.empty(n)
    found[0] = rng.normal()
    for i in range(1, n):
        found[i] = memory * found[i - 1] + noise[i]
    return found


@pytest.mark.parametrize("q", [0.5, 0.99])
@pytest.mark.parametrize(("drives", "cycles"), [(1, 900), (12, 150)])
def test_quantiles_of_cycles_that_know_of_one_another_are_held(q, drives, cycles):
    rng = np.random.default_rng(14)
    true = stats.norm.ppf(q)
    found = [
        quantile_interval([wander(rng, cycles, 0.8) for _ in range(drives)], q) for _ in range(80)
    ]
    assert share([held(x, true) for x in found]) > 0.88


def test_a_quantile_of_independent_values_is_clopper_and_pearsons():
    values = np.random.default_rng(15).permutation(2000) / 2000.0
    # every drive holds the same share of small values: the design effect is 1 at most, nothing is lost
    drives = [values[i::10] for i in range(10)]
    low, high = quantile_interval([np.sort(d) for d in drives], 0.5)
    exact = stats.binomtest(1000, 2000).proportion_ci(0.95, method="exact")
    assert low == pytest.approx(exact.low, abs=0.02)
    assert high == pytest.approx(exact.high, abs=0.02)
    assert low <= np.quantile(values, 0.5) <= high


def test_a_hundred_cycles_have_no_upper_bound_for_the_hundredth():
    values = np.random.default_rng(16).gamma(3.0, size=100)
    low, high = quantile_interval([values], 0.99)
    assert high == math.inf and low >= np.quantile(values, 0.9)
    assert quantile_interval([], 0.5) == quantile_interval([[], [math.nan]], 0.5) == NOTHING_KNOWN
    with pytest.raises(ValueError, match=r"0\.99"):
        quantile_interval([values], 99)


def test_the_difference_of_two_p99_is_exact_and_its_interval_holds_the_truth():
    rng = np.random.default_rng(17)
    for shift, verdict in ((0.0, "no difference shown"), (5.0, "worse"), (-2.0, "better")):
        base = [rng.gamma(4.0, 2.0, 150) + rng.gamma(2.0) for _ in range(40)]
        ours = [s + shift + rng.normal(0.0, 0.05, 150) for s in base]
        found = quantile_difference(ours, base, 0.99)
        pooled = [float(np.quantile(np.concatenate(s), 0.99)) for s in (ours, base)]
        assert found.mean == pytest.approx(pooled[0] - pooled[1], abs=1e-12)
        assert found.low - 0.3 <= shift <= found.high + 0.3
        assert found.verdict == verdict and found.pairs == 40
    assert quantile_difference([[], [1.0]], [[1.0], []], 0.5).pairs == 0
    assert quantile_difference([[1.0]], [[2.0]], 0.5).verdict == "no difference shown"


# ----------------------------------------------------------------------------------------------------------- weights


def test_a_share_of_cycles_is_weighed_by_them():
    rng = np.random.default_rng(18)
    share_, cycles = rng.uniform(size=50), rng.integers(10, 400, 50).astype(float)
    low, high = bootstrap_interval(share_, weights=cycles)
    assert low < np.average(share_, weights=cycles) < high
    assert bootstrap_interval(share_, weights=np.full(50, 7.0)) == pytest.approx(
        bootstrap_interval(share_)
    )
    # a drive of no cycles says nothing
    assert bootstrap_interval([*share_, 1.0], weights=[*cycles, 0.0]) == (low, high)
    for wrong in ({"weights": [1.0]}, {"weights": -cycles}, {"weights": cycles, "statistic": np.median}):  # fmt: skip
        with pytest.raises(ValueError, match="weights"):
            bootstrap_interval(share_, **wrong)


def test_a_paired_difference_of_shares_is_that_of_the_weighted_means():
    rng = np.random.default_rng(19)
    a, b = rng.uniform(0.5, 1.0, 60), rng.uniform(0.2, 0.6, 60)
    weights = rng.integers(5, 50, (2, 60)).astype(float)
    found = paired_difference(a, b, weights=(weights[0], weights[1]))
    assert found.mean == pytest.approx(
        np.average(a, weights=weights[0]) - np.average(b, weights=weights[1])
    )
    assert found.low < found.mean < found.high and found.verdict == "better"
    holes = paired_difference([*a, None, 1.0], [*b, 1.0, 1.0], weights=([*weights[0], 1.0, 1.0], [*weights[1], 1.0, 0.0]))  # fmt: skip
    assert holes == found


@pytest.mark.parametrize("labels", [None, np.repeat(np.arange(10), 4)])
def test_sums_are_means_times_their_number(labels):
    values = np.random.default_rng(20).poisson(1.0, 40).astype(float)
    total = bootstrap_interval(values, statistic=np.sum, scenes=labels)
    mean = bootstrap_interval(values, scenes=labels)
    assert total == pytest.approx((40 * mean[0], 40 * mean[1]))
    assert total == bootstrap_interval(values, statistic=lambda v, axis: np.sum(v, axis), scenes=labels)  # fmt: skip
