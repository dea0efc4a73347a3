"""The doctor: what is there, what is missing, and what mends it."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from importlib import metadata

import pytest

import whyway
from whyway import doctor
from whyway.doctor import examine, ros_missing


def found():
    return {c.what: c for c in examine()}


def hide(monkeypatch, *modules: str) -> None:
    real = importlib.util.find_spec

    def find(name, *args):
        return None if name in modules else real(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", find)


def show(monkeypatch, *modules: str) -> None:
    real = importlib.util.find_spec

    def find(name, *args):
        return object() if name in modules else real(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", find)


def test_it_tells_the_versions_of_what_is_there():
    checks = found()
    assert checks["whyway"].found == whyway.__version__
    assert checks["numpy"].found == metadata.version("numpy")
    assert platform.python_version() in checks["Python"].found
    assert checks["numpy"].ok and checks["Python"].ok


def test_each_thing_is_looked_at_once():
    names = [c.what for c in examine()]
    assert len(set(names)) == len(names)


def test_whatever_may_be_missing_has_a_remedy():
    assert all(c.mend for c in examine() if not c.ok)


def test_a_package_that_is_missing_is_told_with_its_remedy(monkeypatch):
    real = metadata.version

    def version(name):
        if name == "mcap":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    check = found()["mcap"]
    assert not check.ok and not check.optional and check.mend == "make setup"


@pytest.mark.parametrize("package", ["torch", "carla"])
def test_what_only_some_need_is_optional(package):
    check = found()[package]
    assert check.optional and "pip install" in check.mend


@pytest.mark.parametrize("missing", ["rclpy", "whyway_msgs", "whyway_nodes"])
def test_the_first_ros_part_that_is_missing_is_named(monkeypatch, missing):
    show(monkeypatch, *({"rclpy", "whyway_msgs", "whyway_nodes"} - {missing}))
    inner = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == missing else inner(n, *a)
    )
    told = ros_missing()
    assert told is not None and missing in told


def test_with_all_parts_nothing_is_missing(monkeypatch):
    show(monkeypatch, "rclpy", "whyway_msgs", "whyway_nodes")
    assert ros_missing() is None


@pytest.mark.parametrize(
    ("system", "machine", "wheels"),
    [("linux", "x86_64", True), ("linux", "aarch64", False), ("darwin", "arm64", False)],
)
def test_where_there_are_no_wheels_ros_is_optional(monkeypatch, system, machine, wheels):
    hide(monkeypatch, "rclpy")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    check = next(c for c in doctor.examine() if c.what == "ROS 2 nodes")
    assert not check.ok and check.optional is not wheels
    assert ("make setup" if wheels else "apt ROS 2") in check.found


def test_every_package_we_depend_on_is_looked_at():
    needed = [r for r in metadata.requires("whyway") if "extra ==" not in r]
    assert {re.match(r"[\w-]+", r)[0] for r in needed} == set(doctor.PACKAGES)
