"""A drive -> how close it came: TTC, THW, PET, DRAC, a_req, TET and TIT of the ego and everyone else, at their worst.

The formulas and their sources are in `metrics/criticality.py`. An actor that overlaps the ego at the first instant is left out, as in
`pdms.py`. TTC is of whoever is on a collision course at constant velocities, from whatever side; THW, DRAC and a_req are of who drives
or stands ahead in the ego's way; PET is of paths that cross.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.evaluate.drive import Actors, Bools, Drive
from whyway.evaluate.metrics import criticality as metrics
from whyway.evaluate.metrics.navsim import Collision
from whyway.types import Floats

PET_HORIZON_S = 3.0
_BLOCK = 256
"""Instants looked at together."""


@dataclass(frozen=True, slots=True)
class Criticality:
    """The worst of a drive; inf (or 0 for a deceleration) where there was nobody."""

    min_ttc_s: float
    min_thw_s: float
    min_pet_s: float
    max_drac_mps2: float
    min_a_req_mps2: float
    tet_s: float
    tit_s2: float

    def metrics(self) -> dict[str, float | None]:
        """The numbers of a table; None where there was nobody."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: value if math.isfinite(value) else None for name, value in found.items()}


def criticality(drive: Drive) -> Criticality:
    """Judge a drive."""
    judged: Bools = np.asarray(drive.contacts[0] == Collision.NONE)
    begin, end = drive.contact_times
    ttc = metrics.time_to_collision(begin[:, judged], end[:, judged]).min(axis=1, initial=math.inf)
    actors = drive.actors.chosen(slice(None), judged)
    thw, drac, needed = _ahead(drive, actors)
    return Criticality(
        min_ttc_s=float(ttc.min()),
        min_thw_s=thw,
        min_pet_s=_least_pet(drive, actors),
        max_drac_mps2=drac,
        min_a_req_mps2=needed,
        tet_s=float(metrics.time_exposed(ttc, drive.dt_s)),
        tit_s2=float(metrics.time_integrated(ttc, drive.dt_s)),
    )


def _ahead(drive: Drive, actors: Actors) -> tuple[float, float, float]:
    """The least THW, the greatest DRAC and the hardest a_req of who was ahead."""
    acceleration = _accelerations(actors.v_mps, drive.dt_s)
    moves = np.abs(drive.v_mps) > metrics.STANDS_MPS
    curvature = np.where(moves, drive.yaw_rate_rps / np.where(moves, drive.v_mps, 1.0), 0.0)
    thw, drac, needed = math.inf, 0.0, 0.0
    for start in range(0, drive.count, _BLOCK):
        part = slice(start, start + _BLOCK)
        x, y = drive.x_m[part], drive.y_m[part]
        away = np.hypot(actors.x_m[part] - x[:, None], actors.y_m[part] - y[:, None])
        near: Bools = np.asarray((away < metrics.REACH_M).any(axis=0))
        a = actors.chosen(part, near)
        gap, speed = metrics.following(
            x, y, drive.yaw_rad[part], curvature[part], drive.length_m, drive.width_m, drive.center_offset_m,
            a.x_m, a.y_m, a.yaw_rad, a.v_mps, a.length_m, a.width_m,
        )  # fmt: skip
        v = drive.v_mps[part]
        thw = min(thw, float(metrics.time_headway(gap, v).min(initial=math.inf)))
        drac = max(drac, float(metrics.deceleration_to_avoid_crash(gap, v, speed).max(initial=0.0)))
        braking = metrics.required_acceleration(gap, v, speed, acceleration[part][:, near])
        needed = min(needed, float(braking.min(initial=0.0)))
    return thw, drac, needed


def _accelerations(v_mps: Floats, dt_s: float) -> Floats:
    """Of everyone `(T, A)`, from speeds before and after; 0 where those are not known."""
    if len(v_mps) < 2:
        return np.zeros_like(v_mps)
    slope: Floats = np.gradient(v_mps, dt_s, axis=0)
    return np.nan_to_num(slope, nan=0.0)


def _least_pet(drive: Drive, actors: Actors) -> float:
    x, y = drive.center
    lag = round(PET_HORIZON_S / drive.dt_s)
    least = math.inf
    for start in range(0, drive.count, _BLOCK):
        part = slice(max(0, start - lag), start + _BLOCK + lag)
        a = actors.chosen(part, _on_the_way(drive, actors, part))
        if a.x_m.shape[1]:
            pet = metrics.post_encroachment_time(
                x[part], y[part], drive.yaw_rad[part], drive.length_m, drive.width_m,
                a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m, drive.dt_s, PET_HORIZON_S,
            )  # fmt: skip
            least = min(least, float(pet.min()))
    return least


def _on_the_way(drive: Drive, actors: Actors, part: slice) -> Bools:
    """Who comes near the ego's path `(A,)`, at whatever time."""
    x, y = (c[part] for c in drive.center)
    size = (
        np.hypot(actors.length_m[part], actors.width_m[part]) + drive.length_m + drive.width_m
    ) / 2
    found = np.zeros(actors.x_m.shape[1], dtype=np.bool_)
    step = max(1, round(1.0 / drive.dt_s))
    for i in range(0, len(x), step):
        last = min(i + step, len(x) - 1)
        reach = size + math.hypot(float(x[last] - x[i]), float(y[last] - y[i]))
        away = np.hypot(actors.x_m[part] - x[i], actors.y_m[part] - y[i])
        found |= (away < reach).any(axis=0)
    return found
