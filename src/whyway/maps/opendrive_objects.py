"""OpenDRIVE's crosswalk objects -> crossings with the lanes they cross."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from lxml import etree

from whyway.geometry import points_in_polygon
from whyway.maps.opendrive_links import TRAFFIC
from whyway.maps.opendrive_sampling import Reference
from whyway.maps.opendrive_xml import RoadSpec
from whyway.maps.xmlfile import SceneError, attribute
from whyway.types import Crossing, Floats, Lane

MAX_CROSSINGS, MAX_CORNERS = 20_000, 200
"""Most crosswalks in a map, and corners of one."""

MAX_WORK = 50_000_000
"""Most pairs of a crossing's corner and a lane's point in the same strip of the map; Town04 has 300,000."""

MAX_CROSSING_M = 200.0
"""A crossing reaches no farther than this from where it stands."""


def crossings(
    roads: Sequence[RoadSpec], reference: Reference, lanes: Sequence[Lane]
) -> tuple[Crossing, ...]:
    """All crosswalks that have an area.

    Raises:
      SceneError: too many, or with too many corners.
    """
    elements = [
        (e, i)
        for i, road in enumerate(roads)
        for e in road.element.iterfind("objects/object")
        if (e.get("type") or "").lower() == "crosswalk"
    ]
    if len(elements) > MAX_CROSSINGS:
        raise SceneError(f"there are more than {MAX_CROSSINGS} crosswalks; cut the map down")
    if not elements:
        return ()
    under = _Lanes(lanes)
    found: list[Crossing] = []
    used: set[int] = set()
    last = 0
    for element, road in elements:
        x, y = _outline(element, road, reference)
        if len(x) < 3:
            continue
        name = element.get("id") or ""
        identity = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else 0
        if identity <= 0 or identity in used:
            identity = last + 1
        used.add(identity)
        last = max(last, identity)
        found.append(Crossing(identity, x, y, under.of(x, y)))
    return tuple(found)


class _Lanes:
    """Points of the lanes' centre lines by rising x: which lanes lie under a polygon."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        lanes = [lane for lane in lanes if lane.kind in TRAFFIC]
        # the middles of the chords too: half a metre apart at most
        xs = [
            np.concatenate([v, (v[1:] + v[:-1]) / 2]) for v in (lane.center_x_m for lane in lanes)
        ]
        ys = [
            np.concatenate([v, (v[1:] + v[:-1]) / 2]) for v in (lane.center_y_m for lane in lanes)
        ]
        x = np.concatenate([np.zeros(0), *xs])
        order = np.argsort(x, kind="stable")
        self._x, self._y = x[order], np.concatenate([np.zeros(0), *ys])[order]
        ids = np.array([lane.id for lane in lanes], dtype=np.int64)
        self._id = np.repeat(ids, [len(v) for v in xs])[order]
        self._left = MAX_WORK

    def of(self, x: Floats, y: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Ids of the lanes under a polygon, rising."""
        low, high = np.searchsorted(self._x, [x.min(), x.max()])
        near = slice(int(low), int(high))
        self._left -= int(high - low) * len(x)
        if self._left < 0:
            raise SceneError("the crosswalks lie over too many lanes; cut the map down")
        here = (self._y[near] >= y.min()) & (self._y[near] <= y.max())
        px, py, ids = self._x[near][here], self._y[near][here], self._id[near][here]
        return np.unique(ids[points_in_polygon(px, py, x, y)])


def _outline(element: etree._Element, road: int, reference: Reference) -> tuple[Floats, Floats]:
    """The polygon, not closed; empty where the file gives none."""
    s, t = attribute(element, "s"), attribute(element, "t", 0.0)
    x, y, yaw = reference.pose(road, s)
    x, y = x - t * math.sin(yaw), y + t * math.cos(yaw)
    yaw += attribute(element, "hdg", 0.0)
    outline = next(element.iter("outline"), None)
    corners = [] if outline is None else [e for e in outline if isinstance(e.tag, str)]
    if len(corners) > MAX_CORNERS:
        raise SceneError(f"the crosswalk in line {element.sourceline} has more than {MAX_CORNERS} corners")  # fmt: skip
    if corners and corners[0].tag == "cornerRoad":
        points = [reference.place(road, attribute(e, "s"), attribute(e, "t")) for e in corners if e.tag == "cornerRoad"]  # fmt: skip
        px, py = np.array(points).T
    else:
        uv = [(attribute(e, "u"), attribute(e, "v")) for e in corners if e.tag == "cornerLocal"]
        if not uv:
            length, width = (
                attribute(element, "length", 0.0) / 2,
                attribute(element, "width", 0.0) / 2,
            )
            if min(length, width) <= 0.0:
                return np.zeros(0), np.zeros(0)
            uv = [(length, width), (-length, width), (-length, -width), (length, -width)]
        u, v = np.array(uv).T
        px = x + u * math.cos(yaw) - v * math.sin(yaw)
        py = y + u * math.sin(yaw) + v * math.cos(yaw)
    if max(np.abs(px - x).max(), np.abs(py - y).max()) > MAX_CROSSING_M:
        raise SceneError(f"the crosswalk in line {element.sourceline} reaches farther than {MAX_CROSSING_M:g} m")  # fmt: skip
    if len(px) > 1 and math.hypot(px[0] - px[-1], py[0] - py[-1]) < 1e-6:
        px, py = px[:-1], py[:-1]
    return px.copy(), py.copy()
