"""Traffic on rails: what it brakes for, and who may enter a junction. Pure functions of the state, no loop over worlds or agents.

Car following is IDM along an agent's own path, with every agent whose box lies in the path's corridor as a possible leader
(the ego, pedestrians and crossing cars included). Junctions are shared by *rights*: a movement is used by one agent at a
time unless the movements do not conflict; whoever ranks first among those who ask gets it, and keeps it until its rear is out.

Shapes: W worlds, A agents, S stops per path, n pairs of agents near each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from whyway.config import IdmConfig
from whyway.motion import idm_free, idm_interaction
from whyway.types import LightColor, ObjectClass
from whyway.worlds.sim.rails import Rails
from whyway.worlds.sim.scripts import speed_cap
from whyway.worlds.sim.state import Mode, State, clamp, flat_take

Array = Any

HORIZON_M = 80.0
"""Leaders are looked for within this distance."""
CORRIDOR_MARGIN_M = 0.4
PEDESTRIAN_MARGIN_M = 4.0
"""A walking pedestrian so close to the corridor is given way to ..."""
GIVE_WAY_MPS2 = 4.0
"""... if this braking suffices."""
COMFORT_MPS2 = 3.0
"""A light that changes is obeyed if this braking suffices."""
EMERGENCY_MPS2 = 9.0
CLAIM_S = 8.0
"""Agents so far (in time) from a junction are heeded by those who must give way."""
STOP_BEFORE_LINE_M = 1.0
_AT_LINE_M = 2.5
"""Whoever stands further before a line is not waiting for it: somebody is before it, or it does not want to go."""
_IDLE_S = 2.0
_RANK_S = 12.0
"""What a step in priority is worth in seconds until arrival: more than anybody heeded is away."""


@dataclass(frozen=True, slots=True, eq=False)
class Leaders:
    """What lies ahead of each agent `[W, A]`: IDM's strongest interaction [m/s2, <= 0], and whether the junction's exit is taken."""

    interaction_mps2: Array
    exit_taken: Array


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """The next stop of each agent to which it has no right yet `[W, A]`: index in its path, distance from its front, and its data."""

    index: Array
    distance_m: Array
    exit_m: Array
    """From its front to where the junction ends."""
    movement: Array
    priority: Array
    light: Array


def next_stops(state: State, rails: Rails) -> Ahead:
    """The next stop of each agent."""
    xp = array_namespace(state.s_m)
    path = clamp(state.path, 0, None)
    front = state.s_m + state.length_m / 2
    stop_s = xp.take(rails.stop_s_m, xp.reshape(path, (-1,)), axis=0)
    stop_s = xp.reshape(stop_s, (*path.shape, stop_s.shape[-1]))
    stops = stop_s.shape[-1]
    passed = xp.sum(xp.astype(stop_s < (front - 1.0)[..., None], xp.int64), axis=-1)
    index = xp.maximum(passed, state.held + 1)
    there = (index < stops) & (state.path >= 0)
    flat = path * stops + clamp(index, 0, stops - 1)
    far = 0.0 * front + 1e6
    return Ahead(
        index=index,
        distance_m=xp.where(there, xp.minimum(flat_take(rails.stop_s_m, flat) - front, far), far),
        exit_m=xp.where(there, xp.minimum(flat_take(rails.stop_exit_m, flat) - front, far), far),
        movement=flat_take(rails.stop_movement, flat),
        priority=flat_take(rails.stop_priority, flat),
        light=xp.where(there, flat_take(rails.stop_light, flat), -1),
    )


def leaders(
    state: State, rails: Rails, x_m: Array, y_m: Array, ahead: Ahead, idm: IdmConfig
) -> Leaders:
    """IDM's interaction with everybody in the corridor; `x_m`, `y_m` are the boxes' centres `[W, A]`."""
    xp = array_namespace(x_m)
    rail = state.active & (state.mode == int(Mode.RAIL))
    dx, dy = x_m[:, None, :] - x_m[:, :, None], y_m[:, None, :] - y_m[:, :, None]
    c, s = xp.cos(state.yaw_rad), xp.sin(state.yaw_rad)
    near = (dx * dx + dy * dy < HORIZON_M**2) & (
        dx * c[:, :, None] + dy * s[:, :, None] > -state.length_m[:, :, None]
    )
    near = near & rail[:, :, None] & state.active[:, None, :]
    w, a, b = xp.nonzero(near)
    other = a != b
    w, a, b = w[other], a[other], b[other]

    s_b, d_b, path_yaw, found = rails.project(state.path[w, a], x_m[w, b], y_m[w, b])
    angle = state.yaw_rad[w, b] - path_yaw
    cos, sin = xp.cos(angle), xp.sin(angle)
    length, width, v_a, v_b = (
        state.length_m[w, b],
        state.width_m[w, b],
        state.v_mps[w, a],
        state.v_mps[w, b],
    )
    along, across = (
        (xp.abs(cos) * length + xp.abs(sin) * width) / 2,
        (xp.abs(sin) * length + xp.abs(cos) * width) / 2,
    )
    forward = s_b - state.s_m[w, a]
    gap = forward - along - state.length_m[w, a] / 2
    # who walks towards the corridor is given way to, who walks beside it or away from it is not
    aside = d_b - state.d_m[w, a]
    v_across = v_b * sin
    walks = (
        (state.object_class[w, b] == int(ObjectClass.PEDESTRIAN))
        & (v_across * aside < 0.0)
        & (xp.abs(v_across) > 0.3)
    )
    wide = (
        walks
        & (v_a * v_a < 2.0 * GIVE_WAY_MPS2 * gap)
        & (state.object_class[w, a] != int(ObjectClass.PEDESTRIAN))
    )
    margin = xp.where(wide, PEDESTRIAN_MARGIN_M + 0.0 * gap, CORRIDOR_MARGIN_M + 0.0 * gap)
    clear = xp.abs(aside) - across - state.width_m[w, a] / 2
    # the grid tells only of the nearest stretch: far off along the path it is another one's business
    hit = found & (clear < margin) & (forward > 0.0) & (forward < HORIZON_M)
    w, a, b, gap, v_a, v_along = w[hit], a[hit], b[hit], gap[hit], v_a[hit], (v_b * cos)[hit]
    pull = idm_interaction(v_a, gap, v_along, idm)

    dense = xp.zeros(near.shape, dtype=x_m.dtype)
    dense[w, a, b] = pull
    taken = xp.zeros(near.shape, dtype=xp.bool)
    taken[w, a, b] = (v_along < 2.0) & (gap < ahead.exit_m[w, a] + state.length_m[w, a] + idm.s0_m)
    return Leaders(xp.min(dense, axis=-1), xp.any(taken, axis=-1))


def rights(state: State, rails: Rails, ahead: Ahead, exit_taken: Array, colors: Array) -> Array:
    """Index of the stop each agent has the right to pass `[W, A]`, -1 for none, from the rights it had.

    Agents under command take no right but what they stand in: once inside a junction they hold it; before it they are heeded
    by their rank, unless they have been standing for two seconds.
    """
    xp = array_namespace(state.s_m)
    on_path = state.active & (state.path >= 0)
    rail = on_path & (state.mode == int(Mode.RAIL))
    commanded = on_path & (state.mode == int(Mode.COMMAND))
    held = xp.where(
        commanded, _stood_in(state, rails, ahead), xp.where(rail, _kept(state, rails, colors), -1)
    )

    eta = ahead.distance_m / clamp(state.v_mps, 2.0, None)
    idle = state.standing_s > _IDLE_S
    back = idle & (ahead.distance_m > _AT_LINE_M)
    near = (eta < CLAIM_S) | (ahead.distance_m < 12.0)
    claim = (
        on_path
        & _may_go(colors, ahead.light)
        & near
        & xp.where(commanded, ~idle, ~exit_taken & ~back)
    )
    rank = xp.astype(ahead.priority, eta.dtype) * _RANK_S + eta
    # whoever must give way decides at the line, not from afar
    ready = (ahead.priority == 0) | (ahead.distance_m < 6.0)
    w, a = xp.nonzero(claim & rail & (held < 0) & ready)
    if w.shape[0] == 0:
        return held

    # everybody in the world of each who asks: those who hold what conflicts bar it, and those who ask for it and rank before
    flat = clamp(state.path, 0, None) * rails.stop_s_m.shape[-1] + clamp(held, 0, None)
    held_movement = flat_take(rails.stop_movement, flat)[w]
    mine, mine_rank, me = ahead.movement[w, a][:, None], rank[w, a][:, None], a[:, None]
    others = xp.arange(state.s_m.shape[-1])[None, :]
    first = (rank[w] < mine_rank) | ((rank[w] == mine_rank) & (others < me))
    holds, asks = held[w] >= 0, claim[w] & (held[w] < 0) & first
    barred = (
        holds & rails.conflict[mine, held_movement] | asks & rails.conflict[mine, ahead.movement[w]]
    )
    granted = ~xp.any(barred & (others != me), axis=-1)
    held[w[granted], a[granted]] = ahead.index[w[granted], a[granted]]
    return held


def _kept(state: State, rails: Rails, colors: Array) -> Array:
    """The rights that are kept: not behind the junction, nor before it by one who does not come or whose light turned in time."""
    xp = array_namespace(state.s_m)
    stops = rails.stop_s_m.shape[-1]
    flat = clamp(state.path, 0, None) * stops + clamp(state.held, 0, stops - 1)
    to_line = flat_take(rails.stop_s_m, flat) - state.s_m - state.length_m / 2
    out = state.s_m - state.length_m / 2 > flat_take(rails.stop_exit_m, flat)
    light = xp.where(state.held >= 0, flat_take(rails.stop_light, flat), -1)
    in_time = (to_line > 0.0) & (state.v_mps**2 < 2.0 * COMFORT_MPS2 * to_line)
    stays_away = (state.standing_s > _IDLE_S) & (to_line > _AT_LINE_M)
    lost = out | stays_away | (in_time & ~_may_go(colors, light))
    return xp.where((state.held >= 0) & ~lost, state.held, -1)


def _stood_in(state: State, rails: Rails, ahead: Ahead) -> Array:
    """The junction passage that an agent is in by now, whether it had the right or not; -1 for none."""
    xp = array_namespace(state.s_m)
    stops = rails.stop_s_m.shape[-1]
    inside = ahead.index - 1
    flat = clamp(state.path, 0, None) * stops + clamp(inside, 0, stops - 1)
    entered = state.s_m + state.length_m / 2 - 1.0 > flat_take(rails.stop_s_m, flat)
    left = state.s_m - state.length_m / 2 >= flat_take(rails.stop_exit_m, flat)
    return xp.where((inside >= 0) & entered & ~left, inside, -1)


def _may_go(colors: Array, light: Array) -> Array:
    """Whether the light `[W, A]` (an index, -1 for none) shows green or is absent."""
    xp = array_namespace(light)
    if not colors.shape[-1]:
        return light < 0
    return (light < 0) | (
        xp.take_along_axis(colors, clamp(light, 0, None), axis=-1) == int(LightColor.GREEN)
    )


def desired_accelerations(
    state: State, rails: Rails, colors: Array, idm: IdmConfig, x_m: Array, y_m: Array
) -> tuple[Array, Array]:
    """Accelerations of agents on rails, and the rights they have after this step; both `[W, A]`."""
    xp = array_namespace(state.s_m)
    ahead = next_stops(state, rails)
    lead = leaders(state, rails, x_m, y_m, ahead, idm)
    held = rights(state, rails, ahead, lead.exit_taken, colors)
    got = held == ahead.index
    line_gap = ahead.distance_m + (idm.s0_m - STOP_BEFORE_LINE_M)
    line = xp.where(
        got, 0.0 * line_gap, idm_interaction(state.v_mps, line_gap, 0.0 * line_gap, idm)
    )
    *_, wanted = rails.pose(clamp(state.path, 0, None), state.s_m, state.d_m)
    free = idm_free(state.v_mps, xp.minimum(wanted * state.factor, speed_cap(state)), idm)
    a = free + xp.minimum(lead.interaction_mps2, line)
    return clamp(a, -EMERGENCY_MPS2, idm.a_mps2), held
