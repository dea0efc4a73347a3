"""Install src/whyway (`whyway` here is a link to it) for colcon; what apt lacks comes by pip (README.md here)."""

from setuptools import find_packages, setup

setup(
    name="whyway_core",
    version="0.1.0",
    description="The Whyway driver as a ROS package",
    license="Apache-2.0",
    packages=find_packages(include=["whyway", "whyway.*"]),
    package_data={
        "": ["py.typed", "*.jinja", "*.xml", "*.yaml", "*.js", "*.css", "*.md", "*.LICENSE"],
        "whyway": ["models/*/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/whyway_core"]),
        ("share/whyway_core", ["package.xml"]),
    ],
    entry_points={"console_scripts": ["whyway = whyway.__main__:main"]},
    zip_safe=False,
)
