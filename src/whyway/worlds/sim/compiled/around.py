"""Who is around each agent: the nearest others, who leads and follows, who threatens a walker, who touches. Mirrors `others`, `bodies`."""

from __future__ import annotations

import math

from whyway.types import ObjectClass
from whyway.worlds.sim import arrays, bodies, others
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.lanes import clamp, project, sample_way
from whyway.worlds.sim.compiled.layout import (
    A_MAX,
    ACTIVE,
    ALONG_X,
    ALONG_Y,
    ASIDE,
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
    HEADWAY,
    JOIN_M,
    JOINS,
    LATERAL,
    LINE_DECK,
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
_HORIZON_M = others.HORIZON_M
_WALK_MPS, _PATIENCE_S, _TRUST = others._WALK_MPS, others._PATIENCE_S, others._TRUST_MPS2
_STANDS, _EGO_STANDS, _BEHIND = bodies._STANDS_MPS, bodies._EGO_STANDS_MPS, bodies._BEHIND_COS
_INF = math.inf
_RANKED = 64
"""Up to so many agents keys are counted, not sorted."""


@part
def find_near(k: Desk, low: int, decks: int) -> None:
    """`bodies.neighbours` of all agents into `near`, from the new poses; `low` masks the keys' bits that carry the index."""
    g, agents = k.new, k.new.shape[1]
    limit = _NOBODY_KEY & ~low
    for a in range(agents):
        c, s = g[COS, a], g[SIN, a]
        ahead = _AHEAD_M + _AHEAD_S * g[V, a]
        px, py = g[CENTER_X, a] + ahead * c, g[CENTER_Y, a] + ahead * s
        for b in range(agents):
            dx, dy = g[CENTER_X, b] - px, g[CENTER_Y, b] - py
            along = dx * c + dy * s
            score = dx * dx + dy * dy - along * along * _STRETCH
            absent = _NOWHERE if k.now[ACTIVE, b] == 0 else 0.0
            k.keys[b] = (0.0 if score < 0.0 else score) + absent
        k.keys[a] += _NOWHERE
        if decks:
            mine = k.whole[DECK, a]
            for b in range(agents):
                if mine != 0 and k.whole[DECK, b] == -mine:
                    k.keys[b] += _NOWHERE
        if agents <= _RANKED:
            _rank(k, a, limit, low)
        else:
            _insert(k, a, limit, low)


@part
def _rank(k: Desk, a: int, limit: int, low: int) -> None:
    """The least keys of an agent by how many are less than each: no branch hangs on luck."""
    agents, count = k.keys.shape[0], k.near.shape[1]
    for b in range(agents):
        k.whole_keys[b] = (k.whole_keys[b] & ~low) | b
    for j in range(count):
        k.ranks[j] = -1
    for b in range(agents):
        key, rank = k.whole_keys[b], 0
        for c in range(agents):
            rank += 1 if k.whole_keys[c] < key else 0
        k.ranks[min(rank, count)] = b if key < limit else -1
    for j in range(count):
        k.near[a, j] = k.ranks[j]


@part
def _insert(k: Desk, a: int, limit: int, low: int) -> None:
    """The same for many agents, by insertion."""
    count = k.near.shape[1]
    have, worst = 0, limit
    for b in range(k.keys.shape[0]):
        key = (k.whole_keys[b] & ~low) | b
        if key >= worst:
            continue
        at = have if have < count else count - 1
        while at > 0 and k.ranks[at - 1] > key:
            k.ranks[at] = k.ranks[at - 1]
            at -= 1
        k.ranks[at] = key
        if have < count:
            have += 1
        if have == count:
            worst = k.ranks[count - 1]
    for j in range(count):
        k.near[a, j] = k.ranks[j] & low if j < have else -1


@part
def _look(m: Map, k: Desk, a: int) -> int:
    """An agent's neighbours on its way, into `points`; how many. Of those that are not there one stands for all."""
    f, p, count = k.old, k.points, 0
    x, y, c, s = f[CENTER_X, a], f[CENTER_Y, a], f[COS, a], f[SIN, a]
    for j in range(k.near.shape[1]):
        b = max(k.near[a, j], 0)
        dx, dy = f[CENTER_X, b] - x, f[CENTER_Y, b] - y
        far = math.sqrt(dx * dx + dy * dy)
        p[POINT_X, j], p[POINT_Y, j], p[STRAIGHT, j] = x + dx, y + dy, far
        p[F, j] = far if dx * c + dy * s > 0.0 else -far
        count += 1
        if k.near[a, j] < 0:
            break
    sample_way(m, k, a)
    project(m, k, count)
    return count


@part
def lead(m: Map, k: Desk, a: int, side: float) -> None:
    """`others.leads` of one agent: what the others mean for it."""
    f_, t, u_ = k.old, k.real, k.whole
    p, count = k.points, _look(m, k, a)
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
    calm = 1.0 / (2.0 * math.sqrt(a_max * m.b_mps2))
    rest = d - target
    for_m = (1.0 if v < 1.0 else v) * abs(rest) / f_[LATERAL, a]
    for_m = 0.1 if for_m < 0.1 else for_m
    middle = target + side * _LANE_M
    rail = k.was[MODE, a] == _RAIL
    pull_all, beside_all, push_all, push_beside_all = 0.0, 0.0, 0.0, 0.0
    nearest, nearest_v, taken = _INF, _INF, 0
    for j in range(count):
        b = k.near[a, j]
        is_there = b >= 0
        if not is_there:
            b = 0
        far, f, aside, ux, uy = p[STRAIGHT, j], p[F, j], p[ASIDE, j], p[ALONG_X, j], p[ALONG_Y, j]
        oc, os = f_[COS, b], f_[SIN, b]
        c, s = oc * ux + os * uy, os * ux - oc * uy
        ac, as_ = abs(c), abs(s)
        hl, hw = f_[LONG, b] / 2, f_[WIDE, b] / 2
        long = ac * hl + as_ * hw
        gap = abs(f) - long - half_long
        u = f_[V, b] * c
        if not is_there:
            # counts nothing, but takes part in the minimum of gaps; all that are not there are alike
            if gap + FAR_M < nearest:
                nearest, nearest_v = gap + FAR_M, u
            break
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
        beside = max(low - (middle + half), (middle - half) - high) < _MARGIN_M
        in_way = blocks & before & (f < _HORIZON_M)
        reach = gap if in_way else gap + FAR_M
        if reach <= nearest:
            nearest_v = min(nearest_v, u) if reach == nearest else u
            nearest = reach
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
        if follows & (beside | blocks):
            push = (gap0 + max(u * (headway - closing * calm), 0.0)) / close
            push = push * push * -a_max
            push_all = min(push_all, push) if blocks else push_all
            push_beside_all = min(push_beside_all, push) if beside else push_beside_all
        # of two whose ways join, the one who is nearer to that place leads
        if not in_way and u_[JOINS, a] >= 0 and u_[JOINS, b] == u_[JOINS, a] and u_[COMES, b]:
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
    for j in range(k.near.shape[1]):
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
    for j in range(k.near.shape[1]):
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
    for a in range(g.shape[1]):
        c, s = math.cos(g[YAWS, a]), math.sin(g[YAWS, a])
        g[COS, a], g[SIN, a] = c, s
        g[CENTER_X, a], g[CENTER_Y, a] = g[PX, a] + g[OFFSET, a] * c, g[PY, a] + g[OFFSET, a] * s
        if m.bridges:
            deck = 0
            for r in range(1, -1, -1):
                if k.window[a, r] >= 0 and m.whole[k.window[a, r], LINE_DECK] != 0:
                    deck = m.whole[k.window[a, r], LINE_DECK]
            k.whole[DECK, a] = deck
    find_near(k, low, m.bridges)
    for a in range(g.shape[1]):
        touch(k, a)
        if m.cells.shape[0]:
            driven = k.now[ACTIVE, a] != 0 and k.now[MODE, a] == _COMMAND
            k.now[OFF_ROAD, a] = 1 if driven and not on_road(m, k, a) else 0
