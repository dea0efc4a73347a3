"""`whyway replay`: a recording driven through again by our driver, told and judged; or what is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from whyway import doctor as checks
from whyway.cli.common import OK, out_console, run_folder, short_name
from whyway.cli.drive import Drive
from whyway.config import Config, load
from whyway.driver import DEFAULT_DRIVER, driver_config
from whyway.types import InputError


@dataclass(frozen=True)
class Replay:
    """Replay a recording (a rosbag2 folder, .mcap, .db3, .bag) and let the driver say what it would do, and why.

    Writes report.html, report.json and drive.mcap, as `whyway drive` does. Any dial can follow as --key=value.
    """

    bag: Annotated[Path, tyro.conf.Positional]
    """The recording."""
    map: Path | None = None
    """A map in the recorded frame (.xodr, .osm, .xml); else the recorded one, or the driven way with lanes."""
    topics: str = ""
    """A preset (whyway, autoware, carla_ros_bridge, robot) or a YAML table; found out otherwise."""
    driver: str = DEFAULT_DRIVER
    """rules, microgpt, constant_velocity or idm."""
    handover: float | None = None
    """At this time [s] our driver takes over, in the simulator."""
    ros: bool = False
    """Over ROS 2, a node per stage; the outputs are the same."""
    duration: float | None = None
    """Only so many seconds from the start."""
    seed: int = 1
    """Of the sensors after a handover."""
    out: Path | None = None
    """Folder of the run; out/replay/<recording>-<driver>-<time> otherwise."""
    config: Path | None = None
    """YAML with dials to set."""
    info: bool = False
    """Only tell what the recording holds, and what would be made of it."""
    json: bool = False
    """Print JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Replay and judge, or tell what is there."""
        dials = [*overrides, *self._dials()]
        config = driver_config(self.driver, load(self.config, dials))
        if self.info:
            return self._tell(config)
        if self.ros and (missing := checks.ros_missing()) is not None:
            raise InputError(f"--ros: {missing}; leave it out to replay in this process")
        drive = Drive(
            str(self.bag), self.driver, self.seed, self.duration, not self.ros, config=self.config
        )
        drive.check(config)
        name = f"{short_name(str(self.bag.resolve()))}-{self.driver}"
        out = self.out or run_folder("replay", name)
        return drive.drive_and_judge(config, dials, self.ros, out, json_too=self.json)

    def _dials(self) -> list[str]:
        """Our options as dials: they go to the nodes, and into the log. JSON's quotes are YAML's."""
        given: dict[str, Any] = {
            "map": None if self.map is None else str(self.map),
            "topics": self.topics or None,
            "handover_s": self.handover,
        }
        if self.handover is not None and not self.handover > 0.0:
            raise InputError(f"--handover {self.handover:g}: give seconds, more than 0")
        return [f"replay.{k}={json.dumps(v)}" for k, v in given.items() if v is not None]

    def _tell(self, config: Config) -> int:
        """Topics, types, counts, times, and which of them play which part."""
        from whyway.worlds.bags.bag import open_bag
        from whyway.worlds.bags.topic_map import choose

        bag = open_bag(self.bag)
        contents = bag.contents()
        lost = list(bag.lost)
        try:
            chosen = choose(contents, config.replay.topics)
            taken, parts = chosen.name, {role: t.name for role, t in chosen.topics.items()}
        except InputError as error:
            taken, parts = f"none: {error}", {}
        first = min(t.first_ns for t in contents.values())
        last = max(t.last_ns for t in contents.values())
        facts: dict[str, Any] = {
            "recording": str(self.bag),
            "files": [p.name for p in bag.files],
            "messages": sum(t.count for t in contents.values()),
            "start": _when(first),
            "duration_s": round((last - first) * 1e-9, 3),
            "topics": [
                {"topic": t.name, "type": t.type, "count": t.count, "problem": t.problem}
                for t in contents.values()
            ],
            "table": taken,
            "parts": parts,
            "lost": lost,
        }
        if self.json:
            print(json.dumps(facts, indent=1))
        else:
            _show(facts)
        return OK


def _when(stamp_ns: int) -> str:
    """UTC, where the clock is one of the epoch's; else seconds."""
    if stamp_ns < 10**18:  # before 2001: a clock that began with the robot
        return f"{stamp_ns * 1e-9:.3f} s"
    return datetime.fromtimestamp(stamp_ns * 1e-9, timezone.utc).isoformat(timespec="milliseconds")


def _show(facts: dict[str, Any]) -> None:
    parts = {topic: part for part, topic in facts["parts"].items()}
    rows = Table(
        title=f"{facts['recording']}: {facts['messages']} messages, {facts['duration_s']:g} s from {facts['start']}",
        title_justify="left",
    )
    for column in ("topic", "type", "count", "taken as"):
        rows.add_column(column, justify="right" if column == "count" else "left", overflow="fold")
    for t in facts["topics"]:
        rows.add_row(
            t["topic"], t["type"], str(t["count"]), parts.get(t["topic"], "") or t["problem"]
        )
    out_console.print(rows)
    out_console.print(f"table of topics: {facts['table']}", markup=False, soft_wrap=True)
    for line in facts["lost"]:
        out_console.print(f"lost: {line}", markup=False, soft_wrap=True)
