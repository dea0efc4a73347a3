"""The leash between two plans."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import a_plan, ns, straight

from whyway.evaluate.metrics.stability import discrete_frechet, plan_distances
from whyway.types import Plan, Waypoints

points = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=7)


def by_definition(p, q):
    """The least longest leash over every pair of walks, all tried."""

    def walks(i, j):
        here = math.dist(p[i], q[j])
        if (i, j) == (len(p) - 1, len(q) - 1):
            return here
        steps = [(i + a, j + b) for a, b in ((0, 1), (1, 0), (1, 1))]
        onward = [walks(a, b) for a, b in steps if a < len(p) and b < len(q)]
        return max(here, min(onward))

    return walks(0, 0)


@given(points, points)
def test_it_is_the_least_leash_of_all_walks(p, q):
    assert discrete_frechet(np.array(p), np.array(q)) == pytest.approx(by_definition(p, q))


@given(points, points, st.floats(-3, 3), st.floats(-9, 9))
def test_it_is_symmetric_and_knows_no_frame(p, q, turn, shift):
    p, q = np.array(p), np.array(q)
    c, s = math.cos(turn), math.sin(turn)
    rotation = np.array([[c, -s], [s, c]])
    moved = [x @ rotation.T + shift for x in (p, q)]
    assert discrete_frechet(q, p) == pytest.approx(discrete_frechet(p, q))
    assert discrete_frechet(*moved) == pytest.approx(discrete_frechet(p, q), abs=1e-9)


def test_many_pairs_at_once_are_each_pair_alone():
    rng = np.random.default_rng(1)
    p, q = rng.normal(size=(2, 3, 9, 2)), rng.normal(size=(2, 3, 6, 2))
    together = discrete_frechet(p, q)
    assert together.shape == (2, 3)
    assert together[1, 2] == discrete_frechet(p[1, 2], q[1, 2])


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        discrete_frechet(np.zeros((0, 2)), np.zeros((3, 2)))


EGO = straight(0.0, 10.0)


def test_plans_that_agree_are_nowhere_apart_whenever_they_were_made():
    assert plan_distances([a_plan(t / 10, EGO) for t in range(5)]) == pytest.approx(
        np.zeros(4), abs=1e-9
    )


def test_a_plan_that_brakes_after_one_that_did_not_is_as_far_off_as_their_ends():
    (apart,) = plan_distances([a_plan(0.0, EGO), a_plan(0.1, EGO, a_mps2=-1.0)])
    assert apart == pytest.approx(0.5 * 7.9**2, abs=0.1)  # at the end of the time both speak of


def zigzag(t, side):
    """Out to one side and back again: its ends are the same, whatever is between."""
    ts = np.arange(0, 8.05, 0.1)
    y = side * np.sin(np.pi * ts / 8.0)
    flat = np.zeros_like(ts)
    return Plan(ns(t), 0, Waypoints(ts, 10.0 * (t + ts), y, flat, flat + 10.0, flat, flat))


def test_a_detour_between_equal_ends_counts_as_far_as_it_leads():
    (apart,) = plan_distances([zigzag(0.0, 0.0), zigzag(0.1, 3.0)])
    assert apart == pytest.approx(3.0, abs=0.01)


def test_plans_with_a_gap_between_them_or_without_waypoints_are_not_compared():
    plans = [a_plan(0.0, EGO), a_plan(1.0, EGO), Plan(ns(1.1), 11, Waypoints()), a_plan(1.2, EGO)]
    assert len(plan_distances(plans)) == 0
    assert len(plan_distances(plans[:1])) == len(plan_distances([])) == 0


def test_a_plan_that_is_no_number_is_left_out_and_order_is_by_stamp():
    broken = zigzag(0.1, 3.0)
    broken.waypoints.y_m[5] = np.nan
    assert len(plan_distances([zigzag(0.0, 0.0), broken])) == 0
    plans = [zigzag(0.2, 0.0), zigzag(0.0, 0.0), zigzag(0.1, 3.0)]
    assert plan_distances(plans) == pytest.approx([3.0, 3.0], abs=0.01)
