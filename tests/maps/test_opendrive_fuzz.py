"""OpenDRIVE files damaged anywhere: a sane map or one clear line, within bounded memory and time."""

from __future__ import annotations

import copy
import gzip
import time
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from whyway.maps.opendrive_links import MAX_LINKS
from whyway.maps.opendrive_read import SceneError, read_opendrive
from whyway.maps.opendrive_sampling import MAX_POINTS
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.town import make_town
from whyway.types import LaneMap

DATA = Path(__file__).parents[3] / "shared/data"
REAL = [
    *(DATA / "carla_xodr_scenic/misc").glob("s*.xodr.gz"),
    *(DATA / "carla_xodr_scenic/misc").glob("zero_width.xodr.gz"),
    *(DATA / "carla_xodr_scenic/opendrive.org").glob("*.xodr.gz"),
    *(DATA / "osc_alks_mpl").rglob("alks_road_different_curvatures.xodr"),
    *(DATA / "carla_xodr_scenic/CARLA").glob("Town10HD.xodr.gz"),
]
VALUES = [
    "", " ", "nan", "-inf", "inf", "1e308", "-1e308", "1e-320", "0", "-0", "-1", "1", "2", "3.5", "1e5", "1e7", "99999999999999999999",
    "x", "start", "end", "road", "junction", "driving", "none", "LHT", "206", "1000001", "crosswalk", "\u0664", "1_0", "7" * 5000,
]  # fmt: skip
fuzz = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def _texts() -> tuple[bytes, ...]:
    """Our own town, one with a bit of everything, and the shared files."""
    files = (gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes() for p in sorted(REAL))  # fmt: skip
    return write_opendrive(make_town(3)).encode(), *files


@cache
def _trees() -> tuple[etree._Element, ...]:
    """The same cut down to a dozen roads, with the junctions and controllers."""
    trees = tuple(etree.fromstring(text) for text in _texts())
    for tree in trees:
        for road in tree.findall("road")[12:]:
            tree.remove(road)
    return trees


def _read_or_refused(path: Path) -> LaneMap | None:
    try:
        lane_map, plan = read_opendrive(path)
    except SceneError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
        return None
    lanes = {lane.id: lane for lane in lane_map.lanes}
    assert len(lanes) == len(lane_map.lanes) > 0 and min(lanes) > 0
    for lane in lanes.values():
        points = np.stack([
            lane.center_x_m, lane.center_y_m, lane.left_x_m, lane.left_y_m, lane.right_x_m, lane.right_y_m,
        ])  # fmt: skip
        assert np.isfinite(points).all() and points.shape[1] >= 2
        assert np.hypot(*np.diff(points[:2])).sum() > 0.0
        assert 0.0 < lane.speed_limit_mps < 1000.0
        for after in lane.successor_ids.tolist():
            assert lane.id in lanes[after].predecessor_ids
        for before in lane.predecessor_ids.tolist():
            assert lane.id in lanes[before].successor_ids
        assert {lane.left_id, lane.right_id, lane.opposite_id} <= {0, *lanes}
    for group in (lane_map.stop_lines, lane_map.lights, lane_map.crossings):
        assert len({thing.id for thing in group}) == len(group)
        for thing in group:
            assert np.isfinite(np.append(thing.x_m, thing.y_m)).all()
            assert set(thing.lane_ids.tolist()) <= lanes.keys()
    assert set(plan.cycles) == {light.id for light in lane_map.lights}
    return lane_map


@fuzz
@given(st.data())
def test_a_file_with_elements_changed_is_read_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    root = copy.deepcopy(data.draw(st.sampled_from(_trees())))
    for _ in range(data.draw(st.integers(1, 4))):
        elements = [e for e in root.iter() if isinstance(e.tag, str)][1:]
        element = data.draw(st.sampled_from(elements))
        parent = element.getparent()
        change = data.draw(
            st.sampled_from(["value", "value", "value", "drop", "twice", "attribute", "rename"])
        )
        if change == "value" and element.attrib:
            element.set(
                data.draw(st.sampled_from(sorted(element.attrib))),
                data.draw(st.sampled_from(VALUES)),
            )
        elif change == "drop":
            parent.remove(element)
        elif change == "twice":
            parent.append(copy.deepcopy(element))
        elif change == "attribute" and element.attrib:
            del element.attrib[data.draw(st.sampled_from(sorted(element.attrib)))]
        elif change == "rename":
            element.tag = data.draw(
                st.sampled_from(
                    ["road", "lane", "line", "arc", "poly3", "width", "border", "signal", "object"]
                )
            )
    path = tmp_path / "changed.xodr"
    path.write_bytes(etree.tostring(root))
    _read_or_refused(path)


@fuzz
@given(st.data())
def test_a_file_with_bytes_changed_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from([t for t in _texts() if len(t) < 300_000])))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.one_of(st.sampled_from(b'"<>/=-.0e9 &'), st.integers(0, 255)))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(text))))
    packed = data.draw(st.booleans())
    path = tmp_path / "changed.xodr"
    path.write_bytes(gzip.compress(bytes(text[:cut]), 1) if packed else bytes(text[:cut]))
    _read_or_refused(path)


# ---------------------------------------------------------------------------------------------------------- hostile


WIDTH = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>'
LANE = f'<lane id="-1" type="driving"><link><predecessor id="-1"/><successor id="-1"/></link>{WIDTH}</lane>'
SECTION = f'<laneSection s="0"><right>{LANE}</right></laneSection>'
LINE = '<geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry>'


def _road(
    identity: int = 1,
    plan: str = LINE,
    lanes: str = SECTION,
    length: float = 100,
    link: str = "",
    more: str = "",
) -> str:
    return (
        f'<road id="{identity}" length="{length}" junction="-1"><link>{link}</link><planView>{plan}</planView>'
        f"<lanes>{lanes}</lanes>{more}</road>"
    )


def _write(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "hostile.xodr"
    path.write_text(f"<OpenDRIVE>{body}</OpenDRIVE>")
    return path


def _plan(length: object, shape: str, s: object = 0) -> str:
    return f'<geometry s="{s}" x="0" y="0" hdg="0" length="{length}">{shape}</geometry>'


def _wide(**cubic: object) -> str:
    return SECTION.replace(
        WIDTH, "<width " + " ".join(f'{k}="{v}"' for k, v in cubic.items()) + "/>"
    )


REFUSED = [
    (_road(plan=_plan("1e308", "<line/>")), "length is '1e308'"),
    (_road(plan=_plan("1e7", "<line/>")), "1e\\+07 m long"),
    (_road(plan=_plan("nan", "<line/>")), "length is 'nan'"),
    (_road(plan=_plan("-5", "<line/>")), "-5 m long"),
    (_road(plan=_plan(100, '<arc curvature="nan"/>')), "curvature is 'nan'"),
    (_road(plan=_plan(100, '<arc curvature="1e6"/>')), "turns by more than 40 rad"),
    (_road(plan=_plan(100, '<spiral curvStart="-9" curvEnd="9"/>')), "turns by more than 40 rad"),
    (_road(plan=_plan(100, '<paramPoly3 aU="0" bU="1e8" cU="1e8" dU="1e8" aV="0" bV="0" cV="0" dV="0"/>')), "from the origin"),
    (_road(plan=_plan(100, "<teapot/>")), "holds <teapot>"),
    (_road(lanes=_wide(sOffset="0", a="1e8")), "reaches farther than 1000 m"),
    (_road(lanes=_wide(sOffset="0", a="3", d="1e8")), "reaches farther than 1000 m|points"),
    (_road(lanes=_wide(sOffset="0", a="NaN")), "a is 'NaN'"),
    (_road(lanes=SECTION.replace('id="-1" type', 'id="1e3" type')), "id is '1e3', not an integer"),
    (_road(lanes=SECTION.replace(LANE, LANE + LANE)), "two lanes of one id"),
    (_road() + _road(), "an id of its own"),
    (_road(more='<type s="0" type="town"><speed max="-7" unit="km/h"/></type>'), "is no speed; write"),
    (_road(more='<type s="0" type="town"><speed max="7" unit="knots"/></type>'), "is no speed; write"),
    (_road(more='<objects><object type="crosswalk" id="1" s="5" t="0" length="1e7" width="4"/></objects>'), "farther than 200 m"),
    ("<a>" * 1000 + "</a>" * 1000, "not well-formed"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "what"), REFUSED, ids=lambda v: str(v)[:40] if len(str(v)) < 60 else "")  # fmt: skip
def test_hostile_numbers_are_refused_with_what_and_where(
    tmp_path: Path, body: str, what: str
) -> None:
    path = _write(tmp_path, body)
    with pytest.raises(SceneError, match=what) as caught:
        read_opendrive(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_more_points_than_the_limit_are_refused_before_they_are_made(tmp_path: Path) -> None:
    lanes = "".join(
        LANE.replace('id="-1" type', f'id="{-n}" type').replace("3.5", "0.1") for n in range(1, 200)
    )
    road = _road(
        plan=_plan(99_000, "<line/>"),
        lanes=f'<laneSection s="0"><right>{lanes}</right></laneSection>',
        length=99_000,
    )
    path = _write(tmp_path, road)
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(SceneError, match=f"more than {MAX_POINTS} points; cut"):
        read_opendrive(path)
    assert time.process_time() - start < 20.0 and tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_a_file_of_four_thousand_crumbs_is_read_in_bounded_time(tmp_path: Path) -> None:
    """Sections of millimetres, which join one another: the time must grow with their number, not its square."""
    sections = "".join(SECTION.replace('s="0"', f's="{i * 0.005}"', 1) for i in range(4_000))
    path = _write(tmp_path, _road(lanes=sections))
    start = time.process_time()
    lane_map = _read_or_refused(path)
    assert time.process_time() - start < 60.0
    assert lane_map is not None and len(lane_map.lanes) == 1


def test_a_lane_that_leads_everywhere_is_refused(tmp_path: Path) -> None:
    to = '<predecessor elementType="road" elementId="1" contactPoint="end"/>'
    roads = _road() + "".join(_road(i, link=to) for i in range(2, MAX_LINKS + 4))
    with pytest.raises(SceneError, match=f"linked to more than {MAX_LINKS} others"):
        read_opendrive(_write(tmp_path, roads))
