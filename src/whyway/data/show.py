"""A look into a data set: drawn rows in words, with their tokens by name if wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from whyway.data.manifest import read_manifest
from whyway.data.shard import read_rows
from whyway.trace.slots import KIND_0, KINDS, LINE_0, OBJECT_0, REJECTED_0, SCENE_SLOT, Block
from whyway.trace.vocabulary import Field, token_name

WORDS = (
    "world", "seed", "stamp_ns", "split", "changed", "removed", "disturbed", "disagrees", "sentence", "cited",
    "object_ids", "line_kinds", "line_ids", "fields", "slots", "tokens", "blocks", "head_views",
)  # fmt: skip


def drawn_rows(folder: Path, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Some rows of a data set as plain values, drawn evenly from its shards.

    Raises:
      DataError: no data set, one of other versions, or a damaged shard.
    """
    shards = [s for s in read_manifest(folder)["shards"] if s["rows"]]
    if not shards:
        return
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(shards), size=count, p=_shares([s["rows"] for s in shards]))
    for i in sorted(chosen.tolist()):
        table = read_rows(folder / shards[i]["file"], WORDS)
        yield table.slice(int(rng.integers(len(table))), 1).to_pylist()[0]


def told(row: dict[str, Any]) -> str:
    """A row on one line: where and when, what is special, what is said."""
    tags = [tag for tag in ("changed", "removed", "disturbed", "disagrees") if row[tag]]
    where = f"{row['world']} {row['seed']}, {row['stamp_ns'] * 1e-9:.1f} s"
    special = f" [{', '.join(tags)}]" if tags else ""
    return f"{where}{special}: {row['sentence']} ({len(row['tokens'])} tokens, {len(row['object_ids'])} objects)"


def tokens_in_words(row: dict[str, Any]) -> Iterator[str]:
    """A row's trace, a line a block: every field, what it is about, and its value."""
    parts: dict[int, list[str]] = {}
    for field, slot, token, block in zip(
        *(row[name] for name in ("fields", "slots", "tokens", "blocks")), strict=True
    ):
        about = _about(slot, row)
        what = f"{Field(field).name.lower()}{' of ' + about if about else ''}: {token_name(token)}"
        parts.setdefault(block, []).append(what)
    for block, said in parts.items():
        yield f"{Block(block).name.lower()}: {'; '.join(said)}"


def _about(slot: int, row: dict[str, Any]) -> str:
    """What stands behind a slot, in a word or two."""
    if slot == SCENE_SLOT:
        return ""
    if slot >= REJECTED_0:
        return f"alternative {slot - REJECTED_0 + 1}"
    if slot >= KIND_0:
        return KINDS[slot - KIND_0].name.lower()
    if slot >= LINE_0:
        return f"line {row['line_ids'][slot - LINE_0]}"
    return f"object {row['object_ids'][slot - OBJECT_0]}"


def _shares(rows: list[int]) -> list[float]:
    return [n / sum(rows) for n in rows]
