"""OpenDRIVE 1.4 to 1.7 files -> map, traffic light programs, geographic reference.

What of the standard is read: `opendrive_xml.py` (roads, lanes, junctions), `opendrive_geometry.py` (reference lines),
`opendrive_links.py` (links), `opendrive_signals.py` (lights, signs), `opendrive_objects.py` (crosswalks). The map is flat:
elevation and superelevation are left out, so a bridge and the road below it lie over each other. Frame: the file's inertial
x (east), y (north), which is `map`; CARLA's y is minus that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lxml import etree

from whyway.maps.opendrive_lanes import Stretch, main_marking, stretches
from whyway.maps.opendrive_links import link, tidy
from whyway.maps.opendrive_objects import crossings
from whyway.maps.opendrive_sampling import Reference, draw
from whyway.maps.opendrive_signals import read_signals, sign_limits, stops_and_lights
from whyway.maps.opendrive_xml import read_junctions, read_roads
from whyway.maps.signals import SignalPlan
from whyway.maps.xmlfile import SceneError, read_xml
from whyway.types import Ints, Lane, LaneMap

__all__ = ["OpenDrive", "SceneError", "read_opendrive", "read_opendrive_file"]

DEFAULT_LIMIT_MPS = 50 / 3.6
"""Where neither the file nor a lane before or after says: a town's."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenDrive:
    """A file, read whole.

    `names` says for each lane of the map which of the file's lanes it is made of, in driving order: (road id, index of the
    lane section, lane number). `geo_reference` is the file's PROJ string, "" where it has none.
    """

    lane_map: LaneMap
    signals: SignalPlan
    geo_reference: str
    names: Mapping[int, tuple[tuple[str, int, int], ...]]


def read_opendrive(path: Path) -> tuple[LaneMap, SignalPlan]:
    """Read an OpenDRIVE map (.xodr or .xodr.gz).

    Raises:
      SceneError: one line that says what is wrong with the file.
    """
    read = read_opendrive_file(path)
    return read.lane_map, read.signals


def read_opendrive_file(path: Path) -> OpenDrive:
    """The same with the geographic reference and the file's own names.

    Args:
      path: the file; nothing in it is trusted.

    Raises:
      SceneError: one line that says what is wrong with the file.
    """
    path = Path(path)
    root = read_xml(path)
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.startswith("{"):
            element.tag = element.tag.rpartition("}")[2]
    if root.tag != "OpenDRIVE":
        raise SceneError(
            f"{path}: the root element is <{str(root.tag)[:40]}>, not <OpenDRIVE>; give an .xodr map"
        )
    try:
        return _read(root, path.name.split(".")[0])
    except SceneError as error:
        raise SceneError(f"{path}: {error}; mend the map or export it again") from None


def _read(root: etree._Element, name: str) -> OpenDrive:
    roads, junctions = read_roads(root), read_junctions(root)
    if not roads:
        raise SceneError("no <road> has a geometry and lanes")
    reference = Reference(roads)
    found, of = stretches(roads, draw(roads, reference))
    signals = read_signals(root, roads)
    sign_limits(signals, roads, of)
    link(roads, junctions, of)
    kept = tidy(found, of)
    if not kept:
        raise SceneError("no lane is long and wide enough to be one")
    for i, stretch in enumerate(kept, start=1):
        stretch.id = i
    limits = _limits(kept)
    lanes = tuple(_lane(s, limits[s.id]) for s in kept)
    lines, lights, plan = stops_and_lights(root, signals, roads, junctions, of, reference)
    header = root.find("header")
    title = "" if header is None else (header.get("name") or "").strip()[:100]
    geo = "" if header is None else (header.findtext("geoReference") or "").strip()
    lane_map = LaneMap(0, title or name, lanes, lines, lights, crossings(roads, reference, lanes))
    names = {s.id: tuple((roads[r].id, j, n) for r, j, n in s.keys) for s in kept}
    return OpenDrive(lane_map, plan, geo, names)


def _limits(kept: Sequence[Stretch]) -> dict[int, float]:
    """Limits by lane id: where the file says none, that of the lane before, else of the one after."""
    limits = {s.id: s.limit_mps for s in kept if s.limit_mps is not None}
    for side in ("after", "before"):
        todo = [s for s in kept if s.id in limits]
        while todo:
            reached = []
            for s in todo:
                for other in getattr(s, side):
                    if other.id not in limits:
                        limits[other.id] = limits[s.id]
                        reached.append(other)
            todo = reached
    return {s.id: limits.get(s.id, DEFAULT_LIMIT_MPS) for s in kept}


def _lane(stretch: Stretch, limit_mps: float) -> Lane:
    cx, cy, lx, ly, rx, ry = stretch.points
    return Lane(
        id=stretch.id, kind=stretch.kind, speed_limit_mps=limit_mps, in_junction=bool(stretch.junction),
        left_id=_id(stretch.left), right_id=_id(stretch.right), opposite_id=_id(stretch.opposite),
        left_marking=main_marking(stretch.left_paint), right_marking=main_marking(stretch.right_paint),
        successor_ids=_ids(stretch.after), predecessor_ids=_ids(stretch.before),
        center_x_m=cx, center_y_m=cy, left_x_m=lx, left_y_m=ly, right_x_m=rx, right_y_m=ry,
    )  # fmt: skip


def _id(stretch: Stretch | None) -> int:
    return 0 if stretch is None else stretch.id


def _ids(others: Sequence[Stretch]) -> Ints:
    return np.array([s.id for s in others], dtype=np.int64)
