"""Recordings made for tests: rosbag2 folders, MCAP and ROS 1 files of strings and of a robot that drives a known way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

STRING = "std_msgs/msg/String"
Step = tuple[int, str, str, Any]
"""When [ns], topic, type, message."""


def jazzy(**definitions: str) -> Typestore:
    """ROS 2's types and more, given as `package__msg__Name="..."`."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, text in definitions.items():
        types |= get_types_from_msg(text, name.replace("__", "/"))
    store.register(types)
    return store


def strings(count: int, filler: int = 40) -> list[tuple[int, str]]:
    """Stamps and texts, no two alike and hard to pack."""
    noise = np.random.default_rng(5).integers(33, 126, (count, filler))
    return [(1000 + 10 * i, f"{i:04d}:" + "".join(map(chr, row))) for i, row in enumerate(noise)]


def write_bag(
    folder: Path, steps: Iterable[Step], store: Typestore | None = None, storage: str = "MCAP", mode: str = "NONE"
) -> Path:  # fmt: skip
    """A rosbag2 folder, as the rosbags library writes it."""
    store = store or jazzy()
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage])
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, Any] = {}
        for stamp, topic, kind, message in steps:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp, store.serialize_cdr(message, kind))
    return folder


def said(values: Sequence[tuple[int, str]], store: Typestore | None = None) -> list[Step]:
    """Texts as messages on /chatter."""
    kind = (store or jazzy()).types[STRING]
    return [(stamp, "/chatter", STRING, kind(data=text)) for stamp, text in values]


def write_mcap(
    path: Path, values: Sequence[tuple[int, str]], packing: str = "NONE", chunked: bool = True, chunk: int = 600
) -> list[int]:  # fmt: skip
    """An MCAP file of texts; the byte after each message's record, or after the chunk it is in."""
    store, ends, waiting = jazzy(), [], 0
    with path.open("wb") as stream:
        writer = McapWriter(
            stream, chunk_size=chunk, compression=CompressionType[packing], use_chunking=chunked
        )
        writer.start(profile="ros2", library="test")
        schema = writer.register_schema(STRING, "ros2msg", b"string data\n")
        channel = writer.register_channel("/chatter", "cdr", schema)
        stream.flush()
        written = stream.tell()
        for (stamp, _), (_, _, kind, message) in zip(values, said(values, store), strict=True):
            writer.add_message(channel, stamp, bytes(store.serialize_cdr(message, kind)), stamp)
            stream.flush()
            waiting += 1
            # a chunk goes to the file as a whole when it is full
            if stream.tell() > written:
                ends += [stream.tell()] * waiting
                waiting, written = 0, stream.tell()
        writer.finish()
        ends += [stream.tell()] * waiting
    return ends


def write_ros1(
    path: Path, values: Sequence[tuple[int, str]], packing: str = "", chunk: int = 600
) -> Path:
    """A ROS 1 bag of texts, in small chunks."""
    store = get_typestore(Stores.ROS1_NOETIC)
    writer = Writer1(path)
    if packing:
        writer.set_compression(Writer1.CompressionFormat[packing])
    writer.chunk_threshold = chunk
    with writer:
        connection = writer.add_connection("/chatter", STRING, typestore=store)
        for stamp, text in values:
            message = store.types[STRING](data=text)
            writer.write(connection, stamp, store.serialize_ros1(message, STRING))
    return path


# ---------------------------------------------------------------------------------------------- a robot's messages


class Robot:
    """Messages of standard type at a time [s], from a start in 2026."""

    START_NS = 1_790_000_000_000_000_000

    def __init__(self, store: Typestore | None = None) -> None:
        self.store = store or jazzy()
        self.t = self.store.types

    def ns(self, time_s: float) -> int:
        return self.START_NS + round(time_s * 1e9)

    def header(self, time_s: float, frame: str) -> Any:
        sec, nanosec = divmod(self.ns(time_s), 10**9)
        time = self.t["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
        return self.t["std_msgs/msg/Header"](stamp=time, frame_id=frame)

    def vector(self, x: float, y: float, z: float = 0.0, kind: str = "Vector3") -> Any:
        return self.t[f"geometry_msgs/msg/{kind}"](x=float(x), y=float(y), z=float(z))

    def pose(self, x: float, y: float, yaw: float) -> Any:
        turn = self.t["geometry_msgs/msg/Quaternion"](
            x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2)
        )
        return self.t["geometry_msgs/msg/Pose"](
            position=self.vector(x, y, 0.0, "Point"), orientation=turn
        )

    def twist(self, x: float, y: float, rate: float) -> Any:
        return self.t["geometry_msgs/msg/Twist"](
            linear=self.vector(x, y), angular=self.vector(0, 0, rate)
        )

    def with_covariance(self, name: str, value: Any) -> Any:
        return self.t[f"geometry_msgs/msg/{name}WithCovariance"](
            **{name.lower(): value}, covariance=np.zeros(36)
        )

    def odometry(
        self, time_s: float, x: float, y: float, yaw: float, v: float, rate: float = 0.0,
        topic: str = "/odom", delay_s: float = 0.0,
    ) -> Step:  # fmt: skip
        kind = "nav_msgs/msg/Odometry"
        return self.ns(time_s + delay_s), topic, kind, self.t[kind](
            header=self.header(time_s, "odom"), child_frame_id="base_link",
            pose=self.with_covariance("Pose", self.pose(x, y, yaw)), twist=self.with_covariance("Twist", self.twist(v, 0.0, rate)),
        )  # fmt: skip

    def imu(
        self, time_s: float, rates: tuple[float, float, float], force: tuple[float, float, float]
    ) -> Step:
        kind = "sensor_msgs/msg/Imu"
        zero = np.zeros(9)
        turn = self.t["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
        return self.ns(time_s), "/imu", kind, self.t[kind](
            header=self.header(time_s, "imu_link"), orientation=turn, orientation_covariance=zero,
            angular_velocity=self.vector(*rates), angular_velocity_covariance=zero,
            linear_acceleration=self.vector(*force), linear_acceleration_covariance=zero,
        )  # fmt: skip

    def fix(self, time_s: float, latitude: float, longitude: float, good: bool = True) -> Step:
        kind = "sensor_msgs/msg/NavSatFix"
        status = self.t["sensor_msgs/msg/NavSatStatus"](status=0 if good else -1, service=1)
        return self.ns(time_s), "/fix", kind, self.t[kind](
            header=self.header(time_s, "gps"), status=status, latitude=latitude, longitude=longitude,
            altitude=0.0, position_covariance=np.zeros(9), position_covariance_type=0,
        )  # fmt: skip


def straight(
    seconds: float = 6.0, v: float = 8.0, rate_hz: float = 20.0, robot: Robot | None = None
) -> list[Step]:
    """Odometry of a robot that drives along x."""
    robot = robot or Robot()
    count = round(seconds * rate_hz) + 1
    return [robot.odometry(i / rate_hz, v * i / rate_hz, 0.0, 0.0, v) for i in range(count)]
