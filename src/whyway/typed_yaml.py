"""YAML that people write -> plain values -> frozen dataclasses by their annotations; what does not belong is one line with the remedy."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from whyway.types import InputError

MOST_BYTES = 1_000_000
"""Nobody writes a larger file by hand."""

UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError)
"""What PyYAML raises: the last four of `2026-13-45`, `!!bool x`, `!!int {}` and `!!timestamp x`; ValueError also of what is no UTF-8."""

Special = Mapping[Any, Callable[[Any, str], Any]]
"""Annotation -> how its values are read instead: from a value and its place."""

T = TypeVar("T")


def nearest(word: str, known: Iterable[str], shown: int = 12) -> str:
    """What to say of a word that is not known."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    more = ", ..." if len(words) > shown else ""
    return f"known: {', '.join(words[:shown])}{more}"


def read_yaml(
    path: Path, remedy: str, error: type[InputError], most_bytes: int = MOST_BYTES
) -> Any:
    """The plain values in a file: each key once, no aliases.

    Args:
      path: nothing in it is trusted.
      remedy: what to do if it is wrong, e.g. "give a YAML file of gates".
      error: what is raised.
      most_bytes: more is refused.

    Raises:
      InputError: of the kind asked for: not there, too large, not YAML, or with something that is not read here; one line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as wrong:  # ValueError: a path with a zero in it
        why = getattr(wrong, "strerror", None) or wrong
        raise error(f"{path}: not readable: {why}; {remedy}") from wrong
    if len(data) > most_bytes:
        raise error(f"{path}: larger than {most_bytes // 1000} kB; {remedy}")
    try:
        return yaml.load(data.decode("utf-8"), Loader=_Strict)
    except UNREADABLE as wrong:
        why = " ".join(str(wrong).split())[:200]
        raise error(f"{path}: not readable as YAML: {why}; {remedy}") from wrong


class _Strict(yaml.SafeLoader):
    """Of two sections of one name the first would be lost without a word; an alias of an alias of ... is a bomb."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "uses YAML aliases; write it out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str) and name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name!r} stands twice; put its entries together", key.start_mark
                )
            seen.add(name if isinstance(name, str) else id(key))
        return super().construct_mapping(node, deep)


class Typed:
    """Reads dataclasses.

    Their fields may be numbers, texts, true or false, each also `| None`; dataclasses; tuples of these; mappings from names to them or
    to anything. A field with the metadata `key=False` is none of the file's.
    """

    def __init__(self, error: type[InputError], special: Special | None = None) -> None:
        """Args:
        error: what is raised, always one line.
        special: how values of some annotations are read instead.
        """
        self._error, self._special = error, special or {}

    def read(self, cls: type[T], data: Any, where: str) -> T:
        """A dataclass from a mapping.

        Args:
          cls: the dataclass; its `__post_init__` refuses by a ValueError of one line.
          data: as YAML gives it.
          where: its place, for messages.

        Raises:
          InputError: of the kind asked for: a key that is no field, a field without default that is missing, a value of another type,
            or what the class refuses.
        """
        if not isinstance(data, Mapping):
            raise self._error(f"{where}: expected keys and values, found {shown(data)}")
        hints = typing.get_type_hints(cls)
        known = {f.name: f for f in dataclasses.fields(cls) if f.metadata.get("key", True)}  # type: ignore[arg-type]
        for key in data:
            if key not in known:
                hint = nearest(str(key), known)
                raise self._error(f"{where}: unknown key {shown(key)}; {hint}")
        values = {
            key: self.value(hints[key], value, f"{where}: {key}") for key, value in data.items()
        }
        for name, f in known.items():
            required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            if required and name not in values:
                raise self._error(f"{where}: needs {name}:")
        try:
            return cls(**values)
        except ValueError as error:
            raise self._error(f"{where}: {error}") from error

    def value(self, hint: Any, value: Any, where: str) -> Any:
        """A value as its annotation asks.

        Raises:
          InputError: of the kind asked for: it is something else.
        """
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (types.UnionType, typing.Union):
            args = tuple(a for a in args if a is not type(None))
            hint = functools.reduce(operator.or_, args)
            origin = typing.get_origin(hint)
        if hint in self._special:
            return self._special[hint](value, where)
        if dataclasses.is_dataclass(hint):
            return self.read(typing.cast("type[Any]", hint), value, where)
        if origin is tuple:
            return self._items(args[0], value, where)
        if origin is not None and issubclass(origin, Mapping):
            return self._named(args[1], value, where)
        return self._scalar(hint, value, where)

    def _items(self, hint: Any, value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._error(f"{where}: expected a list, found {shown(value)}")
        return tuple(self.value(hint, v, f"{where}[{i}]") for i, v in enumerate(value, 1))

    def _named(self, hint: Any, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise self._error(f"{where}: expected keys and values, found {shown(value)}")
        if hint is Any:
            return dict(value)
        return {key: self.value(hint, v, f"{where}: {key}") for key, v in value.items()}

    def _scalar(self, kind: Any, value: Any, where: str) -> Any:
        if kind is float:
            number = as_number(value)
            if number is not None:
                return number
        elif type(value) is kind:
            return value
        names = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
        raise self._error(f"{where}: expected {names[kind]}, found {shown(value)}")


def as_number(value: Any) -> float | None:
    """A finite number; None of everything else. A text such as 1e-6 is one: to YAML 1.1 it is a text, to everybody else a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def shown(value: Any) -> str:
    """A value in a message."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
