"""The lane's frame: all that meta-actions and grounding need to know of the road. A `maps.LanePath` is one."""

from __future__ import annotations

from typing import Any, Protocol

from whyway.geometry import Polyline
from whyway.types import Floats


class LaneFrame(Protocol):
    """A lane path, as far as it is needed to say what a motion does relative to it."""

    @property
    def center(self) -> Polyline:
        """Its centre line; `s_m` runs along it, `d_m` to its left."""

    @property
    def junctions(self) -> tuple[tuple[float, float], ...]:
        """Stretches (from, to arc length) inside junctions."""

    def half_width_at(self, s_m: Any) -> Floats:
        """Distance from the centre line to either border."""
