"""Is what is done what was said, and is what was said there? The tables of agreement, grounding, and completed traces."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_traces import LANE, cause, citation, plan, prediction, scene, trace, tracked

from whyway.trace import MetaActions, agreement, complete, grounded
from whyway.trace.integrity import (
    lane_agreement,
    lane_relation,
    lateral_agreement,
    longitudinal_agreement,
    scene_hash,
    with_latency,
)
from whyway.types import (
    Agreement,
    CauseKind,
    Direction,
    LaneRelation,
    Lateral,
    LightColor,
    LightState,
    Longitudinal,
    MetaLane,
    MetaLateral,
    MetaLongitudinal,
    ObjectClass,
    Plan,
    Waypoints,
)

OK, UNSUPPORTED, CONTRADICTORY = Agreement.OK, Agreement.UNSUPPORTED, Agreement.CONTRADICTORY
SIDES = (Direction.LEFT, Direction.RIGHT)
SIDED = [lateral for lateral in Lateral if lateral != Lateral.KEEP_LANE]


def swapped(name: str) -> str:
    return name.replace("LEFT", "#").replace("RIGHT", "LEFT").replace("#", "RIGHT")


# --------------------------------------------------------------------------------------------------------- tables

# rows: decisions; columns: meta-actions in the order of their enum; o agrees, - does not support, x contradicts
LONGITUDINAL = """
                REV STOP S+ G+ S- G- =
    STOP          x    o  x  x  o  o -
    YIELD         x    o  x  x  o  o -
    PASS          x    x  o  o  x  - o
    GAP_SEARCH    x    x  -  o  o  o o
    KEEP_DISTANCE x    o  x  o  o  o o
    ADAPT_SPEED   x    x  x  -  o  o o
    RESUME_SPEED  x    x  o  o  x  x o
"""
MARKS = {"o": OK, "-": UNSUPPORTED, "x": CONTRADICTORY}


def rows(table: str) -> list[tuple[str, int, Agreement]]:
    lines = [line.split() for line in table.strip().splitlines()[1:]]
    return [(said, done, MARKS[m]) for said, *marks in lines for done, m in enumerate(marks)]


@pytest.mark.parametrize(("said", "done", "expected"), rows(LONGITUDINAL))
def test_the_longitudinal_table(said, done, expected):
    assert longitudinal_agreement(Longitudinal[said], MetaLongitudinal(done)) == expected


def test_the_longitudinal_table_is_whole():
    assert len(rows(LONGITUDINAL)) == len(Longitudinal) * len(MetaLongitudinal)


@pytest.mark.parametrize("said", Longitudinal)
def test_every_longitudinal_decision_can_be_kept_and_broken(said):
    found = [longitudinal_agreement(said, done) for done in MetaLongitudinal]
    assert OK in found and CONTRADICTORY in found


@pytest.mark.parametrize(
    ("said", "side"), [(Lateral.KEEP_LANE, Direction.NONE), *itertools.product(SIDED, SIDES)]
)
def test_every_lateral_decision_can_be_kept_and_broken(said, side):
    lane = [lane_agreement(said, side, done) for done in MetaLane]
    assert OK in lane and CONTRADICTORY in lane
    steering = [lateral_agreement(said, side, done) for done in MetaLateral]
    assert OK in steering


@pytest.mark.parametrize(("said", "done"), [*itertools.product(SIDED, MetaLane)])
def test_left_and_right_are_judged_alike_in_the_lane(said, done):
    mirrored = MetaLane[swapped(done.name)]
    assert lane_agreement(said, Direction.LEFT, done) == lane_agreement(
        said, Direction.RIGHT, mirrored
    )


@pytest.mark.parametrize(("said", "done"), [*itertools.product(SIDED, MetaLateral)])
def test_left_and_right_are_judged_alike_in_steering(said, done):
    mirrored = MetaLateral[swapped(done.name)]
    assert lateral_agreement(said, Direction.LEFT, done) == lateral_agreement(
        said, Direction.RIGHT, mirrored
    )


@pytest.mark.parametrize(
    ("said", "side", "done", "expected"),
    [
        (Lateral.KEEP_LANE, Direction.NONE, MetaLane.LANE_KEEP, OK),
        (Lateral.KEEP_LANE, Direction.NONE, MetaLane.FOLLOW_CURVE_LEFT, OK),
        (Lateral.KEEP_LANE, Direction.NONE, MetaLane.SLIGHTLY_SHIFT_RIGHT, OK),
        (Lateral.KEEP_LANE, Direction.NONE, MetaLane.TURN_LEFT, UNSUPPORTED),
        (Lateral.KEEP_LANE, Direction.NONE, MetaLane.LEFT_LANE_CHANGE, CONTRADICTORY),
        (Lateral.LANE_CHANGE, Direction.LEFT, MetaLane.LEFT_LANE_CHANGE, OK),
        (Lateral.LANE_CHANGE, Direction.LEFT, MetaLane.SLIGHTLY_SHIFT_LEFT, OK),
        (Lateral.LANE_CHANGE, Direction.LEFT, MetaLane.LANE_KEEP, UNSUPPORTED),
        (Lateral.LANE_CHANGE, Direction.LEFT, MetaLane.SLIGHTLY_SHIFT_RIGHT, CONTRADICTORY),
        (Lateral.LANE_CHANGE, Direction.LEFT, MetaLane.RIGHT_LANE_CHANGE, CONTRADICTORY),
        (Lateral.TURN, Direction.LEFT, MetaLane.TURN_LEFT, OK),
        (Lateral.TURN, Direction.LEFT, MetaLane.TURN_RIGHT, CONTRADICTORY),
        (Lateral.TURN, Direction.LEFT, MetaLane.LANE_KEEP, UNSUPPORTED),
        (Lateral.NUDGE, Direction.LEFT, MetaLane.LANE_KEEP, OK),
        (Lateral.NUDGE, Direction.LEFT, MetaLane.SLIGHTLY_SHIFT_LEFT, OK),
        (Lateral.NUDGE, Direction.LEFT, MetaLane.SLIGHTLY_SHIFT_RIGHT, CONTRADICTORY),
    ],
)  # fmt: skip
def test_lanes_and_words(said, side, done, expected):
    assert lane_agreement(said, side, done) == expected


def test_a_turn_to_the_other_side_contradicts_in_steering_too():
    assert lateral_agreement(Lateral.TURN, Direction.LEFT, MetaLateral.SHARP_STEER_LEFT) == OK
    assert lateral_agreement(Lateral.TURN, Direction.LEFT, MetaLateral.GO_STRAIGHT) == UNSUPPORTED
    assert lateral_agreement(Lateral.TURN, Direction.LEFT, MetaLateral.STEER_RIGHT) == CONTRADICTORY


def test_agreement_judges_each_axis():
    said = trace(Longitudinal.STOP, Lateral.LANE_CHANGE, Direction.LEFT).planning
    done = MetaActions(
        MetaLongitudinal.STRONG_ACCELERATION, MetaLateral.GO_STRAIGHT, MetaLane.LANE_KEEP
    )
    assert agreement(said, done) == (CONTRADICTORY, OK, UNSUPPORTED)


# ------------------------------------------------------------------------------------------------------- grounding


@pytest.mark.parametrize(
    ("y", "expected"),
    [(0.0, "EGO"), (1.7, "EGO"), (1.8, "LEFT"), (-3.5, "RIGHT"), (7.7, "LEFT"), (7.8, "OFF")],
)
def test_a_point_is_in_the_lane_beside_it_or_off(y, expected):
    assert lane_relation(LANE, 30.0, y) == LaneRelation[expected]


GOOD = trace(causes=[cause()], cites=[citation()], predicts=[prediction()])


def test_what_is_there_is_grounded():
    assert grounded(GOOD, scene(tracked()), LANE)


def test_a_trace_that_cites_nobody_is_grounded():
    free = trace(causes=[cause(CauseKind.SPEED_LIMIT, 0)])
    assert grounded(free, scene(tracked()), LANE)


@pytest.mark.parametrize(
    ("said", "there"),
    [
        (GOOD, scene()),
        (GOOD, scene(tracked(8))),
        (GOOD, scene(tracked(kind=ObjectClass.TRUCK))),
        (GOOD, scene(tracked(y=3.5))),
        (trace(cites=[citation(side=LaneRelation.LEFT)]), scene(tracked(y=-3.5))),
        (trace(causes=[cause(i=9)], cites=[citation()]), scene(tracked(), tracked(9, x=50.0))),
        (trace(cites=[citation()], predicts=[prediction(9)]), scene(tracked(), tracked(9, x=50.0))),
        (trace(causes=[cause(CauseKind.TRAFFIC_LIGHT, 4)]), scene()),
    ],
    ids=["nobody there", "unknown id", "other class", "other lane", "other side", "cause not listed",
         "prediction not listed", "unknown light"],
)  # fmt: skip
def test_what_is_not_there_is_not_grounded(said, there):
    assert not grounded(said, there, LANE)


# ------------------------------------------------------------------------------------------------- completed traces


def test_completing_fills_the_action_and_the_agreement():
    done = complete(GOOD, scene(tracked()), plan(a=-1.0), LANE)
    assert done.action.meta_longitudinal == MetaLongitudinal.GENTLE_DECELERATION
    assert done.action.meta_lateral == MetaLateral.GO_STRAIGHT
    assert done.action.meta_lane == MetaLane.LANE_KEEP
    assert done.action.waypoints is not None and len(done.action.waypoints.t_s) == 81
    i = done.integrity
    assert (i.longitudinal, i.lateral, i.lane, i.grounding_ok) == (OK, OK, OK, True)


def test_completing_leaves_what_was_said():
    done = complete(GOOD, scene(tracked()), plan(), LANE)
    assert (done.planning, done.perception) == (GOOD.planning, GOOD.perception)
    assert done.integrity.input_hash == GOOD.integrity.input_hash


@pytest.mark.parametrize(
    ("said", "driven", "expected"),
    [
        (trace(Longitudinal.STOP), plan(a=1.0), (CONTRADICTORY, OK, OK)),
        (trace(Longitudinal.STOP), plan(), (UNSUPPORTED, OK, OK)),
        (trace(Longitudinal.RESUME_SPEED), plan(v0=0.0), (CONTRADICTORY, OK, OK)),
        (trace(Longitudinal.KEEP_DISTANCE), plan(shift_m=3.5), (OK, OK, CONTRADICTORY)),
        (
            trace(Longitudinal.RESUME_SPEED, Lateral.LANE_CHANGE, Direction.RIGHT),
            plan(a=0.5, shift_m=3.5),
            (OK, OK, CONTRADICTORY),
        ),
        (
            trace(Longitudinal.RESUME_SPEED, Lateral.LANE_CHANGE, Direction.LEFT),
            plan(a=0.5, shift_m=3.5),
            (OK, OK, OK),
        ),
    ],
)
def test_words_that_the_plan_does_not_keep_are_found_out(said, driven, expected):
    i = complete(said, scene(), driven, LANE).integrity
    assert (i.longitudinal, i.lateral, i.lane) == expected


def test_off_the_lanes_nothing_is_supported():
    done = complete(GOOD, scene(tracked()), plan(), None).integrity
    assert (done.longitudinal, done.lateral, done.lane) == (UNSUPPORTED,) * 3
    assert not done.grounding_ok


def test_a_plan_of_no_length_is_no_action():
    done = complete(GOOD, scene(tracked()), Plan(0, 0, Waypoints()), LANE)
    assert done.integrity.longitudinal == UNSUPPORTED and done.integrity.grounding_ok


def test_the_size_of_a_delta_is_its_largest_offset():
    driven = plan(delta_x_m=np.array([0.0, 3.0]), delta_y_m=np.array([1.0, 4.0]))
    assert complete(GOOD, scene(tracked()), driven, LANE).action.delta_norm_m == 5.0
    assert complete(GOOD, scene(tracked()), plan(), LANE).action.delta_norm_m == 0.0


def test_latencies_are_kept_in_the_order_of_the_stages():
    draft = with_latency(GOOD, "reasoner", 4.0)
    done = complete(draft, scene(tracked()), plan(latency_ms=2.0), LANE)
    assert [(x.stage, x.latency_ms) for x in done.integrity.latency] == [
        ("perception", 1.5),
        ("reasoner", 4.0),
        ("planner", 2.0),
    ]


# ------------------------------------------------------------------------------------------------------------ hash


def test_the_same_scene_has_the_same_hash():
    assert scene_hash(scene(tracked())) == scene_hash(scene(tracked(), latency_ms=9.0))


@given(st.sampled_from(["x_m", "y_m", "yaw_rad", "vx_mps", "vy_mps", "length_m", "width_m", "id"]))
def test_another_scene_has_another_hash(name):
    moved = dataclasses.replace(tracked(), **{name: getattr(tracked(), name) + 1})
    assert scene_hash(scene(moved)) != scene_hash(scene(tracked()))


def test_a_light_that_changes_makes_another_scene():
    green = (LightState(3, LightColor.GREEN, 0.9),)
    assert scene_hash(scene(lights=green)) != scene_hash(scene())
