"""What NAVSIM v2 adds to PDMS: lane keeping, extended comfort, the human filter, EPDMS, and the weights of its second stage.

Source: Cao et al., "Pseudo-Simulation for Autonomous Driving", CoRL 2025, section 3 and appendix, and the code behind it,
github.com/autonomousvision/navsim, branch main (v2): `pdm_scorer.py`, `pdm_comfort_metrics.py`, `scene_aggregator.py`,
`navsim/evaluate/pdm_score.py` (human filter), `run_pdm_score.py` (final score). Terms NC, DAC, DDC, TTC and EP are those of `navsim.py`.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from whyway.evaluate.metrics.navsim_comfort import (
    ACCELERATION_WINDOW,
    JERK_WINDOW,
    YAW_WINDOW,
    filtered,
    unwrapped,
)

Array = Any

VERSION = "NAVSIM v2"

LANE_KEEPING_M, LANE_KEEPING_S = 0.5, 2.0
PAIR_S = 0.55
"""Two plans are compared if the later one comes less than this after the other."""

EXTENDED_COMFORT_BOUNDS = {
    "acceleration": 0.7,
    "jerk": 0.5,
    "yaw_rate": 0.1,
    "yaw_acceleration": 0.1,
}
"""Root mean square differences of two plans [m/s^2, m/s^3, rad/s, rad/s^2]."""

HISTORY_S = 1.5
"""So much of what was driven before belongs to a plan's comfort."""

WEIGHTS = {
    "ego_progress": 5.0,
    "time_to_collision_within_bound": 5.0,
    "lane_keeping": 2.0,
    "history_comfort": 2.0,
    "extended_comfort": 2.0,
}

SIGMA_SQUARED_M2 = 0.1
"""Of the kernel between where a plan ends and where a second stage starts."""


def lane_keeping(deviation_m: Array, in_junction: Array, dt_s: float) -> Array:
    """LK `(...)`: 0 if the box's centre is more than 0.5 m off the centre line for 2 s on end, outside junctions.

    As in NAVSIM, instants in junctions neither count nor break a run.

    Args:
      deviation_m: distance from the centre line `(..., T)`.
      in_junction: `(..., T)`.
      dt_s: between instants; 2 s are 20 of them at 0.1 s.
    """
    xp = array_namespace(deviation_m)
    needed = round(LANE_KEEPING_S / dt_s)
    run = xp.zeros_like(deviation_m[..., 0])
    longest = run
    for i in range(deviation_m.shape[-1]):
        counted = xp.where(deviation_m[..., i] > LANE_KEEPING_M, run + 1.0, xp.zeros_like(run))
        run = xp.where(in_junction[..., i], run, counted)
        longest = xp.where(run > longest, run, longest)
    return xp.where(longest >= needed, 0.0, 1.0)


def extended_comfort(
    now: tuple[Array, Array, Array], before: tuple[Array, Array, Array], dt_s: float
) -> tuple[Array, dict[str, Array]]:
    """EC `(...)`: 1 if two plans for the same instants differ little; and the root mean square differences `(...)`.

    Args:
      now: the later plan's acceleration along and across the car and its heading, each `(..., T)`, at instants both plans cover.
      before: the earlier plan's.
      dt_s: between instants.
    """
    xp = array_namespace(now[0])
    ours, theirs = _signals(*now, dt_s), _signals(*before, dt_s)
    rms = {name: xp.sqrt(xp.mean((a - theirs[name]) ** 2, axis=-1)) for name, a in ours.items()}
    within = [rms[name] <= bound for name, bound in EXTENDED_COMFORT_BOUNDS.items()]
    return xp.where(xp.all(xp.stack(within, axis=-1), axis=-1), 1.0, 0.0), rms


def _signals(a_lon_mps2: Array, a_lat_mps2: Array, yaw_rad: Array, dt_s: float) -> dict[str, Array]:
    """As `extract_features` in `pdm_comfort_metrics.py`: there the yaw acceleration's filter is of order 2, not 3 as in comfort."""
    xp = array_namespace(a_lon_mps2)
    size = xp.hypot(a_lon_mps2, a_lat_mps2)
    acceleration = filtered(size, ACCELERATION_WINDOW, 2, 0, dt_s)
    yaw = unwrapped(yaw_rad)
    return {
        "acceleration": acceleration,
        "jerk": filtered(acceleration, JERK_WINDOW, 2, 1, dt_s),
        "yaw_rate": filtered(yaw, YAW_WINDOW, 2, 1, dt_s),
        "yaw_acceleration": filtered(yaw, YAW_WINDOW, 2, 2, dt_s),
    }


def human_filter(agent: Array, human: Array) -> Array:
    """A term `(...)` of the agent; 1 where the human's is 0: what a person could not do either is held against nobody."""
    xp = array_namespace(agent)
    return xp.where(human == 0.0, xp.ones_like(agent), agent)


def epdms(
    nc: Array, dac: Array, ddc: Array, tlc: Array, ep: Array, ttc: Array, lk: Array, hc: Array, ec: Array
) -> Array:  # fmt: skip
    """EPDMS `(...)`: NC DAC DDC TLC (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16; without a second plan (EC is NaN) EC has no weight."""
    xp = array_namespace(ec)
    w = WEIGHTS
    known = ~xp.isnan(ec)
    weight = xp.where(known, w["extended_comfort"], 0.0)
    total = (
        w["ego_progress"] * ep
        + w["time_to_collision_within_bound"] * ttc
        + w["lane_keeping"] * lk
        + w["history_comfort"] * hc
        + weight * xp.where(known, ec, xp.zeros_like(ec))
    )
    others = sum(w.values()) - w["extended_comfort"]
    return nc * dac * ddc * tlc * total / (others + weight)


def second_stage_weights(end_xy: Array, starts_xy: Array) -> Array:
    """How much each follow-up scene counts `(..., S)`: exp(-d^2 / (2 * 0.1 m^2)) of its start's distance from the plan's end, normalised.

    Equal weights where all are too far to count (`SceneAggregator.calculate_pseudo_closed_loop_weights`).

    Args:
      end_xy: where the first stage's plan ends `(..., 2)`.
      starts_xy: where the follow-up scenes start `(..., S, 2)`.
    """
    xp = array_namespace(starts_xy)
    squared = xp.sum((starts_xy - end_xy[..., None, :]) ** 2, axis=-1)
    kernel = xp.exp(-squared / (2.0 * SIGMA_SQUARED_M2))
    total = xp.sum(kernel, axis=-1, keepdims=True)
    near = total > 1e-8
    even = xp.ones_like(kernel) / kernel.shape[-1]
    return xp.where(near, kernel / xp.where(near, total, xp.ones_like(total)), even)


def two_stage_score(first: Array, second: Array, weights: Array) -> Array:
    """The score of a scene `(...)`: its first stage's times the weighted mean of its second stage's `(..., S)`."""
    xp = array_namespace(second)
    return first * xp.sum(second * weights, axis=-1)
