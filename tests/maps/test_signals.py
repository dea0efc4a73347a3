"""Light programs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import LightColor

GREEN, AMBER, RED = LightColor.GREEN, LightColor.AMBER, LightColor.RED
CYCLE = SignalCycle((GREEN, AMBER, RED), (10.0, 3.0, 17.0), offset_s=4.0)


@given(st.floats(-1000.0, 1000.0), st.integers(-5, 5))
def test_a_cycle_repeats_and_says_how_long_a_colour_lasts(t_s: float, cycles: int) -> None:
    color, left = CYCLE.at(t_s)
    assert 0.0 < left <= 17.0
    again, again_left = CYCLE.at(t_s + cycles * CYCLE.period_s)
    assert abs(again_left - left) < 1e-3 and again is color or min(left, again_left) < 1e-3
    assert CYCLE.at(t_s + left + 1e-5)[0] is not color


def test_a_colour_begins_at_its_time_even_if_that_is_a_sum_of_steps() -> None:
    assert [CYCLE.at(t)[0] for t in (4.0, 13.9, 14.0, 17.0, 33.9, 34.0)] == [
        GREEN,
        GREEN,
        AMBER,
        RED,
        RED,
        GREEN,
    ]
    assert CYCLE.at(sum([0.1] * 140))[0] is AMBER


def test_lights_are_told_by_rising_id() -> None:
    plan = SignalPlan({9: CYCLE, 2: SignalCycle((RED,), (1.0,))})
    assert [(s.light_id, s.color) for s in plan.states(5.0)] == [(2, RED), (9, GREEN)]
    assert SignalPlan().states(0.0) == ()


@pytest.mark.parametrize("durations", [(1.0,), (0.0, 0.0), (-1.0, 2.0)])
def test_a_cycle_that_cannot_run_is_refused(durations: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="duration"):
        SignalCycle((RED, GREEN), durations)
