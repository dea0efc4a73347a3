"""A trace said in tokens comes back: numbers up to the width of their bins, copies exactly, and what cannot be said is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_slots import drawn_by, said_at_random, slots_of, some_slots, walker
from made_traces import LANE, cause, citation, scene, trace

from whyway.motion import hypotheses
from whyway.trace.grammar import NUMBERS, Grammar
from whyway.trace.integrity import grounded
from whyway.trace.slots import Slots
from whyway.trace.tokens import NotSayable, decode, encode, planning_tokens, quantised
from whyway.trace.vocabulary import Field, token_of
from whyway.types import (
    CauseKind,
    Conflict,
    Direction,
    LaneRelation,
    Lateral,
    LightColor,
    Longitudinal,
    ObjectPrediction,
    PredictionTrace,
    Rejected,
    Risk,
    Role,
    differences,
    same,
)

INF = math.inf
OTHER = trace().integrity
STOPS = {"longitudinal": Longitudinal.STOP, "stop_m": 12.3}


def crowd(count, modes=3):
    """People along the lane, as far as there are slots."""
    return [walker(11 + k, 1 + k % modes, 8.0 + 5.0 * k, (k % 3 - 1) * 4.0) for k in range(count)]


def following(*tracks, conflict=Conflict.REAR_END, mode=0):
    """A trace that cites some of a scene, with the scene."""
    s = scene(*tracks)
    cites = [
        dataclasses.replace(
            citation(o.id, o.x_m, o.y_m), vx_mps=o.vx_mps, existence_probability=o.existence_probability,
            relevance=1.0 - 0.1 * k,
        )
        for k, o in enumerate(tracks)
    ]  # fmt: skip
    meets = (4.0, 3.0, 2.0) if conflict != Conflict.NONE else (INF, INF, INF)
    said = []
    for o in tracks:
        m = hypotheses(o)[mode]
        said.append(
            ObjectPrediction(o.id, m.intent, m.probability, m.dt_s, m.x_m, m.y_m, m.sigma_m, conflict, *meets)
        )  # fmt: skip
    causes = [cause(CauseKind.OBJECT, tracks[0].id, 0.7), cause(CauseKind.TRAFFIC_LIGHT, 3, 0.3)]
    return s, trace(cites=cites, predicts=said, causes=causes)


def planned(t, **changes):
    return dataclasses.replace(t, planning=dataclasses.replace(t.planning, **changes))


def perceived(t, **changes):
    return dataclasses.replace(t, perception=dataclasses.replace(t.perception, **changes))


def there_and_back(t, s, slots=None):
    slots = slots or slots_of(t, s, LANE)
    return decode(encode(t, slots, s), slots, s, t.integrity)


# ------------------------------------------------------------------------------------------------------ properties


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 32), st.integers(0, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_a_decoded_trace_encodes_to_the_same_tokens(count, lines, seed, plain):
    s = scene(*crowd(count, modes=6))
    rng = np.random.default_rng(seed)
    slots = dataclasses.replace(
        some_slots(count, lines), mode_counts=tuple(len(hypotheses(o)) for o in s.objects)
    )
    sequence = Grammar(slots).sequence(said_at_random(slots, rng, 3.0, drawn_by(rng), plain))
    said = decode(sequence, slots, s, OTHER)
    again = encode(said, slots, s)
    for name in ("fields", "slots", "tokens", "blocks"):
        assert np.array_equal(getattr(again, name), getattr(sequence, name))
    assert same(decode(again, slots, s, OTHER), said)
    assert same(quantised(said.planning), said.planning)
    assert sum(c.weight for c in said.planning.causes) <= 1.0 + 1e-9
    causes = [(-c.weight, c.kind, c.id) for c in said.planning.causes]
    cited = [(-c.relevance, c.id) for c in said.perception.critical_objects]
    assert causes == sorted(causes) and cited == sorted(cited)


numbers = st.fixed_dictionaries(
    {
        "target_speed_mps": st.floats(0.0, 40.0), "target_acceleration_mps2": st.floats(-8.0, 3.0),
        "stop_distance_m": st.floats(0.0, 200.0) | st.just(INF), "confidence": st.floats(0.0, 1.0),
        "offset_m": st.floats(-4.0, 4.0), "offset_from_m": st.floats(-1.0, 200.0), "offset_until_m": st.floats(-1.0, 200.0),
    }
)  # fmt: skip


@given(numbers)
def test_numbers_come_back_within_the_width_of_their_bins(values):
    back = dataclasses.asdict(quantised(dataclasses.replace(trace().planning, **values)))
    width = {
        "target_speed_mps": (0.25, 0.06), "target_acceleration_mps2": (0.4, 0.0), "stop_distance_m": (0.2, 0.07),
        "confidence": (0.05, 0.0), "offset_m": (0.2, 0.0), "offset_from_m": (0.2, 0.07), "offset_until_m": (0.2, 0.07),
    }  # fmt: skip
    for name, value in values.items():
        least, rate = width[name]
        if math.isinf(value):
            assert back[name] == value
        else:
            assert abs(back[name] - value) <= 0.5 * max(least, rate * abs(value)) + 1e-9


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3))
def test_weights_come_back_within_a_bin_and_never_sum_to_more_than_all(parts):
    whole = max(sum(parts), 1.0)
    weights = [w / whole for w in parts]
    causes = [cause(CauseKind.OBJECT, 7 + k, w) for k, w in enumerate(weights)]
    back = {
        c.id: c.weight for c in quantised(planned(trace(), causes=tuple(causes)).planning).causes
    }
    assert sum(back.values()) <= 1.0 + 1e-9
    for k, w in enumerate(weights):
        assert abs(back[7 + k] - w) <= 0.05 + 1e-9


def test_of_weights_rounded_up_too_far_the_one_rounded_up_most_gives_way():
    causes = (cause(i=7, weight=0.448), cause(i=8, weight=0.276), cause(i=9, weight=0.276))
    back = {c.id: c.weight for c in quantised(planned(trace(), causes=causes).planning).causes}
    assert back == {7: 0.45, 8: 0.25, 9: 0.3}


# ----------------------------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize("conflict", Conflict)
@pytest.mark.parametrize("mode", range(3))
def test_what_is_copied_from_the_scene_comes_back_exactly(conflict, mode):
    s, t = following(walker(7, 3, 30.0), walker(5, 3, 20.0), conflict=conflict, mode=mode)
    back = there_and_back(t, s)
    assert differences(t.prediction, back.prediction) == []  # 4 m, 3 s, 2 s are centres of bins
    assert differences(t.perception.critical_objects, back.perception.critical_objects) == []
    assert back.perception.ego == s.ego and back.stamp_ns == s.stamp_ns
    assert back.integrity == t.integrity and grounded(back, s, LANE)
    assert back.planning.causes == t.planning.causes


def test_who_comes_without_predictions_is_said_to_go_on():
    tracked = dataclasses.replace(walker(7, 1), predictions=())
    s, t = following(tracked)
    assert differences(t.prediction, there_and_back(t, s).prediction) == []


def test_objects_of_one_bin_of_relevance_stand_by_id():
    s, t = following(walker(9, 1, 20.0), walker(5, 1, 30.0))
    first, second = t.perception.critical_objects
    close = (
        dataclasses.replace(first, relevance=0.51),
        dataclasses.replace(second, relevance=0.49),
    )
    back = there_and_back(perceived(t, critical_objects=close), s)
    assert [c.id for c in back.perception.critical_objects] == [5, 9]
    assert [p.id for p in back.prediction.objects] == [5, 9]


def test_a_way_round_somebody_however_slight_is_no_lane_change_and_nothing_is_no_offset():
    plain = planning_tokens(trace().planning)
    assert plain[Field.OFFSET] == token_of(Field.OFFSET, None)
    for offset, says in ((0.0, 0.0), (0.01, 0.1), (-0.02, -0.1), (0.31, 0.3)):
        p = planned(trace(), offset_m=offset, offset_from_m=4.0, offset_until_m=10.0).planning
        assert planning_tokens(p)[Field.OFFSET] == token_of(Field.OFFSET, says)
        assert quantised(p).offset_m == says


def test_the_words_of_a_plan_are_its_decision_and_numbers_and_not_its_reasons():
    p = trace(**STOPS, causes=[cause()]).planning
    tokens = planning_tokens(p)
    assert set(tokens) == {Field.LONGITUDINAL, Field.LATERAL, *NUMBERS}
    assert tokens == planning_tokens(dataclasses.replace(p, causes=(), rejected=()))
    assert tokens == planning_tokens(quantised(p))


def test_rejected_alternatives_come_back_as_listed():
    risks = (Risk.PROGRESS, Risk.COLLISION, Risk.RULE, Risk.COMFORT, Risk.COLLISION, Risk.COLLISION)
    times = (INF, 2.5, 0.0, 1.0, INF, 2.5)
    rejected = tuple(
        Rejected(Longitudinal.RESUME_SPEED, Lateral.LANE_CHANGE, Direction.LEFT, risk, at)
        for risk, at in zip(risks, times, strict=True)
    )
    t = planned(trace(causes=[cause(CauseKind.ROUTE, 0)]), rejected=rejected)
    assert there_and_back(t, scene()).planning.rejected == rejected


def test_a_line_behind_another_is_its_own_cause():
    t = trace(causes=[cause(CauseKind.STOP_SIGN, 4, 0.5), cause(CauseKind.TRAFFIC_LIGHT, 3, 0.5)])
    lines = ((CauseKind.TRAFFIC_LIGHT, 3), (CauseKind.STOP_SIGN, 4), (CauseKind.TRAFFIC_LIGHT, 3))
    back = there_and_back(t, scene(), Slots((), (), (), lines))
    assert [(c.kind, c.id) for c in back.planning.causes] == [lines[0], lines[1]]


# -------------------------------------------------------------------------------------------------- what cannot be


def unsayable():
    """Traces that cannot be said of a scene, with the reason."""
    s, t = following(walker(7, 2))
    slots = slots_of(t, s, LANE)
    route = trace(causes=[cause(CauseKind.ROUTE, 0)])
    first = t.prediction.objects[0]
    alternative = Rejected(Longitudinal.STOP, Lateral.KEEP_LANE, Direction.NONE, Risk.PROGRESS, INF)

    def guessing(**changes):
        guess = dataclasses.replace(first, **changes)
        return dataclasses.replace(t, prediction=PredictionTrace((guess,)))

    nobody = Slots((), (), (), slots.lines)
    with_another = Slots((7, 8), (LaneRelation.EGO,) * 2, (2, 1), slots.lines)
    return [
        (t, nobody, "object 7 has no slot"),
        (t, dataclasses.replace(slots, lines=()), "TRAFFIC_LIGHT 3 has no slot"),
        (planned(t, causes=(cause(CauseKind.OBJECT, 8),)), slots, "OBJECT 8 has no slot"),
        (planned(t, causes=(cause(CauseKind.OBJECT, 8),)), with_another, "OBJECT 8 has no slot"),
        (planned(t, causes=(cause(), cause())), slots, "OBJECT 7 has no slot of its own"),
        (planned(t, causes=(cause(CauseKind.NONE, 0),)), slots, "NONE 0 has no slot"),
        (planned(t, causes=()), slots, "WEIGHT"),
        (planned(t, causes=(cause(),) * 4), slots, "4 causes"),
        (dataclasses.replace(t, prediction=PredictionTrace()), slots, "1 cited objects with 0"),
        (guessing(probability=0.4), slots, "object 7 is no hypothesis"),
        (guessing(path_x_m=first.path_x_m + 1.0), slots, "object 7 is no hypothesis"),
        (guessing(conflict=Conflict.NONE), slots, "TIME_TO_COLLISION of slot 0 cannot be"),
        (planned(route, rejected=(alternative,) * 7), nobody, "rejected_count: no word for 7"),
        (planned(route, rejected=(dataclasses.replace(alternative, at_s=1.0),)), nobody, "REJECTED_AT"),
        (planned(route, lateral=Lateral.TURN), nobody, "TURN NONE"),
        (planned(route, target_speed_mps=INF), nobody, "target_speed: no word for inf"),
        (planned(route, confidence=math.nan), nobody, "confidence: no word for nan"),
        (perceived(route, traffic_light=LightColor.RED), nobody, "LIGHT_DISTANCE"),
        (perceived(route, command_distance_m=5.0), nobody, "COMMAND_DISTANCE"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("t", "slots", "why"), unsayable(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_what_cannot_be_said_is_refused_with_the_reason(t, slots, why):
    s = following(walker(7, 2))[0]
    with pytest.raises(NotSayable, match=why):
        encode(t, slots, s)


def test_more_cited_objects_than_a_trace_lists_cannot_be_said():
    s, t = following(*crowd(9))
    with pytest.raises(NotSayable, match="9 cited objects"):
        encode(t, slots_of(t, s, LANE), s)


def test_a_hypothesis_that_the_scene_has_but_the_slots_do_not_count_cannot_be_said():
    s, t = following(walker(7, 3), mode=2)
    slots = dataclasses.replace(slots_of(t, s, LANE), mode_counts=(2,))
    with pytest.raises(NotSayable, match="MODE of slot 0 cannot be count 2"):
        encode(t, slots, s)


def test_the_side_of_an_object_is_that_of_its_slot():
    s, t = following(walker(7, 1))
    slots = dataclasses.replace(slots_of(t, s, LANE), relations=(LaneRelation.RIGHT,))
    back = decode(encode(t, slots, s), slots, s, OTHER)
    assert back.perception.critical_objects[0].lane_relation == LaneRelation.RIGHT
    assert back.perception.critical_objects[0].role == Role.LEAD
