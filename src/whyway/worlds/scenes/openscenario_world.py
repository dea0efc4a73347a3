"""An OpenSCENARIO file as a world: its storyboard becomes a cast with cues (`cast.py`), its road network the map.

What is approximate, and why: a speed relative to the ego's counts from the ego's first speed (a cue is a number, fixed at the start);
lane changes go at a constant lateral rate; arc lengths count along the lane in driving direction, also on the
road's left side. The ego is our vehicle, not the file's, and
the limit it knows is its first speed: these scenarios are driven at a set speed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whyway.config import Config
from whyway.maps.opendrive_read import OpenDrive, read_opendrive_file
from whyway.maps.path import join
from whyway.maps.routes import make_route
from whyway.maps.xmlfile import SceneError
from whyway.types import LaneMap
from whyway.worlds.scenes.cast import Cue, Part, sized
from whyway.worlds.scenes.family_lanes import Lanes
from whyway.worlds.scenes.openscenario import (
    EGO_NAME,
    Action,
    Event,
    Place,
    Scenario,
    Trigger,
    read_scenario,
)
from whyway.worlds.scenes.stage import Play, described, staged
from whyway.worlds.sim.state import CUES, When
from whyway.worlds.sim.table import Line
from whyway.worlds.sim.world import SimWorld

_LONGEST_S = 120.0
"""Scenarios without an end of their own, or that cruise for minutes, end here."""
_ROUTE_M = 2500.0
_GENTLE_MPS2 = 3.0


def scenario_world(
    path: Path, seed: int, config: Config, duration_s: float | None = None
) -> SimWorld:
    """The world of an OpenSCENARIO file; of a logical one, the scenario that the seed draws.

    Raises:
      InputError: the file, its road network or a catalog cannot be used, or asks for what is not supported; one line.
    """
    scenario = read_scenario(path, seed)
    road = read_opendrive_file(scenario.road_file)
    try:
        play = _Director(scenario, road, config).play()
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from None
    if duration_s is not None:
        play = replace(play, duration_s=duration_s)
    return staged(play, seed, config)


@dataclass(frozen=True, slots=True)
class _At:
    """Where somebody is: a lane, along it, to its left."""

    lane: int
    s_m: float
    d_m: float


class _Director:
    """Puts a scenario's people in their places and turns its events into cues."""

    def __init__(self, scenario: Scenario, road: OpenDrive, config: Config) -> None:
        self.scenario, self.road = scenario, road
        self.lanes = Lanes(road.lane_map)
        self.length = {EGO_NAME: config.vehicle.length_m} | {
            name: e.length_m for name, e in scenario.entities.items() if name != EGO_NAME
        }
        self.speed = {name: self._speed(name) for name in scenario.begins}
        self.at: dict[str, _At] = {}
        for name in (EGO_NAME, *scenario.begins):
            if name not in self.at:
                self.at[name] = self._begin(name)

    def play(self) -> Play:
        """All that makes the world."""
        ego = self.at[EGO_NAME]
        ids = self.lanes.onward((ego.lane,), ego.s_m + _ROUTE_M)
        path = join(ids, self.lanes.all, self.lanes.stop_lines, self.lanes.crossings)
        v = self.speed[EGO_NAME]
        end = self._end(self.scenario.end)
        goal = min(path.length_m - 2.0, ego.s_m + _ROUTE_M)
        x, y, _, _ = path.center.at(goal)
        route = make_route(self.road.lane_map, ids, (float(x), float(y)))
        name = self.scenario.name
        return Play(
            name=name,
            lane_map=limited(self.road.lane_map, v),
            table_map=self.road.lane_map,
            signals=self.road.signals,
            route=route,
            path=path,
            start_m=ego.s_m,
            speed_mps=v,
            parts=tuple(self._part(n) for n in self.scenario.begins if n != EGO_NAME),
            duration_s=round(min(end, _LONGEST_S), 1),
            notes={
                "scene": name,
                "road": self.scenario.road_file.name,
                "parameters": described(self.scenario.parameters),
                "goal_counts": "no",
            },
            has_goal=False,
        )

    # ------------------------------------------------------------------------------------------------------- places

    def _speed(self, name: str) -> float:
        begin = self.scenario.begins[name]
        if begin.speed_by in ("", name):
            return max(begin.speed_mps, 0.0)
        if begin.speed_by != EGO_NAME:
            raise SceneError(
                f"entity {name!r}: speeds relative to {begin.speed_by!r} are not supported"
            )
        return max(begin.speed_mps + self.scenario.begins[EGO_NAME].speed_mps, 0.0)

    def _begin(self, name: str) -> _At:
        begin = self.scenario.begins[name]
        at = self._place(begin.place, name)
        if not math.isnan(begin.gap_s):
            ego = self.at[EGO_NAME]
            gap = begin.gap_s * self.speed[EGO_NAME]
            halves = (self.length[name] + self.length[EGO_NAME]) / 2
            at = replace(at, s_m=ego.s_m + gap + halves)
        return at

    def _place(self, place: Place, name: str) -> _At:
        if not place.by:
            return _At(self._lane(place), place.s_m, place.offset_m * self._left(place.lane))
        if place.by == name or (place.by not in self.at and place.by != EGO_NAME):
            raise SceneError(f"entity {name!r} is placed by {place.by!r}, who has no place yet")
        base = self.at.get(place.by) or self._begin(EGO_NAME)
        lane = self._aside(base.lane, place.lane)
        return _At(lane, base.s_m + place.s_m, place.offset_m)

    def _lane(self, place: Place) -> int:
        """The map's lane at a road, a number and an arc length of the road."""
        found = [
            i
            for i, names in self.road.names.items()
            if any(road == place.road and lane == place.lane for road, _, lane in names)
        ]
        found = [i for i in found if i in self.lanes.all]
        if len(found) != 1:
            raise SceneError(
                f"road {place.road!r} has {len(found)} driving lanes {place.lane}; one in one section is needed"
            )
        if not 0.0 <= place.s_m <= self.lanes[found[0]].length_m:
            raise SceneError(f"road {place.road!r} has no place at {place.s_m:g} m")
        return found[0]

    @staticmethod
    def _left(number: int) -> float:
        """The road's left is the driver's on lanes along it (negative numbers), his right on the others."""
        return 1.0 if number < 0 else -1.0

    def _aside(self, lane: int, count: int) -> int:
        """The lane so many to the left (negative: to the right) of a lane."""
        here = lane
        for _ in range(min(abs(count), 20)):
            here = self.lanes.side(here, left=count > 0)
            if not here:
                raise SceneError(
                    f"there is no lane {abs(count)} to the {'left' if count > 0 else 'right'}"
                )
        return here

    # -------------------------------------------------------------------------------------------------------- parts

    def _part(self, name: str) -> Part:
        entity, at, v = self.scenario.entities[name], self.at[name], self.speed[name]
        events = [e for e in self.scenario.events if e.entity == name]
        part = Part(name, *sized(entity.kind, entity.length_m, entity.width_m), v_mps=v, cap_mps=v)
        ways = [a for e in events for a in e.actions if a.kind == "way"]
        if ways:
            if len(events) != 1 or len(ways) != 1:
                raise SceneError(f"entity {name!r}: more than one trajectory is not supported")
            return self._walk(part, events[0], ways[0])
        cues = self._cues(name, events)
        if v > 0.0 and len(cues) < CUES:
            # entities without a driver keep their speed, whatever is before them
            cues = (Cue(When.AT_TIME, 0.0, speed_mps=v, reckless=True), *cues)
        ids = self.lanes.onward((at.lane,), at.s_m + _ROUTE_M)
        return replace(part, lanes=ids, s_m=at.s_m, d_m=at.d_m, cues=cues)

    def _walk(self, part: Part, event: Event, action: Action) -> Part:
        points = []
        for place in action.way:
            at = self._place(place, part.name)
            x, y, _, _ = self.lanes[at.lane].center.at(at.s_m, at.d_m)
            points.append((float(x), float(y)))
        (x0, y0), (x1, y1) = points
        length = math.hypot(x1 - x0, y1 - y0)
        if length < 0.5:
            raise SceneError(f"action {action.name!r} leads nowhere")
        speed = length / action.how_much
        start = self._moment(event, part.name, {})
        cues = (
            replace(start, speed_mps=speed, rate_mps2=10.0, reckless=True),
            Cue(When.OWN_S, length - 0.3, speed_mps=0.0, rate_mps2=10.0, reckless=True),
        )
        way = Line(np.array([x0, x1]), np.array([y0, y1]), max(speed, 0.5))
        return replace(part, own=way, cues=cues, v_mps=0.0, cap_mps=0.0)

    # --------------------------------------------------------------------------------------------------------- cues

    def _cues(self, name: str, events: list[Event]) -> tuple[Cue, ...]:
        cues: list[Cue] = []
        takes: dict[str, float] = {}
        v, d = self.speed[name], self.at[name].d_m
        for event in events:
            cue = self._moment(event, name, takes)
            cue = replace(cue, speed_mps=v, reckless=True)
            takes = {}  # `after` means the cue before, and no other
            for action in event.actions:
                if action.kind == "speed":
                    v, rate, time = self._to_speed(action, v)
                    cue = replace(cue, speed_mps=v, rate_mps2=rate)
                else:
                    target = self._to_offset(action, name)
                    rate, time = _lateral(action, abs(target - d), v)
                    d, cue = target, replace(cue, offset_m=target, lateral_mps=rate)
                takes[action.name] = time
            cues.append(cue)
        if len(cues) > CUES:
            raise SceneError(f"entity {name!r} has {len(cues)} events, more than {CUES}")
        return tuple(cues)

    def _to_speed(self, action: Action, v_mps: float) -> tuple[float, float, float]:
        """Target, rate and time of a speed action."""
        target = action.value + (self.speed.get(action.by, 0.0) if action.by else 0.0)
        change, much = abs(target - v_mps), abs(action.how_much)
        if action.how == "time":
            rate = change / much if much > 0.05 else max(change / 0.1, 1.0)
        elif action.how == "rate":
            if much == 0.0:  # an acceleration of nothing reaches no other speed
                return v_mps, _GENTLE_MPS2, 0.0
            rate = much
        else:
            raise SceneError(
                f"action {action.name!r}: dynamicsDimension {action.how!r} is not supported"
            )
        return max(target, 0.0), max(rate, 0.01), change / max(rate, 0.01)

    def _to_offset(self, action: Action, name: str) -> float:
        """Where across its own lane somebody ends up."""
        at = self.at[name]
        if action.kind == "offset" and not action.by:
            return action.value
        if action.by not in self.at:
            raise SceneError(
                f"action {action.name!r} is relative to {action.by!r}, who is not there"
            )
        base = self.at[action.by]
        lane, d = base.lane, base.d_m + action.value
        if action.kind == "lane":
            lane, d = self._aside(base.lane, round(action.value)), 0.0
        x, y, _, _ = self.lanes[lane].center.at(min(at.s_m, self.lanes[lane].length_m), d)
        return self.lanes[at.lane].project(float(x), float(y))[1]

    def _moment(self, event: Event, name: str, takes: Mapping[str, float]) -> Cue:
        t = event.trigger
        if t.kind == "time":
            return Cue(When.AT_TIME, t.value)
        if t.kind == "after":
            if t.by not in takes:
                raise SceneError(
                    f"entity {name!r} waits for {t.by!r}, which is not its own action just before"
                )
            return Cue(When.AFTER, takes[t.by] + t.value)
        halves = (self.length[t.by] + self.length[t.to]) / 2 if t.bumpers else 0.0
        if t.kind == "headway" and {t.by, t.to} == {EGO_NAME, name}:
            # the ego's front, so many seconds from where the other one is
            at = self.at[name].s_m - (self.length[name] / 2 if t.bumpers else 0.0)
            return Cue(When.EGO_ARRIVES, t.value, at)
        if t.kind == "distance" and {t.by, t.to} == {EGO_NAME, name}:
            side = self.at[name]
            x, y, _, _ = self.lanes[side.lane].center.at(side.s_m, side.d_m)
            across = self.lanes[self.at[EGO_NAME].lane].project(float(x), float(y))[1]
            return Cue(When.EGO_WITHIN, math.hypot(t.value + halves, across))
        if t.kind == "distance" and t.by == name and t.to in self.at and self.speed[t.to] == 0.0:
            return Cue(When.OWN_S, self.at[t.to].s_m - t.value - halves)
        raise SceneError(
            f"entity {name!r}: a {t.kind} from {t.by!r} to {t.to!r} is not supported as a start"
        )

    def _end(self, trigger: Trigger) -> float:
        """When the scenario ends; where that hangs on what the ego does, an estimate from its first speed."""
        if trigger.kind == "time":
            return trigger.value
        for event in self.scenario.events:
            if trigger.kind == "after" and any(a.name == trigger.by for a in event.actions):
                starts = self._starts(event)
                return starts + 10.0 + trigger.value
        raise SceneError(f"<StopTrigger>: a {trigger.kind} from {trigger.by!r} is not supported")

    def _starts(self, event: Event) -> float:
        """About when an event starts."""
        t = event.trigger
        if t.kind == "time":
            return t.value
        if t.kind == "after":
            for before in self.scenario.events:
                if before is not event and any(a.name == t.by for a in before.actions):
                    return self._starts(before) + t.value + 5.0
        closing = abs(self.speed[EGO_NAME] - self.speed[event.entity])
        apart = abs(self.at[event.entity].s_m - self.at[EGO_NAME].s_m)
        return min(apart / max(closing, 0.5), _LONGEST_S)


def _lateral(action: Action, offset_m: float, v_mps: float) -> tuple[float, float]:
    """Lateral rate and time of a lane change or an offset."""
    much = abs(action.how_much)
    if action.how == "rate" and much > 0.0:
        time = offset_m / much
    elif action.how == "time" and much > 0.0:
        time = much
    elif action.how == "distance" and much > 0.0:
        time = much / max(v_mps, 0.5)
    elif action.how == "acceleration" and much > 0.0:
        time = math.pi * math.sqrt(offset_m / (2.0 * much))  # of a sine that peaks there
    else:
        raise SceneError(
            f"action {action.name!r}: {action.how} of {action.how_much:g} is not supported"
        )
    time = max(time, 0.2)
    return max(offset_m / time, 0.05), time


def limited(lane_map: LaneMap, limit_mps: float) -> LaneMap:
    """The map with no limit above one."""
    limit = max(limit_mps, 1.0)
    lanes = tuple(
        replace(lane, speed_limit_mps=min(lane.speed_limit_mps, limit)) for lane in lane_map.lanes
    )
    return replace(lane_map, lanes=lanes)
