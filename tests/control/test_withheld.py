"""A plan that is withheld is never driven: the one before it is, for a moment, and then the car stops."""

from dataclasses import replace

import numpy as np
import pytest

from whyway.control import Control
from whyway.types import Fault, SafetyState, Waypoints


def withhold(plan):
    """The plan as it leaves the planning stage when it contradicts its trace."""
    return replace(plan, waypoints=Waypoints())


@pytest.fixture
def run(kit):
    """Drive on with plans withheld in some cycles; gives egos, commands and verdicts."""

    def go(withheld, cycles=80, v=10.0):
        control, commands = Control(kit.config, None), []

        def step(k, e):
            now = k * kit.step_ns
            plan = kit.straight(e, now)
            plan = withhold(plan) if k in withheld else plan
            command, verdict = control.step(kit.observation(now, e), kit.scene(now, e), plan)
            commands.append(command)
            return command, verdict

        egos, verdicts = kit.drive(step, kit.ego(v=v), cycles)
        return egos, commands, verdicts

    return go


def test_in_its_place_the_last_one_is_driven_on_and_the_verdict_says_so(run):
    _, commands, verdicts = run({20, 21, 22})
    bridged = verdicts[20:23]
    assert {v.state for v in verdicts} == {SafetyState.NOMINAL}
    assert {v.fault for v in bridged} == {Fault.TRACE_CONTRADICTED}
    assert all("contradicts its trace" in v.reason for v in bridged)
    assert {v.fault for v in verdicts[:20] + verdicts[23:]} == {Fault.NONE}
    assert all(abs(c.acceleration_mps2) < 1.0 for c in commands[20:23])


def test_when_the_last_one_is_too_old_the_car_stops_and_stands(run):
    egos, _, verdicts = run(set(range(20, 90)))
    assert [v.state for v in verdicts[20:24]] == [SafetyState.NOMINAL] * 3 + [
        SafetyState.MINIMAL_RISK
    ]
    assert verdicts[23].fault is Fault.TRACE_CONTRADICTED
    assert "0.40 s old (limit 0.35)" in verdicts[23].reason
    assert egos[-1].v_mps == 0.0


def test_the_stop_is_over_once_it_stands_and_plans_are_given_again(run):
    egos, _, verdicts = run(set(range(20, 40)), cycles=140)
    stands = next(k for k, e in enumerate(egos) if e.v_mps == 0.0)
    assert {v.state for v in verdicts[23 : stands - 5]} == {SafetyState.MINIMAL_RISK}
    assert verdicts[-1].state is SafetyState.NOMINAL


def test_a_first_plan_that_is_withheld_moves_nobody(run):
    egos, commands, verdicts = run(set(range(90)), v=0.0)
    assert {e.v_mps for e in egos} == {0.0} and max(c.acceleration_mps2 for c in commands) <= 0.0
    assert verdicts[0].fault is Fault.TRACE_CONTRADICTED
    assert np.isfinite([c.steer_rad for c in commands]).all()
