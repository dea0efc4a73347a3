"""Named columns -> rows of features, clipped; names and meanings stand in one dict a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from whyway.reason.spec import Float32s
from whyway.types import Floats

LIMIT = 3.0
"""Features are clipped to this, on either side."""


def filled(columns: Mapping[str, Any], names: Mapping[str, str], count: int) -> Float32s:
    """`(count, features)`: columns `(count,)` or numbers, in the order of `names`; what is infinite stands at the clip's edge.

    Raises:
      KeyError: a column is missing.
    """
    table = np.empty((len(names), count))
    for row, name in enumerate(names):
        table[row] = columns[name]
    rows: Float32s = np.clip(table, -LIMIT, LIMIT).T.astype(np.float32)
    return rows


def numbered(name: str, count: int, meaning: str) -> dict[str, str]:
    """Names `name_0`, `name_1` ... of a row of like features."""
    return {f"{name}_{k}": meaning for k in range(count)}


def spread(name: str, values: Floats) -> dict[str, Any]:
    """The columns of a row of like features: values `(..., k)` as `name_0` ..."""
    return {f"{name}_{k}": values[..., k] for k in range(values.shape[-1])}


def one_hot(prefix: str, values: Any, kinds: type) -> dict[str, Any]:
    """Columns 0 or 1 by member of an enum; names in lower case."""
    return {f"{prefix}{k.name.lower()}": values == k for k in kinds}  # type: ignore[attr-defined]


def one_hot_names(prefix: str, kinds: type, meaning: str) -> dict[str, str]:
    """The names `one_hot` fills."""
    return {f"{prefix}{k.name.lower()}": f"{meaning} {k.name}" for k in kinds}  # type: ignore[attr-defined]
