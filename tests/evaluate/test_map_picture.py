"""A map's picture shows what the map holds, and its facts count it."""

from __future__ import annotations

import dataclasses

import pytest
from lxml import etree

from whyway.cli import OK, WRONG_INPUT, main
from whyway.evaluate.report.map_picture import map_facts, map_svg
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.town import make_town
from whyway.types import InputError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def town():
    return make_town(1)


def test_every_light_and_stop_line_of_the_map_is_in_the_picture(town):
    root = etree.fromstring(map_svg(town.lane_map).encode())
    circles = root.findall(f"{SVG}circle")
    classes = [p.get("class") for p in root.findall(f"{SVG}path")]
    lines = town.lane_map.stop_lines
    assert len(circles) == len(town.lane_map.lights) > 0
    assert classes.count("stop") + classes.count("give") == len(lines) > 0
    assert classes.count("give") == sum(not s.light_id and not s.is_stop_sign for s in lines)


def test_the_facts_count_what_is_there(town):
    facts = map_facts(town.lane_map)
    assert facts["lanes"] == len(town.lane_map.lanes)
    assert facts["crossings"] == len(town.lane_map.crossings)
    assert facts["without a successor"] == 0


def test_a_map_without_lanes_is_refused(town):
    with pytest.raises(InputError, match="has no lanes"):
        map_svg(dataclasses.replace(town.lane_map, lanes=()))


def test_the_command_draws_a_file_and_refuses_one_that_is_no_map(town, tmp_path, capsys):
    path = tmp_path / "town.xodr"
    path.write_text(write_opendrive(town))
    assert main(["map", str(path), "--out", str(tmp_path / "town.svg")]) == OK
    assert (tmp_path / "town.svg").read_text().startswith("<svg")
    assert "driving lanes, km" in capsys.readouterr().out
    path.write_text("<OpenDRIVE><road")
    assert main(["map", str(path), "--out", str(tmp_path / "x.svg")]) == WRONG_INPUT
    assert not (tmp_path / "x.svg").exists()
