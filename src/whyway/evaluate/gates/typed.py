"""Plain values of YAML -> frozen dataclasses, by their annotations: what does not belong is named, with the nearest that does."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from whyway.types import InputError

T = TypeVar("T")


class GateError(InputError):
    """Gates that cannot be judged by; its text is one line with the remedy."""


def nearest(word: str, known: Iterable[str], shown: int = 12) -> str:
    """What to say of a word that is not known."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    more = ", ..." if len(words) > shown else ""
    return f"known: {', '.join(words[:shown])}{more}"


def read_typed(cls: type[T], data: Any, where: str) -> T:
    """A dataclass from a mapping.

    Args:
      cls: its fields may be numbers, texts, booleans, each also `| None`; dataclasses; tuples of these; mappings from names to them.
      data: as YAML gives it.
      where: the dotted place, for messages.

    Raises:
      GateError: a key that is no field, a field without default that is missing, a value of another type, or what the class refuses.
    """
    if not isinstance(data, Mapping):
        raise GateError(f"{where}: expected keys and values, found {_kind(data)}")
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls) if f.metadata.get("key", True)}  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise GateError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")
    for name, f in known.items():
        optional = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING  # fmt: skip
        if name not in data and not optional:
            raise GateError(f"{where}: needs {name}:")
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except GateError as error:
        raise GateError(f"{where}: {error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # X | None
        return _value(args[0], value, where)
    if dataclasses.is_dataclass(hint):
        return read_typed(typing.cast(type[Any], hint), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise GateError(f"{where}: expected a list, found {_kind(value)}")
        return tuple(_value(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is not None:
        if not isinstance(value, Mapping):
            raise GateError(f"{where}: expected keys and values, found {_kind(value)}")
        return {str(key): _value(args[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and not isinstance(value, bool):
        try:  # YAML 1.1 takes 1e-6 for a text
            number = float(value) if isinstance(value, int | float | str) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    elif (hint is bool or not isinstance(value, bool)) and isinstance(value, hint):
        return value
    names = {float: "a finite number", int: "a whole number", str: "a text", bool: "true or false"}
    raise GateError(f"{where}: {value!r} is not {names[hint]}")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "nothing"}.get(type(value), repr(value)[:40])
