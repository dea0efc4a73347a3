"""Suites as YAML, folders and files: which drives they are, and what is wrong with those that are none."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.evaluate.suites.drives_of import READY, Item, drives_of, find_suite
from whyway.evaluate.suites.schema import Suite, SuiteError, read_suite
from whyway.types import InputError
from whyway.worlds.scenes.family_read import family_names


def drives(path, seeds=1):
    return drives_of(find_suite(path), path, seeds)


def written(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return path


def worlds(tmp_path, text, seeds=1):
    return [(i.world, i.seed) for i in drives(written(tmp_path, text), seeds)]


# ------------------------------------------------------------------------------------------------- what it stands for


def test_scenes_are_found_in_folders_files_and_lists(tmp_path):
    folder = tmp_path / "scenes"
    (folder / "deeper").mkdir(parents=True)
    for name in ("fine.xml", "deeper/hit.xml.gz"):
        (folder / name).write_text("<commonRoad/>")
    assert [Path(i.world).name for i in drives(folder)] == ["hit.xml.gz", "fine.xml"]
    assert [i.name for i in drives(folder)] == ["deeper__hit-seed1", "fine-seed1"]
    assert [i.world for i in drives(folder / "fine.xml")] == [str(folder / "fine.xml")]
    text = "scenes: [town, scenes/fine.xml]"
    assert worlds(tmp_path, text) == [("town", 1), (str(folder / "fine.xml"), 1)]
    assert len(worlds(tmp_path, "rows: [{folder: scenes}]", seeds=3)) == 6


ROUTE = '<route id="{}" town="T"><waypoint x="0" y="0" z="0"/><waypoint x="1" y="0" z="0"/></route>'


def test_every_route_of_a_leaderboard_file_is_a_scene(tmp_path):
    routes = tmp_path / "routes.xml"
    routes.write_text(f"<routes>{ROUTE.format('3')}{ROUTE.format('b')}</routes>")
    both = [f"{routes}#3", f"{routes}#b"]
    assert [i.world for i in drives(routes)] == both
    assert [i.world for i in drives(Path(f"{routes}#b"))] == both[1:]
    assert [i.world for i in drives(tmp_path)] == both
    listed = worlds(tmp_path, "scenes: [family:cut_in, routes.xml]")
    assert [w for w, _ in listed] == ["family:cut_in", *both]
    chosen = worlds(tmp_path, "rows: [{routes: routes.xml, ids: [3]}, {family: cut_in}]")
    assert [w for w, _ in chosen] == [both[0], "family:cut_in"]
    with pytest.raises(SuiteError, match="has no route '4'; known: 3, b"):
        worlds(tmp_path, "rows: [{routes: routes.xml, ids: 4}]")


def test_families_are_crossed_with_maps_and_seeds(tmp_path):
    text = "rows: [{family: [cut_in, jaywalker], map: [town, maps/T.xodr], seeds: [4, 9]}]"
    place = tmp_path / "maps/T.xodr"
    assert worlds(tmp_path, text) == [
        (f"family:{name}@{where}", seed)
        for name in ("cut_in", "jaywalker") for where in ("town", place) for seed in (4, 9)
    ]  # fmt: skip


def test_a_rows_seeds_go_before_the_suites_and_those_before_the_command_lines(tmp_path):
    rows = "rows: [{family: cut_in, seeds: [7]}, {family: jaywalker}]"
    assert [s for _, s in worlds(tmp_path, rows, seeds=3)] == [7, 1, 2, 3]
    assert [s for _, s in worlds(tmp_path, f"seeds: 2\n{rows}", seeds=3)] == [7, 1, 2]


def test_a_recording_is_replayed_once_whatever_the_seeds(tmp_path):
    (tmp_path / "bags/one").mkdir(parents=True)
    (tmp_path / "bags/one/metadata.yaml").write_text("")
    (tmp_path / "bags/one/one.db3").write_text("")
    (tmp_path / "bags/two.mcap").write_text("")
    bags = [str(tmp_path / "bags/one"), str(tmp_path / "bags/two.mcap")]
    found = worlds(tmp_path, "rows: [{folder: bags}]", seeds=5)
    assert found == [(bag, 1) for bag in bags]
    assert worlds(tmp_path, "rows: [{bag: [bags/one, bags/two.mcap]}]", seeds=5) == found
    assert [i.world for i in drives(tmp_path / "bags/one", 5)] == bags[:1]


def test_lengths_names_and_dials_come_along(tmp_path):
    path = written(
        tmp_path,
        "name: Night\nduration_s: 30\nset: {safety.reaction_s: 0.4}\ndrivers: [idm, rules]\nasks: {pdms: {min: 0.5}}\n"
        "rows: [{world: town, name: dense town, duration_s: 9, set: {sim.traffic.vehicles: 40}}, {world: town}]",
    )
    suite = find_suite(path)
    assert (suite.name, suite.drivers, suite.asks["pdms"].min) == ("Night", ("idm", "rules"), 0.5)
    dials = ({"safety.reaction_s": 0.4}, {"sim.traffic.vehicles": 40})
    assert drives_of(suite, path, 1) == (
        Item("town", 1, "dense-town-town-seed1", 9.0, dials),
        Item("town", 1, "town-seed1", 30.0, (dials[0], {})),
    )


def test_the_ready_suites_are_found_by_name_and_can_be_driven():
    families = drives(Path("families"))
    assert {i.world for i in families} == {f"family:{name}" for name in family_names()}
    assert len(families) == 20 * len(family_names())
    for path in READY.glob("*.yaml"):
        assert drives(Path(path.stem)), path


# ----------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected keys and values"), ("- town", "expected keys and values"), ("{", "not readable as YAML"),
        ("scenes: []", "not empty"), ("scenes: 3", "expected a text"), ("scenes: [1]", "expected a text"),
        ("name: x", "names nothing to drive"), ("rows: []", "names nothing to drive"), ("rows: {family: a}", "expected a list"),
        ("row: [{family: cut_in}]", "unknown key 'row'; did you mean 'rows'?"),
        ("scenes: town\nzzzz: 1", "unknown key 'zzzz'; known: name, about"),
        ("rows: [cut_in]", "rows[1]: expected keys and values"),
        ("rows: [{family: cut_in, seed: 3}]", "rows[1]: unknown key 'seed'; did you mean 'seeds'?"),
        ("rows: [{family: cut_in}, {map: x}]", "rows[2]: needs exactly one of family, world, folder, routes, bag; found none"),
        ("rows: [{family: cut_in, world: town}]", "found family and world"),
        ("rows: [{world: town, map: x}]", "map goes with family, not with world"),
        ("rows: [{world: town, ids: 1}]", "ids goes with routes"),
        ("rows: [{family: cut_inn}]", "no scenario family 'cut_inn'; did you mean 'cut_in'?"),
        ("rows: [{family: cut_in, seeds: -1}]", "expected a count"), ("rows: [{family: cut_in, seeds: [x]}]", "expected a count"),
        ("rows: [{family: cut_in, seeds: true}]", "expected a count"), ("rows: [{family: cut_in, seeds: [1, 1]}]", "twice"),
        ("rows: [{family: cut_in, map: 3}]", "map: expected a text"),
        ("rows: [{folder: nowhere}]", "no such folder"),
        ("scenes: town\nduration_s: 0", "duration_s: 0 is not from 1 to 86400"),
        ("scenes: town\nduration_s: .nan", "expected a number"), ("scenes: town\nduration_s: long", "expected a number"),
        ("scenes: town\ndrivers: [ruels]", "no driver 'ruels'; did you mean 'rules'?"),
        ("scenes: town\ndrivers: [rules, idm, rules]", "at most one to compare with"),
        ("scenes: town\nset: {sim.trafic.vehicles: 3}", "unknown key 'trafic'; did you mean 'traffic'?"),
        ("rows: [{world: town, set: {safety.reaction_s: -1}}]", "rows[1]: set.safety.reaction_s: -1 is out of range"),
        ("scenes: town\nasks: {pdms: 0.9}", "asks: pdms: expected keys and values"),
        ("scenes: town\nasks: {pdms: {}}", "asks: pdms: asks for nothing; give min, max or both"),
        ("scenes: town\nasks: {pdms: {least: 1}}", "unknown key 'least'"),
        ("scenes: [town, town]", "two drives are called 'town-seed1'; give one of their rows a name:"),
        ("scenes: &a [town]\nrows: [{world: *a}]", "uses YAML aliases"),
    ],
)  # fmt: skip
def test_a_suite_that_is_none_says_so_in_one_line(tmp_path, text, says):
    with pytest.raises(InputError) as error:
        drives(written(tmp_path, text))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_what_is_not_there_or_empty_names_what_could_be(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SuiteError, match="holds no CommonRoad file"):
        drives(tmp_path / "empty")
    with pytest.raises(SuiteError, match="or one of: faith, families, held_out, smoke"):
        drives(tmp_path / "absent")
    (tmp_path / "large.yaml").write_text("#" * 1_000_001)
    with pytest.raises(SuiteError, match="larger than"):
        drives(tmp_path / "large.yaml")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from([*Suite.__slots__, "family", "world", "map", "ids", "routes"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, PLAIN, max_size=5), st.dictionaries(KEYS, PLAIN, max_size=4))
def test_any_yaml_is_a_suite_or_one_line(tmp_path_factory, top, row):
    path = tmp_path_factory.getbasetemp() / "any_suite.yaml"
    path.write_text(yaml.safe_dump(top | {"rows": [row]}))
    try:
        suite = read_suite(path)
    except SuiteError as error:
        assert "\n" not in str(error)
    else:
        assert suite.all_rows
