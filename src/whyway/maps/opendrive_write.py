"""The town as OpenDRIVE 1.7, so that others (CARLA, esmini, SUMO) can read it.

Every road's axis becomes a road with its lanes, every way through a junction a connecting road with one lane centred on its
reference line (by a lane offset). Ids: roads as in the layout, signals as the map's stop lines and lights, objects as its crossings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from lxml import etree

from whyway.maps.curves import Arc, Curve
from whyway.maps.town import (
    CROSSING_DEPTH_M,
    Town,
    approach_numbers,
    light_id,
    stop_line_m,
    stops,
)
from whyway.maps.town_layout import LANE_WIDTH_M, Arm, Control, Edge, Junction, Link

_GEO = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"

_SIGN_TYPES = {
    Control.SIGNALS: ("1000001", "OpenDRIVE"),
    Control.STOP_SIGN: ("206", "DE"),
    Control.GIVE_WAY: ("205", "DE"),
}
"""Signal type and country: OpenDRIVE's three-lamp light, the German signs (StVO)."""


def write_opendrive(town: Town) -> str:
    """The town as the text of an .xodr file."""
    root = etree.Element("OpenDRIVE")
    _header(root, town)
    arms = {
        (a.edge.id, a.at_start): (j, i) for j in town.layout.junctions for i, a in enumerate(j.arms)
    }
    for edge in town.layout.edges:
        _edge(root, edge, *arms[edge.id, True], *arms[edge.id, False])
    of_link = {link.id: j for j in town.layout.junctions for link in j.links}
    for link in town.layout.links:
        _link(root, link, of_link[link.id])
    for junction in town.layout.junctions:
        _controllers(root, junction)
    for junction in town.layout.junctions:
        _junction(root, junction)
    text: str = etree.tostring(root, encoding="unicode", pretty_print=True)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text


def _add(parent: etree._Element, tag: str, **attributes: object) -> etree._Element:
    """A child element; numbers are written so that they read back exactly."""
    return etree.SubElement(parent, tag, {k: _text(v) for k, v in attributes.items()})


def _text(value: object) -> str:
    return repr(float(value) + 0.0) if isinstance(value, float) else str(value)


def _header(root: etree._Element, town: Town) -> None:
    x = [v for lane in town.lane_map.lanes for v in (*lane.left_x_m, *lane.right_x_m)]
    y = [v for lane in town.lane_map.lanes for v in (*lane.left_y_m, *lane.right_y_m)]
    header = _add(
        root, "header", revMajor=1, revMinor=7, name=town.lane_map.name, version="1.00", vendor="Whyway",
        north=float(max(y)), south=float(min(y)), east=float(max(x)), west=float(min(x)),
    )  # fmt: skip
    _add(header, "geoReference").text = etree.CDATA(_GEO)


# ----------------------------------------------------------------------------------------------------------- roads


def _edge(
    root: etree._Element, edge: Edge, before: Junction, i_before: int, after: Junction, i_after: int
) -> None:
    road = _add(
        root,
        "road",
        name=f"road {edge.id}",
        length=edge.length_m,
        id=edge.id,
        junction=-1,
        rule="RHT",
    )
    links = _add(road, "link")
    _add(links, "predecessor", elementType="junction", elementId=before.id)
    _add(links, "successor", elementType="junction", elementId=after.id)
    _speed_and_plan(road, edge.limit_mps, edge.curves)
    section = _add(_add(road, "lanes"), "laneSection", s=0.0)
    left = _add(section, "left")
    for number in range(edge.lanes, 0, -1):
        _lane(left, number, edge.limit_mps, "broken" if number < edge.lanes else "solid")
    _center(section, "solid" if edge.is_main else "broken")
    right = _add(section, "right")
    for number in range(-1, -edge.lanes - 1, -1):
        _lane(right, number, edge.limit_mps, "broken" if -number < edge.lanes else "solid")
    _objects(road, edge, ((before, i_before), (after, i_after)))
    _signals(road, edge, ((before, i_before), (after, i_after)))


def _link(root: etree._Element, link: Link, junction: Junction) -> None:
    limit = min(link.start.edge.limit_mps, link.end.edge.limit_mps)
    road = _add(
        root,
        "road",
        name=f"way {link.id}",
        length=link.curve.length_m,
        id=link.id,
        junction=junction.id,
        rule="RHT",
    )
    links = _add(road, "link")
    for tag, arm in (("predecessor", link.start), ("successor", link.end)):
        contact = "start" if arm.at_start else "end"
        _add(links, tag, elementType="road", elementId=arm.edge.id, contactPoint=contact)
    _speed_and_plan(road, limit, (link.curve,))
    lanes = _add(road, "lanes")
    _add(lanes, "laneOffset", s=0.0, a=LANE_WIDTH_M / 2, b=0.0, c=0.0, d=0.0)
    section = _add(lanes, "laneSection", s=0.0)
    _center(section, "none")
    ends = (link.start.incoming(link.k_start), link.end.outgoing(link.k_end))
    _lane(_add(section, "right"), -1, limit, "none", ends)


def _speed_and_plan(road: etree._Element, limit_mps: float, curves: Iterable[Curve]) -> None:
    _add(_add(road, "type", s=0.0, type="town"), "speed", max=limit_mps, unit="m/s")
    plan = _add(road, "planView")
    s = 0.0
    for curve in curves:
        x, y, yaw = curve.start
        geometry = _add(
            plan,
            "geometry",
            s=s,
            x=x,
            y=y,
            hdg=math.remainder(yaw, 2 * math.pi),
            length=curve.length_m,
        )
        if not isinstance(curve, Arc):
            u, v = curve.coefficients
            names = [f"{letter}{axis}" for axis in "UV" for letter in "abcd"]
            values = dict(zip(names, [*u.tolist(), *v.tolist()], strict=True))
            _add(geometry, "paramPoly3", pRange="normalized", **values)
        elif curve.curvature_1pm:
            _add(geometry, "arc", curvature=curve.curvature_1pm)
        else:
            _add(geometry, "line")
        s += curve.length_m
    flat = _add(road, "elevationProfile")
    _add(flat, "elevation", s=0.0, a=0.0, b=0.0, c=0.0, d=0.0)
    _add(road, "lateralProfile")


def _center(section: etree._Element, mark: str) -> None:
    lane = _add(_add(section, "center"), "lane", id=0, type="none", level="false")
    _mark(lane, mark)


def _lane(
    side: etree._Element,
    number: int,
    limit_mps: float,
    mark: str,
    ends: tuple[int, int] | None = None,
) -> None:
    lane = _add(side, "lane", id=number, type="driving", level="false")
    links = _add(lane, "link")
    if ends is not None:
        _add(links, "predecessor", id=ends[0])
        _add(links, "successor", id=ends[1])
    _add(lane, "width", sOffset=0.0, a=LANE_WIDTH_M, b=0.0, c=0.0, d=0.0)
    _mark(lane, mark)
    _add(lane, "speed", sOffset=0.0, max=limit_mps, unit="m/s")


def _mark(lane: etree._Element, kind: str) -> None:
    _add(
        lane,
        "roadMark",
        sOffset=0.0,
        type=kind,
        weight="standard",
        color="white",
        width=0.12,
        laneChange="both" if kind == "broken" else "none",
    )


# ------------------------------------------------------------------------------------------------- objects, signals

_Ends = tuple[tuple[Junction, int], tuple[Junction, int]]


def _along(edge: Edge, arm: Arm, inside_m: float) -> float:
    """Arc length along a road's axis of a place some way up from one of its ends."""
    return inside_m if arm.at_start else edge.length_m - inside_m


def _objects(road: etree._Element, edge: Edge, ends: _Ends) -> None:
    objects = _add(road, "objects")
    middle = 1.0 + CROSSING_DEPTH_M / 2
    for junction, i in ends:
        if junction.control is Control.SIGNALS:
            _crosswalk(objects, edge, light_id(junction, i), _along(edge, junction.arms[i], middle))
    if edge.crossing_s_m is not None:
        _crosswalk(objects, edge, 3000 + edge.id, edge.crossing_s_m)


def _crosswalk(objects: etree._Element, edge: Edge, identity: int, s_m: float) -> None:
    wide, half = edge.lanes * LANE_WIDTH_M, CROSSING_DEPTH_M / 2
    crosswalk = _add(
        objects, "object", id=identity, name=f"crossing {identity}", type="crosswalk", s=s_m, t=0.0, zOffset=0.0, hdg=0.0,
        pitch=0.0, roll=0.0, orientation="none", length=CROSSING_DEPTH_M, width=2 * wide,
    )  # fmt: skip
    outline = _add(crosswalk, "outline")
    # closed, as CARLA's reader expects it
    for u, v in ((half, wide), (half, -wide), (-half, -wide), (-half, wide), (half, wide)):
        _add(outline, "cornerLocal", u=u, v=v, z=0.0, height=0.0)


def _signals(road: etree._Element, edge: Edge, ends: _Ends) -> None:
    signals = _add(road, "signals")
    for junction, i in ends:
        if i not in stops(junction):
            continue
        arm = junction.arms[i]
        kind, country = _SIGN_TYPES[junction.control]
        numbers = approach_numbers(arm)
        side = edge.lanes * LANE_WIDTH_M + 1.0
        signal = _add(
            signals, "signal", id=light_id(junction, i), name=f"{junction.control.value} {light_id(junction, i)}",
            s=_along(edge, arm, stop_line_m(junction)), t=side if arm.at_start else -side, zOffset=2.0, hOffset=0.0, pitch=0.0, roll=0.0,
            dynamic="yes" if junction.control is Control.SIGNALS else "no", orientation="-" if arm.at_start else "+",
            type=kind, subtype=-1, country=country, value=-1, width=0.5, height=1.0,
        )  # fmt: skip
        _add(signal, "validity", fromLane=min(numbers), toLane=max(numbers))


def _controllers(root: etree._Element, junction: Junction) -> None:
    """One for each phase of the lights: the main axis, then the other."""
    if junction.control is not Control.SIGNALS:
        return
    for phase, members in enumerate(_phases(junction)):
        identity = 10 * junction.id + phase
        controller = _add(
            root, "controller", id=identity, name=f"controller {identity}", sequence=phase
        )
        for i in members:
            _add(controller, "control", signalId=light_id(junction, i), type=0)


def _phases(junction: Junction) -> tuple[list[int], list[int]]:
    everyone = range(len(junction.arms))
    return [i for i in everyone if i in junction.major], [
        i for i in everyone if i not in junction.major
    ]


def _junction(root: etree._Element, junction: Junction) -> None:
    element = _add(root, "junction", id=junction.id, name=f"junction {junction.id}")
    for number, link in enumerate(junction.links):
        connection = _add(
            element,
            "connection",
            id=number,
            incomingRoad=link.start.edge.id,
            connectingRoad=link.id,
            contactPoint="start",
        )
        _add(connection, "laneLink", **{"from": link.start.incoming(link.k_start), "to": -1})
    if junction.control is Control.SIGNALS:
        for phase, _ in enumerate(_phases(junction)):
            _add(element, "controller", id=10 * junction.id + phase, type=0)
