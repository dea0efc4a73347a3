"""Values -> what JSON has words for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any


def plain(value: Any, digits: int | None = 6) -> Any:
    """A value with all that is in it: dataclasses by field, enums by name, tuples as lists; a number that is not finite is null.

    Args:
      value: ours, or a plain one already.
      digits: behind the decimal point of a float; None: all.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), digits) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(v, digits) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v, digits) for v in value]
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else round(value, digits)
    return value
