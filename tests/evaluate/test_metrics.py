"""Each term of the score on what it must say, and on any leading axes alike."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from whyway.evaluate.metrics import criticality, navsim_v2, nuplan
from whyway.evaluate.metrics import navsim as metrics
from whyway.evaluate.metrics.navsim import (
    Collision,
    comfort,
    comfort_signals,
    crossings_of_line,
    pdms,
)

RNG = np.random.default_rng(0)
EGO = {"length_m": 4.5, "width_m": 1.8, "center_offset_m": 1.3}


def touch(v, x, y, actor_v, actor_yaw=0.0):
    """Kind of contact of an ego at the origin, heading +x, with one car; x, y from the ego's box's centre."""
    one = np.ones((1, 1))
    kinds = metrics.collision_kinds(
        np.zeros(1), np.zeros(1), np.zeros(1), np.full(1, v), 4.5, 1.8, 1.3,
        one * (x + 1.3), one * y, one * actor_yaw, one * actor_v, one * 4.5, one * 1.8,
    )  # fmt: skip
    return Collision(int(kinds[0, 0]))


@pytest.mark.parametrize(
    ("v", "x", "y", "actor_v", "kind"),
    [
        (5.0, 4.4, 0.0, 2.0, Collision.FRONT),
        (5.0, 4.4, 0.0, 0.0, Collision.STOPPED_TRACK),
        (5.0, -4.4, 0.3, 8.0, Collision.REAR),
        (5.0, -1.0, 1.7, 5.0, Collision.LATERAL),
        (0.0, 4.4, 0.0, 2.0, Collision.STOPPED_EGO),
        (5.0, 4.6, 0.0, 2.0, Collision.NONE),
        (5.0, math.nan, 0.0, 2.0, Collision.NONE),
    ],
)
def test_a_contact_is_of_the_kind_that_nuplan_calls_it(v, x, y, actor_v, kind):
    assert touch(v, x, y, actor_v) is kind


def test_the_first_contact_with_an_actor_decides_who_is_at_fault():
    kinds = np.array([[0, 0], [Collision.REAR, 0], [Collision.FRONT, Collision.FRONT]])
    nobody = np.zeros(2, dtype=bool)
    fault, index, _ = metrics.at_fault(kinds, np.zeros(3, dtype=bool), nobody)
    assert fault.tolist() == [False, True]
    assert index.tolist() == [1, 2]
    assert not metrics.at_fault(kinds, np.zeros(3, dtype=bool), ~nobody)[0].any()


@pytest.mark.parametrize("astray", [False, True])
def test_a_lateral_contact_is_our_fault_only_where_we_should_not_be(astray):
    kinds = np.array([[0], [Collision.LATERAL]])
    fault, _, _ = metrics.at_fault(kinds, np.array([False, astray]), np.zeros(1, dtype=bool))
    assert fault.tolist() == [astray]


def test_running_into_a_thing_costs_half_and_into_someone_everything():
    agents = np.array([True, False])
    assert metrics.no_at_fault_collisions(np.array([False, False]), agents) == 1.0
    assert metrics.no_at_fault_collisions(np.array([False, True]), agents) == 0.5
    assert metrics.no_at_fault_collisions(np.array([True, True]), agents) == 0.0


def test_metres_in_oncoming_lanes_within_a_second_decide():
    x = np.arange(21) * 0.5  # 5 m/s
    for instants, want in ((0, 1.0), (3, 1.0), (4, 0.5), (11, 0.5)):
        oncoming = np.arange(21) <= instants
        assert metrics.driving_direction_compliance(x, 0 * x, oncoming, 0.1) == want
    assert metrics.driving_direction_compliance(2 * x, 0 * x, x < 9, 0.1) == 0.0
    # ten metres in all, but never many in one second
    assert metrics.driving_direction_compliance(x, 0 * x, np.arange(21) % 5 == 0, 0.1) == 1.0


@given(st.floats(0, 60), st.floats(0, 60))
def test_progress_is_a_share_and_full_where_nobody_gets_far(progress, reference):
    ep = float(metrics.ego_progress(np.array(progress), np.array(reference)))
    assert 0.0 <= ep <= 1.0
    if max(progress, reference) <= 5.0 or progress >= reference:
        assert ep == 1.0
    else:
        assert ep == pytest.approx(progress / reference)


def test_a_line_is_crossed_forwards_and_between_its_ends_only():
    line = np.array([5.0, 5.0]), np.array([-2.0, 2.0])
    x = np.array([3.0, 4.5, 5.5, 6.0])
    assert crossings_of_line(x, 0 * x, *line, 0.0).tolist() == [False, False, True, False]
    assert not crossings_of_line(x, 0 * x, *line, math.pi).any(), "against the lane"
    assert not crossings_of_line(x, 0 * x + 3.0, *line, 0.0).any(), "beside the line"
    assert not crossings_of_line(x[:2], 0 * x[:2], *line, 0.0).any(), "stops before it"


# ------------------------------------------------------------------------------------------------------- comfort


def navsim_signals(a_lon, a_lat, yaw, dt):
    """NAVSIM's filters as its sources call scipy."""
    n = len(a_lon)

    def smooth(a):
        return savgol_filter(a, polyorder=2, window_length=min(8, n))

    def slope(y, window, order=2, deriv=1):
        return savgol_filter(
            y, polyorder=order, window_length=min(window, n), deriv=deriv, delta=dt
        )

    unwrapped = np.unwrap(yaw)
    return {
        "lon_acceleration": smooth(a_lon),
        "lat_acceleration": smooth(a_lat),
        "jerk": slope(smooth(np.hypot(a_lon, a_lat)), 15),
        "lon_jerk": slope(smooth(a_lon), 15),
        "yaw_acceleration": slope(unwrapped, 5, 3, 2),
        "yaw_rate": slope(unwrapped, 5),
    }


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 300), st.integers(0, 2**32 - 1), st.just(0.1))
def test_comfort_signals_are_scipys(n, seed, dt):
    rng = np.random.default_rng(seed)
    a_lon, a_lat = rng.normal(size=(2, n)) * 3
    yaw = np.mod(np.cumsum(rng.normal(size=n)) + math.pi, 2 * math.pi) - math.pi
    ours = comfort_signals(a_lon, a_lat, yaw, dt)
    for name, signal in navsim_signals(a_lon, a_lat, yaw, dt).items():
        np.testing.assert_allclose(ours[name], signal, rtol=1e-7, atol=1e-7, err_msg=name)


def test_comfort_signals_are_of_the_same_seconds_at_any_sampling():
    fine = np.arange(161) * 0.05
    a_lon, a_lat = 2.0 * np.sin(1.3 * fine), 1.5 * np.cos(0.9 * fine)
    yaw = 0.3 * np.sin(0.7 * fine)
    coarse = comfort_signals(a_lon[::2], a_lat[::2], yaw[::2], 0.1)
    for name, signal in comfort_signals(a_lon, a_lat, yaw, 0.05).items():
        # what is bounded is the peak; an even window, as nuPlan's of 8, answers half a sample late
        inner = slice(10, -10)
        peak, other = (np.abs(a[inner]).max() for a in (signal[::2], coarse[name]))
        assert peak == pytest.approx(other, rel=0.04), name


@pytest.mark.parametrize(
    ("a_lon", "yaw_rate", "v", "broken"),
    [
        (2.3, 0.0, 5.0, set()),
        (2.5, 0.0, 5.0, {"lon_acceleration"}),
        (-4.0, 0.0, 5.0, set()),
        (-4.1, 0.0, 5.0, {"lon_acceleration"}),
        (0.0, 0.5, 10.0, {"lat_acceleration"}),
        (0.0, 1.0, 1.0, {"yaw_rate"}),
    ],
)
def test_comfort_names_the_bound_that_is_broken(a_lon, yaw_rate, v, broken):
    t = np.arange(41) * 0.1
    c, within = comfort(np.full(41, a_lon), np.full(41, v * yaw_rate), yaw_rate * t, 0.1)
    assert {name for name, ok in within.items() if not ok} == broken
    assert c == (0.0 if broken else 1.0)


def test_heading_that_wraps_around_is_no_jerk_of_the_wheel():
    yaw = np.mod(np.linspace(3.0, 3.4, 41) + math.pi, 2 * math.pi) - math.pi
    assert comfort(np.zeros(41), np.zeros(41), yaw, 0.1)[0] == 1.0


# --------------------------------------------------------------------------------------------------------- total


def test_pdms_has_navsims_weights():
    assert pdms(1.0, 1.0, 1.0, 1.0, 1.0) == pytest.approx(1.0)
    assert pdms(1.0, 1.0, 0.0, 1.0, 1.0) == pytest.approx(7 / 12)
    assert pdms(1.0, 1.0, 1.0, 0.0, 1.0) == pytest.approx(7 / 12)
    assert pdms(1.0, 1.0, 1.0, 1.0, 0.0) == pytest.approx(10 / 12)
    assert pdms(0.0, 1.0, 1.0, 1.0, 1.0) == 0.0
    assert pdms(1.0, 0.0, 1.0, 1.0, 1.0) == 0.0
    assert pdms(0.5, 1.0, 1.0, 1.0, 1.0) == pytest.approx(0.5)


def test_a_batch_is_judged_as_each_of_its_drives():
    batch, n, actors = 5, 41, 7
    t = np.arange(n) * 0.1
    ego = (
        RNG.uniform(3, 12, (batch, 1)) * t,
        np.cumsum(RNG.normal(0, 0.05, (batch, n)), axis=1),
        RNG.normal(0, 0.1, (batch, n)),
        RNG.uniform(0, 10, (batch, n)),
    )
    shape = (batch, n, actors)
    them = (RNG.uniform(0, 50, shape), RNG.normal(0, 3, shape), RNG.uniform(-3, 3, shape))
    speed, size = RNG.uniform(0, 5, shape), (np.full(shape, 4.5), np.full(shape, 1.8))
    astray = RNG.random((batch, n)) < 0.3
    ignore = RNG.random((batch, actors)) < 0.2

    kinds = metrics.collision_kinds(
        *ego, **dict(zip(EGO, EGO.values(), strict=True)), **_them(them, speed, size)
    )
    fault, index, _ = metrics.at_fault(kinds, astray, ignore)
    ttc, bad = metrics.time_to_collision_within_bound(
        *ego, *EGO.values(), *them, *size, astray, ignore
    )
    c, _ = comfort(ego[3], ego[2], ego[2], 0.1)
    ddc = metrics.driving_direction_compliance(ego[0], ego[1], astray, 0.1)
    assert fault.any() and not fault.all()
    assert bad.any()
    for b in range(batch):
        one = [e[b] for e in ego]
        kinds_b = metrics.collision_kinds(
            *one, **EGO, **_them([a[b] for a in them], speed[b], [a[b] for a in size])
        )
        assert np.array_equal(kinds_b, kinds[b])
        fault_b, index_b, _ = metrics.at_fault(kinds_b, astray[b], ignore[b])
        assert np.array_equal(fault_b, fault[b]) and np.array_equal(index_b, index[b])
        ttc_b, bad_b = metrics.time_to_collision_within_bound(
            *one, *EGO.values(), *[a[b] for a in them], *[a[b] for a in size], astray[b], ignore[b]
        )
        assert ttc_b == ttc[b] and np.array_equal(bad_b, bad[b])
        assert comfort(one[3], one[2], one[2], 0.1)[0] == c[b]
        assert metrics.driving_direction_compliance(one[0], one[1], astray[b], 0.1) == ddc[b]


def test_every_other_score_takes_a_batch_as_each_of_its_drives():
    batch, n, actors = 4, 41, 5
    x, y, yaw, v = RNG.normal(size=(4, batch, n)) * np.array([20, 2, 0.2, 3])[:, None, None]
    ax, ay, ayaw, av = (
        RNG.normal(size=(4, batch, n, actors)) * np.array([25, 4, 2, 4])[:, None, None, None]
    )
    size = np.full(ax.shape, 4.5), np.full(ax.shape, 1.8)
    flags = RNG.random((batch, n)) < 0.2
    who = RNG.random((3, batch, actors)) < 0.4

    def judge(x, y, yaw, v, ax, ay, ayaw, av, al, aw, flags, who):
        ego = (x[..., None], y[..., None], yaw[..., None])
        begin, end = criticality.contact_interval(
            *ego, *(v[..., None] * f(ego[2]) for f in (np.cos, np.sin)), np.asarray(4.5), np.asarray(1.8),
            ax, ay, ayaw, av * np.cos(ayaw), av * np.sin(ayaw), al, aw,
        )  # fmt: skip
        gap, lead = criticality.following(x, y, yaw, 0.01 * v, *EGO.values(), ax, ay, ayaw, av, al, aw)  # fmt: skip
        ttc = nuplan.sampled_ttc(begin, end)
        return (
            criticality.time_to_collision(begin, end), ttc, gap, criticality.time_headway(gap, v),
            criticality.deceleration_to_avoid_crash(gap, v, lead),
            criticality.required_acceleration(gap, v, lead, 0.3 * av),
            criticality.post_encroachment_time(x, y, yaw, 4.5, 1.8, ax, ay, ayaw, al, aw, 0.1, 1.0),
            criticality.time_integrated(ttc.min(axis=-1), 0.1),
            nuplan.time_to_collision_within_bound(ttc.min(axis=-1)),
            nuplan.driving_direction_compliance(v * 0.1, 0.1),
            nuplan.speed_limit_compliance(v, 2.0 + 0 * v, 0.1),
            nuplan.no_at_fault_collisions(who[0], who[1] & ~who[2], who[2]),
            navsim_v2.lane_keeping(np.abs(y), flags, 0.1),
            navsim_v2.extended_comfort((v, y, yaw), (y, v, yaw), 0.1)[0],
        )  # fmt: skip

    them = (ax, ay, ayaw, av, *size)
    whole = judge(x, y, yaw, v, *them, flags, who)
    for b in range(batch):
        one = judge(x[b], y[b], yaw[b], v[b], *(a[b] for a in them), flags[b], who[:, b])
        for i, (all_of_them, this) in enumerate(zip(whole, one, strict=True)):
            np.testing.assert_allclose(all_of_them[b], this, rtol=1e-9, atol=1e-12, err_msg=str(i))


def _them(pose, speed, size):
    names = (
        "actor_x_m",
        "actor_y_m",
        "actor_yaw_rad",
        "actor_v_mps",
        "actor_length_m",
        "actor_width_m",
    )
    return dict(zip(names, (*pose, speed, *size), strict=True))
