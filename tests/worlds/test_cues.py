"""Actors' parts: cues fire in their order, when they should, and do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.maps.pieces_roads import road
from whyway.types import ObjectClass
from whyway.worlds.sim.engine import step
from whyway.worlds.sim.state import Mode, When
from whyway.worlds.sim.table import Line

PIECE = road(lanes=2, oncoming=0, length_m=600.0)
RIGHT = PIECE.lane_map.lanes[1].id
EGO = {"lane": RIGHT, "mode": int(Mode.COMMAND), "s_m": 20.0, "v_mps": 10.0}
NAN = float("nan")


def told(sim, state, seconds):
    """The states of a drive in which the ego keeps its speed."""
    none = np.zeros_like(state.x_m)
    for _ in range(round(seconds * 10)):
        state = step(sim, state, none, none)
        yield state


def actor(when, value, speed=NAN, **more):
    """A car 100 m ahead of the ego with a part."""
    part = {"cue_when": [int(w) for w in when], "cue_value": value, "cue_speed_mps": speed}
    return {"lane": RIGHT, "s_m": 120.0, "v_mps": 8.0, "cap_mps": 8.0} | part | more


def test_a_lead_brakes_when_the_ego_is_near_and_drives_on_some_seconds_later(cast):
    lead = actor([When.EGO_WITHIN, When.AFTER], [60.0, 3.0], [0.0, NAN], cue_rate_mps2=[5.0, 3.0])
    sim, state = cast(PIECE, [EGO, lead], routes=[[RIGHT]])
    fired = {}
    speeds = []
    for now in told(sim, state, 27.0):
        for cue in range(1, int(now.cue_next[0, 1]) + 1):
            fired.setdefault(cue, (float(now.tick[0]) * 0.1, now))
        speeds.append(float(now.v_mps[0, 1]))
    at, there = fired[1]
    gap = abs(float(there.x_m[0, 1] - there.x_m[0, 0]))
    assert gap == pytest.approx(60.0, abs=1.5)
    assert fired[2][0] == pytest.approx(at + 3.0, abs=0.11)
    k = round(at * 10)
    assert speeds[k - 3] > 7.0
    assert speeds[k + 10] == pytest.approx(speeds[k - 2] - 5.0 * 1.2, abs=0.8)
    assert min(speeds) == 0.0
    assert speeds[-1] > 2.0


@pytest.mark.parametrize(
    ("when", "value", "more", "at_s"),
    [
        (When.AT_TIME, 4.0, {}, 4.0),
        (When.EGO_PASSED, 70.0, {}, 5.0),
        # the bumper is 2.25 m before the centre
        (When.EGO_ARRIVES, 3.0, {"cue_at_m": [102.25]}, 5.0),
        (When.OWN_S, 152.0, {}, 4.0),
    ],
)
def test_each_kind_of_cue_fires_when_it_should(cast, when, value, more, at_s):
    lead = actor([when], [value], [3.0], **more)
    sim, state = cast(PIECE, [EGO, lead], routes=[[RIGHT]])
    assert state.route_s_m[0, 0] == pytest.approx(20.0)
    fired = [s for s in told(sim, state, 8.0) if s.cue_next[0, 1]]
    assert float(fired[0].tick[0]) * 0.1 == pytest.approx(at_s, abs=0.21)


def test_a_cue_moves_across_the_lane_at_its_own_rate(cast):
    swerves = actor([When.AT_TIME], [1.0], [8.0], cue_offset_m=[3.5], cue_lateral_mps=[1.0])
    sim, state = cast(PIECE, [EGO, swerves])
    across = np.array([s.d_m[0, 1] for s in told(sim, state, 8.0)])
    assert across[8] == 0.0
    assert np.diff(across).max() <= 0.1 + 1e-9
    assert across[-1] == pytest.approx(3.5, abs=0.05)
    assert across[30] == pytest.approx(2.0, abs=0.3)


def test_a_reckless_actor_minds_nobody_and_one_that_is_not_stops(cast):
    stands = {"lane": RIGHT, "s_m": 200.0, "cap_mps": 0.0}
    for reckless in (True, False):
        comes = actor([When.AT_TIME], [0.0], [8.0], cue_reckless=[reckless])
        sim, state = cast(PIECE, [EGO, comes, stands])
        last = [s for s in told(sim, state, 14.0)]
        assert any(s.collided[0, 1] for s in last) == reckless
        assert (last[-1].v_mps[0, 2] == 0.0) and (last[-1].s_m[0, 2] == 200.0)


def test_a_negative_speed_reverses(cast):
    back = actor([When.AT_TIME], [1.0], [-2.0], v_mps=0.0, cap_mps=0.0)
    sim, state = cast(PIECE, [EGO | {"v_mps": 0.0}, back])
    last = list(told(sim, state, 6.0))[-1]
    assert last.v_mps[0, 1] == pytest.approx(-2.0)
    assert 109.0 < last.s_m[0, 1] < 113.0


def test_a_walker_on_a_line_of_its_own_crosses_and_stays_where_it_ends(cast):
    walk = Line(np.array([150.0, 150.0]), np.array([-12.0, 6.0]), 1.4)
    walker = {
        "own": 0, "object_class": int(ObjectClass.PEDESTRIAN), "length_m": 0.5, "width_m": 0.6, "cap_mps": 0.0,
        "cue_when": [int(When.EGO_PASSED)], "cue_value": [40.0], "cue_speed_mps": [1.4], "cue_reckless": [True],
    }  # fmt: skip
    sim, state = cast(PIECE, [EGO | {"v_mps": 5.0}, walker], lines=[walk], routes=[[RIGHT]])
    states = list(told(sim, state, 25.0))
    assert states[30].y_m[0, 1] == -12.0
    assert states[-1].active[0, 1]
    assert states[-1].y_m[0, 1] == pytest.approx(6.0, abs=0.6)
    assert states[-1].v_mps[0, 1] == 0.0
