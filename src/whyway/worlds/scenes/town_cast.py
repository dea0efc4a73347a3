"""Who is there in the default drive: the four with a part to play for the ego, and everybody else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from whyway.maps.road import LanePath, Road
from whyway.maps.town import Town
from whyway.maps.town_layout import LANE_WIDTH_M, Edge
from whyway.types import ObjectClass
from whyway.worlds.scenes.cast import NAN, Cue, Part, sized
from whyway.worlds.scenes.stage import enter
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.populate import Traffic
from whyway.worlds.sim.state import State, When
from whyway.worlds.sim.table import LaneTable, Line, line_of

WALK_MPS = 1.3

_KERB_M = 1.0
"""How far from the road's edge a pedestrian waits."""
_PAVEMENT_M = 2.2
"""How far from the road's edge pedestrians walk."""
_WAY_M = 400.0
_FAR_M = 1200.0
_KEEP_CLEAR_M = 30.0
"""Between background traffic at the start and anybody with a part to play."""
_MIX = {ObjectClass.CAR: 0.85, ObjectClass.TRUCK: 0.15}
_CALM = (0.35, 1.0)
_DAWDLE_MPS, _LEAD_MPS = 2.0, 6.5
_FAST_MPS = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The roads that the drive is laid along."""

    corner: Edge
    """Side road with the crossing, round a corner; then left into..."""
    first: Edge
    """...the main street, up to the signals..."""
    second: Edge
    """...and behind them; then right."""
    last: tuple[int, ...]
    """Lanes after that."""


def cast(
    plan: Plan, path: LanePath, crossing_s: float, rng: np.random.Generator
) -> tuple[Part, ...]:
    """The pedestrian on the crossing, the lead that brakes, and the car that stands or crawls."""
    middle, half = crossing_s + 1.5, LANE_WIDTH_M / 2
    ends = np.array([-(half + _KERB_M), half + LANE_WIDTH_M + _KERB_M + 1.0])
    x, y, _, _ = path.center.at(np.full(2, middle), ends)
    ahead_s = float(rng.uniform(4.0, 4.5))
    pedestrian = Part(
        "pedestrian", *sized("pedestrian"), own=Line(x, y, WALK_MPS), cap_mps=0.0,
        cues=(
            Cue(When.EGO_ARRIVES, ahead_s, crossing_s, speed_mps=WALK_MPS, rate_mps2=2.0),
            Cue(When.OWN_S, float(ends[1] - ends[0]), speed_mps=0.0),
        ),
    )  # fmt: skip
    # dawdles until the ego is behind the crossing, so that it is still there when the ego comes up to it
    brakes = float(rng.uniform(4.5, 6.0))
    stands_s = float(rng.uniform(2.0, 2.5))
    lead = Part(
        "braking_lead", *sized("car"), lanes=(plan.corner.lane_id(-1),), s_m=crossing_s + 16.0, v_mps=_DAWDLE_MPS,
        cues=(
            Cue(When.AT_TIME, 0.0, speed_mps=_DAWDLE_MPS),
            Cue(When.EGO_PASSED, crossing_s + 4.0, speed_mps=_LEAD_MPS, rate_mps2=1.5),
            Cue(When.EGO_WITHIN, float(rng.uniform(28.0, 32.0)), speed_mps=0.0, rate_mps2=brakes),
            Cue(When.AFTER, stands_s, speed_mps=NAN),
        ),
    )  # fmt: skip
    crawls = bool(rng.integers(2))
    length = plan.first.length_m
    slow = Part(
        "slow_vehicle", *sized("car"), lanes=(plan.first.lane_id(-1),), s_m=length * (0.6 if crawls else 0.72), cap_mps=0.0,
        cues=(Cue(When.EGO_WITHIN, 45.0, speed_mps=1.2, rate_mps2=1.0),) if crawls else (),
    )  # fmt: skip
    return pedestrian, lead, slow


def pavements(road: Road, path: LanePath, count: int, rng: np.random.Generator) -> list[Part]:
    """Pedestrians who walk along the roads of the ego's way."""
    outer = [
        i for i in sorted(on_the_way(road, path))
        if not road.lanes[i].lane.in_junction and not road.neighbours(i)[1]
    ]  # fmt: skip
    found = []
    for i in range(count):
        lane = road.lanes[int(rng.choice(outer))]
        along = np.linspace(5.0, lane.length_m - 5.0, 12)
        x, y, _, _ = lane.center.at(along, -(LANE_WIDTH_M / 2 + _PAVEMENT_M) * np.ones(12))
        walk = Line(x, y, WALK_MPS)
        found.append(
            Part(
                f"walker {i + 1}", *sized("pedestrian"), own=walk, v_mps=WALK_MPS, cap_mps=WALK_MPS
            )
        )
    return found


def on_the_way(road: Road, path: LanePath) -> set[int]:
    """The lanes of the ego's way and those beside them."""
    mine = set(path.lane_ids)
    return mine | {n for lane_id in path.lane_ids for n in road.neighbours(lane_id) if n}


def put(
    state: State, i: int, part: Part, table: LaneTable, lines: list[int], routes: list[list[int]] | None = None
) -> None:  # fmt: skip
    """Writes a part into world 0 of a state, as agent `i` on the first of some lines; on lanes it goes straight on for ever."""
    route = -1
    if routes is not None:
        route = len(routes)
        routes.append(straight_on(table, lines))
    enter(state, table, i, part, lines[0], route)


def straight_on(table: LaneTable, lines: list[int], length_m: float = _FAR_M) -> list[int]:
    """Some lines and the straightest way on from them."""
    found = list(lines)
    while sum(table.length_m[found]) < length_m and table.successor[found[-1], 0] >= 0:
        found.append(int(table.successor[found[-1], 0]))
    return found


def background(
    state: State, first: int, table: LaneTable, town: Town, plan: Plan, road: Road, routes: list[list[int]], count: int,
    rng: np.random.Generator,
) -> State:  # fmt: skip
    """The state with traffic on other ways than the ego's lanes, from agent `first` on; its ways are added to the routes."""
    mine = on_the_way(road, road.route_path)
    # nobody comes towards the ego's left turn into the main street, nor turns left before it at the signals: the drive has one minute
    turn, lit = (
        next(j for j in town.layout.junctions if j.node == node)
        for node in (plan.first.start, plan.first.end)
    )
    mine |= {
        link.lane_id
        for link in turn.links
        if link.start.edge.lane_id(1) in plan.last or link.start.edge.lane_id(-1) in plan.last
    }
    mine |= {link.lane_id for link in lit.links if link.turn_rad > 0.4}
    avoid = {line_of(table, i) for i in mine}
    # from there one gets nowhere but into the ego's way
    stuck = {
        i for i in range(len(town.lane_map.lanes))
        if i not in avoid and sum(table.length_m[_wander(table, i, rng, avoid)]) < _WAY_M
    }  # fmt: skip
    traffic = Traffic(table, find_places(table, avoid | stuck))
    state = traffic.fill(
        state, vehicles=count, first=first, keep_clear_m=_KEEP_CLEAR_M, mix=_MIX, calm=_CALM
    )
    for i in range(first, first + count):
        if state.active[0, i]:
            state.route[0, i] = len(routes)
            routes.append(_wander(table, int(state.window[0, i, 0]), rng, avoid))
    return state


def _wander(
    table: LaneTable, line: int, rng: np.random.Generator, avoid: Collection[int]
) -> list[int]:
    """A random way that keeps off some lines; it does not end in a junction."""
    found = [line]
    while sum(table.length_m[found]) < _FAR_M:
        after = [int(j) for j in table.successor[found[-1]] if j >= 0 and int(j) not in avoid]
        # a way into a junction is worth nothing without the road behind it
        after = [j for j in after if not _leads_into(table, j, avoid)]
        if not after:
            break
        found.append(after[int(rng.integers(len(after)))])
    while len(found) > 1 and table.in_junction[found[-1]]:
        found.pop()
    return found


def _leads_into(table: LaneTable, line: int, avoid: Collection[int]) -> bool:
    return bool(table.in_junction[line]) and any(int(j) in avoid for j in table.successor[line])
