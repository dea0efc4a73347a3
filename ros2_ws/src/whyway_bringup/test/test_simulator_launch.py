"""The simulator composition under real launch: it drives, records and ends by itself. Needs apt ROS 2."""

from pathlib import Path

import pytest

launch_pytest = pytest.importorskip(
    "launch_pytest", reason="needs launch, launch_ros and launch_pytest, which only apt ROS 2 has"
)

if launch_pytest:
    from ament_index_python.packages import get_package_share_directory
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    from launch_pytest.actions import ReadyToTest

    from launch import LaunchDescription
    from whyway.log import read_log
    from whyway.types import Command, Observation

    OUT = Path("/tmp/whyway_launch_test/drive.mcap")

    @launch_pytest.fixture
    def simulator() -> LaunchDescription:
        OUT.unlink(missing_ok=True)
        file = f"{get_package_share_directory('whyway_bringup')}/launch/simulator.launch.py"
        arguments = {"duration_s": "5.0", "seed": "1", "out": str(OUT)}.items()
        included = IncludeLaunchDescription(
            PythonLaunchDescriptionSource(file), launch_arguments=arguments
        )
        return LaunchDescription([included, ReadyToTest()])

    @pytest.mark.launch(fixture=simulator, shutdown=True)
    def test_the_simulator_drives_records_and_ends() -> None:
        log = read_log(OUT)
        assert not log.truncated
        assert len(log.of(Observation)) == len(log.of(Command)) == 50
