"""What a navigator says along a route: turns and straight crossings of junctions, lane changes, and how far off each is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from whyway.maps.path import TURN_RAD, LanePath
from whyway.maps.road import Road
from whyway.types import NavCommand


@dataclass(frozen=True, slots=True)
class RouteCommand:
    """One thing to do, between two arc lengths of the route (`Road.route_path`).

    For a turn this is the stretch inside the junction; for a lane change, the stretch on which old and new lane run side by side.
    """

    command: NavCommand
    begin_s: float
    end_s: float


def route_commands(road: Road) -> tuple[RouteCommand, ...]:
    """LEFT, RIGHT, STRAIGHT for every junction of the route and CHANGE_LEFT, CHANGE_RIGHT for every change, in order.

    As CARLA's leaderboard gives them (`RoadOption`); between them the command is to FOLLOW the lane.
    """
    path = road.route_path
    found = [_passage(path, begin, end) for begin, end in path.junctions]
    found += _changes(road, path)
    return tuple(sorted(found, key=lambda one: (one.begin_s, one.end_s)))


def next_command(commands: Sequence[RouteCommand], s_m: float) -> tuple[NavCommand, float]:
    """The first thing still to do at `s_m` of the route and how far off it begins: 0 inside, FOLLOW and inf when all is done."""
    for one in commands:
        if one.end_s > s_m:
            return one.command, max(one.begin_s - s_m, 0.0)
    return NavCommand.FOLLOW, math.inf


def _passage(path: LanePath, begin_s: float, end_s: float) -> RouteCommand:
    _, _, yaw_in, _ = path.center.at(begin_s)
    _, _, yaw_out, _ = path.center.at(end_s)
    turn = math.remainder(float(yaw_out) - float(yaw_in), 2 * math.pi)
    if abs(turn) < TURN_RAD:
        return RouteCommand(NavCommand.STRAIGHT, begin_s, end_s)
    command = NavCommand.LEFT if turn > 0.0 else NavCommand.RIGHT
    return RouteCommand(command, begin_s, end_s)


def _changes(road: Road, path: LanePath) -> list[RouteCommand]:
    ids = path.lane_ids
    begins = path.lane_start_s.tolist()
    found = []
    for i, (old, new) in enumerate(zip(ids, ids[1:], strict=False)):
        left, right = road.neighbours(old)
        if new not in (left, right) or new in road.lanes[old].lane.successor_ids:
            continue
        side = 0 if new == left else 1
        first = _beside(road, ids[: i + 1][::-1], new, side, ahead=False)
        last = _beside(road, ids[i + 1 :], old, 1 - side, ahead=True)
        begin = begins[i + 1 - first]
        until = i + 1 + last
        end = begins[until] if until < len(begins) else path.length_m
        command = NavCommand.CHANGE_LEFT if side == 0 else NavCommand.CHANGE_RIGHT
        found.append(RouteCommand(command, begin, end))
    return found


def _beside(road: Road, strand: Sequence[int], other: int, side: int, ahead: bool) -> int:
    """How many lanes of a strand of the route have, one after the other, the lane `other` and what it is linked to beside them."""
    count = 0
    linked = {other}
    for lane_id in strand:
        neighbour = road.neighbours(lane_id)[side]
        if neighbour not in linked:
            break
        count += 1
        lane = road.lanes[neighbour].lane
        linked = set((lane.successor_ids if ahead else lane.predecessor_ids).tolist())
    return count
