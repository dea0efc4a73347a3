"""Second thoughts: words that the plan would not show are taken back before anybody hears them, and the next best ones are said instead.

The plan still follows from the words, never the other way round: what is said the second time is planned for anew, and stands only if that
plan shows it better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from whyway.reason.engine import Budget, Clock
from whyway.reason.pace import Pace
from whyway.trace.grammar import Words
from whyway.trace.integrity import decision_names
from whyway.trace.vocabulary import Field, token_of
from whyway.types import Agreement, Longitudinal, Scene, Trace

Foresee = Callable[[Scene, Trace], Trace | None]
"""(scene, draft) -> the draft with what would be driven, and whether that agrees; None where it cannot be told."""
Ask = Callable[[Mapping[int, Words]], Sequence[tuple[Trace | None, str]]]
"""Words not to be said, by the numbers of the scenes that are asked of -> what the model says to each of these."""

MOST = 3
"""Thoughts after the first: then what was said best is said."""
CAREFUL = frozenset({Longitudinal.STOP, Longitudinal.YIELD})
"""Whose first thought is to wait is not talked out of it: that the plan does not show it yet only means that there is time."""
INSTEAD_OF = "instead of"
"""How `validator` says that there was a second thought."""


class SecondThoughts:
    """Looks at what would be driven, and asks again where that is not what was said.

    Args:
      foresee: what would be driven.
      clock: seconds; read to know whether there is time to look.
    """

    def __init__(self, foresee: Foresee, clock: Clock) -> None:
        self._foresee, self._clock, self._pace = foresee, clock, Pace()

    def thoughts(
        self, said: Sequence[tuple[Scene, Trace | None]], ask: Ask, budget: Callable[[], Budget | None]
    ) -> dict[int, Trace]:  # fmt: skip
        """What is to be said instead, by number.

        Args:
          said: scenes, and what was said to each first, if anything was.
          ask: asks the model again.
          budget: what is left; None: there is no hurry.
        """
        left = budget()
        if left is not None and left.ms <= self._pace.expect(len(said), 0):
            self._pace.refused(len(said), 0)
            return {}
        begun_s = self._clock()
        first = {
            i: whole
            for i, (scene, draft) in enumerate(said)
            if draft is not None and (whole := self._foresee(scene, draft)) is not None
        }
        self._pace.took(len(said), 0, (self._clock() - begun_s) * 1e3)
        best, found = dict(first), dict[int, Trace]()
        without = {i: words for i, whole in first.items() if (words := taken_back(whole))}
        for _ in range(MOST):
            if not without:
                break
            again, without = without, {}
            for (i, words), (draft, _why) in zip(again.items(), ask(again), strict=True):
                whole = None if draft is None else self._foresee(said[i][0], draft)
                if draft is None or whole is None:
                    continue
                if shows_more(best[i], whole):
                    best[i], found[i] = whole, owned_up(draft, first[i])
                if more := taken_back(whole, careful=frozenset()) - words:
                    without[i] = words | more
        return found


def taken_back(whole: Trace, careful: frozenset[Longitudinal] = CAREFUL) -> Words:
    """The words that the plan does not show, but for careful ones."""
    said, integrity = whole.planning, whole.integrity
    barred = set[tuple[int, int]]()
    if max(integrity.lateral, integrity.lane) != Agreement.OK:
        word = token_of(Field.LATERAL, (said.lateral, said.direction))
        barred.add((Field.LATERAL, word))
    if integrity.longitudinal != Agreement.OK and said.longitudinal not in careful:
        barred.add((Field.LONGITUDINAL, token_of(Field.LONGITUDINAL, said.longitudinal)))
    return frozenset(barred)


def shows_more(first: Trace, second: Trace) -> bool:
    """Whether the second plan shows its words better than the first."""
    return _disagreement(second) < _disagreement(first)


def _disagreement(whole: Trace) -> tuple[bool, int]:
    i = whole.integrity
    return not i.grounding_ok, i.longitudinal + max(i.lateral, i.lane)


def owned_up(second: Trace, first: Trace) -> Trace:
    """What is said the second time, with a note of what was taken back."""
    words = ", ".join(decision_names(first.planning.decision))
    note = f"{second.integrity.validator}, {INSTEAD_OF} {words}"
    integrity = dataclasses.replace(second.integrity, validator=note)
    return dataclasses.replace(second, integrity=integrity)
