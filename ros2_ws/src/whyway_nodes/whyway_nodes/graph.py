"""Which node reads and writes which topic: one table for nodes, recorder, readiness and README. No ROS import."""

from __future__ import annotations

from dataclasses import dataclass

from whyway import topics
from whyway.topics import Qos, Topic
from whyway.types import InputError

READY = Topic(
    "/whyway/ready",
    "std_msgs/msg/String",
    0.0,
    Qos.LATCHED,
    False,
    "every node",
    "the name of a node that is ready",
)
CYCLE_TIME = Topic(
    "/whyway/cycle_time",
    "sensor_msgs/msg/TimeReference",
    10.0,
    Qos.RELIABLE,
    False,
    "world",
    "wall-clock time from the observation going out to its command coming in",
)


RECORDER = "recorder"
"""Who says on `READY` that nothing will be missing from the log."""
OVERRIDE_SERVICE = "/reasoning/override"
"""Of the reasoner (`whyway_msgs/srv/Override`): replace fields of its decision for a while."""
SAVE_SERVICE = "/whyway/save_black_box"
"""Of the recorder (`whyway_msgs/srv/SaveBlackBox`): write the last seconds to a file now."""


class SetupError(InputError):
    """A node that cannot be set up; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a node hears and says.

    Attributes:
      inputs: joined by stamp; one cycle per complete set.
      outputs: what it publishes of our own types.
      latched: needed once, before the first cycle.
      others: heard one by one.
    """

    inputs: tuple[Topic, ...]
    outputs: tuple[Topic, ...]
    latched: tuple[Topic, ...] = (topics.LANE_MAP, topics.ROUTE)
    others: tuple[Topic, ...] = ()


NODES: dict[str, NodeSpec] = {
    "world": NodeSpec(
        inputs=(),
        outputs=(topics.LANE_MAP, topics.ROUTE, topics.TRUTH, topics.OBSERVATION, topics.EVENT),
        latched=(),
        others=(topics.COMMAND, topics.EVENT),
    ),
    "perception": NodeSpec(inputs=(topics.OBSERVATION,), outputs=(topics.SCENE, topics.EVENT)),
    "reasoner": NodeSpec(inputs=(topics.SCENE,), outputs=(topics.REASONING, topics.EVENT)),
    "planner": NodeSpec(
        inputs=(topics.SCENE, topics.REASONING),
        outputs=(
            topics.PLAN,
            topics.TRACE,
            topics.TRACE_PERCEPTION,
            topics.TRACE_PREDICTION,
            topics.TRACE_PLANNING,
            topics.TRACE_ACTION,
            topics.TRACE_INTEGRITY,
            topics.EVENT,
        ),
    ),
    "control": NodeSpec(
        inputs=(topics.OBSERVATION, topics.SCENE, topics.PLAN),
        outputs=(topics.COMMAND, topics.VERDICT, topics.EVENT),
        others=(topics.EVENT,),
    ),
}
"""Every node of the drive, in the order of the flow."""

STAGES = tuple(name for name in NODES if name != "world")

OWN_PARAMETERS = frozenset(
    {
        "autostart", "recorder", "supervised", "driver", "world", "seed", "duration_s", "inject", "sensors", "rig",
    }
)  # fmt: skip
"""Parameters of single nodes, beside the configuration's dials: one file serves all, so each node lets the others' pass."""


def readers_of(topic: Topic, recorder: bool) -> int:
    """How many must hear a topic: the nodes that read it, and the recorder where it is logged."""
    nodes = sum(topic in (*spec.inputs, *spec.latched, *spec.others) for spec in NODES.values())
    return nodes + (recorder and topic.logged)


def readme_table() -> str:
    """README's table of nodes, as Markdown."""

    def names(chosen: tuple[Topic, ...]) -> str:
        return ", ".join(f"`{t.name.removeprefix('/whyway/')}`" for t in chosen) or "-"

    rows = ["| node | acts on (of one stamp) | hears | publishes |", "|---|---|---|---|"]
    for name, spec in NODES.items():
        heard = names((*spec.latched, *spec.others))
        rows.append(f"| `{name}` | {names(spec.inputs)} | {heard} | {names(spec.outputs)} |")
    return "\n".join(rows) + "\n"
