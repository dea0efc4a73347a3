"""Who takes part in a scenario, resolved on a map: classes and sizes, places in metres, cues in numbers.

Families and OpenSCENARIO files both end here; `stage.py` makes a world of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from whyway.types import ObjectClass
from whyway.worlds.sim.state import When
from whyway.worlds.sim.table import Line

NAN = math.nan

SIZES: Mapping[str, tuple[ObjectClass, float, float]] = {
    "car": (ObjectClass.CAR, 4.5, 1.8),
    "van": (ObjectClass.CAR, 5.4, 2.0),
    "truck": (ObjectClass.TRUCK, 8.0, 2.5),
    "bus": (ObjectClass.BUS, 11.0, 2.55),
    "motorcycle": (ObjectClass.MOTORCYCLE, 2.2, 0.8),
    "bicycle": (ObjectClass.BICYCLE, 1.8, 0.6),
    "pedestrian": (ObjectClass.PEDESTRIAN, 0.5, 0.6),
    "animal": (ObjectClass.ANIMAL, 1.2, 0.5),
    "hazard": (ObjectClass.HAZARD, 1.0, 1.0),
}
"""What they are to a detector, length and width [m]."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What an actor does from a moment on; NaN leaves as it was (a speed: follows traffic)."""

    when: When
    value: float
    at_m: float = 0.0
    """Of `EGO_ARRIVES`: arc length of the ego's route."""
    speed_mps: float = NAN
    rate_mps2: float = 3.0
    offset_m: float = NAN
    lateral_mps: float = 1.2
    reckless: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One actor: where it is along which lanes (or a line of its own), how fast, how big, and its cues in order.

    `s_m` is along the first of the lanes, `d_m` to its left; a part `backwards` faces along its own line and backs against it.
    """

    name: str
    object_class: ObjectClass
    length_m: float
    width_m: float
    lanes: tuple[int, ...] = ()
    own: Line | None = None
    s_m: float = 0.0
    d_m: float = 0.0
    v_mps: float = 0.0
    cap_mps: float = math.inf
    headway_s: float = NAN
    """NaN: as traffic keeps it."""
    hurry: float = 1.0
    cues: tuple[Cue, ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether it stands and will stay where it is."""
        return self.v_mps == 0.0 and self.cap_mps == 0.0 and not self.cues


def sized(
    kind: str, length_m: float | None = None, width_m: float | None = None
) -> tuple[ObjectClass, float, float]:
    """Class, length and width of somebody; a size that is given wins."""
    object_class, length, width = SIZES[kind]
    return (
        object_class,
        length if length_m is None else length_m,
        width if width_m is None else width_m,
    )
