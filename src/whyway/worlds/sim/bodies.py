"""Boxes: who is near whom, who touches whom, who is off the road."""

from __future__ import annotations

import math
from typing import Any

from whyway.worlds.sim.arrays import few, none, pairs, pick, put_in, smallest, to
from whyway.worlds.sim.others import Others, look
from whyway.worlds.sim.seen import Boxes, centers
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import Mode, State, updated

Array = Any

_AHEAD_M, _AHEAD_S = 8.0, 0.7
"""Neighbours are those nearest to a point so far ahead, ..."""
_STRETCH = 0.75
"""... where metres along the own heading count half (1 - 0.75 of their square)."""
_NOWHERE = 1e10
_EGO_STANDS_MPS, _STANDS_MPS = 5e-2, 5e-2
_BEHIND_COS = math.cos(math.radians(150.0))
"""nuPlan's, as in the evaluation's metrics (a test compares them)."""


def judge(xp: Any, sim: Sim, state: State) -> tuple[State, Boxes]:
    """The state with its neighbours, collisions and corners off the road brought up to date; and its boxes."""
    cx, cy, c, s = centers(xp, state)
    table = sim.table
    deck = table.decks(state.window) if table is not None and table.has_bridges else None
    state = updated(state, near=neighbours(xp, state, cx, cy, c, s, deck))
    others = look(xp, state, cx, cy)
    touch, fault = touches(xp, state, others, c, s)
    off = state.off_road
    if sim.surface is not None:
        driven = state.active & (state.mode == int(Mode.COMMAND))
        off = driven & ~_on_road(xp, sim, state, driven, cx, cy, c, s)
    state = updated(
        state, collided=touch & state.active, at_fault=fault & state.active, off_road=off
    )
    return state, Boxes(cx, cy, c, s, others)


def neighbours(
    xp: Any, state: State, x_m: Array, y_m: Array, cos: Array, sin: Array, deck: Array | None = None
) -> Array:
    """`[W, A, K]` indices of the K that matter most to each agent, -1 where there are fewer.

    Those on the other `deck` `[W, A]` of a bridge (`LaneTable.decks`) matter to nobody below or above.
    """
    # in every agent's frame, from the point ahead of it: coordinates are products of all headings with all places
    x, y = x_m - x_m[:, :1], y_m - y_m[:, :1]
    one = xp.ones_like(x)
    beyond = x * cos + y * sin + (_AHEAD_M + _AHEAD_S * state.v_mps)
    along = xp.stack([cos, sin, -beyond], axis=-1) * math.sqrt(1.0 - _STRETCH)
    across = xp.stack([-sin, cos, x * sin - y * cos], axis=-1)
    seen = xp.matmul(xp.stack([along, across], axis=0), xp.stack([x, y, one], axis=1))
    seen *= seen
    score, (worlds, agents) = seen[0], x.shape
    score += seen[1]
    xp.reshape(score, (worlds, -1))[:, :: agents + 1] = _NOWHERE
    if not none(~state.active):
        score = score + (to(~state.active, x_m.dtype) * _NOWHERE)[:, None, :]
    if deck is not None:
        apart = (deck[:, :, None] == -deck[:, None, :]) & (deck[:, :, None] != 0)
        score = score + to(apart, x_m.dtype) * _NOWHERE
    return smallest(xp, score, state.near.shape[-1])


def touches(xp: Any, state: State, others: Others, cos: Array, sin: Array) -> tuple[Array, Array]:
    """Which boxes overlap a neighbour's `[W, A]` (separating axes of both), and who is to blame for it.

    Blame is nuPlan's, without its cases of several lanes: who moves and hits with the front bumper, or hits one that stands, unless
    that one is behind.
    """
    o = others
    la, wa = state.length_m / 2, state.width_m / 2
    # most are too far apart for any corner to reach
    close = o.there & (o.far_m < o.span_m + (la + wa + 0.1))
    if none(close):
        return close[0], close[0]
    p = pairs(o.flat, close)
    dx, dy = p.of(o.dx_m), p.of(o.dy_m)
    their_cos, their_sin, half_length, half_width = (p.others(v) for v in (cos, sin, la, wa))
    cos, sin, la, wa = (p.own(v) for v in (cos, sin, la, wa))
    c = xp.abs(their_cos * cos + their_sin * sin)
    s = xp.abs(their_sin * cos - their_cos * sin)
    ahead, left = dx * cos + dy * sin, dy * cos - dx * sin
    along = c * half_length + s * half_width
    across = xp.abs(left) - (wa + s * half_length + c * half_width)
    forth, aside = dx * their_cos + dy * their_sin, dy * their_cos - dx * their_sin
    their = half_length + s * wa, half_width + c * wa
    apart = xp.maximum(xp.abs(ahead) - (la + along), across)
    apart = xp.maximum(apart, xp.abs(forth) - (their[0] + c * la))
    apart = xp.maximum(apart, xp.abs(aside) - (their[1] + s * la))
    # the same for the front edge alone, a box without length
    front_c = la * (cos * their_cos + sin * their_sin)
    front_s = la * (sin * their_cos - cos * their_sin)
    edge = xp.maximum(xp.abs(ahead - la) - along, across)
    edge = xp.maximum(edge, xp.abs(forth - front_c) - their[0])
    edge = xp.maximum(edge, xp.abs(aside - front_s) - their[1])
    touch = apart <= 0.0
    axle = ahead + p.own(state.offset_m)
    behind = axle < _BEHIND_COS * xp.sqrt(axle * axle + left * left)
    hits = ((edge <= 0.0) | (xp.abs(p.others(state.v_mps)) <= _STANDS_MPS)) & ~behind
    moves = xp.abs(state.v_mps) > _EGO_STANDS_MPS
    return p.any(xp, touch), p.any(xp, touch & hits) & moves


def _on_road(
    xp: Any, sim: Sim, state: State, asked: Array, x_m: Array, y_m: Array, cos: Array, sin: Array
) -> Array:
    """Whether all corners are on the drivable area; of those who are not `asked` about it may be anything."""
    assert sim.surface is not None
    some = few(asked)
    length, width = state.length_m, state.width_m
    if some is not None:
        x_m, y_m, cos, sin, length, width = (
            pick(values, some) for values in (x_m, y_m, cos, sin, length, width)
        )
    corners = ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))
    ahead = [(length * (0.5 * u), width * (0.5 * v)) for u, v in corners]
    x = xp.stack([x_m + u * cos - v * sin for u, v in ahead], axis=0)
    y = xp.stack([y_m + u * sin + v * cos for u, v in ahead], axis=0)
    on = xp.all(sim.surface.drivable(x, y), axis=0)
    return on if some is None else put_in(asked, some, on)
