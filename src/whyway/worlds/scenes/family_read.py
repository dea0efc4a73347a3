"""Family files are read: YAML from strangers into the frozen dataclasses of `family.py`, every fault one line with the remedy."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from whyway.worlds.scenes.family import Amount, DrawSpec, Family, FamilyError

FOLDER = Path(__file__).resolve().parent / "families"

_MAX_BYTES = 200_000

T = TypeVar("T")


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
    if name not in family_names():
        close = difflib.get_close_matches(name, family_names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(family_names())}"
        raise FamilyError(f"no scenario family {name!r}; {hint}")
    return read_family(FOLDER / f"{name}.yaml")


def read_family(path: Path) -> Family:
    """The family in a file.

    Raises:
      FamilyError: not there, not YAML, or it says what no family may.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise FamilyError(f"{path}: larger than {_MAX_BYTES // 1000} kB; no family is")
        text = raw.decode("utf-8")
        if (
            "&" in text
            and "*" in text
            and any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text))
        ):
            raise FamilyError(f"{path}: uses YAML aliases; write it out")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FamilyError(f"{path}: not readable as YAML: {reason}") from None
    if not isinstance(data, Mapping):
        raise FamilyError(f"{path}: expected keys and values, found a {type(data).__name__}")
    return built(Family, {"name": path.stem, **data}, str(path))


def built(cls: type[T], data: Any, where: str) -> T:
    """A dataclass from plain values, checked word by word.

    Raises:
      FamilyError: an unknown key, one that is missing, a value of the wrong type.
    """
    if not isinstance(data, Mapping):
        raise FamilyError(f"{where}: expected keys and values, found {_shown(data)}")
    hints = typing.get_type_hints(cls)
    for key in data:
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(hints)}"
            raise FamilyError(f"{where}: unknown key {key!r}; {hint}")
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and f.name not in values:
            raise FamilyError(f"{where}: {f.name} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise FamilyError(f"{where}: {error}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    """A value as its type asks."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        options = [t for t in inner if t is not type(None)]
        if len(options) == 1:
            return _value(options[0], value, where)
        hint = Amount
    if hint == Amount:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6:
            return float(value)
        if isinstance(value, str):
            return value
        raise FamilyError(f"{where}: {_shown(value)} is neither a number nor a text over $names")
    if origin is tuple:
        if not isinstance(value, list):
            raise FamilyError(f"{where}: expected a list, found {_shown(value)}")
        return tuple(_value(inner[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise FamilyError(f"{where}: expected keys and values, found {_shown(value)}")
        if inner[1] is Any:
            return dict(value)
        return {k: _value(inner[1], v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        if hint is DrawSpec and isinstance(value, list):
            value = {"between": value}
        elif hint is DrawSpec and not isinstance(value, Mapping):
            value = {"be": value}
        return built(hint, value, where)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise FamilyError(f"{where}: {_shown(value)} is not a {hint.__name__}")
    return value


def _shown(value: Any) -> str:
    return f"{str(value)[:40]!r} ({type(value).__name__})"
