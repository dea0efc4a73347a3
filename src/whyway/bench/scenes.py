"""Scenes as the car meets them, with what the expert says of each: what models are measured and compared on."""

from __future__ import annotations

import dataclasses
from contextlib import suppress

from whyway.config import Config
from whyway.driver import Driver
from whyway.maps.manoeuvre import place_of
from whyway.maps.road import Road
from whyway.reason.export.golden import Golden
from whyway.reason.scene_tokens import SceneEncoder, SceneMemory
from whyway.trace.tokens import NotSayable, encode
from whyway.worlds import make_world

EVERY = 10
"""Cycles between two scenes that are kept: a second."""
WARM_UP = 20
"""Cycles before the first: tracks are young."""
VEHICLES, RANGE_M = 60, 400.0
"""In the town, and how far the car sees, through everything: about thirty of them, as in `bench_decide`."""


def scenes_of_drives(config: Config, count: int, seed: int = 1) -> tuple[Golden, ...]:
    """Let the expert drive through dense towns, and keep a scene a second.

    Args:
      config: the whole tree; traffic is made dense, and the car sees far.
      count: scenes.
      seed: of the first town; each drives for a minute.
    """
    traffic = dataclasses.replace(config.sim.traffic, vehicles=VEHICLES)
    sensor = dataclasses.replace(config.sim.sensor, range_m=RANGE_M, occlusion=False)
    sim = dataclasses.replace(config.sim, traffic=traffic, sensor=sensor)
    config = dataclasses.replace(config, sim=sim)
    found: list[Golden] = []
    while len(found) < count:
        found += _drive(config, seed, count - len(found))
        seed += 1
    return tuple(found)


def _drive(config: Config, seed: int, most: int) -> list[Golden]:
    world = make_world("town", seed, config, 60.0)
    road = Road(world.lane_map, world.route)
    driver, encoder = Driver("rules", config, road), SceneEncoder(config, road)
    memory, found = SceneMemory(config, road), list[Golden]()
    observation, cycle_number = world.reset(), 0
    while not world.done and len(found) < most:
        cycle = driver.step(observation)
        place = place_of(road, cycle.scene.ego)
        cycle_number += 1
        if place is not None:
            memory = memory.after(cycle.scene, place)
            if cycle_number >= WARM_UP and cycle_number % EVERY == 0:
                tokens = encoder.tokens_at(cycle.scene, memory, place)
                # where the expert has words that the vocabulary lacks, there is nothing to measure on
                with suppress(NotSayable):
                    found.append(Golden(tokens, encode(cycle.trace, tokens.slots, cycle.scene)))
            memory = memory.told(cycle.trace.planning, place)
        observation = world.step(cycle.command)
    return found
