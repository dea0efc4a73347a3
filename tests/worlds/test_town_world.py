"""The default drive: something happens, always the same for a seed, and nobody but the ego can spoil it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from whyway.config import Config, SensorConfig, SimConfig
from whyway.types import Command, LightColor, ObjectClass, same
from whyway.worlds import World, make_world
from whyway.worlds.sim import engine
from whyway.worlds.sim.state import Mode

SEEDS = (1, 2, 3, 5, 8, 10)


def driven_by_traffic(seed: int, seconds: float):
    """The states of a town in which the ego drives as the traffic does, along its route."""
    world = make_world("town", seed, Config())
    setting = world._setting
    mode, offset = setting.start.mode.copy(), setting.start.offset_m.copy()
    mode[0, 0], offset[0, 0] = int(Mode.RAIL), 0.0
    state = engine.begin(setting.sim, replace(setting.start, mode=mode, offset_m=offset))
    none = np.zeros_like(state.x_m)
    for _ in range(round(seconds * 10)):
        state = engine.step(setting.sim, state, none, none)
        yield world, state


def signal_on_the_way(world) -> tuple[int, float]:
    """The first light on the ego's route: its index, and where its stop line is along the route."""
    sim = world._setting.sim
    lines = sim.routes[0][sim.routes[0] >= 0]
    first = int(np.nonzero(sim.table.gate_light[lines] >= 0)[0][0])
    line = lines[first]
    return int(sim.table.gate_light[line]), sim.route_start_m[0, first] + sim.table.gate_s_m[line]


@pytest.mark.parametrize("seed", SEEDS)
def test_within_a_minute_the_ego_meets_a_pedestrian_a_braking_lead_a_blocked_lane_and_a_red_light(
    seed,
):
    met = {}
    for world, state in driven_by_traffic(seed, 60.0):
        t = float(state.tick[0]) * 0.1
        assert not state.collided.any()
        pedestrian, lead, slow = (
            int(world.notes[k]) for k in ("pedestrian", "braking_lead", "slow_vehicle")
        )
        gap = np.hypot(state.x_m[0] - state.x_m[0, 0], state.y_m[0] - state.y_m[0, 0])
        if state.v_mps[0, pedestrian] > 1.0 and gap[pedestrian] < 35.0 and state.v_mps[0, 0] > 2.0:
            met.setdefault("pedestrian", t)
        if state.a_mps2[0, lead] < -4.0 and gap[lead] < 35.0 and state.v_mps[0, 0] > 4.0:
            met.setdefault("lead", t)
        if gap[slow] < 14.0 and state.v_mps[0, slow] < 1.5:
            met.setdefault("blocked lane", t)
        lights = engine.light_colors(world._setting.sim, state)[0]
        light, line_s = signal_on_the_way(world)
        to_line = line_s - state.route_s_m[0, 0] - 2.25
        if lights[light] == LightColor.RED and 0.0 < to_line < 15.0:
            met.setdefault("red light", t)
        if to_line < 0.0:
            met.setdefault("behind it", t)
    assert list(met) and set(met) == {
        "pedestrian",
        "lead",
        "blocked lane",
        "red light",
        "behind it",
    }, met


@pytest.mark.parametrize("seed", [4, 6])
def test_traffic_never_collides_in_two_minutes(seed):
    for _, state in driven_by_traffic(seed, 120.0):
        assert not state.collided.any()


def test_nobody_runs_into_an_ego_that_stands_wherever_it_stands():
    world = make_world("town", 2, Config(), duration_s=100.0)
    observation = world.reset()
    for k in range(1000):
        observation = world.step(Command(observation.stamp_ns, -6.0 if k > 60 else 0.0, 0.0))
        assert not world.ego_collided
    assert observation.ego.v_mps == 0.0


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    def run(seed):
        world = make_world("town", seed, Config())
        out = [world.reset()]
        for k in range(80):
            out += [world.step(Command(world.stamp_ns, 0.3, 0.01 * math.sin(k))), world.truth()]
        return out

    first, again, other = run(3), run(3), run(4)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not same(first[-1], other[-1])


def test_a_restored_world_goes_on_as_the_first_one_did():
    world = make_world("town", 1, Config())
    world.reset()
    for _ in range(70):
        world.step(Command(world.stamp_ns, 0.5, 0.0))
    snapshot = world.get_state()
    commands = [None if k % 7 < 5 else Command(0, -1.0, 0.02) for k in range(60)]
    ahead = [(world.step(c), world.truth(), world.interface_braking) for c in commands]
    other = make_world("town", 1, Config())
    for target in (world, other):
        target.set_state(snapshot)
        assert target.stamp_ns == 7_000_000_000
        for (observation, truth, braking), c in zip(ahead, commands, strict=True):
            assert same(target.step(c), observation)
            assert same(target.truth(), truth)
            assert target.interface_braking == braking


def test_the_vehicle_brakes_by_itself_when_commands_stop_coming():
    world = make_world("town", 1, Config())
    world.reset()
    world.step(Command(0, 0.0, 0.0))
    braking = []
    for _ in range(30):
        observation = world.step(None)
        braking.append(world.interface_braking)
    assert (
        braking == [False, False] + [True] * 28
    )  # the third step begins 0.3 s after the last command
    assert observation.ego.v_mps == 0.0
    world.step(Command(0, 1.0, 0.0))
    assert not world.interface_braking


def test_a_command_that_is_not_finite_is_no_command():
    world = make_world("town", 1, Config())
    world.reset()
    for _ in range(10):
        observation = world.step(Command(0, math.nan, 0.0))
    assert world.interface_braking and math.isfinite(observation.ego.x_m)


def test_a_town_is_a_world_and_ends_when_it_is_to_end():
    world = make_world("town", 1, Config(), duration_s=0.5)
    assert isinstance(world, World)
    stamps = [world.reset().stamp_ns]
    while not world.done:
        stamps.append(world.step(None).stamp_ns)
    assert stamps == [k * 100_000_000 for k in range(6)]
    with pytest.raises(ValueError, match="ended at 0.5 s"):
        world.step(None)


def test_ids_stay_and_exact_sensors_show_the_truth():
    config = Config(sim=SimConfig(sensor=SensorConfig(enabled=False)))
    world = make_world("town", 1, config)
    observation, truth = world.reset(), world.truth()
    assert len({a.id for a in truth.actors}) == len(truth.actors) == len(observation.detections)
    before = {a.id: a for a in truth.actors}
    world.step(Command(0, 0.0, 0.0))
    for actor in world.truth().actors:
        assert math.hypot(actor.x_m - before[actor.id].x_m, actor.y_m - before[actor.id].y_m) < 2.0
    assert any(a.object_class is ObjectClass.PEDESTRIAN for a in truth.actors)


def test_a_world_that_does_not_exist_is_one_clear_line():
    with pytest.raises(ValueError, match="'moon': expected "):
        make_world("moon", 1, Config())
    with pytest.raises(ValueError, match="must be more than 0"):
        make_world("town", 1, Config(), duration_s=-1.0)
