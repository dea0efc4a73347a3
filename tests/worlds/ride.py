"""An ego that keeps its speed, and one that brakes: what a scenario does to them. For tests of scenarios."""

from __future__ import annotations

from collections.abc import Iterator
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


SPEEDS_UP_MPS2 = 1.2


def ride(world: SimWorld, duration_s: float, to_mps: float | None = None) -> Ride:
    """The ego keeps to its route minding nobody, at its first speed, or speeding up from there."""
    sim, start = world._setting.sim, world._setting.start
    names = ("mode", "offset_m", "x_m", "y_m", "cue_when", "cue_speed_mps", "cue_rate_mps2")
    names += ("cue_reckless",)
    fields = {name: getattr(start, name).copy() for name in names}
    offset, yaw = float(start.offset_m[0, EGO]), float(start.yaw_rad[0, EGO])
    fields["mode"][0, EGO] = int(Mode.RAIL)
    fields["x_m"][0, EGO] += offset * np.cos(yaw)
    fields["y_m"][0, EGO] += offset * np.sin(yaw)
    fields["offset_m"][0, EGO] = 0.0
    fields["cue_when"][0, EGO, 0] = int(When.AT_TIME)
    fields["cue_speed_mps"][0, EGO, 0] = float(start.v_mps[0, EGO]) if to_mps is None else to_mps
    fields["cue_rate_mps2"][0, EGO, 0] = SPEEDS_UP_MPS2
    fields["cue_reckless"][0, EGO, 0] = True
    state = engine.begin(sim, replace(start, **fields))
    states, fired = [state], np.full(state.x_m.shape[1], np.inf)
    hit_s, hit = np.inf, -1
    for now, then in _steps(world, state, duration_s):
        states.append(then)
        fired[(then.cue_next[0] > 0) & np.isinf(fired)] = now
        if then.collided[0, EGO] and np.isinf(hit_s):
            hit_s, hit = now, touched(then)
        # the last part of a ride that ends in a contact is of no interest
        if now > hit_s + 0.3:
            break
    return Ride(states, hit_s, hit, fired)


def braked(world: SimWorld, done: Ride, from_s: float, brake_mps2: float) -> list[State]:
    """The same ride, but from a time on the ego brakes to a stand; the states until it has stood for two seconds."""
    dt = world._setting.sim.dt_s
    state = done.states[min(round(from_s / dt), len(done.states) - 1)]
    names = ("cue_when", "cue_speed_mps", "cue_rate_mps2", "cue_reckless")
    fields = {name: getattr(state, name).copy() for name in names}
    fields["cue_when"][0, EGO, 1] = int(When.AFTER)
    fields["cue_speed_mps"][0, EGO, 1] = 0.0
    fields["cue_rate_mps2"][0, EGO, 1] = brake_mps2
    fields["cue_reckless"][0, EGO, 1] = True
    state = replace(state, **fields)
    stands_s = float(state.v_mps[0, EGO]) / brake_mps2 + 2.0
    return [state, *(then for _, then in _steps(world, state, stands_s))]


def _steps(world: SimWorld, state: State, duration_s: float) -> Iterator[tuple[float, State]]:
    """Time and state after each step."""
    sim = world._setting.sim
    none = np.zeros_like(state.x_m)
    for _ in range(round(duration_s / sim.dt_s)):
        state = engine.step(sim, state, none, none)
        yield float(state.tick[0]) * sim.dt_s, state


def touched(state: State) -> int:
    """Whom the ego touches: the one whose box is nearest among those that touch anybody."""
    others = np.nonzero(state.collided[0] & state.active[0])[0]
    others = others[others != EGO]
    if not len(others):
        return -1
    x, y = state.centers()
    gap = np.hypot(x[0, others] - x[0, EGO], y[0, others] - y[0, EGO])
    return int(others[gap.argmin()])
