"""A recorded drive that a driver watched (open loop) -> what can be said of his plans: NAVSIM's scores, and how far they were off.

The recorded truth was driven by a person, so no score of the driven path is the driver's. But this is what NAVSIM is made for: every
4 s the plan made then, followed exactly (NAVSIM: by a controller), takes the ego's place among the others as they were recorded, and
PDMS and EPDMS are of that; the score is the mean. The person, who drove the same 4 s, is the human filter of EPDMS: a term that he
failed is not held against the plan. Displacement is that of every plan from what was driven after it, as nuPlan's open-loop scores and
end-to-end planning benchmarks report it (`metrics/displacement.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.epdms import compare_plans, known_mean, smoothness
from whyway.evaluate.driving.pdms import driving_score, windows
from whyway.evaluate.metrics import displacement, navsim_v2
from whyway.evaluate.metrics.navsim_comfort import STEP_S
from whyway.types import Floats, Plan

HORIZONS_S = (3.0, 5.0)
HUMAN = "recorded human"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one window, by NAVSIM's names."""

    no_at_fault_collisions: float
    drivable_area_compliance: float
    driving_direction_compliance: float
    traffic_light_compliance: float
    ego_progress: float
    time_to_collision_within_bound: float
    lane_keeping: float
    history_comfort: float
    extended_comfort: float
    comfort: float
    pdms: float

    @property
    def epdms(self) -> float:
        """EPDMS of these terms."""
        own = [getattr(self, f.name) for f in fields(self)[:9]]
        return float(navsim_v2.epdms(*(np.asarray(value) for value in own)))

    def filtered(self, human: Terms) -> Terms:
        """The same after the human filter; EC has no human counterpart, and PDMS no filter."""
        names = [f.name for f in fields(self)[:8]]
        own = {
            name: float(navsim_v2.human_filter(*(np.asarray(getattr(t, name)) for t in (self, human))))
            for name in names
        }  # fmt: skip
        return replace(self, **own)


@dataclass(frozen=True, slots=True)
class OpenLoopScore:
    """Means over the windows that have a plan, and over the plans; None where there was none, or none so long."""

    plans: int
    windows: tuple[Terms, ...]
    epdms: float | None
    forgiven: int
    """Terms that the person failed as well, over all windows."""
    displacements_m: dict[float, tuple[float, float, float]]
    """By horizon [s]: ADE, FDE and Argoverse's miss rate."""

    def mean(self, name: str) -> float | None:
        """The mean of a term."""
        value = known_mean([getattr(w, name) for w in self.windows])
        return None if np.isnan(value) else value

    def metrics(self) -> dict[str, float | int | str | None]:
        """The numbers of a table: NAVSIM's are of the plans, under the names that are the drive's in closed loop."""
        found: dict[str, float | int | str | None] = {
            f.name: self.mean(f.name) for f in fields(Terms)
        }
        found |= {
            "open_loop": True,
            "epdms": self.epdms,
            "epdms_human_filter": HUMAN,
            "epdms_forgiven": self.forgiven,
        }
        for horizon in HORIZONS_S:
            row = self.displacements_m.get(horizon)
            for i, name in enumerate(("plan_ade_m", "plan_fde_m", "plan_miss_rate")):
                found[f"{name}_{horizon:g}s"] = None if row is None else row[i]
        return found


def open_loop_score(drive: Drive, plans: Sequence[Plan]) -> OpenLoopScore:
    """Judge the plans that were made during a recorded drive."""
    by_stamp = {p.stamp_ns: p for p in plans}
    pairs = compare_plans(plans)
    judged: list[Terms] = []
    scores: list[float] = []
    forgiven = 0
    for start, stop in windows(drive.count, drive.dt_s):
        plan = by_stamp.get(int(drive.stamps_ns[start]))
        if plan is None or not _lasts(plan, drive, stop):
            continue
        begin = max(0, start - round(navsim_v2.HISTORY_S / drive.dt_s))
        recorded = drive.part(begin, stop + 1)
        here = slice(start - begin, stop - begin + 1)
        planned = terms(planned_drive(recorded, plan, here), pairs, here)
        human = terms(recorded, pairs, here)
        allowed = planned.filtered(human)
        forgiven += sum(getattr(allowed, f.name) != getattr(planned, f.name) for f in fields(Terms)[:8])  # fmt: skip
        judged.append(planned)
        scores.append(allowed.epdms)
    return OpenLoopScore(
        plans=len(plans),
        windows=tuple(judged),
        epdms=float(np.mean(scores)) if scores else None,
        forgiven=forgiven,
        displacements_m=_displacements(drive, plans),
    )


def _lasts(plan: Plan, drive: Drive, stop: int) -> bool:
    """Whether a plan reaches an instant."""
    t = plan.waypoints.t_s
    needed_s = (int(drive.stamps_ns[stop]) - plan.stamp_ns) * 1e-9
    return len(t) > 1 and float(t[-1]) >= needed_s - 1e-6


def terms(drive: Drive, pairs: dict[int, float], here: slice) -> Terms:
    """The terms of some instants as a scene of their own; what was driven before them is history."""
    scene = driving_score(drive.part(here.start, here.stop))
    smooth = smoothness(drive, pairs, here.start, here.stop - 1)
    own = {f.name: getattr(scene, f.name) for f in fields(Terms) if hasattr(scene, f.name)}
    return Terms(
        **own,
        lane_keeping=smooth.lane_keeping,
        history_comfort=smooth.history_comfort,
        extended_comfort=smooth.extended_comfort,
    )


def planned_drive(drive: Drive, plan: Plan, here: slice) -> Drive:
    """The drive with a plan in the ego's place at some instants."""
    w = plan.waypoints
    t = (drive.stamps_ns[here] - plan.stamp_ns) * 1e-9
    planned = {
        "x_m": w.x_m,
        "y_m": w.y_m,
        "yaw_rad": np.unwrap(w.yaw_rad),
        "v_mps": w.v_mps,
        "a_mps2": w.a_mps2,
        "yaw_rate_rps": w.v_mps * w.curvature_1pm,
    }
    own = {name: getattr(drive, name).copy() for name in planned}
    for name, values in planned.items():
        own[name][here] = np.interp(t, w.t_s, values)
    return replace(drive, **own)


def _displacements(drive: Drive, plans: Sequence[Plan]) -> dict[float, tuple[float, float, float]]:
    found = {}
    for horizon in HORIZONS_S:
        rows = [r for p in plans if (r := _against_driven(drive, p, horizon)) is not None]
        if not rows:
            continue
        forecast, truth = (np.array([r[i] for r in rows]) for i in (0, 1))
        ade = displacement.average_displacement(forecast, truth)
        fde = displacement.final_displacement(forecast, truth)
        missed = displacement.argoverse_miss(forecast, truth)
        found[horizon] = float(ade.mean()), float(fde.mean()), float(missed.mean())
    return found


def _against_driven(drive: Drive, plan: Plan, horizon_s: float) -> tuple[Floats, Floats] | None:
    """Where a plan would be `(1, n, 2)` and where the ego was `(n, 2)` every 0.1 s up to a horizon; None beyond either's end."""
    w = plan.waypoints
    last_s = (int(drive.stamps_ns[-1]) - plan.stamp_ns) * 1e-9
    before = plan.stamp_ns < int(drive.stamps_ns[0])
    if before or len(w.t_s) < 2 or min(float(w.t_s[-1]), last_s) < horizon_s - 1e-6:
        return None
    t = np.arange(1, round(horizon_s / STEP_S) + 1) * STEP_S
    at = (drive.stamps_ns - plan.stamp_ns) * 1e-9
    planned = np.stack([np.interp(t, w.t_s, a) for a in (w.x_m, w.y_m)], axis=-1)
    driven = np.stack([np.interp(t, at, a) for a in (drive.x_m, drive.y_m)], axis=-1)
    return planned[None], driven
