"""What is told of traces: why one must not be driven, and each kind of news once when it begins."""

from __future__ import annotations

import dataclasses

import pytest
from made_traces import LANE, citation, plan, scene, trace, tracked

from whyway.trace.integrity import complete, objection
from whyway.trace.news import AGAIN_NS, News
from whyway.types import Agreement, Direction, Fault, Lateral, Longitudinal

CYCLE = 100_000_000


def whole(
    said=Longitudinal.KEEP_DISTANCE, a=0.0, shift_m=0.0, cites=(), objects=(), lateral=Lateral.KEEP_LANE
):  # fmt: skip
    """A trace with the action of a plan; what is to a side is to the left."""
    side = Direction.NONE if lateral == Lateral.KEEP_LANE else Direction.LEFT
    draft = trace(said, lateral, side, cites=cites)
    return complete(draft, scene(*objects), plan(a=a, shift_m=shift_m), LANE)


def test_nothing_speaks_against_doing_what_is_said():
    assert objection(whole()) == ""
    assert objection(whole(cites=[citation()], objects=[tracked()])) == ""


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (whole(Longitudinal.STOP, a=2.0), "says STOP and would STRONG_ACCELERATION"),
        (
            whole(Longitudinal.RESUME_SPEED, a=-1.0),
            "says RESUME_SPEED and would GENTLE_DECELERATION",
        ),
        (whole(shift_m=3.5), "says KEEP_LANE and would LEFT_LANE_CHANGE"),
        (
            whole(lateral=Lateral.NUDGE, shift_m=-0.8),
            "says NUDGE LEFT and would SLIGHTLY_SHIFT_RIGHT",
        ),
        (whole(cites=[citation()]), "cites what is not there"),
    ],
)
def test_a_contradiction_is_named(made, words):
    assert objection(made) == words


def test_what_does_not_show_yet_is_driven():
    made = whole(Longitudinal.STOP, a=0.0)
    assert made.integrity.longitudinal == Agreement.UNSUPPORTED and objection(made) == ""


def test_a_trace_that_breaks_the_grammar_is_not_driven():
    made = whole()
    broken = dataclasses.replace(made.integrity, grammar_ok=False)
    assert objection(dataclasses.replace(made, integrity=broken)) == "breaks the grammar"


def fallback(stamp_ns, why="rules: no whole trace within 1 ms", used=True):
    t = trace(stamp_ns=stamp_ns)
    integrity = dataclasses.replace(t.integrity, fallback_used=used, validator=why)
    return dataclasses.replace(t, integrity=integrity)


def test_what_goes_on_is_told_once():
    news = News("planner")
    told = [e for k in range(50) for e in news.of(fallback(k * CYCLE))]
    assert [(e.stamp_ns, e.source, e.fault) for e in told] == [(0, "planner", Fault.FALLBACK)]
    assert told[0].detail == "rules: no whole trace within 1 ms"


def test_what_flickers_is_told_once_and_what_comes_back_again():
    news, pause = News("planner"), AGAIN_NS // CYCLE + 2
    on = [*range(0, 20, 2), 18 + pause]
    told = [
        e
        for k in range(60)
        for e in news.of(fallback(k * CYCLE, used=k in on, why="x" if k in on else "microgpt"))
    ]
    assert [e.stamp_ns // CYCLE for e in told] == [0, 18 + pause]


def test_a_fallback_nobody_gives_a_reason_for_is_the_reasoner_s_own_affair():
    assert News("planner").of(fallback(0, why="")) == ()


def test_contradictions_and_words_of_people_have_their_own_names():
    news = News("planner")
    (withheld,) = news.of(trace(), withheld="says STOP and would MAINTAIN_SPEED")
    assert withheld.fault is Fault.TRACE_CONTRADICTED and "withheld" in withheld.detail
    (replaced,) = News("planner").of(fallback(0), replaced="cites what is not there")
    assert replaced.fault is Fault.TRACE_CONTRADICTED and "the rules answer" in replaced.detail
    (word,) = news.of(fallback(0, why="override: longitudinal=STOP", used=False))
    assert word.fault is Fault.OVERRIDDEN


def test_a_clock_that_leaps_back_begins_anew():
    news = News("planner")
    assert news.of(fallback(50 * CYCLE)) and news.of(fallback(0))
