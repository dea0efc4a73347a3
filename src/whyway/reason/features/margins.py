"""How far the road goes on beyond a lane's borders: what a detour may use. Answers are cached by lane."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from whyway.maps.path import LanePath
from whyway.maps.road import Road
from whyway.types import Floats

GRID_M = 5.0
"""Margins are measured at so many metres' distance along a lane."""
STEP_M, STEPS = 0.7, 5
"""... and in such steps, to 3.5 m: another lane's width."""
_OUT = STEP_M * np.arange(1, STEPS + 1)


class Margins:
    """Finds the margins of a road."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._at = lru_cache(maxsize=4096)(self._found)

    def along(self, path: LanePath, s_m: Floats) -> Floats:
        """(2, n) how far the road goes on beyond the left and right border at arc lengths (n,) of a path, up to 3.5 m."""
        index = path.index_at(s_m)
        points = [
            self._at(path.lane_ids[i], round((s - path.lane_start_s[i]) / GRID_M))
            for i, s in zip(index.tolist(), s_m.tolist(), strict=True)
        ]
        margins: Floats = np.array(points, dtype=np.float64).T
        return margins

    def _found(self, lane_id: int, k: int) -> tuple[float, float]:
        lane = self._road.lanes[lane_id]
        s = min(max(GRID_M * k, 0.0), lane.length_m)
        out = float(lane.width_at(s)) / 2 + _OUT
        x, y, _, _ = lane.center.at(np.full((2, STEPS), s), np.stack([out, -out]))
        on = ~self._road.off_road(x, y, 0.0)
        left, right = (STEP_M * np.where(on.all(axis=1), STEPS, np.argmin(on, axis=1))).tolist()
        return left, right
