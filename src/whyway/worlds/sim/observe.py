"""What a learning driver is given of each agent: its own motion, the nearest others, its way ahead, the next light. `[W, A, F]`.

Everything is in the agent's own frame (its box's centre, x forward) and scaled to about one. This is the truth, not the sensor model's view.
"""

from __future__ import annotations

from typing import Any

from whyway.worlds.sim.ahead import way_at
from whyway.worlds.sim.arrays import clamp, namespace, none, pick, to
from whyway.worlds.sim.seen import Boxes, Seen, boxes_of, see
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

Array = Any

NEAREST = 8
POINTS = 8
POINT_EVERY_M = 5.0
_ROAD, _OTHER = 5, 8
_OWN = 8 + _ROAD
FEATURES = _OWN + NEAREST * _OTHER + POINTS * 2
"""Numbers per agent."""
D_COLUMN, HEADING_COLUMN = 3, 11
"""Where the offset from the lane (0.2 per metre) and the sine of the heading against it stand."""

_METRES, _SPEED = 1 / 50.0, 1 / 15.0


def observe(sim: Sim, state: State) -> Array:
    """Observations `[W, A, FEATURES]`; others that are absent are zeros, and so is all of an inactive agent.

    In memory a feature of everybody lies together: a product of matrices takes it as it is, and nothing has to be laid out anew.
    """
    xp = namespace(state.x_m)
    boxes = boxes_of(xp, state)
    seen = None if sim.table is None else see(xp, sim, state, boxes)
    return look_around(xp, sim, state, boxes, seen)


def look_around(
    xp: Any, sim: Sim, state: State, boxes: Boxes, seen: Seen | None, room: Array | None = None
) -> Array:
    """`observe` for whoever knows what is `seen` of the state (None where there is no lane graph), and may have room `[F, W, A]`."""
    cx, cy, c, s = boxes.x_m, boxes.y_m, boxes.cos, boxes.sin
    out = room
    if out is None:
        out = xp.empty((FEATURES, *cx.shape), dtype=cx.dtype, device=cx.device)
    own, way = _own(xp, state), out[-2 * POINTS :]
    if sim.table is None or seen is None:
        own += _ROAD * [0.0]
        way[:] = 0.0
    else:
        own += _road(xp, seen)
        every = xp.arange(1, POINTS + 1, device=cx.device) * POINT_EVERY_M
        x, y = way_at(xp, seen.lines, sim.table, to(every, cx.dtype)).every_point(xp)
        known = to(seen.lines.there[1], cx.dtype) * _METRES
        way[::2], way[1::2] = _turned(x - cx, y - cy, c * known, s * known)
    for k, values in enumerate(own):
        out[k] = values
    others = out[_OWN : -2 * POINTS]
    found = _others(xp, state, boxes)
    count = found[0].shape[0] * _OTHER
    for k, values in enumerate(found):
        others[k:count:_OTHER] = values
    others[count:] = 0.0
    if not none(~state.active):
        out *= to(state.active, out.dtype)
    return xp.moveaxis(out, 0, -1)


def _own(xp: Any, state: State) -> list[Any]:
    # a gap to nobody is as good as two lengths of the scale
    gap = clamp(state.lead_gap_m * _METRES, 0.0, 2.0)
    return [
        state.v_mps * _SPEED, state.a_mps2 * 0.2, state.steer_rad, state.d_m * 0.2,
        state.length_m * 0.1, state.width_m * 0.3, gap, state.lead_v_mps * _SPEED,
    ]  # fmt: skip


def _road(xp: Any, seen: Seen) -> list[Array]:
    """Next gate, its light, the lane's heading and speed."""
    lines, gate, cos, sin = seen.lines, seen.gate, seen.boxes.cos, seen.boxes.sin
    dtype = cos.dtype
    lit = gate.light >= 0
    closed = lit & ~gate.open
    yaw, speed, _ = seen.lane
    there = to(lines.there[1], dtype)
    heading = (sin * xp.cos(yaw) - cos * xp.sin(yaw)) * there
    return [
        clamp(gate.distance_m * _METRES, 0.0, 2.0), to(lit, dtype), to(closed, dtype), heading,
        speed * _SPEED * there,
    ]  # fmt: skip


def _others(xp: Any, state: State, boxes: Boxes) -> list[Array]:
    """Features of the nearest others, each `[up to NEAREST, W, A]`."""
    o, cos, sin = boxes.others, boxes.cos, boxes.sin
    count = min(NEAREST, o.flat.shape[0])
    flat, there, dx, dy = (v[:count] for v in (o.flat, o.there, o.dx_m, o.dy_m))
    features = [
        *_turned(dx, dy, cos * _METRES, sin * _METRES), *_turned(pick(cos, flat), pick(sin, flat), cos, sin),
    ]  # fmt: skip
    kind = to(state.object_class, cos.dtype)
    scaled = (state.v_mps * _SPEED, state.length_m * 0.1, state.width_m * 0.3, kind * 0.1)
    features += [pick(values, flat) for values in scaled]
    if not none(~there):
        features = [feature * to(there, cos.dtype) for feature in features]
    return features


def _turned(x: Array, y: Array, cos: Array, sin: Array) -> tuple[Array, Array]:
    """Vectors in frames of such headings."""
    forth, left = x * cos, y * cos
    forth += y * sin
    left -= x * sin
    return forth, left
