"""What every test may rely on: reproducible hypothesis, and ROS tests skipped with a reason where there is no ROS."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import settings

# a slow machine is no failure; a failure in CI happens again on the desk
settings.register_profile("whyway", deadline=None, derandomize=True)
settings.load_profile("whyway")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `ros` where rclpy or our messages are missing."""
    missing = [name for name in ("rclpy", "whyway_msgs") if importlib.util.find_spec(name) is None]
    if not missing:
        return
    skip = pytest.mark.skip(reason=f"needs ROS 2: {', '.join(missing)} not installed (make setup)")
    for item in items:
        if "ros" in item.keywords:
            item.add_marker(skip)
