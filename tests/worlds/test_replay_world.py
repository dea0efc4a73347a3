"""A recording is a world like any other: it passes by unchanged, twice the same, on whatever road there is, until our driver takes over."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

import made_bags as made
from made_bags import Robot

from whyway import topics
from whyway.config import Config, load
from whyway.drives import drive
from whyway.evaluate.traces.faithfulness import check
from whyway.geometry import boxes_overlap
from whyway.log import LogWriter, read_log, same_log
from whyway.maps.opendrive_write import write_opendrive
from whyway.maps.road import Road
from whyway.maps.town import make_town
from whyway.types import (
    CYCLE_NS,
    Actor,
    Command,
    EgoState,
    InputError,
    LaneMap,
    LightColor,
    LightState,
    ObjectClass,
    Observation,
    Route,
    TrafficLight,
    Truth,
    same,
)
from whyway.worlds import World, make_world
from whyway.worlds.bags.driven_road import driven_road
from whyway.worlds.bags.replay_world import ReplayWorld

ROBOTS = (
    Path(__file__).parents[2].parent / "shared" / "data" / "rosbag_robot_localization_bsd" / "test"
)
needs_robots = pytest.mark.skipif(not ROBOTS.exists(), reason=f"no data: {ROBOTS}")


def replay(path: Path, duration_s: float | None = None, **replay: object) -> ReplayWorld:
    dials = [f"replay.{k}={v}" for k, v in replay.items()]
    world = make_world(str(path), 1, load(None, dials), duration_s)
    assert isinstance(world, ReplayWorld)
    return world


def passed(world: World) -> list[Observation]:
    """All observations, the driver doing nonsense."""
    seen = [world.reset()]
    while not world.done:
        seen.append(world.step(Command(world.stamp_ns, -9.0, 0.5)))
    return seen


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds along x at 8 m/s."""
    return made.write_bag(tmp_path_factory.mktemp("straight") / "bag", made.straight(10.0))


@pytest.fixture(scope="module")
def town_drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our own drive of three seconds."""
    path = tmp_path_factory.mktemp("town") / "own.mcap"
    drive("town", "rules", 3, Config(), path, 3.0)
    return path


# ---------------------------------------------------------------------------------------------------- a world


def test_commands_change_nothing(straight: Path) -> None:
    world = replay(straight)
    assert isinstance(world, World)
    seen = passed(world)
    assert [o.stamp_ns for o in seen] == [k * CYCLE_NS for k in range(101)]
    assert [o.ego.x_m for o in seen] == pytest.approx([0.8 * k for k in range(101)])
    assert world.duration_s == 10.0 and world.goal_reached is None and not world.interface_braking
    assert world.notes["open_loop"] == "yes" and world.notes["actors"] == "unknown"
    assert world.notes["actors_known_from_s"] == "inf"
    with pytest.raises(ValueError, match="ended"):
        world.step(None)


def test_it_passes_by_twice_the_same(straight: Path) -> None:
    world = replay(straight)
    assert all(same(a, b) for a, b in zip(passed(world), passed(world), strict=True))


def test_a_state_is_gone_back_to(straight: Path) -> None:
    world = replay(straight)
    world.reset()
    for _ in range(5):
        world.step(None)
    state = world.get_state()
    after = world.step(None)
    world.step(None)
    world.set_state(state)
    assert world.stamp_ns == 5 * CYCLE_NS and same(world.step(None), after)


def test_a_shorter_replay_is_the_beginning(straight: Path) -> None:
    assert len(passed(replay(straight, 2.0))) == 21
    assert replay(straight, 1000.0).duration_s == 10.0


def test_the_driver_thinks_again_what_it_thought_when_it_was_recorded(
    town_drive: Path, tmp_path: Path
) -> None:
    world = drive(str(town_drive), "rules", 3, Config(), tmp_path / "again.mcap")
    # scene, trace, plan, command, verdict and truth of every cycle
    differ = same_log(town_drive, tmp_path / "again.mcap")
    assert [line.partition(":")[0] for line in differ] == ["world"]
    assert world.notes["map"] == "recorded" and world.notes["actors"] == "as recorded"
    assert "held" not in world.notes


def test_the_same_recording_twice_gives_equal_logs(straight: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        drive(str(straight), "rules", 1, Config(), tmp_path / f"{name}.mcap", 3.0)
    assert same_log(tmp_path / "a.mcap", tmp_path / "b.mcap") == []
    info = read_log(tmp_path / "a.mcap").info
    assert info["notes"]["open_loop"] == "yes" and info["name"] == "bag"


def test_nobody_is_blamed_for_naming_whom_only_the_recording_knew(
    town_drive: Path, tmp_path: Path
) -> None:
    blind = _without_truth(town_drive, tmp_path / "blind.mcap")
    for handover, known in ((0.0, None), (2.0, True)):
        config = load(None, [f"replay.handover_s={handover}"])
        drive(str(blind), "rules", 1, config, tmp_path / "again.mcap")
        log = read_log(tmp_path / "again.mcap")
        road = Road(log.of(LaneMap)[0], log.of(Route)[0])
        cycles = list(check(log, road))
        assert all(c.grounded for c in cycles)
        assert {c.in_truth for c in cycles if c.stamp_ns <= 2e9} == {None}
        assert {c.in_truth for c in cycles if c.stamp_ns > 2e9} == {known}


def _without_truth(path: Path, out: Path) -> Path:
    """The same drive without its truth."""
    log = read_log(path)
    with LogWriter(out, {}) as blind:
        for topic in (topics.LANE_MAP, topics.ROUTE, topics.OBSERVATION):
            for value, stamp in zip(log.topics[topic.name], log.stamps_ns[topic.name], strict=True):
                blind.write(topic.name, value, stamp)
    return out


def test_a_recording_that_was_cut_is_replayed_to_the_cut(town_drive: Path, tmp_path: Path) -> None:
    data = town_drive.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[: 2 * len(data) // 3])
    world = replay(tmp_path / "cut.mcap")
    assert 1.0 < world.duration_s < 3.0 and "breaks off after" in world.notes["lost"]
    whole = passed(replay(town_drive))
    for ours, theirs in zip(passed(world)[:-1], whole, strict=False):
        assert same(ours, theirs)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    for seconds in (3, 4):
        with LogWriter(path, {}) as log:
            for k in range(10 * seconds + 1):
                ego = EgoState(0.8 * k, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0)
                log.write(topics.OBSERVATION.name, Observation(k * CYCLE_NS, k * CYCLE_NS, ego))
        assert replay(path).duration_s == seconds


# ------------------------------------------------------------------------------------------------------- the road


@settings(max_examples=25)
@given(
    v=st.floats(0.3, 35.0), bends=st.lists(st.floats(-0.25, 0.25), min_size=1, max_size=6), noise=st.floats(0.0, 0.1),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_whatever_way_was_driven_lies_in_its_lane(
    v: float, bends: list[float], noise: float, seed: int
) -> None:
    n = 600
    # as sharply as a car may: 3 m/s2 sideways, 4 m of radius
    curvature = np.repeat([np.clip(b, -3 / v**2, 3 / v**2) for b in bends], -(-n // len(bends)))[:n]
    yaw = np.cumsum(curvature * v * 0.1)
    rng = np.random.default_rng(seed)
    x, y = (np.cumsum(v * 0.1 * f(yaw)) + noise * rng.standard_normal(n) for f in (np.cos, np.sin))
    lane_map, route = driven_road(x, y, np.full(n, v), "way")
    road = Road(lane_map, route)
    on_route = set(route.lane_ids.tolist())
    for i in range(0, n, 20):
        assert on_route & set(road.lanes_at(float(x[i]), float(y[i]), margin_m=0.5))
    limits = {lane.speed_limit_mps for lane in lane_map.lanes}
    assert min(limits) >= v - 1e-6 and max(limits) < v + 10 / 3.6 + 1e-6
    # a plan of ten seconds from the last pose is still on it
    assert road.route_length_m > np.hypot(np.diff(x), np.diff(y)).sum() * 0.7 + 10 * v


def test_a_way_that_crosses_itself_has_its_places_in_order() -> None:
    s = np.linspace(0, 2 * math.pi, 900)
    lane_map, route = driven_road(60 * np.sin(s), 30 * np.sin(2 * s), np.full(900, 8.0), "eight")
    road = Road(lane_map, route)
    near = last = 0.0  # the first place is also the one in the middle
    for i in range(0, 900, 10):
        x, y = float(60 * np.sin(s[i])), float(30 * np.sin(2 * s[i]))
        near, d = road.route_progress(x, y, near)
        assert near >= last - 0.5 and abs(d) < 1.0
        last = near


def test_who_stood_still_has_no_road() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.05, (2, 500))
    with pytest.raises(InputError, match="shorter than 5 m"):
        driven_road(*noise, np.zeros(500), "none")


def test_a_map_from_a_file_gets_the_route_that_was_driven(tmp_path: Path) -> None:
    town = make_town(3)
    (tmp_path / "town.xodr").write_text(write_opendrive(town))
    path = Road(town.lane_map, town.default_route).route_path
    robot, v = Robot(), 10.0
    steps = []
    for i in range(200):
        x, y, yaw, _ = (float(c) for c in path.center.at(20.0 + v * 0.05 * i))
        steps.append(robot.odometry(0.05 * i, x, y, yaw, v))
    world = replay(made.write_bag(tmp_path / "bag", steps), map=tmp_path / "town.xodr")
    assert world.notes["map"] == f"file {tmp_path / 'town.xodr'}"
    road = Road(world.lane_map, world.route)
    for o in passed(world)[::20]:
        _, d = road.route_progress(o.ego.x_m, o.ego.y_m)
        assert abs(d) < 1.0


def test_a_way_that_is_not_on_the_map_is_refused_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "town.xodr").write_text(write_opendrive(make_town(3)))
    robot = Robot()
    steps = [robot.odometry(0.05 * i, 5000.0 + 0.4 * i, 0.0, 0.0, 8.0) for i in range(60)]
    folder = made.write_bag(tmp_path / "bag", steps)
    with pytest.raises(InputError, match=r"from \(5000, 0\) on, does not lie on .* which spans"):
        replay(folder, map=tmp_path / "town.xodr")


def test_a_recorded_map_without_a_route_gets_the_driven_one(tmp_path: Path) -> None:
    n = 60
    x = 0.8 * np.arange(n)
    lane_map, _ = driven_road(x, 0 * x, np.full(n, 8.0), "way")
    with LogWriter(tmp_path / "a.mcap", {}) as log:
        log.write(topics.LANE_MAP.name, lane_map)
        for k in range(n):
            ego = EgoState(float(x[k]), 0.0, 0.0, 8.0, 0.0, 0.0, 0.0)
            log.write(topics.OBSERVATION.name, Observation(k * CYCLE_NS, k * CYCLE_NS, ego))
    world = replay(tmp_path / "a.mcap")
    assert "the route is the driven way" in world.notes["map"]
    assert Road(world.lane_map, world.route).route_length_m > 40.0


# ------------------------------------------------------------------------------------------------------- handover


@pytest.fixture(scope="module")
def follows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A car ahead of the ego stops at 4 s and stays; the ego was driven past it. Truth knows the car as number 5."""
    path = tmp_path_factory.mktemp("follows") / "follows.mcap"
    n = 120
    x = 0.8 * np.arange(n)
    lane_map, route = driven_road(x, 0 * x, np.full(n, 8.0), "way")
    with LogWriter(path, {}) as log:
        log.write(topics.LANE_MAP.name, lane_map)
        log.write(topics.ROUTE.name, route)
        for k in range(n):
            ego = EgoState(float(x[k]), 0.0, 0.0, 8.0, 0.0, 0.0, 0.0)
            ahead = 30.0 + 0.8 * min(k, 40)
            car = Actor(
                5, ObjectClass.CAR, ahead, 0.0, 0.0, 8.0 if k < 40 else 0.0, 4.5, 1.8, False
            )
            log.write(topics.TRUTH.name, Truth(k * CYCLE_NS, ego, 4.5, 1.6, 1.3, (car,)))
            log.write(topics.OBSERVATION.name, Observation(k * CYCLE_NS, k * CYCLE_NS, ego))
    return path


@pytest.mark.parametrize("reactive", [False, True])
def test_at_the_handover_our_driver_takes_the_wheel(
    follows: Path, tmp_path: Path, reactive: bool
) -> None:
    config = load(
        None, ["replay.handover_s=3", f"sim.traffic.reactive_logs={str(reactive).lower()}"]
    )
    world = drive(str(follows), "rules", 1, config, tmp_path / "h.mcap")
    log = read_log(tmp_path / "h.mcap")
    truths = {round(t.stamp_ns * 1e-9, 1): t for t in log.of(Truth)}
    assert sorted(truths) == [round(0.1 * k, 1) for k in range(120)]  # one clock, without a seam
    assert log.info["notes"]["handover_s"] == "3" and "open_loop" not in log.info["notes"]
    assert world.notes["actors"].startswith("until the handover as recorded, then 1 as recorded")
    before, after = truths[3.0].ego, truths[3.1].ego
    assert math.hypot(after.x_m - before.x_m - 0.8, after.y_m - before.y_m) < 0.05
    assert abs(after.v_mps - before.v_mps) < 0.5
    assert all(t.actors[0].id == 5 for t in truths.values())
    assert truths[11.9].actors[0].x_m == pytest.approx(62.0, abs=0.1)
    hit = [at for at, t in truths.items() if _touching(t)]
    assert not hit, hit


def test_the_recorded_ego_of_this_drive_runs_into_the_car(follows: Path) -> None:
    world = replay(follows)
    world.reset()
    hit = False
    while not world.done:
        world.step(None)
        hit = hit or _touching(world.truth())
    assert hit


def _touching(truth: Truth) -> bool:
    e, (a,) = truth.ego, truth.actors
    x = e.x_m + truth.ego_center_offset_m * math.cos(e.yaw_rad)
    y = e.y_m + truth.ego_center_offset_m * math.sin(e.yaw_rad)
    ego = (x, y, e.yaw_rad, truth.ego_length_m, truth.ego_width_m)
    box = (a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m)
    return bool(boxes_overlap(*map(np.float64, ego), *map(np.float64, box)))


def test_before_the_handover_nothing_is_different(follows: Path) -> None:
    with_, without = replay(follows, handover_s=5), replay(follows)
    a, b = with_.reset(), without.reset()
    for _ in range(50):
        assert same(a, b) and same(with_.truth(), without.truth())
        a, b = with_.step(None), without.step(None)


def test_after_the_handover_commands_count_and_silence_brakes(follows: Path) -> None:
    world = replay(follows, handover_s=2)
    world.reset()
    for _ in range(20):
        world.step(None)
    assert not world.interface_braking
    v = world.step(Command(world.stamp_ns, 1.0, 0.0)).ego.v_mps
    faster = world.step(Command(world.stamp_ns, 1.0, 0.0)).ego.v_mps
    assert faster == pytest.approx(v + 0.1, abs=0.02)
    for _ in range(4):
        world.step(None)
    assert world.interface_braking


def test_after_the_handover_a_state_is_gone_back_to(follows: Path) -> None:
    world = replay(follows, handover_s=2)
    world.reset()
    for _ in range(25):
        world.step(Command(world.stamp_ns, -1.0, 0.0))
    state = world.get_state()
    after = [world.step(Command(world.stamp_ns, -1.0, 0.0)) for _ in range(3)]
    world.set_state(state)
    again = [world.step(Command(world.stamp_ns, -1.0, 0.0)) for _ in range(3)]
    assert all(same(a, b) for a, b in zip(after, again, strict=True))
    world.reset()
    assert world.stamp_ns == 0 and same(world.truth(), replay(follows).truth())


def test_detections_without_names_become_road_users_by_our_tracker(
    tmp_path: Path, town_drive: Path
) -> None:
    log = read_log(town_drive)
    world = replay(_without_truth(town_drive, tmp_path / "blind.mcap"), handover_s=2)
    assert "as our tracker saw them" in world.notes["actors"]
    world.reset()
    for _ in range(21):
        world.step(None)
    true = {round(t.stamp_ns * 1e-9, 1): t for t in log.of(Truth)}[2.1]
    seen = [d for o in log.of(Observation) if o.stamp_ns == 21 * CYCLE_NS for d in o.detections]
    ours = world.truth().actors
    assert len(seen) > 0 and len(ours) >= 0.6 * len(seen)
    for a in ours:
        assert min(math.hypot(a.x_m - b.x_m, a.y_m - b.y_m) for b in true.actors) < 1.0


def test_after_the_handover_lights_show_what_they_showed(tmp_path: Path) -> None:
    n, red, green = 60, LightColor.RED, LightColor.GREEN
    x = 0.8 * np.arange(n)
    lane_map, route = driven_road(x, 0 * x, np.full(n, 8.0), "way")
    light = TrafficLight(9, 60.0, 3.0, route.lane_ids[:1])
    with LogWriter(tmp_path / "a.mcap", {}) as log:
        log.write(topics.LANE_MAP.name, dataclasses.replace(lane_map, lights=(light,)))
        log.write(topics.ROUTE.name, route)
        for k in range(n):
            ego = EgoState(float(x[k]), 0.0, 0.0, 8.0, 0.0, 0.0, 0.0)
            # it is out of sight for a while, and turns green meanwhile
            seen = () if 20 <= k < 30 else (LightState(9, green if 30 <= k < 45 else red, 1.0),)
            log.write(
                topics.OBSERVATION.name, Observation(k * CYCLE_NS, k * CYCLE_NS, ego, (), seen)
            )
    world = replay(tmp_path / "a.mcap", handover_s=1)
    assert world.notes["lights"] == "1 of 1 as recorded"
    world.reset()
    shown = {}
    while not world.done:
        world.step(Command(world.stamp_ns, 0.0, 0.0))
        if world.stamp_ns > CYCLE_NS * 10:
            shown[world.stamp_ns // CYCLE_NS] = world.truth().lights[0].color
    assert shown == {k: green if 30 <= k < 45 else red for k in range(11, n)}


@pytest.mark.parametrize("at", [0.02, 11.9, 100.0])
def test_a_handover_outside_the_recording_is_refused(follows: Path, at: float) -> None:
    with pytest.raises(InputError, match="hand over within it"):
        replay(follows, handover_s=at)


# ---------------------------------------------------------------------------------------------------- real robots


@needs_robots
@pytest.mark.parametrize(
    ("name", "duration_s", "way_m"), [("test1", 395.3, 358.8), ("test2", 61.1, 84.2)]
)
def test_real_robots_pass_by_as_they_drove(name: str, duration_s: float, way_m: float) -> None:
    world = replay(ROBOTS / f"{name}.bag")
    assert world.duration_s == pytest.approx(duration_s)
    seen = passed(world)
    x, y = (np.array([getattr(o.ego, c) for o in seen]) for c in ("x_m", "y_m"))
    assert float(np.hypot(np.diff(x), np.diff(y)).sum()) == pytest.approx(way_m, rel=0.02)
    turned = np.unwrap([o.ego.yaw_rad for o in seen])
    felt = np.cumsum([o.ego.yaw_rate_rps for o in seen]) * 0.1
    # the Husky's IMU stands on its side; wheel odometry turns a little more than the gyroscope feels
    assert np.corrcoef(turned - turned[0], felt)[0, 1] > 0.9
    road = Road(world.lane_map, world.route)
    assert (
        np.mean([bool(road.lanes_at(float(a), float(b), 0.5)) for a, b in zip(x, y, strict=True)])
        > 0.95  # where the Jackal turns on the spot, it leaves a lane that a car could drive
    )


@needs_robots
def test_a_robots_drive_is_thought_about(tmp_path: Path) -> None:
    drive(str(ROBOTS / "test2.bag"), "rules", 1, Config(), tmp_path / "d.mcap", 8.0)
    log = read_log(tmp_path / "d.mcap")
    assert len(log.of(Observation)) == 80
    assert log.info["notes"]["topics"].startswith(
        "robot: odometry /jackal_velocity_controller/odom"
    )


def test_the_vehicle_of_the_configuration_is_the_one_in_truth(straight: Path) -> None:
    config = dataclasses.replace(
        Config(), vehicle=dataclasses.replace(Config().vehicle, length_m=1.0, width_m=0.6)
    )
    world = make_world(str(straight), 1, config)
    world.reset()
    assert (world.truth().ego_length_m, world.truth().ego_width_m) == (1.0, 0.6)
