"""Windows of lines move on with their agents: the next line is entered, the last one's successor is chosen. Arrays `[W, A]`, `[W, A, R]`.

An agent with a route takes the route's next line where that goes on from its own, and the straightest successor elsewhere; one that
wanders takes any successor, by luck that hangs on the world's seed, the agent and how far it has come.
"""

from __future__ import annotations

from typing import Any

from whyway.worlds.sim.arrays import clamp, few, luck, none, pick, pick_rows, to
from whyway.worlds.sim.state import WINDOW, State
from whyway.worlds.sim.table import SUCCESSORS, LaneTable

Array = Any

LONG_M = 8.9
"""Longer vehicles go straight on where they can: they would sweep over half a narrow junction."""
_TRACK = 2
"""Newton steps by which the place on a line is found."""


def enter_next(xp: Any, window: Array, came_from: Array, s_m: Array, at: Array, table: LaneTable, routes: Array | None, route: Array) -> tuple[Array, ...]:  # fmt: skip
    """Window, line before, arc length and place in the route of agents who pass the end of their line (once)."""
    line, following = window[..., 0], window[..., 1]
    long = pick(table.length_m, clamp(line, 0, None))
    passed = (line >= 0) & (following >= 0) & (s_m > long)
    if none(passed):
        return window, came_from, s_m, at
    moved = xp.concat([window[..., 1:], 0 * line[..., None] - 1], axis=-1)
    window = xp.where(passed[..., None], moved, window)
    came_from = xp.where(passed, line, came_from)
    s_m = xp.where(passed, s_m - long, s_m)
    counts = passed
    if routes is not None:
        known = on_route(xp, routes, route, at + 1) == following
        counts = passed & (known | (route < 0))
    return window, came_from, s_m, xp.where(counts, at + 1, at)


def on_route(xp: Any, routes: Array, route: Array, at: Array) -> Array:
    """The lines at places of routes, -2 where there is none."""
    length = routes.shape[1]
    inside = (route >= 0) & (at >= 0) & (at < length)
    found = pick(routes, clamp(route, 0, None) * length + clamp(at, 0, length - 1))
    return xp.where(inside & (found >= 0), found, 0 * at - 2)


def extend(xp: Any, state: State, window: Array, at: Array, table: LaneTable, routes: Array | None, route: Array) -> Array:  # fmt: skip
    """The window with one more line, where there is room and the way goes on."""
    worlds, agents = route.shape
    of_agents = xp.arange(worlds * agents, dtype=xp.int64, device=window.device)
    some = few((window[..., WINDOW - 1] < 0) & (window[..., 0] >= 0))
    if some is None:
        some = of_agents
    rows = pick_rows(xp.reshape(window, (-1, WINDOW)), some)
    generation, length, at, route = (
        pick(v, some) for v in (state.generation, state.length_m, at, route)
    )
    known = xp.sum(to(rows >= 0, xp.int64), axis=-1)
    cell = of_agents[: some.shape[0]] * WINDOW
    last = clamp(pick(rows, cell + clamp(known - 1, 0, None)), 0, None)
    choices = pick(table.successors, last)
    drawn = luck(pick(state.seed, some // agents), some % agents, generation, at + known)
    free = (route < 0) & (length < LONG_M)
    choice = xp.where(free, drawn % clamp(choices, 1, None), 0 * drawn)
    new = pick(table.successor, last * SUCCESSORS + choice)
    if routes is not None:
        wanted = on_route(xp, routes, route, at + known)
        follows = last < 0
        for k in range(SUCCESSORS):
            follows = follows | (pick(table.successor, last * SUCCESSORS + k) == wanted)
        new = xp.where(follows, wanted, new)
    grows = (known > 0) & (choices > 0)
    place = xp.arange(WINDOW, dtype=xp.int64, device=window.device)
    rows = xp.where((place == known[:, None]) & grows[:, None], new[:, None], rows)
    if some is of_agents:
        return xp.reshape(rows, window.shape)
    window = window.copy()
    window.reshape(-1, WINDOW)[some] = rows
    return window


def track(xp: Any, table: LaneTable, line: Array, x_m: Array, y_m: Array, guess_m: Array, steps: int = _TRACK) -> tuple[Array, Array]:  # fmt: skip
    """Arc length and offset of points on their lines, from a guess that is near."""
    s, d = guess_m, 0.0 * guess_m
    for _ in range(steps):
        px, py, yaw, _, _ = table.pose(line, s, 0.0 * s)
        c, n = xp.cos(yaw), xp.sin(yaw)
        rx, ry = x_m - px, y_m - py
        s, d = s + rx * c + ry * n, c * ry - n * rx
    return s, d
