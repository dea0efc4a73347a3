"""Swerves: aside of the lane's centre for a while, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.maps.swerve import Shift, Swerve, shift_length_m

shifts = st.builds(
    lambda offset, begins, lasts, d0, heading, v: Shift.of(
        Swerve(offset, begins, begins + lasts), d0, heading, v
    ),
    st.floats(-3.0, 3.0), st.floats(0.0, 60.0), st.floats(0.0, 30.0), st.floats(-1.0, 1.0),
    st.floats(-0.3, 0.3), st.floats(0.0, 15.0),
)  # fmt: skip


@given(shifts)
def test_a_swerve_begins_where_the_ego_is_and_ends_on_the_centre(shift):
    assert shift.at(0.0) == pytest.approx(shift.d0_m)
    far = max(shift.swerve.until_m, shift.begin_m + shift.length_m) + shift.back_m
    assert shift.at(far + 1.0) == pytest.approx(0.0, abs=1e-6)


@given(shifts)
def test_it_leaves_in_the_direction_the_ego_heads(shift):
    step = 1e-4
    slope = float(shift.at(step) - shift.at(0.0)) / step
    expected = shift.slope if shift.begin_m == 0.0 else 0.0
    assert slope == pytest.approx(expected, abs=0.02 + 0.03 * (shift.begin_m > 0.0))


@given(st.floats(0.5, 3.0), st.floats(30.0, 60.0), st.floats(1.0, 30.0), st.floats(0.0, 8.0))
def test_with_room_enough_it_is_over_in_time_and_stays_there(offset, begins, lasts, v):
    shift = Shift.of(Swerve(offset, begins, begins + lasts), 0.0, 0.0, v)
    assert shift.at(np.linspace(begins, begins + lasts, 9)) == pytest.approx(offset)


@given(st.floats(0.1, 3.5), st.floats(0.0, 15.0))
def test_a_comfortable_length_is_comfortable(by, v):
    length = shift_length_m(by, v)
    shift = Shift.of(Swerve(by, length, length + 10.0), 0.0, 0.0, v)
    assert v * v * shift.bend_1pm < 1.6 and shift.bend_1pm < 0.3


def test_faster_and_farther_takes_longer():
    assert shift_length_m(1.0, 5.0) < shift_length_m(2.0, 5.0) < shift_length_m(2.0, 12.0)


def test_the_bend_is_the_curvature_of_the_path_it_lays():
    shift = Shift.of(Swerve(2.0, 30.0, 50.0), 0.0, 0.0, 6.0)
    x = np.arange(0.0, 80.0, 0.25)
    d = shift.at(x)
    yaw = np.arctan(np.gradient(d, x))
    curvature = np.abs(np.gradient(yaw, x))
    assert shift.bend_at(x).max() == pytest.approx(curvature.max(), rel=0.1)
    assert math.isfinite(shift.bend_1pm)
