"""A route of CARLA's leaderboard as a world: a town from OpenDRIVE, lights, vehicles that wander all over it, pedestrians.

The ego stands at the first waypoint. The world ends at the goal, when the leaderboard would end it (30 m off the route, 180 s without
moving), or when its time is over: 0.8 s a metre and 5 s (evaluate/driving/carla_score.py has the sources). A town's file may know no lights
(CARLA's of 2019 do not): the file that does is preferred, and else its larger junctions get some (maps/signalise.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from whyway.config import Config
from whyway.maps.leaderboard import LeaderboardRoute, read_route
from whyway.maps.load import load_map
from whyway.maps.path import LanePath, project_near
from whyway.maps.road import Road
from whyway.maps.signalise import with_lights
from whyway.maps.signals import SignalPlan
from whyway.maps.snap import Snapped, snap_route
from whyway.types import CYCLE_S, Command, EgoState, InputError, LaneKind, LaneMap, Observation
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.pedestrians import plan_walks
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.populate import Traffic
from whyway.worlds.sim.sim import make_sim
from whyway.worlds.sim.state import EGO, State, empty_state
from whyway.worlds.sim.table import LaneTable, build_table, entered_anywhere, lines_of
from whyway.worlds.sim.world import Setting, SimWorld, Snapshot, ego_placed

SECONDS_PER_M, SECONDS_MORE = 0.8, 5.0
GOAL_SHARE, GOAL_M = 0.99, 10.0
"""The goal is reached beyond this part of the route and within this distance of it."""
DEVIATION_M, BLOCKED_S, BLOCKED_MPS = 30.0, 180.0, 0.1

_PARENTS = 6
"""So many folders above the route's file a map is looked for, each two folders deep."""


def route_world(spec: str, seed: int, config: Config, duration_s: float | None = None) -> SimWorld:
    """The world of a route, `file.xml#id`; the town's map lies in `sim.map_folder`, or near the route's file.

    Args:
      spec: the route.
      seed: of the traffic, the lights' phase and the sensors' noise.
      config: the whole tree; `sim.route` says how many others there are.
      duration_s: when to end; None for the leaderboard's time.

    Raises:
      InputError: no such route, no map of its town, or a route that is not on it; one line.
    """
    route = read_route(spec)
    lane_map, plan = town_map(route.town, spec, config.sim.map_folder)
    snapped = snap_route(lane_map, route.waypoints)
    road = Road(lane_map, snapped.route)
    way = _Way.of(road, snapped)
    vehicles, pedestrians = config.sim.route.vehicles, config.sim.route.pedestrians
    signals = build_signals(lane_map.lights, plan)
    lights = signals.light_id.tolist()
    walks = plan_walks(build_table(lane_map, lights), lane_map, pedestrians, seed)
    table = entered_anywhere(build_table(lane_map, lights, walks.lines))
    lines = lines_of(table, snapped.route.lane_ids.tolist())
    sim = make_sim(CYCLE_S, config.vehicle, config.sim.traffic, signals, table, [lines])
    state = empty_state(1, 1 + vehicles + pedestrians)
    state.seed[:] = seed
    state.phase_s[:] = float(np.random.default_rng([seed, 41]).uniform(0.0, 60.0))
    _enter_ego(state, table, lines, way)
    state = ego_placed(state, way.ego(config), config)
    traffic = Traffic(table, find_places(table), walks)
    state = traffic.fill(state, vehicles=vehicles, pedestrians=pedestrians)
    setting = Setting(
        name=f"{route.town} route {route.id}",
        lane_map=lane_map,
        route=snapped.route,
        sim=sim,
        start=begin(sim, state),
        id=np.arange(state.x_m.shape[1]),
        is_static=np.zeros(state.x_m.shape[1], dtype=np.bool_),
        duration_s=way.limit_s if duration_s is None else duration_s,
        notes=_notes(spec, route, lane_map, state, way),
    )
    return RouteWorld(setting, seed, config, way)


def town_map(town: str, spec: str, folder: str = "") -> tuple[LaneMap, SignalPlan]:
    """A town's map with lights: of all its files the one that knows most, and lights at the larger junctions if none knows any.

    Args:
      town: its name, "Town01".
      spec: of the route, near whose file maps are looked for.
      folder: where to look instead, two folders deep.

    Raises:
      InputError: no such map.
    """
    if folder:
        files = tuple(_files(Path(folder), town))
    else:
        parents = list(Path(spec.rpartition("#")[0] or spec).absolute().parents)[:_PARENTS]
        files = next((found for p in parents if (found := tuple(_files(p, town)))), ())
    if not files:
        where = folder or "near the route's file"
        raise InputError(
            f"{spec}: no map {town}.xodr {where}; give its folder: --sim.map_folder=..."
        )
    return _best(files)


def _files(folder: Path, town: str) -> Iterator[Path]:
    for depth in ("", "*/", "*/*/"):
        for ending in (".xodr", ".xodr.gz"):
            yield from sorted(folder.glob(f"{depth}{town}{ending}"))


@lru_cache(maxsize=4)
def _best(files: tuple[Path, ...]) -> tuple[LaneMap, SignalPlan]:
    maps = [load_map(path) for path in files]
    lane_map, plan = max(maps, key=lambda found: len(found[0].lights))
    return (lane_map, plan) if lane_map.lights else with_lights(lane_map)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """The ego's way: the route as a line, with where on it the first and the last waypoint are."""

    path: LanePath
    start_s: float
    goal_s: float

    @staticmethod
    def of(road: Road, snapped: Snapped) -> _Way:
        path = road.route_path
        end = float(path.lane_start_s[1]) if len(path.lane_ids) > 1 else path.length_m
        s, _ = project_near(path.center, snapped.start_x_m, snapped.start_y_m, 0.0, end)
        return _Way(path, max(float(s), 0.0), road.route_length_m)

    @property
    def limit_s(self) -> float:
        """The leaderboard's time for it."""
        return float(int(SECONDS_PER_M * (self.goal_s - self.start_s) + SECONDS_MORE))

    def ego(self, config: Config) -> EgoState:
        """Standing with the middle of its box at the first waypoint."""
        vehicle = config.vehicle
        s = self.start_s - vehicle.center_offset_m
        x, y, yaw, curvature = (float(c) for c in self.path.center.at(s))
        steer = math.atan(vehicle.wheelbase_m * curvature)
        return EgoState(x, y, math.remainder(yaw, 2 * math.pi), 0.0, 0.0, 0.0, steer)


def _enter_ego(state: State, table: LaneTable, lines: list[int], way: _Way) -> None:
    """The ego on its route; its pose follows."""
    along, at = way.start_s, 0
    while at + 1 < len(lines) and along > table.length_m[lines[at]]:
        along -= float(table.length_m[lines[at]])
        at += 1
    state.route[0, EGO], state.route_at[0, EGO] = 0, at
    state.window[0, EGO, 0] = lines[at]
    state.s_m[0, EGO], state.route_s_m[0, EGO] = along, way.start_s


def _notes(
    spec: str, route: LeaderboardRoute, lane_map: LaneMap, state: State, way: _Way
) -> dict[str, str]:
    driving = [lane for lane in lane_map.lanes if lane.kind == LaneKind.DRIVING]
    km = sum(
        float(np.hypot(np.diff(v.center_x_m), np.diff(v.center_y_m)).sum()) for v in driving
    ) / 1000  # fmt: skip
    pedestrian = state.window[0, :, 0] >= len(lane_map.lanes)
    vehicles = int((state.active[0] & ~pedestrian).sum()) - 1
    return {
        "route": f"{Path(spec.rpartition('#')[0] or spec).name}#{route.id}",
        "town": route.town,
        "goal_counts": "yes",
        "length": f"{way.goal_s - way.start_s:.0f} m",
        "vehicles": f"{vehicles} on {km:.1f} km of lanes, {vehicles / max(km, 1e-3):.1f} a km",
        "pedestrians": str(int((state.active[0] & pedestrian).sum())),
        "lights": str(len(lane_map.lights)),
    }


@dataclass(frozen=True, slots=True)
class _Progress:
    """Where on its route the ego has come to, and since when it stands there."""

    s_m: float
    d_m: float
    moved_s: float


class RouteWorld(SimWorld):
    """A `SimWorld` that also ends where the leaderboard ends a route."""

    def __init__(self, setting: Setting, seed: int, config: Config, way: _Way) -> None:
        self._way = way
        super().__init__(setting, seed, config)

    def reset(self) -> Observation:
        """Begin again, exactly as before."""
        self._progress = _Progress(self._way.start_s, 0.0, 0.0)
        observation = super().reset()
        self._goal_reached = False
        return observation

    @property
    def done(self) -> bool:
        """Whether it has ended: at the goal, too, and when the leaderboard gives up."""
        now = self.stamp_ns * 1e-9
        stands = now - self._progress.moved_s > BLOCKED_S
        return (
            super().done
            or bool(self._goal_reached)
            or stands
            or abs(self._progress.d_m) >= DEVIATION_M
        )

    def step(self, command: Command | None) -> Observation:
        """Let one step pass, and see how far along the route the ego is."""
        observation = super().step(command)
        ego, offset = observation.ego, self.config.vehicle.center_offset_m
        x = ego.x_m + offset * math.cos(ego.yaw_rad)
        y = ego.y_m + offset * math.sin(ego.yaw_rad)
        near = self._progress.s_m
        s, d = project_near(self._way.path.center, x, y, near - 30.0, near + 60.0)
        moves = abs(ego.v_mps) >= BLOCKED_MPS
        moved_s = self.stamp_ns * 1e-9 if moves else self._progress.moved_s
        self._progress = _Progress(float(s), float(d), moved_s)
        route = self._setting.route
        away = math.hypot(x - route.goal_x_m, y - route.goal_y_m)
        last = float(s) - self._way.start_s > GOAL_SHARE * (self._way.goal_s - self._way.start_s)
        self._goal_reached = self._goal_reached or (last and away < GOAL_M)
        return observation

    def get_state(self) -> tuple[Snapshot, _Progress]:  # type: ignore[override]
        """Everything that changes."""
        return super().get_state(), self._progress

    def set_state(self, state: tuple[Snapshot, _Progress]) -> None:  # type: ignore[override]
        """Go back to what `get_state` gave."""
        super().set_state(state[0])
        self._progress = state[1]
