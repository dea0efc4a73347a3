"""`whyway data`: make data sets to learn from, and look into them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from whyway.cli.common import NO, OK, cores, err_console, no_dials, out_console, writable
from whyway.config import load
from whyway.types import InputError

if TYPE_CHECKING:
    from whyway.evaluate.suites.pools import Pool


def _needs_pyarrow() -> None:
    if find_spec("pyarrow") is None:
        raise InputError("whyway data needs: pip install 'whyway[train]'")


@dataclass(frozen=True)
class Make:
    """Drive many worlds and write the keyframes as Parquet, labelled by the rule expert.

    Writes shards/, manifest.json and card.md; goes on where it was interrupted. Dials can follow as --key=value. Exit code 1: a drive
    crashed.
    """

    out: Path
    """Folder of the data set."""
    worlds: tuple[str, ...] = ("families", "town")
    """town, families or another suite, folders of CommonRoad scenes, leaderboard routes (.xml), or family:NAME@MAP; with seeds of its own
    as town=1000..1099."""
    seeds: str = "1000..1039"
    """Every other world is driven with each: 1000..1039, or 1000,1003. 1 to 100 are kept for judging."""
    jobs: int = field(default_factory=cores)
    """Processes of this machine."""
    ray: str | None = None
    """Drive on a Ray cluster instead: its address, auto, or local. Needs whyway[ray], and --out on a file system that its nodes share."""
    driver: str = "rules"
    """Who drives; rules is the expert itself."""
    label: Literal["rules"] = "rules"
    """Who says what should be said: from what the driver sees and remembers (DAgger)."""
    keyframes_per_s: float = 2.5
    """At most, over each stretch of a drive; fewer where nothing happens."""
    removed: float = 0.3
    """Share of the keyframes that are there again without something they cite, labelled anew."""
    edits: int = 2
    """Edited views for the waypoint head beside the one that was said."""
    mix: float = 0.0
    """Share of the time in which the expert drives instead of the driver."""
    disturb: float = 0.0
    """Share of the time in which the command is disturbed, so that coming back can be learnt."""
    seed: int = 0
    """Of everything drawn that is not the world's."""
    any_code: bool = False
    """Keep shards of an interrupted run that other code of this package made."""
    config: Path | None = None
    """YAML with dials to set."""
    json: bool = False
    """Print manifest.json without its shards instead of a summary."""

    def run(self, overrides: Sequence[str]) -> int:
        """Drive and write."""
        _needs_pyarrow()
        from whyway.data.make import Order, make_data
        from whyway.data.recipe import Recipe, read_seeds
        from whyway.drives import provenance

        recipe = Recipe(
            self.driver, self.keyframes_per_s, self.removed, self.edits, self.mix, self.disturb, self.seed
        )  # fmt: skip
        config, out = load(self.config), self.out.resolve()
        load(self.config, overrides)  # a wrong dial is told before anything starts
        order = Order(
            self.worlds, read_seeds(self.seeds), out, recipe, config, tuple(overrides), provenance(), self.any_code
        )  # fmt: skip
        writable(out)
        manifest, fine = make_data(order, self._pool(), err_console)
        if self.json:
            short = {name: value for name, value in manifest.items() if name != "shards"}
            sys.stdout.write(json.dumps(short) + "\n")
        else:
            rows, drives = manifest["rows"], manifest["drives"]
            told = ", ".join(f"{count:,} {split}" for split, count in rows.items())
            out_console.print(f"{told} keyframes of {drives['made']} of {drives['wanted']} drives")
            for failed in manifest["failed"][:10]:
                out_console.print(f"  {failed['name']}: {failed['why']}", markup=False)
            out_console.print(f"{out / 'card.md'}", soft_wrap=True)
        return OK if fine else NO

    def _pool(self) -> Pool | int:
        if self.ray is None:
            return self.jobs
        from whyway.evaluate.suites.ray_pool import ray_cluster

        return ray_cluster(self.ray)


@dataclass(frozen=True)
class Show:
    """Tell what a data set holds: its card, and some keyframes in words."""

    folder: Annotated[Path, tyro.conf.Positional]
    """That whyway data make wrote."""
    rows: int = 10
    """So many keyframes."""
    tokens: bool = False
    """Every token of each, by name."""
    seed: int = 0
    """Draws them."""

    def run(self, overrides: Sequence[str]) -> int:
        """Print."""
        no_dials(overrides)
        _needs_pyarrow()
        from rich.markdown import Markdown

        from whyway.data.card import render_card
        from whyway.data.manifest import read_manifest
        from whyway.data.show import drawn_rows, tokens_in_words, told

        out_console.print(Markdown(render_card(read_manifest(self.folder))))
        for row in drawn_rows(self.folder, self.rows, self.seed):
            out_console.print(told(row), markup=False, soft_wrap=True)
            for line in tokens_in_words(row) if self.tokens else ():
                out_console.print(f"    {line}", markup=False, soft_wrap=True)
        return OK


@dataclass(frozen=True)
class Data:
    """Make data sets to learn from, and look into them."""

    what: Annotated[
        Annotated[Make, tyro.conf.subcommand("make")]
        | Annotated[Show, tyro.conf.subcommand("show")],
        tyro.conf.arg(name=""),
    ]

    def run(self, overrides: Sequence[str]) -> int:
        """Run what was asked for."""
        return self.what.run(overrides)
