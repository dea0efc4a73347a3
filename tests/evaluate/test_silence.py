"""Changes nobody was told of, words against what was driven, and causes that were left out."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import Other, a_citation, a_plan, a_scene, a_trace, road, stopping, straight

from whyway.evaluate import score
from whyway.evaluate.traces.coverage import coverage
from whyway.evaluate.traces.driven import stands_until
from whyway.evaluate.traces.silence import Behaviour, silence
from whyway.log import LogWriter, read_log
from whyway.maps.road import Road
from whyway.topics import LANE_MAP, ROUTE, SCENE, TRACE
from whyway.types import Longitudinal

EGO = straight(20.0, 8.0)
HALF_NS, CYCLE = 500_000_000, 100_000_000
GO = (Longitudinal.RESUME_SPEED, 0, 0, frozenset())
WAIT = (Longitudinal.STOP, 0, 0, frozenset())


def cycles(*stretches):
    """(how many, what is done, what is said, covered) one after the other."""
    rows = [(d, w, c) for n, d, w, c in stretches for _ in range(n)]
    return [Behaviour(i * CYCLE, (d, "keeps"), w, c) for i, (d, w, c) in enumerate(rows)]


def test_a_change_that_is_said_is_not_silent():
    found = silence(cycles((10, "speeds up", GO, True), (10, "stands", WAIT, True)))
    assert (found.changes, found.silent_ns, found.failures_ns) == (1, (), ())


def test_a_change_that_the_words_cover_is_silent_and_no_failure():
    found = silence(cycles((10, "holds", GO, True), (10, "speeds up", GO, True)))
    assert (found.changes, found.silent_ns, found.failures_ns) == (1, (10 * CYCLE,), ())


def test_a_change_that_no_word_covers_is_a_silent_failure():
    found = silence(cycles((10, "holds", GO, True), (10, "stands", GO, False)))
    assert found.silent_ns == found.failures_ns == (10 * CYCLE,)


def test_a_new_cause_is_a_word_too():
    because = (Longitudinal.RESUME_SPEED, 0, 0, frozenset({(1, 7)}))
    found = silence(cycles((10, "holds", GO, True), (10, "stands", because, False)))
    assert (found.changes, found.silent_ns) == (1, ())


def test_what_does_not_last_is_no_change():
    flicker = cycles((10, "holds", GO, True), (3, "stands", GO, False), (10, "holds", GO, True))
    assert silence(flicker).changes == 0


def test_words_that_change_within_half_a_second_are_no_silence():
    late = cycles((10, "holds", GO, True), (4, "stands", GO, False), (10, "stands", WAIT, True))
    assert (silence(late).changes, silence(late).silent_ns) == (1, ())


@given(
    st.lists(
        st.tuples(
            st.integers(1, 12), st.sampled_from("abc"), st.sampled_from((GO, WAIT)), st.booleans()
        )
    )
)
def test_failures_are_silent_and_the_silent_are_changes(stretches):
    found = silence(cycles(*stretches))
    assert set(found.failures_ns) <= set(found.silent_ns)
    assert len(found.silent_ns) <= found.changes <= max(0, len(stretches) - 1)


def test_a_log_in_which_the_plan_stops_without_a_word_tells_so(made):
    result = score(made.drive(
        EGO, duration_s=6.0,
        say=lambda t: a_trace(t, EGO),
        scene=lambda t: a_scene(t, EGO),
        plan=lambda t: a_plan(t, EGO, 0.0 if t < 3.0 else -2.0),
    ))  # fmt: skip
    metrics = result.metrics()
    assert metrics["changes_of_behaviour"] == metrics["silent_failures"] == 1
    assert result.to_json()["silent_failures_at_s"] == [pytest.approx(3.0)]


# --------------------------------------------------------------------------------------------------- what was driven


def spoken(made, ego, said, duration_s=8.0, **info):
    """A drive whose plans always do what is said, whatever the car then does."""

    def plan(t):
        brakes = said(t) in (Longitudinal.STOP, Longitudinal.YIELD)
        return a_plan(t, ego, -2.0 if brakes else 0.0)

    log = made.drive(
        ego, duration_s=duration_s, say=lambda t: a_trace(t, ego, said(t)),
        scene=lambda t: a_scene(t, ego), plan=plan, **info,
    )  # fmt: skip
    return score(log).metrics()


def test_whoever_says_stop_plans_it_and_drives_on_is_found_out(made):
    m = spoken(made, EGO, lambda t: Longitudinal.STOP)
    assert m["consistency_longitudinal"] == 1.0
    assert m["consistency_driven_longitudinal"] == 0.0
    assert m["contradiction_driven"] == 0.0  # it does not speed up


def test_whoever_says_go_and_brakes_contradicts(made):
    m = spoken(made, stopping(20.0, 12.0, 1.0), lambda t: Longitudinal.RESUME_SPEED)
    assert m["consistency_driven_longitudinal"] == 0.0
    assert m["contradiction_driven"] == 1.0


def test_whoever_does_what_was_said_is_consistent(made):
    m = spoken(made, stopping(20.0, 16.0, 2.0), lambda t: Longitudinal.STOP)
    assert m["consistency_driven_longitudinal"] == m["consistency_driven_lateral"] == 1.0


def test_only_decisions_that_stood_are_held_against_the_drive(made):
    m = spoken(
        made, EGO, lambda t: Longitudinal.STOP if int(t / 2) % 2 else Longitudinal.RESUME_SPEED
    )
    assert m["consistency_driven_longitudinal"] is None


def test_a_recorded_humans_driving_is_not_held_against_the_words(made):
    m = spoken(made, EGO, lambda t: Longitudinal.STOP, notes={"open_loop": "yes"})
    assert m["consistency_longitudinal"] == 1.0
    assert m["consistency_driven_longitudinal"] is m["contradiction_driven"] is None


def test_a_decision_stands_until_it_changes_or_a_trace_is_missing():
    traces = [
        a_trace(i / 10, EGO, Longitudinal.STOP if i < 3 else Longitudinal.PASS)
        for i in (0, 1, 2, 3, 5)
    ]
    assert stands_until(traces) == [2 * CYCLE, 2 * CYCLE, 2 * CYCLE, 3 * CYCLE, 5 * CYCLE]


# ---------------------------------------------------------------------------------------------------------- coverage


def covered(tmp_path, name):
    """Coverage of a log of five cycles behind a lead, whose traces name what `name(lead)` gives."""
    lane_map, route = road()
    lead = Other(straight(45.0, 4.0), id=50)
    with LogWriter(tmp_path / "c.mcap", {"driver": "somebody"}) as log:
        log.write(LANE_MAP.name, lane_map)
        log.write(ROUTE.name, route)
        for i in range(5):
            t = i / 10
            scene = a_scene(t, EGO, lead, ids_from=1000)
            objects = tuple(dataclasses.replace(o, lane_id=1) for o in scene.objects)
            log.write(SCENE.name, dataclasses.replace(scene, objects=objects))
            log.write(TRACE.name, a_trace(t, EGO, Longitudinal.KEEP_DISTANCE, cited=name(lead, t)))
    return coverage(read_log(tmp_path / "c.mcap"), Road(lane_map, route), every=1)


def test_naming_the_true_cause_covers_it_and_naming_another_does_not(tmp_path):
    assert covered(tmp_path, lambda lead, t: (a_citation(lead, t, 1000),)) == 1.0
    assert covered(tmp_path, lambda lead, t: (a_citation(lead, t, 2000),)) == 0.0
    assert covered(tmp_path, lambda lead, t: ()) == 0.0


def test_coverage_is_told_of_other_drivers_than_the_expert(made):
    def drive(driver):
        log = made.drive(
            EGO,
            duration_s=2.0,
            say=lambda t: a_trace(t, EGO),
            scene=lambda t: a_scene(t, EGO),
            driver=driver,
        )
        return score(log).metrics()["coverage"]

    assert drive("rules") is None
    assert (
        drive("somebody") == 0.0
    )  # the expert has a cause for everything, the limit if nothing else
