"""What a learning driver is given of each agent: its own motion, the nearest others, its path ahead, the next light. `[W, A, F]`.

Everything is in the agent's own frame (its box's centre, x forward) and scaled to about one. This is the truth, not the sensor model's view.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from whyway.types import LightColor
from whyway.worlds.sim.engine_old import Sim, light_colors
from whyway.worlds.sim.rails import Rails, X, Y
from whyway.worlds.sim.state import State, clamp, flat_take
from whyway.worlds.sim.traffic_old import next_stops

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
    # one array, filled in place: stacking parts would copy it three times over
    out = xp.zeros((*cx.shape, FEATURES), dtype=cx.dtype)
    _own(sim, state, out[..., :_OWN])
    _others(state, cx, cy, c, s, out[..., _OWN : _OWN + NEAREST * _OTHER])
    if sim.rails is not None:
        _path(sim.rails, state, cx, cy, c, s, out[..., _OWN + NEAREST * _OTHER :])
    out *= xp.astype(state.active, out.dtype)[..., None]
    return out


def _own(sim: Sim, state: State, out: Array) -> None:
    xp = array_namespace(state.x_m)
    out[..., 0], out[..., 1], out[..., 2] = (
        state.v_mps * _SPEED,
        state.a_mps2 * 0.2,
        state.steer_rad,
    )
    out[..., 3], out[..., 4], out[..., 5] = (
        state.d_m * 0.2,
        state.length_m * 0.1,
        state.width_m * 0.3,
    )
    if sim.rails is None:
        return
    ahead = next_stops(state, sim.rails)
    out[..., 6] = clamp(ahead.distance_m * _METRES, 0.0, 2.0)
    lit = ahead.light >= 0
    out[..., 7] = xp.astype(lit, out.dtype)
    colors = light_colors(sim, state)
    if colors.shape[-1]:
        color = xp.take_along_axis(colors, clamp(ahead.light, 0, None), axis=-1)
        out[..., 8] = xp.astype(lit & (color != int(LightColor.GREEN)), out.dtype)


def _others(state: State, cx: Array, cy: Array, c: Array, s: Array, out: Array) -> None:
    xp = array_namespace(cx)
    worlds, agents = cx.shape
    dx, dy = cx[:, None, :] - cx[:, :, None], cy[:, None, :] - cy[:, :, None]
    far = xp.asarray(1e9, dtype=cx.dtype)
    seen = state.active[:, None, :] & ~xp.eye(agents, dtype=xp.bool)[None]
    distance = xp.where(seen, dx * dx + dy * dy, far)
    count = min(NEAREST, agents)
    near = xp.argsort(distance, axis=-1)[..., :count]
    there = xp.astype(xp.take_along_axis(distance, near, axis=-1) < (2.0 / _METRES) ** 2, cx.dtype)
    flat = near + xp.arange(worlds)[:, None, None] * agents
    rx, ry = flat_take(cx, flat) - cx[..., None], flat_take(cy, flat) - cy[..., None]
    cb, sb = flat_take(c, flat) * there, flat_take(s, flat) * there
    ca, sa, scale = c[..., None], s[..., None], there * _METRES
    columns = (
        (ca * rx + sa * ry) * scale, (ca * ry - sa * rx) * scale, ca * cb + sa * sb, ca * sb - sa * cb,
        flat_take(state.v_mps * _SPEED, flat) * there,
        flat_take(state.length_m * 0.1, flat) * there,
        flat_take(state.width_m * 0.3, flat) * there,
        flat_take(xp.astype(state.object_class, cx.dtype) * 0.1, flat) * there,
    )  # fmt: skip
    for k, column in enumerate(columns):
        out[..., k : count * _OTHER : _OTHER] = column


def _path(rails: Rails, state: State, cx: Array, cy: Array, c: Array, s: Array, out: Array) -> None:
    xp = array_namespace(cx)
    every = round(POINT_EVERY_M / rails.spacing_m)
    steps = (
        xp.astype(xp.round(state.s_m / rails.spacing_m), xp.int64)[..., None]
        + xp.arange(1, POINTS + 1) * every
    )
    rows = clamp(state.path, 0, None)[..., None] * rails.points + clamp(steps, 0, rails.points - 1)
    px, py = (
        flat_take(rails.table[:, X], rows) - cx[..., None],
        flat_take(rails.table[:, Y], rows) - cy[..., None],
    )
    has = xp.astype(state.path >= 0, cx.dtype)[..., None] * _METRES
    ca, sa = c[..., None] * has, s[..., None] * has
    out[..., 0::2], out[..., 1::2] = ca * px + sa * py, ca * py - sa * px
