"""Whatever the logits are, what is said is a whole trace with sense; what is none is told from it."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_slots import all_slots, drawn_by, likeliest, said_at_random, some_slots

from whyway.trace.grammar import BLOCK_OF, MAX_POSITIONS, Grammar, Limits, is_valid, values_of
from whyway.trace.sequence import VOCABULARY_SIZE
from whyway.trace.slots import (
    KIND_0,
    LINE_0,
    MAX_CAUSES,
    MAX_CITED,
    MAX_OBJECTS,
    OBJECT_0,
    REJECTED_0,
    SCENE_SLOT,
    Block,
    Slots,
)
from whyway.trace.vocabulary import (
    NO_CAUSE,
    NOT_CITED,
    Field,
    token_of,
    tokens_of,
    value_of,
)
from whyway.types import (
    CauseKind,
    Conflict,
    Direction,
    LaneRelation,
    Lateral,
    LightColor,
    Longitudinal,
    NavCommand,
    Risk,
)

BUDGET = 160
"""Rows that the cache has for a trace."""
INF = float("inf")
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([0.0, 0.3, 3.0, 30.0])


def scored(count, **by_token):
    """Logits (count, V) that are 0 but for some tokens."""
    scores = np.zeros((count, VOCABULARY_SIZE))
    for token, score in by_token.items():
        scores[:, int(token[1:])] = score
    return scores


def settled(grammar, block, values, scores, pick=likeliest):
    positions = grammar.positions(block, values)
    tokens = grammar.settle(positions, scores, pick, values)
    return values | dict(zip(positions.pairs(), tokens.tolist(), strict=True))


def at(values, field):
    """What a field says, by slot."""
    return {slot: value_of(field, t) for (f, slot), t in values.items() if f == field}


def changed(sequence, field, value, slot=SCENE_SLOT):
    """The same sequence with another word somewhere."""
    tokens = sequence.tokens.copy()
    there = (sequence.fields == field) & (sequence.slots == slot)
    assert there.sum() == 1
    tokens[there] = token_of(field, value)
    return dataclasses.replace(sequence, tokens=tokens)


# ------------------------------------------------------------------------------------------------------ properties


@settings(max_examples=60, deadline=None)
@given(all_slots, seeds, scales, st.booleans(), st.booleans())
def test_any_logits_become_a_valid_trace_within_the_budget(slots, seed, scale, plain, draws):
    rng = np.random.default_rng(seed)
    pick = drawn_by(rng) if draws else likeliest
    sequence = Grammar(slots).sequence(said_at_random(slots, rng, scale, pick, plain))
    assert Grammar(slots).fault(sequence) == "" and is_valid(sequence, slots)
    assert len(sequence) <= MAX_POSITIONS <= BUDGET
    assert (np.diff(sequence.blocks) >= 0).all()
    said = values_of(sequence)
    assert sum(r is not None for r in at(said, Field.ROLE).values()) <= MAX_CITED
    weights = [w for w in at(said, Field.WEIGHT).values() if w is not None]
    assert 1 <= len(weights) <= MAX_CAUSES and sum(weights) <= 1.0 + 1e-9


@settings(max_examples=60, deadline=None)
@given(all_slots, seeds, scales, st.booleans(), st.booleans(), st.data())
def test_what_is_not_to_be_said_is_not_and_the_rest_is_a_valid_trace(
    slots, seed, scale, plain, draws, data
):
    taken = {
        (int(field), data.draw(st.sampled_from(list(tokens_of(field)))))
        for field in (Field.LONGITUDINAL, Field.LATERAL)
    }
    objects = range(OBJECT_0, OBJECT_0 + len(slots.object_ids))
    silent = frozenset(data.draw(st.sets(st.sampled_from(objects)))) if len(objects) else frozenset()  # fmt: skip
    limits = Limits(frozenset(taken), silent)
    rng = np.random.default_rng(seed)
    pick = drawn_by(rng) if draws else likeliest
    values = said_at_random(slots, rng, scale, pick, plain, limits)
    assert Grammar(slots).fault(Grammar(slots).sequence(values)) == ""
    assert not any((field, token) in taken for (field, _), token in values.items())
    assert all(values[Field.ROLE, slot] == NOT_CITED for slot in silent)
    grammar = Grammar(slots, limits)
    for field, token in taken:
        assert not grammar.allowed_next(field, SCENE_SLOT, values)[token]
    for slot in silent:
        assert np.flatnonzero(grammar.allowed_next(Field.ROLE, slot, {})).tolist() == [NOT_CITED]


@settings(max_examples=40, deadline=None)
@given(all_slots, seeds, scales)
def test_what_is_settled_at_once_could_have_been_said_one_by_one_in_any_order(slots, seed, scale):
    rng = np.random.default_rng(seed)
    values = said_at_random(slots, rng, scale)
    grammar, known = Grammar(slots), {}
    for block in Block:
        pairs = grammar.positions(block, values).pairs()
        listed = [p for p in pairs if p[0] in (Field.ROLE, Field.WEIGHT)]
        rng.shuffle(listed)
        for field, slot in [p for p in pairs if p not in listed] + [tuple(p) for p in listed]:
            assert grammar.allowed_next(field, slot, known)[values[field, slot]]
            known[field, slot] = values[field, slot]


@settings(max_examples=40, deadline=None)
@given(all_slots, seeds)
def test_every_word_that_is_allowed_next_can_be_gone_on_from(slots, seed):
    rng = np.random.default_rng(seed)
    grammar, values = Grammar(slots), {}
    for block in Block:
        for field, slot in grammar.positions(block, values).pairs():
            allowed = np.flatnonzero(grammar.allowed_next(field, slot, values))
            assert len(allowed) and set(allowed.tolist()) <= set(tokens_of(Field(field)))
            values[field, slot] = int(rng.choice(allowed))
    assert grammar.fault(grammar.sequence(values)) == ""


@settings(max_examples=60, deadline=None)
@given(all_slots, seeds, st.data())
def test_a_sequence_with_one_word_of_another_field_is_no_trace(slots, seed, data):
    values = said_at_random(slots, np.random.default_rng(seed))
    grammar = Grammar(slots)
    sequence = grammar.sequence(values)
    i = data.draw(st.integers(0, len(sequence) - 1))
    its = tokens_of(Field(int(sequence.fields[i])))
    others = st.integers(-VOCABULARY_SIZE, VOCABULARY_SIZE + 5).filter(lambda t: t not in its)
    from_behind = st.just(int(sequence.tokens[i]) - VOCABULARY_SIZE)
    wrong = data.draw(others | from_behind)
    tokens = sequence.tokens.copy()
    tokens[i] = wrong
    assert not grammar.is_valid(dataclasses.replace(sequence, tokens=tokens))


@settings(max_examples=40, deadline=None)
@given(all_slots, seeds, st.data())
def test_a_sequence_with_a_position_less_or_twice_or_elsewhere_is_no_trace(slots, seed, data):
    sequence = Grammar(slots).sequence(said_at_random(slots, np.random.default_rng(seed)))
    n = len(sequence)
    i, j = sorted(data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True)))
    swapped = np.arange(n)
    swapped[[i, j]] = j, i
    less, twice = np.delete(np.arange(n), i), np.insert(np.arange(n), i, i)
    for order in (less, twice, swapped, np.arange(n - 1), np.append(np.arange(n), n - 1)):
        parts = (sequence.fields, sequence.slots, sequence.tokens, sequence.blocks)
        assert not is_valid(type(sequence)(*(p[order] for p in parts)), slots)
    late = sequence.blocks.copy()
    late[i] = (late[i] + 1) % len(Block)
    assert not is_valid(dataclasses.replace(sequence, blocks=late), slots)


def test_every_field_has_a_block_and_only_the_lists_have_slots_of_their_own():
    assert set(BLOCK_OF) == set(Field) - {Field.PAD}
    slots = some_slots(objects=2, lines=1)
    pairs = Grammar(slots).sequence(said_at_random(slots, np.random.default_rng(0)))
    assert (pairs.blocks == [BLOCK_OF[Field(f)] for f in pairs.fields.tolist()]).all()


# ------------------------------------------------------------------------------------------------------------ lists


def test_of_too_many_objects_the_most_probable_are_cited():
    grammar = Grammar(some_slots(objects=MAX_OBJECTS))
    positions = grammar.positions(Block.PERCEPTION, {})
    scores = np.zeros((len(positions), VOCABULARY_SIZE))
    roles = positions.fields == Field.ROLE
    liking = np.random.default_rng(3).permutation(MAX_OBJECTS)
    scores[roles, NOT_CITED + 1] = 10.0 + liking
    values = settled(grammar, Block.PERCEPTION, {}, scores)
    cited = [slot for slot, role in at(values, Field.ROLE).items() if role is not None]
    assert sorted(cited) == sorted(np.argsort(-liking)[:MAX_CITED].tolist())


def test_an_object_is_cited_if_that_is_probable_though_no_single_role_is():
    # not cited 0.4; cited 0.6, spread over eleven roles
    grammar = Grammar(some_slots(objects=1))
    count = len(grammar.positions(Block.PERCEPTION, {}))
    roles = {f"t{t}": np.log(0.6 / 11) for t in tokens_of(Field.ROLE)[1:]}
    best = tokens_of(Field.ROLE)[4]
    for share, cited in ((0.4, True), (0.7, False)):
        scores = scored(count, **roles, **{f"t{NOT_CITED}": np.log(share)})
        scores[:, best] += 0.01
        values = settled(grammar, Block.PERCEPTION, {}, scores)
        assert values[Field.ROLE, OBJECT_0] == (best if cited else NOT_CITED)


def test_roles_are_drawn_as_often_as_they_are_probable():
    grammar = Grammar(some_slots(objects=1))
    probability = np.random.default_rng(1).dirichlet(np.ones(len(tokens_of(Field.ROLE))))
    only_role = grammar.positions(Block.PERCEPTION, {}).only(slice(-1, None))
    scores = np.full((1, VOCABULARY_SIZE), -20.0)
    scores[0, tokens_of(Field.ROLE)] = np.log(probability)
    pick, n = drawn_by(np.random.default_rng(2)), 3000
    drawn = Counter(int(grammar.settle(only_role, scores, pick, {})[0]) for _ in range(n))
    for token, p in zip(tokens_of(Field.ROLE), probability, strict=True):
        assert abs(drawn[token] / n - p) < 4.0 * np.sqrt(p * (1.0 - p) / n) + 1e-3


def perceived(grammar, cited=0):
    """Values of the first two blocks, some objects cited."""
    rng = np.random.default_rng(0)
    values = {}
    for field, slot in grammar.positions(Block.PERCEPTION, {}).pairs():
        allowed = np.flatnonzero(grammar.allowed_next(field, slot, values))
        values[field, slot] = int(rng.choice(allowed))
        if field == Field.ROLE:
            values[field, slot] = NOT_CITED + int(slot < OBJECT_0 + cited)
    scores = np.zeros((len(grammar.positions(Block.PREDICTION, values)), VOCABULARY_SIZE))
    return settled(grammar, Block.PREDICTION, values, scores)


def test_nothing_happens_for_no_reason():
    grammar = Grammar(some_slots(objects=2, lines=1))
    before = perceived(grammar, cited=1)
    positions = grammar.positions(Block.CAUSES, before)
    scores = scored(len(positions), **{f"t{NO_CAUSE}": 50.0})
    scores[2, NO_CAUSE] = 40.0  # the least improbable one
    values = settled(grammar, Block.CAUSES, before, scores)
    causes = [s for s, w in at(values, Field.WEIGHT).items() if w is not None]
    assert causes == [positions.slots[2]]
    known = dict(before)
    for i, (field, slot) in enumerate(positions.pairs()):
        last = i == len(positions) - 1
        assert grammar.allowed_next(field, slot, known)[NO_CAUSE] == (not last)
        known[field, slot] = NO_CAUSE


def test_of_too_many_causes_the_most_probable_are_named_and_share_what_weight_there_is():
    grammar = Grammar(some_slots(objects=3, lines=2))
    before = perceived(grammar, cited=3)
    positions = grammar.positions(Block.CAUSES, before)
    heavy = token_of(Field.WEIGHT, 0.7)
    scores = scored(len(positions), **{f"t{heavy}": 20.0, f"t{heavy - 3}": 15.0})
    scores[[7, 1, 5], heavy] += [3.0, 2.0, 1.0]
    weights = at(settled(grammar, Block.CAUSES, before, scores), Field.WEIGHT)
    slots = positions.slots.tolist()
    named = {slots.index(s): w for s, w in weights.items() if w is not None}
    assert set(named) == {7, 1, 5}
    assert named[7] == 0.7 and named[1] <= 0.3 and sum(named.values()) <= 1.0 + 1e-9


def test_who_is_not_cited_is_no_cause_and_one_light_before_two_lines_is_one_cause():
    light = (CauseKind.TRAFFIC_LIGHT, 3)
    slots = Slots((7, 8), (LaneRelation.EGO,) * 2, (1, 1), (light, (CauseKind.STOP_SIGN, 3), light))
    grammar = Grammar(slots)
    positions = grammar.positions(Block.CAUSES, perceived(grammar, cited=1))
    assert positions.slots.tolist() == [OBJECT_0, LINE_0, LINE_0 + 1, *range(KIND_0, KIND_0 + 5)]


def test_an_object_follows_one_of_the_hypotheses_it_has():
    slots = Slots((7, 8), (LaneRelation.EGO,) * 2, (1, 4), ())
    grammar = Grammar(slots)
    for k, count in enumerate(slots.mode_counts):
        allowed = np.flatnonzero(grammar.allowed_next(Field.MODE, OBJECT_0 + k, {}))
        assert [value_of(Field.MODE, t) for t in allowed] == list(range(count))


def test_as_many_alternatives_are_told_as_were_announced():
    slots = some_slots()
    values = said_at_random(slots, np.random.default_rng(5))
    for count in range(7):
        values[Field.REJECTED_COUNT, SCENE_SLOT] = token_of(Field.REJECTED_COUNT, count)
        positions = Grammar(slots).positions(Block.NUMBERS, values)
        risks = positions.slots[positions.fields == Field.REJECTED_RISK]
        assert risks.tolist() == [REJECTED_0 + k for k in range(count)]


# ------------------------------------------------------------------------------------------------------------ sense


def sequence_with(**words):
    """A valid sequence, made from one at random with some words said first."""
    slots = some_slots(objects=1, lines=1)
    grammar, rng = Grammar(slots), np.random.default_rng(11)
    words = {Field[name]: token_of(Field[name], value) for name, value in words.items()}
    values = {}
    for block in Block:
        for field, slot in grammar.positions(block, values).pairs():
            allowed = grammar.allowed_next(field, slot, values)
            word = words.get(field)
            if word is not None:
                assert allowed[word], field
            values[field, slot] = int(rng.choice(np.flatnonzero(allowed))) if word is None else word
    sequence = grammar.sequence(values)
    assert grammar.fault(sequence) == ""
    return grammar, sequence


@pytest.mark.parametrize(
    ("words", "slot", "field", "senseless"),
    [
        ({"COMMAND": NavCommand.FOLLOW}, SCENE_SLOT, Field.COMMAND_DISTANCE, 12.0),
        ({"COMMAND": NavCommand.LEFT}, SCENE_SLOT, Field.COMMAND_DISTANCE, INF),
        ({"LIGHT": LightColor.RED}, SCENE_SLOT, Field.LIGHT_DISTANCE, INF),
        ({"LIGHT": LightColor.UNKNOWN, "LIGHT_DISTANCE": INF}, SCENE_SLOT, Field.LIGHT_CONFIDENCE, 0.5),
        ({"ROLE": 0, "CONFLICT": Conflict.NONE}, OBJECT_0, Field.TIME_TO_COLLISION, 2.0),
        ({"ROLE": 0, "CONFLICT": Conflict.NONE}, OBJECT_0, Field.TIME_OF_CONFLICT, 2.0),
        ({"ROLE": 0, "CONFLICT": Conflict.NONE}, OBJECT_0, Field.MIN_GAP, 2.0),
        ({"ROLE": 0, "CONFLICT": Conflict.CROSS}, OBJECT_0, Field.TIME_OF_CONFLICT, INF),
        ({"ROLE": 0, "CONFLICT": Conflict.CROSS}, OBJECT_0, Field.MIN_GAP, INF),
        ({"OFFSET": None}, SCENE_SLOT, Field.OFFSET_FROM, 8.0),
        ({"OFFSET": None}, SCENE_SLOT, Field.OFFSET_UNTIL, 8.0),
        ({"REJECTED_COUNT": 1, "REJECTED_RISK": Risk.PROGRESS}, REJECTED_0, Field.REJECTED_AT, 3.0),
        (
            {
                "REJECTED_COUNT": 1, "LONGITUDINAL": Longitudinal.STOP, "LATERAL": (Lateral.TURN, Direction.LEFT),
                "REJECTED_LONGITUDINAL": Longitudinal.STOP,
            },
            REJECTED_0, Field.REJECTED_LATERAL, (Lateral.TURN, Direction.LEFT),
        ),
        ({}, SCENE_SLOT, Field.TARGET_SPEED, None),
    ],
)  # fmt: skip
def test_what_makes_no_sense_beside_what_is_said_cannot_be_said(words, slot, field, senseless):
    grammar, sequence = sequence_with(**words)
    if senseless is None:  # for comparison: what goes with everything
        assert grammar.is_valid(changed(sequence, field, 7.0))
        return
    fault = grammar.fault(changed(sequence, field, senseless, slot))
    assert field.name in fault or "positions" in fault


@pytest.mark.parametrize(
    ("longitudinal", "stop_m"),
    [(Longitudinal.YIELD, INF), (Longitudinal.RESUME_SPEED, 120.0), (Longitudinal.STOP, 0.0)],
)
def test_what_the_expert_says_of_halts_can_be_said(longitudinal, stop_m):
    sequence_with(LONGITUDINAL=longitudinal, STOP_DISTANCE=stop_m)


def test_slots_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="33 objects"):
        some_slots(objects=33)
    for broken in ((7, 7), (1, 1)), ((7, 8), (1,)):
        with pytest.raises(ValueError, match="each once"):
            Slots(broken[0], (LaneRelation.EGO,) * 2, broken[1], ())
