"""Criticality: against what it is by hand, against brute force, and what a drive's log says."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_drives import Other, stopping, straight
from scenes import a_drive

from whyway.evaluate import score
from whyway.evaluate.driving.criticality import criticality
from whyway.evaluate.metrics import criticality as metrics
from whyway.geometry import boxes_overlap

LENGTH, WIDTH = 4.5, 1.8


def interval(x, y, yaw, v, other_yaw=0.0, other_v=0.0):
    """From when to when an ego at the origin, heading +x at v, and a like box meet."""
    one = np.asarray
    begin, end = metrics.contact_interval(
        one(0.0), one(0.0), one(0.0), one(v), one(0.0), one(LENGTH), one(WIDTH), one(x), one(y), one(other_yaw),
        one(other_v * math.cos(other_yaw)), one(other_v * math.sin(other_yaw)), one(LENGTH), one(WIDTH),
    )  # fmt: skip
    return float(begin), float(end)


def ttc(*args, **kwargs):
    return float(metrics.time_to_collision(*map(np.asarray, interval(*args, **kwargs))))


@pytest.mark.parametrize(
    ("x", "y", "v", "other_v", "other_yaw", "want"),
    [
        (24.5, 0.0, 10.0, 5.0, 0.0, 4.0),  # 20 m behind one 5 m/s slower
        (24.5, 0.0, 10.0, 10.0, 0.0, math.inf),  # as fast
        (24.5, 3.0, 10.0, 5.0, 0.0, math.inf),  # in the next lane
        (44.5, 0.0, 10.0, 10.0, math.pi, 2.0),  # head on
        (-24.5, 0.0, 5.0, 10.0, 0.0, 4.0),  # from behind
        (3.0, 0.5, 10.0, 5.0, 0.0, 0.0),  # touching already
        (-10.0, 0.0, 10.0, 5.0, 0.0, math.inf),  # left behind
        (
            20.0,
            -20.0,
            10.0,
            10.0,
            math.pi / 2,
            1.685,
        ),  # from the right: sides of 1.8 and 4.5 m meet
    ],
)
def test_time_to_collision_is_as_by_hand(x, y, v, other_v, other_yaw, want):
    got = ttc(x, y, 0.0, v, other_yaw=other_yaw, other_v=other_v)
    assert got == pytest.approx(want, abs=1e-6)


coordinate, angle, speed = st.floats(-40, 40), st.floats(-4, 4), st.floats(0, 15)


@settings(max_examples=150, deadline=None)
@given(coordinate, coordinate, angle, speed, speed)
def test_boxes_touch_exactly_while_the_interval_lasts(x, y, yaw, v, other_v):
    begin, end = interval(x, y, 0.0, v, other_yaw=yaw, other_v=other_v)

    def touch(t):
        return bool(
            boxes_overlap(
                np.asarray(v * t), np.asarray(0.0), np.asarray(0.0), LENGTH, WIDTH,
                np.asarray(x + other_v * math.cos(yaw) * t), np.asarray(y + other_v * math.sin(yaw) * t),
                np.asarray(yaw), LENGTH, WIDTH,
            )
        )  # fmt: skip

    times = np.linspace(-3.0, 6.0, 61)
    for t in times:
        if begin + 1e-6 < t < end - 1e-6:
            assert touch(t)
        elif not begin - 1e-6 <= t <= end + 1e-6:
            assert not touch(t)


def test_who_is_not_there_is_never_met():
    assert interval(math.nan, 0.0, 0.0, 10.0) == (math.inf, -math.inf)


def test_exposed_and_integrated_time_count_what_is_below_the_target():
    seconds = np.array([math.inf, 3.0, 1.5, 1.0, 0.5, 0.0, math.inf])
    assert metrics.time_exposed(seconds, 0.1, 1.5) == pytest.approx(0.4)
    assert metrics.time_integrated(seconds, 0.1, 1.5) == pytest.approx(0.1 * (0 + 0.5 + 1.0 + 1.5))


# ------------------------------------------------------------------------------------------------- who is followed


def followed(x, y, yaw=0.0, v=5.0, curvature=0.0):
    one = np.ones((1, 1))
    gap, along = metrics.following(
        np.zeros(1), np.zeros(1), np.zeros(1), np.full(1, curvature), LENGTH, WIDTH, 1.3,
        one * x, one * y, one * yaw, one * v, one * LENGTH, one * WIDTH,
    )  # fmt: skip
    return float(gap[0, 0]), float(along[0, 0])


@pytest.mark.parametrize(
    ("x", "y", "yaw", "gap"),
    [
        (1.3 + 24.5, 0.0, 0.0, 20.0),
        (1.3 + 24.5, 1.7, 0.0, 20.0),  # half in our way
        (1.3 + 24.5, 1.9, 0.0, math.inf),  # beside it
        (1.3 + 24.5, 0.0, math.pi, math.inf),  # coming towards us
        (-24.5, 0.0, 0.0, math.inf),  # behind
        (150.0, 0.0, 0.0, math.inf),  # out of reach
        (1.3 + 2.25 + 20.0 + 0.9, 0.0, math.pi / 2, 20.0),  # across our way
    ],
)
def test_who_drives_or_stands_in_our_way_is_followed(x, y, yaw, gap):
    assert followed(x, y, yaw)[0] == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_our_way_bends_as_we_turn(side):
    radius, angle = 40.0, 0.5  # 20 m along a circle
    x, y = radius * math.sin(angle), side * radius * (1 - math.cos(angle))
    gap, along = followed(x, y, side * angle, curvature=side / radius)
    assert gap == pytest.approx(20.0 - 2.25 - 1.3 - 2.25, abs=1e-6)
    assert along == pytest.approx(5.0)
    assert followed(x, y, side * angle)[0] == math.inf, "straight on nobody is there"


def test_headway_is_the_gap_over_our_speed_and_none_where_we_stand():
    gap = np.array([[20.0, math.inf], [20.0, 5.0]])
    got = metrics.time_headway(gap, np.array([10.0, 0.0]))
    assert got.tolist() == [[2.0, math.inf], [math.inf, math.inf]]


def test_deceleration_to_avoid_a_crash_is_the_square_of_closing_speed_over_twice_the_gap():
    gap = np.array([[20.0, 20.0, math.inf]])
    got = metrics.deceleration_to_avoid_crash(gap, np.array([10.0]), np.array([[5.0, 12.0, 0.0]]))
    assert got.tolist() == [[25.0 / 40.0, 0.0, 0.0]]


def closest(gap, v, a, lead_v, lead_a):
    """The least gap if both keep their accelerations down to standstill, by fine steps."""
    t = np.linspace(0.0, max(60.0, 3.0 * v / max(-a, 1e-3)), 60001)

    def way(v0, acc):
        if acc >= 0:
            return v0 * t + acc * t * t / 2
        s = np.minimum(t, v0 / -acc)
        return v0 * s + acc * s * s / 2

    return float((gap + way(lead_v, lead_a) - way(v, a)).min())


@settings(max_examples=150, deadline=None)
@given(st.floats(2, 60), st.floats(1, 25), st.floats(0, 25), st.floats(-6, 0))
def test_the_required_braking_just_avoids_the_crash(gap, v, lead_v, lead_a):
    got = float(
        metrics.required_acceleration(
            np.array([[gap]]), np.array([v]), np.array([[lead_v]]), np.array([[lead_a]])
        )[0, 0]
    )
    assume(abs(lead_a) > 0.01 or lead_a == 0.0)
    if got < -0.01:
        assert closest(gap, v, 1.001 * got - 1e-3, lead_v, lead_a) > -1e-3
        assert closest(gap, v, 0.97 * got, lead_v, lead_a) < 1e-3
    elif got == 0.0:
        assert closest(gap, v, 0.0, lead_v, lead_a) > -1e-3


# ------------------------------------------------------------------------------------------------------------ paths


def crossing(late, speed=5.0):
    """Someone who crosses our way at x = 60 at a right angle, `late` seconds behind our centre being there at 4 s."""

    def motion(t):
        return 60.0, speed * (t - 4.0 - late), math.pi / 2, speed

    return Other(motion)


@pytest.mark.parametrize("late", [1.5, 2.0, -1.5, -2.0])
def test_encroachment_is_the_time_between_one_leaving_and_the_other_coming(late):
    drive = a_drive(straight(20.0, 10.0), crossing(late))
    # we leave the shared place (half widths and lengths) after (2.25 + 0.9) / 10 s, he comes (2.25 + 0.9) / 5 s before his middle
    want = abs(late) - (2.25 + 0.9) / 10 - (2.25 + 0.9) / 5
    assert criticality(drive).min_pet_s == pytest.approx(want, abs=0.11)


def test_who_crosses_at_the_same_time_has_no_time_between_and_who_comes_long_after_none_at_all():
    assert criticality(a_drive(straight(20.0, 10.0), crossing(0.0))).min_pet_s == 0.0
    assert criticality(a_drive(straight(20.0, 10.0), crossing(-60.0))).min_pet_s == math.inf


def test_who_follows_does_not_cross():
    drive = a_drive(straight(40.0, 10.0), Other(straight(28.0, 10.0)))
    assert criticality(drive).min_pet_s == math.inf


# ------------------------------------------------------------------------------------------------------------- logs


def test_a_drive_alone_is_uncritical_and_its_numbers_are_absent(made):
    m = score(made.drive(straight(20.0, 10.0))).metrics()
    assert m["min_ttc_s"] is None and m["min_thw_s"] is None and m["min_pet_s"] is None
    assert (m["max_drac_mps2"], m["min_a_req_mps2"], m["tet_s"], m["tit_s2"]) == (
        0.0,
        0.0,
        0.0,
        0.0,
    )


def test_closing_in_on_who_is_slower_is_as_critical_as_by_hand():
    # gap 30 m, closing at 5 m/s for 4 s: down to 10 m
    drive = a_drive(straight(20.0, 10.0), Other(straight(54.5, 5.0)), duration_s=4.0)
    c = criticality(drive)
    assert c.min_ttc_s == pytest.approx(2.0)
    assert c.min_thw_s == pytest.approx(1.0, abs=1e-4)
    assert c.max_drac_mps2 == pytest.approx(25.0 / 20.0, abs=1e-4)
    assert c.min_a_req_mps2 == pytest.approx(-25.0 / 20.0, abs=1e-4)
    assert (c.tet_s, c.tit_s2) == (0.0, 0.0)


def test_time_below_the_target_is_exposed():
    drive = a_drive(straight(20.0, 10.0), Other(straight(54.5, 5.0)), duration_s=5.0)
    c = criticality(drive)  # TTC falls from 6 s to 1 s: the last half second is below 1.5 s
    assert c.tet_s == pytest.approx(0.6, abs=0.11)
    assert c.tit_s2 == pytest.approx(0.125, abs=0.04)


def test_a_lead_that_brakes_asks_for_more_than_its_speed_now():
    lead = Other(stopping(45.0, 10.0, 4.0))
    c = criticality(a_drive(straight(20.0, 10.0), lead, duration_s=0.2 + 1.0))
    assert c.min_a_req_mps2 < -c.max_drac_mps2 - 0.5


def test_who_overlaps_at_the_first_instant_is_left_out():
    c = criticality(a_drive(straight(20.0, 10.0), Other(straight(22.0, 10.0))))
    assert c.min_ttc_s == math.inf and c.min_thw_s == math.inf


def test_a_long_drive_is_looked_at_in_blocks_and_nothing_falls_between():
    # the encounter lies on the border of two blocks of 256 instants
    def ego(t):
        return 20.0 + 1.0 * t, 0.0, 0.0, 1.0

    def other(t):
        return 20.0 + 25.6, 2.0 * (t - 25.6 - 4.5), math.pi / 2, 2.0

    drive = a_drive(ego, Other(other), duration_s=52.0)
    want = 4.5 - (2.25 + 0.9) / 1.0 - (2.25 + 0.9) / 2.0
    assert criticality(drive).min_pet_s == pytest.approx(max(0.0, want), abs=0.11)
