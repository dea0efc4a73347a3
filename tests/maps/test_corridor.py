"""The corridor: who is predicted to be in the way of a manoeuvre, when and where."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.config import Config
from whyway.maps.corridor import Corridor, Surroundings, look
from whyway.maps.manoeuvre import Place, manoeuvre
from whyway.types import (
    Direction,
    EgoState,
    Intent,
    Lateral,
    ObjectClass,
    PredictedPath,
    TrackedObject,
)

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

CONFIG = Config()
ROAD = roads.two_lane_road([1, 3])
T_S = np.arange(0.0, 5.05, 0.1)
EGO = EgoState(30.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0)
HALF_WIDTH_M = CONFIG.vehicle.width_m / 2 + CONFIG.driving.corridor_margin_m


def thing(i, x, y=0.0, v=0.0, yaw=0.0, kind=ObjectClass.CAR, probabilities=(1.0,)):
    """Somebody who goes straight on, by so many hypotheses."""
    length, width = (0.5, 0.3) if kind == ObjectClass.PEDESTRIAN else (4.0, 2.0)
    t = 0.5 * np.arange(1, 11)
    vx, vy = v * math.cos(yaw), v * math.sin(yaw)
    paths = tuple(
        PredictedPath(
            Intent.KEEP,
            p,
            0.5,
            x + vx * t,
            y + vy * t,
            np.full(10, yaw),
            np.full(10, v),
            np.zeros(10),
        )
        for p in probabilities
    )
    return TrackedObject(i, kind, x, y, yaw, vx, vy, length, width, 0.99, 5.0, 0.0, 1, paths)


def seen(*objects, lateral=Lateral.KEEP_LANE, side=Direction.NONE) -> Corridor:
    m = manoeuvre(ROAD, Place(1, 30.0, 0.0), lateral, side, 150.0)
    assert m is not None
    return look(m, EGO, objects, CONFIG.vehicle, CONFIG.driving, T_S)


def test_nobody_is_an_empty_corridor():
    c = seen()
    assert c.ahead_m.shape == (0, len(T_S))
    assert c.obstacles(10.0).blocks.shape == (0, len(T_S))


def test_places_are_ahead_and_to_the_left_of_the_ego():
    c = seen(thing(7, 60.0, 3.5, v=5.0))
    np.testing.assert_allclose(c.ahead_m[0], 30.0 + 5.0 * T_S, atol=1e-6)
    np.testing.assert_allclose(c.aside_m[0], 3.5, atol=1e-6)
    np.testing.assert_allclose(c.along_mps[0], 5.0, atol=1e-6)
    assert (c.half_length_m[0, 0], c.half_width_m[0, 0]) == (2.0, 1.0)
    assert not c.inside.any() and not c.crosses.any()


@pytest.mark.parametrize(
    ("y", "inside"),
    [
        (0.0, True),
        (HALF_WIDTH_M + 0.99, True),
        (HALF_WIDTH_M + 1.01, False),
        (-HALF_WIDTH_M - 0.99, True),
    ],
)
def test_who_comes_nearer_than_the_margin_is_in_the_way(y, inside):
    assert seen(thing(7, 60.0, y)).inside.all() == inside


def test_what_holds_back_is_its_near_end():
    blocks = seen(thing(7, 60.0)).obstacles(10.0)
    assert blocks.blocks.all() and blocks.rear_m[0] == pytest.approx(28.0)


def test_a_car_that_stands_across_is_as_wide_as_it_is_long():
    c = seen(thing(7, 60.0, 2.5, yaw=math.pi / 2))
    assert c.half_width_m[0, 0] == pytest.approx(2.0) and c.inside.all()


def test_who_walks_across_crosses_and_is_in_the_way_while_on_the_path():
    c = seen(thing(7, 60.0, -5.0, 2.0, math.pi / 2, ObjectClass.PEDESTRIAN))
    assert c.crosses.tolist() == [True]
    on = T_S[c.inside[0]]
    room = HALF_WIDTH_M + 0.25
    assert on[0] == pytest.approx((5.0 - room) / 2.0, abs=0.11)
    assert on[-1] == pytest.approx((5.0 + room) / 2.0, abs=0.11)


def test_who_comes_towards_us_counts_as_crossing():
    assert seen(thing(7, 90.0, 0.0, 5.0, math.pi)).crosses.tolist() == [True]


def test_who_stands_does_not_cross_whatever_way_they_look():
    assert seen(thing(7, 60.0, 0.0, 0.0, math.pi / 2)).crosses.tolist() == [False]


def test_unlikely_hypotheses_are_left_out_and_the_others_have_a_row_each():
    c = seen(thing(7, 60.0, probabilities=(0.6, 0.35, 0.05)), thing(8, 80.0))
    assert c.ids.tolist() == [7, 7, 8] and c.probability.tolist() == [0.6, 0.35, 1.0]


def test_who_cannot_be_met_within_the_horizon_is_not_looked_at():
    assert seen(thing(7, 60.0, 500.0)).ids.tolist() == []


def test_who_is_about_to_enter_ahead_counts_as_in_the_way_before():
    merging = thing(7, 60.0, 6.0, 10.0, yaw=-0.25)
    c = seen(merging)
    blocks = c.obstacles(10.0).blocks[0]
    assert not c.crosses[0] and c.inside[0].any() and not c.inside[0, 0]
    assert np.argmax(blocks) < np.argmax(c.inside[0])


def test_a_follower_holds_nobody_back():
    behind = thing(7, 15.0, v=14.0)
    assert not seen(behind).obstacles(10.0).blocks.any()


def test_who_crosses_holds_back_only_while_in_the_way():
    c = seen(thing(7, 60.0, -5.0, 2.0, math.pi / 2, ObjectClass.PEDESTRIAN))
    np.testing.assert_array_equal(c.obstacles(10.0).blocks, c.inside)


# ----------------------------------------------------------------------------------------------------- lane changes


def test_a_lane_change_meets_who_is_in_the_new_lane_and_for_a_while_who_is_in_the_old():
    c = seen(
        thing(7, 60.0, 0.0, 9.0),
        thing(8, 60.0, 3.5, 9.0),
        lateral=Lateral.LANE_CHANGE,
        side=Direction.LEFT,
    )
    new, old = c.only(~c.leaves), c.only(c.leaves)
    assert old.ids.tolist() == [7]
    assert old.inside[0, 0] and not old.inside[0, T_S > 2.6].any()
    assert new.inside[new.ids.tolist().index(8), T_S > 4.0].all()
    assert not new.inside[new.ids.tolist().index(7), T_S > 4.0].any()


# ------------------------------------------------------------------------------------------------------- properties

objects = st.lists(
    st.builds(
        thing,
        st.integers(1, 10**6),
        st.floats(0.0, 180.0),
        st.floats(-8.0, 8.0),
        st.floats(0.0, 20.0),
        st.floats(-3.1, 3.1),
        st.sampled_from([ObjectClass.CAR, ObjectClass.PEDESTRIAN]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda o: o.id,
)


@settings(max_examples=60)
@given(objects, st.data())
def test_nobodys_rows_depend_on_who_else_is_there(everybody, data):
    """To the last bit: otherwise removing somebody who is not cited would move the plan."""
    kept = [o for o in everybody if data.draw(st.booleans())]
    whole, part = seen(*everybody), seen(*kept)
    rows = whole.only(np.isin(whole.ids, [o.id for o in kept]))
    for f in dataclasses.fields(Corridor):
        np.testing.assert_array_equal(getattr(rows, f.name), getattr(part, f.name), f.name)
    a, b = rows.obstacles(10.0), part.obstacles(10.0)
    for f in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, f.name), getattr(b, f.name), f.name)


@settings(max_examples=60)
@given(objects)
def test_a_corridor_is_finite_and_its_boxes_are_no_smaller_than_half_their_sides(everybody):
    c = seen(*everybody)
    for f in dataclasses.fields(Corridor):
        assert np.isfinite(getattr(c, f.name)).all(), f.name
    sides = {o.id: sorted((o.length_m, max(o.width_m, 0.5))) for o in everybody}
    for row, i in enumerate(c.ids):
        assert c.half_width_m[row].min() >= sides[int(i)][0] / 2 - 1e-9
        assert c.half_length_m[row].min() >= sides[int(i)][0] / 2 - 1e-9


def test_somebody_without_predictions_goes_on_as_it_does():
    with_them = seen(thing(7, 60.0, v=5.0))
    without = seen(dataclasses.replace(thing(7, 60.0, v=5.0), predictions=()))
    np.testing.assert_allclose(without.ahead_m, with_them.ahead_m)
    assert (without.inside == with_them.inside).all()


def test_a_short_prediction_shortens_nobody_elses():
    short = thing(8, 100.0, 3.5, v=3.0)
    cut = tuple(
        dataclasses.replace(
            p,
            **{n: getattr(p, n)[:3] for n in ("x_m", "y_m", "yaw_rad", "v_mps", "sigma_m")},
        )
        for p in short.predictions
    )
    alone = seen(thing(7, 60.0, v=5.0))
    beside = seen(thing(7, 60.0, v=5.0), dataclasses.replace(short, predictions=cut))
    assert (beside.ahead_m[0] == alone.ahead_m[0]).all()
    np.testing.assert_allclose(beside.ahead_m[1], seen(short).ahead_m[0], atol=1e-9)


def test_an_oncoming_car_that_would_turn_across_our_way_waits():
    x = 80.0 - 5.0 * 0.5 * np.arange(1, 11)
    bend = np.clip(np.arange(1, 11) - 5, 0, None) * math.radians(15.0)
    turning = PredictedPath(
        Intent.TURN_LEFT, 1.0, 0.5, x, 3.5 - 1.5 * np.clip(np.arange(1, 11) - 5, 0, None),
        math.pi + bend, np.full(10, 5.0), np.zeros(10),
    )  # fmt: skip
    car = dataclasses.replace(thing(7, 80.0, 3.5, v=-5.0), yaw_rad=math.pi, predictions=(turning,))
    assert not seen(car).inside.any()


def test_a_path_is_surveyed_once_and_another_anew():
    keep = manoeuvre(ROAD, Place(1, 30.0, 0.0), Lateral.KEEP_LANE, Direction.NONE, 100.0)
    change = manoeuvre(ROAD, Place(1, 30.0, 0.0), Lateral.LANE_CHANGE, Direction.LEFT, 100.0)
    around = Surroundings(EGO, [thing(7, 60.0, v=5.0)], T_S)
    first = around.along(keep.path, keep.s_m)
    assert around.along(keep.path, keep.s_m) is first
    assert around.along(keep.path, keep.s_m + 1.0).ahead_m[0, 0] == first.ahead_m[0, 0] - 1.0
    assert around.along(change.path, change.s_m).d_m[0, 0] == pytest.approx(-3.5, abs=0.01)
