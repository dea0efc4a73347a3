"""Who stands in a gridlock for long leaves: at once where nobody sees it, later and one by one before the ego's eyes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from whyway.worlds.sim import entries
from whyway.worlds.sim.batch import make_batch
from whyway.worlds.sim.engine import step


@pytest.fixture
def jam(monkeypatch):
    """An ego that sees everybody, and 11 others who cannot start: (sim, state)."""
    monkeypatch.setattr(entries, "UNSEEN_M", 1e6)
    batch = make_batch("town", agents=12, commanded=1)
    state = batch.begin([1])
    state.v_mps[:], state.a_max_mps2[:] = 0.0, 1e-6
    somewhere = np.arange(5)
    sim = dataclasses.replace(
        batch.sim, table=dataclasses.replace(batch.sim.table, entries=somewhere)
    )
    return sim, state  # fmt: skip


def left_after(sim, state, standing_s):
    """How many others have left after each step of ten seconds."""
    state.standing_s[:, 1:] = standing_s
    counts, zero = [], np.zeros_like(state.x_m)
    there = int(state.active.sum())
    for _ in range(entries.TURNS):
        state = step(sim, state, zero, zero)
        assert state.active[0, 0]
        counts.append(there - int(state.active.sum()))
    return counts


def test_in_the_ego_s_sight_nobody_leaves_who_has_not_stood_for_very_long(jam):
    assert left_after(*jam, entries.STUCK_S + 1.0)[-1] == 0


def test_in_the_ego_s_sight_they_leave_one_by_one_in_the_end(jam):
    counts = left_after(*jam, entries.SEEN_STUCK_S + 1.0)
    assert counts[-1] == int(jam[1].active.sum()) - 1
    assert max(np.diff([0, *counts])) == 1
