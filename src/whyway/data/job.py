"""One drive of a data set, with everything needed to make its shard in another process or on another machine."""

from __future__ import annotations

import dataclasses
import json
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from whyway.config import Config, config_hash
from whyway.data.keyframes import Chosen, Gist, choose
from whyway.data.recipe import Recipe, split_of
from whyway.data.ride import Ride, Seen
from whyway.data.rows import Row, Rows
from whyway.data.schema import Versions
from whyway.data.shard import counted, file_sha256, read_footer, write_shard
from whyway.drives import provenance
from whyway.evaluate.suites.drives_of import Item
from whyway.evaluate.suites.job import code_hash, content_of, short_hash
from whyway.maps.manoeuvre import ego_path
from whyway.trace.integrity import decision_names
from whyway.trace.meta_actions import meta_actions
from whyway.trace.vocabulary import NotSayable
from whyway.worlds import make_world

STRETCH = 200
"""Cycles among which keyframes are chosen, and which are held in memory until they are."""


@dataclass(frozen=True, slots=True)
class DataJob:
    """One world with one seed. `key` is the same only for the same keyframes, if the code is; `out` is the data set's folder."""

    item: Item
    recipe: Recipe
    config: Config
    out: Path
    key: str

    @property
    def name(self) -> str:
        """As the item's."""
        return self.item.name

    @property
    def written(self) -> Path:
        """Its shard."""
        return self.out / "shards" / f"{self.name}.parquet"

    def do(self) -> dict[str, Any]:
        """Drive, and write the shard."""
        return make_shard(self)


def make_job(item: Item, recipe: Recipe, config: Config, out: Path, model: str = "") -> DataJob:
    """The job of an item; its key tells the world's files, seed, length, configuration, recipe and versions.

    Args:
      item: what is driven.
      recipe: who drives, and what is kept.
      config: of the driver, with the item's dials.
      out: folder of the data set.
      model: SHA-256 of the weights of a driver that has any.
    """
    parts = (
        Path(item.world).name, content_of(item.world), str(item.seed), str(item.duration_s), config_hash(config),
        json.dumps(dataclasses.asdict(recipe)), json.dumps(Versions.ours().to_json()), model,
    )  # fmt: skip
    return DataJob(item, recipe, config, out, short_hash("|".join(parts)))


def known(job: DataJob, any_code: bool) -> dict[str, Any] | None:
    """What is told of the shard of an earlier run of the very same drive.

    Args:
      job: whose.
      any_code: whether one that other code of the package made will do.
    """
    told = read_footer(job.written)
    if told is None or told.get("key") != job.key:
        return None
    if told.get("code") != code_hash() and not any_code:
        return None
    return _entry(job, told)


def make_shard(job: DataJob) -> dict[str, Any]:
    """Drive one world, keep its keyframes, write its shard. Runs in a process of its own.

    Returns:
      What the manifest says of the shard.
    """
    begun_s, item, recipe = time.perf_counter(), job.item, job.recipe
    rng = np.random.default_rng([recipe.seed, item.seed, zlib.crc32(job.name.encode())])
    world = make_world(item.world, item.seed, job.config, item.duration_s)
    ride = Ride(world, job.config, recipe, rng)
    which = {
        "world": world_name(item.world), "seed": item.seed, "split": split_of(item.world, item.seed), "driver": recipe.driver,
    }  # fmt: skip
    made = _Made(Rows(ride, which), recipe, rng)
    for stretch in _stretches(iter(ride)):
        made.keep(ride, stretch)
    told = {
        **which, "name": job.name, "key": job.key, "code": code_hash(), "git": _git(), "config_hash": config_hash(job.config),
        "versions": Versions.ours().to_json(), "rows": len(made.rows), "cycles": made.cycles,
        "tables": counted(made.rows) | {"driven": dict(sorted(made.driven.items()))},
        "unsayable": made.unsayable, "wall_s": round(time.perf_counter() - begun_s, 2),
    }  # fmt: skip
    write_shard(job.written, made.rows, told)
    return _entry(job, told)


class _Made:
    """The rows of one drive on its way."""

    def __init__(self, rows: Rows, recipe: Recipe, rng: np.random.Generator) -> None:
        self._maker, self._recipe, self._rng = rows, recipe, rng
        self.rows: list[Row] = []
        self.cycles = 0
        self.driven: Counter[str] = Counter()
        """Cycles by decision, kept or not."""
        self.unsayable: dict[str, int] = {}
        """What the vocabulary had no words for, and how often."""

    def keep(self, ride: Ride, stretch: list[Seen]) -> None:
        """The keyframes of a stretch, and some of them again without something cited."""
        self.cycles += len(stretch)
        gists = [gist(ride, seen) for seen in stretch]
        self.driven.update(name for g in gists for name in decision_names(g.decision))
        for chosen in choose(gists, self._recipe.keyframes_per_s, self._rng):
            try:
                self._keyframe(stretch[chosen.index], chosen)
            except NotSayable as missing:
                why = str(missing)
                self.unsayable[why] = self.unsayable.get(why, 0) + 1

    def _keyframe(self, seen: Seen, chosen: Chosen) -> None:
        self.rows.append(self._maker.row(seen, chosen.changed, self._recipe.edits, self._rng))
        if self._rng.random() < self._recipe.removed:
            other = self._maker.removed(seen, self._rng)
            self.rows += [] if other is None else [other]


def gist(ride: Ride, seen: Seen) -> Gist:
    """What decides whether a cycle is kept."""
    p, w = seen.label.planning, seen.plan.waypoints
    path = ego_path(ride.road, seen.scene.ego)
    done = None if path is None or len(w.t_s) < 2 else meta_actions(w, path)
    causes = frozenset((c.kind, c.id) for c in p.causes)
    cited = len(seen.label.perception.critical_objects)
    return Gist(p.decision, causes, done, cited, not seen.disagrees)


def world_name(world: str) -> str:
    """A world without the folders of its files: "family:cut_in@maps/Town04.xodr" -> "cut_in@Town04.xodr"."""
    return "@".join(Path(part).name for part in world.removeprefix("family:").split("@"))


def _stretches(cycles: Iterator[Seen]) -> Iterator[list[Seen]]:
    while stretch := list(islice(cycles, STRETCH)):
        yield stretch


def _entry(job: DataJob, told: dict[str, Any]) -> dict[str, Any]:
    file = job.written
    return told | {
        "file": file.relative_to(job.out).as_posix(), "bytes": file.stat().st_size, "sha256": file_sha256(file),
    }  # fmt: skip


@lru_cache(maxsize=1)
def _git() -> str:
    return str(provenance()["git"])
