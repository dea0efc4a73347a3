"""Lane changes: who wants to, who may, and what that does to its lines. Arrays `[W, A]`.

MOBIL (Kesting, Treiber, Helbing, "General lane-changing model MOBIL for car-following models", TRR 1999, 2007): a change is made
if nobody has to brake harder than is safe, and if one's own gain outweighs the loss of who follows, by one's politeness. The followers'
accelerations are taken from their interaction with the agent alone. Left and right are thought of in turn, a step each, so that no two
agents can take one gap from both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.types import ObjectClass
from whyway.worlds.sim.ahead import Lines
from whyway.worlds.sim.arrays import clamp, none, pick, to
from whyway.worlds.sim.others import Leads
from whyway.worlds.sim.rights import Gate
from whyway.worlds.sim.state import FAR_M, Mode, State, When
from whyway.worlds.sim.table import LaneTable

Array = Any

SAFE_MPS2, SAFE_AT_LAST_MPS2 = 2.0, 4.0
"""Nobody is made to brake harder; by those who run out of lane not harder than the second."""
THRESHOLD_MPS2 = 0.3
AGAIN_S, MUST_AGAIN_S = 6.0, 2.0
"""Between two changes of one agent."""
BEFORE_GATE_M, BEFORE_GATE_S = 25.0, 3.0
"""Nobody changes lanes without need so near a stop line."""
URGENT_M, URGENT_S = 50.0, 6.0
"""So near the end of the lane who has to change asks to be let in."""
END_M = 1.5
"""Who has to change and could not stops so far before the end of its lane."""
_SETTLED_M = 0.4
_MIN_MPS = 0.5
_STUCK_S = 4.0
_GIVES_UP_S = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What comes of it."""

    line: Array
    """The line to change to now, -1 for none."""
    wish: Array
    """See `State.wish`."""
    end_m: Array
    """From the front to where one has to stop because the lane does not lead on, `FAR_M` where it does."""
    gives_up: Array
    """Who has waited at its lane's end for too long and goes on without its route."""


def side_of(xp: Any, state: State, dtype: Any) -> Array:
    """`[W, 1]` the side that is thought of in this step: 1 left, -1 right."""
    return to(1 - 2 * (state.tick & 1), dtype)[:, None]


def needed(xp: Any, state: State, table: LaneTable, escape: Array, routes: Array | None) -> Array:
    """The side to which the lane has to be left: 1 left, -1 right, 0 none.

    Args:
      xp: array namespace.
      state: as it is.
      table: the lane graph.
      escape: `[L]` where a lane ends beside one that goes on.
      routes: `[Q, n]` lines of the routes, if there are any.
    """
    line = clamp(state.window[..., 0], 0, None)
    must = pick(escape, line)
    if routes is None:
        return must
    length = routes.shape[1]
    at = clamp(state.route, 0, None) * length + clamp(state.route_at + 1, None, length - 1)
    following = pick(routes, at)
    known = (state.route >= 0) & (state.route_at + 1 < length) & (following >= 0)
    left = known & (following == pick(table.left, line))
    right = known & (following == pick(table.right, line))
    by_route = to(left, line.dtype) - to(right, line.dtype)
    return xp.where(by_route != 0, by_route, must)


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """Who might change lanes, before anybody has looked around."""

    drives: Array
    """Who changes lanes at all."""
    line: Array
    """The line to which one could change now at the side that is thought of, -1 for none."""


def chances(xp: Any, state: State, lines: Lines, table: LaneTable, side: Array) -> Chance:
    """Who might change lanes now; `side` is from `side_of`."""
    line, kind = lines.line[1], state.object_class
    drives = (
        state.active
        & lines.there[1]
        & (state.mode == int(Mode.RAIL))
        & (kind != int(ObjectClass.PEDESTRIAN))
        & (kind != int(ObjectClass.BICYCLE))
        & (state.cue_when[..., 0] == int(When.NEVER))
    )
    free = drives & (state.held < 0) & ~pick(table.in_junction, line)
    free = free & (xp.abs(state.d_m - state.target_d_m) < _SETTLED_M)
    beside = xp.where(side > 0.0, pick(table.left, line), pick(table.right, line))
    return Chance(drives, xp.where(free, beside, 0 * beside - 1))


def changes(
    xp: Any,
    state: State,
    lines: Lines,
    leads: Leads,
    gate: Gate,
    chance: Chance,
    must: Array,
    side: Array,
    dt_s: float,
) -> Change:
    """Who changes lanes now; `must` is from `needed`, `side` from `side_of`."""
    dtype = state.v_mps.dtype
    can, obliged = chance.line >= 0, (must != 0) & chance.drives
    if none(can | obliged):
        nothing = 0 * chance.line
        return Change(nothing - 1, nothing, 0.0 * state.v_mps + FAR_M, obliged)
    since = to(state.tick[:, None] - state.changed_tick, dtype) * dt_s

    rest = lines.begins_m[2] - state.length_m / 2
    rest = xp.where(lines.begins_m[2] > FAR_M / 2, lines.begins_m[1] + lines.length_m[1], rest)
    end = xp.where(obliged, rest - END_M, 0.0 * rest + FAR_M)
    urgency = clamp(1.0 - rest / (URGENT_M + URGENT_S * state.v_mps), 0.0, 1.0)

    asked = obliged & (to(must, dtype) == side)
    against = obliged & ~asked
    gain = leads.pull_beside - leads.pull
    # who is followed closely makes way to the right, never to the left, where the other one would pass
    loss = leads.push * to(side < 0.0, dtype) - leads.push_beside
    worth = gain - state.politeness * loss > THRESHOLD_MPS2
    room = (gate.distance_m > BEFORE_GATE_M) & (gate.distance_m > BEFORE_GATE_S * state.v_mps)
    room = room & (rest > 2.0 * state.v_mps + 5.0) & (since > AGAIN_S) & ~against
    limit = -(SAFE_MPS2 + (SAFE_AT_LAST_MPS2 - SAFE_MPS2) * urgency * to(asked, dtype))
    safe = (leads.push_beside > limit) & (leads.pull_beside > limit)
    # moving sideways takes moving: who stands may start, who is too near the end for that has to be let in first
    wants = xp.where(asked, since > MUST_AGAIN_S, worth & room & (state.v_mps > _MIN_MPS))
    go = can & wants & safe
    stuck = can & worth & (state.standing_s > _STUCK_S) & ~against
    wish = xp.where(obliged & (urgency > 0.0), must, 0 * must)
    wish = xp.where(stuck & ~obliged, to(side, must.dtype) + 0 * must, wish)
    return Change(
        line=xp.where(go, chance.line, 0 * chance.line - 1),
        wish=xp.where(go, 0 * wish, wish),
        end_m=end,
        gives_up=obliged & (state.standing_s > _GIVES_UP_S) & (rest < 8.0) & (state.route >= 0),
    )
