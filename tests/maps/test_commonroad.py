"""CommonRoad files read: small ones written here, the shared ones, and broken ones, each of which gives one clear line."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whyway.config import VehicleConfig
from whyway.maps import xmlfile
from whyway.maps.commonroad import SceneError, read_scene
from whyway.maps.road import Road
from whyway.types import LaneKind, LightColor, MarkingKind, ObjectClass

DATA = Path(__file__).parents[3] / "shared/data/commonroad_bsd"
SCENES = sorted(DATA.glob("*/*.xml.gz"))
needs_scenes = pytest.mark.skipif(not SCENES, reason=f"no shared scenes in {DATA}")


def _bound(tag: str, points: list[tuple[float, float]], marking: str = "") -> str:
    inner = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points)
    return f"<{tag}>{inner}{f'<lineMarking>{marking}</lineMarking>' if marking else ''}</{tag}>"


def _lanelet(lane_id: int, x0: float, x1: float, y: float, inner: str = "") -> str:
    left = _bound("leftBound", [(x0, y + 2.0), (x1, y + 2.0)], "dashed")
    right = _bound("rightBound", [(x0, y - 2.0), ((x0 + x1) / 2, y - 2.0), (x1, y - 2.0)], "solid")
    return f'<lanelet id="{lane_id}">{left}{right}{inner}</lanelet>'


def _state(tag: str, x: float, y: float, yaw: float, v: float, step: int) -> str:
    return (
        f"<{tag}><position><point><x>{x}</x><y>{y}</y></point></position><orientation><exact>{yaw}</exact></orientation>"
        f"<time><exact>{step}</exact></time><velocity><exact>{v}</exact></velocity></{tag}>"
    )


LANES = (
    _lanelet(1, 0, 60, 0.0, '<successor ref="2"/><successor ref="99"/><adjacentLeft ref="3" drivingDir="same"/>'
             '<stopLine><point><x>55</x><y>2</y></point><point><x>55</x><y>-2</y></point><trafficLightRef ref="70"/></stopLine>'
             '<laneletType>urban</laneletType><trafficSignRef ref="50"/><trafficLightRef ref="70"/>')
    + _lanelet(2, 60, 120, 0.0, '<predecessor ref="1"/><laneletType>country</laneletType>'
               '<stopLine><lineMarking>solid</lineMarking><trafficSignRef ref="51"/></stopLine>')
    + _lanelet(3, 0, 60, 4.0, '<adjacentRight ref="1" drivingDir="same"/><adjacentLeft ref="4" drivingDir="opposite"/><laneletType>busLane</laneletType>')
    + _lanelet(4, 0, 60, 8.0, "<laneletType>bicycleLane</laneletType>")
    + '<lanelet id="5">' + _bound("leftBound", [(28.0, -6.0), (28.0, 12.0)]) + _bound("rightBound", [(31.0, -6.0), (31.0, 12.0)])
    + "<laneletType>crosswalk</laneletType></lanelet>"
)  # fmt: skip

SIGNS = """<trafficSign id="50"><trafficSignElement><trafficSignID>274</trafficSignID><additionalValue>8.5</additionalValue>
</trafficSignElement></trafficSign><trafficSign id="51"><trafficSignElement><trafficSignID>206</trafficSignID></trafficSignElement>
</trafficSign><trafficLight id="70"><cycle><cycleElement><duration>30</duration><color>green</color></cycleElement><cycleElement>
<duration>20</duration><color>yellow</color></cycleElement><cycleElement><duration>50</duration><color>red</color></cycleElement>
<timeOffset>10</timeOffset></cycle><position><point><x>56</x><y>-3</y></point></position></trafficLight>
<intersection id="60"><incoming id="61"><incomingLanelet ref="1"/><successorsStraight ref="2"/></incoming></intersection>"""

GOAL = """<goalState><position><rectangle><length>6</length><width>4</width><orientation>0</orientation><center><x>100</x><y>0</y>
</center></rectangle></position><time><intervalStart>40</intervalStart><intervalEnd>60</intervalEnd></time></goalState>"""


def _file(
    tmp_path: Path, lanes: str = LANES, extra: str = SIGNS, goal: str = GOAL, head: str = "", version: str = "2020a",
    start: str | None = None, dt: str = "0.1",
) -> Path:  # fmt: skip
    path = tmp_path / "scene.xml"
    initial = _state("initialState", 10.0, 0.5, 0.1, 8.0, 0) if start is None else start
    path.write_text(
        f'<?xml version="1.0"?>{head}<commonRoad benchmarkID="TST_One-1" commonRoadVersion="{version}" timeStepSize="{dt}">'
        f'{lanes}{extra}<planningProblem id="9">{initial}{goal}</planningProblem></commonRoad>'
    )
    return path


# ------------------------------------------------------------------------------------------------------------- read


def test_lanes_links_limits_and_markings_are_read(tmp_path: Path) -> None:
    lane_map = read_scene(_file(tmp_path)).lane_map
    lanes = {lane.id: lane for lane in lane_map.lanes}
    assert lanes[1].successor_ids.tolist() == [2]  # the other link leads out of the map
    assert (lanes[1].left_id, lanes[3].right_id, lanes[3].left_id, lanes[3].opposite_id) == (
        3,
        1,
        0,
        4,
    )
    assert lanes[1].speed_limit_mps == 8.5 and lanes[2].speed_limit_mps == 27.78
    assert (lanes[1].left_marking, lanes[1].right_marking) == (
        MarkingKind.DASHED,
        MarkingKind.SOLID,
    )
    assert [lanes[i].kind for i in (1, 3, 4, 5)] == [
        LaneKind.DRIVING,
        LaneKind.SHOULDER,
        LaneKind.BIKE,
        LaneKind.CROSSWALK,
    ]
    assert lanes[2].in_junction and not lanes[1].in_junction


def test_borders_with_different_counts_of_points_are_brought_together(tmp_path: Path) -> None:
    lane = read_scene(_file(tmp_path)).lane_map.lanes[0]
    assert (
        lane.left_x_m.tolist()
        == lane.right_x_m.tolist()
        == lane.center_x_m.tolist()
        == [0.0, 30.0, 60.0]
    )
    assert set(lane.left_y_m) == {2.0} and set(lane.center_y_m) == {0.0}


def test_stop_lines_lights_and_crossings_are_read(tmp_path: Path) -> None:
    scene = read_scene(_file(tmp_path))
    by_light, by_sign = scene.lane_map.stop_lines
    assert (by_light.lane_ids.tolist(), by_light.light_id, by_light.x_m.tolist()) == (
        [1],
        70,
        [55.0, 55.0],
    )
    assert (
        by_sign.is_stop_sign and by_sign.light_id == 0 and by_sign.x_m.tolist() == [120.0, 120.0]
    )  # the lane's end
    assert scene.lane_map.lights[0].lane_ids.tolist() == [1]
    assert scene.lane_map.crossings[0].lane_ids.tolist() == [1]
    colors = [scene.signals.states(t)[0].color for t in (0.0, 1.0, 3.9, 4.0, 6.0, 10.9, 11.0)]
    red, amber, green = LightColor.RED, LightColor.AMBER, LightColor.GREEN
    assert colors == [red, green, green, amber, red, red, green]


def test_the_ego_stands_behind_the_centre_the_file_gives(tmp_path: Path) -> None:
    scene = read_scene(_file(tmp_path))
    back = VehicleConfig().center_offset_m
    assert scene.ego_initial.x_m == pytest.approx(10.0 - back * math.cos(0.1))
    assert scene.ego_initial.y_m == pytest.approx(0.5 - back * math.sin(0.1))
    assert scene.duration_s == pytest.approx(6.0)
    assert scene.route.lane_ids.tolist() == [1, 2]
    assert (scene.route.goal_x_m, scene.route.goal_y_m) == (100.0, 0.0)


def test_a_goal_is_met_inside_all_its_limits_only(tmp_path: Path) -> None:
    goal = read_scene(_file(tmp_path)).goal
    assert goal is not None
    assert goal.reached(4.0, 103.0, 2.0, 0.0, 0.0) and goal.reached(6.0, 100.0, 0.0, 9.9, 99.0)
    assert not goal.reached(3.9, 100.0, 0.0, 0.0, 0.0) and not goal.reached(
        6.1, 100.0, 0.0, 0.0, 0.0
    )
    assert not goal.reached(5.0, 103.01, 0.0, 0.0, 0.0)


def test_obstacles_of_both_formats_are_read(tmp_path: Path) -> None:
    shape = "<shape><rectangle><length>4</length><width>2</width></rectangle></shape>"
    offset = "<shape><rectangle><length>4</length><width>2</width><orientation>0.1</orientation><center><x>1</x><y>0</y></center></rectangle></shape>"
    states = _state("state", 31.0, 0.0, 0.0, 5.0, 1) + _state("state", 31.5, 0.0, 0.0, 5.5, 2)
    first = _state("initialState", 30.0, 0.0, 0.0, 4.0, 0)
    turned = _state("initialState", 0.0, 0.0, math.pi / 2, 0.0, 0)
    extra = (
        f'<dynamicObstacle id="81"><type>truck</type>{shape}{first}<trajectory>{states}</trajectory></dynamicObstacle>'
        f'<staticObstacle id="82"><type>parkedVehicle</type>{offset}{turned}</staticObstacle>'
        f'<obstacle id="83"><role>dynamic</role><type>bicycle</type>{shape}{first}<trajectory>{states}</trajectory></obstacle>'
        f'<obstacle id="84"><role>static</role><type>unheardOf</type><shape><circle><radius>1.5</radius></circle></shape>{first}</obstacle>'
    )
    by_id = {o.id: o for o in read_scene(_file(tmp_path, extra=extra)).obstacles}
    truck = by_id[81]
    assert (truck.object_class, truck.is_static, truck.length_m, truck.width_m) == (
        ObjectClass.TRUCK,
        False,
        4.0,
        2.0,
    )
    assert truck.time_index.tolist() == [0, 1, 2] and truck.v_mps.tolist() == [4.0, 5.0, 5.5]
    parked = by_id[82]  # its box stands one metre ahead of its position, which faces north
    assert parked.is_static and (parked.x_m[0], parked.y_m[0]) == (
        pytest.approx(0.0),
        pytest.approx(1.0),
    )
    assert parked.yaw_rad[0] == pytest.approx(math.pi / 2 + 0.1)
    assert by_id[83].object_class is ObjectClass.BICYCLE and not by_id[83].is_static
    assert by_id[84].object_class is ObjectClass.UNKNOWN and by_id[84].length_m == 3.0


def test_without_a_place_to_go_the_route_leads_straight_on(tmp_path: Path) -> None:
    time_only = "<goalState><time><intervalStart>33</intervalStart><intervalEnd>33</intervalEnd></time></goalState>"
    for goal in (time_only, ""):
        scene = read_scene(_file(tmp_path, goal=goal))
        assert scene.route.lane_ids.tolist() == [1, 2]
    assert scene.goal is None
    # a goal off every lane's way: the route still leads on
    backwards = GOAL.replace("<x>100</x>", "<x>20</x>").replace("<y>0</y>", "<y>8</y>")
    assert read_scene(_file(tmp_path, goal=backwards)).route.lane_ids.tolist()[0] == 1


@needs_scenes
@pytest.mark.parametrize("path", SCENES, ids=lambda p: p.name[:-7])
def test_every_shared_scene_is_a_road_with_the_ego_on_its_route(path: Path) -> None:
    scene = read_scene(path)
    road = Road(scene.lane_map, scene.route)
    ego = scene.ego_initial
    located = road.locate(ego.x_m, ego.y_m, ego.yaw_rad)
    assert located is not None and located[0] in scene.route.lane_ids.tolist()
    assert not road.off_road(ego.x_m, ego.y_m)
    assert scene.duration_s >= scene.dt_s
    path_s = road.route_path.center
    assert np.isfinite(path_s.x_m).all() and np.abs(path_s.curvature_1pm).max() < 0.35
    assert all(0.5 < lane.speed_limit_mps < 40.0 for lane in scene.lane_map.lanes)


# ----------------------------------------------------------------------------------------------------------- broken


def _refused(path: Path, what: str) -> None:
    with pytest.raises(SceneError, match=what) as caught:
        read_scene(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_file_cut_off_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(_file(tmp_path).read_bytes())
    path = tmp_path / "cut.xml.gz"
    for part in (whole[: len(whole) // 2], whole[:12], whole[:40] + b"rubbish" + whole[47:]):
        path.write_bytes(part)
        _refused(path, "cut off or damaged.*fetch|not well-formed")
    path = tmp_path / "cut.xml"
    path.write_bytes(_file(tmp_path).read_bytes()[:-200])
    _refused(path, "not well-formed.*fetch")


def test_what_is_no_commonroad_file_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "missing.xml", "no such file")
    _refused(tmp_path, "cannot be read")
    for content, what in (
        (b"", "not well-formed"),
        (b"\x00\x01\x02", "not well-formed"),
        (b"<osm/>", "root element is <osm>"),
    ):
        path = tmp_path / "other.xml"
        path.write_bytes(content)
        _refused(path, what)
    _refused(_file(tmp_path, version="2025a"), "version '2025a'; convert")


def test_entities_are_never_expanded(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    _refused(_file(tmp_path, head=bomb), "document type")
    secret = tmp_path / "secret.txt"
    secret.write_text("1.0")
    outside = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{secret}">]>'
    _refused(_file(tmp_path, head=outside, extra="<note>&s;</note>"), "document type")


def test_a_file_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xmlfile, "MAX_BYTES", 1 << 20)
    path = tmp_path / "zeros.xml.gz"
    path.write_bytes(gzip.compress(b" " * (5 << 20)))
    _refused(path, "larger than 1 MiB")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"lanes": ""}, "no <lanelet>"),
        ({"lanes": LANES.replace('id="2"', 'id="1"')}, "ids must be positive and different"),
        ({"lanes": LANES.replace("<x>60</x>", "<x>nan</x>")}, "'nan', not a number"),
        ({"lanes": LANES.replace("<x>60</x>", "<x>sixty</x>")}, "'sixty', not a number"),
        ({"lanes": LANES.replace("<x>60</x>", "")}, "needs at least 2 with x and y"),
        ({"lanes": LANES.replace('ref="2"', 'ref="two"')}, "ref is 'two', not an integer"),
        ({"lanes": _lanelet(1, 5, 5, 0)}, "lanelet 1 is 0 m long"),
        ({"start": "<initialState/>"}, "has no <time>"),
        ({"start": " "}, "no <initialState>"),
        ({"dt": "soon"}, "timeStepSize is 'soon'"),
        ({"dt": "-1"}, "timeStepSize"),
        ({"extra": '<dynamicObstacle id="1"/>'}, "no <shape>"),
        ({"extra": SIGNS.replace("<duration>30</duration>", "<duration>-30</duration>")}, "traffic light 70"),
        ({"goal": GOAL.replace("<intervalStart>40</intervalStart>", "<intervalStart>90</intervalStart>")}, "ends before it starts"),
        ({"goal": "<goalState/>"}, "no <time>"),
        ({"goal": '<goalState><position><lanelet ref="77"/></position><time><exact>3</exact></time></goalState>'}, "lanelet 77"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_the_format_is_refused_with_what_and_where(
    tmp_path: Path, change: dict[str, str], what: str
) -> None:
    _refused(_file(tmp_path, **change), what)


def test_a_file_without_a_planning_problem_has_no_ego(tmp_path: Path) -> None:
    path = tmp_path / "map.xml"
    path.write_text(_file(tmp_path).read_text().replace("planningProblem", "note"))
    _refused(path, "no <planningProblem>")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_changed_anywhere_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    parts = re.findall(r"<[^>]*>|[^<]+", _file(tmp_path).read_text())
    values = ["", "0", "-1", "1e308", "-inf", "99999999999999999999", "x", "1e-320", "60", "1e7"]
    for _ in range(data.draw(st.integers(1, 3))):
        i = data.draw(st.integers(0, len(parts) - 1))
        value = data.draw(st.sampled_from(values))
        if '"' in parts[i]:
            parts[i] = re.sub(r'"[^"]*"', f'"{value}"', parts[i], count=1)
        elif parts[i].startswith("<"):
            parts[i] = ""
        else:
            parts[i] = value
    path = tmp_path / "changed.xml"
    path.write_text("".join(parts))
    try:
        scene = read_scene(path)
    except SceneError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(Road(scene.lane_map, scene.route).route_path.center.x_m).all()


def test_on_a_motorway_urban_lanes_have_the_motorways_limit(tmp_path: Path) -> None:
    tags = "<scenarioTags><highway/></scenarioTags>"
    lanes = _lanelet(1, 0, 60, 0.0, "<laneletType>urban</laneletType>")
    path = _file(tmp_path, lanes=lanes, extra=tags)
    assert read_scene(path).lane_map.lanes[0].speed_limit_mps == 33.33
    path.write_text(path.read_text().replace("TST_One", "USA_One"))
    assert read_scene(path).lane_map.lanes[0].speed_limit_mps == 29.06
