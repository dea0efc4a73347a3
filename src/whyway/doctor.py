"""What is installed and what mends what is missing, for `whyway doctor` and for the choice between ROS 2 and one process."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import whyway

PACKAGES = (
    "numpy", "scipy", "array-api-compat", "lxml", "mcap", "rosbags", "zstandard", "jinja2", "pyyaml", "rich", "tyro", "apsw", "lz4", "onnxruntime",
    "safetensors",
)  # fmt: skip
"""What pyproject.toml asks for; written out because an installation by colcon has no such metadata."""
OPTIONAL = (
    ("torch", "train", "training"), ("carla", "carla", "CARLA worlds"), ("ray", "ray", "suites on a cluster"),
    ("rerun-sdk", "view", "whyway view --rerun"), ("pyarrow", "nuplan", "nuPlan's tables as Parquet"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    what: str
    found: str
    ok: bool
    optional: bool = False
    mend: str = ""


def ros_missing() -> str | None:
    """Why the ROS 2 nodes cannot run here, with the remedy; None if they can."""
    if _spec("rclpy") is None:
        if _has_wheels():
            return "rclpy is not installed: make setup, or source /opt/ros/jazzy/setup.bash"
        return f"there are no rclpy wheels for {sys.platform} {platform.machine()}: source an apt ROS 2"
    if _spec("whyway_msgs") is None:
        return "whyway_msgs is not built: make setup, or colcon build in ros2_ws"
    if _spec("whyway_nodes") is None:
        return "whyway_nodes is not installed: make setup, or colcon build in ros2_ws"
    return None


def examine() -> list[Check]:
    """Everything worth knowing, in the order a person would ask."""
    checks = [
        Check("whyway", whyway.__version__, True),
        Check(
            "Python",
            f"{platform.python_version()} at {sys.executable}",
            sys.version_info >= (3, 10),
            mend="use Python >= 3.10",
        ),
        Check("machine", f"{sys.platform} {platform.machine()}", True),
    ]
    for package in PACKAGES:
        version = _version(package)
        checks.append(
            Check(package, version or "not installed", version is not None, mend="make setup")
        )
    missing = ros_missing()
    rclpy = _version("ros-rclpy") or ("apt" if _spec("rclpy") else "not installed")
    checks.append(
        Check(
            "ROS 2 nodes",
            rclpy if missing is None else missing,
            missing is None,
            not _has_wheels(),
            "make setup",
        )
    )
    shm = Path("/dev/shm")
    if shm.is_dir():
        free_mb = shutil.disk_usage(shm).free // 2**20
        checks.append(
            Check(
                "shared memory",
                f"{free_mb} MB free in /dev/shm",
                free_mb >= 64,
                mend="fastdds shm clean, or docker run --shm-size=256m",
            )
        )
    compiler = shutil.which("g++") or shutil.which("c++")
    checks.append(
        Check("C++ compiler", compiler or "none", compiler is not None, True, "apt-get install g++")
    )
    for package, extra, use in OPTIONAL:
        version = _version(package)
        checks.append(
            Check(
                package,
                version or f"not installed (only for {use})",
                version is not None,
                True,
                f"pip install 'whyway[{extra}]'",
            )
        )
    return checks


def _has_wheels() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def _spec(module: str) -> object | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
