"""The search behind routes: as good as Dijkstra on any graph, lawful where it can be, and quick on whole towns."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.maps.commands import next_command, route_commands
from whyway.maps.lane_graph import LANE_CHANGE_COST_M, LaneGraph, graph_of
from whyway.maps.load import load_map
from whyway.maps.road import Road
from whyway.maps.routes import RouteError, find_route, lanes_near, make_route, start_lane
from whyway.maps.town import make_town
from whyway.types import LaneKind, LaneMap, MarkingKind, NavCommand

_spec = importlib.util.spec_from_file_location("roads", Path(__file__).with_name("roads.py"))
assert _spec is not None and _spec.loader is not None
roads: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roads)

TOWNS = Path(__file__).parents[3] / "shared/data/carla_xodr_mit"
needs_towns = pytest.mark.skipif(not TOWNS.is_dir(), reason=f"no shared towns in {TOWNS}")


@functools.lru_cache(maxsize=2)
def _town(name: str) -> LaneMap:
    return load_map(TOWNS / f"{name}.xodr.gz")[0]


@functools.lru_cache(maxsize=8)
def _networkx(graph: LaneGraph, lawful: bool) -> nx.DiGraph:
    """The graph, as networkx sees it."""
    found = nx.DiGraph()
    found.add_nodes_from(graph.lanes)
    for a in graph.lanes:
        for b, cost in graph.steps(a, lawful):
            if not found.has_edge(a, b) or found[a][b]["cost"] > cost:
                found.add_edge(a, b, cost=cost)
    return found


def _cost(graph: LaneGraph, ids: list[int], lawful: bool = True) -> float:
    """What a way costs; an error if it is none."""
    total = 0.0
    for a, b in zip(ids, ids[1:], strict=False):
        total += min(cost for there, cost in graph.steps(a, lawful) if there == b)
    return total


def _check(graph: LaneGraph, start: int, goals: list[int]) -> None:
    """The way is one, and costs what networkx says: over lawful steps, or over all if those lead nowhere."""
    ids = graph.cheapest(start, goals)
    for lawful in (True, False):
        cost = nx.single_source_dijkstra_path_length(_networkx(graph, lawful), start, weight="cost")
        least = min((d for g, d in cost.items() if g in goals), default=None)
        if least is not None:
            assert ids is not None and ids[0] == start and ids[-1] in goals
            assert _cost(graph, ids, lawful) == pytest.approx(least, rel=1e-12, abs=1e-9)
            return
    assert ids is None


def _anything(seed: int) -> LaneMap:
    """Any lanes anywhere, linked anyhow: what a map may be that nobody checked."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 13))
    lanes = []
    for i in range(1, n + 1):
        x, y = rng.uniform(-300.0, 300.0, size=2)
        dx, dy = rng.uniform(0.5, 120.0), rng.uniform(-50.0, 50.0)
        successors = rng.choice(n + 2, size=int(rng.integers(4)), replace=False) + 1
        lanes.append(
            roads.lane(
                i, [x, x + dx], [y, y + dy], in_junction=bool(rng.random() < 0.3),
                kind=LaneKind.DRIVING if rng.random() < 0.8 else LaneKind.BIKE,
                left_id=int(rng.integers(n + 1)), right_id=int(rng.integers(n + 1)), successor_ids=successors,
            )
        )  # fmt: skip
    return LaneMap(0, "anything", tuple(lanes))


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=300)
@given(seeds, st.lists(st.integers(0, 11), min_size=2, max_size=4))
def test_the_search_is_as_good_as_dijkstra_on_any_graph(seed: int, picks: list[int]) -> None:
    lane_map = _anything(seed)
    start, *goals = (lane_map.lanes[k % len(lane_map.lanes)].id for k in picks)
    _check(LaneGraph(lane_map), start, goals)


@given(seeds)
def test_no_edge_costs_less_than_its_straight_line(seed: int) -> None:
    """What makes the estimate of the search sound."""
    lane_map = _anything(seed)
    graph = LaneGraph(lane_map)
    start = {lane.id: (lane.center_x_m[0], lane.center_y_m[0]) for lane in lane_map.lanes}
    for a in graph.lanes:
        for b, cost in graph.steps(a, lawful=False):
            assert cost >= math.dist(start[a], start[b])


@needs_towns
@settings(max_examples=60)
@given(st.data())
def test_the_search_is_as_good_as_dijkstra_on_a_town(data: st.DataObject) -> None:
    town = _town("Town03")
    driving = st.sampled_from([lane.id for lane in town.lanes if lane.kind == LaneKind.DRIVING])
    graph = graph_of(town)
    goals = data.draw(st.lists(driving, min_size=1, max_size=3))
    _check(graph, data.draw(driving), goals)


@needs_towns
@settings(max_examples=12)
@given(st.data())
def test_a_route_through_a_town_is_one_line(data: st.DataObject) -> None:
    town = _town(data.draw(st.sampled_from(["Town03", "Town05"])))
    driving = st.sampled_from([lane.id for lane in town.lanes if lane.kind == LaneKind.DRIVING])
    try:
        route = find_route(town, data.draw(driving), data.draw(driving))
    except RouteError:
        return
    path = Road(town, route).route_path
    step = np.hypot(np.diff(path.center.x_m), np.diff(path.center.y_m))
    assert path.lane_ids == tuple(route.lane_ids.tolist()) and step.max() < 1.6
    for one in route_commands(Road(town, route)):
        assert 0.0 <= one.begin_s <= one.end_s <= path.length_m + 1e-6
        assert one.command != NavCommand.FOLLOW


@needs_towns
def test_a_town_is_searched_without_looking_at_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    town = _town("Town05")
    graph = graph_of(town)
    seen: list[int] = []

    class Counted(list):  # type: ignore[type-arg]
        def __getitem__(self, i: Any) -> Any:
            seen.append(i)
            return super().__getitem__(i)

    lawful, unlawful = graph._edges
    monkeypatch.setattr(graph, "_edges", (Counted(lawful), unlawful))
    driving = [lane.id for lane in town.lanes if lane.kind == LaneKind.DRIVING]
    rng = np.random.default_rng(4)
    share = []
    for a, b in rng.choice(driving, size=(40, 2)).tolist():
        seen.clear()
        graph.cheapest(a, [b])
        share.append(len(seen) / len(driving))
    assert np.median(share) < 0.3  # Dijkstra sees half on average


def test_lanes_change_lawfully_where_they_can() -> None:
    solid = MarkingKind.SOLID
    lanes = [
        roads.straight(1, 0, 100, 0.0, left_id=2, left_marking=solid, successor_ids=roads.ids(3)),
        roads.straight(2, 0, 100, 3.5, right_id=1, right_marking=solid, successor_ids=roads.ids(4)),
        roads.straight(3, 100, 200, 0.0, left_id=4, predecessor_ids=roads.ids(1)),
        roads.straight(4, 100, 200, 3.5, right_id=3, predecessor_ids=roads.ids(2)),
    ]
    lane_map = LaneMap(0, "solid", tuple(lanes))
    assert find_route(lane_map, 1, 4).lane_ids.tolist() == [1, 3, 4]
    assert find_route(lane_map, 1, 2).lane_ids.tolist() == [1, 2]  # no other way
    assert dict(graph_of(lane_map).steps(1)) == {3: 100.0}


def test_a_longer_lane_is_preferred_for_a_change() -> None:
    links = {10: [(1, 20.0), (2, 20.0)], 11: [(3, 80.0), (4, 80.0)]}
    lanes, x = [], 0.0
    for (right, length), (left, _) in links.values():
        lanes.append(roads.straight(right, x, x + length, 0.0, left_id=left))
        lanes.append(roads.straight(left, x, x + length, 3.5, right_id=right))
        x += length
    lanes[0] = dataclasses.replace(lanes[0], successor_ids=roads.ids(3))
    lanes[1] = dataclasses.replace(lanes[1], successor_ids=roads.ids(4))
    lane_map = LaneMap(0, "room", tuple(lanes))
    assert find_route(lane_map, 1, 4).lane_ids.tolist() == [1, 3, 4]
    graph = graph_of(lane_map)
    assert _cost(graph, [1, 2]) == 2.5 * LANE_CHANGE_COST_M
    assert _cost(graph, [3, 4]) == LANE_CHANGE_COST_M


def test_places_far_off_have_a_nearest_lane_and_no_places_have_none() -> None:
    lane_map = LaneMap(0, "one", (roads.lane(7, [0.0, 500.0], [0.0, 0.0]), roads.straight(8, 0, 9, 40.0)))  # fmt: skip
    # in the middle of a lane of two points, far from either
    assert lanes_near(lane_map, 250.0, 30.0) == (7,) and start_lane(lane_map, 250.0, 30.0, 0.0) == 7
    for x, y in ((math.nan, 0.0), (0.0, math.inf)):
        with pytest.raises(RouteError, match="give a place on the map"):
            lanes_near(lane_map, x, y)
    with pytest.raises(RouteError, match="no lane of map 'empty' is near"):
        start_lane(LaneMap(0, "empty"), 0.0, 0.0, 0.0)


def test_the_navigator_says_turns_and_changes() -> None:
    quarter = math.pi / 2
    lanes = [
        roads.straight(1, 0, 100, 0.0, left_id=2, successor_ids=roads.ids(5)),
        roads.straight(2, 0, 100, 3.5, right_id=1, successor_ids=roads.ids(3, 4)),
        roads.arc(3, 20.0, quarter, 100.0, 3.5, in_junction=True),
        roads.straight(4, 100, 130, 3.5, in_junction=True),
        roads.arc(5, 20.0, -quarter, 100.0, 0.0, in_junction=True),
    ]
    lane_map = LaneMap(0, "crossroads", tuple(lanes))
    say = lambda *ids: route_commands(Road(lane_map, make_route(lane_map, ids)))  # noqa: E731
    (change, left) = say(1, 2, 3)
    assert (change.command, left.command) == (NavCommand.CHANGE_LEFT, NavCommand.LEFT)
    assert change.begin_s == 0.0 and change.end_s == pytest.approx(left.begin_s, abs=1.0)
    assert left.begin_s == pytest.approx(100.0, abs=0.5)
    assert [c.command for c in say(2, 4)] == [NavCommand.STRAIGHT]
    assert [c.command for c in say(2, 1, 5)] == [NavCommand.CHANGE_RIGHT, NavCommand.RIGHT]
    assert next_command((left,), 60.0) == (NavCommand.LEFT, left.begin_s - 60.0)
    assert next_command((left,), 105.0) == (NavCommand.LEFT, 0.0)
    assert next_command((left,), 900.0) == (NavCommand.FOLLOW, math.inf)
    assert say(1) == ()


def test_a_change_may_begin_and_end_on_any_of_the_lanes_side_by_side() -> None:
    lanes = []
    for k in range(3):
        x0, x1, ahead = 60.0 * k, 60.0 * (k + 1), k < 2
        lanes.append(
            roads.straight(10 + k, x0, x1, 0.0, left_id=20 + k, successor_ids=roads.ids(*([11 + k] if ahead else [])),
                           predecessor_ids=roads.ids(*([9 + k] if k else [])))
        )  # fmt: skip
        lanes.append(
            roads.straight(20 + k, x0, x1, 3.5, right_id=10 + k, successor_ids=roads.ids(*([21 + k] if ahead else [])),
                           predecessor_ids=roads.ids(*([19 + k] if k else [])))
        )  # fmt: skip
    lane_map = LaneMap(0, "three in a row", tuple(lanes))
    road = Road(lane_map, make_route(lane_map, [10, 11, 21, 22]))
    (change,) = route_commands(road)
    assert change.command == NavCommand.CHANGE_LEFT
    assert change.begin_s == 0.0 and change.end_s == pytest.approx(180.0, abs=1.0)


@given(st.data())
def test_every_lane_of_our_town_is_reached_at_the_least_cost(data: st.DataObject) -> None:
    town = _own_town()
    ids = st.sampled_from([lane.id for lane in town.lanes])
    _check(graph_of(town), data.draw(ids), [data.draw(ids)])


@functools.lru_cache(maxsize=1)
def _own_town() -> LaneMap:
    return make_town(2).lane_map
