"""One row of a data set, a keyframe, as Parquet keeps it: names, types and shapes; and the versions that a reader has to agree with.

Features are half precision, rows in use only (`scene.valid` counts them); numbers that are no features keep their own type. What the
columns hold, by example: `pyarrow.parquet.read_table(shard)` shows words and lists to anybody, features as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from whyway.data.recipe import DataError
from whyway.plan.head_features import HEAD_INPUT_SIZE, HEAD_VERSION
from whyway.plan.knots import KNOTS
from whyway.reason.scene_tokens import FEATURE_COUNTS, FEATURES_VERSION
from whyway.reason.spec import ROWS
from whyway.trace.vocabulary import VOCABULARY_VERSION, vocabulary_hash

SCHEMA_VERSION = 1
"""Changes with any column's name, type or meaning."""
FEATURES = np.dtype("<f2")
FEATURE_KINDS = tuple(ROWS)
COUNTS = dict(FEATURE_COUNTS)


def _fixed(kind: str) -> pa.DataType:
    """Kinds whose rows are always all there."""
    return pa.binary(ROWS[kind] * COUNTS[kind] * FEATURES.itemsize)


COLUMNS: Mapping[str, pa.DataType] = {
    # which
    "world": pa.string(), "seed": pa.int32(), "stamp_ns": pa.int64(), "split": pa.string(), "driver": pa.string(),
    # what is special about it
    "changed": pa.bool_(), "removed": pa.bool_(), "disturbed": pa.bool_(), "disagrees": pa.bool_(),
    "cited": pa.int8(), "longitudinal": pa.int8(), "lateral": pa.int8(), "direction": pa.int8(), "causes": pa.list_(pa.int8()), "sentence": pa.string(),
    # the scene as the model reads it
    "ego": _fixed("ego"), "path": _fixed("path"), "side": _fixed("side"), "line": pa.binary(), "object": pa.binary(),
    "valid": pa.binary(sum(ROWS.values())),
    "object_ids": pa.list_(pa.int32()), "relations": pa.list_(pa.int8()), "mode_counts": pa.list_(pa.int8()),
    "line_kinds": pa.list_(pa.int8()), "line_ids": pa.list_(pa.int32()),
    # the trace
    "fields": pa.list_(pa.int8()), "slots": pa.list_(pa.int8()), "tokens": pa.list_(pa.int16()), "blocks": pa.list_(pa.int8()),
    # the waypoint head's lessons
    "head_views": pa.int8(), "head_inputs": pa.binary(), "head_speeds": pa.list_(pa.float32()),
}  # fmt: skip
SCHEMA = pa.schema(list(COLUMNS.items()))


@dataclass(frozen=True, slots=True)
class Versions:
    """What a data set is made with, and a reader must be made with, too."""

    schema: int
    vocabulary: str
    vocabulary_sha256: str
    features: str
    feature_counts: tuple[tuple[str, int], ...]
    head: str
    head_input_size: int

    @staticmethod
    def ours() -> Versions:
        """Of this package."""
        return Versions(
            SCHEMA_VERSION, VOCABULARY_VERSION, vocabulary_hash(), FEATURES_VERSION, FEATURE_COUNTS, HEAD_VERSION,
            HEAD_INPUT_SIZE,
        )  # fmt: skip

    @staticmethod
    def of_json(data: Any, where: str) -> Versions:
        """Those that a file tells.

        Raises:
          DataError: it tells none.
        """
        try:
            values = {f.name: data[f.name] for f in fields(Versions)}
            values["feature_counts"] = tuple((str(k), int(n)) for k, n in values["feature_counts"])
        except (KeyError, TypeError, ValueError):
            raise DataError(f"{where}: tells no versions; make the data set anew") from None
        return Versions(**values)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        found: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return found | {"feature_counts": [list(pair) for pair in self.feature_counts]}

    def check(self, where: str) -> None:
        """Refuse data of other versions than ours.

        Raises:
          DataError: the first difference, and what to do.
        """
        ours = Versions.ours()
        for f in fields(self):
            theirs, mine = getattr(self, f.name), getattr(ours, f.name)
            if theirs != mine:
                told, here = (
                    (theirs[:12], mine[:12]) if f.name.endswith("sha256") else (theirs, mine)
                )
                raise DataError(
                    f"{where}: made with {f.name.replace('_', ' ')} {told}, this version reads {here}; make it anew with whyway data make"
                )


def head_shape(views: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Shapes of a row's `head_inputs` and `head_speeds`."""
    return (views, HEAD_INPUT_SIZE), (views, KNOTS)
