"""From a map's lanes to rails: where paths stop, which ways through junctions exclude each other, who goes first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from whyway.geometry import Polyline
from whyway.maps.road import LanePath
from whyway.types import Direction, Floats, StopLine
from whyway.worlds.sim.rails import Rail, Stop, speed_profile

CONFLICT_M = 2.6
"""Ways through a junction that come so near each other are used one at a time; lanes side by side are further apart."""
_LINE_REACH_M = 20.0
"""A stop line belongs to the junction that begins within this distance behind it."""
_SETTLED_M = 2.0
"""The rear is so far out of a junction before the next one may come."""

_SIGNALLED, _MAIN, _LEFT, _GIVE_WAY = 0, 0, 1, 2


class Network:
    """Collects paths and numbers the ways through junctions that they use."""

    def __init__(self, light_ids: Sequence[int] = ()) -> None:
        self._light = {int(light): i for i, light in enumerate(light_ids)}
        self._movements: dict[tuple[int, ...], int] = {}
        self._shapes: list[Floats] = []
        self._entries: list[int] = []
        self.rails: list[Rail] = []

    def add(self, path: LanePath) -> int:
        """Index of the path in the library."""
        line = path.center
        s = line.s_m
        limit = path.limit_at(s)
        self.rails.append(Rail(line, s, speed_profile(line, limit), self._stops(path)))
        return len(self.rails) - 1

    def add_walk(self, x_m: Floats, y_m: Floats, speed_mps: float) -> int:
        """Index of a path to walk along."""
        line = Polyline.through(x_m, y_m)
        self.rails.append(Rail(line, line.s_m, np.full(len(line.s_m), speed_mps)))
        return len(self.rails) - 1

    def conflicts(self) -> np.ndarray:
        """`[M, M]`: whether two ways may not be used at once. Ways from one lane may: who follows sees who leads."""
        count = max(len(self._shapes), 1)
        conflict = np.zeros((count, count), dtype=bool)
        trees = [cKDTree(shape) for shape in self._shapes]
        for i, tree in enumerate(trees):
            for j in range(i):
                if self._entries[i] != self._entries[j] or self._entries[i] == 0:
                    nearest, _ = tree.query(self._shapes[j], distance_upper_bound=CONFLICT_M)
                    conflict[i, j] = conflict[j, i] = bool(np.isfinite(nearest).any())
        return conflict

    def _stops(self, path: LanePath) -> tuple[Stop, ...]:
        ends = [*path.lane_start_s[1:].tolist(), path.length_m]
        stops: list[Stop] = []
        used: set[int] = set()
        i = 0
        while i < len(path.lane_ids):
            if not path.lane_in_junction[i]:
                i += 1
                continue
            j = i
            while j + 1 < len(path.lane_ids) and path.lane_in_junction[j + 1]:
                j += 1
            enters, leaves = float(path.lane_start_s[i]), float(ends[j])
            line = _line_before(path, enters)
            if i > 0:
                at, stop_line = line if line else (enters, None)
                if stop_line is not None:
                    used.add(stop_line.id)
                turn = path.turn_at((enters + leaves) / 2)
                stops.append(self._stop(path, i, j, min(at, enters), leaves, stop_line, turn))
            i = j + 1
        for at, stop_line in path.stop_lines:  # lights between junctions
            if stop_line.light_id in self._light and stop_line.id not in used:
                stops.append(self._stop(path, 0, -1, at, at, stop_line, Direction.NONE))
        return tuple(sorted(stops, key=lambda stop: stop.s_m))

    def _stop(
        self,
        path: LanePath,
        first: int,
        last: int,
        at: float,
        leaves: float,
        line: StopLine | None,
        turn: Direction,
    ) -> Stop:
        key = path.lane_ids[first : last + 1] or (-line.id if line else 0,)
        if key not in self._movements:
            self._movements[key] = len(self._shapes)
            s = np.arange(at, leaves, 0.5) if leaves > at else np.array([at])
            x, y, _, _ = path.center.at(s[s >= path.lane_start_s[first]] if last >= first else s)
            self._shapes.append(np.stack([x, y], axis=-1))
            self._entries.append(path.lane_ids[first - 1] if first > 0 else 0)
        light = self._light.get(line.light_id, -1) if line else -1
        left = _LEFT if turn is Direction.LEFT else 0
        base = _SIGNALLED if light >= 0 else _MAIN if line is None else _GIVE_WAY
        return Stop(at, leaves + _SETTLED_M, self._movements[key], base + left, light)


def _line_before(path: LanePath, enters_s: float) -> tuple[float, StopLine] | None:
    found = [
        (s, line) for s, line in path.stop_lines if enters_s - _LINE_REACH_M < s < enters_s + 2.0
    ]
    return found[-1] if found else None
