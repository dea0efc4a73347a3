"""The shape of microgpt and of what it reads: one dial (`depth`), the rest follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whyway.trace.sequence import FIELD_COUNT, VOCABULARY_SIZE
from whyway.trace.slots import LINE_0, MAX_LINES, MAX_OBJECTS, OBJECT_0, SLOT_COUNT, Slots

Float32s = NDArray[np.float32]

HEAD_WIDTH = 32

PATH_ROWS = 4
"""The ego's lane path ahead, in stretches of equal length."""
SIDE_ROWS = 2
"""Left and right neighbour lane."""
ROWS = {"ego": 1, "path": PATH_ROWS, "side": SIDE_ROWS, "line": MAX_LINES, "object": MAX_OBJECTS}
"""Scene tokens by kind, in the order of the prefix."""
PREFIX_ROWS = sum(ROWS.values())

_starts = dict(zip(ROWS, np.cumsum([0, *ROWS.values()]).tolist(), strict=False))
NO_ROW = PREFIX_ROWS
"""Prefix row of slots that stand for nothing in the scene: a row of zeros behind the last one."""
ROW_OF_SLOT = np.full(SLOT_COUNT, NO_ROW, dtype=np.int64)
"""(SLOT_COUNT,) the prefix row behind each slot: a position about an object or line also carries its scene token."""
ROW_OF_SLOT[OBJECT_0 : OBJECT_0 + MAX_OBJECTS] = _starts["object"] + np.arange(MAX_OBJECTS)
ROW_OF_SLOT[LINE_0 : LINE_0 + MAX_LINES] = _starts["line"] + np.arange(MAX_LINES)


@dataclass(frozen=True, slots=True, eq=False)
class SceneTokens:
    """One scene as numbers, ready for the model. Features are scaled to about [-1, 1]; rows not in use are zero and masked."""

    features: dict[str, Float32s]
    """By kind: (rows of the kind, features of the kind); what they mean, `reason.scene_tokens` says."""
    valid: NDArray[np.bool_]
    """(PREFIX_ROWS,) rows in use."""
    slots: Slots


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The size of a model. 12 width^2 parameters a layer; in all, depth 4 is 1.1 M, 6 is 3.3 M, 20 is 103 M."""

    depth: int
    feature_counts: tuple[tuple[str, int], ...]
    """Features by kind, in the order of `ROWS` (`reason.scene_tokens.FEATURE_COUNTS`)."""
    vocabulary_size: int = VOCABULARY_SIZE
    field_count: int = FIELD_COUNT
    slot_count: int = SLOT_COUNT

    @property
    def width(self) -> int:
        """Of the residual stream."""
        return HEAD_WIDTH * self.depth

    @property
    def heads(self) -> int:
        """Attention heads, each `HEAD_WIDTH` wide."""
        return self.depth

    @property
    def hidden(self) -> int:
        """Of the feed-forward layers."""
        return 4 * self.width
