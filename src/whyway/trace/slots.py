"""Slots: what a token of a trace can be about, by number, and what stands behind the numbers in one scene.

A trace's fields are addressed by (field, slot). Objects and lines are numbered per scene, the rest is always the same, so no token ever
names a track id: which road user slot 3 is, `Slots` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from whyway.types import CauseKind, LaneRelation

MAX_OBJECTS = 32
"""More road users than this are not looked at: the least relevant ones by geometry are left out (`reason.scene_tokens`)."""
MAX_LINES = 4
"""Stop lines ahead on the ego's path that are looked at."""
MAX_MODES = 6
"""Hypotheses of one road user that a trace can choose from."""
MAX_CITED, MAX_CAUSES, MAX_REJECTED = 8, 3, 6
"""Objects, causes and rejected alternatives a trace can list."""

OBJECT_0 = 0
LINE_0 = OBJECT_0 + MAX_OBJECTS
KIND_0 = LINE_0 + MAX_LINES
KINDS = (
    CauseKind.SPEED_LIMIT, CauseKind.CURVATURE, CauseKind.ROUTE, CauseKind.ROAD_WORK, CauseKind.VISIBILITY,
)  # fmt: skip
"""Causes that need no id, in the order of their slots."""
REJECTED_0 = KIND_0 + len(KINDS)
SCENE_SLOT = REJECTED_0 + MAX_REJECTED
"""The slot of fields that are about the whole scene."""
SLOT_COUNT = SCENE_SLOT + 1


class Block(IntEnum):
    """Fields are decoded block by block: all of a block at once, each seeing every earlier block."""

    PERCEPTION = 0
    PREDICTION = 1
    CAUSES = 2
    DECISION = 3
    NUMBERS = 4


@dataclass(frozen=True, slots=True)
class Slots:
    """Who and what is behind the slots of one scene."""

    object_ids: tuple[int, ...]
    """Track id of each object slot in use; at most `MAX_OBJECTS`."""
    relations: tuple[LaneRelation, ...]
    """Of each object, to the ego's lane path (`trace.integrity.lane_relation`)."""
    mode_counts: tuple[int, ...]
    """Of each object: how many `motion.hypotheses` it has; which of them a trace expects is a number below that."""
    lines: tuple[tuple[CauseKind, int], ...]
    """(TRAFFIC_LIGHT, light id) or (STOP_SIGN, stop line id) of each line slot in use, the nearest first; at most `MAX_LINES`."""

    def __post_init__(self) -> None:
        n = len(self.object_ids)
        if n > MAX_OBJECTS or len(self.lines) > MAX_LINES:
            raise ValueError(
                f"{n} objects and {len(self.lines)} lines: there are {MAX_OBJECTS} and {MAX_LINES} slots"
            )
        if not n == len(self.relations) == len(self.mode_counts) == len(set(self.object_ids)):
            raise ValueError(
                f"{n} objects {self.object_ids}: each once, with one relation and one count of modes"
            )
