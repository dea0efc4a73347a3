"""How real our traffic is: recorded CommonRoad scenes, simulated on from their first second, scored by WOSAC 2025's meta-metric.

Everybody recorded after one second of a scene is handed over and goes on for up to 8 s (shorter where the scene ends), in R rollouts:

* `paths`: our car following, each along the path that was recorded, with manners drawn anew in each rollout;
* `lanes`: our traffic as it is anywhere: car following and lane changes on the lanes of the map, same draws;
* `log`: the recording itself, the most that can be had; `constant_velocity`: straight on at the last speed; `noise`: that, and a
  random walk of accelerations and yaw rates on top, as WOSAC's random agent goes.

The recorded paths of `paths` and their speeds tell it something of the future; `lanes` knows the present only. No ego: the scenes'
ego is a planning problem, nobody was recorded in its place. Cars that the simulation leads off the map are gone from then on.

Shapes: R rollouts, A road users, T steps of 0.1 s, `HISTORY` of them before the simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whyway.config import Config
from whyway.evaluate.metrics.wosac import Realism, realism
from whyway.evaluate.metrics.wosac_features import Motion, features, one
from whyway.evaluate.traffic.road_edge import RoadEdge
from whyway.geometry import box_corners
from whyway.maps.commonroad import CommonRoadScene, read_scene
from whyway.maps.road import Road
from whyway.types import CYCLE_S, Floats, InputError, Ints, ObjectClass
from whyway.worlds.scenes.commonroad_world import track_of
from whyway.worlds.sim.arrays import luck
from whyway.worlds.sim.engine import begin, step
from whyway.worlds.sim.lane_table import LaneTable, line_at
from whyway.worlds.sim.logs import Track, build_logs, build_signals, recorded_way
from whyway.worlds.sim.populate import manners
from whyway.worlds.sim.sim import make_sim
from whyway.worlds.sim.state import EGO, Mode, State, empty_state
from whyway.worlds.sim.table import build_table

HISTORY = 11
"""Recorded steps before the first simulated one, as in WOSAC: 1 s, and now."""
MOST_STEPS = 80
LEAST_STEPS = 20
ROLLOUTS = 32
VEHICLES = frozenset(
    {
        ObjectClass.CAR,
        ObjectClass.TRUCK,
        ObjectClass.BUS,
        ObjectClass.TRAILER,
        ObjectClass.MOTORCYCLE,
    }
)
_NOISE_MPS2, _NOISE_RPS = 2.0, 0.2
_PATIENCE = 5
"""Salt of the draw of manners: that of the simulator's own traffic."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Those of a scene who are there when the simulation begins; `motion` is `(1, A, T)`."""

    scene: CommonRoadScene
    road: Road
    tracks: tuple[Track, ...]
    object_class: Ints
    motion: Motion
    v_mps: Floats
    """`(A, T)`."""

    @property
    def steps(self) -> int:
        """T."""
        return int(self.motion.x_m.shape[-1])

    @property
    def is_vehicle(self) -> np.ndarray:
        """`(A,)`."""
        return np.isin(self.object_class, [int(c) for c in VEHICLES])


def record(scene: CommonRoadScene) -> Recording:
    """The recording of a scene.

    Raises:
      InputError: nobody was recorded, or it is too short to simulate.
    """
    steps = min(round(scene.duration_s / CYCLE_S) + 1, HISTORY + MOST_STEPS)
    if steps < HISTORY + LEAST_STEPS:
        raise InputError(
            f"{scene.benchmark_id}: lasts {scene.duration_s:.1f} s; realism needs {(HISTORY + LEAST_STEPS) * CYCLE_S:.1f} s"
        )
    tracks = tuple(track_of(o, scene.dt_s) for o in scene.obstacles)
    logs = build_logs(tracks, scene.dt_s)
    who = np.arange(len(tracks))[:, None] + np.zeros(steps, dtype=np.int64)
    x, y, yaw, v, _, there = logs.at(who, np.arange(steps) * CYCLE_S + 0.0 * who)
    known = there[:, HISTORY - 1] & there[:, HISTORY - 2]
    if not len(tracks) or not known.any():
        raise InputError(
            f"{scene.benchmark_id}: nobody is recorded at {(HISTORY - 1) * CYCLE_S:.1f} s"
        )
    x, y, yaw, v = (np.where(there, c, np.nan)[known] for c in (x, y, yaw, v))
    size = [
        np.array([getattr(o, name) for o in scene.obstacles])[known]
        for name in ("length_m", "width_m")
    ]
    return Recording(
        scene, Road(scene.lane_map, scene.route), tuple(t for t, k in zip(tracks, known, strict=True) if k),
        np.array([int(o.object_class) for o in scene.obstacles])[known],
        Motion(x[None], y[None], yaw[None], *size), v,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- rollouts

Paths = tuple[Floats, Floats, Floats]
"""x, y, yaw `(R, A, T')` of the simulated steps, NaN where somebody is gone."""


def replayed(r: Recording, rollouts: int, config: Config) -> Paths:
    """The recording, once: all rollouts would be the same."""
    m = r.motion
    return m.x_m[..., HISTORY:], m.y_m[..., HISTORY:], m.yaw_rad[..., HISTORY:]


def straight_on(r: Recording, rollouts: int, config: Config) -> Paths:
    """Everybody straight on at the last recorded speed, once."""
    return _walk(
        r, np.zeros((1, len(r.tracks), r.steps - HISTORY)), np.zeros((1, len(r.tracks), 1))
    )


def noise(r: Recording, rollouts: int, config: Config) -> Paths:
    """Everybody at random."""
    rng = np.random.default_rng(0)
    shape = (rollouts, len(r.tracks), r.steps - HISTORY)
    return _walk(r, rng.normal(0.0, _NOISE_MPS2, shape), rng.normal(0.0, _NOISE_RPS, shape))


def _walk(r: Recording, a_mps2: Floats, yaw_rate_rps: Floats) -> Paths:
    x, y, yaw = (c[0, :, HISTORY - 1, None] for c in (r.motion.x_m, r.motion.y_m, r.motion.yaw_rad))
    v = np.maximum(r.v_mps[:, HISTORY - 1, None] + np.cumsum(a_mps2, axis=-1) * CYCLE_S, 0.0)
    yaw = yaw + np.cumsum(yaw_rate_rps + 0.0 * v, axis=-1) * CYCLE_S
    ahead = v * CYCLE_S
    return (
        x + np.cumsum(ahead * np.cos(yaw), axis=-1),
        y + np.cumsum(ahead * np.sin(yaw), axis=-1),
        yaw,
    )


def on_paths(r: Recording, rollouts: int, config: Config) -> Paths:
    """Our car following along the recorded paths; who did not move stands."""
    table, line = _table(r)
    s = np.full(len(line), np.nan)  # to be found on the line
    return _simulated(r, rollouts, config, table, line, s, np.zeros(len(line)))


def on_lanes(r: Recording, rollouts: int, config: Config) -> Paths:
    """Our traffic on the lanes of the map; who is on none goes on along the recorded path."""
    table, line = _table(r)
    s, d = np.full(len(line), np.nan), np.zeros(len(line))
    for i in np.flatnonzero(r.is_vehicle & (line >= 0)):
        x, y, yaw = (c[0, i, HISTORY - 1] for c in (r.motion.x_m, r.motion.y_m, r.motion.yaw_rad))
        found = r.road.locate(float(x), float(y), float(yaw))
        if found is not None:
            lane, at, d[i] = found
            share = at / r.road.lanes[lane].center.length_m
            line[i], s[i] = line_at(table, lane, float(np.clip(share, 0.0, 1.0)))
    return _simulated(r, rollouts, config, table, line, s, d)


def _table(r: Recording) -> tuple[LaneTable, Ints]:
    """The lines of the map with the recorded paths behind them, and which is whose `(A,)`, -1 for those who stand."""
    ways = [recorded_way(track) for track in r.tracks]
    own = [way for way in ways if way is not None]
    moves = np.array([way is not None for way in ways])
    lights = [light.id for light in r.scene.lane_map.lights]
    line = np.where(moves, len(r.scene.lane_map.lanes) + np.cumsum(moves) - 1, -1)
    return build_table(r.scene.lane_map, lights, own), line


def _simulated(
    r: Recording, rollouts: int, config: Config, table: LaneTable, line: Ints, s_m: Floats, d_m: Floats
) -> Paths:  # fmt: skip
    """Let the engine go on from the last recorded step, one world a rollout."""
    signals = build_signals(r.scene.lane_map.lights, r.scene.signals)
    # no ego: its place in the state stays empty
    sim = make_sim(CYCLE_S, config.vehicle, config.sim.traffic, signals, table, returns=False)
    state = begin(sim, _start(r, rollouts, table, line, s_m, d_m))
    none = np.zeros_like(state.x_m)
    steps = []
    for _ in range(r.steps - HISTORY):
        state = step(sim, state, none, none)
        gone = ~state.active[:, EGO + 1 :]
        steps.append(
            [np.where(gone, np.nan, c[:, EGO + 1 :]) for c in (state.x_m, state.y_m, state.yaw_rad)]
        )
    x, y, yaw = (np.stack(columns, axis=-1) for columns in zip(*steps, strict=True))
    return x, y, yaw


def _start(
    r: Recording, rollouts: int, table: LaneTable, line: Ints, s_m: Floats, d_m: Floats
) -> State:
    """Everybody as last recorded, on their lines, with manners of their own in each world."""
    count = len(r.tracks)
    state = empty_state(rollouts, 1 + count)
    now = [c[0, :, HISTORY - 1] for c in (r.motion.x_m, r.motion.y_m, r.motion.yaw_rad)]
    of = np.maximum(line, 0)
    s = np.where(np.isnan(s_m), _along(table, of, now[0], now[1]), s_m)
    patience = luck(state.seed[:, None], np.arange(count)[None, :], _PATIENCE) / 2.0**31
    kind = np.broadcast_to(r.object_class, patience.shape)
    moves = line >= 0
    values = {
        "object_class": kind, "active": True, "mode": np.where(moves, int(Mode.RAIL), int(Mode.LOG)),
        "length_m": r.motion.length_m, "width_m": r.motion.width_m, "x_m": now[0], "y_m": now[1], "yaw_rad": now[2],
        "v_mps": np.where(moves, r.v_mps[:, HISTORY - 1], 0.0), "s_m": np.where(moves, s, 0.0),
        "d_m": np.where(moves, d_m, 0.0), **manners(kind, patience),
    }  # fmt: skip
    for name, value in values.items():
        getattr(state, name)[:, EGO + 1 :] = value
    state.window[:, EGO + 1 :, 0] = line
    return state


def _along(table: LaneTable, line: Ints, x: Floats, y: Floats) -> Floats:
    """The arc length `(A,)` of the place on each line that is nearest to a point, to a quarter of a metre."""
    s = np.arange(0.0, float(np.max(table.length_m)) + 0.25, 0.25)[:, None]
    px, py = table.point(
        np.broadcast_to(line, (len(s), len(line))), s + 0.0 * line, 0.0 * (s + line)
    )
    away = np.where(s <= table.length_m[line], np.hypot(px - x, py - y), np.inf)
    found: Floats = s[np.argmin(away, axis=0), 0]
    return found


# ---------------------------------------------------------------------------------------------------------- score

TRAFFIC: dict[str, Callable[[Recording, int, Config], Paths]] = {
    "log": replayed, "paths": on_paths, "lanes": on_lanes, "constant_velocity": straight_on, "noise": noise,
}  # fmt: skip
"""What can be scored, by name."""


def check_traffic(names: Sequence[str]) -> None:
    """Refuse names that are not in `TRAFFIC`.

    Raises:
      InputError: there is one, or no name at all.
    """
    unknown = [name for name in names if name not in TRAFFIC]
    if unknown or not names:
        raise InputError(f"no traffic {', '.join(unknown)!r}; choose of: {', '.join(TRAFFIC)}")


def scene_realism(r: Recording, paths: Paths) -> Realism:
    """Score simulated steps of a recording. Red lights count as nobody's: the scenes of this format seldom have any."""
    simulated = replace(
        r.motion,
        **{
            name: np.concatenate([np.broadcast_to(old, (len(new), *old.shape[1:]))[..., :HISTORY], new], axis=-1)
            for name, old, new in zip(
                ("x_m", "y_m", "yaw_rad"), (r.motion.x_m, r.motion.y_m, r.motion.yaw_rad), paths, strict=True
            )
        },
    )  # fmt: skip
    edge = RoadEdge(r.road)
    compared = []
    for motion in (r.motion, simulated):
        box = (motion.x_m, motion.y_m, motion.yaw_rad)
        corners = box_corners(*box, motion.length_m[:, None], motion.width_m[:, None])
        edge_m = edge.distance(corners[..., 0], corners[..., 1]).max(axis=-1)
        red = np.zeros(motion.x_m.shape, dtype=np.bool_)
        compared.append(features(motion, edge_m, red, r.is_vehicle, HISTORY))
    return realism(one(compared[0]), compared[1], r.is_vehicle[r.is_vehicle])


def traffic_realism(
    scenes: Sequence[Path], traffic: str, config: Config | None = None, rollouts: int = ROLLOUTS
) -> list[Realism]:
    """Score one kind of traffic in scenes; `metrics.wosac.mean_realism` sums them up.

    Args:
      scenes: CommonRoad files.
      traffic: one of `TRAFFIC`.
      config: the whole tree; the default one if None.
      rollouts: R.

    Raises:
      InputError: no such traffic, or a scene that cannot be read, is too short or holds nobody.
    """
    check_traffic([traffic])
    config = config or Config()
    found = []
    for path in scenes:
        r = record(read_scene(path, config.vehicle))
        found.append(scene_realism(r, TRAFFIC[traffic](r, rollouts, config)))
    return found
