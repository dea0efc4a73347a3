"""nuPlan's closed-loop score: gates that multiply, times a weighted mean of the rest.

Source: motional/nuplan-devkit, `nuplan/planning/metrics/aggregator/weighted_average_metric_aggregator.py`, `_compute_scenario_score`, with
`config/metric_aggregator/closed_loop_*_agents_weighted_average.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Array = Any

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


def closed_loop_score(scores: Mapping[str, Array | None]) -> Array:
    """The score `(...)` of scenarios in [0, 1].

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
