"""Lines found again: by agents who are on their route, but elsewhere than they counted, and by those driven off their line. `[W, A]`.

A driver under command may leave its line where no lane change was thought of: pass a blocker in a lane that leads elsewhere, cut a
corner, change lanes within a junction. Whoever is then told of a line it is not on has wrong rights, leaders and lights.
"""

from __future__ import annotations

from typing import Any

from whyway.worlds.sim.arrays import clamp, none, pick
from whyway.worlds.sim.lane_table import LaneTable
from whyway.worlds.sim.seen import centers
from whyway.worlds.sim.state import State
from whyway.worlds.sim.windows import on_route, track

Array = Any

BEHIND, BEYOND = 2, 12
"""So many places of the route before and beyond the one that was counted are looked at."""
TRIED = 8
"""Of the route's lines, from one behind on, one is tried a step by who is off its line."""
ALONG = 0.7
"""Least cosine between the heading and a line that is taken for one's own."""


def counted_again(xp: Any, routes: Array, route: Array, at: Array, line: Array) -> Array:
    """Place in the route: the nearest at which it has the line one is on, or as it was where there is none."""
    lost = (route >= 0) & (line >= 0) & (on_route(xp, routes, route, at) != line)
    if none(lost):
        return at
    found = at
    for away in sorted(range(-BEHIND, BEYOND + 1), key=lambda k: -abs(k)):
        there = lost & (on_route(xp, routes, route, at + away) == line)
        found = xp.where(there, at + away, found)
    return found


def line_again(
    xp: Any, table: LaneTable, routes: Array, state: State, astray: Array, room_m: float
) -> tuple[Array, Array]:
    """The route's line on which somebody `astray` is, -1 for none, and where on it; one line is tried a step.

    Args:
      xp: array namespace.
      table: the lane graph.
      routes: `[Q, n]` lines of the routes.
      state: as it is.
      astray: who looks for a line.
      room_m: so far beyond its border one is still on a line.
    """
    none_yet, s_m = 0 * state.route - 1, 0.0 * state.x_m
    if none(astray):
        return none_yet, s_m
    tried = on_route(xp, routes, state.route, state.route_at + state.tick[:, None] % TRIED - 1)
    line = clamp(tried, 0, None)
    x, y, cos, sin = centers(xp, state)
    length = pick(table.length_m, line)
    ax, ay, *_ = table.pose(line, 0.0 * length, 0.0 * length)
    bx, by, *_ = table.pose(line, length, 0.0 * length)
    chord2 = clamp((bx - ax) ** 2 + (by - ay) ** 2, 1.0, None)
    share = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / chord2
    s_m, d_m = track(xp, table, line, x, y, length * clamp(share, 0.0, 1.0))
    _, _, yaw, _, _ = table.pose(line, s_m, 0.0 * s_m)
    there = astray & (tried >= 0) & (s_m >= 0.0) & (s_m <= length)
    there = there & (cos * xp.cos(yaw) + sin * xp.sin(yaw) > ALONG)
    there = there & (xp.abs(d_m) <= table.half_width(line, s_m) + room_m)
    return xp.where(there, line, none_yet), s_m
