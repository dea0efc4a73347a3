"""What a step was worth to each agent: the evaluation's metrics as they stand at one instant, weighted. `[W, A]`.

What must not happen costs once when it begins (a collision by one's own fault, a corner off the road, a red light) or for as long
as it lasts (against the traffic); what is averaged is averaged here too: progress, time to collision, comfort, by NAVSIM v1's weights.
The bounds are `evaluate.metrics.navsim`'s; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whyway.worlds.sim.arrays import clamp, namespace, pick, to
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

Array = Any

LON_ACCELERATION_MPS2 = (-4.05, 2.40)
LAT_ACCELERATION_MPS2 = 4.89
LON_JERK_MPS3 = 4.13
YAW_RATE_RPS, YAW_ACCELERATION_RPS2 = 0.95, 1.93
TTC_S = 0.9
_SLOW_MPS = 1.0
"""Progress is measured against the lane's speed, but not against less than this."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term counts; the first three sum up to 1 for a step without fault."""

    progress: float = 5.0 / 12.0
    time_to_collision: float = 5.0 / 12.0
    comfort: float = 2.0 / 12.0
    collision: float = -20.0
    off_road: float = -10.0
    red_light: float = -10.0
    wrong_way: float = -0.5


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The terms before they are weighted `[W, A]`: 1 for all of it."""

    progress: Array
    """Way along the lanes as a share of what their speed allows; negative backwards."""
    time_to_collision: Array
    comfort: Array
    collision: Array
    off_road: Array
    red_light: Array
    wrong_way: Array

    def total(self, weights: Weights) -> Array:
        """Their weighted sum."""
        w = weights
        good = w.progress * self.progress + w.time_to_collision * self.time_to_collision
        bad = w.collision * self.collision + w.off_road * self.off_road
        return (
            good + w.comfort * self.comfort + bad + w.red_light * self.red_light + w.wrong_way * self.wrong_way
        )  # fmt: skip


def reward(sim: Sim, before: State, after: State, weights: Weights = Weights()) -> Array:  # noqa: B008
    """What the step from one state to the next was worth; zero for who is not there any more."""
    return terms(namespace(after.x_m), sim, before, after).total(weights)


def terms(
    xp: Any, sim: Sim, before: State, after: State, lane: tuple[Array, Array, Array] | None = None
) -> Terms:
    """The terms of a step; `lane` is `Seen.lane` of the state after, if that is known already."""
    dtype, dt = after.x_m.dtype, sim.dt_s
    there = to(before.active & after.active & (before.generation == after.generation), dtype)
    v = after.v_mps
    closing = v - after.lead_v_mps
    soon = (closing > 0.0) & (after.lead_gap_m < closing * TTC_S) & (after.lead_gap_m > 0.0)
    low, high = LON_ACCELERATION_MPS2
    jerk = xp.abs(after.a_mps2 - before.a_mps2) * (1 / dt)
    was, turns = (_yaw_rate(xp, sim, s) for s in (before, after))
    calm = (after.a_mps2 > low) & (after.a_mps2 < high) & (jerk < LON_JERK_MPS3)
    calm = calm & (xp.abs(turns) < YAW_RATE_RPS) & (xp.abs(turns * v) < LAT_ACCELERATION_MPS2)
    calm = calm & (xp.abs(turns - was) < YAW_ACCELERATION_RPS2 * dt)
    way, speed = (after.route_s_m - before.route_s_m) * (1 / dt), clamp(v, _SLOW_MPS, None)
    astray = v < -1.0
    if sim.table is not None:
        line = clamp(after.window[..., 0], 0, None)
        on = after.window[..., 0] >= 0
        yaw, allowed, half = lane or sim.table.lane(line, after.s_m)
        speed = clamp(allowed, _SLOW_MPS, None)
        along = xp.cos(after.yaw_rad - yaw)
        way = xp.where(on, way, v * along)
        oncoming = (after.d_m > half + after.width_m / 2) & (pick(sim.table.left, line) < 0)
        astray = on & (v > _SLOW_MPS) & ((along < 0.0) | oncoming)
    return Terms(
        progress=clamp(way / speed, -1.0, 1.0) * there,
        time_to_collision=to(~soon, dtype) * there,
        comfort=to(calm, dtype) * there,
        collision=to(after.at_fault & ~before.at_fault, dtype) * there,
        off_road=to(after.off_road & ~before.off_road, dtype) * there,
        red_light=to(after.ran_red, dtype) * there,
        wrong_way=to(astray, dtype) * there,
    )


def _yaw_rate(xp: Any, sim: Sim, state: State) -> Array:
    return state.v_mps * xp.tan(state.steer_rad) / sim.vehicle.wheelbase_m
