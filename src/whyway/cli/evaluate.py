"""`whyway evaluate`: a suite of drives and its summary."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whyway.cli.common import err_console, out_console, short_name, writable
from whyway.config import load
from whyway.driver import driver_config


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
        from whyway.evaluate.suites.run import evaluate
        from whyway.evaluate.suites.summary import summary_table

        config = driver_config(self.driver, load(self.config, overrides))
        out = self.out or Path("out/evaluate") / f"{short_name(str(self.suite))}-{self.driver}"
        writable(out)
        summary, code = evaluate(
            self.suite,
            self.driver,
            self.seeds,
            self.jobs,
            out,
            drive,
            config,
            provenance(),
            err_console,
        )
        out_console.print(summary_table(summary))
        out_console.print(f"\n{out / 'summary.json'}\n{out / 'report.html'}")
        return code
