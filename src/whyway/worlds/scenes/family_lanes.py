"""The lanes of a map as a graph to walk on: neighbours, ways on and back, passages through junctions, where two ways meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from whyway.geometry import wrap_angle
from whyway.maps.lanes import RoadLane
from whyway.types import Crossing, Floats, LaneKind, LaneMap, StopLine

_NEAR_M = 2.0


class Lanes:
    """The lanes for cars of a map as a graph."""

    def __init__(self, lane_map: LaneMap) -> None:
        self.lane_map = lane_map
        self.all: Mapping[int, RoadLane] = {
            lane.id: RoadLane(lane)
            for lane in lane_map.lanes
            if lane.kind in (LaneKind.DRIVING, LaneKind.BIKE)
        }
        self.stop_lines: dict[int, list[StopLine]] = {}
        self.crossings: dict[int, list[Crossing]] = {}
        for line in lane_map.stop_lines:
            for lane_id in line.lane_ids.tolist():
                self.stop_lines.setdefault(lane_id, []).append(line)
        for crossing in lane_map.crossings:
            for lane_id in crossing.lane_ids.tolist():
                self.crossings.setdefault(lane_id, []).append(crossing)

    def __getitem__(self, lane_id: int) -> RoadLane:
        return self.all[lane_id]

    def driving(self) -> list[int]:
        """Ids of lanes that cars drive on, in the map's order."""
        return [i for i, lane in self.all.items() if lane.lane.kind == LaneKind.DRIVING]

    def after(self, lane_id: int) -> list[int]:
        """Successors, the straightest first."""
        here = self.all[lane_id]
        found = [i for i in here.lane.successor_ids.tolist() if i in self.all]
        return sorted(found, key=lambda i: (round(abs(self._turn(here, self.all[i])), 2), i))

    def before(self, lane_id: int) -> list[int]:
        """Predecessors, the straightest first."""
        here = self.all[lane_id]
        found = [i for i in here.lane.predecessor_ids.tolist() if i in self.all]
        return sorted(found, key=lambda i: (round(abs(self.all[i].turn_rad), 2), i))

    @staticmethod
    def _turn(here: RoadLane, there: RoadLane) -> float:
        return float(wrap_angle(there.center.yaw_rad[-1] - here.center.yaw_rad[-1]))

    def side(self, lane_id: int, left: bool) -> int:
        """The neighbour of the same direction, 0 for none."""
        lane = self.all[lane_id].lane
        other = lane.left_id if left else lane.right_id
        return other if other in self.all and self.all[other].lane.kind == LaneKind.DRIVING else 0

    def opposite(self, lane_id: int) -> int:
        """The innermost lane of the other direction, seen over all of ours; 0 for none."""
        for _ in range(8):
            lane = self.all[lane_id].lane
            if lane.opposite_id in self.all:
                return lane.opposite_id
            if not (lane_id := self.side(lane_id, left=True)):
                break
        return 0

    def abreast(self, lane_id: int) -> int:
        """How many lanes lead the same way here."""
        count = 1
        for left in (True, False):
            here = lane_id
            while (here := self.side(here, left)) and count < 12:
                count += 1
        return count

    def onward(self, ids: tuple[int, ...], length_m: float) -> tuple[int, ...]:
        """Lanes in a row, continued straight on until they are so long or the map ends."""
        found, total = list(ids), sum(self.all[i].length_m for i in ids)
        while total < length_m:
            nexts = [i for i in self.after(found[-1]) if i not in found]
            if not nexts:
                break
            found.append(nexts[0])
            total += self.all[nexts[0]].length_m
        return tuple(found)

    def upstream(self, ids: tuple[int, ...], length_m: float) -> tuple[int, ...]:
        """Lanes in a row, with what leads to them before until that is so long or the map begins."""
        found, total = list(ids), 0.0
        while total < length_m:
            nexts = [i for i in self.before(found[0]) if i not in found]
            if not nexts:
                break
            found.insert(0, nexts[0])
            total += self.all[nexts[0]].length_m
        return tuple(found)

    def length_m(self, ids: tuple[int, ...]) -> float:
        """Of lanes in a row."""
        return sum(self.all[i].length_m for i in ids)

    def junction_ways(self) -> Iterator[tuple[int, tuple[int, ...], int]]:
        """Every passage through a junction: the lane before it, the lanes in it, the lane behind."""
        for entry in self.all:
            if self.all[entry].lane.in_junction:
                continue
            stack: list[tuple[int, ...]] = [
                (i,) for i in self.after(entry) if self.all[i].lane.in_junction
            ]
            while stack:
                inside = stack.pop()
                for i in self.after(inside[-1]):
                    if not self.all[i].lane.in_junction:
                        yield entry, inside, i
                    elif i not in inside and len(inside) < 8:
                        stack.append((*inside, i))


def meeting(ax: Floats, ay: Floats, bx: Floats, by: Floats) -> tuple[int, int] | None:
    """Where two lines of points (about 1 m apart) first come within 2 m of each other: a point of each; None where they do not."""
    low, high = max(ax.min(), bx.min()), min(ax.max(), bx.max())
    if high < low - _NEAR_M or min(ay.max(), by.max()) < max(ay.min(), by.min()) - _NEAR_M:
        return None
    apart = np.hypot(ax[:, None] - bx, ay[:, None] - by)
    near = apart.min(axis=1) <= _NEAR_M
    if not near.any():
        return None
    # not where they come near, but where they are nearest to each other from there on
    i = int(near.argmax())
    i += int(apart[i : i + 12].min(axis=1).argmin())
    return i, int(apart[i].argmin())
