"""OpenDRIVE's elements as plain values: roads with sections and lanes, junctions. No geometry is evaluated here.

ASAM OpenDRIVE 1.7 (older files from 1.1 read the same way); names follow the standard's. Elevation, superelevation and lane
height are left out: the map is flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from lxml import etree

from whyway.maps.opendrive_geometry import MAX_TURN_RAD, Coefficients, Record, explicit, parametric
from whyway.maps.xmlfile import SceneError, attribute, integer
from whyway.types import Floats, LaneKind

MAX_LANES, MAX_ABREAST = 100_000, 200
"""Most `<lane>`s in a file, where a large town has 3,000, and in one section."""

MAX_RECORDS = 100_000
"""Most `<geometry>`s in a file, where a large town has 1,600."""

MAX_ROAD_M = 100_000.0
"""Longest road, and longest `<geometry>`."""

NONE = ""
"""No road, no junction."""

_KINDS = {
    "biking": LaneKind.BIKE, "sidewalk": LaneKind.SIDEWALK, "walking": LaneKind.SIDEWALK, "shoulder": LaneKind.SHOULDER,
    "stop": LaneKind.SHOULDER, "bus": LaneKind.SHOULDER, "taxi": LaneKind.SHOULDER, "HOV": LaneKind.SHOULDER,
    "parking": LaneKind.PARKING,
} | dict.fromkeys(
    ("driving", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "slipLane", "mwyEntry", "mwyExit", "shared"),
    LaneKind.DRIVING,
)  # fmt: skip
"""Lanes kept for others than cars are shoulders, as in CommonRoad's reader; the rest is OTHER; "none" is no lane at all."""

_UNITS_MPS = {"m/s": 1.0, "km/h": 1 / 3.6, "mph": 0.44704}

NO_LIMIT_MPS = 130 / 3.6
"""Where the file says "no limit": what is advised on German motorways."""

TYPE_LIMITS_MPS = {
    "motorway": NO_LIMIT_MPS, "rural": 100 / 3.6, "town": 50 / 3.6, "townExpressway": 70 / 3.6, "townCollector": 50 / 3.6,
    "townArterial": 50 / 3.6, "townPrivate": 20 / 3.6, "townLocal": 30 / 3.6, "townPlayStreet": 7 / 3.6, "lowSpeed": 30 / 3.6,
    "pedestrian": 7 / 3.6, "bicycle": 30 / 3.6,
}  # fmt: skip
"""Limits of road types without a `<speed>`: Germany's, whose types they are."""


@dataclass(frozen=True, slots=True, eq=False)
class LaneSpec:
    """A `<lane>` of one section; `kind` is None for type "none". Tables of cubics are [n, 5]: where from, a, b, c, d."""

    number: int
    kind: LaneKind | None
    width: Floats
    border: Floats
    predecessors: tuple[int, ...]
    successors: tuple[int, ...]
    marks: tuple[tuple[float, str], ...]
    limits: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A `<laneSection>` from `s_m` to `end_m`; its lanes by number, 0 among them only for its markings."""

    s_m: float
    end_m: float
    lanes: dict[int, LaneSpec]


@dataclass(frozen=True, slots=True)
class RoadLink:
    """What a road's end leads to; `contact` is the other road's end ("start", "end" or "" where the file does not say)."""

    to_junction: bool
    element: str
    contact: str


@dataclass(frozen=True, slots=True, eq=False)
class RoadSpec:
    """A `<road>`; `junction` is the one it lies in. `limits` are (from where, m/s or None for unknown)."""

    id: str
    junction: str
    left_hand: bool
    length_m: float
    records: tuple[Record, ...]
    offset: Floats
    sections: tuple[Section, ...]
    predecessor: RoadLink | None
    successor: RoadLink | None
    limits: tuple[tuple[float, float | None], ...]
    element: etree._Element

    def forward(self, number: int) -> bool:
        """Whether a lane runs along the reference line: the right ones where traffic keeps right."""
        return (number < 0) != self.left_hand


@dataclass(frozen=True, slots=True)
class Connection:
    """A way into a junction: lanes `links` (from, to) of the incoming road onto those of the other at its `contact`."""

    incoming: str
    road: str
    contact: str
    links: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class JunctionSpec:
    """A `<junction>`: its connections, and its signal controllers in the order of their sequence."""

    id: str
    connections: tuple[Connection, ...]
    controllers: tuple[str, ...]


def read_roads(root: etree._Element) -> tuple[RoadSpec, ...]:
    """All roads that have a geometry and lanes; one without length stays as a link between others.

    Raises:
      SceneError: what is wrong, without the file's name.
    """
    elements = root.findall("road")
    if not elements:
        raise SceneError("there is no <road>")
    if sum(1 for _ in root.iter("lane")) > MAX_LANES:
        raise SceneError(f"there are more than {MAX_LANES} lanes; cut the map down")
    if sum(1 for _ in root.iter("geometry")) > MAX_RECORDS:
        raise SceneError(f"there are more than {MAX_RECORDS} <geometry>s; cut the map down")
    roads = tuple(_road(e) for e in elements)
    ids = {r.id for r in roads}
    if len(ids) != len(roads) or NONE in ids:
        raise SceneError("every <road> needs an id of its own")
    return tuple(r for r in roads if r.records and r.sections)


def read_junctions(root: etree._Element) -> tuple[JunctionSpec, ...]:
    """All junctions; those of type "direct" link roads without a connecting one."""
    return tuple(_junction(e) for e in root.findall("junction"))


def cubics(elements: list[etree._Element], at: str) -> Floats:
    """A table of cubics, by rising start: [n, 5]."""
    rows = [[attribute(e, at, 0.0), *(attribute(e, c, 0.0) for c in "abcd")] for e in elements]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return table[np.argsort(table[:, 0], kind="stable")]


def speed_mps(text: str | None, unit: str | None, default_unit: str, where: etree._Element) -> float | None:  # fmt: skip
    """A limit in m/s; None where the file does not know.

    Raises:
      SceneError: neither a speed from 0 to 1000 nor a word of the standard, or an unknown unit.
    """
    if text in (None, "", "undefined"):
        return None
    if text == "no limit":
        return NO_LIMIT_MPS
    try:
        value = float(text or "") * _UNITS_MPS[unit or default_unit]
    except (ValueError, KeyError):
        value = -1.0
    if not 0.0 <= value <= 1000.0:
        raise SceneError(
            f"<{where.tag}> line {where.sourceline}: {(text or '')[:40]!r} {(unit or '')[:20]!r} is no speed; "
            "write a number and km/h, mph or m/s"
        )
    return value or None


# ------------------------------------------------------------------------------------------------------------ roads


def _road(element: etree._Element) -> RoadSpec:
    identity = (element.get("id") or "").strip()
    records = _records(element)
    length = attribute(element, "length", -1.0)
    drawn = max((r.s_m + r.length_m for r in records), default=0.0)
    if length < 0.0 or length > drawn + 1.0:
        length = drawn  # not said, or more than is drawn
    if length > MAX_ROAD_M:
        raise SceneError(f"road {identity[:40]!r} is {length:g} m long; the most is {MAX_ROAD_M:g}")
    junction = (element.get("junction") or "-1").strip()
    return RoadSpec(
        id=identity, junction=NONE if junction == "-1" else junction, left_hand=element.get("rule") == "LHT", length_m=length,
        records=_sound(records),
        offset=cubics(element.findall("lanes/laneOffset"), "s"),
        sections=tuple(_sections(element, length)),
        predecessor=_road_link(element.find("link/predecessor")), successor=_road_link(element.find("link/successor")),
        limits=tuple(sorted(((attribute(t, "s", 0.0), _type_limit(t)) for t in element.findall("type")), key=_start)),
        element=element,
    )  # fmt: skip


def _start(entry: tuple[float, object]) -> float:
    return entry[0]


def _type_limit(element: etree._Element) -> float | None:
    speed = element.find("speed")
    limit = None if speed is None else speed_mps(speed.get("max"), speed.get("unit"), "m/s", speed)
    return limit or TYPE_LIMITS_MPS.get(element.get("type") or "")


def _road_link(element: etree._Element | None) -> RoadLink | None:
    if element is None or not element.get("elementId"):
        return None
    to_junction = element.get("elementType") == "junction"
    return RoadLink(to_junction, (element.get("elementId") or "").strip(), _contact(element))


def _contact(element: etree._Element) -> str:
    contact = element.get("contactPoint") or ""
    return contact if contact in ("start", "end") else ""


def _records(road: etree._Element) -> list[Record]:
    found = [_record(e) for e in road.findall("planView/geometry")]
    return sorted(found, key=lambda r: r.s_m)


def _sound(records: list[Record]) -> tuple[Record, ...]:
    """Without records too short to matter: a millimetre, or a hook of half a metre that no road could follow.

    Their successors stand where they are; the road goes on straight to them.
    """
    kept = [
        r for r in records
        if r.length_m >= 1e-3 and not (r.length_m < 0.5 and max(map(abs, r.curvature_1pm)) > 5.0)
    ]  # fmt: skip
    return tuple(kept or records)


def _record(element: etree._Element) -> Record:
    s, x, y, yaw, length = (attribute(element, n) for n in ("s", "x", "y", "hdg", "length"))
    if not 0.0 <= length <= MAX_ROAD_M or not 0.0 <= s <= MAX_ROAD_M:
        raise SceneError(
            f"<geometry> line {element.sourceline} is {length:g} m long at s = {s:g}; both must be within 0 and {MAX_ROAD_M:g}"
        )
    shape = next((child for child in element if isinstance(child.tag, str)), None)
    tag = "" if shape is None else shape.tag
    curvature = (0.0, 0.0)
    u: Coefficients | None = None
    v: Coefficients | None = None
    if shape is None or tag == "line":
        pass
    elif tag == "arc":
        curvature = (attribute(shape, "curvature"),) * 2
    elif tag == "spiral":
        curvature = attribute(shape, "curvStart"), attribute(shape, "curvEnd")
    elif tag == "poly3":
        u, v = explicit(_coefficients(shape, ""), length)
    elif tag == "paramPoly3":
        u, v = _coefficients(shape, "U"), _coefficients(shape, "V")
        if shape.get("pRange") == "arcLength":
            u, v = parametric(u, v, length)
    else:
        raise SceneError(
            f"<geometry> line {element.sourceline} holds <{tag[:40]}>, not line, arc, spiral, poly3 or paramPoly3"
        )
    if length * max(map(abs, curvature)) > MAX_TURN_RAD:
        raise SceneError(
            f"<geometry> line {element.sourceline} turns by more than {MAX_TURN_RAD:g} rad; cut it into pieces"
        )
    return Record(s, x, y, yaw, length, curvature, u, v)


def _coefficients(element: etree._Element, axis: str) -> Coefficients:
    a, b, c, d = (attribute(element, letter + axis, 0.0) for letter in "abcd")
    return a, b, c, d


# ------------------------------------------------------------------------------------------------ sections and lanes


def _sections(road: etree._Element, length_m: float) -> Iterator[Section]:
    elements = [(attribute(e, "s", 0.0), e) for e in road.findall("lanes/laneSection")]
    elements = sorted(((min(max(s, 0.0), length_m), e) for s, e in elements), key=_start)
    ends = [*(s for s, _ in elements), length_m][1:]
    for (s, element), end in zip(elements, ends, strict=True):
        lanes = [_lane(e) for e in element.iterfind("*/lane")]
        numbered = {lane.number: lane for lane in lanes}
        if len(lanes) > MAX_ABREAST:
            raise SceneError(f"<laneSection> line {element.sourceline} has more than {MAX_ABREAST} lanes")  # fmt: skip
        if len(numbered) != len(lanes):
            raise SceneError(f"<laneSection> line {element.sourceline} has two lanes of one id")
        yield Section(s, end, numbered)


def _lane(element: etree._Element) -> LaneSpec:
    kind = element.get("type") or "none"
    marks = [(attribute(m, "sOffset", 0.0), m.get("type") or "") for m in element.findall("roadMark")]  # fmt: skip
    limits = [
        (attribute(v, "sOffset", 0.0), speed_mps(v.get("max"), v.get("unit"), "m/s", v))
        for v in element.findall("speed")
    ]
    return LaneSpec(
        number=integer(element.get("id"), "id", element),
        kind=None if kind == "none" else _KINDS.get(kind, LaneKind.OTHER),
        width=cubics(element.findall("width"), "sOffset"), border=cubics(element.findall("border"), "sOffset"),
        predecessors=_lane_links(element, "predecessor"), successors=_lane_links(element, "successor"),
        marks=tuple(sorted(marks, key=_start)), limits=tuple(sorted(limits, key=_start)),
    )  # fmt: skip


def _lane_links(lane: etree._Element, tag: str) -> tuple[int, ...]:
    return tuple(integer(e.get("id"), "id", e) for e in lane.findall(f"link/{tag}"))


def _junction(element: etree._Element) -> JunctionSpec:
    connections = [
        Connection(
            incoming=(e.get("incomingRoad") or "").strip(),
            road=(e.get("connectingRoad") or e.get("linkedRoad") or "").strip(),
            contact=_contact(e),
            links=tuple(
                (integer(k.get("from"), "from", k), integer(k.get("to"), "to", k))
                for k in e.findall("laneLink")
            ),
        )
        for e in element.findall("connection")
    ]
    controllers = [(attribute(e, "sequence", 0.0), e.get("id") or "") for e in element.findall("controller")]  # fmt: skip
    return JunctionSpec(
        (element.get("id") or "").strip(),
        tuple(connections),
        tuple(name for _, name in sorted(controllers, key=_start)),
    )
