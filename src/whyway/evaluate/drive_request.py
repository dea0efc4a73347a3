"""What every suite may ask of its drives: seeds, as a count or a list, and a length."""

from __future__ import annotations

from typing import Any

from whyway.typed_yaml import shown
from whyway.types import InputError

MOST_SEEDS = 100_000
LONGEST_S = 86_400.0


def read_seeds(value: Any, where: str, error: type[InputError]) -> tuple[int, ...]:
    """A count (1 to so many), or a list of seeds.

    Raises:
      InputError: of the kind asked for: it is neither.
    """
    if type(value) is int and 1 <= value <= MOST_SEEDS:
        return tuple(range(1, value + 1))
    whole = isinstance(value, list) and 0 < len(value) <= MOST_SEEDS
    if not whole or not all(type(v) is int and 0 <= v < 2**31 for v in value):
        raise error(
            f"{where}: expected a count (1 to {MOST_SEEDS}) or a list of whole numbers from 0, found {shown(value)}"
        )
    if len(set(value)) < len(value):
        raise error(f"{where}: a seed stands twice in {shown(value)}; name each once")
    return tuple(value)


def check_length(duration_s: float | None) -> None:
    """Refuse a drive of less than a second or more than a day.

    Raises:
      ValueError: it is; one line.
    """
    if duration_s is not None and not 1.0 <= duration_s <= LONGEST_S:
        raise ValueError(f"duration_s: {duration_s:g} is not from 1 to {LONGEST_S:.0f}")
