"""Legs of a route that comes to the same road twice: within each, no road does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whyway.maps.lanes import RoadLane


def legs(ids: Sequence[int], lanes: Mapping[int, RoadLane]) -> list[tuple[int, int]]:
    """Where in a route each of its legs begins and ends: the longest stretches that come to no road twice.

    A leg begins behind the lane that the leg before it could not come to again. Roads are lanes side by side.
    """
    side = [side_by_side(i, lanes) for i in ids]
    found: list[tuple[int, int]] = []
    start, again = 0, 0
    while True:
        stop, again = len(ids), -1
        for b in range(start + 1, len(ids)):
            a = b - 1
            while a >= start and ids[b] in side[a]:
                a -= 1  # a change of lanes
            before = [k for k in range(start, a + 1) if ids[b] in side[k]]
            if before:
                stop, again = b, before[-1]
                break
        found.append((start, stop))
        if again < 0:
            return found
        start = again + 1


def passes(ids: Sequence[int], lanes: Mapping[int, RoadLane]) -> dict[int, tuple[int, ...]]:
    """Where in a route each lane on or beside it is passed, in order."""
    found: dict[int, list[int]] = {}
    for i, lane_id in enumerate(ids):
        for beside in side_by_side(lane_id, lanes):
            found.setdefault(beside, []).append(i)
    return {lane_id: tuple(at) for lane_id, at in found.items()}


def side_by_side(lane_id: int, lanes: Mapping[int, RoadLane]) -> frozenset[int]:
    """A lane and all that run beside it in its direction."""
    found = [lane_id]
    for here in found:
        lane = lanes[here].lane
        found += [i for i in (lane.left_id, lane.right_id) if i in lanes and i not in found]
    return frozenset(found)
