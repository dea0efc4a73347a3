"""Leaderboard routes as worlds: on a town of ours, written as OpenDRIVE, and on CARLA's where they are at hand."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest

from whyway.config import Config, load
from whyway.drives import drive
from whyway.evaluate.drive import read_drive
from whyway.evaluate.driving.carla_score import carla_score
from whyway.geometry import boxes_overlap
from whyway.log import read_log
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.road import Road
from whyway.maps.town import make_town
from whyway.types import InputError, same
from whyway.worlds import make_world
from whyway.worlds.scenes import route_world as module
from whyway.worlds.scenes.route_world import route_world, town_map

LONGEST6 = (
    Path(__file__).parents[3]
    / "shared/data/carla_routes_lb1_mit/leaderboard/data/longest6/longest6.xml"
)
TOWN = make_town(2)
FEW = load(None, ["sim.route.vehicles=6", "sim.route.pedestrians=4"])
PATH = Road(TOWN.lane_map, TOWN.default_route).route_path


def _routes(*stretches: tuple[float, float]) -> str:
    """Routes along the town's default route, by their first and last arc length, a waypoint every 30 m."""
    text = ""
    for i, (a, b) in enumerate(stretches):
        x, y, _, _ = PATH.center.at(np.linspace(a, b, max(2, round((b - a) / 30))))
        points = "".join(
            f'<waypoint x="{px:.3f}" y="{-py:.3f}" z="0"/>' for px, py in zip(x, y, strict=True)
        )
        text += f'<route id="{i}" town="TownX">{points}</route>'
    return f"<routes>{text}</routes>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Routes, and beside them the town's map."""
    path = tmp_path_factory.mktemp("carla")
    (path / "routes").mkdir()
    (path / "maps").mkdir()
    (path / "routes/routes.xml").write_text(_routes((20.0, 350.0), (20.0, 130.0)))
    (path / "maps/TownX.xodr").write_text(write_opendrive(TOWN))
    return path


@pytest.fixture(scope="module")
def spec(folder) -> str:
    return f"{folder}/routes/routes.xml"


def test_the_ego_stands_at_the_first_waypoint_and_has_the_leaderboards_time(spec):
    world = route_world(f"{spec}#0", 1, FEW)
    ego = world.truth().ego
    x, y, yaw, _ = PATH.center.at(20.0)
    offset = FEW.vehicle.center_offset_m
    center = ego.x_m + offset * math.cos(ego.yaw_rad), ego.y_m + offset * math.sin(ego.yaw_rad)
    assert center == pytest.approx((float(x), float(y)), abs=0.2)
    assert abs(math.remainder(ego.yaw_rad - float(yaw), 2 * math.pi)) < 0.05
    assert ego.v_mps == 0.0
    assert world.duration_s == pytest.approx(0.8 * 330.0 + 5.0, abs=3.0)
    assert (world.goal_reached, world.done) == (False, False)
    gx, gy, _, _ = PATH.center.at(350.0)
    assert (world.route.goal_x_m, world.route.goal_y_m) == pytest.approx(
        (float(gx), float(gy)), abs=1e-2
    )
    assert world.notes["route"] == "routes.xml#0" and world.notes["goal_counts"] == "yes"


def test_as_many_others_as_the_dials_say_are_there_and_touch_nobody(spec):
    world = route_world(f"{spec}#0", 3, FEW)
    truth = world.truth()
    classes = [a.object_class.name for a in truth.actors]
    assert len(classes) == 10 and classes.count("PEDESTRIAN") == 4
    assert world.notes["vehicles"].startswith("6 on ") and world.notes["pedestrians"] == "4"
    rows = np.array([(a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m) for a in truth.actors])
    a, b = rows[:, None, :], rows[None, :, :]
    touching = boxes_overlap(*np.moveaxis(a, -1, 0), *np.moveaxis(b, -1, 0))
    assert not (touching & ~np.eye(len(rows), dtype=bool)).any()
    for _ in range(30):
        world.step(None)
    moved = [math.dist((p.x_m, p.y_m), (q.x_m, q.y_m)) for p, q in zip(truth.actors, world.truth().actors, strict=True)]  # fmt: skip
    assert sum(m > 1.0 for m in moved) >= 4


def test_the_same_seed_is_the_same_drive_and_a_state_goes_on_as_it_was(spec):
    first, again, other = (route_world(f"{spec}#0", seed, FEW) for seed in (1, 1, 2))
    assert same(first.truth(), again.truth()) and not same(first.truth(), other.truth())
    for _ in range(10):
        first.step(None)
    state = first.get_state()
    later = [first.step(None) for _ in range(10)]
    again.set_state(state)
    assert all(same(a, again.step(None)) for a in later)


def test_a_driver_that_comes_to_the_goal_ends_the_world_and_has_a_hundred(spec, tmp_path):
    world = drive(f"{spec}#1", "rules", 1, FEW, tmp_path / "log.mcap", 40.0)
    assert world.goal_reached and world.done and world.stamp_ns < 40e9
    score = carla_score(read_drive(read_log(tmp_path / "log.mcap")))
    assert (score.driving_score, score.status) == (100.0, "completed")
    assert score.route_length_m == pytest.approx(110.0, abs=1.0)


def test_who_stands_too_long_is_at_the_end(spec, monkeypatch):
    monkeypatch.setattr(module, "BLOCKED_S", 1.0)
    world = route_world(f"{spec}#0", 1, FEW)
    steps = 0
    while not world.done:
        world.step(None)
        steps += 1
    assert steps == 11 and not world.goal_reached


def test_the_map_is_found_beside_the_routes_or_where_it_is_said_to_be(folder, spec, tmp_path):
    text = (folder / "routes/routes.xml").read_text()
    (tmp_path / "routes.xml").write_text(text)
    (tmp_path / "lost.xml").write_text(text.replace("TownX", "Atlantis"))
    away = f"{tmp_path}/routes.xml#0"
    with pytest.raises(
        InputError, match="no map Atlantis.xodr near the route's file; .*map_folder"
    ):
        route_world(f"{tmp_path}/lost.xml#0", 1, FEW)
    told = dataclasses.replace(FEW.sim, map_folder=str(folder))
    world = route_world(away, 1, dataclasses.replace(FEW, sim=told))
    assert world.name == "TownX route 0"
    with pytest.raises(InputError, match="no map TownX.xodr /nowhere"):
        town_map("TownX", away, "/nowhere")


def test_of_two_files_the_one_that_knows_lights_is_taken_and_without_any_they_are_added(tmp_path):
    text = write_opendrive(TOWN)
    bare = re.sub(r"<signal\b[^>]*/>|<signal\b.*?</signal>", "", text, flags=re.DOTALL)
    for name, content in (("a", bare), ("b", text)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "TownX.xodr").write_text(content)
    lit, plan = town_map("TownX", "", str(tmp_path))
    assert len(lit.lights) == len(TOWN.lane_map.lights) > 0
    assert plan.cycles.keys() == {light.id for light in lit.lights}
    added, plan = town_map("TownX", "", str(tmp_path / "a"))
    assert added.lights and plan.cycles.keys() == {light.id for light in added.lights}


@pytest.mark.skipif(not LONGEST6.is_file(), reason=f"no {LONGEST6}")
def test_a_longest6_route_is_a_world_with_sixty_vehicles():
    world = make_world(f"{LONGEST6}#6", 1, Config())
    assert world.notes["town"] == "Town02" and world.notes["vehicles"].startswith("60 on ")
    assert len(world.lane_map.lights) == 24
    observation = world.step(None)
    assert observation.lights
    assert world.duration_s == pytest.approx(0.8 * 1042 + 5, abs=5)
