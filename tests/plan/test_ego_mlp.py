"""The ego-only baseline: it drives, it sees nobody, and it is what its weights say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scenes import before_a_bend, ego, one_lane, scene, thing

from whyway.config import Config, PlanConfig
from whyway.driver import make_planner, make_reasoner
from whyway.plan import planner_view
from whyway.plan.ego_mlp import SHAPES, EgoMlpPlanner, next_command
from whyway.plan.knots import KNOT_TIMES_S
from whyway.types import InputError, NavCommand, same

CONFIG = Config()


def weights(seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    return {name: (scale * rng.standard_normal(shape)).astype(np.float32) for name, shape in SHAPES.items()}  # fmt: skip


def view(road, e, *objects):
    s = scene(e, *objects)
    return planner_view(s, make_reasoner("ego_mlp", CONFIG, road).step(s))


@given(
    st.integers(0, 50),
    st.floats(0.0, 30.0),
    st.floats(-6.0, 3.0),
    st.sampled_from(["straight", "bend"]),
)
def test_whatever_its_weights_the_plan_begins_at_the_ego_and_moves_as_it_turns(seed, v, a, where):
    road = one_lane() if where == "straight" else before_a_bend(junction=True)
    e = ego(v=v, a=a)
    w = EgoMlpPlanner(CONFIG, road, weights(seed)).step(view(road, e)).waypoints
    assert (w.x_m[0], w.y_m[0], w.v_mps[0]) == (e.x_m, e.y_m, pytest.approx(v))
    assert (w.v_mps >= 0.0).all() and w.t_s[-1] == KNOT_TIMES_S[-1]
    moved = np.hypot(np.diff(w.x_m), np.diff(w.y_m))
    assert (moved <= 0.1 * (0.5 * (w.v_mps[1:] + w.v_mps[:-1])) + 1e-6).all()


def test_nobody_it_could_run_into_changes_its_plan():
    road = one_lane()
    planner = make_planner("ego_mlp", CONFIG, road)
    alone = planner.step(view(road, ego()))
    assert same(alone, planner.step(view(road, ego(), thing(1, 65.0))))


def test_the_one_that_comes_along_gets_going_and_does_not_leave_its_straight_lane():
    road = one_lane()
    planner = make_planner("ego_mlp", CONFIG, road)
    begins, steady = (
        planner.step(view(road, ego(v=v, a=a))).waypoints for v, a in ((3.0, 1.5), (12.0, 0.0))
    )
    assert begins.v_mps[30] > 4.0
    assert 20.0 < steady.x_m[30] - steady.x_m[0] < 50.0
    assert abs(steady.y_m[30]) < 1.0


def test_what_it_is_told_is_the_next_turn_of_the_way():
    assert next_command(one_lane(), ego()) == (NavCommand.FOLLOW, np.inf)
    command, distance = next_command(before_a_bend(junction=True), ego(x=40.0))
    assert command == NavCommand.LEFT and distance == pytest.approx(60.0, abs=1.0)


def test_weights_or_a_horizon_that_do_not_fit_are_refused():
    road, good = one_lane(), weights()
    for wrong in ({}, good | {"answer.bias": np.zeros(3, np.float32)}, good | {"more": np.zeros(1)}):  # fmt: skip
        with pytest.raises(InputError, match="train it anew"):
            EgoMlpPlanner(CONFIG, road, wrong)
    with pytest.raises(InputError, match="plan.horizon_s"):
        EgoMlpPlanner(dataclasses.replace(CONFIG, plan=PlanConfig(horizon_s=5.0)), road, good)
