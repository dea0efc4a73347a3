"""The residual head: nothing at first, small ever after, published apart, and behind the same guard."""

from __future__ import annotations

import numpy as np
import pytest
from heads import drawn, head
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_scenes import before_a_bend, ego, one_lane, thing
from test_learned import CONFIG, HEADS, decided, nets, views

from whyway.plan.course import Motion
from whyway.plan.delta import ALONG_M, ASIDE_M, GROWS_S, SLOPE, bounded, sideways
from whyway.plan.knots import KNOTS, PER_KNOT
from whyway.plan.learned import LearnedPlanner
from whyway.plan.waypoint_head import WaypointHead, zero_delta
from whyway.types import CYCLE_S, Longitudinal, same

ROAD = one_lane()
T_S = np.arange(0.0, 8.05, CYCLE_S)
answers = arrays(np.float64, KNOTS, elements=st.floats(-50.0, 50.0))


def moving(v):
    return Motion(v * T_S, np.full(len(T_S), v), np.zeros(len(T_S)))


@settings(max_examples=40)
@given(st.integers(0, 5), views)
def test_a_new_residual_head_does_nothing(seed, view):
    weights = drawn(seed)
    plain = LearnedPlanner(CONFIG, ROAD, WaypointHead(weights)).step(view)
    new = LearnedPlanner(CONFIG, ROAD, WaypointHead(zero_delta(weights))).step(view)
    assert same(new.sft_waypoints, plain.waypoints)
    assert same(new.waypoints, plain.waypoints)
    assert len(new.delta_x_m) == len(new.delta_y_m) == len(plain.waypoints.t_s)
    assert not new.delta_x_m.any() and not new.delta_y_m.any()


def test_without_a_residual_head_there_is_nothing_of_it_in_the_plan():
    plan = LearnedPlanner(CONFIG, ROAD, HEADS[0]).step(decided(ego()))
    assert not len(plan.delta_x_m) and not len(plan.delta_y_m) and not len(plan.sft_waypoints.t_s)


@settings(max_examples=40)
@given(st.integers(0, 5), views)
def test_the_final_plan_is_the_first_and_the_difference_that_is_published(seed, view):
    plan = LearnedPlanner(CONFIG, ROAD, head(seed, delta=True)).step(view)
    w, sft = plan.waypoints, plan.sft_waypoints
    assert w.x_m == pytest.approx(sft.x_m + plan.delta_x_m)
    assert w.y_m == pytest.approx(sft.y_m + plan.delta_y_m)
    assert np.hypot(plan.delta_x_m[0], plan.delta_y_m[0]) < 1e-6, "both begin at the ego"


@given(answers, answers, st.floats(0.0, 20.0))
def test_it_is_small_and_grows_from_nothing(along, aside, v):
    delta = bounded((along, aside), moving(v))
    grown = np.minimum(T_S / GROWS_S, 1.0)
    assert (np.abs(delta.along_m[::PER_KNOT]) <= ALONG_M * grown[::PER_KNOT] + 1e-9).all()
    assert (np.abs(delta.aside_m) <= ASIDE_M * grown[::PER_KNOT] + 1e-9).all()
    assert np.abs(delta.along_m).max() <= ALONG_M + 1e-9 and delta.along_m[0] == 0.0
    assert (np.abs(np.diff(delta.aside_m)) <= SLOPE * v * 0.5 + 1e-9).all()


def test_what_stands_still_is_not_moved_aside():
    huge = np.full(KNOTS, 50.0)
    assert not bounded((huge, huge), moving(0.0)).aside_m.any()
    view = decided(ego(v=0.0), stop_m=0.1, word=Longitudinal.STOP)
    plan = LearnedPlanner(CONFIG, ROAD, head(2, delta=True)).step(view)
    assert np.hypot(plan.delta_x_m, plan.delta_y_m).max() < 1e-9


@given(answers, st.floats(0.5, 15.0))
def test_aside_is_left_of_the_path_and_holds_at_the_knots(aside, v):
    motion = moving(v)
    delta = bounded((np.zeros(KNOTS), aside), motion)
    at = sideways(delta, motion)(motion.ahead_m[::PER_KNOT])
    assert at == pytest.approx(delta.aside_m, abs=1e-9)


@settings(max_examples=40)
@given(nets, st.floats(0.0, 14.0), st.floats(0.0, 30.0), st.integers(0, 5))
def test_it_cannot_drive_over_a_said_stop_either(net, v, more, seed):
    stop = v * v / 6.0 + 0.5 * v + more
    view = decided(ego(v=v), stop_m=stop, word=Longitudinal.STOP)
    w = LearnedPlanner(CONFIG, ROAD, head(seed, delta=True, wild=2.0)).step(view).waypoints
    assert w.x_m[-1] - 50.0 <= stop * 1.04 + 0.11 + 0.1


def test_it_moves_the_car_both_ways():
    """Else there would be nothing to learn with it."""
    view = decided(ego(v=8.0), objects=(thing(7, 90.0, 1.0, v=5.0),))
    weights = zero_delta(drawn(0))
    rng = np.random.default_rng(0)
    for name in ("delta.along.weight", "delta.aside.weight"):
        weights[name] = rng.normal(size=weights[name].shape).astype(np.float32)
    plan = LearnedPlanner(CONFIG, before_a_bend(), WaypointHead(weights)).step(view)
    assert np.abs(plan.delta_x_m).max() > 0.05
    assert np.abs(plan.delta_y_m).max() > 0.05
