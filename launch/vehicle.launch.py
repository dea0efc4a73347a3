"""The driver on a vehicle, in real time, recorded.

The vehicle's own nodes publish `/whyway/observation`, `/whyway/lane_map` and `/whyway/route`, and obey `/whyway/command` (see whyway_bringup's
README for what they must do when it stays away).
"""

from whyway_bringup.lifecycle import arguments, include, recorder

from launch import LaunchDescription


def generate_launch_description():
    """What `ros2 launch` runs."""
    return LaunchDescription(
        [
            *arguments("params", "driver", "record", "out", "black_box"),
            *include("driver.launch.py", "params", "driver", "record", realtime="true"),
            *recorder("driver", world="vehicle"),
        ]
    )
