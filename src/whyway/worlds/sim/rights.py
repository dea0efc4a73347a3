"""Where each agent may have to stop next, and who may enter a junction. Arrays `[W, A]`; pairs with everybody `[A, W, A]`.

Junctions are shared by *rights*: a way through is used by one agent at a time unless the ways do not conflict. Whoever ranks first among
those who ask gets it (priority road, then turns across it, then who gives way, then stop signs; the earlier arrival first), and
keeps it until its rear is out. Agents under command take what they stand in, and are heeded by their rank before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from whyway.types import LightColor, ObjectClass
from whyway.worlds.sim.ahead import Lines
from whyway.worlds.sim.arrays import (
    cells,
    clamp,
    few,
    first,
    in_row,
    none,
    pick,
    pick_rows,
    put_in,
    to,
)
from whyway.worlds.sim.state import FAR_M, WINDOW, Mode, State
from whyway.worlds.sim.table import LaneTable

Array = Any

CLAIM_S, CLAIM_M = 7.0, 12.0
"""Agents so far (in time, or in metres) from a junction are heeded by those who must give way."""
STOP_BEFORE_LINE_M = 1.0
SETTLED_M = 2.0
"""The rear is so far out of a junction before the next one may come."""
DECIDE_M = 6.0
"""Whoever must give way decides so near the line, not from afar."""
AMBER_MPS2 = 2.5
"""A light that changes is obeyed if this braking suffices, and 1.5 m/s2 more for the most polite."""
LOST_M = 6.0
"""Who is driven so far beside its line is not where the line says, and has no part in who goes first."""
_PASSED_M = 1.0
_AT_LINE_M = 2.5
"""Whoever stands further before a line is not waiting for it: somebody is before it, or it does not want to go."""
SWINGS_M = 6.5
"""Longer vehicles swing out in tight bends: ways side by side are theirs alone."""
_IDLE_S = 2.0
_STOOD_S = 0.5
"""So long one has to stand at a stop sign."""
_RANK_S = 12.0
"""What a step in priority is worth in seconds until arrival: more than anybody heeded is away."""
_WAITED, _PATIENCE_S, _PUSHING = 0.05, 25.0, 1.0
"""Who has waited longer ranks first among equals; after so long it pushes its way in, a second of rank for each second."""
_PUSH_ROOM_M = 20.0
_EXIT_PATIENCE_S = 20.0
"""After so long one does not mind any more whether the exit is free: what holds everybody up may be oneself."""


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """The next place where each agent may have to stop and to which it has no right yet."""

    distance_m: Array
    """From its front, `FAR_M` for none."""
    exit_m: Array
    """From its centre to the end of the way behind it."""
    way: Array
    """The way behind it, -1 for none."""
    priority: Array
    light: Array
    """Index of `Signals`, -1 for none."""
    open: Array
    """Whether that shows green, or there is none."""
    stops: Array


def next_gate(xp: Any, state: State, lines: Lines, table: LaneTable, colors: Array) -> Gate:
    """The next gate of each agent; `colors` are those of the lights `[W, N]`."""
    half, far = state.length_m / 2, 0.0 * state.length_m + FAR_M
    distances = lines.begins_m[1:] + pick(table.gate_s_m, lines.line[1:]) - half
    ahead = (distances > -_PASSED_M) & (distances < FAR_M) & lines.there[1:]
    # to the way behind it one may have the right already
    ahead[:-1] &= (lines.way[2:] != state.held) | (state.held < 0)
    slot = first(xp, ahead)
    found, at = slot < WINDOW, in_row(xp, clamp(slot, None, WINDOW - 1))
    line = pick(lines.line[1:], at)
    behind = in_row(xp, clamp(slot, None, WINDOW - 2))
    way = xp.where(slot < WINDOW - 1, pick(lines.way[2:], behind), 0 * slot - 1)
    rank = xp.arange(WINDOW - 1, dtype=xp.int64, device=half.device)[:, None, None]
    out = first(xp, (rank >= slot) & (lines.way[2:] != way))
    end = pick(lines.begins_m[2:], in_row(xp, clamp(out, None, WINDOW - 2)))
    leaves = xp.where(out < WINDOW - 1, clamp(end, None, FAR_M), far)
    light = xp.where(found, pick(table.gate_light, line), 0 * line - 1)
    return Gate(
        distance_m=xp.where(found, pick(distances, at), far),
        exit_m=xp.where(way >= 0, leaves + SETTLED_M, -far),
        way=way,
        priority=_of_way(xp, table.way_priority, way),
        light=light,
        open=may_go(xp, colors, light, cells(xp, half) // half.shape[1]),
        stops=found & pick(table.gate_stops, line),
    )


def _of_way(xp: Any, values: Array, way: Array) -> Array:
    if not values.shape[0]:
        return 0 * way
    return pick(values, clamp(way, 0, None))


def may_go(xp: Any, colors: Array, light: Array, world: Array) -> Array:
    """Whether lights (indices, -1 for none) of worlds show green or are absent; `colors` are `[W, N]`."""
    if not colors.shape[-1]:
        return light < 0
    at = world * colors.shape[1] + clamp(light, 0, None)
    return (light < 0) | (pick(colors, at) == int(LightColor.GREEN))


def in_time(v_mps: Array, politeness: Array, distance_m: Array) -> Array:
    """Whether an agent would still stop for a light that changes now."""
    return v_mps * v_mps < 2.0 * (AMBER_MPS2 + 1.5 * politeness) * distance_m


def rights(
    xp: Any,
    state: State,
    lines: Lines,
    gate: Gate,
    table: LaneTable,
    colors: Array,
    exit_taken: Array,
    gap_m: Array,
    reckless: Array,
) -> Array:
    """The way each agent has the right to `[W, A]`, -1 for none, from the rights it had.

    Args:
      xp: array namespace.
      state: as it is.
      lines: the windows.
      gate: the next gates.
      table: the lane graph.
      colors: of the lights `[W, N]`.
      exit_taken: whether the junction's exit is not free `[W, A]`.
      gap_m: to the next one in the way `[W, A]`.
      reckless: agents that enter as they like `[W, A]`.
    """
    if not table.way_priority.shape[0]:
        return 0 * state.held - 1
    on_lines = state.active & lines.there[1] & (xp.abs(state.d_m) < LOST_M)
    rail = on_lines & (state.mode == int(Mode.RAIL)) & ~reckless
    driven = on_lines & ((state.mode == int(Mode.COMMAND)) | reckless)
    held = xp.where(rail, _kept(xp, state, lines, table, colors), -1)
    # where junctions follow each other without room between, one comes into the next way without having asked
    held = xp.where(driven | (rail & (held < 0)), _stood_in(xp, state, lines), held)

    dtype = state.v_mps.dtype
    d, standing = gate.distance_m, state.standing_s
    at_line = (d < _AT_LINE_M) & (standing > _STOOD_S)
    eta = d / clamp(state.v_mps, 2.0, None) * to(~at_line, dtype)
    idle = standing > _IDLE_S
    near = (eta < CLAIM_S) | (d < CLAIM_M)
    blocked = exit_taken & (standing < _EXIT_PATIENCE_S)
    wants = xp.where(driven, ~idle, ~blocked & ~(idle & (d > _AT_LINE_M)))
    # between two junctions there may be less room than one needs to be clear of the first: at the second's line one asks all the same
    free = (held < 0) | (at_line & (gate.way != held))
    claims = on_lines & (gate.way >= 0) & free & gate.open & near & wants
    rank = to(gate.priority, dtype) * _RANK_S + eta - _WAITED * standing
    # pushing into a jam would only lock it
    roomy = to(gap_m > _PUSH_ROOM_M, dtype)
    rank = rank - roomy * (_PUSHING * clamp(standing - _PATIENCE_S, 0.0, 3 * _RANK_S))
    agents = standing.shape[-1]
    rank = rank + 1e-3 * xp.arange(agents, dtype=dtype, device=standing.device)
    ready = ((gate.priority == 0) | (d < DECIDE_M)) & (~gate.stops | at_line)
    asks = claims & rail & ready
    barred = _barred(xp, asks, gate.way, held, claims, rank, state.length_m > SWINGS_M, table)
    return xp.where(asks & ~barred, gate.way, held)


def _barred(
    xp: Any, asks: Array, way: Array, held: Array, claims: Array, rank: Array, long: Array, table: LaneTable
) -> Array:  # fmt: skip
    """Of those who ask: whether anybody holds a way that conflicts, or claims one and ranks before."""
    worlds, agents = way.shape
    some = few(asks)
    if some is None:
        some = xp.arange(worlds * agents, dtype=xp.int64, device=way.device)

    def mine(values: Array) -> Array:
        return pick(values, some)[:, None]

    def others(values: Array) -> Array:
        return pick_rows(values, some // agents)

    row = clamp(mine(way), 0, None) * table.conflict.shape[0]
    swing = mine(long) | others(long)

    def meets(other: Array) -> Array:
        pair = row + others(clamp(other, 0, None))
        return pick(table.conflict, pair) | (swing & pick(table.swings, pair))

    holds = meets(held) & others(held >= 0)
    claimed = meets(way) & others(claims)
    barred = xp.any(holds | (claimed & (others(rank) < mine(rank))), axis=-1)
    if some.shape[0] == worlds * agents:
        return xp.reshape(barred, (worlds, agents))
    return put_in(asks, some, barred)


def _kept(xp: Any, state: State, lines: Lines, table: LaneTable, colors: Array) -> Array:
    """The rights that are kept: not behind the junction, nor before it by one who does not come or whose light turned in time."""
    if none(state.held >= 0):
        return state.held
    some = few(state.held >= 0)

    def of(values: Array) -> Array:
        return values if some is None else pick(values, some)

    def lined(values: Array) -> Array:
        return values if some is None else xp.reshape(values, (WINDOW + 1, -1)).take(some, axis=1)

    agent, agents = of(cells(xp, state.held)), state.held.shape[1]
    held, half, v, standing = (
        of(x) for x in (state.held, state.length_m / 2, state.v_mps, state.standing_s)
    )
    ways, ends = lined(lines.way), lined(lines.begins_m + lines.length_m) + SETTLED_M
    of_it = (ways == held) & (held >= 0)
    # round the block the same way may lie ahead once more, behind another one
    rank = xp.arange(WINDOW + 1, dtype=xp.int64, device=held.device)
    rank = xp.reshape(rank, (-1, *(1 for _ in held.shape)))
    of_it = of_it & (rank < 2 + first(xp, (ways[2:] >= 0) & ~of_it[2:]))
    inside = xp.any(of_it & (ends > -half), axis=0)
    enters = of_it[1:] & (ways[:-1] != held)
    at = WINDOW - 1 - first(xp, xp.flip(enters, axis=0))
    comes = at >= 0
    at = clamp(at, 0, None) * math.prod(state.held.shape) + agent
    gate = pick(lines.line, at)
    to_line = pick(lines.begins_m, at) + pick(table.gate_s_m, gate) - half
    to_line = xp.where(comes, to_line, 0.0 * half - FAR_M)
    light = xp.where(comes, pick(table.gate_light, gate), 0 * held - 1)
    before = (to_line > 0.0) & (to_line < FAR_M)
    stays_away = (standing > _IDLE_S) & (to_line > _AT_LINE_M)
    stops = in_time(v, of(state.politeness), to_line)
    lost = before & (stays_away | (stops & ~may_go(xp, colors, light, agent // agents)))
    kept = xp.where((held >= 0) & inside & ~lost, held, 0 * held - 1)
    return kept if some is None else put_in(0 * state.held - 1, some, kept)


def _stood_in(xp: Any, state: State, lines: Lines) -> Array:
    """The way that an agent is in by now, whether it had the right or not; -1 for none."""
    half = state.length_m / 2
    rear = xp.where(lines.there[0] & (state.s_m < half), lines.way[0], -1)
    front = xp.where(lines.begins_m[2] < half - _PASSED_M, lines.way[2], -1)
    middle = lines.way[1]
    return xp.where(middle >= 0, middle, xp.where(front >= 0, front, rear))


def walks(state: State) -> Array:
    """Who is on foot."""
    return state.object_class == int(ObjectClass.PEDESTRIAN)
