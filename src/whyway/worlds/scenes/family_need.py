"""What a family needs of a place, in numbers; what a finder of places yields; and the order in which lanes are tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from whyway.worlds.scenes.family import SiteSpec
from whyway.worlds.scenes.family_lanes import Lanes

_LATERAL_MPS2 = 2.0
"""A road is straight where it may bend, but can be driven at the ego's speed with less than this to the side ..."""
_TIGHTEST_1PM = 1.0 / 30.0
"""... and bends no more than this."""
TURN_RAD = math.radians(30.0)
"""Who changes heading by more turns."""
ONWARD_M = 500.0
"""How far others' ways are followed."""


@dataclass(frozen=True, slots=True)
class Need:
    """A `SiteSpec` with its numbers known."""

    spec: SiteSpec
    approach_m: float
    behind_m: float
    beyond_m: float
    clear_m: float
    radius_m: float
    speed_mps: float
    """Of the ego at the start."""
    near: tuple[float, float] | None = None
    """Places nearer to this point are tried first; None: in an order drawn by luck."""

    def shorter(self, share: float) -> Need:
        """The same with less room, for maps with short roads."""
        names = ("approach_m", "behind_m", "beyond_m", "clear_m")
        return replace(self, **{name: getattr(self, name) * share for name in names})

    @property
    def straight_1pm(self) -> float:
        """Curvature up to which a road is straight."""
        return min(_TIGHTEST_1PM, _LATERAL_MPS2 / max(self.speed_mps, 1.0) ** 2)


@dataclass(frozen=True, slots=True)
class Found:
    """Lanes in a row (`core`), with the conflict `conflict_m` from the start of the first."""

    core: tuple[int, ...]
    conflict_m: float
    arms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def sharpest(lanes: Lanes, lane_id: int) -> float:
    """Highest curvature of a lane."""
    return float(np.abs(lanes[lane_id].center.curvature_1pm).max())


def fits_across(lanes: Lanes, spec: SiteSpec, lane_id: int) -> bool:
    """Whether a lane has the neighbours asked for."""
    if spec.lane != "any" and lanes.side(lane_id, left=spec.lane == "left"):
        return False
    if spec.oncoming and (
        lanes.side(lane_id, left=True) or lanes[lane_id].lane.opposite_id not in lanes.all
    ):
        return False
    return spec.lanes == 1 or lanes.abreast(lane_id) >= spec.lanes


def ordered(lanes: Lanes, need: Need, rng: np.random.Generator) -> list[int]:
    """Ids of lanes in the order in which they are tried."""
    ids = lanes.driving()
    return [ids[i] for i in order(lanes, need, rng, ids)]


def order(lanes: Lanes, need: Need, rng: np.random.Generator, ids: Sequence[int]) -> list[int]:
    """Positions of lanes in the order in which they are tried: by luck, or by the distance of their ends from a point."""
    order: list[int] = rng.permutation(len(ids)).tolist()
    if need.near is not None:
        x, y = need.near
        ends = [lanes[i].lane for i in ids]
        away = [math.hypot(v.center_x_m[-1] - x, v.center_y_m[-1] - y) for v in ends]
        order.sort(key=away.__getitem__)
    return order
