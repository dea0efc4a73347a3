"""Installs the launch files of the repository's `launch/` (here a link to it) and what they share."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def files(folder: str, ending: str) -> list[str]:
    return sorted(f"{folder}/{path.name}" for path in (HERE / folder).glob(f"*{ending}"))


setup(
    name="whyway_bringup",
    version="0.1.0",
    description="Whyway's launch files and parameters",
    license="Apache-2.0",
    packages=find_packages(include=["whyway_bringup"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/whyway_bringup"]),
        ("share/whyway_bringup", ["package.xml"]),
        ("share/whyway_bringup/launch", files("launch", ".launch.py")),
        ("share/whyway_bringup/launch/params", files("launch/params", ".yaml")),
    ],
    zip_safe=False,
)
