"""Worlds of traffic alone: on any map, whoever is put there drives on and touches nobody."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.config import Config
from whyway.maps.commonroad import read_scene
from whyway.maps.pieces_junctions import junction, roundabout
from whyway.maps.pieces_roads import merge_ramp, zipper
from whyway.maps.town import make_town
from whyway.types import ObjectClass
from whyway.worlds.sim.engine import begin, step
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.pedestrians import plan_walks
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.populate import Traffic
from whyway.worlds.sim.sim import make_sim
from whyway.worlds.sim.state import empty_state
from whyway.worlds.sim.table import build_table


def driven(lane_map, signals, *, vehicles, pedestrians=0, worlds=1, seconds=60.0, seed=0):
    """Lets traffic drive; the last state, how far vehicles came on average, and who touched whom: (world, agent, time)."""
    lights = build_signals(lane_map.lights, signals)
    ids = lights.light_id.tolist()
    table = build_table(lane_map, ids)
    walks = plan_walks(table, lane_map, 2 * pedestrians, seed)
    table = build_table(lane_map, ids, walks.lines)
    state = empty_state(worlds, vehicles + pedestrians)
    state.seed[:] = seed + np.arange(worlds)
    traffic = Traffic(table, find_places(table), walks)
    state = traffic.fill(state, vehicles=vehicles, pedestrians=pedestrians, first=0)
    config = Config()
    sim = make_sim(0.1, config.vehicle, config.sim.traffic, lights, table)
    state = begin(sim, state)
    none, way, touched = np.zeros_like(state.x_m), 0.0, []
    for k in range(round(seconds * 10)):
        state = step(sim, state, none, none)
        touched += [
            (int(w), int(a), k / 10) for w, a in zip(*np.nonzero(state.collided), strict=True)
        ]
        cars = state.active & (state.object_class != int(ObjectClass.PEDESTRIAN))
        way += 0.1 * float(state.v_mps[cars].mean()) if cars.any() else 0.0
    return state, way, touched


def test_forty_vehicles_and_sixteen_pedestrians_share_a_town_without_a_touch():
    town = make_town(3)
    state, way, touched = driven(
        town.lane_map, town.signals, vehicles=40, pedestrians=16, seconds=100.0
    )
    assert not touched
    assert way > 2.0 * 100.0
    assert state.standing_s.max() < 100.0


@pytest.mark.parametrize(
    "piece",
    [
        junction(control="all_way_stop"), junction(control="none"), junction(control="give_way", lanes=2),
        roundabout(), zipper(), merge_ramp(),
    ],
    ids=lambda piece: piece.lane_map.name,
)  # fmt: skip
def test_traffic_passes_every_kind_of_junction_without_a_touch(piece):
    _, way, touched = driven(
        piece.lane_map, piece.signals, vehicles=12, worlds=3, seconds=40.0, seed=3
    )
    assert not touched
    assert way > 2.0 * 40.0


def test_traffic_wanders_over_recorded_scenes_maps_without_a_touch(scene_files):
    for name in ("ESP_Toledo-9_1", "USA_US101-12_1", "ITA_Siderno-8_4"):
        file = next((f for f in scene_files if name in f.name), None)
        assert file is not None, name
        scene = read_scene(file, Config().vehicle)
        _, way, touched = driven(
            scene.lane_map, scene.signals, vehicles=25, pedestrians=4, worlds=2, seconds=30.0
        )
        assert not touched, name
        assert way > 2.0 * 30.0, name
