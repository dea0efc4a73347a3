"""WOSAC 2025: how likely is what was recorded among what is simulated?

N. Montali et al., "The Waymo Open Sim Agents Challenge", NeurIPS 2023 Datasets and Benchmarks, sections 3 and 4; rules and numbers
as in waymo-open-dataset, `wdl_limited/sim_agents_metrics/{estimators,metrics}.py` and `challenge_2025_sim_agents_config.textproto`
of 2025. Per road user and feature, R rollouts give a distribution over all their steps (a histogram with 0.1 added to each bin),
and each recorded step its log-likelihood under it. The mean over valid steps of all road users, exponentiated, is the feature's
likelihood in (0, 1]. What happens in a rollout or does not (collision, off the road, red light) is a Bernoulli variable of the whole
rollout, with 0.001 added to both outcomes. The meta-metric is the weighted mean.

Shapes: R rollouts, A evaluated road users, T steps of 0.1 s. One deviation: what is not known (NaN: the last steps have no central
difference) is left out of the histograms, where the reference leaves it to its histogram's whim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whyway.types import Floats

Bools = NDArray[np.bool_]

VERSION = "WOSAC 2025"
SMOOTHING = 0.1
EVENT_SMOOTHING = 0.001


@dataclass(frozen=True, slots=True)
class Histogram:
    """Equal bins between two values; what is beyond counts to the outermost."""

    low: float
    high: float
    bins: int
    smoothing: float = SMOOTHING


WEIGHTS = {
    "linear_speed": 0.05, "linear_acceleration": 0.05, "angular_speed": 0.05, "angular_acceleration": 0.05,
    "distance_to_nearest_object": 0.10, "collision_indication": 0.25, "time_to_collision": 0.10,
    "distance_to_road_edge": 0.05, "offroad_indication": 0.25, "traffic_light_violation": 0.05,
}  # fmt: skip
HISTOGRAMS = {
    "linear_speed": Histogram(0.0, 25.0, 10),
    "linear_acceleration": Histogram(-12.0, 12.0, 11),
    "angular_speed": Histogram(-0.628, 0.628, 11),
    "angular_acceleration": Histogram(-3.14, 3.14, 11),
    "distance_to_nearest_object": Histogram(-5.0, 40.0, 10),
    "time_to_collision": Histogram(0.0, 5.0, 10),
    "distance_to_road_edge": Histogram(-20.0, 40.0, 10),
}
GROUPS = {
    "kinematic": ("linear_speed", "linear_acceleration", "angular_speed", "angular_acceleration"),
    "interactive": ("distance_to_nearest_object", "collision_indication", "time_to_collision"),
    "map_based": ("distance_to_road_edge", "offroad_indication", "traffic_light_violation"),
}
_EVENT = Histogram(-0.5, 1.5, 2, EVENT_SMOOTHING)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What is compared, `(A, T)` of a recording or `(R, A, T)` of rollouts; NaN where a road user is not there (`wosac_features.py`)."""

    valid: Bools
    x_m: Floats
    y_m: Floats
    linear_speed: Floats
    linear_acceleration: Floats
    angular_speed: Floats
    angular_acceleration: Floats
    distance_to_nearest_object: Floats
    time_to_collision: Floats
    distance_to_road_edge: Floats
    traffic_light_violation: Bools

    @property
    def collision(self) -> Bools:
        """Whether the box overlaps another."""
        return np.asarray(self.distance_to_nearest_object < 0.0)

    @property
    def offroad(self) -> Bools:
        """Whether a corner is beyond the road's edge."""
        return np.asarray(self.distance_to_road_edge > 0.0)


@dataclass(frozen=True, slots=True)
class Realism:
    """The meta-metric and what it is made of, all in [0, 1]; displacements [m] and rates beside it count for nothing in it."""

    meta: float
    parts: dict[str, float]
    ade_m: float
    min_ade_m: float
    collision_rate: float
    offroad_rate: float
    red_light_rate: float

    def group(self, name: str) -> float:
        """The weighted mean of one of `GROUPS`."""
        names = GROUPS[name]
        return sum(WEIGHTS[n] * self.parts[n] for n in names) / sum(WEIGHTS[n] for n in names)

    def metrics(self) -> dict[str, float | str]:
        """The numbers by their names."""
        return {
            "wosac_version": VERSION,
            "wosac_meta": self.meta,
            **{f"wosac_{name}": self.group(name) for name in GROUPS},
            **{f"wosac_{name}_likelihood": value for name, value in self.parts.items()},
            "wosac_ade_m": self.ade_m,
            "wosac_min_ade_m": self.min_ade_m,
            "wosac_collision_rate": self.collision_rate,
            "wosac_offroad_rate": self.offroad_rate,
            "wosac_traffic_light_violation_rate": self.red_light_rate,
        }


def realism(logged: Features, simulated: Features, is_vehicle: Bools) -> Realism:
    """Score rollouts against what was recorded.

    Args:
      logged: `(A, T)`.
      simulated: `(R, A, T)` of the same road users and steps.
      is_vehicle: `(A,)`; only vehicles count for time to collision and red lights.

    Raises:
      ValueError: shapes that do not fit, or nothing to compare (no vehicle with three valid steps in a row).
    """
    if (
        simulated.valid.shape[1:] != logged.valid.shape
        or is_vehicle.shape != logged.valid.shape[:1]
    ):
        raise ValueError(
            f"recorded {logged.valid.shape}, simulated {simulated.valid.shape}, kinds {is_vehicle.shape}: "
            "give (A, T), (R, A, T) and (A,)"
        )
    moving = kinematic_validity(logged.valid)
    of_vehicles = logged.valid & is_vehicle[:, None]
    valid = {
        "linear_speed": moving, "angular_speed": moving,
        "linear_acceleration": kinematic_validity(moving), "angular_acceleration": kinematic_validity(moving),
        "distance_to_nearest_object": logged.valid, "distance_to_road_edge": logged.valid,
        "time_to_collision": of_vehicles,
    }  # fmt: skip
    parts = {
        name: series_likelihood(
            getattr(logged, name), getattr(simulated, name), valid[name], HISTOGRAMS[name]
        )
        for name in HISTOGRAMS
    }
    seen = {}
    for name, log_event, sim_event, where in (
        ("collision_indication", logged.collision, simulated.collision, logged.valid),
        ("offroad_indication", logged.offroad, simulated.offroad, logged.valid),
        ("traffic_light_violation", logged.traffic_light_violation, simulated.traffic_light_violation, of_vehicles),
    ):  # fmt: skip
        seen[name] = np.asarray((sim_event & where).any(axis=-1))
        parts[name] = event_likelihood(np.asarray((log_event & where).any(axis=-1)), seen[name])
    ade = _displacement(logged, simulated)
    return Realism(
        meta=sum(weight * parts[name] for name, weight in WEIGHTS.items()),
        parts={name: parts[name] for name in WEIGHTS},
        ade_m=float(np.nanmean(ade)),
        min_ade_m=float(np.nanmin(np.nanmean(ade, axis=1))),
        collision_rate=float(seen["collision_indication"].mean()),
        offroad_rate=float(seen["offroad_indication"].mean()),
        red_light_rate=float(seen["traffic_light_violation"].mean()),
    )


def mean_realism(scenes: list[Realism]) -> Realism:
    """Over scenes, each counting the same (`aggregate_scenario_metrics`)."""
    names = ("meta", "ade_m", "min_ade_m", "collision_rate", "offroad_rate", "red_light_rate")
    means = {name: float(np.mean([getattr(s, name) for s in scenes])) for name in names}
    parts = {name: float(np.mean([s.parts[name] for s in scenes])) for name in WEIGHTS}
    return Realism(parts=parts, **means)


def kinematic_validity(valid: Bools) -> Bools:
    """Where a central difference is valid, `(..., T)`: both neighbours are; never at the ends."""
    inside = valid[..., 2:] & valid[..., :-2]
    end = np.zeros((*valid.shape[:-1], 1), dtype=np.bool_)
    return np.concatenate([end, inside, end], axis=-1)


def log_likelihood(logged: Floats, simulated: Floats, histogram: Histogram) -> Floats:
    """Log-likelihood `(A, n)` of recorded values `(A, n)`, each row under the histogram of the simulated values `(A, m)`; NaN of NaN."""
    count = len(simulated)
    rows = np.broadcast_to(np.arange(count)[:, None], simulated.shape)
    known = ~np.isnan(simulated)
    cells = rows[known] * histogram.bins + _bin(simulated[known], histogram)
    counts = np.bincount(cells, minlength=count * histogram.bins).reshape(count, histogram.bins)
    weight = counts + histogram.smoothing
    log_p = np.log(weight / weight.sum(axis=1, keepdims=True))
    at = np.take_along_axis(log_p, _bin(np.nan_to_num(logged), histogram), axis=1)
    found: Floats = np.where(np.isnan(logged), np.nan, at)
    return found


def series_likelihood(
    logged: Floats, simulated: Floats, valid: Bools, histogram: Histogram
) -> float:
    """Likelihood of recorded series `(A, T)` under the simulated `(R, A, T)`, all steps of a road user one distribution.

    Raises:
      ValueError: no valid step.
    """
    if not valid.any():
        raise ValueError("no valid step to score: give recordings of at least three steps in a row")
    rollouts, count, steps = simulated.shape
    samples = np.moveaxis(simulated, 0, 1).reshape(count, rollouts * steps)
    return float(np.exp(np.mean(log_likelihood(logged, samples, histogram)[valid])))


def event_likelihood(happened: Bools, simulated: Bools) -> float:
    """Likelihood of what happened to each road user `(A,)` under how often it did in the rollouts `(R, A)`."""
    each = log_likelihood(happened[:, None].astype(float), simulated.T.astype(float), _EVENT)
    return float(np.exp(np.mean(each)))


def _bin(values: Floats, histogram: Histogram) -> NDArray[np.int64]:
    edges = np.linspace(histogram.low, histogram.high, histogram.bins + 1)
    found = np.searchsorted(edges, np.clip(values, histogram.low, histogram.high), side="right") - 1
    return np.minimum(found, histogram.bins - 1)


def _displacement(logged: Features, simulated: Features) -> Floats:
    """Mean distance `(R, A)` from the recorded path over its valid steps; NaN of who has none."""
    away = np.hypot(simulated.x_m - logged.x_m, simulated.y_m - logged.y_m)
    known = logged.valid & ~np.isnan(away)
    count = known.sum(axis=-1)
    total = np.where(known, away, 0.0).sum(axis=-1)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean
