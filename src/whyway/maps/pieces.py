"""A kit for small maps: strips of lane along reference lines, joined to roads and junctions. Right-hand traffic.

Everything is made of one primitive, `MapKit.strip`: a lane between two distances to the left of a sampled line. Roads are strips
side by side, junction lanes are strips along a curve from one lane's end to another's start. `pieces_roads.py` and
`pieces_junctions.py` compose the maps that the scenario families are laid on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from whyway.maps.curves import Cubic, Curve, Pose, sample
from whyway.maps.signals import SignalPlan
from whyway.types import (
    Crossing,
    Floats,
    Lane,
    LaneKind,
    LaneMap,
    MarkingKind,
    StopLine,
    TrafficLight,
)

LANE_WIDTH_M = 3.5
BIKE_WIDTH_M = 1.8
SPACING_M = 1.0

Line: TypeAlias = tuple[Floats, Floats, Floats]
"""x, y, yaw of points along a line."""

Side: TypeAlias = float | Floats
"""Distance to the left of a line: one, or one per point."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A map of the kit with the programs of its lights."""

    lane_map: LaneMap
    signals: SignalPlan = field(default_factory=SignalPlan)


@dataclass(frozen=True, slots=True)
class Band:
    """One lane of a road's cross-section."""

    kind: LaneKind = LaneKind.DRIVING
    width_m: float = LANE_WIDTH_M


@dataclass(frozen=True, slots=True, eq=False)
class Street:
    """A road as built: the ids of its lanes from the axis outwards, those along it and those against it."""

    line: Line
    forward: tuple[int, ...]
    backward: tuple[int, ...]
    bands: tuple[tuple[Band, ...], tuple[Band, ...]]

    def width_m(self, backward: bool) -> float:
        """Width of one side of the road."""
        return sum(b.width_m for b in self.bands[backward])

    def pose(self, at_end: bool) -> Pose:
        """The axis at one end."""
        i = -1 if at_end else 0
        x, y, yaw = self.line
        return float(x[i]), float(y[i]), float(yaw[i])


@dataclass(slots=True)
class _Draft:
    """A lane while it is being built; what `Lane` calls the same means the same."""

    kind: LaneKind
    limit_mps: float
    in_junction: bool
    center: tuple[Floats, Floats]
    left: tuple[Floats, Floats]
    right: tuple[Floats, Floats]
    left_id: int = 0
    right_id: int = 0
    opposite_id: int = 0
    left_marking: MarkingKind = MarkingKind.SOLID
    right_marking: MarkingKind = MarkingKind.SOLID
    after: list[int] = field(default_factory=list)
    before: list[int] = field(default_factory=list)


def beside(line: Line, d_m: Side) -> tuple[Floats, Floats]:
    """The points `d_m` to the left of a line's."""
    x, y, yaw = line
    return x - d_m * np.sin(yaw), y + d_m * np.cos(yaw)


def axis(curves: tuple[Curve, ...]) -> Line:
    """A reference line, sampled."""
    return sample(curves, SPACING_M)


class MapKit:
    """Collects lanes, stop lines, lights and crossings; ids count from 1 in the order they are asked for."""

    def __init__(self) -> None:
        self._drafts: dict[int, _Draft] = {}
        self._stop_lines: list[StopLine] = []
        self._lights: list[TrafficLight] = []
        self._crossings: list[Crossing] = []

    # --------------------------------------------------------------------------------------------------------- lanes

    def strip(
        self,
        line: Line,
        left_m: Side,
        right_m: Side,
        *,
        limit_mps: float,
        kind: LaneKind = LaneKind.DRIVING,
        in_junction: bool = False,
        against: bool = False,
    ) -> int:
        """A lane between two distances to the left of a line, `left_m` the higher; `against` it drives the other way. Its id."""
        center, left, right = (
            beside(line, d) for d in ((np.add(left_m, right_m)) / 2, left_m, right_m)
        )
        if against:
            center, left, right = (
                (x[::-1].copy(), y[::-1].copy()) for x, y in (center, right, left)
            )
        identity = len(self._drafts) + 1
        self._drafts[identity] = _Draft(kind, limit_mps, in_junction, center, left, right)
        return identity

    def road(
        self,
        line: Line,
        forward: Sequence[Band],
        backward: Sequence[Band] = (),
        *,
        limit_mps: float,
    ) -> Street:
        """Lanes side by side: `forward` to the right of the line, `backward` to its left, both from the line outwards."""
        ids: list[tuple[int, ...]] = []
        for bands, sign in ((forward, -1.0), (backward, 1.0)):
            inner, found = 0.0, []
            for band in bands:
                outer = inner + band.width_m
                low, high = sorted((sign * inner, sign * outer))
                lane = self.strip(
                    line, high, low, limit_mps=limit_mps, kind=band.kind, against=sign > 0
                )
                found.append(lane)
                inner = outer
            self.neighbours(found)
            ids.append(tuple(found))
        if ids[0] and ids[1]:
            middle = MarkingKind.DASHED if len(forward) == len(backward) == 1 else MarkingKind.SOLID
            self.opposite(ids[0][0], ids[1][0], middle)
        return Street(line, ids[0], ids[1], (tuple(forward), tuple(backward)))

    def neighbours(self, lanes: Sequence[int]) -> None:
        """Lanes of one direction side by side, from left to right; one changes lanes between those of the same kind."""
        for a, b in zip(lanes, lanes[1:], strict=False):
            left, right = self._drafts[a], self._drafts[b]
            same = left.kind == right.kind
            if same:
                left.right_id, right.left_id = b, a
            left.right_marking = right.left_marking = (
                MarkingKind.DASHED if same else MarkingKind.SOLID
            )

    def opposite(self, a: int, b: int, marking: MarkingKind) -> None:
        """The innermost lanes of both directions."""
        self._drafts[a].opposite_id, self._drafts[b].opposite_id = b, a
        self._drafts[a].left_marking = self._drafts[b].left_marking = marking

    def link(self, a: int, b: int) -> None:
        """Lane `a` leads on into lane `b`."""
        self._drafts[a].after.append(b)
        self._drafts[b].before.append(a)

    def chain(self, a: Street, b: Street) -> None:
        """Road `a` goes on as road `b`, lane by lane."""
        for i, j in zip(a.forward, b.forward, strict=False):
            self.link(i, j)
        for i, j in zip(b.backward, a.backward, strict=False):
            self.link(i, j)

    def connect(self, a: int, b: int, *, limit_mps: float | None = None) -> int:
        """A junction lane from the end of one lane to the start of another, as wide as they are. Its id."""
        first, last = self._drafts[a], self._drafts[b]
        curve = Cubic(self._pose(first, -1), self._pose(last, 0))
        line = axis((curve,))
        share = np.linspace(0.0, 1.0, len(line[0]))
        half = (self._width(first, -1) * (1 - share) + self._width(last, 0) * share) / 2
        limit = min(first.limit_mps, last.limit_mps) if limit_mps is None else limit_mps
        lane = self.strip(line, half, -half, limit_mps=limit, kind=first.kind, in_junction=True)
        self._drafts[lane].left_marking = self._drafts[lane].right_marking = MarkingKind.NONE
        self.link(a, lane)
        self.link(lane, b)
        return lane

    @staticmethod
    def _pose(lane: _Draft, i: int) -> Pose:
        x, y = lane.center
        j = -2 if i else 1
        yaw = math.atan2(y[i] - y[j], x[i] - x[j]) + (0.0 if i else math.pi)
        # a border to border line stands square on the lane, also at the end of a curve
        (lx, ly), (rx, ry) = lane.left, lane.right
        square = math.atan2(ly[i] - ry[i], lx[i] - rx[i]) - math.pi / 2
        off = math.remainder(square - yaw, 2 * math.pi)
        return float(x[i]), float(y[i]), yaw + off

    @staticmethod
    def _width(lane: _Draft, i: int) -> float:
        (lx, ly), (rx, ry) = lane.left, lane.right
        return math.hypot(lx[i] - rx[i], ly[i] - ry[i])

    # ------------------------------------------------------------------------------------------- what is painted on it

    def stop_line(
        self, lanes: Sequence[int], back_m: float, *, light_id: int = 0, is_stop_sign: bool = False
    ) -> None:
        """A line across lanes (side by side, from left to right), `back_m` before their ends."""
        (x0, y0), _ = self._borders(lanes[0], back_m)
        _, (x1, y1) = self._borders(lanes[-1], back_m)
        number = len(self._stop_lines) + 1
        ids = np.array(lanes, dtype=np.int64)
        self._stop_lines.append(
            StopLine(number, np.array([x0, x1]), np.array([y0, y1]), ids, light_id, is_stop_sign)
        )

    def light(self, lanes: Sequence[int], back_m: float) -> int:
        """A traffic light for lanes (from left to right), at the right end of their stop line. Its id."""
        _, (x, y) = self._borders(lanes[-1], back_m)
        number = len(self._lights) + 1
        self._lights.append(TrafficLight(number, x, y, np.array(lanes, dtype=np.int64)))
        return number

    def crossing(self, street: Street, s_m: float, depth_m: float = 3.0) -> None:
        """A pedestrian crossing over a whole road, its middle at arc length `s_m` of the road's line."""
        x, y, yaw = street.line
        s = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        at = np.array([s_m - depth_m / 2, s_m + depth_m / 2])
        here = (np.interp(at, s, x), np.interp(at, s, y), np.interp(at, s, yaw))
        lx, ly = beside(here, street.width_m(backward=True))
        rx, ry = beside(here, -street.width_m(backward=False))
        number = len(self._crossings) + 1
        self._crossings.append(
            Crossing(
                number,
                np.array([rx[0], lx[0], lx[1], rx[1]]),
                np.array([ry[0], ly[0], ly[1], ry[1]]),
                np.array(street.forward + street.backward, dtype=np.int64),
            )
        )

    def _borders(self, lane: int, back_m: float) -> tuple[tuple[float, float], tuple[float, float]]:
        draft = self._drafts[lane]
        x, y = draft.center
        s = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        at = s[-1] - back_m
        left, right = (
            (float(np.interp(at, s, px)), float(np.interp(at, s, py)))
            for px, py in (draft.left, draft.right)
        )
        return left, right

    # --------------------------------------------------------------------------------------------------------- whole

    def build(self, name: str) -> LaneMap:
        """The map."""
        return LaneMap(
            0,
            name,
            tuple(_lane(i, draft) for i, draft in self._drafts.items()),
            tuple(self._stop_lines),
            tuple(self._lights),
            tuple(self._crossings),
        )


def _lane(identity: int, d: _Draft) -> Lane:
    return Lane(
        id=identity, kind=d.kind, speed_limit_mps=d.limit_mps, in_junction=d.in_junction,
        left_id=d.left_id, right_id=d.right_id, opposite_id=d.opposite_id,
        left_marking=d.left_marking, right_marking=d.right_marking,
        successor_ids=np.array(d.after, dtype=np.int64), predecessor_ids=np.array(d.before, dtype=np.int64),
        center_x_m=d.center[0], center_y_m=d.center[1], left_x_m=d.left[0], left_y_m=d.left[1],
        right_x_m=d.right[0], right_y_m=d.right[1],
    )  # fmt: skip
