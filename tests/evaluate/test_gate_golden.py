"""Golden comparison: what is allowed passes, what is not is named by field, and both traces are told side by side."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import a_plan, a_trace, straight

from whyway.evaluate.gates.golden import Comparer, beyond, compare
from whyway.evaluate.gates.golden_text import diff, one_line
from whyway.evaluate.gates.reference import told, write_reference
from whyway.evaluate.gates.schema import Golden, Tolerance
from whyway.log import read_log
from whyway.topics import PLAN, TRACE
from whyway.types import Command, Lateral, Longitudinal, Plan

EGO = straight(0.0, 8.0)
EXACT = Golden(reference="r")
ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e6, 1e6)
AMOUNT = st.floats(0.0, 10.0)


def off(expected: float, got: float, tolerance: Tolerance, angle: bool = False) -> bool:
    return bool(beyond(np.float64(expected), np.float64(got), tolerance, angle=angle)[1])


def drive(made, decision=lambda t: Longitudinal.RESUME_SPEED, a_mps2=lambda t: 0.0, **more):
    return made.drive(
        EGO,
        duration_s=4.0,
        say=lambda t: a_trace(t, EGO, decision(t)),
        plan=lambda t: a_plan(t, EGO, a_mps2(t)),
        **more,
    )


# --------------------------------------------------------------------------------------------------- tolerances


@given(expected=ANY, absolute=AMOUNT, relative=AMOUNT)
def test_a_value_is_never_off_from_itself(expected, absolute, relative):
    assert not off(expected, expected, Tolerance(absolute, relative))
    assert not off(expected, expected, Tolerance(), angle=True)


@given(expected=FINITE, got=FINITE, absolute=AMOUNT, relative=st.floats(0.0, 1.0))
def test_a_number_is_off_just_where_numpy_says_it_is_not_close(expected, got, absolute, relative):
    close = np.isclose(got, expected, rtol=relative, atol=absolute)
    assert off(expected, got, Tolerance(absolute, relative)) == (not close)


@given(expected=FINITE, got=FINITE, small=AMOUNT, more=AMOUNT)
def test_a_wider_tolerance_allows_all_that_a_narrower_one_does(expected, got, small, more):
    if not off(expected, got, Tolerance(small)):
        assert not off(expected, got, Tolerance(small + more))


@pytest.mark.parametrize(
    ("expected", "got", "tolerance", "beyond_it"),
    [
        (8.0, 8.5, Tolerance(absolute=0.5), False),  # the boundary itself, exact in binary
        (8.0, math.nextafter(8.5, 9.0), Tolerance(absolute=0.5), True),
        (8.0, 12.0, Tolerance(relative=0.5), False),
        (12.0, 8.0, Tolerance(relative=0.25), True),  # of what is expected, not of what came
        (8.0, 12.5, Tolerance(0.5, 0.5), False),
        (0.0, -0.0, Tolerance(), False),
    ],
)
def test_the_boundary_is_allowed_and_the_next_number_is_not(expected, got, tolerance, beyond_it):
    assert off(expected, got, tolerance) == beyond_it


@given(other=ANY.filter(lambda x: not math.isnan(x)), odd=st.sampled_from([math.nan, math.inf, -math.inf]))  # fmt: skip
def test_nan_and_infinity_are_off_from_everything_else_under_any_tolerance(other, odd):
    wide = Tolerance(1e9, 1e9)
    if other != odd:
        assert off(other, odd, wide) and off(odd, other, wide)


@given(angle=st.floats(-3.0, 3.0), turns=st.integers(-3, 3), by=st.floats(-0.5, 0.5))
def test_angles_are_compared_the_short_way_round(angle, turns, by):
    got = angle + turns * 2.0 * math.pi + by
    assert not off(angle, got, Tolerance(abs(by) + 1e-9), angle=True)
    if abs(by) > 1e-6:
        assert off(angle, got, Tolerance(abs(by) / 2), angle=True)


def test_of_several_patterns_the_last_that_fits_holds_and_ignored_is_ignored():
    gate = Golden(
        reference="r",
        ignore=("command.steer_rad",),
        tolerances={"*": Tolerance(1.0), "acceleration_mps2": Tolerance(0.01)},
    )
    a, b = Command(0, 1.0, 0.0), Command(0, 1.5, 3.0)
    (found,) = Comparer(gate).differences("/whyway/command", a, b)
    assert (found.field, found.expected, found.got, found.off) == ("acceleration_mps2", "1", "1.5", 0.5)  # fmt: skip
    assert not list(Comparer(gate).differences("/whyway/command", a, Command(0, 1.005, 3.0)))


@given(
    values=st.lists(FINITE, min_size=1, max_size=20), at=st.integers(0, 19), by=st.floats(1e-3, 1e3)
)
def test_in_an_array_the_place_that_differs_is_named(values, at, by):
    at %= len(values)
    x = np.array(values)
    y = x.copy()
    y[at] += by
    plan = a_plan(0.0, EGO)
    a = dataclasses.replace(plan, delta_x_m=x)
    b = dataclasses.replace(plan, delta_x_m=y)
    (found,) = Comparer(EXACT).differences("/whyway/plan", a, b)
    assert found.field == f"delta_x_m[{at}]"


# -------------------------------------------------------------------------------------------------------- drives


def test_a_drive_is_as_itself(made):
    log = drive(made)
    found = compare(log, log, EXACT)
    assert found.equal and found.frames == 41
    assert one_line(found) == "41 frames as in the reference"


def test_what_is_measured_on_the_wall_clock_is_no_difference(made):
    a = drive(made)
    b = made.drive(
        EGO,
        duration_s=4.0,
        say=lambda t: a_trace(t, EGO),
        plan=lambda t: a_plan(t, EGO, latency_ms=99.0),
    )
    assert compare(a, b, EXACT).equal


def test_another_decision_is_told_by_name_with_both_sentences(made):
    a = drive(made)
    b = drive(made, lambda t: Longitudinal.STOP if 2.0 <= t < 3.0 else Longitudinal.RESUME_SPEED)
    found = compare(a, b, EXACT)
    assert one_line(found).startswith("10 of 41 frames differ, first at 2.000 s")
    text = diff(found)
    assert "trace.planning.longitudinal  expected RESUME_SPEED  got STOP" in text
    assert "expected: drives on towards 36 km/h" in text and "got:      stops" in text
    assert "trace.planning.longitudinal: 10 times from 2.000 s on" in text
    assert [f.stamp_ns for f in found.shown] == [2_000_000_000, 2_100_000_000, 2_200_000_000]


def test_numbers_beyond_their_tolerance_are_told_with_it(made):
    a, b = drive(made), drive(made, a_mps2=lambda t: 0.5 if t == 1.0 else 0.0)
    gate = dataclasses.replace(EXACT, tolerances={"plan.waypoints": Tolerance(0.1, 0.01)})
    text = diff(compare(a, b, gate))
    assert "plan.waypoints.a_mps2" in text and "(allowed: 0.1 + 0.01 of it, off by 0.5)" in text
    wide = dataclasses.replace(EXACT, tolerances={"plan.waypoints": Tolerance(100.0)})
    assert compare(a, b, wide).equal


def test_frames_that_are_missing_or_extra_are_named(made):
    a = drive(made)
    b = made.drive(
        EGO,
        duration_s=4.2,
        say=lambda t: None if t == 1.0 else a_trace(t, EGO),
        plan=lambda t: a_plan(t, EGO),
    )
    found = compare(a, b, EXACT)
    assert found.missing == {TRACE.name: [1_000_000_000]}
    assert found.extra[PLAN.name] == [4_100_000_000, 4_200_000_000]
    text = diff(found)
    assert "missing in trace: 1.000 s" in text and "extra in plan: 4.100 s, 4.200 s" in text
    assert "1 frame missing; 2 frames extra" in one_line(found)


def test_another_number_of_causes_is_told_by_what_they_are(made):
    a = drive(made)
    trace = a.of(type(a.topics[TRACE.name][0]))[0]
    planning = dataclasses.replace(trace.planning, lateral=Lateral.NUDGE, rejected=())
    b = dataclasses.replace(trace, planning=planning)
    (found,) = Comparer(EXACT).differences(TRACE.name, trace, b)
    assert (found.field, found.expected, found.got) == ("planning.lateral", "KEEP_LANE", "NUDGE")


def test_lengths_that_differ_are_a_difference_of_the_array():
    plan = a_plan(0.0, EGO)
    short = dataclasses.replace(plan, delta_x_m=np.zeros(3))
    (found,) = Comparer(EXACT).differences(PLAN.name, plan, short)
    assert (found.field, found.expected, found.got) == ("delta_x_m", "0 values", "3 values")


def test_nan_where_a_number_was_is_a_difference_and_nan_for_nan_is_none(made):
    def spoilt(t: float) -> Plan:
        plan = a_plan(t, EGO)
        v = plan.waypoints.v_mps.copy()
        v[3] = math.nan
        return dataclasses.replace(plan, waypoints=dataclasses.replace(plan.waypoints, v_mps=v))

    a = drive(made)
    b = made.drive(EGO, duration_s=4.0, say=lambda t: a_trace(t, EGO), plan=spoilt)
    wide = dataclasses.replace(EXACT, tolerances={"*": Tolerance(1e9)})
    found = compare(a, b, wide)
    assert len(found.differing) == 41 and "plan.waypoints.v_mps[3]" in diff(found)
    assert "got nan" in diff(found)
    assert compare(b, b, EXACT).equal


def test_however_much_differs_the_story_stays_short(made):
    a = drive(made)
    other = straight(50.0, 3.0, y=1.0)
    b = made.drive(
        other, duration_s=4.0, say=lambda t: a_trace(t, other), plan=lambda t: a_plan(t, other)
    )
    found = compare(a, b, EXACT)
    assert len(found.differing) == 41
    assert len(found.shown) == 3 and diff(found).count("\n") < 70


def test_a_reference_remembers_how_its_traces_read(made, tmp_path):
    log = drive(made, lambda t: Longitudinal.STOP if t > 2.0 else Longitudinal.RESUME_SPEED)
    write_reference(log, tmp_path / "r" / "ref.mcap", [TRACE.name])
    reference = read_log(tmp_path / "r" / "ref.mcap")
    said = told(reference)
    assert said[0].startswith("drives on") and said[2_100_000_000] == "stops"
    assert len(said) == 41 and reference.topics.keys() == {TRACE.name}
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["ref.mcap"]
