"""A ride: who drives and who labels, pushes, and how it ends."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import Config
from whyway.data.recipe import Recipe
from whyway.data.ride import PUSH_S, Ride, Stretches, touches
from whyway.driver import driver_config
from whyway.reason import RuleReasoner
from whyway.types import Actor, EgoState, Lateral, ObjectClass, Truth, same
from whyway.worlds import make_world


def ride(world="family:blocked_lane", seed=1000, duration_s=8.0, **recipe):
    dials = Recipe(**recipe)
    config = driver_config(dials.driver, Config())
    made = make_world(world, seed, config, duration_s)
    return Ride(made, config, dials, np.random.default_rng([dials.seed, seed]))


@pytest.fixture(scope="module")
def expert_ride():
    made = ride("family:double_parked_oncoming", duration_s=8.0)
    return made, list(made)


def test_the_expert_in_the_drivers_place_says_what_the_driving_expert_says(expert_ride):
    made, cycles = expert_ride
    driving = RuleReasoner(made.config, made.road)
    assert len(cycles) == 80
    assert Lateral.NUDGE in {s.label.planning.lateral for s in cycles}, "it drives round somebody"
    for seen in cycles:
        assert seen.said is seen.label and not seen.disagrees and not seen.disturbed
        assert same(driving.step(seen.scene), seen.label)


def test_what_is_remembered_grows_scene_by_scene(expert_ride):
    _, cycles = expert_ride
    for last, seen in zip(cycles, cycles[1:], strict=False):
        assert seen.before.stamp_ns == last.memory.stamp_ns == last.scene.stamp_ns
        assert seen.memory.stamp_ns == seen.scene.stamp_ns
        assert seen.before.said.decision == last.said.planning.decision


def test_another_driver_drives_and_the_expert_labels():
    cycles = list(ride(driver="idm", duration_s=5.0))
    assert any(s.said is not s.label for s in cycles)
    assert any(s.disagrees for s in cycles)
    for last, seen in zip(cycles, cycles[1:], strict=False):
        assert seen.before.said.decision == last.said.planning.decision, "who drives is remembered"


def test_the_expert_takes_over_for_stretches():
    cycles = list(ride(driver="idm", mix=0.5, duration_s=6.0))
    taken = [s.said is s.label for s in cycles]
    assert 0.1 < np.mean(taken) < 0.9
    assert sum(a != b for a, b in zip(taken, taken[1:], strict=False)) < 20


def test_pushes_move_the_car_and_the_same_seed_pushes_the_same():
    calm, pushed, again = (
        list(ride("family:sharp_curve", duration_s=6.0, disturb=share)) for share in (0.0, 0.5, 0.5)
    )
    assert not any(s.disturbed for s in calm) and any(s.disturbed for s in pushed)
    off = [abs(s.place.d_m) for s in pushed]
    assert max(off) > max(abs(s.place.d_m) for s in calm) + 0.1
    assert [s.scene.ego for s in pushed] == [s.scene.ego for s in again]


@given(share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_stretches_are_on_for_their_share_of_the_time(share, seed):
    stretches = Stretches(share, PUSH_S, np.random.default_rng(seed))
    on = [stretches.step() for _ in range(4000)]
    assert abs(np.mean(on) - share) < 0.12
    never = Stretches(0.0, PUSH_S, np.random.default_rng(seed))
    always = Stretches(1.0, PUSH_S, np.random.default_rng(seed))
    assert not any(never.step() for _ in range(50)) and all(always.step() for _ in range(50))


def test_a_ride_ends_when_the_ego_touches_somebody():
    ego = EgoState(0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 0.0)
    other = Actor(1, ObjectClass.CAR, 9.0, 0.0, 0.0, 0.0, 4.5, 1.8, False)
    truth = Truth(0, ego, 4.5, 1.6, 1.3, (other,))
    assert not touches(truth) and not touches(dataclasses.replace(truth, actors=()))
    assert touches(dataclasses.replace(truth, actors=(dataclasses.replace(other, x_m=5.7),)))
    assert not touches(dataclasses.replace(truth, actors=(dataclasses.replace(other, x_m=5.7, y_m=1.8),)))  # fmt: skip
