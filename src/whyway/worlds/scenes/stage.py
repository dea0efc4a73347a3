"""A cast on a map becomes a world: the lane table with actors' own lines, the first state, the ego, its goal.

What families and OpenSCENARIO files have in common. The ego is the first agent, then the parts in their order, then whoever fills
the background.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from whyway.config import Config
from whyway.maps.lanes import RoadLane
from whyway.maps.path import LanePath
from whyway.maps.signals import SignalPlan
from whyway.types import CYCLE_S, EgoState, InputError, LaneMap, Route
from whyway.worlds.scenes.cast import Part
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.sim import make_sim
from whyway.worlds.sim.state import CUES, EGO, Mode, State, empty_state
from whyway.worlds.sim.table import LaneTable, build_table, line_at, line_of, lines_of
from whyway.worlds.sim.world import GoalTest, Setting, SimWorld, ego_placed

GOAL_M = 5.0
"""The goal is reached so near to it, or beyond it along the route."""


class PlayedWorld(SimWorld):
    """A `SimWorld` that ends at its goal, too: what comes after a scenario is none of its business."""

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return super().done or bool(self.goal_reached)


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """All that makes a world: where the ego starts on its way and how fast, and who else takes part."""

    name: str
    lane_map: LaneMap
    signals: SignalPlan
    route: Route
    path: LanePath
    start_m: float
    speed_mps: float
    parts: tuple[Part, ...]
    duration_s: float
    notes: Mapping[str, str]
    has_goal: bool = True
    table_map: LaneMap | None = None
    """The map as traffic knows it, where its limits are others than the ego's."""


def staged(play: Play, seed: int, config: Config) -> SimWorld:
    """The world of a play.

    Args:
      play: see there.
      seed: of sensors and background.
      config: the whole tree.

    Raises:
      InputError: an actor has more cues than an agent can have.
    """
    lane_map = play.lane_map if play.table_map is None else play.table_map
    signals = build_signals(play.lane_map.lights, play.signals)
    own = [part.own for part in play.parts if part.own is not None]
    table = build_table(lane_map, signals.light_id.tolist(), own)
    routes, of = _routes(table, play)
    sim = make_sim(
        CYCLE_S, config.vehicle, config.sim.traffic, signals, table, routes, returns=False
    )
    state = empty_state(1, 1 + len(play.parts))
    state.seed[:] = seed
    _enter_ego(state, table, routes[0], play)
    state = ego_placed(state, ego_at(play.path, play.start_m, play.speed_mps, config), config)
    first_own = len(lane_map.lanes)
    for i, part in enumerate(play.parts, start=1):
        line = first_own if part.own is not None else routes[of[i - 1]][0]
        first_own += part.own is not None
        enter(state, table, i, part, line, -1 if part.own is not None else of[i - 1])
    setting = Setting(
        name=play.name,
        lane_map=play.lane_map,
        route=play.route,
        sim=sim,
        start=begin(sim, state),
        id=np.arange(state.x_m.shape[1]),
        is_static=np.array([False, *(part.is_static for part in play.parts)]),
        duration_s=play.duration_s,
        notes={
            **play.notes,
            **{f"actor {i}": part.name for i, part in enumerate(play.parts, start=1)},
        },
        goal=_goal(play, config) if play.has_goal else None,
    )
    return PlayedWorld(setting, seed, config)


def ego_at(path: LanePath, s_m: float, v_mps: float, config: Config) -> EgoState:
    """The ego on its way, with the middle of its box at `s_m`."""
    vehicle = config.vehicle
    x, y, yaw, curvature = (float(c) for c in path.center.at(s_m - vehicle.center_offset_m))
    steer = math.atan(vehicle.wheelbase_m * curvature)
    return EgoState(x, y, math.remainder(yaw, 2 * math.pi), v_mps, 0.0, v_mps * curvature, steer)


def _goal(play: Play, config: Config) -> GoalTest:
    """Reached within some metres of the goal point, or once the ego is past it on the road there."""
    x, y, offset = play.route.goal_x_m, play.route.goal_y_m, config.vehicle.center_offset_m
    s, _ = play.path.center.project(x, y)
    _, _, yaw, _ = (float(c) for c in play.path.center.at(float(s)))
    c, sn = math.cos(yaw), math.sin(yaw)

    def reached(_time_s: float, ego: EgoState) -> bool:
        dx = ego.x_m + offset * math.cos(ego.yaw_rad) - x
        dy = ego.y_m + offset * math.sin(ego.yaw_rad) - y
        along, across = c * dx + sn * dy, -sn * dx + c * dy
        return math.hypot(dx, dy) < GOAL_M or (0.0 <= along < 3 * GOAL_M and abs(across) < GOAL_M)

    return reached


def _routes(table: LaneTable, play: Play) -> tuple[list[list[int]], list[int]]:
    """Lines of the ego's route and then of each part's lanes; and which row each part has, -1 for none."""
    rows = [lines_of(table, play.route.lane_ids.tolist())]
    of: list[int] = []
    for part in play.parts:
        of.append(len(rows) if part.lanes else -1)
        if part.lanes:
            rows.append(lines_of(table, part.lanes))
    return rows, of


def _enter_ego(state: State, table: LaneTable, route: list[int], play: Play) -> None:
    lane_id = play.path.lane_ids[int(play.path.index_at(play.start_m))]
    x, y, _, _ = play.path.center.at(play.start_m)
    lane = RoadLane(next(v for v in play.lane_map.lanes if v.id == lane_id))
    s, d = lane.project(float(x), float(y))
    line, s_m = line_at(table, lane_id, s / lane.center.length_m)
    at = route.index(line if line in route else line_of(table, lane_id))
    state.route[0, EGO], state.route_at[0, EGO] = 0, at
    state.window[0, EGO, 0], state.s_m[0, EGO] = line, s_m
    state.d_m[0, EGO] = state.target_d_m[0, EGO] = d
    state.route_s_m[0, EGO] = play.start_m


def enter(state: State, table: LaneTable, i: int, part: Part, line: int, route: int) -> None:
    """Agent i of world 0 plays a part, from a line on, along a row of the routes (-1: wherever the line leads).

    Raises:
      InputError: the part has more cues than an agent can have.
    """
    if len(part.cues) > CUES:
        raise InputError(f"actor {part.name!r} has {len(part.cues)} cues; an agent can have {CUES}")
    state.active[0, i], state.mode[0, i] = True, int(Mode.RAIL)
    state.object_class[0, i] = int(part.object_class)
    state.length_m[0, i], state.width_m[0, i] = part.length_m, part.width_m
    state.window[0, i, 0], state.route[0, i] = line, route
    state.s_m[0, i] = part.s_m
    state.d_m[0, i] = state.target_d_m[0, i] = part.d_m
    state.v_mps[0, i] = part.v_mps
    state.cap_mps[0, i] = min(part.cap_mps, float(state.cap_mps[0, i]))
    state.factor[0, i] = part.hurry
    if not math.isnan(part.headway_s):
        state.headway_s[0, i] = part.headway_s
    x, y, yaw, _, _ = table.pose(np.array(line), np.array(part.s_m), np.array(part.d_m))
    state.x_m[0, i], state.y_m[0, i], state.yaw_rad[0, i] = x, y, yaw
    for c, cue in enumerate(part.cues):
        for name, value in (
            ("when", int(cue.when)), ("value", cue.value), ("at_m", cue.at_m), ("speed_mps", cue.speed_mps),
            ("rate_mps2", cue.rate_mps2), ("offset_m", cue.offset_m), ("lateral_mps", cue.lateral_mps),
            ("reckless", cue.reckless),
        ):  # fmt: skip
            getattr(state, f"cue_{name}")[0, i, c] = value


def described(numbers: Mapping[str, float | str]) -> str:
    """Parameters on one line, for notes."""
    return ", ".join(
        f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in numbers.items()
    )
