"""Echoes of a car's radar -> boxes of road users. A radar knows distance and speed, not size or kind: those are assumed.

What stands still is left out: on a motorway it is signs, bridges and rails. Echoes near each other at one speed are of one vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whyway.types import Floats

BUMPER_M = 3.58
"""From the rear axle to the front bumper, where the radar sits (Toyota RAV4: wheelbase 2.65 m, front overhang 0.93 m)."""
LENGTH_M, WIDTH_M = 4.5, 1.8
SURE = 0.9
LAST_S = 0.15
"""An address that has not reported for so long has lost its echo; the radar reports every 50 ms."""
KNOWN_S = 0.3
"""A new echo is believed after so long."""
MOVING_MPS = 3.0
SAME_AHEAD_M, SAME_ASIDE_M, SAME_MPS = 4.0, 1.6, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Radar:
    """n echoes by time: `rows` `(n, 7)` are forward distance, left distance [m], relative speed [m/s], -, -, address, whether it is new."""

    t_s: Floats
    rows: Floats
    ego_mps: Floats
    """The ego's speed at each of them `(n,)`."""


def boxes_at(radar: Radar, time_s: float) -> list[tuple[float, ...]]:
    """What the radar has seen at a time: x, y, yaw, length, width, vx, vy (`base_link`), probability each; nearest first."""
    low, high = np.searchsorted(radar.t_s, [time_s - LAST_S, time_s + 1e-6])
    born = np.searchsorted(radar.t_s, time_s - KNOWN_S)
    rows = radar.rows[low:high]
    found: list[tuple[float, float, float]] = []
    for address in np.unique(rows[:, 5]):
        mine = np.nonzero(rows[:, 5] == address)[0] + low
        last = int(mine[-1])
        since = np.nonzero(radar.rows[born : last + 1, 5] == address)[0] + born
        # there all the time, and never anew
        if (radar.rows[since, 6] > 0).any() or radar.t_s[
            since[0]
        ] > time_s - KNOWN_S + 2 * LAST_S / 3:
            continue
        ahead, aside, relative = (float(v) for v in radar.rows[last, :3])
        v = float(radar.ego_mps[last]) + relative
        if v > MOVING_MPS:
            found.append((ahead + relative * (time_s - float(radar.t_s[last])), aside, v))
    return [
        (BUMPER_M + ahead + LENGTH_M / 2, aside, 0.0, LENGTH_M, WIDTH_M, v, 0.0, SURE)
        for ahead, aside, v in _merged(sorted(found))
    ]


def _merged(echoes: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """One echo per vehicle: the nearest, its side the mean."""
    vehicles: list[list[tuple[float, float, float]]] = []
    for echo in echoes:
        for vehicle in vehicles:
            near = vehicle[0]
            if (
                echo[0] - near[0] < SAME_AHEAD_M
                and abs(echo[1] - near[1]) < SAME_ASIDE_M
                and abs(echo[2] - near[2]) < SAME_MPS
            ):
                vehicle.append(echo)
                break
        else:
            vehicles.append([echo])
    return [(group[0][0], sum(e[1] for e in group) / len(group), group[0][2]) for group in vehicles]
