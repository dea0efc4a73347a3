"""Finders of places on roads: straight stretches, bends, narrow streets, lanes that join or end, circles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from whyway.geometry import wrap_angle
from whyway.types import LaneKind
from whyway.worlds.scenes.family_junctions import way_of
from whyway.worlds.scenes.family_lanes import Lanes
from whyway.worlds.scenes.family_need import (
    ONWARD_M,
    TURN_RAD,
    Found,
    Need,
    fits_across,
    order,
    ordered,
    sharpest,
)

_SHARED_M = 1.2
"""Two opposite lanes whose centres are so near share the road."""


def roads(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Straight stretches without junctions, as wide as asked all along."""
    span = need.approach_m + need.clear_m
    for first in ordered(lanes, need, rng):
        run, total = _run(lanes, first, lambda i: _fits(lanes, need, i), span + need.behind_m)
        if total < span:
            continue
        # what is needed behind the start may lie before a junction, or in the stretch itself
        before = lanes.upstream((first,), need.behind_m)[:-1]
        missing = max(need.behind_m - lanes.length_m(before), 0.0)
        goal = _goal_lane(lanes, need, run[-1])
        if total >= span + missing and goal is not None:
            yield Found((*run, *goal), missing + need.approach_m)


def _goal_lane(lanes: Lanes, need: Need, last: int) -> tuple[int, ...] | None:
    """The lane beside the last one, if the way changes to it; None where there is none."""
    if need.spec.goal_lane == "own":
        return ()
    beside = lanes.side(last, left=need.spec.goal_lane == "left")
    return (beside,) if beside else None


def _fits(lanes: Lanes, need: Need, lane_id: int) -> bool:
    lane, spec = lanes[lane_id], need.spec
    if lane.lane.in_junction or lane.lane.kind != LaneKind.DRIVING:
        return False
    if sharpest(lanes, lane_id) > need.straight_1pm:
        return False
    return fits_across(lanes, spec, lane_id)


def _run(
    lanes: Lanes, first: int, fits: Callable[[int], bool], most_m: float
) -> tuple[tuple[int, ...], float]:
    """Lanes in a row from one on for which something holds, and how long they are."""
    run: list[int] = []
    total, here = 0.0, first
    while here and fits(here):
        run.append(here)
        total += lanes[here].length_m
        nexts = [i for i in lanes.after(here) if i not in run]
        if total >= most_m or not nexts:
            break
        here = nexts[0]
    return tuple(run), total


def bends(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Where a road without junctions begins to bend as sharply as asked."""
    for lane_id in ordered(lanes, need, rng):
        lane = lanes[lane_id]
        if lane.lane.in_junction or not fits_across(lanes, need.spec, lane_id):
            continue
        before = lanes.upstream((lane_id,), need.approach_m / 2)[:-1]
        if any(
            lanes[i].lane.in_junction or sharpest(lanes, i) > 0.7 / need.radius_m for i in before
        ):
            continue
        bent = np.abs(lane.center.curvature_1pm) >= 1.0 / need.radius_m
        turned = abs(float(np.ptp(lane.center.yaw_rad)))
        if bent.any() and turned > TURN_RAD:
            begins = float(lane.center.s_m[int(bent.argmax())])
            yield Found((lane_id,), begins)


def narrow(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Where both directions begin to share the road."""
    for lane_id in ordered(lanes, need, rng):
        if _shared(lanes, lane_id) and not any(_shared(lanes, i) for i in lanes.before(lane_id)):
            yield Found((lane_id,), 0.0)


def _shared(lanes: Lanes, lane_id: int) -> bool:
    lane = lanes[lane_id]
    other = lanes.all.get(lane.lane.opposite_id)
    if other is None or lane.lane.in_junction or lane.length_m < 10.0:
        return False
    x, y, _, _ = lane.center.at(lane.length_m / 2)
    return abs(other.project(float(x), float(y))[1]) < _SHARED_M


def ending(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Lanes that end beside one that goes on: of a ramp (`merge`), or of a road that gets narrower (`drop`)."""
    for lane_id in ordered(lanes, need, rng):
        before = lanes.before(lane_id)
        if lanes[lane_id].lane.in_junction or lanes.after(lane_id) or not before:
            continue
        beside = next((n for left in (True, False) if (n := lanes.side(lane_id, left))), 0)
        alone = not any(lanes.side(before[0], left) for left in (True, False))
        if not beside or not lanes.after(beside) or alone != (need.spec.kind == "merge"):
            continue
        others = lanes.upstream((beside,), need.approach_m + 200.0)
        yield Found((lane_id, beside), 0.0, {"left>straight": lanes.onward(others, ONWARD_M)})


def merges(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Ramps: lanes that end beside a road's, and ways that join another road's lane at a small angle."""
    yield from ending(lanes, need, rng)
    ways = [way_of(lanes, *parts) for parts in lanes.junction_ways()]
    for i in order(lanes, need, rng, [way.entry for way in ways]):
        mine = ways[i]
        for other in ways:
            if other.exit != mine.exit or other.entry == mine.entry:
                continue
            gentle = max(abs(mine.turn_rad), abs(other.turn_rad)) < TURN_RAD
            beside = other.entry in (lanes.side(mine.entry, True), lanes.side(mine.entry, False))
            if gentle and not beside and abs(wrap_angle(mine.in_rad - other.in_rad)) < TURN_RAD:
                core = (mine.entry, *mine.inside, mine.exit)
                theirs = (other.entry, *other.inside, other.exit)
                others = lanes.upstream(theirs, need.approach_m + 200.0)
                arms = {"left>straight": lanes.onward(others, ONWARD_M)}
                yield Found(core, lanes.length_m(core[:-1]), arms)


def zippers(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Two neighbours that lead into the same lane."""
    for lane_id in ordered(lanes, need, rng):
        for left in (False, True):
            other = lanes.side(lane_id, left)
            if not other or lanes[lane_id].lane.in_junction:
                continue
            mine, theirs = lanes.onward((lane_id,), 400.0), lanes.onward((other,), 400.0)
            joint = next((i for i in mine[1:] if i in theirs), 0)
            if joint and mine.index(joint) <= 2 and lanes[lane_id].lane.successor_ids.size == 1:
                core = mine[: mine.index(joint) + 1]
                conflict = lanes.length_m(core[:-1])
                others = lanes.upstream(theirs[: theirs.index(joint) + 1], need.approach_m + 200.0)
                name = "left>straight" if left else "right>straight"
                yield Found(core, conflict, {name: lanes.onward(others, ONWARD_M)})


def rings(lanes: Lanes, need: Need, rng: np.random.Generator) -> Iterator[Found]:
    """Ways into a circle, half round it or so, and out."""
    known: set[int] = set()
    for first in ordered(lanes, need, rng):
        if first in known or not (ring := _ring(lanes, first)):
            continue
        known |= set(ring)
        for i in rng.permutation(len(ring)).tolist():
            for entry in lanes.before(ring[i]):
                if entry not in ring and (way := _round(lanes, ring, i)) is not None:
                    onto = (*lanes.upstream((entry,), 1.0), *way)
                    conflict = lanes.length_m(onto[: onto.index(ring[i])])
                    others = (*ring[i + 1 :], *ring[: i + 1])  # ends where the ego joins
                    arms = {"ring>straight": lanes.onward(others, ONWARD_M)}
                    yield Found(onto, conflict, arms)


def _ring(lanes: Lanes, first: int) -> tuple[int, ...]:
    """The lanes of a circle of at most 250 m round to the left that goes through a lane, from it on; () for none."""
    ring, total, turned = [first], lanes[first].length_m, lanes[first].turn_rad
    while total < 250.0 and len(ring) < 40:
        nexts = lanes.after(ring[-1])
        if not nexts or turned < -0.5:
            return ()
        # who stays on the ring turns left all the time
        here = max(nexts, key=lambda i: lanes[i].turn_rad / max(lanes[i].length_m, 1.0))
        if here == first:
            return tuple(ring) if abs(turned - 2 * math.pi) < 1.5 else ()
        if here in ring:
            return ()
        ring.append(here)
        total += lanes[here].length_m
        turned += lanes[here].turn_rad
    return ()


def _round(lanes: Lanes, ring: tuple[int, ...], i: int) -> tuple[int, ...] | None:
    """From the i-th lane of a ring past one way out at least, and out at the next."""
    way: list[int] = []
    outs = 0
    for k in range(len(ring) - 1):
        here = ring[(i + k) % len(ring)]
        way.append(here)
        exits = [j for j in lanes.after(here) if j not in ring]
        outs += bool(exits)
        if exits and outs >= 2:
            return (*way, exits[0])
    return None
