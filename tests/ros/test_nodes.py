"""Single nodes: their lifecycle, their parameters, and what they show to other tools."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from whyway import topics
from whyway.config import Config, leaves

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    from whyway_nodes import dds

    with dds.domain({}) as number:
        os.environ |= dds.environment(number, Path(os.environ.get("TMPDIR", "/tmp")))
        yield number


@pytest.fixture
def context(domain: int) -> Iterator[Any]:
    import rclpy

    rclpy.init(args=[], domain_id=domain)
    yield rclpy
    rclpy.shutdown()


def _node(context: Any, kind: Any, **parameters: Any) -> Any:
    from rclpy.parameter import Parameter

    return kind(
        parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()]
    )


@pytest.mark.parametrize("name", ["perception", "reasoner", "planner"])
def test_a_node_goes_through_its_lifecycle_and_back(context: Any, name: str) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    module = importlib.import_module(f"whyway_nodes.{name}_node")
    node = _node(context, getattr(module, f"{name.capitalize()}Node"))

    def entities() -> list[int]:
        kinds = (node.publishers, node.subscriptions, node.timers, node.services)
        return [len(list(kind)) for kind in kinds]

    before = entities()
    for _ in range(2):
        for step in (
            node.trigger_configure,
            node.trigger_activate,
            node.trigger_deactivate,
            node.trigger_cleanup,
        ):
            assert step() == TransitionCallbackReturn.SUCCESS
        assert entities() == before
    node.destroy_node()


def test_every_dial_is_a_parameter(context: Any) -> None:
    from whyway_nodes.reasoner_node import ReasonerNode

    node = _node(context, ReasonerNode, **{"safety.reaction_s": 1, "sim.traffic.vehicles": 3})
    values = {name: node.get_parameter(name).value for name, _ in leaves(Config())}
    assert values == dict(leaves(Config())) | {"safety.reaction_s": 1.0, "sim.traffic.vehicles": 3}
    assert node.config.safety.reaction_s == 1.0
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("safety.reaktion_s", 0.3, "did you mean 'reaction_s'?"),
        ("safety.reaction_s", "soon", "is not a finite number"),
        ("driver", 7, "7 is not a str"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused(
    context: Any, name: str, value: Any, words: str
) -> None:
    from whyway_nodes.reasoner_node import ReasonerNode

    from whyway.config import ConfigError

    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        _node(context, ReasonerNode, **{name: value})


def test_in_real_time_other_tools_see_the_drive(
    domain: int, context: Any, supervisor: Callable[..., Any], tmp_path: Path
) -> None:
    from whyway_nodes.wires import message_class, qos_of

    views = [
        topics.CLOCK,
        topics.ODOMETRY,
        topics.MARKERS,
        topics.SENTENCE,
        topics.DIAGNOSTICS,
        topics.TRACE_PLANNING,
    ]
    try:
        message_class(topics.TF.type)
        views.append(topics.TF)
    except ImportError:
        pass
    seen: dict[str, list[Any]] = {topic.name: [] for topic in views}
    node = context.create_node("whyway_spectator")
    for topic in views:
        node.create_subscription(
            message_class(topic.type), topic.name, seen[topic.name].append, qos_of(topic)
        )
    process = supervisor(
        tmp_path,
        "--duration",
        "5",
        "--seed",
        "1",
        "--set",
        "nodes.realtime=true",
        ROS_DOMAIN_ID=str(domain),
    )
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < 60:
        context.spin_once(node, timeout_sec=0.1)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert {name for name, messages in seen.items() if not messages} == set()
    assert seen[topics.SENTENCE.name][-1].data
    assert {m.ns for m in seen[topics.MARKERS.name][-1].markers} >= {"plan"}
    names = {status.name for array in seen[topics.DIAGNOSTICS.name] for status in array.status}
    assert names >= {"whyway: world", "whyway: control"}
    node.destroy_node()
