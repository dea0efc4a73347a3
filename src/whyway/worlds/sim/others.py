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
from whyway.worlds.sim.arrays import clamp, leading, none, pairs, pick, to
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
    far_m: Array
    """From centre to centre."""
    span_m: Array
    """Half length and half width: no corner is further from its centre."""
    flat: Array
    """Flat index `[K, W, A]` into `[W, A]`."""


def look(xp: Any, state: State, x_m: Array, y_m: Array, cos: Array, sin: Array) -> Others:
    """Gather `state.near`; poses are the boxes' centres `[W, A]`."""
    near = leading(state.near)
    worlds, agents = state.x_m.shape
    base = xp.arange(worlds, dtype=xp.int64, device=x_m.device)[:, None] * agents
    flat = clamp(near, 0, None) + base
    dx, dy = pick(x_m, flat) - x_m, pick(y_m, flat) - y_m
    half_length, half_width = pick(state.length_m / 2, flat), pick(state.width_m / 2, flat)
    return Others(
        there=to(near >= 0, x_m.dtype),
        dx_m=dx,
        dy_m=dy,
        cos=pick(cos, flat),
        sin=pick(sin, flat),
        v_mps=pick(state.v_mps, flat),
        half_length_m=half_length,
        half_width_m=half_width,
        far_m=xp.sqrt(dx * dx + dy * dy),
        span_m=half_length + half_width,
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
    f, aside, ux, uy = project(
        xp, way, x_m + o.dx_m, y_m + o.dy_m, o.far_m * (to(ahead > 0.0, dtype) * 2.0 - 1.0)
    )
    rest = state.d_m - state.target_d_m
    p = pairs(o.flat, _in_reach(xp, state, o, f, aside, xp.abs(rest), side))
    f, aside, ux, uy = (p.of(values) for values in (f, aside, ux, uy))
    their_cos, their_sin, their_v = p.of(o.cos), p.of(o.sin), p.of(o.v_mps)
    half_length, half_width = p.of(o.half_length_m), p.of(o.half_width_m)
    c, s = their_cos * ux + their_sin * uy, their_sin * ux - their_cos * uy
    ac, as_ = xp.abs(c), xp.abs(s)
    long = ac * half_length + as_ * half_width
    wide = as_ * half_length + ac * half_width
    gap = xp.abs(f) - long - p.own(state.length_m / 2)
    u = their_v * c
    v = p.own(state.v_mps)
    closing = v - u

    # where they will be across: who changes lanes is on both; who has to is let in
    rail = to(state.mode == int(Mode.RAIL), dtype)
    swing = c * p.others((state.target_d_m - state.d_m) * rail)
    gentle = to((closing * closing < (2 * COURTESY_MPS2) * gap) & (gap > 1.0), dtype)
    swing = swing + (c * p.others(to(state.wish, dtype) * LANE_M * rail)) * gentle
    low = aside - wide + clamp(swing, None, 0.0)
    high = aside + wide + clamp(swing, 0.0, None)

    # where the agent is across by the time it gets there
    for_m = clamp(state.v_mps, 1.0, None) * xp.abs(rest) / state.lateral_mps
    share = clamp(1.0 - gap / p.own(clamp(for_m, 0.1, None)), 0.0, 1.0)
    half = state.width_m / 2
    own_low = p.own(state.target_d_m - half) + p.own(clamp(rest, None, 0.0)) * share
    own_high = p.own(state.target_d_m + half) + p.own(clamp(rest, 0.0, None)) * share
    clear = xp.maximum(low - own_high, own_low - high)

    # who walks towards the way is given way to, who walks beside it or away from it is not
    across = their_v * s
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    towards = ((aside - p.own(state.d_m)) * across < 0.0) & (xp.abs(across) > 0.3)
    stoppable = v * v < (2 * GIVE_WAY_MPS2) * gap
    squeezes = to(state.standing_s > SQUEEZE_AFTER_S, dtype)
    minded = p.others(walker) & towards & stoppable & ~p.own(walker)
    margin = p.own(MARGIN_M - squeezes * (MARGIN_M - SQUEEZE_M)) + to(minded, dtype) * (
        WALKER_MARGIN_M - MARGIN_M
    )
    # a walk folds back on itself, where Newton's method may land anywhere: no way to a place is shorter than the straight one
    there = (p.of(o.there) > 0.0) & (p.of(o.far_m) < xp.abs(f) + xp.abs(aside) + 1.0)
    before = (f > 0.0) & there
    on_way = clear < margin
    in_way = on_way & before & (f < HORIZON_M)

    # IDM's interaction of the agent with each of them, and of each of them with the agent
    calm = 1.0 / (2.0 * xp.sqrt(state.a_max_mps2 * idm.b_mps2))
    s0, headway, most = (p.own(x) for x in (state.s0_m, state.headway_s, -state.a_max_mps2))
    near, calms = clamp(gap, _TOUCH_M, None), closing * p.own(calm)
    pull = (s0 + clamp(v * (headway + calms), 0.0, None)) / near
    pull = pull * pull * most
    followers = there & (c > 0.3) & ~before
    push = (s0 + clamp(u * (headway - calms), 0.0, None)) / near
    push = push * push * most

    middle = state.target_d_m + side * LANE_M
    lower, upper = p.own(middle - half), p.own(middle + half)
    beside = xp.maximum(low - upper, lower - high) < MARGIN_M
    in_way_1 = to(in_way, dtype)
    gap_in_way = gap + (1.0 - in_way_1) * FAR_M
    nearest = p.least(xp, gap_in_way, 2 * FAR_M)
    lead_v = p.least(xp, u + to(gap_in_way > p.own(nearest), dtype) * FAR_M, FAR_M)
    free = rail + to(state.mode == int(Mode.COMMAND), dtype)
    all_free = none(free == 0.0)
    slow = in_way & (xp.abs(their_v) < SLOW_MPS) & (f - long < p.own(exit_m + state.s0_m))
    own = pull * in_way_1
    strongest = p.least(xp, own, 0.0)
    joining = _joining(xp, state, o, merge, p.spread(in_way, False), calm)
    return Leads(
        pull=xp.minimum(strongest, joining),
        pull_of_free=strongest if all_free else p.least(xp, own * p.others(free), 0.0),
        gap_m=clamp(nearest, None, FAR_M),
        v_mps=lead_v * to(nearest < FAR_M / 2, dtype),
        exit_taken=p.any(xp, slow),
        pull_beside=p.least(xp, pull * to(beside & before, dtype), 0.0),
        push=p.least(xp, push * to(followers & on_way, dtype), 0.0),
        push_beside=p.least(xp, push * to(followers & beside, dtype), 0.0),
    )


def _in_reach(
    xp: Any, state: State, o: Others, f: Array, aside: Array, rest: Array, side: Array
) -> Array:
    """Pairs whose neighbour may be in the agent's way, come into it, or be on the lane at `side`: a bound on the safe side."""
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    margin = MARGIN_M + xp.max(to(walker, rest.dtype)) * (WALKER_MARGIN_M - MARGIN_M)
    half = state.width_m / 2 + (margin + 0.5)
    highest = state.target_d_m + half + xp.maximum(rest, side * LANE_M)
    lowest = state.target_d_m - half - xp.maximum(rest, -side * LANE_M)
    span = o.span_m + pick(rest + to(state.wish != 0, rest.dtype) * LANE_M, o.flat)
    # what is not a number is not away
    away = (aside - span >= highest) | (aside + span <= lowest)
    return ~(away & (xp.abs(f) - o.span_m >= state.length_m / 2 + 1.0))


def _joining(
    xp: Any, state: State, o: Others, merge: tuple[Array, Array, Array], in_way: Array, calm: Array
) -> Array:
    """The strongest pull of those whose ways join one's own and who are nearer to that place: they lead, as if on the same lane."""
    joins, join_m, comes = merge
    dtype = join_m.dtype
    q = pairs(o.flat, (pick(joins, o.flat) == joins) & (joins >= 0) & (o.there > 0.0) & ~in_way)
    both = (q.others(joins) == q.own(joins)) & (q.own(joins) >= 0) & (q.of(o.there) > 0.0)
    nearer = q.own(join_m) - q.others(join_m)
    first = both & q.others(comes) & (nearer > 0.0) & ~q.of(in_way)
    v = q.own(state.v_mps)
    gap = clamp(nearer - q.of(o.half_length_m) - q.own(state.length_m / 2), _TOUCH_M, None)
    calms = (v - q.of(o.v_mps)) * q.own(calm)
    wanted = q.own(state.s0_m) + clamp(v * (q.own(state.headway_s) + calms), 0.0, None)
    pull = wanted / gap
    pull = clamp(pull * pull * -q.own(state.a_max_mps2), -JOIN_MPS2, None)
    return q.least(xp, pull * to(first, dtype), 0.0)


def threatened(xp: Any, state: State, others: Others, cos: Array, sin: Array) -> Array:
    """Whether an agent on foot had better wait `[W, A]`: a vehicle that cannot stop gently would meet it on its way.

    Vehicles are taken to go straight on. Who is already in one's path does not wait there.
    """
    o = others
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    if none(walker):
        return walker
    p = pairs(o.flat, (o.there > 0.0) & walker)
    dx, dy, c, s = (p.of(values) for values in (o.dx_m, o.dy_m, o.cos, o.sin))
    half_length, their_v = p.of(o.half_length_m), p.of(o.v_mps)
    # where the walker is as the vehicle sees it
    ahead = -(dx * c + dy * s)
    aside = dx * s - dy * c
    across = (p.own(sin) * c - p.own(cos) * s) * p.own(clamp(state.v_mps, _WALK_MPS, None))
    flank = p.of(o.half_width_m) + p.own(state.length_m / 2) + 0.4
    apart = xp.abs(aside) - flank
    approaches = (aside * across < 0.0) & (apart > 0.0)
    speed = clamp(xp.abs(across), 0.1, None)
    begin, end = apart / speed, (apart + 2 * flank) / speed
    v = clamp(their_v, 0.1, None)
    front = ahead - half_length
    meets = (front < v * (end + _PATIENCE_S)) & (ahead + half_length > v * (begin - _PATIENCE_S))
    cannot_stop = v * v > (2 * _TRUST_MPS2) * clamp(front - 1.0, 0.0, None)
    moves = (their_v > 0.5) & (ahead > 0.0)
    threat = approaches & meets & cannot_stop & moves & (p.of(o.there) > 0.0)
    return p.any(xp, threat & ~p.others(walker)) & walker
