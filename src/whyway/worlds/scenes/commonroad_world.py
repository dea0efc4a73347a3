"""A CommonRoad scene as a world: its recorded road users replayed around the ego, which starts at the planning problem's state.

Limits: who is recorded reacts to nothing, so an ego that stands may be driven into from behind. With `sim.traffic.reactive_logs` a
recorded road user whom the ego gets in the way of leaves its recording and drives on along its recorded path by car following.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from whyway.config import Config
from whyway.maps.commonroad import CommonRoadScene, Obstacle, read_scene
from whyway.maps.goal import goal_counts
from whyway.types import CYCLE_S, EgoState
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import Track, build_logs, build_signals, recorded_way
from whyway.worlds.sim.sim import Sim, make_sim
from whyway.worlds.sim.state import EGO, Mode, State, empty_state
from whyway.worlds.sim.table import build_table, lines_of
from whyway.worlds.sim.world import GoalTest, Setting, SimWorld, ego_placed


def commonroad_world(
    path: Path, seed: int, config: Config, duration_s: float | None = None
) -> SimWorld:
    """The world of a scene file; it lasts until the scene's end, or `duration_s` if that is sooner.

    Raises:
      SceneError: the file cannot be read as a scene.
    """
    scene = read_scene(path, config.vehicle)
    sim, state = (_reactive if config.sim.traffic.reactive_logs else _replayed)(scene, config)
    start = begin(sim, ego_placed(state, scene.ego_initial, config))
    # whole steps only
    end_s = round(round(scene.duration_s / CYCLE_S) * CYCLE_S, 6)
    setting = Setting(
        name=scene.benchmark_id,
        lane_map=scene.lane_map,
        route=scene.route,
        sim=sim,
        start=start,
        id=np.array([0, *(o.id for o in scene.obstacles)], dtype=np.int64),
        is_static=np.array([False, *(o.is_static for o in scene.obstacles)]),
        duration_s=end_s if duration_s is None else min(duration_s, end_s),
        notes={
            "scene": scene.benchmark_id,
            "file": path.name,
            "obstacles": str(len(scene.obstacles)),
            "goal_counts": "yes" if goal_counts(path) else "no",
        },
        goal=_goal(scene, config),
    )
    return SimWorld(setting, seed, config)


def _replayed(scene: CommonRoadScene, config: Config) -> tuple[Sim, State]:
    """Every road user as it was recorded."""
    signals = build_signals(scene.lane_map.lights, scene.signals)
    tracks = [track_of(o, scene.dt_s) for o in scene.obstacles]
    logs = build_logs(tracks, scene.dt_s)
    state = empty_state(1, 1 + len(scene.obstacles))
    for i, obstacle in enumerate(scene.obstacles, start=1):
        state.object_class[0, i] = int(obstacle.object_class)
        state.length_m[0, i], state.width_m[0, i] = obstacle.length_m, obstacle.width_m
        state.mode[0, i], state.log[0, i] = int(Mode.LOG), i - 1
    return make_sim(CYCLE_S, config.vehicle, config.sim.traffic, signals, logs=logs), state


def _reactive(scene: CommonRoadScene, config: Config) -> tuple[Sim, State]:
    """Road users as recorded, those who move on lines of their own; the ego on the lines of its route."""
    replayed, state = _replayed(scene, config)
    ways = [recorded_way(track_of(o, scene.dt_s)) for o in scene.obstacles]
    own = [way for way in ways if way is not None]
    table = build_table(scene.lane_map, replayed.signals.light_id.tolist(), own)
    route = lines_of(table, scene.route.lane_ids.tolist())
    state.route[0, EGO], state.window[0, EGO, 0] = 0, route[0]
    line = len(scene.lane_map.lanes)
    for i, way in enumerate(ways, start=1):
        if way is not None:
            state.mode[0, i], state.window[0, i, 0] = int(Mode.LOG_REACTIVE), line
            line += 1
    sim = make_sim(
        CYCLE_S, config.vehicle, config.sim.traffic, replayed.signals, table, [route], logs=replayed.logs
    )  # fmt: skip
    return sim, state


def track_of(o: Obstacle, dt_s: float) -> Track:
    """One recording with every step in it: gaps in the recorded steps are filled evenly."""
    steps = np.arange(o.time_index[0], o.time_index[-1] + 1)
    x, y, yaw, v = (
        np.interp(steps, o.time_index, c) for c in (o.x_m, o.y_m, np.unwrap(o.yaw_rad), o.v_mps)
    )
    return Track(float(o.time_index[0]) * dt_s, x, y, yaw, v, o.is_static)


def _goal(scene: CommonRoadScene, config: Config) -> GoalTest | None:
    goal, offset = scene.goal, config.vehicle.center_offset_m
    if goal is None:
        return None

    def reached(time_s: float, ego: EgoState) -> bool:
        x, y = ego.x_m + offset * math.cos(ego.yaw_rad), ego.y_m + offset * math.sin(ego.yaw_rad)
        return goal.reached(time_s, x, y, ego.yaw_rad, ego.v_mps)

    return reached
