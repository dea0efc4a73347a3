"""What each agent is given to see, and what the step was worth to it. Mirrors `observe` and `reward`."""

from __future__ import annotations

import math
from typing import Any

from whyway.worlds.sim import observe, reward
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.lanes import clamp, half_width, heading, sample
from whyway.worlds.sim.compiled.layout import (
    ACTIVE,
    CENTER_X,
    CENTER_Y,
    CLASS,
    COS,
    FAULT,
    GATE_LIGHT,
    GATE_M,
    GENERATION,
    KNOWN,
    LANE_COS,
    LANE_SIN,
    LANE_V,
    LANE_YAW,
    LEAD_GAP,
    LEAD_V,
    LONG,
    OFF_ROAD,
    RAN_RED,
    ROUTE_S,
    SIN,
    STEER,
    WIDE,
    A,
    D,
    Desk,
    Map,
    S,
    V,
)  # fmt: skip
from whyway.worlds.sim.compiled.machine import natural
from whyway.worlds.sim.compiled.rights import may_go
from whyway.worlds.sim.compiled.trig import directions

_NEAREST, _POINTS, _EVERY_M = observe.NEAREST, observe.POINTS, observe.POINT_EVERY_M
_OWN, _OTHER, _FEATURES = observe._OWN, observe._OTHER, observe.FEATURES
_WAY = _OWN + _NEAREST * _OTHER
_METRES, _SPEED = observe._METRES, observe._SPEED
_LOW, _HIGH = reward.LON_ACCELERATION_MPS2
_LATERAL, _JERK, _TTC_S, _SLOW = (
    reward.LAT_ACCELERATION_MPS2, reward.LON_JERK_MPS3, reward.TTC_S, reward._SLOW_MPS,
)  # fmt: skip
_TURN, _TURN_RATE = reward.YAW_RATE_RPS, reward.YAW_ACCELERATION_RPS2


@part
def see_lanes(m: Map, k: Desk) -> None:
    """Direction and speed of everybody's lane where he is."""
    t = k.real
    for a in range(k.agents):
        t[LANE_YAW, a], t[LANE_V, a] = heading(m, k.line[a, 1], k.new[S, a])
    directions(t, LANE_YAW, LANE_COS, LANE_SIN, k.agents)


@part
def look_around(m: Map, k: Desk, a: int, clock_s: float, asked_s: float, out: Any) -> None:
    """`observe.look_around` of one agent into a row."""
    g, t = k.new, k.real
    if k.now[ACTIVE, a] == 0:
        for j in range(_FEATURES):
            out[j] = 0.0
        return
    c, s, x, y = g[COS, a], g[SIN, a], g[CENTER_X, a], g[CENTER_Y, a]
    out[0], out[1], out[2], out[3] = g[V, a] * _SPEED, g[A, a] * 0.2, g[STEER, a], g[D, a] * 0.2
    out[4], out[5] = g[LONG, a] * 0.1, g[WIDE, a] * 0.3
    out[6], out[7] = clamp(g[LEAD_GAP, a] * _METRES, 0.0, 2.0), g[LEAD_V, a] * _SPEED
    light = k.whole[GATE_LIGHT, a]
    on = k.whole[KNOWN, a] > 0
    out[8] = clamp(t[GATE_M, a] * _METRES, 0.0, 2.0)
    out[9] = 1.0 if light >= 0 else 0.0
    out[10] = 1.0 if light >= 0 and not may_go(m, light, clock_s, asked_s) else 0.0
    out[11] = s * t[LANE_COS, a] - c * t[LANE_SIN, a] if on else 0.0
    out[12] = t[LANE_V, a] * _SPEED if on else 0.0
    seen = min(_NEAREST, k.neighbours)
    for j in range(seen):
        at = _OWN + j * _OTHER
        if k.near[a, j] < 0:
            seen = j
            break
        b = natural(k.near[a, j])
        dx, dy = g[CENTER_X, b] - x, g[CENTER_Y, b] - y
        oc, os = g[COS, b], g[SIN, b]
        out[at], out[at + 1] = (dx * c + dy * s) * _METRES, (dy * c - dx * s) * _METRES
        out[at + 2], out[at + 3] = oc * c + os * s, os * c - oc * s
        out[at + 4] = g[V, b] * _SPEED
        out[at + 5], out[at + 6] = g[LONG, b] * 0.1, g[WIDE, b] * 0.3
        out[at + 7] = k.now[CLASS, b] * 0.1
    for at in range(_OWN + seen * _OTHER, _WAY):
        out[at] = 0.0
    scale = _METRES if on else 0.0
    for j in range(_POINTS):
        at = _WAY + 2 * j
        wx, wy, _ux, _uy = sample(m, k, a, (j + 1) * _EVERY_M)
        dx, dy = wx - x, wy - y
        out[at], out[at + 1] = (dx * c + dy * s) * scale, (dy * c - dx * s) * scale


@part
def worth(m: Map, k: Desk, a: int, weights: Any) -> float:
    """`reward.terms` of one agent, weighted as `reward.Terms.total` does."""
    f, g, t, dt = k.old, k.new, k.real, m.dt_s
    if (
        k.was[ACTIVE, a] == 0
        or k.now[ACTIVE, a] == 0
        or k.was[GENERATION, a] != k.now[GENERATION, a]
    ):
        return 0.0
    v = g[V, a]
    closing, gap = v - g[LEAD_V, a], g[LEAD_GAP, a]
    soon = closing > 0.0 and gap < closing * _TTC_S and gap > 0.0
    jerk = abs(g[A, a] - f[A, a]) * (1 / dt)
    was, turns = _yaw_rate(m, f, a), _yaw_rate(m, g, a)
    calm = g[A, a] > _LOW and g[A, a] < _HIGH and jerk < _JERK
    calm = calm and abs(turns) < _TURN and abs(turns * v) < _LATERAL
    calm = calm and abs(turns - was) < _TURN_RATE * dt
    way = (g[ROUTE_S, a] - f[ROUTE_S, a]) * (1 / dt)
    on = k.window[a, 0] >= 0
    line = max(k.window[a, 0], 0)
    along = g[COS, a] * t[LANE_COS, a] + g[SIN, a] * t[LANE_SIN, a]
    astray = False
    if on:
        d, half = g[D, a], g[WIDE, a] / 2
        # whom it does not matter to is not asked how wide the lane is
        oncoming = d > half and m.lines[line].left < 0
        oncoming = oncoming and d > half_width(m, line, g[S, a]) + half
        astray = v > _SLOW and (along < 0.0 or oncoming)
    else:
        way = v * along
    speed = max(t[LANE_V, a], _SLOW)
    total = weights[0] * clamp(way / speed, -1.0, 1.0) + weights[1] * (0.0 if soon else 1.0)
    bad = weights[3] if k.now[FAULT, a] != 0 and k.was[FAULT, a] == 0 else 0.0
    if k.now[OFF_ROAD, a] != 0 and k.was[OFF_ROAD, a] == 0:
        bad = bad + weights[4]
    total = total + weights[2] * (1.0 if calm else 0.0) + bad
    if k.now[RAN_RED, a] != 0:
        total = total + weights[5]
    return float(total + (weights[6] if astray else 0.0))


@part
def _yaw_rate(m: Map, at: Any, a: int) -> float:
    steer = at[STEER, a]
    return float(at[V, a] * math.tan(steer) / m.wheelbase_m) if steer != 0.0 else 0.0
