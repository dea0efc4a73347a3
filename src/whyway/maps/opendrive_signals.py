"""OpenDRIVE signals and controllers -> stop lines, traffic lights, their programs, signed speed limits.

A light, stop or give-way sign on a lane of a junction (as CARLA's editor writes it) holds traffic at the end of the lane that
leads in; on any other road it does so where it stands. A lane obeys one of them: a light before a stop sign before a give-way
sign, and of several lights the one that names it most often.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from lxml import etree

from whyway.maps.opendrive_lanes import Key, Stretch
from whyway.maps.opendrive_links import TRAFFIC
from whyway.maps.opendrive_programs import programs
from whyway.maps.opendrive_sampling import Reference, borders_at
from whyway.maps.opendrive_xml import JunctionSpec, RoadSpec, speed_mps
from whyway.maps.signals import SignalPlan
from whyway.maps.xmlfile import SceneError, attribute, integer
from whyway.types import Floats, Ints, StopLine, TrafficLight


class Rule(IntEnum):
    """What a signal asks for; the first ones win."""

    LIGHT = 0
    STOP = 1
    GIVE_WAY = 2
    SPEED = 3


MAX_SIGNALS = 20_000
"""Most signals and references to them in a map."""

_MAX_WAY = 100
"""So many lanes of a junction are searched for those that lead into it."""

_RULES = {
    "1000001": Rule.LIGHT, "1000009": Rule.LIGHT, "1000010": Rule.LIGHT, "1000011": Rule.LIGHT, "1000020": Rule.LIGHT,
    "206": Rule.STOP, "R1-1": Rule.STOP, "205": Rule.GIVE_WAY, "R1-2": Rule.GIVE_WAY, "274": Rule.SPEED, "274.1": Rule.SPEED,
}  # fmt: skip
"""OpenDRIVE's own types of lights for cars (1000020 is the red lamp of a light written lamp by lamp); German signs, which CARLA
uses too, and North American ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A `<signal>` or `<signalReference>` where it stands; `id` is that of the signal meant."""

    id: str
    rule: Rule
    road: int
    s_m: float
    lanes: tuple[Key, ...]
    limit_mps: float | None


@dataclass(frozen=True, slots=True)
class _Hold:
    """A lane (its stretch) held by a signal: at its end, or at `s_m` of a lane of the file."""

    signal: str
    rule: Rule
    at: tuple[Key, float] | None


Holds: TypeAlias = dict[int, tuple[Stretch, _Hold]]


def sign_limits(
    signals: Sequence[Signal], roads: Sequence[RoadSpec], of: Mapping[Key, Stretch]
) -> None:
    """Set the limits that signs give to the lanes behind them, up to the end of the road."""
    signs: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for sign in signals:
        for road, _, number in sign.lanes if sign.limit_mps else ():
            sense = 1.0 if roads[road].forward(number) else -1.0
            signs.setdefault((road, number), []).append((sense * sign.s_m, sign.limit_mps or 0.0))
    for entries in signs.values():
        entries.sort()
    for (road, j, number), stretch in of.items():
        entries = signs.get((road, number), [])
        section = roads[road].sections[j]
        middle = (section.s_m + section.end_m) / 2
        passed = bisect_right(entries, (middle if roads[road].forward(number) else -middle, math.inf))  # fmt: skip
        if passed:
            stretch.limit_mps = entries[passed - 1][1]


def stops_and_lights(
    root: etree._Element,
    signals: Sequence[Signal],
    roads: Sequence[RoadSpec],
    junctions: Sequence[JunctionSpec],
    of: Mapping[Key, Stretch],
    reference: Reference,
) -> tuple[tuple[StopLine, ...], tuple[TrafficLight, ...], SignalPlan]:
    """Stop lines, lights and the lights' programs; the stretches must have their ids and links."""
    numbers = _numbers(signals)
    holds = _holds(signals, of)
    governed: dict[int, list[Stretch]] = {}
    for stretch, hold in holds.values():
        if hold.rule is Rule.LIGHT:
            governed.setdefault(numbers[hold.signal], []).append(stretch)
    lights: dict[int, TrafficLight] = {}
    for element, road in _elements(roads, "signal"):
        light = numbers.get(element.get("id") or "", 0)
        if light in governed and light not in lights:
            x, y = reference.place(road, attribute(element, "s"), attribute(element, "t", 0.0))
            lights[light] = TrafficLight(light, x, y, _ids(governed[light]))
    plan = programs(root, junctions, governed, numbers)
    return _stop_lines(holds, roads, reference, numbers), tuple(lights.values()), plan


def _ids(lanes: Sequence[Stretch]) -> Ints:
    return np.array(sorted(s.id for s in lanes), dtype=np.int64)


# ---------------------------------------------------------------------------------------------------------- signals


def _elements(roads: Sequence[RoadSpec], tag: str) -> Iterator[tuple[etree._Element, int]]:
    for i, road in enumerate(roads):
        for element in road.element.iterfind(f"signals/{tag}"):
            yield element, i


def read_signals(root: etree._Element, roads: Sequence[RoadSpec]) -> tuple[Signal, ...]:
    """All signals with a rule we know, and all references to them.

    Raises:
      SceneError: what is wrong, without the file's name.
    """
    elements = [*_elements(roads, "signal"), *_elements(roads, "signalReference")]
    if len(elements) > MAX_SIGNALS:
        raise SceneError(f"there are more than {MAX_SIGNALS} signals; cut the map down")
    known = {
        e.get("id") or "": e
        for e in root.iterfind("road/signals/signal")
        if e.get("type") in _RULES
    }
    found = []
    for element, road in elements:
        meant = known.get(element.get("id") or "")
        if meant is None or (element.tag == "signal" and element.get("type") not in _RULES):
            continue
        s = attribute(element, "s")
        rule = _RULES[meant.get("type") or ""]
        limit = _limit(meant) if rule is Rule.SPEED else None
        lanes = tuple(_lanes(element, road, roads[road], s))
        found.append(Signal(meant.get("id") or "", rule, road, s, lanes, limit))
    return tuple(found)


def _lanes(element: etree._Element, index: int, road: RoadSpec, s_m: float) -> Iterator[Key]:
    """The lanes a signal is valid for: those it names, else all of its orientation."""
    j = max(bisect_right(road.sections, s_m, key=lambda section: section.s_m) - 1, 0)
    spans = [
        (integer(v.get("fromLane"), "fromLane", v), integer(v.get("toLane"), "toLane", v))
        for v in element.findall("validity")
    ]
    orientation = element.get("orientation")
    for number, lane in road.sections[j].lanes.items():
        if not number or lane.kind not in TRAFFIC:
            continue
        if spans:
            valid = any(min(span) <= number <= max(span) for span in spans)
        else:
            valid = orientation not in ("+", "-") or road.forward(number) == (orientation == "+")
        if valid:
            yield index, j, number


def _limit(element: etree._Element) -> float | None:
    """A speed sign's limit: its value, or its German number (274-56: 60 km/h)."""
    value = attribute(element, "value", -1.0) if element.get("value") else -1.0
    if value <= 0.0:
        subtype = element.get("subtype") or ""
        number = int(subtype) if subtype.isascii() and subtype.isdigit() and len(subtype) < 4 else 0
        value = 10.0 * (number - 50) if 50 < number < 64 else float(number)
        return value / 3.6 or None
    return speed_mps(repr(value), element.get("unit") or None, "km/h", element)


def _numbers(signals: Sequence[Signal]) -> dict[str, int]:
    """Ids of the map: the file's where they are numbers, others count on from the greatest."""
    found: dict[str, int] = {}
    used: set[int] = set()
    names = list(dict.fromkeys(s.id for s in signals))
    for name in names:
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else 0
        if number > 0 and number not in used:
            found[name] = number
            used.add(number)
    last = max(used, default=0)
    for name in names:
        if name not in found:
            last += 1
            found[name] = last
    return found


# ------------------------------------------------------------------------------------------------------ who stops where


def _holds(signals: Sequence[Signal], of: Mapping[Key, Stretch]) -> Holds:
    """The one signal that holds each lane, by the lane's id."""
    claims: dict[int, list[_Hold]] = {}
    stretches: dict[int, Stretch] = {}
    leading: dict[int, list[Stretch]] = {}
    for signal in signals:
        if signal.rule is Rule.SPEED:
            continue
        for key in signal.lanes:
            stretch = of.get(key)
            if stretch is None:
                continue
            if stretch.id not in leading:
                leading[stretch.id] = _incoming(stretch) if stretch.junction else [stretch]
            for held in leading[stretch.id]:
                at = None if stretch.junction else (key, signal.s_m)
                claims.setdefault(held.id, []).append(_Hold(signal.id, signal.rule, at))
                stretches[held.id] = held
    found: Holds = {}
    for lane_id, held_by in claims.items():
        votes = Counter((h.rule, h.signal) for h in held_by)
        rule, name = min(votes, key=lambda k: (k[0], -votes[k], k[1]))
        chosen = next(h for h in held_by if (h.rule, h.signal) == (rule, name))
        found[lane_id] = (stretches[lane_id], chosen)
    return found


def _incoming(stretch: Stretch) -> list[Stretch]:
    """The lanes from which one comes into the junction a stretch lies in."""
    found: list[Stretch] = []
    seen = {id(stretch)}
    todo = [stretch]
    while todo and len(seen) < _MAX_WAY:
        for before in todo.pop().before:
            if id(before) in seen:
                continue
            seen.add(id(before))
            (todo if before.junction == stretch.junction else found).append(before)
    return found


def _stop_lines(
    holds: Holds, roads: Sequence[RoadSpec], reference: Reference, numbers: Mapping[str, int]
) -> tuple[StopLine, ...]:
    """One line across all lanes of a road that a signal holds at one place."""
    groups: dict[tuple[object, ...], list[tuple[Stretch, _Hold]]] = {}
    for stretch, hold in holds.values():
        (road, section, number), s = hold.at or (stretch.keys[-1], -1.0)
        place = (hold.signal, road, section, roads[road].forward(number), s)
        groups.setdefault(place, []).append((stretch, hold))
    found: list[StopLine] = []
    used: set[int] = set()
    last = max(numbers.values(), default=0)
    for members in groups.values():
        hold = members[0][1]
        identity = numbers[hold.signal]
        if identity in used:
            last += 1
            identity = last
        used.add(identity)
        x, y = _across([_ends(stretch, h, roads, reference) for stretch, h in members])
        ids = _ids([stretch for stretch, _ in members])
        light = numbers[hold.signal] if hold.rule is Rule.LIGHT else 0
        found.append(StopLine(identity, x, y, ids, light, hold.rule is Rule.STOP))
    return tuple(found)


def _ends(stretch: Stretch, hold: _Hold, roads: Sequence[RoadSpec], reference: Reference) -> Floats:
    """x, y of a lane's left and right border where it is held: [2 borders, 2]."""
    if hold.at is None:
        return stretch.parts[-1][2:, -1].reshape(2, 2)
    (road, section, number), s = hold.at
    inner, outer = borders_at(roads[road], roads[road].sections[section], s)[number]
    ends = [reference.place(road, s, t) for t in sorted((inner, outer), reverse=True)]
    return np.array(ends if roads[road].forward(number) else ends[::-1])


def _across(ends: Sequence[Floats]) -> tuple[Floats, Floats]:
    """The line from the leftmost border to the rightmost one."""
    points = np.concatenate(ends)
    across = ends[0][1] - ends[0][0]
    along = points @ across
    line = points[[int(np.argmin(along)), int(np.argmax(along))]]
    return line[:, 0].copy(), line[:, 1].copy()
