"""Shards -> arrays: the keyframes of a shard as one padded array a column, n rows each. Numpy and pyarrow alone.

Legend: n keyframes, P prefix rows, N positions (`MAX_POSITIONS`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from whyway.data.recipe import DataError
from whyway.data.schema import COUNTS, FEATURES, head_shape
from whyway.plan.head_features import HEAD_INPUT_SIZE
from whyway.plan.knots import KNOTS
from whyway.reason.spec import PREFIX_ROWS, ROWS
from whyway.trace.grammar import MAX_POSITIONS

Ints = NDArray[np.integer]
Halves = NDArray[np.float16]
SEQUENCE = ("fields", "slots", "tokens", "blocks")
COLUMNS = (*ROWS, "valid", *SEQUENCE)
"""What the trace's training reads."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """n keyframes in memory, compact: half precision, rows not in use are zero."""

    features: Mapping[str, Halves]
    """Kind -> (n, rows, features)."""
    valid: NDArray[np.bool_]
    """(n, P) rows of the scene in use."""
    fields: Ints
    """(n, N); 0 behind a trace's end, here and in the next three."""
    slots: Ints
    tokens: Ints
    blocks: Ints

    def __len__(self) -> int:
        return len(self.valid)

    @property
    def lengths(self) -> Ints:
        """(n,) positions of each trace."""
        return np.count_nonzero(self.fields, axis=1)

    def take(self, index: Ints | slice) -> Table:
        """Some of the rows, in this order."""
        return self._each([self], lambda parts: parts[0][index])

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """All rows of some tables."""
        return tables[0]._each(tables, np.concatenate) if len(tables) > 1 else tables[0]

    def _each(self, tables: Sequence[Table], made: object) -> Table:
        assert callable(made)
        found = {
            f.name: made([getattr(t, f.name) for t in tables])
            for f in fields(self)
            if f.name != "features"
        }
        kinds = {kind: made([t.features[kind] for t in tables]) for kind in self.features}
        return Table(features=kinds, **found)


def read_shard(path: Path, sha256: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of a shard that is what the manifest says.

    Raises:
      DataError: it is not there, or another.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run whyway data make again: it makes what is missing") from None  # fmt: skip
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DataError(f"{path}: is not the shard that manifest.json tells of (its SHA-256 differs); run whyway data make again")  # fmt: skip
    return parquet.read_table(io.BytesIO(data), columns=list(columns)).combine_chunks()


def table_of(found: pa.Table) -> Table:
    """A shard's rows as arrays."""
    n = len(found)
    features = {
        kind: _ragged_bytes(found[kind], rows, COUNTS[kind]) if pa.types.is_binary(found[kind].type)
        else _fixed(found[kind], FEATURES).reshape(n, rows, COUNTS[kind])
        for kind, rows in ROWS.items()
    }  # fmt: skip
    valid = _fixed(found["valid"], np.dtype(np.uint8)).reshape(n, PREFIX_ROWS).astype(np.bool_)
    return Table(features, valid, *(_ragged(found[name], MAX_POSITIONS) for name in SEQUENCE))


def lessons_of(found: pa.Table) -> tuple[Halves, NDArray[np.float32]]:
    """The waypoint head's lessons of a shard: inputs (k, HEAD_INPUT_SIZE) and speeds (k, KNOTS), all views of all keyframes."""
    total = int(np.sum(found["head_views"].to_numpy()))
    (inputs, speeds) = head_shape(total)
    read = np.frombuffer(b"".join(found["head_inputs"].to_pylist()), FEATURES).reshape(inputs)
    taught = _one(found["head_speeds"]).flatten().to_numpy().reshape(speeds)
    assert inputs[1] == HEAD_INPUT_SIZE and speeds[1] == KNOTS
    return read, taught


# ------------------------------------------------------------------------------------------------ columns -> arrays


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _fixed(column: pa.ChunkedArray, dtype: np.dtype) -> NDArray:
    """Fixed-size binaries as one array, without a copy."""
    array = _one(column)
    width = array.type.byte_width
    data = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return data[array.offset * width : (array.offset + len(array)) * width].view(dtype)


def _ragged_bytes(column: pa.ChunkedArray, rows: int, width: int) -> Halves:
    """Binaries of up to `rows` rows of features -> (n, rows, width), zero where there is none."""
    array = _one(column)
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    found = np.zeros((len(array), rows, width), dtype=FEATURES)
    counts = np.diff(offsets) // (width * FEATURES.itemsize)
    found[np.arange(rows) < counts[:, None]] = data.view(FEATURES).reshape(-1, width)
    return found


def _ragged(column: pa.ChunkedArray, most: int) -> Ints:
    """Lists -> (n, most), zero behind their ends."""
    array = _one(column)
    values = array.flatten().to_numpy(zero_copy_only=False)
    counts = array.value_lengths().to_numpy(zero_copy_only=False)
    found = np.zeros((len(array), most), dtype=values.dtype)
    found[np.arange(most) < counts[:, None]] = values
    return found
