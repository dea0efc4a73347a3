"""How OpenDRIVE's lanes lead into one another, across sections, roads and junctions; stretches too short to matter are joined.

The file says which lane *ends* touch (lane links, road links, a junction's lane links; from either side). Which way traffic
flows over a joint follows from the lanes' directions; a joint at which two lanes face each other links nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from whyway.maps.opendrive_lanes import Key, Paint, Stretch
from whyway.maps.opendrive_xml import JunctionSpec, RoadLink, RoadSpec
from whyway.maps.xmlfile import SceneError
from whyway.types import LaneKind

MAX_LINKS = 64
"""Most lanes that one lane may lead to."""

MIN_LENGTH_M = 0.05
"""A lane shorter than this is none: what leads into it leads on to what follows it, and its points are nobody's.

Exporters leave such crumbs at the ends of roads, with the lanes to one side of where they are before and after.
"""

SHORT_M = 2.0
"""A lane shorter than this becomes part of the one before or after it, if there is only one way to go and they meet."""

_MEET_M = 0.1

End: TypeAlias = tuple[Key, str]
"""A lane of the file and one of its ends: "start" or "end" along the reference line."""

TRAFFIC = (LaneKind.DRIVING, LaneKind.BIKE)


def link(roads: Sequence[RoadSpec], junctions: Sequence[JunctionSpec], of: Mapping[Key, Stretch]) -> None:  # fmt: skip
    """Fill in `before` and `after` of all stretches.

    Raises:
      SceneError: a lane with more than `MAX_LINKS`.
    """
    for one, other in _touching(roads, junctions):
        for (a, a_end), (b, b_end) in ((one, other), (other, one)):
            leaves = a_end == ("end" if roads[a[0]].forward(a[2]) else "start")
            enters = b_end == ("start" if roads[b[0]].forward(b[2]) else "end")
            if not (leaves and enters and a in of and b in of):
                continue
            if of[a].keys[-1] == a and of[b].keys[0] == b:  # else within a stretch
                _connect(of[a], of[b])


def _connect(a: Stretch, b: Stretch) -> None:
    """A leads to b: traffic to traffic, others to their own kind."""
    if (a.kind == b.kind or (a.kind in TRAFFIC and b.kind in TRAFFIC)) and b not in a.after:
        a.after.append(b)
        b.before.append(a)
        if max(len(a.after), len(b.before)) > MAX_LINKS:
            raise SceneError(f"a lane is linked to more than {MAX_LINKS} others")


def _touching(
    roads: Sequence[RoadSpec], junctions: Sequence[JunctionSpec]
) -> Iterator[tuple[End, End]]:
    """Pairs of lane ends that touch."""
    index = {road.id: i for i, road in enumerate(roads)}
    for i, road in enumerate(roads):
        for j, section in enumerate(road.sections):
            last = j == len(road.sections) - 1
            for n, lane in section.lanes.items():
                for m in lane.successors:
                    if not last:
                        yield ((i, j, n), "end"), ((i, j + 1, m), "start")
                    else:
                        yield from _onto(roads, index, ((i, j, n), "end"), road.successor, m)
                for m in lane.predecessors:
                    if j:
                        yield ((i, j, n), "start"), ((i, j - 1, m), "end")
                    else:
                        yield from _onto(roads, index, ((i, j, n), "start"), road.predecessor, m)
    for junction in junctions:
        yield from _through(roads, index, junction)


def _onto(
    roads: Sequence[RoadSpec], index: Mapping[str, int], end: End, to: RoadLink | None, m: int
) -> Iterator[tuple[End, End]]:
    """From a road's end to the road it is linked to."""
    other = None if to is None or to.to_junction else index.get(to.element)
    if to is None or other is None:
        return
    contact = to.contact or ("start" if end[1] == "end" else "end")
    yield end, (_at(roads, other, contact, m), contact)


def _at(roads: Sequence[RoadSpec], road: int, end: str, number: int) -> Key:
    return road, 0 if end == "start" else len(roads[road].sections) - 1, number


def _through(
    roads: Sequence[RoadSpec], index: Mapping[str, int], junction: JunctionSpec
) -> Iterator[tuple[End, End]]:
    """From the incoming roads of a junction to its connecting ones."""
    for connection in junction.connections:
        incoming, onto = index.get(connection.incoming), index.get(connection.road)
        if incoming is None or onto is None:
            continue
        for a, b in connection.links:
            # a lane comes into the junction at the end it drives to
            end = "end" if roads[incoming].forward(a) else "start"
            contact = connection.contact or ("start" if roads[onto].forward(b) else "end")
            yield (_at(roads, incoming, end, a), end), (_at(roads, onto, contact, b), contact)


# ------------------------------------------------------------------------------------------------------- tidying up


def tidy(found: Sequence[Stretch], of: dict[Key, Stretch]) -> list[Stretch]:
    """The stretches worth a lane of their own; `of` then says where the others went (nowhere: they are gone from it)."""
    into: dict[int, Stretch] = {}
    gone: set[int] = set()
    for stretch in found:
        length = stretch.length_m
        if length >= SHORT_M:
            continue
        crumb = length < MIN_LENGTH_M
        other = _only_way(stretch, crumb)
        if other is not None:
            _merge(stretch, other, crumb)
            into[id(stretch)] = other
        elif crumb:
            _bypass(stretch)
            gone.add(id(stretch))
    kept = [s for s in found if id(s) not in into and id(s) not in gone]
    for stretch in kept:
        for side in ("left", "right", "opposite"):
            other = _final(getattr(stretch, side), into, gone)
            setattr(stretch, side, None if other is stretch else other)
    for key, stretch in list(of.items()):
        final = _final(stretch, into, gone)
        if final is None:
            del of[key]
        else:
            of[key] = final
    return kept


def _final(stretch: Stretch | None, into: Mapping[int, Stretch], gone: set[int]) -> Stretch | None:
    while stretch is not None and id(stretch) in into:
        stretch = into[id(stretch)]
    return None if stretch is None or id(stretch) in gone else stretch


def _only_way(stretch: Stretch, crumb: bool) -> Stretch | None:
    """The stretch before or after, if this is the only way to or from it, and they meet (a crumb need not)."""
    for side, back in (("before", "after"), ("after", "before")):
        others: list[Stretch] = getattr(stretch, side)
        if len(others) != 1:
            continue
        (other,) = others
        same = other.kind == stretch.kind and other.junction == stretch.junction
        if not same or other is stretch or len(getattr(other, back)) != 1:
            continue
        if crumb or _meet(*((other, stretch) if side == "before" else (stretch, other))):
            return other
    return None


def _meet(first: Stretch, second: Stretch) -> bool:
    (x0, y0), (x1, y1) = first.parts[-1][:2, -1], second.parts[0][:2, 0]
    return math.hypot(x1 - x0, y1 - y0) < _MEET_M


def _merge(stretch: Stretch, other: Stretch, crumb: bool) -> None:
    """Make a stretch part of the one before or after it; of a crumb only its links."""
    behind = bool(stretch.before) and stretch.before[0] is other and len(other.after) == 1
    if not crumb:
        other.left_paint = _sum(other.left_paint, stretch.left_paint)
        other.right_paint = _sum(other.right_paint, stretch.right_paint)
    if other.limit_mps is None:
        other.limit_mps = stretch.limit_mps
    if behind:
        if not crumb:
            other.keys += stretch.keys
            other.parts += stretch.parts
        other.after = stretch.after
        _replace([s.before for s in stretch.after], stretch, other)
    else:
        if not crumb:
            other.keys[:0] = stretch.keys
            other.parts[:0] = stretch.parts
        other.before = stretch.before
        _replace([s.after for s in stretch.before], stretch, other)


def _replace(lists: Sequence[list[Stretch]], old: Stretch, new: Stretch) -> None:
    for stretches in lists:
        stretches[:] = [new if s is old else s for s in stretches]


def _sum(a: Paint, b: Paint) -> Paint:
    return {kind: a.get(kind, 0.0) + b.get(kind, 0.0) for kind in {**a, **b}}


def _bypass(stretch: Stretch) -> None:
    """Link what leads into a stretch to what follows it."""
    before = [s for s in stretch.before if s is not stretch]
    after = [s for s in stretch.after if s is not stretch]
    for s in before:
        s.after = [o for o in s.after if o is not stretch]
    for s in after:
        s.before = [o for o in s.before if o is not stretch]
    for a in before:
        for b in after:
            _connect(a, b)
