"""Lines under the wheels: places on them, windows that move on, the way ahead and projections onto it. Mirrors `ahead`, `windows`."""

from __future__ import annotations

from typing import Any

from whyway.worlds.sim import ahead, windows
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.layout import (
    ALONG_X,
    ALONG_Y,
    ASIDE,
    BACK,
    BIN_M,
    BINS_FROM_M,
    CAME,
    GENERATION,
    KNOWN,
    LONG,
    POINT_X,
    POINT_Y,
    ROUTE,
    ROUTE_AT,
    Desk,
    F,
    Map,
    S,
)  # fmt: skip
from whyway.worlds.sim.compiled.machine import lowest_bit, natural
from whyway.worlds.sim.compiled.trig import direction
from whyway.worlds.sim.state import FAR_M, WINDOW
from whyway.worlds.sim.table import SUCCESSORS

_STEPS = ahead._STEPS
_TRACK, _LONG_M = windows._TRACK, windows.LONG_M


@part
def clamp(value: float, low: float, high: float) -> float:
    """Between two bounds; what is no number stays none."""
    return low if value < low else (high if value > high else value)


@part
def luck(a: int, b: int, c: int, d: int, count: int) -> int:
    """`arrays.luck` of the first `count` of four counters."""
    h = 0
    for k in range(count):
        counter = a if k == 0 else (b if k == 1 else (c if k == 2 else d))
        h = (h * 31 + counter + 0x9E3779B9) & 0xFFFFFFFF
        h = (((h >> 16) ^ h) * 0x45D9F3B) & 0xFFFFFFFF
        h = (((h >> 16) ^ h) * 0x45D9F3B) & 0xFFFFFFFF
        h = (h >> 16) ^ h
    return h & 0x7FFFFFFF


@part
def row_at(m: Map, line: int, s_m: float) -> tuple[int, float]:
    """The row of the segment a place is on, the line's first or last one beyond its ends, and how far behind that row's point."""
    it = m.lines[natural(line)]
    k, last = s_m / it.step_m, float(it.last)
    k = k if k > 0.0 else 0.0
    index = natural(int(k if k < last else last))
    return natural(it.first + index), s_m - index * it.step_m


@part
def point(m: Map, line: int, s_m: float, d_m: float) -> tuple[float, float]:
    """x, y at a place."""
    r, f = row_at(m, line, s_m)
    row = m.rows[r]
    ux, uy = float(row.ux), float(row.uy)
    return float(row.x) + f * ux - d_m * uy, float(row.y) + f * uy + d_m * ux


@part
def heading(m: Map, line: int, s_m: float) -> tuple[float, float]:
    """Yaw and speed at a place."""
    r, f = row_at(m, line, s_m)
    row = m.rows[r]
    within = clamp(f, 0.0, m.lines[natural(line)].step_m)
    return float(row.yaw) + within * float(row.curvature), float(row.speed)


@part
def half_width(m: Map, line: int, s_m: float) -> float:
    """From the centre to either border at a place."""
    return float(m.rows[row_at(m, line, s_m)[0]].half_width)


@part
def track(m: Map, line: int, x_m: float, y_m: float, guess_m: float) -> tuple[float, float]:
    """Arc length and offset of a point on a line, from a guess that is near."""
    s, d = guess_m, 0.0
    for _ in range(_TRACK):
        px, py = point(m, line, s, 0.0)
        yaw, _v = heading(m, line, s)
        c, n = direction(yaw)
        rx, ry = x_m - px, y_m - py
        s, d = s + rx * c + ry * n, c * ry - n * rx
    return s, d


@part
def lines_ahead(m: Map, k: Desk, at: Any, which: Any, window: Any) -> None:
    """`ahead.lines_ahead` of all agents, from rows `at`, `which` and windows of one state."""
    for a in range(k.agents):
        s = at[S, a]
        known = window[a, 0] >= 0
        line = max(window[a, 0], 0)
        reach, count = -s, 0
        for r in range(WINDOW):
            if r:
                known = known and window[a, r] >= 0
                if known:
                    line = window[a, r]
            k.line[a, r + 1] = line
            k.begins[a, r + 1] = reach if r == 0 or known else reach + FAR_M * (WINDOW + r)
            k.ways[a, r + 1] = m.lines[line].way if known else -1
            count += 1 if known else 0
            reach += m.lines[line].length_m
        has_back = which[CAME, a] >= 0 and count > 0
        back = which[CAME, a] if has_back else k.line[a, 1]
        k.line[a, 0] = back
        k.begins[a, 0] = -s - m.lines[back].length_m if has_back else -s
        k.ways[a, 0] = m.lines[back].way if has_back else -1
        k.whole[KNOWN, a] = count
        k.whole[BACK, a] = 1 if has_back else 0


@part
def next_merge(m: Map, k: Desk, a: int) -> tuple[int, float]:
    """The next line ahead into which others lead too (-1 for none), and the way from the centre to its start."""
    nearest, line, known = FAR_M, -1, k.whole[KNOWN, a]
    for r in range(WINDOW, 1, -1):
        it = natural(k.line[a, r])
        joins = (r <= known) & (m.lines[it].merges > 0) & (k.begins[a, r] < FAR_M)
        nearest, line = k.begins[a, r] if joins else nearest, it if joins else line
    return line, nearest


@part
def sample(m: Map, k: Desk, a: int, f: float) -> tuple[float, float, float, float]:
    """Place and direction of an agent's way at an arc length from its centre."""
    slot = 0
    for r in range(1, WINDOW + 1):
        slot += 1 if f >= k.begins[a, r] else 0
    slot = natural(slot)
    r, rest = row_at(m, k.line[a, slot], f - k.begins[a, slot])
    row = m.rows[r]
    ux, uy = float(row.ux), float(row.uy)
    return float(row.x) + rest * ux, float(row.y) + rest * uy, ux, uy


@part
def _nearest_sample(m: Map, f: float) -> int:
    """The sample of a way that stands for an arc length."""
    q, last = (f - BINS_FROM_M) * (1.0 / BIN_M), m.bins.shape[0] - 1.0
    q = q if q < last else last
    bin_ = m.bins[natural(int(q if q > 0.0 else 0.0))]
    return natural(bin_.sample + (1 if f >= bin_.next_from_m else 0))


@part
def _sample_way(m: Map, k: Desk, a: int, wanted: int) -> None:
    """Samples of an agent's way into `way`: those whose bits are set."""
    while wanted != 0:
        j = natural(lowest_bit(wanted))
        wanted &= wanted - 1
        k.way[j, 0], k.way[j, 1], k.way[j, 2], k.way[j, 3] = sample(m, k, a, m.samples[j].at_m)


@part
def project(m: Map, k: Desk, a: int, count: int) -> None:
    """The first `count` points of `points` onto the way of an agent: all of them a step at a time, so that no one waits for another.

    A point stays where it is as soon as its sample does; most samples of a way are nobody's, and are not taken.
    """
    p, sampled, wanted = k.points, 0, 0
    for n in range(count):
        k.moving[n], k.sample[n] = n, _nearest_sample(m, p[F, n])
        wanted |= 1 << k.sample[n]
    for _ in range(_STEPS):
        _sample_way(m, k, a, wanted & ~sampled)
        sampled |= wanted
        moving, count = count, 0
        for i in range(moving):
            n = natural(k.moving[i])
            j = natural(k.sample[n])
            ux, uy = k.way[j, 2], k.way[j, 3]
            rx, ry = p[POINT_X, n] - k.way[j, 0], p[POINT_Y, n] - k.way[j, 1]
            f = m.samples[j].at_m + rx * ux + ry * uy
            p[F, n], p[ASIDE, n], p[ALONG_X, n], p[ALONG_Y, n] = f, ux * ry - uy * rx, ux, uy
            stays = (f >= m.samples[j].from_m) & (f < m.samples[j + 1].from_m)
            k.moving[count] = n
            count += 0 if stays else 1
        for i in range(count):
            n = natural(k.moving[i])
            k.sample[n] = _nearest_sample(m, p[F, n])
            wanted |= 1 << k.sample[n]


# ---------------------------------------------------------------------------------------------------------- windows


@part
def on_route(m: Map, route: int, at: int) -> int:
    """The line at a place of a route, -2 where there is none."""
    if route < 0 or at < 0 or at >= m.routes.shape[1]:
        return -2
    found = m.routes[route, at]
    return found if found >= 0 else -2


@part
def enter_next(m: Map, k: Desk, a: int, s_m: float) -> float:
    """Window, line before and place in the route of an agent that passes the end of its line (once); its arc length then."""
    window, now = k.window, k.now
    line, following = window[a, 0], window[a, 1]
    if line < 0 or following < 0:
        return s_m
    long = m.lines[line].length_m
    if not s_m > long:
        return s_m
    for r in range(WINDOW - 1):
        window[a, r] = window[a, r + 1]
    window[a, WINDOW - 1] = -1
    now[CAME, a] = line
    route = now[ROUTE, a]
    at = now[ROUTE_AT, a]
    if m.routes.shape[0] == 0 or route < 0 or on_route(m, route, at + 1) == following:
        now[ROUTE_AT, a] = at + 1
    return float(s_m - long)


@part
def extend(m: Map, k: Desk, a: int, seed: int) -> None:
    """The window with one more line, where there is room and the way goes on."""
    window, now = k.window, k.now
    known = 0
    for r in range(WINDOW):
        if window[a, r] >= 0:
            known += 1
    if known == 0 or known >= WINDOW:
        return
    last = max(window[a, known - 1], 0)
    choices = m.lines[last].choices
    if choices == 0:
        return
    at, route = now[ROUTE_AT, a] + known, now[ROUTE, a]
    choice = 0
    if route < 0 and k.old[LONG, a] < _LONG_M:
        choice = luck(seed, a, k.was[GENERATION, a], at, 4) % choices
    new = m.lines[last].following[choice]
    if m.routes.shape[0]:
        wanted = on_route(m, route, at)
        for j in range(SUCCESSORS):
            if m.lines[last].following[j] == wanted:
                new = wanted
    window[a, known] = new
