"""The closed vocabulary: every token, what it means, and which tokens each field of a trace may hold.

A quantity has one range of tokens wherever it stands: a distance of 12 m is the same word before a junction and before a light. Numbers
fall into bins, fine where driving needs it and growing with the value elsewhere; `inf` has a word of its own, and what lies beyond
the last bin is said as the last. What changes here changes `vocabulary_hash`, and models of another vocabulary are refused.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whyway.trace.sequence import FIELD_COUNT, MASK, VOCABULARY_SIZE
from whyway.trace.slots import KINDS, MAX_LINES, MAX_MODES, MAX_OBJECTS, MAX_REJECTED
from whyway.types import (
    Conflict,
    Direction,
    Lateral,
    LightColor,
    Longitudinal,
    NavCommand,
    Risk,
    RoadType,
    Role,
)

Bools = NDArray[np.bool_]
Meaning = IntEnum | tuple[Lateral, Direction] | int | float | None
"""Of a token; None says that there is nothing: an object not cited, no cause, no offset."""

VOCABULARY_VERSION = "1"


class NotSayable(ValueError):  # noqa: N818 - it is no error of whoever says it: the words are missing
    """Something for which the vocabulary has no words; the text says what."""


class Field(IntEnum):
    """What a value of a trace is about, together with its slot. Values are rows of an embedding: append, never renumber."""

    PAD = 0
    ROAD_TYPE = 1
    SPEED_LIMIT = 2
    CURVATURE = 3
    JUNCTION_DISTANCE = 4
    STOP_LINE_DISTANCE = 5
    LIGHT = 6
    LIGHT_DISTANCE = 7
    LIGHT_CONFIDENCE = 8
    COMMAND = 9
    COMMAND_DISTANCE = 10
    ROLE = 11
    RELEVANCE = 12
    MODE = 13
    """Which of the object's hypotheses it is expected to follow."""
    CONFLICT = 14
    TIME_TO_COLLISION = 15
    MIN_GAP = 16
    TIME_OF_CONFLICT = 17
    WEIGHT = 18
    LONGITUDINAL = 19
    LATERAL = 20
    """Lateral decision and direction in one word."""
    REJECTED_COUNT = 21
    LONGITUDINAL_WITHOUT = 22
    """The decision if the cause of the slot were absent."""
    LATERAL_WITHOUT = 23
    TARGET_SPEED = 24
    TARGET_ACCELERATION = 25
    STOP_DISTANCE = 26
    CONFIDENCE = 27
    OFFSET = 28
    OFFSET_FROM = 29
    OFFSET_UNTIL = 30
    REJECTED_LONGITUDINAL = 31
    REJECTED_LATERAL = 32
    REJECTED_RISK = 33
    REJECTED_AT = 34


# -------------------------------------------------------------------------------------------------------- quantities


def _steps(first: float, last: float, step: float) -> list[float]:
    return [round(first + k * step, 3) for k in range(round((last - first) / step) + 1)]


def _growing(first: float, last: float, rate: float, digits: int = 2) -> list[float]:
    """Centres behind `first`, each by `rate` farther, until `last` is reached."""
    count = math.ceil(math.log(last / first) / math.log1p(rate) - 1e-9)
    return [round(first * (1.0 + rate) ** (k + 1), digits) for k in range(count)]


_BENDS = [0.001, *_growing(0.001, 0.25, 0.5, 5)]

_QUANTITIES: Mapping[str, Sequence[Meaning]] = {
    "road": tuple(RoadType),
    "light": tuple(LightColor),
    "command": tuple(NavCommand),
    "role": (None, *Role),
    "conflict": tuple(Conflict),
    "count": tuple(range(max(MAX_MODES, MAX_REJECTED + 1))),
    "longitudinal": tuple(Longitudinal),
    "lateral": (
        (Lateral.KEEP_LANE, Direction.NONE),
        *((m, side) for m in Lateral if m != Lateral.KEEP_LANE for side in (Direction.LEFT, Direction.RIGHT)),
    ),
    "risk": tuple(Risk),
    "share": (None, *_steps(0.0, 1.0, 0.05)),
    "offset_m": (None, *_steps(-4.0, 4.0, 0.1)),
    "curvature_1pm": (*(-k for k in reversed(_BENDS)), 0.0, *_BENDS),
    "distance_m": (*_steps(-1.0, 4.0, 0.2), *_growing(4.0, 250.0, 0.06), math.inf),
    "speed_mps": (*_steps(0.0, 20.0, 0.25), *_growing(20.0, 70.0, 0.05)),
    "acceleration_mps2": (*_steps(-8.0, -4.4, 0.4), *_steps(-4.0, 3.0, 0.2)),
    "time_s": (*_steps(0.0, 5.0, 0.25), *_growing(5.0, 800.0, 0.2), math.inf),
}  # fmt: skip
"""What the tokens mean, in their order behind PAD and MASK."""


def _all(_: Any) -> bool:
    return True


def _some(meaning: Any) -> bool:
    return meaning is not None


def _ahead(meaning: Any) -> bool:
    return bool(meaning >= 0.0)


def _finite(meaning: Any) -> bool:
    return bool(meaning < math.inf)


def _below(bound: int) -> Callable[[Any], bool]:
    return lambda meaning: bool(meaning < bound)


_FIELDS: Mapping[Field, tuple[str, Callable[[Any], bool]]] = {
    Field.ROAD_TYPE: ("road", _all),
    Field.SPEED_LIMIT: ("speed_mps", _all),
    Field.CURVATURE: ("curvature_1pm", _all),
    Field.JUNCTION_DISTANCE: ("distance_m", _ahead),
    Field.STOP_LINE_DISTANCE: ("distance_m", _ahead),
    Field.LIGHT: ("light", _all),
    Field.LIGHT_DISTANCE: ("distance_m", _ahead),
    Field.LIGHT_CONFIDENCE: ("share", _some),
    Field.COMMAND: ("command", _all),
    Field.COMMAND_DISTANCE: ("distance_m", _ahead),
    Field.ROLE: ("role", _all),
    Field.RELEVANCE: ("share", _some),
    Field.MODE: ("count", _below(MAX_MODES)),
    Field.CONFLICT: ("conflict", _all),
    Field.TIME_TO_COLLISION: ("time_s", _all),
    Field.MIN_GAP: ("distance_m", _ahead),
    Field.TIME_OF_CONFLICT: ("time_s", _all),
    Field.WEIGHT: ("share", _all),
    Field.LONGITUDINAL: ("longitudinal", _all),
    Field.LATERAL: ("lateral", _all),
    Field.REJECTED_COUNT: ("count", _below(MAX_REJECTED + 1)),
    Field.LONGITUDINAL_WITHOUT: ("longitudinal", _all),
    Field.LATERAL_WITHOUT: ("lateral", _all),
    Field.TARGET_SPEED: ("speed_mps", _all),
    Field.TARGET_ACCELERATION: ("acceleration_mps2", _all),
    Field.STOP_DISTANCE: ("distance_m", _ahead),
    Field.CONFIDENCE: ("share", _some),
    Field.OFFSET: ("offset_m", _all),
    Field.OFFSET_FROM: ("distance_m", _finite),
    Field.OFFSET_UNTIL: ("distance_m", _finite),
    Field.REJECTED_LONGITUDINAL: ("longitudinal", _all),
    Field.REJECTED_LATERAL: ("lateral", _all),
    Field.REJECTED_RISK: ("risk", _all),
    Field.REJECTED_AT: ("time_s", _all),
}
"""Which quantity each field holds, and which part of its range."""


# ----------------------------------------------------------------------------------------------------------- tables


def _written(meaning: Meaning) -> str:
    """A meaning as text, the same on every machine."""
    if isinstance(meaning, tuple):
        return " ".join(part.name for part in meaning)
    if meaning is None:
        return "nothing"
    return meaning.name if isinstance(meaning, IntEnum) else str(meaning)


_FIRST: dict[str, int] = {}
_MEANING: list[Meaning] = [None] * (MASK + 1)
_NAMES = ["PAD", "MASK"]
for _quantity, _meanings in _QUANTITIES.items():
    _FIRST[_quantity] = len(_MEANING)
    _MEANING += _meanings
    _NAMES += [f"{_quantity} {_written(m)}" for m in _meanings]
assert len(_MEANING) <= VOCABULARY_SIZE, len(_MEANING)

NOT_CITED = _FIRST["role"]
NO_CAUSE = _FIRST["share"]
NO_OFFSET = _FIRST["offset_m"]
TOKEN_COUNT = len(_MEANING)
"""Tokens in use."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of one field."""

    tokens: range
    by_meaning: Mapping[Meaning, int]
    """Of what is no number, and of inf."""
    borders: tuple[float, ...]
    """Between the bins of numbers, in the middle of their centres."""
    numbers: range
    """Tokens of the bins."""


def _words(quantity: str, part: Callable[[Any], bool]) -> _Words:
    first = _FIRST[quantity]
    tokens = [first + k for k, m in enumerate(_QUANTITIES[quantity]) if part(m)]
    assert tokens == list(range(tokens[0], tokens[-1] + 1)), quantity
    numbers = [t for t in tokens if type(_MEANING[t]) is float and _MEANING[t] != math.inf]
    centres: list[Any] = [_MEANING[t] for t in numbers]
    return _Words(
        range(tokens[0], tokens[-1] + 1),
        {_MEANING[t]: t for t in tokens if t not in numbers},
        tuple((a + b) / 2.0 for a, b in pairwise(centres)),
        range(numbers[0], numbers[-1] + 1) if numbers else range(0),
    )


_WORDS = {field: _words(*what) for field, what in _FIELDS.items()}

_ALLOWED = np.zeros((FIELD_COUNT, VOCABULARY_SIZE), dtype=np.bool_)
for _field, _its in _WORDS.items():
    _ALLOWED[_field, _its.tokens.start : _its.tokens.stop] = True
_ALLOWED.setflags(write=False)

ORDINAL = np.zeros(FIELD_COUNT, dtype=np.bool_)
"""(FIELD_COUNT,) fields that hold numbers: their bins (`number_tokens`) have neighbours, which are nearly as right."""
ORDINAL[[f for f, its in _WORDS.items() if len(its.numbers)]] = True
SILENT = np.zeros(VOCABULARY_SIZE, dtype=np.bool_)
"""(VOCABULARY_SIZE,) tokens that say of a slot that it is not spoken of: nothing later has to read them."""
SILENT[[NOT_CITED, NO_CAUSE]] = True


# -------------------------------------------------------------------------------------------------- tokens, meanings


def tokens_of(field: Field) -> range:
    """The tokens a field may hold."""
    return _WORDS[field].tokens


def number_tokens(field: Field) -> range:
    """Those of them that are bins of numbers, from the least to the greatest; empty where a field holds none."""
    return _WORDS[field].numbers


def token_of(field: Field, value: Meaning) -> int:
    """The token that says a value in a field; numbers fall into their bins, those beyond the outermost ones into these.

    Raises:
      NotSayable: there is no such word.
    """
    its = _WORDS[field]
    token = its.by_meaning.get(value)
    if token is not None:
        return token
    if isinstance(value, (int, float)) and math.isfinite(value) and len(its.numbers):
        return its.numbers.start + bisect_right(its.borders, value)
    said = _written(value) if isinstance(value, (tuple, IntEnum)) else repr(value)
    raise NotSayable(f"{field.name.lower()}: no word for {said}")


def value_of(field: Field, token: int) -> Any:
    """What a token says in a field: an enum's member, (lateral, direction), a count, the centre of a bin or inf; None is nothing.

    Raises:
      ValueError: the field may not hold it.
    """
    if token not in _WORDS[field].tokens:
        raise ValueError(f"{field.name.lower()} cannot hold {token_name(token)}")
    return _MEANING[token]


def token_name(token: int) -> str:
    """A token as people read it, e.g. "distance_m 12.14" or "lateral TURN LEFT"."""
    return _NAMES[token] if 0 <= token < TOKEN_COUNT else f"unused {token}"


def allowed_mask() -> Bools:
    """(FIELD_COUNT, VOCABULARY_SIZE) the tokens each field may hold, whatever stands elsewhere; read-only."""
    return _ALLOWED


def vocabulary_hash() -> str:
    """SHA-256 over every token's meaning, every field's tokens and the layout of the slots."""
    lines = [f"version {VOCABULARY_VERSION}"]
    lines += [f"token {t} {name}" for t, name in enumerate(_NAMES)]
    lines += [f"field {f:d} {f.name} {w.tokens.start} {w.tokens.stop}" for f, w in _WORDS.items()]
    kinds = " ".join(k.name for k in KINDS)
    lines += [f"slots {MAX_OBJECTS} objects {MAX_LINES} lines {kinds} {MAX_REJECTED} rejected"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
