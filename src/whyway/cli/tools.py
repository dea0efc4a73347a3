"""`whyway map`, `bench`, `messages`, `doctor`: what looks at the parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from whyway import doctor as checks
from whyway import messages as schemas
from whyway.cli.common import (
    NO,
    OK,
    err_console,
    no_dials,
    out_console,
    progress_bar,
    short_name,
    writable,
)
from whyway.config import Config, load
from whyway.driver import DEFAULT_DRIVER


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
        from whyway.evaluate.report.map_picture import map_facts, map_svg
        from whyway.files import write_atomically
        from whyway.maps.load import load_map

        no_dials(overrides)
        lane_map, _ = load_map(self.path)
        facts = map_facts(lane_map)
        out = self.out or Path("out/map") / f"{short_name(str(self.path))}.svg"
        writable(out.parent)
        write_atomically(out, map_svg(lane_map))
        if self.json:
            print(json.dumps({"facts": facts, "picture": str(out)}, indent=1))
            return OK
        table = Table("what", "value", box=None, title=f"map {self.path.name}")
        for key, value in facts.items():
            table.add_row(key, str(value))
        out_console.print(table)
        out_console.print(f"\n{out}", soft_wrap=True)
        return OK


@dataclass(frozen=True)
class Bench:
    """Measure how fast decisions, the simulator, the judge or the model's decoding are, on one thread."""

    what: Annotated[Literal["decide", "sim", "metrics", "reason"], tyro.conf.Positional]
    """decide: observation to command; sim: whole environment steps; metrics: drives judged; reason: traces decoded by every backend."""
    json: bool = False
    """Print JSON."""
    worlds: int = 1024
    """sim: how many worlds at once."""
    agents: int | None = None
    """Road users per world; 30 for decide, 32 for sim, 64 for metrics; for reason at least 10 in a scene."""
    scenes: int = 50
    """metrics: how many drives of 8 s; reason: how many scenes."""
    backend: tuple[Literal["numpy", "compiled", "torch", "torch-compiled"], ...] = ()
    """sim: what steps the worlds; numpy, and compiled where numba is, if none is named."""
    place: tuple[str, ...] = ()
    """sim: maps to compare, town or files, with 64 and 4096 worlds on each."""
    driver: str = DEFAULT_DRIVER
    """decide: whose decisions."""
    model: str = ""
    """reason: a model's folder, or a name under models/; the shipped one otherwise."""
    depth: int | None = None
    """reason: random weights of this depth in place of a model."""

    def run(self, overrides: Sequence[str]) -> int:
        """Measure and print."""
        with progress_bar() as bar:
            task = bar.add_task("", total=None, doing="measuring")
            if self.what == "sim":
                from whyway.bench import bench_world
                from whyway.worlds.sim.bench import bench_scaling, bench_sim

                no_dials(overrides)
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
            elif self.what == "metrics":
                from whyway.evaluate.bench import bench_metrics

                no_dials(overrides)
                agents = 64 if self.agents is None else self.agents
                results = bench_metrics(
                    self.scenes, objects=agents, progress=lambda n: bar.update(task, completed=n)
                )
            elif self.what == "reason":
                results = self._reason(overrides, lambda n: bar.update(task, completed=n))
            else:
                from whyway.bench import bench_decide

                agents = 30 if self.agents is None else self.agents
                results = bench_decide(
                    load(None, overrides),
                    agents,
                    progress=lambda s: bar.update(task, completed=s),
                    driver=self.driver,
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
            out_console.print(table)
        return OK

    def _reason(
        self, overrides: Sequence[str], progress: Callable[[int], None]
    ) -> list[dict[str, Any]]:
        from whyway.bench import bench_reason, scenes_of_drives
        from whyway.bench.reason import RandomModel
        from whyway.reason.checkpoint import load_model

        model = load_model(self.model) if self.depth is None else RandomModel.of(self.depth)
        agents = 10 if self.agents is None else self.agents
        golden = scenes_of_drives(load(None, overrides), self.scenes, least_objects=agents)
        return bench_reason(model, golden, progress=progress)


@dataclass(frozen=True)
class Messages:
    """Render the .msg files of whyway_msgs from types.py."""

    check: bool = False
    """Only say whether the committed files are up to date."""

    def run(self, overrides: Sequence[str]) -> int:
        """Render or compare."""
        no_dials(overrides)
        if self.check:
            stale = schemas.stale()
            for line in stale:
                err_console.print(line)
            return NO if stale else OK
        for name in schemas.render():
            out_console.print(f"rendered {name}")
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
                out_console.print(f"{name}={value}")
            return OK
        no_dials(overrides)
        found = checks.examine()
        table = Table("what", "found", "", box=None)
        for c in found:
            mark = "[green]ok" if c.ok else ("[yellow]optional" if c.optional else "[red]missing")
            table.add_row(
                c.what,
                c.found,
                mark + (f"[/]  mend: {escape(c.mend)}" if c.mend and not c.ok else ""),
            )
        out_console.print(table)
        return OK if all(c.ok or c.optional for c in found) else NO
