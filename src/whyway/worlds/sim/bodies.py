"""Boxes: who is near whom, who touches whom, who is off the road."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from whyway.worlds.sim.arrays import clamp, smallest, to
from whyway.worlds.sim.others import Others, look
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import Mode, State

Array = Any

_AHEAD_M, _AHEAD_S = 8.0, 0.7
"""Neighbours are those nearest to a point so far ahead, ..."""
_STRETCH = 0.75
"""... where metres along the own heading count half (1 - 0.75 of their square)."""
_NOWHERE = 1e10
_EGO_STANDS_MPS, _STANDS_MPS = 5e-2, 5e-3
_BEHIND_COS = math.cos(math.radians(150.0))
"""nuPlan's, as in the evaluation's metrics (a test compares them)."""


def judge(xp: Any, sim: Sim, state: State) -> State:
    """The state with its neighbours, collisions and corners off the road brought up to date."""
    c, s = xp.cos(state.yaw_rad), xp.sin(state.yaw_rad)
    cx, cy = state.x_m + state.offset_m * c, state.y_m + state.offset_m * s
    table = sim.table
    deck = table.decks(state.window) if table is not None and table.has_bridges else None
    state = replace(state, near=neighbours(xp, state, cx, cy, c, s, deck))
    others = look(xp, state, cx, cy, c, s)
    touch, fault = touches(xp, state, others, c, s)
    off = state.off_road
    if sim.surface is not None:
        driven = state.active & (state.mode == int(Mode.COMMAND))
        off = driven & ~_on_road(xp, sim, state, cx, cy, c, s)
    return replace(
        state, collided=touch & state.active, at_fault=fault & state.active, off_road=off
    )


def neighbours(
    xp: Any, state: State, x_m: Array, y_m: Array, cos: Array, sin: Array, deck: Array | None = None
) -> Array:
    """`[W, A, K]` indices of the K that matter most to each agent, -1 where there are fewer.

    Those on the other `deck` `[W, A]` of a bridge (`LaneTable.decks`) matter to nobody below or above.
    """
    ahead = _AHEAD_M + _AHEAD_S * state.v_mps
    px, py = x_m + ahead * cos, y_m + ahead * sin
    dx, dy = x_m[:, None, :] - px[:, :, None], y_m[:, None, :] - py[:, :, None]
    along = dx * cos[:, :, None] + dy * sin[:, :, None]
    score = dx * dx + dy * dy - along * along * _STRETCH
    agents = x_m.shape[-1]
    itself = xp.eye(agents, dtype=x_m.dtype, device=x_m.device) * _NOWHERE
    absent = to(~state.active, x_m.dtype) * _NOWHERE
    score = clamp(score, 0.0, None) + itself[None] + absent[:, None, :]
    if deck is not None:
        apart = (deck[:, :, None] == -deck[:, None, :]) & (deck[:, :, None] != 0)
        score = score + to(apart, x_m.dtype) * _NOWHERE
    return smallest(xp, score, state.near.shape[-1])


def touches(xp: Any, state: State, others: Others, cos: Array, sin: Array) -> tuple[Array, Array]:
    """Which boxes overlap a neighbour's `[W, A]` (separating axes of both), and who is to blame for it.

    Blame is nuPlan's, without its cases of several lanes: who moves and hits with the front bumper, or hits one that stands, unless
    that one is behind.
    """
    o, dtype = others, cos.dtype
    la, wa = state.length_m / 2, state.width_m / 2
    c = xp.abs(o.cos * cos + o.sin * sin)
    s = xp.abs(o.sin * cos - o.cos * sin)
    ahead, left = o.dx_m * cos + o.dy_m * sin, o.dy_m * cos - o.dx_m * sin
    along = c * o.half_length_m + s * o.half_width_m
    across = xp.abs(left) - (wa + s * o.half_length_m + c * o.half_width_m)
    forth, aside = o.dx_m * o.cos + o.dy_m * o.sin, o.dy_m * o.cos - o.dx_m * o.sin
    their = o.half_length_m + s * wa, o.half_width_m + c * wa
    apart = xp.maximum(xp.abs(ahead) - (la + along), across)
    apart = xp.maximum(apart, xp.abs(forth) - (their[0] + c * la))
    apart = xp.maximum(apart, xp.abs(aside) - (their[1] + s * la))
    # the same for the front edge alone, a box without length
    front_c, front_s = la * (cos * o.cos + sin * o.sin), la * (sin * o.cos - cos * o.sin)
    edge = xp.maximum(xp.abs(ahead - la) - along, across)
    edge = xp.maximum(edge, xp.abs(forth - front_c) - their[0])
    edge = xp.maximum(edge, xp.abs(aside - front_s) - their[1])
    touch = to(apart <= 0.0, dtype) * o.there
    axle = ahead + state.offset_m
    behind = to(axle < _BEHIND_COS * xp.sqrt(axle * axle + left * left), dtype)
    hits = to((edge <= 0.0) | (xp.abs(o.v_mps) <= _STANDS_MPS), dtype) * (1.0 - behind)
    moves = xp.abs(state.v_mps) > _EGO_STANDS_MPS
    return xp.max(touch, axis=0) > 0.0, (xp.max(touch * hits, axis=0) > 0.0) & moves


def _on_road(
    xp: Any, sim: Sim, state: State, x_m: Array, y_m: Array, cos: Array, sin: Array
) -> Array:
    assert sim.surface is not None
    on = state.active
    for along, across in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)):
        u, v = state.length_m * (0.5 * along), state.width_m * (0.5 * across)
        on = on & sim.surface.drivable(x_m + u * cos - v * sin, y_m + u * sin + v * cos)
    return on
