"""One pass through a recording: what the chosen topics say, as compact columns by stamp."""

from __future__ import annotations

import dataclasses
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whyway.types import Floats, Ints, LaneMap, LightState, Observation, Route, Truth
from whyway.worlds.bags.bag import Bag
from whyway.worlds.bags.decode import DecodeError
from whyway.worlds.bags.records import Channel
from whyway.worlds.bags.samples import ROLES, Box, frame_of, stamp_of
from whyway.worlds.bags.topic_map import Chosen

SAME_CLOCK_NS = 10_000_000_000
"""A header's stamp counts as long as it is so near to the time of recording: else it is of another clock, or was never set."""
EGO_ROLES = ("odometry", "fix", "imu", "speed", "acceleration", "steering")
BOX_COLUMNS = 10
"""Class, x, y, yaw, vx, vy, length, width, probability, id (-1: none)."""


@dataclass(slots=True)
class Column:
    """The messages of one topic of the ego's: stamps, and rows of `width` numbers."""

    stamps: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[float] = field(default_factory=lambda: array("d"))
    width: int = 0

    def add(self, stamp_ns: int, row: tuple[float, ...]) -> None:
        """One message more."""
        self.width = len(row)
        self.stamps.append(stamp_ns)
        self.numbers.extend(row)

    def sorted(self) -> tuple[Ints, Floats]:
        """Stamps `(n,)`, rising, each once, and rows `(n, width)`."""
        stamps = np.array(self.stamps, dtype=np.int64)
        rows = np.array(self.numbers, dtype=np.float64).reshape(len(stamps), max(self.width, 1))
        stamps, first = np.unique(stamps, return_index=True)
        return stamps, rows[first]


@dataclass(slots=True)
class Kept:
    """Messages of our own kept as they were, by stamp: decoded when they are asked for."""

    stamps: list[int] = field(default_factory=list)
    data: list[tuple[Channel, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Objects as one message tells them: rows `(k, BOX_COLUMNS)` in `map`, else in `base_link`."""

    stamp_ns: int
    in_map: bool
    rows: Floats


@dataclass(slots=True)
class Gathered:
    """Everything that was found."""

    ego: dict[str, Column] = field(default_factory=dict)
    observations: Kept = field(default_factory=Kept)
    observed_ego: Column = field(default_factory=Column)
    """The egos of `observations`, in their order."""
    truths: Kept = field(default_factory=Kept)
    boxes: list[Boxes] = field(default_factory=list)
    lights: list[tuple[int, tuple[LightState, ...]]] = field(default_factory=list)
    lane_map: LaneMap | None = None
    route: Route | None = None
    child_frame: str = ""
    """What an odometry calls the frame whose pose it gives."""
    other_clocks: set[str] = field(default_factory=set)
    """Topics whose headers are of another clock."""
    unread: dict[str, str] = field(default_factory=dict)
    """Topic -> why its first unreadable message is."""


def gather(bag: Bag, chosen: Chosen) -> Gathered:
    """Read what the chosen topics say; messages that cannot be read are left out and noted."""
    return _Gatherer(bag, chosen).run()


class _Gatherer:
    def __init__(self, bag: Bag, chosen: Chosen) -> None:
        self._bag, self._chosen = bag, chosen
        self._roles = {topic.name: role for role, topic in chosen.topics.items()}
        self._ids: dict[object, int] = {}
        self._headers: dict[str, bool] = {}
        self._found = Gathered()

    def run(self) -> Gathered:
        for channel, recorded_ns, data in self._bag.records():
            role = self._roles.get(channel.topic)
            # a topic may change its type in mid-recording: then it is another topic
            if role is None or channel.type not in ROLES[role]:
                continue
            try:
                message = self._bag.decoder.value(channel, data)
                value = ROLES[role][channel.type](message)
            except (DecodeError, ValueError, AttributeError, TypeError) as error:
                self._found.unread.setdefault(channel.topic, " ".join(str(error).split()))
                continue
            self._take(role, channel, recorded_ns, data, message, value)
        return self._found

    def _take(
        self, role: str, channel: Channel, recorded_ns: int, data: bytes, message: Any, value: Any
    ) -> None:  # fmt: skip
        found = self._found
        if isinstance(value, Observation):
            found.observations.stamps.append(value.stamp_ns)
            found.observations.data.append((channel, data))
            found.observed_ego.add(value.stamp_ns, dataclasses.astuple(value.ego))
        elif isinstance(value, Truth):
            found.truths.stamps.append(value.stamp_ns)
            found.truths.data.append((channel, data))
        elif isinstance(value, LaneMap):
            found.lane_map = value
        elif isinstance(value, Route):
            found.route = value
        else:
            stamp_ns = self._stamp(channel, recorded_ns, message)
            if role in EGO_ROLES:
                if role == "odometry":
                    found.child_frame = str(getattr(message, "child_frame_id", "")).strip("/")
                found.ego.setdefault(role, Column()).add(stamp_ns, value)
            elif role == "objects":
                found.boxes.append(Boxes(stamp_ns, self._in_map(message), self._rows(value)))
            else:
                found.lights.append((stamp_ns, tuple(value)))

    def _stamp(self, channel: Channel, recorded_ns: int, message: Any) -> int:
        stamp_ns = stamp_of(message)
        if channel.topic not in self._headers:  # one clock for the whole topic
            own = stamp_ns is not None and abs(stamp_ns - recorded_ns) < SAME_CLOCK_NS
            self._headers[channel.topic] = own
            if stamp_ns is not None and not own:
                self._found.other_clocks.add(channel.topic)
        return stamp_ns if self._headers[channel.topic] and stamp_ns is not None else recorded_ns

    def _in_map(self, message: Any) -> bool:
        if self._chosen.table.objects_in:
            return self._chosen.table.objects_in == "map"
        frame = frame_of(message)
        return frame != self._found.child_frame and not frame.endswith("base_link")

    def _rows(self, boxes: list[Box]) -> Floats:
        rows = np.empty((len(boxes), BOX_COLUMNS))
        for i, b in enumerate(boxes):
            name = -1 if b.key is None else self._ids.setdefault(b.key, len(self._ids) + 1)
            rows[i] = (
                b.object_class, b.x_m, b.y_m, b.yaw_rad, b.vx_mps, b.vy_mps, b.length_m, b.width_m, b.probability, name,
            )  # fmt: skip
        return rows[np.isfinite(rows).all(axis=1)]
