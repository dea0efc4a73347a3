"""From a recording into the simulator: at one instant the recorded ego becomes the simulated one, among the recorded road users.

Who is there is taken from the recording: its truth or its named objects; where detections have no names, our own tracker gives them
some. They go on as they were recorded, or by themselves once the ego is in their way (`sim.traffic.reactive_logs`). Lights go on showing
what they showed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from whyway.config import Config
from whyway.maps.road import Road
from whyway.maps.signals import SignalPlan
from whyway.perception import Perception
from whyway.types import CYCLE_S, Actor, LaneMap, ObjectClass, Route
from whyway.worlds.bags.recorded_lights import recorded_lights
from whyway.worlds.bags.recording import Recording
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import Track, build_logs, build_signals, recorded_way
from whyway.worlds.sim.sim import Sim, make_sim
from whyway.worlds.sim.state import EGO, Mode, State, empty_state
from whyway.worlds.sim.table import build_table, line_of, lines_of
from whyway.worlds.sim.world import Setting, SimWorld, ego_placed

SHORTEST = 3
"""Who was seen for fewer cycles is left out: a flicker of a detector is nobody."""
SURE = 0.5
"""Tracks that exist with less probability are left out."""

Road3 = tuple[LaneMap, Route, SignalPlan]


@dataclass(slots=True)
class _Cast:
    """One road user of the recording: cycles at which it was there, and its box then."""

    object_class: ObjectClass
    length_m: float
    width_m: float
    cycles: list[int] = field(default_factory=list)
    rows: list[tuple[float, float, float, float]] = field(default_factory=list)


def taken_over(
    recording: Recording, at: int, end: int, road: Road3, seed: int, config: Config
) -> tuple[SimWorld, Mapping[str, str]]:
    """The simulated world that goes on at cycle `at`, its clock at that time, and what to note of it.

    Args:
      recording: what passed by until then.
      at: the cycle of the handover.
      end: the last cycle.
      road: map, route, programs of lights.
      seed: of the sensors.
      config: the whole tree.
    """
    lane_map, route, programs = road
    lights = recorded_lights(recording, lane_map, end, config)
    signals = SignalPlan({**programs.cycles, **lights.cycles})
    named = recording.knows_actors
    cast = (_named if named else _tracked)(recording, at, end, lane_map, route, config)
    ids = sorted(i for i, c in cast.items() if len(c.cycles) >= SHORTEST)
    parts = [cast[i] for i in ids]
    tracks = [_track(c) for c in parts]
    sim, state = _staged(lane_map, route, signals, parts, tracks, recording.ego.at(at), config)
    state = dataclasses.replace(state, tick=state.tick + at)
    setting = Setting(
        name=recording.name,
        lane_map=lane_map,
        route=route,
        sim=sim,
        start=begin(sim, ego_placed(state, recording.ego.at(at), config)),
        id=np.array([0, *ids], dtype=np.int64),
        is_static=np.array([False, *(recorded_way(t) is None for t in tracks)]),
        duration_s=end * CYCLE_S,
        notes={},
    )
    how = "as recorded" if named else "as our tracker saw them in the recorded detections"
    react = ", reacting" if config.sim.traffic.reactive_logs else ", reacting to nothing"
    told = f"until the handover {recording.facts.notes['actors']}, then {len(ids)} {how}{react}"
    notes = {
        "actors": told,
        "lights": f"{len(lights.cycles)} of {len(lane_map.lights)} as recorded",
    }
    return SimWorld(setting, seed, config), notes


def _named(
    recording: Recording, at: int, end: int, _map: LaneMap, _route: Route, config: Config
) -> dict[int, _Cast]:  # fmt: skip
    cast: dict[int, _Cast] = {}
    for k in range(at, end + 1):
        for actor in recording.truth(k, config).actors:
            _add(cast, k, actor)
    return cast


def _tracked(
    recording: Recording, at: int, end: int, lane_map: LaneMap, route: Route, config: Config
) -> dict[int, _Cast]:
    """Names from our tracker, which looks at the whole recording: it knows at the handover who has been there for long."""
    perception = Perception(config, Road(lane_map, route))
    cast: dict[int, _Cast] = {}
    for k in range(end + 1):
        for o in perception.step(recording.observation(k)).objects:
            if k >= at and o.existence_probability >= SURE:
                v = float(np.hypot(o.vx_mps, o.vy_mps))
                _add(
                    cast,
                    k,
                    Actor(
                        o.id,
                        o.object_class,
                        o.x_m,
                        o.y_m,
                        o.yaw_rad,
                        v,
                        o.length_m,
                        o.width_m,
                        False,
                    ),
                )
    return cast


def _add(cast: dict[int, _Cast], k: int, actor: Actor) -> None:
    part = cast.setdefault(actor.id, _Cast(actor.object_class, actor.length_m, actor.width_m))
    part.cycles.append(k)
    part.rows.append((actor.x_m, actor.y_m, actor.yaw_rad, actor.v_mps))


def _track(c: _Cast) -> Track:
    """One recording with every cycle in it: gaps are filled evenly."""
    cycles = np.arange(c.cycles[0], c.cycles[-1] + 1)
    x, y, yaw, v = np.array(c.rows).T
    filled = (np.interp(cycles, c.cycles, column) for column in (x, y, np.unwrap(yaw), v))
    return Track(c.cycles[0] * CYCLE_S, *filled)


def _staged(
    lane_map: LaneMap, route: Route, plan: SignalPlan, parts: list[_Cast], tracks: list[Track], ego: object, config: Config,
) -> tuple[Sim, State]:  # fmt: skip
    """Simulator and first state: everybody on a log; where logs react, those who move on a line of their own, too."""
    signals = build_signals(lane_map.lights, plan)
    logs = build_logs(tracks, CYCLE_S)
    state = empty_state(1, 1 + len(parts))
    for i, c in enumerate(parts, start=1):
        state.object_class[0, i] = int(c.object_class)
        state.length_m[0, i], state.width_m[0, i] = c.length_m, c.width_m
        state.mode[0, i], state.log[0, i] = int(Mode.LOG), i - 1
    traffic = config.sim.traffic
    if not traffic.reactive_logs:
        return make_sim(CYCLE_S, config.vehicle, traffic, signals, logs=logs), state
    ways = [recorded_way(t) for t in tracks]
    table = build_table(lane_map, signals.light_id.tolist(), [w for w in ways if w is not None])
    rows = lines_of(table, route.lane_ids.tolist())
    here = Road(lane_map, route).locate(ego.x_m, ego.y_m, ego.yaw_rad)  # type: ignore[attr-defined]
    line = line_of(table, here[0]) if here is not None else rows[0]
    state.route[0, EGO] = 0
    state.route_at[0, EGO] = rows.index(line) if line in rows else 0
    state.window[0, EGO, 0] = line
    own = len(lane_map.lanes)
    for i, way in enumerate(ways, start=1):
        if way is not None:
            state.mode[0, i], state.window[0, i, 0] = int(Mode.LOG_REACTIVE), own
            own += 1
    sim = make_sim(CYCLE_S, config.vehicle, traffic, signals, table, [rows], logs=logs)
    return sim, state
