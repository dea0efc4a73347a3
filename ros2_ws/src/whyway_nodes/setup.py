"""An ament_python package that pip installs as well.

The executables go to `lib/whyway_nodes`, where `ros2 run` and launch look for them, as data files: pip would put console scripts of such common
names (`control`, `world`) on everybody's path.
"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="whyway_nodes",
    version="0.1.0",
    description="Whyway's ROS 2 nodes, and the supervisor that runs them.",
    packages=find_packages(include=["whyway_nodes"]),
    package_data={"whyway_nodes": ["shm.xml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/whyway_nodes"]),
        ("share/whyway_nodes", ["package.xml"]),
        ("lib/whyway_nodes", sorted(f"scripts/{p.name}" for p in (HERE / "scripts").iterdir())),
    ],
    python_requires=">=3.10",
    license="Apache-2.0",
    zip_safe=False,
)
