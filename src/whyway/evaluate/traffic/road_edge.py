"""How far points are from the road's edge: on it negative, off it positive. WOSAC's `map_metric_features.py`, for our maps.

The edge are those borders of lanes beside which there is no lane, the nearest decides how far. Whether a point is on the road its lanes
say: those of our maps cover the road, unlike WOSAC's edges, which know a side each. Where a road ends with the map there is no edge, and
it is taken to go on straight (`Road.off_road`).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from whyway.geometry import Polyline
from whyway.maps.road import DRIVABLE, Road
from whyway.types import Floats, InputError, Lane

_EVERY_M = 0.5
_BESIDE_M = 0.4
"""So far beyond a border there is no lane: more than the slits between lanes, less than any lane is wide."""


class RoadEdge:
    """The edge of one road, as points half a metre apart.

    Args:
      road: the map.

    Raises:
      InputError: it has no edge: no lane for vehicles.
    """

    def __init__(self, road: Road) -> None:
        lanes = [lane for lane in road.lane_map.lanes if lane.kind in DRIVABLE]
        borders = (_border(lane, side) for lane in lanes for side in ("left", "right"))
        sides = [border for border in borders if border is not None]
        if not sides:
            raise InputError(
                f"map {road.lane_map.name!r} has no lane for vehicles: nothing to be off"
            )
        points, normals = (np.concatenate(parts) for parts in zip(*sides, strict=True))
        beyond = points + _BESIDE_M * normals
        outermost = road.off_road(beyond[:, 0], beyond[:, 1], margin_m=0.0)
        if not outermost.any():
            raise InputError(f"map {road.lane_map.name!r} has no edge: nothing to be off")
        self._road, self._tree = road, cKDTree(points[outermost])

    def distance(self, x_m: Floats, y_m: Floats) -> Floats:
        """Signed distance [m] of points `(...)`; NaN of NaN."""
        known = ~np.isnan(x_m + y_m)
        x, y = x_m[known], y_m[known]
        away, _ = self._tree.query(np.stack([x, y], axis=-1))
        result = np.full(x_m.shape, np.nan)
        result[known] = np.where(self._road.off_road(x, y, margin_m=0.0), away, -away)
        return result


def _border(lane: Lane, side: str) -> tuple[Floats, Floats] | None:
    """Points `(n, 2)` of a lane's border and normals that lead away from the lane; None of one without length."""
    x, y = (np.asarray(getattr(lane, f"{side}_{axis}_m")) for axis in "xy")
    if np.hypot(np.ptp(x), np.ptp(y)) < _EVERY_M:
        return None
    line = Polyline.through(x, y, _EVERY_M)
    out = np.pi / 2 if side == "left" else -np.pi / 2
    yaw = line.yaw_rad + out
    return np.stack([line.x_m, line.y_m], axis=-1), np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
