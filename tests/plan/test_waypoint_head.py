"""The waypoint head: what it reads and answers, and which weights it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from heads import drawn, head
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_scenes import ego, one_lane, pedestrian, scene, thing, two_lanes

from whyway.config import Config
from whyway.plan import planner_view
from whyway.plan.head_features import (
    HEAD_INPUT_SIZE,
    MAX_ROWS,
    ROW,
    STATE,
    WHOLE,
    HeadInput,
    head_example,
)
from whyway.plan.head_teacher import Teacher, edited_views
from whyway.plan.knots import KNOT_S, KNOTS, PER_KNOT, smooth
from whyway.plan.waypoint_head import HEAD_SHAPES, WaypointHead, reflect
from whyway.reason import RuleReasoner
from whyway.types import CYCLE_S, InputError, same

CONFIG, ROAD = Config(), two_lanes()
SCENE = scene(ego(), thing(7, 85.0, v=7.0), thing(8, 60.0, 3.5, v=9.0, lane_id=2), thing(9, 120.0))
TRACE = RuleReasoner(CONFIG, ROAD).step(SCENE)
VIEW = planner_view(SCENE, TRACE)


def example(view=VIEW, road=ROAD) -> HeadInput:
    found = head_example(view, road, CONFIG)
    assert found is not None
    return found


def batch(inputs) -> HeadInput:
    return HeadInput(
        *(np.stack([getattr(x, f.name) for x in inputs]) for f in dataclasses.fields(HeadInput))
    )


def test_what_is_read_is_finite_scaled_and_survives_half_precision():
    x = example()
    flat = x.flat()
    assert flat.shape == (HEAD_INPUT_SIZE,) and flat.dtype == np.float16
    assert np.isfinite(flat).all() and np.abs(flat).max() <= 5.0
    back = HeadInput.of_flat(flat)
    for f in dataclasses.fields(HeadInput):
        assert getattr(back, f.name) == pytest.approx(getattr(x, f.name), abs=2e-3)


def test_rows_are_the_cited_objects_alone():
    cited = len(VIEW.objects)
    x = example()
    assert x.rows[:, ROW.index("is_there")].sum() == cited
    assert not x.rows[cited:].any() and not x.rows_odd[cited:].any()
    nobody = example(dataclasses.replace(VIEW, objects=()))
    assert not nobody.rows.any()
    assert nobody.whole == pytest.approx(x.whole), "decision, ego and way know nobody"


@pytest.mark.parametrize("n", [0, 1, MAX_ROWS, 40])
def test_any_number_of_objects_can_be_cited(n):
    crowd = tuple(thing(i + 1, 60.0 + 3.0 * i, v=1.0) for i in range(n))
    x = example(dataclasses.replace(VIEW, objects=crowd))
    assert x.rows[:, 0].sum() == min(n, MAX_ROWS)


def test_the_order_in_which_objects_are_cited_is_no_word():
    view = dataclasses.replace(VIEW, objects=SCENE.objects)
    turned = dataclasses.replace(view, objects=SCENE.objects[::-1])
    answers = [head(3)(example(v)).speeds_mps for v in (view, turned)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-5)


def test_who_is_in_the_way_comes_before_who_is_not():
    crowd = (*(thing(i + 1, 50.0 + i, 30.0) for i in range(MAX_ROWS)), thing(99, 120.0))
    x = example(dataclasses.replace(VIEW, objects=crowd))
    assert x.rows[0, ROW.index("blocks_0_s")] == 1.0


def test_every_word_of_the_decision_that_moves_the_car_is_read():
    """The teacher drives by them: what is not read could not be followed."""
    p = VIEW.decision
    for changes in (
        {"target_speed_mps": 4.0}, {"stop_distance_m": 30.0}, {"target_acceleration_mps2": -2.0},
        {"confidence": 0.1},
    ):  # fmt: skip
        other = dataclasses.replace(VIEW, decision=dataclasses.replace(p, **changes))
        assert not np.array_equal(example(other).whole, example().whole), changes


def test_an_answer_does_not_depend_on_who_else_is_answered():
    xs = [example(dataclasses.replace(VIEW, objects=SCENE.objects[:n])) for n in range(4)]
    net = head(1, delta=True)
    together = net(batch(xs))
    for k, x in enumerate(xs):
        alone = net(x)
        assert together.speeds_mps[k] == pytest.approx(alone.speeds_mps, abs=1e-4)
        for a, b in zip(together.delta, alone.delta, strict=True):
            assert a[k] == pytest.approx(b, abs=1e-4)


@given(arrays(np.float32, (3, KNOTS), elements=st.floats(-20, 20, width=32)))
def test_speeds_are_never_negative_and_untouched_where_they_need_not_be(v):
    out = reflect(v)
    assert (out >= 0.0).all()
    fine = (v >= 0.0).all(axis=-1)
    assert np.array_equal(out[fine], v[fine])
    changes, moves = np.diff(v, axis=-1), np.diff(out, axis=-1)
    assert (moves >= changes - 1e-4).all(), "it is only ever held up"


@given(arrays(np.float64, KNOTS + 1, elements=st.floats(0.0, 30.0)), st.floats(-6.0, 2.0))
def test_the_curve_goes_through_its_knots_and_not_beyond_them(v, slope):
    curve = smooth(v, slope)
    assert curve[::PER_KNOT] == pytest.approx(v)
    assert (curve >= 0.0).all()
    pieces = curve[2 * PER_KNOT : -1].reshape(-1, PER_KNOT)
    low, high = np.minimum(v[2:-1], v[3:]), np.maximum(v[2:-1], v[3:])
    assert (pieces >= low[:, None] - 1e-9).all() and (pieces <= high[:, None] + 1e-9).all()
    # the second interval begins with the mean of two secants, and goes beyond its knots by what that may do and no more
    beyond = 4.0 / 27.0 * KNOT_S * abs(v[2] - v[0]) / (2.0 * KNOT_S) + 1e-9
    second = curve[PER_KNOT : 2 * PER_KNOT]
    assert second.min() >= min(v[1:3]) - beyond and second.max() <= max(v[1:3]) + beyond


@given(st.floats(-4.0, 2.0), st.floats(-2.0, 2.0))
def test_jerk_that_is_even_is_kept_at_the_beginning(a, jerk):
    """What is driven is the beginning, planned anew ten times a second: braking has to end when it is planned to."""
    t = KNOT_S * np.arange(KNOTS + 1)
    begins = CYCLE_S * np.arange(PER_KNOT + 1)
    curve = smooth(100.0 + a * t + 0.5 * jerk * t * t, a)[: PER_KNOT + 1]
    assert curve == pytest.approx(100.0 + a * begins + 0.5 * jerk * begins**2, abs=1e-9)


def test_what_stands_at_the_knots_stands_between_them():
    assert not smooth(np.zeros(KNOTS + 1), 0.0).any()


# ------------------------------------------------------------------------------------------------------- teaching


def test_the_first_view_is_the_true_one_and_the_same_seed_edits_the_same():
    a, b = (edited_views(SCENE, TRACE, np.random.default_rng(5), 6) for _ in range(2))
    assert len(a) == 7 and same(a[0], VIEW)
    assert all(same(x, y) for x, y in zip(a, b, strict=True))
    others = edited_views(SCENE, TRACE, np.random.default_rng(6), 6)
    assert not all(same(x, y) for x, y in zip(a[1:], others[1:], strict=True))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_every_edited_view_can_be_read_and_taught(seed):
    teach = Teacher(CONFIG, ROAD)
    for view in edited_views(SCENE, TRACE, np.random.default_rng(seed)):
        x, v = head_example(view, ROAD, CONFIG), teach(view)
        assert x is not None and v is not None
        assert np.isfinite(x.flat()).all()
        assert v.shape == (KNOTS,) and np.isfinite(v).all() and (v >= 0.0).all()
        assert x.whole[STATE.index("speed")] == pytest.approx(view.ego.v_mps / 15.0, rel=1e-5)
        ids = {o.id for o in SCENE.objects}
        assert {o.id for o in view.objects} <= ids, "nobody is made up"


def test_off_the_lanes_nothing_is_read_or_taught():
    lost = dataclasses.replace(VIEW, ego=ego(y=60.0))
    assert head_example(lost, ROAD, CONFIG) is None and Teacher(CONFIG, ROAD)(lost) is None


def test_the_teacher_stops_and_goes_as_it_is_told():
    view = dataclasses.replace(VIEW, objects=())
    p, teach = view.decision, Teacher(CONFIG, ROAD)
    stop = teach(dataclasses.replace(view, decision=dataclasses.replace(p, stop_distance_m=40.0)))
    go = teach(dataclasses.replace(view, decision=dataclasses.replace(p, target_speed_mps=12.0)))
    assert stop[-1] < 0.5 and go[-1] > 11.0


def test_somebody_who_crosses_between_two_knots_is_seen():
    """On foot, in 0.3 s: at none of the knots in the way."""
    road = one_lane()
    runner = pedestrian(5, 70.0, -4.4, 9.0)
    view = dataclasses.replace(VIEW, objects=(runner,))
    x = example(view, road)
    blocks = x.rows[0, [ROW.index(n) for n in ROW if n.startswith("blocks_")]]
    assert blocks.any()


# -------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: w.pop("trunk_2.bias"), "lacks trunk_2.bias"),
        (lambda w: w.update({"trunk_9.bias": np.zeros(3, np.float32)}), "unknown trunk_9.bias"),
        (lambda w: w.update({"row.bias": np.zeros(3, np.float32)}), "row.bias is (3,)"),
        (lambda w: w["speeds.bias"].fill(np.nan), "speeds.bias is not finite"),
        (lambda w: w.update({"version": np.array([99.0], np.float32)}), "features of version 99"),
        (lambda w: w.update({"delta.along.weight": np.zeros((KNOTS, 192), np.float32)}), "lacks delta"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_in_one_line_with_the_remedy(spoil, says):
    weights = drawn(0)
    spoil(weights)
    with pytest.raises(InputError) as error:
        WaypointHead(weights)
    assert says in str(error.value) and "training.waypoint_head" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_head_is_small():
    assert sum(np.prod(shape) for shape in HEAD_SHAPES.values()) < 250_000
    assert HEAD_SHAPES["context.weight"][1] == len(WHOLE)
