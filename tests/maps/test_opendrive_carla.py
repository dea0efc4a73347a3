"""Every CARLA town read by us and by CARLA's own client: the same lane centres, widths, links and junctions.

Run as a script, it prints the figures. The client runs in a process of its own: it may crash.
"""

from __future__ import annotations

import gzip
import importlib.util
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from lxml import etree

from whyway.geometry import Polyline
from whyway.maps.lanes import arc_length
from whyway.maps.opendrive_links import MIN_LENGTH_M
from whyway.maps.opendrive_read import OpenDrive, read_opendrive_file
from whyway.types import Floats, Lane, LaneKind

DATA = Path(__file__).parents[3] / "shared/data"
TOWNS = [
    *sorted((DATA / "carla_xodr_mit").glob("Town*.xodr.gz")),
    *sorted((DATA / "carla_xodr_scenic/CARLA").glob("Town*.xodr.gz")),
]
SPACING_M, NEAR_M = 2.0, 0.05

Key = tuple[int, int, int]
"""CARLA's name of a lane: road, index of the section, lane number."""

CLIENT = """
import gzip, sys, carla, numpy
town = carla.Map("town", gzip.open(sys.argv[1]).read().decode())
name = lambda w: (w.road_id, w.section_id, w.lane_id)
def beside(w, other):
    same = other and other.lane_type == carla.LaneType.Driving and other.lane_id * w.lane_id > 0
    return name(other) if same else (-1, -1, 0)
rows = [(*name(w), w.transform.location.x, -w.transform.location.y, -w.transform.rotation.yaw, w.lane_width, w.is_junction,
         *beside(w, w.get_left_lane()), *beside(w, w.get_right_lane())) for w in town.generate_waypoints(float(sys.argv[2]))]
links = [(*name(a), *name(b)) for a, b in town.get_topology()]
numpy.savez(sys.argv[3], rows=numpy.array(rows), links=numpy.array(links))
"""

needs_carla = pytest.mark.skipif(
    importlib.util.find_spec("carla") is None,
    reason="needs carla 0.9.16 (pip install 'whyway[carla]')",
)


@dataclass(frozen=True)
class Figures:
    """How far we and CARLA are apart on a town."""

    lanes: int
    waypoints: int
    seconds: float
    centre_m: float
    yaw_deg: float
    width_m: float
    junction: int
    neighbours: int
    not_found: int
    links: int
    links_only_ours: int
    links_only_theirs: int


def compare(path: Path, folder: Path) -> Figures:
    """Both readings of a town side by side."""
    out = folder / "theirs.npz"
    subprocess.run([sys.executable, "-c", CLIENT, str(path), str(SPACING_M), str(out)], check=True, timeout=60)  # fmt: skip
    start = time.perf_counter()
    ours = read_opendrive_file(path)
    seconds = time.perf_counter() - start
    with np.load(out) as theirs:
        rows, pairs = theirs["rows"], theirs["links"].reshape(-1, 2, 3)
    lanes = {lane.id: lane for lane in ours.lane_map.lanes}
    of = {(int(road), j, n): i for i, names in ours.names.items() for road, j, n in names}
    crumbs = _crumbs(path)
    apart, lost = [], 0
    for key, here in _by_lane(rows):
        if key in of:
            apart.append(_apart(lanes[of[key]], here, of))
        else:
            lost += len(here) * (key not in crumbs)
    centre, yaw, width, junction, neighbours = np.concatenate(apart).T
    ours_links, their_links = _links(ours, of, pairs)
    return Figures(
        sum(lane.kind == LaneKind.DRIVING for lane in lanes.values()), len(rows), seconds, centre.max(),
        np.degrees(yaw.max()), width.max(), int(junction.sum()), int(neighbours.sum()), lost, len(their_links),
        len(ours_links - their_links), len(their_links - ours_links),
    )  # fmt: skip


def _by_lane(rows: Floats) -> list[tuple[Key, Floats]]:
    keys, index = np.unique(rows[:, :3].astype(int), axis=0, return_inverse=True)
    index = index.ravel()
    return [((r, j, n), rows[index == i]) for i, (r, j, n) in enumerate(keys.tolist())]


def _apart(lane: Lane, rows: Floats, of: dict[Key, int]) -> Floats:
    """Distance of centres, of headings and of widths, whether the junction and whether a neighbour differs: [n, 5]."""
    line = Polyline.through(lane.center_x_m, lane.center_y_m)
    s, d = line.project(rows[:, 3], rows[:, 4])
    beyond = np.maximum(np.maximum(-s, s - line.length_m), 0.0)
    yaw = np.abs(np.angle(np.exp(1j * (line.at(s)[2] - np.radians(rows[:, 5])))))
    wide = np.hypot(lane.left_x_m - lane.right_x_m, lane.left_y_m - lane.right_y_m)
    width = np.interp(s, arc_length(lane.center_x_m, lane.center_y_m), wide)
    beside = [(of.get(tuple(r[8:11]), 0), of.get(tuple(r[11:14]), 0)) for r in rows.astype(int).tolist()]  # fmt: skip
    return np.column_stack([
        np.hypot(d, beyond), yaw, np.abs(width - rows[:, 6]), rows[:, 7] != lane.in_junction,
        [pair != (lane.left_id, lane.right_id) for pair in beside],
    ])  # fmt: skip


def _crumbs(path: Path) -> set[Key]:
    """Lanes of sections too short to be read as lanes."""
    with gzip.open(path) as file:
        root = etree.parse(file).getroot()
    found = set()
    for road in root.findall("road"):
        sections = road.findall("lanes/laneSection")
        starts = [float(e.get("s") or 0) for e in sections] + [float(road.get("length") or 0)]
        for j, section in enumerate(sections):
            # on the inside of a bend a lane is shorter than its section
            if starts[j + 1] - starts[j] < 2 * MIN_LENGTH_M:
                found |= {(int(road.get("id") or 0), j, int(n.get("id") or 0)) for n in section.iter("lane")}  # fmt: skip
    return found


def _links(ours: OpenDrive, of: dict[Key, int], pairs: Floats) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:  # fmt: skip
    """Pairs of driving lanes one of which leads to the other, by our ids: what we say and what CARLA says.

    Where CARLA leads through a crumb, it leads to what follows; within one of our lanes it may only go on.
    """
    after: dict[Key, set[Key]] = {}
    for a, b in pairs.tolist():
        if a != b:  # so CARLA writes that it ends there
            after.setdefault(tuple(a), set()).add(tuple(b))
    first = {(int(n[0][0]), *n[0][1:]): i for i, n in ours.names.items()}
    last = {(int(n[-1][0]), *n[-1][1:]): i for i, n in ours.names.items()}
    theirs = set()
    for key in list(after):
        todo, seen = [key], {key}
        while key in of and todo:
            for b in after.get(todo.pop(), ()):
                if b in of and (key in last or of[key] != of[b]):
                    theirs.add((of[key] if key in last else -1, of[b] if b in first else -2))
                elif b not in of and b not in seen:
                    seen.add(b)
                    todo.append(b)
    driving = [lane for lane in ours.lane_map.lanes if lane.kind == LaneKind.DRIVING]
    return {(lane.id, i) for lane in driving for i in lane.successor_ids.tolist()}, theirs


@needs_carla
@pytest.mark.skipif(not TOWNS, reason=f"no shared towns in {DATA}")
@pytest.mark.parametrize("path", TOWNS, ids=lambda p: f"{p.parent.name}-{p.name.split('.')[0]}")
def test_a_town_is_the_one_carla_reads(path: Path, tmp_path: Path) -> None:
    found = compare(path, tmp_path)
    assert found.centre_m <= NEAR_M and found.width_m <= NEAR_M
    assert found.yaw_deg <= 10.0  # only where a file's lane jumps sideways is it more than 3
    assert found.junction == found.not_found == 0
    # where a lane is nobody's neighbour for the first metre only, it has none
    assert found.neighbours <= 0.001 * found.waypoints
    assert found.links > 0 and found.links_only_ours == found.links_only_theirs == 0


if __name__ == "__main__":
    import tempfile

    print("| town | driving lanes | waypoints | centre max | yaw max | width max | junction differs | neighbour differs | not found | links | only ours | only CARLA's | read in |")  # fmt: skip
    print("|" + "---|" * 13)
    for town in TOWNS:
        with tempfile.TemporaryDirectory() as folder:
            f = compare(town, Path(folder))
        cells = (
            f"{town.parent.name} {town.name.split('.')[0]}", f.lanes, f.waypoints, f"{100 * f.centre_m:.2f} cm", f"{f.yaw_deg:.2f} deg",
            f"{100 * f.width_m:.2f} cm", f.junction, f.neighbours, f.not_found, f.links, f.links_only_ours, f.links_only_theirs, f"{f.seconds:.2f} s",
        )  # fmt: skip
        print("|", " | ".join(map(str, cells)), "|")
