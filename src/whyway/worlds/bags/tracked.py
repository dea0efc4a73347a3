"""A recording of anybody's topics: observations are made of the ego's way, of objects and of lights.

Objects are as they were last reported, carried on at their velocity to the instant; lights as they were last seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from whyway.config import Config
from whyway.geometry import from_frame, to_frame, wrap_angle
from whyway.types import (
    CYCLE_NS,
    Actor,
    Detection,
    EgoState,
    Floats,
    LightState,
    ObjectClass,
    Observation,
    Truth,
)
from whyway.worlds.bags.bag import Bag
from whyway.worlds.bags.ego_track import ego_track, georeference
from whyway.worlds.bags.gather import BOX_COLUMNS, Boxes, Gathered
from whyway.worlds.bags.recording import EgoTrack, Facts, Recording
from whyway.worlds.bags.records import BagError
from whyway.worlds.bags.topic_map import Chosen

OBJECTS_LAST_S = 0.5
"""Objects reported longer ago are not there any more."""
LIGHTS_LAST_S = 1.0
_ON_CHANGE = "carla_msgs/msg/CarlaTrafficLightStatusList"
"""Sent when a light changes: what was sent last holds."""

Lights = tuple[int, tuple[LightState, ...]]


class Tracked(Recording):
    """See `Recording`.

    Args:
      facts: what it tells.
      boxes: objects by rising stamp, in `map`.
      lights: by rising stamp.
      lights_last_s: how long what was seen of a light holds.
    """

    def __init__(
        self, facts: Facts, boxes: Sequence[Boxes], lights: Sequence[Lights], lights_last_s: float
    ) -> None:  # fmt: skip
        super().__init__(facts)
        self._boxes, self._lights, self._lights_last_s = boxes, lights, lights_last_s
        self._box_stamps = np.array([b.stamp_ns for b in boxes], dtype=np.int64)
        self._light_stamps = np.array([stamp for stamp, _ in lights], dtype=np.int64)
        self._named = any(bool((b.rows[:, 9] >= 0).any()) for b in boxes)

    @property
    def knows_actors(self) -> bool:
        """Whether its objects have ids."""
        return self._named

    def observation(self, k: int) -> Observation:
        """Made of what was known at the cycle."""
        ego = self.ego.at(k)
        own = int(self.ego.stamp_ns[k]) - self.ego.start_ns
        return Observation(k * CYCLE_NS, own, ego, _detections(self._rows(k), ego), self._seen(k))

    def truth(self, k: int, config: Config) -> Truth:
        """The ego, and those objects that have ids."""
        v, rows = config.vehicle, self._rows(k)
        actors = _actors(rows[rows[:, 9] >= 0])
        size = (v.length_m, v.width_m, v.center_offset_m)
        return Truth(k * CYCLE_NS, self.ego.at(k), *size, actors, self._seen(k))

    def _rows(self, k: int) -> Floats:
        """Objects where they are at a cycle `(n, BOX_COLUMNS)`, in `map`."""
        now = self.ego.start_ns + k * CYCLE_NS
        i = int(np.searchsorted(self._box_stamps, now, side="right")) - 1
        if i < 0 or (now - int(self._box_stamps[i])) * 1e-9 > OBJECTS_LAST_S:
            return np.zeros((0, BOX_COLUMNS))
        rows: Floats = self._boxes[i].rows.copy()
        rows[:, 1:3] += rows[:, 4:6] * ((now - self._boxes[i].stamp_ns) * 1e-9)
        return rows

    def _seen(self, k: int) -> tuple[LightState, ...]:
        now = self.ego.start_ns + k * CYCLE_NS
        i = int(np.searchsorted(self._light_stamps, now, side="right")) - 1
        if i < 0 or (now - int(self._light_stamps[i])) * 1e-9 > self._lights_last_s:
            return ()
        return self._lights[i][1]


def tracked(
    bag: Bag, chosen: Chosen, found: Gathered, notes: dict[str, str], config: Config
) -> Tracked:
    """The recording of a bag without observations.

    Raises:
      BagError: it does not tell where the ego was.
    """
    try:
        ego, told = ego_track(found.ego, chosen, config.vehicle)
    except BagError as error:
        raise BagError(f"{bag.path}: {error}") from None
    notes |= told
    where = georeference(found.ego)
    if where is not None:
        notes["first fix"] = f"{where[0]:.7f}, {where[1]:.7f}"
    on_change = "lights" in chosen.topics and chosen.topics["lights"].type == _ON_CHANGE
    recording = Tracked(
        Facts(bag.name, ego, found.lane_map, found.route, notes),
        sorted((_in_map(b, ego) for b in found.boxes), key=lambda b: b.stamp_ns),
        sorted(found.lights, key=lambda light: light[0]),
        math.inf if on_change else LIGHTS_LAST_S,
    )
    notes["actors"] = "recorded objects" if recording.knows_actors else "unknown"
    return recording


def _in_map(boxes: Boxes, ego: EgoTrack) -> Boxes:
    """Objects as reported, in `map`: those in `base_link` from where that was then."""
    if boxes.in_map:
        return boxes
    grid = CYCLE_NS * 1e-9 * np.arange(len(ego))
    then = (boxes.stamp_ns - ego.start_ns) * 1e-9
    x, y, yaw = (
        float(np.interp(then, grid, c)) for c in (ego.x_m, ego.y_m, np.unwrap(ego.yaw_rad))
    )
    rows = boxes.rows.copy()
    rows[:, 1], rows[:, 2] = from_frame(rows[:, 1], rows[:, 2], x, y, np.float64(yaw))
    rows[:, 3] += yaw
    rows[:, 4], rows[:, 5] = from_frame(rows[:, 4], rows[:, 5], 0.0, 0.0, np.float64(yaw))
    return Boxes(boxes.stamp_ns, True, rows)


def _detections(rows: Floats, ego: EgoState) -> tuple[Detection, ...]:
    """Objects in `map` as seen from the ego, nearest first."""
    kind, x, y, yaw, vx, vy, length, width, sure, _ = rows.T
    x, y = to_frame(x, y, ego.x_m, ego.y_m, np.float64(ego.yaw_rad))
    vx, vy = to_frame(vx, vy, 0.0, 0.0, np.float64(ego.yaw_rad))
    yaw = wrap_angle(yaw - ego.yaw_rad)
    order = np.argsort(np.hypot(x, y), kind="stable")
    numbers = np.stack([x, y, yaw, length, width, vx, vy, sure], axis=1)[order].tolist()
    kinds = kind[order].astype(int).tolist()
    return tuple(Detection(ObjectClass(c), *n) for c, n in zip(kinds, numbers, strict=True))


def _actors(rows: Floats) -> tuple[Actor, ...]:
    """Objects in `map` as road users."""
    kind, x, y, yaw, vx, vy, length, width, _, name = rows.T
    columns = (name, kind, x, y, wrap_angle(yaw), np.hypot(vx, vy), length, width)
    return tuple(
        Actor(int(i), ObjectClass(int(c)), px, py, turn, v, along, across, c == ObjectClass.HAZARD)
        for i, c, px, py, turn, v, along, across in zip(*(c.tolist() for c in columns), strict=True)
    )
