"""The driver on a recorded drive: what would it have said and done? Its commands go nowhere.

`bag` is a rosbag2 folder or an .mcap of ours; observation, map and route are played, everything else is computed anew.
"""

from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration
from whyway_bringup.lifecycle import arguments, include, recorder

from launch import LaunchDescription
from whyway import topics

PLAYED = [t.name for t in (topics.OBSERVATION, topics.LANE_MAP, topics.ROUTE, topics.TRUTH)]


def generate_launch_description():
    """What `ros2 launch` runs."""
    play = ["ros2", "bag", "play", LaunchConfiguration("bag"), "--delay", "5", "--topics", *PLAYED]
    return LaunchDescription(
        [
            *arguments("params", "driver", "record", "out", "black_box"),
            DeclareLaunchArgument("bag", description="what to play"),
            *include(
                "driver.launch.py",
                "params",
                "driver",
                "record",
                realtime="true",
                command="/whyway/replayed/command",
            ),
            *recorder("driver", world="replay"),
            ExecuteProcess(cmd=play, output="screen"),
        ]
    )
