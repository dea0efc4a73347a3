"""Raw sensors as ROS messages: images with their calibration, point clouds, IMU, GNSS, wheel odometry, and where they are mounted."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import (
    CameraInfo,
    Image,
    Imu,
    NavSatFix,
    NavSatStatus,
    PointCloud2,
    PointField,
)

from whyway import topics
from whyway.types import Truth
from whyway.worlds.sim.sensing import wheels
from whyway.worlds.sim.sensing.rig import (
    BASE_FRAME,
    CameraSpec,
    ImuSpec,
    Rig,
    WheelSpec,
    frame,
    optical_frame,
)
from whyway_nodes.views import publisher_of, time_of, turned

if TYPE_CHECKING:
    from whyway.worlds.sim.sensing.camera import Frame
    from whyway.worlds.sim.sensing.gnss import Fix
    from whyway.worlds.sim.sensing.inertial import ImuSamples
    from whyway.worlds.sim.sensing.lidar import Sweep
    from whyway.worlds.sim.sensing.suite import Suite
    from whyway_nodes.stage_node import StageNode

KINDS = ("cameras", "lidars", "imus", "gnss", "wheels")

POINT = np.dtype(
    {
        "names": ["x", "y", "z", "intensity", "ring", "time"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<u2", "<f4"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)
"""A point as it lies in a PointCloud2."""


class SensorViews:
    """Publishes what a suite of sensors says of each truth; pictures and sweeps only while somebody listens.

    Args:
      node: whose publishers they are.
      suite: the sensors.
    """

    def __init__(self, node: StageNode, suite: Suite) -> None:
        self._suite = suite
        self._publishers: dict[tuple[str, str], dict[str, Any]] = {}
        for kind in KINDS:
            for name in getattr(suite.rig, kind):
                table = topics.rig_topics(kind, name)
                self._publishers[kind, name] = {
                    what: publisher_of(node, topic) for what, topic in table.items()
                }
        self._mounts = publisher_of(node, topics.static_transforms())
        if self._mounts is not None:
            self._mounts.publish(self._mounts.msg_type(transforms=mounts(suite.rig)))

    def show(self, truth: Truth) -> None:
        """One cycle."""
        readings, rig, stamp = self._suite.step(truth), self._suite.rig, time_of(truth.stamp_ns)
        for name in rig.cameras:
            heard = self._heard("cameras", name)
            # calibration alone needs no picture
            picture = self._suite.picture(name) if heard.keys() - {"camera_info"} else None
            for what, publisher in heard.items():
                publisher.publish(_camera_message(what, name, rig.cameras[name], picture, stamp))
        for name in rig.lidars:
            for publisher in self._heard("lidars", name).values():
                publisher.publish(cloud(self._suite.sweep(name), frame("lidars", name), stamp))
        for name, samples in readings.imus.items():
            for publisher in self._heard("imus", name).values():
                for message in imu_messages(samples, rig.imus[name], frame("imus", name)):
                    publisher.publish(message)
        for name, fix in readings.gnss.items():
            for publisher in self._heard("gnss", name).values():
                publisher.publish(fix_message(fix, frame("gnss", name), stamp))
        for name, state in readings.wheels.items():
            for publisher in self._heard("wheels", name).values():
                publisher.publish(odometry(state, rig.wheels[name], stamp))

    def _heard(self, kind: str, name: str) -> Mapping[str, Any]:
        """The publishers of a sensor that somebody listens to."""
        return {
            what: publisher
            for what, publisher in self._publishers[kind, name].items()
            if publisher is not None and publisher.get_subscription_count() > 0
        }


# --------------------------------------------------------------------------------------------------------- messages


def mounts(rig: Rig) -> list[TransformStamped]:
    """Every sensor's place on the car."""
    found = []
    for parent, child, move, (x, y, z, w) in rig.transforms():
        t = TransformStamped(child_frame_id=child)
        t.header.frame_id = parent
        place, turn = t.transform.translation, t.transform.rotation
        place.x, place.y, place.z = move.tolist()
        turn.x, turn.y, turn.z, turn.w = x, y, z, w
        found.append(t)
    return found


def _camera_message(
    what: str, name: str, spec: CameraSpec, picture: Frame | None, stamp: Time
) -> Any:
    if what == "camera_info" or picture is None:
        return camera_info(spec, optical_frame(name), stamp)
    pixels, encoding = {
        "image_raw": (picture.rgb, "rgb8"),
        "depth": (picture.depth_m, "32FC1"),
        "semantics": (picture.label, "mono8"),
        "instances": (picture.thing, "32SC1"),
    }[what]
    return image(pixels, encoding, optical_frame(name), stamp)


def image(pixels: np.ndarray[Any, Any], encoding: str, frame_id: str, stamp: Time) -> Image:
    """An image of pixels (H, W) or (H, W, channels)."""
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding=encoding, is_bigendian=0)
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.step = pixels.nbytes // height
    # rclpy takes an array.array as it is, but checks a numpy array's items one by one
    message.data = array.array("B", pixels.tobytes())
    return message


def camera_info(spec: CameraSpec, frame_id: str, stamp: Time) -> CameraInfo:
    """Calibration of a rectified pinhole camera: P is K, and nothing is distorted."""
    info = CameraInfo(width=spec.width_px, height=spec.height_px, distortion_model="plumb_bob")
    info.header.stamp, info.header.frame_id = stamp, frame_id
    k = spec.matrix
    info.k, info.r = k.ravel(), np.eye(3).ravel()
    info.p = np.hstack([k, np.zeros((3, 1))]).ravel()
    info.d = [0.0] * 5
    return info


def cloud(sweep: Sweep, frame_id: str, stamp: Time) -> PointCloud2:
    """A sweep, unordered; the stamp is its end, `time` of a point is relative to that."""
    points = np.zeros(len(sweep.ring), dtype=POINT)
    for k, axis in enumerate("xyz"):
        points[axis] = sweep.xyz_m[:, k]
    points["intensity"], points["ring"], points["time"] = (
        sweep.intensity,
        sweep.ring,
        sweep.time_s,
    )
    kinds = {"<f4": PointField.FLOAT32, "<u2": PointField.UINT16}
    fields = [
        PointField(name=name, offset=int(offset), datatype=kinds[dtype.str], count=1)
        for name, (dtype, offset) in (POINT.fields or {}).items()
    ]
    message = PointCloud2(height=1, width=len(points), fields=fields, is_bigendian=False)
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.point_step, message.row_step = POINT.itemsize, POINT.itemsize * len(points)
    message.data, message.is_dense = array.array("B", points.tobytes()), True
    return message


def imu_messages(samples: ImuSamples, spec: ImuSpec, frame_id: str) -> Iterable[Imu]:
    """One message per sample; the orientation is not measured, which its covariance says (REP-145)."""
    force = spec.acceleration_density**2 * spec.rate_hz + spec.acceleration_bias_sigma_mps2**2
    turn = spec.rate_density**2 * spec.rate_hz + spec.rate_bias_sigma_rps**2
    for stamp_ns, a, w in zip(
        samples.stamp_ns.tolist(),
        samples.acceleration_mps2.tolist(),
        samples.rate_rps.tolist(),
        strict=True,
    ):
        if stamp_ns < 0:
            continue  # before the world began
        message = Imu()
        message.header.stamp, message.header.frame_id = time_of(stamp_ns), frame_id
        for vector, values in ((message.linear_acceleration, a), (message.angular_velocity, w)):
            vector.x, vector.y, vector.z = values
        message.orientation_covariance[0] = -1.0
        message.linear_acceleration_covariance = np.diag([force] * 3).ravel()
        message.angular_velocity_covariance = np.diag([turn] * 3).ravel()
        yield message


def fix_message(fix: Fix, frame_id: str, stamp: Time) -> NavSatFix:
    """A position; its covariance is what the receiver knows of itself."""
    message = NavSatFix(
        latitude=fix.latitude_deg, longitude=fix.longitude_deg, altitude=fix.altitude_m
    )
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.status = NavSatStatus(status=NavSatStatus.STATUS_FIX, service=NavSatStatus.SERVICE_GPS)
    message.position_covariance = np.diag(fix.variance_m2).ravel()
    message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_DIAGONAL_KNOWN
    return message


def odometry(state: wheels.WheelState, spec: WheelSpec, stamp: Time) -> Odometry:
    """Pose in `odom` and velocity in `base_link`; what wheels do not see (z, roll, pitch) is certain: the road is flat."""
    message = Odometry(child_frame_id=BASE_FRAME)
    message.header.stamp, message.header.frame_id = stamp, "odom"
    message.pose.pose.position.x, message.pose.pose.position.y = state.x_m, state.y_m
    message.pose.pose.orientation = turned(state.yaw_rad)
    message.twist.twist.linear.x, message.twist.twist.angular.z = state.v_mps, state.yaw_rate_rps
    place, yaw = wheels.variances(spec, state)
    pose, twist = np.full(6, 1e-6), np.full(6, 1e-6)
    pose[:2], pose[5] = place, yaw
    twist[0] = spec.speed_sigma_mps**2 + (spec.scale_sigma * state.v_mps) ** 2 + 1e-6
    twist[5] = spec.yaw_rate_sigma_rps**2 + spec.yaw_rate_bias_sigma_rps**2 + 1e-8
    message.pose.covariance, message.twist.covariance = (
        np.diag(pose).ravel(),
        np.diag(twist).ravel(),
    )
    return message
