"""`whyway faults`: drive under faults, score against severity, and see whether safety keeps its promises."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape

from whyway.cli.common import NO, OK, err_console, out_console, progress_bar, writable
from whyway.config import config_hash, load
from whyway.driver import DEFAULT_DRIVER, driver_config
from whyway.types import InputError


@dataclass(frozen=True)
class Faults:
    """Drive every world of a suite without and with each of its faults: lost, late and frozen sensors, odometry that jumps or drifts,
    a clock that leaps, a slow reasoner.

    Exit code 1 if a promise of safety is broken: harm caused by a fault, or no fallback within its deadline. Writes faults.json, faults.svg,
    faults.md and the logs of drives that broke a promise. Dials can follow as --key=value.
    """

    suite: Path | None = None
    """YAML of worlds and faults; the package's own otherwise."""
    driver: str = DEFAULT_DRIVER
    """rules, microgpt, constant_velocity or idm."""
    only: tuple[str, ...] = ()
    """Only these faults: kinds or beginnings of their names, e.g. late freeze:odometry."""
    scenes: int | None = None
    """Only so many of the suite's scenes."""
    jobs: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    """Processes."""
    out: Path = Path("out/faults")
    """Folder of the results."""
    config: Path | None = None
    """YAML with dials to set."""
    json: bool = False
    """Print the summary as JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive, judge, sum up."""
        from whyway.drives import provenance
        from whyway.evaluate.faults.picture import picture
        from whyway.evaluate.faults.run import run
        from whyway.evaluate.faults.suite import read_suite
        from whyway.evaluate.faults.table import lines, markdown, table
        from whyway.files import write_atomically

        if self.jobs < 1 or (self.scenes is not None and self.scenes < 1):
            raise InputError("--jobs and --scenes must be at least 1")
        config = driver_config(self.driver, load(self.config, overrides))
        suite = read_suite(self.suite).chosen(self.only, self.scenes)
        writable(self.out)
        told = {
            "suite": str(self.suite or "faults"),
            "config_hash": config_hash(config),
            **provenance(),
        }
        with progress_bar() as bar:
            task = bar.add_task("", total=None, doing="starting")
            summary = run(
                suite, self.driver, config, self.out, self.jobs, told,
                lambda done, of, last: bar.update(task, total=of, completed=done, doing=escape(last[:100])),
            )  # fmt: skip
        write_atomically(self.out / "faults.json", json.dumps(summary, indent=1) + "\n")
        if summary["points"]:
            write_atomically(self.out / "faults.svg", picture(summary))
            write_atomically(self.out / "faults.md", markdown(summary))
        bad = bool(summary["broken"] or summary["errors"])
        if self.json:
            print(json.dumps(summary, indent=1))
        elif summary["points"]:
            out_console.print(table(summary))
        for line in lines(summary):
            (err_console if self.json else out_console).print(
                f"[red]{escape(line)}"
                if bad and line.startswith(("BROKEN", "ERROR"))
                else escape(line),
                soft_wrap=True,
            )
        if not self.json:
            out_console.print(
                f"\n{self.out / 'faults.json'}\n{self.out / 'faults.svg'}", soft_wrap=True
            )
        return NO if bad else OK
