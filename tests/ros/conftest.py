"""Drives over ROS 2 for tests: real processes, a domain of their own, and a straight road on which the car gets fast."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from whyway.log import Log, read_log

NODES = Path(__file__).parents[2] / "ros2_ws" / "src" / "whyway_nodes"
if (
    str(NODES) not in sys.path
):  # without ROS the package is not installed, but what needs no ROS can be tested
    sys.path.insert(0, str(NODES))


@dataclass(frozen=True)
class Drove:
    """A drive that is over."""

    code: int
    output: str
    folder: Path

    @property
    def log(self) -> Log:
        return read_log(self.folder / "drive.mcap")


def environment(**more: str) -> dict[str, str]:
    """Ours, without a domain: the supervisor finds a free one."""
    path = os.pathsep.join([str(NODES), os.environ.get("PYTHONPATH", "")])
    clean = {key: value for key, value in os.environ.items() if key != "ROS_DOMAIN_ID"}
    return clean | {"PYTHONPATH": path} | more


def command(folder: Path, *arguments: str) -> list[str]:
    """A drive's command line."""
    return [sys.executable, "-m", "whyway_nodes.supervisor", "--out", str(folder), *arguments]


def _drive(folder: Path, *arguments: str, timeout_s: float = 110.0) -> Drove:
    done = subprocess.run(
        command(folder, *arguments),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment(),
        check=False,
    )
    return Drove(done.returncode, done.stdout + done.stderr, folder)


@pytest.fixture(scope="session")
def drive() -> Callable[..., Drove]:
    """Drives to the end: `drive(folder, *arguments)`."""
    return _drive


@pytest.fixture(scope="session")
def supervisor() -> Callable[..., subprocess.Popen[str]]:
    """Starts a drive and leaves it running: `supervisor(folder, *arguments, **environment)`."""

    def start(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(folder, *arguments), stdout=subprocess.PIPE, text=True, env=environment(**more)
        )

    return start


@pytest.fixture(scope="session")
def straight_road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CommonRoad file: 3 km straight on at 50 km/h; the ego begins at 12 m/s, a car drives ahead, another is parked at the end."""
    path = tmp_path_factory.mktemp("scene") / "straight.xml"
    steps = 1200

    def bound(tag: str, y: float) -> str:
        points = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x in range(-100, 3001, 50))
        return f"<{tag}>{points}<lineMarking>solid</lineMarking></{tag}>"

    def state(tag: str, x: float, v: float, step: int) -> str:
        return (
            f"<{tag}><position><point><x>{x}</x><y>0.0</y></point></position><orientation><exact>0.0</exact></orientation>"
            f"<time><exact>{step}</exact></time><velocity><exact>{v}</exact></velocity></{tag}>"
        )

    def obstacle(number: int, tag: str, x: float, v: float) -> str:
        shape = "<shape><rectangle><length>4.5</length><width>1.8</width></rectangle></shape>"
        track = "".join(state("state", x + v * 0.1 * i, v, i) for i in range(1, steps)) if v else ""
        trajectory = f"<trajectory>{track}</trajectory>" if track else ""
        kind = "car" if v else "parkedVehicle"
        return f'<{tag} id="{number}"><type>{kind}</type>{shape}{state("initialState", x, v, 0)}{trajectory}</{tag}>'

    lane = (
        f'<lanelet id="1">{bound("leftBound", 2.0)}{bound("rightBound", -2.0)}'
        '<laneletType>urban</laneletType><trafficSignRef ref="50"/></lanelet>'
        '<trafficSign id="50"><trafficSignElement><trafficSignID>274</trafficSignID><additionalValue>13.9</additionalValue>'
        "</trafficSignElement></trafficSign>"
    )
    goal = (
        "<goalState><position><rectangle><length>20</length><width>4</width><orientation>0</orientation>"
        "<center><x>2800</x><y>0</y></center></rectangle></position>"
        f"<time><intervalStart>0</intervalStart><intervalEnd>{steps}</intervalEnd></time></goalState>"
    )
    path.write_text(
        '<?xml version="1.0"?><commonRoad benchmarkID="TST_Straight-1" commonRoadVersion="2020a" timeStepSize="0.1">'
        + lane
        + obstacle(7, "dynamicObstacle", 60.0, 13.0)
        + obstacle(8, "staticObstacle", 2900.0, 0.0)
        + f'<planningProblem id="9">{state("initialState", 0.0, 12.0, 0)}{goal}</planningProblem></commonRoad>'
    )
    return path
