"""Lights for maps that know none: the larger junctions get them, one road has green at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from whyway.maps.load import load_map
from whyway.maps.signalise import with_lights
from whyway.maps.town import make_town
from whyway.types import LaneMap, LightColor

DATA = Path(__file__).parents[3] / "shared/data"
TOWN = make_town(2)
BARE = dataclasses.replace(TOWN.lane_map, stop_lines=(), lights=())


def test_every_junction_of_three_roads_or_more_has_a_light_for_each():
    lit, plan = with_lights(BARE)
    arms = sum(len(j.arms) for j in TOWN.layout.junctions if len(j.arms) >= 3)
    assert len(lit.lights) == len(plan.cycles) == arms
    held = {int(i) for line in lit.stop_lines for i in line.lane_ids}
    lanes = {lane.id: lane for lane in lit.lanes}
    leads_in = {
        lane.id
        for lane in lit.lanes
        if not lane.in_junction and any(lanes[int(s)].in_junction for s in lane.successor_ids)
    }
    assert held <= leads_in
    assert {line.light_id for line in lit.stop_lines} == {light.id for light in lit.lights}
    assert len({line.id for line in lit.stop_lines}) == len(lit.stop_lines)


def test_one_road_of_a_junction_has_green_or_amber_at_a_time():
    lit, plan = with_lights(BARE)
    lanes = {lane.id: lane for lane in lit.lanes}
    # lights whose lanes lead on into lanes that lead out alike belong together
    out = {
        light.id: {
            int(o)
            for i in light.lane_ids
            for s in lanes[int(i)].successor_ids
            for o in lanes[int(s)].successor_ids
        }
        for light in lit.lights
    }
    pairs = [(a, b) for a in out for b in out if a < b and out[a] & out[b]]
    assert pairs
    seen = set()
    for tick in range(0, 1200):
        colors = {s.light_id: s.color for s in plan.states(tick / 10)}
        seen |= {(i, c) for i, c in colors.items()}
        for a, b in pairs:
            assert LightColor.RED in (colors[a], colors[b])
    assert len(seen) == 3 * len(lit.lights), "every light shows every colour"


def test_a_map_with_lights_of_its_own_keeps_them():
    same, plan = with_lights(TOWN.lane_map)
    assert same is TOWN.lane_map and not plan.cycles
    empty = LaneMap(0, "empty")
    assert with_lights(empty)[0].lights == ()


@pytest.mark.parametrize("town", ["Town01", "Town02"])
def test_carlas_towns_get_as_many_lights_as_their_newer_files_have(town):
    old, new = (
        DATA / "carla_xodr_mit" / f"{town}.xodr.gz",
        DATA / "carla_xodr_scenic/CARLA" / f"{town}.xodr.gz",
    )
    if not (old.is_file() and new.is_file()):
        pytest.skip(f"no {old} or {new}")
    ours, _ = with_lights(load_map(old)[0])
    assert len(ours.lights) == len(load_map(new)[0].lights)
