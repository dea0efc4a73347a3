"""Named columns -> rows of features, clipped; names and meanings stand in one dict a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np

from whyway.reason.spec import Float32s
from whyway.types import Floats, Ints

LIMIT = 3.0
"""Features are clipped to this, on either side."""


def filled(columns: Mapping[str, Any], names: Mapping[str, str], count: int) -> Float32s:
    """`(count, features)`: columns `(count,)` or numbers, in the order of `names`; what is infinite stands at the clip's edge.

    Raises:
      KeyError: a column is missing.
    """
    table = np.empty((len(names), count))
    for row, name in zip(table, names, strict=True):
        row[:] = columns[name]
    return clipped(table.T)


def clipped(rows: Floats) -> Float32s:
    """Features as they are stored."""
    found: Float32s = np.clip(rows, -LIMIT, LIMIT).astype(np.float32)
    return found


def numbered(name: str, count: int, meaning: str) -> dict[str, str]:
    """Names `name_0`, `name_1` ... of a row of like features."""
    return {f"{name}_{k}": meaning for k in range(count)}


def spread(name: str, values: Floats) -> dict[str, Any]:
    """The columns of a row of like features: values `(..., k)` as `name_0` ..."""
    return {f"{name}_{k}": values[..., k] for k in range(values.shape[-1])}


def one_hot(prefix: str, values: Sequence[int] | Ints, kinds: type[IntEnum]) -> dict[str, Any]:
    """Columns 0 or 1 by member of an enum; names in lower case."""
    names, members = _members(prefix, kinds)
    same = members[:, None] == np.asarray(values, dtype=np.int64)
    return dict(zip(names, same, strict=True))


def one_hot_names(prefix: str, kinds: type[IntEnum], meaning: str) -> dict[str, str]:
    """The names `one_hot` fills."""
    names, _ = _members(prefix, kinds)
    return {name: f"{meaning} {kind.name}" for name, kind in zip(names, kinds, strict=True)}


@lru_cache(maxsize=64)
def _members(prefix: str, kinds: type[IntEnum]) -> tuple[tuple[str, ...], Ints]:
    return tuple(f"{prefix}{k.name.lower()}" for k in kinds), np.array([int(k) for k in kinds])
