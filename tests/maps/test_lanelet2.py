"""Lanelet2 maps read: small ones written here, the shared ones, and broken ones, each of which gives one clear line."""

from __future__ import annotations

import functools
import gzip
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whyway.geometry import points_in_polygon
from whyway.maps import lanelet2_junctions
from whyway.maps.lanelet2 import SceneError, read_lanelet2
from whyway.maps.lanelet2_lanes import read_lanelets
from whyway.maps.lanelet2_osm import OsmMap
from whyway.maps.lanelet2_shapes import keeps_left, shapes
from whyway.maps.lanes import RoadLane
from whyway.maps.projection import TransverseMercator
from whyway.maps.xmlfile import read_xml
from whyway.types import Lane, LaneKind, LaneMap, MarkingKind

DATA = Path(__file__).parents[3] / "shared/data"
AUTOWARE = sorted(DATA.glob("autoware_maps_apache/**/*.osm.gz"))
KARLSRUHE = DATA / "lanelet2_bsd/lanelet2_maps/res/mapping_example.osm"
VALID = [path for path in (*AUTOWARE, KARLSRUHE) if "invalid" not in str(path) and path.exists()]
needs_maps = pytest.mark.skipif(len(VALID) < 2, reason=f"no shared maps in {DATA}")
each_map = pytest.mark.parametrize(
    "path", VALID or [pytest.param(None, marks=needs_maps)], ids=lambda p: str(p and p.parent.name)
)

read = functools.lru_cache(maxsize=64)(read_lanelet2)


class Drawing:
    """An OSM file in the making: lines through points, lanelets between lines."""

    def __init__(self, local: bool = True) -> None:
        self._ids = itertools.count(1)
        self._nodes: dict[tuple[float, float], int] = {}
        self._parts: list[str] = []
        self._local = local

    def node(self, x: float, y: float) -> int:
        """The node at a place: shared, as lanelets are linked by shared nodes."""
        if (x, y) not in self._nodes:
            id_ = self._nodes[x, y] = next(self._ids)
            tags = _tags(local_x=x, local_y=y) if self._local else ""
            place = f'lat="{49 + y / 111_319}" lon="{8 + x / 73_000}"'
            self._parts.append(f'<node id="{id_}" {place}>{tags}</node>')
        return self._nodes[x, y]

    def way(self, *points: tuple[float, float], **tags: object) -> int:
        refs = "".join(f'<nd ref="{self.node(*p)}"/>' for p in points)
        id_ = next(self._ids)
        self._parts.append(f'<way id="{id_}">{refs}{_tags(**tags)}</way>')
        return id_

    def relation(self, members: list[tuple[str, int, str]], **tags: object) -> int:
        inner = "".join(f'<member type="{t}" ref="{ref}" role="{role}"/>' for t, ref, role in members)  # fmt: skip
        id_ = next(self._ids)
        self._parts.append(f'<relation id="{id_}">{inner}{_tags(**tags)}</relation>')
        return id_

    def lanelet(
        self, left: int, right: int, rules: tuple[int, ...] = (), center: int = 0, **tags: object
    ) -> int:
        members = [("way", left, "left"), ("way", right, "right")]
        members += [("relation", rule, "regulatory_element") for rule in rules]
        members += [("way", center, "centerline")] if center else []
        return self.relation(
            members, type="lanelet", **{"subtype": "road", "one_way": "yes", "location": "urban", **tags}
        )  # fmt: skip

    def rule(self, members: list[tuple[str, int, str]], **tags: object) -> int:
        return self.relation(members, type="regulatory_element", **tags)

    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "map.osm"
        path.write_text("<osm>" + "".join(self._parts) + "</osm>")
        return path


def _tags(**tags: object) -> str:
    return "".join(f'<tag k="{k.replace("__", ":")}" v="{v}"/>' for k, v in tags.items())


def _lanes(lane_map: LaneMap) -> dict[int, Lane]:
    return {lane.id: lane for lane in lane_map.lanes}


SOLID = {"type": "line_thin", "subtype": "solid"}
DASHED = {"type": "line_thin", "subtype": "dashed"}


# ------------------------------------------------------------------------------------------------------------- read


def test_borders_give_the_direction_however_they_are_drawn(tmp_path: Path) -> None:
    for flip_left, flip_right in itertools.product((1, -1), repeat=2):
        d = Drawing()
        left = d.way(*[(0, 4), (10, 4), (30, 4)][::flip_left], **SOLID)
        right = d.way(*[(0, 0), (30, 0)][::flip_right], **SOLID)
        d.lanelet(left, right)
        (lane,) = read_lanelet2(d.file(tmp_path)).lanes
        assert lane.center_x_m.tolist() == [0.0, 10.0, 30.0]
        assert set(lane.center_y_m) == {2.0}
        assert set(lane.left_y_m) == {4.0} and set(lane.right_y_m) == {0.0}


def test_links_neighbours_and_what_lines_allow(tmp_path: Path) -> None:
    d = Drawing()
    top, bottom = d.way((0, 8), (30, 8), **SOLID), d.way((0, 0), (30, 0), type="road_border")
    middle = d.way((0, 4), (30, 4), **DASHED)
    upper, lower = d.lanelet(top, middle), d.lanelet(middle, bottom)
    ahead = d.lanelet(d.way((30, 4), (60, 4), **SOLID), d.way((60, 0), (30, 0), **SOLID))
    oncoming = d.lanelet(top, d.way((0, 12), (30, 12), **SOLID))
    lanes = _lanes(read_lanelet2(d.file(tmp_path)))
    assert lanes[lower].successor_ids.tolist() == [ahead]
    assert lanes[ahead].predecessor_ids.tolist() == [lower]
    assert (lanes[upper].right_id, lanes[lower].left_id) == (lower, upper)
    assert (lanes[upper].opposite_id, lanes[oncoming].opposite_id) == (oncoming, upper)
    assert lanes[oncoming].center_x_m[0] == 30.0
    assert lanes[upper].right_marking == lanes[lower].left_marking == MarkingKind.DASHED
    assert lanes[upper].left_marking == lanes[lower].right_marking == MarkingKind.SOLID


@pytest.mark.parametrize(
    ("tags", "down", "up"),
    [
        ({**DASHED, "lane_change": "no"}, False, False),
        ({**SOLID, "lane_change": "yes"}, True, True),
        ({"type": "line_thick", "subtype": "dashed_solid"}, True, False),
        ({"type": "line_thick", "subtype": "solid_dashed"}, False, True),
        ({"type": "virtual", "lane_change__left": "yes"}, False, True),
        ({"type": "virtual"}, False, False),
        ({"type": "curbstone", "subtype": "low"}, False, False),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_each_side_of_a_line_has_its_own_rule(
    tmp_path: Path, tags: dict[str, str], down: bool, up: bool, backwards: bool
) -> None:
    # drawn in driving direction its left is up; drawn backwards, left and right change places
    d = Drawing()
    points = [(0.0, 4.0), (30.0, 4.0)]
    middle = d.way(*(points[::-1] if backwards else points), **tags)
    upper = d.lanelet(d.way((0, 8), (30, 8), **SOLID), middle)
    lower = d.lanelet(middle, d.way((0, 0), (30, 0), **SOLID))
    lanes = _lanes(read_lanelet2(d.file(tmp_path)))
    allowed = (lanes[upper].right_marking == MarkingKind.DASHED, lanes[lower].left_marking == MarkingKind.DASHED)  # fmt: skip
    assert allowed == ((up, down) if backwards and up != down else (down, up))


@pytest.mark.parametrize(
    ("tags", "limit_mps"),
    [
        ({"speed_limit": "36"}, 10.0),
        ({"speed_limit": "36 km/h"}, 10.0),
        ({"speed_limit": "25 mph"}, 11.176),
        ({"speed_limit": "12.5 m/s"}, 12.5),
        ({}, 50 / 3.6),
        ({"location": "nonurban"}, 100 / 3.6),
        ({"subtype": "highway", "location": "nonurban"}, 130 / 3.6),
    ],
)
def test_limits_have_units_and_defaults(
    tmp_path: Path, tags: dict[str, str], limit_mps: float
) -> None:
    d = Drawing()
    d.lanelet(d.way((0, 4), (9, 4)), d.way((0, 0), (9, 0)), **tags)
    assert read_lanelet2(d.file(tmp_path)).lanes[0].speed_limit_mps == pytest.approx(limit_mps)


def test_subtypes_and_participants_say_what_a_lane_is_for(tmp_path: Path) -> None:
    d = Drawing()
    wanted = {}
    for k, (tags, kind) in enumerate(
        [
            ({"subtype": "highway"}, LaneKind.DRIVING),
            ({"subtype": "crosswalk"}, LaneKind.CROSSWALK),
            ({"subtype": "walkway"}, LaneKind.SIDEWALK),
            ({"subtype": "bicycle_lane"}, LaneKind.BIKE),
            ({"subtype": "road_shoulder"}, LaneKind.SHOULDER),
            ({"subtype": "rail"}, LaneKind.OTHER),
            ({"participant__vehicle": "yes"}, LaneKind.DRIVING),
            ({"participant__bicycle": "yes", "participant__pedestrian": "yes"}, LaneKind.BIKE),
            ({"participant__pedestrian": "yes"}, LaneKind.SIDEWALK),
            ({"participant__vehicle": "no"}, LaneKind.OTHER),
        ]
    ):
        y = 10.0 * k
        wanted[d.lanelet(d.way((0, y + 4), (9, y + 4)), d.way((0, y), (9, y)), **tags)] = kind
    assert {i: lane.kind for i, lane in _lanes(read_lanelet2(d.file(tmp_path))).items()} == wanted


def test_a_wide_road_for_both_directions_is_two_lanes(tmp_path: Path) -> None:
    d = Drawing()
    id_ = d.lanelet(d.way((0, 6), (50, 6)), d.way((0, 0), (50, 0)), one_way="no")
    there, back = read_lanelet2(d.file(tmp_path)).lanes
    assert there.id == id_ and there.opposite_id == back.id and back.opposite_id == there.id
    assert set(there.center_y_m) == {1.5} and set(back.center_y_m) == {4.5}
    assert set(there.left_y_m) == set(back.left_y_m) == {3.0}
    assert back.center_x_m[0] == 50.0
    assert len(there.successor_ids) == len(back.successor_ids) == 0  # nobody turns on the spot


def test_lights_stop_where_their_line_is_drawn(tmp_path: Path) -> None:
    d = Drawing()
    light = d.way((33, 9), (34, 9), type="traffic_light", subtype="red_yellow_green")
    line = d.way((28, 4), (28, 0), type="stop_line")
    rule = d.rule([("way", light, "refers"), ("way", line, "ref_line")], subtype="traffic_light")
    arrow = d.rule([("way", light, "refers"), ("way", line, "ref_line")], subtype="traffic_light")
    approach = d.lanelet(d.way((0, 4), (30, 4), **SOLID), d.way((0, 0), (30, 0), **SOLID))
    straight = d.lanelet(d.way((30, 4), (60, 4)), d.way((30, 0), (60, 0)), rules=(rule,), turn_direction="straight")  # fmt: skip
    file = d.file(tmp_path)
    (stop,), (found,) = read_lanelet2(file).stop_lines, read_lanelet2(file).lights
    assert (stop.light_id, stop.lane_ids.tolist()) == (rule, [approach]) and not stop.is_stop_sign
    assert stop.x_m.tolist() == [28.0, 28.0] and (found.x_m, found.y_m) == (33.5, 9.0)
    assert read_lanelet2(file).lanes[1].in_junction
    # with another way on under another light, each way has its own stop
    turn = d.lanelet(
        d.way((30, 4), (36, 6), (40, 30)), d.way((30, 0), (40, 4), (44, 30)), rules=(arrow,), turn_direction="left"
    )  # fmt: skip
    stops = read_lanelet2(d.file(tmp_path)).stop_lines
    assert {s.light_id: s.lane_ids.tolist() for s in stops} == {rule: [straight], arrow: [turn]}


def test_signs_stop_and_give_way(tmp_path: Path) -> None:
    d = Drawing()
    sign = d.way((31, 5), (31, 6), type="traffic_sign", subtype="stop_sign")
    line = d.way((29, 4), (29, 0), type="stop_line")
    rule = d.rule([("way", sign, "refers"), ("way", line, "ref_line")], subtype="traffic_sign")
    stopping = d.lanelet(d.way((0, 4), (30, 4), **SOLID), d.way((0, 0), (30, 0), **SOLID), rules=(rule,))  # fmt: skip
    yielding = d.lanelet(d.way((0, 24), (30, 24), **SOLID), d.way((0, 20), (30, 20), **SOLID))
    first = d.lanelet(d.way((0, 34), (30, 34), **SOLID), d.way((0, 30), (30, 30), **SOLID))
    d.rule(
        [("relation", first, "right_of_way"), ("relation", yielding, "yield")], subtype="right_of_way"
    )  # fmt: skip
    stops = read_lanelet2(d.file(tmp_path)).stop_lines
    assert [(s.lane_ids.tolist(), s.light_id, s.is_stop_sign) for s in stops] == [
        ([stopping], 0, True),
        ([yielding], 0, False),
    ]
    assert stops[1].x_m.tolist() == [30.0, 30.0]


def test_crossings_know_the_lanes_they_cross(tmp_path: Path) -> None:
    d = Drawing()
    one = d.lanelet(d.way((0, 4), (30, 4)), d.way((0, 0), (30, 0)))
    d.lanelet(d.way((0, 44), (30, 44)), d.way((0, 40), (30, 40)))
    walk = d.lanelet(d.way((10, -2), (10, 6)), d.way((13, -2), (13, 6)), subtype="crosswalk")
    (crossing,) = read_lanelet2(d.file(tmp_path)).crossings
    assert crossing.id == walk and crossing.lane_ids.tolist() == [one]


def test_a_given_centre_line_is_kept_and_neighbours_meet_it(tmp_path: Path) -> None:
    d = Drawing()
    own = d.way((0.5, 1), (15, 1), (29, 1))
    first = d.lanelet(d.way((0, 4), (30, 4)), d.way((0, 0), (30, 0)), center=own)
    second = d.lanelet(d.way((30, 4), (90, 4)), d.way((30, 0), (90, 0)))
    lanes = _lanes(read_lanelet2(d.file(tmp_path)))
    assert np.allclose(lanes[first].center_y_m, 1.0)
    assert lanes[first].center_x_m[[0, -1]].tolist() == [0.0, 30.0]
    y = lanes[second].center_y_m
    assert y[0] == pytest.approx(1.0) and y[-1] == 2.0 and (np.diff(y) >= 0.0).all()


def test_latitude_and_longitude_become_metres(tmp_path: Path) -> None:
    d = Drawing(local=False)
    d.lanelet(d.way((-500, 4), (500, 4)), d.way((-500, 0), (500, 0)))
    (lane,) = read_lanelet2(d.file(tmp_path)).lanes
    assert RoadLane(lane).length_m == pytest.approx(1000.0, abs=4.0)  # 73 km a degree is rounded
    # the length of a degree of the meridian at 45 degrees north, and of the parallel (WGS 84)
    plane = TransverseMercator(45.0, 8.0)
    x, y = plane.forward(np.array([45.0, 45.5, 44.5, 45.0]), np.array([8.0, 8.0, 8.0, 8.1]))
    assert (x[0], y[0]) == (0.0, 0.0)
    assert y[1] - y[2] == pytest.approx(111_131.8, abs=0.1)
    assert x[3] == pytest.approx(7_884.7, abs=0.3)


# ------------------------------------------------------------------------------------------------------- shared maps


@needs_maps
@each_map
def test_every_shared_map_is_sound(path: Path) -> None:
    lane_map = read(path)
    lanes = _lanes(lane_map)
    assert len(lanes) == len(lane_map.lanes) > 0 and min(lanes) > 0
    for lane in lanes.values():
        for line in (lane.center_x_m, lane.left_x_m, lane.right_x_m, lane.center_y_m):
            assert np.isfinite(line).all() and len(line) == len(lane.center_x_m) >= 2
        assert 1.0 < lane.speed_limit_mps < 40.0
        for s in lane.successor_ids.tolist():
            assert lane.id in lanes[s].predecessor_ids
            gap = np.hypot(lane.center_x_m[-1] - lanes[s].center_x_m[0], lane.center_y_m[-1] - lanes[s].center_y_m[0])  # fmt: skip
            assert gap < 1e-6
        for there, back in ((lane.left_id, "right_id"), (lane.right_id, "left_id")):
            assert there == 0 or lanes[there].kind != lane.kind or getattr(lanes[there], back)
    for stop in lane_map.stop_lines:
        assert set(stop.lane_ids.tolist()) <= lanes.keys() and len(stop.lane_ids)
        on = [lanes[i] for i in stop.lane_ids.tolist()]
        away = [np.hypot(lane.center_x_m - stop.x_m.mean(), lane.center_y_m - stop.y_m.mean()).min() for lane in on]  # fmt: skip
        assert min(away) < 30.0
    lights = {light.id for light in lane_map.lights}
    assert {s.light_id for s in lane_map.stop_lines} - {0} == lights


@needs_maps
def test_the_invalid_maps_are_refused_with_the_reason() -> None:
    (bad,) = [path for path in AUTOWARE if "invalid" in str(path)]
    with pytest.raises(SceneError, match=r"invalid_01.*centerline 54 of lanelet 57 leaves the lanelet by 0\.48 m"):  # fmt: skip
        read_lanelet2(bad)
    with pytest.raises(SceneError, match=r"debug\.osm: there is no lanelet"):
        read_lanelet2(KARLSRUHE.with_name("mapping_example-debug.osm"))


@needs_maps
def test_traffic_keeps_left_in_japan_and_right_in_karlsruhe() -> None:
    side = {
        path.parent.name: keeps_left(read_lanelets(OsmMap(read_xml(path))))
        for path in VALID
        if path.parent.name in ("left_hand", "right_hand", "res", "road_shoulder")
    }
    assert side == {"left_hand": True, "right_hand": False, "res": False, "road_shoulder": True}


@needs_maps
def test_junctions_are_found_without_their_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where mappers tagged them, ways that cross and those beside them are the lanes in junctions."""
    hit = missed = extra = 0
    for path in VALID:
        lanelets = read_lanelets(OsmMap(read_xml(path)))
        tagged = {one.id for one in lanelets if one.tags.get("turn_direction") and one.kind == LaneKind.DRIVING}  # fmt: skip
        with monkeypatch.context() as m:
            m.setattr(lanelet2_junctions, "_TAGS", ())
            found = lanelet2_junctions.junction_lanes(lanelets, shapes(lanelets))
        if tagged:
            hit, missed, extra = hit + len(tagged & found), missed + len(tagged - found), extra + len(found - tagged)  # fmt: skip
    assert hit > 200 and missed < 0.25 * hit and extra < 0.15 * hit, (hit, missed, extra)


@needs_maps
def test_lanes_lie_between_their_borders() -> None:
    for path in VALID[::4]:
        for lane in read(path).lanes:
            x, y = RoadLane(lane).polygon
            k = slice(1, -1)
            inside = points_in_polygon(lane.center_x_m[k], lane.center_y_m[k], x, y)
            assert inside.mean() > 0.9 if inside.size else True


# ----------------------------------------------------------------------------------------------------------- refused


BASE = Drawing()
BASE.lanelet(BASE.way((0, 4), (30, 4), **SOLID), BASE.way((0, 0), (30, 0), **SOLID))


def _refused(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "bad.osm"
    path.write_text(text)
    with pytest.raises(SceneError, match=match) as caught:
        read_lanelet2(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('<nd ref="1"/>', '<nd ref="99"/>', "way 3 of lanelet 7 names node 99, which is not there"),
        ('<nd ref="1"/>', "", "way 3 of lanelet 7 has 1 points"),
        ('ref="3" role="left"', 'ref="99" role="left"', "lanelet 7 names way 99"),
        ('ref="3" role="left"', 'ref="6" role="left"', "lanelet 7 has no area"),
        ('role="left"', 'role="top"', r"lanelet 7 \(line 1\) has 0 ways for its left"),
        ('k="local_x" v="30"', 'k="local_x" v="nan"', "node 2 of way 3 has no place"),
        ('k="local_x" v="30"', 'k="local_x" v="1e300"', "node 2 of way 3 has no place"),
        ('<way id="3"', '<way id="x"', "id is 'x', not an integer"),
        ('<way id="3"', '<way id="6"', "two ways have the id 6"),
        ('v="lanelet"', 'v="area"', "there is no lanelet"),
        ("<osm>", "<xml>", "not well-formed"),
        ('k="location"', 'k="speed_limit"', "speed limit 'urban'"),
        ('k="local_x" v="30"', 'k="local_x" v="90000"', "lanelet 7 is 9e.04 m long"),
        ('k="local_y" v="4"', 'k="local_y" v="400"', "lanelet 7 is 400 m wide"),
    ],
)
def test_a_broken_map_gives_one_clear_line(tmp_path: Path, old: str, new: str, match: str) -> None:
    text = BASE.file(tmp_path).read_text()
    assert old in text
    _refused(tmp_path, text.replace(old, new), match)


def test_relations_that_name_themselves_or_no_rule_are_refused(tmp_path: Path) -> None:
    text = BASE.file(tmp_path).read_text()
    itself = text.replace('<member type="way" ref="3"', '<member type="relation" ref="7" role="regulatory_element"/><member type="way" ref="3"')  # fmt: skip
    _refused(tmp_path, itself, "names relation 7 as a rule, which is no regulatory_element")
    _refused(tmp_path, itself.replace('type="relation" ref="7"', 'type="relation" ref="70"'), "names relation 70, which is not there")  # fmt: skip


def test_hostile_files_are_refused_in_little_time_and_memory(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE osm [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><osm>&b;</osm>'
    _refused(tmp_path, bomb, "document type")
    huge = tmp_path / "huge.osm.gz"
    with gzip.open(huge, "wb", compresslevel=1) as out:
        out.write(b"<osm>")
        for _ in range(80):
            out.write(b'<node id="1" lat="1" lon="1"/>' * 40_000)  # 96 MB
    with pytest.raises(SceneError, match="larger than"):
        read_lanelet2(huge)
    cut = tmp_path / "cut.osm.gz"
    cut.write_bytes(huge.read_bytes()[:-2000])
    with pytest.raises(SceneError, match="larger than|cut off"):
        read_lanelet2(cut)
    with pytest.raises(SceneError, match="no such file"):
        read_lanelet2(tmp_path / "none.osm")


def test_heaps_of_lanelets_and_rules_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = Drawing()
    for k in range(40):
        e = k * 1e-3
        d.lanelet(d.way((0, 4 + e), (30, 9 + e)), d.way((0, e), (30, 5 + e)))
    assert len(read_lanelet2(d.file(tmp_path)).lanes) == 40
    monkeypatch.setattr(lanelet2_junctions, "_MAX_PAIRS_PER_LANE", 10)
    with pytest.raises(SceneError, match="more than 10 lanelets lie on each one"):
        read_lanelet2(d.file(tmp_path))
    one = Drawing()
    left, right = one.way((0, 4), (30, 4)), one.way((0, 0), (30, 0))
    for _ in range(60):
        one.lanelet(left, right)
    with pytest.raises(SceneError, match="and 59 others begin at the same two points; 50 may"):
        read_lanelet2(one.file(tmp_path))
    ruled = Drawing()
    rules = tuple(ruled.rule([], subtype="traffic_light") for _ in range(51))
    ruled.lanelet(ruled.way((0, 4), (30, 4)), ruled.way((0, 0), (30, 0)), rules=rules)
    with pytest.raises(SceneError, match="names 51 rules, more than 50"):
        read_lanelet2(ruled.file(tmp_path))


FUZZED = [p for p in VALID if p.parent.name in ("vm_02", "highway", "simple_cross_map", "map", "pudo", "valid_05")]  # fmt: skip


@needs_maps
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_maps_give_a_sound_map_or_one_clear_line(
    tmp_path: Path, data: st.DataObject
) -> None:
    text = _text(data.draw(st.sampled_from(FUZZED)))
    for _ in range(data.draw(st.integers(1, 4))):
        spots = [m.span(1) for m in re.finditer(_VALUE, text)]
        start, end = spots[data.draw(st.integers(0, len(spots) - 1))]
        text = text[:start] + data.draw(_REPLACEMENTS) + text[end:]
    path = tmp_path / "mutated.osm"
    path.write_text(text)
    try:
        lane_map = read_lanelet2(path)
    except SceneError as error:
        assert "\n" not in str(error)
        return
    lanes = _lanes(lane_map)
    assert len(lanes) == len(lane_map.lanes)
    for lane in lanes.values():
        assert np.isfinite([lane.center_x_m, lane.left_x_m, lane.right_x_m, lane.center_y_m]).all()
        assert RoadLane(lane).length_m > 0.0 and 0.0 < lane.speed_limit_mps < 121.0
        assert set(lane.successor_ids.tolist()) <= lanes.keys()
        assert {lane.left_id, lane.right_id, lane.opposite_id} <= lanes.keys() | {0}


_VALUE = re.compile(r'(?:ref|id|v|k|role|type|lat|lon)="([^"]*)"')
_REPLACEMENTS = st.sampled_from(
    ["", "0", "-1", "1", "nan", "inf", "1e9", "1e-9", "9223372036854775807", "9" * 40, "left", "right", "centerline", "yes", "no",
     "regulatory_element", "lanelet", "road", "crosswalk", "traffic_light", "right_of_way", "relation", "way", "\U0001f600"]
) | st.integers(1, 60).map(str)  # fmt: skip


@functools.lru_cache(maxsize=8)
def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()
