"""A person's word in a trace: understood or refused in one line, complete, and over when it is said to be."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_traces import EGO
from made_traces import trace as made

from whyway.trace.override import FIELDS, LONGEST_S, OVERRIDE, Overrides, apply, parse, said
from whyway.types import Direction, EgoState, InputError, Lateral, Longitudinal

S = 1_000_000_000
DRAFT = made(stop_m=40.0)


def at(stamp_ns: int, x_m: float = 0.0):
    """The draft, said again later and farther on."""
    ego = EgoState(x_m, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0)
    perception = dataclasses.replace(DRAFT.perception, ego=ego)
    return dataclasses.replace(DRAFT, stamp_ns=stamp_ns, perception=perception)


def test_what_is_said_stands_in_the_trace_and_the_rest_stays():
    edits = parse(["planning.longitudinal=STOP", "planning.stop_distance_m=12"])
    trace = apply(DRAFT, edits)
    want = dataclasses.replace(DRAFT.planning, longitudinal=Longitudinal.STOP, stop_distance_m=12.0)
    assert trace.planning == want
    assert trace.perception == DRAFT.perception and trace.prediction is DRAFT.prediction
    assert trace.integrity.validator == "override: longitudinal=STOP, stop_distance_m=12"


def test_the_section_may_be_left_out_and_names_may_be_small():
    assert parse(["longitudinal=stop"]) == parse(["planning.longitudinal=STOP"])


@given(st.data())
def test_what_was_parsed_can_be_parsed_again(data):
    numbers = [f for f, kind in FIELDS.items() if kind is float and "offset" not in f]
    names = data.draw(st.lists(st.sampled_from(numbers), min_size=1, unique=True))
    edits = parse([f"{n}={data.draw(st.floats(0.0, 1.0)):g}" for n in names])
    assert parse(said(edits).split(", ")) == edits


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ([], "give field=value"),
        (["STOP"], "write field=value"),
        (["planning.longitudnal=STOP"], "did you mean 'planning.longitudinal'"),
        (["planning.causes=1"], "no field 'planning.causes'"),
        (["perception.speed_limit_mps=3"], "no field"),
        (["integrity.grammar_ok=true"], "no field"),
        (["planning.longitudinal=HALT"], "no 'HALT'"),
        (["planning.target_speed_mps=fast"], "'fast' is not a number"),
        (["planning.target_speed_mps=nan"], "out of range"),
        (["planning.target_speed_mps=inf"], "out of range"),
        (["planning.target_speed_mps=-1"], "give 0 or more"),
        (["planning.stop_distance_m=-inf"], "out of range"),
        (["planning.confidence=2"], "give 0 to 1"),
        (["planning.lateral=LANE_CHANGE"], "say planning.direction=LEFT or RIGHT too"),
        (["planning.direction=LEFT"], "say planning.lateral too"),
        (["planning.lateral=KEEP_LANE", "planning.direction=LEFT"], "has no side"),
        (["planning.lateral=NUDGE", "planning.direction=LEFT"], "say planning.offset_m"),
    ],
)
def test_what_nobody_understands_is_refused_in_one_line(texts, line):
    with pytest.raises(InputError) as error:
        parse(texts)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_stop_without_a_distance_is_a_comfortable_one():
    draft = dataclasses.replace(
        DRAFT, planning=dataclasses.replace(DRAFT.planning, stop_distance_m=math.inf)
    )
    planning = apply(draft, parse(["longitudinal=STOP"])).planning
    assert planning.stop_distance_m == pytest.approx(EGO.v_mps**2 / 3.0)
    near = dataclasses.replace(draft.planning, stop_distance_m=20.0)
    planning = apply(
        dataclasses.replace(draft, planning=near), parse(["longitudinal=STOP"])
    ).planning
    assert planning.stop_distance_m == 20.0  # what it stops for already is nearer


def test_driving_on_takes_the_stop_back():
    planning = apply(DRAFT, parse(["longitudinal=RESUME_SPEED"])).planning
    assert planning.stop_distance_m == math.inf
    assert planning.target_speed_mps == DRAFT.perception.speed_limit_mps


def test_another_way_has_no_offset_of_the_old_one():
    aside = dataclasses.replace(DRAFT.planning, offset_m=1.0, offset_until_m=30.0)
    draft = dataclasses.replace(DRAFT, planning=aside)
    planning = apply(draft, parse(["lateral=LANE_CHANGE", "direction=LEFT"])).planning
    assert planning.decision[1:] == (Lateral.LANE_CHANGE, Direction.LEFT)
    assert (planning.offset_m, planning.offset_until_m) == (0.0, 0.0)
    assert apply(draft, parse(["lateral=KEEP_LANE"])).planning.direction == Direction.NONE


# ------------------------------------------------------------------------------------------------------ for a while


def test_a_word_holds_for_its_time_and_not_longer():
    overrides = Overrides()
    overrides.ask(["longitudinal=STOP", "stop_distance_m=30"], 0.5)
    held = [overrides.step(at(k * S // 10)) for k in range(3, 12)]
    said_so = [t.integrity.validator.startswith(OVERRIDE) for t in held]
    assert said_so == [True] * 5 + [False] * 4
    assert held[-1].planning is DRAFT.planning


def test_distances_are_from_where_it_was_said():
    overrides = Overrides()
    overrides.ask(["longitudinal=STOP", "stop_distance_m=12"], 5.0)
    stops = [overrides.step(at(k * S // 10, float(k))).planning.stop_distance_m for k in range(20)]
    assert stops == [max(12.0 - k, 0.0) for k in range(20)]


def test_a_new_word_takes_the_place_of_the_old_one():
    overrides = Overrides()
    overrides.ask(["longitudinal=STOP"], 5.0)
    overrides.step(at(0))
    overrides.ask(["target_speed_mps=3"], 5.0)
    planning = overrides.step(at(S // 10)).planning
    assert planning.longitudinal == DRAFT.planning.longitudinal
    assert planning.target_speed_mps == 3.0


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf, LONGEST_S + 1.0])
def test_nobody_s_word_holds_for_ever(duration_s):
    overrides = Overrides()
    with pytest.raises(InputError, match="at most 30 s"):
        overrides.ask(["longitudinal=STOP"], duration_s)
    assert overrides.step(at(0)).planning is DRAFT.planning


def test_a_refused_word_leaves_the_one_that_holds():
    overrides = Overrides()
    overrides.ask(["longitudinal=STOP", "stop_distance_m=30"], 5.0)
    with pytest.raises(InputError):
        overrides.ask(["longitudinal=GO"], 5.0)
    assert overrides.step(at(0)).planning.longitudinal is Longitudinal.STOP
