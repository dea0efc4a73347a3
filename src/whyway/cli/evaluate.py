"""`whyway evaluate`: a suite of drives and its summary."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from whyway.cli.common import cores, err_console, out_console, short_name, writable
from whyway.config import load

if TYPE_CHECKING:
    from whyway.evaluate.suites.pools import Pool


@dataclass(frozen=True)
class Evaluate:
    """Drive and judge every scene of a suite, and compare with a baseline.

    Writes a log and a report for every drive, report.html and summary.json; goes on where it was interrupted. Dials can follow as
    --key=value. Exit code 1: a drive failed to run, or what the suite asks for is not met.
    """

    suite: Path
    """A suite's file (.yaml), one that comes along (families, held_out, faith, smoke), a folder of scenes or bags, or leaderboard routes (.xml)."""
    driver: str | None = None
    """microgpt, rules, idm, ...; the suite's first, or microgpt, otherwise."""
    baseline: str | None = None
    """Another driver, who drives the same; or the folder of an earlier run."""
    seeds: int = 1
    """Every scene is driven with seeds 1 to this, unless the suite says which."""
    jobs: int = field(default_factory=cores)
    """Processes of this machine."""
    ray: str | None = None
    """Drive on a Ray cluster instead: its address, auto, or local. Needs whyway[ray], and --out on a file system that its nodes share."""
    out: Path | None = None
    """Folder of the results; out/evaluate/<suite>-<driver> otherwise."""
    config: Path | None = None
    """YAML with dials to set."""
    json: bool = False
    """Print summary.json instead of tables."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive, judge, sum up."""
        from whyway.drives import drive, provenance
        from whyway.evaluate.suites.run import Order, evaluate
        from whyway.evaluate.suites.table import suite_table

        out = (self.out or self._folder()).resolve()
        config = load(self.config)
        load(self.config, overrides)  # a wrong dial is told before anything starts
        order = Order(
            self.suite, out, drive, self.driver, self.baseline, self.seeds, config, tuple(overrides), provenance()
        )  # fmt: skip
        writable(out)
        summary, code = evaluate(order, self._pool(), err_console)
        if self.json:
            sys.stdout.write(json.dumps(summary) + "\n")
        else:
            # what is not a terminal has room for everything
            width = out_console.width if out_console.is_terminal else 120
            out_console.print(suite_table(summary, width), width=width)
            out_console.print(f"\n{out / 'summary.json'}\n{out / 'report.html'}", soft_wrap=True)
        return code

    def _pool(self) -> Pool | int:
        if self.ray is None:
            return self.jobs
        from whyway.evaluate.suites.ray_pool import ray_cluster

        return ray_cluster(self.ray)

    def _folder(self) -> Path:
        against = f"-against-{short_name(self.baseline)}" if self.baseline else ""
        return (
            Path("out/evaluate")
            / f"{short_name(str(self.suite))}-{self.driver or 'default'}{against}"
        )
