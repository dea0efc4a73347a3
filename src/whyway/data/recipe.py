"""What a data set is made by: who drives and how, how many keyframes, and which drives are for learning and which for checking."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from whyway.evaluate.drive_request import MOST_SEEDS
from whyway.types import InputError

EVALUATION_SEEDS = range(1, 101)
"""Drivers are judged with these: what they have been trained on must not be among them."""
TRAIN, VAL = "train", "val"
SPLITS = (TRAIN, VAL)
VAL_PERCENT = 8
EXPERT = "rules"
"""Who labels."""


class DataError(InputError):
    """Data that cannot be made or read; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The dials of a data set. Each drive draws from a generator of its own, so shards do not depend on one another."""

    driver: str = EXPERT
    """Who drives; the expert labels in any case, from what the driver remembers."""
    keyframes_per_s: float = 2.5
    """At most, over each stretch of a drive; fewer where nothing happens."""
    removed: float = 0.3
    """Share of the keyframes that are there again without something they cite, labelled anew."""
    edits: int = 2
    """Edited views for the waypoint head beside the one that was said."""
    mix: float = 0.0
    """Share of the time in which the expert drives instead of the driver."""
    disturb: float = 0.0
    """Share of the time in which the command is not what was planned: how to come back is learnt from it."""
    seed: int = 0
    """Of everything drawn that is not the world's."""

    def __post_init__(self) -> None:
        for name in ("removed", "mix", "disturb"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise DataError(f"--{name} {value:g}: a share is from 0 to 1")
        if not 0.0 < self.keyframes_per_s <= 10.0:
            raise DataError(
                f"--keyframes-per-s {self.keyframes_per_s:g}: must be above 0, and at most 10: one a cycle"
            )
        if not 0 <= self.edits <= 8:
            raise DataError(f"--edits {self.edits}: from 0 to 8")
        if self.mix and self.driver == EXPERT:
            raise DataError("--mix needs another driver than the expert: give --driver NAME")


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds as people write them: "1000..1039", "1000,1003", or both.

    Raises:
      DataError: no seeds, seeds twice, too many, or seeds that drivers are judged with.
    """
    found: list[int] = []
    for part in text.split(","):
        low, dots, high = part.strip().partition("..")
        if not low.isdigit() or (dots and not high.isdigit()):
            raise DataError(f"--seeds {text}: expected seeds like 1000..1039 or 1000,1003,1007")
        first, last = int(low), int(high) if dots else int(low)
        if last - first >= MOST_SEEDS:
            raise DataError(f"--seeds {text}: more than {MOST_SEEDS} seeds; make several data sets")
        found += range(first, last + 1)
    judged = [s for s in found if s in EVALUATION_SEEDS]
    if judged:
        kept = f"{EVALUATION_SEEDS[0]} to {EVALUATION_SEEDS[-1]}"
        raise DataError(
            f"--seeds {text}: drivers are judged with seeds {kept}, nothing may be learnt from them; give seeds above"
        )
    if not found or len(set(found)) < len(found):
        raise DataError(f"--seeds {text}: names no seed, or one twice; give each once")
    return tuple(found)


def split_of(world: str, seed: int) -> str:
    """`TRAIN` or `VAL`, by a hash of the world's name and seed: the same in every data set, wherever its files lie.

    All keyframes of a drive are of one split, so none has a neighbour in the other. The name of a world of a file is the file's.
    """
    kind, colon, rest = world.partition("family:")
    names = (rest if colon else kind).split("@")
    place = "@".join(Path(name).name for name in names)
    digest = hashlib.sha256(f"{place}|{seed}".encode()).digest()
    return VAL if int.from_bytes(digest[:8], "big") % 100 < VAL_PERCENT else TRAIN
