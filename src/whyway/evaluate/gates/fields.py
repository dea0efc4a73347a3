"""Fields of our messages by name: every path there is, and patterns that choose among them.

A path is what one would write in Python, without the index of items: `planning.causes.weight`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from whyway.evaluate.gates.error import GateError
from whyway.messages import fields_of
from whyway.topics import TOPICS
from whyway.typed_yaml import nearest

OURS = "/whyway/"
SENTENCE = "sentence"
"""The one field of a trace that no message has: how it reads in English."""

_INDEX = re.compile(r"\[\d+\]")


def topic_name(text: str, *, typed: bool = False) -> str:
    """The full name of a topic: "plan" is "/whyway/plan".

    Args:
      text: short or full.
      typed: only topics whose values are of our own types will do.

    Raises:
      GateError: there is none of that name.
    """
    known = {t.name for t in TOPICS.values() if t.value is not None or not typed}
    for name in (text, OURS + text):
        if name in known or (name.startswith("/") and not typed and name == text):
            return name
    raise GateError(f"topics: no topic {text!r}; {nearest(text, [short(n) for n in known])}")


def short(topic: str) -> str:
    """A topic's name as one says it."""
    return topic.removeprefix(OURS)


@cache
def paths_of(cls: Any) -> tuple[str, ...]:
    """Every path of a dataclass, wholes before their parts."""
    return tuple(_paths(cls))


def _paths(cls: Any, prefix: str = "") -> Iterator[str]:
    for field in fields_of(cls):
        yield prefix + field.name
        if dataclasses.is_dataclass(field.of):
            yield from _paths(field.of, f"{prefix}{field.name}.")


def check_patterns(patterns: Iterable[str], topics: Sequence[str]) -> None:
    """Refuse a pattern that chooses nothing: it is misspelt.

    Raises:
      GateError: it names the nearest path there is.
    """
    paths = [path for topic in topics for path in paths_of(TOPICS[topic].value)]
    whole = [f"{short(t)}.{path}" for t in topics for path in paths_of(TOPICS[t].value)]
    known = [*dict.fromkeys(paths), SENTENCE, *map(short, topics), *whole]
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in known):
            raise GateError(f"no field {pattern!r}; {nearest(pattern, known)}")


def without_index(path: str) -> str:
    """`planning.causes[0].weight` -> `planning.causes.weight`."""
    return _INDEX.sub("", path)


def chosen_by(pattern: str, topic: str, path: str) -> bool:
    """Whether a pattern names a path (without indices) of a topic, or a whole that it is part of."""
    parts = path.split(".")
    wholes = [".".join(parts[: n + 1]) for n in range(len(parts))]
    return any(
        fnmatchcase(candidate, pattern)
        for candidate in (*wholes, short(topic), *(f"{short(topic)}.{w}" for w in wholes))
    )
