"""Recorded messages become observations: the right topics, frames by REP-103/105, times on the data's own clock, and nothing made up."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

import made_bags as made
from made_bags import Robot, Step

from whyway import topics
from whyway.config import Config, ConfigError
from whyway.geometry import from_frame
from whyway.log import LogWriter
from whyway.maps.projection import TransverseMercator
from whyway.types import CYCLE_NS, Detection, EgoState, LightColor, ObjectClass, Observation, same
from whyway.worlds.bags.bag import open_bag
from whyway.worlds.bags.reading import read_recording
from whyway.worlds.bags.recording import Recording
from whyway.worlds.bags.records import BagError
from whyway.worlds.bags.topic_map import FOLDER, PRESETS, choose, read_table

CONFIG = Config()


def recorded(
    tmp_path: Path, steps: list[Step], table: str = "", robot: Robot | None = None
) -> Recording:
    """A recording of some messages; `table` is YAML, or a preset's name."""
    steps = sorted(steps, key=lambda step: step[0])
    folder = made.write_bag(tmp_path / "bag", steps, robot.store if robot else None)
    if table and table not in PRESETS:
        (tmp_path / "topics.yaml").write_text(table)
        table = str(tmp_path / "topics.yaml")
    return read_recording(folder, table, CONFIG)


# --------------------------------------------------------------------------------------------------- the table


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_tables(name: str) -> None:
    assert read_table(FOLDER / f"{name}.yaml") is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("odometri: /odom", "did you mean 'odometry'?"),
        ("odometry: 3", "is not a str"),
        ("base_link: {z_m: 1}", "unknown key 'z_m'"),
        ("base_link: {x_m: 1000}", "out of range"),
        ("objects_in: moon", "is no frame"),
        ("steering_ratio: 0", "more than 0"),
        ("[1, 2]", "expected keys and values"),
        ("{", "not readable as YAML"),
    ],
)
def test_a_table_that_is_wrong_gives_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_table(tmp_path / "t.yaml")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_topic_that_is_not_there_is_named_with_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"no topic '/odm'; did you mean '/odom'\?"):
        recorded(tmp_path, made.straight(), "odometry: /odm")


def test_a_topic_of_the_wrong_type_is_named_with_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="/odom is a nav_msgs/msg/Odometry; for this part we read"):
        recorded(tmp_path, made.straight(), "odometry: /odom\nimu: /odom")


def test_without_a_pose_there_is_nothing_to_drive(tmp_path: Path) -> None:
    robot = Robot()
    with pytest.raises(BagError, match=r"tables we ship .* the recording has /imu"):
        recorded(tmp_path, [robot.imu(0.1 * i, (0, 0, 0), (0, 0, 9.8)) for i in range(30)])


def test_of_several_topics_of_a_type_the_busiest_is_taken(tmp_path: Path) -> None:
    robot = Robot()
    slow = [robot.odometry(0.2 * i, 9.0, 9.0, 0.0, 0.0, topic="/a/odom") for i in range(31)]
    folder = made.write_bag(tmp_path / "bag", sorted([*made.straight(), *slow], key=lambda s: s[0]))
    chosen = choose(open_bag(folder).contents())
    assert chosen.name == "robot" and chosen.topics["odometry"].name == "/odom"


def test_names_may_hold_wildcards_and_alternatives(tmp_path: Path) -> None:
    robot = Robot()
    steps = [
        robot.odometry(0.05 * i, 0.4 * i, 0, 0, 8.0, topic="/carla/hero/odometry")
        for i in range(60)
    ]
    for table in ("odometry: /gone | /carla/*/odometry", ""):
        folder = tmp_path / f"t{len(table)}"
        folder.mkdir()
        recording = recorded(folder, steps, table)
        assert "/carla/hero/odometry" in recording.facts.notes["topics"]
    assert recording.facts.notes["topics"].startswith("carla_ros_bridge")


# -------------------------------------------------------------------------------------------------------- the ego


@settings(max_examples=15)
@given(
    v=st.floats(0.5, 30.0), rate=st.floats(-0.3, 0.3), yaw0=st.floats(-3.1, 3.1),
    hz=st.sampled_from([4.0, 10.0, 50.0]), phase=st.floats(0.0, 0.09),
)  # fmt: skip
def test_odometry_on_an_arc_is_found_again_at_ten_hertz(
    tmp_path_factory: pytest.TempPathFactory,
    v: float,
    rate: float,
    yaw0: float,
    hz: float,
    phase: float,
) -> None:
    def pose(t: float) -> tuple[float, float, float]:
        yaw = yaw0 + rate * t
        if abs(rate) < 1e-6:
            return v * t * math.cos(yaw0), v * t * math.sin(yaw0), yaw
        return (
            v / rate * (math.sin(yaw) - math.sin(yaw0)),
            v / rate * (math.cos(yaw0) - math.cos(yaw)),
            yaw,
        )

    robot, times = Robot(), [phase + i / hz for i in range(round(3 * hz) + 1)]
    steps = [robot.odometry(t, *pose(t), v, rate) for t in times]
    recording = recorded(tmp_path_factory.mktemp("arc"), steps)
    assert recording.count == 31
    sagitta = v * abs(rate) / hz**2 / 8  # of the chord between two poses
    for k in (0, 7, 30):
        ego = recording.observation(k).ego
        x, y, yaw = pose(phase + 0.1 * k)
        assert math.hypot(ego.x_m - x, ego.y_m - y) < sagitta + 1e-4
        assert abs(math.remainder(ego.yaw_rad - yaw, 2 * math.pi)) < 1e-4
        assert ego.v_mps == pytest.approx(v) and ego.yaw_rate_rps == pytest.approx(rate)
        assert math.tan(ego.steer_rad) == pytest.approx(
            CONFIG.vehicle.wheelbase_m * rate / v if v > 1 else 0.0, abs=1e-6
        )


def test_the_clock_starts_at_zero_and_goes_in_tenths(tmp_path: Path) -> None:
    recording = recorded(tmp_path, made.straight(2.0))
    stamps = [recording.observation(k).stamp_ns for k in range(recording.count)]
    assert stamps == [k * CYCLE_NS for k in range(21)]


def test_base_link_is_where_the_table_puts_it(tmp_path: Path) -> None:
    robot = Robot()
    steps = [robot.odometry(0.05 * i, 5.0, 0.0, math.pi / 2, 0.0) for i in range(40)]
    ego = recorded(tmp_path, steps, "odometry: /odom\nbase_link: {x_m: -1.4, y_m: 0.5}").ego.at(5)
    assert (ego.x_m, ego.y_m) == pytest.approx((4.5, -1.4))


def test_an_empty_twist_is_not_believed(tmp_path: Path) -> None:
    robot = Robot()
    steps = [robot.odometry(0.05 * i, 0.4 * i, 0.0, 0.0, 0.0) for i in range(80)]
    recording = recorded(tmp_path, steps)
    assert recording.ego.at(20).v_mps == pytest.approx(8.0)
    assert recording.facts.notes["speed"] == "from the way"


@pytest.mark.parametrize("axis", range(3))
def test_the_yaw_rate_is_about_the_vertical_however_the_imu_is_mounted(
    tmp_path: Path, axis: int
) -> None:
    robot = Robot()
    rates, force = [0.7, 0.7, 0.7], [0.0, 0.0, 0.0]
    rates[axis], force[axis] = -0.2, -9.81  # upside down, too
    steps = [
        *made.straight(),
        *(robot.imu(0.02 * i, tuple(rates), tuple(force)) for i in range(300)),  # type: ignore[arg-type]
    ]
    assert recorded(tmp_path, steps).ego.at(30).yaw_rate_rps == pytest.approx(0.2)


def test_fixes_alone_make_a_way_on_the_plane_of_the_first(tmp_path: Path) -> None:
    robot, plane = Robot(), TransverseMercator(42.0, -71.0)
    steps = []
    for i in range(41):
        # 5 m/s to the north
        steps.append(robot.fix(0.25 * i, 42.0 + 5 * 0.25 * i / 111_132.0, -71.0, good=i != 7))
    steps.append(robot.fix(3.33, 0.0, 0.0, good=False))
    recording = recorded(tmp_path, steps)
    ego = recording.ego.at(50)
    _, north = plane.forward(42.0 + 25 / 111_132.0, -71.0)
    assert (ego.x_m, ego.y_m) == pytest.approx((0.0, float(north)), abs=0.05)
    assert ego.yaw_rad == pytest.approx(math.pi / 2, abs=1e-3) and ego.v_mps == pytest.approx(
        5, abs=0.05
    )
    assert recording.facts.notes["first fix"] == "42.0000000, -71.0000000"


def test_where_odometry_is_missing_the_ego_gets_old(tmp_path: Path) -> None:
    steps = [s for s in made.straight(6.0) if not 2.0 < (s[0] - Robot.START_NS) * 1e-9 < 4.0]
    recording = recorded(tmp_path, steps)
    late, fresh = recording.observation(30), recording.observation(45)
    assert late.stamp_ns - late.ego_stamp_ns == 10 * CYCLE_NS
    assert late.ego.x_m == pytest.approx(16.0)
    assert fresh.ego_stamp_ns == fresh.stamp_ns


def test_headers_of_another_clock_are_not_mixed_with_the_recorders(tmp_path: Path) -> None:
    steps = [(s[0] + 10**15, *s[1:]) for s in made.straight(3.0)]
    recording = recorded(tmp_path, steps)
    assert recording.count == 31 and "/odom" in recording.facts.notes["clock"]


def test_messages_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    robot = Robot()
    # a network that delays every other message by a third of a second
    steps = [
        robot.odometry(0.05 * i, 0.4 * i, 0.0, 0.0, 8.0, delay_s=0.33 * (i % 2)) for i in range(60)
    ]
    recording = recorded(tmp_path, steps)
    assert recording.ego.at(15).x_m == pytest.approx(12.0)


@pytest.mark.parametrize("stamp_step_s", [0.0, 1e6])
def test_stamps_that_make_no_drive_are_refused(tmp_path: Path, stamp_step_s: float) -> None:
    robot = Robot()
    steps = [robot.odometry(stamp_step_s * i, 0.4 * i, 0.0, 0.0, 8.0) for i in range(30)]
    with pytest.raises(BagError, match="no drive|more than a day"):
        recorded(tmp_path, steps)


# ------------------------------------------------------------------------------------------------- other road users

SOLID = "uint8 BOX=1\nuint8 type\nfloat64[<=3] dimensions\ngeometry_msgs/Polygon polygon\n"
DERIVED = (
    "std_msgs/Header header\nuint32 id\nuint8 detection_level\nbool object_classified\ngeometry_msgs/Pose pose\n"
    "geometry_msgs/Twist twist\ngeometry_msgs/Accel accel\ngeometry_msgs/Polygon polygon\nshape_msgs/SolidPrimitive shape\n"
    "uint8 classification\nuint8 classification_certainty\nuint32 classification_age\n"
)
CARLA = made.jazzy(
    derived_object_msgs__msg__Object=DERIVED,
    derived_object_msgs__msg__ObjectArray="std_msgs/Header header\nderived_object_msgs/Object[] objects\n",
    carla_msgs__msg__CarlaTrafficLightStatus="uint32 id\nuint8 state\n",
    carla_msgs__msg__CarlaTrafficLightStatusList="carla_msgs/CarlaTrafficLightStatus[] traffic_lights\n",
)
AUTOWARE = made.jazzy(
    autoware_perception_msgs__msg__ObjectClassification="uint8 label\nfloat32 probability\n",
    autoware_perception_msgs__msg__Shape="uint8 type\ngeometry_msgs/Polygon footprint\ngeometry_msgs/Vector3 dimensions\n",
    autoware_perception_msgs__msg__PredictedObjectKinematics=(
        "geometry_msgs/PoseWithCovariance initial_pose_with_covariance\ngeometry_msgs/TwistWithCovariance initial_twist_with_covariance\n"
    ),
    autoware_perception_msgs__msg__PredictedObject=(
        "unique_identifier_msgs/UUID object_id\nfloat32 existence_probability\nautoware_perception_msgs/ObjectClassification[] classification\n"
        "autoware_perception_msgs/PredictedObjectKinematics kinematics\nautoware_perception_msgs/Shape shape\n"
    ),
    autoware_perception_msgs__msg__PredictedObjects="std_msgs/Header header\nautoware_perception_msgs/PredictedObject[] objects\n",
    autoware_perception_msgs__msg__TrafficLightElement="uint8 color\nuint8 shape\nuint8 status\nfloat32 confidence\n",
    autoware_perception_msgs__msg__TrafficLightGroup=(
        "int64 traffic_light_group_id\nautoware_perception_msgs/TrafficLightElement[] elements\n"
    ),
    autoware_perception_msgs__msg__TrafficLightGroupArray=(
        "builtin_interfaces/Time stamp\nautoware_perception_msgs/TrafficLightGroup[] traffic_light_groups\n"
    ),
    autoware_vehicle_msgs__msg__SteeringReport="builtin_interfaces/Time stamp\nfloat32 steering_tire_angle\n",
)  # fmt: skip


def derived(
    robot: Robot, time_s: float, x: float, y: float, vx: float, vy: float, number: int = 7
) -> Step:
    t, kind = robot.t, "derived_object_msgs/msg/ObjectArray"
    still = t["geometry_msgs/msg/Accel"](linear=robot.vector(0, 0), angular=robot.vector(0, 0))
    outline = t["geometry_msgs/msg/Polygon"](points=[])
    box = t["shape_msgs/msg/SolidPrimitive"](
        type=1, dimensions=np.array([4.0, 1.8, 1.5]), polygon=outline
    )
    one = t["derived_object_msgs/msg/Object"](
        header=robot.header(time_s, "map"), id=number, detection_level=0, object_classified=True,
        pose=robot.pose(x, y, math.pi / 2), twist=robot.twist(vx, vy, 0.0), accel=still, polygon=outline, shape=box,
        classification=6, classification_certainty=255, classification_age=1,
    )  # fmt: skip
    message = t[kind](header=robot.header(time_s, "map"), objects=[one])
    return robot.ns(time_s), "/carla/ego_vehicle/objects", kind, message


def test_carlas_objects_and_lights_are_seen_from_base_link(tmp_path: Path) -> None:
    robot = Robot(CARLA)
    t, lights = robot.t, "carla_msgs/msg/CarlaTrafficLightStatusList"
    ego = [
        robot.odometry(0.05 * i, 10.0, 0.0, math.pi / 2, 0.0, topic="/carla/ego_vehicle/odometry")
        for i in range(60)
    ]
    others = [derived(robot, 0.1 * i + 0.02, 10.0, 20.0 + 0.5 * i, 0.0, 5.0) for i in range(30)]
    states = [t["carla_msgs/msg/CarlaTrafficLightStatus"](id=3, state=0)]
    sent = [
        (robot.ns(0.5), "/carla/traffic_lights/status", lights, t[lights](traffic_lights=states))
    ]
    recording = recorded(tmp_path, [*ego, *others, *sent], robot=robot)
    assert recording.facts.notes["topics"].startswith("carla_ros_bridge")
    observation = recording.observation(20)
    (seen,) = observation.detections
    assert seen.object_class is ObjectClass.CAR
    # the rear axle is 1.4 m behind the middle that CARLA's odometry is of; it reported 80 ms ago, at y = 29.5
    assert (seen.x_m, seen.y_m) == pytest.approx((31.3, 0.0), abs=0.01)
    assert (seen.vx_mps, seen.vy_mps) == pytest.approx((5.0, 0.0), abs=1e-6)
    assert seen.yaw_rad == pytest.approx(0.0, abs=1e-6) and (seen.length_m, seen.width_m) == (
        4.0,
        1.8,
    )
    # a state that was sent once, when it changed, still holds
    assert [(x.light_id, x.color) for x in observation.lights] == [(3, LightColor.RED)]
    (actor,) = recording.truth(20, CONFIG).actors
    assert (actor.id, actor.x_m, actor.v_mps) == (1, pytest.approx(10.0), pytest.approx(5.0))
    assert recording.facts.notes["actors"] == "recorded objects"


def predicted(robot: Robot, time_s: float, frame: str) -> Step:
    t, kind = robot.t, "autoware_perception_msgs/msg/PredictedObjects"
    name = "autoware_perception_msgs/msg/"
    motion = t[name + "PredictedObjectKinematics"](
        initial_pose_with_covariance=robot.with_covariance(
            "Pose", robot.pose(20.0, 3.0, math.pi / 2)
        ),
        initial_twist_with_covariance=robot.with_covariance("Twist", robot.twist(2.0, 0.0, 0.0)),
    )
    shape = t[name + "Shape"](
        type=0,
        footprint=t["geometry_msgs/msg/Polygon"](points=[]),
        dimensions=robot.vector(1.8, 0.6, 1.7),
    )
    labels = [
        t[name + "ObjectClassification"](label=a, probability=p) for a, p in ((1, 0.1), (6, 0.8))
    ]
    number = t["unique_identifier_msgs/msg/UUID"](uuid=np.arange(16, dtype=np.uint8))
    one = t[name + "PredictedObject"](
        object_id=number,
        existence_probability=0.75,
        classification=labels,
        kinematics=motion,
        shape=shape,
    )
    return robot.ns(time_s), "/perception/object_recognition/objects", kind, t[kind](
        header=robot.header(time_s, frame), objects=[one]
    )  # fmt: skip


@pytest.mark.parametrize("frame", ["map", "base_link"])
def test_autowares_objects_lights_and_steering_are_read_by_the_recordings_definitions(
    tmp_path: Path, frame: str
) -> None:
    robot = Robot(AUTOWARE)
    t, name = robot.t, "autoware_perception_msgs/msg/"
    ego = [
        robot.odometry(0.05 * i, 0.0, 0.0, 0.0, 0.0, topic="/localization/kinematic_state")
        for i in range(60)
    ]
    others = [predicted(robot, 0.1 * i, frame) for i in range(30)]
    elements = [
        t[name + "TrafficLightElement"](color=c, shape=s, status=0, confidence=0.9)
        for c, s in ((3, 6), (1, 5))
    ]
    groups = [t[name + "TrafficLightGroup"](traffic_light_group_id=42, elements=elements)]
    stamp = robot.header(1.65, "").stamp
    kind = name + "TrafficLightGroupArray"
    lights = [
        (
            robot.ns(1.65),
            "/perception/traffic_light_recognition/traffic_signals",
            kind,
            t[kind](stamp=stamp, traffic_light_groups=groups),
        )
    ]
    kind = "autoware_vehicle_msgs/msg/SteeringReport"
    steering = [
        (robot.ns(0.1 * i), "/vehicle/status/steering_status", kind, t[kind](stamp=robot.header(0.1 * i, "").stamp, steering_tire_angle=0.25))
        for i in range(30)
    ]  # fmt: skip
    recording = recorded(tmp_path, [*ego, *others, *lights, *steering], robot=robot)
    assert recording.facts.notes["topics"].startswith("autoware")
    observation = recording.observation(20)
    assert observation.ego.steer_rad == pytest.approx(0.25)
    (seen,) = observation.detections
    assert seen.object_class is ObjectClass.BICYCLE and seen.existence_probability == pytest.approx(
        0.75
    )
    # the twist is the object's own: it rides along y
    assert (seen.vx_mps, seen.vy_mps) == pytest.approx((0.0, 2.0), abs=1e-6)
    assert (seen.x_m, seen.y_m) == pytest.approx((20.0, 3.0), abs=1e-6)
    assert [(x.light_id, x.color) for x in observation.lights] == [(42, LightColor.RED)]
    assert recording.observation(0).lights == () == recording.observation(28).lights


def test_objects_in_base_link_are_where_base_link_was_when_they_were_seen(tmp_path: Path) -> None:
    robot = Robot(AUTOWARE)
    ego = [
        robot.odometry(0.05 * i, 0.5 * i, 0.0, 0.0, 10.0, topic="/localization/kinematic_state")
        for i in range(60)
    ]
    others = [predicted(robot, 0.1 * i + 0.06, "base_link") for i in range(30)]
    recording = recorded(tmp_path, [*ego, *others], robot=robot)
    # seen 20 m ahead 40 ms ago: since then the car has come 0.4 m nearer, and the bicycle has moved on by 8 cm
    (seen,) = recording.observation(20).detections
    assert (seen.x_m, seen.y_m) == pytest.approx((19.6, 3.08), abs=1e-6)
    (actor,) = recording.truth(20, CONFIG).actors
    assert (actor.x_m, actor.y_m, actor.v_mps) == pytest.approx((39.6, 3.08, 2.0), abs=1e-6)


@settings(max_examples=20)
@given(x=st.floats(-50, 50), y=st.floats(-50, 50), yaw=st.floats(-3, 3), speed=st.floats(0, 20))
def test_an_object_in_the_map_is_where_the_ego_sees_it(
    tmp_path_factory: pytest.TempPathFactory, x: float, y: float, yaw: float, speed: float
) -> None:
    robot = Robot(CARLA)
    ego = [
        robot.odometry(0.05 * i, 1.0, 2.0, yaw, 0.0, topic="/carla/ego_vehicle/odometry")
        for i in range(30)
    ]
    others = [derived(robot, 0.1 * i, x, y + speed * 0.1 * i, 0.0, speed) for i in range(15)]
    recording = recorded(tmp_path_factory.mktemp("o"), [*ego, *others], robot=robot)
    observation = recording.observation(10)
    (seen,) = observation.detections
    e = observation.ego
    back = from_frame(seen.x_m, seen.y_m, e.x_m, e.y_m, np.float64(e.yaw_rad))
    assert back == pytest.approx((x, y + speed), abs=1e-6)


def test_objects_reported_long_ago_are_not_there(tmp_path: Path) -> None:
    robot = Robot(CARLA)
    ego = [
        robot.odometry(0.05 * i, 0.0, 0.0, 0.0, 0.0, topic="/carla/ego_vehicle/odometry")
        for i in range(60)
    ]
    recording = recorded(tmp_path, [*ego, derived(robot, 1.0, 9.0, 9.0, 0.0, 0.0)], robot=robot)
    assert [len(recording.observation(k).detections) for k in (5, 10, 15, 16)] == [0, 1, 1, 0]


# ------------------------------------------------------------------------------------------------- our observations


def _observation(k: int, start: int = 0) -> Observation:
    ego = EgoState(float(k), 0.5, 0.1, 10.0, 0.2, 0.01, 0.02)
    car = Detection(ObjectClass.CAR, 20.0 - k, 0.0, 0.0, 4.0, 1.8, 3.0, 0.0, 0.9)
    stamp = start + k * CYCLE_NS
    return Observation(stamp, stamp, ego, (car,))


def _log(path: Path, values: list[Observation]) -> Path:
    with LogWriter(path, {}) as log:
        for value in values:
            log.write(topics.OBSERVATION.name, value)
    return path


def test_recorded_observations_are_given_as_they_are(tmp_path: Path) -> None:
    values = [_observation(k) for k in range(20)]
    recording = read_recording(_log(tmp_path / "a.mcap", values), "", CONFIG)
    assert recording.count == 20
    assert all(same(recording.observation(k), v) for k, v in enumerate(values))


def test_only_the_clock_of_recorded_observations_is_moved(tmp_path: Path) -> None:
    values = [_observation(k, 10**18 + 123) for k in range(20)]
    recording = read_recording(_log(tmp_path / "a.mcap", values), "", CONFIG)
    assert same(recording.observation(7), _observation(7))


def test_a_missing_observation_leaves_the_last_one_to_get_old(tmp_path: Path) -> None:
    values = [_observation(k) for k in range(20) if k not in (8, 9)]
    recording = read_recording(_log(tmp_path / "a.mcap", values), "", CONFIG)
    held = recording.observation(9)
    assert held.stamp_ns == 9 * CYCLE_NS and held.ego_stamp_ns == 7 * CYCLE_NS
    assert held.detections == values[7].detections
    assert recording.facts.notes["held"].startswith("2 of 19 cycles")


def test_messages_that_cannot_be_read_are_noted(tmp_path: Path) -> None:
    store = made.jazzy(
        whyway_msgs__msg__Observation="std_msgs/Header header\nint64 something_else\n"
    )
    kind = store.types["whyway_msgs/msg/Observation"]
    robot = Robot(store)
    steps: list[Any] = [
        (robot.ns(0.1 * i), "/whyway/observation", "whyway_msgs/msg/Observation", kind(header=robot.header(0.1 * i, ""), something_else=i))
        for i in range(5)
    ]  # fmt: skip
    with pytest.raises(BagError, match="none of its observations can be read"):
        recorded(tmp_path, steps, robot=robot)
