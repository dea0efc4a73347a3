"""The default drive: a small town in which, within a minute, something happens that is worth a reason.

In this order on the ego's way: a pedestrian on a mid-block crossing, a lead that brakes hard, a car that stands (or crawls) in
the ego's lane of the two-lane street where the route wants the other lane anyway, and a red light. Everybody else is background traffic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.maps.lanes import RoadLane
from whyway.maps.road import LanePath, Road
from whyway.maps.routes import find_route, make_route
from whyway.maps.town import AMBER_S, Town, light_id, make_town
from whyway.maps.town_layout import Control, Edge
from whyway.types import CYCLE_S, EgoState, ObjectClass, Route
from whyway.worlds.sim.engine_old import Sim, begin
from whyway.worlds.sim.logs import Signals, build_signals
from whyway.worlds.sim.network import Network
from whyway.worlds.sim.rails import build_rails
from whyway.worlds.sim.state import Mode, Script, empty_state
from whyway.worlds.sim.walks import Walker
from whyway.worlds.sim.world import Setting, SimWorld, ego_placed

DURATION_S = 60.0
WALK_MPS = 1.3

_GREEN_AFTER_S = 9.0
"""From the ego asking for green to getting it: it stands for some seconds."""
_ASK_BEFORE_LINE_M = 50.0
_KERB_M = 1.0
"""How far from the road's edge a pedestrian waits."""
_PAVEMENT_M = 2.2
"""How far from the road's edge pedestrians walk."""
_WAY_M = 400.0
_KEEP_CLEAR_M = 30.0
"""Between background traffic at the start, and between it and anybody with a part to play."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The roads that the drive is laid along."""

    corner: Edge
    """Side road with the crossing, round a corner; then left into..."""
    first: Edge
    """...the main street, up to the signals..."""
    second: Edge
    """...and behind them; then right."""
    last: tuple[int, ...]
    """Lanes after that."""


def town_world(seed: int, config: Config, duration_s: float | None = None) -> SimWorld:
    """The default drive of a seed."""
    town = make_town(seed)
    rng = np.random.default_rng([seed, 11])
    plan = _plan(town)
    route = _route(town, plan)
    road = Road(town.lane_map, route)
    path = road.route_path
    signals, line_s = _signals(town, plan, path)
    network = Network(signals.light_id.tolist())
    actors = _Actors(
        network,
        network.add(path),
        1 + config.sim.traffic.vehicles + config.sim.traffic.pedestrians + 2,
    )
    # the first crossing on the way: the one between junctions, on the corner road
    crossing_s = path.crossings[0][0]
    ego = _ego(path, crossing_s, config)
    walker = Walker(town, network)
    _cast(actors, walker, town, plan, path, crossing_s, rng)
    _background(actors, walker, town, plan, road, path, config, rng)
    sim = Sim(
        CYCLE_S, config.vehicle, config.sim.traffic, signals,
        rails=build_rails(network.rails, network.conflicts()), demand_at_m=line_s - _ASK_BEFORE_LINE_M,
    )  # fmt: skip
    state = ego_placed(actors.state, ego, config)
    setting = Setting(
        name=f"town {seed}",
        lane_map=town.lane_map,
        route=route,
        sim=sim,
        start=begin(sim, state),
        id=np.arange(state.x_m.shape[1]),
        is_static=(state.cap_mps[0] == 0.0) & (state.mode[0] == int(Mode.RAIL)),
        duration_s=DURATION_S if duration_s is None else duration_s,
        notes={"scene": f"town {seed}", "seed": str(seed), **actors.notes},
        goal=_goal(route),
    )
    return SimWorld(setting, seed, config)


# --------------------------------------------------------------------------------------------- where the drive goes


def _plan(town: Town) -> _Plan:
    edges = {(e.start, e.end): e for e in town.layout.edges}
    down, along, round_ = edges[(2, 0), (2, 1)], edges[(1, 0), (2, 0)], edges[(0, 1), (1, 0)]
    last = (down.lane_id(1), along.lane_id(1), round_.lane_id(1))
    return _Plan(edges[(1, 2), (0, 1)], edges[(0, 1), (1, 1)], edges[(1, 1), (2, 1)], last)


def _route(town: Town, plan: _Plan) -> Route:
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


def _signals(town: Town, plan: _Plan, path: LanePath) -> tuple[Signals, float]:
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


# --------------------------------------------------------------------------------------------- who else is there


class _Actors:
    """Fills a state agent by agent; the first is the ego, on the path with index `ego_path`."""

    def __init__(self, network: Network, ego_path: int, most: int) -> None:
        self.network, self.state = network, empty_state(1, most)
        self.notes: dict[str, str] = {}
        self._count = 1
        self.state.path[0, 0] = ego_path

    def add(self, path: int, s_m: float, v_mps: float, **fields: float) -> int:
        """The agent's index."""
        i, self._count = self._count, self._count + 1
        for name, value in {
            "path": path,
            "s_m": s_m,
            "v_mps": v_mps,
            "active": True,
            **fields,
        }.items():
            getattr(self.state, name)[0, i] = value
        x, y, yaw, _ = self.network.rails[path].line.at(s_m, fields.get("d_m", 0.0))
        self.state.x_m[0, i], self.state.y_m[0, i], self.state.yaw_rad[0, i] = x, y, yaw
        return i

    def pedestrian(self, path: int, **fields: float) -> int:
        """The agent's index; stands, unless told."""
        size = {
            "length_m": 0.5,
            "width_m": 0.6,
            "object_class": int(ObjectClass.PEDESTRIAN),
            "cap_mps": WALK_MPS,
        }
        return self.add(path, 0.0, fields.pop("v_mps", 0.0), **(size | fields))

    def nearest_m(self, x_m: float, y_m: float) -> float:
        """Distance to the nearest one so far (the ego is not placed yet)."""
        n = self._count
        d = np.hypot(self.state.x_m[0, 1:n] - x_m, self.state.y_m[0, 1:n] - y_m)
        return float(d.min()) if len(d) else math.inf


def _cast(
    actors: _Actors,
    walker: Walker,
    town: Town,
    plan: _Plan,
    path: LanePath,
    crossing_s: float,
    rng: np.random.Generator,
) -> None:
    """The four with a part to play for the ego."""
    middle = crossing_s + 1.5
    right, left = -(1.75 + _KERB_M), 1.75 + 3.5 + 2.0
    x, y, _, _ = path.center.at(np.array([middle, middle]), np.array([right, left]))
    crosses = actors.network.add_walk(x, y, WALK_MPS)
    ahead_s = float(rng.uniform(4.0, 4.5))
    at = actors.pedestrian(
        crosses, script=int(Script.CROSS), script_at_m=crossing_s, script_hold_s=ahead_s
    )
    actors.notes["pedestrian"] = f"{at}"

    corner_end = float(path.lane_start_s[1])
    straight_on = walker.path([plan.corner.lane_id(-1)], rng, straight=True)
    at = actors.add(
        straight_on, crossing_s + 16.0, 3.0, cap_mps=6.5, factor=1.0, script=int(Script.BRAKE),
        script_at_m=corner_end - float(rng.uniform(44.0, 50.0)), script_reach_m=33.0,
        script_rate=float(rng.uniform(4.5, 6.0)), script_hold_s=float(rng.uniform(2.0, 2.5)),
    )  # fmt: skip
    actors.notes["braking_lead"] = f"{at}"

    slow = walker.path([plan.first.lane_id(-1)], rng, straight=True)
    length = plan.first.length_m
    crawls = bool(rng.integers(2))
    part = (
        {"script": int(Script.WAKE), "script_reach_m": 45.0, "cap_mps": 1.2}
        if crawls
        else {"cap_mps": 0.0}
    )
    at = actors.add(slow, length * (0.6 if crawls else 0.72), 0.0, **part)
    actors.notes["slow_vehicle"] = f"{at}"


def _background(
    actors: _Actors,
    walker: Walker,
    town: Town,
    plan: _Plan,
    road: Road,
    path: LanePath,
    config: Config,
    rng: np.random.Generator,
) -> None:
    """Traffic on other ways than the ego's lanes, and pedestrians on the pavement."""
    mine = set(path.lane_ids)
    mine |= {n for lane_id in path.lane_ids for n in road.neighbours(lane_id) if n}
    # nobody comes towards the ego's left turn into the main street: the drive has one minute
    turn = next(j for j in town.layout.junctions if j.node == plan.first.start)
    mine |= {
        link.lane_id
        for link in turn.links
        if link.start.edge.lane_id(1) in plan.last or link.start.edge.lane_id(-1) in plan.last
    }
    placed = 0
    for lane_id, s in [town.spawns[i] for i in rng.permutation(len(town.spawns))]:
        if placed == config.sim.traffic.vehicles:
            break
        x, y, _, _ = (float(c) for c in road.lanes[lane_id].center.at(s))
        if lane_id in mine or actors.nearest_m(x, y) < _KEEP_CLEAR_M:
            continue
        # long ways, so that few reach their end (where they vanish) within the drive
        index = walker.walk(lane_id, rng, avoid=mine, least_m=_WAY_M)
        if index is not None:
            _one_more(actors, index, s, rng)
            placed += 1
    outer = [
        i for i in sorted(mine) if not road.lanes[i].lane.in_junction and not road.neighbours(i)[1]
    ]
    for _ in range(config.sim.traffic.pedestrians - 1):
        lane = road.lanes[int(rng.choice(outer))]
        along = np.linspace(5.0, lane.length_m - 5.0, 12)
        px, py, _, _ = lane.center.at(along, -(1.75 + _PAVEMENT_M) * np.ones(12))
        actors.pedestrian(actors.network.add_walk(px, py, WALK_MPS), v_mps=WALK_MPS)
    actors.notes["background"] = str(placed)


def _one_more(actors: _Actors, path: int, s_m: float, rng: np.random.Generator) -> None:
    """A car or truck at a speed from which it can stop comfortably at its next stop line."""
    rail = actors.network.rails[path]
    room = min([stop.s_m - s_m - 5.0 for stop in rail.stops if stop.s_m > s_m + 2.0] + [200.0])
    wanted = float(np.interp(s_m, rail.speed_s_m, rail.speed_mps))
    v = min(0.7 * wanted, math.sqrt(2 * 1.5 * max(room, 0.0)))
    length, width, kind = (
        float(rng.uniform(4.0, 4.9)),
        float(rng.uniform(1.7, 1.9)),
        ObjectClass.CAR,
    )
    if rng.random() < 0.15:
        length, width, kind = 7.5, 2.3, ObjectClass.TRUCK
    factor = float(rng.uniform(0.8, 1.0))
    actors.add(path, s_m, v, factor=factor, length_m=length, width_m=width, object_class=int(kind))
