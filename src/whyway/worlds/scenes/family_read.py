"""Family files are read: YAML from strangers into the frozen dataclasses of `family.py`, every fault one line with the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from whyway.typed_yaml import Typed, nearest, read_yaml, shown
from whyway.worlds.scenes.family import Amount, DrawSpec, Family, FamilyError

FOLDER = Path(__file__).resolve().parent / "families"

_MOST_BYTES = 200_000


def family_names() -> tuple[str, ...]:
    """All families that come with the package, by name."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def find_family(name: str) -> Family:
    """A family by its name, or by the path of its file.

    Raises:
      FamilyError: there is none, or its file cannot be used.
    """
    if name.endswith((".yaml", ".yml")):
        return read_family(Path(name))
    names = family_names()
    if name not in names:
        raise FamilyError(f"no scenario family {name!r}; {nearest(name, names, len(names))}")
    return read_family(FOLDER / f"{name}.yaml")


def read_family(path: Path) -> Family:
    """The family in a file.

    Raises:
      FamilyError: not there, not YAML, or it says what no family may.
    """
    data = read_yaml(path, "give a scenario family", FamilyError, _MOST_BYTES)
    if isinstance(data, Mapping):
        data = {"name": path.stem, **data}
    return _READER.read(Family, data, str(path))


def _amount(value: Any, where: str) -> Amount:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6:
        return float(value)
    if isinstance(value, str):
        return value
    raise FamilyError(f"{where}: {shown(value)} is neither a number nor a text over $names")


def _draw(value: Any, where: str) -> DrawSpec:
    """Two numbers are what is drawn between, anything else is the number itself."""
    if isinstance(value, list):
        value = {"between": value}
    elif not isinstance(value, Mapping):
        value = {"be": value}
    return _READER.read(DrawSpec, value, where)


_READER = Typed(FamilyError, {Amount: _amount, DrawSpec: _draw})
