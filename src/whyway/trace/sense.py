"""What goes with what in a trace: tokens that would be senseless beside what its own slot says already, as tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from whyway.trace.sequence import VOCABULARY_SIZE
from whyway.trace.vocabulary import Bools, Field, tokens_of, value_of
from whyway.types import Conflict, LightColor, NavCommand, Risk


def _ends_where_it_asks(command: NavCommand, distance_m: float) -> bool:
    return (command == NavCommand.FOLLOW) == (distance_m == math.inf)


def _is_somewhere(color: LightColor, distance_m: float) -> bool:
    return color == LightColor.UNKNOWN or distance_m < math.inf


def _is_there(distance_m: float, confidence: float) -> bool:
    return distance_m < math.inf or confidence == 0.0


def _meets(conflict: Conflict, when_or_how_near: float) -> bool:
    return (conflict == Conflict.NONE) == (when_or_how_near == math.inf)


def _may_meet(conflict: Conflict, after_s: float) -> bool:
    return conflict != Conflict.NONE or after_s == math.inf


def _is_aside(offset_m: float | None, along_m: float) -> bool:
    return offset_m is not None or along_m == 0.0


def _happens(risk: Risk, at_s: float) -> bool:
    return risk != Risk.PROGRESS or at_s == math.inf


def _table(leader: Field, follower: Field, fits: Callable[[Any, Any], bool]) -> Bools:
    table = np.zeros((VOCABULARY_SIZE, VOCABULARY_SIZE), dtype=np.bool_)
    for said in tokens_of(leader):
        for token in tokens_of(follower):
            table[said, token] = fits(value_of(leader, said), value_of(follower, token))
    table.setflags(write=False)
    return table


_BESIDE = (
    (Field.COMMAND, Field.COMMAND_DISTANCE, _ends_where_it_asks),
    (Field.LIGHT, Field.LIGHT_DISTANCE, _is_somewhere),
    (Field.LIGHT_DISTANCE, Field.LIGHT_CONFIDENCE, _is_there),
    (Field.CONFLICT, Field.TIME_TO_COLLISION, _may_meet),
    (Field.CONFLICT, Field.MIN_GAP, _meets),
    (Field.CONFLICT, Field.TIME_OF_CONFLICT, _meets),
    (Field.OFFSET, Field.OFFSET_FROM, _is_aside),
    (Field.OFFSET, Field.OFFSET_UNTIL, _is_aside),
    (Field.REJECTED_RISK, Field.REJECTED_AT, _happens),
)

BESIDE: dict[int, tuple[tuple[Field, Bools], ...]] = {
    follower: tuple((a, _table(a, b, fits)) for a, b, fits in _BESIDE if b == follower)
    for follower in {b for _, b, _ in _BESIDE}
}
"""By field: the fields of the same slot, standing before it, that it depends on, each with (its token, own token) -> whether they go together."""
