"""A trace as tokens: parallel arrays of field, slot and value, in the order of the grammar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int16s = NDArray[np.int16]

VOCABULARY_SIZE = 512
"""Rows of the embedding; how many are in use, `trace.vocabulary` says."""
FIELD_COUNT = 64
"""Rows of the fields' embedding; not all are in use."""
PAD, MASK = 0, 1
"""Tokens that are no value: nothing at all, and "what is it?"."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequence:
    """n values of a trace. Fields and slots follow from earlier values and the scene: they are never generated."""

    fields: Int16s
    """(n,) `trace.vocabulary.Field`"""
    slots: Int16s
    """(n,) see `trace.slots`"""
    tokens: Int16s
    """(n,) the values"""
    blocks: Int16s
    """(n,) `trace.slots.Block` of each; never falls"""

    def __len__(self) -> int:
        return len(self.tokens)
