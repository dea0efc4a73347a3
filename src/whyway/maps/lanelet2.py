"""Lanelet2 maps (OSM XML, plain or gzipped; Autoware's dialect too) -> `LaneMap`. A lean reader of our own.

Read: lanelets with their borders, centre lines, kinds, limits, links and neighbours; traffic lights, stop and give-way
signs, rights of way, crosswalks. Not read: areas, heights (they only tell a bridge from a junction), light programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from whyway.maps.lanelet2_junctions import junction_lanes
from whyway.maps.lanelet2_lanes import (
    Joint,
    Lanelet,
    marking,
    read_lanelets,
    speed_limit_mps,
)
from whyway.maps.lanelet2_osm import OsmMap
from whyway.maps.lanelet2_rules import crossings, signed_limits, stops_and_lights
from whyway.maps.lanelet2_shapes import Shape, keeps_left, shapes
from whyway.maps.xmlfile import SceneError, read_xml
from whyway.types import Lane, LaneKind, LaneMap, MarkingKind

__all__ = ["SceneError", "read_lanelet2"]

_MAX_LANELETS = 20_000
_MAX_TOGETHER = 50
"""So many lanelets may share a border, or begin at the same two points."""


def read_lanelet2(path: Path) -> LaneMap:
    """Read a Lanelet2 map (.osm or .osm.gz).

    The frame `map` is that of the file's `local_x`, `local_y` tags; where it has none, x is east and y north of its middle
    (`projection.py`). A lane has its lanelet's id. A border's marking says whether it may be crossed (`lanelet2_lanes.marking`).
    `opposite_id` stays 0 in left-hand traffic, where the oncoming lane is on the right.

    Args:
      path: the file; nothing in it is trusted.

    Raises:
      SceneError: one line that says what is wrong with the file.
    """
    path = Path(path)
    root = read_xml(path)
    if root.tag != "osm":
        raise SceneError(f"{path}: the root element is <{str(root.tag)[:40]}>, not <osm>; give a Lanelet2 map")  # fmt: skip
    try:
        return _map(OsmMap(root), _name(path))
    except SceneError as error:
        raise SceneError(f"{path}: {error}; mend the map, or fetch it again") from None


def _name(path: Path) -> str:
    """A map's file is mostly called lanelet2_map: its folder tells more."""
    name = path.name.split(".")[0]
    return path.parent.name if name == "lanelet2_map" and path.parent.name else name


def _map(osm: OsmMap, name: str) -> LaneMap:
    lanelets = read_lanelets(osm)
    if len(lanelets) > _MAX_LANELETS:
        raise SceneError(f"the map has more than {_MAX_LANELETS} lanelets")
    lines = shapes(lanelets)
    lanes = _lanes(osm, lanelets, lines)
    stop_lines, lights = stops_and_lights(osm, lanelets, lanes)
    return LaneMap(0, name, lanes, stop_lines, lights, crossings(lanes))


def _lanes(osm: OsmMap, lanelets: Sequence[Lanelet], lines: Sequence[Shape]) -> tuple[Lane, ...]:
    links = _links(lanelets)
    predecessors: dict[int, list[int]] = {lanelet.id: [] for lanelet in lanelets}
    for lanelet in lanelets:
        for successor in links[lanelet.id]:
            predecessors[successor].append(lanelet.id)
    inside = junction_lanes(lanelets, lines)
    on_left = keeps_left(lanelets)
    beside = _neighbours(lanelets)
    back = _other_directions(lanelets)
    found = []
    for lanelet, line in zip(lanelets, lines, strict=True):
        in_junction = lanelet.id in inside
        left_id, right_id, opposite_id = beside[lanelet.id]
        left_mark = _marking(lanelet, True, left_id, in_junction)
        right_mark = _marking(lanelet, False, right_id, in_junction)
        if line.halved and on_left:
            right_id, right_mark = 0, MarkingKind.NONE
        elif line.halved:
            left_id, opposite_id, left_mark = 0, back[lanelet.id], MarkingKind.NONE
        found.append(
            Lane(
                id=lanelet.id, kind=lanelet.kind, in_junction=in_junction,
                speed_limit_mps=speed_limit_mps(lanelet, signed_limits(osm, lanelet)),
                left_id=left_id, right_id=right_id, opposite_id=opposite_id,
                left_marking=left_mark, right_marking=right_mark,
                successor_ids=np.array(links[lanelet.id], dtype=np.int64),
                predecessor_ids=np.array(predecessors[lanelet.id], dtype=np.int64),
                center_x_m=line.center[0], center_y_m=line.center[1], left_x_m=line.left[0], left_y_m=line.left[1],
                right_x_m=line.right[0], right_y_m=line.right[1],
            )
        )  # fmt: skip
    return tuple(found)


def _marking(lanelet: Lanelet, to_left: bool, neighbour: int, in_junction: bool) -> MarkingKind:
    """An unpainted border between two lanes of a road forbids to change, as in Lanelet2: that is what a solid line says."""
    kind = marking(lanelet.left if to_left else lanelet.right, to_left)
    unsaid = kind == MarkingKind.NONE and neighbour and not in_junction
    return MarkingKind.SOLID if unsaid else kind


def _other_directions(lanelets: Sequence[Lanelet]) -> dict[int, int]:
    """The lane of the other direction of the same lanelet."""
    pairs: dict[int, list[int]] = {}
    for lanelet in lanelets:
        pairs.setdefault(lanelet.relation_id, []).append(lanelet.id)
    found = [pair for pair in pairs.values() if len(pair) == 2]
    return {a: b for pair in found for a, b in (pair, pair[::-1])}


def _links(lanelets: Sequence[Lanelet]) -> dict[int, list[int]]:
    """Successors: lanelets of the same kind that begin with the two points with which one ends, and do not turn it round."""
    begins: dict[Joint, list[Lanelet]] = {}
    for lanelet in lanelets:
        begins.setdefault(lanelet.entry, []).append(lanelet)
    _check_few(begins.values(), "begin at the same two points")
    return {
        lanelet.id: [
            other.id
            for other in begins.get(lanelet.exit, [])
            if other.kind == lanelet.kind and other.relation_id != lanelet.relation_id
        ]
        for lanelet in lanelets
    }


def _neighbours(lanelets: Sequence[Lanelet]) -> dict[int, tuple[int, int, int]]:
    """Left and right neighbour of the same direction, and the oncoming one on the left: lanelets of one border; 0 is none.

    Where several share a border (two lanelets drawn over each other), one of the same kind, then the one of the lowest id.
    """
    left_of: dict[tuple[int, bool], list[Lanelet]] = {}
    right_of: dict[tuple[int, bool], list[Lanelet]] = {}
    for lanelet in sorted(lanelets, key=lambda one: one.id):
        right_of.setdefault((lanelet.left.way.id, lanelet.left.reversed), []).append(lanelet)
        left_of.setdefault((lanelet.right.way.id, lanelet.right.reversed), []).append(lanelet)
    _check_few((*left_of.values(), *right_of.values()), "share a border")
    found = {}
    for lanelet in lanelets:
        left, right = lanelet.left, lanelet.right
        beside = (
            left_of.get((left.way.id, left.reversed), []),
            right_of.get((right.way.id, right.reversed), []),
            right_of.get((left.way.id, not left.reversed), []),
        )
        a, b, c = (_best(lanelet, others) for others in beside)
        found[lanelet.id] = (a, b, c)
    return found


def _check_few(groups: Iterable[Sequence[Lanelet]], what: str) -> None:
    for group in groups:
        if len(group) > _MAX_TOGETHER:
            raise SceneError(f"lanelet {group[0].relation_id} and {len(group) - 1} others {what}; {_MAX_TOGETHER} may")  # fmt: skip


def _best(lanelet: Lanelet, others: Sequence[Lanelet]) -> int:
    apt = [o for o in others if o.relation_id != lanelet.relation_id and o.kind != LaneKind.CROSSWALK]  # fmt: skip
    same = [o for o in apt if o.kind == lanelet.kind] or apt
    return same[0].id if same else 0
