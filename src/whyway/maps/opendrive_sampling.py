"""Lane borders of OpenDRIVE roads as points: close enough that the chords leave the curve by half a centimetre at most.

Each lane section is cut where a record of any kind begins, and each part sampled by how much it bends: the reference line,
the lane offset and the widths all add to a border's curvature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whyway.maps.opendrive_geometry import PlanView
from whyway.maps.opendrive_xml import LaneSpec, RoadSpec, Section
from whyway.maps.xmlfile import MAX_NUMBER, SceneError
from whyway.types import Floats, Ints

MAX_POINTS = 4_000_000
"""Most points of all lanes together: 4,000 km of lane, 200 MB."""

MAX_WIDTH_M = 1_000.0
"""Farthest that a border may lie from the reference line."""

STEP_M = 1.0
"""Greatest distance of two points along the reference line."""

_MIN_STEP_M = 0.1
_SAG_M = 0.005
_NEAR_M = 0.01
"""Records that begin closer than this to another are not given a point of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A section's points: the reference line, and by lane number the borders' distance t to its left, inner and outer, all `(n,)`."""

    s_m: Floats
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    borders_m: dict[int, tuple[Floats, Floats]]

    def at(self, t_m: Floats) -> Floats:
        """Points `[2, n]` (x, y) beside the reference line by `t_m`."""
        points: Floats = np.stack(
            [self.x_m - t_m * np.sin(self.yaw_rad), self.y_m + t_m * np.cos(self.yaw_rad)]
        )
        return points


class Reference:
    """The reference lines of all roads: where (s, t) is."""

    def __init__(self, roads: Sequence[RoadSpec]) -> None:
        self.plan = PlanView([record for road in roads for record in road.records])
        self.first = np.cumsum([0] + [len(road.records) for road in roads])

    def record(self, road: int, s_m: Floats) -> Ints:
        """Indices of the records in force at `s_m` `(n,)`."""
        first, end = self.first[road], self.first[road + 1]
        at = np.searchsorted(self.plan.s_m[first:end], s_m, side="right") - 1
        found: Ints = first + np.maximum(at, 0)
        return found

    def pose(self, road: int, s_m: float) -> tuple[float, float, float]:
        """x, y, yaw of one place on a road's reference line."""
        s = np.array([s_m])
        record = self.record(road, s)
        x, y, yaw = self.plan.at(record, s - self.plan.s_m[record])
        return float(x[0]), float(y[0]), float(yaw[0])

    def place(self, road: int, s_m: float, t_m: float) -> tuple[float, float]:
        """x, y of (s, t) on a road."""
        x, y, yaw = self.pose(road, s_m)
        return x - t_m * math.sin(yaw), y + t_m * math.cos(yaw)


def draw(roads: Sequence[RoadSpec], reference: Reference) -> list[list[Drawn]]:
    """All sections of all roads.

    Raises:
      SceneError: more points than `MAX_POINTS`, or a border in no sane place.
    """
    grids, used = [], 0
    for index, road in enumerate(roads):
        for section in road.sections:
            s = _grid(road, section, reference, index, MAX_POINTS - used)
            used += len(s) * max(len(section.lanes), 1)
            grids.append((index, road, section, s))
    # at a joint, a section ends with what is in force before it
    look = [np.minimum(s, max(sec.s_m, sec.end_m - 1e-9 * (1 + sec.end_m))) for _, _, sec, s in grids]  # fmt: skip
    record = np.concatenate([reference.record(g[0], at) for g, at in zip(grids, look, strict=True)])
    s_all = np.concatenate([g[3] for g in grids])
    x, y, yaw = reference.plan.at(record, s_all - reference.plan.s_m[record])
    _check(x, y)
    drawn: list[list[Drawn]] = [[] for _ in roads]
    end = 0
    for (index, road, section, s), at in zip(grids, look, strict=True):
        here = slice(end, end + len(s))
        end += len(s)
        borders = {n: (inner, outer) for n, inner, outer in _borders(road, section, at)}
        drawn[index].append(Drawn(s, x[here], y[here], yaw[here], borders))
    return drawn


def borders_at(road: RoadSpec, section: Section, s_m: float) -> dict[int, tuple[float, float]]:
    """The lanes' borders t, inner and outer, at one place."""
    at = np.array([min(max(s_m, section.s_m), section.end_m)])
    return {n: (float(i[0]), float(o[0])) for n, i, o in _borders(road, section, at)}


def cubic(table: Floats, at: Floats) -> Floats:
    """A table of cubics (from where, a, b, c, d) at places `(n,)`; before the first record its start, without any 0."""
    if not len(table):
        return np.zeros(len(at))
    i = np.maximum(np.searchsorted(table[:, 0], at, side="right") - 1, 0)
    start, a, b, c, d = table[i].T
    p = np.maximum(at - start, 0.0)
    value: Floats = a + p * (b + p * (c + p * d))
    return value


def _borders(road: RoadSpec, section: Section, at: Floats) -> Iterator[tuple[int, Floats, Floats]]:
    """Lane number and its borders t, inner and outer, at places of a section; from the centre outwards."""
    center = cubic(road.offset, at)
    for side in (1, -1):
        reach = np.zeros(len(at))
        for number in sorted((n for n in section.lanes if n * side > 0), key=abs):
            inner = reach
            reach = _outer(section.lanes[number], side, inner, at - section.s_m)
            if not reach.max(initial=0.0) <= MAX_WIDTH_M:
                raise SceneError(
                    f"lane {number} of road {road.id[:40]!r} reaches farther than {MAX_WIDTH_M:g} m from its reference line"
                )
            yield number, center + side * inner, center + side * reach


def _outer(lane: LaneSpec, side: int, inner: Floats, at: Floats) -> Floats:
    """A lane's outer border, as distance from the centre: by width, else by border."""
    if len(lane.width) or not len(lane.border):
        return inner + np.maximum(cubic(lane.width, at), 0.0)
    border = side * cubic(lane.border, at)
    if border.max() < 0.0:
        border = -border  # written without the side's sign
    return np.maximum(border, inner)


# ------------------------------------------------------------------------------------------------------------- grid


def _grid(
    road: RoadSpec, section: Section, reference: Reference, index: int, budget: int
) -> Floats:
    """Places to sample a section at, from its start to its end."""
    lanes = [lane for lane in section.lanes.values() if lane.number]
    tables = [lane.width if len(lane.width) else lane.border for lane in lanes]
    records = reference.plan.s_m[reference.first[index] : reference.first[index + 1]]
    inner = [records, road.offset[:, 0], *(table[:, 0] + section.s_m for table in tables)]
    joints = np.unique(np.concatenate(inner))
    joints = joints[(joints > section.s_m + _NEAR_M) & (joints < section.end_m - _NEAR_M)]
    joints = joints[np.diff(joints, prepend=-np.inf) > _NEAR_M]
    low, high = np.concatenate([[section.s_m], joints]), np.append(joints, section.end_m)
    if len(low) * max(len(lanes), 1) > budget:
        raise _too_large()
    curve = reference.plan.sharpest_1pm[reference.record(index, (low + high) / 2)]
    reach, bend = np.zeros(len(low)), _bend(road.offset, low, high)
    for table in tables:
        reach += np.abs(cubic(table, (low + high) / 2 - section.s_m))
        bend += _bend(table, low - section.s_m, high - section.s_m)
    bend += curve * (1.0 + curve * np.minimum(reach, MAX_WIDTH_M))
    step = np.clip(np.sqrt(8 * _SAG_M / np.maximum(bend, 1e-9)), _MIN_STEP_M, STEP_M)
    parts = np.maximum(np.ceil((high - low) / step - 1e-9), 1.0)
    if not (parts.sum() + 1) * max(len(lanes), 1) <= budget:
        raise _too_large()
    count = parts.astype(np.int64)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    s = np.repeat(low, count) + number * np.repeat((high - low) / parts, count)
    return np.append(s, section.end_m)


def _bend(table: Floats, low: Floats, high: Floats) -> Floats:
    """Greatest second derivative of a table of cubics within intervals, each within one record: it is greatest at an end."""
    if not len(table):
        return np.zeros(len(low))
    i = np.maximum(np.searchsorted(table[:, 0], (low + high) / 2, side="right") - 1, 0)
    start, _, _, c, d = table[i].T
    ends = [np.abs(2 * c + 6 * d * np.maximum(p - start, 0.0)) for p in (low, high)]
    greatest: Floats = np.maximum(*ends)
    return greatest


def _too_large() -> SceneError:
    return SceneError(f"the lanes take more than {MAX_POINTS} points; cut the map down")


def _check(x: Floats, y: Floats) -> None:
    if not ((np.abs(x) <= MAX_NUMBER) & (np.abs(y) <= MAX_NUMBER)).all():
        raise SceneError(f"a road leads farther than {MAX_NUMBER:g} m from the origin")
