"""`whyway drive`: one drive and its verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console
from rich.markup import escape

from whyway import doctor as checks
from whyway.cli.common import (
    INTERRUPTED,
    NO,
    OK,
    err_console,
    out_console,
    progress_bar,
    run_folder,
    short_name,
    writable,
)
from whyway.config import Config, load
from whyway.driver import DEFAULT_DRIVER, driver_config
from whyway.evaluate.drive import ScoreError
from whyway.evaluate.score import SceneScore
from whyway.log import LogError, read_log
from whyway.types import InputError

if TYPE_CHECKING:
    from whyway.worlds.faults import Injection

ROS_NODES = "whyway_nodes.supervisor"


@dataclass(frozen=True)
class Drive:
    """Drive a car through a world, over ROS 2 where it is there, and judge the drive from its log.

    Writes report.html, report.json and drive.mcap. Any dial of the configuration can follow as --key=value, e.g.
    --safety.reaction_s=0.3; `whyway doctor --dials` lists them.
    """

    world: str = "town"
    """town; family:NAME or family:NAME@MAP; a CommonRoad scene (.xml, .xml.gz); a CARLA route, routes.xml#ID; an OpenSCENARIO file (.xosc); a recording."""
    driver: str = DEFAULT_DRIVER
    """rules, microgpt, constant_velocity or idm."""
    seed: int = 1
    """Of the world: layout, traffic, sensor noise."""
    duration: float | None = None
    """Simulated seconds; 60 in town, the world's own length otherwise."""
    in_process: bool = False
    """All stages in this process instead of a ROS 2 node each."""
    out: Path | None = None
    """Folder of the run; out/drive/<world>-<driver>-<seed>-<time> otherwise."""
    config: Path | None = None
    """YAML with dials to set."""
    inject: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A fault to inject, once for each: kind:what=value@from-to, e.g. late:detections=0.3@5-10; over ROS 2 also kill:reasoner@12."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive, then judge."""
        config = driver_config(self.driver, load(self.config, overrides))
        self.check(config)
        over_ros = self._over_ros()
        out = self.out or run_folder("drive", f"{short_name(self.world)}-{self.driver}-{self.seed}")
        return self.drive_and_judge(config, overrides, over_ros, out)

    def drive_and_judge(
        self, config: Config, overrides: Sequence[str], over_ros: bool, out: Path, json_too: bool = False
    ) -> int:  # fmt: skip
        """Drive as told and judge what was driven; the exit code.

        Args:
          config: of the driver.
          overrides: the dials it was made with, for the nodes.
          over_ros: a node per stage, or all in this process.
          out: folder of the run.
          json_too: what people read goes to stderr, and the verdict to stdout as JSON.
        """
        writable(out)
        code = OK
        if over_ros:
            code = self._drive_over_ros(out, overrides, quiet=json_too)
        else:
            self._drive_here(out, config)
        score = judge(out, err_console if json_too else out_console)
        if json_too and score is not None:
            print(json.dumps(score.to_json(), indent=1))
        if code != OK:
            return code
        return OK if score is not None and score.passed else NO

    def check(self, config: Config) -> None:
        """Everything that can be known to be wrong before anything starts."""
        if self.duration is not None and not 1.0 <= self.duration <= 86400.0:
            raise InputError(
                f"--duration {self.duration:g}: give simulated seconds from 1 to 86400"
            )
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: give a whole number from 0")
        if self.in_process:
            self._injections()
        if self.world != "town":
            from whyway.worlds import make_world

            make_world(self.world, self.seed, config, self.duration)

    def _over_ros(self) -> bool:
        if self.in_process:
            return False
        missing = checks.ros_missing()
        if missing is None:
            return True
        self._injections()
        out_console.print(f"[yellow]no ROS 2 here ({missing}): driving in one process")
        return False

    def _injections(self) -> list[Injection]:
        """The faults of a drive in this process."""
        from whyway.worlds.faults import parse

        for text in self.inject:
            if text.startswith(("kill:", "hang:")):
                raise InputError(f"--inject {text}: needs the ROS 2 nodes, a process each")
        return [parse(text) for text in self.inject]

    def _drive_over_ros(self, out: Path, overrides: Sequence[str], quiet: bool) -> int:
        from whyway.drives import provenance

        command = [
            sys.executable,
            "-m",
            ROS_NODES,
            "--world",
            self.world,
            "--driver",
            self.driver,
            "--seed",
            str(self.seed),
        ]
        command += ["--out", str(out), "--info", json.dumps(provenance())]
        command += ["--parent", str(os.getpid())]
        if self.duration is not None:
            command += ["--duration", str(self.duration)]
        if self.config is not None:
            command += ["--config", str(self.config)]
        command += [part for text in overrides for part in ("--set", text)]
        command += [part for text in self.inject for part in ("--inject", text)]
        # a session of its own: whoever gets the signal, we pass it on, and as one that is quiet while all is being imported
        child = subprocess.Popen(
            command, start_new_session=True, stdout=sys.stderr if quiet else None
        )
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else INTERRUPTED
            except KeyboardInterrupt:
                child.terminate()  # it ends its nodes and the log; wait for that

    def _drive_here(self, out: Path, config: Config) -> None:
        from whyway.drives import drive
        from whyway.trace.narrator import Narrator

        with progress_bar() as bar:
            task = bar.add_task("", total=None, doing="starting")
            narrator = Narrator(partial(bar.console.print, markup=False, soft_wrap=True))

            def watch(world, cycle) -> None:  # type: ignore[no-untyped-def]
                narrator.trace(cycle.trace)
                narrator.verdict(cycle.verdict)
                v = cycle.observation.ego.v_mps
                bar.update(
                    task,
                    total=world.duration_s,
                    completed=world.stamp_ns * 1e-9,
                    doing=f"{v * 3.6:3.0f} km/h",
                )

            drive(
                self.world, self.driver, self.seed, config, out / "drive.mcap", self.duration, watch,
                self._injections(),
            )  # fmt: skip


def judge(out: Path, console: Console = out_console) -> SceneScore | None:
    """Score and report a drive's log; None (and a line that says why) if there is too little to judge."""
    from whyway.evaluate.report.page import write_report
    from whyway.evaluate.report.rows import table

    path = out / "drive.mcap"
    if not path.exists():
        return None
    try:
        score = write_report(read_log(path), out)
    except (LogError, ScoreError) as error:
        err_console.print(f"[yellow]whyway:[/] not judged: {escape(str(error))}", soft_wrap=True)
        return None
    console.print(table(score))
    console.print(
        f"\n{score.verdict}\n{out / 'report.html'}\n{out / 'report.json'}\n{path}", soft_wrap=True
    )
    return score
