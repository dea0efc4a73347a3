"""A figure against its limit: failed only if the whole interval lies beyond, not judged where too few frames say too little."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from whyway.evaluate.gates.figures import Figure, stretches
from whyway.evaluate.gates.results import Outcome, Result
from whyway.evaluate.gates.schema import Limit
from whyway.evaluate.statistics import paired_difference


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of a limit: `sense` is +1 if more is beyond it, -1 if less is; relative: of the change against the reference."""

    words: str
    bound: float
    sense: int
    relative: bool


def bounds(limit: Limit) -> Iterator[Bound]:
    """The sides of a limit."""
    if limit.at_most is not None:
        yield Bound(f"at most {limit.at_most:g}", limit.at_most, 1, False)
    if limit.at_least is not None:
        yield Bound(f"at least {limit.at_least:g}", limit.at_least, -1, False)
    if limit.rise is not None:
        yield Bound(f"may rise by {limit.rise:g}", limit.rise, 1, True)
    if limit.drop is not None:
        yield Bound(f"may drop by {limit.drop:g}", -limit.drop, -1, True)


def judge(
    kind: str, gate: str, name: str, figure: Figure, limit: Limit, risen: Figure, fewest: int
) -> Iterator[Result]:  # fmt: skip
    """A result for each side of a limit.

    Args:
      kind: of the gate.
      gate: its name.
      name: of the figure.
      figure: of the log.
      limit: what is allowed.
      risen: by how much it is above the reference's (`change`).
      fewest: of frames, that say anything.
    """
    for bound in bounds(limit):
        title = f"{name} {bound.words}" if gate == kind else f"{gate}: {name} {bound.words}"
        seen = risen if bound.relative else figure
        why = seen.why_not
        # what is exact needs no frames
        if not why and seen.frames and seen.frames < fewest:
            why = f"{seen.frames} {seen.unit} are too few to judge by; {fewest} would do"
        outcome, text = (Outcome.NOT_JUDGED, why) if why else _verdict(name, seen, bound)
        result = Result(kind, title, outcome, text, limit=bound.words)
        if not math.isnan(seen.value):
            result = replace(result, figure=seen.value, low=seen.low, high=seen.high)
        yield result


def _verdict(name: str, seen: Figure, bound: Bound) -> tuple[Outcome, str]:
    """Failed if even the interval's better end is beyond the bound."""
    better = seen.low if bound.sense > 0 else seen.high
    if math.isnan(seen.value):
        return Outcome.NOT_JUDGED, f"{name} is no number"
    if not math.isfinite(better):  # whatever was measured, it could not fail: that is no gate
        return Outcome.NOT_JUDGED, f"{told(seen)}: too few {seen.unit} to exclude anything"
    change_of = "change " if bound.relative else ""
    if bound.sense * (better - bound.bound) > 0.0:
        return Outcome.FAILED, f"{change_of}{told(seen)}, {bound.words}"
    return Outcome.PASSED, f"{change_of}{told(seen)}"


def told(figure: Figure) -> str:
    """A figure with its interval, where it has one."""
    if figure.low == figure.high == figure.value and not figure.frames:
        return f"{figure.value:.4g}"
    return (
        f"{figure.value:.4g} [{figure.low:.4g}, {figure.high:.4g}] of {figure.frames} {figure.unit}"
    )


def change(figure: Figure, reference: Figure | str) -> Figure:
    """How much a figure has risen above the reference's, with the interval of that; a text says why there is no reference.

    Values of the same stamps are paired; quantiles, and series that share no stamp, keep the distance of their intervals, which is
    the cautious answer.
    """
    if figure.why_not:
        return figure
    if isinstance(reference, str) or reference.why_not:
        why = reference if isinstance(reference, str) else f"the reference: {reference.why_not}"
        return Figure.missing(why)
    if not figure.frames and not reference.frames:
        return Figure.exact(figure.value - reference.value)
    paired = _paired(figure, reference)
    return paired or Figure(
        figure.value - reference.value,
        figure.low - reference.high,
        figure.high - reference.low,
        min(figure.frames, reference.frames),
    )


def _paired(figure: Figure, reference: Figure) -> Figure | None:
    """The change frame by frame; None where the two share no frames."""
    if figure.stamps_ns is None or reference.stamps_ns is None:
        return None
    assert figure.series is not None and reference.series is not None
    _, ours, theirs = np.intersect1d(figure.stamps_ns, reference.stamps_ns, return_indices=True)
    if len(ours) < 2:
        return None
    a, b = figure.series[ours], reference.series[theirs]
    found = paired_difference(a, b, higher_is_better=None, scenes=stretches(len(a)))
    return Figure(found.mean, found.low, found.high, len(ours))
