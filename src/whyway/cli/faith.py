"""`whyway faith`: are a driver's words the causes of what it does? A suite, driven and tested, and its scorecard."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from whyway.cli.common import cores, err_console, out_console, short_name, writable
from whyway.config import load


@dataclass(frozen=True)
class Faith:
    """Test whether a driver's words are causes: drive a suite, edit scenes and words in its logs, and see what follows.

    Writes scorecard.json and what whyway evaluate writes, report.html with the scorecard in it; goes on where it was interrupted.
    Dials can follow as --key=value. Exit code 1: a drive failed to run or to be tested, or a target is missed.
    """

    suite: Path
    """As for whyway evaluate."""
    driver: str | None = None
    """Whose words; the suite's first, or microgpt, otherwise."""
    seeds: int = 1
    """Every scene is driven with seeds 1 to this, unless the suite says which."""
    every: int = 10
    """Every so many decisions one is tested; 10: once a second."""
    removals: int = 8
    """At most so many objects that are not cited are taken away from each scene tested, one at a time."""
    samples: int = 4
    """So often a learnt reasoner is asked what else it might have said."""
    shuffled: bool = True
    """Drive with the words of other scenes, too: what the words are worth."""
    jobs: int = field(default_factory=cores)
    """Processes of this machine."""
    out: Path | None = None
    """Folder of the results; out/faith/<suite>-<driver> otherwise."""
    config: Path | None = None
    """YAML with dials to set."""
    json: bool = False
    """Print scorecard.json instead of a table."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive, test, sum up."""
        from whyway.drives import drive, provenance
        from whyway.evaluate.faithfulness.probe import Dials
        from whyway.evaluate.faithfulness.run import FILE, faith
        from whyway.evaluate.suites.run import Order

        dials = Dials(self.every, self.removals, self.samples)
        config = load(self.config)
        load(self.config, overrides)  # a wrong dial is told before anything starts
        out = (self.out or self._folder()).resolve()
        order = Order(
            self.suite, out, drive, self.driver, None, self.seeds, config, tuple(overrides), provenance()
        )  # fmt: skip
        writable(out)
        card, code = faith(
            order, dials, shuffled=self.shuffled, jobs=self.jobs, console=err_console
        )
        if self.json:
            sys.stdout.write(json.dumps(card) + "\n")
        else:
            out_console.print(scorecard_table(card))
            out_console.print(f"{out / FILE}\n{out / 'report.html'}", soft_wrap=True)
        return code

    def _folder(self) -> Path:
        return Path("out/faith") / f"{short_name(str(self.suite))}-{self.driver or 'default'}"


def scorecard_table(card: Mapping[str, Any]) -> Table:
    """A line for every metric that was measured."""
    from whyway.evaluate.faithfulness.scorecard import METRICS
    from whyway.evaluate.suites.measures import label

    summary, targets = card["summary"], {t["metric"]: t for t in card["targets"]}
    failed = sum("error" in s for s in card["scenes"])
    title = f"{card['driver']}: {len(card['scenes'])} drives" + (f", {failed} failed" if failed else "")  # fmt: skip
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name, justify in (("", "left"), ("value", "right"), ("95 %", "right"), ("of", "right"), ("target", "right"), ("", "left")):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for metric in METRICS:
        value, target = summary[metric.name], targets.get(metric.name)
        if value is None and target is None:
            continue
        low, high = summary["intervals"][metric.name]
        asked, met = "", ""
        if target is not None:
            asked = (
                f">= {target['min']:g}" if target["min"] is not None else f"<= {target['max']:g}"
            )
            met = {True: "[green]met[/]", False: "[red]missed[/]", None: "[dim]not measured[/]"}[target["met"]]  # fmt: skip
        interval = "" if low is None or high is None else f"{low:.3g} .. {high:.3g}"
        shown = "–" if value is None else f"{value:.4g}"
        table.add_row(
            escape(label(metric.name)), shown, interval, str(summary["n"][metric.name]), asked, met
        )
    return table
