"""A drive over five processes is the same drive as in one, however often it is driven, and it ends the way it is told to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whyway import topics
from whyway.config import Config
from whyway.driver import DEFAULT_DRIVER
from whyway.log import Log, read_log, same_log
from whyway.types import Observation

pytestmark = pytest.mark.ros
Drive = Callable[..., Any]
TOWN = ("--world", "town", "--seed", "3", "--duration", "12")


@pytest.fixture(scope="module")
def town(drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> Any:
    done = drive(tmp_path_factory.mktemp("town"), *TOWN)
    assert done.code == 0, done.output
    return done


def test_the_same_seed_gives_the_same_log_over_ros(town: Any, drive: Drive, tmp_path: Path) -> None:
    again = drive(tmp_path, *TOWN)
    assert again.code == 0, again.output
    assert same_log(town.log, again.log) == []


def test_the_log_over_ros_is_that_of_one_process(town: Any, tmp_path: Path) -> None:
    from whyway.drives import drive as drive_in_process

    drive_in_process("town", DEFAULT_DRIVER, 3, Config(), tmp_path / "drive.mcap", 12.0)
    assert same_log(town.log, tmp_path / "drive.mcap") == []


def test_nothing_is_missing_from_the_log(town: Any) -> None:
    log: Log = town.log
    assert not log.truncated
    stamps = [o.stamp_ns for o in log.of(Observation)]
    assert stamps == list(range(0, 12_000_000_000, 100_000_000))
    for topic in topics.logged():
        if topic.rate_hz and topic is not topics.TRUTH:
            assert [v.stamp_ns for v in log.topics[topic.name]] == stamps, topic.name


def test_what_the_processes_cost_is_noted_in_the_log(town: Any) -> None:
    transport = town.log.info["transport"]
    assert transport["cycles"] == 110 and 0.0 < transport["p50_ms"] <= transport["p99_ms"]
    assert "between the processes" in town.output
    cost = town.log.info["resources"]
    assert cost["cpu_s"] > 1.0 and cost["wall_s"] > 0.0 and cost["peak_rss_mib"] > 20.0


def test_it_tells_what_the_car_does_and_why(town: Any) -> None:
    assert " because " in town.output


def test_baselines_drive_over_ros_too(drive: Drive, straight_road: Path, tmp_path: Path) -> None:
    done = drive(
        tmp_path, "--world", str(straight_road), "--driver", "constant_velocity", "--duration", "3"
    )
    assert done.code == 0, done.output
    assert done.log.info["driver"] == "constant_velocity"
    assert not done.log.info["config"]["safety"]["enabled"]


def test_ctrl_c_ends_everything_within_two_seconds_and_the_log_is_whole(
    supervisor: Drive, tmp_path: Path
) -> None:
    process = supervisor(tmp_path, "--duration", "60")
    for line in process.stdout:
        if " because " in line:
            break
    time.sleep(1.0)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)
    took_s = time.monotonic() - begun
    assert process.returncode == 130 and "ended on request" in output
    log = read_log(tmp_path / "drive.mcap")
    assert not log.truncated and len(log.of(Observation)) > 5
    assert took_s < 2.0


def test_a_drive_whose_parent_is_gone_ends(supervisor: Drive, tmp_path: Path) -> None:
    process = supervisor(tmp_path, "--duration", "600", "--parent", "1")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert not read_log(tmp_path / "drive.mcap").truncated


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "safety.reaktion_s=0.3"], "did you mean 'reaction_s'?"),
        (["--set", "safety.reaction_s=soon"], "is not a finite number"),
        (["--driver", "robert"], "no driver 'robert'"),
        (["--inject", "kill:conscience@3"], "kill happens to no 'conscience'"),
        (["--world", "nowhere.xml"], "no such file"),
    ],
)
def test_what_cannot_be_driven_gives_one_clear_line(
    drive: Drive, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = drive(tmp_path, *arguments)
    assert done.code == 2
    (line,) = [line for line in done.output.splitlines() if words in line]
    assert "Traceback" not in done.output
