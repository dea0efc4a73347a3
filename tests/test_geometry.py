"""Angles, frames, boxes and polylines, against independent ways to compute the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from whyway.geometry import (
    Polyline,
    box_corners,
    boxes_overlap,
    distance_to_box,
    from_frame,
    hidden_share,
    points_in_polygon,
    to_frame,
    wrap_angle,
)

meters = st.floats(-1e3, 1e3)
angles = st.floats(-20.0, 20.0)
sizes = st.floats(0.2, 12.0)
near = st.floats(-8.0, 8.0)
boxes = st.tuples(near, near, angles, sizes, sizes)

# ---------------------------------------------------------------------------------------------------------- frames


@given(angles)
def test_a_wrapped_angle_is_the_same_angle_between_minus_pi_and_pi(angle):
    wrapped = wrap_angle(angle)
    assert -math.pi <= wrapped < math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-9)


@given(meters, meters, meters, meters, angles)
def test_from_frame_undoes_to_frame(x, y, fx, fy, yaw):
    back = from_frame(*to_frame(x, y, fx, fy, yaw), fx, fy, yaw)
    assert back == pytest.approx((x, y), abs=1e-8)


@given(meters, meters, angles)
def test_the_origin_of_a_frame_is_where_it_stands_and_x_is_ahead(fx, fy, yaw):
    assert to_frame(fx, fy, fx, fy, yaw) == pytest.approx((0.0, 0.0), abs=1e-9)
    ahead = to_frame(fx + math.cos(yaw), fy + math.sin(yaw), fx, fy, yaw)
    assert ahead == pytest.approx((1.0, 0.0), abs=1e-9)


@given(st.lists(st.tuples(meters, meters, angles), min_size=1, max_size=6))
def test_many_points_are_taken_to_a_frame_as_each_alone(poses):
    x, y, yaw = (np.array(column) for column in zip(*poses, strict=True))
    together = to_frame(1.0, 2.0, x, y, yaw)
    alone = np.array([to_frame(1.0, 2.0, *pose) for pose in poses]).T
    np.testing.assert_allclose(together, alone, atol=1e-9)


# ----------------------------------------------------------------------------------------------------------- boxes


def corners(box) -> np.ndarray:
    return box_corners(*(np.asarray(value) for value in box))


def overlap(a, b) -> bool:
    return bool(boxes_overlap(*(np.asarray(value) for value in (*a, *b))))


def shares_a_point(a, b) -> tuple[bool, float]:
    """By linear programming: is there a point in both boxes, and how much could both be shrunk or would have to grow?

    Maximise m with |local coordinate| <= half size - m for the four sides of both boxes.
    """
    rows, bounds = [], []
    for x, y, yaw, length, width in (a, b):
        for ux, uy, half in (
            (math.cos(yaw), math.sin(yaw), length / 2),
            (-math.sin(yaw), math.cos(yaw), width / 2),
        ):
            for sign in (1.0, -1.0):
                rows.append([sign * ux, sign * uy, 1.0])
                bounds.append(half + sign * (ux * x + uy * y))
    done = linprog([0.0, 0.0, -1.0], A_ub=rows, b_ub=bounds, bounds=[(None, None)] * 3)
    assert done.success
    return bool(done.x[2] >= 0.0), float(done.x[2])


@given(boxes, boxes)
def test_boxes_overlap_when_linear_programming_finds_a_common_point(a, b):
    common, margin = shares_a_point(a, b)
    assume(abs(margin) > 1e-6)
    assert overlap(a, b) == common


@given(boxes, boxes)
def test_overlap_is_symmetric(a, b):
    assert overlap(a, b) == overlap(b, a)


@given(boxes, boxes, meters, meters, angles)
def test_overlap_does_not_depend_on_where_one_looks_from(a, b, fx, fy, yaw):
    assume(abs(shares_a_point(a, b)[1]) > 1e-6)
    seen = [(*to_frame(o[0], o[1], fx, fy, yaw), o[2] - yaw, o[3], o[4]) for o in (a, b)]
    assert overlap(*seen) == overlap(a, b)


@given(boxes)
def test_a_box_overlaps_itself_and_none_far_away(a):
    far = (a[0] + 20.0, *a[1:])
    assert overlap(a, a) and not overlap(a, far)


@given(boxes)
def test_corners_go_round_to_the_left_from_the_front_left_and_span_the_box(a):
    x, y, yaw, length, width = a
    local = np.stack(to_frame(*corners(a).T, x, y, yaw), axis=-1)
    expected = [(length, width), (-length, width), (-length, -width), (length, -width)]
    np.testing.assert_allclose(local, np.array(expected) / 2, atol=1e-9)


@given(st.lists(boxes, min_size=2, max_size=5))
def test_many_boxes_overlap_as_each_pair_alone(many):
    columns = [np.array(c) for c in zip(*many, strict=True)]
    table = boxes_overlap(*(c[:, None] for c in columns), *(c[None, :] for c in columns))
    assert table.tolist() == [[overlap(a, b) for b in many] for a in many]


# -------------------------------------------------------------------------------------------------------- polygons


@st.composite
def star_polygons(draw):
    """Simple polygons: radii at rising angles around a centre, either way round."""
    count = draw(st.integers(3, 12))
    radii = np.array(draw(st.lists(st.floats(0.5, 10.0), min_size=count, max_size=count)))
    at = 2 * math.pi * np.arange(count) / count
    x, y = radii * np.cos(at), radii * np.sin(at)
    return (x[::-1], y[::-1]) if draw(st.booleans()) else (x, y)


def winding_number(px: float, py: float, x, y) -> float:
    """How often the polygon goes round the point: the sum of the angles its sides are seen under."""
    angle = np.arctan2(y - py, x - px)
    return float(np.sum(wrap_angle(np.roll(angle, -1) - angle)) / (2 * math.pi))


def distance_to_sides(px: float, py: float, x, y) -> float:
    ux, uy = np.roll(x, -1) - x, np.roll(y, -1) - y
    t = np.clip(((px - x) * ux + (py - y) * uy) / (ux * ux + uy * uy), 0.0, 1.0)
    return float(np.min(np.hypot(px - x - t * ux, py - y - t * uy)))


@given(star_polygons(), st.floats(-12.0, 12.0), st.floats(-12.0, 12.0))
def test_a_point_is_inside_a_polygon_that_winds_round_it(polygon, px, py):
    x, y = polygon
    assume(distance_to_sides(px, py, x, y) > 1e-6)
    inside = bool(points_in_polygon(np.array(px), np.array(py), x, y))
    assert inside == (abs(winding_number(px, py, x, y)) > 0.5)


def test_points_come_back_in_the_shape_they_came_in():
    x, y = np.meshgrid(np.linspace(-2, 2, 5), np.linspace(-2, 2, 7))
    square = np.array([-1.1, 1.1, 1.1, -1.1]), np.array([-1.1, -1.1, 1.1, 1.1])
    inside = points_in_polygon(x, y, *square)
    np.testing.assert_array_equal(inside, (abs(x) < 1.1) & (abs(y) < 1.1))


# ------------------------------------------------------------------------------------------------------- polylines


@st.composite
def curves(draw):
    """Smooth curves by their curvature: no tighter than a radius of 20 m, points half a metre apart, no loop."""
    bends = draw(st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=6))
    assume(np.abs(np.cumsum(np.repeat(bends, 10) * 0.5)).max() < 1.5)
    s = np.arange(0.0, 5.0 * len(bends), 0.5)
    yaw = draw(angles) + np.cumsum(np.interp(s, np.arange(len(bends)) * 5.0, bends)) * 0.5
    x, y = np.cumsum(np.cos(yaw)) * 0.5, np.cumsum(np.sin(yaw)) * 0.5
    return Polyline.through(x + draw(meters), y + draw(meters))


@given(curves(), st.floats(-0.2, 1.2), st.floats(-8.0, 8.0))
def test_project_finds_back_what_at_placed(curve, share, d):
    s = share * curve.length_m
    x, y, _, _ = curve.at(s, d)
    found_s, found_d = curve.project(x, y)
    # the curve is straight between its points, and its heading is interpolated
    assert found_s == pytest.approx(s, abs=0.02 + 0.05 * abs(d))
    assert found_d == pytest.approx(d, abs=0.02 + 0.01 * abs(d))


@given(curves(), meters, meters)
def test_no_point_of_the_curve_is_nearer_than_the_projection(curve, dx, dy):
    x, y = curve.x_m[0] + dx / 50, curve.y_m[0] + dy / 50
    _, d = curve.project(x, y)
    assert abs(d) <= np.hypot(curve.x_m - x, curve.y_m - y).min() + 1e-9


@given(curves())
def test_left_is_positive(curve):
    s = curve.length_m / 2
    x, y, yaw, _ = curve.at(s)
    left = curve.project(x - np.sin(yaw), y + np.cos(yaw))[1]
    right = curve.project(x + np.sin(yaw), y - np.cos(yaw))[1]
    assert left > 0.9 and right < -0.9


def test_a_circle_has_its_curvature_and_length():
    angle = np.linspace(0.0, 3.0, 301)
    curve = Polyline.through(20 * np.sin(angle), 20 * (1 - np.cos(angle)))
    assert curve.length_m == pytest.approx(60.0, rel=1e-4)
    assert curve.at(30.0)[3] == pytest.approx(0.05, rel=1e-3)
    assert curve.at(30.0)[2] == pytest.approx(1.5, abs=1e-3)


def test_heading_never_jumps_however_often_the_curve_goes_round():
    angle = np.linspace(0.0, 15.0, 500)
    curve = Polyline.through(10 * np.sin(angle), -10 * np.cos(angle))
    assert np.abs(np.diff(curve.yaw_rad)).max() < 0.1
    assert curve.yaw_rad[-1] - curve.yaw_rad[0] == pytest.approx(15.0, abs=0.1)


def test_a_curve_goes_on_straight_beyond_its_ends():
    angle = np.linspace(0.0, 1.0, 50)
    curve = Polyline.through(30 * np.sin(angle), 30 * (1 - np.cos(angle)))
    x, y, yaw, curvature = curve.at(np.array([-5.0, curve.length_m + 5.0]))
    assert (x[0], y[0]) == pytest.approx((-5.0, 0.0), abs=0.1)
    assert np.hypot(x[1] - curve.x_m[-1], y[1] - curve.y_m[-1]) == pytest.approx(5.0)
    assert yaw[1] == pytest.approx(1.0, abs=0.02)
    assert curvature.tolist() == [0.0, 0.0]


@given(curves(), st.floats(0.3, 3.0))
def test_resampling_keeps_the_ends_and_the_length(curve, spacing):
    again = Polyline.through(curve.x_m, curve.y_m, spacing_m=spacing)
    assert (again.x_m[0], again.y_m[0]) == pytest.approx((curve.x_m[0], curve.y_m[0]))
    assert (again.x_m[-1], again.y_m[-1]) == pytest.approx((curve.x_m[-1], curve.y_m[-1]))
    assert again.length_m == pytest.approx(curve.length_m, rel=0.02)
    assert np.diff(again.s_m).max() <= spacing * 1.5 + 1e-9


def test_repeated_points_are_dropped():
    curve = Polyline.through(np.array([0, 0, 1, 1, 1, 2.0]), np.zeros(6))
    assert curve.s_m.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("points", [[], [1.0], [1.0, 1.0, 1.0]])
def test_less_than_two_points_are_no_curve(points):
    with pytest.raises(ValueError, match="two"):
        Polyline.through(np.array(points), np.array(points))


def test_a_point_is_as_far_from_a_box_as_from_its_nearest_side_or_corner():
    x, y = np.array([0.0, 5.0, 5.0, 0.0]), np.array([0.5, 0.0, 4.0, -3.0])
    away = distance_to_box(x, y, 0.0, 0.0, np.zeros(4), 4.0, 2.0)
    assert away == pytest.approx([0.0, 3.0, np.hypot(3.0, 3.0), 2.0])


def test_a_box_right_behind_another_is_hidden_and_one_beside_it_is_not():
    def row(*values):
        return tuple(np.array(values)[:, None])

    eye, near = (0.0, 0.0), row(10.0, 0.0, 0.0, 4.0, 2.0)
    behind, beside = row(30.0, 0.0, 0.0, 4.0, 2.0), row(10.0, 8.0, 0.0, 4.0, 2.0)
    assert hidden_share(behind, near, *eye, rays=24) == 1.0
    assert hidden_share(beside, near, *eye, rays=24) == 0.0
    assert hidden_share(near, behind, *eye, rays=24) == 0.0
    assert hidden_share(near, near, *eye, rays=24) == 0.0
