"""Lines under the wheels: places on them, windows that move on, the way ahead and projections onto it. Mirrors `ahead`, `windows`."""

from __future__ import annotations

import math
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
    CHOICES,
    FIRST,
    FOLLOWING,
    GENERATION,
    KNOWN,
    LAST,
    LINE_M,
    LONG,
    MERGES,
    POINT_X,
    POINT_Y,
    ROUTE,
    ROUTE_AT,
    STEP,
    WAY,
    Desk,
    F,
    Map,
    S,
)  # fmt: skip
from whyway.worlds.sim.lane_table import CURVATURE, HALF_WIDTH, SPEED, UX, UY, YAW, X, Y
from whyway.worlds.sim.state import FAR_M, WINDOW
from whyway.worlds.sim.table import SUCCESSORS

_STEPS, _SAMPLES = ahead._STEPS, ahead.SAMPLES
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
def segment(m: Map, line: int, s_m: float) -> int:
    """Which segment of a line a place is on; the first or the last beyond the ends."""
    k = s_m / m.real[line, STEP]
    last = m.whole[line, LAST]
    if not k > 0.0:
        return 0
    return int(last) if k > last else int(k)


@part
def point(m: Map, line: int, s_m: float, d_m: float) -> tuple[float, float]:
    """x, y at a place."""
    k = segment(m, line, s_m)
    r = m.whole[line, FIRST] + k
    f = s_m - k * m.real[line, STEP]
    ux, uy = float(m.rows[r, UX]), float(m.rows[r, UY])
    return float(m.rows[r, X]) + f * ux - d_m * uy, float(m.rows[r, Y]) + f * uy + d_m * ux


@part
def heading(m: Map, line: int, s_m: float) -> tuple[float, float]:
    """Yaw and speed at a place."""
    k = segment(m, line, s_m)
    r = m.whole[line, FIRST] + k
    step = m.real[line, STEP]
    within = clamp(s_m - k * step, 0.0, step)
    return float(m.rows[r, YAW]) + within * float(m.rows[r, CURVATURE]), float(m.rows[r, SPEED])


@part
def half_width(m: Map, line: int, s_m: float) -> float:
    """From the centre to either border at a place."""
    return float(m.rows[m.whole[line, FIRST] + segment(m, line, s_m), HALF_WIDTH])


@part
def track(m: Map, line: int, x_m: float, y_m: float, guess_m: float) -> tuple[float, float]:
    """Arc length and offset of a point on a line, from a guess that is near."""
    s, d = guess_m, 0.0
    for _ in range(_TRACK):
        px, py = point(m, line, s, 0.0)
        yaw, _v = heading(m, line, s)
        c, n = math.cos(yaw), math.sin(yaw)
        rx, ry = x_m - px, y_m - py
        s, d = s + rx * c + ry * n, c * ry - n * rx
    return s, d


@part
def lines_ahead(m: Map, k: Desk, at: Any, which: Any, window: Any) -> None:
    """`ahead.lines_ahead` of all agents, from rows `at`, `which` and windows of one state."""
    for a in range(at.shape[1]):
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
            k.ways[a, r + 1] = m.whole[line, WAY] if known else -1
            count += 1 if known else 0
            reach += m.real[line, LINE_M]
        has_back = which[CAME, a] >= 0 and count > 0
        back = which[CAME, a] if has_back else k.line[a, 1]
        k.line[a, 0] = back
        k.begins[a, 0] = -s - m.real[back, LINE_M] if has_back else -s
        k.ways[a, 0] = m.whole[back, WAY] if has_back else -1
        k.whole[KNOWN, a] = count
        k.whole[BACK, a] = 1 if has_back else 0


@part
def next_merge(m: Map, k: Desk, a: int) -> tuple[int, float]:
    """The next line ahead into which others lead too (-1 for none), and the way from the centre to its start."""
    nearest, line = 1e300, -1
    for r in range(2, WINDOW + 1):
        joins = r <= k.whole[KNOWN, a] and m.whole[k.line[a, r], MERGES] > 0
        at = k.begins[a, r] if joins else k.begins[a, r] + FAR_M * FAR_M
        if at < nearest:
            nearest, line = at, k.line[a, r]
        elif at == nearest:
            line = max(line, k.line[a, r])
    return (line if nearest < FAR_M else -1), nearest


@part
def sample(m: Map, k: Desk, a: int, f: float, slot: int) -> tuple[float, float, float, float]:
    """Place and direction of an agent's way at an arc length from its centre, on the line `slot` of its window."""
    along = f - k.begins[a, slot]
    line = k.line[a, slot]
    index = segment(m, line, along)
    r = m.whole[line, FIRST] + index
    rest = along - index * m.real[line, STEP]
    ux, uy = float(m.rows[r, UX]), float(m.rows[r, UY])
    return float(m.rows[r, X]) + rest * ux, float(m.rows[r, Y]) + rest * uy, ux, uy


@part
def slot_at(k: Desk, a: int, f: float, slot: int) -> int:
    """Which line of the window an arc length is on, from `slot` on."""
    while slot < WINDOW and f >= k.begins[a, slot + 1]:
        slot += 1
    return slot


@part
def sample_way(m: Map, k: Desk, a: int) -> None:
    """The way of an agent into `way`."""
    slot, ends = -1, -math.inf
    begins, step, last, first = 0.0, 1.0, 0, 0
    for j in range(_SAMPLES):
        f = m.at_m[j]
        if slot < 0 or f >= ends:
            slot = slot_at(k, a, f, max(slot, 0))
            ends = k.begins[a, slot + 1] if slot < WINDOW else math.inf
            line, begins = k.line[a, slot], k.begins[a, slot]
            step, last, first = m.real[line, STEP], m.whole[line, LAST], m.whole[line, FIRST]
        # `sample`, with what belongs to the line at hand
        along = f - begins
        q = along / step
        q = q if q < last else float(last)
        index = int(q if q > 0.0 else 0.0)
        r, rest = first + index, along - index * step
        ux, uy = float(m.rows[r, UX]), float(m.rows[r, UY])
        k.way[j, 0] = float(m.rows[r, X]) + rest * ux
        k.way[j, 1] = float(m.rows[r, Y]) + rest * uy
        k.way[j, 2], k.way[j, 3] = ux, uy


@part
def project(m: Map, k: Desk, count: int) -> None:
    """The first `count` points of `points` onto the way: all of them a step at a time, so that no one waits for another's root."""
    p, last = k.points, m.sample_at.shape[0] - 1.0
    for step in range(_STEPS):
        for n in range(count):
            f = p[F, n]
            q = (f - BINS_FROM_M) * (1.0 / BIN_M)
            q = q if q < last else last
            i = int(q if q > 0.0 else 0.0)
            j = m.sample_at[i] + (1 if f >= m.next_at_m[i] else 0)
            ux, uy = k.way[j, 2], k.way[j, 3]
            rx, ry = p[POINT_X, n] - k.way[j, 0], p[POINT_Y, n] - k.way[j, 1]
            p[F, n] = m.at_m[j] + rx * ux + ry * uy
            if step == _STEPS - 1:
                p[ASIDE, n], p[ALONG_X, n], p[ALONG_Y, n] = ux * ry - uy * rx, ux, uy


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
    long = m.real[line, LINE_M]
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
    choices = m.whole[last, CHOICES]
    if choices == 0:
        return
    at, route = now[ROUTE_AT, a] + known, now[ROUTE, a]
    choice = 0
    if route < 0 and k.old[LONG, a] < _LONG_M:
        choice = luck(seed, a, k.was[GENERATION, a], at, 4) % choices
    new = m.whole[last, FOLLOWING + choice]
    if m.routes.shape[0]:
        wanted = on_route(m, route, at)
        for j in range(SUCCESSORS):
            if m.whole[last, FOLLOWING + j] == wanted:
                new = wanted
    window[a, known] = new
