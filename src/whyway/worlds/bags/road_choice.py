"""Which road a recording is driven on: the one given, else the one recorded, else the driven way with lanes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whyway.maps.leaderboard import Place
from whyway.maps.load import load_map
from whyway.maps.routes import RouteError
from whyway.maps.signals import SignalPlan
from whyway.maps.snap import snap_route
from whyway.types import LaneMap, Route
from whyway.worlds.bags.driven_road import driven_road
from whyway.worlds.bags.recording import Recording
from whyway.worlds.bags.records import BagError

EVERY_M = 15.0
"""The way is matched to a map by a point every so often."""

_NO_LIGHTS = SignalPlan({})


def road_of(
    recording: Recording, map_path: str
) -> tuple[LaneMap, Route, SignalPlan, Mapping[str, str]]:
    """Map, route, programs of lights (of a map from a file), and what to note of it.

    Args:
      recording: what is replayed.
      map_path: a map file in the frame of the recorded poses; "" for none.

    Raises:
      BagError: the way does not lie on the map.
      SceneError: a map that cannot be read.
    """
    if map_path:
        lane_map, signals = load_map(Path(map_path))
        return (
            lane_map,
            _matched(lane_map, recording, map_path),
            signals,
            {"map": f"file {map_path}"},
        )
    if recording.facts.lane_map is not None:
        lane_map, route = recording.facts.lane_map, recording.facts.route
        if route is None:
            return (
                lane_map,
                _matched(lane_map, recording, "recorded map"),
                _NO_LIGHTS,
                {"map": "recorded; the route is the driven way on it"},
            )
        return lane_map, route, _NO_LIGHTS, {"map": "recorded"}
    ego = recording.ego
    lane_map, route = driven_road(ego.x_m, ego.y_m, ego.v_mps, f"driven way of {recording.name}")
    note = "none: the driven way is the lane, 3.5 m wide, with an assumed lane on either side; limits are the driven speeds"
    return lane_map, route, _NO_LIGHTS, {"map": note}


def _matched(lane_map: LaneMap, recording: Recording, name: str) -> Route:
    """The route that was driven on a map."""
    e = recording.ego
    s = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(e.x_m), np.diff(e.y_m)))])
    at = np.searchsorted(s, np.arange(0.0, float(s[-1]), EVERY_M))
    at = np.unique([*at.tolist(), len(s) - 1])
    if len(at) < 2:
        at = np.array([0, len(s) - 1])
    places = [Place(float(e.x_m[i]), float(e.y_m[i]), 0.0, float(e.yaw_rad[i])) for i in at]
    try:
        return snap_route(lane_map, places).route
    except RouteError as error:
        low, high = _extent(lane_map)
        here = f"({e.x_m[0]:.0f}, {e.y_m[0]:.0f})"
        raise BagError(
            f"the driven way, from {here} on, does not lie on {name}, which spans ({low[0]:.0f}, {low[1]:.0f}) to ({high[0]:.0f}, {high[1]:.0f}):"
            f" {error}; are both in one frame? Without --map the driven way itself is the road"
        ) from error


def _extent(lane_map: LaneMap) -> tuple[tuple[float, float], tuple[float, float]]:
    if not lane_map.lanes:
        return (math.nan, math.nan), (math.nan, math.nan)
    x = np.concatenate([lane.center_x_m for lane in lane_map.lanes])
    y = np.concatenate([lane.center_y_m for lane in lane_map.lanes])
    return (float(x.min()), float(y.min())), (float(x.max()), float(y.max()))
