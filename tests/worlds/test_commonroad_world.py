"""Recorded scenes as worlds."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.config import Config, SensorConfig, SimConfig, TrafficConfig
from whyway.maps.commonroad import read_scene
from whyway.types import Command, same
from whyway.worlds import make_world

EXACT = Config(sim=SimConfig(sensor=SensorConfig(enabled=False)))


def test_every_scene_runs_to_its_end(scene_files):
    for file in scene_files:
        world = make_world(str(file), 1, Config())
        steps = 0
        while not world.done:
            observation = world.step(Command(world.stamp_ns, 0.0, 0.0))
            steps += 1
        assert steps == round(world.duration_s * 10) > 10, file.name
        assert np.isfinite([observation.ego.x_m, observation.ego.y_m]).all(), file.name


def test_a_scene_replays_what_was_recorded(scene_files):
    file = next(f for f in scene_files if "US101-3_1" in f.name)
    scene, world = read_scene(file), make_world(str(file), 1, EXACT)
    recorded = {o.id: o for o in scene.obstacles}
    assert world.observation.ego == scene.ego_initial
    for step in range(1, round(world.duration_s * 10)):
        world.step(Command(0, 0.0, 0.0))
        actors = world.truth().actors
        there = {
            o.id
            for o in scene.obstacles
            if o.is_static or o.time_index[0] <= step <= o.time_index[-1]
        }
        assert {a.id for a in actors} == there
        for a in actors:
            o = recorded[a.id]
            if not o.is_static:
                at = int(np.nonzero(o.time_index == step)[0][0])
                assert (a.x_m, a.y_m, a.v_mps) == pytest.approx(
                    (o.x_m[at], o.y_m[at], o.v_mps[at]), abs=1e-6
                )


def test_a_shorter_duration_ends_it_sooner(scene_files):
    world = make_world(str(scene_files[0]), 1, Config(), duration_s=1.0)
    while not world.done:
        world.step(None)
    assert world.stamp_ns == 1_000_000_000


def test_a_file_that_is_no_scene_is_one_clear_line(tmp_path):
    bad = tmp_path / "scene.xml"
    bad.write_text("<commonRoad><lanelet")
    with pytest.raises(ValueError) as error:
        make_world(str(bad), 1, Config())
    assert "\n" not in str(error.value) and "scene.xml" in str(error.value)


def struck(file, reactive: bool, brake_mps2: float) -> bool:
    """Whether anybody touches an ego that brakes to a stand in the scene."""
    traffic = TrafficConfig(reactive_logs=reactive)
    config = Config(sim=SimConfig(sensor=SensorConfig(enabled=False), traffic=traffic))
    world = make_world(str(file), 1, config)
    while not (world.done or world.ego_collided):
        world.step(Command(world.stamp_ns, brake_mps2, 0.0))
    return world.ego_collided


def test_recorded_road_users_stop_behind_an_ego_that_stands_if_they_are_to_react(scene_files):
    files = [f for f in scene_files if "US101" in f.name][:6]
    as_recorded = [struck(f, False, -2.0) for f in files]
    reacting = [struck(f, True, -2.0) for f in files]
    assert sum(as_recorded) >= 2 > sum(reacting)


def test_whom_the_ego_does_not_disturb_is_where_it_was_recorded_though_it_would_react(scene_files):
    file = next(f for f in scene_files if "US101-3_1" in f.name)
    config = Config(
        sim=SimConfig(sensor=SensorConfig(enabled=False), traffic=TrafficConfig(reactive_logs=True))
    )
    world, plain = make_world(str(file), 1, config), make_world(str(file), 1, EXACT)
    shared = 0
    for _ in range(15):
        world.step(Command(0, 0.0, 0.0)), plain.step(Command(0, 0.0, 0.0))
        before = {a.id: a for a in plain.truth().actors}
        shared += sum(same(a, before[a.id]) for a in world.truth().actors)
    assert shared > 0.8 * 15 * len(before)
