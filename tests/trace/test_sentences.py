"""A trace as one English sentence: every cause that is cited is mentioned."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_traces import cause, citation, trace

from whyway.trace.sentences import name, sentence, why_not
from whyway.types import (
    CauseKind,
    Direction,
    Lateral,
    LightColor,
    Longitudinal,
    ObjectClass,
    Rejected,
    Risk,
    Role,
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            trace(Longitudinal.KEEP_DISTANCE, causes=[cause()], cites=[citation()]),
            "keeps its distance because of car 7 ahead",
        ),
        (
            trace(
                Longitudinal.STOP, causes=[cause(CauseKind.TRAFFIC_LIGHT, 3)], light=LightColor.RED, stop_m=12.2
            ),
            "stops in 12 m because traffic light 3 is red",
        ),
        (
            trace(Longitudinal.STOP, causes=[cause(CauseKind.STOP_SIGN, 5)], stop_m=0.2),
            "stops and waits because of a stop or give-way line",
        ),
        (
            trace(
                Longitudinal.YIELD,
                causes=[cause()],
                cites=[citation(kind=ObjectClass.PEDESTRIAN, role=Role.CROSSING)],
                stop_m=20.0,
            ),
            "yields in 20 m because of pedestrian 7 crossing",
        ),
        (
            trace(Longitudinal.RESUME_SPEED, causes=[cause(CauseKind.SPEED_LIMIT, 0)]),
            "drives on towards 50 km/h because the limit is 50 km/h",
        ),
        (
            trace(
                Longitudinal.RESUME_SPEED,
                Lateral.LANE_CHANGE,
                Direction.LEFT,
                causes=[cause(CauseKind.ROUTE, 0)],
            ),
            "drives on towards 50 km/h, changes to the left lane because the route asks for it",
        ),
        (
            trace(Longitudinal.ADAPT_SPEED, causes=[cause(CauseKind.CURVATURE, 0)]),
            "slows down because of the curve ahead",
        ),
        (trace(Longitudinal.RESUME_SPEED), "drives on towards 50 km/h"),
    ],
)  # fmt: skip
def test_sentences_read_well(said, expected):
    assert sentence(said) == expected


MENTION = {
    CauseKind.OBJECT: "car 7",
    CauseKind.TRAFFIC_LIGHT: "traffic light 7",
    CauseKind.STOP_SIGN: "line",
    CauseKind.SPEED_LIMIT: "limit",
    CauseKind.CURVATURE: "curve",
    CauseKind.ROUTE: "route",
    CauseKind.ROAD_WORK: "road work",
    CauseKind.VISIBILITY: "sees no farther",
}


@given(
    st.sampled_from(Longitudinal),
    st.sampled_from(Lateral),
    st.sampled_from(Direction),
    st.lists(st.sampled_from(CauseKind), max_size=3, unique=True),
    st.sampled_from(Role),
    st.sampled_from(LightColor),
    st.floats(0.0, 100.0) | st.just(math.inf),
)
def test_every_cited_cause_is_mentioned(longitudinal, lateral, side, kinds, role, light, stop_m):
    said = sentence(
        trace(
            longitudinal,
            lateral,
            side,
            causes=[cause(k) for k in kinds],
            cites=[citation(role=role)],
            light=light,
            stop_m=stop_m,
        )
    )
    assert all(MENTION[k] in said for k in kinds if k != CauseKind.NONE)
    assert "\n" not in said and "inf" not in said and "nan" not in said and "  " not in said
    assert (" because " in said) == any(k != CauseKind.NONE for k in kinds)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", ObjectClass)
def test_an_object_has_a_name_with_its_number(kind, role):
    assert " 7 " in name(citation(kind=kind, role=role))


def test_a_cause_whose_object_is_not_listed_is_mentioned_by_its_number():
    assert sentence(trace(causes=[cause(i=9)])).endswith("of object 9")


@pytest.mark.parametrize("risk", Risk)
@pytest.mark.parametrize("longitudinal", Longitudinal)
def test_every_rejected_alternative_can_be_told(longitudinal, risk):
    told = why_not(Rejected(longitudinal, Lateral.KEEP_LANE, Direction.NONE, risk, 2.34))
    assert ": would " in told and told.endswith("after 2.3 s")


def test_a_rejected_alternative_with_no_time_tells_none():
    told = why_not(
        Rejected(
            Longitudinal.RESUME_SPEED, Lateral.LANE_CHANGE, Direction.LEFT, Risk.COLLISION, math.inf
        )
    )
    assert told == "drives on, changes to the left lane: would collide"
