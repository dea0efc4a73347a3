"""Parts of launch files: a lifecycle node with its transitions, the recorder, the middleware's settings, includes.

Imports launch and launch_ros, so it is imported by launch files alone.
"""

from __future__ import annotations

from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition
from whyway_nodes.dds import PROFILE

from whyway.driver import DEFAULT_DRIVER, DRIVERS

SHARE = FindPackageShare("whyway_bringup")
ARGUMENTS = {
    "params": (
        PathJoinSubstitution([SHARE, "launch", "params", "whyway.yaml"]),
        "YAML of dials that differ",
    ),
    "driver": (DEFAULT_DRIVER, ", ".join(DRIVERS)),
    "realtime": ("false", "one step per 0.1 s of wall clock; otherwise lock-step"),
    "record": ("true", "write an .mcap"),
    "out": ("drive.mcap", "the .mcap to write; empty: none"),
    "black_box": ("", "folder for the last seconds before anything that goes wrong; empty: none"),
}
"""Arguments that several compositions take: default and meaning."""


def arguments(*names: str) -> list[Any]:
    """Declare some of `ARGUMENTS`."""
    return [
        DeclareLaunchArgument(
            name, default_value=ARGUMENTS[name][0], description=ARGUMENTS[name][1]
        )
        for name in names
    ]


def middleware() -> list[Any]:
    """Shared memory for Fast DDS; no helper threads for small matrices."""
    return [
        SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", str(PROFILE)),
        SetEnvironmentVariable("OPENBLAS_NUM_THREADS", "1"),
    ]


def managed(name: str, *, ends_all: bool = False, remappings: Any = (), **own: type) -> list[Any]:
    """A stage node that is configured when its process stands and activated when it is configured.

    Args:
      name: of the node's executable.
      ends_all: when it ends, everything does.
      remappings: as launch_ros takes them.
      own: the node's own parameters that are launch arguments, with their types.
    """
    node = LifecycleNode(
        package="whyway_nodes",
        executable=name,
        name=f"whyway_{name}",
        namespace="",
        output="screen",
        parameters=[
            ParameterFile(LaunchConfiguration("params"), allow_substs=True),
            {
                "nodes.realtime": ParameterValue(LaunchConfiguration("realtime"), value_type=bool),
                "recorder": ParameterValue(LaunchConfiguration("record"), value_type=bool),
                **{
                    key: ParameterValue(LaunchConfiguration(key), value_type=kind)
                    for key, kind in own.items()
                },
            },
        ],
        remappings=list(remappings),
        on_exit=Shutdown() if ends_all else None,
    )
    configure = EmitEvent(
        event=ChangeState(
            lifecycle_node_matcher=matches_action(node),
            transition_id=Transition.TRANSITION_CONFIGURE,
        )
    )
    activate = EmitEvent(
        event=ChangeState(
            lifecycle_node_matcher=matches_action(node),
            transition_id=Transition.TRANSITION_ACTIVATE,
        )
    )
    return [
        # registered before the node starts: otherwise its start could be missed
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=[configure])),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state="configuring",
                goal_state="inactive",
                entities=[activate],
            )
        ),
        node,
    ]


def recorder(*given: str, **fixed: str) -> list[Any]:
    """The recorder, with launch arguments and fixed texts to note in the log."""
    noted = {name: LaunchConfiguration(name) for name in given} | fixed
    files = {name: LaunchConfiguration(name) for name in ("out", "black_box")}
    return [
        Node(
            package="whyway_nodes",
            executable="recorder",
            name="whyway_recorder",
            output="screen",
            parameters=[
                {
                    key: ParameterValue(value, value_type=int if key == "seed" else str)
                    for key, value in (files | noted).items()
                }
            ],
            condition=IfCondition(LaunchConfiguration("record")),
        )
    ]


def include(file: str, *passed: str, **fixed: str) -> list[Any]:
    """Another launch file of ours, with launch arguments passed on and fixed ones."""
    path = f"{get_package_share_directory('whyway_bringup')}/launch/{file}"
    handed = {name: LaunchConfiguration(name) for name in passed} | fixed
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(path), launch_arguments=handed.items()
        )
    ]
