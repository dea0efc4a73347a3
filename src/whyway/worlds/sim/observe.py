"""What a learning driver is given of each agent: its own motion, the nearest others, its way ahead, the next light. `[W, A, F]`.

Everything is in the agent's own frame (its box's centre, x forward) and scaled to about one. This is the truth, not the sensor model's view.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from whyway.worlds.sim.ahead import Lines, lines_ahead, sample_way
from whyway.worlds.sim.arrays import clamp, pick, to
from whyway.worlds.sim.engine import light_colors
from whyway.worlds.sim.others import Others, look
from whyway.worlds.sim.rights import may_go, next_gate
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

Array = Any

NEAREST = 8
POINTS = 8
POINT_EVERY_M = 5.0
_OWN, _OTHER = 13, 8
FEATURES = _OWN + NEAREST * _OTHER + POINTS * 2
"""Numbers per agent."""
D_COLUMN, HEADING_COLUMN = 3, 11
"""Where the offset from the lane (0.2 per metre) and the sine of the heading against it stand."""

_METRES, _SPEED = 1 / 50.0, 1 / 15.0


def observe(sim: Sim, state: State) -> Array:
    """Observations `[W, A, FEATURES]`; others that are absent are zeros, and so is all of an inactive agent."""
    return look_around(array_namespace(state.x_m), sim, state)


def look_around(xp: Any, sim: Sim, state: State) -> Array:
    """`observe` for whoever has the namespace at hand."""
    c, s = xp.cos(state.yaw_rad), xp.sin(state.yaw_rad)
    cx, cy = state.x_m + state.offset_m * c, state.y_m + state.offset_m * s
    around = _others(xp, state, look(xp, state, cx, cy, c, s), c, s)
    if sim.table is None:
        nothing = 0.0 * cx
        columns = _own(xp, state, 6 * [nothing])
        columns += around + (2 * POINTS) * [nothing]
    else:
        lines = lines_ahead(xp, state, sim.table)
        every = xp.arange(1, POINTS + 1, device=cx.device) * POINT_EVERY_M
        way = sample_way(xp, lines, sim.table, to(every, cx.dtype))
        columns = _own(xp, state, _road(xp, sim, state, lines, c, s)) + around
        px, py = way.x_m - cx, way.y_m - cy
        known = to(lines.there[1], cx.dtype) * _METRES
        forth, left = (px * c + py * s) * known, (py * c - px * s) * known
        for k in range(POINTS):
            columns += [forth[k], left[k]]
    out = xp.stack(columns, axis=-1)
    return out * to(state.active, out.dtype)[..., None]


def _own(xp: Any, state: State, road: list[Array]) -> list[Array]:
    # a gap to nobody is as good as two lengths of the scale
    gap = clamp(state.lead_gap_m * _METRES, 0.0, 2.0)
    return [
        state.v_mps * _SPEED, state.a_mps2 * 0.2, state.steer_rad, state.d_m * 0.2,
        state.length_m * 0.1, state.width_m * 0.3, gap, state.lead_v_mps * _SPEED, *road[:5],
    ]  # fmt: skip


def _road(xp: Any, sim: Sim, state: State, lines: Lines, cos: Array, sin: Array) -> list[Array]:
    """Next gate, its light, the lane's heading and speed."""
    assert sim.table is not None
    gate = next_gate(xp, state, lines, sim.table)
    colors = light_colors(sim, state)
    dtype = cos.dtype
    lit = gate.light >= 0
    closed = lit & ~may_go(xp, colors, gate.light)
    _, _, yaw, _, speed = sim.table.pose(lines.line[1], state.s_m, 0.0 * state.s_m)
    there = to(lines.there[1], dtype)
    heading = (sin * xp.cos(yaw) - cos * xp.sin(yaw)) * there
    return [
        clamp(gate.distance_m * _METRES, 0.0, 2.0), to(lit, dtype), to(closed, dtype), heading,
        speed * _SPEED * there,
    ]  # fmt: skip


def _others(xp: Any, state: State, others: Others, cos: Array, sin: Array) -> list[Array]:
    o = others
    count = min(NEAREST, o.dx_m.shape[0])
    there, dx, dy, oc, os = (v[:count] for v in (o.there, o.dx_m, o.dy_m, o.cos, o.sin))
    scale = there * _METRES
    kind = pick(to(state.object_class, cos.dtype), o.flat[:count])
    features = (
        (dx * cos + dy * sin) * scale, (dy * cos - dx * sin) * scale,
        (oc * cos + os * sin) * there, (os * cos - oc * sin) * there,
        o.v_mps[:count] * (there * _SPEED), o.half_length_m[:count] * (there * 0.2),
        o.half_width_m[:count] * (there * 0.6), kind * (there * 0.1),
    )  # fmt: skip
    columns: list[Array] = [feature[k] for k in range(count) for feature in features]
    columns += (NEAREST - count) * _OTHER * [0.0 * cos]
    return columns
