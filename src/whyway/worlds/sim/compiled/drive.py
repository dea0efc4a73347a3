"""What agents do in a step: cues, commands, lane changes, car following. Mirrors `cues`, `motion`, `change`, `traffic`."""

from __future__ import annotations

import math

from whyway.types import LightColor, ObjectClass
from whyway.worlds.sim import change, cues, rights, traffic
from whyway.worlds.sim.compiled.around import threatened
from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.lanes import clamp, row_at
from whyway.worlds.sim.compiled.layout import (
    A_MAX,
    ACTIVE,
    CALM,
    CAP,
    CENTER_X,
    CENTER_Y,
    CHANGED,
    CLASS,
    CUE_NEXT,
    CUE_TICK,
    END_M,
    FACTOR,
    GATE_LIGHT,
    GATE_M,
    GATE_WAY,
    GIVES_UP,
    GO_A,
    GO_D,
    GO_M,
    GO_V,
    HEADWAY,
    HELD,
    KNOWN,
    LATERAL,
    LONG,
    MODE,
    NEW_LINE,
    PLAYS,
    POLITE,
    PULL,
    PULL_BESIDE,
    PUSH,
    PUSH_BESIDE,
    PX,
    PY,
    RAN_RED,
    RATE,
    RECKLESS,
    ROUTE,
    ROUTE_AT,
    ROUTE_S,
    S0,
    STANDING,
    STEER,
    TARGET,
    TOLD_V,
    WISH,
    YAWS,
    A,
    Before,
    D,
    Desk,
    Map,
    S,
    V,
)  # fmt: skip
from whyway.worlds.sim.compiled.machine import natural
from whyway.worlds.sim.compiled.rights import color, in_time, may_go
from whyway.worlds.sim.state import CUES, EGO, FAR_M, WINDOW, Mode, When

_RAIL, _COMMAND, _RED = int(Mode.RAIL), int(Mode.COMMAND), int(LightColor.RED)
_WALKER, _BICYCLE = int(ObjectClass.PEDESTRIAN), int(ObjectClass.BICYCLE)
_AT_TIME, _WITHIN, _ARRIVES, _PASSED, _OWN_S, _AFTER = (
    int(When.AT_TIME), int(When.EGO_WITHIN), int(When.EGO_ARRIVES), int(When.EGO_PASSED), int(When.OWN_S), int(When.AFTER),
)  # fmt: skip
_MOVES_MPS = cues._MOVES_MPS
_NAN = math.nan
_SAFE, _SAFE_LAST, _THRESHOLD = change.SAFE_MPS2, change.SAFE_AT_LAST_MPS2, change.THRESHOLD_MPS2
_AGAIN_S, _MUST_S, _GATE_M, _GATE_S = (
    change.AGAIN_S, change.MUST_AGAIN_S, change.BEFORE_GATE_M, change.BEFORE_GATE_S,
)  # fmt: skip
_URGENT_M, _URGENT_S, _END_M, _SETTLED_M = (
    change.URGENT_M, change.URGENT_S, change.END_M, change._SETTLED_M,
)  # fmt: skip
_MIN_MPS, _STUCK_S, _GIVES_UP_S = change._MIN_MPS, change._STUCK_S, change._GIVES_UP_S
_EMERGENCY, _APPROACH, _WALK, _WAIT = (
    traffic.EMERGENCY_MPS2, traffic.APPROACH_MPS2, traffic._WALK_MPS2, traffic._WAIT_MPS2,
)  # fmt: skip
_STANDS_MPS, _PULLED, _STEER, _EASE_1PS, _EASE_MPS = (
    traffic._STANDS_MPS, traffic._PULLED_MPS2, traffic._STEER, traffic._EASE_1PS, traffic._EASE_MPS,
)  # fmt: skip
_STOP_BEFORE_M = rights.STOP_BEFORE_LINE_M


@part
def play(m: Map, k: Desk, now: Before, w: int, a: int) -> None:
    """`cues.play` of one agent: which cue fires, and what the last one makes it do."""
    f, dt = k.old, m.dt_s
    following = k.was[CUE_NEXT, a]
    k.real[TOLD_V, a], k.real[RATE, a], k.whole[RECKLESS, a] = _NAN, 0.0, 0
    if k.was[PLAYS, a] == 0:
        return
    value_, at_, speed_, rate_, offset_, lateral_ = now.cues
    i = min(max(following, 0), CUES - 1)
    when, value = now.when[w, a, i], float(value_[w, a, i])
    ego_s, v = f[ROUTE_S, EGO], f[V, EGO]
    tick = now.tick[w]
    due = False
    if when == _AT_TIME:
        due = tick * dt + 0.5 * dt >= value
    elif when == _WITHIN:
        dx, dy = f[CENTER_X, a] - f[CENTER_X, EGO], f[CENTER_Y, a] - f[CENTER_Y, EGO]
        due = math.sqrt(dx * dx + dy * dy) <= value
    elif when == _ARRIVES:
        to_go = float(at_[w, a, i]) - ego_s - f[LONG, EGO] / 2
        due = to_go > 0.0 and to_go < v * value and v > _MOVES_MPS
    elif when == _PASSED:
        due = ego_s >= value
    elif when == _OWN_S:
        due = f[S, a] >= value
    elif when == _AFTER:
        fired = k.was[CUE_TICK, a]
        due = fired >= 0 and (tick - fired) * dt + 0.5 * dt >= value
    fires = due and k.was[ACTIVE, a] != 0 and following < CUES
    after = following + 1 if fires else following
    i = min(max(after - 1, 0), CUES - 1)
    k.now[CUE_NEXT, a] = after
    k.real[RATE, a] = float(rate_[w, a, i])
    if fires:
        k.now[CUE_TICK, a] = tick
        offset, lateral = float(offset_[w, a, i]), float(lateral_[w, a, i])
        if not math.isnan(offset):
            k.new[TARGET, a] = offset
        if not math.isnan(lateral):
            k.new[LATERAL, a] = lateral
    if after > 0:
        k.real[TOLD_V, a] = float(speed_[w, a, i])
        k.whole[RECKLESS, a] = 1 if now.reckless[w, a, i] else 0


@part
def obey(m: Map, k: Desk, a: int, acceleration: float, steer: float) -> None:
    """`motion.actuate` and `motion.single_track` of an agent under command."""
    f, g, dt = k.old, k.new, m.dt_s
    v = f[V, a]
    high = m.car_a_max_mps2 * m.v_switch_mps / max(v, m.v_switch_mps)
    acc = max(acceleration, -m.car_a_max_mps2)
    if acc > high:
        acc = high
    stops_at = -v / dt
    if acc < 0.0 and acc < stops_at:
        acc = stops_at
    if v >= m.v_max_mps and acc > 0.0:
        acc = 0.0
    most = m.steer_rate_max_rps
    rate = clamp((steer - f[STEER, a]) / dt, -most, most)
    angle = clamp(f[STEER, a] + rate * dt, -m.steer_max_rad, m.steer_max_rad)
    distance = v * dt + 0.5 * acc * dt * dt
    turn = distance * math.tan(angle) / m.wheelbase_m
    half = 0.5 * turn
    if abs(half) < 1e-3:
        chord = distance * (1.0 - half * half / 6.0)
    else:
        chord = distance * (math.sin(half) / half)
    course = f[YAWS, a] + half
    g[PX, a], g[PY, a] = f[PX, a] + chord * math.cos(course), f[PY, a] + chord * math.sin(course)
    g[YAWS, a], g[V, a] = f[YAWS, a] + turn, max(v + acc * dt, 0.0)
    g[A, a], g[STEER, a] = acc, angle


@part
def must_leave(m: Map, k: Desk, a: int) -> int:
    """`change.needed`: the side to which the lane has to be left."""
    line = k.line[a, 1]
    must = int(m.lines[line].escape)
    route, at = k.was[ROUTE, a], k.was[ROUTE_AT, a] + 1
    length = m.routes.shape[1]
    if m.routes.shape[0] == 0 or route < 0 or at >= length:
        return must
    following = m.routes[route, at]
    if following < 0:
        return must
    by_route = 0
    if following == m.lines[line].left:
        by_route += 1
    if following == m.lines[line].right:
        by_route -= 1
    return by_route if by_route != 0 else must


@part
def _may_drive(k: Desk, a: int) -> bool:
    """Who changes lanes at all."""
    kind = k.was[CLASS, a]
    drives = k.was[ACTIVE, a] != 0 and k.whole[KNOWN, a] > 0 and k.was[MODE, a] == _RAIL
    return bool(drives and kind not in (_WALKER, _BICYCLE) and k.was[PLAYS, a] != 2)


@part
def lane_aside(m: Map, k: Desk, a: int, left: bool) -> int:
    """The line to which an agent might change now, on the side that is thought of; -1 for none."""
    line = k.line[a, 1]
    neighbour = m.lines[line].left if left else m.lines[line].right
    free = k.was[HELD, a] < 0 and m.lines[line].in_junction == 0 and _may_drive(k, a)
    return int(neighbour) if free and abs(k.old[D, a] - k.old[TARGET, a]) < _SETTLED_M else -1


@part
def change_lanes(m: Map, k: Desk, a: int, tick: int, left: bool, aside: int) -> None:
    """`change.changes` of one agent; `aside` is from `lane_aside`."""
    f, t, u = k.old, k.real, k.whole
    u[NEW_LINE, a], u[GIVES_UP, a], t[END_M, a], k.now[WISH, a] = -1, 0, FAR_M, 0
    if not _may_drive(k, a):
        return
    line, v, standing = k.line[a, 1], f[V, a], f[STANDING, a]
    rest = k.begins[a, 2] - f[LONG, a] / 2
    if k.begins[a, 2] > FAR_M / 2:
        rest = k.begins[a, 1] + m.lines[line].length_m
    must = must_leave(m, k, a)
    obliged = must != 0
    urgency = clamp(1.0 - rest / (_URGENT_M + _URGENT_S * v), 0.0, 1.0)
    if obliged:
        t[END_M, a] = rest - _END_M
        if urgency > 0.0:
            k.now[WISH, a] = must
        if standing > _GIVES_UP_S and rest < 8.0 and k.was[ROUTE, a] >= 0:
            u[GIVES_UP, a] = 1
    if aside < 0:
        return
    side = 1 if left else -1
    since = (tick - k.was[CHANGED, a]) * m.dt_s
    asked, against = obliged and must == side, obliged and must != side
    loss = (0.0 if left else t[PUSH, a]) - t[PUSH_BESIDE, a]
    worth = t[PULL_BESIDE, a] - t[PULL, a] - f[POLITE, a] * loss > _THRESHOLD
    if asked:
        wants = since > _MUST_S
    else:
        room = t[GATE_M, a] > _GATE_M and t[GATE_M, a] > _GATE_S * v
        room = room and rest > 2.0 * v + 5.0 and since > _AGAIN_S and not against
        wants = worth and room and v > _MIN_MPS
    limit = -(_SAFE + (_SAFE_LAST - _SAFE) * urgency * (1.0 if asked else 0.0))
    if wants and t[PUSH_BESIDE, a] > limit and t[PULL_BESIDE, a] > limit:
        u[NEW_LINE, a] = aside
        k.now[WISH, a] = 0
    elif worth and standing > _STUCK_S and not obliged:
        k.now[WISH, a] = side


@part
def _speed_ahead(m: Map, k: Desk, a: int) -> float:
    """`traffic.speed_ahead`."""
    line = k.line[a, 1]
    here = float(m.rows[row_at(m, line, k.old[S, a])[0]].speed)
    half, least = k.old[LONG, a] / 2, math.inf
    for r in range(2, WINDOW + 1):
        entry = m.lines[natural(k.line[a, r])].entry_mps
        least = min(least, entry * entry + max(k.begins[a, r] - half, 0.0) * (2 * _APPROACH))
    return min(here, math.sqrt(least))


@part
def _free_road(v: float, desired: float, a_max: float, b: float) -> float:
    """`traffic.free_road`."""
    ratio = v / max(desired, 0.1)
    if ratio <= 1.0:
        squared = ratio * ratio
        return float(a_max * (1.0 - squared * squared))
    return float(-b * (1.0 - ratio ** (a_max * (-4.0 / b))))


@part
def follow(m: Map, k: Desk, a: int, clock_s: float, asked_s: float) -> None:
    """`traffic.drive` of one agent."""
    f, t, u, dt = k.old, k.real, k.whole, m.dt_s
    v, a_max, b = f[V, a], f[A_MAX, a], m.b_mps2
    walker, reckless = k.was[CLASS, a] == _WALKER, u[RECKLESS, a] != 0
    desired = min(_speed_ahead(m, k, a) * f[FACTOR, a], f[CAP, a])
    free = _free_road(v, desired, a_max, b)
    if desired < _STANDS_MPS:
        free = clamp(-v / dt, -b, b)
    way, held, gate_m = u[GATE_WAY, a], k.now[HELD, a], t[GATE_M, a]
    open_ = walker or (held >= 0 and held == way)
    if not open_ and way < 0:
        open_ = may_go(m, u[GATE_LIGHT, a], clock_s, asked_s) or not in_time(f, a, gate_m)
    line_m = min(FAR_M if open_ else gate_m, t[END_M, a])
    wanted = f[S0, a] + v * (f[HEADWAY, a] + v * t[CALM, a])
    share = wanted / max(line_m + (f[S0, a] - _STOP_BEFORE_M), 0.1)
    pull = min(t[PULL, a], -a_max * share * share)
    acc = free + (0.0 if reckless else pull)
    acc = max(min(acc, a_max), -_EMERGENCY)
    if walker and acc > 0.0:
        acc = clamp((desired - v) / dt, -_WALK, _WALK)
    threat = walker and threatened(k, a)
    if threat and not reckless:
        acc = min(acc, -_WAIT)
    speed = 0.0
    if not math.isnan(t[TOLD_V, a]):
        speed = t[TOLD_V, a]
        exact = max(min((speed - v) / dt, t[RATE, a]), -t[RATE, a])
        heeds = not reckless and speed >= 0.0 and (pull < -_PULLED or threat)
        acc = min(exact, acc) if heeds else exact
    after = max(v + acc * dt, min(min(v, speed), 0.0))
    ahead = (v + after) * (0.5 * dt)
    if walker:
        line = k.line[a, 1]
        rest = k.begins[a, 1] + m.lines[line].length_m
        if m.lines[line].choices == 0 and ahead >= rest:
            after, ahead = 0.0, rest
    t[GO_A, a], t[GO_V, a], t[GO_M, a] = (after - v) / dt, after, ahead
    rest = k.new[TARGET, a] - f[D, a]
    most = min(k.new[LATERAL, a], _STEER * abs(v) + (FAR_M if walker else 0.0))
    most = min(most, _EASE_MPS + _EASE_1PS * abs(rest)) * dt
    t[GO_D, a] = f[D, a] + max(min(rest, most), -most)


@part
def note_red(m: Map, k: Desk, a: int, clock_s: float, asked_s: float) -> None:
    """Whether the front passes a stop line at red in this step."""
    light, d = k.whole[GATE_LIGHT, a], k.real[GATE_M, a]
    k.now[RAN_RED, a] = 0
    if k.was[ACTIVE, a] == 0 or light < 0:
        return
    if m.color.shape[0] == 0:
        k.now[RAN_RED, a] = 1
        return
    way = k.real[GO_V, a]
    if k.was[MODE, a] == _COMMAND:
        way = (k.old[V, a] + k.new[V, a]) * 0.5
    if d > 0.0 and d <= way * 0.1 and color(m, light, clock_s, asked_s) == _RED:
        k.now[RAN_RED, a] = 1
