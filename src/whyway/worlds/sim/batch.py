"""Many worlds of one map: the same roads, traffic of its own in each by its seed, some agents under command. For learning and benches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from whyway.config import Config, VehicleConfig
from whyway.maps.load import load_map
from whyway.maps.road import DRIVABLE
from whyway.maps.signalise import with_lights
from whyway.maps.signals import SignalPlan
from whyway.maps.town import make_town
from whyway.types import CYCLE_S, InputError, LaneMap, ObjectClass
from whyway.worlds.sim.arrays import luck
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.pedestrians import plan_walks
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.populate import Traffic
from whyway.worlds.sim.sim import Sim, make_sim
from whyway.worlds.sim.state import Mode, State, empty_state
from whyway.worlds.sim.surface import lane_surface
from whyway.worlds.sim.table import build_table, entered_anywhere

_PHASE_S = 60.0
"""Lights of different worlds are up to this far apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Worlds of one map; `begin(seeds)` gives their first state. The first `commanded` agents of each are under command."""

    sim: Sim
    """numpy float64; `Sim.to` moves it."""
    traffic: Traffic
    vehicle: VehicleConfig
    commanded: int
    vehicles: int
    """Those under command included."""
    pedestrians: int

    @property
    def agents(self) -> int:
        """Per world."""
        return self.vehicles + self.pedestrians

    def begin(self, seeds: Sequence[int], dtype: Any = np.float64) -> State:
        """The first state `[len(seeds), agents]`; a world depends on its own seed alone."""
        state = empty_state(len(seeds), self.agents)
        state.seed[:] = seeds
        state.phase_s[:] = _PHASE_S * luck(state.seed, 41) / 2.0**31
        state = self.traffic.fill(
            state, vehicles=self.vehicles, pedestrians=self.pedestrians, first=0
        )
        short = int(state.active[:, : self.commanded].sum(axis=1).min(initial=self.commanded))
        if short < self.commanded:
            raise InputError(
                f"the map has places for {short} cars: command no more, or use a larger map"
            )
        self._command(state)
        state = begin(self.sim, state)
        every = {f.name: getattr(state, f.name) for f in fields(State) if f.name != "phase_s"}
        return replace(
            state, **{n: v.astype(dtype) for n, v in every.items() if v.dtype.kind == "f"}
        )

    def _command(self, state: State) -> None:
        """The first agents become the car of the configuration, in place."""
        part, vehicle = slice(0, self.commanded), self.vehicle
        state.mode[:, part] = int(Mode.COMMAND)
        state.object_class[:, part] = int(ObjectClass.CAR)
        state.length_m[:, part], state.width_m[:, part] = vehicle.length_m, vehicle.width_m
        offset = vehicle.center_offset_m
        state.offset_m[:, part] = offset
        # agents on lines stand with their centre there: `base_link` is behind it
        state.x_m[:, part] -= offset * np.cos(state.yaw_rad[:, part])
        state.y_m[:, part] -= offset * np.sin(state.yaw_rad[:, part])


def make_batch(
    place: str | tuple[LaneMap, SignalPlan] = "town",
    *,
    config: Config | None = None,
    agents: int = 32,
    pedestrians: int = 0,
    commanded: int = 1,
    seed: int = 1,
) -> Batch:
    """Worlds of a map.

    Args:
      place: "town", the file of a map, or a map with its lights.
      config: the whole tree; the default one if None.
      agents: per world, pedestrians and those under command included.
      pedestrians: how many of them walk.
      commanded: how many of them are under command.
      seed: of the town's layout, and of where pedestrians walk.

    Raises:
      InputError: numbers that do not fit together, or a map that cannot be read.
    """
    if not 1 <= commanded <= agents - pedestrians or pedestrians < 0:
        raise InputError(
            f"{agents} agents, {pedestrians} of them pedestrians and {commanded} under command: give at least one "
            "under command, and no more than there are vehicles"
        )
    config = config or Config()
    lane_map, plan = _map(place, seed) if isinstance(place, str) else place
    signals = build_signals(lane_map.lights, plan)
    lights = signals.light_id.tolist()
    table = build_table(lane_map, lights)
    walks = None
    if pedestrians:
        walks = plan_walks(table, lane_map, pedestrians, seed)
        table = build_table(lane_map, lights, walks.lines)
    if not len(table.entries):
        table = entered_anywhere(table)
    surface = lane_surface([lane for lane in lane_map.lanes if lane.kind in DRIVABLE])
    sim = make_sim(CYCLE_S, config.vehicle, config.sim.traffic, signals, table, surface=surface)
    traffic = Traffic(table, find_places(table), walks)
    return Batch(sim, traffic, config.vehicle, commanded, agents - pedestrians, pedestrians)


def _map(place: str, seed: int) -> tuple[LaneMap, SignalPlan]:
    if place == "town":
        town = make_town(seed)
        return town.lane_map, town.signals
    lane_map, plan = load_map(Path(place))
    return (lane_map, plan) if lane_map.lights else with_lights(lane_map)
