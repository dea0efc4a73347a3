"""Lane changes: to get past who is slow, only where nobody is made to brake hard, one by one where lanes end."""

from __future__ import annotations

import numpy as np

from whyway.maps.pieces_roads import lane_drop, road
from whyway.worlds.sim.engine import step

PIECE = road(lanes=2, oncoming=0, length_m=600.0)


def sides(cast):
    """Ids of the left and the right lane."""
    sim, _ = cast(PIECE, [{}])
    table = sim.table
    right = next(i for i in range(len(table.left)) if table.left[i] >= 0)
    return int(table.lane_id[table.left[right]]), int(table.lane_id[right])


def drive(sim, state, seconds):
    """The states of a drive without commands."""
    none = np.zeros_like(state.x_m)
    for _ in range(round(seconds * 10)):
        state = step(sim, state, none, none)
        yield state


def test_a_slow_lead_is_overtaken_on_the_free_lane(cast):
    left, right = sides(cast)
    slow = {"lane": right, "s_m": 100.0, "v_mps": 4.0, "cap_mps": 4.0}
    sim, state = cast(PIECE, [slow, {"lane": right, "s_m": 50.0, "v_mps": 12.0}])
    lanes = []
    for s in drive(sim, state, 20.0):
        assert not s.collided.any()
        lanes.append(int(sim.table.lane_id[s.window[0, 1, 0]]))
    assert left in lanes
    assert s.s_m[0, 1] > s.s_m[0, 0] + 20.0 or lanes[-1] != right


def test_nobody_changes_in_front_of_one_who_comes_from_behind_fast(cast):
    left, right = sides(cast)
    slow = {"lane": right, "s_m": 90.0, "v_mps": 4.0, "cap_mps": 4.0}
    waits = {"lane": right, "s_m": 60.0, "v_mps": 8.0, "politeness": 0.5}
    fast = [{"lane": left, "s_m": 48.0 - 25.0 * k, "v_mps": 13.5, "factor": 1.0} for k in range(2)]
    sim, state = cast(PIECE, [slow, waits, *fast])
    for s in drive(sim, state, 25.0):
        assert not s.collided.any()
        assert (s.a_mps2[0, 2:] > -3.0).all()
    assert int(s.changed_tick[0, 1]) > 0  # it got past in the end


def test_where_a_lane_ends_both_lanes_get_through_and_nobody_touches(cast):
    piece = lane_drop()
    sim, _ = cast(piece, [{}])
    starts = [int(sim.table.lane_id[line]) for line in sim.table.entries]
    assert len(starts) == 2
    queue = [
        {"lane": lane, "s_m": 150.0 - 11.0 * k, "v_mps": 6.0} for k in range(6) for lane in starts
    ]
    sim, state = cast(piece, queue)
    through = {}
    for s in drive(sim, state, 90.0):
        assert not s.collided.any()
        for a in np.nonzero(s.x_m[0] > 270.0)[0].tolist():
            through.setdefault(a, float(s.tick[0]) * 0.1)
    assert len(through) == 12
    order = [a % 2 for a in sorted(through, key=through.__getitem__)]
    longest = max(
        len(run)
        for run in "".join(map(str, order)).replace("01", "0 1").replace("10", "1 0").split()
    )
    assert longest <= 4  # neither lane is held up for long
