"""A recording at 10 Hz: for every cycle, on a clock that starts at 0, what the driver would have sensed, and what is known to be true.

`observed.py` gives recorded observations again, `tracked.py` makes them of other topics; `reading.py` reads either from a bag.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from whyway.config import Config
from whyway.types import EgoState, Floats, Ints, LaneMap, Observation, Route, Truth

MOST_S = 86_400.0
"""A recording that is longer has stamps of several clocks."""


@dataclass(frozen=True, slots=True, eq=False)
class EgoTrack:
    """The ego's `base_link` every 0.1 s, arrays `(n,)`; `stamp_ns` is that of the pose, `start_ns` the recording's time of the first."""

    start_ns: int
    stamp_ns: Ints
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    a_mps2: Floats
    yaw_rate_rps: Floats
    steer_rad: Floats

    def __len__(self) -> int:
        return len(self.x_m)

    def at(self, k: int) -> EgoState:
        """The ego at a cycle."""
        columns = (
            self.x_m, self.y_m, self.yaw_rad, self.v_mps, self.a_mps2, self.yaw_rate_rps, self.steer_rad,
        )  # fmt: skip
        return EgoState(*(float(c[k]) for c in columns))


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What any recording tells.

    Attributes:
      name: of the bag.
      ego: `base_link` at every cycle.
      lane_map: as recorded, None where it was not.
      route: the same.
      notes: where it comes from and what was made of it, for reports.
    """

    name: str
    ego: EgoTrack
    lane_map: LaneMap | None
    route: Route | None
    notes: Mapping[str, str]


class Recording(ABC):
    """One recording: cycles 0 ... `count - 1`. Immutable."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    @property
    def name(self) -> str:
        """Of the bag."""
        return self.facts.name

    @property
    def ego(self) -> EgoTrack:
        """The ego at every cycle."""
        return self.facts.ego

    @property
    def count(self) -> int:
        """How many cycles there are."""
        return len(self.facts.ego)

    @property
    @abstractmethod
    def knows_actors(self) -> bool:
        """Whether it tells who was there, by name."""

    @abstractmethod
    def observation(self, k: int) -> Observation:
        """What was sensed at a cycle."""

    @abstractmethod
    def truth(self, k: int, config: Config) -> Truth:
        """What is known to be true at a cycle: at least the ego; its size is the configuration's where it was not recorded."""
