"""Where everybody is on lines after a step, and who leaves and enters. Mirrors `engine._place` and `entries`."""

from __future__ import annotations

import math

from whyway.types import ObjectClass
from whyway.worlds.sim import engine, entries, regain
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.lanes import (
    clamp,
    enter_next,
    extend,
    half_width,
    heading,
    luck,
    on_route,
    point,
    track,
)  # fmt: skip
from whyway.worlds.sim.compiled.layout import (
    ACTIVE,
    CAME,
    CAP,
    CHANGED,
    CLASS,
    FACTOR,
    GENERATION,
    GIVES_UP,
    GO_A,
    GO_D,
    GO_M,
    GO_V,
    HELD,
    LOG,
    LONG,
    MODE,
    NEW_LINE,
    OFFSET,
    PLAYS,
    PX,
    PY,
    ROUTE,
    ROUTE_AT,
    ROUTE_S,
    STANDING,
    STEER,
    TARGET,
    WIDE,
    WISH,
    YAWS,
    A,
    D,
    Desk,
    Map,
    S,
    V,
)  # fmt: skip
from whyway.worlds.sim.state import EGO, FAR_M, WINDOW, Mode

_RAIL, _COMMAND, _WALKER = int(Mode.RAIL), int(Mode.COMMAND), int(ObjectClass.PEDESTRIAN)
_ASTRAY_M, _AXLES, _SLANT, _SWING_M = (
    engine._ASTRAY_M, engine._AXLES, engine._SLANT, engine._SWING_M,
)  # fmt: skip
_BEHIND, _BEYOND, _TRIED, _ALONG = regain.BEHIND, regain.BEYOND, regain.TRIED, regain.ALONG
_CLEAR_M, _UNSEEN_M, _STUCK_S = entries.CLEAR_M, entries.UNSEEN_M, entries.STUCK_S
_SEEN_STUCK_S, _TURNS = entries.SEEN_STUCK_S, entries.TURNS


@part
def stretched(
    m: Map, reach: float, line: int, before: int, after: int, s_m: float, d_m: float
) -> tuple[float, float, float]:
    """`engine._stretched`: x, y, yaw of a box whose two axles stand on its lines."""
    long = m.lines[line].length_m
    front, rear = s_m + reach, s_m - reach
    ahead, back = line, line
    if front > long and after >= 0:
        ahead, front = after, front - long
    if rear < 0.0 and before >= 0:
        back, rear = before, rear + m.lines[before].length_m
    x0, y0 = point(m, ahead, front, d_m)
    x1, y1 = point(m, back, rear, d_m)
    return (x0 + x1) / 2, (y0 + y1) / 2, math.atan2(y0 - y1, x0 - x1)


@part
def counted_again(m: Map, route: int, at: int, line: int) -> int:
    """`regain.counted_again` of one agent."""
    if route < 0 or line < 0 or on_route(m, route, at) == line:
        return at
    for away in range(1, _BEYOND + 1):
        if on_route(m, route, at + away) == line:
            return at + away
        if away <= _BEHIND and on_route(m, route, at - away) == line:
            return at - away
    return at


@part
def line_again(m: Map, k: Desk, a: int, tick: int) -> tuple[int, float]:
    """`regain.line_again` of one agent."""
    f = k.old
    line = on_route(m, k.was[ROUTE, a], k.was[ROUTE_AT, a] + tick % _TRIED - 1)
    if line < 0:
        return -1, 0.0
    c, n = math.cos(f[YAWS, a]), math.sin(f[YAWS, a])
    x, y = f[PX, a] + f[OFFSET, a] * c, f[PY, a] + f[OFFSET, a] * n
    length = m.lines[line].length_m
    ax, ay = point(m, line, 0.0, 0.0)
    bx, by = point(m, line, length, 0.0)
    chord2 = max((bx - ax) ** 2 + (by - ay) ** 2, 1.0)
    share = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / chord2
    s, d = track(m, line, x, y, length * clamp(share, 0.0, 1.0))
    yaw, _speed = heading(m, line, s)
    there = 0.0 <= s <= length and abs(d) <= half_width(m, line, s) + _ASTRAY_M
    if there and c * math.cos(yaw) + n * math.sin(yaw) > _ALONG:
        return line, s
    return -1, 0.0


@part
def place(m: Map, k: Desk, a: int, tick: int, seed: int) -> None:
    """`engine._place` of one agent."""
    f, g, t, u, now, dt = k.old, k.new, k.real, k.whole, k.now, m.dt_s
    mode, active = k.was[MODE, a], k.was[ACTIVE, a] != 0
    rail = active and mode == _RAIL
    line = max(k.before[a, 0], 0)
    new_line = u[NEW_LINE, a]
    changed = new_line >= 0
    ahead, d_old = (f[V, a] + g[V, a]) * (0.5 * dt), f[D, a]
    if rail:
        ahead, d_old = t[GO_M, a], t[GO_D, a]
    s_old = f[S, a] + ahead
    # who is driven onto the next lane is on it; who changes lanes has the old one's place on the new one
    other = changed
    found, found_s = -1, 0.0
    if not changed:
        new_line = line
        if active and mode == _COMMAND:
            half = half_width(m, line, f[S, a])
            if abs(f[D, a]) > half + _ASTRAY_M:
                aside = m.lines[line].left if f[D, a] > 0.0 else m.lines[line].right
                if aside >= 0:
                    new_line, other = aside, True
                elif m.routes.shape[0]:
                    found, found_s = line_again(m, k, a, tick)
    s = s_old
    if u[GIVES_UP, a] != 0:
        now[ROUTE, a] = -1
    route, at = now[ROUTE, a], k.was[ROUTE_AT, a]
    if other:
        s = s_old * (m.lines[new_line].length_m / m.lines[line].length_m)
    if found >= 0:
        new_line, other, s = found, True, found_s
    if other:
        k.window[a, 0] = new_line
        now[CAME, a] = -1
    if m.routes.shape[0]:
        at = counted_again(m, route, at, new_line if k.window[a, 0] >= 0 else -1)
    if other or at != now[ROUTE_AT, a]:
        now[ROUTE_AT, a] = at
        for r in range(1, WINDOW):
            k.window[a, r] = -1
    for _ in range(2):
        s = enter_next(m, k, a, s)
        extend(m, k, a, seed)
    here = max(k.window[a, 0], 0)
    if rail:
        if changed:
            x, y, yaw = stretched(
                m, f[LONG, a] * _AXLES, line, k.was[CAME, a], k.before[a, 1], s_old, d_old
            )
        else:
            x, y, yaw = stretched(
                m, f[LONG, a] * _AXLES, here, now[CAME, a], k.window[a, 1], s, d_old
            )
        if f[WIDE, a] < f[LONG, a]:
            drift = (d_old - f[D, a]) / (dt * max(abs(f[V, a]), 1.0))
            if f[V, a] < 0.0:
                drift = -drift
            slant = min(_SWING_M / f[LONG, a], _SLANT)
            yaw = yaw + clamp(drift, -slant, slant)
        g[PX, a], g[PY, a], g[YAWS, a] = x, y, yaw
        g[V, a], g[A, a], g[STEER, a] = t[GO_V, a], t[GO_A, a], 0.0
    if changed:
        now[CHANGED, a] = tick
        g[TARGET, a] = 0.0
    d = d_old
    if not (rail and not changed):
        cx = g[PX, a] + g[OFFSET, a] * math.cos(g[YAWS, a])
        cy = g[PY, a] + g[OFFSET, a] * math.sin(g[YAWS, a])
        s, d = track(m, here, cx, cy, s)
    along = f[ROUTE_S, a] + (0.0 if other else ahead)
    if m.routes.shape[0] and route >= 0:
        at = now[ROUTE_AT, a]
        if on_route(m, route, at) == here:
            along = m.route_start[route, at] + s
    g[S, a], g[D, a], g[ROUTE_S, a] = s, d, along
    if mode == _COMMAND:
        g[TARGET, a] = d


@part
def enter_and_leave(m: Map, k: Desk, tick: int, seed: int) -> None:
    """`entries.enter_and_leave` of one world, in place; `tick` is the state's after the step."""
    g, now, agents = k.new, k.now, k.agents
    some = m.entries.shape[0] if m.returns else 0
    ego = now[ACTIVE, EGO] != 0 and now[MODE, EGO] == _COMMAND
    first = agents
    for a in range(agents):
        here = k.window[a, 0]
        if now[MODE, a] != _RAIL or here < 0 or now[CLASS, a] == _WALKER:
            continue
        wanders = now[ROUTE, a] < 0 and k.was[PLAYS, a] != 2 and now[LOG, a] < 0
        if now[ACTIVE, a] == 0:
            if some and wanders and first == agents:
                first = a
            continue
        end = k.window[a, 1] < 0 and m.lines[here].choices == 0
        done = end and g[S, a] + g[LONG, a] / 2 > m.lines[here].length_m
        if some and not done and wanders and g[STANDING, a] > _STUCK_S and g[CAP, a] > 0.0:
            dx, dy = g[PX, a] - g[PX, EGO], g[PY, a] - g[PY, EGO]
            done = not ego or dx * dx + dy * dy > _UNSEEN_M * _UNSEEN_M
            done = done or (g[STANDING, a] > _SEEN_STUCK_S and tick % _TURNS == a % _TURNS)
        if done:
            now[ACTIVE, a] = 0
            g[V, a] = 0.0
    if first == agents:
        return
    entry = m.entries[luck(seed, first, tick, 0, 3) % some]
    half = g[LONG, first] / 2
    ex, ey = point(m, entry, half + 0.5, 0.0)
    for a in range(agents):
        dx, dy = g[PX, a] - ex, g[PY, a] - ey
        gap = dx * dx + dy * dy + (FAR_M * FAR_M if now[ACTIVE, a] == 0 else 0.0)
        if not gap > _CLEAR_M * _CLEAR_M:
            return
        if a == EGO and ego and not gap > _UNSEEN_M * _UNSEEN_M:
            return
    a = first
    yaw, speed = heading(m, entry, half + 0.5)
    now[ACTIVE, a], now[CAME, a], now[ROUTE_AT, a], now[HELD, a], now[WISH, a] = 1, -1, 0, -1, 0
    now[GENERATION, a] += 1
    k.window[a, 0] = entry
    for r in range(1, WINDOW):
        k.window[a, r] = -1
    g[ROUTE_S, a], g[D, a], g[TARGET, a], g[A, a], g[STANDING, a] = 0.0, 0.0, 0.0, 0.0, 0.0
    g[PX, a], g[PY, a], g[YAWS, a], g[S, a] = ex, ey, yaw, half + 0.5
    g[V, a] = min(speed * g[FACTOR, a], g[CAP, a]) * 0.7
