"""Values: frozen, equal when every field is, and enums whose numbers are wire format."""

from __future__ import annotations

import dataclasses
import math
import typing
from enum import IntEnum

import numpy as np
import pytest

from whyway import types
from whyway.types import (
    MESSAGES,
    Direction,
    Lane,
    LaneKind,
    LaneMap,
    LightState,
    MarkingKind,
    Route,
    Verdict,
    Waypoints,
    differences,
    same,
)

ENUMS = [
    e
    for e in vars(types).values()
    if isinstance(e, type) and issubclass(e, IntEnum) and e is not IntEnum
]
NONE = np.zeros(0, dtype=np.int64)


def waypoints(**changes):
    made = Waypoints(*(np.arange(4.0) + k for k in range(7)))
    return dataclasses.replace(made, **changes)


@pytest.mark.parametrize("enum", ENUMS, ids=lambda e: e.__name__)
def test_an_enum_counts_from_zero_without_gaps(enum):
    assert [int(member) for member in enum] == list(range(len(enum)))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__name__)
def test_every_message_is_frozen_and_has_no_room_for_more(message):
    assert dataclasses.is_dataclass(message) and message.__dataclass_params__.frozen
    assert "__dict__" not in dir(message)


def test_parts_come_before_wholes():
    seen: set[type] = set()
    for message in MESSAGES:
        for hint in typing.get_type_hints(message).values():
            for part in (hint, *typing.get_args(hint)):
                assert not dataclasses.is_dataclass(part) or part in seen, message.__name__
        seen.add(message)


def test_every_dataclass_is_a_message():
    made = {c for c in vars(types).values() if dataclasses.is_dataclass(c) and isinstance(c, type)}
    assert made == set(MESSAGES)


def test_a_value_is_the_same_as_itself_and_as_its_copy():
    assert same(waypoints(), waypoints())
    assert not differences(waypoints(), waypoints())


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Waypoints)])
def test_a_field_that_differs_is_named(name):
    changed = waypoints(**{name: getattr(waypoints(), name) + 1e-12})
    assert [line.split(":")[0] for line in differences(waypoints(), changed)] == [name]


def test_a_difference_deep_inside_is_named_by_its_path():
    lanes = tuple(
        Lane(i, LaneKind.DRIVING, limit, False, 0, 0, 0, MarkingKind.NONE, MarkingKind.NONE, NONE, NONE,
             *(np.arange(3.0) for _ in range(6)))
        for i, limit in ((1, 10.0), (2, 20.0))
    )  # fmt: skip
    other = (lanes[0], dataclasses.replace(lanes[1], speed_limit_mps=21.0))
    found = differences(LaneMap(0, "a", lanes), LaneMap(0, "a", other))
    assert found == ["lanes[1].speed_limit_mps: 20.0 against 21.0"]


def test_nan_equals_nan_and_zero_has_no_sign():
    assert same(waypoints(t_s=np.array([math.nan, 0.0])), waypoints(t_s=np.array([math.nan, -0.0])))
    assert same(
        LightState(1, types.LightColor.RED, math.nan), LightState(1, types.LightColor.RED, math.nan)
    )


def test_other_shapes_lengths_and_types_differ():
    assert "shape" in differences(waypoints(), waypoints(x_m=np.zeros(3)))[0]
    assert "items" in differences((1, 2), (1, 2, 3))[0]
    assert "against" in differences(waypoints(), Route(0, NONE, 0.0, 0.0))[0]


def test_what_the_wall_clock_measured_may_be_left_out():
    verdict = Verdict(
        0, types.SafetyState.NOMINAL, types.Fault.NONE, "", 0, 0.0, 0.0, latency_ms=1.0
    )
    later = dataclasses.replace(verdict, latency_ms=2.0)
    assert not same(verdict, later) and same(verdict, later, ignore_volatile=True)


def test_sides_are_left_and_right():
    assert (Direction.NONE, Direction.LEFT, Direction.RIGHT) == (0, 1, 2)
