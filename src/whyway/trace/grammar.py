"""The grammar: which positions a trace has, and which tokens each of them may still hold. Pure, no clock.

Which (field, slot) positions there are follows from the scene's `Slots` and from the values of earlier blocks, so fields and slots are
never generated. What a position may hold follows from its field, from the counts of lists (at most 8 objects cited, 1 to 3 causes
whose weights sum to at most 1) and from values it would be senseless beside (a conflict's time without a conflict). The same two
functions serve a whole block at once and one position at a time, so both can say exactly the same traces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whyway.trace.sense import BESIDE
from whyway.trace.sequence import VOCABULARY_SIZE, Int16s, TokenSequence
from whyway.trace.slots import (
    KIND_0,
    KINDS,
    LINE_0,
    MAX_CAUSES,
    MAX_CITED,
    MAX_LINES,
    MAX_MODES,
    MAX_OBJECTS,
    MAX_REJECTED,
    OBJECT_0,
    REJECTED_0,
    SCENE_SLOT,
    Block,
    Slots,
)
from whyway.trace.vocabulary import (
    NO_CAUSE,
    NOT_CITED,
    Bools,
    Field,
    allowed_mask,
    number_tokens,
    token_name,
    tokens_of,
    value_of,
)

Position = tuple[int, int]
"""(field, slot)"""
Values = Mapping[Position, int]
"""Tokens known so far."""
Words = frozenset[tuple[int, int]]
"""(field, token)"""
Scores = NDArray[np.floating]
Pick = Callable[[Scores, Bools], int]
"""(scores (V,), allowed (V,)) -> a token that is allowed: the most probable one, or one drawn."""

SEEN = (
    Field.ROAD_TYPE, Field.SPEED_LIMIT, Field.CURVATURE, Field.JUNCTION_DISTANCE, Field.STOP_LINE_DISTANCE, Field.LIGHT,
    Field.LIGHT_DISTANCE, Field.LIGHT_CONFIDENCE, Field.COMMAND, Field.COMMAND_DISTANCE,
)  # fmt: skip
PREDICTED = (
    Field.RELEVANCE, Field.MODE, Field.CONFLICT, Field.TIME_TO_COLLISION, Field.MIN_GAP, Field.TIME_OF_CONFLICT,
)  # fmt: skip
DECIDED = (Field.LONGITUDINAL, Field.LATERAL, Field.REJECTED_COUNT)
WITHOUT = (Field.LONGITUDINAL_WITHOUT, Field.LATERAL_WITHOUT)
NUMBERS = (
    Field.TARGET_SPEED, Field.TARGET_ACCELERATION, Field.STOP_DISTANCE, Field.CONFIDENCE, Field.OFFSET, Field.OFFSET_FROM,
    Field.OFFSET_UNTIL,
)  # fmt: skip
REJECTED = (
    Field.REJECTED_LONGITUDINAL, Field.REJECTED_LATERAL, Field.REJECTED_RISK, Field.REJECTED_AT,
)  # fmt: skip
"""Fields in the order of their positions: those of the scene, of a cited object, of the decision, of a cause, of a rejected alternative."""

BLOCK_OF: dict[Field, Block] = (
    {f: Block.PERCEPTION for f in (*SEEN, Field.ROLE)}
    | {f: Block.PREDICTION for f in PREDICTED}
    | {Field.WEIGHT: Block.CAUSES}
    | {f: Block.DECISION for f in (*DECIDED, *WITHOUT)}
    | {f: Block.NUMBERS for f in (*NUMBERS, *REJECTED)}
)
MAX_POSITIONS = (
    len(SEEN) + MAX_OBJECTS + MAX_CITED * len(PREDICTED) + MAX_CITED + MAX_LINES + len(KINDS)
    + len(DECIDED) + MAX_CAUSES * len(WITHOUT) + len(NUMBERS) + MAX_REJECTED * len(REJECTED)
)  # fmt: skip
"""No trace has more."""

_FREE: list[Bools] = list(allowed_mask())
_WEIGHT_0 = number_tokens(Field.WEIGHT).start
FULL_WEIGHT = len(number_tokens(Field.WEIGHT)) - 1
"""Bins of weight that all causes share."""

_ABSENT: dict[int, int] = {Field.ROLE: NOT_CITED, Field.WEIGHT: NO_CAUSE}
"""Fields of what is listed or not, with the token that says that it is not."""


def _masks(*tokens: Iterable[int]) -> list[Bools]:
    """One mask (VOCABULARY_SIZE,) per set of tokens; read-only."""
    masks = np.zeros((len(tokens), VOCABULARY_SIZE), dtype=np.bool_)
    for mask, its in zip(masks, tokens, strict=True):
        mask[list(its)] = True
    masks.setflags(write=False)
    return list(masks)


_ONLY = {field: _masks([none])[0] for field, none in _ABSENT.items()}
_SOME = {field: _masks(tokens_of(Field(field))[1:])[0] for field in _ABSENT}
_GIST = {field: _masks([none, tokens_of(Field(field))[1]])[0] for field, none in _ABSENT.items()}
"""Of a field of `_ABSENT`: only that it is not listed; that it is; and "not listed" against the first word for "listed", which stands for all."""
_WEIGHTS = _masks(
    *([NO_CAUSE, *range(_WEIGHT_0, _WEIGHT_0 + n + 1)] for n in range(FULL_WEIGHT + 1))
)
"""By how much weight is left."""
_MODES = _masks(*(tokens_of(Field.MODE)[:n] for n in range(MAX_MODES + 1)))
"""The modes there are, by how many hypotheses the object has."""


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """n positions of one block, in the order in which they would be decided one by one."""

    fields: Int16s
    slots: Int16s

    def __len__(self) -> int:
        return len(self.fields)

    @staticmethod
    def of(pairs: Sequence[Position]) -> Positions:
        """Positions as arrays."""
        both = np.array(pairs, dtype=np.int16).reshape(-1, 2)
        return Positions(both[:, 0], both[:, 1])

    def pairs(self) -> list[Position]:
        """(field, slot) of each."""
        return list(zip(self.fields.tolist(), self.slots.tolist(), strict=True))

    def only(self, keep: slice) -> Positions:
        """A stretch of them."""
        return Positions(self.fields[keep], self.slots[keep])


@dataclass(frozen=True, slots=True)
class Limits:
    """What is not to be said this time, though the grammar has words for it."""

    words: Words = frozenset()
    """Of fields that are neither lists nor modes; some words are left in each."""
    silent: frozenset[int] = frozenset()
    """Slots of objects that are not to be cited."""


@dataclass(slots=True)
class _Tally:
    """What has been said and may still be said of the lists."""

    cited: int = 0
    causes: int = 0
    weight: int = 0
    """Sum over the causes, in bins."""
    undecided: int = 0
    """Candidates for causes of which nothing is said yet."""

    def note(self, field: int, token: int) -> None:
        """Take account of one more value."""
        if field == Field.ROLE:
            self.cited += token != NOT_CITED
        elif field == Field.WEIGHT:
            self.undecided -= 1
            if token != NO_CAUSE:
                self.causes += 1
                self.weight += token - _WEIGHT_0


class Grammar:
    """The grammar of one scene.

    Args:
      slots: who and what can be spoken of.
      limits: what is not to be said besides.
    """

    def __init__(self, slots: Slots, limits: Limits = Limits()) -> None:  # noqa: B008 - it is frozen
        self._slots, self._limits = slots, limits
        self._objects = range(OBJECT_0, OBJECT_0 + len(slots.object_ids))
        # one light may govern two lines ahead: as a cause it is one, that of the nearer line
        nearest = {line: LINE_0 + k for k, line in reversed(list(enumerate(slots.lines)))}
        kinds = range(KIND_0, KIND_0 + len(KINDS))
        self._other_candidates = [*sorted(nearest.values()), *kinds]

    # --------------------------------------------------------------------------------------------------- positions

    def positions(self, block: Block, values: Values) -> Positions:
        """The positions of a block.

        Args:
          block: which.
          values: at least the values of all earlier blocks.
        """
        if block == Block.PERCEPTION:
            pairs = [(f, SCENE_SLOT) for f in SEEN] + [(Field.ROLE, slot) for slot in self._objects]
        elif block == Block.PREDICTION:
            pairs = [(f, slot) for slot in self._cited(values) for f in PREDICTED]
        elif block == Block.CAUSES:
            pairs = [(Field.WEIGHT, slot) for slot in self._candidates(values)]
        elif block == Block.DECISION:
            pairs = [(f, SCENE_SLOT) for f in DECIDED]
            pairs += [(f, slot) for slot in self._causes(values) for f in WITHOUT]
        else:
            count = value_of(Field.REJECTED_COUNT, values[Field.REJECTED_COUNT, SCENE_SLOT])
            pairs = [(f, SCENE_SLOT) for f in NUMBERS]
            pairs += [(f, REJECTED_0 + k) for k in range(count) for f in REJECTED]
        return Positions.of(pairs)

    def _cited(self, values: Values) -> list[int]:
        return [slot for slot in self._objects if values[Field.ROLE, slot] != NOT_CITED]

    def _candidates(self, values: Values) -> list[int]:
        return [*self._cited(values), *self._other_candidates]

    def _causes(self, values: Values) -> list[int]:
        return [s for s in self._candidates(values) if values[Field.WEIGHT, s] != NO_CAUSE]

    # ------------------------------------------------------------------------------------------------------ tokens

    def allowed_next(self, field: int, slot: int, values: Values) -> Bools:
        """(VOCABULARY_SIZE,) the tokens that a position may hold; read-only, and never empty.

        Args:
          field: of the position.
          slot: of the position.
          values: of all earlier blocks, and of the positions of its own block that are decided already.
        """
        if field == Field.ROLE and slot in self._limits.silent:
            return _ONLY[field]
        tally = self._tally(field, values)
        if field == Field.WEIGHT and tally.causes == 0 and tally.undecided == 1:
            return _SOME[field]  # nothing happens for no reason
        return self._listable(field, tally) if field in _ABSENT else self._said(field, slot, values)

    def _tally(self, field: int, values: Values) -> _Tally:
        tally = _Tally()
        if field == Field.WEIGHT:
            tally.undecided = len(self._candidates(values))
        if field in _ABSENT:
            for (f, _), token in values.items():
                tally.note(f, token)
        return tally

    @staticmethod
    def _listable(field: int, tally: _Tally) -> Bools:
        """What may be said of something that is listed or not."""
        if field == Field.ROLE:
            return _FREE[field] if tally.cited < MAX_CITED else _ONLY[field]
        return _ONLY[field] if tally.causes == MAX_CAUSES else _WEIGHTS[FULL_WEIGHT - tally.weight]

    def _said(self, field: int, slot: int, values: Values) -> Bools:
        """What may be said in any other field."""
        if field == Field.MODE:
            return _MODES[min(self._slots.mode_counts[slot - OBJECT_0], MAX_MODES)]
        allowed = _FREE[field]
        for leader, table in BESIDE.get(field, ()):
            allowed = allowed & table[values[leader, slot]]
        if field == Field.REJECTED_LATERAL:
            taken = values[Field.LONGITUDINAL, SCENE_SLOT]
            if values[Field.REJECTED_LONGITUDINAL, slot] == taken:
                allowed = allowed.copy()
                allowed[values[Field.LATERAL, SCENE_SLOT]] = False  # what is done is not rejected
        for its_field, token in self._limits.words:
            if its_field == field:
                allowed = allowed.copy()
                allowed[token] = False
        return allowed

    def settle(self, positions: Positions, scores: Scores, pick: Pick, values: Values) -> Int16s:
        """Tokens for positions of one block, all of them or some, such that the trace can still become a valid one.

        Of objects and causes, of which only so many can be listed, those come first that are most probably to be listed; whether
        one is, is picked before what is said of it, for its probability is spread over many words.

        Args:
          positions: n of them, of one block, in the order of `positions`.
          scores: (n, VOCABULARY_SIZE) logits.
          pick: chooses a token.
          values: of all earlier blocks, and of the positions of this one that are decided already.

        Returns:
          (n,) tokens.
        """
        tokens = np.zeros(len(positions), dtype=np.int16)
        known, pairs = dict(values), positions.pairs()
        listed = [i for i, (field, _) in enumerate(pairs) if field in _ABSENT]
        for i, (field, slot) in enumerate(pairs):
            if field not in _ABSENT:
                token = pick(scores[i], self._said(field, slot, known))
                known[field, slot] = tokens[i] = token
        if listed:
            field = pairs[listed[0]][0]
            tokens[listed] = self._listed(
                Field(field), [pairs[i][1] for i in listed], scores[listed], pick, known
            )
        return tokens

    def _listed(
        self, field: Field, slots: list[int], scores: Scores, pick: Pick, values: Values
    ) -> Int16s:
        """(n,) what is said of things that are listed or not, the most probable ones first."""
        none, some = _ABSENT[field], tokens_of(field)[1:]
        tally = self._tally(field, values)
        tokens = np.full(len(slots), none, dtype=np.int16)
        presence = np.logaddexp.reduce(scores[:, some.start : some.stop], axis=1)
        ranked = np.argsort(scores[:, none] - presence, kind="stable").tolist()
        if field == Field.ROLE:
            ranked = [i for i in ranked if slots[i] not in self._limits.silent]
        for i in ranked:
            allowed = self._listable(field, tally)
            gist = scores[i].copy()
            gist[some.start] = presence[i]
            if pick(gist, allowed & _GIST[field]) != none:
                tokens[i] = pick(scores[i], allowed & _SOME[field])
            tally.note(field, int(tokens[i]))
        if field == Field.WEIGHT and tally.causes == 0 and tally.undecided == 0:
            tokens[ranked[0]] = pick(scores[ranked[0]], _SOME[field])
        return tokens

    # --------------------------------------------------------------------------------------------------- sequences

    def sequence(self, values: Values) -> TokenSequence:
        """All values of a trace in order.

        Raises:
          KeyError: a value is missing.
        """
        parts = [self.positions(block, values) for block in Block]
        fields = np.concatenate([p.fields for p in parts])
        slots = np.concatenate([p.slots for p in parts])
        tokens = [values[pair] for p in parts for pair in p.pairs()]
        blocks = np.repeat(np.arange(len(Block)), [len(p) for p in parts])
        return TokenSequence(
            fields, slots, np.array(tokens, dtype=np.int16), blocks.astype(np.int16)
        )

    def fault(self, sequence: TokenSequence) -> str:
        """What keeps a sequence from being a whole trace of this scene; empty if nothing does."""
        at, known = 0, dict[Position, int]()
        fields, slots, tokens = sequence.fields, sequence.slots, sequence.tokens.tolist()
        for block in Block:
            positions = self.positions(block, known)
            here = slice(at, at + len(positions))
            if not (
                np.array_equal(fields[here], positions.fields)
                and np.array_equal(slots[here], positions.slots)
                and np.all(sequence.blocks[here] == block)
            ):
                return f"{block.name}: other positions than a trace has"
            for (field, slot), token in zip(positions.pairs(), tokens[here], strict=True):
                known_word = 0 <= token < VOCABULARY_SIZE
                if not (known_word and self.allowed_next(field, slot, known)[token]):
                    return f"{Field(field).name} of slot {slot} cannot be {token_name(token)} here"
                known[field, slot] = token
            at += len(positions)
        return "" if at == len(sequence) else "more values than a trace has"

    def is_valid(self, sequence: TokenSequence) -> bool:
        """Whether a sequence is a whole trace of this scene: nothing is missing, nothing senseless."""
        return not self.fault(sequence)


def values_of(sequence: TokenSequence) -> dict[Position, int]:
    """The values of a sequence by position."""
    pairs = zip(sequence.fields.tolist(), sequence.slots.tolist(), strict=True)
    return dict(zip(pairs, sequence.tokens.tolist(), strict=True))


def is_valid(sequence: TokenSequence, slots: Slots) -> bool:
    """Whether a sequence is a whole trace of a scene."""
    return Grammar(slots).is_valid(sequence)
