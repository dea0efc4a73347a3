"""Programs for lights whose map does not say how they go (Lanelet2 never does): fixed times, no two that conflict green at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree

from whyway.maps.lanes import even
from whyway.maps.opendrive_programs import ALL_RED_S, AMBER_S, GREEN_S, STAGGER_S
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import Lane, LaneMap, LightColor

_CONFLICT_M = 1.5
"""Ways through a junction that come this near to each other exclude each other."""

_REACH = 4
"""How many lanes behind its stop line a light's junction is looked for."""


def fixed_time(lane_map: LaneMap) -> SignalPlan:
    """A program for every light of a map.

    Lights whose ways through the junction meet share one cycle, in which each has its turn: as few turns as a greedy colouring
    finds (Welsh and Powell, 1967), times as in CARLA. Ways that only fork do not exclude each other.
    """
    lanes = {lane.id: lane for lane in lane_map.lanes}
    ways = {light.id: _ways(lanes, light.lane_ids.tolist()) for light in lane_map.lights}
    against = _conflicts(lanes, ways)
    cycles: dict[int, SignalCycle] = {}
    part = GREEN_S + AMBER_S + ALL_RED_S
    for k, group in enumerate(_groups(against)):
        turn = _turns(group, against)
        # alone at its junction, a light still turns red: someone not on the map (a pedestrian) has the other turn
        turns = max(*turn.values(), 1) + 1
        rest = turns * part - GREEN_S - AMBER_S
        for light in group:
            offset = (k * STAGGER_S + turn[light] * part) % (turns * part)
            cycles[light] = SignalCycle(
                (LightColor.GREEN, LightColor.AMBER, LightColor.RED),
                (GREEN_S, AMBER_S, rest),
                offset,
            )
    return SignalPlan(cycles)


def _ways(lanes: Mapping[int, Lane], governed: list[int]) -> set[int]:
    """The lanes of the junction that a light lets traffic on to."""
    found: set[int] = set()
    layer = set(governed)
    for _ in range(_REACH):
        inside = {i for i in layer if lanes[i].in_junction}
        found |= inside
        # out of the junction again: that is the road behind it
        onward = inside if found else layer
        layer = {s for i in onward for s in lanes[i].successor_ids.tolist() if s in lanes} - found
    return found


def _conflicts(lanes: Mapping[int, Lane], ways: Mapping[int, set[int]]) -> dict[int, set[int]]:
    """Lights that must not be green at once, by light."""
    against: dict[int, set[int]] = {light: set() for light in ways}
    of: dict[int, list[int]] = {}
    for light, ids in ways.items():
        for i in sorted(ids):
            of.setdefault(i, []).append(light)
    if not of:
        return against
    lines = {i: even(lanes[i].center_x_m, lanes[i].center_y_m) for i in of}
    owner = np.repeat(list(lines), [len(x) for x, _, _ in lines.values()])
    points = np.stack([np.concatenate([line[k] for line in lines.values()]) for k in (0, 1)], axis=-1)  # fmt: skip
    pairs = owner[cKDTree(points).query_pairs(_CONFLICT_M, output_type="ndarray")]
    for a, b in np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).tolist():
        if _joined(lanes[a], lanes[b]):
            continue
        for one in of[a]:
            for other in of[b]:
                if one != other:
                    against[one].add(other)
                    against[other].add(one)
    return against


def _joined(a: Lane, b: Lane) -> bool:
    """Whether one leads to the other, or both come from the same lane."""
    return (
        b.id in a.successor_ids
        or a.id in b.successor_ids
        or bool(np.intersect1d(a.predecessor_ids, b.predecessor_ids).size)
    )


def _groups(against: Mapping[int, set[int]]) -> list[list[int]]:
    """Lights that depend on each other, directly or by others: one junction's."""
    groups: list[list[int]] = []
    left = dict.fromkeys(sorted(against))
    while left:
        group, todo = [], [next(iter(left))]
        while todo:
            light = todo.pop()
            if light in left:
                left.pop(light)
                group.append(light)
                todo += against[light]
        groups.append(sorted(group))
    return groups


def _turns(group: list[int], against: Mapping[int, set[int]]) -> dict[int, int]:
    """The turn of each light: the first that none of those against it has; those with most against them choose first."""
    turn: dict[int, int] = {}
    for light in sorted(group, key=lambda i: (-len(against[i]), i)):
        taken = {turn[other] for other in against[light] if other in turn}
        turn[light] = next(k for k in range(len(group)) if k not in taken)
    return turn
