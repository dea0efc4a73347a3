"""What a learning driver is given of each agent: its own motion, the nearest others, its path ahead, the next light. `[W, A, F]`.

Everything is in the agent's own frame (its box's centre, x forward) and scaled to about one. This is the truth, not the sensor model's view.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from whyway.types import LightColor
from whyway.worlds.sim.engine import Sim, light_colors
from whyway.worlds.sim.rails import X, Y
from whyway.worlds.sim.state import State
from whyway.worlds.sim.traffic import next_stops

Array = Any

NEAREST = 8
POINTS = 8
POINT_EVERY_M = 5.0
_OWN, _OTHER = 9, 8
FEATURES = _OWN + NEAREST * _OTHER + POINTS * 2
"""Numbers per agent."""

_METRES, _SPEED = 1 / 50.0, 1 / 15.0


def observe(sim: Sim, state: State) -> Array:
    """Observations `[W, A, FEATURES]`; others that are absent or too far are zeros, and so is all of an inactive agent."""
    xp = array_namespace(state.x_m)
    cx, cy = state.centers()
    c, s = xp.cos(state.yaw_rad), xp.sin(state.yaw_rad)
    parts = [_own(sim, state), _others(state, cx, cy, c, s), _path(sim, state, cx, cy, c, s)]
    out = xp.concat(parts, axis=-1)
    return out * xp.astype(state.active, out.dtype)[..., None]


def _own(sim: Sim, state: State) -> Array:
    xp = array_namespace(state.x_m)
    one = xp.ones(state.v_mps.shape, dtype=state.v_mps.dtype)
    columns = [
        state.v_mps * _SPEED,
        state.a_mps2 * 0.2,
        state.steer_rad,
        state.d_m * 0.2,
        state.length_m * 0.1,
        state.width_m * 0.3,
    ]
    if sim.rails is None:
        return xp.stack([*columns, one, 0.0 * one, 0.0 * one], axis=-1)
    ahead = next_stops(state, sim.rails)
    colors = light_colors(sim, state)
    at = xp.clip(ahead.light, 0, None)
    color = xp.take_along_axis(colors, at, axis=-1) if colors.shape[-1] else at
    lit = ahead.light >= 0
    halt = lit & (color != int(LightColor.GREEN))
    columns += [
        xp.clip(ahead.distance_m * _METRES, 0.0, 2.0),
        xp.astype(lit, one.dtype),
        xp.astype(halt, one.dtype),
    ]
    return xp.stack(columns, axis=-1)


def _others(state: State, cx: Array, cy: Array, c: Array, s: Array) -> Array:
    xp = array_namespace(cx)
    worlds, agents = cx.shape
    dx, dy = cx[:, None, :] - cx[:, :, None], cy[:, None, :] - cy[:, :, None]
    far = xp.asarray(1e9, dtype=cx.dtype)
    distance = xp.where(
        state.active[:, None, :] & ~xp.eye(agents, dtype=xp.bool)[None], dx * dx + dy * dy, far
    )
    count = min(NEAREST, agents)
    near = xp.argsort(distance, axis=-1)[..., :count]
    # one table row per agent: rows are gathered whole
    table = xp.stack(
        [
            cx,
            cy,
            c,
            s,
            state.v_mps * _SPEED,
            state.length_m * 0.1,
            state.width_m * 0.3,
            xp.astype(state.object_class, cx.dtype) * 0.1,
        ],
        axis=-1,
    )
    base = xp.arange(worlds)[:, None, None] * agents
    rows = xp.take(xp.reshape(table, (-1, table.shape[-1])), xp.reshape(near + base, (-1,)), axis=0)
    rows = xp.reshape(rows, (worlds, agents, count, table.shape[-1]))
    rx, ry = rows[..., 0] - cx[..., None], rows[..., 1] - cy[..., None]
    ca, sa = c[..., None], s[..., None]
    there = xp.astype(
        xp.take_along_axis(distance, near, axis=-1) < (1.0 / _METRES * 2) ** 2, cx.dtype
    )
    out = xp.stack(
        [
            (ca * rx + sa * ry) * _METRES, (ca * ry - sa * rx) * _METRES,
            ca * rows[..., 2] + sa * rows[..., 3], ca * rows[..., 3] - sa * rows[..., 2],
            rows[..., 4], rows[..., 5], rows[..., 6], rows[..., 7],
        ],
        axis=-1,
    ) * there[..., None]  # fmt: skip
    out = xp.reshape(out, (worlds, agents, count * _OTHER))
    if count < NEAREST:
        out = xp.concat(
            [out, xp.zeros((worlds, agents, (NEAREST - count) * _OTHER), dtype=cx.dtype)], axis=-1
        )
    return out


def _path(sim: Sim, state: State, cx: Array, cy: Array, c: Array, s: Array) -> Array:
    xp = array_namespace(cx)
    shape = (*cx.shape, POINTS * 2)
    if sim.rails is None:
        return xp.zeros(shape, dtype=cx.dtype)
    rails = sim.rails
    steps = xp.astype(xp.round(state.s_m[..., None] / rails.spacing_m), xp.int64) + xp.arange(
        1, POINTS + 1
    ) * int(POINT_EVERY_M / rails.spacing_m)
    rows = xp.clip(state.path, 0, None)[..., None] * rails.points + xp.clip(
        steps, 0, rails.points - 1
    )
    px, py = (
        xp.take(rails.table[:, X], rows) - cx[..., None],
        xp.take(rails.table[:, Y], rows) - cy[..., None],
    )
    ca, sa = c[..., None], s[..., None]
    out = xp.stack([(ca * px + sa * py) * _METRES, (ca * py - sa * px) * _METRES], axis=-1)
    has = xp.astype(state.path >= 0, cx.dtype)[..., None]
    return xp.reshape(out, shape) * has
