"""CARLA's driving score by version, and Bench2Drive's terms: small pure functions, shared by our logs and by leaderboard result files.

A route's score is R * P: R the share of the route that was driven, P what its infractions leave. Sources, by file and name:
* 1.0: carla-simulator/leaderboard, branch leaderboard-1.0, `leaderboard/utils/statistics_manager.py`, `compute_route_statistics`;
* 2.0: the same file of branch leaderboard-2.0, `PENALTY_VALUE_DICT`, `PENALTY_PERC_DICT`, `ROUND_DIGITS_SCORE`;
* 2.1: leaderboard.carla.org/evaluation_v2_1 (March 2025, "from an exponential to a linear scoring model"): P = (1 - outside) / (1 + sum of c).
  Its server's code is not public; coefficients and the two shares are those on which public re-implementations agree (HABIT's
  benchmark, `docs/metrics.md`, among them);
* Bench2Drive: Thinklab-SJTU/Bench2Drive, `tools/merge_route_json.py` (success), `tools/efficiency_smoothness_benchmark.py`
  (efficiency, comfortness), and its `leaderboard/leaderboard/utils/statistics_manager.py` (2.0, in which low speed costs nothing).

Kinds of infraction are named as in the result files. Leaving the route, being blocked and running out of time end a route and cost nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from whyway.evaluate.metrics.navsim import COMFORT_BOUNDS, savitzky_golay
from whyway.types import InputError

Array = Any

OUTSIDE, MIN_SPEED = "outside_route_lanes", "min_speed_infractions"
"""The two kinds that carry a share with them: of the way driven outside the route's lanes, of the traffic's mean speed."""

ENDINGS = ("route_dev", "route_timeout", "vehicle_blocked")
"""What ends a route early, and by that alone costs something."""


@dataclass(frozen=True, slots=True)
class Formula:
    """How a version makes a penalty of infractions: `costs` is what one leaves (product) or what it adds (2.1)."""

    version: str
    additive: bool
    costs: Mapping[str, float]
    min_speed: float | None
    """The cost of the slowest ego, of which `1 - share of the traffic's speed` counts; None where the version does not know it."""
    digits: int | None = None
    """To how many digits the version's own files are rounded."""


_BASE = {
    "collisions_pedestrian": 0.50, "collisions_vehicle": 0.60, "collisions_layout": 0.65, "red_light": 0.70, "stop_infraction": 0.80,
}  # fmt: skip

FORMULAS = {
    "1.0": Formula("1.0", False, _BASE, None),
    "2.0": Formula(
        "2.0", False,
        {**_BASE, "scenario_timeouts": 0.70, "yield_emergency_vehicle_infractions": 0.70},
        min_speed=0.70, digits=6,
    ),
    "2.1": Formula(
        "2.1", True,
        {
            "collisions_pedestrian": 1.00, "collisions_vehicle": 0.70, "collisions_layout": 0.60, "red_light": 0.40,
            "stop_infraction": 0.25, "scenario_timeouts": 0.40, "yield_emergency_vehicle_infractions": 0.40,
        },
        min_speed=0.40, digits=6,
    ),
}  # fmt: skip
"""The versions of the leaderboard by name."""

KINDS = (*FORMULAS["2.0"].costs, MIN_SPEED, OUTSIDE, *ENDINGS)
"""Every kind of infraction a result file may hold."""


@dataclass(frozen=True, slots=True)
class Infractions:
    """What was done on one route: how often each kind, and the shares that two kinds carry.

    `outside` holds shares of the driven way in [0, 1], `min_speed` the ego's mean speed over the traffic's at each checkpoint that was
    too slow (more than 1 costs nothing).
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    outside: Sequence[float] = ()
    min_speed: Sequence[float] = ()


def formula(version: str) -> Formula:
    """The formula of a version.

    Raises:
      InputError: there is no such version.
    """
    if version not in FORMULAS:
        raise InputError(
            f"leaderboard version {version[:20]!r} is unknown; give one of {', '.join(FORMULAS)}"
        )
    return FORMULAS[version]


def penalty(version: str, done: Infractions, *, min_speed_counts: bool = True) -> float:
    """What the infractions of a route leave of its score, in [0, 1].

    Args:
      version: of `FORMULAS`.
      done: the infractions; kinds the version does not know cost nothing.
      min_speed_counts: False for Bench2Drive, whose 2.0 does not punish a low speed.
    """
    rule = formula(version)
    slow = [1.0 - min(max(share, 0.0), 1.0) for share in done.min_speed]
    if rule.min_speed is None or not min_speed_counts:
        slow = []
    left = math.prod(1.0 - min(max(share, 0.0), 1.0) for share in done.outside)
    found = [(cost, done.counts.get(kind, 0)) for kind, cost in rule.costs.items()]
    if rule.additive:
        total = sum(cost * n for cost, n in found) + sum((rule.min_speed or 0.0) * s for s in slow)
        return left / (1.0 + total)
    left *= math.prod(cost**n for cost, n in found)
    return left * math.prod(1.0 - (1.0 - (rule.min_speed or 0.0)) * s for s in slow)


def composed(route_completion: float, left: float) -> float:
    """A route's driving score: its completion (0..100) times what the infractions leave."""
    return max(route_completion * left, 0.0)


def rounded(version: str, value: float) -> float:
    """A score as the version's own files say it: to six digits since 2.0."""
    digits = formula(version).digits
    return value if digits is None else round(value, digits)


def per_km(
    counts: Mapping[str, int], outside_km: float, km_driven: float, digits: int = 3
) -> dict[str, float]:
    """Infractions a kilometre, over all routes together, as 2.x sums them up (`compute_global_statistics`).

    The kilometres outside the lanes are a length and stay one. At least a metre counts as driven.
    """
    km = max(km_driven, 0.001)
    rates = {kind: round(n / km, digits) for kind, n in counts.items() if kind != OUTSIDE}
    return rates | {OUTSIDE: round(outside_km, digits)}


# --------------------------------------------------------------------------------------------------- Bench2Drive

BENCH2DRIVE_ROUTES = 220
"""By how many routes Bench2Drive divides, whatever a file holds."""

EFFICIENCY_MOST = 10.0
"""A checkpoint faster than ten times the traffic says that the traffic stood; it is left out."""

COMFORT_SAMPLES, COMFORT_STEP_S, _WINDOW, _ORDER = 20, 0.1, 7, 2


def succeeded(status: str, counts: Mapping[str, int]) -> bool:
    """Bench2Drive's success: the route was completed, and nothing was done but driving slowly."""
    done = any(n > 0 for kind, n in counts.items() if kind != MIN_SPEED)
    return status in ("Completed", "Perfect") and not done


def driving_efficiency(shares: Sequence[Sequence[float]]) -> float | None:
    """Mean over routes of the mean speed over the traffic's at a route's checkpoints, in percent; None where nothing was measured.

    Args:
      shares: of each route, the ego's mean speed over the traffic's at each checkpoint. A route without any is left out, as is a
        checkpoint beyond `EFFICIENCY_MOST` (a route of nothing else too, where the original divides by zero).
    """
    kept = [[s for s in route if s <= EFFICIENCY_MOST] for route in shares]
    means = [sum(route) / len(route) for route in kept if route]
    return 100.0 * sum(means) / len(means) if means else None


def checkpoint_shares(
    progress: Array, v_mps: Array, traffic_mps: Array, checkpoints: int = 20
) -> list[float]:
    """The ego's mean speed over the traffic's on each part of a route (`MinimumSpeedRouteTest`, scenario_runner's `atomic_criteria.py`).

    Args:
      progress: share of the route that is behind the ego `(T,)`, rising.
      v_mps: the ego's speed `(T,)`.
      traffic_mps: mean speed of the other vehicles `(T,)`, NaN where there are none.
      checkpoints: into how many parts a route is cut: 20 in Bench2Drive, 4 in the leaderboard.

    Returns:
      A share for every part that was left behind, and for the last one beyond 95 % of the route; 1 where no other vehicle drove.
    """
    shares: list[float] = []
    since, at = 0, 0.0
    for i, share in enumerate(progress.tolist()):
        if share - at > 1.0 / checkpoints:
            shares.append(_speed_share(v_mps[since:i], traffic_mps[since:i]))
            since, at = i, share
    if len(progress) and progress[-1] > 0.95:
        shares.append(_speed_share(v_mps[since:], traffic_mps[since:]))
    return shares


def _speed_share(v_mps: Array, traffic_mps: Array) -> float:
    seen = ~np.isnan(traffic_mps)
    others = float(traffic_mps[seen].mean()) if seen.any() else 0.0
    return float(np.abs(v_mps[seen]).mean()) / others if others > 0.0 else 1.0


def comfortness(a_lon_mps2: Array, a_lat_mps2: Array, yaw_rate_rps: Array) -> Array:
    """Share of the whole segments of 20 samples `(...)` in which acceleration, jerk and yaw rate stay within nuPlan's bounds.

    The original smooths with a Savitzky-Golay filter (window 7, order 2), takes samples to be 0.1 s apart, and judges as yaw
    acceleration the smoothed yaw *rate*, which is kept: its numbers would not be comparable otherwise. A last part of less than 20
    samples is left out; a drive of at most 20 is one segment.

    Args:
      a_lon_mps2: along the ego `(..., T)`, T at least 3, as are the others.
      a_lat_mps2: to its left.
      yaw_rate_rps: its turning.
    """
    xp = array_namespace(a_lon_mps2)
    n = a_lon_mps2.shape[-1]
    size = min(n, COMFORT_SAMPLES)
    if size <= _ORDER:
        raise InputError(f"comfort needs at least {_ORDER + 1} samples, not {n}")
    whole = n // size

    def parts(values: Array) -> Array:
        return xp.reshape(values[..., : whole * size], (*values.shape[:-1], whole, size))

    def smooth(values: Array, derivative: int = 0) -> Array:
        matrix = savitzky_golay(size, _WINDOW, _ORDER, derivative, COMFORT_STEP_S)
        return xp.matmul(values, xp.asarray(matrix).T)

    lon, lat = smooth(parts(a_lon_mps2)), smooth(parts(a_lat_mps2))
    magnitude = smooth(xp.hypot(parts(a_lon_mps2), parts(a_lat_mps2)))
    turning = smooth(parts(yaw_rate_rps))
    signals = {
        "lon_acceleration": lon, "lat_acceleration": lat, "jerk": smooth(magnitude, 1), "lon_jerk": smooth(lon, 1),
        "yaw_acceleration": turning, "yaw_rate": turning,
    }  # fmt: skip
    good = [
        xp.all((signal > COMFORT_BOUNDS[name][0]) & (signal < COMFORT_BOUNDS[name][1]), axis=-1)
        for name, signal in signals.items()
    ]
    comfortable = xp.all(xp.stack(good, axis=-1), axis=-1)
    return xp.mean(xp.astype(comfortable, xp.float64), axis=-1)
