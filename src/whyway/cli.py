"""`whyway`: drive, evaluate, map, bench, messages, doctor. Each command is one function; its arguments are its options.

Exit codes: 0 success; 1 it ran, and the answer is no; 2 wrong input, one line says what to do; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from whyway import doctor as checks
from whyway import messages as schemas
from whyway.config import Config, load
from whyway.driver import driver_config
from whyway.evaluate.drive import ScoreError
from whyway.evaluate.score import SceneScore
from whyway.log import LogError, read_log
from whyway.types import InputError

OK, NO, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
ROS_NODES = "whyway_nodes.supervisor"

_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Drive:
    """Drive a car through a world, over ROS 2 where it is there, and judge the drive from its log.

    Writes report.html, report.json and drive.mcap. Any dial of the configuration can follow as --key=value, e.g.
    --safety.reaction_s=0.3; `whyway doctor --dials` lists them.
    """

    world: str = "town"
    """town; family:NAME or family:NAME@MAP; a CommonRoad scene (.xml, .xml.gz); a CARLA route, routes.xml#ID; an OpenSCENARIO file (.xosc)."""
    driver: str = "rules"
    """rules, constant_velocity or idm."""
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
    inject: tuple[str, ...] = ()
    """Faults to inject (over ROS 2), e.g. kill:reasoner@12.0."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive, then judge."""
        config = driver_config(self.driver, load(self.config, overrides))
        self._check(config)
        over_ros = self._over_ros()
        out = self.out or _run_folder("drive", f"{_short(self.world)}-{self.driver}-{self.seed}")
        _writable(out)
        code = OK
        if over_ros:
            code = self._drive_over_ros(out, overrides)
        else:
            self._drive_here(out, config)
        score = _judge(out)
        if code != OK:
            return code
        return OK if score is not None and score.passed else NO

    def _check(self, config: Config) -> None:
        """Everything that can be known to be wrong before anything starts."""
        if self.duration is not None and not 1.0 <= self.duration <= 86400.0:
            raise InputError(
                f"--duration {self.duration:g}: give simulated seconds from 1 to 86400"
            )
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: give a whole number from 0")
        if self.world != "town":
            from whyway.worlds import make_world

            make_world(self.world, self.seed, config, self.duration)

    def _over_ros(self) -> bool:
        if self.in_process:
            if self.inject:
                raise InputError("--inject needs the nodes: leave out --in-process")
            return False
        missing = checks.ros_missing()
        if missing is None:
            return True
        if self.inject:
            raise InputError(f"--inject needs the ROS 2 nodes: {missing}")
        _out.print(f"[yellow]no ROS 2 here ({missing}): driving in one process")
        return False

    def _drive_over_ros(self, out: Path, overrides: Sequence[str]) -> int:
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
        child = subprocess.Popen(command, start_new_session=True)
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else INTERRUPTED
            except KeyboardInterrupt:
                child.terminate()  # it ends its nodes and the log; wait for that

    def _drive_here(self, out: Path, config: Config) -> None:
        from whyway.drives import drive
        from whyway.trace.narrator import Narrator

        with _progress() as bar:
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
                self.world, self.driver, self.seed, config, out / "drive.mcap", self.duration, watch
            )


@dataclass(frozen=True)
class Evaluate:
    """Drive and judge every scene of a suite: a folder of CommonRoad files, or a YAML file of worlds.

    Writes logs, reports and summary.json; goes on where it was interrupted. Dials can follow as --key=value.
    """

    suite: Path
    """Folder of CommonRoad files (searched through), or a suite file."""
    driver: str = "rules"
    """rules, constant_velocity or idm."""
    seeds: int = 1
    """Every scene is driven with seeds 1 to this."""
    jobs: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    """Processes."""
    out: Path | None = None
    """Folder of the results; out/evaluate/<suite>-<driver> otherwise."""
    config: Path | None = None
    """YAML with dials to set."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive, judge, sum up."""
        from whyway.drives import drive, provenance
        from whyway.evaluate.suite import evaluate
        from whyway.evaluate.summary import summary_table

        config = driver_config(self.driver, load(self.config, overrides))
        out = self.out or Path("out/evaluate") / f"{_short(str(self.suite))}-{self.driver}"
        _writable(out)
        summary, code = evaluate(
            self.suite, self.driver, self.seeds, self.jobs, out, drive, config, provenance(), _err
        )
        _out.print(summary_table(summary))
        _out.print(f"\n{out / 'summary.json'}\n{out / 'report.html'}")
        return code


@dataclass(frozen=True)
class Map:
    """Say what a map holds, and draw it: OpenDRIVE (.xodr), Lanelet2 (.osm) or CommonRoad (.xml), plain or gzipped."""

    path: Annotated[Path, tyro.conf.Positional]
    """The map's file."""
    out: Path | None = None
    """The picture (SVG); out/map/<name>.svg otherwise."""
    json: bool = False
    """Print JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Read, count, draw."""
        from whyway.evaluate.map_picture import map_facts, map_svg
        from whyway.evaluate.report import write_atomically
        from whyway.maps.load import load_map

        _no_dials(overrides)
        lane_map, _ = load_map(self.path)
        facts = map_facts(lane_map)
        out = self.out or Path("out/map") / f"{_short(str(self.path))}.svg"
        _writable(out.parent)
        write_atomically(out, map_svg(lane_map))
        if self.json:
            print(json.dumps({"facts": facts, "picture": str(out)}, indent=1))
            return OK
        table = Table("what", "value", box=None, title=f"map {self.path.name}")
        for key, value in facts.items():
            table.add_row(key, str(value))
        _out.print(table)
        _out.print(f"\n{out}", soft_wrap=True)
        return OK


@dataclass(frozen=True)
class Bench:
    """Measure how fast decisions or the simulator are, on one thread."""

    what: Annotated[Literal["decide", "sim"], tyro.conf.Positional]
    """decide: observation to command; sim: whole environment steps."""
    json: bool = False
    """Print JSON."""
    worlds: int = 1024
    """sim: how many worlds at once."""
    agents: int | None = None
    """Road users per world; 30 for decide, 32 for sim."""
    backend: tuple[Literal["numpy", "compiled", "torch", "torch-compiled"], ...] = ()
    """sim: what steps the worlds; numpy, and compiled where numba is, if none is named."""
    place: tuple[str, ...] = ()
    """sim: maps to compare, town or files, with 64 and 4096 worlds on each."""

    def run(self, overrides: Sequence[str]) -> int:
        """Measure and print."""
        with _progress() as bar:
            task = bar.add_task("", total=None, doing="measuring")
            if self.what == "sim":
                from whyway.bench import bench_world
                from whyway.worlds.sim.bench import bench_scaling, bench_sim

                _no_dials(overrides)
                agents = 32 if self.agents is None else self.agents
                numba = find_spec("numba") is not None
                backends = self.backend or (("numpy", "compiled") if numba else ("numpy",))
                tell = partial(bar.update, task)
                results = []
                if self.place:
                    results = bench_scaling(
                        agents, 10, places=self.place, backends=backends, progress=lambda n: tell(completed=n)
                    )  # fmt: skip
                for backend in () if self.place else backends:
                    results += bench_sim(
                        self.worlds, agents, backend=backend, progress=lambda n: tell(completed=n)
                    )
                if not self.place:
                    results += bench_world(Config(), progress=lambda s: tell(completed=s))
            else:
                from whyway.bench import bench_decide

                agents = 30 if self.agents is None else self.agents
                results = bench_decide(
                    load(None, overrides),
                    agents,
                    progress=lambda s: bar.update(task, completed=s),
                )
        if self.json:
            print(
                json.dumps({"results": results}, indent=1)
            )  # exactly JSON, nothing of a console in it
            return OK
        for row in results:
            table = Table("measure", "value", box=None, title=f"bench {self.what}")
            for key, value in row.items():
                table.add_row(key, f"{value:,.3f}" if isinstance(value, float) else str(value))
            _out.print(table)
        return OK


@dataclass(frozen=True)
class Messages:
    """Render the .msg files of whyway_msgs from types.py."""

    check: bool = False
    """Only say whether the committed files are up to date."""

    def run(self, overrides: Sequence[str]) -> int:
        """Render or compare."""
        _no_dials(overrides)
        if self.check:
            stale = schemas.stale()
            for line in stale:
                _err.print(line)
            return NO if stale else OK
        for name in schemas.render():
            _out.print(f"rendered {name}")
        return OK


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, whether ROS 2 is there, and what mends what is missing."""

    dials: bool = False
    """List every dial of the configuration with its default."""

    def run(self, overrides: Sequence[str]) -> int:
        """Look and tell; exit code 1 if something that should be there is missing."""
        if self.dials:
            from whyway.config import leaves

            for name, value in leaves(load(None, overrides)):
                _out.print(f"{name}={value}")
            return OK
        _no_dials(overrides)
        found = checks.examine()
        table = Table("what", "found", "", box=None)
        for c in found:
            mark = "[green]ok" if c.ok else ("[yellow]optional" if c.optional else "[red]missing")
            table.add_row(
                c.what,
                c.found,
                mark + (f"[/]  mend: {escape(c.mend)}" if c.mend and not c.ok else ""),
            )
        _out.print(table)
        return OK if all(c.ok or c.optional for c in found) else NO


Command = (
    Annotated[Drive, tyro.conf.subcommand("drive")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Map, tyro.conf.subcommand("map")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
    | Annotated[Messages, tyro.conf.subcommand("messages")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script: parse, run, and turn what goes wrong into one line and an exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # `--key=value` with a dotted key is a dial of the configuration, checked by name where it is laid over the tree
    overrides = [
        w[2:] for w in words if w.startswith("--") and "." in w.partition("=")[0] and "=" in w
    ]
    words = [w for w in words if w[2:] not in overrides]
    try:
        command = tyro.cli(
            Command, args=words, prog="whyway", description=__doc__, use_underscores=False
        )
        code: int = command.run(overrides)
        return code
    except (InputError, OSError) as error:
        _err.print(f"[red]whyway:[/] {escape(' '.join(str(error).split()))}", soft_wrap=True)
        return WRONG_INPUT
    except KeyboardInterrupt:
        _err.print("[yellow]whyway:[/] interrupted; what was logged until now is readable")
        return INTERRUPTED


def _no_dials(overrides: Sequence[str]) -> None:
    if overrides:
        raise InputError(f"--{overrides[0]}: this command has no use for dials; leave it out")


def _judge(out: Path) -> SceneScore | None:
    """Score and report a drive's log; None (and a line that says why) if there is too little to judge."""
    from whyway.evaluate.report import table, write_report

    path = out / "drive.mcap"
    if not path.exists():
        return None
    try:
        score = write_report(read_log(path), out)
    except (LogError, ScoreError) as error:
        _err.print(f"[yellow]whyway:[/] not judged: {escape(str(error))}", soft_wrap=True)
        return None
    _out.print(table(score))
    _out.print(
        f"\n{score.verdict}\n{out / 'report.html'}\n{out / 'report.json'}\n{path}", soft_wrap=True
    )
    return score


def _run_folder(kind: str, name: str) -> Path:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    return Path("out") / kind / f"{name}-{stamp}"


def _short(world: str) -> str:
    """A name for files: "family:cut_in@maps/Town04.xodr" -> "cut_in-Town04", "routes/longest6.xml#3" -> "longest6-3"."""
    words, _, number = world.removeprefix("family:").partition("#")
    parts = [Path(word).name.split(".")[0] for word in words.split("@")]
    return "-".join(part for part in [*parts, number] if part) or "suite"


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.fields[doing]}"), BarColumn(), TextColumn("{task.completed:.0f}"), TimeElapsedColumn(),
        console=_err, transient=True,
    )  # fmt: skip
