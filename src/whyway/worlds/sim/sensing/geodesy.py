"""`map` coordinates -> latitude and longitude: the inverse of the transverse Mercator projection that maps are read with."""

from __future__ import annotations

import math

from whyway.maps.projection import TransverseMercator

_MERIDIAN_M = 111_132.95
_EQUATOR_M = 111_319.49
"""Length of a degree, of latitude on average and of longitude at the equator."""
_STEPS = 20
_CLOSE_M = 1e-6


def to_geodetic(plane: TransverseMercator, x_m: float, y_m: float) -> tuple[float, float]:
    """Latitude and longitude [deg] of a point of the plane, to a micrometre up to 1,000 km from an origin between 80 degrees south and north.

    By iteration on the projection itself, so that there is one set of formulas: each step takes the rest as if degrees were square.
    """
    latitude, longitude = plane.latitude_deg, plane.longitude_deg
    for _ in range(_STEPS):
        x, y = plane.forward(latitude, longitude)
        east, north = x_m - float(x), y_m - float(y)
        if math.hypot(east, north) < _CLOSE_M:
            break
        # not beyond the poles, where a degree of longitude is nothing
        latitude = max(-89.99, min(89.99, latitude + north / _MERIDIAN_M))
        longitude += east / (_EQUATOR_M * math.cos(math.radians(latitude)))
    return latitude, (longitude + 180.0) % 360.0 - 180.0
