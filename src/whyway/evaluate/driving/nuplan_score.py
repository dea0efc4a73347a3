"""A drive -> nuPlan's closed-loop score, over the whole drive, as nuPlan's is over a whole scenario (of 15 s there).

The formulas and their sources are in `metrics/nuplan.py`. From the log alone, so where nuPlan has more or other data than we:

* no person has driven these scenes: the expert's progress is the sum of the farthest that anyone came in each window of PDMS;
* the lane that a point is on is any that contains it: outside junctions its own, in junctions the one that fits best (nuPlan
  follows the sequence of lanes that was driven);
* what was wrong before the driver had a say is left out, as in `pdms.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Bools, Drive
from whyway.evaluate.driving.pdms import DrivingScore, left_out
from whyway.evaluate.metrics import navsim, nuplan
from whyway.evaluate.metrics.navsim_comfort import at_center, comfort
from whyway.types import Floats, Ints, ObjectClass

VRU = (ObjectClass.PEDESTRIAN, ObjectClass.BICYCLE, ObjectClass.ANIMAL)


@dataclass(frozen=True, slots=True)
class NuplanScore:
    """The score and everything it is made of, by nuPlan's names."""

    closed_loop_score: float
    no_ego_at_fault_collisions: float
    drivable_area_compliance: float
    ego_is_making_progress: float
    driving_direction_compliance: float
    ego_progress_along_expert_route: float
    time_to_collision_within_bound: float
    speed_limit_compliance: float
    ego_is_comfortable: float

    def metrics(self) -> dict[str, float | str]:
        """The numbers of a table."""
        parts = [name for name in self.__slots__ if name != "closed_loop_score"]
        return {
            "nuplan_cls": self.closed_loop_score,
            "nuplan_version": nuplan.VERSION,
            **{f"nuplan_{name}": getattr(self, name) for name in parts},
        }


def nuplan_score(drive: Drive, driving: DrivingScore) -> NuplanScore:
    """Judge a drive, of which PDMS is known."""
    ignore, off_road, _ = left_out(drive)
    astray = drive.in_multiple_lanes | off_road
    fault, index, _ = navsim.at_fault(drive.contacts, astray, ignore)
    vru = np.isin(drive.actors.object_class, VRU)
    collisions = nuplan.no_at_fault_collisions(fault, vru, drive.actors.is_agent & ~vru)
    drivable = navsim.drivable_area_compliance(off_road)
    direction = nuplan.driving_direction_compliance(_along_lanes(drive), drive.dt_s)
    ego_m = np.array(drive.route_s_m[-1] - drive.route_s_m[0])
    expert_m = np.array(sum(max(w.progress_m, w.reference_m) for w in driving.windows))
    progress = nuplan.progress_along_expert_route(ego_m, expert_m)
    progressing = nuplan.is_making_progress(progress)
    ttc = nuplan.time_to_collision_within_bound(_ttc(drive, astray, ignore, fault, index))
    limit = drive.road.cover.speed_limit(*drive.center)
    speed = nuplan.speed_limit_compliance(drive.v_mps, limit, drive.dt_s)
    smooth = comfortable(drive)
    terms = {
        "no_ego_at_fault_collisions": collisions,
        "drivable_area_compliance": drivable,
        "ego_is_making_progress": progressing,
        "driving_direction_compliance": direction,
        "ego_progress_along_expert_route": progress,
        "time_to_collision_within_bound": ttc,
        "speed_limit_compliance": speed,
        "ego_is_comfortable": np.asarray(smooth),
    }
    total = nuplan.closed_loop_score(terms)
    return NuplanScore(float(total), **{name: float(value) for name, value in terms.items()})


def comfortable(drive: Drive, start: int = 0, stop: int | None = None) -> float:
    """Comfort between two instants: accelerations of the box's centre, their size at the rear axle."""
    cut = slice(start, stop)
    rate, lon = drive.yaw_rate_rps[cut], drive.a_mps2[cut]
    lat = drive.v_mps[cut] * rate
    turning = np.gradient(rate, drive.dt_s)
    ok, _ = comfort(
        *at_center(lon, lat, rate, turning, drive.center_offset_m), drive.yaw_rad[cut], drive.dt_s, np.hypot(lon, lat)
    )  # fmt: skip
    return float(ok)


def _along_lanes(drive: Drive) -> Floats:
    """How far the box's centre came along its lane in the step that leads to each instant `(T,)`."""
    x, y = drive.center
    along = np.zeros(drive.count)
    along[1:] = drive.road.cover.along_lanes(x[1:], y[1:], np.diff(x), np.diff(y))
    return along


def _ttc(drive: Drive, astray: Bools, ignore: Bools, fault: Bools, index: Ints) -> Floats:
    """The least TTC of the judged actors at each instant `(T,)`: of who is ahead; where the ego is astray or in a junction, also aside."""
    a = drive.actors
    angle = navsim.bearing(
        drive.x_m[:, None], drive.y_m[:, None], drive.yaw_rad[:, None], a.x_m, a.y_m
    )
    aside = (astray | drive.in_junction)[:, None] & (angle <= navsim.BEHIND_RAD)
    free = np.arange(drive.count)[:, None] < index  # who was touched is not judged again
    counts = ((angle < navsim.AHEAD_RAD) | aside) & free & ~ignore
    counts &= np.abs(drive.v_mps)[:, None] > navsim.EGO_MOVES_MPS
    ttc = np.where(counts, nuplan.sampled_ttc(*drive.contact_times), math.inf)
    least: Floats = ttc.min(axis=1, initial=math.inf)
    least[index[fault]] = 0.0
    return least
