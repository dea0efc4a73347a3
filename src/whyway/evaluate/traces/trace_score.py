"""Log -> all that is said of its traces beyond agreement and grounding: forecasts, steadiness of plans, coverage of true causes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.config import ConfigError
from whyway.evaluate.drive import Drive
from whyway.evaluate.metrics.calibration import Calibration
from whyway.evaluate.metrics.stability import plan_distances
from whyway.evaluate.traces.coverage import coverage
from whyway.evaluate.traces.forecasts import prediction_calibration
from whyway.log import Log
from whyway.types import Plan, Trace

EXPERT = "rules"
"""The driver whose causes are the true ones: to ask it again would tell nothing."""


@dataclass(frozen=True, slots=True)
class TraceScore:
    """None where the log has nothing to measure it on.

    `coverage` is None, too, where the driver is the expert itself, or the log's configuration is not one of this version.
    """

    predictions: Calibration
    plan_frechet_p50_m: float | None
    plan_frechet_p99_m: float | None
    coverage: float | None

    def metrics(self) -> dict[str, float | int | None]:
        """The numbers by their names."""
        p = self.predictions
        return {
            "coverage": self.coverage,
            "predictions": p.forecasts,
            "prediction_brier": p.brier,
            "prediction_nll": p.nll,
            "prediction_ade_m": p.ade_m,
            "prediction_min_ade_m": p.min_ade_m,
            "plan_frechet_p50_m": self.plan_frechet_p50_m,
            "plan_frechet_p99_m": self.plan_frechet_p99_m,
        }


def trace_score(log: Log, drive: Drive) -> TraceScore:
    """Judge the traces and plans of a log."""
    between = plan_distances(log.of(Plan))
    p50, p99 = np.percentile(between, [50, 99]) if len(between) else (None, None)
    return TraceScore(
        prediction_calibration(log, drive),
        None if p50 is None else float(p50),
        None if p99 is None else float(p99),
        _coverage(log, drive),
    )


def _coverage(log: Log, drive: Drive) -> float | None:
    if log.info.get("driver") == EXPERT or not log.of(Trace):
        return None
    try:
        return coverage(log, drive.road)
    except ConfigError:
        return None
