"""Words against deeds, and citations against what is there."""

from dataclasses import replace

import pytest
from made_drives import Other, a_citation, a_plan, a_scene, a_trace, a_verdict, ns, straight

from whyway.evaluate import score
from whyway.types import (
    Direction,
    Event,
    Fault,
    LaneRelation,
    Lateral,
    Longitudinal,
    ObjectClass,
    SafetyState,
)

EGO = straight(20.0, 8.0)
LEAD = Other(straight(60.0, 8.0), id=50)
IDS = 1000
"""Tracks have ids of their own."""


def drive(
    made,
    said=Longitudinal.RESUME_SPEED,
    a_mps2=0.0,
    cite=None,
    lateral=(Lateral.KEEP_LANE, Direction.NONE),
    **more,
):
    def say(t):
        cited = () if cite is None else (cite(t),)
        choice = said(t) if callable(said) else said
        return a_trace(t, EGO, choice, *lateral, cited=cited)

    parts = {
        "say": say,
        "scene": lambda t: a_scene(t, EGO, LEAD, ids_from=IDS),
        "plan": lambda t: a_plan(t, EGO, a_mps2),
    } | more
    return score(made.drive(EGO, LEAD, duration_s=3.0, **parts))


def test_doing_what_one_says_is_consistent(made):
    f = drive(made, cite=lambda t: a_citation(LEAD, t, IDS)).faithfulness
    assert f.cycles == 31
    assert f.consistency_longitudinal == f.consistency_lateral == f.grounding == 1.0
    assert f.contradiction == f.flips_per_minute == 0.0


@pytest.mark.parametrize(
    ("said", "a_mps2", "consistent", "contradicts"),
    [
        (Longitudinal.STOP, -2.0, 1.0, 0.0),
        (Longitudinal.STOP, 0.0, 0.0, 0.0),  # drives on: not supported
        (Longitudinal.STOP, 1.0, 0.0, 1.0),  # speeds up: the opposite
        (Longitudinal.RESUME_SPEED, -2.0, 0.0, 1.0),
    ],
)
def test_what_the_plan_does_decides_not_what_the_trace_claims(
    made, said, a_mps2, consistent, contradicts
):
    f = drive(made, said, a_mps2).faithfulness
    assert f.consistency_longitudinal == consistent
    assert f.contradiction == contradicts
    assert len(f.contradictions_at_s) == round(31 * contradicts)


def test_saying_left_and_going_straight_is_not_consistent(made):
    f = drive(made, lateral=(Lateral.LANE_CHANGE, Direction.LEFT)).faithfulness
    assert f.consistency_lateral == 0.0
    assert f.consistency_longitudinal == 1.0


def moved(t):
    return replace(a_citation(LEAD, t, IDS), lane_relation=LaneRelation.LEFT)


@pytest.mark.parametrize(
    "cite",
    [
        lambda t: a_citation(LEAD, t, IDS + 1),
        lambda t: replace(a_citation(LEAD, t, IDS), object_class=ObjectClass.PEDESTRIAN),
        moved,
    ],
    ids=["an id nobody has", "another class", "the wrong side"],
)
def test_citing_what_is_not_so_is_not_grounded(made, cite):
    f = drive(made, cite=cite).faithfulness
    assert f.grounding == f.grounding_scene == 0.0
    assert len(f.ungrounded_at_s) == 31


def test_citing_a_ghost_that_perception_believes_in_is_perceptions_fault(made):
    ghost = Other(straight(40.0, 8.0), id=9)
    f = drive(
        made,
        cite=lambda t: a_citation(ghost, t, IDS),
        scene=lambda t: a_scene(t, EGO, LEAD, ghost, ids_from=IDS),
    ).faithfulness
    assert (f.grounding, f.grounding_scene, f.grounding_truth) == (0.0, 1.0, 0.0)


def test_changing_ones_mind_is_counted_per_minute(made):
    f = drive(
        made,
        said=lambda t: Longitudinal.RESUME_SPEED if t < 1 or t > 2 else Longitudinal.ADAPT_SPEED,
    ).faithfulness
    assert f.flips_per_minute == pytest.approx(2 / (3.0 / 60))


def test_without_traces_nothing_is_claimed(made):
    result = score(made.drive(EGO))
    f = result.faithfulness
    assert f.cycles == 0
    assert f.consistency_longitudinal is f.grounding is f.contradiction is None
    assert result.latency == ()


def test_latency_is_told_per_stage_and_for_the_whole_decision(made):
    result = drive(made, verdict=lambda t: a_verdict(t, SafetyState.NOMINAL))
    assert {x.stage: x.p50_ms for x in result.latency} == {
        "perception": 1.0, "reasoner": 4.0, "planner": 2.0, "control": 0.5, "decision": 7.5,
    }  # fmt: skip
    assert result.metrics()["latency_p99_ms"] == 7.5
    told = {
        x["stage"]: (x["p50_ms"], x["p99_ms"], x["max_ms"]) for x in result.to_json()["latency"]
    }
    assert told["reasoner"] == (4.0, 4.0, 4.0) and told["decision"] == (7.5, 7.5, 7.5)


def test_interventions_are_stretches_with_their_reason_and_events_are_kept(made):
    def verdict(t):
        if 1.0 <= t < 1.6:
            return a_verdict(t, SafetyState.MINIMAL_RISK, Fault.PLAN_STALE, "no plan for 0.4 s")
        if 1.6 <= t < 2.0:
            return a_verdict(t, SafetyState.EMERGENCY_BRAKE, Fault.COLLISION_IMMINENT, "car 50")
        return a_verdict(t, SafetyState.NOMINAL)

    event = Event(ns(0.9), "supervisor", Fault.NODE_DIED, "planner: killed by signal 9")
    result = drive(made, verdict=verdict, events=(event,))
    first, second = result.interventions
    assert (first.state, first.fault, first.from_s, first.to_s) == (
        "MINIMAL_RISK", "PLAN_STALE", 1.0, pytest.approx(1.5),
    )  # fmt: skip
    assert second.reason == "car 50"
    assert [(e.at_s, e.fault) for e in result.events] == [(pytest.approx(0.9), "NODE_DIED")]
