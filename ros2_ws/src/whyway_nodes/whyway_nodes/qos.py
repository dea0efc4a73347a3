"""Topics of the table as rclpy wants them: message class and quality of service."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from whyway.topics import Qos, Topic


@cache
def class_of(full_name: str) -> Any:
    """rclpy's message class of a full name such as `std_msgs/msg/Header`.

    Raises:
      ImportError: its package is not installed.
    """
    package, _, name = full_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except ImportError as error:
        raise ImportError(f"{package} is missing: run `make setup`, or build it with colcon ({error})") from error


def message_class(topic: Topic) -> Any:
    """rclpy's message class of a topic."""
    return class_of(topic.type)


def qos_of(topic: Topic, depth: int | None = None) -> QoSProfile:
    """Quality of service of a topic; a reader that must miss nothing gives a `depth` of its own."""
    sensor, latched = topic.qos is Qos.SENSOR, topic.qos is Qos.LATCHED
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth or topic.qos.depth,
        reliability=ReliabilityPolicy.BEST_EFFORT if sensor else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
