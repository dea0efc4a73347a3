"""Traffic is put on any map soundly: nobody overlaps, everybody can stop in time, and a world's traffic is its seed's alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from whyway.config import Config
from whyway.geometry import boxes_overlap
from whyway.maps.commonroad import read_scene
from whyway.maps.town import make_town
from whyway.types import ObjectClass
from whyway.worlds.sim.pedestrians import plan_walks
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.populate import Traffic
from whyway.worlds.sim.state import empty_state
from whyway.worlds.sim.table import HALF_WIDTH, X, Y, build_table


def traffic_of(lane_map, lights=(), walks: int = 24) -> Traffic:
    table = build_table(lane_map, lights)
    ways = plan_walks(table, lane_map, walks, 5)
    table = build_table(lane_map, lights, ways.lines)
    return Traffic(table, find_places(table), ways)


@pytest.fixture(scope="module")
def town_traffic():
    town = make_town(3)
    return traffic_of(town.lane_map, sorted(town.signals.cycles))


def overlaps(state) -> np.ndarray:
    """`[W, A, A]` whether two agents touch."""
    columns = [state.x_m, state.y_m, state.yaw_rad, state.length_m, state.width_m]
    a, b = [c[:, :, None] for c in columns], [c[:, None, :] for c in columns]
    both = state.active[:, :, None] & state.active[:, None, :]
    return boxes_overlap(*a, *b) & both & ~np.eye(state.x_m.shape[1], dtype=bool)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), vehicles=st.integers(1, 60), pedestrians=st.integers(0, 24))
def test_nobody_overlaps_anybody(town_traffic, seed, vehicles, pedestrians):
    state = empty_state(2, 1 + vehicles + pedestrians)
    state.seed[:] = seed
    state = town_traffic.fill(state, vehicles=vehicles, pedestrians=pedestrians)
    assert state.active[:, 1:].all() and not state.active[:, 0].any()
    assert not overlaps(state).any()
    assert np.isfinite(state.v_mps).all() and (state.v_mps >= 0.0).all()


def test_nobody_overlaps_anybody_on_real_maps(scene_files):
    for file in scene_files[::7]:
        scene = read_scene(file, Config().vehicle)
        traffic = traffic_of(scene.lane_map, sorted(scene.signals.cycles), walks=6)
        state = traffic.fill(empty_state(4, 37), vehicles=30, pedestrians=6)
        assert state.active[:, 1:31].sum() >= 4 * min(30, len(traffic.places))
        assert not overlaps(state).any(), file.name


def test_everybody_can_stop_for_the_next_gate_and_the_one_ahead(town_traffic):
    table = town_traffic.table
    state = town_traffic.fill(empty_state(50, 61), vehicles=60)
    line, front = state.window[:, 1:, 0], (state.s_m + state.length_m / 2)[:, 1:]
    v, s = state.v_mps[:, 1:], state.s_m[:, 1:]
    room = table.gate_s_m[line] - front
    held = room > 0.0
    assert held.any() and (v[held] ** 2 / (2 * room[held]) < 1.5).all()
    same = (line[:, :, None] == line[:, None, :]) & (s[:, None, :] > s[:, :, None])
    gap = s[:, None, :] - s[:, :, None]
    gap -= (state.length_m[:, 1:, None] + state.length_m[:, None, 1:]) / 2
    need = (v[:, :, None] ** 2 - v[:, None, :] ** 2) / (2 * np.maximum(gap, 0.1))
    assert same.any() and (gap[same] > 2.0).all() and (need[same] < 1.51).all()
    assert (v > 3.0).mean() > 0.4


def test_traffic_stays_away_from_who_is_there_already(town_traffic):
    state = empty_state(30, 41)
    places = town_traffic.places
    state.active[:, 0], state.x_m[:, 0], state.y_m[:, 0] = True, places.x_m[:30], places.y_m[:30]
    before = state.x_m[:, 0].copy()
    state = town_traffic.fill(state, vehicles=40, keep_clear_m=45.0)
    away = np.hypot(state.x_m[:, 1:] - state.x_m[:, :1], state.y_m[:, 1:] - state.y_m[:, :1])
    assert (away > 43.0).all() and state.active.all()
    assert (state.x_m[:, 0] == before).all()


def test_a_worlds_traffic_is_its_seeds_alone(town_traffic):
    many = town_traffic.fill(empty_state(7, 31), vehicles=26, pedestrians=4)
    one = empty_state(1, 31)
    one.seed[:] = 5
    one = town_traffic.fill(one, vehicles=26, pedestrians=4)
    for f in dataclasses.fields(one):
        a, b = getattr(one, f.name), getattr(many, f.name)
        if a.ndim > 1:
            np.testing.assert_array_equal(a[0], b[5], err_msg=f.name)
    assert (many.window[0, :, 0] != many.window[1, :, 0]).mean() > 0.5


def test_kinds_and_manners_vary_as_asked(town_traffic):
    state = town_traffic.fill(empty_state(60, 51), vehicles=50)
    kinds = state.object_class[:, 1:].ravel()
    assert 0.72 < (kinds == int(ObjectClass.CAR)).mean() < 0.84
    assert (np.bincount(kinds, minlength=7)[[2, 3, 5, 6]] > 20).all()
    assert np.ptp(state.headway_s[:, 1:]) > 0.8 and np.ptp(state.politeness[:, 1:]) > 0.3
    calm = town_traffic.fill(
        empty_state(5, 51), vehicles=50, mix={ObjectClass.CAR: 1.0}, calm=(1.0, 1.0)
    )
    assert (calm.object_class[:, 1:] == int(ObjectClass.CAR)).all()
    assert (calm.headway_s[:, 1:] == 2.0).all()


def test_walks_keep_off_the_lanes_except_where_they_cross_and_away_from_each_other(town_traffic):
    walks, table = town_traffic.walks, town_traffic.table
    assert len(walks.first) == 24
    lanes = table.rows[: table.first[walks.first[0]]]
    tree = cKDTree(lanes[:, [X, Y]])
    ends = [*walks.first[1:].tolist(), walks.first[0] + len(walks.lines)]
    crossing, seen = 0, []
    for first, end in zip(walks.first.tolist(), ends, strict=True):
        assert table.successor[end - 1, 0] == first
        points = []
        for k, line in enumerate(range(first, end)):
            a, n = table.first[line], table.last[line] + 2
            row = table.rows[a : a + n]
            distance, nearest = tree.query(row[:, [X, Y]])
            on_road = (distance < lanes[nearest, HALF_WIDTH] + 0.3).any()
            assert on_road == (end - first == 6 and k in (2, 5))
            assert np.isfinite(table.gate_s_m[line]) == (end - first == 6 and k in (1, 4))
            points.append(row[:, [X, Y]])
        crossing += end - first == 6
        seen.append(np.concatenate(points))
    assert 8 <= crossing < 20
    for k, points in enumerate(seen[1:], start=1):
        assert cKDTree(np.concatenate(seen[:k])).query(points)[0].min() > 1.0


def test_more_than_there_is_room_for_leaves_the_rest_out(town_traffic):
    places = len(town_traffic.places)
    state = town_traffic.fill(empty_state(3, places + 41), vehicles=places + 10, pedestrians=30)
    assert state.active[:, 1 : places + 11].sum(axis=1).tolist() == [places] * 3
    assert state.active[:, places + 11 :].sum(axis=1).tolist() == [24] * 3
    assert not overlaps(state).any()
    with pytest.raises(ValueError, match="do not fit into a state of 5"):
        town_traffic.fill(empty_state(1, 5), vehicles=5)
