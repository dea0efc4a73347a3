"""One step of W worlds of A agents: traffic decides, everybody moves, boxes are tested. Pure: state in, state out.

Dense and of fixed shape (`arrays.py`), so that one code runs on numpy, on torch, compiled, and on a GPU. The ego (any agent under
command) moves by `whyway.motion` as the planner's model does; traffic moves along lines, recordings as they were recorded.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from whyway.motion import actuate, single_track
from whyway.types import LightColor
from whyway.worlds.sim.ahead import arc_of_samples, next_merge, way_at
from whyway.worlds.sim.arrays import chosen, clamp, few, namespace, none, pick, put_in, those, to
from whyway.worlds.sim.bodies import judge
from whyway.worlds.sim.change import Change, chances, changes, needed, side_of
from whyway.worlds.sim.cues import Part, play
from whyway.worlds.sim.entries import enter_and_leave
from whyway.worlds.sim.others import leads, threatened
from whyway.worlds.sim.regain import counted_again, line_again
from whyway.worlds.sim.rights import Gate, rights
from whyway.worlds.sim.seen import Boxes, Seen, centers, see
from whyway.worlds.sim.seen import light_colors as light_colors
from whyway.worlds.sim.sim import Sim as Sim
from whyway.worlds.sim.sim import make_sim as make_sim
from whyway.worlds.sim.state import EGO, WINDOW, Mode, State, updated
from whyway.worlds.sim.table import LaneTable
from whyway.worlds.sim.traffic import Motion, drive
from whyway.worlds.sim.windows import Trip, fill, move_on, on_route, track

Array = Any

REACTS_MPS2 = 1.0
"""A recording gives up its track when it would have to brake so much harder than it did."""
_ASTRAY_M = 0.5
"""Who is driven so far beyond the border of its lane is on the next one."""
_AXLES = 0.3
"""Axles stand so far from a box's centre, in its lengths."""
_SLANT, _SWING_M = 0.3, 0.6
"""Most heading a box on a line has against it, and twice the most its ends swing out by that."""


def seconds(sim: Sim, state: State) -> Array:
    """Time `[W]`; ticks are counted and not summed up, so that it does not drift."""
    return to(state.tick, state.phase_s.dtype) * sim.dt_s


def step(sim: Sim, state: State, acceleration_mps2: Array, steer_rad: Array) -> State:
    """The state after `dt_s`; commands `[W, A]` count for agents under command."""
    return advance(namespace(state.x_m), sim, state, acceleration_mps2, steer_rad)[0]


def advance(
    xp: Any, sim: Sim, state: State, acceleration_mps2: Array, steer_rad: Array, seen: Seen | None = None
) -> tuple[State, Boxes]:  # fmt: skip
    """`step` for whoever has the namespace at hand, and maybe what is `seen` of the state; tells the boxes of the next state, too."""
    if seen is None and sim.table is not None:
        seen = see(xp, sim, state)
    cx, cy = centers(xp, state)[:2] if seen is None else (seen.boxes.x_m, seen.boxes.y_m)
    time = to(state.tick, state.phase_s.dtype) * sim.dt_s
    part = play(xp, state, cx, cy, time, sim.dt_s)
    driven = state.active & (state.mode == int(Mode.COMMAND))
    moved = updated(
        _driven(sim, state, driven, acceleration_mps2, steer_rad),
        cue_next=part.next,
        cue_tick=part.tick,
        target_d_m=part.target_d_m,
        lateral_mps=part.lateral_mps,
    )
    if sim.table is not None:
        assert seen is not None
        moved = _along_lines(xp, sim, sim.table, state, moved, part, seen)
    elif sim.logs is not None:
        moved = _recorded(xp, sim, moved, state.tick + 1)
    standing = xp.where(
        xp.abs(moved.v_mps) < 0.3, moved.standing_s + sim.dt_s, 0.0 * moved.standing_s
    )
    moved = updated(
        moved, tick=state.tick + 1, standing_s=standing, demand_tick=_demand(xp, sim, state, time)
    )
    if sim.table is not None:
        moved = enter_and_leave(xp, sim.table, moved, sim.returns)
    return judge(xp, sim, moved)


def _driven(
    sim: Sim, state: State, driven: Array, acceleration_mps2: Array, steer_rad: Array
) -> State:
    """The state after those under command have moved by the vehicle model."""
    now = (state.x_m, state.y_m, state.yaw_rad, state.v_mps, state.a_mps2, state.steer_rad)
    some = few(driven)
    mine = (*now, acceleration_mps2, steer_rad)
    if some is not None:
        mine = tuple(pick(v, some) for v in mine)
    x, y, yaw, v, _, steer, accelerate, turn = mine
    a, steer = actuate(v, steer, accelerate, turn, sim.vehicle, sim.dt_s)
    x, y, yaw, v = single_track(x, y, yaw, v, a, steer, sim.vehicle.wheelbase_m, sim.dt_s)
    after = (x, y, yaw, clamp(v, 0.0, None), a, steer)
    if some is None:
        x, y, yaw, v, a, steer = (
            chosen(driven, new, old) for new, old in zip(after, now, strict=True)
        )
    else:
        x, y, yaw, v, a, steer = (
            put_in(old, some, new) for new, old in zip(after, now, strict=True)
        )
    return updated(state, x_m=x, y_m=y, yaw_rad=yaw, v_mps=v, a_mps2=a, steer_rad=steer)


def _demand(xp: Any, sim: Sim, state: State, time_s: Array) -> Array:
    """When waiting lights were asked for green."""
    there = state.route_s_m[:, EGO] + state.length_m[:, EGO] / 2 >= sim.demand_at_m
    asks = (there | (time_s >= sim.demand_latest_s)) & (state.demand_tick < 0)
    return xp.where(asks, state.tick, state.demand_tick)


def _along_lines(
    xp: Any, sim: Sim, table: LaneTable, state: State, moved: State, part: Part, seen: Seen
) -> State:  # fmt: skip
    """Everything that has to do with lines: what traffic does, and where everybody is on them afterwards."""
    box, lines, gate, colors = seen.boxes, seen.lines, seen.gate, seen.colors
    cx, cy, c, s, others = box.x_m, box.y_m, box.cos, box.sin, box.others
    way = way_at(xp, lines, table, arc_of_samples(xp, cx))
    side = side_of(xp, state, cx.dtype)
    joins, join_m = next_merge(xp, lines, sim.merges)
    merge = (joins, join_m, (joins >= 0) & (gate.distance_m + state.length_m / 2 > join_m))
    chance = chances(xp, state, lines, table, side)
    lead = leads(
        xp, state, others, way, cx, cy, c, s, gate.exit_m, merge, side, chance.line >= 0, sim.traffic.idm
    )  # fmt: skip
    must = needed(xp, state, table, sim.escape, sim.routes)
    change = changes(xp, state, lines, lead, gate, chance, must, side, sim.dt_s)
    held = rights(xp, state, lines, gate, table, colors, lead.exit_taken, lead.gap_m, part.reckless)
    threat = threatened(xp, state, others, c, s)
    motion = drive(
        xp, state, lines, lead, gate, held, change, part, threat, table, seen.lane[1], sim.traffic.idm, sim.dt_s
    )  # fmt: skip
    mode = state.mode
    if sim.logs is not None:
        gives_way = (
            sim.traffic.idm.a_mps2 + lead.pull_of_free
            < clamp(state.a_mps2, None, 0.0) - REACTS_MPS2
        )
        leaves = (mode == int(Mode.LOG_REACTIVE)) & state.active & gives_way
        mode = xp.where(leaves, int(Mode.RAIL) + 0 * mode, mode)
    moved = updated(
        moved,
        mode=mode,
        held=held,
        wish=change.wish,
        lead_gap_m=lead.gap_m,
        lead_v_mps=lead.v_mps,
        ran_red=_ran_red(xp, state, gate, colors, motion, moved),
    )
    return _place(xp, sim, table, state, moved, change, motion, seen.lane[2])


def _ran_red(
    xp: Any, state: State, gate: Gate, colors: Array, motion: Motion, moved: State
) -> Array:
    """Whose front passes a stop line at red in this step."""
    if not colors.shape[-1]:
        return state.active & (gate.light >= 0)
    worlds, lights = colors.shape
    at = xp.arange(worlds, dtype=xp.int64, device=colors.device)[:, None] * lights
    red = (gate.light >= 0) & (pick(colors, at + clamp(gate.light, 0, None)) == int(LightColor.RED))
    driven = state.mode == int(Mode.COMMAND)
    way = xp.where(driven, (state.v_mps + moved.v_mps) * 0.5, motion.v_mps)
    passes = (gate.distance_m > 0.0) & (gate.distance_m <= way * 0.1)
    return state.active & red & passes


def _place(xp: Any, sim: Sim, table: LaneTable, state: State, moved: State, change: Change, motion: Motion, half: Array) -> State:  # fmt: skip
    """Where everybody is on lines (`half` as wide), and poses of those who follow them or a recording."""
    dt = sim.dt_s
    rail = state.active & (moved.mode == int(Mode.RAIL))
    line = clamp(state.window[..., 0], 0, None)
    changed = change.line >= 0
    ahead = xp.where(rail, motion.ahead_m, (state.v_mps + moved.v_mps) * (0.5 * dt))
    s_old, d_old = state.s_m + ahead, xp.where(rail, motion.d_m, state.d_m)

    new_line, other, s = _taken(xp, sim, table, state, change, half, s_old)
    window, came_from = state.window, state.came_from
    if not none(other):
        first = xp.where(other, new_line, window[..., 0])
        window = _forgotten(xp, window, other)
        window[..., 0] = first
        came_from = xp.where(other, 0 * line - 1, came_from)
    at, route = state.route_at, xp.where(change.gives_up, 0 * state.route - 1, state.route)
    if sim.routes is not None:
        at = counted_again(xp, sim.routes, route, at, new_line)
        window = _forgotten(xp, window, at != state.route_at)
    trip = move_on(xp, state, Trip(window, came_from, s, at), route, table, sim.routes)
    window, came_from, s, at = trip.window, trip.came_from, trip.s_m, trip.at

    now = clamp(window[..., 0], 0, None)
    x, y, yaw = _stretched(
        xp, table, state.length_m * _AXLES,
        xp.where(changed, line, now),
        xp.where(changed, state.came_from, came_from),
        xp.where(changed, state.window[..., 1], window[..., 1]),
        xp.where(changed, s_old, s), d_old,
    )  # fmt: skip
    drift = (d_old - state.d_m) / (dt * clamp(xp.abs(moved.v_mps), 1.0, None))
    drift = xp.where(state.v_mps < 0.0, -drift, drift)
    walker = state.width_m >= state.length_m
    slant = clamp(_SWING_M / state.length_m, None, _SLANT)
    yaw = yaw + xp.where(walker, 0.0 * drift, xp.maximum(xp.minimum(drift, slant), -slant))
    moved = updated(
        moved,
        x_m=xp.where(rail, x, moved.x_m), y_m=xp.where(rail, y, moved.y_m), yaw_rad=xp.where(rail, yaw, moved.yaw_rad),
        v_mps=xp.where(rail, motion.v_mps, moved.v_mps), a_mps2=xp.where(rail, motion.a_mps2, moved.a_mps2),
        steer_rad=xp.where(rail, 0.0 * yaw, moved.steer_rad),
        window=window, came_from=came_from, route=route, route_at=at,
        changed_tick=xp.where(changed, state.tick[:, None] + 0 * line, state.changed_tick),
        target_d_m=xp.where(changed, 0.0 * s, moved.target_d_m),
    )  # fmt: skip
    if sim.logs is not None:
        moved = _recorded(xp, sim, moved, state.tick + 1)
    cx, cy, _, _ = centers(xp, moved)
    s, d = _found(xp, table, rail & ~changed, now, cx, cy, s, d_old)
    gone = xp.where(other, 0.0 * ahead, ahead)
    along = state.route_s_m + gone
    if sim.routes is not None and sim.route_start_m is not None:
        start = _begins(sim, route, at)
        on = (route >= 0) & (on_route(xp, sim.routes, route, at) == now)
        along = xp.where(on, start + s, along)
    driven = moved.mode == int(Mode.COMMAND)
    return updated(
        moved,
        s_m=s, d_m=d, route_s_m=along, target_d_m=xp.where(driven, d, moved.target_d_m),
    )  # fmt: skip


def _taken(
    xp: Any, sim: Sim, table: LaneTable, state: State, change: Change, half: Array, s_m: Array
) -> tuple[Array, Array, Array]:
    """The line everybody is on after the step, whether that is another one, and the place on it; `s_m` was that on the old one.

    Who is driven onto the next lane is on it; who changes lanes has the old one's place on the new one.
    """
    line, changed = clamp(state.window[..., 0], 0, None), change.line >= 0
    strays = (
        state.active & (state.mode == int(Mode.COMMAND)) & (xp.abs(state.d_m) > half + _ASTRAY_M)
    )
    aside = xp.where(state.d_m > 0.0, pick(table.left, line), pick(table.right, line))
    nowhere = strays & (aside < 0)
    strays = strays & (aside >= 0)
    new_line = xp.where(changed, change.line, xp.where(strays, aside, line))
    other = changed | strays
    scale = pick(table.length_m, new_line) / pick(table.length_m, line)
    s_m = xp.where(other, s_m * scale, s_m)
    if sim.routes is not None:
        found, found_s = line_again(xp, table, sim.routes, state, nowhere, _ASTRAY_M)
        other, new_line = other | (found >= 0), xp.where(found >= 0, found, new_line)
        s_m = xp.where(found >= 0, found_s, s_m)
    return new_line, other, s_m


def _begins(sim: Sim, route: Array, at: Array) -> Array:
    """Arc length along routes at which their lines at some places begin."""
    assert sim.routes is not None
    length = sim.routes.shape[1]
    place = clamp(route, 0, None) * length + clamp(at, 0, length - 1)
    return pick(sim.route_start_m, place)


def _forgotten(xp: Any, window: Array, whose: Array) -> Array:
    """The windows, of which some keep their first line only: they lead elsewhere now. New ones, if there is anybody."""
    if none(whose):
        return window
    some = those(whose)
    if some is None:
        slot = xp.arange(WINDOW, dtype=xp.int64, device=window.device)
        return xp.where(whose[..., None] & (slot > 0), 0 * window - 1, window)
    window = window.copy()
    window.reshape(-1, WINDOW)[some, 1:] = -1
    return window


def _found(
    xp: Any, table: LaneTable, keeps: Array, line: Array, x_m: Array, y_m: Array, s_m: Array, d_m: Array
) -> tuple[Array, Array]:  # fmt: skip
    """Place on the line: kept by those who follow it, found from the pose for the others."""
    some = few(~keeps)
    if some is None:
        s, d = track(xp, table, line, x_m, y_m, s_m)
        return xp.where(keeps, s_m, s), xp.where(keeps, d_m, d)
    s, d = track(xp, table, *(pick(v, some) for v in (line, x_m, y_m, s_m)))
    return put_in(s_m, some, s), put_in(d_m, some, d)


def _stretched(
    xp: Any, table: LaneTable, reach_m: Array, line: Array, before: Array, after: Array, s_m: Array, d_m: Array
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Pose of a box whose two axles stand on its lines, `reach_m` before and behind its centre: so long ones cut corners little."""
    long = pick(table.length_m, line)
    front, rear = s_m + reach_m, s_m - reach_m
    over, under = (front > long) & (after >= 0), (rear < 0.0) & (before >= 0)
    lines = xp.stack([xp.where(over, after, line), xp.where(under, before, line)], axis=0)
    back = pick(table.length_m, clamp(before, 0, None))
    s = xp.stack([xp.where(over, front - long, front), xp.where(under, rear + back, rear)], axis=0)
    x, y = table.point(lines, s, d_m)
    return (x[0] + x[1]) / 2, (y[0] + y[1]) / 2, xp.atan2(y[0] - y[1], x[0] - x[1])


def _recorded(xp: Any, sim: Sim, state: State, tick: Array) -> State:
    """Poses and presence of recordings at a tick `[W]`."""
    assert sim.logs is not None
    of_log = (state.mode == int(Mode.LOG)) | (state.mode == int(Mode.LOG_REACTIVE))
    of_log = of_log & (state.log >= 0)
    time = to(tick, state.phase_s.dtype)[:, None] * sim.dt_s + 0.0 * to(
        state.x_m, state.phase_s.dtype
    )
    x, y, yaw, v, a, present = sim.logs.at(clamp(state.log, 0, None), time)
    return updated(
        state,
        x_m=chosen(of_log, x, state.x_m), y_m=chosen(of_log, y, state.y_m), yaw_rad=chosen(of_log, yaw, state.yaw_rad),
        v_mps=chosen(of_log, v, state.v_mps), a_mps2=chosen(of_log, a, state.a_mps2), active=xp.where(of_log, present, state.active),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- begin, subsets


def begin(sim: Sim, state: State) -> State:
    """The state made consistent: windows filled, poses from lines and recordings, flags computed."""
    xp = namespace(state.x_m)
    if sim.logs is not None:
        state = _recorded(xp, sim, state, state.tick)
    if sim.table is None:
        return judge(xp, sim, state)[0]
    table = sim.table
    window = fill(xp, state, table, sim.routes)
    on_line = window[..., 0] >= 0
    line = clamp(window[..., 0], 0, None)
    rail = on_line & (state.mode == int(Mode.RAIL))
    x, y, yaw = _stretched(
        xp, table, state.length_m * _AXLES, line, state.came_from, window[..., 1], state.s_m, state.d_m
    )  # fmt: skip
    state = updated(
        state,
        window=window,
        x_m=xp.where(rail, x, state.x_m),
        y_m=xp.where(rail, y, state.y_m),
        yaw_rad=xp.where(rail, yaw, state.yaw_rad),
    )
    cx, cy, _, _ = centers(xp, state)
    s, d = track(xp, table, line, cx, cy, _roughly(xp, table, line, cx, cy), steps=4)
    s, d = xp.where(rail, state.s_m, s), xp.where(rail, state.d_m, d)
    along = s
    if sim.routes is not None and sim.route_start_m is not None:
        start = _begins(sim, state.route, state.route_at)
        along = xp.where(state.route >= 0, start + s, s)
    driven = state.mode == int(Mode.COMMAND)
    zero = 0.0 * s
    state = updated(
        state,
        s_m=xp.where(on_line, s, zero),
        d_m=xp.where(on_line, d, zero),
        route_s_m=xp.where(on_line, along, zero),
        target_d_m=xp.where(driven & on_line, d, state.target_d_m),
    )
    return judge(xp, sim, state)[0]


def _roughly(xp: Any, table: LaneTable, line: Array, x_m: Array, y_m: Array) -> Array:
    """The nearest of 64 places on each line."""
    best, at = 0.0 * x_m + 1e18, 0.0 * x_m
    for k in range(64):
        s = pick(table.length_m, line) * (k / 63)
        x, y = table.point(line, s, 0.0 * s)
        gap = (x - x_m) ** 2 + (y - y_m) ** 2
        at, best = xp.where(gap < best, s, at), xp.minimum(best, gap)
    return at


def subset(state: State, index: Any) -> State:
    """Some worlds of a state, by whatever indexes its first axis (a slice keeps it without copying)."""
    return State(**{f.name: getattr(state, f.name)[index] for f in dataclasses.fields(State)})


def put(state: State, index: Any, other: State) -> State:
    """The state with some of its worlds (`index`) replaced by those of another."""
    fields = {}
    for f in dataclasses.fields(State):
        value = getattr(state, f.name)
        copy = namespace(value).asarray(value, copy=True)
        copy[index] = getattr(other, f.name)
        fields[f.name] = copy
    return State(**fields)
