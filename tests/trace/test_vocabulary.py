"""Every token means one thing, every value has a nearest word, and what has none is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.trace.sequence import FIELD_COUNT, MASK, PAD, VOCABULARY_SIZE
from whyway.trace.vocabulary import (
    NO_CAUSE,
    NOT_CITED,
    ORDINAL,
    SILENT,
    TOKEN_COUNT,
    VOCABULARY_VERSION,
    Field,
    NotSayable,
    allowed_mask,
    number_tokens,
    token_name,
    token_of,
    tokens_of,
    value_of,
    vocabulary_hash,
)
from whyway.types import (
    Conflict,
    Direction,
    Lateral,
    LightColor,
    Longitudinal,
    NavCommand,
    Risk,
    RoadType,
    Role,
)

FIELDS = [f for f in Field if f != Field.PAD]
NUMBERS = [f for f in FIELDS if len(number_tokens(f))]
HASHES = {"1": "b413e03515f6664f3ae32b695766e3cb020091c1c05c95c50feb1c0accf55388"}


def centres(field):
    return np.array([value_of(field, t) for t in number_tokens(field)])


def test_this_version_says_what_it_always_said():
    assert vocabulary_hash() == HASHES[VOCABULARY_VERSION], (
        "the vocabulary has changed, and models of the old one cannot be used: if it is meant, raise VOCABULARY_VERSION and note its hash here"
    )


def test_every_field_takes_back_what_each_of_its_tokens_says():
    for field in FIELDS:
        said = [value_of(field, t) for t in tokens_of(field)]
        assert [token_of(field, v) for v in said] == list(tokens_of(field))
        assert len(set(said)) == len(said)


def test_tokens_fit_and_none_of_a_field_is_padding_or_a_question():
    assert TOKEN_COUNT <= VOCABULARY_SIZE and max(Field) < FIELD_COUNT
    assert not allowed_mask()[:, [PAD, MASK]].any() and not allowed_mask()[Field.PAD].any()
    assert not allowed_mask()[:, TOKEN_COUNT:].any()
    for field in FIELDS:
        assert np.flatnonzero(allowed_mask()[field]).tolist() == list(tokens_of(field))
    spoken = allowed_mask().any(axis=0)
    assert spoken[MASK + 1 : TOKEN_COUNT].all()  # no word is idle
    assert len({token_name(t) for t in range(VOCABULARY_SIZE)}) == VOCABULARY_SIZE


@pytest.mark.parametrize(
    ("field", "members"),
    [
        (Field.ROAD_TYPE, RoadType), (Field.LIGHT, LightColor), (Field.COMMAND, NavCommand), (Field.CONFLICT, Conflict),
        (Field.LONGITUDINAL, Longitudinal), (Field.REJECTED_RISK, Risk),
    ],
)  # fmt: skip
def test_every_member_of_a_closed_set_has_a_word(field, members):
    assert [value_of(field, t) for t in tokens_of(field)] == list(members)


def test_roles_and_weights_can_also_say_that_there_is_nothing():
    assert [value_of(Field.ROLE, t) for t in tokens_of(Field.ROLE)] == [None, *Role]
    assert token_of(Field.ROLE, None) == NOT_CITED and token_of(Field.WEIGHT, None) == NO_CAUSE
    assert np.flatnonzero(SILENT).tolist() == sorted([NOT_CITED, NO_CAUSE])
    with pytest.raises(NotSayable):
        token_of(Field.RELEVANCE, None)


def test_only_keeping_the_lane_has_no_side():
    for token in tokens_of(Field.LATERAL):
        lateral, side = value_of(Field.LATERAL, token)
        assert (lateral == Lateral.KEEP_LANE) == (side == Direction.NONE)
    for senseless in ((Lateral.LANE_CHANGE, Direction.NONE), (Lateral.KEEP_LANE, Direction.LEFT)):
        with pytest.raises(NotSayable, match="LATERAL|lateral"):
            token_of(Field.LATERAL, senseless)


def test_fields_of_numbers_and_they_alone_are_ordinal():
    assert np.flatnonzero(ORDINAL).tolist() == [int(f) for f in NUMBERS]
    for field in NUMBERS:
        assert (np.diff(centres(field)) > 0.0).all()
        assert set(number_tokens(field)) <= set(tokens_of(field))


@given(st.sampled_from(NUMBERS), st.floats(0.0, 1.0))
def test_a_number_falls_into_the_bin_with_the_nearest_centre(field, share):
    its = centres(field)
    value = float(its[0] + share * (its[-1] - its[0]))
    said = value_of(field, token_of(field, value))
    assert abs(said - value) <= np.min(np.abs(its - value)) + 1e-12


@pytest.mark.parametrize(
    ("field", "until", "step", "rate"),
    [
        (Field.STOP_DISTANCE, 4.0, 0.2, 0.065), (Field.TARGET_SPEED, 20.0, 0.25, 0.055), (Field.RELEVANCE, 1.0, 0.05, 0.0),
        (Field.TIME_TO_COLLISION, 5.0, 0.25, 0.205), (Field.OFFSET, 4.0, 0.1, 0.0),
    ],
)  # fmt: skip
def test_bins_are_fine_where_driving_needs_it_and_grow_with_the_value_beyond(
    field, until, step, rate
):
    its = centres(field)
    near, steps = its[:-1] < until - 1e-9, np.diff(its)
    assert steps[near] == pytest.approx(step)
    assert (steps[~near] <= rate * its[:-1][~near]).all()


def test_zero_is_a_word_of_its_own_wherever_there_are_numbers():
    for field in NUMBERS:
        assert value_of(field, token_of(field, 0.0)) == 0.0


def test_what_lies_beyond_the_last_bin_is_said_as_the_last():
    for field in NUMBERS:
        its = centres(field)
        assert value_of(field, token_of(field, 1e9)) == its[-1]
        assert value_of(field, token_of(field, -1e9)) == its[0]


@pytest.mark.parametrize("field", NUMBERS)
def test_no_end_has_a_word_only_where_it_makes_sense_and_no_number_has_none(field):
    if math.inf in [value_of(field, t) for t in tokens_of(field)]:
        assert value_of(field, token_of(field, math.inf)) == math.inf
        assert token_of(field, math.inf) not in number_tokens(field)
    else:
        with pytest.raises(NotSayable, match=field.name.lower()):
            token_of(field, math.inf)
    for value in (math.nan, -math.inf):
        with pytest.raises(NotSayable, match=field.name.lower()):
            token_of(field, value)


def test_a_token_of_another_field_says_nothing_here():
    with pytest.raises(ValueError, match="light cannot hold road CURVE"):
        value_of(Field.LIGHT, token_of(Field.ROAD_TYPE, RoadType.CURVE))
