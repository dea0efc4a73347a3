"""The one table of topics: nodes, recorder, replay and README read it. No ROS, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from whyway import types
from whyway.messages import name_of


class Qos(Enum):
    """How hard a topic tries.

    RELIABLE: every message arrives, the newest few are kept. LATCHED: also for who comes late (transient local).
    SENSOR: best effort, a lost message is not sent again.
    """

    RELIABLE = "reliable"
    LATCHED = "latched"
    SENSOR = "sensor"

    @property
    def depth(self) -> int:
        """How many messages are kept for a slow reader."""
        return {Qos.RELIABLE: 10, Qos.LATCHED: 1, Qos.SENSOR: 5}[self]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
      name: with its leading slash.
      type: full name of its ROS message.
      rate_hz: how often it is published on the data's clock; 0 is once, or when something happens.
      qos: how hard it tries.
      logged: whether the recorder writes it. What can be computed from what is logged is not.
      publisher: the stage (and so the node) that publishes it.
      meaning: what it tells, for README.
      value: the dataclass of `types.py` that crosses, None for a view of standard type made for other tools.
    """

    name: str
    type: str
    rate_hz: float
    qos: Qos
    logged: bool
    publisher: str
    meaning: str
    value: Any = None


def _ours(
    name: str,
    value: type[Any],
    publisher: str,
    meaning: str,
    *,
    rate_hz: float = 10.0,
    qos: Qos = Qos.RELIABLE,
    logged: bool = True,
) -> Topic:
    return Topic(f"/whyway/{name}", name_of(value), rate_hz, qos, logged, publisher, meaning, value)


def _view(
    name: str,
    type_: str,
    publisher: str,
    meaning: str,
    *,
    rate_hz: float = 10.0,
    qos: Qos = Qos.RELIABLE,
) -> Topic:
    return Topic(name, type_, rate_hz, qos, logged=False, publisher=publisher, meaning=meaning)


OBSERVATION = _ours("observation", types.Observation, "world", "what the car senses")
TRUTH = _ours("truth", types.Truth, "world", "what is really there; read by judges, by no stage")
LANE_MAP = _ours(
    "lane_map", types.LaneMap, "world", "the static road", rate_hz=0.0, qos=Qos.LATCHED
)
ROUTE = _ours("route", types.Route, "world", "lanes to follow", rate_hz=0.0, qos=Qos.LATCHED)
SCENE = _ours("scene", types.Scene, "perception", "what perception believes: tracks, predictions")
REASONING = _ours(
    "reasoning",
    types.Trace,
    "reasoner",
    "the trace as decided, before there is an action to check it against",
    logged=False,
)
TRACE = _ours("trace", types.Trace, "planner", "the whole trace, with action and integrity")
TRACE_PERCEPTION = _ours(
    "trace/perception", types.PerceptionTrace, "planner", "the trace's first part", logged=False
)
TRACE_PREDICTION = _ours(
    "trace/prediction", types.PredictionTrace, "planner", "the trace's second part", logged=False
)
TRACE_PLANNING = _ours(
    "trace/planning", types.PlanningTrace, "planner", "the decision and its causes", logged=False
)
TRACE_ACTION = _ours(
    "trace/action", types.ActionTrace, "planner", "what the trajectory does", logged=False
)
TRACE_INTEGRITY = _ours(
    "trace/integrity", types.Integrity, "planner", "whether words and action agree", logged=False
)
PLAN = _ours("plan", types.Plan, "planner", "waypoints to drive")
COMMAND = _ours("command", types.Command, "control", "acceleration and steering, after safety")
VERDICT = _ours("verdict", types.Verdict, "control", "what safety made of the command, and why")
EVENT = _ours(
    "event", types.Event, "supervisor, world, control", "faults and restarts", rate_hz=0.0
)

CLOCK = _view("/clock", "rosgraph_msgs/msg/Clock", "world", "simulated time")
TF = _view("/tf", "tf2_msgs/msg/TFMessage", "world", "`map` to `base_link`")
ODOMETRY = _view(
    "/localization/kinematic_state",
    "nav_msgs/msg/Odometry",
    "world",
    "the ego, as other tools read it",
)
MARKERS = _view(
    "/whyway/markers",
    "visualization_msgs/msg/MarkerArray",
    "planner",
    "objects, cited causes and the plan, for RViz and Foxglove",
)
SENTENCE = _view("/whyway/sentence", "std_msgs/msg/String", "planner", "the trace in English")
DIAGNOSTICS = _view(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    "every node",
    "state and latency of each node",
    rate_hz=1.0,
)

TOPICS: Mapping[str, Topic] = MappingProxyType(
    {topic.name: topic for topic in list(globals().values()) if isinstance(topic, Topic)}
)
"""Every topic by name, in the order in which a cycle publishes them."""


def rig_topics(kind: str, name: str) -> dict[str, Topic]:
    """The topics of one raw sensor of the simulated car, by what they carry; a rig names its sensors, so they stand in no fixed table.

    Args:
      kind: cameras, lidars, imus, gnss or wheels.
      name: of the sensor in its rig.
    """
    folder, carried = _RIG_TOPICS[kind]
    return {
        what: _view(f"/sensing/{folder}/{name}/{what}", type_, "world", meaning, qos=Qos.SENSOR)
        for what, (type_, meaning) in carried.items()
    }


_RIG_TOPICS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "cameras": (
        "camera",
        {
            "image_raw": ("sensor_msgs/msg/Image", "colour, rgb8, undistorted"),
            "camera_info": ("sensor_msgs/msg/CameraInfo", "its calibration"),
            "depth": (
                "sensor_msgs/msg/Image",
                "32FC1: metres along the optical axis, inf in the sky",
            ),
            "semantics": ("sensor_msgs/msg/Image", "mono8: CARLA's semantic ids"),
            "instances": ("sensor_msgs/msg/Image", "32SC1: ids of road users, 0 elsewhere"),
        },
    ),
    "lidars": (
        "lidar",
        {"points": ("sensor_msgs/msg/PointCloud2", "x, y, z, intensity, ring, time")},
    ),
    "imus": ("imu", {"data_raw": ("sensor_msgs/msg/Imu", "specific force and angular rate")}),
    "gnss": ("gnss", {"fix": ("sensor_msgs/msg/NavSatFix", "WGS 84")}),
    "wheels": ("wheels", {"odometry": ("nav_msgs/msg/Odometry", "dead reckoning in `odom`")}),
}


def static_transforms() -> Topic:
    """Where the sensors of a rig are mounted."""
    return _view(
        "/tf_static",
        "tf2_msgs/msg/TFMessage",
        "world",
        "mounts of the sensors in `base_link`",
        rate_hz=0.0,
        qos=Qos.LATCHED,
    )


def logged() -> tuple[Topic, ...]:
    """Give the topics that the recorder writes."""
    return tuple(topic for topic in TOPICS.values() if topic.logged)


def readme_table() -> str:
    """Render README's table of topics, as Markdown."""
    rows = [
        "| topic | type | rate | QoS | logged | from | what |",
        "|---|---|---|---|---|---|---|",
    ]
    for topic in TOPICS.values():
        rate = f"{topic.rate_hz:g} Hz" if topic.rate_hz else "on change"
        kind = topic.type.replace("/msg/", "/")
        rows.append(
            f"| `{topic.name}` | `{kind}` | {rate} | {topic.qos.value} "
            f"| {'yes' if topic.logged else ''} | {topic.publisher} | {topic.meaning} |"
        )
    return "\n".join(rows) + "\n"
