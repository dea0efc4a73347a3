"""Forecasts against the future that was recorded: were the probabilities worth their numbers, and how far off were the paths?

Per forecast of H hypotheses `followed` is the one nearest to what the object did (least mean distance). Its probability is scored by

* Brier's score, sum over the hypotheses of (p_h - [h followed])^2, in [0, 2]: G. W. Brier, "Verification of forecasts expressed in
  terms of probability", Monthly Weather Review 78, 1950, in its original form for several classes;
* negative log-likelihood, -ln p_followed, of at least `LEAST_P`;

both over forecasts with a choice (H > 1) only: who names one future claims nothing about its probability. Paths are scored by ADE (the
likeliest) and minADE over all H, averaged over the steps up to the last one recorded: N. Lee et al., "DESIRE", CVPR 2017, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.types import Floats, Ints

LEAST_P = 1e-3
"""A probability is taken for at least this: one surprise shall not outweigh all other forecasts."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Means over forecasts; None where there are none."""

    forecasts: int
    """With a recorded future."""
    choices: int
    """Of them with more than one hypothesis."""
    brier: float | None
    nll: float | None
    ade_m: float | None
    min_ade_m: float | None


def displacement(x_m: Floats, y_m: Floats, true_x_m: Floats, true_y_m: Floats) -> Floats:
    """Mean distance [m] `(...)` of paths `(..., n)` from what was driven over the steps that are known (not NaN); NaN without any."""
    away = np.hypot(x_m - true_x_m, y_m - true_y_m)
    known = ~np.isnan(away)
    count = known.sum(axis=-1)
    total = np.where(known, away, 0.0).sum(axis=-1)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def brier_score(probability: Floats, followed: int) -> float:
    """Brier's score of one forecast of H probabilities, in [0, 2]; 0 is best."""
    outcome = np.arange(len(probability)) == followed
    return float(np.sum((probability - outcome) ** 2))


def negative_log_likelihood(probability: Floats, followed: int) -> float:
    """-ln of what was given to the hypothesis that came true."""
    return -float(np.log(max(float(probability[followed]), LEAST_P)))


def calibrate(forecast: Ints, probability: Floats, error_m: Floats) -> Calibration:
    """Score forecasts, given as rows of hypotheses.

    Args:
      forecast: which forecast each of the rows belongs to, `(N,)`, equal ones next to each other.
      probability: of each hypothesis, `(N,)`.
      error_m: how far each was from what happened, `(N,)` (`displacement`); NaN where nothing is known of that.
    """
    rows = np.flatnonzero(~np.isnan(error_m))
    groups = np.split(rows, np.flatnonzero(np.diff(forecast[rows])) + 1) if len(rows) else []
    brier, nll, ade, min_ade = [], [], [], []
    for group in groups:
        p, error = probability[group], error_m[group]
        followed = int(np.argmin(error))
        ade.append(float(error[np.argmax(p)]))
        min_ade.append(float(error[followed]))
        if len(group) > 1:
            brier.append(brier_score(p, followed))
            nll.append(negative_log_likelihood(p, followed))
    return Calibration(
        len(groups), len(brier), _mean(brier), _mean(nll), _mean(ade), _mean(min_ade)
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
