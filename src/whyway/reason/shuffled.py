"""A reasoner that says the words of another drive: what a driver's words are worth shows in what wrong ones do. No clock.

The words are real ones, of keyframes of drives in other scenes (`other_words.yaml`, which `training/other_words.py` writes), said in the
order in which they were said there. So everything of them is as usual, how they follow one another as well, only that they have
nothing to do with what is there. Cited is who has the same rank among the nearest as the one who was cited there; who has no
counterpart here is left out, and so are causes: nobody drives by them.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from functools import lru_cache
from pathlib import Path

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import LanePath, Road
from whyway.reason.baselines import BlankReasoner
from whyway.trace.integrity import lane_relation
from whyway.typed_yaml import read_yaml
from whyway.types import (
    CriticalObject,
    Direction,
    EgoState,
    InputError,
    LaneRelation,
    Lateral,
    Longitudinal,
    PlanningTrace,
    Role,
    Scene,
    Trace,
    TrackedObject,
)

FILE = Path(__file__).with_name("other_words.yaml")
STEP_S = 0.5
"""So long each of them is said: keyframes are about as far apart."""
_NUMBERS = 7

Ranks = tuple[int, ...]
Words = tuple[PlanningTrace, Ranks]
"""What was decided, and who was cited: 0 is the nearest."""


class ShuffledReasoner:
    """Says the words of other drives; with which it begins depends on where it is and on `reason.seed`."""

    def __init__(self, config: Config, road: Road) -> None:
        self._blank, self._road, self._seed = BlankReasoner(config, road), road, config.reason.seed
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._begun: tuple[int, int] | None = None
        """The stamp at which it began, and with which words."""

    def step(self, scene: Scene) -> Trace:
        """The next words of the drive it is at, or of the one after that."""
        if self._begun is None:
            self._begun = scene.stamp_ns, _where(scene.ego, self._seed)
        stamp_ns, first = self._begun
        words = other_words()
        decision, ranks = words[
            (first + int((scene.stamp_ns - stamp_ns) / (STEP_S * 1e9))) % len(words)
        ]
        draft = self._blank.step(scene)
        near = nearest(scene)
        path = ego_path(self._road, scene.ego)
        cited = tuple(_critical(near[k], path) for k in ranks if k < len(near))
        perception = dataclasses.replace(draft.perception, critical_objects=cited)
        return dataclasses.replace(draft, perception=perception, planning=decision)


def nearest(scene: Scene) -> list[TrackedObject]:
    """Everybody there, the nearest first."""
    ego = scene.ego
    return sorted(scene.objects, key=lambda o: (math.hypot(o.x_m - ego.x_m, o.y_m - ego.y_m), o.id))


def _critical(o: TrackedObject, path: LanePath | None) -> CriticalObject:
    side = LaneRelation.OFF if path is None else lane_relation(path, o.x_m, o.y_m)
    return CriticalObject(
        o.id, o.object_class, Role.LEAD, o.x_m, o.y_m, o.yaw_rad, o.vx_mps, o.vy_mps, side,
        o.existence_probability, 1.0,
    )  # fmt: skip


def _where(ego: EgoState, seed: int) -> int:
    """A number of a place, with nothing of the place in it."""
    return zlib.crc32(f"{ego.x_m:.2f} {ego.y_m:.2f} {seed}".encode())


# ------------------------------------------------------------------------------------------------------- the words


def as_text(decision: PlanningTrace, ranks: Ranks) -> str:
    """Words in one line."""
    p = decision
    numbers = (
        p.target_speed_mps, p.target_acceleration_mps2, p.stop_distance_m, p.confidence,
        p.offset_m, p.offset_from_m, p.offset_until_m,
    )  # fmt: skip
    names = (p.longitudinal.name, p.lateral.name, p.direction.name)
    return " ".join([*names, *(f"{x:.5g}" for x in numbers), *map(str, ranks)])


def from_text(text: str) -> Words:
    """The inverse of `as_text`.

    Raises:
      ValueError: it is no such line.
    """
    what, where, side, *rest = text.split()
    numbers, ranks = [float(x) for x in rest[:_NUMBERS]], tuple(map(int, rest[_NUMBERS:]))
    if len(numbers) < _NUMBERS or what not in Longitudinal.__members__:
        raise ValueError(f"{text!r}: no words of a decision")
    decision = PlanningTrace(Longitudinal[what], Lateral[where], Direction[side], (), (), *numbers)
    return decision, ranks


@lru_cache(maxsize=1)
def other_words() -> tuple[Words, ...]:
    """All words of all drives, one drive behind the other.

    Raises:
      InputError: the package's file of them is damaged.
    """
    drives = read_yaml(FILE, "the words that come with the package", InputError)
    try:
        found = tuple(from_text(line) for drive in drives.values() for line in drive)
    except (AttributeError, TypeError, ValueError, KeyError) as wrong:
        raise InputError(f"{FILE}: damaged ({wrong}); install whyway again") from None
    if not found:
        raise InputError(f"{FILE}: holds no words; install whyway again")
    return found
