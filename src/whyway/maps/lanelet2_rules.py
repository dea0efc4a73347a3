"""Regulatory elements of a Lanelet2 map -> stop lines, traffic lights, limits on signs; crosswalk lanelets -> crossings.

Formats: Lanelet2's documentation "Regulatory Elements"; Autoware's vm-02 (stop lines), vm-03 (rights of way), vm-04 (lights).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from whyway.geometry import points_in_polygon
from whyway.maps.lanelet2_lanes import Lanelet
from whyway.maps.lanelet2_osm import OsmMap, Relation, Way
from whyway.maps.lanes import RoadLane
from whyway.types import Crossing, Floats, Lane, LaneKind, StopLine, TrafficLight

_STOP_SIGNS = frozenset({"stop_sign", "de206", "usr1-1"})
_YIELD_SIGNS = frozenset({"yield_sign", "de205", "usr1-2"})
_ZONE_30_SIGNS = frozenset({"de274.1", "de274_1"})

_REACH_M = 0.5
"""A stop line stands on a lane if it would cross the lane's centre line were it so much longer at both ends."""

_TRAFFIC = (LaneKind.DRIVING, LaneKind.BIKE)

_Ends: TypeAlias = tuple[tuple[float, float], tuple[float, float]]
"""x and y of the two ends of a line."""


def stops_and_lights(
    osm: OsmMap, lanelets: Sequence[Lanelet], lanes: Sequence[Lane]
) -> tuple[tuple[StopLine, ...], tuple[TrafficLight, ...]]:
    """Stop lines, and the lights that govern some: a light has its regulatory element's id.

    A stop line is on the lane it is drawn on where everything behind falls under its rule. Where the rule is for one of
    several ways on (an arrow, say), it is on the lane of that way alone, and lies before its start.
    """
    network = _Network(osm, lanelets, lanes)
    used_by = _users(lanelets)
    stops: list[tuple[_Ends, list[int], int, bool]] = []
    lights: list[TrafficLight] = []
    ruled: set[int] = set()
    light_ids = _ids(osm)
    for rule in _rules(osm, "traffic_light"):
        light_id = light_ids[rule.id]
        found = network.stops(rule, used_by.get(rule.id, ()))
        stops += [(ends, ids, light_id, False) for ends, ids in found]
        governed = list(dict.fromkeys(i for _, ids in found for i in ids))
        if governed:  # the lights of crosswalks govern none of our lanes
            x, y = _middle(osm, rule) or network.end(governed[0])
            lights.append(TrafficLight(light_id, x, y, np.array(governed, dtype=np.int64)))
            ruled |= {one.id for one in used_by[rule.id]}
    for rule in _rules(osm, "traffic_sign"):
        signs = _signs(osm, rule)
        if signs & (_STOP_SIGNS | _YIELD_SIGNS):
            found = network.stops(rule, used_by.get(rule.id, ()))
            stops += [(ends, ids, 0, bool(signs & _STOP_SIGNS)) for ends, ids in found]
            ruled |= {one.id for one in used_by.get(rule.id, ())}
    for rule in _rules(osm, "right_of_way"):
        yields = [one for ref in rule.refs("relation", "yield") for one in network.of(ref)]
        found = network.stops(rule, [one for one in yields if one.id not in ruled], whole=True)
        stops += [(ends, ids, 0, bool(_signs(osm, rule) & _STOP_SIGNS)) for ends, ids in found]
        ruled |= {i for _, ids in found for i in ids}
    lines = (
        StopLine(k, np.array(ends[0]), np.array(ends[1]), np.array(ids, dtype=np.int64), light, stop)
        for k, (ends, ids, light, stop) in enumerate(stops, start=1)
    )  # fmt: skip
    return tuple(lines), tuple(lights)


def _rules(osm: OsmMap, subtype: str) -> Iterator[Relation]:
    for relation in osm.relations.values():
        if relation.tags.get("type") == "regulatory_element" and relation.tags.get("subtype") == subtype:  # fmt: skip
            yield relation


def _users(lanelets: Sequence[Lanelet]) -> dict[int, list[Lanelet]]:
    """Lanelets by the rules they name."""
    found: dict[int, list[Lanelet]] = {}
    for lanelet in lanelets:
        for rule in lanelet.rules:
            found.setdefault(rule, []).append(lanelet)
    return found


def _ids(osm: OsmMap) -> dict[int, int]:
    """Relations' own ids where they are positive, the lowest free ones where not."""
    free = (i for i in itertools.count(1) if i not in osm.relations)
    return {i: i if i > 0 else next(free) for i in osm.relations}


def _signs(osm: OsmMap, rule: Relation) -> set[str]:
    """What the signs of a rule are: the rule's own tag, or its ways' subtypes."""
    ways = [osm.way(ref, f"relation {rule.id}") for ref in rule.refs("way", "refers")]
    texts = [rule.tags.get("sign_type", ""), *(way.tags.get("subtype", "") for way in ways)]
    return {text.lower() for text in texts if text}


def _middle(osm: OsmMap, rule: Relation) -> tuple[float, float] | None:
    """The middle of what a rule refers to: where a light stands."""
    ways = [osm.way(ref, f"relation {rule.id}") for ref in rule.refs("way", "refers")]
    if not ways:
        return None
    return (
        float(np.mean([way.x_m.mean() for way in ways])),
        float(np.mean([way.y_m.mean() for way in ways])),
    )


def signed_limits(osm: OsmMap, lanelet: Lanelet) -> list[str]:
    """The speed limits that a lanelet's rules give, as text: `sign_type` 50 km/h, de274-50 or the zone sign de274.1."""
    found = []
    for rule in (osm.relations[i] for i in lanelet.rules):
        if rule.tags.get("subtype") != "speed_limit":
            continue
        for sign in sorted(_signs(osm, rule)):
            german = re.fullmatch(r"de274[-_](\d{1,3})", sign)
            if sign in _ZONE_30_SIGNS:
                found.append("30")
            elif german is not None and german[1] != "1":
                found.append(german[1])
            elif sign[0].isdigit():
                found.append(sign)
    return found


# ------------------------------------------------------------------------------------------------- where one stops


class _Network:
    """The lanes as a graph, and where on it a rule's stop lines stand."""

    def __init__(self, osm: OsmMap, lanelets: Sequence[Lanelet], lanes: Sequence[Lane]) -> None:
        self._osm = osm
        self._lanes: Mapping[int, Lane] = {lane.id: lane for lane in lanes}
        self._of: dict[int, list[Lanelet]] = {}
        for lanelet in lanelets:
            self._of.setdefault(lanelet.relation_id, []).append(lanelet)

    def of(self, relation_id: int) -> list[Lanelet]:
        """The lanelets a relation gives: none, one or two directions."""
        return self._of.get(relation_id, [])

    def end(self, lane_id: int) -> tuple[float, float]:
        """Where a lane's right border ends."""
        lane = self._lanes[lane_id]
        return float(lane.right_x_m[-1]), float(lane.right_y_m[-1])

    def stops(
        self, rule: Relation, lanelets: Sequence[Lanelet], whole: bool = False
    ) -> list[tuple[_Ends, list[int]]]:
        """The lines at which a rule's lanelets stop, each with the lanes it is for.

        Its `ref_line`, or else the `road_marking` a lanelet names, where that crosses the lanelet or one of the two before it;
        otherwise where the junction begins, or where a lanelet outside junctions ends. With `whole`, only lines behind which
        everything falls under the rule.
        """
        apt = [one for one in lanelets if one.kind in _TRAFFIC]
        ids = {one.id for one in apt}
        found: dict[_Ends, list[int]] = {}
        for one in apt:
            for lane_id, ends in self._lines(rule, one):
                behind = self._behind(lane_id, one.id)
                if behind <= ids:
                    found.setdefault(ends, []).append(lane_id)
                elif not whole:
                    found.setdefault(ends, []).append(one.id)
        return [(ends, list(dict.fromkeys(on))) for ends, on in found.items()]

    def _behind(self, lane_id: int, goal: int) -> set[int]:
        """The lanes at the depth of `goal` behind a lane: what one may drive on to instead of it."""
        layer = {lane_id}
        for _ in range(2):
            if goal in layer:
                break
            layer = {s for i in layer for s in self._lanes[i].successor_ids.tolist()}
        return layer

    def _lines(self, rule: Relation, one: Lanelet) -> list[tuple[int, _Ends]]:
        """Where one stops before a lanelet: lanes, and the line across each."""
        name = f"relation {rule.id}"
        ways = [self._osm.way(ref, name) for ref in rule.refs("way", "ref_line")]
        for other in (self._osm.relations[i] for i in one.rules):
            if not ways and other.tags.get("subtype") == "road_marking":
                ways = [self._osm.way(r, f"relation {other.id}") for r in other.refs("way", "refers")]  # fmt: skip
        lane = self._lanes[one.id]
        before = lane.predecessor_ids.tolist()
        further = [p for i in before for p in self._lanes[i].predecessor_ids.tolist()]
        for layer in (before, further, [one.id]):
            crossed = [(i, _line(w)) for i in layer for w in ways if _crosses(self._lanes[i], w)]
            if crossed:
                return crossed
        if not lane.in_junction:
            return [(one.id, _across(lane, -1))]
        if before:
            return [(i, _across(self._lanes[i], -1)) for i in before]
        return [(one.id, _across(lane, 0))]


def _line(way: Way) -> _Ends:
    x, y = way.x_m, way.y_m
    return (float(x[0]), float(x[-1])), (float(y[0]), float(y[-1]))


def _across(lane: Lane, at: int) -> _Ends:
    return (
        (float(lane.left_x_m[at]), float(lane.right_x_m[at])),
        (float(lane.left_y_m[at]), float(lane.right_y_m[at])),
    )


def _crosses(lane: Lane, way: Way) -> bool:
    """Whether a line, made a little longer, crosses a lane's centre line."""
    (x0, x1), (y0, y1) = _line(way)
    length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-6)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    rx, ry = lane.center_x_m - x0, lane.center_y_m - y0
    along, beside = rx * ux + ry * uy, ux * ry - uy * rx
    # the share of each piece at which it passes from one side of the line to the other
    with np.errstate(divide="ignore", invalid="ignore"):
        t = beside[:-1] / (beside[:-1] - beside[1:])
    at = along[:-1] + t * np.diff(along)
    met = (t >= 0.0) & (t <= 1.0) & (at >= -_REACH_M) & (at <= length + _REACH_M)
    return bool(met.any())


# --------------------------------------------------------------------------------------------------------- crossings


def crossings(lanes: Sequence[Lane]) -> tuple[Crossing, ...]:
    """Crosswalk lanelets as crossings of the lanes of traffic they overlap."""
    roads = [lane for lane in lanes if lane.kind in _TRAFFIC]
    boxes = np.array([_box(lane) for lane in roads]).reshape(-1, 4)
    found = []
    for walk in lanes:
        if walk.kind != LaneKind.CROSSWALK:
            continue
        line, (x0, y0, x1, y1) = RoadLane(walk).center, _box(walk)
        near = (boxes[:, 0] <= x1) & (boxes[:, 2] >= x0) & (boxes[:, 1] <= y1) & (boxes[:, 3] >= y0)
        crossed = [
            roads[k].id
            for k in np.flatnonzero(near).tolist()
            if bool(points_in_polygon(line.x_m, line.y_m, *RoadLane(roads[k]).polygon).any())
        ]
        found.append(Crossing(walk.id, *RoadLane(walk).polygon, np.array(crossed, dtype=np.int64)))
    return tuple(found)


def _box(lane: Lane) -> Floats:
    x, y = RoadLane(lane).polygon
    return np.array([x.min(), y.min(), x.max(), y.max()])
