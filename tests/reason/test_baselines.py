"""The reasoners to compare with: a blank trace is blank everywhere, another scene's words are said as they were, copies decide alike."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scenes import at_a_light, ego, light, one_lane, scene, thing, two_lanes

from whyway.config import Config, override
from whyway.plan import planner_view
from whyway.reason import shuffled
from whyway.reason.baselines import BlankReasoner, IdmReasoner, SilentReasoner
from whyway.reason.shuffled import STEP_S, ShuffledReasoner, as_text, from_text, other_words
from whyway.trace.integrity import grounded
from whyway.trace.tokens import planning_of, planning_tokens, quantised
from whyway.types import Direction, InputError, Lateral, LightColor, Longitudinal, Trace, same

CONFIG = Config()
STEP_NS = round(STEP_S * 1e9)
CROWD = tuple(thing(10 + k, 60.0 + 12.0 * k, 3.5 * (k % 2), 4.0) for k in range(9))


def test_a_blank_trace_says_the_same_whoever_is_there_and_whatever_the_light():
    road = at_a_light()
    said = [
        BlankReasoner(CONFIG, road).step(s)
        for s in (
            scene(ego(), lights=light(LightColor.RED)),
            scene(ego(), *CROWD, lights=light(LightColor.GREEN)),
        )
    ]
    for trace in said:
        p = trace.planning
        assert p.decision == (Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE)
        assert p.target_speed_mps == trace.perception.speed_limit_mps and math.isinf(p.stop_distance_m)  # fmt: skip
        assert not p.causes and not trace.perception.critical_objects
    assert same(said[0].planning, said[1].planning)


@pytest.mark.parametrize("kind", [BlankReasoner, IdmReasoner, ShuffledReasoner, SilentReasoner])
def test_a_copy_decides_from_the_same_past_and_leaves_the_original_alone(kind):
    road = at_a_light()
    seen = [scene(ego(50.0 + k, v=10.0), *CROWD[:2], lights=light(LightColor.RED), stamp_ns=k * 100_000_000) for k in range(12)]  # fmt: skip
    alone, watched = kind(CONFIG, road), kind(CONFIG, road)
    for s in seen:
        expected = alone.step(s)
        for _ in range(2):
            assert same(copy.copy(watched).step(s), expected)
        assert same(watched.step(s), expected)


def words_said(reasoner, count=8, **where) -> list[Trace]:
    return [reasoner.step(scene(ego(**where), *CROWD, stamp_ns=k * STEP_NS)) for k in range(count)]


def test_other_words_are_said_in_their_order_and_depend_on_nothing_that_is_there():
    road, words = two_lanes(), other_words()
    found = words_said(ShuffledReasoner(CONFIG, road))
    decisions = [t.planning for t in found]
    all_words = [w for w, _ in words]
    (begins,) = [
        k for k in range(len(words))
        if all(same(all_words[(k + i) % len(words)], p) for i, p in enumerate(decisions))
    ][:1]  # fmt: skip
    lonely = ShuffledReasoner(CONFIG, road)
    for k, expected in enumerate(decisions):
        trace = lonely.step(scene(ego(), stamp_ns=k * STEP_NS))
        assert same(trace.planning, expected) and not trace.perception.critical_objects
    for k, trace in enumerate(found):
        ranks = words[(begins + k) % len(words)][1]
        assert len(trace.perception.critical_objects) == sum(r < len(CROWD) for r in ranks)


def test_who_is_cited_is_there_and_the_planner_sees_nobody_else():
    road = two_lanes()
    for trace in words_said(ShuffledReasoner(CONFIG, road), 20):
        s = scene(ego(), *CROWD, stamp_ns=trace.stamp_ns)
        path = road.path_from(1, 200.0)
        assert grounded(trace, s, path)
        seen = {o.id for o in planner_view(s, trace).objects}
        assert seen == {c.id for c in trace.perception.critical_objects} <= {o.id for o in CROWD}


def test_elsewhere_and_with_another_seed_other_words_are_said():
    road = one_lane()
    first = [t.planning for t in words_said(ShuffledReasoner(CONFIG, road))]
    again = [t.planning for t in words_said(ShuffledReasoner(CONFIG, road))]
    assert same(first, again)
    other = override(CONFIG, {"reason.seed": CONFIG.reason.seed + 1})
    assert not same(first, [t.planning for t in words_said(ShuffledReasoner(other, road))])
    assert not same(first, [t.planning for t in words_said(ShuffledReasoner(CONFIG, road), x=51.0)])


def test_the_words_that_come_along_are_many_and_of_many_kinds():
    words = [w for w, _ in other_words()]
    assert len(words) >= 300
    said = {w.longitudinal for w in words}
    assert {Longitudinal.STOP, Longitudinal.YIELD, Longitudinal.KEEP_DISTANCE, Longitudinal.ADAPT_SPEED, Longitudinal.RESUME_SPEED} <= said  # fmt: skip
    for w in words:
        assert same(quantised(w), w)  # the vocabulary's own numbers


@given(st.lists(st.integers(0, 31), max_size=8), st.integers(0, 10**6))
def test_words_come_back_from_their_line(ranks, seed):
    words = other_words()
    decision, _ = words[int(np.random.default_rng(seed).integers(len(words)))]
    assert from_text(as_text(decision, tuple(ranks))) == (decision, tuple(ranks))
    assert planning_of(planning_tokens(decision)) == decision


def test_a_damaged_file_of_words_is_refused_in_one_line(tmp_path, monkeypatch):
    for text in ("drive: [RESUME_SPEED KEEP_LANE]", "drive: 3", "drive: [JUMP UP NONE 1 2 3 4 5 6 7]", "{}"):  # fmt: skip
        file = tmp_path / "words.yaml"
        file.write_text(text)
        monkeypatch.setattr(shuffled, "FILE", file)
        other_words.cache_clear()
        with pytest.raises(InputError, match="install whyway again") as told:
            other_words()
        assert "\n" not in str(told.value)
    monkeypatch.undo()
    other_words.cache_clear()
