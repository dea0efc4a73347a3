"""The driver in the simulated world, recorded: what `whyway drive` does without launch."""

from launch.actions import DeclareLaunchArgument
from whyway_bringup.lifecycle import arguments, include, managed, recorder

from launch import LaunchDescription


def generate_launch_description():
    """What `ros2 launch` runs."""
    return LaunchDescription(
        [
            *arguments("params", "driver", "realtime", "record", "out", "black_box"),
            DeclareLaunchArgument(
                "world", default_value="town", description="town, or a CommonRoad file"
            ),
            DeclareLaunchArgument(
                "seed", default_value="1", description="of the town and the sensors"
            ),
            DeclareLaunchArgument(
                "duration_s", default_value="0.0", description="0: the world's own"
            ),
            DeclareLaunchArgument(
                "sensors",
                default_value="false",
                description="publish camera, lidar, IMU, GNSS, wheels",
            ),
            DeclareLaunchArgument(
                "rig", default_value="", description="YAML of those sensors; empty: the default rig"
            ),
            *include("driver.launch.py", "params", "driver", "realtime", "record"),
            *managed(
                "world", ends_all=True, world=str, seed=int, duration_s=float, sensors=bool, rig=str
            ),
            *recorder("driver", "world", "seed"),
        ]
    )
