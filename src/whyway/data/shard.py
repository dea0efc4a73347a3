"""A shard: the keyframes of one drive in one Parquet file, which is whole or not there and says in its footer what it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from whyway.data.recipe import DataError
from whyway.data.rows import Row
from whyway.data.schema import SCHEMA
from whyway.trace.integrity import decision_names
from whyway.types import CauseKind, Direction, Lateral, Longitudinal

FOOTER = b"whyway"
"""Key of what a shard tells of itself, as JSON."""
ROW_GROUP = 256
TABLES = ("longitudinal", "lateral", "causes", "tags", "cited", "driven")
"""What is counted of the rows, for balance; `driven` counts decisions in all cycles, kept or not."""


def write_shard(path: Path, rows: Sequence[Row], told: dict[str, Any]) -> None:
    """Write rows and what is told of them, atomically.

    Args:
      path: where to.
      rows: may be none: a drive without keyframes is a shard, too, so that it is not driven again.
      told: plain values.
    """
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    table = pa.table(columns, schema=SCHEMA.with_metadata({FOOTER: json.dumps(told).encode()}))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    parquet.write_table(
        table, beside, compression="zstd", compression_level=3, row_group_size=ROW_GROUP, use_dictionary=["world", "split", "driver", "sentence"],
        write_statistics=False,
    )  # fmt: skip
    beside.replace(path)


def read_footer(path: Path) -> dict[str, Any] | None:
    """What a shard tells of itself; None if it is not there, damaged, or none of ours."""
    try:
        metadata = parquet.read_schema(path).metadata or {}
        told = json.loads(metadata[FOOTER])
    except (OSError, KeyError, pa.ArrowInvalid, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return told if isinstance(told, dict) else None


def read_rows(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A shard's table.

    Raises:
      DataError: damaged, or not there.
    """
    try:
        return parquet.read_table(path, columns=None if columns is None else list(columns))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: no readable shard ({' '.join(str(error).split())[:80]}); run whyway data make again: it makes what is missing"
        ) from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def counted(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """How many rows there are of each kind, by table: for the card and for weights."""
    tables: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
    for row in rows:
        decision = Longitudinal(row["longitudinal"]), Lateral(row["lateral"]), Direction(row["direction"])  # fmt: skip
        longitudinal, lateral = decision_names(decision)
        tables["longitudinal"][longitudinal] += 1
        tables["lateral"][lateral] += 1
        tables["causes"].update({CauseKind(kind).name for kind in row["causes"]})
        tables["tags"].update(
            tag for tag in ("changed", "removed", "disturbed", "disagrees") if row[tag]
        )
        tables["cited"][str(row["cited"])] += 1
    return {name: dict(sorted(found.items())) for name, found in tables.items()}
