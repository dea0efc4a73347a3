"""OpenDRIVE files read: our own town there and back, small ones written here, the shared odd ones."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.geometry import Polyline
from whyway.maps.opendrive_read import OpenDrive, SceneError, read_opendrive, read_opendrive_file
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.road import Road
from whyway.maps.routes import follow
from whyway.maps.town import make_town
from whyway.types import Lane, LaneKind, LightColor, MarkingKind

DATA = Path(__file__).parents[3] / "shared/data"
ODD = [
    *sorted((DATA / "carla_xodr_scenic/misc").glob("*.xodr.gz")),
    *sorted((DATA / "carla_xodr_scenic/opendrive.org").glob("*.xodr.gz")),
    *sorted((DATA / "osc_alks_mpl").rglob("*.xodr")),
]
W = 3.5


# ---------------------------------------------------------------------------------------------------- there and back


@settings(max_examples=4)
@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_our_own_town_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    town = make_town(seed)
    path = tmp_path_factory.mktemp("town") / "town.xodr"
    path.write_text(write_opendrive(town))
    read = read_opendrive_file(path)
    was = {lane.id: lane for lane in town.lane_map.lanes}
    ids = {0: 0}  # ours by theirs
    for edge in town.layout.edges:
        numbers = (*range(-edge.lanes, 0), *range(1, edge.lanes + 1))
        ids |= {_id(read, str(edge.id), n): edge.lane_id(n) for n in numbers}
    ids |= {_id(read, str(link.id), -1): link.lane_id for link in town.layout.links}
    assert len(read.lane_map.lanes) == len(was) == len(ids) - 1
    for lane in read.lane_map.lanes:
        _same(lane, was[ids[lane.id]], ids)
    lines = {line.id: line for line in read.lane_map.stop_lines}
    assert lines.keys() == {line.id for line in town.lane_map.stop_lines}
    for old in town.lane_map.stop_lines:
        new = lines[old.id]
        assert {ids[i] for i in new.lane_ids.tolist()} == set(old.lane_ids.tolist())
        assert (new.light_id, new.is_stop_sign) == (old.light_id, old.is_stop_sign)
        ends = np.sort(new.x_m + 1j * new.y_m) - np.sort(old.x_m + 1j * old.y_m)
        assert np.abs(ends).max() < 0.02
    lights = {light.id: light for light in read.lane_map.lights}
    assert lights.keys() == {light.id for light in town.lane_map.lights} == set(read.signals.cycles)
    for light in town.lane_map.lights:
        new_light = lights[light.id]
        assert math.hypot(new_light.x_m - light.x_m, new_light.y_m - light.y_m) < 0.02
        assert {ids[i] for i in new_light.lane_ids.tolist()} == set(light.lane_ids.tolist())
    crossings = {crossing.id: crossing for crossing in read.lane_map.crossings}
    assert crossings.keys() == {crossing.id for crossing in town.lane_map.crossings}
    for crossing in town.lane_map.crossings:
        again = crossings[crossing.id]
        assert {ids[i] for i in again.lane_ids.tolist()} == set(crossing.lane_ids.tolist())
        apart = np.hypot(again.x_m[:, None] - crossing.x_m, again.y_m[:, None] - crossing.y_m)
        assert apart.min(axis=0).max() < 0.02 and len(again.x_m) == len(crossing.x_m)


def _id(read: OpenDrive, road: str, number: int) -> int:
    (found,) = {i for i, names in read.names.items() if (road, 0, number) in names}
    return found


def _same(new: Lane, old: Lane, ids: dict[int, int]) -> None:
    for side in ("center", "left", "right"):
        line = Polyline.through(getattr(old, f"{side}_x_m"), getattr(old, f"{side}_y_m"))
        x, y = getattr(new, f"{side}_x_m"), getattr(new, f"{side}_y_m")
        _, away = line.project(x, y)
        assert np.abs(away).max() < 0.02
        for i in (0, -1):
            assert math.hypot(x[i] - line.x_m[i], y[i] - line.y_m[i]) < 0.02
    assert {ids[i] for i in new.successor_ids.tolist()} == set(old.successor_ids.tolist())
    assert {ids[i] for i in new.predecessor_ids.tolist()} == set(old.predecessor_ids.tolist())
    for what in ("left_id", "right_id", "opposite_id"):
        assert ids[getattr(new, what)] == getattr(old, what)
    for what in ("kind", "speed_limit_mps", "in_junction", "left_marking", "right_marking"):
        assert getattr(new, what) == getattr(old, what)


# ----------------------------------------------------------------------------------------------------- written here


def _lane(number: int, inner: str = "", kind: str = "driving", width: str | None = None) -> str:
    wide = f'<width sOffset="0" a="{W}" b="0" c="0" d="0"/>' if width is None else width
    return f'<lane id="{number}" type="{kind}">{inner}{wide}</lane>'


def _section(*lanes: str, s: float = 0.0, center: str = "") -> str:
    center = f'<center><lane id="0" type="none">{center}</lane></center>'
    return f'<laneSection s="{s}">{center}<right>{"".join(lanes)}</right></laneSection>'


def _road(
    sections: str, identity: object = 1, length: float = 100.0, x: float = 0.0, plan: str = "", link: str = "", more: str = "",
    junction: object = -1, rule: str = "RHT",
) -> str:  # fmt: skip
    plan = plan or f'<geometry s="0" x="{x}" y="0" hdg="0" length="{length}"><line/></geometry>'
    return (
        f'<road id="{identity}" length="{length}" junction="{junction}" rule="{rule}"><link>{link}</link>'
        f"<planView>{plan}</planView><lanes>{sections}</lanes>{more}</road>"
    )


def _read(tmp_path: Path, *roads: str, more: str = "", head: str = "") -> OpenDrive:
    path = tmp_path / "small.xodr"
    header = f'<header revMajor="1" revMinor="7">{head}</header>'
    path.write_text(f'<?xml version="1.0"?><OpenDRIVE>{header}{"".join(roads)}{more}</OpenDRIVE>')
    return read_opendrive_file(path)


def _by_number(read: OpenDrive, road: str = "1") -> dict[tuple[int, int], Lane]:
    """(section, number) -> lane."""
    lanes = {lane.id: lane for lane in read.lane_map.lanes}
    return {(j, n): lanes[i] for i, names in read.names.items() for r, j, n in names if r == road}


def test_neighbours_directions_and_kinds(tmp_path: Path) -> None:
    lanes = [_lane(2), _lane(1), _lane(-1), _lane(-2), _lane(-3, kind="biking"), _lane(-4, kind="median"), _lane(-5)]  # fmt: skip
    of = _by_number(_read(tmp_path, _road(_section(*lanes))))
    one, two, left = of[0, -1], of[0, -2], of[0, 1]
    assert (one.left_id, one.right_id, one.opposite_id) == (0, two.id, left.id)
    assert (two.left_id, two.right_id, two.opposite_id) == (one.id, 0, 0)
    assert (left.left_id, left.right_id, left.opposite_id) == (0, of[0, 2].id, one.id)
    assert of[0, -5].left_id == 0  # beyond a median
    assert [of[0, n].kind for n in (-3, -4, -5)] == [LaneKind.BIKE, LaneKind.OTHER, LaneKind.DRIVING]  # fmt: skip
    assert one.center_x_m[0] == 0.0 and left.center_x_m[0] == 100.0
    assert set(one.left_y_m) == {0.0} and set(one.right_y_m) == {-W}
    assert set(left.left_y_m) == {0.0} and set(left.right_y_m) == {W}


def test_where_traffic_keeps_left_the_lanes_run_the_other_way(tmp_path: Path) -> None:
    of = _by_number(_read(tmp_path, _road(_section(_lane(2), _lane(1), _lane(-1), _lane(-2)), rule="LHT")))  # fmt: skip
    along, against = of[0, 1], of[0, -1]
    assert along.center_x_m[0] == 0.0 and against.center_x_m[0] == 100.0
    assert along.left_id == of[0, 2].id and along.right_id == 0
    assert along.opposite_id == 0  # it is on the right
    assert set(along.left_y_m) == {W} and set(along.right_y_m) == {0.0}


def test_a_lane_offset_moves_all_lanes_and_a_border_stands_for_a_width(tmp_path: Path) -> None:
    border = '<border sOffset="0" a="-4.0" b="0" c="0" d="0"/>'
    offset = '<laneOffset s="0" a="1.0" b="0.01" c="0" d="0"/>'
    of = _by_number(_read(tmp_path, _road(offset + _section(_lane(-1), _lane(-2, width=border)))))
    np.testing.assert_allclose(of[0, -1].left_y_m, 1.0 + 0.01 * of[0, -1].left_x_m, atol=1e-6)
    np.testing.assert_allclose(of[0, -2].left_y_m - of[0, -2].right_y_m, 0.5, atol=1e-6)


@pytest.mark.parametrize("curvature", [0.2, -0.1, 0.02, 0.001])
def test_points_leave_an_arc_by_less_than_a_centimetre(tmp_path: Path, curvature: float) -> None:
    length = min(100.0, 6.0 / abs(curvature))
    plan = f'<geometry s="0" x="0" y="0" hdg="0" length="{length}"><arc curvature="{curvature}"/></geometry>'
    of = _by_number(_read(tmp_path, _road(_section(_lane(1), _lane(-1)), length=length, plan=plan)))
    for lane in of.values():
        for x, y in ((lane.center_x_m, lane.center_y_m), (lane.left_x_m, lane.left_y_m), (lane.right_x_m, lane.right_y_m)):  # fmt: skip
            middle = np.hypot((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2 - 1 / curvature)
            radius = np.hypot(x, y - 1 / curvature)
            assert np.ptp(radius) < 1e-6
            assert np.abs(middle - radius[0]).max() <= 0.01


def test_markings_are_those_of_most_of_the_lane_and_of_its_own_side(tmp_path: Path) -> None:
    mark = '<roadMark sOffset="{}" type="{}"/>'
    lanes = [
        _lane(1), _lane(-1, mark.format(0, "broken") + mark.format(80, "solid")), _lane(-2, mark.format(0, "solid broken")),
        _lane(-3, mark.format(0, "curb")),
    ]  # fmt: skip
    of = _by_number(_read(tmp_path, _road(_section(*lanes, center=mark.format(0, "solid broken")))))
    kinds = [(of[0, n].left_marking, of[0, n].right_marking) for n in (1, -1, -2, -3)]
    solid, dashed, unknown = MarkingKind.SOLID, MarkingKind.DASHED, MarkingKind.UNKNOWN
    assert kinds == [(solid, unknown), (dashed, dashed), (dashed, solid), (dashed, solid)]


def test_limits_of_lane_road_and_sign_in_any_unit(tmp_path: Path) -> None:
    lanes = [_lane(-1), _lane(-2, '<speed sOffset="0" max="25" unit="mph"/>')]
    limit = '<type s="0" type="town"><speed max="{}" unit="{}"/></type>'
    here = [
        _road(_section(*lanes), 1, more=limit.format(36, "km/h")),
        _road(_section(_lane(-1)), 2, more=limit.format("no limit", "km/h")),
        _road(_section(_lane(-1)), 3, more='<type s="0" type="rural"/>'),
        _road(_section(_lane(-1)), 4, more='<signals><signal id="1" s="10" t="-5" type="274" subtype="53" orientation="+"/></signals>'),
        _road(_section(_lane(-1)), 5, more='<signals><signal id="2" s="10" t="-5" type="274" value="20" unit="mph" orientation="+"/></signals>'),
        _road(_section(_lane(-1)), 6, more='<signals><signal id="3" s="10" t="-5" type="274" value="20" orientation="-"/></signals>'),
    ]  # fmt: skip
    read = _read(tmp_path, *here)
    limits = {
        road: of[0, -1].speed_limit_mps for road in "123456" if (of := _by_number(read, road))
    }
    expected = {"1": 10.0, "2": 130 / 3.6, "3": 100 / 3.6, "4": 30 / 3.6, "5": 20 * 0.44704, "6": 50 / 3.6}  # fmt: skip
    assert limits == pytest.approx(expected)
    assert _by_number(read)[0, -2].speed_limit_mps == pytest.approx(25 * 0.44704)


LINKED = '<link><predecessor id="-1"/><successor id="-1"/></link>'


def _chain(*lengths: float, links: str = LINKED) -> list[str]:
    roads, x = [], 0.0
    for i, length in enumerate(lengths):
        before = (
            f'<predecessor elementType="road" elementId="{i - 1}" contactPoint="end"/>' if i else ""
        )
        after = f'<successor elementType="road" elementId="{i + 1}" contactPoint="start"/>' if i + 1 < len(lengths) else ""  # fmt: skip
        roads.append(_road(_section(_lane(-1, links)), i, length, x, link=before + after))
        x += length
    return roads


def test_a_limit_lasts_until_another_one(tmp_path: Path) -> None:
    first, *rest = _chain(50.0, 50.0, 50.0)
    first = first.replace("</road>", '<type s="0" type="town"><speed max="9"/></type></road>')
    assert {lane.speed_limit_mps for lane in _read(tmp_path, first, *rest).lane_map.lanes} == {9.0}


def test_short_roads_join_their_neighbours_and_zero_length_ones_are_stepped_over(tmp_path: Path) -> None:  # fmt: skip
    read = _read(tmp_path, *_chain(50.0, 0.5, 1e-7, 0.0, 50.0))
    first, second = read.lane_map.lanes
    assert first.successor_ids.tolist() == [second.id]
    assert float(first.center_x_m[-1]) == 50.5
    assert read.names[first.id] == (("0", 0, -1), ("1", 0, -1))


def test_sections_that_change_nothing_become_one_lane(tmp_path: Path) -> None:
    sections = _section(_lane(-1, LINKED)) + _section(_lane(-1, LINKED), s=40.0)
    wider = _section(_lane(-1, LINKED), _lane(-2), s=70.0)
    read = _read(tmp_path, _road(sections + wider))
    one, two, opened = (_by_number(read)[j, n] for j, n in ((1, -1), (2, -1), (2, -2)))
    assert len(read.lane_map.lanes) == 3 and _by_number(read)[0, -1] is one
    assert one.successor_ids.tolist() == [two.id] and opened.predecessor_ids.tolist() == []
    assert one.center_x_m[[0, -1]].tolist() == [0.0, 70.0] and np.diff(one.center_x_m).min() > 0.5


def test_a_link_that_would_lead_against_the_traffic_is_none(tmp_path: Path) -> None:
    first = _road(_section(_lane(-1, LINKED)), 1, link='<successor elementType="road" elementId="2" contactPoint="end"/>')  # fmt: skip
    read = _read(tmp_path, first, _road(_section(_lane(-1, LINKED)), 2, x=100.0))
    assert all(not len(lane.successor_ids) for lane in read.lane_map.lanes)


JUNCTION = """<junction id="9"><connection id="0" incomingRoad="1" connectingRoad="3" contactPoint="start"><laneLink from="-1" to="-1"/>
</connection><connection id="1" incomingRoad="2" connectingRoad="4" contactPoint="start"><laneLink from="1" to="-1"/></connection>
{}</junction>"""


def _crossroads(signals: str = "", on_connecting: str = "", on_second: str = "") -> list[str]:
    """Two roads towards each other, a junction between with a way through for both."""
    to = '<{} elementType="junction" elementId="9"/>'
    way = '<predecessor elementType="road" elementId="{}" contactPoint="{}"/><successor elementType="road" elementId="{}" contactPoint="{}"/>'
    back = '<geometry s="0" x="120" y="0" hdg="3.141592653589793" length="20"><line/></geometry>'
    lane_back = _lane(-1, '<link><predecessor id="1"/><successor id="1"/></link>')
    two_way = _section(_lane(1), _lane(-1))
    return [
        _road(two_way, 1, link=to.format("successor"), more=f"<signals>{signals}</signals>"),
        _road(two_way, 2, x=120.0, link=to.format("predecessor"), more=f"<signals>{on_second}</signals>"),
        _road(_section(_lane(-1, LINKED)), 3, 20.0, 100.0, link=way.format(1, "end", 2, "start"), junction=9,
              more=f"<signals>{on_connecting}</signals>"),
        _road(_section(lane_back), 4, 20.0, plan=back, link=way.format(2, "start", 1, "end"), junction=9),
    ]  # fmt: skip


def test_junctions_link_both_directions(tmp_path: Path) -> None:
    read = _read(tmp_path, *_crossroads(), more=JUNCTION.format(""))
    lane = {(r, n): _by_number(read, r)[0, n] for r, n in (("1", -1), ("1", 1), ("2", -1), ("2", 1), ("3", -1), ("4", -1))}  # fmt: skip
    chains = [[("1", -1), ("3", -1), ("2", -1)], [("2", 1), ("4", -1), ("1", 1)]]
    for a, b, c in chains:
        assert lane[a].successor_ids.tolist() == [lane[b].id] == lane[c].predecessor_ids.tolist()
        assert lane[b].successor_ids.tolist() == [lane[c].id] and lane[b].in_junction
    assert not lane["1", -1].in_junction


LIGHT = (
    '<signal id="7" s="{s}" t="-5" dynamic="yes" type="1000001" orientation="+">{validity}</signal>'
)


def test_a_light_on_a_connecting_road_holds_the_lane_that_leads_in(tmp_path: Path) -> None:
    reference = '<signalReference id="7" s="0.1" t="0" orientation="-"><validity fromLane="-1" toLane="-1"/></signalReference>'
    post = LIGHT.format(s=95, validity='<validity fromLane="0" toLane="0"/>')
    read = _read(tmp_path, *_crossroads(post, reference), more=JUNCTION.format(""))
    (line,), (light,) = read.lane_map.stop_lines, read.lane_map.lights
    held = _by_number(read)[0, -1]
    assert (line.light_id, line.lane_ids.tolist(), light.lane_ids.tolist()) == (7, [held.id], [held.id])  # fmt: skip
    assert line.x_m.tolist() == [100.0, 100.0] and sorted(line.y_m) == [-W, 0.0]
    assert (light.x_m, light.y_m) == (95.0, -5.0)
    cycle = read.signals.cycles[7]
    assert cycle.colors == (LightColor.GREEN, LightColor.AMBER, LightColor.RED)


def test_signs_stand_where_they_stand_and_a_light_wins(tmp_path: Path) -> None:
    sign = '<signal id="{}" s="90" t="-5" type="{}" orientation="{}"/>'
    stop, give_way = sign.format(5, 206, "+"), sign.format(6, 205, "-")
    read = _read(tmp_path, *_crossroads(stop + give_way), more=JUNCTION.format(""))
    of = _by_number(read)
    lines = {line.id: line for line in read.lane_map.stop_lines}
    assert lines[5].is_stop_sign and lines[5].lane_ids.tolist() == [of[0, -1].id]
    assert not lines[6].is_stop_sign and lines[6].lane_ids.tolist() == [of[0, 1].id]
    assert lines[5].x_m.tolist() == [90.0, 90.0] and not read.signals.cycles
    both = stop + LIGHT.format(s=92, validity="")
    (line,) = _read(tmp_path, *_crossroads(both), more=JUNCTION.format("")).lane_map.stop_lines
    assert (line.light_id, line.is_stop_sign) == (7, False)


def test_controllers_of_a_junction_take_turns_and_never_two_have_green(tmp_path: Path) -> None:
    sign = '<signal id="{}" s="{}" t="-5" dynamic="yes" type="1000001" orientation="{}"/>'
    controllers = "".join(
        f'<controller id="{c}" sequence="{c}"><control signalId="{signal}"/></controller>' for c, signal in ((0, 2), (1, 1))
    )  # fmt: skip
    junction = JUNCTION.format('<controller id="0" sequence="0"/><controller id="1" sequence="1"/>')
    roads = _crossroads(sign.format(1, 90, "+"), on_second=sign.format(2, 10, "-"))
    for more in (controllers + junction, JUNCTION.format("")):
        plan = _read(tmp_path, *roads, more=more).signals
        assert plan.cycles.keys() == {1, 2}
        seen = set()
        for t in np.arange(0.0, 60.0, 0.5):
            colors = [state.color for state in plan.states(float(t))]
            seen.add(tuple(colors))
            assert LightColor.RED in colors
        red, amber, green = LightColor.RED, LightColor.AMBER, LightColor.GREEN
        assert seen == {(red, red), (red, amber), (red, green), (amber, red), (green, red)}


def test_crosswalks_in_all_three_spellings(tmp_path: Path) -> None:
    local = '<outline><cornerLocal u="2" v="4"/><cornerLocal u="-2" v="4"/><cornerLocal u="-2" v="-4"/><cornerLocal u="2" v="-4"/><cornerLocal u="2" v="4"/></outline>'  # noqa: E501
    road = '<outlines><outline><cornerRoad s="30" t="2"/><cornerRoad s="34" t="2"/><cornerRoad s="34" t="-2"/><cornerRoad s="30" t="-2"/></outline></outlines>'  # noqa: E501
    crosswalk = (
        '<object type="crosswalk" id="{}" s="50" t="0" hdg="{}" length="4" width="8">{}</object>'
    )
    objects = (
        crosswalk.format(1, 0, local) + crosswalk.format(2, 0, road)
        + crosswalk.format(3, math.pi / 2, "") + crosswalk.format("x", 0, '<outline><cornerLocal u="2" v="4"/></outline>')
    )  # fmt: skip
    lanes = (_lane(1), _lane(-1), _lane(-2), _lane(-3, kind="sidewalk"))
    read = _read(tmp_path, _road(_section(*lanes), more=f"<objects>{objects}</objects>"))
    of = _by_number(read)
    one, two, three = read.lane_map.crossings
    assert (one.id, len(one.x_m), one.x_m.min(), one.x_m.max(), one.y_m.max()) == (1, 4, 48.0, 52.0, 4.0)  # fmt: skip
    assert set(one.lane_ids.tolist()) == {of[0, 1].id, of[0, -1].id}
    assert two.x_m.tolist() == [30.0, 34.0, 34.0, 30.0] and set(two.lane_ids.tolist()) == {of[0, 1].id, of[0, -1].id}  # fmt: skip
    assert (round(three.x_m.max(), 9), round(three.y_m.max(), 9)) == (54.0, 2.0)


def test_the_geographic_reference_is_kept(tmp_path: Path) -> None:
    proj = "+proj=utm +zone=32 +datum=WGS84"
    read = _read(tmp_path, _road(_section(_lane(-1))), head=f"<geoReference><![CDATA[{proj}]]></geoReference>")  # fmt: skip
    assert read.geo_reference == proj


def test_a_namespace_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "map.xodr"
    path.write_text(f'<OpenDRIVE xmlns="http://asam.net/xodr">{_road(_section(_lane(-1)))}</OpenDRIVE>')  # fmt: skip
    assert len(read_opendrive(path)[0].lanes) == 1


# ------------------------------------------------------------------------------------------------------- shared, odd


@pytest.mark.skipif(not ODD, reason=f"no shared maps in {DATA}")
@pytest.mark.parametrize("path", ODD, ids=lambda p: p.name.split(".")[0])
def test_every_odd_file_is_a_road_one_can_drive(path: Path) -> None:
    lane_map = read_opendrive(path)[0]
    driving = [lane for lane in lane_map.lanes if lane.kind == LaneKind.DRIVING]
    for lane in lane_map.lanes:
        points = np.stack([lane.center_x_m, lane.center_y_m, lane.left_x_m, lane.right_y_m])
        assert np.isfinite(points).all() and points.shape[1] >= 2
    route = follow(lane_map, driving[0].id, 200.0)
    assert len(Road(lane_map, route).route_path.center.x_m) >= 2


@pytest.mark.parametrize("town", ["Town05", "Town07"])
def test_a_towns_lanes_have_no_kinks_and_go_on_where_they_end(town: str) -> None:
    path = DATA / f"carla_xodr_mit/{town}.xodr.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    lanes = {lane.id: lane for lane in read_opendrive(path)[0].lanes}
    for lane in lanes.values():
        if lane.kind != LaneKind.DRIVING:
            continue
        x, y = lane.center_x_m, lane.center_y_m
        yaw = np.unwrap(np.arctan2(np.diff(y), np.diff(x)))
        assert np.abs(np.diff(yaw)).max(initial=0.0) < math.radians(10.0)
        for after in (lanes[i] for i in lane.successor_ids.tolist()):
            assert math.hypot(after.center_x_m[0] - x[-1], after.center_y_m[0] - y[-1]) <= 0.051


def test_a_road_that_leads_back_to_itself_is_a_loop() -> None:
    path = DATA / "carla_xodr_scenic/opendrive.org/CulDeSac.xodr.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    read = read_opendrive_file(path)
    of = {names[0]: i for i, names in read.names.items()}
    lanes = {lane.id: lane for lane in read.lane_map.lanes}
    out, loop, home = of["1", 0, -1], of["3", 0, -1], of["1", 0, 1]
    assert lanes[out].successor_ids.tolist() == [loop]
    assert lanes[loop].successor_ids.tolist() == [home] and not len(lanes[home].successor_ids)


def test_gzipped_and_plain_read_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "town.xodr", tmp_path / "town.xodr.gz"
    plain.write_text(write_opendrive(make_town(2)))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = read_opendrive(plain)[0], read_opendrive(packed)[0]
    for a, b in zip(one.lanes, other.lanes, strict=True):
        assert (a.center_x_m == b.center_x_m).all() and (a.left_y_m == b.left_y_m).all()


def test_what_is_no_map_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "map.xodr"
    cases = (
        ("<osm/>", "not <OpenDRIVE>; give"), ("<OpenDRIVE/>", "no <road>"), ("<OpenDRIVE><road/></OpenDRIVE>", "id of its own"),
        ('<OpenDRIVE><road id="1"/></OpenDRIVE>', "no <road> has a geometry"),
    )  # fmt: skip
    for text, what in cases:
        path.write_text(text)
        with pytest.raises(SceneError, match=what) as caught:
            read_opendrive(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
