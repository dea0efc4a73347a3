"""An ego that keeps its speed, and one that brakes: what a scenario does to them. For tests of scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from whyway.worlds.sim import engine
from whyway.worlds.sim.state import EGO, Mode, State, When
from whyway.worlds.sim.world import SimWorld


@dataclass
class Ride:
    """What happened: when the ego first touched somebody and whom (index), when each agent's first cue fired."""

    states: list[State]
    hit_s: float
    hit: int
    fired_s: np.ndarray


def ride(
    world: SimWorld, duration_s: float, brake_s: float = np.inf, brake_mps2: float = 6.0
) -> Ride:
    """The ego keeps to its route at its first speed, minding nobody; from `brake_s` on it brakes to a stand."""
    sim, start = world._setting.sim, world._setting.start
    fields = {
        f: getattr(start, f).copy()
        for f in ("mode", "offset_m", "x_m", "y_m", "cue_when", "cue_value", "cue_speed_mps", "cue_rate_mps2", "cue_reckless")
    }  # fmt: skip
    fields["mode"][0, EGO] = int(Mode.RAIL)
    offset, yaw = float(start.offset_m[0, EGO]), float(start.yaw_rad[0, EGO])
    fields["x_m"][0, EGO] += offset * np.cos(yaw)
    fields["y_m"][0, EGO] += offset * np.sin(yaw)
    fields["offset_m"][0, EGO] = 0.0
    v = float(start.v_mps[0, EGO])
    for c, (at, speed) in enumerate([(0.0, v), (brake_s, 0.0)]):
        if np.isfinite(at):
            fields["cue_when"][0, EGO, c], fields["cue_value"][0, EGO, c] = int(When.AT_TIME), at
            fields["cue_speed_mps"][0, EGO, c], fields["cue_rate_mps2"][0, EGO, c] = (
                speed,
                brake_mps2,
            )
            fields["cue_reckless"][0, EGO, c] = True
    state = engine.begin(sim, replace(start, **fields))
    none = np.zeros_like(state.x_m)
    states, fired = [state], np.full(state.x_m.shape[1], np.inf)
    hit_s, hit = np.inf, -1
    for k in range(round(duration_s / sim.dt_s)):
        state = engine.step(sim, state, none, none)
        states.append(state)
        now = (k + 1) * sim.dt_s
        first = (state.cue_next[0] > 0) & np.isinf(fired)
        fired[first] = now
        if state.collided[0, EGO] and np.isinf(hit_s):
            hit_s, hit = now, touched(state)
        # the last part of a ride that ends in a contact is of no interest
        if now > hit_s + 0.3:
            break
    return Ride(states, hit_s, hit, fired)


def touched(state: State) -> int:
    """Whom the ego touches: the one whose box is nearest among those that touch anybody."""
    others = np.nonzero(state.collided[0] & state.active[0])[0]
    others = others[others != EGO]
    if not len(others):
        return -1
    x, y = state.centers()
    gap = np.hypot(x[0, others] - x[0, EGO], y[0, others] - y[0, EGO])
    return int(others[gap.argmin()])
