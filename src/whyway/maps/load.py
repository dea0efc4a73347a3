"""A map from any file we can read, chosen by the ending of its name."""

from __future__ import annotations

from pathlib import Path

from whyway.maps.signals import SignalPlan
from whyway.maps.xmlfile import SceneError
from whyway.types import LaneMap

ENDINGS = (".xodr", ".osm", ".xml")
"""OpenDRIVE, Lanelet2, CommonRoad; each may be gzipped (`.gz`)."""


def load_map(path: Path) -> tuple[LaneMap, SignalPlan]:
    """The map in a file and the programs of its lights (Lanelet2 knows none: `fixed_time` makes them).

    Raises:
      SceneError: one line that says what is wrong with the file.
    """
    path = Path(path)
    suffixes = [s.lower() for s in path.suffixes]
    ending = next((s for s in reversed(suffixes) if s != ".gz"), "")
    # a reader is imported when it is needed
    if ending == ".xodr":
        from whyway.maps.opendrive_read import read_opendrive

        return read_opendrive(path)
    if ending == ".osm":
        from whyway.maps.fixed_time import fixed_time
        from whyway.maps.lanelet2 import read_lanelet2

        lane_map = read_lanelet2(path)
        return lane_map, fixed_time(lane_map)
    if ending == ".xml":
        from whyway.maps.commonroad import read_scene

        scene = read_scene(path)
        return scene.lane_map, scene.signals
    raise SceneError(
        f"{path}: no map we can read by its name; give OpenDRIVE (.xodr), Lanelet2 (.osm) or CommonRoad (.xml), plain or .gz"
    )
