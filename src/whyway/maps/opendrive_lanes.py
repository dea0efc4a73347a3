"""Lanes of OpenDRIVE sections -> stretches of lane in driving direction, with neighbours, markings and limits.

Sections between which nothing changes but the file's bookkeeping (exporters cut roads into pieces of millimetres) become one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from whyway.maps.opendrive_sampling import Drawn
from whyway.maps.opendrive_xml import LaneSpec, RoadSpec, Section
from whyway.types import Floats, LaneKind, MarkingKind

Key: TypeAlias = tuple[int, int, int]
"""A lane of the file: index of its road, index of its section there, lane number."""

Paint: TypeAlias = dict[MarkingKind, float]
"""Metres of each marking along a border."""

MIN_WIDTH_M = 0.05
"""A lane nowhere wider than this is none."""

_SHORT_M = 3.0
"""Sections shorter than this join others whatever their markings."""

_APART_M = 0.05

_JOINT_M = 0.02
"""Borders that lie closer than this at a joint are one border."""

_LINES = {
    "solid": MarkingKind.SOLID, "curb": MarkingKind.SOLID, "grass": MarkingKind.SOLID, "edge": MarkingKind.SOLID,
    "broken": MarkingKind.DASHED, "botts": MarkingKind.DASHED, "none": MarkingKind.NONE,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Stretch:
    """A lane on its way to become one of the map's: some of the file's lanes in a row, in driving direction.

    Each of `parts` is [6, n]: x, y of centre, left border, right border. Neighbours of the same kind: `left`, `right` in the
    same direction, `opposite` is the left one against it. `before`, `after` are its links; `id` is the map's, 0 before it has one.
    """

    keys: list[Key]
    kind: LaneKind
    junction: str
    limit_mps: float | None
    parts: list[Floats]
    left_paint: Paint
    right_paint: Paint
    id: int = 0
    left: Stretch | None = None
    right: Stretch | None = None
    opposite: Stretch | None = None
    before: list[Stretch] = field(default_factory=list)
    after: list[Stretch] = field(default_factory=list)

    @property
    def points(self) -> Floats:
        """All parts as one."""
        return _join(self.parts)

    @property
    def length_m(self) -> float:
        """Length of the centre line."""
        return sum(float(np.hypot(*np.diff(part[:2])).sum()) for part in self.parts)


def stretches(
    roads: Sequence[RoadSpec], drawn: Sequence[Sequence[Drawn]]
) -> tuple[list[Stretch], dict[Key, Stretch]]:
    """All lanes that are wide enough to be one, and which one each of the file's lanes has become part of."""
    found: list[Stretch] = []
    of: dict[Key, Stretch] = {}
    for index, (road, sections) in enumerate(zip(roads, drawn, strict=True)):
        for group in _groups(road, sections):
            across = _wide(road, sections, group)
            lanes = road.sections[group[0]].lanes
            here = {
                n: _stretch(index, road, sections, group, n)
                for n in across
                if lanes[n].kind is not None
            }
            _neighbours(road, across, here)
            found += here.values()
            of |= {key: stretch for stretch in here.values() for key in stretch.keys}
    return found, of


# ---------------------------------------------------------------------------------------------------------- grouping


def _groups(road: RoadSpec, drawn: Sequence[Drawn]) -> Iterator[range]:
    """Runs of sections to make one lane each of."""
    first = 0
    for i in range(1, len(road.sections) + 1):
        if i == len(road.sections) or not _continues(road, drawn, first, i):
            yield range(first, i)
            first = i


def _continues(road: RoadSpec, drawn: Sequence[Drawn], first: int, i: int) -> bool:
    """Whether section i goes on as those from `first` to it did."""
    a, b = road.sections[i - 1], road.sections[i]
    if a.lanes.keys() != b.lanes.keys() or _limit(road, a) != _limit(road, b):
        return False
    before = range(max(first, i - 4), i)
    short = min(a.end_m - road.sections[first].s_m, b.end_m - b.s_m) < _SHORT_M
    for n, lane in a.lanes.items():
        other = b.lanes[n]
        if lane.kind != other.kind or _limit_of(lane, a) != _limit_of(other, b):
            return False
        if not short and main_marking(_paint(road, before, n, n)) != main_marking(_paint(road, range(i, i + 1), n, n)):  # fmt: skip
            return False
        if n == 0 or lane.kind is None:
            continue
        links = (*lane.successors, *other.predecessors)
        if (links or lane.kind is LaneKind.DRIVING) and set(links) != {n}:
            return False
        if not _meet(drawn[i - 1], drawn[i], n):
            return False
    return True


def _meet(a: Drawn, b: Drawn, n: int) -> bool:
    """Whether a lane's borders go on from one section to the next, and it is one in both or in none."""
    ends = zip(a.borders_m[n], b.borders_m[n], strict=True)
    joined = all(abs(float(p[-1]) - float(q[0])) < _JOINT_M for p, q in ends)
    return joined and _is_wide(a, n) == _is_wide(b, n)


def _is_wide(drawn: Drawn, n: int) -> bool:
    inner, outer = drawn.borders_m[n]
    return float(np.abs(outer - inner).max()) >= MIN_WIDTH_M


def _wide(road: RoadSpec, drawn: Sequence[Drawn], group: range) -> list[int]:
    """Numbers of what has a width, from the left border of the road to the right."""
    numbers = [n for n in road.sections[group[0]].lanes if n]
    return sorted((n for n in numbers if any(_is_wide(drawn[i], n) for i in group)), reverse=True)


# ---------------------------------------------------------------------------------------------------- one stretch


def _stretch(index: int, road: RoadSpec, drawn: Sequence[Drawn], group: range, n: int) -> Stretch:
    parts = [_points(drawn[i], n) for i in group]
    forward = road.forward(n)
    keys = [(index, i, n) for i in group]
    inner, outer = _paint(road, group, n + (1 if n < 0 else -1), n), _paint(road, group, n, n)
    if not forward:
        parts = [part[:, ::-1] for part in reversed(parts)]
        keys.reverse()
    # borders come inner first: the inner one is on the left where traffic keeps right
    if forward != (n < 0):
        parts = [part[[0, 1, 4, 5, 2, 3]] for part in parts]
        inner, outer = outer, inner
    first = road.sections[group[0]]
    lane = first.lanes[n]
    limit = _limit_of(lane, first) or _limit(road, first)
    return Stretch(
        keys, LaneKind.OTHER if lane.kind is None else lane.kind, road.junction, limit, parts, inner, outer
    )  # fmt: skip


def _points(drawn: Drawn, n: int) -> Floats:
    inner, outer = drawn.borders_m[n]
    return np.concatenate([drawn.at((inner + outer) / 2), drawn.at(inner), drawn.at(outer)])


def _join(parts: Sequence[Floats]) -> Floats:
    """Points one part after the other, none closer to the one before than `_APART_M`; both ends stay.

    Records of millimetres lie over each other by as much: their points would go back and forth.
    """
    points = np.concatenate(parts, axis=1)
    if float(np.hypot(*np.diff(points[:2])).min()) < _APART_M:
        kept = [0]
        x, y = points[0].tolist(), points[1].tolist()
        for i in range(1, len(x)):
            if math.hypot(x[i] - x[kept[-1]], y[i] - y[kept[-1]]) >= _APART_M:
                kept.append(i)
        last = len(x) - 1
        if kept[-1] != last:
            kept[max(len(kept) - 1, 1) :] = [last]
        points = points[:, kept]
    return np.ascontiguousarray(points)


def _neighbours(road: RoadSpec, across: Sequence[int], here: dict[int, Stretch]) -> None:
    """`across` from the road's left border to its right: each lane's neighbours are those next to it."""
    for a, b in zip(across, across[1:], strict=False):
        one, other = here.get(a), here.get(b)
        if one is None or other is None or one.kind != other.kind:
            continue
        along = road.forward(a), road.forward(b)
        if along == (True, True):
            one.right, other.left = other, one
        elif along == (False, False):
            one.left, other.right = other, one
        elif along == (False, True):  # one has the other on its left, and the other it
            one.opposite, other.opposite = other, one


# ------------------------------------------------------------------------------------------------ markings and limits


def _paint(road: RoadSpec, group: range, border: int, seen_from: int) -> Paint:
    """What is painted on the outer border of lane `border` (0: the centre line), as the lane beside it sees it."""
    paint: Paint = {}
    for i in group:
        section = road.sections[i]
        lane = section.lanes.get(border)
        marks = lane.marks if lane is not None else ()
        ends = [min(at, section.end_m - section.s_m) for at, _ in marks[1:]]
        ends.append(section.end_m - section.s_m)
        for (start, text), end in zip(marks, ends, strict=False):
            line = _line(text, border, seen_from)
            paint[line] = paint.get(line, 0.0) + max(end - max(start, 0.0), 0.0)
    return paint


def _line(text: str, border: int, seen_from: int) -> MarkingKind:
    """Of a double line, the one on the side of the lane that asks.

    They are written from the inside out, those of the centre line from left to right.
    """
    lines = text.split()
    if not lines:
        return MarkingKind.UNKNOWN
    second = seen_from != border if border else seen_from < 0
    return _LINES.get(lines[-1 if second and lines[0] in _LINES and lines[-1] in _LINES else 0], MarkingKind.UNKNOWN)  # fmt: skip


def main_marking(paint: Paint) -> MarkingKind:
    """The marking that most of a border has; UNKNOWN where the file says nothing."""
    return max(paint, key=lambda kind: (paint[kind], kind), default=MarkingKind.UNKNOWN)


def _limit(road: RoadSpec, section: Section) -> float | None:
    """The road's limit in the middle of a section."""
    middle = (section.s_m + section.end_m) / 2
    return next((v for s, v in reversed(road.limits) if s <= middle), None)


def _limit_of(lane: LaneSpec, section: Section) -> float | None:
    """The lane's own limit in the middle of its section."""
    middle = (section.end_m - section.s_m) / 2
    return next((v for s, v in reversed(lane.limits) if s <= middle), None)
