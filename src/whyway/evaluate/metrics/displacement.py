"""How far from what came was what was foretold? ADE, FDE, their best of k, and miss rates by two benchmarks' rules.

Arrays: forecasts `(..., K, T, 2)` of K alternatives, the truth `(..., T, 2)`, both of future instants only (not the present one); where
the truth is unknown it is NaN. Sources: Argoverse 2 (Wilson et al., NeurIPS Datasets 2021; av2-api, `motion_forecasting/eval/metrics.py`)
and the Waymo Open Motion Dataset (Ettinger et al., ICCV 2021; `waymo_open_dataset/metrics/motion_metrics.cc`).
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from whyway.geometry import to_frame

Array = Any

ARGOVERSE_MISS_M = 2.0
"""Argoverse 2: a forecast whose last point is farther off than this is a miss."""

WAYMO_THRESHOLDS_M = {3.0: (1.0, 2.0), 5.0: (1.8, 3.6), 8.0: (3.0, 6.0)}
"""Waymo: by horizon [s], how far off to the side and along the last point may be, before speed scales them."""

WAYMO_SPEEDS_MPS, WAYMO_SCALES = (1.4, 11.0), (0.5, 1.0)
"""Between these speeds at the present instant the scale rises linearly from the one to the other."""


def displacements(forecast: Array, truth: Array) -> Array:
    """Distance `(..., K, T)` of each forecast point from the truth; NaN where that is unknown."""
    xp = array_namespace(forecast)
    error = forecast - truth[..., None, :, :]
    return xp.hypot(error[..., 0], error[..., 1])


def average_displacement(forecast: Array, truth: Array) -> Array:
    """ADE `(..., K)` over the instants whose truth is known; NaN if there is none."""
    xp = array_namespace(forecast)
    error = displacements(forecast, truth)
    known = ~xp.isnan(error)
    count = xp.sum(xp.astype(known, error.dtype), axis=-1)
    total = xp.sum(xp.where(known, error, xp.zeros_like(error)), axis=-1)
    return xp.where(count > 0.0, total / xp.where(count > 0.0, count, 1.0), xp.nan)


def final_displacement(forecast: Array, truth: Array) -> Array:
    """FDE `(..., K)` at the last instant; NaN where its truth is unknown."""
    return displacements(forecast[..., -1:, :], truth[..., -1:, :])[..., 0]


def min_ade(forecast: Array, truth: Array) -> Array:
    """minADE_K `(...)`: of the K forecasts, the one of the least ADE (Waymo; Argoverse takes the ADE of the one of the least FDE)."""
    xp = array_namespace(forecast)
    return xp.min(average_displacement(forecast, truth), axis=-1)


def min_fde(forecast: Array, truth: Array) -> Array:
    """minFDE_K `(...)`."""
    xp = array_namespace(forecast)
    return xp.min(final_displacement(forecast, truth), axis=-1)


def argoverse_miss(forecast: Array, truth: Array, threshold_m: float = ARGOVERSE_MISS_M) -> Array:
    """Whether all K forecasts end farther than the threshold from the truth `(...)`; False where it is unknown."""
    return min_fde(forecast, truth) > threshold_m


def waymo_scale(v_mps: Array) -> Array:
    """What speed at the present instant `(...)` makes of Waymo's thresholds."""
    xp = array_namespace(v_mps)
    (slow, fast), (low, high) = WAYMO_SPEEDS_MPS, WAYMO_SCALES
    share = (v_mps - slow) / (fast - slow)
    share = xp.where(share > 0.0, share, xp.zeros_like(share))
    return low + (high - low) * xp.where(share < 1.0, share, xp.ones_like(share))


def waymo_miss(
    forecast: Array, truth: Array, yaw_rad: Array, v_mps: Array, horizon_s: float
) -> Array:
    """Whether all K forecasts end too far to the side or along from the truth `(...)`; False where it is unknown.

    Args:
      forecast: `(..., K, T, 2)`, of which the last instant is `horizon_s` ahead.
      truth: `(..., T, 2)`.
      yaw_rad: true heading at that instant `(...)`: side and along are its.
      v_mps: speed at the present instant `(...)`.
      horizon_s: one of `WAYMO_THRESHOLDS_M`.

    Raises:
      KeyError: Waymo has no threshold for that horizon.
    """
    xp = array_namespace(forecast)
    aside_m, along_m = WAYMO_THRESHOLDS_M[horizon_s]
    end, there = forecast[..., -1, :], truth[..., None, -1, :]
    along, aside = to_frame(end[..., 0], end[..., 1], there[..., 0], there[..., 1], yaw_rad[..., None])  # fmt: skip
    scale = waymo_scale(v_mps)[..., None]
    hit = (xp.abs(aside) <= aside_m * scale) & (xp.abs(along) <= along_m * scale)
    unknown = xp.isnan(there[..., 0])
    return ~xp.any(hit | unknown, axis=-1)
