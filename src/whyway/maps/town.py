"""Our own small town from a seed: map, signal programs, where cars may start, and a drive worth watching."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.maps.curves import sample
from whyway.maps.lanes import RoadLane
from whyway.maps.routes import find_route, make_route
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.maps.town_layout import (
    LANE_WIDTH_M,
    Arm,
    Control,
    Edge,
    Junction,
    Layout,
    Link,
    make_layout,
)
from whyway.types import (
    Crossing,
    Floats,
    Lane,
    LaneKind,
    LaneMap,
    LightColor,
    MarkingKind,
    Route,
    StopLine,
    TrafficLight,
)

CROSSING_DEPTH_M = 3.0
STOP_BEFORE_CROSSING_M = 5.0
"""Stop line to junction where a crossing lies between; without one it is half a metre."""
AMBER_S, ALL_RED_S = 3.0, 2.0

_SPACING_M = 1.0
_EGO_START_S_M = 8.0
_GOAL_BEFORE_END_M = 20.0
_SPAWN_GAP_M = 15.0


@dataclass(frozen=True)
class Town:
    """A town. `ego_start` and `spawns` are (lane id, arc length of the box's centre along that lane)."""

    seed: int
    lane_map: LaneMap
    signals: SignalPlan
    default_route: Route
    ego_start: tuple[int, float]
    spawns: tuple[tuple[int, float], ...]
    layout: Layout


def make_town(seed: int) -> Town:
    """The town of a seed: the same seed, the same town."""
    rng = np.random.default_rng(seed)
    layout = make_layout(rng)
    stop_lines, lights = _stop_lines(layout)
    lane_map = LaneMap(
        0,
        f"town {seed}",
        tuple(_lanes(layout)),
        tuple(stop_lines),
        tuple(lights),
        tuple(_crossings(layout)),
    )
    return Town(
        seed=seed,
        lane_map=lane_map,
        signals=_signals(layout, rng),
        default_route=_default_route(layout, lane_map),
        ego_start=(layout.edges[0].lane_id(-2), _EGO_START_S_M),
        spawns=_spawns(lane_map),
        layout=layout,
    )


# ----------------------------------------------------------------------------------------------------------- lanes


def _lanes(layout: Layout) -> list[Lane]:
    after: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for link in layout.links:
        after.setdefault(link.from_lane, []).append(link.lane_id)
        before.setdefault(link.to_lane, []).append(link.lane_id)
    lanes = []
    for edge in layout.edges:
        line = sample(edge.curves, _SPACING_M)
        for number in [-k - 1 for k in range(edge.lanes)] + [k + 1 for k in range(edge.lanes)]:
            lane_id = edge.lane_id(number)
            lanes.append(
                _road_lane(edge, number, line, after.get(lane_id, []), before.get(lane_id, []))
            )
    lanes += [_link_lane(link) for link in layout.links]
    return lanes


def _road_lane(
    edge: Edge,
    number: int,
    line: tuple[Floats, Floats, Floats],
    after: list[int],
    before: list[int],
) -> Lane:
    k, sign = abs(number), 1 if number > 0 else -1
    across = (
        LANE_WIDTH_M * np.array([k - 0.5, k - 1.0, k]) * sign
    )  # centre, left border, right border
    points = [_beside(line, d) for d in across.tolist()]
    if number > 0:  # against the axis
        points = [(x[::-1].copy(), y[::-1].copy()) for x, y in points]
    (cx, cy), (lx, ly), (rx, ry) = points
    middle = MarkingKind.SOLID if edge.is_main else MarkingKind.DASHED
    return Lane(
        id=edge.lane_id(number), kind=LaneKind.DRIVING, speed_limit_mps=edge.limit_mps, in_junction=False,
        left_id=edge.lane_id(number - sign) if k > 1 else 0,
        right_id=edge.lane_id(number + sign) if k < edge.lanes else 0,
        opposite_id=edge.lane_id(-number) if k == 1 else 0,
        left_marking=middle if k == 1 else MarkingKind.DASHED,
        right_marking=MarkingKind.SOLID if k == edge.lanes else MarkingKind.DASHED,
        successor_ids=np.array(after, dtype=np.int64), predecessor_ids=np.array(before, dtype=np.int64),
        center_x_m=cx, center_y_m=cy, left_x_m=lx, left_y_m=ly, right_x_m=rx, right_y_m=ry,
    )  # fmt: skip


def _link_lane(link: Link) -> Lane:
    line = sample((link.curve,), _SPACING_M)
    (cx, cy), (lx, ly), (rx, ry) = (
        _beside(line, d) for d in (0.0, LANE_WIDTH_M / 2, -LANE_WIDTH_M / 2)
    )
    return Lane(
        id=link.lane_id, kind=LaneKind.DRIVING, in_junction=True,
        speed_limit_mps=min(link.start.edge.limit_mps, link.end.edge.limit_mps),
        left_id=0, right_id=0, opposite_id=0, left_marking=MarkingKind.NONE, right_marking=MarkingKind.NONE,
        successor_ids=np.array([link.to_lane]), predecessor_ids=np.array([link.from_lane]),
        center_x_m=cx, center_y_m=cy, left_x_m=lx, left_y_m=ly, right_x_m=rx, right_y_m=ry,
    )  # fmt: skip


def _beside(line: tuple[Floats, Floats, Floats], d_m: float) -> tuple[Floats, Floats]:
    x, y, yaw = line
    return x - d_m * np.sin(yaw), y + d_m * np.cos(yaw)


# ------------------------------------------------------------------------------------- stop lines, lights, crossings


def light_id(junction: Junction, arm: int) -> int:
    """Id of the light for those who come from an arm."""
    return 10 * junction.id + arm + 1


def stops(junction: Junction) -> list[int]:
    """Positions of the arms that have a stop line."""
    everyone = range(len(junction.arms))
    if junction.control is Control.SIGNALS:
        return list(everyone)
    return [i for i in everyone if i not in junction.major]


def stop_line_m(junction: Junction) -> float:
    """How far from the junction's edge its stop lines lie."""
    return STOP_BEFORE_CROSSING_M if junction.control is Control.SIGNALS else 0.5


def approach_numbers(arm: Arm) -> list[int]:
    """OpenDRIVE numbers of the lanes into the junction, from the axis outwards."""
    return [arm.incoming(k) for k in range(arm.edge.lanes)]


def _stop_lines(layout: Layout) -> tuple[list[StopLine], list[TrafficLight]]:
    lines, lights = [], []
    for junction in layout.junctions:
        signals = junction.control is Control.SIGNALS
        for i in stops(junction):
            arm = junction.arms[i]
            wide = arm.edge.lanes * LANE_WIDTH_M
            back = stop_line_m(junction)
            (x0, y0), (x1, y1) = arm.at(back, 0.0), arm.at(back, wide)
            lane_ids = np.array([arm.edge.lane_id(n) for n in approach_numbers(arm)])
            identity = light_id(junction, i)
            lines.append(
                StopLine(
                    identity, np.array([x0, x1]), np.array([y0, y1]), lane_ids,
                    identity if signals else 0, junction.control is Control.STOP_SIGN,
                )
            )  # fmt: skip
            if signals:
                lights.append(TrafficLight(identity, *arm.at(back, wide + 1.0), lane_ids))
    return lines, lights


def _crossings(layout: Layout) -> list[Crossing]:
    found = []
    for junction in layout.junctions:
        if junction.control is not Control.SIGNALS:
            continue
        for i, arm in enumerate(junction.arms):
            wide = arm.edge.lanes * LANE_WIDTH_M
            near, far = 1.0, 1.0 + CROSSING_DEPTH_M
            corners = [
                arm.at(near, wide),
                arm.at(near, -wide),
                arm.at(far, -wide),
                arm.at(far, wide),
            ]
            found.append(_crossing(light_id(junction, i), corners, arm.edge))
    for edge in layout.edges:
        if edge.crossing_s_m is not None:
            found.append(_crossing(3000 + edge.id, mid_block_corners(edge), edge))
    return found


def mid_block_corners(edge: Edge) -> list[tuple[float, float]]:
    """Corners of a road's mid-block crossing, which lies on its first, straight stretch."""
    axis = Arm(edge, True, edge.curves[0].start)
    s, wide = edge.crossing_s_m or 0.0, edge.lanes * LANE_WIDTH_M
    near, far = s - CROSSING_DEPTH_M / 2, s + CROSSING_DEPTH_M / 2
    return [axis.at(near, wide), axis.at(near, -wide), axis.at(far, -wide), axis.at(far, wide)]


def _crossing(identity: int, corners: list[tuple[float, float]], edge: Edge) -> Crossing:
    x, y = np.array(corners).T
    lanes = [edge.lane_id(sign * (k + 1)) for sign in (-1, 1) for k in range(edge.lanes)]
    return Crossing(identity, x.copy(), y.copy(), np.array(lanes))


# --------------------------------------------------------------------------------------------------------- signals


def _signals(layout: Layout, rng: np.random.Generator) -> SignalPlan:
    """Two phases per junction, one for each axis, with amber and all-red between.

    The main street turns red 4 to 7 s after the start, so that a drive that begins on it meets a red light.
    """
    cycles: dict[int, SignalCycle] = {}
    for junction in layout.junctions:
        if junction.control is not Control.SIGNALS:
            continue
        main_s, side_s = float(rng.integers(14, 19)), float(rng.integers(8, 12))
        red_at = float(rng.integers(4, 8))
        start = red_at - AMBER_S - main_s
        clear = AMBER_S + ALL_RED_S
        for i in range(len(junction.arms)):
            main = i in junction.major
            own, other = (main_s, side_s) if main else (side_s, main_s)
            cycles[light_id(junction, i)] = SignalCycle(
                (LightColor.GREEN, LightColor.AMBER, LightColor.RED),
                (own, AMBER_S, ALL_RED_S + other + clear),
                start if main else start + main_s + clear,
            )
    return SignalPlan(cycles)


# ------------------------------------------------------------------------------------------------- routes and spawns


def _default_route(layout: Layout, lane_map: LaneMap) -> Route:
    """Along the main street over the signals, over to the left lane, left, left into the curve, round the corner with the crossing."""
    edges = {(e.start, e.end): e for e in layout.edges}
    first, second = edges[(0, 1), (1, 1)], edges[(1, 1), (2, 1)]
    curve, corner = edges[(2, 2), (1, 2)], edges[(1, 2), (0, 1)]
    last = edges[(0, 1), (1, 0)]
    stops_at = [
        first.lane_id(-2), second.lane_id(-2), second.lane_id(-1), curve.lane_id(-1), corner.lane_id(-1), last.lane_id(-1),
    ]  # fmt: skip
    ids: list[int] = [stops_at[0]]
    for a, b in zip(stops_at, stops_at[1:], strict=False):
        ids += find_route(lane_map, a, b).lane_ids.tolist()[1:]
    goal_lane = RoadLane(next(lane for lane in lane_map.lanes if lane.id == ids[-1])).center
    x, y, _, _ = goal_lane.at(goal_lane.length_m - _GOAL_BEFORE_END_M)
    return make_route(lane_map, ids, (float(x), float(y)))


def _spawns(lane_map: LaneMap) -> tuple[tuple[int, float], ...]:
    """Every 15 m along the lanes between junctions."""
    return tuple(
        (lane.id, float(s))
        for lane in lane_map.lanes
        if not lane.in_junction
        for s in np.arange(8.0, RoadLane(lane).length_m - 12.0, _SPAWN_GAP_M)
    )


def start_pose(town: Town) -> tuple[float, float, float]:
    """x, y, yaw of the ego's box centre at the start of the default route."""
    lane_id, s = town.ego_start
    lane = next(lane for lane in town.lane_map.lanes if lane.id == lane_id)
    x, y, yaw, _ = RoadLane(lane).center.at(s)
    return float(x), float(y), math.remainder(float(yaw), 2 * math.pi)
