"""Reference lines against integrals by other means, and cubics measured along their own arc."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import fresnel

from whyway.maps.opendrive_geometry import PlanView, Record, explicit, parametric
from whyway.types import Floats

curvatures = st.floats(-0.2, 0.2)
lengths = st.floats(0.5, 120.0)
small = st.floats(-0.02, 0.02)


def _along(record: Record, n: int = 41) -> tuple[Floats, Floats, Floats, Floats]:
    """s, x, y, yaw along a record."""
    s = np.linspace(0.0, record.length_m, n)
    return s, *PlanView([record]).at(np.zeros(n, dtype=np.int64), s)


def _arc_length(x: Floats, y: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])


@given(curvatures, curvatures, lengths, st.floats(-math.pi, math.pi))
def test_lines_arcs_and_spirals_are_the_integral_of_their_heading(
    k0: float, k1: float, length: float, yaw: float
) -> None:
    s, x, y, heading = _along(Record(0.0, 3.0, -4.0, yaw, length, (k0, k1)), 5)
    turn = lambda t: yaw + k0 * t + (k1 - k0) * t * t / (2 * length)  # noqa: E731
    for i in range(5):
        expected = [quad(lambda t: f(turn(t)), 0.0, s[i], limit=200)[0] for f in (np.cos, np.sin)]  # noqa: B023
        assert (x[i], y[i]) == pytest.approx((3.0 + expected[0], -4.0 + expected[1]), abs=1e-9)
        assert heading[i] == pytest.approx(turn(s[i]), abs=1e-12)


@given(st.floats(1e-4, 0.02), st.floats(5.0, 60.0))
def test_a_spiral_from_straight_is_fresnels(rate: float, length: float) -> None:
    s, x, y, _ = _along(Record(0.0, 0.0, 0.0, 0.0, length, (0.0, rate * length)))
    scale = math.sqrt(math.pi / rate)
    sine, cosine = fresnel(s / scale)
    np.testing.assert_allclose(x, scale * cosine, atol=1e-9)
    np.testing.assert_allclose(y, scale * sine, atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 1e-9, 1e-6])
def test_a_spiral_that_hardly_bends_is_an_arc(turn: float) -> None:
    _, x, y, yaw = _along(Record(0.0, 0.0, 0.0, 0.0, 100.0, (0.01, 0.01 + turn)))
    _, u, v, w = _along(Record(0.0, 0.0, 0.0, 0.0, 100.0, (0.01, 0.01)))
    np.testing.assert_allclose((x, y, yaw), (u, v, w), atol=1e-2 * turn * 1e6 + 1e-12)


@given(small, small, st.floats(0.2, 60.0))
def test_poly3_is_measured_along_its_arc(c: float, d: float, length: float) -> None:
    v = (0.0, 0.1, c, d / 10)
    u_, v_ = explicit(v, length)
    _, x, y, yaw = _along(Record(0.0, 0.0, 0.0, 0.0, length, u=u_, v=v_), 2001)
    np.testing.assert_allclose(y, v[1] * x + v[2] * x**2 + v[3] * x**3, atol=1e-9)
    expected = quad(lambda t: math.hypot(1.0, v[1] + 2 * v[2] * t + 3 * v[3] * t * t), 0.0, x[-1])
    assert expected[0] == pytest.approx(length, rel=1e-6)
    steps = np.hypot(np.diff(x), np.diff(y))
    np.testing.assert_allclose(steps, length / 2000, rtol=1e-3)
    np.testing.assert_allclose(np.tan(yaw), v[1] + 2 * v[2] * x + 3 * v[3] * x**2, rtol=1e-6, atol=1e-9)  # fmt: skip


@given(*(st.floats(-30.0, 30.0) for _ in range(4)), st.floats(5.0, 60.0))
def test_cubics_of_both_ranges_are_the_same_curve_at_even_arc_length(
    c1: float, c2: float, d1: float, d2: float, b: float
) -> None:
    u, v = (0.0, b, c1, d1), (0.0, 0.0, c2, d2)
    p = np.linspace(0.0, 1.0, 20001)
    fine = [k[1] * p + k[2] * p**2 + k[3] * p**3 for k in (u, v)]
    speed = np.hypot(u[1] + p * (2 * u[2] + 3 * u[3] * p), p * (2 * v[2] + 3 * v[3] * p))
    if speed.min() < 0.05 * speed.max():
        return  # all but a cusp: no road, and no even arc length to be had
    arc = _arc_length(*fine)
    length = float(arc[-1])
    _, x, y, _ = _along(Record(0.0, 0.0, 0.0, 0.0, length, u=u, v=v))
    at = np.linspace(0.0, length, 41)
    np.testing.assert_allclose(x, np.interp(at, arc, fine[0]), atol=1e-4 * length)
    np.testing.assert_allclose(y, np.interp(at, arc, fine[1]), atol=1e-4 * length)
    by_length = [tuple(k / length**i for i, k in enumerate(curve)) for curve in (u, v)]
    again = parametric(by_length[0], by_length[1], length)  # type: ignore[arg-type]
    _, x2, y2, _ = _along(Record(0.0, 0.0, 0.0, 0.0, length, u=again[0], v=again[1]))
    np.testing.assert_allclose((x, y), (x2, y2), atol=1e-7 * length)


@given(st.lists(st.tuples(curvatures, curvatures, lengths), min_size=2, max_size=6))
def test_records_laid_end_to_end_make_one_smooth_line(
    parts: list[tuple[float, float, float]],
) -> None:
    records, pose, s = [], (5.0, 6.0, 0.7), 0.0
    for k0, k1, length in parts:
        records.append(Record(s, *pose, length, (k0, k1)))
        x, y, yaw = PlanView(records[-1:]).at(np.zeros(1, dtype=np.int64), np.array([length]))
        pose, s = (float(x[0]), float(y[0]), float(yaw[0])), s + length
    plan = PlanView(records)
    before, after = np.arange(len(parts) - 1), np.arange(1, len(parts))
    ends = plan.at(before, plan.length_m[before])
    starts = plan.at(after, np.zeros(len(after)))
    for end, start in zip(ends, starts, strict=True):
        np.testing.assert_allclose(end, start, atol=1e-9)


def test_beyond_its_ends_a_record_goes_on_straight() -> None:
    plan = PlanView([Record(0.0, 0.0, 0.0, 0.0, 10.0, (0.1, 0.1))])
    x, y, yaw = plan.at(np.zeros(2, dtype=np.int64), np.array([-2.0, 13.0]))
    assert (x[0], y[0], yaw[0]) == (-2.0, 0.0, 0.0)
    end = (10 * math.sin(1.0), 10 * (1 - math.cos(1.0)))
    assert (x[1], y[1]) == pytest.approx((end[0] + 3 * math.cos(1.0), end[1] + 3 * math.sin(1.0)))


def test_a_cubic_that_stands_still_is_a_point() -> None:
    zero = (0.0, 0.0, 0.0, 0.0)
    _, x, y, yaw = _along(Record(0.0, 1.0, 2.0, 0.3, 5.0, u=zero, v=zero))
    assert (x == 1.0).all() and (y == 2.0).all() and np.isfinite(yaw).all()
