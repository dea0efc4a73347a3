"""Junctions: queues discharge, who must give way does, all-way stops go by arrival, walkers are given way to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from whyway.maps.load import load_map
from whyway.maps.pieces_junctions import junction
from whyway.maps.pieces_roads import road
from whyway.types import ObjectClass
from whyway.worlds.sim.engine import light_colors, step
from whyway.worlds.sim.state import Mode
from whyway.worlds.sim.table import Line


def drive(sim, state, seconds):
    """The states of a drive without commands."""
    none = np.zeros_like(state.x_m)
    for _ in range(round(seconds * 10)):
        state = step(sim, state, none, none)
        yield state


def approaches(piece, cast):
    """Ids of the lanes that lead into the junction, counter-clockwise from the one that comes from the east."""
    sim, _ = cast(piece, [{}])
    table = sim.table
    into = [
        int(line) for line in np.nonzero(np.isfinite(table.gate_s_m))[0] if not table.in_junction[line]
    ]  # fmt: skip
    x, y, *_ = table.pose(np.array(into), np.zeros(len(into)), np.zeros(len(into)))
    order = np.argsort(np.arctan2(y, x) % (2 * np.pi - 0.1))
    return [int(table.lane_id[into[i]]) for i in order], table


def inside(sim, state):
    """Whether each agent's centre is in the junction."""
    return sim.table.in_junction[np.maximum(state.window[0, :, 0], 0)]


def entered(sim, states, agents):
    """When each agent came into the junction."""
    first = {}
    for state in states:
        for a in np.nonzero(inside(sim, state))[0].tolist():
            first.setdefault(a, float(state.tick[0]) * 0.1)
    return [first.get(a, np.inf) for a in range(agents)]


def test_a_queue_at_red_stands_and_then_discharges_one_after_the_other(cast):
    piece = junction(control="signals")
    lanes, table = approaches(piece, cast)
    gate = float(table.gate_s_m[list(table.lane_id).index(lanes[1])])
    queue = [
        {"lane": lanes[1], "s_m": gate - 10.0 - 9.0 * k, "v_mps": 5.0, "a_max_mps2": 1.5}
        for k in range(4)
    ]
    sim, state = cast(piece, queue)
    light = int(sim.table.gate_light[state.window[0, 0, 0]])
    colors, states = [], []
    for s in drive(sim, state, 60.0):
        states.append(s)
        colors.append(int(light_colors(sim, s)[0, light]))
        assert not s.collided.any()
        assert not s.ran_red.any()
    times = entered(sim, states, 4)
    assert times == sorted(times)
    assert times[-1] < 60.0
    gaps = np.diff(times)
    assert (gaps[gaps < 10.0] > 1.0).all()
    assert 1 in colors[: round(times[0] * 10)]  # it was red before


def test_who_comes_from_the_side_road_gives_way(cast):
    piece = junction(control="give_way")
    lanes, _ = approaches(piece, cast)
    sim, _ = cast(piece, [{}])
    line = {lane: list(sim.table.lane_id).index(lane) for lane in lanes}
    ways = {lane: sim.table.way[sim.table.successor[line[lane], 0]] for lane in lanes}
    rank = {lane: int(sim.table.way_priority[ways[lane]]) for lane in lanes}
    main = [lane for lane in lanes if rank[lane] == 0]
    side = [lane for lane in lanes if rank[lane] > 0]
    assert len(main) == len(side) == 2
    gate = float(sim.table.gate_s_m[line[side[0]]])
    long = 10.0  # so that it goes straight on
    minor = {"lane": side[0], "s_m": gate - 25.0, "v_mps": 7.0, "length_m": long}
    others = [
        {"lane": main[0], "s_m": gate - 35.0 - 30.0 * k, "v_mps": 11.0, "length_m": long}
        for k in range(3)
    ]
    sim, state = cast(piece, [minor, *others])
    states = []
    for s in drive(sim, state, 40.0):
        states.append(s)
        assert not s.collided.any()
    times = entered(sim, states, 4)
    assert max(times[1:]) < times[0] < 40.0
    # and nobody on the main road had to brake for it
    assert min(float(s.v_mps[0, 1]) for s in states[: round(times[1] * 10)]) > 6.0


def test_an_all_way_stop_is_passed_in_order_of_arrival_after_a_halt(cast):
    piece = junction(control="all_way_stop")
    lanes, table = approaches(piece, cast)
    gate = float(table.gate_s_m[list(table.lane_id).index(lanes[0])])
    back = [30.0, 15.0, 60.0, 45.0]  # neighbours in time cross each other
    cars = [
        {"lane": lane, "s_m": gate - far, "v_mps": 8.0, "length_m": 10.0, "factor": 0.8}
        for lane, far in zip(lanes, back, strict=True)
    ]
    sim, state = cast(piece, cars)
    states = []
    for s in drive(sim, state, 60.0):
        states.append(s)
        assert not s.collided.any()
    times = entered(sim, states, 4)
    assert np.argsort(times).tolist() == np.argsort(back).tolist()
    for a, t in enumerate(times):
        assert min(float(s.v_mps[0, a]) for s in states[: round(t * 10)]) < 0.3


@pytest.mark.parametrize("from_m", [-8.0, -5.0])
def test_a_walker_on_the_road_is_given_way_to(cast, from_m):
    piece = road(lanes=1, oncoming=0, length_m=400.0)
    walk = Line(np.array([120.0, 120.0]), np.array([from_m, 8.0]), 1.3)
    lane = next(lane.id for lane in piece.lane_map.lanes if not lane.kind)
    person = {
        "own": 0, "object_class": int(ObjectClass.PEDESTRIAN), "length_m": 0.5, "width_m": 0.6, "v_mps": 1.3,
    }  # fmt: skip
    car = {"lane": lane, "s_m": 60.0, "v_mps": 11.0}
    sim, state = cast(piece, [car, person], lines=[walk])
    states = []
    for s in drive(sim, state, 20.0):
        states.append(s)
        assert not s.collided.any()
    # one lets the other pass, and both get on
    assert states[-1].y_m[0, 1] > 4.0
    assert states[-1].x_m[0, 0] > 130.0


@pytest.mark.parametrize(("aside_m", "holds"), [(0.0, True), (9.0, False)])
def test_who_is_driven_far_beside_its_line_holds_no_way_through_a_junction(cast, aside_m, holds):
    piece = junction(control="none")
    lanes, table = approaches(piece, cast)
    line = list(table.lane_id).index(lanes[0])
    way = next(int(n) for n in table.successor[line] if n >= 0)
    x, y, yaw, *_ = (
        float(v[0]) for v in table.pose(np.array([way]), np.array([6.0]), np.array([aside_m]))
    )
    ego = {"lane": int(table.lane_id[way]), "s_m": 6.0, "mode": int(Mode.COMMAND)}
    sim, state = cast(piece, [{**ego, "x_m": x, "y_m": y, "yaw_rad": yaw, "d_m": aside_m}])
    none = np.zeros_like(state.x_m)
    assert abs(float(state.d_m[0, 0]) - aside_m) < 0.5
    assert bool(step(sim, state, none, none).held[0, 0] >= 0) is holds


TOWN06 = Path(__file__).resolve().parents[3] / "shared/data/carla_xodr_mit/Town06.xodr.gz"
TURNS_SIDE_BY_SIDE = 257, 258
"""Two lanes of Town06 that turn off together, 3.5 m apart, with radii of 6 m and 9 m."""


@pytest.mark.parametrize("length_m, together", [(4.5, True), (9.0, False)])
def test_where_two_lanes_turn_tightly_side_by_side_cars_go_together_and_trucks_do_not(
    cast, length_m, together
):
    if not TOWN06.exists():
        pytest.skip(f"no map at {TOWN06}")
    lane_map, signals = load_map(TOWN06)
    both = [
        {"lane": lane, "s_m": 80.0, "v_mps": 5.0, "length_m": length_m, "width_m": 1.8}
        for lane in TURNS_SIDE_BY_SIDE
    ]
    sim, state = cast(SimpleNamespace(lane_map=lane_map, signals=signals), both)
    states = list(drive(sim, state, 20.0))
    assert all(np.isfinite(entered(sim, states, 2)))
    assert any(inside(sim, s).all() for s in states) == together
    assert not any(s.collided.any() for s in states)
