"""The streaming loader: keyframes of data sets in batches, shuffled by seed, shared out among processes, a bounded part in memory.

    data = open_data(Path("out/data"))
    for keyframes in data.batches("train", 64, seed=0): ...         # for ever
    for keyframes in data.sweep("val", 64): ...                     # once, unchanged

An epoch's order follows from its seed alone: shards are shuffled and joined, each process takes its share of the rows, a pool of which
is in memory at a time; a pool's rows are shuffled, and cut into batches of like lengths. Every row comes exactly once an epoch, and all
processes have equally many batches. Workers are processes, too: worker w of W in rank r of R is rank r W + w of R W.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.augment import NOTHING, USUAL, Augment, Keyframes, augmented
from training.tables import COLUMNS, Table, lessons_of, read_shard, table_of
from whyway.data.manifest import read_manifest
from whyway.data.recipe import SPLITS, DataError
from whyway.data.schema import Versions

POOL = 8192
"""Rows in memory, about 16 kB each; more mix better."""
ALIKE = 8
"""Batches that are sorted by length among themselves, so that a batch has little padding; 1: none are."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of a data set."""

    path: Path
    sha256: str
    rows: int
    split: str


def open_data(*folders: Path) -> Data:
    """Data sets that `whyway data make` wrote, as one.

    Raises:
      DataError: one is not there, damaged, or of other versions.
    """
    if not folders:
        raise DataError("no data set named; give the folder that whyway data make wrote")
    manifests = [read_manifest(folder) for folder in folders]
    shards = tuple(
        Shard(folder / s["file"], s["sha256"], s["rows"], s["split"])
        for folder, manifest in zip(folders, manifests, strict=True)
        for s in manifest["shards"]
        if s["rows"]
    )
    told = [m["data_sha256"] for m in manifests]
    sha256 = told[0] if len(told) == 1 else hashlib.sha256("\n".join(told).encode()).hexdigest()
    return Data(shards, sha256, Versions.ours().feature_counts)


@dataclass(frozen=True, slots=True)
class Data:
    """Keyframes to train on.

    Attributes:
      shards: files, of both splits.
      sha256: of everything.
      feature_counts: as `ModelSpec` wants them.
    """

    shards: tuple[Shard, ...]
    sha256: str
    feature_counts: tuple[tuple[str, int], ...]

    def rows(self, split: str) -> int:
        """Keyframes of a split."""
        return sum(shard.rows for shard in self._of(split))

    def steps(self, split: str, batch_size: int, world: int = 1) -> int:
        """Batches an epoch, in each process."""
        least, most = self.rows(split) // world, -(-self.rows(split) // world)
        return min(-(-most // batch_size), least)

    def batches(
        self, split: str, batch_size: int, *, seed: int, start: int = 0, rank: int = 0, world: int = 1,
        augment: Augment = USUAL,
    ) -> Iterator[Keyframes]:  # fmt: skip
        """Batches for ever, epoch after epoch.

        Args:
          split: "train" or "val".
          batch_size: so many keyframes each, one less or more where that evens it out.
          seed: of order and augmentation.
          start: how many batches to leave out: a run that goes on gets the ones it would have got.
          rank: which of `world` processes this is.
          world: how many there are.
          augment: how keyframes are changed.
        """
        steps = self.steps(split, batch_size, world)
        if not steps:
            raise DataError(f"the data set has no keyframes of {split}; make one with more seeds")
        while True:
            epoch, skip = divmod(start, steps)
            yield from self.epoch(
                split, batch_size, seed=seed, epoch=epoch, skip=skip, rank=rank, world=world, augment=augment,
            )  # fmt: skip
            start += steps - skip

    def epoch(
        self, split: str, batch_size: int, *, seed: int, epoch: int = 0, skip: int = 0, rank: int = 0, world: int = 1,
        augment: Augment = USUAL, pool: int = POOL,
    ) -> Iterator[Keyframes]:  # fmt: skip
        """The batches of one epoch; every row of the split in exactly one of one process."""
        rng = np.random.default_rng([seed, epoch, 0x5EED])
        shards = self._of(split)
        order = [shards[i] for i in rng.permutation(len(shards))]
        tables = _tables(order, _share(sum(s.rows for s in order), rank, world))
        own = np.random.default_rng([seed, epoch, rank, world])
        sizes = _sizes(*_share(self.rows(split), rank, world), self.steps(split, batch_size, world))
        for k, table in enumerate(_batches(tables, sizes, pool, own)):
            if k >= skip:
                drawn = np.random.default_rng([seed, epoch, rank, world, k])
                yield augmented(table, augment, drawn)

    def sweep(
        self, split: str, batch_size: int, *, most: int | None = None, rank: int = 0, world: int = 1
    ) -> Iterator[Keyframes]:
        """Every keyframe once, unchanged, always the same way; or the first `most` batches, which are drawn from all over."""
        found = self.epoch(split, batch_size, seed=0, rank=rank, world=world, augment=NOTHING)
        for k, keyframes in enumerate(found):
            if most is not None and k >= most:
                return
            yield keyframes

    def lessons(
        self, split: str, most: int | None = None, seed: int = 0
    ) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """The waypoint head's lessons in memory: inputs (n, HEAD_INPUT_SIZE) and speeds (n, KNOTS) [m/s].

        Args:
          split: "train" or "val".
          most: so many at most, of shards drawn at random; None: all.
          seed: draws.
        """
        shards, inputs, speeds, count = self._of(split), [], [], 0
        for i in np.random.default_rng(seed).permutation(len(shards)):
            columns = ("head_views", "head_inputs", "head_speeds")
            read, taught = lessons_of(read_shard(shards[i].path, shards[i].sha256, columns))
            inputs.append(read)
            speeds.append(taught)
            count += len(read)
            if most is not None and count >= most:
                break
        if not count:
            raise DataError(f"the data set has no lessons of {split}; make one with more seeds")
        return np.concatenate(inputs)[:most], np.concatenate(speeds)[:most]

    def _of(self, split: str) -> list[Shard]:
        if split not in SPLITS:
            raise DataError(f"no split {split!r}; there are {' and '.join(SPLITS)}")
        return [shard for shard in self.shards if shard.split == split]


def _share(rows: int, rank: int, world: int) -> tuple[int, int]:
    """First row of a process, and the one behind its last."""
    assert 0 <= rank < world, f"rank {rank} of {world}"
    return rows * rank // world, rows * (rank + 1) // world


def _sizes(first: int, behind: int, steps: int) -> list[int]:
    """Sizes of a process's batches: as even as can be, so that all processes have equally many."""
    return [len(part) for part in np.array_split(np.arange(behind - first), steps)] if steps else []


def _tables(order: Sequence[Shard], share: tuple[int, int]) -> Iterator[Table]:
    """The tables of a share of the rows of joined shards."""
    first, behind = share
    at = 0
    for shard in order:
        low, high = max(first - at, 0), min(behind - at, shard.rows)
        if low < high:
            table = table_of(read_shard(shard.path, shard.sha256, COLUMNS))
            assert len(table) == shard.rows, f"{shard.path}: {len(table)} rows, not {shard.rows}"
            yield table if (low, high) == (0, shard.rows) else table.take(slice(low, high))
        at += shard.rows


def _batches(
    tables: Iterator[Table], sizes: Sequence[int], pool: int, rng: np.random.Generator
) -> Iterator[Table]:
    """Batches of these sizes: pools of rows, shuffled; what is left of one pool is mixed into the next."""
    waiting: list[Table] = []
    done = 0
    for table in tables:
        waiting.append(table)
        held = sum(map(len, waiting))
        last = done + held >= sum(sizes)
        if held < pool and not last:
            continue
        fill = _next(sizes, done, held)
        if not fill:
            continue
        joined = Table.joined(waiting)
        mixed, cuts = rng.permutation(held), np.cumsum(fill)
        for index in _alike(mixed[: cuts[-1]], np.split(np.arange(cuts[-1]), cuts[:-1]), joined.lengths, rng):  # fmt: skip
            yield joined.take(index)
        done += int(cuts[-1])
        waiting = [joined.take(mixed[cuts[-1] :])] if cuts[-1] < held else []


def _next(sizes: Sequence[int], done: int, rows: int) -> list[int]:
    """The sizes of the batches after `done` rows that `rows` rows fill."""
    ends = np.cumsum(sizes)
    return [s for s, end in zip(sizes, ends, strict=True) if done < end <= done + rows]


def _alike(
    rows: NDArray[np.int64], parts: Sequence[NDArray[np.int64]], lengths: NDArray[Any], rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:  # fmt: skip
    """Batches of rows, each of like lengths, in random order.

    Args:
      rows: shuffled.
      parts: places in `rows`, batch by batch.
      lengths: of every row.
      rng: draws.
    """
    found = []
    for at in range(0, len(parts), ALIKE):
        some = parts[at : at + ALIKE]
        window = rows[some[0][0] : some[-1][-1] + 1]
        window = window[np.argsort(lengths[window], kind="stable")]
        found += np.split(window, np.cumsum([len(p) for p in some])[:-1])
    for i in rng.permutation(len(found)):
        yield found[i]
