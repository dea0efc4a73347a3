"""What other tools read: /clock, /tf, odometry, markers for RViz and Foxglove, the sentence. Made only where somebody listens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, TransformStamped
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import TimeReference
from std_msgs.msg import ColorRGBA, String
from visualization_msgs.msg import Marker, MarkerArray

from whyway import topics
from whyway.topics import Topic
from whyway.trace import sentence
from whyway.types import CauseKind, EgoState, LaneMap, ObjectClass, Plan, Scene, Trace, Truth
from whyway_nodes.wires import advertise

if TYPE_CHECKING:
    from whyway_nodes.stage_node import StageNode

HEIGHT_M = {ObjectClass.TRUCK: 3.2, ObjectClass.BUS: 3.2, ObjectClass.PEDESTRIAN: 1.8}
GREY, RED = ColorRGBA(r=0.6, g=0.6, b=0.65, a=0.8), ColorRGBA(r=0.9, g=0.2, b=0.15, a=0.9)
ORANGE, BLUE = ColorRGBA(r=0.95, g=0.6, b=0.1, a=0.9), ColorRGBA(r=0.1, g=0.4, b=0.95, a=0.9)


def time_of(stamp_ns: int) -> Time:
    """A stamp as ROS writes it."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def turned(yaw_rad: float) -> Quaternion:
    """A heading as a quaternion."""
    return Quaternion(z=math.sin(yaw_rad / 2), w=math.cos(yaw_rad / 2))


def publisher_of(node: StageNode, topic: Topic) -> Any:
    """A publisher of a view; None where its message package is not installed."""
    try:
        return advertise(node, topic)
    except ImportError:
        node.get_logger().info(f"no {topic.name}: {topic.type.partition('/')[0]} is not installed")
        return None


def _heard(publisher: Any) -> bool:
    return publisher is not None and publisher.get_subscription_count() > 0


class WorldViews:
    """The world's views."""

    def __init__(self, node: StageNode) -> None:
        self._clock, self._tf, self._odometry = (
            publisher_of(node, topic) for topic in (topics.CLOCK, topics.TF, topics.ODOMETRY)
        )

    def clock(self, stamp_ns: int) -> None:
        """Simulated time; a ROS clock reads 0 as "no time yet", so listeners see it from the second cycle on."""
        if _heard(self._clock):
            self._clock.publish(Clock(clock=time_of(stamp_ns)))

    def cycle_time(self, publisher: Any, stamp_ns: int, seconds: float) -> None:
        """How long a cycle took on the wall clock."""
        message = TimeReference(
            time_ref=time_of(int(seconds * 1e9)), source="wall clock of the cycle"
        )
        message.header.stamp = time_of(stamp_ns)
        publisher.publish(message)

    def show(self, truth: Truth) -> None:
        """Where the ego is."""
        if _heard(self._tf):
            self._tf.publish(self._tf.msg_type(transforms=[_transform(truth)]))
        if _heard(self._odometry):
            self._odometry.publish(_odometry(truth))


def _transform(truth: Truth) -> TransformStamped:
    t = TransformStamped(child_frame_id="base_link")
    t.header.stamp, t.header.frame_id = time_of(truth.stamp_ns), "map"
    t.transform.translation.x, t.transform.translation.y = truth.ego.x_m, truth.ego.y_m
    t.transform.rotation = turned(truth.ego.yaw_rad)
    return t


def _odometry(truth: Truth) -> Odometry:
    ego: EgoState = truth.ego
    o = Odometry(child_frame_id="base_link")
    o.header.stamp, o.header.frame_id = time_of(truth.stamp_ns), "map"
    o.pose.pose = _pose(ego.x_m, ego.y_m, ego.yaw_rad)
    o.twist.twist.linear.x, o.twist.twist.angular.z = ego.v_mps, ego.yaw_rate_rps
    return o


class PlannerViews:
    """The planner's views: it has scene, trace and plan at hand."""

    def __init__(self, node: StageNode) -> None:
        self._markers = publisher_of(node, topics.MARKERS)
        self._sentence = publisher_of(node, topics.SENTENCE)
        self.lane_map: LaneMap | None = None

    def show(self, scene: Scene, trace: Trace, plan: Plan) -> None:
        """The cycle for people."""
        if _heard(self._sentence):
            self._sentence.publish(String(data=sentence(trace)))
        if _heard(self._markers):
            markers = [*_objects(scene, trace), _plan(plan)]
            for marker in markers:
                marker.lifetime = Duration(nanosec=300_000_000)
            if self.lane_map is not None and scene.stamp_ns % 1_000_000_000 == 0:
                markers += _lanes(self.lane_map)
            for marker in markers:
                marker.header.stamp, marker.header.frame_id = time_of(scene.stamp_ns), "map"
            self._markers.publish(MarkerArray(markers=markers))


def _pose(x_m: float, y_m: float, yaw_rad: float, z_m: float = 0.0) -> Pose:
    return Pose(position=Point(x=x_m, y=y_m, z=z_m), orientation=turned(yaw_rad))


def _objects(scene: Scene, trace: Trace) -> Iterator[Marker]:
    """Boxes: causes red, other cited objects orange, the rest grey; names above what is cited."""
    causes = {c.id for c in trace.planning.causes if c.kind == CauseKind.OBJECT}
    cited = {c.id: c for c in trace.perception.critical_objects}
    for o in scene.objects:
        height = HEIGHT_M.get(o.object_class, 1.6)
        box = Marker(
            ns="objects", id=o.id, type=Marker.CUBE, pose=_pose(o.x_m, o.y_m, o.yaw_rad, height / 2)
        )
        box.scale.x, box.scale.y, box.scale.z = o.length_m, o.width_m, height
        box.color = RED if o.id in causes else ORANGE if o.id in cited else GREY
        yield box
        if o.id in cited:
            text = Marker(ns="names", id=o.id, type=Marker.TEXT_VIEW_FACING, color=box.color)
            text.pose = _pose(o.x_m, o.y_m, 0.0, height + 1.0)
            text.scale.z, text.text = 1.2, f"{cited[o.id].role.name.lower()} {o.id}"
            yield text


def _strip(ns: str, number: int, x_m: Any, y_m: Any, color: ColorRGBA, width_m: float) -> Marker:
    line = Marker(ns=ns, id=number, type=Marker.LINE_STRIP, color=color)
    line.scale.x, line.pose = width_m, _pose(0.0, 0.0, 0.0)
    line.points = [Point(x=float(x), y=float(y)) for x, y in zip(x_m, y_m, strict=True)]
    return line


def _plan(plan: Plan) -> Marker:
    return _strip("plan", 0, plan.waypoints.x_m, plan.waypoints.y_m, BLUE, 0.5)


def _lanes(lane_map: LaneMap) -> Iterator[Marker]:
    for lane in lane_map.lanes:
        yield _strip("lanes", 2 * lane.id, lane.left_x_m, lane.left_y_m, GREY, 0.1)
        yield _strip("lanes", 2 * lane.id + 1, lane.right_x_m, lane.right_y_m, GREY, 0.1)
