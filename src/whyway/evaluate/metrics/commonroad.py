"""CommonRoad's cost functions: partial costs of a trajectory, and their weighted sums, small pure functions over `(..., T)` arrays.

Sources: Althoff, Koschi, Manzinger, "CommonRoad: Composable Benchmarks for Motion Planning on Roads", IEEE IV 2017, section VI, and
"CommonRoad: Cost Functions" (gitlab.lrz.de/tum-cps/commonroad-cost-functions); weights, the integration by Simpson's rule and the
velocity that is wanted as in commonroad-drivability-checker (`commonroad_dc/costs/{evaluation,partial_cost_functions}.py`), which
scores the benchmark's submissions. Differences stand for derivatives: T states give T - 1 accelerations and T - 2 jerks.

Not computed: what is measured along a reference path (`ALONG_PATH`). The publication leaves the path open and the checker's own is a
smoothed one that it marks as to be corrected, so no number of ours would be the benchmark's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from array_api_compat import array_namespace
from scipy.integrate import simpson

Array = Any

COST_FUNCTIONS: Mapping[str, Mapping[str, float]] = {
    "JB1": {"T": 1.0},
    "SA1": {"SA": 0.1, "SR": 0.1, "D": 1e5},
    "WX1": {"T": 10.0, "V": 1.0, "A": 0.1, "J": 0.1, "D": 0.1, "L": 10.0},
    "SM1": {"A": 50.0, "SA": 50.0, "SR": 50.0, "L": 1.0, "V": 20.0, "O": 50.0},
    "SM2": {"A": 50.0, "SA": 50.0, "SR": 50.0, "L": 1.0, "O": 50.0},
    "SM3": {"A": 50.0, "SA": 50.0, "SR": 50.0, "V": 20.0, "O": 50.0},
    "MW1": {"Jlat": 5.0, "Jlon": 0.5, "Vlon": 0.2, "ID": 1.0},
    "TR1": {"Jlon": 0.01, "SR": 22.0, "D": 8.0, "LC": 0.5},
}
"""Weights of the partial costs by the cost function's name."""

ALONG_PATH = {
    "D": "distance to what is ahead in the lane",
    "O": "heading against the lane's",
    "LC": "offset from the lane's centre",
    "Jlat": "jerk across the lane",
    "Jlon": "jerk along the lane",
    "Vlon": "velocity along the lane",
}
"""Partial costs that need a reference path, and what they measure of it."""


def _squared(values: Array, dt_s: float) -> Array:
    """The integral of squares over samples `(..., n)`; 0 for fewer than two."""
    return _integral(values * values, dt_s)


def _integral(values: Array, dt_s: float) -> Array:
    if values.shape[-1] < 2:
        xp = array_namespace(values)
        return xp.zeros(values.shape[:-1])
    return simpson(values, dx=dt_s, axis=-1)


def _slope(values: Array, dt_s: float) -> Array:
    return (values[..., 1:] - values[..., :-1]) / dt_s


def acceleration(v_mps: Array, dt_s: float) -> Array:
    """A: acceleration squared, over time."""
    return _squared(_slope(v_mps, dt_s), dt_s)


def jerk(v_mps: Array, dt_s: float) -> Array:
    """J: jerk squared, over time."""
    return _squared(_slope(_slope(v_mps, dt_s), dt_s), dt_s)


def steering_angle(steering_rad: Array, dt_s: float) -> Array:
    """SA: steering angle squared, over time."""
    return _squared(steering_rad, dt_s)


def steering_rate(steering_rad: Array, dt_s: float) -> Array:
    """SR: the steering angle's rate squared, over time."""
    return _squared(_slope(steering_rad, dt_s), dt_s)


def path_length(v_mps: Array, dt_s: float) -> Array:
    """L: velocity, over time."""
    return _integral(v_mps, dt_s)


def velocity_offset(v_mps: Array, wanted_mps: float | None, dt_s: float) -> Array:
    """V: difference from the least velocity that the goal allows, squared, over time; 0 where the goal names none, or naught."""
    return _squared(wanted_mps - v_mps if wanted_mps else 0.0 * v_mps, dt_s)


def time(n: int, dt_s: float) -> float:
    """T: from the first of n states to the last."""
    return (n - 1) * dt_s


def partial_costs(
    v_mps: Array, steering_rad: Array | None, wanted_mps: float | None, dt_s: float
) -> dict[str, float]:
    """Every partial cost of one trajectory that can be computed, by CommonRoad's name.

    Args:
      v_mps: velocity `(T,)` along the vehicle.
      steering_rad: steering angle `(T,)`; None for a model that has none.
      wanted_mps: the least velocity that a goal state allows; None without one.
      dt_s: between two states.
    """
    n = v_mps.shape[-1]
    costs: dict[str, Callable[[], Array]] = {
        "A": lambda: acceleration(v_mps, dt_s),
        "J": lambda: jerk(v_mps, dt_s),
        "L": lambda: path_length(v_mps, dt_s),
        "V": lambda: velocity_offset(v_mps, wanted_mps, dt_s),
        "T": lambda: time(n, dt_s),
    }
    if steering_rad is not None:
        costs["SA"] = lambda: steering_angle(steering_rad, dt_s)
        costs["SR"] = lambda: steering_rate(steering_rad, dt_s)
    if n > 1:
        costs["ID"] = lambda: 1.0 / time(n, dt_s)
    return {name: float(cost()) for name, cost in costs.items()}


def total_cost(name: str, partial: Mapping[str, float]) -> float | None:
    """The weighted sum of a cost function; None where a partial cost is missing.

    Raises:
      KeyError: there is no such cost function.
    """
    weights = COST_FUNCTIONS[name]
    if not weights.keys() <= partial.keys():
        return None
    return sum(weight * partial[part] for part, weight in weights.items())
