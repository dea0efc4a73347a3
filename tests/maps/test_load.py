"""One door for maps of every format."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from whyway.maps.load import load_map
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.town import make_town
from whyway.maps.xmlfile import SceneError

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.mark.parametrize("name", ["town.xodr", "my.town.XODR", "town.xodr.gz"])
def test_opendrive_by_its_ending(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = write_opendrive(make_town(5)).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    lane_map, signals = load_map(path)
    assert len(lane_map.lanes) == len(make_town(5).lane_map.lanes) and signals.cycles


@pytest.mark.parametrize(
    "pattern", ["lanelet2_bsd/**/mapping_example.osm*", "commonroad_bsd/*/*.xml.gz"]
)
def test_lanelet2_and_commonroad_by_theirs(pattern: str) -> None:
    path = next(iter(sorted(DATA.glob(pattern))), None)
    if path is None:
        pytest.skip(f"no {pattern} in {DATA}")
    lane_map, _ = load_map(path)
    assert lane_map.lanes


@pytest.mark.parametrize("name", ["map.png", "map", "map.gz", ".xodr", "missing.xodr"])
def test_anything_else_is_refused_with_what_to_give(tmp_path: Path, name: str) -> None:
    with pytest.raises(SceneError, match="give .*OpenDRIVE|no such file") as caught:
        load_map(tmp_path / name)
    assert "\n" not in str(caught.value)
