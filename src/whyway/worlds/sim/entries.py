"""Traffic leaves where the road ends and enters again where it begins, unseen, as somebody else. Arrays `[W, A]`."""

from __future__ import annotations

from typing import Any

from whyway.types import ObjectClass
from whyway.worlds.sim.arrays import clamp, luck, none, pick, to
from whyway.worlds.sim.state import EGO, FAR_M, WINDOW, Mode, State, When, updated
from whyway.worlds.sim.table import LaneTable

Array = Any

CLEAR_M = 30.0
"""Nobody is nearer than this to where one enters, ..."""
UNSEEN_M = 60.0
"""... and an ego under command is not nearer than this."""
STUCK_S = 90.0
"""Who has been standing so long (behind what nobody clears away) leaves, if unseen: the last remedy against gridlock, and that of
CARLA's Traffic Manager, too (`BLOCKED_TIME_THRESHOLD`), which looks after no ego."""
SEEN_STUCK_S, TURNS = 120.0, 100
"""Who has been standing even longer leaves before the ego's eyes, which might be locked in with them: each has its step to go."""


def enter_and_leave(xp: Any, table: LaneTable, state: State, returns: bool = True) -> State:
    """The state after those who are at their road's end have left, and one in each world has entered if there is room."""
    window = state.window
    line = clamp(window[..., 0], 0, None)
    rail = (state.mode == int(Mode.RAIL)) & (window[..., 0] >= 0)
    rail = rail & (state.object_class != int(ObjectClass.PEDESTRIAN))
    end = (window[..., 1] < 0) & (pick(table.successors, line) == 0)
    done = end & (state.s_m + state.length_m / 2 > pick(table.length_m, line))
    wanders = (state.route < 0) & (state.cue_when[..., 0] == int(When.NEVER)) & (state.log < 0)
    entries = table.entries.shape[0] if returns else 0
    driven = state.active & (state.mode == int(Mode.COMMAND))
    ego = driven[:, EGO : EGO + 1]
    x, y = state.x_m, state.y_m  # who follows lines has its centre here
    if entries:
        dx, dy = x - x[:, EGO : EGO + 1], y - y[:, EGO : EGO + 1]
        unseen = ~ego | (dx * dx + dy * dy > UNSEEN_M * UNSEEN_M)
        turn = xp.arange(x.shape[1], dtype=xp.int64, device=x.device) % TURNS
        seen_too = (state.standing_s > SEEN_STUCK_S) & (state.tick[:, None] % TURNS == turn)
        stuck = (unseen & (state.standing_s > STUCK_S)) | seen_too
        done = done | (wanders & stuck & (state.cap_mps > 0.0))
    done = done & rail & state.active
    active = state.active & ~done
    state = updated(state, active=active, v_mps=xp.where(done, 0.0 * state.v_mps, state.v_mps))
    if not entries:
        return state

    # the first that waits, at an entry drawn anew in every step
    worlds, agents = x.shape
    waiting = rail & wanders & ~active & ~done
    if none(waiting):
        return state
    index = xp.arange(agents, dtype=xp.int64, device=x.device)
    first = xp.min(xp.where(waiting, index, 0 * index + agents), axis=-1)
    mine = index == first[:, None]
    entry = pick(table.entries, luck(state.seed, first, state.tick) % entries)
    half = xp.sum(to(mine, x.dtype) * state.length_m, axis=-1) / 2
    ex, ey, _, _, speed = table.pose(entry, half + 0.5, 0.0 * half)
    dx, dy = x - ex[:, None], y - ey[:, None]
    gap = dx * dx + dy * dy + to(~active, x.dtype) * (FAR_M * FAR_M)
    clear = xp.min(gap, axis=-1) > CLEAR_M * CLEAR_M
    clear = clear & (~ego[:, 0] | (gap[:, EGO] > UNSEEN_M * UNSEEN_M))
    enters = mine & waiting & clear[:, None]
    slot = xp.arange(WINDOW, dtype=xp.int64, device=x.device)
    fresh = xp.where(slot == 0, entry[:, None], 0 * slot - 1)
    zero = 0.0 * x
    go = xp.minimum(speed[:, None] * state.factor, state.cap_mps) * 0.7
    yaw = table.pose(entry, half + 0.5, 0.0 * half)[2]

    def put(new: Array, old: Array) -> Array:
        return xp.where(enters, new, old)

    return updated(
        state,
        active=active | enters,
        window=xp.where(enters[..., None], fresh[:, None, :], window),
        came_from=put(0 * line - 1, state.came_from),
        route_at=put(0 * line, state.route_at),
        route_s_m=put(zero, state.route_s_m),
        x_m=put(ex[:, None] + zero, x), y_m=put(ey[:, None] + zero, y), yaw_rad=put(yaw[:, None] + zero, state.yaw_rad),
        s_m=put(half[:, None] + 0.5 + zero, state.s_m), d_m=put(zero, state.d_m), target_d_m=put(zero, state.target_d_m),
        v_mps=put(go, state.v_mps), a_mps2=put(zero, state.a_mps2), held=put(0 * line - 1, state.held),
        standing_s=put(zero, state.standing_s), wish=put(0 * line, state.wish),
        generation=state.generation + to(enters, state.generation.dtype),
    )  # fmt: skip
