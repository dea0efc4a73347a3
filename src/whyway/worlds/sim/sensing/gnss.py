"""GNSS receiver: where its antenna is -> latitude, longitude, altitude, with white noise and a bias that wanders. WGS 84."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.maps.projection import TransverseMercator
from whyway.types import EgoState, Floats
from whyway.worlds.sim.sensing.geodesy import to_geodetic
from whyway.worlds.sim.sensing.rig import GnssSpec

_UP = np.array([1.0, 1.0, 2.0])
"""Height is worse than place."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One position: degrees and metres above the ellipsoid; the variances (east, north, up) are what the receiver says of itself."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    variance_m2: tuple[float, float, float]


def start(spec: GnssSpec, rng: np.random.Generator) -> Floats:
    """The bias (3,) east, north, up at switching on, as likely as any later one."""
    bias: Floats = spec.bias_sigma_m * _UP * rng.standard_normal(3)
    return bias


def measure(
    spec: GnssSpec, bias: Floats, ego: EgoState, dt_s: float, rng: np.random.Generator
) -> tuple[Fix, Floats]:
    """A fix `dt_s` after the last one, and the bias it was made with.

    The bias is a first-order Gauss-Markov process: a random walk for short times that forgets with `bias_time_s`, so its spread stays
    `bias_sigma_m` however long the drive.
    """
    keep = math.exp(-dt_s / spec.bias_time_s)
    draw = rng.standard_normal((2, 3))
    bias = keep * bias + math.sqrt(1.0 - keep * keep) * spec.bias_sigma_m * _UP * draw[0]
    sigma = np.array([spec.horizontal_sigma_m, spec.horizontal_sigma_m, spec.vertical_sigma_m])
    _, antenna = spec.mount.in_map(ego.x_m, ego.y_m, ego.yaw_rad)
    east, north, up = (antenna + bias + sigma * draw[1]).tolist()
    plane = TransverseMercator(spec.origin_latitude_deg, spec.origin_longitude_deg)
    latitude, longitude = to_geodetic(plane, east, north)
    variance = (sigma**2 + (spec.bias_sigma_m * _UP) ** 2).tolist()
    return Fix(latitude, longitude, spec.origin_altitude_m + up, tuple(variance)), bias
