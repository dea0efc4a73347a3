"""Goals: closed intervals, angles that wrap, shapes with their borders."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.maps.goal import Goal, GoalState, Region, goal_counts

SQUARE = Region(np.array([0.0, 2.0, 2.0, 0.0]), np.array([0.0, 0.0, 2.0, 2.0]))


@given(st.floats(-4.0, 4.0), st.floats(0.0, 3.0), st.floats(0.0, 1.0), st.integers(-3, 3))
def test_an_angle_between_the_two_meets_the_goal_however_often_it_is_wound(
    low: float, width: float, share: float, turns: int
) -> None:
    goal = GoalState((0.0, 1.0), yaw_rad=(low, low + width))
    inside = low + width * (0.01 + 0.98 * share) + turns * 2 * math.pi
    assert goal.reached(0.5, 0.0, 0.0, inside, 0.0)
    assert not goal.reached(
        0.5, 0.0, 0.0, low + width + 0.01 + share * (2 * math.pi - width - 0.02), 0.0
    )


def test_a_time_that_is_a_sum_of_steps_still_counts() -> None:
    goal = GoalState((3.3000000000000003, 3.3000000000000003))
    assert goal.reached(3.3, 0.0, 0.0, 0.0, 0.0) and goal.reached(
        sum([0.1] * 33), 0.0, 0.0, 0.0, 0.0
    )
    assert not goal.reached(3.2, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("x", "y", "inside"),
    [(1, 1, True), (0, 1, True), (2, 2, True), (2.001, 1, False), (-0.5, 0, False)],
)
def test_a_region_includes_its_border(x: float, y: float, inside: bool) -> None:
    assert SQUARE.contains(x, y) is inside
    assert Region(np.array([1.0]), np.array([1.0]), 1.0).contains(
        1.0 + (x - 1.0) / math.sqrt(2), 1.0
    ) is (abs(x - 1) <= math.sqrt(2))


def test_one_of_several_goal_states_is_enough() -> None:
    goal = Goal((GoalState((0.0, 1.0), (SQUARE,)), GoalState((2.0, 3.0), v_mps=(0.0, 0.5))))
    assert goal.end_s == 3.0
    assert goal.reached(0.5, 1.0, 1.0, 0.0, 9.0) and goal.reached(2.5, 50.0, 50.0, 0.0, 0.2)
    assert not goal.reached(1.5, 1.0, 1.0, 0.0, 0.2) and not goal.reached(2.5, 1.0, 1.0, 0.0, 9.0)


TABLE = """file	goal_fields	parked_ego_meets_goal	straight_constant_speed_meets_goal
A-1.xml.gz	position	False	False
B-1.xml.gz	time only	True	True
C-1.xml.gz	position	False	True
"""


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "data"
    (folder / "exercise").mkdir(parents=True)
    (folder / "SCENES.tsv").write_text(TABLE)
    return folder / "exercise"


@pytest.mark.parametrize(
    ("name", "counts"), [("A-1", True), ("B-1", False), ("C-1", False), ("D-1", False)]
)
def test_a_goal_counts_only_where_a_parked_and_a_straight_car_miss_it(scenes, name, counts):
    assert goal_counts(scenes / f"{name}.xml.gz") is counts
