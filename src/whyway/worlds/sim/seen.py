"""What several computations need to know of a state: boxes, neighbours, lines ahead, gates, lights. Computed once for a state.

A step uses it of the state it starts from, the observation of the state it leads to: so who steps again hands it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.worlds.sim.ahead import Lines, lines_ahead
from whyway.worlds.sim.arrays import namespace, to
from whyway.worlds.sim.others import Others, look
from whyway.worlds.sim.rights import Gate, next_gate
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

Array = Any


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Where everybody's box is `[W, A]`, and the neighbours as they are seen from there."""

    x_m: Array
    """Centre, as is `y_m`."""
    y_m: Array
    cos: Array
    """Of the heading, as is `sin`."""
    sin: Array
    others: Others


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """All of it, of a state on a lane graph."""

    boxes: Boxes
    lines: Lines
    gate: Gate
    colors: Array
    """See `light_colors`."""
    lane: tuple[Array, Array, Array]
    """See `LaneTable.lane`, of each agent's place."""


def centers(xp: Any, state: State) -> tuple[Array, Array, Array, Array]:
    """Centres x, y of the boxes, cosine and sine of their headings `[W, A]`."""
    c, s = xp.cos(state.yaw_rad), xp.sin(state.yaw_rad)
    return state.x_m + state.offset_m * c, state.y_m + state.offset_m * s, c, s


def boxes_of(xp: Any, state: State) -> Boxes:
    """The boxes of a state whose neighbours are known."""
    x, y, c, s = centers(xp, state)
    return Boxes(x, y, c, s, look(xp, state, x, y))


def see(xp: Any, sim: Sim, state: State, boxes: Boxes | None = None) -> Seen:
    """Everything about a state; `boxes` if they are known already. There has to be a lane graph."""
    assert sim.table is not None
    lines, colors = lines_ahead(xp, state, sim.table), light_colors(sim, state)
    gate = next_gate(xp, state, lines, sim.table, colors)
    lane = sim.table.lane(lines.line[1], state.s_m)
    return Seen(boxes_of(xp, state) if boxes is None else boxes, lines, gate, colors, lane)


def light_colors(sim: Sim, state: State) -> Array:
    """`LightColor` values `[W, N]` now."""
    xp = namespace(state.x_m)
    asked = xp.where(state.demand_tick < 0, 0 * state.tick, state.tick - state.demand_tick)
    real = state.phase_s.dtype
    return sim.signals.colors(
        to(state.tick, real) * sim.dt_s + state.phase_s, to(asked, real) * sim.dt_s
    )
