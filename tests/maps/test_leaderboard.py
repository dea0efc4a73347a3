"""CARLA leaderboard files: what they say comes out in our axes, and whatever is wrong with one is one clear line."""

from __future__ import annotations

import gzip
import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whyway.maps.leaderboard import (
    LeaderboardError,
    is_route_spec,
    read_route,
    read_routes,
    read_triggers,
)
from whyway.types import InputError

DATA = Path(__file__).parents[3] / "shared/data"
LONGEST6 = DATA / "carla_routes_lb1_mit/leaderboard/data/longest6/longest6.xml"
SRUNNER = DATA / "carla_routes_lb1_mit/scenario_runner/srunner/data"
needs_routes = pytest.mark.skipif(not LONGEST6.is_file(), reason=f"no {LONGEST6}")

ROUTE_1 = """<route id="7" town="Town01"><weather cloudiness="80.0" sun_altitude_angle="5"/>
<waypoint pitch="0" roll="0" x="1.5" y="2.5" yaw="90" z="0.5"/><waypoint x="4" y="-6" yaw="-180" z="0"/></route>"""
ROUTE_2 = """<route id="a" town="Town12"><weathers><weather route_percentage="0" cloudiness="5"/>
<weather route_percentage="100" cloudiness="90"/></weathers>
<waypoints><position x="1" y="2" z="3"/><position x="10" y="2" z="3"/></waypoints>
<scenarios><scenario name="Accident_1" type="Accident"><trigger_point x="5" y="6" z="7" yaw="90"/>
<distance value="100"/><direction value="right"/><source_dist_interval from="30" to="65"/>
<start_actor_flow x="8" y="9" z="1"/></scenario></scenarios></route>"""


def _file(folder: Path, text: str, name: str = "routes.xml") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def _triggers(folder: Path, data: object) -> Path:
    return _file(folder, json.dumps(data), "triggers.json")


def test_a_route_of_version_1_comes_out_right_handed(tmp_path):
    (route,) = read_routes(_file(tmp_path, f"<routes>{ROUTE_1}</routes>"))
    assert (route.id, route.town) == ("7", "Town01")
    first, last = route.waypoints
    assert (first.x_m, first.y_m, first.z_m) == (1.5, -2.5, 0.5)
    assert first.yaw_rad == pytest.approx(-math.pi / 2)
    assert (last.x_m, last.y_m) == (4.0, 6.0)
    assert abs(last.yaw_rad) == pytest.approx(math.pi)
    assert [(w.cloudiness, w.sun_altitude_angle) for w in route.weathers] == [(80.0, 5.0)]


def test_a_route_of_version_2_brings_its_scenarios_along(tmp_path):
    (route,) = read_routes(_file(tmp_path, f"<routes>{ROUTE_2}</routes>", "routes.xml.gz"))
    assert [(p.x_m, p.y_m) for p in route.waypoints] == [(1.0, -2.0), (10.0, -2.0)]
    assert all(math.isnan(p.yaw_rad) for p in route.waypoints)
    assert [w.route_percent for w in route.weathers] == [0.0, 100.0]
    (trigger,) = route.triggers
    assert (trigger.name, trigger.kind) == ("Accident_1", "Accident")
    assert (trigger.at.x_m, trigger.at.y_m) == (5.0, -6.0)
    assert trigger.at.yaw_rad == pytest.approx(-math.pi / 2)
    assert trigger.parameters == {
        "distance": {"value": 100.0},
        "direction": {"value": "right"},
        "source_dist_interval": {"from": 30.0, "to": 65.0},
    }
    ((name, place),) = trigger.others
    assert (name, place.x_m, place.y_m) == ("start_actor_flow", 8.0, -9.0)


def test_a_route_is_named_by_file_and_id(tmp_path):
    both = _file(tmp_path, f"<routes>{ROUTE_1}{ROUTE_2}</routes>")
    alone = _file(tmp_path, f"<routes>{ROUTE_1}</routes>", "one.xml")
    assert read_route(f"{both}#a").town == "Town12"
    assert read_route(str(alone)).id == "7"
    with pytest.raises(LeaderboardError, match="holds 2 routes; name one as"):
        read_route(str(both))
    with pytest.raises(LeaderboardError, match="has no route '3'.*ids: 7, a"):
        read_route(f"{both}#3")
    scene = _file(tmp_path, "<commonRoad/>", "scene.xml")
    specs = (f"{both}#a", str(alone), str(scene), "town", str(tmp_path / "missing.xml"))
    assert [is_route_spec(s) for s in specs] == [True, True, False, False, False]


def test_triggers_of_version_1_are_read_by_town(tmp_path):
    at = {"x": "1.0", "y": "-2.0", "z": "0", "yaw": "180", "pitch": "0"}
    event = {"transform": at, "other_actors": {"left": [at | {"x": "5"}]}}
    scenario = {"scenario_type": "Scenario4", "available_event_configurations": [event]}
    found = read_triggers(_triggers(tmp_path, {"available_scenarios": [{"Town01": [scenario]}]}))
    (trigger,) = found["Town01"]
    assert (trigger.kind, trigger.at.x_m, trigger.at.y_m) == ("Scenario4", 1.0, 2.0)
    assert [(side, p.x_m) for side, p in trigger.others] == [("left", 5.0)]


@needs_routes
def test_every_shared_file_is_read():
    routes = read_routes(LONGEST6)
    assert len(routes) == 36
    assert {r.town for r in routes} == {f"Town0{i}" for i in range(1, 7)}
    assert all(len(r.weathers) == 1 for r in routes)
    assert len(read_routes(SRUNNER / "routes_devtest.xml")) == 26
    assert len(read_routes(SRUNNER / "routes_training.xml")) == 50
    for name, count, triggers in (("devtest", 2, 119), ("validation", 20, 1786)):
        found = read_routes(DATA / f"carla_routes_mit/routes_{name}.xml")
        assert (len(found), sum(len(r.triggers) for r in found)) == (count, triggers)
    assert read_triggers(SRUNNER / "no_scenarios.json") == {}
    towns = read_triggers(SRUNNER / "all_towns_traffic_scenarios1_3_4.json.gz")
    assert {t: len(found) for t, found in towns.items()} == {
        "Town01": 93, "Town02": 45, "Town03": 339, "Town04": 397, "Town05": 706, "Town06": 861,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ what is wrong


ROUTES = f"<routes>{ROUTE_1}</routes>"
WAYPOINTS = '<waypoint x="0" y="0" z="0"/><waypoint x="1" y="0" z="0"/>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<routes/>", "holds no <route>"),
        ("<scenes/>", "is <scenes>, not <routes>"),
        ('<routes><route id="1" town="T"/></routes>', "has 0 waypoints, needs 2"),
        (f'<routes><route town="T">{WAYPOINTS}</route></routes>', "has no id"),
        (f'<routes><route id="1">{WAYPOINTS}</route></routes>', "has no town"),
        (f"<routes>{ROUTE_1}{ROUTE_1}</routes>", "two routes with id"),
        (f'<routes><route id="1" town="{300 * "T"}">{WAYPOINTS}</route></routes>', "a short text"),
        (ROUTES.replace('"1.5"', '"nan"'), "x of <waypoint> line 2 is 'nan'"),
        (ROUTES.replace('"1.5"', '"1e99"'), "not a number up to"),
        (ROUTES.replace('x="1.5"', ""), "has no x"),
        ("<routes>" + ROUTE_2.replace("trigger_point", "point") + "</routes>", "has no <trigger_point>"),
        ("<routes><route", "not well-formed"),
        ('<!DOCTYPE r [<!ENTITY a "b">]><routes>&a;</routes>', "document type"),
    ],
)  # fmt: skip
def test_a_broken_route_file_gives_one_line(tmp_path, text, said):
    path = _file(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(said)) as error:
        read_routes(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "the file is a list, not an object"),
        ({}, "the file has no 'available_scenarios'"),
        ({"available_scenarios": {}}, "a dict where a list belongs"),
        ({"available_scenarios": [{"T": [{}]}]}, "a scenario has no 'scenario_type'"),
        (
            {
                "available_scenarios": [
                    {"T": [{"scenario_type": "S", "available_event_configurations": [{"transform": {"x": 1}}]}]}
                ]
            },
            "y of a transform is 'None'",
        ),
    ],
)  # fmt: skip
def test_a_broken_trigger_file_gives_one_line(tmp_path, data, said):
    with pytest.raises(LeaderboardError, match=re.escape(said)) as error:
        read_triggers(_triggers(tmp_path, data))
    assert "\n" not in str(error.value)


def test_what_is_no_json_or_goes_too_deep_or_too_far_is_refused(tmp_path, monkeypatch):
    for text in ("{", "[" * 100_000, '{"a": 1e999', "\xff"):
        with pytest.raises(LeaderboardError, match="not JSON"):
            read_triggers(_file(tmp_path, text, "t.json"))
    with pytest.raises(LeaderboardError, match="no such file"):
        read_triggers(tmp_path / "missing.json")
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress(b"{}" * 1000)[:-10])
    with pytest.raises(LeaderboardError, match="cut off or damaged"):
        read_triggers(cut)
    monkeypatch.setattr("whyway.maps.leaderboard.MAX_BYTES", 1 << 20)
    bomb = _file(tmp_path, " " * (2 << 20), "bomb.json.gz")
    with pytest.raises(LeaderboardError, match="larger than 1 MiB"):
        read_triggers(bomb)


VALID = f"<routes>{ROUTE_1}{ROUTE_2}</routes>"
TRIGGERS = json.dumps(
    {
        "available_scenarios": [
            {
                "Town01": [
                    {
                        "scenario_type": "Scenario3",
                        "available_event_configurations": [
                            {
                                "transform": {"x": "1", "y": "2", "z": "0", "yaw": "3"},
                                "other_actors": {"left": [{"x": 1, "y": 2, "yaw": 3}]},
                            }
                        ],
                    }
                ]
            }
        ]
    }
)
JUNK = st.sampled_from(
    ["", "nan", "-1e400", "9" * 5000, "<", ">", '"', "{", "[", "null", "\x00", "é"]
)


def _mutated(data: st.DataObject, text: str) -> str:
    """A part replaced by junk or by another part of the text."""
    for _ in range(data.draw(st.integers(1, 3))):
        a = data.draw(st.integers(0, len(text)))
        b = min(len(text), a + data.draw(st.integers(0, 40)))
        c = data.draw(st.integers(0, len(text)))
        new = data.draw(st.one_of(JUNK, st.just(text[c : c + 40])))
        text = text[:a] + new + text[b:]
    return text


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_done_to_a_file_gives_values_or_one_line(tmp_path, data):
    for text, read in ((VALID, read_routes), (TRIGGERS, read_triggers)):
        path = tmp_path / "fuzz"
        path.write_text(_mutated(data, text), encoding="utf-8")
        try:
            read(path)
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
