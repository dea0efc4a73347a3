"""Maps of the kit without junctions: straight and curved roads, a lane that ends, a zipper, a ramp, a narrow street.

Each is a pure function of plain numbers: lengths in metres, limits in m/s. The way of interest runs from the origin along +x.
"""

from __future__ import annotations

import math

import numpy as np

from whyway.maps.curves import Arc, Cubic, Pose, chain
from whyway.maps.pieces import (
    BIKE_WIDTH_M,
    LANE_WIDTH_M,
    Band,
    Line,
    MapKit,
    Piece,
    Street,
    axis,
)
from whyway.types import Floats, LaneKind, MarkingKind

ORIGIN: Pose = (0.0, 0.0, 0.0)
_ENDING_WIDTH_M = 0.6
"""What is left of a lane where it ends."""


def straight(start: Pose, length_m: float) -> Line:
    """A straight reference line."""
    return axis((Arc(start, length_m),))


def cross_section(
    lanes: int, width_m: float = LANE_WIDTH_M, bike: bool = False
) -> tuple[Band, ...]:
    """Driving lanes, and a bicycle lane outside them."""
    bands = [Band(LaneKind.DRIVING, width_m)] * lanes
    return (*bands, Band(LaneKind.BIKE, BIKE_WIDTH_M)) if bike and lanes else tuple(bands)


def road(
    lanes: int = 1,
    oncoming: int = 1,
    length_m: float = 400.0,
    limit_mps: float = 13.89,
    width_m: float = LANE_WIDTH_M,
    shoulder_m: float = 2.5,
    bike: bool = False,
    crossing_m: float = 0.0,
    zone_from_m: float = 0.0,
    zone_m: float = 0.0,
    zone_mps: float = 8.33,
) -> Piece:
    """A straight road: `lanes` our way, `oncoming` the other.

    Args:
      lanes: driving lanes along +x.
      oncoming: driving lanes along -x; 0 is a one-way road.
      length_m: of the whole.
      limit_mps: speed limit.
      width_m: of a driving lane.
      shoulder_m: width of a strip to stand on, right of all; 0 for none.
      bike: whether each direction has a bicycle lane outside its driving lanes.
      crossing_m: where a pedestrian crossing lies; 0 for none.
      zone_from_m: where a zone with a lower limit begins ...
      zone_m: ... how long it is, 0 for none ...
      zone_mps: ... and its limit.
    """
    cuts = [(0.0, length_m, limit_mps)]
    if zone_m > 0.0:
        end = zone_from_m + zone_m
        cuts = [
            (0.0, zone_from_m, limit_mps),
            (zone_from_m, end, zone_mps),
            (end, length_m, limit_mps),
        ]
    kit = MapKit()
    forward, backward = cross_section(lanes, width_m, bike), cross_section(oncoming, width_m, bike)
    before: Street | None = None
    for low, high, limit in cuts:
        line = straight((low, 0.0, 0.0), high - low)
        street = kit.road(line, forward, backward, limit_mps=limit)
        _shoulders(kit, street, shoulder_m, limit)
        if before is not None:
            kit.chain(before, street)
        if low < crossing_m <= high:
            kit.crossing(street, crossing_m - low)
        before = street
    return Piece(kit.build("road"))


def _shoulders(kit: MapKit, street: Street, width_m: float, limit_mps: float) -> None:
    """A strip to stand on at the right of each direction there is."""
    if width_m <= 0.0:
        return
    right, left = street.width_m(backward=False), street.width_m(backward=True)
    kind = LaneKind.SHOULDER
    if street.forward:
        kit.strip(street.line, -right, -right - width_m, limit_mps=limit_mps, kind=kind)
    if street.backward:
        kit.strip(street.line, left + width_m, left, limit_mps=limit_mps, kind=kind, against=True)


def bend(
    radius_m: float = 20.0,
    turn_deg: float = 90.0,
    before_m: float = 150.0,
    after_m: float = 120.0,
    lanes: int = 1,
    oncoming: int = 1,
    limit_mps: float = 13.89,
    width_m: float = LANE_WIDTH_M,
) -> Piece:
    """A straight road into one curve and out of it; `turn_deg` is positive to the left. Three lengths of road, lane by lane."""
    turn = math.radians(turn_deg)
    arc_m = abs(turn) * radius_m
    into, curve, out = chain(
        ORIGIN, [(before_m, 0.0), (arc_m, math.copysign(1.0 / radius_m, turn)), (after_m, 0.0)]
    )
    kit = MapKit()
    forward, backward = cross_section(lanes, width_m), cross_section(oncoming, width_m)
    streets = [
        kit.road(axis((part,)), forward, backward, limit_mps=limit_mps)
        for part in (into, curve, out)
    ]
    for a, b in zip(streets, streets[1:], strict=False):
        kit.chain(a, b)
    return Piece(kit.build("bend"))


def lane_drop(
    lanes: int = 2,
    before_m: float = 200.0,
    taper_m: float = 60.0,
    after_m: float = 200.0,
    limit_mps: float = 13.89,
) -> Piece:
    """A one-way road whose rightmost lane ends: it narrows over the last `taper_m` and has no successor."""
    kit = MapKit()
    bands = cross_section(lanes)
    wide = kit.road(straight(ORIGIN, before_m), bands, limit_mps=limit_mps)
    line = straight((before_m, 0.0, 0.0), taper_m)
    kept = kit.road(line, bands[:-1], limit_mps=limit_mps)
    edge = -(lanes - 1) * LANE_WIDTH_M
    ending = kit.strip(line, edge, edge - _tapered(line), limit_mps=limit_mps)
    kit.neighbours([kept.forward[-1], ending])
    after = kit.road(
        straight((before_m + taper_m, 0.0, 0.0), after_m), bands[:-1], limit_mps=limit_mps
    )
    kit.chain(wide, kept)
    kit.link(wide.forward[-1], ending)
    kit.chain(kept, after)
    return Piece(kit.build("lane drop"))


def _tapered(line: Line) -> Floats:
    """Widths from a lane's to nearly nothing, smooth at both ends."""
    share = np.linspace(0.0, 1.0, len(line[0]))
    return LANE_WIDTH_M - (LANE_WIDTH_M - _ENDING_WIDTH_M) * share * share * (3 - 2 * share)


def zipper(
    before_m: float = 200.0, taper_m: float = 50.0, after_m: float = 200.0, limit_mps: float = 13.89
) -> Piece:
    """Two lanes with equal rights become one in their middle."""
    kit = MapKit()
    wide = kit.road(straight(ORIGIN, before_m), cross_section(2), limit_mps=limit_mps)
    # as wide in all as one lane, on the axis of the two
    middle = (before_m + taper_m, -LANE_WIDTH_M / 2, 0.0)
    one = kit.road(straight(middle, after_m), cross_section(1), limit_mps=limit_mps)
    for lane in wide.forward:
        kit.connect(lane, one.forward[0])
    return Piece(kit.build("zipper"))


def merge_ramp(
    lanes: int = 2,
    before_m: float = 200.0,
    ramp_m: float = 120.0,
    beside_m: float = 150.0,
    after_m: float = 250.0,
    limit_mps: float = 22.22,
    ramp_mps: float = 16.67,
    ramp_deg: float = 8.0,
) -> Piece:
    """A one-way road joined by a ramp from the right, which goes on beside it as an acceleration lane and ends."""
    kit = MapKit()
    bands = cross_section(lanes)
    first = kit.road(straight(ORIGIN, before_m), bands, limit_mps=limit_mps)
    line = straight((before_m, 0.0, 0.0), beside_m)
    second = kit.road(line, bands, limit_mps=limit_mps)
    edge = -lanes * LANE_WIDTH_M
    width = np.full(len(line[0]), LANE_WIDTH_M)
    narrowing = np.asarray(line[0]) > before_m + beside_m - 40.0
    tail = (line[0][narrowing], line[1][narrowing], line[2][narrowing])
    width[narrowing] = _tapered(tail)
    joining = kit.strip(line, edge, edge - width, limit_mps=limit_mps)
    kit.neighbours([second.forward[-1], joining])
    third = kit.road(straight((before_m + beside_m, 0.0, 0.0), after_m), bands, limit_mps=limit_mps)
    kit.chain(first, second)
    kit.chain(second, third)
    ramp = kit.road(_ramp(before_m, edge, ramp_m, ramp_deg), cross_section(1), limit_mps=ramp_mps)
    kit.link(ramp.forward[0], joining)
    return Piece(kit.build("merge ramp"))


def _ramp(x_m: float, y_m: float, length_m: float, angle_deg: float) -> Line:
    """A way up to the road's edge at (x, y), which it meets in the road's direction."""
    angle = math.radians(angle_deg)
    curved = length_m / 2
    # from the right, at an angle: the curve takes half of the length
    back = Cubic(
        (
            x_m - curved * math.cos(angle / 2),
            y_m - curved * math.sin(angle / 2),
            angle,
        ),
        (x_m, y_m, 0.0),
    )
    bx, by, _ = back.start
    start = (bx - curved * math.cos(angle), by - curved * math.sin(angle), angle)
    return axis((Arc(start, curved), back))


def narrows(
    before_m: float = 150.0,
    taper_m: float = 15.0,
    narrow_m: float = 40.0,
    after_m: float = 150.0,
    width_m: float = 3.2,
    limit_mps: float = 8.33,
) -> Piece:
    """A two-way street that narrows to one lane's width, which both directions share, and widens again.

    In the narrow part the two lanes lie upon each other: one car fits, two do not.
    """
    kit = MapKit()
    ends = np.cumsum([before_m, taper_m, narrow_m, taper_m, after_m])
    parts: list[Street] = []
    low = 0.0
    for i, high in enumerate(ends.tolist()):
        line = straight((low, 0.0, 0.0), high - low)
        share = (line[0] - low) / (high - low)
        smooth = share * share * (3 - 2 * share)
        closed = {1: smooth, 2: np.ones_like(share), 3: 1.0 - smooth}.get(i, np.zeros_like(share))
        outer = LANE_WIDTH_M + (width_m / 2 - LANE_WIDTH_M) * closed
        inner = -width_m / 2 * closed
        ids = [
            kit.strip(line, -inner, -outer, limit_mps=limit_mps),
            kit.strip(line, outer, inner, limit_mps=limit_mps, against=True),
        ]
        kit.opposite(ids[0], ids[1], MarkingKind.DASHED if i in (0, 4) else MarkingKind.NONE)
        band = (Band(),)
        parts.append(Street(line, (ids[0],), (ids[1],), (band, band)))
        low = high
    for a, b in zip(parts, parts[1:], strict=False):
        kit.chain(a, b)
    return Piece(kit.build("narrows"))
