"""Who is minded: within sight, which grows with speed, and behind only by who thinks of changing lanes."""

from __future__ import annotations

import numpy as np
import pytest

from whyway.maps.pieces_roads import road
from whyway.worlds.sim.engine import step
from whyway.worlds.sim.others import BEHIND_M, HORIZON_M, SIGHT_M, SIGHT_S
from whyway.worlds.sim.state import FAR_M

PIECE = road(lanes=2, oncoming=0, length_m=600.0)
LEFT, RIGHT = (lane.id for lane in PIECE.lane_map.lanes[:2])


def lead_gap(cast, apart_m, v_mps, their_v_mps=0.0):
    """What the rear one of two on one lane sees of the other."""
    rear = {"lane": RIGHT, "s_m": 50.0, "v_mps": v_mps}
    front = {"lane": RIGHT, "s_m": 50.0 + apart_m, "v_mps": their_v_mps}
    sim, state = cast(PIECE, [rear, front])
    nothing = np.zeros_like(state.x_m)
    return step(sim, state, nothing, nothing).lead_gap_m[0, 0]


@pytest.mark.parametrize("v_mps", [0.0, 5.0, 20.0])
@pytest.mark.parametrize("slower", ["the one behind", "the one ahead"])
def test_one_sees_as_far_as_the_faster_of_two_needs(cast, v_mps, slower):
    sight = min(SIGHT_M + SIGHT_S * v_mps, HORIZON_M)
    speeds = (0.0, v_mps) if slower == "the one behind" else (v_mps, 0.0)
    assert lead_gap(cast, sight - 1.0, *speeds) == pytest.approx(sight - 1.0 - 4.5, abs=0.1)
    assert lead_gap(cast, sight + 1.0, *speeds) == FAR_M


def test_who_comes_fast_from_behind_keeps_one_in_its_lane(cast):
    # a slow one ahead is worth leaving the lane, but not for the gap before somebody who could not stop in it
    def changes(behind_m):
        slow = {"lane": RIGHT, "s_m": 130.0, "v_mps": 3.0, "cap_mps": 3.0}
        thinks = {"lane": RIGHT, "s_m": 100.0, "v_mps": 8.0}
        comes = {"lane": LEFT, "s_m": 100.0 - behind_m, "v_mps": 13.0}
        sim, state = cast(PIECE, [thinks, slow, comes])
        nothing = np.zeros_like(state.x_m)
        return step(sim, state, nothing, nothing).changed_tick[0, 0] >= 0

    assert not changes(BEHIND_M - 15.0)
    assert not changes(BEHIND_M + 5.0)
    assert changes(90.0)
