"""The lane graph on arrays: poses, links, gates and ways through junctions are those of the map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.geometry import Polyline, wrap_angle
from whyway.maps.lanes import RoadLane
from whyway.maps.town import make_town
from whyway.maps.town_layout import Control
from whyway.types import InputError, LaneMap
from whyway.worlds.sim.precedence import FIRST, GIVE_WAY, LEFT_TURN, STOP
from whyway.worlds.sim.table import SPEED, UX, UY, Line, X, Y, build_table, line_of


@pytest.fixture(scope="module")
def town():
    return make_town(3)


@pytest.fixture(scope="module")
def table(town):
    return build_table(town.lane_map, sorted(town.signals.cycles))


def test_poses_are_those_of_the_lanes_of_the_map(town, table):
    for i, lane in enumerate(town.lane_map.lanes):
        center = RoadLane(lane).center
        s, d = np.linspace(-3.0, center.length_m + 3.0, 40), np.linspace(-2.0, 2.0, 40)
        x, y, yaw, _, _ = table.pose(np.full(40, i), s, d)
        ex, ey, eyaw, _ = center.at(s, d)
        np.testing.assert_allclose(np.hypot(x - ex, y - ey), 0.0, atol=0.06)
        np.testing.assert_allclose(wrap_angle(yaw - eyaw), 0.0, atol=0.03)


@settings(max_examples=60)
@given(share=st.floats(0.0, 1.0), d=st.floats(-2.0, 2.0), number=st.integers(0, 95))
def test_a_pose_projects_back_to_where_it_came_from(table, share, d, number):
    line = number % len(table.length_m)
    s = share * float(table.length_m[line])
    x, y, *_ = table.pose(np.array([line]), np.array([s]), np.array([d]))
    a, b = table.first[line], table.first[line] + table.last[line] + 2
    back_s, back_d = Polyline.through(table.rows[a:b, X], table.rows[a:b, Y]).project(x, y)
    assert back_s[0] == pytest.approx(s, abs=0.12)
    assert back_d[0] == pytest.approx(d, abs=0.02)


def test_the_end_of_a_line_is_the_start_of_its_successors(table):
    before, after = np.nonzero(table.successor >= 0)[0], table.successor[table.successor >= 0]
    end = table.pose(before, table.length_m[before], np.zeros(len(before)))
    start = table.pose(after, np.zeros(len(after)), np.zeros(len(after)))
    assert len(before) > 100
    np.testing.assert_allclose(np.hypot(end[0] - start[0], end[1] - start[1]), 0.0, atol=0.01)
    np.testing.assert_allclose(wrap_angle(end[2] - start[2]), 0.0, atol=0.07)


def test_rows_follow_each_other_at_the_spacing_of_their_line(table):
    for line in range(len(table.length_m)):
        a, n, step = table.first[line], table.last[line] + 2, table.step_m[line]
        rows = table.rows[a : a + n]
        assert (n - 1) * step == pytest.approx(table.length_m[line])
        np.testing.assert_allclose(rows[:-1, X] + step * rows[:-1, UX], rows[1:, X], atol=1e-9)
        np.testing.assert_allclose(rows[:-1, Y] + step * rows[:-1, UY], rows[1:, Y], atol=1e-9)


def test_successors_are_the_maps_with_the_straightest_first(town, table):
    for i, lane in enumerate(town.lane_map.lanes):
        found = table.successor[i, : table.successors[i]]
        assert sorted(table.lane_id[found].tolist()) == sorted(lane.successor_ids.tolist())
        turns = [abs(RoadLane(town.lane_map.lanes[j]).turn_rad) for j in found]
        assert turns == sorted(turns, key=lambda t: round(t, 2))


def test_speeds_keep_the_limit_and_brake_in_time_for_curves(town, table):
    limits = np.array([lane.speed_limit_mps for lane in town.lane_map.lanes])
    for line, limit in enumerate(limits):
        a, n = table.first[line], table.last[line] + 2
        v = table.rows[a : a + n, SPEED]
        assert (v <= limit + 1e-9).all() and (v > 1.0).all()
        assert (np.diff(v**2) / (2 * table.step_m[line]) > -1.5 - 1e-6).all()
    assert (table.rows[:, SPEED] < np.repeat(limits, table.last + 2) - 1.0).any()


def test_gates_stand_at_stop_lines_and_before_ways_that_others_cross(town, table):
    lines = {i: line for line in town.lane_map.stop_lines for i in line.lane_ids.tolist()}
    lights = sorted(town.signals.cycles)
    for i, lane in enumerate(town.lane_map.lanes):
        leads = [j for j in table.successor[i] if j >= 0 and table.way[j] >= 0]
        if table.in_junction[i]:
            assert np.isinf(table.gate_s_m[i])
        elif lane.id in lines:
            line = lines[lane.id]
            x, y, *_ = table.pose(np.array([i]), table.gate_s_m[[i]], np.zeros(1))
            assert abs(np.hypot(x - line.x_m.mean(), y - line.y_m.mean())[0]) < 4.0
            assert table.gate_s_m[i] < table.length_m[i]
            assert table.gate_light[i] == (lights.index(line.light_id) if line.light_id else -1)
            assert table.gate_stops[i] == line.is_stop_sign
        elif any(table.conflict[table.way[j]].any() for j in leads):
            assert table.gate_s_m[i] == pytest.approx(table.length_m[i])


def test_every_junction_line_has_a_way_and_no_other_has(table):
    assert ((table.way >= 0) == table.in_junction).all()
    assert sorted(set(table.way[table.way >= 0].tolist())) == list(range(len(table.way_priority)))


def test_conflicts_are_symmetric_and_exclude_those_who_follow_each_other(table):
    assert (table.conflict == table.conflict.T).all() and not table.conflict.diagonal().any()
    for i in range(len(table.length_m)):
        ways = [table.way[j] for j in table.successor[i] if j >= 0 and table.way[j] >= 0]
        for a in ways:
            assert not table.conflict[a, ways].any()


def test_ways_that_cross_or_merge_exclude_each_other_and_those_of_different_junctions_do_not(
    town, table
):
    junction = {link.lane_id: (j, link) for j in town.layout.junctions for link in j.links}
    for a in np.nonzero(table.in_junction)[0]:
        for b in np.nonzero(table.in_junction)[0]:
            (ja, la), (jb, lb) = (junction[int(table.lane_id[i])] for i in (a, b))
            conflict = table.conflict[table.way[a], table.way[b]]
            if ja.id != jb.id or la.from_lane == lb.from_lane:
                assert not conflict
            elif la.to_lane == lb.to_lane:
                assert conflict


def test_who_goes_first_is_what_signs_and_lights_say(town, table):
    for junction in town.layout.junctions:
        for link in junction.links:
            priority = table.way_priority[table.way[line_of(table, link.lane_id)]]
            minor = junction.arms.index(link.start) not in junction.major
            if junction.control is not Control.SIGNALS and minor:
                assert priority == (STOP if junction.control is Control.STOP_SIGN else GIVE_WAY)
            else:
                assert priority == (LEFT_TURN if link.turn_rad > 0.4 else FIRST)


def test_own_lines_stand_behind_the_lanes_and_may_go_round(town):
    walk = Line(np.array([0.0, 10.0]), np.array([0.0, 0.0]), 1.3, gate_s_m=4.0, then=1)
    back = Line(np.array([10.0, 0.0]), np.array([0.0, 0.0]), np.array([1.0, 2.0]), then=0)
    table = build_table(town.lane_map, (), [walk, back])
    lanes = len(town.lane_map.lanes)
    assert table.successor[lanes:, 0].tolist() == [lanes + 1, lanes]
    assert table.lane_id[lanes:].tolist() == [0, 0] and table.gate_s_m[lanes] == 4.0
    x, y, yaw, _, speed = table.pose(np.array([lanes, lanes + 1]), np.full(2, 5.0), np.zeros(2))
    np.testing.assert_allclose(x, 5.0)
    np.testing.assert_allclose(np.cos(yaw), [1.0, -1.0])
    np.testing.assert_allclose(speed, [1.3, 1.5], atol=1e-6)


def test_a_table_in_another_type_says_the_same(table):
    single = table.to(np, np.float32)
    assert single.rows.dtype == np.float32 and single.first.dtype == np.int64
    line, s = np.arange(30), np.linspace(0.0, 40.0, 30)
    for a, b in zip(
        table.pose(line, s, 0 * s),
        single.pose(line, s.astype(np.float32), 0 * s.astype(np.float32)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_what_has_no_length_is_refused_with_its_name(town):
    with pytest.raises(InputError, match="own line 0 has no length"):
        build_table(town.lane_map, (), [Line(np.zeros(2), np.zeros(2), 1.0)])
    with pytest.raises(InputError, match="has no lanes"):
        build_table(LaneMap(0, "void"))
    with pytest.raises(InputError, match="no lane 7777777"):
        line_of(build_table(town.lane_map), 7777777)
