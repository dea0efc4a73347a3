"""Latitude and longitude <-> metres on a plane: the transverse Mercator projection about an origin of our choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.types import Floats

_SEMI_MAJOR_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563
"""The WGS 84 ellipsoid."""

_N = _FLATTENING / (2 - _FLATTENING)
_RECTIFYING_M = _SEMI_MAJOR_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
# series coefficients to the third order in n; what is left out is below a tenth of a millimetre
_ALPHA = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16,
    13 * _N**2 / 48 - 3 * _N**3 / 5,
    61 * _N**3 / 240,
)
_E = 2 * np.sqrt(_N) / (1 + _N)


@dataclass(frozen=True, slots=True)
class TransverseMercator:
    """A plane that touches the Earth along the origin's meridian: x is east of the origin, y north of it.

    Scale 1 on that meridian (UTM has 0.9996), so that a metre on the map is a metre on the road; 50 km east of it a
    kilometre is 3 cm too long. Krüger's series as in K. Kawase, "A general formula for calculating meridian arc length
    and its application to coordinate conversion in the Gauss-Krüger projection", Bulletin of the GSI 59 (2011).
    """

    latitude_deg: float
    longitude_deg: float

    def forward(self, latitude_deg: Any, longitude_deg: Any) -> tuple[Floats, Floats]:
        """x, y [m] of places `(...)` less than 90 degrees of longitude away from the origin."""
        x, y = _forward(latitude_deg, np.asarray(longitude_deg) - self.longitude_deg)
        _, y0 = _forward(self.latitude_deg, 0.0)
        return x, y - y0


def _forward(latitude_deg: Any, east_deg: Any) -> tuple[Floats, Floats]:
    """Easting and northing from the equator, both `(...)` [m]."""
    sin_lat = np.sin(np.radians(latitude_deg))
    east = np.radians(east_deg)
    t = np.sinh(np.arctanh(sin_lat) - _E * np.arctanh(_E * sin_lat))
    xi = np.arctan2(t, np.cos(east))
    eta = np.arctanh(np.sin(east) / np.hypot(1.0, t))
    x, y = eta, xi
    for j, a in enumerate(_ALPHA, start=1):
        x = x + a * np.cos(2 * j * xi) * np.sinh(2 * j * eta)
        y = y + a * np.sin(2 * j * xi) * np.cosh(2 * j * eta)
    return np.asarray(_RECTIFYING_M * x), np.asarray(_RECTIFYING_M * y)
