"""The default drive: a small town in which, within a minute, something happens that is worth a reason.

In this order on the ego's way: a pedestrian on a mid-block crossing, a lead that brakes hard, a car that stands (or crawls) in
the ego's lane of the two-lane street where the route wants the other lane anyway, and a red light. Everybody else is background traffic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.maps.lanes import RoadLane
from whyway.maps.road import LanePath, Road
from whyway.maps.routes import find_route, make_route
from whyway.maps.town import AMBER_S, Town, light_id, make_town
from whyway.maps.town_layout import Control
from whyway.types import CYCLE_S, EgoState, Route
from whyway.worlds.scenes.town_cast import Plan, background, cast, pavements, put
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import Signals, build_signals
from whyway.worlds.sim.sim import make_sim
from whyway.worlds.sim.state import EGO, empty_state
from whyway.worlds.sim.table import build_table, lines_of
from whyway.worlds.sim.world import Setting, SimWorld, ego_placed

DURATION_S = 60.0

_GREEN_AFTER_S = 9.0
"""From the ego asking for green to getting it: it stands for some seconds."""
_ASK_BEFORE_LINE_M = 50.0


def town_world(seed: int, config: Config, duration_s: float | None = None) -> SimWorld:
    """The default drive of a seed."""
    town = make_town(seed)
    rng = np.random.default_rng([seed, 11])
    plan = _plan(town)
    route = _route(town, plan)
    road = Road(town.lane_map, route)
    path = road.route_path
    signals, line_s = _signals(town, plan, path)
    # the first crossing on the way: the one between junctions, on the corner road
    crossing_s = path.crossings[0][0]
    ego = _ego(path, crossing_s, config)
    parts = cast(plan, path, crossing_s, rng)
    walkers = pavements(road, path, config.sim.traffic.pedestrians - 1, rng)
    own = [line for part in (*parts, *walkers) if (line := part.own) is not None]
    table = build_table(town.lane_map, signals.light_id.tolist(), own)
    routes = [lines_of(table, route.lane_ids.tolist())]
    most = 1 + len(parts) + len(walkers) + config.sim.traffic.vehicles
    state = ego_placed(empty_state(1, most), ego, config)
    state.seed[:] = seed
    state.route[0, EGO] = 0
    state.window[0, EGO, 0] = routes[0][0]
    own_line = len(town.lane_map.lanes)
    for i, part in enumerate((*parts, *walkers), start=1):
        if part.own is not None:
            put(state, i, part, table, [own_line])
            own_line += 1
        else:
            put(state, i, part, table, lines_of(table, list(part.lanes)), routes)
    first = 1 + len(parts) + len(walkers)
    state = background(
        state, first, table, town, plan, road, routes, config.sim.traffic.vehicles, rng
    )
    sim = make_sim(
        CYCLE_S, config.vehicle, config.sim.traffic, signals, table, routes, demand_at_m=line_s - _ASK_BEFORE_LINE_M
    )  # fmt: skip
    static = np.zeros(most, dtype=bool)
    static[1 : 1 + len(parts)] = [part.is_static for part in parts]
    placed = int(state.active[0, first:].sum())
    setting = Setting(
        name=f"town {seed}",
        lane_map=town.lane_map,
        route=route,
        sim=sim,
        start=begin(sim, state),
        id=np.arange(most),
        is_static=static,
        duration_s=DURATION_S if duration_s is None else duration_s,
        notes={
            "scene": f"town {seed}", "seed": str(seed), "background": str(placed),
            **{part.name: str(i) for i, part in enumerate(parts, start=1)},
        },
        goal=_goal(route),
    )  # fmt: skip
    return SimWorld(setting, seed, config)


# --------------------------------------------------------------------------------------------- where the drive goes


def _plan(town: Town) -> Plan:
    edges = {(e.start, e.end): e for e in town.layout.edges}
    down, along, round_ = edges[(2, 0), (2, 1)], edges[(1, 0), (2, 0)], edges[(0, 1), (1, 0)]
    last = (down.lane_id(1), along.lane_id(1), round_.lane_id(1))
    return Plan(edges[(1, 2), (0, 1)], edges[(0, 1), (1, 1)], edges[(1, 1), (2, 1)], last)


def _route(town: Town, plan: Plan) -> Route:
    via = [
        plan.corner.lane_id(-1),
        plan.first.lane_id(-1),
        plan.first.lane_id(-2),
        plan.second.lane_id(-2),
        *plan.last,
    ]
    ids = via[:1]
    for a, b in zip(via, via[1:], strict=False):
        ids += find_route(town.lane_map, a, b).lane_ids.tolist()[1:]
    end = RoadLane(next(lane for lane in town.lane_map.lanes if lane.id == ids[-1]))
    x, y, _, _ = end.center.at(end.length_m - 25.0)
    return make_route(town.lane_map, ids, (float(x), float(y)))


def _goal(route: Route) -> Any:
    return lambda _t, ego: math.hypot(ego.x_m - route.goal_x_m, ego.y_m - route.goal_y_m) < 5.0


def _signals(town: Town, plan: Plan, path: LanePath) -> tuple[Signals, float]:
    """The lights, those at the ego's first signals waiting for it on red; and where its stop line is."""
    junction = next(
        j
        for j in town.layout.junctions
        if j.control is Control.SIGNALS and j.node == plan.first.end
    )
    ids = [light_id(junction, i) for i in range(len(junction.arms))]
    line_s, line = next((s, line) for s, line in path.stop_lines if line.light_id in ids)
    cycle = town.signals.cycles[line.light_id]
    # the program stands where the ego's green is `_GREEN_AFTER_S` off: the other street has green, and then amber
    assert _GREEN_AFTER_S > 2 * AMBER_S
    return build_signals(
        town.lane_map.lights, town.signals, ids, cycle.offset_s - _GREEN_AFTER_S
    ), line_s


def _ego(path: LanePath, crossing_s: float, config: Config) -> EgoState:
    """On the way to the crossing, four and a half seconds off."""
    vehicle = config.vehicle
    s = max(3.0, crossing_s - 33.0)  # of the box's centre
    v = min(7.0, (crossing_s - s - vehicle.length_m / 2) / 4.6)
    x, y, yaw, curvature = (float(c) for c in path.center.at(s - vehicle.center_offset_m))
    steer = math.atan(vehicle.wheelbase_m * curvature)
    return EgoState(x, y, math.remainder(yaw, 2 * math.pi), v, 0.0, v * curvature, steer)
