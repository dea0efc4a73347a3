"""The driver: perception, reasoner, planner and control, each a lifecycle node, configured and activated from here."""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from whyway_bringup.lifecycle import arguments, managed, middleware

from launch import LaunchDescription
from whyway import topics


def generate_launch_description():
    """What `ros2 launch` runs."""
    return LaunchDescription(
        [
            *arguments("params", "driver", "realtime", "record"),
            DeclareLaunchArgument(
                "command", default_value=topics.COMMAND.name, description="where commands go"
            ),
            *middleware(),
            *managed("perception"),
            *managed("reasoner", driver=str),
            *managed("planner", driver=str),
            *managed("control", remappings=[(topics.COMMAND.name, LaunchConfiguration("command"))]),
        ]
    )
