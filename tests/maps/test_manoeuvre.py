"""Manoeuvres: a lateral decision as a path from where the ego is."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import Config
from whyway.maps.manoeuvre import (
    CENTRED,
    Place,
    change_time_s,
    ego_path,
    manoeuvre,
    offset_at,
    place_of,
    profile_along,
)
from whyway.types import Direction, EgoState, Lateral

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

DRIVING = Config().driving
ROAD = roads.two_lane_road([1, 3])
LEFT, RIGHT, NONE = Direction.LEFT, Direction.RIGHT, Direction.NONE


def ego(x: float, y: float, yaw: float = 0.0) -> EgoState:
    return EgoState(x, y, yaw, 10.0, 0.0, 0.0, 0.0)


def change(place: Place, side: Direction):
    return manoeuvre(ROAD, place, Lateral.LANE_CHANGE, side, 100.0)


def test_a_place_is_lane_arc_length_and_offset():
    place = place_of(ROAD, ego(30.0, 3.0))
    assert place is not None
    assert (place.lane_id, place.s_m, place.d_m) == (2, pytest.approx(30.0), pytest.approx(-0.5))


def test_off_the_lanes_there_is_neither_place_nor_path():
    assert place_of(ROAD, ego(30.0, 60.0)) is None and ego_path(ROAD, ego(30.0, 60.0)) is None


def test_the_path_of_the_ego_follows_the_route():
    path = ego_path(ROAD, ego(30.0, 0.0))
    assert path is not None and path.lane_ids[:2] == (1, 3)


def test_keeping_the_lane_is_going_on_from_where_one_is():
    m = manoeuvre(ROAD, Place(1, 30.0, 0.4), Lateral.KEEP_LANE, NONE, 100.0)
    assert m is not None and m.leaving is None
    assert (m.path.lane_ids, m.s_m, m.d_m) == ((1, 3), 30.0, 0.4)


def test_a_lane_change_is_on_the_neighbour_and_leaves_the_lane():
    m = change(Place(1, 30.0, 0.0), LEFT)
    assert m is not None and m.leaving is not None
    assert (m.path.lane_ids, m.leaving.lane_ids) == ((2, 4), (1, 3))
    assert (m.s_m, m.d_m, m.leaving_s_m) == (
        pytest.approx(30.0),
        pytest.approx(-3.5),
        pytest.approx(30.0),
    )


def test_the_way_back_mirrors_it():
    m = change(Place(2, 30.0, 0.0), RIGHT)
    assert m is not None and m.path.lane_ids[0] == 1 and m.d_m == pytest.approx(3.5)


@pytest.mark.parametrize(("lane", "side"), [(1, RIGHT), (2, LEFT), (9, LEFT), (9, RIGHT)])
def test_where_there_is_no_lane_of_the_same_direction_there_is_no_change(lane, side):
    assert change(Place(lane, 30.0, 0.0), side) is None


def test_over_the_border_it_is_finished_rather_than_begun_again():
    m = change(Place(2, 30.0, -1.5), LEFT)  # from lane 1, hardly in lane 2
    assert m is not None and m.leaving is None
    assert (m.path.lane_ids[0], m.d_m) == (2, -1.5)


@given(st.floats(-0.6, 4.1))
def test_a_change_to_the_left_ends_in_the_left_lane_whatever_side_of_the_border_the_ego_is_on(y):
    place = place_of(ROAD, ego(30.0, y))
    assert place is not None
    m = change(place, LEFT)
    if place.lane_id == 1 or place.d_m < -CENTRED * 1.75:
        assert m is not None and m.path.lane_ids[0] == 2
        assert 3.5 + m.d_m == pytest.approx(y)
    else:  # it has its lane, and there is none farther left
        assert m is None


@given(st.floats(-4.0, 4.0))
def test_an_offset_begins_whole_and_ends_as_nothing(offset):
    t = np.linspace(0.0, change_time_s(offset, DRIVING), 200)
    left = offset_at(t, offset, DRIVING)
    assert left[0] == pytest.approx(offset) and left[-1] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(np.abs(left)) <= 1e-9).all()
    assert offset_at(1e3, offset, DRIVING) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_a_wider_offset_takes_longer(a, b):
    short, long = sorted((a, b))
    assert change_time_s(short, DRIVING) <= change_time_s(long, DRIVING) <= DRIVING.lane_change_s
    assert change_time_s(-a, DRIVING) == change_time_s(a, DRIVING)


def test_the_speed_along_a_path_knows_its_limits_and_curves():
    road = roads.two_lane_road([1, 5])
    m = manoeuvre(road, Place(1, 60.0, 0.0), Lateral.KEEP_LANE, NONE, 60.0)
    assert m is not None
    here = ego(60.0, 0.0)
    with_all = profile_along(m, here, DRIVING, 60.0).allowed_mps
    assert with_all[0] <= 13.89 + 1e-9
    assert with_all[-10] == pytest.approx(math.sqrt(2.0 * 20.0), rel=0.15)
    no_curves = profile_along(m, here, DRIVING, 60.0, curves=False).allowed_mps
    assert no_curves[-10] == pytest.approx(8.33)
    no_limits = profile_along(m, here, DRIVING, 60.0, limits=False).allowed_mps
    assert (no_limits >= with_all - 1e-9).all()
    neither = profile_along(m, here, DRIVING, 60.0, limits=False, curves=False).allowed_mps
    assert (neither >= np.maximum(no_curves, no_limits) - 1e-9).all()
