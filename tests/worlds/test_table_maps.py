"""The lane graph of maps of every kind: merges, roundabouts and crossings that are marked as junctions, and those that are not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.maps.commonroad import read_scene
from whyway.maps.load import load_map
from whyway.maps.pieces import MapKit
from whyway.maps.pieces_junctions import junction, roundabout
from whyway.maps.pieces_roads import cross_section, narrows, straight, zipper
from whyway.types import LaneMap
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.precedence import FIRST, GIVE_WAY, STOP
from whyway.worlds.sim.table import build_table, lines_of

TOWNS = Path(__file__).resolve().parents[3] / "shared" / "data" / "carla_xodr_mit"


def unmarked(lane_map: LaneMap) -> LaneMap:
    """The map as one that knows nothing of junctions."""
    lanes = tuple(dataclasses.replace(lane, in_junction=False) for lane in lane_map.lanes)
    return dataclasses.replace(lane_map, lanes=lanes, stop_lines=(), lights=())


def merge(ramp_mps: float = 20.0) -> LaneMap:
    """A straight road of two lanes in a row, and a ramp that runs into the second from the right; nothing is marked."""
    kit = MapKit()
    first = kit.road(straight((0.0, 0.0, 0.0), 200.0), cross_section(1), limit_mps=20.0)
    last = kit.road(straight((200.0, 0.0, 0.0), 200.0), cross_section(1), limit_mps=20.0)
    ramp = kit.road(straight((3.0, -36.0, 0.17), 200.0), cross_section(1), limit_mps=ramp_mps)
    kit.chain(first, last)
    kit.link(ramp.forward[0], last.forward[0])
    return kit.build("merge")


def ways_of(table, lane_id: int) -> list[int]:
    """The ways that a lane's lines belong to."""
    return [int(w) for w in table.way[table.lane_id == lane_id] if w >= 0]


def continuous(table) -> None:
    """Asserts that links lead on where they begin, and that gates stand before the ways that others cross."""
    before, after = np.nonzero(table.successor >= 0)[0], table.successor[table.successor >= 0]
    end = table.pose(before, table.length_m[before], np.zeros(len(before)))
    start = table.pose(after, np.zeros(len(after)), np.zeros(len(after)))
    assert np.quantile(np.hypot(end[0] - start[0], end[1] - start[1]), 0.95, method="lower") < 0.02
    assert np.median(np.abs(wrap_angle(end[2] - start[2]))) < 0.12
    assert (table.conflict == table.conflict.T).all()
    assert (table.swings == table.swings.T).all() and not (table.swings & table.conflict).any()
    enters = (table.way[before] < 0) & (table.way[after] >= 0)
    contested = table.conflict.any(axis=1)[table.way[after[enters]]]
    gates = table.gate_s_m[before[enters]]
    assert (gates[contested] <= table.length_m[before[enters]][contested] + 1e-6).all()


def test_lanes_that_merge_unmarked_are_cut_and_the_ramp_gives_way():
    lane_map = merge()
    table = build_table(lane_map)
    main, _, ramp = (lane.id for lane in lane_map.lanes)
    ((a,), (b,)) = ways_of(table, main), ways_of(table, ramp)
    assert table.conflict[a, b]
    assert (table.way_priority[a], table.way_priority[b]) == (FIRST, GIVE_WAY)
    lines = lines_of(table, [main, lane_map.lanes[1].id])
    assert len(lines) == 3 and lines[0] == 0 and lines[2] == 1
    assert table.length_m[lines].sum() == pytest.approx(400.0)
    assert table.gate_s_m[0] == pytest.approx(table.length_m[0])
    continuous(table)


def test_before_lanes_of_equal_rank_nobody_waits_by_rule():
    table = build_table(zipper().lane_map)
    a, b = set(table.way[table.way >= 0].tolist())
    assert table.conflict[a, b] and table.way_priority.tolist() == [FIRST, FIRST]


def test_a_street_of_one_lane_for_both_directions_is_used_by_one_at_a_time():
    table = build_table(narrows().lane_map)
    there, back = (ways_of(table, lane)[0] for lane in (5, 6))
    assert there != back and table.conflict[there, back]
    assert not table.conflict[there, there]
    gated = np.isfinite(table.gate_s_m)
    assert gated.sum() == 2 and not table.in_junction[gated].any()
    continuous(table)


def test_who_enters_a_roundabout_gives_way_to_those_in_it():
    for lane_map in (roundabout().lane_map, roundabout(arms=3, radius_m=12.0).lane_map):
        table = build_table(lane_map)
        entries = set(table.way[table.successor[table.gate_s_m < 1e6].ravel()].tolist()) - {-1}
        onto = [w for w in ways_of_entries(table) if w in entries]
        assert onto and (table.way_priority[onto] == GIVE_WAY).all()
        others = np.setdiff1d(table.way[table.way >= 0], onto)
        assert (table.way_priority[others] == FIRST).all()
        continuous(table)


def ways_of_entries(table) -> list[int]:
    """Ways that begin behind a line outside junctions."""
    outside = np.nonzero(~table.in_junction)[0]
    after = table.successor[outside]
    return table.way[after[after >= 0]].tolist()


def test_crossing_lanes_are_ways_even_where_nothing_is_marked():
    marked = junction(control="none").lane_map
    table = build_table(unmarked(marked))
    inside = {lane.id for lane in marked.lanes if lane.in_junction}
    found = set(table.lane_id[table.in_junction].tolist())
    assert inside <= found
    assert table.conflict.any()
    continuous(table)


def test_everybody_stops_at_an_all_way_stop():
    table = build_table(junction(control="all_way_stop").lane_map)
    assert (table.way_priority == STOP).all()
    assert table.gate_stops[np.isfinite(table.gate_s_m)].all()


def test_a_side_road_without_lines_gives_way_to_the_one_that_goes_through():
    lane_map = junction(arms=3, control="none").lane_map
    table = build_table(lane_map)
    straight_on = [
        i for i in np.nonzero(table.in_junction)[0]
        if abs(table.pose(np.array([i]), table.length_m[[i]], np.zeros(1))[2][0] - table.pose(np.array([i]), np.zeros(1), np.zeros(1))[2][0]) < 0.1
    ]  # fmt: skip
    assert (table.way_priority[table.way[straight_on]] == FIRST).all()
    assert (table.way_priority == GIVE_WAY).sum() == 2


def test_every_recorded_scene_has_a_sound_table(scene_files):
    for file in scene_files[::4]:
        scene = read_scene(file, Config().vehicle)
        table = build_table(scene.lane_map, sorted(scene.signals.cycles))
        lanes = len(scene.lane_map.lanes)
        assert table.lane_id[:lanes].tolist() == [lane.id for lane in scene.lane_map.lanes]
        assert np.isfinite(table.rows).all() and (table.length_m > 0.0).all()
        if (table.successor >= 0).any():
            continuous(table)


@pytest.mark.parametrize("town", ["Town02", "Town04", "Town05"])
def test_a_carla_town_has_a_sound_table_and_room_for_traffic(town):
    file = TOWNS / f"{town}.xodr.gz"
    if not file.exists():
        pytest.skip(f"no CARLA town at {file}")
    lane_map, signals = load_map(file)
    table = build_table(lane_map, sorted(signals.cycles))
    continuous(table)
    driving = np.isin(table.kind, (0, 1))
    ends = driving & (table.successors == 0) & (table.left < 0) & (table.right < 0)
    assert ends[driving].mean() < 0.05
    # memory in proportion to the length of the lanes
    assert len(table.rows) < 1.5 * table.length_m.sum() + 2 * len(table.length_m)
    assert len(find_places(table)) > table.length_m[driving].sum() / 60.0


def test_lanes_that_cross_on_a_bridge_have_opposite_decks_and_those_of_junctions_have_none():
    kit = MapKit()
    bands = cross_section(2)
    for x in (0.0, 300.0):  # a junction elsewhere: the map marks its junctions
        kit.road(straight((x, 0.0, 0.0), 290.0), bands, bands, limit_mps=20.0)
    kit.connect(1, 5)
    above = kit.road(straight((150.0, -150.0, 1.6), 300.0), bands, limit_mps=20.0)
    table = build_table(kit.build("bridge"))
    upper = [lane - 1 for lane in above.forward]
    lower = [0, 1, 2, 3]
    assert (np.unique(table.deck[upper]) == -np.unique(table.deck[lower])).all()
    assert (table.deck[lower] != 0).all() and not table.deck[4:8].any()
    assert not table.in_junction[upper + lower].any()
    assert not build_table(junction(control="signals").lane_map).deck.any()
