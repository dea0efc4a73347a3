"""Raw sensors over ROS: what arrives is what the sensors saw at that stamp, in the frames and layouts that other tools expect."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whyway import topics
from whyway.types import LaneMap, Truth
from whyway.worlds.sim.sensing.rig import DEFAULT, CameraSpec, frame, make_rig, optical_frame

pytestmark = pytest.mark.ros
pytest.importorskip("numba", reason="the camera needs numba: pip install 'whyway[sim]'")

RIG = """
cameras:
  front: {width_px: 320, height_px: 180, fx_px: 160, fy_px: 160, cx_px: 159.5, cy_px: 89.5}
  rear: {width_px: 64, height_px: 48, fx_px: 40, fy_px: 44, cx_px: 31, cy_px: 23, mount: {x_m: -0.8, z_m: 1.2, yaw_rad: 3.1}}
lidars:
  top: {channels: 8, columns: 360}
imus: {main: {}}
gnss: {roof: {origin_latitude_deg: 48.1, origin_longitude_deg: 11.6}}
wheels: {rear: {}}
"""
SENSORS = (
    ("cameras", "front"),
    ("cameras", "rear"),
    ("lidars", "top"),
    ("imus", "main"),
    ("gnss", "roof"),
    ("wheels", "rear"),
)


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


@pytest.fixture(scope="module")
def heard(
    tmp_path_factory: pytest.TempPathFactory, supervisor: Callable[..., Any]
) -> Iterator[dict[str, list[Any]]]:
    """Everything a drive of 3 s says about its sensors, by topic."""
    import rclpy
    from whyway_nodes import dds
    from whyway_nodes.wires import listen, message_class, qos_of

    folder = tmp_path_factory.mktemp("sensors")
    rig = folder / "rig.yaml"
    rig.write_text(RIG)
    seen: dict[str, list[Any]] = {}
    with dds.domain({}) as domain:
        os.environ |= dds.environment(domain, folder)
        rclpy.init(args=[], domain_id=domain)
        node = rclpy.create_node("whyway_spectator")
        for topic in (topics.TRUTH, topics.LANE_MAP):
            listen(node, topic, seen.setdefault(topic.name, []).append)
        tables = [topics.rig_topics(kind, name) for kind, name in SENSORS]
        for topic in (t for table in tables for t in table.values()):
            keep, depth = seen.setdefault(topic.name, []), 200 if "imu" in topic.name else None
            node.create_subscription(
                message_class(topic.type), topic.name, keep.append, qos_of(topic, depth)
            )
        try:
            mounts = topics.static_transforms()
            keep = seen.setdefault(mounts.name, [])
            node.create_subscription(
                message_class(mounts.type), mounts.name, keep.append, qos_of(mounts)
            )
        except ImportError:
            del seen[mounts.name]
        arguments = ("--duration", "3", "--seed", "1", "--set", "nodes.realtime=true")
        sensors = ("--sensors", "--rig", str(rig))
        process = supervisor(folder, *arguments, *sensors, ROS_DOMAIN_ID=str(domain))
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() - begun < 90:
            rclpy.spin_once(node, timeout_sec=0.05)
        output = process.communicate()[0]
        assert process.returncode == 0, output
        node.destroy_node()
        rclpy.shutdown()
    yield seen


def of(heard: dict[str, list[Any]], kind: str, name: str, what: str) -> list[Any]:
    return heard[topics.rig_topics(kind, name)[what].name]


def test_every_sensor_is_heard_with_the_simulations_stamps(heard: dict[str, list[Any]]) -> None:
    truths = {t.stamp_ns for t in heard[topics.TRUTH.name]}
    assert len(truths) >= 25
    for kind, name in SENSORS:
        for what in topics.rig_topics(kind, name):
            stamps = [stamp_of(m) for m in of(heard, kind, name, what)]
            assert len(stamps) >= 12, (kind, name, what)
            assert stamps == sorted(set(stamps)), (kind, name, what)
            if kind != "imus":
                assert set(stamps) <= truths
    samples = [stamp_of(m) for m in of(heard, "imus", "main", "data_raw")]
    # best effort: whole cycles of ten may be lost on a busy machine
    assert not ((np.diff(samples) - 10_000_000) % 100_000_000).any()
    assert len(samples) >= 120


def test_frames_are_those_of_the_mounts(heard: dict[str, list[Any]]) -> None:
    for name in ("front", "rear"):
        for what in topics.rig_topics("cameras", name):
            assert {m.header.frame_id for m in of(heard, "cameras", name, what)} == {
                optical_frame(name)
            }
    for kind, name, what in (
        ("lidars", "top", "points"),
        ("imus", "main", "data_raw"),
        ("gnss", "roof", "fix"),
    ):
        assert {m.header.frame_id for m in of(heard, kind, name, what)} == {frame(kind, name)}
    odometry = of(heard, "wheels", "rear", "odometry")
    assert {(m.header.frame_id, m.child_frame_id) for m in odometry} == {("odom", "base_link")}
    if topics.static_transforms().name in heard:
        (mounts,) = heard[topics.static_transforms().name]
        rear = next(t for t in mounts.transforms if t.child_frame_id == "camera_rear")
        assert rear.header.frame_id == "base_link"
        assert (rear.transform.translation.x, rear.transform.translation.z) == (-0.8, 1.2)
        assert rear.transform.rotation.z == pytest.approx(math.sin(1.55))
        assert {"camera_front_optical", "lidar_top", "imu_main", "gnss_roof"} <= {
            t.child_frame_id for t in mounts.transforms
        }


def test_images_and_points_are_what_the_sensors_saw_at_that_stamp(
    heard: dict[str, list[Any]],
) -> None:
    import yaml

    from whyway.worlds.sim.sensing.suite import Suite

    lane_map: LaneMap = heard[topics.LANE_MAP.name][0]
    truths: list[Truth] = sorted(heard[topics.TRUTH.name], key=lambda t: t.stamp_ns)
    suite = Suite(make_rig(yaml.safe_load(RIG)), lane_map, 1)
    images = {
        what: {stamp_of(m): m for m in of(heard, "cameras", "front", what)}
        for what in ("image_raw", "depth", "semantics", "instances")
    }
    clouds = {stamp_of(m): m for m in of(heard, "lidars", "top", "points")}
    compared, before = 0, -1
    for truth in truths:
        if truth.stamp_ns == before:  # the last one is sent twice
            continue
        before = truth.stamp_ns
        suite.step(truth)
        if compared < 5 and all(
            truth.stamp_ns in by_stamp for by_stamp in (*images.values(), clouds)
        ):
            picture, compared = suite.picture("front"), compared + 1
            for what, pixels in (
                ("image_raw", picture.rgb), ("depth", picture.depth_m), ("semantics", picture.label), ("instances", picture.thing),
            ):  # fmt: skip
                message = images[what][truth.stamp_ns]
                assert (message.height, message.width) == (180, 320)
                assert message.step * message.height == len(message.data) == pixels.nbytes
                assert message.data.tobytes() == pixels.tobytes()
            sweep, message = suite.sweep("top"), clouds[truth.stamp_ns]
            fields = {f.name: f for f in message.fields}
            assert list(fields) == ["x", "y", "z", "intensity", "ring", "time"]
            assert message.width * message.point_step == message.row_step == len(message.data)
            raw = np.frombuffer(message.data.tobytes(), np.uint8).reshape(-1, message.point_step)
            kinds = {"x": "<f4", "z": "<f4", "intensity": "<f4", "ring": "<u2", "time": "<f4"}
            columns = {
                k: np.frombuffer(
                    raw[:, fields[k].offset : fields[k].offset + np.dtype(d).itemsize].tobytes(), d
                )
                for k, d in kinds.items()
            }
            np.testing.assert_array_equal(columns["x"], sweep.xyz_m[:, 0])
            np.testing.assert_array_equal(columns["z"], sweep.xyz_m[:, 2])
            np.testing.assert_array_equal(columns["ring"], sweep.ring)
            np.testing.assert_array_equal(columns["time"], sweep.time_s)
    assert compared == 5
    assert [images[w][min(images[w])].encoding for w in images] == [
        "rgb8",
        "32FC1",
        "mono8",
        "32SC1",
    ]


def test_the_calibration_is_the_rigs(heard: dict[str, list[Any]]) -> None:
    info = of(heard, "cameras", "rear", "camera_info")[-1]
    assert (info.width, info.height, info.distortion_model) == (64, 48, "plumb_bob")
    assert info.k.tolist() == [40.0, 0.0, 31.0, 0.0, 44.0, 23.0, 0.0, 0.0, 1.0]
    assert info.p.reshape(3, 4).tolist() == [
        [40.0, 0.0, 31.0, 0.0],
        [0.0, 44.0, 23.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ]
    assert not any(info.d)


def test_motion_sensors_tell_where_the_car_is(heard: dict[str, list[Any]]) -> None:
    truths = {t.stamp_ns: t.ego for t in heard[topics.TRUTH.name]}
    for fix in of(heard, "gnss", "roof", "fix"):
        ego = truths[stamp_of(fix)]
        assert (fix.latitude - 48.1) * 111_200 == pytest.approx(ego.y_m, abs=8.0)
        assert (fix.longitude - 11.6) * 74_500 == pytest.approx(ego.x_m, abs=8.0)
        assert fix.position_covariance[0] > 0.0 and fix.status.status == 0
    for imu in of(heard, "imus", "main", "data_raw"):
        assert imu.linear_acceleration.z == pytest.approx(9.8, abs=0.3)
        assert imu.orientation_covariance[0] == -1.0
    end = of(heard, "wheels", "rear", "odometry")[-1]
    ego = truths[stamp_of(end)]
    assert end.pose.pose.position.x == pytest.approx(ego.x_m, abs=1.5)
    assert end.twist.twist.linear.x == pytest.approx(ego.v_mps, abs=0.6)


def test_a_rig_that_cannot_be_used_ends_the_drive_with_one_line(
    tmp_path: Path, drive: Callable[..., Any]
) -> None:
    rig = tmp_path / "rig.yaml"
    rig.write_text("cameras: {front: {fx: 3}}")
    done = drive(tmp_path / "out", "--sensors", "--rig", str(rig), "--duration", "2")
    assert done.code != 0
    logs = (tmp_path / "out" / "nodes" / "world.log").read_text() + done.output
    assert "unknown key 'fx'" in logs and "Traceback" not in logs


def test_sensors_are_off_unless_asked_for() -> None:
    from whyway_nodes.world_node import WorldNode

    assert WorldNode.PARAMETERS["sensors"] is False
    assert DEFAULT.cameras == {"front": CameraSpec()}
