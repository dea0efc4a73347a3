"""A minute of a real motorway: converted, every number where the others say it is, and replayed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import Config
from whyway.drives import drive
from whyway.evaluate.drive import read_drive
from whyway.log import read_log
from whyway.maps.projection import TransverseMercator
from whyway.maps.road import Road
from whyway.types import LaneMap, Observation, Route, Trace
from whyway.worlds.bags.bag import open_bag
from whyway.worlds.bags.comma2k19 import STEERING_RATIO, convert_comma2k19, geodetic
from whyway.worlds.bags.radar_boxes import BUMPER_M, LENGTH_M, Radar, boxes_at
from whyway.worlds.bags.reading import read_recording
from whyway.worlds.bags.recording import Recording
from whyway.worlds.bags.records import BagError

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "comma2k19_mit" / "Example_1"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"no data: {DATA}")


@pytest.fixture(scope="module")
def segment() -> Path:
    return next(DATA.glob("*/40"))


@pytest.fixture(scope="module")
def bag(segment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_comma2k19(segment, tmp_path_factory.mktemp("comma") / "highway")


@pytest.fixture(scope="module")
def odometry_only(bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The same minute from its standard topics alone."""
    table = tmp_path_factory.mktemp("table") / "standard.yaml"
    table.write_text(
        "odometry: /localization/kinematic_state\nimu: type:sensor_msgs/msg/Imu\n"
        "fix: type:sensor_msgs/msg/NavSatFix\nsteering: /vehicle/status/steering_tire_angle\n"
    )
    return read_recording(bag, str(table), Config())


def load(segment: Path, name: str) -> np.ndarray:
    return np.load(segment / name)


@needs_data
def test_it_is_a_rosbag2_recording_of_standard_topics_and_ours(bag: Path) -> None:
    found = {t.name: (t.type, t.count) for t in open_bag(bag).contents().values()}
    assert found["/localization/kinematic_state"] == ("nav_msgs/msg/Odometry", 1200)
    assert found["/sensing/imu/imu_data"] == ("sensor_msgs/msg/Imu", 6256)
    assert found["/sensing/gnss/ublox/nav_sat_fix"] == ("sensor_msgs/msg/NavSatFix", 579)
    assert found["/vehicle/status/steering_tire_angle"] == ("std_msgs/msg/Float64", 4974)
    assert found["/whyway/observation"] == ("whyway_msgs/msg/Observation", 600)


@needs_data
def test_the_rosbags_library_reads_it_too(bag: Path) -> None:
    from rosbags.highlevel import AnyReader

    with AnyReader([bag]) as reader:
        stamps = [stamp for _, stamp, _ in reader.messages()]
    assert stamps == sorted(stamps) and len(stamps) == 1200 + 6256 + 579 + 4974 + 600 + 2
    # the drive was on 2 August 2018, at a quarter past four in the afternoon, UTC
    assert 1_533_226_488 <= stamps[0] * 1e-9 < 1_533_226_489


@needs_data
def test_wheels_pose_and_gyroscope_tell_of_one_motion(
    segment: Path, odometry_only: Recording
) -> None:
    ego = odometry_only.ego
    t = load(segment, "processed_log/CAN/speed/t")
    speed = np.interp(
        0.1 * np.arange(len(ego)), t - load(segment, "global_pose/frame_times")[0],
        load(segment, "processed_log/CAN/speed/value")[:, 0],
    )  # fmt: skip
    assert np.abs(ego.v_mps - speed).max() < 0.5
    # the way is as long as the wheels say, and the car goes where it looks
    dx, dy = np.diff(ego.x_m), np.diff(ego.y_m)
    assert np.hypot(dx, dy).sum() == pytest.approx(speed[:-1].sum() * 0.1, rel=0.01)
    course = np.unwrap(np.arctan2(dy, dx))
    assert np.abs(np.median(course - np.unwrap(ego.yaw_rad)[:-1])) < 0.003
    turned = np.unwrap(ego.yaw_rad)
    assert np.abs(np.cumsum(ego.yaw_rate_rps) * 0.1 - (turned - turned[0])).max() < 0.08


@needs_data
def test_the_receivers_fixes_lie_on_the_fused_way(bag: Path, segment: Path) -> None:
    latitude, longitude, _ = geodetic(load(segment, "global_pose/frame_positions")[:1])
    plane = TransverseMercator(float(latitude[0]), float(longitude[0]))
    fixes = [m.value for m in open_bag(bag).messages(["/sensing/gnss/ublox/nav_sat_fix"])]
    x, y = plane.forward(
        np.array([m.latitude for m in fixes]), np.array([m.longitude for m in fixes])
    )
    poses = [
        m.value.pose.pose.position
        for m in open_bag(bag).messages(["/localization/kinematic_state"])
    ]
    px, py = (np.array([getattr(p, c) for p in poses]) for c in "xy")
    away = [np.hypot(px - a, py - b).min() for a, b in zip(x, y, strict=True)]
    assert max(away) < 6.0  # metres: what a phone's receiver is good for


@needs_data
def test_the_steering_is_the_tyres(bag: Path, segment: Path) -> None:
    angles = [m.value.data for m in open_bag(bag).messages(["/vehicle/status/steering_tire_angle"])]
    degrees = load(segment, "processed_log/CAN/steering_angle/value")
    assert np.degrees(angles) * STEERING_RATIO == pytest.approx(degrees)


@needs_data
def test_the_radars_cars_keep_to_lanes_and_move_on(bag: Path) -> None:
    seen = [m.value for m in open_bag(bag).messages(["/whyway/observation"])]
    assert all(isinstance(o, Observation) for o in seen)
    boxes = [d for o in seen for d in o.detections]
    assert 1.0 < len(boxes) / len(seen) < 8.0
    assert all(0.0 < d.x_m < 200.0 and abs(d.y_m) < 10.0 and d.vx_mps > 0.0 for d in boxes)
    # a car that was there is still there a tenth of a second later, where its speed has brought it
    kept = total = 0
    for a, b in zip(seen, seen[1:], strict=False):
        for d in a.detections:
            total += 1
            x = d.x_m + (d.vx_mps - a.ego.v_mps) * 0.1
            kept += any(abs(e.x_m - x) < 2.0 and abs(e.y_m - d.y_m) < 1.0 for e in b.detections)
    assert kept / total > 0.9


@needs_data
def test_the_minute_is_replayed_and_can_be_judged(bag: Path, tmp_path: Path) -> None:
    drive(str(bag), "rules", 1, Config(), tmp_path / "d.mcap", 6.0)
    log = read_log(tmp_path / "d.mcap")
    assert len(log.of(Trace)) == 60
    road = Road(log.of(LaneMap)[0], log.of(Route)[0])
    judged = read_drive(log)
    assert not judged.off_road.any() and judged.distance_m > 50.0
    lane = next(iter(road.lanes.values()))
    assert float(lane.width_at(5.0)) == pytest.approx(3.7, abs=0.01)
    assert any(t.perception.critical_objects for t in log.of(Trace))


@needs_data
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "global_pose" / "frame_times").unlink(), "frame_times: cannot be read"),
        (lambda f: (f / "global_pose" / "frame_times").write_bytes(b"rubbish"), "not a numpy array"),
        (lambda f: np.save((f / "global_pose" / "frame_times").open("wb"), np.zeros((1200, 2))), "of shape"),
        (lambda f: np.save((f / "global_pose" / "frame_times").open("wb"), np.zeros(10)), "different lengths"),
        (lambda f: np.save((f / "global_pose" / "frame_positions").open("wb"), np.full((1200, 3), np.nan)), "no numbers"),
        (lambda f: np.save((f / "global_pose" / "frame_times").open("wb"), np.array([{}] * 1200), allow_pickle=True), "cannot be read"),
    ],
)  # fmt: skip
def test_a_segment_that_is_none_gives_one_line(
    segment: Path, tmp_path: Path, spoil, words: str
) -> None:
    shutil.copytree(segment, tmp_path / "s", copy_function=shutil.copyfile)
    for folder in [tmp_path / "s", *(p for p in (tmp_path / "s").rglob("*") if p.is_dir())]:
        folder.chmod(0o755)
    spoil(tmp_path / "s")
    with pytest.raises(BagError) as caught:
        convert_comma2k19(tmp_path / "s", tmp_path / "out")
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists already"):
        convert_comma2k19(tmp_path, tmp_path)


@given(
    latitude=st.floats(-89.0, 89.0),
    longitude=st.floats(-179.9, 179.9),
    height=st.floats(-400.0, 9000.0),
)
def test_geodetic_is_the_inverse_of_the_ellipsoids_definition(
    latitude: float, longitude: float, height: float
) -> None:
    a, f = 6_378_137.0, 1 / 298.257223563
    la, lo, e2 = np.radians(latitude), np.radians(longitude), f * (2 - f)
    n = a / np.sqrt(1 - e2 * np.sin(la) ** 2)
    point = [(n + height) * np.cos(la) * np.cos(lo), (n + height) * np.cos(la) * np.sin(lo), (n * (1 - e2) + height) * np.sin(la)]  # fmt: skip
    found = [float(c[0]) for c in geodetic(np.array([point]))]
    assert found == pytest.approx([latitude, longitude, height], abs=1e-6)


def _radar(
    *echoes: tuple[float, float, float, int], seconds: float = 1.0, new_at: float = -1.0
) -> Radar:
    """Echoes (forward, left, relative speed, address) that report every 50 ms, to an ego at 20 m/s."""
    rows, times = [], []
    for t in np.arange(0.0, seconds, 0.05):
        for ahead, aside, speed, address in echoes:
            new = float(abs(t - new_at) < 0.01)
            rows.append((ahead + speed * t, aside, speed, np.nan, np.nan, address, new))
            times.append(t)
    return Radar(np.array(times), np.array(rows), np.full(len(times), 20.0))


def test_an_echo_is_a_car_ahead_of_the_bumper() -> None:
    ((x, y, yaw, length, width, vx, vy, _),) = boxes_at(_radar((30.0, 1.0, -2.0, 528)), 0.9)
    assert x == pytest.approx(BUMPER_M + 30.0 - 1.8 + LENGTH_M / 2)
    assert (y, yaw, vx, vy) == (1.0, 0.0, 18.0, 0.0) and length > width


def test_signs_and_rails_are_no_cars() -> None:
    assert boxes_at(_radar((30.0, 5.0, -20.0, 528)), 0.9) == []


def test_a_new_echo_is_believed_only_after_a_while() -> None:
    radar = _radar((30.0, 0.0, 0.0, 528), new_at=0.5)
    assert [len(boxes_at(radar, t)) for t in (0.45, 0.6, 0.75, 0.95)] == [1, 0, 0, 1]


def test_echoes_of_one_truck_are_one_box() -> None:
    radar = _radar(
        (30.0, 0.2, 0.0, 528), (32.0, -0.4, 0.3, 529), (60.0, 0.0, 0.0, 530), (31.0, 3.6, 0.0, 531)
    )
    assert sorted(round(b[0] - BUMPER_M - LENGTH_M / 2) for b in boxes_at(radar, 0.9)) == [
        30,
        31,
        60,
    ]


def test_an_address_that_fell_silent_is_gone() -> None:
    radar = _radar((30.0, 0.0, 0.0, 528), seconds=0.6)
    assert len(boxes_at(radar, 0.6)) == 1 and boxes_at(radar, 0.8) == []
