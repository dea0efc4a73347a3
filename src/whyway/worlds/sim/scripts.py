"""Scripted actors: what makes them act and what they then do, as a correction of their car-following. Arrays `[W, A]`."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from whyway.worlds.sim.state import Script, State, clamp

Array = Any

_DAWDLE_MPS, _DAWDLE_BEYOND_M = 3.0, 2.0


def triggered(state: State, x_m: Array, y_m: Array) -> Array:
    """The tick each script began, -1 before; `x_m`, `y_m` are the boxes' centres."""
    xp = array_namespace(x_m)
    gap = xp.sqrt((x_m - x_m[:, :1]) ** 2 + (y_m - y_m[:, :1]) ** 2)
    near = gap < state.script_reach_m
    to_go = state.script_at_m - state.s_m[:, :1] - state.length_m[:, :1] / 2
    v = state.v_mps[:, :1]
    arrives = (to_go > 0.0) & (to_go < v * state.script_hold_s) & (v > 2.0)
    now = (
        ((state.script == int(Script.BRAKE)) & near & (state.s_m >= state.script_at_m))
        | ((state.script == int(Script.CROSS)) & arrives)
        | ((state.script == int(Script.WAKE)) & near)
    )
    begins = now & (state.script_tick < 0) & state.active
    return xp.where(begins, state.tick[:, None] + 0 * state.script_tick, state.script_tick)


def speed_cap(state: State) -> Array:
    """The speed an agent does not exceed; a lead that has braked has played its part and drives on as fast as the road allows."""
    xp = array_namespace(state.cap_mps)
    braked = (state.script == int(Script.BRAKE)) & (state.script_tick >= 0)
    return xp.where(braked, 0.0 * state.cap_mps + 1e3, state.cap_mps)


def play(
    state: State, script_tick: Array, x_m: Array, y_m: Array, a_mps2: Array, dt_s: float
) -> Array:
    """Accelerations with the scripts' say in them."""
    xp = array_namespace(a_mps2)
    began = script_tick >= 0
    for_s = xp.astype(state.tick[:, None] - script_tick, a_mps2.dtype) * dt_s
    sleeps = ~began & ((state.script == int(Script.CROSS)) | (state.script == int(Script.WAKE)))
    a = xp.where(sleeps, -state.v_mps / dt_s, a_mps2)
    # a lead that is to brake in front of the ego does not run away from it before
    far = (
        xp.sqrt((x_m - x_m[:, :1]) ** 2 + (y_m - y_m[:, :1]) ** 2)
        > state.script_reach_m + _DAWDLE_BEYOND_M
    )
    dawdles = ~began & (state.script == int(Script.BRAKE)) & far
    a = xp.where(dawdles, xp.minimum(a, clamp(_DAWDLE_MPS - state.v_mps, -1.5, None)), a)
    brakes = began & (state.script == int(Script.BRAKE)) & (for_s < state.script_hold_s)
    down = xp.maximum(-state.script_rate, (state.script_low_mps - state.v_mps) / dt_s)
    return xp.where(brakes, xp.minimum(a, down), a)
