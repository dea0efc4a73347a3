"""Keyframes: changes and rare decisions are kept, standing and cruising are thinned."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from whyway.data.keyframes import AROUND, CHANGED, MOVED, Gist, changes, choose
from whyway.trace.meta_actions import MetaActions
from whyway.types import (
    CauseKind,
    Direction,
    Lateral,
    Longitudinal,
    MetaLane,
    MetaLateral,
    MetaLongitudinal,
)

DONE = MetaActions(MetaLongitudinal.MAINTAIN_SPEED, MetaLateral.GO_STRAIGHT, MetaLane.LANE_KEEP)
SIDES = {Lateral.KEEP_LANE: Direction.NONE}


def gist(longitudinal=Longitudinal.RESUME_SPEED, lateral=Lateral.KEEP_LANE, cause=CauseKind.SPEED_LIMIT, agrees=True):  # fmt: skip
    side = SIDES.get(lateral, Direction.LEFT)
    return Gist((longitudinal, lateral, side), frozenset({(cause, 0)}), DONE, 0, agrees)


CRUISE, STAND = gist(), gist(Longitudinal.STOP, cause=CauseKind.TRAFFIC_LIGHT)
gists = st.lists(
    st.builds(gist, st.sampled_from(Longitudinal), st.sampled_from(Lateral), st.sampled_from(CauseKind), st.booleans()),
    max_size=60,
)  # fmt: skip


def rng():
    return np.random.default_rng(0)


@given(gists=gists, rate=st.floats(0.1, 10.0), seed=st.integers(0, 99))
def test_keyframes_are_some_of_the_cycles_in_order_and_not_too_many(gists, rate, seed):
    found = choose(gists, rate, np.random.default_rng(seed))
    places = [c.index for c in found]
    assert places == sorted(set(places)) and set(places) <= set(range(len(gists)))
    assert len(found) <= max(round(rate * 0.1 * len(gists)), 1)
    assert bool(found) == bool(gists)
    assert [c.changed for c in found] == [changes(gists)[i] > 0.0 for i in places]
    assert found == choose(gists, rate, np.random.default_rng(seed)), "drawn by the generator alone"


def test_changes_of_words_causes_or_deeds_are_seen():
    slower = Gist(CRUISE.decision, CRUISE.causes, MetaActions(MetaLongitudinal.GENTLE_DECELERATION, DONE.lateral, DONE.lane))  # fmt: skip
    other = gist(cause=CauseKind.CURVATURE)
    assert changes([CRUISE, CRUISE, STAND, STAND, CRUISE, slower, other]) == [
        0.0, 0.0, CHANGED, 0.0, CHANGED, MOVED, CHANGED,
    ]  # fmt: skip
    assert changes([]) == [] and changes([CRUISE]) == [0.0]


def test_around_a_change_most_is_kept():
    drive = [CRUISE] * 100 + [STAND] * 100
    kept = 0
    for seed in range(40):
        found = {c.index for c in choose(drive, 2.5, np.random.default_rng(seed))}
        kept += len(found & set(range(100 - AROUND, 101 + AROUND)))
    assert kept > 0.85 * 40 * 3


def test_where_nothing_happens_little_is_kept():
    standing = [STAND] * 200
    lively = [gist(Longitudinal.YIELD if i % 10 < 5 else Longitudinal.PASS) for i in range(200)]
    assert len(choose(standing, 2.5, rng())) < 25 < 0.6 * len(choose(lively, 2.5, rng()))
    found = [c.index for c in choose([CRUISE] + standing, 2.5, rng())]
    assert sum(i < 50 for i in found) > 2 * sum(i >= 150 for i in found)


def test_rare_decisions_and_disagreements_are_kept_sooner():
    for rare in (gist(lateral=Lateral.LANE_CHANGE), gist(Longitudinal.GAP_SEARCH), gist(agrees=False)):  # fmt: skip
        mixed = [rare if i % 20 >= 10 else CRUISE for i in range(200)]
        shares = []
        for seed in range(20):
            found = choose(mixed, 2.5, np.random.default_rng(seed))
            shares.append(np.mean([mixed[c.index] == rare for c in found]))
        assert np.mean(shares) > 0.6
