"""Who is around each agent, where they are along its way, and how hard it would have to brake for them. Arrays `[K, W, A]`.

One projection of each neighbour onto the agent's way answers everything: who leads, who follows, who is beside, on its own lane and on
the one it may change to, whatever the others are (cars, walkers, recordings, an ego that stands across a junction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.config import IdmConfig
from whyway.types import ObjectClass
from whyway.worlds.sim.ahead import Way, project
from whyway.worlds.sim.arrays import clamp, leading, pick, to
from whyway.worlds.sim.state import FAR_M, Mode, State

Array = Any

HORIZON_M = 100.0
"""Leaders are looked for within this distance."""
MARGIN_M = 0.3
"""Beside the flanks: whoever comes closer to the way is in it."""
SQUEEZE_M, SQUEEZE_AFTER_S = 0.05, 12.0
"""Whoever has been standing so long makes do with less, so that two who stand beside each other do not wait for each other."""
WALKER_MARGIN_M = 4.0
"""A walker who comes so near the way is given way to ..."""
GIVE_WAY_MPS2 = 4.0
"""... if this braking suffices."""
COURTESY_MPS2 = 2.0
"""With which one brakes for somebody who has to change lanes."""
JOIN_MPS2 = 4.0
"""Most braking for somebody whose way joins one's own further on."""
SLOW_MPS = 2.0
"""Who is no faster keeps a junction's exit taken; who crosses it is soon gone."""
LANE_M = 3.4
"""How far aside the next lane is, for who wants to change."""
_TOUCH_M = 0.1
_WALK_MPS, _PATIENCE_S, _TRUST_MPS2 = 1.2, 1.0, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """The neighbours of each agent, as they are. What is not there counts nothing: `there` is 0."""

    there: Array
    dx_m: Array
    dy_m: Array
    cos: Array
    """Of their heading in `map`, as is `sin`."""
    sin: Array
    v_mps: Array
    half_length_m: Array
    half_width_m: Array
    flat: Array
    """Flat index `[K, W, A]` into `[W, A]`."""


def look(xp: Any, state: State, x_m: Array, y_m: Array, cos: Array, sin: Array) -> Others:
    """Gather `state.near`; poses are the boxes' centres `[W, A]`."""
    near = leading(state.near)
    worlds, agents = state.x_m.shape
    base = xp.arange(worlds, dtype=xp.int64, device=x_m.device)[:, None] * agents
    flat = clamp(near, 0, None) + base
    return Others(
        there=to(near >= 0, x_m.dtype),
        dx_m=pick(x_m, flat) - x_m,
        dy_m=pick(y_m, flat) - y_m,
        cos=pick(cos, flat),
        sin=pick(sin, flat),
        v_mps=pick(state.v_mps, flat),
        half_length_m=pick(state.length_m / 2, flat),
        half_width_m=pick(state.width_m / 2, flat),
        flat=flat,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Leads:
    """What the others mean for each agent `[W, A]`; pulls are IDM's interaction terms, <= 0 m/s2, of the strongest one."""

    pull: Array
    """Of those in its way."""
    pull_of_free: Array
    """Of those in its way who do not follow a recording."""
    gap_m: Array
    """To the nearest in its way, `FAR_M` for none."""
    v_mps: Array
    """That one's speed along the way."""
    exit_taken: Array
    """Whether somebody slow stands so that it would not get clear of the junction ahead."""
    pull_beside: Array
    """Of those ahead on the lane at `side`, had it changed there."""
    push: Array
    """Of itself on who follows it, and ..."""
    push_beside: Array
    """... on who would follow it there."""


def leads(
    xp: Any,
    state: State,
    others: Others,
    way: Way,
    x_m: Array,
    y_m: Array,
    cos: Array,
    sin: Array,
    exit_m: Array,
    merge: tuple[Array, Array, Array],
    side: Array,
    idm: IdmConfig,
) -> Leads:
    """Everybody's neighbours on everybody's way.

    Args:
      xp: array namespace.
      state: as it is.
      others: the neighbours.
      way: ways of the agents.
      x_m: centres `[W, A]`, as is `y_m`.
      y_m: see `x_m`.
      cos: of the headings `[W, A]`, as is `sin`.
      sin: see `cos`.
      exit_m: from the agent's centre to where it is clear of the junction ahead `[W, A]`.
      merge: the next line into which others lead too, the way to it, and whether the agent is on its way there without
        having to stop before.
      side: the side on which a lane change is thought of `[W, 1]`: 1 left, -1 right.
      idm: what is common to all drivers.
    """
    o, dtype = others, x_m.dtype
    ahead = o.dx_m * cos + o.dy_m * sin
    far = xp.sqrt(o.dx_m * o.dx_m + o.dy_m * o.dy_m)
    f, aside, ux, uy = project(
        xp, way, x_m + o.dx_m, y_m + o.dy_m, far * (to(ahead > 0.0, dtype) * 2.0 - 1.0)
    )
    c, s = o.cos * ux + o.sin * uy, o.sin * ux - o.cos * uy
    ac, as_ = xp.abs(c), xp.abs(s)
    long = ac * o.half_length_m + as_ * o.half_width_m
    wide = as_ * o.half_length_m + ac * o.half_width_m
    gap = xp.abs(f) - long - state.length_m / 2
    u = o.v_mps * c
    v = state.v_mps
    closing = v - u

    # where they will be across: who changes lanes is on both; who has to is let in
    rail = to(state.mode == int(Mode.RAIL), dtype)
    swing = c * pick((state.target_d_m - state.d_m) * rail, o.flat)
    gentle = to(closing * closing < (2 * COURTESY_MPS2) * gap, dtype) * to(gap > 1.0, dtype)
    swing = swing + (c * pick(to(state.wish, dtype) * LANE_M * rail, o.flat)) * gentle
    low = aside - wide + clamp(swing, None, 0.0)
    high = aside + wide + clamp(swing, 0.0, None)

    # where the agent is across by the time it gets there
    rest = state.d_m - state.target_d_m
    for_m = clamp(v, 1.0, None) * xp.abs(rest) / state.lateral_mps
    share = clamp(1.0 - gap / clamp(for_m, 0.1, None), 0.0, 1.0)
    half = state.width_m / 2
    own_low = state.target_d_m - half + clamp(rest, None, 0.0) * share
    own_high = state.target_d_m + half + clamp(rest, 0.0, None) * share
    clear = xp.maximum(low - own_high, own_low - high)

    # who walks towards the way is given way to, who walks beside it or away from it is not
    across = o.v_mps * s
    walker = to(state.object_class == int(ObjectClass.PEDESTRIAN), dtype)
    towards = to((aside - state.d_m) * across < 0.0, dtype) * to(xp.abs(across) > 0.3, dtype)
    stoppable = to(v * v < (2 * GIVE_WAY_MPS2) * gap, dtype)
    squeezes = to(state.standing_s > SQUEEZE_AFTER_S, dtype)
    margin = (MARGIN_M - squeezes * (MARGIN_M - SQUEEZE_M)) + (
        pick(walker, o.flat) * towards * stoppable * (1.0 - walker)
    ) * (WALKER_MARGIN_M - MARGIN_M)
    # a walk folds back on itself, where Newton's method may land anywhere: no way to a place is shorter than the straight one
    there = o.there * to(far < xp.abs(f) + xp.abs(aside) + 1.0, dtype)
    before = to(f > 0.0, dtype) * there
    in_way = to(clear < margin, dtype) * before * to(f < HORIZON_M, dtype)

    # IDM's interaction of the agent with each of them, and of each of them with the agent
    calm = 1.0 / (2.0 * xp.sqrt(state.a_max_mps2 * idm.b_mps2))
    near = clamp(gap, _TOUCH_M, None)
    wanted = state.s0_m + clamp(v * (state.headway_s + closing * calm), 0.0, None)
    pull = wanted / near
    pull = pull * pull * -state.a_max_mps2
    behind = there * to(c > 0.3, dtype) - before
    push = (state.s0_m + clamp(u * (state.headway_s - closing * calm), 0.0, None)) / near
    push = push * push * -state.a_max_mps2

    # of two whose ways join, the one who is nearer to that place leads, as if it were ahead on the same lane
    joins, join_m, comes = merge
    nearer = join_m - pick(join_m, o.flat)
    both = to(pick(joins, o.flat) == joins, dtype) * to(joins >= 0, dtype) * o.there
    leads_in = both * pick(to(comes, dtype), o.flat) * to(nearer > 0.0, dtype) * (1.0 - in_way)
    join_gap = clamp(nearer - o.half_length_m - state.length_m / 2, _TOUCH_M, None)
    joining = state.s0_m + clamp(v * (state.headway_s + (v - o.v_mps) * calm), 0.0, None)
    joining = joining / join_gap
    joining = clamp(joining * joining * -state.a_max_mps2, -JOIN_MPS2, None) * leads_in

    middle = state.target_d_m + side * LANE_M
    beside = to(xp.maximum(low - (middle + half), (middle - half) - high) < MARGIN_M, dtype)
    followers = clamp(behind, 0.0, None)
    gap_in_way = gap + (1.0 - in_way) * FAR_M
    nearest = xp.min(gap_in_way, axis=0)
    lead_v = xp.min(u + to(gap_in_way > nearest, dtype) * FAR_M, axis=0)
    free = rail + to(state.mode == int(Mode.COMMAND), dtype)
    slow = (
        in_way * to(xp.abs(o.v_mps) < SLOW_MPS, dtype) * to(f - long < exit_m + state.s0_m, dtype)
    )
    own = pull * in_way
    return Leads(
        pull=xp.min(xp.minimum(own, joining), axis=0),
        pull_of_free=xp.min(own * pick(free, o.flat), axis=0),
        gap_m=clamp(nearest, None, FAR_M),
        v_mps=lead_v * to(nearest < FAR_M / 2, dtype),
        exit_taken=xp.max(slow, axis=0) > 0.0,
        pull_beside=xp.min(pull * beside * before, axis=0),
        push=xp.min(push * followers * to(clear < margin, dtype), axis=0),
        push_beside=xp.min(push * beside * followers, axis=0),
    )


def threatened(xp: Any, state: State, others: Others, cos: Array, sin: Array) -> Array:
    """Whether an agent on foot had better wait `[W, A]`: a vehicle that cannot stop gently would meet it on its way.

    Vehicles are taken to go straight on. Who is already in one's path does not wait there.
    """
    o, dtype = others, cos.dtype
    vehicle = to(state.object_class != int(ObjectClass.PEDESTRIAN), dtype)
    # where the walker is as the vehicle sees it
    ahead = -(o.dx_m * o.cos + o.dy_m * o.sin)
    aside = o.dx_m * o.sin - o.dy_m * o.cos
    across = (sin * o.cos - cos * o.sin) * clamp(state.v_mps, _WALK_MPS, None)
    flank = o.half_width_m + state.length_m / 2 + 0.4
    apart = xp.abs(aside) - flank
    approaches = to(aside * across < 0.0, dtype) * to(apart > 0.0, dtype)
    speed = clamp(xp.abs(across), 0.1, None)
    begin, end = apart / speed, (apart + 2 * flank) / speed
    v = clamp(o.v_mps, 0.1, None)
    front = ahead - o.half_length_m
    meets = to(front < v * (end + _PATIENCE_S), dtype) * to(
        ahead + o.half_length_m > v * (begin - _PATIENCE_S), dtype
    )
    cannot_stop = to(v * v > (2 * _TRUST_MPS2) * clamp(front - 1.0, 0.0, None), dtype)
    moves = to(o.v_mps > 0.5, dtype) * to(ahead > 0.0, dtype)
    threat = approaches * meets * cannot_stop * moves * o.there * pick(vehicle, o.flat)
    return xp.max(threat, axis=0) > 0.0
