"""Traffic lights for a map whose file knows none: CARLA's towns of 2019 keep theirs outside OpenDRIVE.

A junction into which three roads or more lead from clearly different directions gets a light for each of them, one green at a
time as by CARLA's default. Where two lanes merge or a road joins a circle there are none; those are left to right of way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from whyway.geometry import wrap_angle
from whyway.maps.lanes import RoadLane, even
from whyway.maps.opendrive_programs import ALL_RED_S, AMBER_S, GREEN_S, STAGGER_S
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import Ints, Lane, LaneKind, LaneMap, LightColor, StopLine, TrafficLight

SAME_ROAD_RAD = math.radians(40.0)
"""Lanes that arrive within this angle of each other are one road's."""
ROADS = 3
CROSSING_M = 1.0
BEFORE_END_M = 1.0
"""The stop line stands so far before a lane's end."""


def with_lights(lane_map: LaneMap) -> tuple[LaneMap, SignalPlan]:
    """The map with lights at its larger junctions, and their programs; a map that has lights or stop lines is left as it is."""
    if lane_map.lights or lane_map.stop_lines:
        return lane_map, SignalPlan()
    lanes = {lane.id: RoadLane(lane) for lane in lane_map.lanes}
    lines: list[StopLine] = []
    lights: list[TrafficLight] = []
    cycles: dict[int, SignalCycle] = {}
    for k, arrivals in enumerate(_arrivals(lane_map)):
        roads = _roads([lanes[i] for i in arrivals])
        if len(roads) < ROADS:
            continue
        for phase, road in enumerate(roads):
            light_id = len(lights) + 1
            lines += [_stop_line(lane, len(lines) + 1 + j, light_id) for j, lane in enumerate(road)]
            lights.append(_light(road, light_id))
            cycles[light_id] = _cycle(phase, len(roads), k * STAGGER_S)
    changed = dataclasses.replace(lane_map, stop_lines=tuple(lines), lights=tuple(lights))
    return changed, SignalPlan(cycles)


def _arrivals(lane_map: LaneMap) -> list[list[int]]:
    """For each junction, the ids of the lanes that lead into it.

    Passages with a start or an end in common, and those that cross, belong to the same junction.
    """
    inside = {v.id: v for v in lane_map.lanes if v.in_junction and v.kind == LaneKind.DRIVING}
    into = [v for v in lane_map.lanes if not v.in_junction and v.kind == LaneKind.DRIVING]
    parent = {i: i for i in inside}

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(ids: Sequence[int] | Ints) -> None:
        known = [int(i) for i in ids if int(i) in inside]
        for i in known[1:]:
            parent[root(i)] = root(known[0])

    for lane in (*into, *inside.values()):
        join([*([lane.id] if lane.in_junction else []), *lane.successor_ids.tolist()])
    for lane in into:
        join(lane.predecessor_ids)
    for a, b in _crossing(list(inside.values())):
        join([a, b])
    found: dict[int, list[int]] = {}
    for lane in into:
        starts = [i for i in lane.successor_ids.tolist() if i in inside]
        if starts:
            found.setdefault(root(starts[0]), []).append(lane.id)
    return [found[k] for k in sorted(found)]


def _crossing(passages: list[Lane]) -> list[tuple[int, int]]:
    """Pairs of passages that come within `CROSSING_M` of each other."""
    if not passages:
        return []
    lines = [even(v.center_x_m, v.center_y_m) for v in passages]
    of = np.repeat([v.id for v in passages], [len(x) for x, _, _ in lines])
    points = np.stack([np.concatenate([v[k] for v in lines]) for k in (0, 1)], axis=-1)
    pairs = of[cKDTree(points).query_pairs(CROSSING_M, output_type="ndarray")]
    return [(int(a), int(b)) for a, b in np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)]


def _roads(arrivals: list[RoadLane]) -> list[list[RoadLane]]:
    """Lanes by the road they come in on, counter-clockwise by heading."""
    roads: list[tuple[float, list[RoadLane]]] = []
    for lane in sorted(arrivals, key=lambda v: float(wrap_angle(v.center.yaw_rad[-1]))):
        yaw = float(wrap_angle(lane.center.yaw_rad[-1]))
        for other, road in roads:
            if abs(wrap_angle(yaw - other)) < SAME_ROAD_RAD:
                road.append(lane)
                break
        else:
            roads.append((yaw, [lane]))
    return [road for _, road in roads]


def _stop_line(lane: RoadLane, line_id: int, light_id: int) -> StopLine:
    s = max(lane.length_m - BEFORE_END_M, lane.length_m / 2)
    half = float(lane.width_at(s)) / 2
    x, y, _, _ = lane.center.at([s, s], [half, -half])
    return StopLine(line_id, x, y, _ids([lane.lane]), light_id, False)


def _light(road: list[RoadLane], light_id: int) -> TrafficLight:
    """Beside the road, at its stop line."""
    lane = min(road, key=lambda v: v.lane.right_id != 0)
    x, y, _, _ = lane.center.at(lane.length_m, -float(lane.width_at(lane.length_m)))
    return TrafficLight(light_id, float(x), float(y), _ids([v.lane for v in road]))


def _ids(lanes: list[Lane]) -> Ints:
    return np.array([lane.id for lane in lanes], dtype=np.int64)


def _cycle(phase: int, phases: int, offset_s: float) -> SignalCycle:
    """Green in turn: one road, amber, all red, the next."""
    part = GREEN_S + AMBER_S + ALL_RED_S
    rest = phases * part - GREEN_S - AMBER_S
    colors = (LightColor.GREEN, LightColor.AMBER, LightColor.RED)
    return SignalCycle(
        colors, (GREEN_S, AMBER_S, rest), (offset_s + phase * part) % (phases * part)
    )
