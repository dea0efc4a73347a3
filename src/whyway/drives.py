"""The loop closed: a driver in a world, in one process, and the log of it. What is judged later is this log alone."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from whyway import topics
from whyway.black_box import BlackBox
from whyway.config import Config, as_dict, config_hash
from whyway.driver import Cycle, Driver, driver_config
from whyway.log import LogWriter
from whyway.maps.road import Road
from whyway.types import Event, Fault
from whyway.worlds import World, make_world
from whyway.worlds.faults import DriverFaults, Injection, begun, faulty

Watch = Callable[[World, Cycle], None]
"""Called after every cycle, to show progress or to stop by raising."""


def provenance() -> dict[str, Any]:
    """Where a result comes from: commit of the checkout (if it is one), versions of what computed it."""
    packages = ("whyway", "numpy", "scipy", "mcap", "rosbags")
    return {
        "git": _git_commit(),
        "versions": {
            "python": platform.python_version(),
            "platform": f"{sys.platform} {platform.machine()}",
            **{name: _version(name) for name in packages},
        },
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _git_commit() -> str:
    """The commit, with "+changes" if the working tree differs; "unknown" outside a checkout."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty=+changes",
        "--abbrev=12",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Meter:
    """What this process spends from when it was made: for a log's `resources`, which no comparison of logs looks at."""

    cpu_s: float = field(default_factory=time.process_time)
    wall_s: float = field(default_factory=time.perf_counter)

    def read(self) -> dict[str, float]:
        """CPU seconds (user and system, all threads), seconds on the wall clock, and the most memory the process ever held.

        The peak is the process's own, so what ran in it before counts, too: measure a drive in a process of its own.
        """
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # getrusage(2): kibibytes on Linux, bytes on macOS
        peak_kib = peak / 1024 if sys.platform == "darwin" else peak
        return {
            "cpu_s": round(time.process_time() - self.cpu_s, 3),
            "wall_s": round(time.perf_counter() - self.wall_s, 3),
            "peak_rss_mib": round(peak_kib / 1024, 1),
        }


def run_info(driver: str, world: str, seed: int, config: Config) -> dict[str, Any]:
    """What a log says of itself: who drove where, with which configuration, and what computed it."""
    used = driver_config(driver, config)
    return {
        "driver": driver,
        "world": world,
        "seed": seed,
        "config_hash": config_hash(used),
        "config": as_dict(used),
        **provenance(),
    }


def drive(
    world_spec: str, driver_name: str, seed: int, config: Config, log_path: Path,
    duration_s: float | None = None, watch: Watch | None = None, inject: Sequence[Injection] = (),
    clock: Callable[[], float] = time.perf_counter, black_box: Path | None = None,
) -> World:  # fmt: skip
    """Drive once and log it; the log is readable to the last whole second however this ends.

    An observation whose stamp is not newer than the last one's is nothing new: the driver, as its nodes, acts once per stamp, so the
    world goes on without a command. Worlds without faults never give one.

    Args:
      world_spec: "town" or a CommonRoad file.
      driver_name: one of `driver.DRIVERS`.
      seed: of the world.
      config: the whole tree.
      log_path: where the log goes.
      duration_s: None for the world's own.
      watch: sees every cycle.
      inject: faults, see `worlds.faults`; the log then tells the world's time of every value, and the value its own stamp.
      clock: by which latencies are measured, and the budget of a learnt reasoner, see `Driver`.
      black_box: folder for the last seconds before everything that goes wrong (`black_box.py`); None: none are kept apart from the log.

    Returns:
      The world as it ended.

    Raises:
      ValueError: no such world or driver; one line with the remedy.
    """
    used = driver_config(driver_name, config)
    world = faulty(make_world(world_spec, seed, used, duration_s), inject, seed)
    inside = DriverFaults(inject, seed)
    driver = Driver(
        driver_name,
        used,
        Road(world.lane_map, world.route),
        clock,
        disturbance=inside if inside.any else None,
    )
    info = {
        **run_info(driver_name, world_spec, seed, config),
        "middleware": "one process",
        "name": world.name,
        **({"injected": [str(i) for i in inject]} if inject else {}),
    }
    meter = Meter()
    box = None if black_box is None else BlackBox(black_box, info)
    with _Log(log_path, info, box) as log:
        log.write(topics.LANE_MAP.name, world.lane_map)
        log.write(topics.ROUTE.name, world.route)
        _closed_loop(log, world, driver, watch, inject)
        log.write(topics.TRUTH.name, world.truth())
        log.add_info({"goal_reached": world.goal_reached, "notes": dict(world.notes)})
        log.add_info({"resources": meter.read()})
    return world


class _Log(LogWriter):
    """A log that also goes into a black box."""

    def __init__(self, path: Path, info: Mapping[str, Any], box: BlackBox | None) -> None:
        super().__init__(path, info)
        self._box = box

    def write(self, topic: str, value: Any, stamp_ns: int | None = None) -> None:
        """Log a value; see `LogWriter`."""
        super().write(topic, value, stamp_ns)
        if self._box is not None:
            self._box.add(topic, value, stamp_ns)

    def close(self) -> None:
        """Close both."""
        super().close()
        if self._box is not None:
            self._box.close()


def _closed_loop(
    log: LogWriter, world: World, driver: Driver, watch: Watch | None, inject: Sequence[Injection]
) -> None:
    observation, before_ns, braking = world.reset(), None, False
    cycle: Cycle | None = None
    while not world.done:
        for injection in begun(inject, before_ns, world.stamp_ns):
            told = f"injected: {injection}"
            log.write(topics.EVENT.name, Event(world.stamp_ns, "world", injection.code, told))
        before_ns, command = world.stamp_ns, None
        log.write(topics.TRUTH.name, world.truth())
        if cycle is None or observation.stamp_ns > cycle.observation.stamp_ns:
            last, cycle = cycle, driver.step(observation)
            _write_cycle(log, cycle, last, world.stamp_ns if inject else None)
            command = cycle.command
            if watch is not None:
                watch(world, cycle)
        observation = world.step(command)
        if world.interface_braking and not braking:
            told = "no command: braking"
            log.write(
                topics.EVENT.name, Event(world.stamp_ns, "vehicle", Fault.COMMAND_TIMEOUT, told)
            )
        braking = world.interface_braking


def _write_cycle(log: LogWriter, cycle: Cycle, last: Cycle | None, at_ns: int | None) -> None:
    log.write(topics.OBSERVATION.name, cycle.observation, at_ns)
    log.write(topics.SCENE.name, cycle.scene, at_ns)
    if (
        last is None or cycle.plan is not last.plan
    ):  # a slow decision is logged once, when it is there
        log.write(topics.TRACE.name, cycle.trace, at_ns)
        log.write(topics.PLAN.name, cycle.plan, at_ns)
    for event in cycle.events:
        log.write(topics.EVENT.name, event, at_ns)
    log.write(topics.COMMAND.name, cycle.command, at_ns)
    log.write(topics.VERDICT.name, cycle.verdict, at_ns)
