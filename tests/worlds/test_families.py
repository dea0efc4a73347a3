"""Scenario families: every file is sound, every seed builds, what is to happen happens, and a careful driver gets through."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from ride import Ride, braked, ride

from whyway.config import Config
from whyway.maps.leaderboard import Place, Trigger
from whyway.maps.road import Road
from whyway.types import InputError, same
from whyway.worlds.scenes.family import FamilyError
from whyway.worlds.scenes.family_cast import draw
from whyway.worlds.scenes.family_read import FOLDER, family_names, find_family, read_family
from whyway.worlds.scenes.family_world import family_world
from whyway.worlds.scenes.trigger_world import FAMILY_OF, UNPLAYED, trigger_world
from whyway.worlds.sim.state import EGO, When

CONFIG = Config()
ASKED_FOR = [
    "lead_brakes_hard",
    "cut_in",
    "cut_out_to_stopped",
    "jaywalker",
    "pedestrian_behind_van",
    "bicycle_crossing",
    "unprotected_left",
    "right_turn_across_bicycle",
    "oncoming_in_our_lane",
    "merge_from_ramp",
    "zipper_merge",
    "roundabout_entry",
    "red_light_runner",
    "amber_dilemma",
    "blocked_lane",
    "construction",
    "double_parked_oncoming",
    "door_opening",
    "emergency_vehicle_behind",
    "lane_drop",
    "reversing_car",
    "tailgater",
    "stop_sign",
    "four_way_stop",
    "school_zone",
    "sharp_curve",
    "narrow_street",
    "sensor_fog",
    "false_detections",
    "stale_detections",
    "motorway_lorry",
    "motorway_jam",
    "motorway_exit",
    "dense_lane_change",
]
YIELDED_TO = {
    "four_way_stop", "merge_from_ramp", "zipper_merge", "roundabout_entry", "lane_drop", "motorway_exit", "dense_lane_change",
}  # fmt: skip
"""Others have manners there, too: they may let in even an ego that has none."""
LONE = {"amber_dilemma", "sharp_curve"}
"""What hurts there is the road or the law."""
LONGEST_S = 18.0


def test_every_family_asked_for_is_there() -> None:
    assert set(ASKED_FOR) == set(family_names())


@pytest.mark.parametrize("name", family_names())
def test_a_family_says_in_a_sentence_what_it_is_about(name: str) -> None:
    about = find_family(name).about
    assert about.endswith(".") and 20 < len(about) < 160


@pytest.mark.parametrize("name", family_names())
def test_the_same_seed_gives_the_same_world_and_another_one_another(name: str) -> None:
    one, two, other = (family_world(name, seed, CONFIG) for seed in (3, 3, 4))
    assert same(one.lane_map, two.lane_map) and same(one.route, two.route)
    assert same(one.truth(), two.truth()) and one.notes == two.notes
    assert one.notes["parameters"] != other.notes["parameters"]


@pytest.mark.parametrize("name", family_names())
def test_nobody_begins_on_top_of_another(name: str) -> None:
    for seed in (1, 2):
        world = family_world(name, seed, CONFIG)
        start = world._setting.start
        touching = {world.notes.get(f"actor {i}", "ego") for i in np.nonzero(start.collided[0])[0]}
        # a door is a part of its car
        assert name == "door_opening" or not touching, (seed, touching)
        assert not start.collided[0, EGO]


@pytest.mark.parametrize("name", family_names())
def test_what_is_to_happen_happens_to_an_ego_that_keeps_its_speed(name: str) -> None:
    world = family_world(name, 1, CONFIG)
    spared = name in YIELDED_TO | LONE
    done = ride(world, 2.0 if spared else LONGEST_S)
    assert np.isfinite(done.fired_s[_waits(world)]).all(), "a cue has not fired"
    assert spared or np.isfinite(done.hit_s), "an ego that minds nobody comes through"
    _check_fair(name, world, done)


def _waits(world) -> np.ndarray:
    """Agents whose first cue waits for something."""
    start = world._setting.start
    when, value = start.cue_when[0, :, 0], start.cue_value[0, :, 0]
    waits = (when != int(When.NEVER)) & ~((when == int(When.AT_TIME)) & (value == 0.0))
    waits[EGO] = False
    return waits


def _check_fair(name: str, world, done: Ride) -> None:
    """Braking as `fair` says, so long after the event, avoids the contact."""
    fair = find_family(name).fair
    waits = _waits(world)
    sees = 0.0 if fair.sees == "start" or not waits.any() else float(done.fired_s[waits].min())
    if np.isfinite(sees):
        after = braked(world, done, sees + fair.reaction_s, fair.brake_mps2)
        assert not any(state.collided[0, EGO] for state in after), "braking in time does not help"


@pytest.mark.parametrize("seed", [1, 5, 10, 16])
def test_a_cut_in_is_fair_to_an_ego_that_takes_up_the_speed_the_road_allows(seed: int) -> None:
    world = family_world("cut_in", seed, CONFIG)
    done = ride(world, LONGEST_S, max(lane.speed_limit_mps for lane in world.lane_map.lanes))
    assert np.isfinite(done.hit_s), "an ego that minds nobody comes through"
    _check_fair("cut_in", world, done)


MAPS = Path(__file__).resolve().parents[3] / "shared/data/carla_xodr_mit"
PLACES = [
    ("town", "jaywalker"), ("town", "unprotected_left"), ("Town01", "double_parked_oncoming"), ("Town01", "sharp_curve"),
    ("Town03", "roundabout_entry"), ("Town03", "unprotected_left"), ("Town04", "cut_in"), ("Town04", "merge_from_ramp"),
]  # fmt: skip


@pytest.mark.parametrize(("town", "name"), PLACES)
def test_families_find_their_place_on_maps_of_others(town: str, name: str) -> None:
    file = Path("town") if town == "town" else MAPS / f"{town}.xodr.gz"
    if town != "town" and not file.is_file():
        pytest.skip(f"no map at {file}")
    world = family_world(name, 5, CONFIG, map_file=file)
    start = world._setting.start
    assert town.lower() in world.notes["map"].lower() and not start.collided[0, EGO]
    road = Road(world.lane_map, world.route)
    ego = world.observation.ego
    found = road.locate(ego.x_m, ego.y_m, ego.yaw_rad)
    assert found is not None and found[0] in road.route_ids and abs(found[2]) < 0.3


def test_a_map_without_a_place_is_one_line_that_says_what_is_missing() -> None:
    with pytest.raises(InputError) as error:
        family_world("merge_from_ramp", 1, CONFIG, map_file=Path("town"))
    text = str(error.value)
    assert "has no place for this: a merge, " in text and "use another map" in text
    assert "\n" not in text


def test_a_trigger_is_played_by_its_family_at_the_nearest_place() -> None:
    file = MAPS / "Town03.xodr.gz"
    if not file.is_file():
        pytest.skip(f"no map at {file}")
    for seed in (3, 8):
        there = family_world("jaywalker", seed, CONFIG, map_file=file).observation.ego
        trigger = Trigger("crossing", "DynamicObjectCrossing", Place(there.x_m, there.y_m, 0.0))
        world = trigger_world(trigger, file, seed, CONFIG)
        assert world.notes["family"] == "jaywalker"
        ego = world.observation.ego
        assert np.hypot(ego.x_m - there.x_m, ego.y_m - there.y_m) < 150.0
    with pytest.raises(InputError, match="no scenario family stands for 'ControlLoss'"):
        trigger_world(Trigger("x", "ControlLoss", Place(0, 0, 0)), file, 1, CONFIG)


def test_every_trigger_type_has_a_family_or_a_reason() -> None:
    assert set(FAMILY_OF.values()) <= set(family_names())
    assert not set(FAMILY_OF) & set(UNPLAYED)


# ------------------------------------------------------------------------------------------------------ wrong files

GOOD = "about: A test.\nsite: {kind: road}\nmap: {piece: road}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected keys and values"),
        ("about: [", "not readable as YAML"),
        (GOOD + "actor: {}\n", "unknown key 'actor'; did you mean 'actors'?"),
        ("about: x\nmap: {piece: road}\n", "needs site:"),
        (GOOD + "duration_s: [1]\n", "neither a number nor a text"),
        (GOOD + "duration_s: yes\n", "neither a number nor a text"),
        (GOOD.replace("road}\nmap", "moon}\nmap"), "kind 'moon': give one of road, bend"),
        (GOOD + "actors: {a: {kind: car}}\n", "needs exactly one of in_lane, on_arm, on_walk"),
        (GOOD + "actors: {a: {kind: ufo, in_lane: {ahead_m: 1}}}\n", "kind 'ufo': give one of car"),
        (GOOD + "actors: {a: {in_lane: {}}}\n", "needs either ahead_m or before_m"),
        (GOOD + "actors: {a: {in_lane: {ahead_m: 9}, cues: [{speed_mps: 1}]}}\n", "exactly one of at_s"),
        (GOOD + "actors: {a: {in_lane: {ahead_m: 9}, cues: 3}}\n", "expected a list"),
        (GOOD + "parameters: {a: [1, 2, 3]}\n", "between: [low, high]"),
        (GOOD + "a: &x [1]\nb: *x\n", "aliases"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_says_where_and_what(tmp_path, text: str, says: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(FamilyError) as error:
        read_family(path)
    assert says in str(error.value) and "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace("piece: road", "piece: lake"), "piece 'lake': give one of road"),
        (GOOD.replace("piece: road", "piece: road, lakes: 3"), "road has no 'lakes'"),
        (GOOD + "ego: {speed_mps: $v}\n", "there is no number $v"),
        (GOOD + "parameters: {a: [3, 1]}\n", "swap them"),
        (GOOD + "config: {sim.sensor.rnge_m: 3}\n", "unknown key 'rnge_m'"),
        (GOOD.replace("{kind: road}", "{kind: road, lanes: 3}"), "has no place for this: a road"),
        (GOOD + "actors: {a: {in_lane: {lane: left, ahead_m: 9}}}\n", "there is no lane left"),
    ],
)
def test_a_family_that_cannot_be_played_says_why(tmp_path, text: str, says: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        family_world(str(path), 1, CONFIG)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_family_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(FamilyError, match="did you mean 'cut_in'"):
        find_family("cutin")


def test_parameters_stay_within_what_the_file_says() -> None:
    family = read_family(FOLDER / "jaywalker.yaml")
    drawn = [draw(family, seed, CONFIG.vehicle) for seed in range(200)]
    for name in ("ego_mps", "walk_mps", "arrive_s", "miss_m"):
        low, high = family.parameters[name].between
        values = np.array([d[name] for d in drawn])
        assert values.min() >= float(low) and values.max() <= float(high)
        assert np.ptp(values) > 0.8 * (float(high) - float(low))
    for d in drawn:
        assert d["aside_m"] == pytest.approx(d["walk_mps"] * d["arrive_s"] + d["miss_m"])


def test_a_family_sets_its_dials_and_says_so() -> None:
    world = family_world("sensor_fog", 2, CONFIG)
    assert 26.0 <= world.config.sim.sensor.range_m <= 36.0 < CONFIG.sim.sensor.range_m
    assert f"range_m={world.config.sim.sensor.range_m:g}" in world.notes["dials"]


@pytest.mark.parametrize(("name", "left"), [("motorway_exit", False), ("dense_lane_change", True)])
def test_a_way_to_the_lane_beside_changes_lanes(name: str, left: bool) -> None:
    world = family_world(name, 3, CONFIG)
    lanes = {lane.id: lane for lane in world.lane_map.lanes}
    first, last = (lanes[i] for i in world.route.lane_ids.tolist())
    assert last.id == (first.left_id if left else first.right_id)


@pytest.mark.parametrize(
    ("site", "says"),
    [
        ("{kind: bend, goal_lane: left}", "only on a road"),
        ("{kind: road, goal_lane: up}", "own, left, right"),
    ],
)
def test_a_goal_beside_where_there_can_be_none_is_refused(
    tmp_path: Path, site: str, says: str
) -> None:
    file = tmp_path / "beside.yaml"
    file.write_text(f"about: A goal in another lane.\nsite: {site}\nmap: {{piece: road}}\n")
    with pytest.raises(FamilyError, match=says):
        read_family(file)


def test_a_road_without_a_lane_beside_is_no_place_for_a_goal_there(tmp_path: Path) -> None:
    file = tmp_path / "beside.yaml"
    site = "{kind: road, goal_lane: left, approach_m: 40, clear_m: 20}"
    file.write_text(f"about: A goal in another lane.\nsite: {site}\nmap: {{piece: road}}\n")
    with pytest.raises(InputError, match="no place"):
        family_world(str(file), 1, CONFIG)
