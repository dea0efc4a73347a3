"""A recording as the driver would have sensed it: an `Observation` every 0.1 s on a clock that starts at 0, and what is known to be true.

A recorded `Observation` is given as it is, but for the clock. Where there is none, one is made: the ego from its topics (`ego_track.py`),
objects as they were last reported, carried on at their velocity to the instant, lights as they were last seen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from whyway.config import Config
from whyway.geometry import from_frame, to_frame, wrap_angle
from whyway.types import (
    CYCLE_NS,
    Actor,
    Detection,
    EgoState,
    Floats,
    Ints,
    LaneMap,
    LightState,
    ObjectClass,
    Observation,
    Route,
    Truth,
)
from whyway.worlds.bags.bag import Bag, open_bag
from whyway.worlds.bags.ego_track import EgoTrack, ego_track, georeference
from whyway.worlds.bags.gather import Gathered, Kept, gather
from whyway.worlds.bags.records import BagError
from whyway.worlds.bags.topic_map import Chosen, choose

OBJECTS_LAST_S = 0.5
"""Objects reported longer ago are not there any more."""
LIGHTS_LAST_S = 1.0
_ON_CHANGE = "carla_msgs/msg/CarlaTrafficLightStatusList"
"""Sent when a light changes: what was sent last holds."""
_STANDS_MPS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One recording at 10 Hz: cycles 0 ... `count - 1`.

    Attributes:
      name: of the bag.
      ego: `base_link` at every cycle.
      lane_map: as recorded, None where it was not.
      route: the same.
      notes: what was made of it, for reports.
    """

    name: str
    ego: EgoTrack
    lane_map: LaneMap | None
    route: Route | None
    notes: Mapping[str, str]
    _bag: Bag
    _found: Gathered
    _observed: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """For each cycle which recorded observation is the last one, -1: none; empty where none was recorded."""
    _true: Mapping[int, int] = field(default_factory=dict)
    """Cycle -> which recorded truth is of this instant."""
    _light_last_s: float = LIGHTS_LAST_S
    _box_stamps: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _light_stamps: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def count(self) -> int:
        """How many cycles there are."""
        return len(self.ego)

    @property
    def knows_actors(self) -> bool:
        """Whether it tells who was there, by name: recorded truth, or objects with ids."""
        named = any((rows[:, 9] >= 0).any() for _, _, rows in self._found.boxes[:50])
        return bool(self._true) or named

    @property
    def sees(self) -> bool:
        """Whether it tells of other road users at all."""
        return bool(self._found.boxes) or len(self._observed) > 0

    def ego_at(self, k: int) -> EgoState:
        """The ego at a cycle."""
        e = self.ego
        columns = (e.x_m, e.y_m, e.yaw_rad, e.v_mps, e.a_mps2, e.yaw_rate_rps, e.steer_rad)
        return EgoState(*(float(c[k]) for c in columns))

    def observation(self, k: int) -> Observation:
        """What was sensed at a cycle."""
        stamp = k * CYCLE_NS
        if len(self._observed):
            return self._recorded(k, stamp)
        ego = self.ego_at(k)
        own = int(self.ego.stamp_ns[k]) - self.ego.start_ns
        return Observation(stamp, own, ego, self._detections(k, ego), self._lights(k))

    def truth(self, k: int, config: Config) -> Truth:
        """What is known to be true at a cycle: as recorded, else the ego, and those objects that have names."""
        stamp, vehicle = k * CYCLE_NS, config.vehicle
        if k in self._true:
            truth: Truth = self._value(self._found.truths, self._true[k])
            return dataclasses.replace(truth, stamp_ns=stamp)
        ego = self.ego_at(k)
        actors = tuple(self._actors(k)) if self.knows_actors else ()
        lights = self._lights(k) if not len(self._observed) else ()
        return Truth(
            stamp, ego, vehicle.length_m, vehicle.width_m, vehicle.center_offset_m, actors, lights
        )

    # ------------------------------------------------------------------------------------------------------- inner

    def _value(self, kept: Kept, i: int):  # type: ignore[no-untyped-def]
        return self._bag.decoder.value(*kept.data[i])

    def _recorded(self, k: int, stamp: int) -> Observation:
        i = int(self._observed[k])
        value: Observation = self._value(self._found.observations, i)
        own = value.ego_stamp_ns - self.ego.start_ns
        return dataclasses.replace(value, stamp_ns=stamp, ego_stamp_ns=own)

    def _rows(self, k: int) -> tuple[Floats, bool] | None:
        """Objects as they are at a cycle, in `map` or in its `base_link`."""
        now = self.ego.start_ns + k * CYCLE_NS
        i = int(np.searchsorted(self._box_stamps, now, side="right")) - 1
        if i < 0 or (now - int(self._box_stamps[i])) * 1e-9 > OBJECTS_LAST_S:
            return None
        stamp, in_map, rows = self._found.boxes[i]
        age_s = (now - stamp) * 1e-9
        moved = rows.copy()
        moved[:, 1] += rows[:, 4] * age_s
        moved[:, 2] += rows[:, 5] * age_s
        return moved, in_map

    def _detections(self, k: int, ego: EgoState) -> tuple[Detection, ...]:
        found = self._rows(k)
        if found is None:
            return ()
        rows, in_map = found
        kind, x, y, yaw, vx, vy, length, width, sure, _ = rows.T
        if in_map:
            x, y = to_frame(x, y, ego.x_m, ego.y_m, np.float64(ego.yaw_rad))
            vx, vy = to_frame(vx, vy, 0.0, 0.0, np.float64(ego.yaw_rad))
            yaw = wrap_angle(yaw - ego.yaw_rad)
        order = np.argsort(np.hypot(x, y), kind="stable")
        numbers = np.stack([x, y, yaw, length, width, vx, vy, sure], axis=1)[order].tolist()
        kinds = kind[order].astype(int).tolist()
        return tuple(Detection(ObjectClass(c), *n) for c, n in zip(kinds, numbers, strict=True))

    def _actors(self, k: int) -> list[Actor]:
        found = self._rows(k)
        if found is None:
            return []
        rows, in_map = found
        rows = rows[rows[:, 9] >= 0]
        kind, x, y, yaw, vx, vy, length, width, _, name = rows.T
        if not in_map:
            e = self.ego_at(k)
            x, y = from_frame(x, y, e.x_m, e.y_m, np.float64(e.yaw_rad))
            yaw = yaw + e.yaw_rad
        v = np.hypot(vx, vy)
        return [
            Actor(int(name[i]), ObjectClass(int(kind[i])), float(x[i]), float(y[i]), float(wrap_angle(yaw[i])), float(v[i]),
                  float(length[i]), float(width[i]), bool(v[i] < _STANDS_MPS and kind[i] == ObjectClass.HAZARD))
            for i in range(len(rows))
        ]  # fmt: skip

    def _lights(self, k: int) -> tuple[LightState, ...]:
        now = self.ego.start_ns + k * CYCLE_NS
        i = int(np.searchsorted(self._light_stamps, now, side="right")) - 1
        if i < 0 or (now - int(self._light_stamps[i])) * 1e-9 > self._light_last_s:
            return ()
        return self._found.lights[i][1]


def read_recording(path: Path | str, topics: str, config: Config) -> Recording:
    """Read a recording.

    Args:
      path: of the bag.
      topics: a preset's name or a YAML file; "" to find out.
      config: the whole tree; only the vehicle counts.

    Raises:
      BagError: nothing to drive in it; one line.
      ConfigError: a table of topics that is none.
    """
    bag = open_bag(path)
    chosen = choose(bag.contents(), topics)
    found = gather(bag, chosen)
    notes = {"bag": str(path), "topics": chosen.told()}
    if bag.lost:
        notes["lost"] = "; ".join(bag.lost)
    if found.unread:
        notes["unread"] = "; ".join(f"{name}: {why}" for name, why in found.unread.items())
    if found.other_clocks:
        notes["clock"] = (
            f"times of recording, not those in the headers, of {', '.join(sorted(found.other_clocks))}"
        )
    if "observation" in chosen.topics:
        return _as_observed(bag, found, notes)
    return _as_tracked(bag, chosen, found, notes, config)


def _as_observed(bag: Bag, found: Gathered, notes: dict[str, str]) -> Recording:
    kept = found.observations
    if not kept.stamps:
        raise BagError(
            f"{bag.path}: none of its observations can be read: {next(iter(found.unread.values()), 'it is empty')}"
        )
    start = min(kept.stamps)
    last = max([*kept.stamps, *found.truths.stamps])
    count = int(last - start) // CYCLE_NS + 1
    if count < 2:
        raise BagError(
            f"{bag.path}: holds less than {2 * CYCLE_NS * 1e-9:g} s of observations: no drive; record longer"
        )
    order = np.argsort(kept.stamps, kind="stable")
    stamps = np.array(kept.stamps, dtype=np.int64)[order]
    grid = start + CYCLE_NS * np.arange(count, dtype=np.int64)
    at = order[np.searchsorted(stamps, grid, side="right") - 1]
    true = {
        (stamp - start) // CYCLE_NS: i
        for i, stamp in enumerate(found.truths.stamps)
        if stamp >= start and (stamp - start) % CYCLE_NS == 0
    }
    block = np.array(found.observed["ego"].numbers).reshape(-1, 7)[at]
    for (
        k,
        i,
    ) in true.items():  # sensors may have been told wrong on purpose; a judge wants what was so
        truth: Truth = bag.decoder.value(*found.truths.data[i])
        block[k] = dataclasses.astuple(truth.ego)
    # the last cycle is the drive's end: nobody decides in it
    held = int((np.array(kept.stamps)[at] != grid)[:-1].sum())
    if held:
        notes["held"] = (
            f"{held} of {count - 1} cycles have no observation of their own: the last one is held"
        )
    x, y, yaw, v, a, rate, steer = _filled(block).T
    ego = EgoTrack(
        start, np.array(kept.stamps, dtype=np.int64)[at], x, y, yaw, v, a, rate, steer, notes={}
    )
    notes["actors"] = "as recorded" if true else "unknown"
    return Recording(
        bag.name, ego, found.lane_map, found.route, notes, bag, found, _observed=at, _true=true
    )


def _as_tracked(
    bag: Bag, chosen: Chosen, found: Gathered, notes: dict[str, str], config: Config
) -> Recording:
    try:
        ego = ego_track(found.ego, chosen, config.vehicle)
    except BagError as error:
        raise BagError(f"{bag.path}: {error}") from None
    found.boxes.sort(key=lambda b: b[0])
    found.lights.sort(key=lambda light: light[0])
    on_change = "lights" in chosen.topics and chosen.topics["lights"].type == _ON_CHANGE
    where = georeference(found.ego)
    if where is not None:
        notes["first fix"] = f"{where[0]:.7f}, {where[1]:.7f}"
    recording = Recording(
        bag.name, ego, found.lane_map, found.route, notes, bag, found,
        _light_last_s=math.inf if on_change else LIGHTS_LAST_S,
        _box_stamps=np.array([b[0] for b in found.boxes], dtype=np.int64),
        _light_stamps=np.array([x[0] for x in found.lights], dtype=np.int64),
    )  # fmt: skip
    notes |= ego.notes
    notes["actors"] = "recorded objects" if recording.knows_actors else "unknown"
    return recording


def _filled(block: Floats) -> Floats:
    """Rows `(n, m)` with those that are not finite replaced by the one before, or the first good one."""
    good = np.isfinite(block).all(axis=1)
    if not good.any():
        raise BagError("no observation has a finite pose of the ego; give another recording")
    last = np.maximum.accumulate(np.where(good, np.arange(len(block)), -1))
    filled: Floats = block[np.where(last < 0, int(np.argmax(good)), last)]
    return filled
