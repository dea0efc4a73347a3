"""Comfort as nuPlan and NAVSIM bound it: filtered accelerations, jerks and yaw rates, over arrays with any leading axes.

Sources: nuplan-devkit v1.2, `planning/metrics/utils/state_extractors.py` (filters) and `docs/metrics_description.md` (bounds); NAVSIM
v1 and v2, `pdm_scorer/../scoring/pdm_comfort_metrics.py`, which keep nuPlan's windows: acceleration 8 samples and order 2, jerk 15 on
top of it, yaw rate and acceleration 5 (the parameter of 15 is not passed on there). Samples are 0.1 s apart in both; at another
`dt_s` a window lasts as long.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.signal import savgol_filter

from whyway.geometry import wrap_angle
from whyway.types import Floats

Array = Any

JERK_MPS3, LON_JERK_MPS3 = 8.37, 4.13
LON_ACCELERATION_MPS2 = (-4.05, 2.40)
LAT_ACCELERATION_MPS2 = 4.89
YAW_RATE_RPS, YAW_ACCELERATION_RPS2 = 0.95, 1.93

COMFORT_BOUNDS = {
    "lon_acceleration": LON_ACCELERATION_MPS2,
    "lat_acceleration": (-LAT_ACCELERATION_MPS2, LAT_ACCELERATION_MPS2),
    "jerk": (-JERK_MPS3, JERK_MPS3),
    "lon_jerk": (-LON_JERK_MPS3, LON_JERK_MPS3),
    "yaw_acceleration": (-YAW_ACCELERATION_RPS2, YAW_ACCELERATION_RPS2),
    "yaw_rate": (-YAW_RATE_RPS, YAW_RATE_RPS),
}

ACCELERATION_WINDOW, JERK_WINDOW, YAW_WINDOW = 8, 15, 5
"""In samples of `STEP_S`."""

STEP_S = 0.1
"""nuPlan's and NAVSIM's sampling interval."""

_LONGEST = 128
"""The filter's matrix grows with the square of the samples: longer series go to scipy one by one."""


@cache
def savitzky_golay(n: int, window: int, order: int, derivative: int, dt_s: float) -> Floats:
    """The `(n, n)` matrix that filters n samples; the filter is linear, so it is scipy's filter of the identity."""
    matrix = _savgol(np.eye(n), window, order, derivative, dt_s, 0)
    matrix.setflags(write=False)
    return matrix


def _savgol(
    values: Floats, window: int, order: int, derivative: int, dt_s: float, axis: int
) -> Floats:
    window = min(window, values.shape[axis])
    result: Floats = savgol_filter(
        values, window_length=window, polyorder=order, deriv=derivative, delta=dt_s, axis=axis
    )
    return result


def filtered(values: Array, window: int, order: int, derivative: int, dt_s: float) -> Array:
    """Savitzky-Golay over the last axis of `(..., T)`; `window` counts samples of 0.1 s."""
    xp = array_namespace(values)
    n, window = values.shape[-1], round((window - 1) * STEP_S / dt_s) + 1
    if n > _LONGEST and isinstance(values, np.ndarray):
        return _savgol(values, window, order, derivative, dt_s, -1)
    matrix = xp.asarray(savitzky_golay(n, window, order, derivative, dt_s))
    return xp.matmul(values, matrix.T)


def unwrapped(yaw_rad: Array) -> Array:
    """The same headings `(..., T)` without jumps."""
    xp = array_namespace(yaw_rad)
    step = wrap_angle(yaw_rad[..., 1:] - yaw_rad[..., :-1])
    start = yaw_rad[..., :1]
    return xp.concat([start, start + xp.cumulative_sum(step, axis=-1)], axis=-1)


def comfort_signals(
    a_lon_mps2: Array,
    a_lat_mps2: Array,
    yaw_rad: Array,
    dt_s: float,
    magnitude_mps2: Array | None = None,
) -> dict[str, Array]:
    """The six filtered signals `(..., T)` that comfort is judged by, by the names of `COMFORT_BOUNDS`.

    Args:
      a_lon_mps2: acceleration along the car `(..., T)`.
      a_lat_mps2: acceleration across it, as are the others `(..., T)`.
      yaw_rad: heading.
      dt_s: between samples.
      magnitude_mps2: size of the acceleration where it is of another point of the car (`at_center`); else that of the two.
    """
    xp = array_namespace(a_lon_mps2)
    size = xp.hypot(a_lon_mps2, a_lat_mps2) if magnitude_mps2 is None else magnitude_mps2
    yaw = unwrapped(yaw_rad)
    lon, lat, magnitude = (
        filtered(a, ACCELERATION_WINDOW, 2, 0, dt_s) for a in (a_lon_mps2, a_lat_mps2, size)
    )
    return {
        "lon_acceleration": lon,
        "lat_acceleration": lat,
        "jerk": filtered(magnitude, JERK_WINDOW, 2, 1, dt_s),
        "lon_jerk": filtered(lon, JERK_WINDOW, 2, 1, dt_s),
        "yaw_acceleration": filtered(yaw, YAW_WINDOW, 3, 2, dt_s),
        "yaw_rate": filtered(yaw, YAW_WINDOW, 2, 1, dt_s),
    }


def comfort(
    a_lon_mps2: Array,
    a_lat_mps2: Array,
    yaw_rad: Array,
    dt_s: float,
    magnitude_mps2: Array | None = None,
) -> tuple[Array, dict[str, Array]]:
    """C `(...)`: 1 if every signal stays within its bounds at every instant; and each signal's own answer `(...)`.

    Arguments as of `comfort_signals`.
    """
    xp = array_namespace(a_lon_mps2)
    within = {}
    signals = comfort_signals(a_lon_mps2, a_lat_mps2, yaw_rad, dt_s, magnitude_mps2)
    for name, signal in signals.items():
        low, high = COMFORT_BOUNDS[name]
        rounded = xp.round(signal * 1e8) / 1e8
        within[name] = xp.all((rounded > low) & (rounded < high), axis=-1)
    everything = xp.all(xp.stack(list(within.values()), axis=-1), axis=-1)
    return xp.where(everything, 1.0, 0.0), within


def at_center(
    a_lon_mps2: Array, a_lat_mps2: Array, yaw_rate_rps: Array, yaw_acceleration_rps2: Array, center_offset_m: float
) -> tuple[Array, Array]:  # fmt: skip
    """Acceleration along and across the car `(...)` of the box's centre, from that of `base_link` (rigid body, in the plane).

    nuPlan's comfort and NAVSIM v2's judge the centre's (`center_acceleration_2d`, `state_array_to_center_state_array`), and the
    magnitude at the rear axle.
    """
    return (
        a_lon_mps2 - yaw_rate_rps**2 * center_offset_m,
        a_lat_mps2 + yaw_acceleration_rps2 * center_offset_m,
    )
