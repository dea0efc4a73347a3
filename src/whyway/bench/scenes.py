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
from whyway.types import InputError
from whyway.worlds import make_world

EVERY = 10
"""Cycles between two scenes that are kept: a second."""
WARM_UP = 20
"""Cycles before the first: tracks are young."""
VEHICLES, RANGE_M = 60, 400.0
"""In the town, and how far the car sees, through everything, as in `bench_decide`."""
DRIVE_S, MOST_TOWNS = 60.0, 30


def scenes_of_drives(
    config: Config, count: int, *, least_objects: int = 0, seed: int = 1
) -> tuple[Golden, ...]:
    """Let the expert drive through dense towns, and keep a scene a second.

    Args:
      config: the whole tree; traffic is made dense, and the car sees far.
      count: scenes.
      least_objects: road users without whom a scene is not kept.
      seed: of the first town; each drives for a minute.

    Raises:
      InputError: more road users than are ever seen.
    """
    traffic = dataclasses.replace(config.sim.traffic, vehicles=VEHICLES)
    sensor = dataclasses.replace(config.sim.sensor, range_m=RANGE_M, occlusion=False)
    sim = dataclasses.replace(config.sim, traffic=traffic, sensor=sensor)
    config = dataclasses.replace(config, sim=sim)
    found: list[Golden] = []
    for town in range(seed, seed + MOST_TOWNS):
        found += _drive(config, town, count - len(found), least_objects)
        if len(found) == count:
            return tuple(found)
    raise InputError(
        f"only {len(found)} of {count} scenes with {least_objects} road users in {MOST_TOWNS} towns; ask for fewer"
    )


def _drive(config: Config, seed: int, most: int, least_objects: int) -> list[Golden]:
    world = make_world("town", seed, config, DRIVE_S)
    road = Road(world.lane_map, world.route)
    driver, encoder = Driver("rules", config, road), SceneEncoder(config, road)
    memory, found = SceneMemory(config, road), list[Golden]()
    observation, cycles = world.reset(), 0
    while not world.done and len(found) < most:
        cycle = driver.step(observation)
        place = place_of(road, cycle.scene.ego)
        cycles += 1
        if place is not None:
            memory = memory.after(cycle.scene, place)
            if cycles >= WARM_UP and cycles % EVERY == 0:
                tokens = encoder.tokens_at(cycle.scene, memory, place)
                # where the expert has words that the vocabulary lacks, there is nothing to measure on
                with suppress(NotSayable):
                    if len(tokens.slots.object_ids) >= least_objects:
                        said = encode(cycle.trace, tokens.slots, cycle.scene)
                        found.append(Golden(tokens, said))
            memory = memory.told(cycle.trace.planning, place)
        observation = world.step(cycle.command)
    return found
