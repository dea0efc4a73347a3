"""Figures against limits: failed only on whole intervals, not judged on too little, and no flake from a busy machine."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import a_plan, a_trace, straight

from whyway.evaluate.gates.budget import budget
from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.figures import Figure, Figures
from whyway.evaluate.gates.limits import change, judge
from whyway.evaluate.gates.results import Outcome
from whyway.evaluate.gates.schema import Budget, Limit, Rate, Semantic
from whyway.evaluate.gates.semantic import measured, pooled, semantic
from whyway.evaluate.score import score
from whyway.evaluate.statistics import quantile_interval
from whyway.types import CauseKind, Longitudinal, StageLatency

EGO = straight(0.0, 8.0)
PASSED, FAILED, NOT_JUDGED = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_JUDGED
NUMBERS = st.floats(-100.0, 100.0)


def figure(value: float, half: float, frames: int = 100) -> Figure:
    return Figure(value, value - half, value + half, frames)


def verdict(seen: Figure, limit: Limit, before: Figure | str = "none") -> Outcome:
    (found,) = judge("semantic", "semantic", "x", seen, limit, change(seen, before), 30)
    return found.outcome


def drive(made, ms=lambda i: 4.0, decision=lambda t: Longitudinal.RESUME_SPEED, seconds=10.0, **more):  # fmt: skip
    """A drive whose reasoner takes `ms` in each frame."""

    def say(t: float):
        trace = a_trace(t, EGO, decision(t))
        latency = (StageLatency("reasoner", ms(round(t * 10))),)
        return dataclasses.replace(
            trace, integrity=dataclasses.replace(trace.integrity, latency=latency)
        )

    return made.drive(EGO, duration_s=seconds, say=say, plan=lambda t: a_plan(t, EGO), **more)


def latency_verdict(log, limit: Limit, name: str = "reasoner_p50_ms", frames: int = 30) -> Outcome:
    gate = Semantic({name: limit}, frames=frames)
    (found,) = semantic(gate, measured(gate, Figures(log), "none"))
    return found.outcome


# -------------------------------------------------------------------------------------------------------- limits


@given(value=NUMBERS, half=st.floats(0.0, 50.0), bound=NUMBERS)
def test_a_figure_fails_just_if_its_whole_interval_is_beyond(value, half, bound):
    seen = figure(value, half)
    assert (verdict(seen, Limit(at_most=bound)) is FAILED) == (seen.low > bound)
    assert (verdict(seen, Limit(at_least=bound)) is FAILED) == (seen.high < bound)


@given(value=NUMBERS, before=NUMBERS, halves=st.tuples(*[st.floats(0.0, 20.0)] * 2), by=st.floats(0.0, 50.0))  # fmt: skip
def test_a_rise_fails_just_if_no_pair_of_the_intervals_allows_it(value, before, halves, by):
    now, then = figure(value, halves[0]), figure(before, halves[1])
    assert (verdict(now, Limit(rise=by), then) is FAILED) == (now.low - then.high > by)
    assert (verdict(now, Limit(drop=by), then) is FAILED) == (now.high - then.low < -by)


def test_a_bound_is_allowed_itself():
    assert verdict(Figure.exact(1.0), Limit(at_most=1.0)) is PASSED
    assert verdict(Figure.exact(1.0), Limit(at_least=1.0)) is PASSED
    assert verdict(Figure.exact(math.nextafter(1.0, 2.0)), Limit(at_most=1.0)) is FAILED


@pytest.mark.parametrize(
    ("seen", "before"),
    [
        (figure(9.0, 0.1, frames=29), "none"),  # too few frames
        (Figure.missing("it is not there"), "none"),
        (Figure(math.nan, -math.inf, math.inf, 100), "none"),
        (Figure(9.0, -math.inf, math.inf, 100), "none"),  # nothing is excluded: it could not fail
    ],
)
def test_what_says_too_little_is_not_judged(seen, before):
    assert verdict(seen, Limit(at_most=1.0), before) is NOT_JUDGED


def test_without_a_reference_a_change_is_not_judged_and_says_why():
    risen = change(figure(1, 0), "no reference here")
    (found,) = judge("semantic", "s", "x", figure(1, 0), Limit(rise=1), risen, 30)
    assert (found.outcome, found.text) == (NOT_JUDGED, "no reference here")


def test_each_side_of_a_limit_is_a_result_of_its_own():
    limit = Limit(at_most=9, at_least=6.5, rise=2)
    risen = change(figure(5, 1), figure(1, 0.5))
    found = list(judge("semantic", "s", "x", figure(5, 1), limit, risen, 30))
    assert [(r.name, r.outcome) for r in found] == [
        ("s: x at most 9", PASSED), ("s: x at least 6.5", FAILED), ("s: x may rise by 2", FAILED),
    ]  # fmt: skip
    assert (found[1].figure, found[1].low, found[1].high) == (5, 4, 6)
    assert (found[2].figure, found[2].low, found[2].high) == (4, 2.5, 5.5)


# ------------------------------------------------------------------------------------------------------- latency


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_machine_does_not_fail_the_median(made, seed):
    # a third of the frames wait for somebody else's time slices, in bursts, as on a shared machine
    rng = np.random.default_rng(seed)
    busy = np.repeat(rng.random(12) < 0.33, 10)
    ms = rng.lognormal(math.log(7.0), 0.3, 120) + busy * rng.exponential(40.0, 120)
    log = drive(made, lambda i: float(ms[i]), seconds=11.9)
    assert latency_verdict(log, Limit(at_most=25.0)) is PASSED


@pytest.mark.parametrize("seed", range(20))
def test_thirty_milliseconds_more_fail_the_median_on_a_busy_machine_too(made, seed):
    rng = np.random.default_rng(seed)
    ms = rng.lognormal(math.log(7.0), 0.3, 120) + (rng.random(120) < 0.3) * 20.0 + 30.0
    log = drive(made, lambda i: float(ms[i]), seconds=11.9)
    assert latency_verdict(log, Limit(at_most=25.0)) is FAILED


def test_one_slow_frame_is_no_slow_p99(made):
    log = drive(made, lambda i: 500.0 if i == 50 else 5.0)
    assert latency_verdict(log, Limit(at_most=100.0), "reasoner_p99_ms") is PASSED


def test_many_slow_frames_are(made):
    log = drive(made, lambda i: 500.0 if i % 10 == 3 else 5.0, seconds=30.0)
    assert latency_verdict(log, Limit(at_most=100.0), "reasoner_p99_ms") is FAILED
    assert latency_verdict(log, Limit(at_most=100.0), "reasoner_p50_ms") is PASSED


def test_the_interval_is_that_of_the_statistics(made):
    log = drive(made, lambda i: 1.0 + i % 7)
    seen = Figures(log).figure("reasoner_p50_ms")
    times = [1.0 + i % 7 for i in range(101)]
    assert (seen.low, seen.high) == quantile_interval([times], 0.5)
    assert seen.value == np.median(times)


def test_latencies_that_are_no_numbers_say_nothing(made):
    assert latency_verdict(drive(made, lambda i: math.nan), Limit(at_most=25.0)) is NOT_JUDGED
    mostly = drive(made, lambda i: math.nan if i > 10 else 5.0)
    assert latency_verdict(mostly, Limit(at_most=25.0)) is NOT_JUDGED
    assert latency_verdict(drive(made), Limit(at_most=25.0), "planner_p50_ms") is NOT_JUDGED


# ------------------------------------------------------------------------------------------------- said and done


def test_flips_and_changes_of_causes_are_counted_as_the_score_counts_them(made):
    log = drive(made, decision=lambda t: list(Longitudinal)[int(t) % 2 * 6])
    figures = Figures(log)
    assert figures.figure("flips_per_minute").value == pytest.approx(
        score(log).faithfulness.flips_per_minute
    )
    assert figures.figure("cause_changes_per_minute").value == 0.0


def test_a_change_of_causes_is_one_whatever_their_order_and_weights(made):
    def say(t: float):
        trace = a_trace(t, EGO)
        light = dataclasses.replace(_cause(), id=9 if t < 5.0 else 8)
        causes = (light, dataclasses.replace(_cause(), kind=CauseKind.SPEED_LIMIT, weight=t / 99))
        flip = round(t * 10) % 2
        causes = causes[::-1] if flip else causes
        return dataclasses.replace(
            trace, planning=dataclasses.replace(trace.planning, causes=causes)
        )

    log = made.drive(EGO, duration_s=10.0, say=say)
    assert Figures(log).figure("cause_changes_per_minute").value == pytest.approx(6.0)


def _cause():
    from whyway.types import Cause, Direction, Lateral

    return Cause(CauseKind.TRAFFIC_LIGHT, 9, 0.5, Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE)  # fmt: skip


def test_the_shares_of_frames_are_those_of_the_score(made):
    log = drive(made, decision=lambda t: Longitudinal.STOP if t < 3.0 else Longitudinal.KEEP_DISTANCE)  # fmt: skip
    figures, metrics = Figures(log), score(log).metrics()
    for name in ("consistency_longitudinal", "consistency_lateral", "contradiction", "grounding"):
        assert figures.figure(name).value == pytest.approx(metrics[name]), name
    # not one is too many, whatever an interval says
    count = len(score(log).faithfulness.contradictions_at_s)
    assert figures.figure("contradictions").value == count
    assert figures.figure("pdms").value == metrics["pdms"]


def test_the_same_flips_are_no_rise_and_many_more_are(made):
    calm, same = drive(made), drive(made)
    nervous = drive(made, decision=lambda t: list(Longitudinal)[round(t * 10) % 2 * 6])
    gate = Semantic({"flips_per_minute": Limit(rise=6.0)}, reference="r")
    before = Figures(calm)
    assert [r.outcome for r in semantic(gate, measured(gate, Figures(same), before))] == [PASSED]
    (found,) = semantic(gate, measured(gate, Figures(nervous), before))
    assert found.outcome is FAILED and found.figure == pytest.approx(600.0)


def test_an_unknown_figure_names_the_nearest_and_a_text_has_no_limits(made):
    figures = Figures(drive(made))
    with pytest.raises(GateError, match="no figure 'flip_per_minute'; did you mean 'flips_per_minute'"):  # fmt: skip
        figures.figure("flip_per_minute")
    with pytest.raises(GateError, match="no cost 'cpu'; known: cpu_s_per_s,"):
        list(budget(Budget(limits={"cpu": Limit(at_most=1)}), figures))


def test_a_log_without_a_road_is_not_judged_on_what_needs_one(made, tmp_path):
    from whyway.evaluate.gates.reference import write_reference
    from whyway.log import read_log
    from whyway.topics import TRACE

    write_reference(drive(made), tmp_path / "traces.mcap", [TRACE.name])
    figures = Figures(read_log(tmp_path / "traces.mcap"))
    assert "no lane map" in figures.figure("contradiction").why_not
    assert figures.figure("pdms").why_not
    assert figures.figure("flips_per_minute").value == 0.0


# -------------------------------------------------------------------------------------------------------- pooled


def test_over_many_drives_one_with_bad_luck_is_no_regression_and_all_worse_are_one(made):
    gate = Semantic({"reasoner_p50_ms": Limit(rise=5.0)}, reference="r", pooled=True)
    before = [Figures(drive(made, lambda i: 5.0, seconds=2.0)) for _ in range(8)]
    unlucky = [drive(made, lambda i, k=k: 99.0 if k == 3 else 5.0, seconds=2.0) for k in range(8)]
    worse = [drive(made, lambda i: 25.0, seconds=2.0) for _ in range(8)]

    def together(logs) -> list[Outcome]:
        pairs = zip(logs, before, strict=False)
        return [r.outcome for r in pooled(gate, [measured(gate, Figures(a), b) for a, b in pairs])]

    assert together(unlucky) == [PASSED]
    assert together(worse) == [FAILED]
    assert together(worse[:3]) == [NOT_JUDGED]


# -------------------------------------------------------------------------------------------------------- budget


def spent(made, **cost) -> Figures:
    return Figures(drive(made, resources=cost))


def test_what_a_drive_cost_is_held_to_its_budget(made):
    gate = Budget(limits={"cpu_s_per_s": Limit(at_most=0.5), "peak_rss_mib": Limit(at_most=300)})
    cheap = spent(made, cpu_s=4.0, wall_s=5.0, peak_rss_mib=200.0)
    dear = spent(made, cpu_s=6.0, wall_s=7.0, peak_rss_mib=200.0)
    assert [r.outcome for r in budget(gate, cheap)] == [PASSED, PASSED]
    assert [(r.outcome, r.figure) for r in budget(gate, dear)] == [(FAILED, 0.6), (PASSED, 200.0)]


@pytest.mark.parametrize("cost", [{}, {"cpu_s": None}, {"cpu_s": "much"}, {"cpu_s": math.nan}])
def test_a_log_that_does_not_say_what_it_cost_is_not_judged(made, cost):
    gate = Budget(limits={"cpu_s_per_s": Limit(at_most=0.5)})
    assert [r.outcome for r in budget(gate, spent(made, **cost))] == [NOT_JUDGED]


def rated(made, rate: Rate, say) -> list[Outcome]:
    log = made.drive(EGO, duration_s=10.0, say=say, plan=lambda t: a_plan(t, EGO))
    return [r.outcome for r in budget(Budget(rates={"trace": rate}), Figures(log))]


def test_a_topic_that_keeps_its_pace_passes(made):
    rate = Rate(at_least=9.5, at_most=10.5, longest_gap_s=0.15, shortest_gap_s=0.05)
    assert rated(made, rate, lambda t: a_trace(t, EGO)) == [PASSED] * 4


def test_a_topic_that_stops_half_way_fails_both_its_rate_and_its_longest_gap(made):
    rate = Rate(at_least=9.5, longest_gap_s=0.15)
    assert rated(made, rate, lambda t: a_trace(t, EGO) if t < 5.0 else None) == [FAILED] * 2


def test_a_topic_that_never_came_fails_and_one_frame_lost_is_a_gap(made):
    assert rated(made, Rate(at_least=1.0), lambda t: None) == [FAILED]
    lost = rated(made, Rate(at_least=9.5, longest_gap_s=0.15), lambda t: None if t == 5.0 else a_trace(t, EGO))  # fmt: skip
    assert lost == [PASSED, FAILED]
