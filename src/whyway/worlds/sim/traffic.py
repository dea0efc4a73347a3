"""What traffic does with speed and across the lane: car following, lines to stop at, cues, people on foot. Arrays `[W, A]`.

IDM (Treiber, Hennecke, Helbing, Phys. Rev. E 62, 2000) with each driver's own headway, gap and acceleration; interactions are combined by
their strongest instead of their sum (Treiber & Kesting, "Traffic Flow Dynamics", 2013, section 11.3.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.config import IdmConfig
from whyway.worlds.sim.ahead import Lines
from whyway.worlds.sim.arrays import clamp, pick, to
from whyway.worlds.sim.change import Change
from whyway.worlds.sim.cues import Part
from whyway.worlds.sim.others import Leads
from whyway.worlds.sim.rights import STOP_BEFORE_LINE_M, Gate, in_time, walks
from whyway.worlds.sim.state import FAR_M, State
from whyway.worlds.sim.table import LaneTable

Array = Any

EMERGENCY_MPS2 = 9.0
APPROACH_MPS2 = 1.5
"""With which slower lines ahead are approached."""
_WALK_MPS2 = 2.0
_WAIT_MPS2 = 3.0
_STANDS_MPS = 0.05
"""Who is to go no faster than this is to stand."""
_PULLED_MPS2 = 0.5
"""Less interaction than this does not keep an actor from the speed of its part."""
_STEER = 0.25
"""Most sideways speed of a vehicle as a part of its forward speed."""
_EASE_1PS, _EASE_MPS = 1.5, 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How agents on lines move in this step."""

    a_mps2: Array
    v_mps: Array
    """Speed after it."""
    ahead_m: Array
    """Way along the line."""
    d_m: Array
    """Place across the line after it."""


def drive(
    xp: Any,
    state: State,
    lines: Lines,
    leads: Leads,
    gate: Gate,
    held: Array,
    change: Change,
    part: Part,
    threat: Array,
    table: LaneTable,
    limit_mps: Array,
    idm: IdmConfig,
    dt_s: float,
) -> Motion:
    """The motion of everybody who follows lines.

    Args:
      xp: array namespace.
      state: as it is.
      lines: the windows.
      leads: what is in the way.
      gate: where to stop next.
      held: the rights of this step.
      change: lane changes.
      part: cues.
      threat: who on foot had better wait.
      table: the lane graph.
      limit_mps: comfortable speed here.
      idm: what is common to all drivers.
      dt_s: of the step.
    """
    dtype, v = state.v_mps.dtype, state.v_mps
    walker = walks(state)
    desired = xp.minimum(
        speed_ahead(xp, state, lines, table, limit_mps) * state.factor, state.cap_mps
    )
    free = free_road(xp, v, desired, state.a_max_mps2, idm.b_mps2)
    free = xp.where(desired < _STANDS_MPS, clamp(-v / dt_s, -idm.b_mps2, idm.b_mps2), free)

    got = (held >= 0) & (held == gate.way)
    stops = in_time(v, state.politeness, gate.distance_m)
    passes = (gate.way < 0) & (gate.open | ~stops)
    far = 0.0 * v + FAR_M
    line_m = xp.minimum(xp.where(got | passes | walker, far, gate.distance_m), change.end_m)
    halt = stop_at(state, line_m, idm)
    pull = xp.minimum(leads.pull, halt)
    a = free + xp.where(part.reckless, 0.0 * pull, pull)
    a = clamp(xp.minimum(a, state.a_max_mps2), -EMERGENCY_MPS2, None)
    a = xp.where(walker & (a > 0.0), clamp((desired - v) / dt_s, -_WALK_MPS2, _WALK_MPS2), a)
    a = xp.where(walker & threat & ~part.reckless, clamp(a, None, -_WAIT_MPS2), a)

    told = ~xp.isnan(part.speed_mps)
    speed = xp.where(told, part.speed_mps, 0.0 * v)
    exact = xp.maximum(xp.minimum((speed - v) / dt_s, part.rate_mps2), -part.rate_mps2)
    heeds = ~part.reckless & (speed >= 0.0) & ((pull < -_PULLED_MPS2) | (walker & threat))
    a = xp.where(told, xp.where(heeds, xp.minimum(exact, a), exact), a)
    after = xp.maximum(v + a * dt_s, clamp(xp.minimum(v, speed), None, 0.0))
    ahead = (v + after) * (0.5 * dt_s)
    # who walks stays where the walk ends
    rest = lines.begins_m[1] + lines.length_m[1]
    ends = walker & (pick(table.successors, lines.line[1]) == 0) & (ahead >= rest)
    after, ahead = xp.where(ends, 0.0 * after, after), xp.where(ends, rest, ahead)
    return Motion(
        a_mps2=(after - v) / dt_s,
        v_mps=after,
        ahead_m=ahead,
        d_m=state.d_m + _sideways(xp, state, part, to(walker, dtype), dt_s),
    )


def free_road(xp: Any, v_mps: Array, desired_mps: Array, a_mps2: Array, b_mps2: float) -> Array:
    """IDM's free-road term, braking at most `b` above the desired speed (Treiber & Kesting 2013, section 11.3.7)."""
    ratio = v_mps / clamp(desired_mps, 0.1, None)
    squared = ratio * ratio
    below = a_mps2 * (1.0 - squared * squared)
    above = -b_mps2 * (1.0 - clamp(ratio, 1.0, None) ** (a_mps2 * (-4.0 / b_mps2)))
    return xp.where(ratio <= 1.0, below, above)


def stop_at(state: State, distance_m: Array, idm: IdmConfig) -> Array:
    """IDM's interaction with a line at a distance from the front, before which one stands."""
    v = state.v_mps
    wanted = state.s0_m + v * (state.headway_s + v / (2.0 * (state.a_max_mps2 * idm.b_mps2) ** 0.5))
    share = wanted / clamp(distance_m + (state.s0_m - STOP_BEFORE_LINE_M), 0.1, None)
    return -state.a_max_mps2 * share * share


def speed_ahead(xp: Any, state: State, lines: Lines, table: LaneTable, here_mps: Array) -> Array:
    """The speed the lines allow: here, and braking in time for where the next ones begin."""
    entry = pick(table.entry_mps, lines.line[2:])
    room = clamp(lines.begins_m[2:] - state.length_m / 2, 0.0, None)
    ahead = xp.sqrt(xp.min(entry * entry + room * (2 * APPROACH_MPS2), axis=0))
    return xp.minimum(here_mps, ahead)


def _sideways(xp: Any, state: State, part: Part, walker: Array, dt_s: float) -> Array:
    rest = part.target_d_m - state.d_m
    steered = _STEER * xp.abs(state.v_mps)
    most = xp.minimum(part.lateral_mps, steered + walker * FAR_M)
    most = xp.minimum(most, _EASE_MPS + _EASE_1PS * xp.abs(rest)) * dt_s
    return xp.maximum(xp.minimum(rest, most), -most)
