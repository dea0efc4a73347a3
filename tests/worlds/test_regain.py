"""An ego driven where its lines do not lead is found again: on its route, at the right place of it, by reference and machine code."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest

from whyway.maps.pieces_roads import bend
from whyway.worlds.sim import engine, regain
from whyway.worlds.sim.state import EGO, Mode
from whyway.worlds.sim.table import lines_of


@pytest.fixture
def ringside(cast):
    """Two lanes into a bend and out of it; the ego under command is to keep right all the way: (sim, state, left lines, right lines)."""
    piece = bend(before_m=60.0, after_m=300.0, lanes=2, oncoming=0)
    lanes = {lane.id: lane for lane in piece.lane_map.lanes}
    first = [i for i in lanes if not len(lanes[i].predecessor_ids)]
    chains = [_onward(lanes, i) for i in first]
    right = next(c for c in chains if lanes[c[0]].left_id)
    left = next(c for c in chains if c != right)
    ego = {"lane": right[0], "mode": int(Mode.COMMAND), "s_m": 30.0, "v_mps": 8.0, "route": 0}
    sim, state = cast(piece, [ego, {"lane": left[2], "s_m": 200.0}], routes=[right])
    return sim, state, lines_of(sim.table, left), lines_of(sim.table, right)


def _onward(lanes, i):
    chain = [i]
    while len(lanes[chain[-1]].successor_ids):
        chain.append(int(lanes[chain[-1]].successor_ids[0]))
    return chain


def put_on(sim, state, line, s_m, d_m=0.0):
    """The ego's box moved to a place on a line, and nothing that was counted with it."""
    x, y, yaw, *_ = (float(v[0]) for v in sim.table.pose(np.array([line]), np.array([s_m]), np.array([d_m])))  # fmt: skip
    changed = {}
    offset = float(state.offset_m[0, EGO])
    values = {
        "x_m": x - offset * np.cos(yaw), "y_m": y - offset * np.sin(yaw), "yaw_rad": yaw, "v_mps": 0.0,
    }  # fmt: skip
    for name, value in values.items():
        changed[name] = getattr(state, name).copy()
        changed[name][0, EGO] = value
    return dataclasses.replace(state, **changed)


def stepped(sim, state, steps):
    zero = np.zeros_like(state.x_m)
    for _ in range(steps):
        state = engine.step(sim, state, zero, zero)
    return state


def test_back_in_the_lane_of_its_route_it_counts_on_where_it_is(ringside):
    sim, state, left, right = ringside
    at_first = stepped(sim, put_on(sim, state, left[0], 40.0), 3)
    assert at_first.window[0, EGO, 0] == left[0]  # beside its route...
    lost = dataclasses.replace(at_first, window=at_first.window.copy(), s_m=at_first.s_m.copy())
    lost.window[0, EGO], lost.s_m[0, EGO] = [left[2], *[-1] * 7], 50.0
    lost = put_on(sim, lost, left[2], 50.0)
    assert lost.route_at[0, EGO] == 0  # ...and round the bend there
    back = stepped(sim, put_on(sim, lost, right[2], 50.0), 3)
    assert back.window[0, EGO, 0] == right[2]
    assert back.route_at[0, EGO] == 2
    assert back.route_s_m[0, EGO] == pytest.approx(
        sim.table.length_m[right[:2]].sum() + 50.0, abs=0.5
    )
    assert abs(back.d_m[0, EGO]) < 0.1


@pytest.mark.parametrize("further", [1, 2])
def test_driven_off_its_line_onto_another_of_its_route_it_is_found_within_a_second(
    ringside, further
):
    sim, state, _, right = ringside
    astray = put_on(sim, state, right[further], 15.0)
    assert stepped(sim, astray, 1).window[0, EGO, 0] == right[0]
    found = stepped(sim, astray, 1 + regain.TRIED)
    assert found.window[0, EGO, 0] == right[further]
    assert found.route_at[0, EGO] == further
    assert found.s_m[0, EGO] == pytest.approx(15.0, abs=0.5)


@pytest.mark.parametrize("aside_m, turned_rad", [(-30.0, 0.0), (0.0, np.pi / 2), (0.0, np.pi)])
def test_beside_all_lines_or_across_them_none_is_taken_for_its_own(ringside, aside_m, turned_rad):
    sim, state, _, right = ringside
    lost = put_on(sim, state, right[2], 15.0, aside_m)
    lost.yaw_rad[0, EGO] += turned_rad
    for tick in range(regain.TRIED):
        now = dataclasses.replace(lost, tick=lost.tick + tick)
        line, _ = regain.line_again(np, sim.table, sim.routes, now, np.array([[True, False]]), 0.5)
        assert (line == -1).all()


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
@pytest.mark.timeout(600)
def test_machine_code_finds_the_same_lines(ringside):
    from whyway.worlds.sim.blocks import whole_step
    from whyway.worlds.sim.compiled.step import compiled_step

    sim, state, left, right = ringside
    starts = [(right[2], 15.0, 0.0), (right[1], 5.0, 0.3), (left[0], 50.0, 0.0), (right[2], 100.0, -30.0)]  # fmt: skip
    zero = np.zeros_like(state.x_m)
    for start in starts:
        now = put_on(sim, state, *start)
        for _ in range(12):
            twin, reference = compiled_step(sim, now, zero, zero)[0], whole_step(sim, now, zero, zero)[0]  # fmt: skip
            for name in ("window", "route_at", "s_m", "d_m", "route_s_m"):
                np.testing.assert_allclose(
                    getattr(twin, name), getattr(reference, name), atol=1e-9, err_msg=name
                )
            now = reference
