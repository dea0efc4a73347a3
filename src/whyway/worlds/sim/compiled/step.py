"""The whole environment step as machine code: next state, observation and reward, a `Stepper` of `blocks.Blocks`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from whyway.types import InputError
from whyway.worlds.sim.blocks import whole_step
from whyway.worlds.sim.compiled.around import find_boxes, judge, lead, prepare
from whyway.worlds.sim.compiled.drive import change_lanes, follow, lane_aside, note_red, obey, play
from whyway.worlds.sim.compiled.fetch import fetch_ahead
from whyway.worlds.sim.compiled.jit import entry, part, sources
from whyway.worlds.sim.compiled.lanes import lines_ahead, next_merge
from whyway.worlds.sim.compiled.layout import (
    ACTIVE,
    BOOLS,
    CUE_NEXT,
    FLOATS,
    FLOATS_MOVED,
    GAP,
    GAP_V,
    INTS,
    INTS_MOVED,
    JOIN_M,
    JOINS,
    LEAD_GAP,
    LEAD_V,
    LONG,
    MODE,
    PLAYS,
    ROUTE_S,
    STANDING,
    After,
    Before,
    Desk,
    Map,
    V,
    blank,
    lay_out,
    make_desk,
    read,
    write,
)  # fmt: skip
from whyway.worlds.sim.compiled.observe import look_around, see_lanes, worth
from whyway.worlds.sim.compiled.place import enter_and_leave, place
from whyway.worlds.sim.compiled.rights import next_gate, share_out
from whyway.worlds.sim.reward import Weights
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import EGO, WINDOW, Mode, State

Array = Any

_COMMAND = int(Mode.COMMAND)
_FLOATS, _INTS, _BOOLS = len(FLOATS), len(INTS), len(BOOLS)


@part
def _load(k: Desk, now: Before, w: int) -> None:
    """A world onto the desk, and what follows from its poses."""
    agents = k.agents
    for j in range(_FLOATS):
        values = now.floats[j]
        for a in range(agents):
            k.old[j, a] = values[w, a]
    for j in range(_INTS):
        whole = now.ints[j]
        for a in range(agents):
            k.was[j, a] = whole[w, a]
    for j in range(_BOOLS):
        flags = now.bools[j]
        for a in range(agents):
            k.was[_INTS + j, a] = 1 if flags[w, a] else 0
    for a in range(agents):
        has = now.when[w, a, 0] != 0
        k.was[PLAYS, a] = 2 if has else (1 if k.was[CUE_NEXT, a] != 0 else 0)
        for r in range(WINDOW):
            k.before[a, r] = now.window[w, a, r]
        for j in range(k.neighbours):
            k.near[a, j] = now.near[w, a, j]
    find_boxes(k, k.old)
    # whole blocks: what is copied beyond the agents is nobody's
    for j in range(k.old.shape[0]):
        for a in range(k.old.shape[1]):
            k.new[j, a] = k.old[j, a]
    for j in range(k.was.shape[0]):
        for a in range(k.was.shape[1]):
            k.now[j, a] = k.was[j, a]
    for a in range(k.before.shape[0]):
        for r in range(WINDOW):
            k.window[a, r] = k.before[a, r]


@part
def _store(k: Desk, after: After, w: int) -> None:
    """The desk's new state into the arrays."""
    agents = k.agents
    for j in range(FLOATS_MOVED):
        for a in range(agents):
            after.floats[j, w, a] = k.new[j, a]
    for j in range(INTS_MOVED):
        for a in range(agents):
            after.ints[j, w, a] = k.now[j, a]
    for j in range(_BOOLS):
        for a in range(agents):
            after.bools[j, w, a] = k.now[_INTS + j, a] != 0
    for a in range(agents):
        for r in range(WINDOW):
            after.window[w, a, r] = k.window[a, r]
        for j in range(k.neighbours):
            after.near[w, a, j] = k.near[a, j]


@part
def _decide(
    m: Map, k: Desk, now: Before, after: After, w: int, acceleration: Any, steer: Any
) -> None:
    """All that agents find out and decide, and the motion of those under command."""
    agents, tick = k.agents, now.tick[w]
    asked = now.demand_tick[w]
    asked_s = (0 if asked < 0 else tick - asked) * m.dt_s
    clock_s = tick * m.dt_s + now.phase_s[w]
    left = tick & 1 == 0
    for a in range(agents):
        play(m, k, now, w, a)
        if k.was[ACTIVE, a] != 0 and k.was[MODE, a] == _COMMAND:
            obey(m, k, a, float(acceleration[w, a]), float(steer[w, a]))
    lines_ahead(m, k, k.old, k.was, k.window)
    for a in range(agents):
        next_gate(m, k, a, k.old, k.was)
        joins, join_m = next_merge(m, k, a)
        k.whole[JOINS, a], k.real[JOIN_M, a] = joins, join_m
    prepare(m, k)
    for a in range(agents):
        fetch_ahead(now, after, w + 1, a)
        aside = lane_aside(m, k, a, left)
        lead(m, k, a, 1.0 if left else -1.0, aside >= 0)
        k.new[LEAD_GAP, a], k.new[LEAD_V, a] = k.real[GAP, a], k.real[GAP_V, a]
        change_lanes(m, k, a, tick, left, aside)
    share_out(m, k, clock_s, asked_s)
    for a in range(agents):
        if k.was[MODE, a] != _COMMAND:
            follow(m, k, a, clock_s, asked_s)
        note_red(m, k, a, clock_s, asked_s)


def _kernel(fingerprint: int) -> Callable[..., int]:
    """The entry; it closes over the sources' fingerprint (see `jit.entry`)."""

    def run(
        m: Map, now: Before, acceleration: Any, steer: Any, weights: Any, after: After, desks: Any, low: int
    ) -> int:  # fmt: skip
        k = desks[0]
        agents = k.agents
        for w in range(now.tick.shape[0]):
            tick, seed, demand = now.tick[w], now.seed[w], now.demand_tick[w]
            _load(k, now, w)
            _decide(m, k, now, after, w, acceleration, steer)
            for a in range(agents):
                place(m, k, a, tick, seed)
                standing = k.old[STANDING, a] + m.dt_s
                k.new[STANDING, a] = standing if abs(k.new[V, a]) < 0.3 else 0.0
            there = k.old[ROUTE_S, EGO] + k.old[LONG, EGO] / 2 >= m.demand_at_m
            if demand < 0 and (there or tick * m.dt_s >= m.demand_latest_s):
                demand = tick
            tick += 1
            after.tick[w], after.demand_tick[w] = tick, demand
            enter_and_leave(m, k, tick, seed)
            judge(m, k, low)
            lines_ahead(m, k, k.new, k.now, k.window)
            asked_s = (0 if demand < 0 else tick - demand) * m.dt_s
            clock_s = tick * m.dt_s + now.phase_s[w]
            see_lanes(m, k)
            for a in range(agents):
                next_gate(m, k, a, k.new, k.now)
                look_around(m, k, a, clock_s, asked_s, after.observation[w, a])
                after.reward[w, a] = worth(m, k, a, weights)
            _store(k, after, w)
        return fingerprint

    return entry(run)


_run = _kernel(sources())


def compiled_step(
    sim: Sim, state: State, acceleration_mps2: Array, steer_rad: Array, weights: Weights = Weights()  # noqa: B008
) -> tuple[State, Array, Array]:  # fmt: skip
    """`blocks.whole_step` as machine code; the first call of a float type takes a while, unless it was made before on this machine.

    Worlds without a lane table and those with recordings are stepped by the reference.

    Raises:
      InputError: commands that are not `[W, A]`.
    """
    if sim.table is None or sim.logs is not None:
        return whole_step(sim, state, acceleration_mps2, steer_rad, weights)
    worlds, agents = state.x_m.shape
    real = state.x_m.dtype
    commands = []
    for command in (acceleration_mps2, steer_rad):
        if command.shape != (worlds, agents):
            raise InputError(
                f"commands of shape {command.shape} for {worlds} worlds of {agents} agents"
            )
        commands.append(np.require(command, real, ["C", "W"]))
    after = blank(state)
    low = (1 << max(1, (agents - 1).bit_length())) - 1
    desk = make_desk(agents, state.near.shape[-1])
    _run(lay_out(sim), read(state), *commands, _tuple(weights), after, desk, low)
    return write(state, after), after.observation, after.reward


def _tuple(weights: Weights) -> tuple[float, ...]:
    return tuple(float(getattr(weights, f.name)) for f in dataclasses.fields(Weights))
