"""Publishers and subscriptions of the table's topics: message class, quality of service, and nothing a cycle would pay for in vain."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from whyway.messages import from_cdr
from whyway.topics import Qos, Topic


@cache
def message_class(full_name: str) -> Any:
    """Rclpy's message class of a full name such as `std_msgs/msg/Header`.

    Raises:
      ImportError: its package is not installed.
    """
    package, _, name = full_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except ImportError as error:
        raise ImportError(
            f"{package} is missing: run `make setup`, or build it with colcon ({error})"
        ) from error


def qos_of(topic: Topic, depth: int | None = None) -> QoSProfile:
    """Quality of service of a topic; a reader that must miss nothing gives a `depth` of its own."""
    sensor, latched = topic.qos is Qos.SENSOR, topic.qos is Qos.LATCHED
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth or topic.qos.depth,
        reliability=ReliabilityPolicy.BEST_EFFORT if sensor else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def advertise(node: Node, topic: Topic) -> Publisher:
    """A publisher. Default event callbacks stay out: the executor would look at two more handles per topic in every wait."""
    quiet = PublisherEventCallbacks(use_default_callbacks=False)
    return node.create_publisher(
        message_class(topic.type), topic.name, qos_of(topic), event_callbacks=quiet
    )


def listen(
    node: Node,
    topic: Topic,
    handle: Callable[[Any], None],
    *,
    depth: int | None = None,
    raw: bool = False,
) -> Subscription:
    """A subscription: `handle` gets bytes if `raw`, else a value of `types.py`, or the message of a topic that is not ours."""
    quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
    take = handle
    if topic.value is not None and not raw:

        def take(data: Any) -> None:
            handle(from_cdr(data, topic.value))

    as_bytes = raw or topic.value is not None
    return node.create_subscription(
        message_class(topic.type),
        topic.name,
        take,
        qos_of(topic, depth),
        event_callbacks=quiet,
        raw=as_bytes,
    )
