"""Semantic gates: is a drive as consistent, grounded, calm and quick as it has to be, and as its reference was?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from whyway.evaluate.gates.figures import Figure, Figures
from whyway.evaluate.gates.limits import judge
from whyway.evaluate.gates.results import Result
from whyway.evaluate.gates.schema import Semantic
from whyway.evaluate.statistics import (  # fmt: skip
    FEWEST_PAIRS,
    bootstrap_interval,
    paired_difference,
    quantile_interval,
)

KIND = "semantic"


def semantic(gate: Semantic, log: Figures, reference: Figures | str) -> Iterator[Result]:
    """Judge one log.

    Args:
      gate: its limits.
      log: to be judged.
      reference: what it is held to where a limit says so, or why there is none.
    """
    for name, limit in gate.limits.items():
        before: Figure | str = "no reference is needed"
        if limit.relative:
            before = reference if isinstance(reference, str) else reference.figure(name)
        yield from judge(KIND, gate.name, name, log.figure(name), limit, before, gate.frames)


def pooled(
    gate: Semantic, logs: Sequence[Figures], references: Sequence[Figures | str]
) -> Iterator[Result]:
    """Judge all logs together, each a scene of its own: one log that had bad luck is no regression."""
    for name, limit in gate.limits.items():
        figures = [log.figure(name) for log in logs]
        before: Figure | str = "no reference is needed"
        now = _together(figures)
        if limit.relative:
            missing = [r for r in references if isinstance(r, str)]
            olds = [r.figure(name) for r in references if not isinstance(r, str)]
            if missing:
                before = missing[0]
            elif not now.why_not:
                # what `judge` subtracts: nothing, from a figure that is the change already
                now, before = _change(figures, olds), Figure.exact(0.0)
        yield from judge(KIND, gate.name, name, now, limit, before, FEWEST_PAIRS)


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


def _change(figures: Sequence[Figure], references: Sequence[Figure]) -> Figure:
    """How much the drives' figures have risen, drive by drive."""
    lacking = next((f.why_not for f in references if f.why_not), "")
    if lacking:
        return Figure.missing(f"a reference: {lacking}")
    found = paired_difference(
        [f.value for f in figures], [r.value for r in references], higher_is_better=None
    )
    return Figure(found.mean, found.low, found.high, found.pairs, unit="drives")
