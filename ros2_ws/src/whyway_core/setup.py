"""Install src/whyway of this checkout for colcon; what apt lacks comes by pip (README.md here)."""

import os
from pathlib import Path

from setuptools import find_packages, setup

# setuptools wants paths relative to this file; through a symlinked checkout too
HERE = Path(__file__).resolve().parent
SOURCE = os.path.relpath(HERE.parents[2] / "src", HERE)
os.chdir(HERE)

setup(
    name="whyway_core",
    version="0.1.0",
    description="The Whyway driver as a ROS package",
    license="Apache-2.0",
    packages=find_packages(SOURCE, include=["whyway", "whyway.*"]),
    package_dir={"": SOURCE},
    package_data={"": ["py.typed", "*.html", "*.jinja", "*.xml", "*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/whyway_core"]),
        ("share/whyway_core", ["package.xml"]),
    ],
    entry_points={"console_scripts": ["whyway = whyway.cli:main"]},
    zip_safe=False,
)
