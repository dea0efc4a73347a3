"""Where each agent may have to stop next, and who may enter a junction. Mirrors `rights`, and `logs.Signals.colors`."""

from __future__ import annotations

import math
from typing import Any

from whyway.types import LightColor
from whyway.worlds.sim import rights
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.lanes import clamp
from whyway.worlds.sim.compiled.layout import (
    ACTIVE,
    BACK,
    CLAIMS,
    EXIT_M,
    EXIT_TAKEN,
    GAP,
    GATE_LIGHT,
    GATE_M,
    GATE_RANK,
    GATE_STOPS,
    GATE_WAY,
    HELD,
    KNOWN,
    LONG,
    MODE,
    POLITE,
    RANK,
    READY,
    RECKLESS,
    STANDING,
    D,
    Desk,
    Map,
    S,
    V,
)  # fmt: skip
from whyway.worlds.sim.compiled.machine import natural
from whyway.worlds.sim.state import FAR_M, WINDOW, Mode

_RAIL, _COMMAND, _GREEN = int(Mode.RAIL), int(Mode.COMMAND), int(LightColor.GREEN)
_CLAIM_S, _CLAIM_M, _SETTLED_M, _DECIDE_M, _LOST_M = (
    rights.CLAIM_S, rights.CLAIM_M, rights.SETTLED_M, rights.DECIDE_M, rights.LOST_M,
)  # fmt: skip
_AMBER, _PASSED_M, _AT_LINE_M, _IDLE_S = (
    rights.AMBER_MPS2, rights._PASSED_M, rights._AT_LINE_M, rights._IDLE_S,
)  # fmt: skip
_STOOD_S, _RANK_S, _WAITED, _PATIENCE_S = (
    rights._STOOD_S, rights._RANK_S, rights._WAITED, rights._PATIENCE_S,
)  # fmt: skip
_PUSHING, _PUSH_ROOM_M, _EXIT_S = rights._PUSHING, rights._PUSH_ROOM_M, rights._EXIT_PATIENCE_S
_SWINGS_M = rights.SWINGS_M


@part
def color(m: Map, light: int, clock_s: float, asked_s: float) -> int:
    """The colour of a light at a time of its program, `asked_s` after the demand."""
    clock = m.dwell_s + asked_s if m.waits[light] else clock_s
    t, period = clock - m.offset[light] + 1e-6, m.period[light]
    t -= math.floor(t / period) * period
    phase, phases = 0, m.until.shape[1]
    for k in range(phases):
        if t >= m.until[light, k]:
            phase += 1
    return int(m.color[light, min(phase, phases - 1)])


@part
def may_go(m: Map, light: int, clock_s: float, asked_s: float) -> bool:
    """Whether a light (-1 for none) shows green or is absent."""
    if light < 0:
        return True
    return m.color.shape[0] > 0 and color(m, light, clock_s, asked_s) == _GREEN


@part
def in_time(at: Any, a: int, distance_m: float) -> bool:
    """Whether an agent would still stop for a light that changes now."""
    v = at[V, a]
    return bool(v * v < 2.0 * (_AMBER + 1.5 * at[POLITE, a]) * distance_m)


@part
def next_gate(m: Map, k: Desk, a: int, at: Any, which: Any) -> None:
    """The next gate of an agent, from the rows of one state whose lines are laid out."""
    half, held, known = at[LONG, a] / 2, which[HELD, a], k.whole[KNOWN, a]
    best, slot = FAR_M, 0
    for r in range(known):
        distance = k.begins[a, r + 1] + m.lines[natural(k.line[a, r + 1])].gate_s_m - half
        if distance > -_PASSED_M and distance < best:
            into = k.ways[a, r + 2]
            if not (held >= 0 and into == held):
                best, slot = distance, r
        if best <= k.begins[a, r + 2] - half:
            break  # all others are further on
    way, light, stops, leaves = -1, -1, 0, FAR_M
    if best < FAR_M:
        line = natural(k.line[a, slot + 1])
        light, stops = m.lines[line].light, m.lines[line].stops
        way = k.ways[a, slot + 2]
        for r in range(slot + 1, WINDOW):
            if k.ways[a, r + 1] != way:
                leaves = min(leaves, k.begins[a, r + 1])
                break
    k.real[GATE_M, a] = best
    k.real[EXIT_M, a] = leaves + _SETTLED_M if way >= 0 else -FAR_M
    k.whole[GATE_WAY, a], k.whole[GATE_LIGHT, a], k.whole[GATE_STOPS, a] = way, light, stops
    rank = 0
    if m.priority.shape[0]:
        rank = m.priority[max(way, 0)]
    k.whole[GATE_RANK, a] = rank


@part
def _kept(m: Map, k: Desk, a: int, clock_s: float, asked_s: float) -> int:
    """The right that is kept, -1 for none."""
    held = k.was[HELD, a]
    if held < 0:
        return -1
    half = k.old[LONG, a] / 2
    inside, other, to_line, light = False, False, -FAR_M, -1
    for r in range(WINDOW + 1):
        there = k.whole[BACK, a] != 0 if r == 0 else r <= k.whole[KNOWN, a]
        of_it = there and k.ways[a, r] == held and not other
        if r > 1:
            other = other or (there and k.ways[a, r] >= 0 and not of_it)
        if of_it:
            if k.begins[a, r] + m.lines[k.line[a, r]].length_m + _SETTLED_M > -half:
                inside = True
            if r and k.ways[a, r - 1] != held:
                line = k.line[a, r - 1]
                to_line = k.begins[a, r - 1] + m.lines[line].gate_s_m - half
                light = m.lines[line].light
    if not inside:
        return -1
    if to_line > 0.0 and to_line < FAR_M:
        if k.old[STANDING, a] > _IDLE_S and to_line > _AT_LINE_M:
            return -1
        if in_time(k.old, a, to_line) and not may_go(m, light, clock_s, asked_s):
            return -1
    return int(held)


@part
def _stood_in(k: Desk, a: int) -> int:
    """The way that an agent is in by now, whether it had the right or not; -1 for none."""
    half = k.old[LONG, a] / 2
    if k.ways[a, 1] >= 0:
        return int(k.ways[a, 1])
    if k.begins[a, 2] < half - _PASSED_M and k.ways[a, 2] >= 0:
        return int(k.ways[a, 2])
    return int(k.ways[a, 0]) if k.whole[BACK, a] != 0 and k.old[S, a] < half else -1


@part
def _ask(m: Map, k: Desk, a: int, clock_s: float, asked_s: float) -> None:
    """What an agent holds, whether it asks for a way, with what rank, and whether it might enter now."""
    t, u = k.real, k.whole
    mode, reckless = k.was[MODE, a], u[RECKLESS, a] != 0
    on_lines = k.was[ACTIVE, a] != 0 and u[KNOWN, a] > 0 and abs(k.old[D, a]) < _LOST_M
    rail = on_lines and mode == _RAIL and not reckless
    driven = on_lines and (mode == _COMMAND or reckless)
    held = _kept(m, k, a, clock_s, asked_s) if rail else -1
    if driven or (rail and held < 0):
        held = _stood_in(k, a)
    k.now[HELD, a] = held
    d, standing, v = t[GATE_M, a], k.old[STANDING, a], k.old[V, a]
    way = u[GATE_WAY, a]
    u[CLAIMS, a], u[READY, a] = 0, 0
    if not on_lines or way < 0:
        return
    at_line = d < _AT_LINE_M and standing > _STOOD_S
    if not (held < 0 or (at_line and way != held)):
        return
    eta = 0.0 if at_line else d / (2.0 if v < 2.0 else v)
    if not (eta < _CLAIM_S or d < _CLAIM_M):
        return
    idle = standing > _IDLE_S
    if driven:
        wants = not idle
    else:
        wants = not (u[EXIT_TAKEN, a] != 0 and standing < _EXIT_S) and not (idle and d > _AT_LINE_M)
    if not wants or not may_go(m, u[GATE_LIGHT, a], clock_s, asked_s):
        return
    rank = u[GATE_RANK, a] * _RANK_S + eta - _WAITED * standing
    roomy = 1.0 if t[GAP, a] > _PUSH_ROOM_M else 0.0
    rank = rank - roomy * (_PUSHING * clamp(standing - _PATIENCE_S, 0.0, 3 * _RANK_S))
    t[RANK, a] = rank + 1e-3 * a
    u[CLAIMS, a] = 1
    ready = (u[GATE_RANK, a] == 0 or d < _DECIDE_M) and (u[GATE_STOPS, a] == 0 or at_line)
    u[READY, a] = 1 if rail and ready else 0


@part
def _meet(m: Map, k: Desk, way: int, a: int, other: int, b: int) -> bool:
    """Whether two agents cannot use their ways at once."""
    if m.conflict[way, other]:
        return True
    long = max(k.old[LONG, a], k.old[LONG, b]) > _SWINGS_M
    return bool(long and m.swings[way, other])


@part
def share_out(m: Map, k: Desk, clock_s: float, asked_s: float) -> None:
    """`rights.rights`: the way each agent has the right to, into `now`."""
    agents = k.agents
    if m.priority.shape[0] == 0:
        for a in range(agents):
            k.now[HELD, a] = -1
        return
    for a in range(agents):
        _ask(m, k, a, clock_s, asked_s)
    t, u = k.real, k.whole
    for a in range(agents):
        if u[READY, a] == 0:
            continue
        way = u[GATE_WAY, a]
        barred = False
        for b in range(agents):
            held = k.now[HELD, b]
            if held >= 0 and _meet(m, k, way, a, held, b):
                barred = True
                break
            if (
                u[CLAIMS, b] != 0
                and t[RANK, b] < t[RANK, a]
                and _meet(m, k, way, a, u[GATE_WAY, b], b)
            ):
                barred = True
                break
        # who enters now bars nobody else in this step: all decide by what was held before
        u[READY, a] = 0 if barred else 2
    for a in range(agents):
        if u[READY, a] == 2:
            k.now[HELD, a] = u[GATE_WAY, a]
