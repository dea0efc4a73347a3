"""Write down what was said in the drives of a data set, for the reasoner that says it in others (`whyway.reason.shuffled`).

python -m training.other_words --data DATA
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
import yaml

from training.data import open_data
from training.tables import read_shard
from whyway.files import write_atomically
from whyway.reason.shuffled import FILE, as_text
from whyway.trace.slots import OBJECT_0, SCENE_SLOT
from whyway.trace.tokens import planning_of
from whyway.trace.vocabulary import NOT_CITED, Field
from whyway.types import InputError

COLUMNS = ("stamp_ns", "removed", "fields", "slots", "tokens")
LEAST = 12
"""A drive of fewer keyframes says too little."""


@dataclass(frozen=True)
class Options:
    """Write down the words of some drives of a data set."""

    data: Path
    """Folder that `whyway data make` wrote."""
    out: Path = FILE
    """Where to."""
    drives: int = 24
    """How many, drawn at random."""
    most: int = 25
    """Words of each; from its middle: at the beginning all drives are alike."""
    seed: int = 0
    """Draws."""


def main(options: Options) -> None:
    """Read shards until there are enough, write one file."""
    shards = open_data(options.data).shards
    found: dict[str, list[str]] = {}
    for i in np.random.default_rng(options.seed).permutation(len(shards)):
        words = words_of(read_shard(shards[i].path, shards[i].sha256, COLUMNS).to_pylist())
        if len(words) >= LEAST:
            first = max(len(words) - options.most, 0) // 2
            found[shards[i].path.stem] = words[first : first + options.most]
        if len(found) == options.drives:
            break
    head = f"# What was said in other scenes, keyframe by keyframe; drawn by training/other_words.py --seed {options.seed}\n"
    write_atomically(options.out, head + yaml.safe_dump(found, width=200))
    print(f"{options.out}: {sum(map(len, found.values()))} words of {len(found)} drives")


def words_of(rows: list[Mapping[str, Any]]) -> list[str]:
    """The words of a drive's keyframes, in order; those of scenes that were edited are left out."""
    real = sorted((r for r in rows if not r["removed"]), key=lambda r: r["stamp_ns"])
    return [_line(r) for r in real]


def _line(row: Mapping[str, Any]) -> str:
    positions = zip(row["fields"], row["slots"], strict=True)
    values = dict(zip(positions, row["tokens"], strict=True))
    cited = [
        slot - OBJECT_0
        for (field, slot), token in values.items()
        if field == Field.ROLE and token != NOT_CITED
    ]
    said = {Field(f): t for (f, slot), t in values.items() if slot == SCENE_SLOT}
    return as_text(planning_of(said), tuple(cited))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, prog="training.other_words", use_underscores=False))
    except InputError as error:
        sys.exit(f"training.other_words: {error}")
