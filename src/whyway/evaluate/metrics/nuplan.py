"""nuPlan's closed-loop score of a driven trajectory: four gates times a weighted mean, one small pure function each.

Sources: nuplan-devkit v1.2, `docs/nuplan_metrics_aggeregation.md` (the score), `docs/metrics_description.md` (thresholds) and
`nuplan/planning/metrics/evaluation_metrics/common/*.py` (rules; the file of each is named at its function); Karnchanachari et al.,
"Towards learning-based planning: The nuPlan benchmark for real-world autonomous driving", ICRA 2024.
Which contact is whose fault is `navsim.at_fault`, which NAVSIM took from here; comfort is `navsim_comfort.comfort` of the box's centre.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from array_api_compat import array_namespace

Array = Any

VERSION = "nuplan-devkit 1.2"

MAX_COLLISIONS = {"vru": 0, "vehicle": 0, "object": 1}
"""At-fault collisions that a drive survives (`no_ego_at_fault_collisions_statistics.yaml`)."""

ONCOMING_OK_M, ONCOMING_BAD_M, ONCOMING_WINDOW_S = 2.0, 6.0, 1.0
MIN_PROGRESS = 0.2
PROGRESS_THRESHOLD_M = 2.0
TTC_STEP_S, TTC_HORIZON_S, LEAST_TTC_S = 0.1, 3.0, 0.95
MAX_OVERSPEED_MPS = 2.23

GATES = (
    "no_ego_at_fault_collisions",
    "drivable_area_compliance",
    "ego_is_making_progress",
    "driving_direction_compliance",
)
"""Metrics whose scores multiply everything."""

WEIGHTS = {
    "ego_progress_along_expert_route": 5.0,
    "time_to_collision_within_bound": 5.0,
    "speed_limit_compliance": 4.0,
    "ego_is_comfortable": 2.0,
}
"""Weights of the mean; any other metric that has a score weighs `DEFAULT_WEIGHT`."""

DEFAULT_WEIGHT = 1.0


def no_at_fault_collisions(fault: Array, is_vru: Array, is_vehicle: Array) -> Array:
    """`no_ego_at_fault_collisions` `(...)`: by kind max(0, 1 - collisions / (allowed + 1)), multiplied.

    Args:
      fault: whom the ego ran into by its own fault `(..., A)`.
      is_vru: pedestrians and riders of bicycles `(..., A)`.
      is_vehicle: other road users `(..., A)`; the rest are objects.
    """
    xp = array_namespace(fault)
    score: Array = 1.0
    for kind, members in (
        ("vru", is_vru), ("vehicle", is_vehicle), ("object", ~(is_vru | is_vehicle)),
    ):  # fmt: skip
        count = xp.sum(xp.astype(fault & members, xp.float64), axis=-1)
        left = 1.0 - count / (MAX_COLLISIONS[kind] + 1)
        score = score * xp.where(left > 0.0, left, xp.zeros_like(left))
    return score


def driving_direction_compliance(along_m: Array, dt_s: float) -> Array:
    """`driving_direction_compliance` `(...)`: metres against the lane within 1 s; < 2 gives 1, < 6 gives 0.5, else 0.

    Args:
      along_m: how far the box's centre came along its lane in the step that leads to each instant `(..., T)`.
      dt_s: between instants.
    """
    xp = array_namespace(along_m)
    window = round(ONCOMING_WINDOW_S / dt_s) + 1
    total = xp.cumulative_sum(along_m, axis=-1)
    before = xp.concat([xp.zeros_like(total[..., :window]), total[..., :-window]], axis=-1)
    worst = -xp.min(total - before[..., : total.shape[-1]], axis=-1)
    return xp.where(worst < ONCOMING_OK_M, 1.0, xp.where(worst < ONCOMING_BAD_M, 0.5, 0.0))


def progress_along_expert_route(ego_m: Array, expert_m: Array) -> Array:
    """`ego_progress_along_expert_route` `(...)`: max(ego, 2 m) / max(expert, 2 m), at most 1; 0 for driving back more than 2 m."""
    xp = array_namespace(ego_m)
    least = PROGRESS_THRESHOLD_M * xp.ones_like(ego_m)
    ratio = xp.where(ego_m > least, ego_m, least) / xp.where(expert_m > least, expert_m, least)
    ratio = xp.where(ratio < 1.0, ratio, xp.ones_like(ratio))
    return xp.where(ego_m < -PROGRESS_THRESHOLD_M, xp.zeros_like(ratio), ratio)


def is_making_progress(ratio: Array) -> Array:
    """`ego_is_making_progress` `(...)`: 1 from a fifth of the expert's progress on."""
    xp = array_namespace(ratio)
    return xp.where(ratio >= MIN_PROGRESS, 1.0, 0.0)


def sampled_ttc(begin_s: Array, end_s: Array) -> Array:
    """TTC `(...)` as `time_to_collision_within_bound.py` finds it: the first of 0.1, 0.2 ... 2.9 s at which boxes overlap, inf if none.

    Args:
      begin_s: when they would start to overlap at constant velocities (`criticality.contact_interval`).
      end_s: when they would stop to.
    """
    xp = array_namespace(begin_s)
    step = xp.ceil(begin_s / TTC_STEP_S - 1e-9)
    at = xp.where(step > 1.0, step, xp.ones_like(step)) * TTC_STEP_S
    meets = (at <= end_s + 1e-9) & (at < TTC_HORIZON_S - 1e-9)
    return xp.where(meets, at, math.inf)


def time_to_collision_within_bound(ttc_s: Array) -> Array:
    """1 if TTC `(..., T)`, the least of all judged actors, always exceeds 0.95 s `(...)`."""
    xp = array_namespace(ttc_s)
    return xp.where(xp.all(ttc_s > LEAST_TTC_S, axis=-1), 1.0, 0.0)


def speed_limit_compliance(v_mps: Array, limit_mps: Array, dt_s: float) -> Array:
    """`speed_limit_compliance` `(...)`: 1 - integral of speed above the limit / (2.23 m/s times the duration), at least 0.

    Args:
      v_mps: speed `(..., T)`.
      limit_mps: that holds there `(..., T)`; inf where none does.
      dt_s: between instants.
    """
    xp = array_namespace(v_mps)
    over = xp.where(v_mps > limit_mps, v_mps - limit_mps, xp.zeros_like(v_mps))
    duration_s = (v_mps.shape[-1] - 1) * dt_s
    loss = xp.sum(over, axis=-1) * dt_s / (MAX_OVERSPEED_MPS * duration_s)
    return xp.where(loss < 1.0, 1.0 - loss, xp.zeros_like(loss))


def closed_loop_score(scores: Mapping[str, Array | None]) -> Array:
    """The score `(...)` of scenarios in [0, 1]: the gates times the weighted mean of the rest.

    Source: `nuplan/planning/metrics/aggregator/weighted_average_metric_aggregator.py`, `_compute_scenario_score`, with
    `config/metric_aggregator/closed_loop_*_agents_weighted_average.yaml`.

    Args:
      scores: each metric's score `(...)` by nuPlan's name; None, as a missing one, neither gates nor weighs. Without any that
        weighs the score is 0.
    """
    gate: Array = 1.0
    total: Array = 0.0
    weights = 0.0
    for name, score in scores.items():
        if score is None:
            continue
        if name in GATES:
            gate = gate * score
        else:
            weight = WEIGHTS.get(name, DEFAULT_WEIGHT)
            total, weights = total + weight * score, weights + weight
    return gate * total / weights if weights else 0.0 * gate
