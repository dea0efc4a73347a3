"""Messages of many makers -> plain numbers: the ego's motion, objects, lights. One small function per type, by name in `ROLES`.

Conventions: REP-103 axes and units; an Odometry's pose is of its child frame in its frame, its twist in the child frame (nav_msgs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from whyway.messages import name_of
from whyway.types import LaneMap, LightColor, LightState, ObjectClass, Observation, Route, Truth

Row = tuple[float, ...]
"""What one message of the ego's says; NaN where it says nothing."""

_NAN = math.nan


def yaw_of(q: Any) -> float:
    """Heading of a quaternion: the angle of its x axis in the plane."""
    return math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))


def stamp_of(message: Any) -> int | None:
    """The time in a message's header [ns]; None where there is none, or it was left at zero."""
    stamp = getattr(getattr(message, "header", message), "stamp", None)
    if stamp is None:
        return None
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec) or None


def frame_of(message: Any) -> str:
    """The frame_id in a message's header, without ROS 1's slash."""
    return str(getattr(getattr(message, "header", None), "frame_id", "")).strip("/")


# ------------------------------------------------------------------------------------------------------ the ego


def _odometry(m: Any) -> Row:
    """x, y, yaw, speed, yaw rate."""
    p, t = m.pose.pose, m.twist.twist
    return (p.position.x, p.position.y, yaw_of(p.orientation), t.linear.x, t.angular.z)


def _pose(m: Any) -> Row:
    p = getattr(m.pose, "pose", m.pose)
    return (p.position.x, p.position.y, yaw_of(p.orientation), _NAN, _NAN)


def _fix(m: Any) -> Row:
    """Latitude, longitude."""
    good = m.status.status >= 0
    return (m.latitude, m.longitude) if good else (_NAN, _NAN)


def _imu(m: Any) -> Row:
    """Angular rates and specific force, x, y, z each."""
    w, f = m.angular_velocity, m.linear_acceleration
    return (w.x, w.y, w.z, f.x, f.y, f.z)


def _twist(m: Any) -> Row:
    return (getattr(m.twist, "twist", m.twist).linear.x,)


def _acceleration(m: Any) -> Row:
    return (getattr(m.accel, "accel", m.accel).linear.x,)


def _number(name: str) -> Callable[[Any], Row]:
    *path, last = name.split(".")

    def read(m: Any) -> Row:
        for part in path:
            m = getattr(m, part)
        return (float(getattr(m, last)),)

    return read


# ----------------------------------------------------------------------------------------------- objects, lights


@dataclass(frozen=True, slots=True)
class Box:
    """An object as recorded: its box and velocity in the message's frame; `key` is what its maker calls it, None if it has no name."""

    object_class: ObjectClass
    x_m: float
    y_m: float
    yaw_rad: float
    vx_mps: float
    vy_mps: float
    length_m: float
    width_m: float
    probability: float
    key: object | None


_DERIVED = {
    4: ObjectClass.PEDESTRIAN, 5: ObjectClass.BICYCLE, 6: ObjectClass.CAR, 7: ObjectClass.TRUCK, 8: ObjectClass.MOTORCYCLE,
    9: ObjectClass.CAR, 10: ObjectClass.HAZARD,
}  # fmt: skip
"""derived_object_msgs/Object: CLASSIFICATION_PEDESTRIAN = 4 ... OTHER_VEHICLE = 9, BARRIER = 10."""


def _derived(m: Any) -> list[Box]:
    """CARLA's bridge: poses and velocities in the header's frame (`get_current_ros_twist` does not turn them into the object's)."""
    found = []
    for o in m.objects:
        size = [float(d) for d in o.shape.dimensions]
        length, width = (size[0], size[1]) if len(size) >= 2 else (1.0, 1.0)
        kind = _DERIVED.get(int(o.classification), ObjectClass.UNKNOWN)
        p, v = o.pose, o.twist.linear
        found.append(
            Box(kind, p.position.x, p.position.y, yaw_of(p.orientation), v.x, v.y, length, width, 1.0, int(o.id))
        )  # fmt: skip
    return found


def _autoware(m: Any) -> list[Box]:
    """Autoware: the twist is in the object's own axes; labels are those of `ObjectClass`, what may be driven over or under is left out."""
    found = []
    for o in m.objects:
        best = max(o.classification, key=lambda c: c.probability, default=None)
        label = int(best.label) if best is not None else 0
        if label > max(ObjectClass):
            continue
        k = o.kinematics
        of = "initial_" if hasattr(k, "initial_pose_with_covariance") else ""
        pose = getattr(k, f"{of}pose_with_covariance").pose
        twist = getattr(k, f"{of}twist_with_covariance").twist.linear
        yaw = yaw_of(pose.orientation)
        c, s = math.cos(yaw), math.sin(yaw)
        key = bytes(bytearray(o.object_id.uuid)) if hasattr(o, "object_id") else None
        found.append(
            Box(
                ObjectClass(label), pose.position.x, pose.position.y, yaw, c * twist.x - s * twist.y, s * twist.x + c * twist.y,
                *_extent(o.shape), float(o.existence_probability), key,
            )
        )  # fmt: skip
    return found


def _extent(shape: Any) -> tuple[float, float]:
    """Length and width; of a polygon (type 2), those of the box around it."""
    points = shape.footprint.points
    if int(shape.type) == 2 and len(points) >= 3:
        x, y = [p.x for p in points], [p.y for p in points]
        return 2 * max(map(abs, x)), 2 * max(map(abs, y))
    return float(shape.dimensions.x), float(shape.dimensions.y)


_CIRCLE = 5
"""autoware_perception_msgs/TrafficLightElement."""


def _carla_lights(m: Any) -> list[LightState]:
    colors = {0: LightColor.RED, 1: LightColor.AMBER, 2: LightColor.GREEN}
    return [
        LightState(int(x.id), colors.get(int(x.state), LightColor.UNKNOWN), 1.0)
        for x in m.traffic_lights
    ]


def _group_lights(groups: str, number: str) -> Callable[[Any], list[LightState]]:
    """Autoware: of each group the round element, else the first."""

    def read(m: Any) -> list[LightState]:
        found = []
        for group in getattr(m, groups):
            elements = list(group.elements)
            round_ = [e for e in elements if int(e.shape) == _CIRCLE] or elements
            color, sure = (
                (int(round_[0].color), float(round_[0].confidence)) if round_ else (0, 0.0)
            )
            known = LightColor(color) if color in (1, 2, 3) else LightColor.UNKNOWN
            found.append(LightState(int(getattr(group, number)), known, min(max(sure, 0.0), 1.0)))
        return found

    return read


# --------------------------------------------------------------------------------------------------- the tables


def _as_it_is(m: Any) -> Any:
    return m


ROLES: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "observation": {name_of(Observation): _as_it_is},
    "truth": {name_of(Truth): _as_it_is},
    "lane_map": {name_of(LaneMap): _as_it_is},
    "route": {name_of(Route): _as_it_is},
    "odometry": {
        "nav_msgs/msg/Odometry": _odometry,
        "geometry_msgs/msg/PoseStamped": _pose,
        "geometry_msgs/msg/PoseWithCovarianceStamped": _pose,
    },
    "fix": {"sensor_msgs/msg/NavSatFix": _fix},
    "imu": {"sensor_msgs/msg/Imu": _imu},
    "speed": {
        "std_msgs/msg/Float32": _number("data"),
        "std_msgs/msg/Float64": _number("data"),
        "geometry_msgs/msg/TwistStamped": _twist,
        "geometry_msgs/msg/TwistWithCovarianceStamped": _twist,
        "autoware_vehicle_msgs/msg/VelocityReport": _number("longitudinal_velocity"),
        "autoware_auto_vehicle_msgs/msg/VelocityReport": _number("longitudinal_velocity"),
        "carla_msgs/msg/CarlaEgoVehicleStatus": _number("velocity"),
    },
    "acceleration": {
        "geometry_msgs/msg/AccelStamped": _acceleration,
        "geometry_msgs/msg/AccelWithCovarianceStamped": _acceleration,
    },
    "steering": {
        "std_msgs/msg/Float32": _number("data"),
        "std_msgs/msg/Float64": _number("data"),
        "autoware_vehicle_msgs/msg/SteeringReport": _number("steering_tire_angle"),
        "autoware_auto_vehicle_msgs/msg/SteeringReport": _number("steering_tire_angle"),
        "ackermann_msgs/msg/AckermannDriveStamped": _number("drive.steering_angle"),
    },
    "objects": {
        "derived_object_msgs/msg/ObjectArray": _derived,
        **{
            f"{package}/msg/{kind}Objects": _autoware
            for package in ("autoware_perception_msgs", "autoware_auto_perception_msgs")
            for kind in ("Detected", "Tracked", "Predicted")
        },
    },
    "lights": {
        "carla_msgs/msg/CarlaTrafficLightStatusList": _carla_lights,
        "autoware_perception_msgs/msg/TrafficLightGroupArray": _group_lights(
            "traffic_light_groups", "traffic_light_group_id"
        ),
        "autoware_perception_msgs/msg/TrafficSignalArray": _group_lights(
            "signals", "traffic_signal_id"
        ),
    },
}
"""Part in a `TopicMap` -> the types that can play it -> how they are read."""
