"""A drive -> EPDMS, NAVSIM v2's score, taken to a whole closed-loop drive as `pdms.py` takes PDMS.

EPDMS = NC DAC DDC TLC (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16. What must never happen holds over the whole drive; the averaged terms
are of the same windows of 4 s. NC to TTC are those of PDMS (NAVSIM v2 looks for collisions ahead to the window's end only, ours on to
what is logged after it); new are

* LK: the distance of the box's centre from the line that `reference.way_from` gives at the window's start, the route's or that of
  the ego's own lane: as in NAVSIM, whoever takes two seconds to change lanes does not keep one;
* HC: comfort of the window and the 1.5 s driven before it, at the box's centre;
* EC: each plan against the earliest one less than 0.55 s older, on the first 4 s of both as they overlap, as planned (NAVSIM follows
  them with a controller first); the mean over a window's plans. NAVSIM compares frames half a second apart; so does this at 10 Hz.

The human filter takes a term that a person failed, too, as passed. These scenes were driven by nobody else, so here it lets every term
stand; where a person drove (open loop) it is applied, in `open_loop.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.nuplan_score import comfortable
from whyway.evaluate.driving.pdms import WINDOW_S, DrivingScore, windows
from whyway.evaluate.driving.reference import REACH_M, way_from
from whyway.evaluate.metrics import navsim_v2 as metrics
from whyway.evaluate.metrics.navsim_comfort import STEP_S
from whyway.maps.path import project_near
from whyway.types import Floats, Plan

SHORTEST_OVERLAP_S = 1.5
"""Plans that overlap less are not compared: the filter of jerk is as long."""


@dataclass(frozen=True, slots=True)
class Smoothness:
    """The terms of one window that PDMS does not have; `extended_comfort` is NaN where it holds no two plans to compare."""

    lane_keeping: float
    history_comfort: float
    extended_comfort: float


@dataclass(frozen=True, slots=True)
class EpdmsScore:
    """EPDMS, its own terms as means over the windows, and what the human filter had to go by."""

    epdms: float
    lane_keeping: float
    history_comfort: float
    extended_comfort: float | None
    human_filter: str
    """"recorded human", or "none": every term stands as it is."""

    def metrics(self) -> dict[str, float | str | None]:
        """The numbers of a table."""
        return {
            "epdms": self.epdms,
            "epdms_version": metrics.VERSION,
            "epdms_human_filter": self.human_filter,
            "lane_keeping": self.lane_keeping,
            "history_comfort": self.history_comfort,
            "extended_comfort": self.extended_comfort,
        }


def epdms_score(drive: Drive, driving: DrivingScore, plans: Sequence[Plan]) -> EpdmsScore:
    """Judge a drive, of which PDMS is known, and its plans."""
    pairs = compare_plans(plans)
    parts = [
        smoothness(drive, pairs, start, stop) for start, stop in windows(drive.count, drive.dt_s)
    ]
    lk = float(np.mean([p.lane_keeping for p in parts]))
    hc = float(np.mean([p.history_comfort for p in parts]))
    ec = known_mean([p.extended_comfort for p in parts])
    terms = (
        driving.no_at_fault_collisions, driving.drivable_area_compliance, driving.driving_direction_compliance,
        driving.traffic_light_compliance, driving.ego_progress, driving.time_to_collision_within_bound, lk, hc, ec,
    )  # fmt: skip
    return EpdmsScore(
        epdms=float(metrics.epdms(*(np.asarray(t) for t in terms))),
        lane_keeping=lk,
        history_comfort=hc,
        extended_comfort=None if np.isnan(ec) else ec,
        human_filter="none",
    )


def known_mean(values: Sequence[float]) -> float:
    """The mean of what is no NaN; NaN if nothing is."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def smoothness(drive: Drive, pairs: dict[int, float], start: int, stop: int) -> Smoothness:
    """LK, HC and EC of a window, both instants included; `pairs` from `compare_plans`."""
    before = max(0, start - round(metrics.HISTORY_S / drive.dt_s))
    first, last = int(drive.stamps_ns[start]), int(drive.stamps_ns[stop])
    return Smoothness(
        lane_keeping=lane_keeping(drive, start, stop),
        history_comfort=comfortable(drive, before, stop + 1),
        extended_comfort=known_mean([ec for at, ec in pairs.items() if first <= at < last]),
    )


def lane_keeping(drive: Drive, start: int, stop: int) -> float:
    """LK of a window, both instants included."""
    path, s, _ = way_from(drive, start)
    x, y = (c[start : stop + 1] for c in drive.center)
    _, d = project_near(path.center, x, y, s - 20.0, s + REACH_M)
    in_junction = drive.road.cover.in_junction(x, y)
    return float(metrics.lane_keeping(np.abs(d), in_junction, drive.dt_s))


def compare_plans(plans: Sequence[Plan]) -> dict[int, float]:
    """EC of each plan [by stamp in ns] against the earliest one less than 0.55 s older; none where they overlap too little."""
    plans = sorted(plans, key=lambda p: p.stamp_ns)
    stamps, curves = [p.stamp_ns for p in plans], [_curves(p) for p in plans]
    found: dict[int, list[tuple[int, Floats, Floats]]] = {}
    first = 0
    for i in range(len(plans)):
        while stamps[i] - stamps[first] >= metrics.PAIR_S * 1e9:
            first += 1
        older_s = (stamps[i] - stamps[first]) * 1e-9
        n = _overlap(curves[i], curves[first], older_s) if older_s > 0.0 else 0
        if n * STEP_S > SHORTEST_OVERLAP_S:
            pair = _at(curves[i], n, 0.0), _at(curves[first], n, older_s)
            found.setdefault(n, []).append((stamps[i], *pair))
    result: dict[int, float] = {}
    for rows in found.values():  # as many samples each: judged together
        now, before = (np.array([row[k] for row in rows]).swapaxes(0, 1) for k in (1, 2))
        ec, _ = metrics.extended_comfort((*now,), (*before,), STEP_S)
        result |= {row[0]: float(c) for row, c in zip(rows, ec, strict=True)}
    return result


def _curves(plan: Plan) -> Floats:
    """Times after a plan's stamp, acceleration along and across the car, and heading: `(4, n)`."""
    w = plan.waypoints
    return np.stack([w.t_s, w.a_mps2, w.v_mps**2 * w.curvature_1pm, np.unwrap(w.yaw_rad)])


def _overlap(curves: Floats, older: Floats, seconds: float) -> int:
    """At how many instants both plans can be compared."""
    if min(curves.shape[1], older.shape[1]) < 2:
        return 0
    ends = float(curves[0, -1]), float(older[0, -1]) - seconds, WINDOW_S - seconds
    return int(min(ends) / STEP_S + 1e-6) + 1


def _at(curves: Floats, n: int, from_s: float) -> Floats:
    """What a plan's curves are at n instants from some seconds after its stamp on: `(3, n)`."""
    t = np.arange(n) * STEP_S + from_s
    return np.stack([np.interp(t, curves[0], curve) for curve in curves[1:]])
