#!/bin/bash
# ROS 2 and our workspace in the environment, then whatever was asked for.
set -e
# shellcheck disable=SC1090
source "/opt/ros/${ROS_DISTRO}/setup.bash"
# shellcheck disable=SC1091
source /whyway/ros2_ws/install/setup.bash
exec "$@"
