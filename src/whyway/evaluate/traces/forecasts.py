"""A log's forecasts of cited objects against what the actors did, from the log alone.

A cited object's forecast is its hypotheses in the scene of that stamp. Who it really is: the true actor whose box is nearest to where
it was believed to be, at most `NEAR_M` away. Only the first `FORECAST_S` are judged, and forecasts of which less than `KNOWN_S` came to
be recorded are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.metrics.calibration import Calibration, calibrate, displacement
from whyway.geometry import distance_to_box
from whyway.log import Log
from whyway.types import Floats, PredictedPath, Scene, Trace, TrackedObject

NEAR_M = 3.0
"""How far from a true road user's box a cited object may be believed to be."""
FORECAST_S = 5.0
KNOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class _Row:
    """One hypothesis: of which forecast, made at which instant, of which actor."""

    forecast: int
    instant: int
    column: int
    path: PredictedPath


def prediction_calibration(log: Log, drive: Drive) -> Calibration:
    """Score every forecast that a trace of the log rests on."""
    rows = _rows(log, drive)
    error_m = np.full(len(rows), np.nan)
    alike: dict[tuple[float, int], list[int]] = {}
    for i, row in enumerate(rows):
        alike.setdefault((row.path.dt_s, len(row.path.x_m)), []).append(i)
    for (dt_s, count), group in alike.items():
        error_m[group] = _errors(drive, [rows[i] for i in group], dt_s, count)
    forecast = np.array([r.forecast for r in rows], dtype=np.int64)
    return calibrate(forecast, np.array([r.path.probability for r in rows]), error_m)


def _rows(log: Log, drive: Drive) -> list[_Row]:
    scenes = {s.stamp_ns: s for s in log.of(Scene)}
    instant = {int(stamp): i for i, stamp in enumerate(drive.stamps_ns)}
    last = drive.count - 1 - round(KNOWN_S / drive.dt_s)
    rows: list[_Row] = []
    forecasts = 0
    for trace in log.of(Trace):
        scene, at = scenes.get(trace.stamp_ns), instant.get(trace.stamp_ns)
        if scene is None or at is None or at > last:
            continue
        cited = {c.id for c in trace.perception.critical_objects}
        objects = [o for o in scene.objects if o.id in cited and o.predictions]
        for o, column in zip(objects, matches(objects, drive, at), strict=True):
            if column >= 0:
                rows += [_Row(forecasts, at, column, path) for path in o.predictions]
                forecasts += 1
    return rows


def matches(objects: list[TrackedObject], drive: Drive, instant: int) -> list[int]:
    """The column among the drive's actors of whom each object really is, -1 where nobody is near."""
    a = drive.actors
    there = np.flatnonzero(~np.isnan(a.x_m[instant]))
    if not objects or not len(there):
        return [-1] * len(objects)
    x, y = (np.array([getattr(o, name) for o in objects])[:, None] for name in ("x_m", "y_m"))
    boxes = (p[instant, there] for p in (a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m))
    away = distance_to_box(x, y, *boxes)
    nearest = np.argmin(away, axis=1)
    near = away[np.arange(len(objects)), nearest] <= NEAR_M
    return [int(c) for c in np.where(near, there[nearest], -1)]


def _errors(drive: Drive, rows: list[_Row], dt_s: float, count: int) -> Floats:
    """Mean displacement `(N,)` of hypotheses sampled alike; NaN where too little of it was recorded."""
    a = drive.actors
    steps = np.arange(1, count + 1) * dt_s
    steps = steps[steps <= FORECAST_S + 1e-6]
    n = len(steps)
    at = np.array([r.instant for r in rows])[:, None] + np.rint(steps / drive.dt_s).astype(int)
    column = np.array([r.column for r in rows])[:, None]
    recorded = at < drive.count
    at = np.minimum(at, drive.count - 1)
    true_x, true_y = (np.where(recorded, v[at, column], np.nan) for v in (a.x_m, a.y_m))
    x, y = (np.stack([getattr(r.path, v)[:n] for r in rows]) for v in ("x_m", "y_m"))
    error = displacement(x, y, true_x, true_y)
    known_s = np.where(np.isnan(true_x), 0.0, steps).max(axis=1, initial=0.0)
    return np.where(known_s >= KNOWN_S - 1e-6, error, np.nan)
