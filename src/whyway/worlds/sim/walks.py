"""Ways through the town for background traffic: random walks over lanes that pass no junction twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from whyway.maps.lanes import RoadLane
from whyway.maps.path import join
from whyway.maps.town import Town
from whyway.types import Crossing, StopLine
from whyway.worlds.sim.network import Network


class Walker:
    """Finds ways and adds them to the network, each only once."""

    def __init__(self, town: Town, network: Network) -> None:
        self._network = network
        self._lanes = {lane.id: RoadLane(lane) for lane in town.lane_map.lanes}
        self._junction = {link.lane_id: j.id for j in town.layout.junctions for link in j.links}
        self._stop_lines: dict[int, list[StopLine]] = {}
        self._crossings: dict[int, list[Crossing]] = {}
        for line in town.lane_map.stop_lines:
            for i in line.lane_ids.tolist():
                self._stop_lines.setdefault(i, []).append(line)
        for crossing in town.lane_map.crossings:
            for i in crossing.lane_ids.tolist():
                self._crossings.setdefault(i, []).append(crossing)
        self._known: dict[tuple[int, ...], int] = {}

    def walk(
        self,
        lane_id: int,
        rng: np.random.Generator,
        avoid: Collection[int] = (),
        least_m: float = 150.0,
    ) -> int | None:
        """Index of a random way from the start of a lane; None if it is shorter than `least_m`."""
        ids = self._wander([lane_id], rng, avoid, straight=False)
        if sum(self._lanes[i].length_m for i in ids) < least_m:
            return None
        return self._add(ids)

    def path(
        self, lane_ids: Sequence[int], rng: np.random.Generator, straight: bool = False
    ) -> int:
        """Index of a way that begins with some lanes and goes on at random, or straight where it can."""
        return self._add(self._wander(list(lane_ids), rng, (), straight))

    def _wander(
        self, ids: list[int], rng: np.random.Generator, avoid: Collection[int], straight: bool
    ) -> list[int]:
        begins_at = {int(i) for i in self._lanes[ids[0]].lane.predecessor_ids}
        passed = {self._junction[i] for i in {*ids, *begins_at} if i in self._junction}
        while True:
            found = [
                int(i)
                for i in self._lanes[ids[-1]].lane.successor_ids
                if int(i) not in avoid and self._junction.get(int(i)) not in passed
            ]
            # a way into a junction is worth nothing without the road behind it
            found = [
                i for i in found if i not in self._junction or not set(self._after(i)) & set(avoid)
            ]
            if not found:
                break
            turns = [abs(self._lanes[i].turn_rad) for i in found]
            ids.append(
                found[int(np.argmin(turns))] if straight else found[int(rng.integers(len(found)))]
            )
            if ids[-1] in self._junction:
                passed.add(self._junction[ids[-1]])
        if ids[-1] in self._junction:
            ids.pop()
        return ids

    def _after(self, lane_id: int) -> list[int]:
        after: list[int] = self._lanes[lane_id].lane.successor_ids.tolist()
        return after

    def _add(self, ids: list[int]) -> int:
        key = tuple(ids)
        if key not in self._known:
            self._known[key] = self._network.add(
                join(ids, self._lanes, self._stop_lines, self._crossings)
            )
        return self._known[key]
