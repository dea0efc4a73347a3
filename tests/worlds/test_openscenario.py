"""The UN R157 scenarios in OpenSCENARIO: all are read and played; whatever is not supported, or hostile, is one line."""

from __future__ import annotations

import gzip
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from ride import ride

from whyway.config import Config
from whyway.maps.xmlfile import SceneError
from whyway.types import InputError, same
from whyway.worlds.scenes.openscenario import read_scenario
from whyway.worlds.scenes.openscenario_world import scenario_world
from whyway.worlds.sim.state import EGO

FOLDER = Path(__file__).resolve().parents[3] / "shared/data/osc_alks_mpl/logical_scenarios"
CONCRETE = FOLDER / "concrete_scenarios"
CONFIG = Config()

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no OpenSCENARIO files at {FOLDER}")


def named(part: str, folder: Path = CONCRETE) -> Path:
    return next(folder.glob(f"*{part}*.xosc"))


def test_every_concrete_and_logical_scenario_is_read() -> None:
    files = sorted(FOLDER.glob("*.xosc")) + sorted(CONCRETE.glob("*.xosc"))
    assert len(files) >= 29
    for file in files:
        for seed in range(3):
            scenario = read_scenario(file, seed)
            assert scenario.road_file.is_file() and "Ego" in scenario.entities
            assert set(scenario.begins) == set(scenario.entities)


def test_a_seed_draws_the_same_scenario_and_seeds_draw_many() -> None:
    file = named("4_4_1", FOLDER)
    assert read_scenario(file, 5) == read_scenario(file, 5)
    drawn = {tuple(sorted(read_scenario(file, seed).parameters.items())) for seed in range(20)}
    assert len(drawn) > 15


@pytest.mark.parametrize("name", ["4_2_3_crossing", "4_3_2_follow", "4_4_1_cut_in"])
def test_what_the_scenario_is_about_happens_to_an_ego_that_keeps_its_speed(name: str) -> None:
    world = scenario_world(named(name), 1, CONFIG)
    start = world._setting.start
    assert not start.collided.any()
    done = ride(world, min(world.duration_s, 38.0))
    playing = (start.cue_when[0] > 0).any(axis=1)
    playing[EGO] = False
    assert np.isfinite(done.fired_s[playing]).all() and math.isfinite(done.hit_s)


def test_a_cut_in_ends_in_the_ego_s_lane() -> None:
    world = scenario_world(named("4_4_1"), 1, CONFIG)
    done = ride(world, 14.0)
    first, last = done.states[0], done.states[-1]
    assert first.y_m[0, 1] != pytest.approx(float(first.y_m[0, EGO]), abs=3.0)
    assert last.y_m[0, 1] == pytest.approx(float(last.y_m[0, EGO]), abs=0.6)


def test_a_swerving_lead_goes_to_both_sides_of_its_lane() -> None:
    done = ride(scenario_world(named("4_1_2"), 1, CONFIG), 45.0)
    assert math.isinf(done.hit_s)
    d = np.array([state.d_m[0, 1] for state in done.states])
    assert d.max() == pytest.approx(1.5, abs=0.1) and d.min() == pytest.approx(-1.5, abs=0.1)


def test_the_lead_stands_at_the_gap_the_file_asks_for() -> None:
    world = scenario_world(named("4_3_2"), 1, CONFIG)
    truth = world.truth()
    lead, ego = truth.actors[0], truth.ego
    front = ego.x_m + CONFIG.vehicle.front_m
    assert lead.x_m - lead.length_m / 2 - front == pytest.approx(2.0 * ego.v_mps, abs=0.05)


def test_the_same_file_and_seed_give_the_same_world() -> None:
    one, two = (scenario_world(named("4_5_1", FOLDER), 7, CONFIG) for _ in range(2))
    assert same(one.truth(), two.truth()) and one.notes == two.notes


# ----------------------------------------------------------------------------------------------------- hostile files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the catalogs and a road, to put damaged scenarios in."""
    found = tmp_path_factory.mktemp("scenarios")
    for file in [*CONCRETE.glob("catalogs/*/*.xosc"), *CONCRETE.glob("road_networks/*straight*")]:
        copy = found / file.relative_to(CONCRETE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return found


def written(folder: Path, text: str) -> Path:
    path = folder / "scenario.xosc"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cut_in_text() -> str:
    return named("4_4_1").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('value="$CutInVehicle_Acceleration_Rate_mps2"', 'value="$Nobody"', "no parameter $Nobody"),
        ('parameterType="double" value="60.0"', 'parameterType="double" value="90.0"', "breaks its constraints"),
        ("RelativeLanePosition", "RelativeRoadPosition", "<RelativeRoadPosition> line"),
        ("./road_networks/alks_road_straight.xodr", "../../etc/passwd", "not below its own folder"),
        ("./road_networks/alks_road_straight.xodr", "nothing.xodr", "no such file"),
        ('entryName="car_ego"', 'entryName="spaceship"', "an entry 'spaceship'"),
        ("<LaneChangeAction>", "<LaneChangingAction>", "well-formed"),
        ('name="Ego">\n      <CatalogReference', 'name="Me">\n      <CatalogReference', "no entity 'Ego'"),
        ("${$Ego_InitSpeed_Ve0_kph / 3.6}", "${$Ego_InitSpeed_Ve0_kph / 0}", "no value"),
        ('laneId="-4"', 'laneId="-1"', "0 driving lanes"),
        ("RelativeDistanceCondition ", "AccelerationCondition ", "<AccelerationCondition>"),
        ('laneId="-4" offset="0.0" s="5.0"', 'laneId="-4" offset="0.0" s="1e7"', "no place at 1e+07 m"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_is_named_in_one_line(
    folder: Path, cut_in_text: str, old: str, new: str, says: str
) -> None:
    assert old in cut_in_text
    path = written(folder, cut_in_text.replace(old, new))
    with pytest.raises(InputError) as error:
        scenario_world(path, 1, CONFIG)
    assert says in str(error.value) and "\n" not in str(error.value), str(error.value)


def test_an_entity_bomb_is_refused(folder: Path, cut_in_text: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    path = written(folder, bomb + cut_in_text.partition("?>")[2])
    with pytest.raises(SceneError, match="document type"):
        read_scenario(path)


def test_a_catalog_that_refers_to_itself_ends(folder: Path, cut_in_text: str) -> None:
    logical = named("4_4_1", FOLDER).read_text(encoding="utf-8-sig")
    name = "./concrete_scenarios/alks_scenario_4_4_1_cut_in_no_collision_template.xosc"
    path = written(folder, logical.replace(name, "./scenario.xosc"))
    with pytest.raises(SceneError) as error:
        read_scenario(path)
    assert "\n" not in str(error.value)


CUTS = st.tuples(
    st.integers(min_value=0, max_value=10_000),
    st.integers(min_value=0, max_value=60),
    st.sampled_from(["", "0", "-1", "1e309", "nan", "$x", "${1+}", "<a/>", '"', "\x00", "é", "99999999"]),
)  # fmt: skip


@settings(max_examples=120)
@given(st.lists(CUTS, min_size=1, max_size=3), st.booleans())
def test_a_damaged_file_is_read_or_refused_in_one_line(
    folder: Path, cut_in_text: str, cuts: list[tuple[int, int, str]], packed: bool
) -> None:
    text = cut_in_text
    for at, length, put in cuts:
        at = at % len(text)
        text = text[:at] + put + text[at + length :]
    path = written(folder, text)
    if packed:
        path = folder / "scenario.xosc.gz"
        path.write_bytes(gzip.compress(text.encode())[: 3000 + cuts[0][0]])
    try:
        scenario = read_scenario(path)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
    else:
        assert all(math.isfinite(b.speed_mps) for b in scenario.begins.values())
