"""What the expert reasons with: facts, options driven forward, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whyway.config import DrivingConfig
from whyway.maps.corridor import Corridor
from whyway.maps.manoeuvre import Manoeuvre, Place, offset_ahead
from whyway.motion import Rollout, SpeedProfile
from whyway.trace.meta_actions import WINDOW_S
from whyway.types import (
    CYCLE_S,
    CauseKind,
    Direction,
    EgoState,
    Lateral,
    LightColor,
    Longitudinal,
    Risk,
    TrackedObject,
)

Key = tuple[CauseKind, int]
"""A cause: its kind, and the object, light or stop line meant (0 where the kind says it all)."""

OUTLOOK_S = 3.0
"""How long the speed reached at the end of a rollout still counts: a lane change pays late."""
HELD_MPS2 = 0.25
"""A term that takes less than this off the free road's acceleration is no reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """All a decision may depend on, at one instant."""

    ego: EgoState
    place: Place
    objects: tuple[TrackedObject, ...]
    lights: Mapping[int, LightColor]
    changing: Direction
    """The side of the lane change under way; NONE otherwise."""
    served_stops: frozenset[int]
    """Stop signs at which the ego has stood already."""
    standing_s: Mapping[int, float] = field(default_factory=dict)
    """How long each object has been seen to stand."""
    waited_s: float = 0.0
    """How long the ego has stood itself."""
    nudging: bool = False
    """Whether it drives aside of its lane's middle already."""


@dataclass(frozen=True, slots=True)
class Halt:
    """Where `base_link` has to stand at the latest, and because of what."""

    ahead_m: float
    key: Key


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One manoeuvre, driven forward."""

    manoeuvre: Manoeuvre
    corridor: Corridor
    profile: SpeedProfile
    cap_mps: float
    rollout: Rollout
    halt: Halt | None
    yields_to: tuple[int, ...]
    """Objects the halt is for."""
    passes: tuple[int, ...]
    """Crossing objects the ego goes before."""
    meets: tuple[Risk, float] | None = None
    """What speaks against the manoeuvre itself, and when."""
    hindered_by: int = 0
    """The object that makes it unsafe."""
    round: tuple[int, ...] = ()
    """Those it drives round, the nearest first."""
    capped_by: Key | None = None
    """Why it is driven no faster than `cap_mps`, where not because of the road."""

    @property
    def prospect_m(self) -> float:
        """How far it gets: to the end of the rollout, and then on for `OUTLOOK_S` at the speed it has there."""
        return float(self.rollout.ahead_m[-1] + OUTLOOK_S * self.rollout.v_mps[-1])


def moves_over_m(facts: Facts, o: Option, driving: DrivingConfig) -> float:
    """How far a lane change gets to its side within the words' window: nowhere, where it is held."""
    ahead = float(o.rollout.ahead_m[round(WINDOW_S / CYCLE_S)])
    by = float(offset_ahead(o.manoeuvre, facts.ego, ahead, driving)) - o.manoeuvre.d_m
    return by if o.manoeuvre.direction == Direction.LEFT else -by


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What the expert decided, with the option it drives and those it left."""

    chosen: Option
    longitudinal: Longitudinal
    direction: Direction
    lateral: Lateral
    weights: Mapping[Key, float]
    """Share of each term in the decision."""
    others: tuple[Option, ...] = ()
    searching_gap: bool = False
    route_change: Direction = field(default=Direction.NONE)
