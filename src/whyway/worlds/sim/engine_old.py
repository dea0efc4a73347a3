"""One step of W worlds of A agents: traffic decides, everybody moves, boxes are tested. Pure: state in, state out.

Written for the array API (numpy here), single-threaded, without a loop over worlds or agents. The ego (any agent under command)
moves by `whyway.motion` as the planner's model does; traffic moves on rails, recordings as they were recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from array_api_compat import array_namespace

from whyway.config import TrafficConfig, VehicleConfig
from whyway.geometry import box_corners, boxes_overlap
from whyway.motion import actuate, single_track
from whyway.types import ObjectClass
from whyway.worlds.sim.logs import Logs, Signals
from whyway.worlds.sim.rails import DX, DY, Rails, X, Y
from whyway.worlds.sim.scripts import play, triggered
from whyway.worlds.sim.state import EGO, Mode, Script, State, chosen, clamp
from whyway.worlds.sim.surface import Surface
from whyway.worlds.sim.traffic_old import desired_accelerations

Array = Any

_WALK_MPS2 = 2.0
_ENTRY_CLEAR_M = 30.0
_ENTRY_UNSEEN_M = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Sim:
    """What does not change: the vehicle, the traffic's manners, and the map on arrays. Parts that are None are absent."""

    dt_s: float
    vehicle: VehicleConfig
    traffic: TrafficConfig
    signals: Signals
    rails: Rails | None = None
    logs: Logs | None = None
    surface: Surface | None = None
    demand_at_m: float = 0.0
    """Arc length of the ego's path at which its front asks waiting lights for green."""
    demand_latest_s: float = 45.0
    """They do not wait longer than this."""
    returns: bool = True
    """Traffic that reached the end of its path enters again at its start, as somebody else."""


def seconds(sim: Sim, state: State) -> Array:
    """Time `[W]`; ticks are counted and not summed up, so that it does not drift."""
    xp = array_namespace(state.x_m)
    return xp.astype(state.tick, xp.float64) * sim.dt_s


def light_colors(sim: Sim, state: State) -> Array:
    """`LightColor` values `[W, N]` now."""
    xp = array_namespace(state.x_m)
    asked = xp.where(state.demand_tick < 0, 0 * state.tick, state.tick - state.demand_tick)
    return sim.signals.colors(
        seconds(sim, state) + state.phase_s, xp.astype(asked, xp.float64) * sim.dt_s
    )


def _demand(sim: Sim, state: State) -> Array:
    """When waiting lights were asked for green."""
    xp = array_namespace(state.x_m)
    there = state.s_m[:, EGO] + state.length_m[:, EGO] / 2 >= sim.demand_at_m
    asks = (there | (seconds(sim, state) >= sim.demand_latest_s)) & (state.demand_tick < 0)
    return xp.where(asks, state.tick, state.demand_tick)


def begin(sim: Sim, state: State) -> State:
    """The state made consistent: poses from paths and recordings, flags computed."""
    state = _place(sim, state)
    return _judge(sim, _follow_path(sim, state, everywhere=True))


def step(sim: Sim, state: State, acceleration_mps2: Array, steer_rad: Array) -> State:
    """The state after `dt_s`; commands `[W, A]` count for agents under command."""
    xp = array_namespace(state.x_m)
    dt = sim.dt_s
    commanded = state.active & (state.mode == int(Mode.COMMAND))
    a, steer = actuate(state.v_mps, state.steer_rad, acceleration_mps2, steer_rad, sim.vehicle, dt)
    x, y, yaw, v = single_track(
        state.x_m, state.y_m, state.yaw_rad, state.v_mps, a, steer, sim.vehicle.wheelbase_m, dt
    )
    moved = replace(
        state,
        x_m=chosen(commanded, x, state.x_m), y_m=chosen(commanded, y, state.y_m), yaw_rad=chosen(commanded, yaw, state.yaw_rad),
        v_mps=chosen(commanded, clamp(v, 0.0, None), state.v_mps), a_mps2=chosen(commanded, a, state.a_mps2), steer_rad=chosen(commanded, steer, state.steer_rad),
    )  # fmt: skip
    if sim.rails is not None:
        moved = _drive_rails(sim, state, moved)
    standing = xp.where(moved.v_mps < 0.3, state.standing_s + dt, 0.0 * state.standing_s)
    moved = replace(
        moved, tick=state.tick + 1, standing_s=standing, demand_tick=_demand(sim, state)
    )
    return _judge(sim, _follow_path(sim, _place(sim, moved)))


def _drive_rails(sim: Sim, state: State, moved: State) -> State:
    """Speed and arc length of agents on rails after a step."""
    assert sim.rails is not None
    xp = array_namespace(state.x_m)
    dt, idm = sim.dt_s, sim.traffic.idm
    rail = state.active & (state.mode == int(Mode.RAIL))
    cx, cy = state.centers()
    a, held = desired_accelerations(state, sim.rails, light_colors(sim, state), idm, cx, cy)
    began = triggered(state, cx, cy)
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    a = xp.where(walker & (a > 0.0), clamp((state.cap_mps - state.v_mps) / dt, None, _WALK_MPS2), a)
    a = play(state, began, cx, cy, a, dt)
    a = xp.maximum(a, -state.v_mps / dt)
    v = state.v_mps + a * dt
    s = state.s_m + (state.v_mps + v) / 2 * dt
    # who walks stays where the path ends
    end = xp.take(sim.rails.length_m, clamp(state.path, 0, None))
    arrived = walker & (s >= end)
    s, v = xp.where(arrived, end, s), xp.where(arrived, 0.0 * v, v)
    return replace(
        moved,
        s_m=xp.where(rail, s, moved.s_m),
        v_mps=xp.where(rail, v, moved.v_mps),
        a_mps2=xp.where(rail, xp.astype(a, moved.a_mps2.dtype), moved.a_mps2),
        held=held,
        script_tick=began,
    )


def _place(sim: Sim, state: State) -> State:
    """Poses of agents on rails and recordings, from where they are on them."""
    xp = array_namespace(state.x_m)
    if sim.logs is not None:
        of_log = state.mode == int(Mode.LOG)
        time = xp.broadcast_to(seconds(sim, state)[:, None], state.x_m.shape)
        x, y, yaw, v, a, present = sim.logs.at(clamp(state.log, 0, None), time)
        state = replace(
            state,
            x_m=chosen(of_log, x, state.x_m), y_m=chosen(of_log, y, state.y_m), yaw_rad=chosen(of_log, yaw, state.yaw_rad),
            v_mps=chosen(of_log, v, state.v_mps), a_mps2=chosen(of_log, a, state.a_mps2), active=xp.where(of_log, present, state.active),
        )  # fmt: skip
    if sim.rails is not None:
        state = _enter_and_leave(sim, sim.rails, state)
        rail = state.mode == int(Mode.RAIL)
        x, y, yaw, _ = sim.rails.pose(clamp(state.path, 0, None), state.s_m, state.d_m)
        crossing = state.object_class == int(ObjectClass.PEDESTRIAN)
        state = replace(
            state,
            x_m=xp.where(rail, x, state.x_m), y_m=xp.where(rail, y, state.y_m), yaw_rad=xp.where(rail, yaw, state.yaw_rad),
            steer_rad=xp.where(rail | crossing, 0.0 * state.steer_rad, state.steer_rad),
        )  # fmt: skip
    return state


def _enter_and_leave(sim: Sim, rails: Rails, state: State) -> State:
    """Traffic leaves at the end of its path; one at a time per world enters at the start of its own, where nobody is near."""
    xp = array_namespace(state.x_m)
    rail = (state.mode == int(Mode.RAIL)) & (state.object_class != int(ObjectClass.PEDESTRIAN))
    path = clamp(state.path, 0, None)
    done = rail & state.active & (state.s_m + state.length_m / 2 > xp.take(rails.length_m, path))
    active = state.active & ~done
    state = replace(state, active=active, v_mps=xp.where(done, 0.0 * state.v_mps, state.v_mps))
    if not sim.returns:
        return state
    waiting = rail & ~active & (state.script == int(Script.NONE)) & (state.path >= 0)
    if not bool(xp.any(waiting)):
        return state
    turn = (
        xp.cumulative_sum(xp.astype(waiting, xp.int64), axis=-1) == 1
    ) & waiting  # the first that waits
    w, a = xp.nonzero(turn)
    s = state.length_m[w, a] / 2
    x, y, _, speed = rails.pose(state.path[w, a], s, 0.0 * s)
    cx, cy = state.centers()
    gap = xp.sqrt((cx[w] - x[:, None]) ** 2 + (cy[w] - y[:, None]) ** 2)
    clear = ~xp.any(active[w] & (gap < _ENTRY_CLEAR_M), axis=-1) & (gap[:, EGO] > _ENTRY_UNSEEN_M)
    w, a, s, speed = w[clear], a[clear], s[clear], speed[clear]
    new = {
        n: xp.asarray(getattr(state, n), copy=True)
        for n in ("active", "s_m", "v_mps", "held", "generation", "standing_s")
    }
    new["active"][w, a], new["s_m"][w, a], new["held"][w, a], new["standing_s"][w, a] = (
        True,
        s,
        -1,
        0.0,
    )
    new["v_mps"][w, a] = xp.minimum(speed * state.factor[w, a], state.cap_mps[w, a]) * 0.7
    new["generation"][w, a] = state.generation[w, a] + 1
    return replace(state, **new)


def _follow_path(sim: Sim, state: State, everywhere: bool = False) -> State:
    """`s_m`, `d_m` of agents under command, searched near where they were (or along the whole path)."""
    if sim.rails is None:
        return state
    xp = array_namespace(state.x_m)
    w, a = xp.nonzero(state.active & (state.mode == int(Mode.COMMAND)) & (state.path >= 0))
    if w.shape[0] == 0:
        return state
    rails, path = sim.rails, state.path[w, a]
    cx, cy = state.centers()
    px, py = cx[w, a], cy[w, a]
    if everywhere:
        index = xp.broadcast_to(
            xp.arange(rails.points - 1)[None, :], (w.shape[0], rails.points - 1)
        )
    else:
        reach = 6  # points to either side: far more than a step
        middle = xp.astype(xp.round(state.s_m[w, a] / rails.spacing_m), xp.int64)
        index = clamp(middle[:, None] + xp.arange(-reach, reach + 1)[None, :], 0, rails.points - 2)
    rows = path[:, None] * rails.points + index
    at_x, at_y = rails.table[:, X][rows], rails.table[:, Y][rows]
    best = xp.argmin((px[:, None] - at_x) ** 2 + (py[:, None] - at_y) ** 2, axis=-1)
    k = xp.take_along_axis(index, best[:, None], axis=-1)[:, 0]
    row = rails.table[path * rails.points + k]
    ux, uy = row[:, DX] / rails.spacing_m, row[:, DY] / rails.spacing_m
    rx, ry = px - row[:, X], py - row[:, Y]
    s, d = xp.asarray(state.s_m, copy=True), xp.asarray(state.d_m, copy=True)
    s[w, a] = k * rails.spacing_m + rx * ux + ry * uy
    d[w, a] = ux * ry - uy * rx
    return replace(state, s_m=s, d_m=d)


def _judge(sim: Sim, state: State) -> State:
    """Collisions and corners off the road."""
    xp = array_namespace(state.x_m)
    cx, cy = state.centers()
    # far pairs go by their circles before boxes are turned
    radius = xp.sqrt(state.length_m**2 + state.width_m**2) / 2
    dx, dy = cx[:, None, :] - cx[:, :, None], cy[:, None, :] - cy[:, :, None]
    reach = radius[:, None, :] + radius[:, :, None]
    agents = cx.shape[-1]
    upper = xp.arange(agents)[:, None] < xp.arange(agents)[None, :]
    close = (
        (dx * dx + dy * dy < reach * reach)
        & upper[None]
        & state.active[:, None, :]
        & state.active[:, :, None]
    )
    w, a, b = xp.nonzero(close)
    touch = boxes_overlap(
        cx[w, a], cy[w, a], state.yaw_rad[w, a], state.length_m[w, a], state.width_m[w, a],
        cx[w, b], cy[w, b], state.yaw_rad[w, b], state.length_m[w, b], state.width_m[w, b],
    )  # fmt: skip
    collided = xp.zeros(cx.shape, dtype=xp.bool)
    collided[w[touch], a[touch]] = True
    collided[w[touch], b[touch]] = True
    off = state.off_road
    if sim.surface is not None:
        off = xp.zeros(cx.shape, dtype=xp.bool)
        w, a = xp.nonzero(state.active & (state.mode == int(Mode.COMMAND)))
        corners = box_corners(
            cx[w, a], cy[w, a], state.yaw_rad[w, a], state.length_m[w, a], state.width_m[w, a]
        )
        off[w, a] = ~xp.all(sim.surface.drivable(corners[..., 0], corners[..., 1]), axis=-1)
    return replace(state, collided=collided, off_road=off)
