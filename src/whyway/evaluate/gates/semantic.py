"""Semantic gates: is a drive as consistent, grounded, calm and quick as it has to be, and as its reference was?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from whyway.evaluate.gates.figures import Figure, Figures
from whyway.evaluate.gates.limits import change, judge
from whyway.evaluate.gates.results import Result
from whyway.evaluate.gates.schema import Semantic
from whyway.evaluate.statistics import (
    FEWEST_PAIRS,
    bootstrap_interval,
    paired_difference,
    quantile_interval,
)

KIND = "semantic"
_UNASKED = Figure.missing("no limit asks for a change")


Measured = Mapping[str, tuple[Figure, Figure]]
"""By figure: what it is in a log, and by how much it has risen above the reference's."""


def measured(gate: Semantic, log: Figures, reference: Figures | str) -> Measured:
    """What a gate looks at.

    Args:
      gate: its limits.
      log: to be judged.
      reference: what it is held to where a limit says so, or why there is none.
    """
    found: dict[str, tuple[Figure, Figure]] = {}
    for name, limit in gate.limits.items():
        figure, risen = log.figure(name), _UNASKED
        if limit.relative:
            before = reference if isinstance(reference, str) else reference.figure(name)
            risen = change(figure, before)
        found[name] = figure, risen
    return found


def semantic(gate: Semantic, log: Measured) -> Iterator[Result]:
    """Judge one log."""
    for name, (figure, risen) in log.items():
        yield from judge(KIND, gate.name, name, figure, gate.limits[name], risen, gate.frames)


def pooled(gate: Semantic, logs: Sequence[Measured]) -> Iterator[Result]:
    """Judge all logs together, each a scene of its own: one log that had bad luck is no regression."""
    for name, limit in gate.limits.items():
        together = _together([log[name][0] for log in logs])
        risen = _change([log[name][1] for log in logs])
        yield from judge(KIND, gate.name, name, together, limit, risen, FEWEST_PAIRS)


def _together(figures: Sequence[Figure]) -> Figure:
    """The figure over all drives: a quantile of all their frames, or the mean of the drives."""
    lacking = next((f.why_not for f in figures if f.why_not), "")
    if lacking or not figures:
        return Figure.missing(lacking or "no log")
    q = figures[0].quantile
    if q is not None:
        series = [f.series.tolist() for f in figures if f.series is not None]
        low, high = quantile_interval(series, q)
        value = float(np.quantile(np.concatenate(series), q))
        return Figure(value, low, high, len(series), quantile=q, unit="drives")
    values = [f.value for f in figures]
    low, high = bootstrap_interval(values, expanded=True)
    return Figure(float(np.mean(values)), low, high, len(values), unit="drives")


def _change(changes: Sequence[Figure]) -> Figure:
    """How much the drives' figures have risen: the mean over drives, each against its own reference."""
    lacking = next((f.why_not for f in changes if f.why_not), "")
    if lacking:
        return Figure.missing(lacking)
    values = [f.value for f in changes]
    found = paired_difference(values, [0.0] * len(values), higher_is_better=None)
    return Figure(found.mean, found.low, found.high, found.pairs, unit="drives")
