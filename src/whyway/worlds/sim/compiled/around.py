"""Who is around each agent: the nearest others, who leads and follows, who threatens a walker, who touches. Mirrors `others`, `bodies`."""

from __future__ import annotations

import math
from typing import Any

from whyway.types import ObjectClass
from whyway.worlds.sim import arrays, bodies, others
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.lanes import clamp, project
from whyway.worlds.sim.compiled.layout import (
    A_MAX,
    ACTIVE,
    AIM_X,
    AIM_Y,
    ALONG_X,
    ALONG_Y,
    ASIDE,
    CALM,
    CENTER_X,
    CENTER_Y,
    CLASS,
    COLLIDED,
    COMES,
    COS,
    DECK,
    EXIT_M,
    EXIT_TAKEN,
    FAULT,
    GAP,
    GAP_V,
    GATE_M,
    HEADWAY,
    JOIN_M,
    JOINS,
    LATERAL,
    LONG,
    MODE,
    OFF_ROAD,
    OFFSET,
    POINT_X,
    POINT_Y,
    PULL,
    PULL_BESIDE,
    PUSH,
    PUSH_BESIDE,
    PX,
    PY,
    S0,
    SIN,
    SPAN,
    STANDING,
    STRAIGHT,
    TARGET,
    WIDE,
    WISH,
    YAWS,
    D,
    Desk,
    F,
    Map,
    V,
)  # fmt: skip
from whyway.worlds.sim.compiled.machine import natural
from whyway.worlds.sim.compiled.trig import directions
from whyway.worlds.sim.state import FAR_M, Mode

_AHEAD_M, _AHEAD_S, _STRETCH, _NOWHERE = (
    bodies._AHEAD_M, bodies._AHEAD_S, bodies._STRETCH, bodies._NOWHERE,
)  # fmt: skip
_NOBODY_KEY = arrays._KEYS[8][0]
_RAIL, _COMMAND, _WALKER = int(Mode.RAIL), int(Mode.COMMAND), int(ObjectClass.PEDESTRIAN)
_MARGIN_M, _SQUEEZE_M, _SQUEEZE_S = others.MARGIN_M, others.SQUEEZE_M, others.SQUEEZE_AFTER_S
_WALKER_M, _GIVE_WAY, _COURTESY = others.WALKER_MARGIN_M, others.GIVE_WAY_MPS2, others.COURTESY_MPS2
_JOIN_MPS2, _SLOW_MPS, _LANE_M, _TOUCH_M = (
    others.JOIN_MPS2, others.SLOW_MPS, others.LANE_M, others._TOUCH_M,
)  # fmt: skip
_HORIZON_M, _SIGHT_M, _SIGHT_S, _BEHIND_M = (
    others.HORIZON_M, others.SIGHT_M, others.SIGHT_S, others.BEHIND_M,
)  # fmt: skip
_WALK_MPS, _PATIENCE_S, _TRUST = others._WALK_MPS, others._PATIENCE_S, others._TRUST_MPS2
_STANDS, _EGO_STANDS, _BEHIND = bodies._STANDS_MPS, bodies._EGO_STANDS_MPS, bodies._BEHIND_COS
_INF = math.inf
_SLACK_M = 0.5
"""More than rounding: who is not minded must not matter."""
_NOT_JOINING = -2


@part
def find_boxes(k: Desk, at: Any) -> None:
    """`seen.centers` of all agents: what follows from the poses in one state's rows."""
    directions(at, YAWS, COS, SIN, k.agents)
    for a in range(k.agents):
        at[CENTER_X, a] = at[PX, a] + at[OFFSET, a] * at[COS, a]
        at[CENTER_Y, a] = at[PY, a] + at[OFFSET, a] * at[SIN, a]


@part
def find_near(k: Desk, low: int, decks: int) -> None:
    """`bodies.neighbours` of all agents into `near`, from the new poses; `low` masks the keys' bits that carry the index.

    One candidate at a time goes down everybody's list and changes places with each greater key on its way: without a branch.
    """
    g, t, agents, count = k.new, k.real, k.agents, k.neighbours
    for a in range(agents):
        ahead = _AHEAD_M + _AHEAD_S * g[V, a]
        t[AIM_X, a] = g[CENTER_X, a] + ahead * g[COS, a]
        t[AIM_Y, a] = g[CENTER_Y, a] + ahead * g[SIN, a]
    for j in range(count):
        for a in range(agents):
            k.least[j, a] = _INF
    for b in range(agents):
        _score(k, b, low, decks)
        for j in range(min(b + 1, count)):
            for a in range(agents):
                key, least = k.keys[a], k.least[j, a]
                k.least[j, a] = key if key < least else least
                k.keys[a] = least if key < least else key
    limit = _NOBODY_KEY & ~low
    for a in range(agents):
        for j in range(count):
            key = k.whole_least[j, a]
            k.near[a, j] = key & low if key < limit else -1


@part
def _score(k: Desk, b: int, low: int, decks: int) -> None:
    """What an agent is as a neighbour to each of all, as keys: scores whose last bits are its index."""
    g, t = k.new, k.real
    x, y, absent = g[CENTER_X, b], g[CENTER_Y, b], 0.0 if k.now[ACTIVE, b] != 0 else _NOWHERE
    for a in range(k.agents):
        dx, dy = x - t[AIM_X, a], y - t[AIM_Y, a]
        along = dx * g[COS, a] + dy * g[SIN, a]
        score = dx * dx + dy * dy - along * along * _STRETCH
        k.keys[a] = (0.0 if score < 0.0 else score) + absent
    k.keys[b] += _NOWHERE
    if decks and k.whole[DECK, b] != 0:
        for a in range(k.agents):
            k.keys[a] += _NOWHERE if k.whole[DECK, a] == -k.whole[DECK, b] else 0.0
    for a in range(k.agents):
        k.whole_keys[a] = (k.whole_keys[a] & ~low) | b


@part
def _look(m: Map, k: Desk, a: int, thinks: bool) -> int:
    """The neighbours that an agent minds (`others._minded`) on its way, into `minded` and `points`; how many."""
    f, p, count = k.old, k.points, 0
    x, y, c, s = f[CENTER_X, a], f[CENTER_Y, a], f[COS, a], f[SIN, a]
    for j in range(k.neighbours):
        if k.near[a, j] < 0:
            break
        b = natural(k.near[a, j])
        dx, dy = f[CENTER_X, b] - x, f[CENTER_Y, b] - y
        far2, ahead = dx * dx + dy * dy, dx * c + dy * s
        p[POINT_X, count], p[POINT_Y, count] = x + dx, y + dy
        p[STRAIGHT, count], p[F, count], k.minded[count] = far2, ahead, b
        sight = min(_SIGHT_M + _SIGHT_S * max(f[V, a], f[V, b]), _HORIZON_M)
        in_sight = (ahead > 0.0) | (far2 < _BEHIND_M * _BEHIND_M) | thinks
        count += 1 if (far2 < sight * sight) & in_sight else 0
    for n in range(count):
        far = math.sqrt(p[STRAIGHT, n])
        p[STRAIGHT, n], p[F, n] = far, far if p[F, n] > 0.0 else -far
    project(m, k, a, count)
    return count


@part
def prepare(m: Map, k: Desk) -> None:
    """What each agent is to those who look at it: how far from its place it may matter, where it joins, how calmly it follows."""
    f, t, u = k.old, k.real, k.whole
    for a in range(k.agents):
        swings = abs(f[TARGET, a] - f[D, a]) + (0.0 if k.was[WISH, a] == 0 else _LANE_M)
        walks = _WALKER_M if k.was[CLASS, a] == _WALKER else 0.0
        t[SPAN, a] = f[LONG, a] / 2 + f[WIDE, a] / 2 + swings + walks + (_MARGIN_M + _SLACK_M)
        t[CALM, a] = 1.0 / (2.0 * math.sqrt(f[A_MAX, a] * m.b_mps2))
        u[COMES, a] = u[JOINS, a] if t[GATE_M, a] + f[LONG, a] / 2 > t[JOIN_M, a] else _NOT_JOINING


@part
def _mind(k: Desk, a: int, count: int, middle: float, thinks: bool) -> int:
    """Of the neighbours in `points`, those that may matter to an agent, into `moving`: how many. A bound on the safe side."""
    f, t, u, p, kept = k.old, k.real, k.whole, k.points, 0
    target, d, half, half_long = f[TARGET, a], f[D, a], f[WIDE, a] / 2, f[LONG, a] / 2
    lowest, highest = min(target, d), max(target, d)
    if thinks:
        lowest, highest = min(lowest, middle), max(highest, middle)
    joins, join_m = u[JOINS, a], t[JOIN_M, a]
    for n in range(count):
        b = natural(k.minded[n])
        span, along, aside = t[SPAN, b], p[F, n], p[ASIDE, n]
        away = (aside - span >= highest + half) | (aside + span <= lowest - half)
        over = (abs(along) - span >= half_long) & (away | ((along <= 0.0) & (not thinks)))
        leads = (joins >= 0) & (u[COMES, b] == joins) & (t[JOIN_M, b] < join_m)
        k.moving[kept] = n
        kept += 1 if leads | (not over) else 0
    return kept


@part
def lead(m: Map, k: Desk, a: int, side: float, thinks: bool) -> None:
    """`others.leads` of one agent: what the others mean for it; and on the lane beside it, if it `thinks` of changing there."""
    f_, t, u_ = k.old, k.real, k.whole
    p, count = k.points, _look(m, k, a, thinks)
    v, half_long, half = f_[V, a], f_[LONG, a] / 2, f_[WIDE, a] / 2
    target, d, gap0, headway, a_max = (
        f_[TARGET, a],
        f_[D, a],
        f_[S0, a],
        f_[HEADWAY, a],
        f_[A_MAX, a],
    )
    on_foot = k.was[CLASS, a] == _WALKER
    squeezes = 1.0 if f_[STANDING, a] > _SQUEEZE_S else 0.0
    calm = t[CALM, a]
    rest = d - target
    for_m = (1.0 if v < 1.0 else v) * abs(rest) / f_[LATERAL, a]
    for_m = 0.1 if for_m < 0.1 else for_m
    middle = target + side * _LANE_M
    rail = k.was[MODE, a] == _RAIL
    pull_all, beside_all, push_all, push_beside_all = 0.0, 0.0, 0.0, 0.0
    nearest, nearest_v, taken = _INF, _INF, 0
    for n in range(_mind(k, a, count, middle, thinks)):
        j = natural(k.moving[n])
        b = natural(k.minded[j])
        far, f, aside, ux, uy = p[STRAIGHT, j], p[F, j], p[ASIDE, j], p[ALONG_X, j], p[ALONG_Y, j]
        oc, os = f_[COS, b], f_[SIN, b]
        c, s = oc * ux + os * uy, os * ux - oc * uy
        ac, as_ = abs(c), abs(s)
        hl, hw = f_[LONG, b] / 2, f_[WIDE, b] / 2
        long = ac * hl + as_ * hw
        gap = abs(f) - long - half_long
        u = f_[V, b] * c
        wide = as_ * hl + ac * hw
        closing = v - u
        # where the other will be across
        on_line = 1.0 if k.was[MODE, b] == _RAIL else 0.0
        gentle = (closing * closing < (2 * _COURTESY) * gap) & (gap > 1.0)
        swing = c * ((f_[TARGET, b] - f_[D, b]) * on_line)
        swing = swing + (c * (k.was[WISH, b] * _LANE_M * on_line)) * (1.0 if gentle else 0.0)
        low = aside - wide + (swing if swing < 0.0 else 0.0)
        high = aside + wide + (swing if swing > 0.0 else 0.0)
        share = clamp(1.0 - gap / for_m, 0.0, 1.0)
        own_low = target - half + (0.0 if rest > 0.0 else rest) * share
        own_high = target + half + (0.0 if rest < 0.0 else rest) * share
        clear = max(low - own_high, own_low - high)
        # walkers
        margin = _MARGIN_M - squeezes * (_MARGIN_M - _SQUEEZE_M)
        if not on_foot and k.was[CLASS, b] == _WALKER:
            across = f_[V, b] * s
            if (aside - d) * across < 0.0 and abs(across) > 0.3 and v * v < (2 * _GIVE_WAY) * gap:
                margin = margin + (_WALKER_M - _MARGIN_M)
        there = far < abs(f) + abs(aside) + 1.0
        before = there & (f > 0.0)
        follows = there & (f <= 0.0) & (c > 0.3)
        blocks = clear < margin
        beside = thinks & (max(low - (middle + half), (middle - half) - high) < _MARGIN_M)
        in_way = blocks & before & (f < _HORIZON_M)
        if in_way and gap <= nearest:
            nearest_v = min(nearest_v, u) if gap == nearest else u
            nearest = gap
        # interactions
        close = _TOUCH_M if gap < _TOUCH_M else gap
        if in_way | (before & beside):
            pull = (gap0 + max(v * (headway + closing * calm), 0.0)) / close
            pull = pull * pull * -a_max
            if in_way:
                pull_all = min(pull_all, pull)
                if abs(f_[V, b]) < _SLOW_MPS and f - long < t[EXIT_M, a] + gap0:
                    taken = 1
            if beside:
                beside_all = min(beside_all, pull)
        if not rail:
            continue
        if thinks & follows & (beside | blocks):
            push = (gap0 + max(u * (headway - closing * calm), 0.0)) / close
            push = push * push * -a_max
            push_all = min(push_all, push) if blocks else push_all
            push_beside_all = min(push_beside_all, push) if beside else push_beside_all
        # of two whose ways join, the one who is nearer to that place leads
        if not in_way and u_[JOINS, a] >= 0 and u_[COMES, b] == u_[JOINS, a]:
            nearer = t[JOIN_M, a] - t[JOIN_M, b]
            if nearer > 0.0:
                join_gap = max(nearer - hl - half_long, _TOUCH_M)
                joining = gap0 + max(v * (headway + (v - f_[V, b]) * calm), 0.0)
                joining = joining / join_gap
                pull_all = min(pull_all, max(joining * joining * -a_max, -_JOIN_MPS2))
    t[PULL, a], t[PULL_BESIDE, a], t[PUSH, a], t[PUSH_BESIDE, a] = (
        pull_all, beside_all, push_all, push_beside_all,
    )  # fmt: skip
    t[GAP, a] = min(nearest, FAR_M)
    t[GAP_V, a] = nearest_v if nearest < FAR_M / 2 else 0.0
    u_[EXIT_TAKEN, a] = taken


@part
def threatened(k: Desk, a: int) -> bool:
    """`others.threatened` of one agent on foot."""
    f = k.old
    for j in range(k.neighbours):
        b = k.near[a, j]
        if b < 0:
            break
        if k.was[CLASS, b] == _WALKER or not f[V, b] > 0.5:
            continue
        dx, dy = f[CENTER_X, b] - f[CENTER_X, a], f[CENTER_Y, b] - f[CENTER_Y, a]
        oc, os = f[COS, b], f[SIN, b]
        ahead = -(dx * oc + dy * os)
        aside = dx * os - dy * oc
        across = (f[SIN, a] * oc - f[COS, a] * os) * max(f[V, a], _WALK_MPS)
        flank = f[WIDE, b] / 2 + f[LONG, a] / 2 + 0.4
        apart = abs(aside) - flank
        if not (aside * across < 0.0 and apart > 0.0 and ahead > 0.0):
            continue
        speed = max(abs(across), 0.1)
        begin, end = apart / speed, (apart + 2 * flank) / speed
        v, hl = max(f[V, b], 0.1), f[LONG, b] / 2
        front = ahead - hl
        meets = front < v * (end + _PATIENCE_S) and ahead + hl > v * (begin - _PATIENCE_S)
        if meets and v * v > (2 * _TRUST) * max(front - 1.0, 0.0):
            return True
    return False


@part
def touch(k: Desk, a: int) -> None:
    """`bodies.touches` of one agent in the new state: whether it touches a neighbour, and by its own fault."""
    g = k.new
    hit, fault = False, False
    la, wa, c0, s0 = g[LONG, a] / 2, g[WIDE, a] / 2, g[COS, a], g[SIN, a]
    for j in range(k.neighbours):
        b = k.near[a, j]
        if b < 0:
            break
        dx, dy = g[CENTER_X, b] - g[CENTER_X, a], g[CENTER_Y, b] - g[CENTER_Y, a]
        hl, hw = g[LONG, b] / 2, g[WIDE, b] / 2
        reach = la + wa + hl + hw
        if dx * dx + dy * dy > reach * reach:
            continue
        oc, os = g[COS, b], g[SIN, b]
        c, s = abs(oc * c0 + os * s0), abs(os * c0 - oc * s0)
        ahead, left = dx * c0 + dy * s0, dy * c0 - dx * s0
        along = c * hl + s * hw
        across = abs(left) - (wa + s * hl + c * hw)
        forth, aside = dx * oc + dy * os, dy * oc - dx * os
        their_l, their_w = hl + s * wa, hw + c * wa
        apart = max(abs(ahead) - (la + along), across)
        apart = max(apart, abs(forth) - (their_l + c * la))
        apart = max(apart, abs(aside) - (their_w + s * la))
        if not apart <= 0.0:
            continue
        hit = True
        front_c, front_s = la * (c0 * oc + s0 * os), la * (s0 * oc - c0 * os)
        edge = max(abs(ahead - la) - along, across)
        edge = max(edge, abs(forth - front_c) - their_l)
        edge = max(edge, abs(aside - front_s) - their_w)
        axle = ahead + g[OFFSET, a]
        behind = axle < _BEHIND * math.sqrt(axle * axle + left * left)
        if (edge <= 0.0 or abs(g[V, b]) <= _STANDS) and not behind:
            fault = True
    active = k.now[ACTIVE, a] != 0
    k.now[COLLIDED, a] = 1 if hit and active else 0
    k.now[FAULT, a] = 1 if fault and active and abs(g[V, a]) > _EGO_STANDS else 0


@part
def on_road(m: Map, k: Desk, a: int) -> bool:
    """Whether all corners of an agent are on the drivable area."""
    g = k.new
    for corner in range(4):
        along, across = (1.0 if corner < 2 else -1.0), (1.0 if corner % 2 == 0 else -1.0)
        u, v = g[LONG, a] * (0.5 * along), g[WIDE, a] * (0.5 * across)
        x = g[CENTER_X, a] + u * g[COS, a] - v * g[SIN, a]
        y = g[CENTER_Y, a] + u * g[SIN, a] + v * g[COS, a]
        column = math.floor((x - m.origin_x_m) / m.cell_m)
        row = math.floor((y - m.origin_y_m) / m.cell_m)
        if not (0.0 <= column < m.grid_columns and 0.0 <= row < m.grid_rows):
            return False
        if not m.cells[int(row) * m.grid_columns + int(column)]:
            return False
    return True


@part
def judge(m: Map, k: Desk, low: int) -> None:
    """`bodies.judge`: neighbours, collisions and corners off the road of all agents, from the new poses and windows."""
    g = k.new
    find_boxes(k, g)
    for a in range(k.agents):
        if m.bridges:
            deck = 0
            for r in range(1, -1, -1):
                if k.window[a, r] >= 0 and m.lines[k.window[a, r]].deck != 0:
                    deck = m.lines[k.window[a, r]].deck
            k.whole[DECK, a] = deck
    find_near(k, low, m.bridges)
    for a in range(k.agents):
        touch(k, a)
        if m.cells.shape[0]:
            driven = k.now[ACTIVE, a] != 0 and k.now[MODE, a] == _COMMAND
            k.now[OFF_ROAD, a] = 1 if driven and not on_road(m, k, a) else 0
