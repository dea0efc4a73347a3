"""The launch files name what exists: executables, parameters, arguments, topics. Run with stand-ins where launch is not installed."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from whyway_nodes import graph

from whyway.config import Config, leaves, override
from whyway.topics import TOPICS

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
FILES = sorted(LAUNCH.glob("*.launch.py"))
BRINGUP = ROOT / "ros2_ws" / "src" / "whyway_bringup"
SCRIPTS = {p.name for p in (ROOT / "ros2_ws" / "src" / "whyway_nodes" / "scripts").iterdir()}
STUBBED = {
    "lifecycle_msgs": [], "lifecycle_msgs.msg": ["Transition"],
    "ament_index_python": [], "ament_index_python.packages": ["get_package_share_directory"],
    "launch": ["LaunchDescription"],
    "launch.actions": [
        "DeclareLaunchArgument", "EmitEvent", "ExecuteProcess", "IncludeLaunchDescription", "RegisterEventHandler",
        "SetEnvironmentVariable", "Shutdown",
    ],
    "launch.conditions": ["IfCondition"], "launch.event_handlers": ["OnProcessStart"], "launch.events": ["matches_action"],
    "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
    "launch.substitutions": ["LaunchConfiguration", "PathJoinSubstitution"],
    "launch_ros": [], "launch_ros.actions": ["LifecycleNode", "Node"], "launch_ros.event_handlers": ["OnStateTransition"],
    "launch_ros.events": [], "launch_ros.events.lifecycle": ["ChangeState"],
    "launch_ros.parameter_descriptions": ["ParameterFile", "ParameterValue"],
    "launch_ros.substitutions": ["FindPackageShare"],
}  # fmt: skip


class Made:
    """Stands for anything of launch: remembers how it was made."""

    TRANSITION_CONFIGURE, TRANSITION_ACTIVATE = 1, 3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def __str__(self) -> str:
        return str(BRINGUP)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives a launch file's entities by kind."""
    for name, classes in STUBBED.items():
        module = ModuleType(name)
        for kind in classes:
            setattr(module, kind, type(kind, (Made,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(BRINGUP))
    for name in [n for n in sys.modules if n.startswith("whyway_bringup")]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()

    def entities(path: Path, kind: str) -> list[Made]:
        description = runpy.run_path(str(path))["generate_launch_description"]()
        return [entity for entity in description.args[0] if type(entity).__name__ == kind]

    return entities


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_nodes_name_executables_and_parameters_that_exist(launched: Any, path: Path) -> None:
    known = {name for name, _ in leaves(Config())} | graph.OWN_PARAMETERS | {"out", "black_box"}
    for node in launched(path, "LifecycleNode") + launched(path, "Node"):
        assert node.kwargs["package"] == "whyway_nodes"
        assert node.kwargs["executable"] in SCRIPTS
        assert node.kwargs["name"] == f"whyway_{node.kwargs['executable']}"
        for given in node.kwargs["parameters"]:
            assert not isinstance(given, dict) or given.keys() <= known
        for topic, _ in node.kwargs.get("remappings", []):
            assert topic in TOPICS


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_argument_used_is_declared(launched: Any, path: Path) -> None:
    declared = {d.args[0] for d in launched(path, "DeclareLaunchArgument")}

    def used(value: Any) -> set[str]:
        if type(value).__name__ == "LaunchConfiguration":
            return {value.args[0]}
        if isinstance(value, Made):
            return used(value.args) | used(value.kwargs)
        if isinstance(value, dict):
            return used(list(value.values()))
        if isinstance(value, (list, tuple, type({}.items()))):
            return {name for item in value for name in used(item)}
        return set()

    for kind in ("LifecycleNode", "Node", "IncludeLaunchDescription", "ExecuteProcess"):
        for entity in launched(path, kind):
            assert used((entity.args, entity.kwargs)) <= declared, kind


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_what_is_included_exists_and_takes_what_it_is_given(launched: Any, path: Path) -> None:
    for included in launched(path, "IncludeLaunchDescription"):
        file = Path(included.args[0].args[0])
        declared = {d.args[0] for d in launched(LAUNCH / file.name, "DeclareLaunchArgument")}
        assert dict(included.kwargs["launch_arguments"]).keys() <= declared


def test_the_simulator_runs_every_node_of_the_drive(launched: Any) -> None:
    ours = launched(LAUNCH / "simulator.launch.py", "LifecycleNode")
    drivers = launched(LAUNCH / "driver.launch.py", "LifecycleNode")
    assert {n.kwargs["executable"] for n in ours + drivers} == set(graph.NODES)


def test_the_parameter_file_sets_dials_that_exist() -> None:
    tree = yaml.safe_load((LAUNCH / "params" / "whyway.yaml").read_text())
    override(Config(), tree["/**"]["ros__parameters"])


def test_bringup_installs_the_launch_files() -> None:
    assert (BRINGUP / "launch").resolve() == LAUNCH
    setup = (BRINGUP / "setup.py").read_text()
    assert '"launch", ".launch.py"' in setup and '"launch/params", ".yaml"' in setup
