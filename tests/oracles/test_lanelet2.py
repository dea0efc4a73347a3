"""Our Lanelet2 reader against the lanelet2 library's routing graph of a German car, on every shared map."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from whyway.maps.lanelet2 import read_lanelet2
from whyway.maps.lanelet2_lanes import read_lanelets
from whyway.maps.lanelet2_osm import OsmMap
from whyway.maps.xmlfile import read_xml
from whyway.types import Lane, LaneKind, LaneMap, MarkingKind

lanelet2 = pytest.importorskip("lanelet2", reason="needs lanelet2: run `make oracles`")

DATA = Path(__file__).parents[3] / "shared/data"
MAPS = sorted(
    path
    for path in (*DATA.glob("autoware_maps_apache/**/*.osm.gz"), *DATA.glob("lanelet2_bsd/**/*.osm"))
    if "invalid" not in str(path) and "debug" not in path.name
)  # fmt: skip

Name = tuple[int, bool]
"""A lanelet's id in the file, and whether it is taken against its direction."""


@dataclass(frozen=True)
class Pair:
    """A map as we read it and as lanelet2 does."""

    ours: LaneMap
    names: dict[int, Name]
    theirs: Any
    rules: Any
    graph: Any

    @property
    def driving(self) -> list[Lane]:
        return [lane for lane in self.ours.lanes if lane.kind == LaneKind.DRIVING]

    def name(self, lanelet: Any) -> Name:
        """Against its direction, a lanelet's left border is its right one."""
        forward = self.theirs.laneletLayer[lanelet.id]
        return lanelet.id, lanelet.leftBound.id != forward.leftBound.id

    def directed(self) -> list[tuple[Name, Any]]:
        """All lanelets that are ours, both directions."""
        found = []
        for id_, back in self.names.values():
            lanelet = self.theirs.laneletLayer[id_]
            found.append(((id_, back), lanelet.invert() if back else lanelet))
        return found


@pytest.fixture(scope="module", params=MAPS, ids=lambda path: path.parent.name + "-" + path.stem)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    path: Path = request.param
    plain = tmp_path_factory.mktemp("map") / "map.osm"
    data = path.read_bytes()
    root = etree.fromstring(gzip.decompress(data) if path.suffix == ".gz" else data)
    projector = lanelet2.projection.UtmProjector(lanelet2.io.Origin(*_place_on_local(root)))
    plain.write_bytes(etree.tostring(root))
    # it does not know Autoware's own rules, which no question here is about
    theirs, _ = lanelet2.io.loadRobust(str(plain), projector)
    rules = lanelet2.traffic_rules.create(
        lanelet2.traffic_rules.Locations.Germany, lanelet2.traffic_rules.Participants.Vehicle
    )
    lanelets = read_lanelets(OsmMap(read_xml(path)))
    names = {one.id: (one.relation_id, one.id != one.relation_id) for one in lanelets}
    return Pair(read_lanelet2(path), names, theirs, rules, lanelet2.routing.RoutingGraph(theirs, rules))  # fmt: skip


def _place_on_local(root: Any) -> tuple[float, float]:
    """Give nodes the latitude and longitude that their local coordinates mean about some place, as lanelet2 reads nothing else.

    Returns that place; a file without local coordinates stays as it is, and the place is its first node's.
    """
    projector = lanelet2.projection.UtmProjector(lanelet2.io.Origin(45.0, 9.0))
    nodes = root.findall("node")
    for node in nodes:
        tags = {t.get("k"): t.get("v") for t in node.iterfind("tag")}
        if "local_x" not in tags:
            return float(node.get("lat")), float(node.get("lon"))
        x, y = float(tags["local_x"]), float(tags["local_y"])
        place = projector.reverse(lanelet2.core.BasicPoint3d(x, y, 0.0))
        node.set("lat", repr(place.lat))
        node.set("lon", repr(place.lon))
    return 45.0, 9.0


def test_the_same_lanelets_are_there(both: Pair) -> None:
    assert {id_ for id_, _ in both.names.values()} == {one.id for one in both.theirs.laneletLayer}


def test_cars_may_use_the_same_ones(both: Pair) -> None:
    passable = {one.id for one in both.theirs.laneletLayer if both.rules.canPass(one)}
    assert {both.names[lane.id][0] for lane in both.driving} == passable


def test_successors_agree(both: Pair) -> None:
    ours = {
        (both.names[lane.id], both.names[s])
        for lane in both.driving
        for s in lane.successor_ids.tolist()
    }
    theirs = {
        (name, both.name(other))
        for name, lanelet in both.directed()
        for other in both.graph.following(lanelet)
    }
    assert ours == theirs


def test_neighbours_agree_and_where_one_may_change_to_them(both: Pair) -> None:
    mine = {both.names[lane.id]: lane for lane in both.driving}
    halved = {n for n, lane in mine.items() if lane.opposite_id and both.names[lane.opposite_id][0] == n[0]}  # fmt: skip
    for name, lanelet in both.directed():
        if name not in mine or name in halved:  # halves of a road without a line have no neighbours
            continue
        lane, graph = mine[name], both.graph
        sides = (
            (lane.left_id, lane.left_marking, graph.left(lanelet), graph.adjacentLeft(lanelet)),
            (lane.right_id, lane.right_marking, graph.right(lanelet), graph.adjacentRight(lanelet)),
        )
        for neighbour, marking, reachable, adjacent in sides:
            there = reachable or adjacent
            if both.names.get(neighbour) in mine:
                assert there is not None and both.names[neighbour] == both.name(there), name
                assert (marking == MarkingKind.DASHED) == (reachable is not None), name
            else:
                assert there is None, name


def test_borders_lie_where_theirs_do(both: Pair) -> None:
    local = both.ours.lanes[0]
    first = both.theirs.laneletLayer[both.names[local.id][0]].leftBound[0]
    # two projections about two origins: the distances between points are the same
    for lane in both.ours.lanes[::5]:
        name = both.names[lane.id]
        if lane.opposite_id and both.names[lane.opposite_id][0] == name[0]:
            continue
        lanelet = both.theirs.laneletLayer[name[0]]
        bound = lanelet.invert().leftBound if name[1] else lanelet.leftBound
        for k, at in ((0, 0), (-1, len(bound) - 1)):
            ours = ((lane.left_x_m[k] - _start(local)[0]) ** 2 + (lane.left_y_m[k] - _start(local)[1]) ** 2) ** 0.5  # fmt: skip
            theirs = ((bound[at].x - first.x) ** 2 + (bound[at].y - first.y) ** 2) ** 0.5
            assert ours == pytest.approx(theirs, rel=5e-4, abs=1e-3)


def _start(lane: Lane) -> tuple[float, float]:
    return float(lane.left_x_m[0]), float(lane.left_y_m[0])


def test_speed_limits_agree(both: Pair) -> None:
    for lane in both.driving:
        lanelet = both.theirs.laneletLayer[both.names[lane.id][0]]
        assert lane.speed_limit_mps * 3.6 == pytest.approx(both.rules.speedLimit(lanelet).speedLimit, abs=1e-3)  # fmt: skip
