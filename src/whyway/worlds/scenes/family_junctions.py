"""Finders of places at junctions: ways through them under the control asked for, and who crosses those."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whyway.geometry import wrap_angle
from whyway.types import Floats, LaneKind
from whyway.worlds.scenes.family import TURNS
from whyway.worlds.scenes.family_lanes import Lanes, meeting
from whyway.worlds.scenes.family_need import TURN_RAD, Found, Need, fits_across, order

_ARM_RAD = math.radians(45.0)
_ARM_ANGLES = {"right": math.pi / 2, "left": -math.pi / 2, "opposite": math.pi, "beside": 0.0}
"""Heading of who comes, against the ego's."""
_JUNCTION_M = 80.0
"""Lanes that end farther from each other do not lead into the same junction."""
_FARTHEST_M = 1500.0


@dataclass(frozen=True, slots=True)
class Way:
    """A passage through a junction."""

    entry: int
    inside: tuple[int, ...]
    exit: int
    in_rad: float
    turn_rad: float

    @property
    def go(self) -> str:
        """Which way it turns."""
        sharp = abs(self.turn_rad) > TURN_RAD
        return TURNS[1] if not sharp else TURNS[0] if self.turn_rad > 0 else TURNS[2]


def junctions(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Ways through junctions under the control asked for, where others can come from where they must."""
    spec = need.spec
    ways = [way_of(lanes, *parts) for parts in lanes.junction_ways()]
    for i in order(lanes, need, rng, [way.entry for way in ways]):
        mine = ways[i]
        if mine.go != spec.turn or not fits_across(lanes, spec, mine.entry):
            continue
        arms = dict(_others(lanes, mine, ways))
        everyone = [mine.entry, *(v[0] for v in arms.values())]
        if lanes[mine.entry].lane.kind != LaneKind.DRIVING:
            continue
        if spec.control != "any" and _control(lanes, mine.entry, everyone) != spec.control:
            continue
        if all(arm in arms for arm in spec.arms):
            core = (mine.entry, *mine.inside, mine.exit)
            whole = {
                k: lanes.onward(lanes.upstream(v, need.approach_m + 150.0), _FARTHEST_M / 2)
                for k, v in arms.items()
                if k in spec.arms
            }
            yield Found(core, lanes[mine.entry].length_m, whole)


def way_of(lanes: Lanes, entry: int, inside: tuple[int, ...], exit_: int) -> Way:
    """A passage with its headings; one that turns by more than half a circle keeps its sense."""
    yaw = float(lanes[entry].center.yaw_rad[-1])
    turn = sum(float(np.ptp(lanes[i].center.yaw_rad)) for i in inside)
    bend = float(wrap_angle(lanes[exit_].center.yaw_rad[0] - yaw))
    return Way(entry, inside, exit_, yaw, bend if turn < math.pi else math.copysign(turn, bend))


def _others(lanes: Lanes, mine: Way, ways: list[Way]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """All arms; of several ways by one name, a bicycle lane's before the ego's own lane, else the first."""
    x, y, _, _ = lanes[mine.entry].center.at(lanes[mine.entry].length_m)
    found: dict[str, tuple[int, ...]] = {}
    for way in ways:
        entry = lanes[way.entry].center
        if math.hypot(entry.x_m[-1] - x, entry.y_m[-1] - y) > _JUNCTION_M:
            continue
        for name, ids in _meets(lanes, mine, way):
            if name not in found or lanes[ids[0]].lane.kind == LaneKind.BIKE:
                found[name] = ids
    yield from found.items()


def _meets(lanes: Lanes, mine: Way, other: Way) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The name of an arm by which somebody on another way crosses or joins the ego's, with its lanes."""
    if other.inside == mine.inside:
        return
    if other.entry != mine.entry and meeting(*_points(lanes, mine), *_points(lanes, other)) is None:
        return
    turn = float(wrap_angle(other.in_rad - mine.in_rad))
    bike = lanes[other.entry].lane.kind == LaneKind.BIKE
    for name, angle in _ARM_ANGLES.items():
        beside = name == "beside"
        if abs(wrap_angle(turn - angle)) < _ARM_RAD and (
            not beside or bike or other.entry == mine.entry
        ):
            yield f"{name}>{other.go}", (other.entry, *other.inside, other.exit)


def _points(lanes: Lanes, way: Way) -> tuple[Floats, Floats]:
    centers = [lanes[i].center for i in way.inside]
    return np.concatenate([c.x_m for c in centers]), np.concatenate([c.y_m for c in centers])


def _control(lanes: Lanes, entry: int, everyone: list[int]) -> str:
    """Who has the right of way at the end of a lane, as `SiteSpec.control` calls it."""
    lines = lanes.stop_lines.get(entry, [])
    if any(line.light_id for line in lines):
        return "signals"
    if any(line.is_stop_sign for line in lines):
        all_stop = all(
            any(line.is_stop_sign for line in lanes.stop_lines.get(i, [])) for i in everyone
        )
        return "all_way_stop" if all_stop and len(everyone) > 1 else "stop"
    return "give_way" if lines else "none"
