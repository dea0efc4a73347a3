"""An actor's part: which cue fires now, and what the last one makes it do. Arrays `[W, A]`, `[W, A, C]`.

Cues are told in `State`: each waits for its `When`, and from then on says how fast, where across the lane and how recklessly the
actor moves, until the next one fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.worlds.sim.arrays import clamp, none, pick, to
from whyway.worlds.sim.state import CUES, EGO, State, When

Array = Any

_MOVES_MPS = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is being played `[W, A]`."""

    next: Array
    """See `State.cue_next`."""
    tick: Array
    """See `State.cue_tick`."""
    speed_mps: Array
    """To be driven exactly; NaN for car following."""
    rate_mps2: Array
    reckless: Array
    target_d_m: Array
    lateral_mps: Array


def play(xp: Any, state: State, x_m: Array, y_m: Array, time_s: Array, dt_s: float) -> Part:
    """Fire what is due (one cue of an agent a step) and tell what is being played.

    Args:
      xp: array namespace.
      state: as it is.
      x_m: centres of the boxes, as is `y_m`.
      y_m: see `x_m`.
      time_s: of each world `[W]`.
      dt_s: of a step.
    """
    dtype = x_m.dtype
    if none((state.cue_when[..., 0] != int(When.NEVER)) | (state.cue_next > 0)):
        return Part(
            state.cue_next, state.cue_tick, 0.0 * x_m + float("nan"), state.cue_rate_mps2[..., 0], state.cue_next > 0,
            state.target_d_m, state.lateral_mps,
        )  # fmt: skip
    cell = _cells(xp, state)

    def cue(values: Array, index: Array) -> Array:
        return pick(values, cell + clamp(index, 0, CUES - 1))

    when, value = cue(state.cue_when, state.cue_next), cue(state.cue_value, state.cue_next)
    ego = slice(EGO, EGO + 1)
    gap = xp.sqrt((x_m - x_m[:, ego]) ** 2 + (y_m - y_m[:, ego]) ** 2)
    to_go = (
        cue(state.cue_at_m, state.cue_next) - state.route_s_m[:, ego] - state.length_m[:, ego] / 2
    )
    v = state.v_mps[:, ego]
    clock = (
        to(time_s, dtype)[:, None] + 0.0 * x_m + 0.5 * dt_s
    )  # half a step's grace against rounding
    since = to(state.tick[:, None] - state.cue_tick, dtype) * dt_s + 0.5 * dt_s
    due = (
        ((when == int(When.AT_TIME)) & (clock >= value))
        | ((when == int(When.EGO_WITHIN)) & (gap <= value))
        | ((when == int(When.EGO_ARRIVES)) & (to_go > 0.0) & (to_go < v * value) & (v > _MOVES_MPS))
        | ((when == int(When.EGO_PASSED)) & (state.route_s_m[:, ego] >= value))
        | ((when == int(When.OWN_S)) & (state.s_m >= value))
        | ((when == int(When.AFTER)) & (state.cue_tick >= 0) & (since >= value))
    )
    fires = due & state.active & (state.cue_next < CUES)
    after = xp.where(fires, state.cue_next + 1, state.cue_next)
    tick = xp.where(fires, state.tick[:, None] + 0 * state.cue_tick, state.cue_tick)
    plays, now = after > 0, after - 1
    nothing = 0.0 * x_m + float("nan")
    offset, lateral = cue(state.cue_offset_m, now), cue(state.cue_lateral_mps, now)
    return Part(
        next=after,
        tick=tick,
        speed_mps=xp.where(plays, cue(state.cue_speed_mps, now), nothing),
        rate_mps2=cue(state.cue_rate_mps2, now),
        reckless=plays & cue(state.cue_reckless, now),
        target_d_m=xp.where(fires & ~xp.isnan(offset), offset, state.target_d_m),
        lateral_mps=xp.where(fires & ~xp.isnan(lateral), lateral, state.lateral_mps),
    )


def _cells(xp: Any, state: State) -> Array:
    worlds, agents = state.x_m.shape
    first = xp.arange(worlds * agents, dtype=xp.int64, device=state.x_m.device) * CUES
    return xp.reshape(first, (worlds, agents))
