"""Who is around each agent, where they are along its way, and how hard it would have to brake for them. Arrays `[K, W, A]`.

One projection of each neighbour onto the agent's way answers everything: who leads, who follows, who is beside, on its own lane and on
the one it may change to, whatever the others are (cars, walkers, recordings, an ego that stands across a junction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.config import IdmConfig
from whyway.types import ObjectClass
from whyway.worlds.sim.ahead import Way, nearest_sample, project
from whyway.worlds.sim.arrays import Pairs, cells, clamp, leading, none, pairs, pick, to
from whyway.worlds.sim.state import FAR_M, Mode, State

Array = Any

HORIZON_M = 100.0
"""Nobody further away is minded, ..."""
SIGHT_M, SIGHT_S = 50.0, 4.0
"""... nor who is so far away in metres and seconds of the faster of the two: IDM's interaction is next to nothing there."""
BEHIND_M = 30.0
"""Who is further behind is minded by those alone who think of changing lanes."""
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
    """The neighbours of each agent."""

    flat: Array
    """Flat index `[K, W, A]` into `[W, A]`: somebody's even where nobody is."""
    there: Array
    """Whether there is one."""
    dx_m: Array
    dy_m: Array
    far_m: Array
    """From centre to centre."""
    span_m: Array
    """Half length and half width: no corner is further from its centre."""


def look(xp: Any, state: State, x_m: Array, y_m: Array) -> Others:
    """Gather `state.near`; places are the boxes' centres `[W, A]`."""
    near = leading(state.near)
    worlds, agents = state.x_m.shape
    there = near >= 0
    flat = near if none(~there) else clamp(near, 0, None)  # laid out anew: nobody else's
    flat += xp.arange(worlds, dtype=xp.int64, device=x_m.device)[:, None] * agents
    dx, dy = pick(x_m, flat), pick(y_m, flat)
    dx -= x_m
    dy -= y_m
    squared = dx * dx
    squared += dy * dy
    span = pick((state.length_m + state.width_m) / 2, flat)
    return Others(flat, there, dx, dy, xp.sqrt(squared), span)


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
    thinks: Array,
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
      thinks: who thinks of one `[W, A]`: for all the others `pull_beside` and the pushes are zero.
      idm: what is common to all drivers.
    """
    o = others
    ahead = o.dx_m * cos
    ahead += o.dy_m * sin
    every = pairs(o.flat, _minded(xp, state, o, ahead, thinks))
    guess = xp.copysign(every.of(o.far_m), every.of(ahead))
    agent = cells(xp, x_m) if every.mine is None else every.mine
    on_way = project(
        xp, way, agent, every.others(x_m), every.others(y_m), nearest_sample(xp, guess)
    )
    p, f, aside, ux, uy = every.only(_in_reach(xp, state, every, on_way[1], side, thinks), *on_way)
    met = _meet(xp, state, p, o, cos, sin, f, aside, ux, uy)
    blocks = met.there & (_clearance(xp, state, met) < _margin(xp, state, met))
    in_way = blocks & (f > 0.0) & (f < HORIZON_M)
    calm = 1.0 / (2.0 * xp.sqrt(state.a_max_mps2 * idm.b_mps2))
    q, gap, along, v, near_end = met.pairs.only(
        in_way, met.gap_m, met.along_mps, met.v_mps, f - met.half_along_m
    )
    nearest = q.least(xp, gap, 2 * FAR_M)
    first, first_mps = q.only(gap <= q.own(nearest), along)
    slow = (xp.abs(v) < SLOW_MPS) & (near_end < q.own(exit_m + state.s0_m))
    pull = _strongest(xp, state, met, in_way, calm)
    joining = _joining(xp, state, every, merge, p.spread(in_way), calm)
    free = (state.mode == int(Mode.RAIL)) | (state.mode == int(Mode.COMMAND))
    of_free = pull
    if not none(~free):
        of_free = _strongest(xp, state, met, in_way & p.others(free), calm)
    pull_beside, push, push_beside = _beside(xp, state, met, blocks, side, thinks, calm)
    return Leads(
        pull=xp.minimum(pull, joining),
        pull_of_free=of_free,
        gap_m=clamp(nearest, None, FAR_M),
        v_mps=first.least(xp, first_mps, FAR_M) * to(nearest < FAR_M / 2, x_m.dtype),
        exit_taken=q.any(xp, slow),
        pull_beside=pull_beside,
        push=push,
        push_beside=push_beside,
    )


def _minded(xp: Any, state: State, o: Others, ahead: Array, thinks: Array) -> Array:
    """Pairs worth a closer look: who is behind is minded by those who think of changing lanes, and nearby by everybody."""
    sight = clamp(SIGHT_M + SIGHT_S * state.v_mps, None, HORIZON_M)
    near = (o.far_m < xp.maximum(sight, pick(sight, o.flat))) & o.there
    return near & ((ahead > 0.0) | (o.far_m < BEHIND_M) | thinks)


def _in_reach(xp: Any, state: State, p: Pairs, aside: Array, side: Array, thinks: Array) -> Array:
    """Pairs whose neighbour may be in the agent's way, come into it, or be on the lane at `side`: a bound on the safe side."""
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    most = MARGIN_M + (0.0 if none(walker) else WALKER_MARGIN_M - MARGIN_M)
    half = state.width_m / 2 + (most + 0.5)
    aim = state.target_d_m + to(thinks, aside.dtype) * (side * LANE_M)
    highest = xp.maximum(xp.maximum(state.d_m, state.target_d_m), aim) + half
    lowest = xp.minimum(xp.minimum(state.d_m, state.target_d_m), aim) - half
    swing = xp.abs(state.d_m - state.target_d_m) + to(state.wish != 0, aside.dtype) * LANE_M
    span = p.others((state.length_m + state.width_m) / 2 + swing)
    # what is not a number is not away
    return ~((aside - span >= p.own(highest)) | (aside + span <= p.own(lowest)))


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """Neighbours on agents' ways."""

    pairs: Pairs
    there: Array
    """Which of them count."""
    f_m: Array
    """Arc length from the agent's centre, and..."""
    aside_m: Array
    """...offset from its way, of the neighbour's centre."""
    low_m: Array
    """Where its box is across the way, or will be while it changes lanes..."""
    high_m: Array
    half_along_m: Array
    gap_m: Array
    """Between the two boxes, along the way."""
    v_mps: Array
    along_mps: Array
    """Its speed along the way, and..."""
    across_mps: Array
    """...across it."""
    cos: Array
    """Of its heading against the way."""
    own_mps: Array
    """The agent's speed."""


def _meet(
    xp: Any, state: State, p: Pairs, o: Others, cos: Array, sin: Array, f: Array, aside: Array, ux: Array, uy: Array
) -> _Met:  # fmt: skip
    """The boxes of neighbours in the frames of ways."""
    half = state.length_m / 2
    their_cos, their_sin, their_v = p.others(cos), p.others(sin), p.others(state.v_mps)
    half_length, half_width = p.others(half), p.others(state.width_m / 2)
    c, s = their_cos * ux + their_sin * uy, their_sin * ux - their_cos * uy
    ac, as_ = xp.abs(c), xp.abs(s)
    long = ac * half_length + as_ * half_width
    wide = as_ * half_length + ac * half_width
    gap = xp.abs(f) - long - p.own(half)
    u, v = their_v * c, p.own(state.v_mps)
    # where they will be across: who changes lanes is on both; who has to is let in
    rail = to(state.mode == int(Mode.RAIL), v.dtype)
    swing = p.others((state.target_d_m - state.d_m) * rail)
    if not none(state.wish != 0):
        closing = v - u
        gentle = to((closing * closing < (2 * COURTESY_MPS2) * gap) & (gap > 1.0), v.dtype)
        swing = swing + p.others(to(state.wish, v.dtype) * LANE_M * rail) * gentle
    swing = swing * c
    # a walk folds back on itself, where Newton's method may land anywhere: no way to a place is shorter than the straight one
    there = p.counts & (p.of(o.far_m) < xp.abs(f) + xp.abs(aside) + 1.0)
    low, high = aside - wide + clamp(swing, None, 0.0), aside + wide + clamp(swing, 0.0, None)
    return _Met(p, there, f, aside, low, high, long, gap, their_v, u, their_v * s, c, v)


def _clearance(xp: Any, state: State, met: _Met) -> Array:
    """How much room is left between a neighbour and the agent when that has come there, on its way to where it wants to be across."""
    p, rest = met.pairs, state.d_m - state.target_d_m
    for_m = clamp(state.v_mps, 1.0, None) * xp.abs(rest) / state.lateral_mps
    share = clamp(1.0 - met.gap_m / p.own(clamp(for_m, 0.1, None)), 0.0, 1.0)
    half = state.width_m / 2
    own_low = p.own(state.target_d_m - half) + p.own(clamp(rest, None, 0.0)) * share
    own_high = p.own(state.target_d_m + half) + p.own(clamp(rest, 0.0, None)) * share
    return xp.maximum(met.low_m - own_high, own_low - met.high_m)


def _margin(xp: Any, state: State, met: _Met) -> Array:
    """Less room than this is none. Who walks towards the way is given way to, who walks beside it or away from it is not."""
    p, squeezes = met.pairs, to(state.standing_s > SQUEEZE_AFTER_S, met.gap_m.dtype)
    margin = p.own(MARGIN_M - squeezes * (MARGIN_M - SQUEEZE_M))
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    if none(walker):
        return margin
    across, v = met.across_mps, met.own_mps
    towards = ((met.aside_m - p.own(state.d_m)) * across < 0.0) & (xp.abs(across) > 0.3)
    stoppable = v * v < (2 * GIVE_WAY_MPS2) * met.gap_m
    minded = p.others(walker) & towards & stoppable & ~p.own(walker)
    return margin + to(minded, margin.dtype) * (WALKER_MARGIN_M - MARGIN_M)


def _strongest(
    xp: Any, state: State, met: _Met, mask: Array, calm: Array, behind: bool = False
) -> Array:
    """IDM's strongest interaction of each agent with those for whom a mask holds; or of them with it, if they drive `behind`."""
    p, gap, follows, leads = met.pairs.only(
        mask, met.gap_m, *((met.along_mps, met.own_mps) if behind else (met.own_mps, met.along_mps))
    )
    wanted = follows * (p.own(state.headway_s) + (follows - leads) * p.own(calm))
    share = (p.own(state.s0_m) + clamp(wanted, 0.0, None)) / clamp(gap, _TOUCH_M, None)
    return p.least(xp, share * share * -p.own(state.a_max_mps2), 0.0)


def _beside(
    xp: Any, state: State, met: _Met, blocks: Array, side: Array, thinks: Array, calm: Array
) -> tuple[Array, Array, Array]:
    """`Leads.pull_beside`, `push` and `push_beside`, of those who think of changing lanes."""
    zero = 0.0 * state.v_mps
    if none(thinks):
        return zero, zero, zero
    own, half = met.pairs.own, state.width_m / 2
    middle = state.target_d_m + side * LANE_M
    aside = xp.maximum(met.low_m - own(middle + half), own(middle - half) - met.high_m) < MARGIN_M
    thought = met.there & own(thinks)
    follows = thought & (met.f_m <= 0.0) & (met.cos > 0.3)
    return (
        _strongest(xp, state, met, thought & aside & (met.f_m > 0.0), calm),
        _strongest(xp, state, met, follows & blocks, calm, behind=True),
        _strongest(xp, state, met, follows & aside, calm, behind=True),
    )


def _joining(
    xp: Any, state: State, every: Pairs, merge: tuple[Array, Array, Array], in_way: Array, calm: Array
) -> Array:  # fmt: skip
    """The strongest pull of those whose ways join one's own and who are nearer to that place: they lead, as if on the same lane."""
    joins, join_m, comes = merge
    joining = xp.where(comes, joins, 0 * joins - 2)
    (q,) = every.only(every.others(joining) == every.own(joins))
    nearer = q.own(join_m) - q.others(join_m)
    v, half = q.own(state.v_mps), state.length_m / 2
    gap = clamp(nearer - q.others(half) - q.own(half), _TOUCH_M, None)
    wanted = v * (q.own(state.headway_s) + (v - q.others(state.v_mps)) * q.own(calm))
    share = (q.own(state.s0_m) + clamp(wanted, 0.0, None)) / gap
    pull = clamp(share * share * -q.own(state.a_max_mps2), -JOIN_MPS2, None)
    first, pull = q.only((nearer > 0.0) & ~q.of(in_way), pull)
    return first.least(xp, pull, 0.0)


def threatened(xp: Any, state: State, others: Others, cos: Array, sin: Array) -> Array:
    """Whether an agent on foot had better wait `[W, A]`: a vehicle that cannot stop gently would meet it on its way.

    Vehicles are taken to go straight on. Who is already in one's path does not wait there.
    """
    o = others
    walker = state.object_class == int(ObjectClass.PEDESTRIAN)
    if none(walker):
        return walker
    p = pairs(o.flat, o.there & walker)
    dx, dy, c, s = p.of(o.dx_m), p.of(o.dy_m), p.others(cos), p.others(sin)
    half_length, their_v = p.others(state.length_m / 2), p.others(state.v_mps)
    # where the walker is as the vehicle sees it
    ahead = -(dx * c + dy * s)
    aside = dx * s - dy * c
    across = (p.own(sin) * c - p.own(cos) * s) * p.own(clamp(state.v_mps, _WALK_MPS, None))
    flank = p.others(state.width_m / 2) + p.own(state.length_m / 2) + 0.4
    apart = xp.abs(aside) - flank
    approaches = (aside * across < 0.0) & (apart > 0.0)
    speed = clamp(xp.abs(across), 0.1, None)
    begin, end = apart / speed, (apart + 2 * flank) / speed
    v = clamp(their_v, 0.1, None)
    front = ahead - half_length
    meets = (front < v * (end + _PATIENCE_S)) & (ahead + half_length > v * (begin - _PATIENCE_S))
    cannot_stop = v * v > (2 * _TRUST_MPS2) * clamp(front - 1.0, 0.0, None)
    moves = (their_v > 0.5) & (ahead > 0.0)
    threat = approaches & meets & cannot_stop & moves
    return p.any(xp, threat & ~p.others(walker)) & walker
