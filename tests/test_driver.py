"""The driver of one car: its stages fit together, and every name is a driver that drives."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from whyway.config import Config
from whyway.driver import BASELINES, DEFAULT_DRIVER, DRIVERS, Driver, driver_config
from whyway.maps.road import Road
from whyway.types import Fault, Longitudinal, SafetyState, same
from whyway.worlds import make_world

CONFIG = Config()
UNTAUGHT = [name for name, kind in DRIVERS.items() if not kind.learnt]
"""Who needs no model (the others: test_driver_microgpt.py)."""


def cycles(name, seconds=3.0, seed=1, clock=None):
    """A short drive through the town."""
    world = make_world("town", seed, driver_config(name, CONFIG), seconds)
    road = Road(world.lane_map, world.route)
    driver = Driver(name, CONFIG, road) if clock is None else Driver(name, CONFIG, road, clock)
    observation, found = world.reset(), []
    while not world.done:
        found.append(driver.step(observation))
        observation = world.step(found[-1].command)
    return found


@pytest.mark.parametrize("name", UNTAUGHT)
def test_every_value_of_a_cycle_is_of_the_same_instant(name):
    for k, cycle in enumerate(cycles(name)):
        now = k * 100_000_000
        stamps = {
            getattr(cycle, f.name).stamp_ns for f in dataclasses.fields(cycle) if f.name != "events"
        }
        assert stamps | {event.stamp_ns for event in cycle.events} == {now}
        assert cycle.trace.trace_id == cycle.plan.trace_id == k


@pytest.mark.parametrize("name", UNTAUGHT)
def test_every_driver_gets_the_car_going(name):
    driven = cycles(name, 6.0)
    speeds = [c.observation.ego.v_mps for c in driven]
    if name == "constant_velocity":
        assert np.ptp(speeds) < 0.5
    else:
        assert max(speeds) > speeds[0] + 0.5 or min(speeds) < speeds[0] - 0.5


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_baselines_drive_without_the_supervisor(name):
    assert not driver_config(name, CONFIG).safety.enabled
    if name in UNTAUGHT:
        assert {c.verdict.state for c in cycles(name)} == {SafetyState.NOMINAL}


def test_the_rules_drive_with_the_supervisor_and_just_as_configured():
    assert driver_config("rules", CONFIG) == CONFIG


def test_who_drives_if_nobody_is_named_is_a_driver():
    assert DEFAULT_DRIVER in DRIVERS and DEFAULT_DRIVER not in BASELINES


def test_an_unknown_driver_is_refused_in_one_line_that_names_the_others():
    with pytest.raises(ValueError) as error:
        driver_config("nobody", CONFIG)
    assert "\n" not in str(error.value) and all(name in str(error.value) for name in DRIVERS)
    world = make_world("town", 1, CONFIG, 1.0)
    with pytest.raises(ValueError, match="nobody"):
        Driver("nobody", CONFIG, Road(world.lane_map, world.route))


@pytest.mark.parametrize("name", UNTAUGHT)
def test_the_same_observations_make_the_same_drive(name):
    for a, b in zip(cycles(name), cycles(name), strict=True):
        assert same(a, b, ignore_volatile=True)


def test_no_decision_is_read_from_the_clock():
    ticks = iter(range(10**6))
    slow = cycles("rules", clock=lambda: float(next(ticks)))
    for a, b in zip(slow, cycles("rules"), strict=True):
        assert same(a, b, ignore_volatile=True)
    latency = {x.stage: x.latency_ms for x in slow[0].trace.integrity.latency}
    assert latency == {"perception": 1e3, "reasoner": 1e3, "planner": 1e3}


def test_who_says_nothing_decides_nothing():
    for cycle in cycles("constant_velocity"):
        planning = cycle.trace.planning
        assert (planning.longitudinal, planning.causes) == (Longitudinal.RESUME_SPEED, ())
        assert cycle.trace.perception.critical_objects == ()


def test_idm_never_changes_lanes():
    assert all(c.trace.planning.lateral.name != "LANE_CHANGE" for c in cycles("idm", 10.0))


class Slow:
    """Decisions that take some cycles from a time on."""

    def __init__(self, cycles, from_s=1.0):
        self.cycles, self.from_ns = cycles, from_s * 1e9

    def delay_cycles(self, stamp_ns):
        return self.cycles if stamp_ns >= self.from_ns else 0

    def spoil(self, plan):
        return plan


def slow_cycles(disturbance, seconds=3.0):
    """A short drive through the town with faults inside the driver."""
    world = make_world("town", 1, CONFIG, seconds)
    driver = Driver("rules", CONFIG, Road(world.lane_map, world.route), disturbance=disturbance)
    observation, found = world.reset(), []
    while not world.done:
        found.append(driver.step(observation))
        observation = world.step(found[-1].command)
    return found


def test_a_disturbance_that_does_nothing_changes_nothing():
    for a, b in zip(slow_cycles(Slow(0)), cycles("rules"), strict=True):
        assert same(a, b, ignore_volatile=True)


def test_a_slow_decision_acts_when_it_is_there_and_until_then_only_the_old_one_does():
    found = slow_cycles(Slow(2))
    ages = [round((c.observation.stamp_ns - c.plan.stamp_ns) * 1e-8) for c in found]
    assert ages[:10] == [0] * 10
    assert ages[10:19] == [1, 2, 2, 3, 2, 3, 2, 3, 2]
    assert all(c.trace.stamp_ns == c.plan.stamp_ns for c in found)
    assert all(c.scene.stamp_ns == c.command.stamp_ns == c.observation.stamp_ns for c in found)


def test_with_a_reasoner_of_two_cycles_the_car_drives_on():
    assert {c.verdict.state for c in slow_cycles(Slow(2))} == {SafetyState.NOMINAL}


def test_a_reasoner_much_too_slow_stops_the_car():
    found = slow_cycles(Slow(10), 6.0)
    stopping = [k for k, c in enumerate(found) if c.verdict.state is SafetyState.MINIMAL_RISK]
    assert stopping[0] == 13 and found[13].verdict.fault is Fault.PLAN_STALE
    assert found[-1].observation.ego.v_mps < 0.1


def test_the_first_decision_is_waited_for_however_slow():
    assert slow_cycles(Slow(5, from_s=0.0), 1.0)[0].plan.stamp_ns == 0
