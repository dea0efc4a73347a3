"""What the plan would not show is not said: the model is asked again, and what it says then is planned for anew."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_models import configured, made_model

from whyway.driver import load_mind, make_planning, make_reasoner
from whyway.maps.road import Road
from whyway.reason.engine import Budget
from whyway.reason.second_thoughts import (
    CAREFUL,
    INSTEAD_OF,
    MOST,
    SecondThoughts,
    shows_more,
    taken_back,
)
from whyway.trace.vocabulary import Field, token_of
from whyway.types import Agreement, Direction, Lateral, Longitudinal, Scene, Trace

Moment = Any
OK, NOT_YET, OPPOSITE = Agreement.OK, Agreement.UNSUPPORTED, Agreement.CONTRADICTORY


@pytest.fixture(scope="module")
def scenes(short_drive: list[Moment]) -> list[Scene]:
    return [m.cycle.scene for m in short_drive]


@pytest.fixture(scope="module")
def road(short_drive: list[Moment]) -> Road:
    return short_drive[0].road


@pytest.fixture(scope="module")
def trace(short_drive: list[Moment]) -> Trace:
    return short_drive[0].cycle.trace


def deciding(
    trace: Trace, longitudinal: Longitudinal, lateral: Lateral, side: Direction, along: Agreement, lane: Agreement
) -> Trace:  # fmt: skip
    """A whole trace with that decision, and that agreement with its plan."""
    planning = dataclasses.replace(
        trace.planning, longitudinal=longitudinal, lateral=lateral, direction=side
    )
    integrity = dataclasses.replace(
        trace.integrity, longitudinal=along, lateral=OK, lane=lane, grounding_ok=True
    )
    return dataclasses.replace(trace, planning=planning, integrity=integrity)


@pytest.fixture(scope="module")
def turning_unsaid(trace: Trace) -> Trace:
    """It keeps its lane, it says; the plan turns off."""
    return deciding(trace, Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE, OK, NOT_YET)  # fmt: skip


KEEPS = (int(Field.LATERAL), token_of(Field.LATERAL, (Lateral.KEEP_LANE, Direction.NONE)))


class Asked:
    """A model that says one thing after the other, and notes what it was not to say."""

    def __init__(self, *answers: Trace | None) -> None:
        self.answers, self.without = list(answers), []

    def __call__(self, without: Any) -> list[tuple[Trace | None, str]]:
        self.without.append(dict(without))
        return [(self.answers.pop(0), "") for _ in without]


def as_it_is(_scene: Scene, draft: Trace) -> Trace:
    """A foresight for traces that are whole already."""
    return draft


def thoughts(first: Trace | None, *later: Trace | None) -> tuple[dict[int, Trace], Asked]:
    """What is said instead, and what was asked."""
    asked = Asked(*later)
    second = SecondThoughts(as_it_is, lambda: 0.0)
    return second.thoughts([(None, first)], asked, lambda: None), asked


# --------------------------------------------------------------------------------------------------- what is taken back


@given(st.sampled_from(Longitudinal), st.sampled_from(Agreement), st.sampled_from(Agreement))
def test_words_that_the_plan_does_not_show_are_taken_back_but_careful_ones(
    trace: Trace, longitudinal: Longitudinal, along: Agreement, lane: Agreement
) -> None:
    whole = deciding(trace, longitudinal, Lateral.TURN, Direction.LEFT, along, lane)
    fields = {field for field, _ in taken_back(whole)}
    assert (Field.LATERAL in fields) == (lane != OK)
    assert (Field.LONGITUDINAL in fields) == (along != OK and longitudinal not in CAREFUL)


def test_who_shows_what_he_says_is_not_asked_again(trace: Trace) -> None:
    shown = deciding(trace, Longitudinal.STOP, Lateral.KEEP_LANE, Direction.NONE, OK, OK)
    found, asked = thoughts(shown)
    assert not found and not asked.without
    assert thoughts(None)[1].without == []  # nor who has nothing to say


# ----------------------------------------------------------------------------------------------------- what is said then


def test_the_next_best_words_are_said_if_their_plan_shows_them_and_it_is_noted(
    trace: Trace, turning_unsaid: Trace
) -> None:
    turning = deciding(trace, Longitudinal.RESUME_SPEED, Lateral.TURN, Direction.LEFT, OK, OK)
    found, asked = thoughts(turning_unsaid, turning)
    assert asked.without == [{0: frozenset({KEEPS})}]
    assert found[0].planning.lateral == Lateral.TURN
    assert found[0].integrity.validator.endswith(f", {INSTEAD_OF} RESUME_SPEED, KEEP_LANE")


def test_words_that_are_no_better_shown_are_not_said_instead(
    trace: Trace, turning_unsaid: Trace
) -> None:
    worse = deciding(trace, Longitudinal.RESUME_SPEED, Lateral.TURN, Direction.RIGHT, OK, OPPOSITE)
    assert not shows_more(turning_unsaid, worse)
    found, asked = thoughts(turning_unsaid, worse, worse, None)
    assert not found and len(asked.without) == 2  # there is nothing more to take back


def test_careful_words_that_are_second_thoughts_are_taken_back_like_others(trace: Trace) -> None:
    adapts, stops, resumes = (
        deciding(trace, word, Lateral.KEEP_LANE, Direction.NONE, agrees, OK)
        for word, agrees in (
            (Longitudinal.ADAPT_SPEED, NOT_YET),
            (Longitudinal.STOP, OPPOSITE),
            (Longitudinal.RESUME_SPEED, OK),
        )
    )
    found, asked = thoughts(adapts, stops, resumes)
    assert [len(w[0]) for w in asked.without] == [1, 2]
    assert found[0].planning.longitudinal == Longitudinal.RESUME_SPEED
    assert not thoughts(stops)[1].without


def test_it_thinks_only_so_often_and_says_the_best(trace: Trace) -> None:
    sides = [Lateral.LANE_CHANGE, Lateral.NUDGE, Lateral.TURN, Lateral.LANE_CHANGE, Lateral.NUDGE]
    along = [OPPOSITE, NOT_YET, NOT_YET, NOT_YET, OK]
    said = [
        deciding(trace, Longitudinal.PASS, lateral, Direction(1 + k % 2), agrees, NOT_YET)
        for k, (lateral, agrees) in enumerate(zip(sides, along, strict=True))
    ]
    found, asked = thoughts(*said)
    assert len(asked.without) == MOST
    taken = [len(w[0]) for w in asked.without]
    assert taken == sorted(set(taken))  # nothing that was taken back comes again
    assert found[0].planning.decision == said[1].planning.decision  # the first of the best


def test_without_time_it_does_not_even_look(turning_unsaid: Trace) -> None:
    now = [0.0]

    def slowly(_scene: Scene, draft: Trace) -> Trace:
        now[0] += 0.003
        return draft

    asked = Asked(None, None)
    second = SecondThoughts(slowly, lambda: now[0])
    for left_ms, looks in ((10.0, 1), (2.0, 1), (10.0, 2)):
        second.thoughts([(None, turning_unsaid)], asked, lambda ms=left_ms: Budget(ms))  # type: ignore[misc]
        assert len(asked.without) == looks and math.isclose(now[0], 0.003 * looks)


# ------------------------------------------------------------------------------------------------------ in the reasoner


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_weights_the_plan_shows_more_of_what_is_said_with_second_thoughts(
    seed: int, scenes: list[Scene], road: Road, tmp_path: Path
) -> None:
    folder = made_model(tmp_path / "m", seed=seed)
    shown = []
    for second in (False, True):
        config = configured(folder, second_thoughts=second)
        mind = load_mind("microgpt", config)
        reasoner = make_reasoner("microgpt", config, road, mind)
        planning = make_planning("microgpt", config, road, mind)
        whole = [planning.foresee(s, reasoner.decide([s])[0]) for s in scenes[::3]]
        shown.append(whole)
    assert not any(shows_more(b, a) for a, b in zip(*shown, strict=True))
    better = [shows_more(a, b) for a, b in zip(*shown, strict=True)]
    noted = [INSTEAD_OF in b.integrity.validator for b in shown[1]]
    assert any(better) and better == noted


def test_who_has_been_hidden_for_long_is_not_cited(
    scenes: list[Scene], road: Road, tmp_path: Path
) -> None:
    config = configured(made_model(tmp_path / "m"), temperature=1.0)
    reasoner = make_reasoner("microgpt", config, road)
    cited = 0
    for scene in scenes[::4]:
        hidden = {o.id for o in scene.objects[::2]}
        objects = tuple(
            dataclasses.replace(o, unseen_s=1.1 if o.id in hidden else 1.0) for o in scene.objects
        )
        trace = reasoner.step(dataclasses.replace(scene, objects=objects))
        listed = {c.id for c in trace.perception.critical_objects}
        cited += len(listed)
        assert not listed & hidden
    assert cited
