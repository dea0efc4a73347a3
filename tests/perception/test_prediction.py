"""Predictions: all that a road user may do, and how likely it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.config import PerceptionConfig
from whyway.perception.prediction import Predictor
from whyway.perception.rollout import Mover
from whyway.types import Intent, LaneKind

CONFIG = PerceptionConfig()


@pytest.fixture(scope="module")
def predict(road):
    predictor = Predictor(CONFIG, road)

    def of(*movers):
        return predictor.step(movers)

    return of


@pytest.fixture(scope="module")
def vehicle(road):
    def make(x, y, v, yaw=0.0, course=None, a=0.0, yaw_rate=0.0):
        lane = road.locate(x, y, yaw, (LaneKind.DRIVING,))
        course = yaw if course is None else course
        return Mover(
            x,
            y,
            yaw,
            v,
            course,
            a,
            yaw_rate,
            standing=v == 0.0,
            is_vehicle=True,
            length_m=4.5,
            lane=lane,
        )

    return make


def walker(x, y, v, course):
    return Mover(
        x,
        y,
        course,
        v,
        course,
        0.0,
        0.0,
        standing=v == 0.0,
        is_vehicle=False,
        length_m=0.5,
        lane=None,
    )


numbers = st.floats(-1.0, 1.0)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 350),
            st.floats(-20, 20),
            st.floats(-3.2, 3.2),
            st.floats(0, 40),
            numbers,
            numbers,
            st.booleans(),
        ),
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_probabilities_sum_to_one_and_paths_are_finite(road, predict, states):
    movers = [
        Mover(
            x,
            y,
            yaw,
            v,
            yaw + 0.3 * c,
            6 * a,
            c,
            v < 0.2,
            vehicle,
            4.5,
            road.locate(x, y, yaw) if vehicle else None,
        )
        for x, y, yaw, v, c, a, vehicle in states
    ]
    predictions = predict(*movers)
    assert len(predictions) == len(movers)
    for m, paths in zip(movers, predictions, strict=True):
        assert 1 <= len(paths) <= 6
        assert sum(p.probability for p in paths) == pytest.approx(1.0)
        assert [p.probability for p in paths] == sorted(
            (p.probability for p in paths), reverse=True
        )
        for p in paths:
            columns = np.stack([p.x_m, p.y_m, p.yaw_rad, p.v_mps, p.sigma_m])
            assert columns.shape == (5, round(CONFIG.horizon_s / CONFIG.prediction_dt_s))
            assert np.isfinite(columns).all()
            assert (p.v_mps >= 0).all()
            assert (np.diff(p.sigma_m) > 0).all()
            steps = np.hypot(np.diff(p.x_m, prepend=m.x_m), np.diff(p.y_m, prepend=m.y_m))
            assert steps.max() < (m.v_mps + 8.0) * CONFIG.prediction_dt_s + 2.0  # nobody jumps


def test_before_a_junction_every_way_on_is_foreseen(predict, vehicle):
    (paths,) = predict(vehicle(185, 0, 6.0))
    intents = {p.intent for p in paths}
    assert {Intent.KEEP, Intent.TURN_LEFT, Intent.TURN_RIGHT} <= intents
    left = next(p for p in paths if p.intent is Intent.TURN_LEFT)
    assert left.y_m[-1] > 4
    assert left.yaw_rad[-1] > 1.0


def test_who_is_too_fast_for_the_turn_goes_straight_on(predict, vehicle):
    (paths,) = predict(vehicle(190, 0, 16.0))
    assert paths[0].intent is Intent.KEEP
    assert (
        sum(p.probability for p in paths if p.intent in (Intent.TURN_LEFT, Intent.TURN_RIGHT)) < 0.1
    )


def test_in_a_turn_the_turn_is_believed(predict, vehicle):
    angle = 0.8
    (paths,) = predict(
        vehicle(
            200 + 12 * math.sin(angle), 12 - 12 * math.cos(angle), 5.0, yaw=angle, yaw_rate=5 / 12
        )
    )
    assert paths[0].intent is Intent.TURN_LEFT
    assert paths[0].probability > 0.6


def test_on_a_straight_lane_it_stays_in_its_lane(predict, vehicle):
    (paths,) = predict(vehicle(30, 0.4, 12.0))
    assert paths[0].intent is Intent.KEEP
    assert np.abs(paths[0].y_m).max() <= 0.4
    np.testing.assert_allclose(np.diff(paths[0].x_m), 6.0, atol=0.05)


def test_drifting_over_the_line_is_a_cut_in(predict, vehicle):
    (paths,) = predict(vehicle(30, 1.2, 12.0, course=0.08))
    assert paths[0].intent is Intent.CUT_IN_LEFT
    assert paths[0].y_m[-1] == pytest.approx(3.5, abs=0.5)


def test_there_is_no_cut_in_where_there_is_no_lane(predict, vehicle):
    (paths,) = predict(vehicle(30, -1.2, 12.0, course=-0.08))
    assert {p.intent for p in paths}.isdisjoint({Intent.CUT_IN_LEFT, Intent.CUT_IN_RIGHT})


def test_who_stands_stays_or_starts(predict, vehicle):
    (paths,) = predict(vehicle(100, 0, 0.0))
    assert paths[0].intent is Intent.STOP
    assert paths[0].x_m == pytest.approx(100)
    assert paths[1].intent is Intent.ACCELERATE


def test_who_closes_in_on_a_standing_lead_stops_behind_it(predict, vehicle):
    paths, _ = predict(vehicle(60, 0, 10.0), vehicle(100, 0, 0.0))
    assert paths[0].x_m.max() < 97


def test_off_the_lanes_a_turn_goes_on_for_a_while(predict, vehicle):
    (paths,) = predict(vehicle(100, 60, 5.0, yaw_rate=0.4))
    assert len(paths) == 1
    assert paths[0].yaw_rad[-1] == pytest.approx(0.4 * 1.5, abs=0.05)


def test_pedestrians_walk_on(predict):
    (paths,) = predict(walker(50, 6, 1.5, 0.0))
    assert [p.intent for p in paths] == [Intent.KEEP]
    assert paths[0].x_m[-1] == pytest.approx(50 + 1.5 * 5)


def test_a_pedestrian_who_heads_for_a_crossing_crosses(predict):
    (paths,) = predict(walker(100.5, -3.0, 1.3, math.pi / 2))
    assert paths[0].intent is Intent.CROSS
    assert paths[0].y_m[-1] > 2.0


def test_a_pedestrian_on_the_crossing_crosses(predict):
    (paths,) = predict(walker(100.0, 3.0, 1.3, -math.pi / 2))
    assert paths[0].intent is Intent.CROSS
    assert paths[0].probability > 0.8


def test_a_pedestrian_who_leaves_the_crossing_walks_on(predict):
    (paths,) = predict(walker(100.0, 7.0, 1.3, math.pi / 2))
    assert [p.intent for p in paths] == [Intent.KEEP]
