"""The road network of a CommonRoad file: lanelets, intersections, signs, lights, stop lines -> `LaneMap`, `SignalPlan`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from lxml import etree

from whyway.geometry import points_in_polygon
from whyway.maps.lanes import RoadLane, arc_length
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.maps.xmlfile import SceneError, integer, number, points
from whyway.types import (
    Crossing,
    Floats,
    Ints,
    Lane,
    LaneKind,
    LaneMap,
    LightColor,
    MarkingKind,
    StopLine,
    TrafficLight,
)

# maximum speed and its zone, stop: ids by country as in commonroad-io's traffic_sign.py (values are m/s)
_SPEED_SIGNS = frozenset(
    {"274", "274.1", "R2-1", "r301", "3.24", "R15", "C43", "B14", "Ρ-32", "B31"}
)
_STOP_SIGNS = frozenset({"206", "R1-1", "r2"})

_KINDS = {
    "bicycleLane": LaneKind.BIKE, "sidewalk": LaneKind.SIDEWALK, "shoulder": LaneKind.SHOULDER, "crosswalk": LaneKind.CROSSWALK,
    "busStop": LaneKind.PARKING, "parking": LaneKind.PARKING, "busLane": LaneKind.SHOULDER, "restricted": LaneKind.OTHER,
    "border": LaneKind.OTHER,
}  # fmt: skip

_DEFAULT_LIMITS_MPS = {
    "interstate": 29.06, "highway": 33.33, "mainCarriageWay": 33.33, "accessRamp": 33.33, "exitRamp": 33.33,
    "country": 27.78, "rural": 27.78, "urban": 13.89, "intersection": 13.89, "driveWay": 5.56,
}  # fmt: skip
"""Where no sign says: 65 mph, 120, 100, 50 and 20 km/h."""

_MAX_LENGTH_M, _MAX_WIDTH_M = 50_000.0, 200.0

_MARKINGS = {
    "no_marking": MarkingKind.NONE, "dashed": MarkingKind.DASHED, "broad_dashed": MarkingKind.DASHED,
    "dashed_dashed": MarkingKind.DASHED, "solid": MarkingKind.SOLID, "broad_solid": MarkingKind.SOLID,
    "solid_solid": MarkingKind.SOLID, "curb": MarkingKind.SOLID, "lowered_curb": MarkingKind.SOLID,
    "solid_dashed": MarkingKind.SOLID, "dashed_solid": MarkingKind.DASHED,
}  # fmt: skip

_COLORS = {
    "red": LightColor.RED, "yellow": LightColor.AMBER, "redYellow": LightColor.RED, "green": LightColor.GREEN,
    "inactive": LightColor.UNKNOWN,
}  # fmt: skip


def read_lanes(
    root: etree._Element, name: str, tags: Iterable[str], dt_s: float, start_index: int
) -> tuple[LaneMap, SignalPlan]:
    """The map and the programs of its lights.

    Raises:
      SceneError: what is wrong, without the file's name.
    """
    elements = root.findall("lanelet")
    ids = {integer(e.get("id"), "id", e) for e in elements}
    if not ids:
        raise SceneError("there is no <lanelet>, so no road")
    if len(ids) != len(elements) or min(ids) <= 0:
        raise SceneError("lanelet ids must be positive and different")
    signs = {integer(e.get("id"), "id", e): _signs(e) for e in root.findall("trafficSign")}
    inside = _junction_lanes(root)
    defaults = _default_limits(name, frozenset(tags))
    lanes = tuple(_lane(e, ids, signs, inside, defaults) for e in elements)
    return (
        LaneMap(
            0,
            name,
            lanes,
            _stop_lines(elements, lanes, signs),
            _lights(root, elements, lanes),
            _crossings(lanes),
        ),
        _signals(root, dt_s, start_index),
    )


def _default_limits(name: str, tags: frozenset[str]) -> dict[str, float]:
    """Limits by type of lane where no sign says; `unknown` is for the rest.

    On scenes tagged as motorways "urban" means nothing: converters write it where they do not know (all US-101 scenes have it).
    """
    limits = dict(_DEFAULT_LIMITS_MPS)
    limits["unknown"] = next((limits[t] for t in limits if t in tags), limits["urban"])
    if tags & {"highway", "interstate"}:
        limits["urban"] = limits["unknown"]
    if name.startswith("USA"):
        limits = {kind: min(v, limits["interstate"]) for kind, v in limits.items()}
    return limits


def _lane(
    element: etree._Element,
    ids: set[int],
    signs: Mapping[int, Mapping[str, float]],
    inside: set[int],
    defaults: Mapping[str, float],
) -> Lane:
    lane_id = integer(element.get("id"), "id", element)
    left, right = element.find("leftBound"), element.find("rightBound")
    lx, ly, rx, ry = _borders(
        *points(left, f"left bound of lanelet {lane_id}"),
        *points(right, f"right bound of lanelet {lane_id}"),
    )
    cx, cy = (lx + rx) / 2, (ly + ry) / 2
    length, width = float(arc_length(cx, cy)[-1]), float(np.hypot(lx - rx, ly - ry).max())
    if not 1e-3 < length < _MAX_LENGTH_M or width > _MAX_WIDTH_M:
        raise SceneError(f"lanelet {lane_id} is {length:.4g} m long and {width:.4g} m wide")
    kinds = [(k.text or "").strip() for k in element.findall("laneletType")]
    limits = [
        v for ref in element.findall("trafficSignRef")
        for sign, v in signs.get(integer(ref.get("ref"), "ref", ref), {}).items() if sign in _SPEED_SIGNS and v > 0.0
    ]  # fmt: skip
    default = next((defaults[k] for k in kinds if k in defaults), defaults["unknown"])
    near_left, far_left = _adjacent(element, "adjacentLeft", ids)
    near_right, _ = _adjacent(element, "adjacentRight", ids)
    return Lane(
        id=lane_id,
        kind=next((_KINDS[k] for k in kinds if k in _KINDS), LaneKind.DRIVING),
        speed_limit_mps=min(limits) if limits else default,
        in_junction=lane_id in inside or "intersection" in kinds,
        left_id=near_left, right_id=near_right, opposite_id=far_left,
        left_marking=_marking(left), right_marking=_marking(right),
        successor_ids=_refs(element, "successor", ids), predecessor_ids=_refs(element, "predecessor", ids),
        center_x_m=cx, center_y_m=cy, left_x_m=lx, left_y_m=ly, right_x_m=rx, right_y_m=ry,
    )  # fmt: skip


def _borders(
    lx: Floats, ly: Floats, rx: Floats, ry: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """The borders with equally many points, which stand opposite each other by share of arc length where they did not."""
    if len(lx) == len(rx):
        return lx, ly, rx, ry
    sl, sr = arc_length(lx, ly), arc_length(rx, ry)
    # all corners of both stay
    u = np.unique(np.concatenate([sl / max(sl[-1], 1e-9), sr / max(sr[-1], 1e-9)]))
    return (
        np.interp(u * sl[-1], sl, lx), np.interp(u * sl[-1], sl, ly), np.interp(u * sr[-1], sr, rx), np.interp(u * sr[-1], sr, ry),
    )  # fmt: skip


def _refs(element: etree._Element, tag: str, ids: set[int]) -> Ints:
    """Ids of linked lanelets; links out of the map are left out."""
    found = (integer(e.get("ref"), "ref", e) for e in element.findall(tag))
    return np.array([i for i in dict.fromkeys(found) if i in ids], dtype=np.int64)


def _adjacent(element: etree._Element, tag: str, ids: set[int]) -> tuple[int, int]:
    """The neighbour of the same direction and that of the opposite one; 0 is none."""
    found = element.find(tag)
    if found is None or (lane_id := integer(found.get("ref"), "ref", found)) not in ids:
        return 0, 0
    return (0, lane_id) if found.get("drivingDir") == "opposite" else (lane_id, 0)


def _marking(bound: etree._Element | None) -> MarkingKind:
    text = "" if bound is None else (bound.findtext("lineMarking") or "").strip()
    return _MARKINGS.get(text, MarkingKind.UNKNOWN)


def _junction_lanes(root: etree._Element) -> set[int]:
    """Lanelets inside an intersection: the successors of its incoming ones (`successorStraight` in older files)."""
    tags = {
        f"{many}{way}"
        for many in ("successors", "successor")
        for way in ("Right", "Straight", "Left")
    }
    return {
        integer(e.get("ref"), "ref", e)
        for incoming in root.findall("intersection/incoming") for e in incoming if e.tag in tags
    }  # fmt: skip


def _signs(element: etree._Element) -> dict[str, float]:
    """Sign ids with their first value; 0 where it has none (a stop sign) or another than a number."""
    found = {}
    for part in element.findall("trafficSignElement"):
        sign = (part.findtext("trafficSignID") or "").strip()
        value = part.find("additionalValue")
        found[sign] = number(value) if value is not None and sign in _SPEED_SIGNS else 0.0
    return found


# ------------------------------------------------------------------------------------------------ lines and lights


def _stop_lines(
    elements: list[etree._Element],
    lanes: tuple[Lane, ...],
    signs: Mapping[int, Mapping[str, float]],
) -> tuple[StopLine, ...]:
    """One per lanelet with a `<stopLine>` or a light; without points of its own, it is the lanelet's end."""
    found = []
    for element, lane in zip(elements, lanes, strict=True):
        line = element.find("stopLine")
        own_lights = [] if line is None else line.findall("trafficLightRef")
        lights = own_lights or element.findall("trafficLightRef")
        if line is None and not lights:
            continue
        x = np.array([lane.left_x_m[-1], lane.right_x_m[-1]])
        y = np.array([lane.left_y_m[-1], lane.right_y_m[-1]])
        if line is not None and line.find("point") is not None:
            x, y = points(line, f"stop line of lanelet {lane.id}")
        refs = (
            []
            if line is None
            else [*line.findall("trafficSignRef"), *element.findall("trafficSignRef")]
        )
        stop = any(
            _STOP_SIGNS & signs.get(integer(r.get("ref"), "ref", r), {}).keys() for r in refs
        )
        light = integer(lights[0].get("ref"), "ref", lights[0]) if lights else 0
        found.append(
            StopLine(lane.id, x[:2], y[:2], np.array([lane.id]), light, stop and not light)
        )
    return tuple(found)


def _lights(
    root: etree._Element, elements: list[etree._Element], lanes: tuple[Lane, ...]
) -> tuple[TrafficLight, ...]:
    governed: dict[int, list[int]] = {}
    for element, lane in zip(elements, lanes, strict=True):
        for ref in (
            *element.findall("trafficLightRef"),
            *element.findall("stopLine/trafficLightRef"),
        ):
            governed.setdefault(integer(ref.get("ref"), "ref", ref), []).append(lane.id)
    by_id = {lane.id: lane for lane in lanes}
    found = []
    for element in root.findall("trafficLight"):
        light_id = integer(element.get("id"), "id", element)
        lane_ids = list(dict.fromkeys(governed.get(light_id, [])))
        if element.find("position/point") is not None:
            x, y = number(element, "position/point/x"), number(element, "position/point/y")
        elif lane_ids:
            x, y = float(by_id[lane_ids[0]].right_x_m[-1]), float(by_id[lane_ids[0]].right_y_m[-1])
        else:
            continue  # stands nowhere and governs nothing
        found.append(TrafficLight(light_id, x, y, np.array(lane_ids, dtype=np.int64)))
    return tuple(found)


def _signals(root: etree._Element, dt_s: float, start_index: int) -> SignalPlan:
    cycles = {}
    for element in root.findall("trafficLight"):
        cycle = element.find("cycle")
        parts = [] if cycle is None else cycle.findall("cycleElement")
        if cycle is None or not parts or (element.findtext("active") or "true").strip() == "false":
            continue
        colors = tuple(
            _COLORS.get((p.findtext("color") or "").strip(), LightColor.UNKNOWN) for p in parts
        )
        durations = tuple(number(p, "duration") * dt_s for p in parts)
        offset = number(cycle, "timeOffset") if cycle.find("timeOffset") is not None else 0.0
        light_id = integer(element.get("id"), "id", element)
        try:
            cycles[light_id] = SignalCycle(colors, durations, (offset - start_index) * dt_s)
        except ValueError as error:
            raise SceneError(f"traffic light {light_id}: {error}") from None
    return SignalPlan(cycles)


def _crossings(lanes: tuple[Lane, ...]) -> tuple[Crossing, ...]:
    """Crosswalk lanelets as crossings of the driving lanes they overlap."""
    found = []
    for walk in lanes:
        if walk.kind != LaneKind.CROSSWALK:
            continue
        line = RoadLane(walk).center
        crossed = [
            lane.id for lane in lanes
            if lane.kind == LaneKind.DRIVING and bool(points_in_polygon(line.x_m, line.y_m, *RoadLane(lane).polygon).any())
        ]  # fmt: skip
        found.append(Crossing(walk.id, *RoadLane(walk).polygon, np.array(crossed, dtype=np.int64)))
    return tuple(found)
