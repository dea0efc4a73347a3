"""A segment of comma2k19 -> a rosbag2 recording: standard topics beside our own observations, the driven way as road.

Dataset: Schafer et al., "A Commute in Data: The comma2k19 Dataset" (arXiv 1812.05752); its README tells the columns. Poses are of the
camera in ECEF, orientations turn [forward, right, down] of the camera into ECEF; radar: forward distance, left distance, relative speed,
-, -, address, new track. What had to be chosen stands below, and in the recording's custom data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from whyway import topics
from whyway.geometry import wrap_angle
from whyway.maps.projection import TransverseMercator
from whyway.messages import definition, name_of, to_cdr
from whyway.types import CYCLE_NS, MESSAGES, Detection, EgoState, Floats, ObjectClass, Observation
from whyway.worlds.bags.driven_road import driven_road
from whyway.worlds.bags.radar_boxes import Radar, boxes_at
from whyway.worlds.bags.records import BagError

LANE_M = 3.7
"""A lane of a US motorway (12 ft)."""
CAMERA_M = 1.2
"""The camera is so far ahead of the rear axle: what its sideways velocity in curves fits best over the segment of our tests."""
STEERING_RATIO = 16.88
"""Steering wheel over tyres of the Toyota RAV4 (2016-18), as openpilot has it."""
_GPS_EPOCH_S, _LEAP_S, _WEEK_S = 315_964_800, 18, 604_800
"""GPS time began on 1980-01-06 and knows no leap seconds: 18 of them by 2018."""
_MOST_ROWS = 10_000_000
_SEMI_MAJOR_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What one segment tells, on the epoch's clock [s]; the pose `(n,)` at 20 Hz is of `base_link`."""

    t_s: Floats
    x_m: Floats
    y_m: Floats
    z_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    yaw_rate_rps: Floats
    origin: tuple[float, float]
    shift_s: float
    """From the device's clock to the epoch's."""
    folder: Path


def convert_comma2k19(folder: Path | str, out: Path | str) -> Path:
    """Write a segment as a rosbag2 folder (MCAP).

    Args:
      folder: of the segment: it holds `global_pose` and `processed_log`.
      out: the folder to make; it must not exist.

    Raises:
      BagError: no such segment, or the folder exists; one line.
    """
    folder, out = Path(folder), Path(out)
    if out.exists():
        raise BagError(f"{out}: exists already; give a folder that does not")
    segment = _read_segment(folder)
    store = _typestore()
    steps = _Steps(segment, store)
    with Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for stamp_ns, topic, kind, data in sorted(steps.all(), key=lambda step: step[0]):
            if topic not in connections:
                latched = topic in (topics.LANE_MAP.name, topics.ROUTE.name)
                connections[topic] = writer.add_connection(
                    topic, kind, typestore=store, offered_qos_profiles=[_qos(latched)]
                )
            writer.write(connections[topic], stamp_ns, data)
        writer.set_custom_data("source", f"comma2k19 segment {folder.parent.name}/{folder.name}")
        writer.set_custom_data(
            "chosen",
            f"camera {CAMERA_M} m before the rear axle; steering ratio {STEERING_RATIO}; lanes {LANE_M} m wide",
        )
    return out


# ---------------------------------------------------------------------------------------------------------- read


def _read_segment(folder: Path) -> Segment:
    times, position, velocity, quaternion, gps = (
        _load(folder, f"global_pose/frame_{name}", columns)
        for name, columns in (
            ("times", 0), ("positions", 3), ("velocities", 3), ("orientations", 4), ("gps_times", 2),
        )
    )  # fmt: skip
    if (
        not len(times) == len(position) == len(velocity) == len(quaternion) == len(gps)
        or len(times) < 20
    ):
        raise BagError(
            f"{folder}: its poses are of different lengths, or of less than a second; fetch the segment again"
        )
    if not all(np.isfinite(a).all() for a in (times, position, velocity, quaternion)):
        raise BagError(f"{folder}: some of its poses are no numbers; fetch the segment again")
    epoch = _GPS_EPOCH_S - _LEAP_S + gps[0, 0] * _WEEK_S + gps[0, 1]
    latitude, longitude, height = geodetic(position)
    origin = float(latitude[0]), float(longitude[0])
    x, y = TransverseMercator(*origin).forward(latitude, longitude)
    axes = _axes(quaternion)
    east, north = _east_north(latitude, longitude)
    forward, right = axes[:, :, 0], axes[:, :, 1]
    camera_yaw = np.unwrap(np.arctan2((forward * north).sum(1), (forward * east).sum(1)))
    ahead, aside = (forward * velocity).sum(1), -(right * velocity).sum(1)
    yaw_rate = np.gradient(camera_yaw, times)
    # the rear axle does not slip sideways: what it seems to is how askew the camera looks
    moving = ahead > 3.0
    slip = (aside - CAMERA_M * yaw_rate) / np.maximum(ahead, 3.0)
    yaw = camera_yaw + (float(np.median(slip[moving])) if moving.any() else 0.0)
    return Segment(
        t_s=times - times[0] + epoch,
        x_m=x - CAMERA_M * np.cos(yaw),
        y_m=y - CAMERA_M * np.sin(yaw),
        z_m=height,
        yaw_rad=yaw,
        v_mps=ahead,
        yaw_rate_rps=yaw_rate,
        origin=origin,
        shift_s=float(epoch - times[0]),
        folder=folder,
    )


def _load(folder: Path, name: str, columns: int) -> Floats:
    """An array `(n,)` or `(n, columns)` of a segment."""
    path = folder / name
    try:
        with path.open("rb") as stream:
            if stream.read(6) != b"\x93NUMPY":
                raise ValueError("not a numpy array")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = (len(array), columns) if columns else (len(array),)
        if len(array) > _MOST_ROWS or array.size != int(np.prod(shape)):
            raise ValueError(f"of shape {array.shape}, not {shape}")
        return np.array(array, dtype=np.float64).reshape(shape)
    except (OSError, ValueError, TypeError, EOFError) as error:
        how = getattr(error, "strerror", None) or error
        raise BagError(
            f"{path}: cannot be read: {how}; give the folder of a comma2k19 segment (it holds global_pose and processed_log)"
        ) from error


def geodetic(position: Floats) -> tuple[Floats, Floats, Floats]:
    """Latitude, longitude [deg] and height [m] `(n,)` on WGS 84 of points `(n, 3)` in ECEF.

    B. R. Bowring, "Transformation from spatial to geographical coordinates", Survey Review 23 (1976): below a micrometre near the ground.
    """
    x, y, z = position.T
    b = _SEMI_MAJOR_M * (1 - _FLATTENING)
    e2, f2 = _FLATTENING * (2 - _FLATTENING), (_SEMI_MAJOR_M / b) ** 2 - 1
    p = np.hypot(x, y)
    u = np.arctan2(z * _SEMI_MAJOR_M, p * b)
    latitude = np.arctan2(z + f2 * b * np.sin(u) ** 3, p - e2 * _SEMI_MAJOR_M * np.cos(u) ** 3)
    n = _SEMI_MAJOR_M / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    return np.degrees(latitude), np.degrees(np.arctan2(y, x)), p / np.cos(latitude) - n


def _axes(q: Floats) -> Floats:
    """Rotation matrices `(n, 3, 3)` of Hamilton quaternions `(n, 4)`, w first: columns are the camera's axes in ECEF."""
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=1,
    )


def _east_north(latitude_deg: Floats, longitude_deg: Floats) -> tuple[Floats, Floats]:
    la, lo = np.radians(latitude_deg), np.radians(longitude_deg)
    east = np.stack([-np.sin(lo), np.cos(lo), 0 * lo], axis=-1)
    north = np.stack([-np.sin(la) * np.cos(lo), -np.sin(la) * np.sin(lo), np.cos(la)], axis=-1)
    return east, north


# --------------------------------------------------------------------------------------------------------- write

_Step = tuple[int, str, str, bytes]
"""When, on which topic, what type, which bytes."""


class _Steps:
    """All messages of a recording, topic by topic."""

    def __init__(self, segment: Segment, store: Typestore) -> None:
        self._s, self._store = segment, store
        self._t = store.types

    def all(self) -> Iterator[_Step]:
        yield from self._odometry()
        yield from self._imu()
        yield from self._fixes()
        yield from self._steering()
        yield from self._ours()

    def _header(self, stamp_ns: int, frame: str) -> Any:
        time = self._t["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
        return self._t["std_msgs/msg/Header"](stamp=time, frame_id=frame)

    def _step(self, stamp_ns: int, topic: str, kind: str, message: Any) -> _Step:
        return stamp_ns, topic, kind, bytes(self._store.serialize_cdr(message, kind))

    def _vector(self, x: float, y: float, z: float, kind: str = "Vector3") -> Any:
        return self._t[f"geometry_msgs/msg/{kind}"](x=float(x), y=float(y), z=float(z))

    def _odometry(self) -> Iterator[_Step]:
        s, t, kind = self._s, self._t, "nav_msgs/msg/Odometry"
        zero = np.zeros(36)
        for i in range(len(s.t_s)):
            half = float(s.yaw_rad[i]) / 2
            turn = t["geometry_msgs/msg/Quaternion"](
                x=0.0, y=0.0, z=math.sin(half), w=math.cos(half)
            )
            pose = t["geometry_msgs/msg/Pose"](
                position=self._vector(s.x_m[i], s.y_m[i], 0.0, "Point"), orientation=turn
            )
            twist = t["geometry_msgs/msg/Twist"](
                linear=self._vector(s.v_mps[i], 0.0, 0.0),
                angular=self._vector(0.0, 0.0, s.yaw_rate_rps[i]),
            )
            stamp = _ns(s.t_s[i])
            yield self._step(stamp, topics.ODOMETRY.name, kind, t[kind](
                header=self._header(stamp, "map"), child_frame_id="base_link",
                pose=t["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=zero),
                twist=t["geometry_msgs/msg/TwistWithCovariance"](twist=twist, covariance=zero),
            ))  # fmt: skip

    def _imu(self) -> Iterator[_Step]:
        """From [forward, right, down] to REP-103; it tells no orientation (-1 in its covariance, as sensor_msgs/Imu wants it)."""
        t, kind = self._t, "sensor_msgs/msg/Imu"
        times, gyro = self._sensor("IMU/gyro", 3)
        _, force = self._sensor("IMU/accelerometer", 3)
        unknown, none = np.zeros(9), np.array([-1.0, *[0.0] * 8])
        still = t["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=0.0, w=1.0)
        for i in range(min(len(times), len(force))):
            stamp = _ns(times[i])
            yield self._step(stamp, "/sensing/imu/imu_data", kind, t[kind](
                header=self._header(stamp, "imu_link"), orientation=still, orientation_covariance=none,
                angular_velocity=self._vector(gyro[i, 0], -gyro[i, 1], -gyro[i, 2]), angular_velocity_covariance=unknown,
                linear_acceleration=self._vector(force[i, 0], -force[i, 1], -force[i, 2]), linear_acceleration_covariance=unknown,
            ))  # fmt: skip

    def _fixes(self) -> Iterator[_Step]:
        t, kind = self._t, "sensor_msgs/msg/NavSatFix"
        times, rows = self._sensor("GNSS/live_gnss_ublox", 6)
        status = t["sensor_msgs/msg/NavSatStatus"](status=0, service=1)
        for i in range(len(times)):
            stamp = _ns(times[i])
            yield self._step(stamp, "/sensing/gnss/ublox/nav_sat_fix", kind, t[kind](
                header=self._header(stamp, "gnss_link"), status=status, latitude=float(rows[i, 0]), longitude=float(rows[i, 1]),
                altitude=float(rows[i, 4]), position_covariance=np.zeros(9), position_covariance_type=0,
            ))  # fmt: skip

    def _steering(self) -> Iterator[_Step]:
        """The tyres' angle."""
        kind = "std_msgs/msg/Float64"
        times, degrees = self._sensor("CAN/steering_angle", 0)
        for time_s, angle in zip(times, np.radians(degrees) / STEERING_RATIO, strict=True):
            yield self._step(
                _ns(time_s),
                "/vehicle/status/steering_tire_angle",
                kind,
                self._t[kind](data=float(angle)),
            )

    def _ours(self) -> Iterator[_Step]:
        """Map and route at once, and an observation every 0.1 s, with the radar's boxes."""
        s = self._s
        start = _ns(s.t_s[0])
        lane_map, route = driven_road(
            s.x_m,
            s.y_m,
            s.v_mps,
            f"comma2k19 {s.folder.parent.name}/{s.folder.name}",
            LANE_M,
        )
        yield start, topics.LANE_MAP.name, topics.LANE_MAP.type, to_cdr(lane_map)
        yield start, topics.ROUTE.name, topics.ROUTE.type, to_cdr(route)
        count = int((_ns(s.t_s[-1]) - start) // CYCLE_NS) + 1
        since_s = np.arange(count) * CYCLE_NS * 1e-9
        x, y, yaw, v, rate = (
            np.interp(since_s, s.t_s - s.t_s[0], c)
            for c in (s.x_m, s.y_m, s.yaw_rad, s.v_mps, s.yaw_rate_rps)
        )
        a = np.gradient(v, CYCLE_NS * 1e-9)
        times, angle = self._sensor("CAN/steering_angle", 0)
        steer = np.interp(since_s, times - s.t_s[0], np.radians(angle) / STEERING_RATIO)
        radar_times, rows = self._sensor("CAN/radar", 7)
        radar = Radar(radar_times - s.t_s[0], rows, np.interp(radar_times - s.t_s[0], since_s, v))
        for k in range(count):
            stamp = start + k * CYCLE_NS
            ego = EgoState(*(float(c[k]) for c in (x, y, wrap_angle(yaw), v, a, rate, steer)))
            found = tuple(
                Detection(ObjectClass.CAR, *box) for box in boxes_at(radar, float(since_s[k]))
            )
            value = Observation(stamp, stamp, ego, found)
            yield stamp, topics.OBSERVATION.name, topics.OBSERVATION.type, to_cdr(value)

    def _sensor(self, name: str, columns: int) -> tuple[Floats, Floats]:
        """Times on the epoch's clock, and values."""
        times = _load(self._s.folder, f"processed_log/{name}/t", 0)
        values = _load(self._s.folder, f"processed_log/{name}/value", columns)
        n = min(len(times), len(values))
        return times[:n] + self._s.shift_s, values[:n]


def _ns(time_s: float) -> int:
    # a double holds seconds since 1970 to 0.2 microseconds: no sense in the digits below
    return round(float(time_s) * 1e6) * 1000


def _qos(latched: bool) -> Qos:
    zero = QosTime(0, 0)
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST, 1 if latched else 10, QosReliability.RELIABLE, durability, zero, zero,
        QosLiveliness.AUTOMATIC, zero, False,
    )  # fmt: skip


def _typestore() -> Typestore:
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for cls in MESSAGES:
        types |= get_types_from_msg(definition(cls), name_of(cls))
    store.register(types)
    return store
