"""`whyway realism`: how real simulated traffic is, by WOSAC 2025's meta-metric, on recorded scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from whyway.cli.common import OK, out_console, progress_bar
from whyway.config import load
from whyway.types import InputError


@dataclass(frozen=True)
class Realism:
    """Simulate on from the first second of recorded CommonRoad scenes, and score how likely the recording was.

    Any dial of the traffic can follow as --key=value, e.g. --sim.traffic.idm.b_mps2=3.
    """

    scenes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """CommonRoad files (.xml, .xml.gz), or folders to search through."""
    traffic: tuple[str, ...] = ("log", "paths", "lanes", "constant_velocity", "noise")
    """log: the recording itself; paths: our car following on the recorded paths; lanes: our traffic; and two baselines."""
    rollouts: int = 32
    """Of each scene."""
    json: bool = False
    """Print JSON."""

    def run(self, overrides: Sequence[str]) -> int:
        """Simulate and score."""
        from whyway.evaluate.metrics.wosac import VERSION, mean_realism
        from whyway.evaluate.traffic.realism import check_traffic, traffic_realism

        config = load(None, overrides)
        files = self._files()
        check_traffic(self.traffic)
        rows: list[dict[str, Any]] = []
        with progress_bar() as bar:
            task = bar.add_task("", total=len(files) * len(self.traffic), doing="simulating")
            for name in self.traffic:
                bar.update(task, doing=name)
                scores = []
                for file in files:
                    scores += traffic_realism([file], name, config, self.rollouts)
                    bar.advance(task)
                rows.append(
                    {"traffic": name, "scenes": len(scores), **mean_realism(scores).metrics()}
                )
        if self.json:
            print(
                json.dumps(
                    {"version": VERSION, "rollouts": self.rollouts, "results": rows}, indent=1
                )
            )
            return OK
        out_console.print(
            _table(rows, f"{VERSION} over {len(files)} scenes, {self.rollouts} rollouts")
        )
        return OK

    def _files(self) -> list[Path]:
        if not 1 <= self.rollouts <= 256:
            raise InputError(f"--rollouts {self.rollouts}: give 1 to 256")
        found: list[Path] = []
        for path in self.scenes:
            found += sorted(p for p in path.rglob("*.xml*")) if path.is_dir() else [path]
        if not found:
            raise InputError("no scenes: give CommonRoad files, or folders that hold some")
        return found


def _table(rows: Sequence[dict[str, Any]], title: str) -> Table:
    """A column per kind of traffic: likelihoods in [0, 1], 1 is best; then displacements and rates."""
    table = Table("likelihood", *(row["traffic"] for row in rows), box=None, title=title)
    for key in rows[0]:
        if key.startswith("wosac_") and key != "wosac_version":
            name = key.removeprefix("wosac_").removesuffix("_likelihood").replace("_", " ")
            style = "bold" if key == "wosac_meta" else None
            table.add_row(name, *(f"{row[key]:.3f}" for row in rows), style=style)
    return table
