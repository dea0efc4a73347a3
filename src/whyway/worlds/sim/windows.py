"""Windows of lines move on with their agents: the next line is entered, the last one's successor is chosen. Arrays `[W, A]`, `[W, A, R]`.

An agent with a route takes the route's next line where that goes on from its own, and the straightest successor elsewhere; one that
wanders takes any successor, by luck that hangs on the world's seed, the agent and how far it has come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from whyway.worlds.sim.arrays import cells, clamp, few, luck, none, pick, to
from whyway.worlds.sim.state import WINDOW, State
from whyway.worlds.sim.table import SUCCESSORS, LaneTable

Array = Any

LONG_M = 8.9
"""Longer vehicles go straight on where they can: they would sweep over half a narrow junction."""
_TRACK = 2
"""Newton steps by which the place on a line is found."""


@dataclass(frozen=True, slots=True, eq=False)
class Trip:
    """Where agents have come to on their lines `[...]`, their windows `[..., R]`."""

    window: Array
    came_from: Array
    s_m: Array
    at: Array
    """See `State.route_at`."""


def move_on(xp: Any, state: State, trip: Trip, route: Array, table: LaneTable, routes: Array | None) -> Trip:  # fmt: skip
    """The trips after agents who pass the end of their line are on the next one, and windows with room are longer; twice."""
    window = trip.window
    long = pick(table.length_m, clamp(window[..., 0], 0, None))
    passes = (window[..., 1] >= 0) & (trip.s_m > long)
    some = few((window[..., 0] >= 0) & (passes | (window[..., WINDOW - 1] < 0)))
    if some is not None and not some.size:
        return trip
    part = Trip(*(_rows(xp, values, some) for values in _values(trip)))
    who = _drivers(xp, state, route, some)
    for _ in range(2):
        part = _extended(xp, _entered(xp, part, who, table, routes), who, table, routes)
    both = zip(_values(trip), _values(part), strict=True)
    return Trip(*(_put_rows(xp, old, some, new) for old, new in both))


def fill(xp: Any, state: State, table: LaneTable, routes: Array | None) -> Array:
    """The windows `[W, A, R]` of agents of whom at least the first line is known."""
    trip = Trip(state.window, state.came_from, state.s_m, state.route_at)
    trip = Trip(*(_rows(xp, values, None) for values in _values(trip)))
    who = _drivers(xp, state, state.route, None)
    for _ in range(WINDOW - 1):
        trip = _extended(xp, trip, who, table, routes)
    return xp.reshape(trip.window, state.window.shape)


def _values(trip: Trip) -> tuple[Array, ...]:
    return trip.window, trip.came_from, trip.s_m, trip.at


def _rows(xp: Any, values: Array, some: Array | None) -> Array:
    """Of some agents, or all, one behind the other."""
    flat = xp.reshape(values, (-1, *values.shape[2:]))
    return flat if some is None else flat.take(some, axis=0)


def _put_rows(xp: Any, old: Array, some: Array | None, new: Array) -> Array:
    if some is None:
        return xp.reshape(new, old.shape)
    out = old.copy()
    out.reshape(-1, *old.shape[2:])[some] = new
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Drivers:
    """Who makes a trip, and what its luck is drawn from `[n]`."""

    route: Array
    free: Array
    """Whether any way on will do: without a route, and not too long to turn off."""
    seed: Array
    agent: Array
    generation: Array


def _drivers(xp: Any, state: State, route: Array, some: Array | None) -> _Drivers:
    """Some agents (flat indices), or all."""
    agents = route.shape[1]
    flat = xp.reshape(cells(xp, route), (-1,)) if some is None else some
    generation, long, route = (
        _rows(xp, v, some) for v in (state.generation, state.length_m >= LONG_M, route)
    )
    seed = pick(state.seed, flat // agents)
    return _Drivers(route, (route < 0) & ~long, seed, flat % agents, generation)


def _entered(xp: Any, trip: Trip, who: _Drivers, table: LaneTable, routes: Array | None) -> Trip:
    """Who passes the end of its line is on the next one (once)."""
    window, s_m, at = trip.window, trip.s_m, trip.at
    line, following = window[..., 0], window[..., 1]
    long = pick(table.length_m, clamp(line, 0, None))
    passed = (line >= 0) & (following >= 0) & (s_m > long)
    if none(passed):
        return trip
    moved = xp.concat([window[..., 1:], 0 * line[..., None] - 1], axis=-1)
    counts = passed
    if routes is not None:
        known = on_route(xp, routes, who.route, at + 1) == following
        counts = passed & (known | (who.route < 0))
    return Trip(
        window=xp.where(passed[..., None], moved, window),
        came_from=xp.where(passed, line, trip.came_from),
        s_m=xp.where(passed, s_m - long, s_m),
        at=xp.where(counts, at + 1, at),
    )


def _extended(xp: Any, trip: Trip, who: _Drivers, table: LaneTable, routes: Array | None) -> Trip:
    """The windows with one more line, where there is room and the way goes on."""
    window, at = trip.window, trip.at
    known = xp.sum(to(window >= 0, xp.int64), axis=-1)
    place = xp.arange(WINDOW, dtype=xp.int64, device=window.device)
    last = xp.max(xp.where(place == known[..., None] - 1, window, 0 * window), axis=-1)
    choices = pick(table.successors, last)
    drawn = luck(who.seed, who.agent, who.generation, at + known) % clamp(choices, 1, None)
    choice = to(who.free, xp.int64) * drawn
    new = pick(table.successor, last * SUCCESSORS + choice)
    if routes is not None:
        wanted = on_route(xp, routes, who.route, at + known)
        follows = last < 0
        for k in range(SUCCESSORS):
            follows = follows | (pick(table.successor, last * SUCCESSORS + k) == wanted)
        new = xp.where(follows, wanted, new)
    grows = (known > 0) & (choices > 0)
    longer = (place == known[..., None]) & grows[..., None]
    return replace(trip, window=xp.where(longer, new[..., None], window))


def on_route(xp: Any, routes: Array, route: Array, at: Array) -> Array:
    """The lines at places of routes, -2 where there is none."""
    length = routes.shape[1]
    inside = (route >= 0) & (at >= 0) & (at < length)
    found = pick(routes, clamp(route, 0, None) * length + clamp(at, 0, length - 1))
    return xp.where(inside & (found >= 0), found, 0 * at - 2)


def track(xp: Any, table: LaneTable, line: Array, x_m: Array, y_m: Array, guess_m: Array, steps: int = _TRACK) -> tuple[Array, Array]:  # fmt: skip
    """Arc length and offset of points on their lines, from a guess that is near."""
    s, d = guess_m, 0.0 * guess_m
    for _ in range(steps):
        px, py, yaw, _, _ = table.pose(line, s, 0.0 * s)
        c, n = xp.cos(yaw), xp.sin(yaw)
        rx, ry = x_m - px, y_m - py
        s, d = s + rx * c + ry * n, c * ry - n * rx
    return s, d
