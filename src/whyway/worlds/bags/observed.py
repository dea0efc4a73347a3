"""A recording that holds our own observations: they are given as they are, but for the clock; and the truth, where it was recorded."""

from __future__ import annotations

import dataclasses

import numpy as np

from whyway.config import Config
from whyway.types import CYCLE_NS, Floats, Ints, Observation, Truth
from whyway.worlds.bags.bag import Bag
from whyway.worlds.bags.gather import Gathered, Kept
from whyway.worlds.bags.recording import MOST_S, EgoTrack, Facts, Recording
from whyway.worlds.bags.records import BagError


class Observed(Recording):
    """See `Recording`. Messages are kept as bytes and decoded when they are asked for.

    Args:
      facts: what it tells.
      bag: decodes.
      observations: as recorded.
      at: for each cycle `(n,)` which of them is the last one.
      truths: as recorded.
      true: cycle -> which of them is of this instant.
    """

    def __init__(
        self, facts: Facts, bag: Bag, observations: Kept, at: Ints, truths: Kept, true: dict[int, int]
    ) -> None:  # fmt: skip
        super().__init__(facts)
        self._bag, self._observations, self._at = bag, observations, at
        self._truths, self._true = truths, true

    @property
    def knows_actors(self) -> bool:
        """Whether truth was recorded."""
        return bool(self._true)

    def observation(self, k: int) -> Observation:
        """As recorded; where one is missing, the last one, whose pose is then old."""
        value: Observation = self._bag.decoder.value(*self._observations.data[int(self._at[k])])
        own = value.ego_stamp_ns - self.ego.start_ns
        return dataclasses.replace(value, stamp_ns=k * CYCLE_NS, ego_stamp_ns=own)

    def truth(self, k: int, config: Config) -> Truth:
        """As recorded; else the ego alone."""
        if k in self._true:
            truth: Truth = self._bag.decoder.value(*self._truths.data[self._true[k]])
            return dataclasses.replace(truth, stamp_ns=k * CYCLE_NS)
        v = config.vehicle
        return Truth(k * CYCLE_NS, self.ego.at(k), v.length_m, v.width_m, v.center_offset_m)


def observed(bag: Bag, found: Gathered, notes: dict[str, str]) -> Observed:
    """The recording of a bag with observations.

    Raises:
      BagError: none can be read, or they make no drive.
    """
    kept, truths = found.observations, found.truths
    if not kept.stamps:
        why = next(iter(found.unread.values()), "it is empty")
        raise BagError(f"{bag.path}: none of its observations can be read: {why}; record anew")
    given = np.array(kept.stamps, dtype=np.int64)
    start, last = int(given.min()), max([*kept.stamps, *truths.stamps])
    count = (last - start) // CYCLE_NS + 1
    if not 2 <= count <= MOST_S * 1e9 / CYCLE_NS:
        what = "less than 0.2 s" if count < 2 else "more than a day: are their stamps of one clock?"
        raise BagError(f"{bag.path}: holds observations over {what}; give another recording")
    grid = start + CYCLE_NS * np.arange(count, dtype=np.int64)
    order = np.argsort(given, kind="stable")
    at = order[np.searchsorted(given[order], grid, side="right") - 1]
    true = {
        (stamp - start) // CYCLE_NS: i
        for i, stamp in enumerate(truths.stamps)
        if stamp >= start and (stamp - start) % CYCLE_NS == 0
    }
    # sensors may have been told wrong on purpose: where truth is known, the way is the true one
    rows = np.array(found.observed_ego.numbers).reshape(-1, 7)[at]
    for k, i in true.items():
        rows[k] = dataclasses.astuple(bag.decoder.value(*truths.data[i]).ego)
    # the last cycle is the drive's end: nobody decides in it
    held = int((given[at] != grid)[:-1].sum())
    if held:
        what = "have no observation of their own: the last one is held"
        notes["held"] = f"{held} of {count - 1} cycles {what}"
    notes["actors"] = "as recorded" if true else "unknown"
    x, y, yaw, v, a, rate, steer = _filled(rows).T
    ego = EgoTrack(start, given[at], x, y, yaw, v, a, rate, steer)
    facts = Facts(bag.name, ego, found.lane_map, found.route, notes)
    return Observed(facts, bag, kept, at, truths, true)


def _filled(rows: Floats) -> Floats:
    """Rows `(n, m)` with those that are not finite replaced by the one before, or the first good one."""
    good = np.isfinite(rows).all(axis=1)
    if not good.any():
        raise BagError("no observation has a finite pose of the ego; give another recording")
    last = np.maximum.accumulate(np.where(good, np.arange(len(rows)), -1))
    filled: Floats = rows[np.where(last < 0, int(np.argmax(good)), last)]
    return filled
