"""What a step is worth agrees with the evaluation; observations have their shape, and zeros where nobody is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whyway.evaluate.metrics import navsim as metrics
from whyway.maps.pieces_roads import road
from whyway.worlds.sim import bodies
from whyway.worlds.sim import reward as rewards
from whyway.worlds.sim.engine import begin, step
from whyway.worlds.sim.observe import FEATURES, NEAREST, observe
from whyway.worlds.sim.reward import Weights, reward, terms
from whyway.worlds.sim.state import Mode

PIECE = road(lanes=1, oncoming=1, length_m=300.0)
LANE = PIECE.lane_map.lanes[0].id
EGO = {"lane": LANE, "mode": int(Mode.COMMAND), "s_m": 50.0, "v_mps": 10.0}


def test_the_bounds_are_the_evaluations():
    assert rewards.LON_ACCELERATION_MPS2 == metrics.LON_ACCELERATION_MPS2
    assert rewards.LAT_ACCELERATION_MPS2 == metrics.LAT_ACCELERATION_MPS2
    assert rewards.LON_JERK_MPS3 == metrics.LON_JERK_MPS3
    assert rewards.YAW_RATE_RPS == metrics.YAW_RATE_RPS
    assert rewards.YAW_ACCELERATION_RPS2 == metrics.YAW_ACCELERATION_RPS2
    assert pytest.approx(max(metrics.TTC_STEPS) * 0.1) == rewards.TTC_S
    assert bodies._EGO_STANDS_MPS == metrics.EGO_STANDS_MPS
    assert bodies._STANDS_MPS == metrics.ACTOR_STANDS_MPS
    assert pytest.approx(np.cos(metrics.BEHIND_RAD)) == bodies._BEHIND_COS
    shares = [Weights().progress, Weights().time_to_collision, Weights().comfort]
    expected = np.array(list(metrics.WEIGHTS.values()))
    np.testing.assert_allclose(shares, expected / expected.sum())


def test_blame_for_a_contact_is_the_evaluations(cast):
    rng = np.random.default_rng(5)
    agree = blamed = 0
    for _ in range(200):
        x, y, yaw = rng.uniform(-4, 4), rng.uniform(-3, 3), rng.uniform(-3, 3)
        v, other_v = rng.choice([0.0, 6.0]), rng.choice([0.0, 5.0])
        sim, state = cast(PIECE, [{"mode": int(Mode.COMMAND)}, {"mode": int(Mode.COMMAND)}])
        put = {
            "x_m": np.array([[0.0, x]]), "y_m": np.array([[0.0, y]]), "yaw_rad": np.array([[0.0, yaw]]),
            "v_mps": np.array([[v, other_v]]), "offset_m": np.array([[1.3, 0.0]]),
        }  # fmt: skip
        state = begin(replace(sim, table=None), replace(state, **put))
        ones = np.ones((1, 1))
        kind = metrics.collision_kinds(
            0.0 * ones[0], 0.0 * ones[0], 0.0 * ones[0], v * ones[0], 4.5, 1.8, 1.3,
            x * ones, y * ones, yaw * ones, other_v * ones, 4.5 * ones, 1.8 * ones,
        )[0, 0]  # fmt: skip
        fault = kind in (metrics.Collision.FRONT, metrics.Collision.STOPPED_TRACK)
        # nuPlan blames who backs away from one that stands behind, too: here nobody reverses
        agree += bool(state.at_fault[0, 0]) == fault or kind == metrics.Collision.STOPPED_TRACK
        assert bool(state.collided[0, 0]) == (kind != metrics.Collision.NONE)
        blamed += fault
    assert agree == 200
    assert blamed > 20


def test_running_into_somebody_costs_once_and_by_the_rules_driving_earns_everything(cast):
    stands = {"lane": LANE, "s_m": 75.0, "cap_mps": 0.0}
    sim, state = cast(PIECE, [EGO, stands])
    none = np.zeros_like(state.x_m)
    hits, worth = 0, []
    for _ in range(40):
        after = step(sim, state, none, none)
        hits += float(terms(np, sim, state, after).collision[0, 0])
        worth.append(float(reward(sim, state, after)[0, 0]))
        state = after
    assert hits == 1.0
    assert min(worth) < -18.0
    assert worth[0] == pytest.approx(5 / 12 * 10.0 / 13.89 + 7 / 12, abs=0.02)


def test_against_the_traffic_and_in_discomfort_is_seen(cast):
    sim, state = cast(PIECE, [EGO])
    turned = begin(sim, replace(state, yaw_rad=state.yaw_rad + np.pi))
    none = np.zeros_like(state.x_m)
    assert terms(np, sim, turned, step(sim, turned, none, none)).wrong_way[0, 0] == 1.0
    good = terms(np, sim, state, step(sim, state, none, none))
    hard = terms(np, sim, state, step(sim, state, none - 6.0, none))
    assert (good.wrong_way[0, 0], good.comfort[0, 0]) == (0.0, 1.0)
    assert hard.comfort[0, 0] == 0.0


def test_observations_are_in_the_own_frame_and_zero_for_who_is_not_there(town_traffic):
    sim, state = town_traffic(3, 10, pedestrians=2, seed=3)
    active = state.active.copy()
    active[1, 4] = False
    state = begin(sim, replace(state, active=active))
    seen = observe(sim, state)
    assert seen.shape == (3, 10, FEATURES)
    assert np.isfinite(seen).all()
    assert (seen[1, 4] == 0.0).all()
    others = seen[..., 13 : 13 + 8 * NEAREST].reshape(3, 10, NEAREST, 8)
    w, a, k = 0, 0, 0
    b = int(state.near[w, a, k])
    dx, dy = state.x_m[w, b] - state.x_m[w, a], state.y_m[w, b] - state.y_m[w, a]
    yaw = state.yaw_rad[w, a]
    forth, left = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
    np.testing.assert_allclose(others[w, a, k, :2] * 50.0, [forth, left])
    # the way ahead begins ahead
    cars = state.active & (state.object_class != 7)
    assert (seen[..., -16][cars] > 0.0).all()
