"""Many drives, some processes or machines -> a data set: a shard a drive, `manifest.json` and `card.md`.

    DIR/shards/<drive>.parquet     the keyframes of one drive
    DIR/manifest.json              versions, recipe, every shard with its SHA-256, counts, what failed
    DIR/card.md                    the same for people

A run that is killed goes on where it was: a shard that is there, made by the same recipe, versions and code, is not made again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from whyway.config import Config, config_hash, override, override_texts
from whyway.data.card import render_card
from whyway.data.job import DataJob, known, make_job
from whyway.data.manifest import CARD, MANIFEST
from whyway.data.recipe import EXPERT, SPLITS, DataError, Recipe, read_seeds
from whyway.data.schema import Versions
from whyway.data.shard import TABLES
from whyway.driver import driver_config, driver_kind
from whyway.evaluate.suites.drives_of import Item, drives_of, find_suite
from whyway.evaluate.suites.pools import Outcome, Pool, processes
from whyway.evaluate.suites.schema import Row, Suite
from whyway.files import write_atomically
from whyway.types import InputError
from whyway.worlds.scenes.family_read import find_family

WRITTEN_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made.

    Attributes:
      worlds: "town", "families" or another suite, folders of scenes, route files, anything `whyway drive --world` takes; with seeds of
        its own as "town=1000..1099".
      seeds: every other world is driven with each; a suite's own seeds are not used.
      out: folder of the data set.
      recipe: who drives and what is kept.
      config: the tree that a suite's dials are laid over.
      overrides: dials laid over those, as `key=value`.
      provenance: where it comes from (git, versions).
      any_code: keep shards that other code of the package made.
    """

    worlds: tuple[str, ...]
    seeds: tuple[int, ...]
    out: Path
    recipe: Recipe = field(default_factory=Recipe)
    config: Config = field(default_factory=Config)
    overrides: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    any_code: bool = False


def make_data(
    order: Order, pool: Pool | int = 1, console: Console | None = None
) -> tuple[dict[str, Any], bool]:
    """Make a data set, or what is missing of it.

    Args:
      order: what.
      pool: where: a number of processes, or another pool.
      console: where progress is shown.

    Returns:
      The manifest, and whether there are drives and none crashed. A world that cannot be (a map without a place for a family) is no
      crash.

    Raises:
      DataError: nothing to drive, or the folder holds another data set.
      InputError: no such suite or driver.
      KeyboardInterrupt: after the manifest of what is there was written.
    """
    if isinstance(pool, int) and pool < 1:
        raise DataError(f"--jobs {pool}: at least 1")
    jobs = jobs_of(order)
    (order.out / "shards").mkdir(parents=True, exist_ok=True)
    state = _State(order, jobs)
    left = state.take_known()
    try:
        _run(state, left, processes(pool) if isinstance(pool, int) else pool, console)
    finally:
        manifest = state.write()
    crashed = any(entry["crashed"] for entry in manifest["failed"])
    return manifest, bool(manifest["shards"]) and not crashed


def jobs_of(order: Order) -> tuple[DataJob, ...]:
    """Every drive of an order, the longest names apart from one another.

    Raises:
      DataError: two drives of one name, or none.
    """
    found: dict[str, DataJob] = {}
    model = _model_sha256(order)
    for item in (i for world in order.worlds for i in _items(world, order.seeds)):
        config = order.config
        for dials in item.dials:
            config = override(config, dials, "set")
        config = driver_config(order.recipe.driver, override_texts(config, order.overrides))
        if item.name in found:
            raise DataError(f"--worlds: two drives are called {item.name!r}; name each world once")
        found[item.name] = make_job(item, order.recipe, config, order.out, model)
    if not found:
        raise DataError("--worlds: names nothing to drive; give town, families or a folder of scenes")  # fmt: skip
    return tuple(found.values())


def _model_sha256(order: Order) -> str:
    """Of the weights that drive; empty for a driver without any."""
    driver = order.recipe.driver
    if not driver_kind(driver).learnt:
        return ""
    from whyway.reason.checkpoint import load_model

    config = driver_config(driver, override_texts(order.config, order.overrides))
    return load_model(config.reason.model).weights_sha256


def _items(world: str, seeds: tuple[int, ...]) -> tuple[Item, ...]:
    """The drives of one word of `--worlds`."""
    name, equals, own = world.rpartition("=")
    if equals and not Path(world).exists():
        world, seeds = name, read_seeds(own)
    path = Path(world)
    if world == "town" or world.startswith("family:"):
        if world != "town":
            find_family(world.removeprefix("family:").partition("@")[0])  # a wrong name is told now
        suite, path = Suite(rows=(Row(world=(world,)),)), Path("suite")
    else:
        suite = find_suite(path)
    rows = tuple(dataclasses.replace(row, seeds=()) for row in suite.rows)
    return drives_of(dataclasses.replace(suite, rows=rows, seeds=seeds), path, seeds=1)


class _State:
    """A data set on its way: what is there, and what could not be made."""

    def __init__(self, order: Order, jobs: Sequence[DataJob]) -> None:
        self._order, self.jobs = order, jobs
        self.entries: dict[str, dict[str, Any]] = {}
        self._failed: dict[str, dict[str, Any]] = {}

    @property
    def rows(self) -> int:
        """Keyframes by now."""
        return sum(entry["rows"] for entry in self.entries.values())

    @property
    def failures(self) -> int:
        """Drives that could not be."""
        return len(self._failed)

    def take_known(self) -> list[DataJob]:
        """Take the shards that are there already; the jobs that are left."""
        left = []
        for job in self.jobs:
            entry = known(job, self._order.any_code)
            if entry is None:
                left.append(job)
            else:
                self.entries[job.name] = entry
        return left

    def take(self, job: DataJob, outcome: Outcome) -> str:
        """Note what came of a job; a few words about it."""
        if not isinstance(outcome, BaseException):
            self.entries[job.name] = outcome
            return f"{outcome['rows']} keyframes"
        crashed = not isinstance(outcome, InputError)
        text = " ".join(f"{type(outcome).__name__}: {outcome}".split())[:300]
        self._failed[job.name] = {"name": job.name, "crashed": crashed, "why": text}
        if crashed:
            path = self._order.out / "shards" / f"{job.name}.error.txt"
            write_atomically(path, "".join(traceback.format_exception(outcome)))
        return text

    def write(self) -> dict[str, Any]:
        """Put manifest and card where everybody looks for them."""
        manifest = self.manifest()
        out = self._order.out
        write_atomically(out / CARD, render_card(manifest))
        write_atomically(out / MANIFEST, json.dumps(manifest, indent=1, allow_nan=False) + "\n")
        return manifest

    def manifest(self) -> dict[str, Any]:
        """All that is known of the data set, as `manifest.json` has it."""
        order, shards = self._order, [self.entries[j.name] for j in self.jobs if j.name in self.entries]  # fmt: skip
        told = "\n".join(sorted(f"{s['file']} {s['sha256']}" for s in shards))
        done = len(shards) + len(self._failed)
        return {
            "data_sha256": hashlib.sha256(told.encode()).hexdigest(),
            "state": "complete" if done == len(self.jobs) else "interrupted",
            "versions": Versions.ours().to_json(),
            "worlds": list(order.worlds),
            "seeds": sorted({j.item.seed for j in self.jobs}),
            "recipe": dataclasses.asdict(order.recipe) | {"label": EXPERT},
            "config_hash": config_hash(driver_config(order.recipe.driver, override_texts(order.config, order.overrides))),
            "overrides": list(order.overrides),
            "provenance": dict(order.provenance),
            "codes": sorted({s["code"] for s in shards}),
            "drives": {"wanted": len(self.jobs), "made": len(shards), "failed": len(self._failed)},
            "rows": {split: sum(s["rows"] for s in shards if s["split"] == split) for split in SPLITS},
            "cycles": sum(s["cycles"] for s in shards),
            "tables": {split: _sums([s["tables"] for s in shards if s["split"] == split]) for split in SPLITS},
            "unsayable": _sums([{"": s["unsayable"]} for s in shards], [""])[""],
            "failed": [self._failed[j.name] for j in self.jobs if j.name in self._failed],
            "shards": shards,
        }  # fmt: skip


def _sums(
    tables: Sequence[Mapping[str, Mapping[str, int]]], names: Sequence[str] = TABLES
) -> dict[str, dict[str, int]]:
    """Tables of counts, added up; the largest count first."""
    found: dict[str, dict[str, int]] = {}
    for name in names:
        total: dict[str, int] = {}
        for table in tables:
            for key, count in table[name].items():
                total[key] = total.get(key, 0) + count
        found[name] = dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
    return found


# --------------------------------------------------------------------------------------------------------- progress


def _run(state: _State, jobs: Sequence[DataJob], pool: Pool, console: Console | None) -> None:
    if not jobs:
        return
    written_s = time.monotonic()
    with _shown(state, console) as show, closing(pool(jobs)) as outcomes:
        for job, outcome in outcomes:
            show(f"{job.name}: {state.take(job, outcome)}")
            if time.monotonic() - written_s > WRITTEN_EVERY_S:
                state.write()
                written_s = time.monotonic()


@contextmanager
def _shown(state: _State, console: Console | None) -> Iterator[Any]:
    """A bar: drives, keyframes, what could not be made, the last one."""
    with Progress(
        BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[told]}"), TextColumn("{task.fields[last]}", markup=False), console=console,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=len(state.jobs), completed=len(state.entries), told="", last="starting")  # fmt: skip

        def show(last: str) -> None:
            told = f"{state.rows} keyframes" + (f", [red]{state.failures} failed[/]" if state.failures else "")  # fmt: skip
            bar.update(task, advance=1, told=told, last=last[:70])

        yield show
