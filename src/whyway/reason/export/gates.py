"""Is it still the same model? What a backend or a graph answers, against the reference, with a limit for each precision.

Measured over the tokens that each question's field may hold. Logits of a question are compared without their mean, which softmax does not
see: a large common offset would hide errors. Where the reference itself hardly knows which token is first, another choice is no error:
only questions count whose first two are further apart than three times the tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whyway.reason.export.golden import UNKNOWN, Answers
from whyway.reason.export.recipe import Precision
from whyway.reason.spec import Float32s

Floats = NDArray[np.float64]

MARGIN = 3.0
"""Tolerances between the reference's first two tokens that make a question one that counts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a precision may cost."""

    same_token: float
    """Least share of the questions that count whose most probable token is the reference's."""
    largest: float | None = None
    """Most difference of a logit."""
    relative: float | None = None
    """Most |candidate - reference| / |reference| over all logits (L2)."""
    divergence: float | None = None
    """Most mean Kullback-Leibler divergence of the candidate from the reference, in nats."""
    fewer_right: float = 0.01
    """Most that the share of the expert's own tokens may fall, where the expert's trace is known."""


LIMITS: Mapping[Precision, Limits] = {
    "fp32": Limits(same_token=1.0, largest=5e-5),
    "fp16": Limits(same_token=0.97, relative=2e-2, divergence=2e-4),
    "int8": Limits(same_token=0.96, relative=4e-2, divergence=1e-3),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: float
    limit: float
    at_most: bool
    """The limit is an upper one."""

    @property
    def passed(self) -> bool:
        """Not-a-number passes nothing."""
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


def gate(reference: Answers, candidate: Float32s, precision: Precision) -> list[Row]:
    """The table of one comparison.

    Args:
      reference: what the reference answered to a tape.
      candidate: (n, V) logits of the other one to the same tape.
      precision: whose limits apply.
    """
    assert candidate.shape == reference.logits.shape
    limits, allowed = LIMITS[precision], reference.allowed
    true, found = _centred(reference.logits, allowed), _centred(candidate, allowed)
    rows = []
    if limits.largest is not None:
        rows.append(
            Row("largest difference of a logit", _largest(true, found), limits.largest, True)
        )
    if limits.relative is not None:
        relative = float(np.linalg.norm(found - true) / np.linalg.norm(true))
        rows.append(Row("relative difference (L2)", relative, limits.relative, True))
    if limits.divergence is not None:
        divergence = _divergence(true, found, allowed)
        rows.append(Row("divergence, nats", divergence, limits.divergence, True))
    tolerance = np.full(len(true), limits.largest or 0.0)
    if limits.relative is not None:
        size = np.sqrt((true**2).sum(axis=1) / np.maximum(allowed.sum(axis=1), 1))
        tolerance = limits.relative * size
    rows.append(Row("same token", _same(true, found, allowed, tolerance), limits.same_token, False))
    if (reference.true != UNKNOWN).any():
        right, now = (_right(x, reference) for x in (true, found))
        rows.append(Row(f"fewer of the expert's tokens than {right:.4f}", right - now, limits.fewer_right, True))  # fmt: skip
    return rows


def _centred(logits: Float32s, allowed: NDArray[np.bool_]) -> Floats:
    """(n, V) less each question's mean over what is allowed; what is not is zero."""
    kept = np.where(allowed, logits, 0.0).astype(np.float64)
    mean = kept.sum(axis=1, keepdims=True) / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    return np.where(allowed, kept - mean, 0.0)


def _largest(true: Floats, found: Floats) -> float:
    return float(np.abs(found - true).max())


def _divergence(true: Floats, found: Floats, allowed: NDArray[np.bool_]) -> float:
    log_p, log_q = (_log_softmax(x, allowed) for x in (true, found))
    return float((np.exp(log_p) * (log_p - log_q) * allowed).sum(axis=1).mean())


def _log_softmax(x: Floats, allowed: NDArray[np.bool_]) -> Floats:
    """Among what is allowed; zero elsewhere."""
    x = np.where(allowed, x, -np.inf)
    x = x - x.max(axis=1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return np.where(allowed, log_p, 0.0)


def _same(true: Floats, found: Floats, allowed: NDArray[np.bool_], tolerance: Floats) -> float:
    """Share of equal first tokens among the questions that count; not-a-number if none does."""
    true, found = (np.where(allowed, x, -np.inf) for x in (true, found))
    first = np.sort(true, axis=1)[:, -2:]
    counts = first[:, 1] - first[:, 0] > MARGIN * tolerance
    counts &= allowed.sum(axis=1) > 1
    if not counts.any():
        return float("nan")
    return float((true.argmax(axis=1) == found.argmax(axis=1))[counts].mean())


def _right(logits: Floats, reference: Answers) -> float:
    """Share of questions whose first token is the expert's."""
    known = reference.true != UNKNOWN
    first = np.where(reference.allowed, logits, -np.inf).argmax(axis=1)
    return float((first == reference.true)[known].mean())
