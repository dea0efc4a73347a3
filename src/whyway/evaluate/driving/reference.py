"""How far could anyone have come? Proposals that follow the route by car-following, among the actors and lights of the log.

NAVSIM divides the ego's progress by the best of PDM-Closed's proposals (Dauner et al., "Parting with Misconceptions about
Learning-based Vehicle Motion Planning", CoRL 2023): IDM along the centre line at 20, 40, 60, 80 and 100 % of the limit, the others
replayed as they were. A proposal that collides by its own fault, leaves the road or runs a red light counts nothing; nor does
one that takes a curve beyond the comfort bound, which PDM-Closed's selection would not prefer either. The judge's own few lines
on purpose: what is judged shares no planning code with its measure.
"""

from __future__ import annotations

import numpy as np

from whyway.config import IdmConfig
from whyway.evaluate.drive import Actors, Bools, Drive
from whyway.evaluate.metrics.navsim import LAT_ACCELERATION_MPS2, at_fault, collision_kinds
from whyway.geometry import box_corners, wrap_angle
from whyway.maps.path import LanePath, project_near
from whyway.motion import idm_free, idm_interaction
from whyway.types import Floats, LightColor

FRACTIONS = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
"""Of the speed limit."""

PDM_IDM = IdmConfig(headway_s=1.5, s0_m=1.0, a_mps2=1.5, b_mps2=3.0)
"""PDM-Closed's parameters."""

BRAKE_MPS2 = 8.0
SIDEWAYS_M = 0.3
"""Room a proposal keeps beside others before it takes them for a lead."""

RETURN_M = 15.0
"""Over this distance a proposal's offset from the centre line decays by e."""

REACH_M = 150.0

COARSE_M = 10.0
"""Actors are first compared with points of the line so far apart."""


def reference_progress(drive: Drive, start: int, stop: int, ignore: Bools) -> float:
    """The farthest that a proposal comes along the route between two instants, both included.

    Args:
      drive: the log.
      start: index of the instant the proposals start from, as the ego was then.
      stop: index of the last instant.
      ignore: (A,) actors not to judge.
    """
    n = stop + 1 - start
    path, s0, d0 = way_from(drive, start)
    everyone, near, within = _near(drive, path, drive.actors.between(start, stop + 1), s0, d0)
    ignore = ignore[np.isin(drive.actors.ids, everyone.ids)][near]
    actors = everyone.chosen(slice(None), near)
    s, v = _roll_out(drive, path, actors, within[:, near], start, n, s0, d0)
    d = d0 * np.exp(-(s - s[:, :1]) / RETURN_M)
    x, y, yaw, curvature = path.center.at(s, d)
    kinds = collision_kinds(
        x, y, yaw, v, drive.length_m, drive.width_m, drive.center_offset_m,
        actors.x_m, actors.y_m, actors.yaw_rad, actors.v_mps, actors.length_m, actors.width_m,
    )  # fmt: skip
    in_lane = np.zeros(s.shape, dtype=np.bool_)
    fault, _, _ = at_fault(kinds, in_lane, np.broadcast_to(ignore, (len(s), len(ignore))))
    cx, cy = x + drive.center_offset_m * np.cos(yaw), y + drive.center_offset_m * np.sin(yaw)
    corners = box_corners(cx, cy, yaw, drive.length_m, drive.width_m)
    off = np.asarray(drive.road.off_road(corners[..., 0], corners[..., 1]).any(axis=-1))
    bends = v**2 * np.abs(curvature) > LAT_ACCELERATION_MPS2
    barred = fault.any(axis=-1) | (off & ~off[:, :1]).any(axis=-1) | bends.any(axis=-1)
    allowed = ~(barred | _runs_red(drive, path, start, s))
    progress = np.where(allowed, s[:, -1] - s[:, 0], 0.0)
    return float(progress.max())


def way_from(drive: Drive, start: int) -> tuple[LanePath, float, float]:
    """The line to follow from an instant on, and where `base_link` is along it and beside it.

    The route's, or that of the ego's own lane while it has still to change to the route's: cutting across is no measure.
    """
    x, y = float(drive.x_m[start]), float(drive.y_m[start])
    path = drive.road.route_path
    s, d = drive.road.route_progress(x, y, float(drive.route_s_m[start]) - drive.center_offset_m)
    place = drive.road.locate(x, y, float(drive.yaw_rad[start]))
    if place is None or abs(d) <= float(path.half_width_at(s)):
        return path, s, d
    path = drive.road.path_from(place[0], place[1] + REACH_M)
    own_s, own_d = path.center.project(x, y)
    return path, float(own_s), float(own_d)


def _near(
    drive: Drive, path: LanePath, actors: Actors, s0: float, d0: float
) -> tuple[Actors, Bools, Bools]:
    """The actors, which of them `(A,)` and when `(n, A)` may be in a proposal's way: the rest need not be projected."""
    size = (np.hypot(actors.length_m, actors.width_m) + drive.length_m + drive.width_m) / 2
    reach = abs(d0) + drive.center_offset_m + size + SIDEWAYS_M + COARSE_M
    x, y, _, _ = path.center.at(np.arange(s0 - COARSE_M, s0 + REACH_M + 2 * COARSE_M, COARSE_M))
    away = np.hypot(actors.x_m[..., None] - x, actors.y_m[..., None] - y).min(axis=-1)
    within: Bools = np.asarray(away <= reach)  # not where an actor is absent: NaN
    return actors, np.asarray(within.any(axis=0)), within


def _roll_out(
    drive: Drive, path: LanePath, actors: Actors, within: Bools, start: int, n: int, s0: float, d0: float
) -> tuple[Floats, Floats]:  # fmt: skip
    """Arc length of `base_link` and speed `(P, n)` of the proposals; actors are looked at where `within` `(n, A)` says so."""
    high = s0 + REACH_M
    a_s, a_d = np.full(within.shape, np.nan), np.full(within.shape, np.nan)
    a_s[within], a_d[within] = project_near(
        path.center, actors.x_m[within], actors.y_m[within], s0 - 20.0, high
    )
    turn = wrap_angle(actors.yaw_rad - path.center.at(a_s)[2])
    along, across = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    rear = a_s - (along * actors.length_m + across * actors.width_m) / 2
    half_width = (across * actors.length_m + along * actors.width_m) / 2
    line_s, halts = _halts(drive, path, start, n)
    # a stop line is a lead that stands
    speed = np.concatenate([actors.v_mps * np.cos(turn), np.zeros(halts.shape[1:])], axis=-1)
    limits = FRACTIONS[:, None] * path.lane_limit_mps
    front = drive.center_offset_m + drive.length_m / 2
    s, v = np.full(len(FRACTIONS), s0), np.full(len(FRACTIONS), max(0.0, float(drive.v_mps[start])))
    out_s, out_v = np.empty((len(FRACTIONS), n)), np.empty((len(FRACTIONS), n))
    rows = np.arange(len(FRACTIONS))
    for i in range(n):
        out_s[:, i], out_v[:, i] = s, v
        at, speeds = s[:, None], v[:, None]
        d = d0 * np.exp(-(at - s0) / RETURN_M)
        beside = np.abs(a_d[i] - d) - half_width[i] - drive.width_m / 2 - SIDEWAYS_M
        # ahead is whoever's centre is before ours; NaN (not there, or far off) is never so
        lead = (beside < 0.0) & (a_s[i] > at + drive.center_offset_m) & (a_s[i] < high)
        gap = np.where(lead, rear[i] - at - front, np.inf)
        ahead = line_s - (at + front)
        room = ahead > speeds**2 / (2 * PDM_IDM.b_mps2)
        stop = (halts[0, i] | (halts[1, i] & room)) & (ahead > 0.0)
        gap = np.concatenate([gap, np.where(stop, ahead, np.inf)], axis=-1)
        pull = idm_interaction(speeds, gap, np.where(gap < np.inf, speed[i], 0.0), PDM_IDM)
        a = idm_free(v, limits[rows, path.index_at(s)], PDM_IDM) + pull.min(axis=-1, initial=0.0)
        a = np.minimum(np.maximum(a, -BRAKE_MPS2), PDM_IDM.a_mps2)
        after = np.maximum(0.0, v + a * drive.dt_s)
        s, v = s + (v + after) / 2 * drive.dt_s, after
    return out_s, out_v


def _halts(drive: Drive, path: LanePath, start: int, n: int) -> tuple[Floats, Bools]:
    """Where the stop lines with lights are `(L,)`, and whether each light is red, and amber, at each instant `(2, n, L)`."""
    lines = [(s, line) for s, line in path.stop_lines if line.light_id in drive.lights]
    halts = np.zeros((2, n, len(lines)), dtype=np.bool_)
    for k, (_, line) in enumerate(lines):
        colors = drive.lights[line.light_id][start : start + n]
        halts[0, :, k], halts[1, :, k] = colors == LightColor.RED, colors == LightColor.AMBER
    return np.array([s for s, _ in lines]), halts


def _runs_red(drive: Drive, path: LanePath, start: int, s: Floats) -> Bools:
    """Whether a proposal's front `(P, n)` passes a stop line while its light is red."""
    front = s + drive.center_offset_m + drive.length_m / 2
    runs = np.zeros(len(s), dtype=np.bool_)
    for line_s, line in path.stop_lines:
        if line.light_id not in drive.lights:
            continue
        red = drive.lights[line.light_id][start + 1 : start + s.shape[1]] == LightColor.RED
        passes = (front[:, :-1] <= line_s) & (front[:, 1:] > line_s)
        runs |= (passes & red).any(axis=-1)
    return runs


def free_distance(drive: Drive) -> float:
    """How far along the route a lone car would come in the drive's time: IDM at the limit, curves within the comfort bound."""
    path = drive.road.route_path
    s, v = float(drive.route_s_m[0]), max(0.0, float(drive.v_mps[0]))
    s0 = s
    for _ in range(drive.count - 1):
        curvature = float(np.abs(path.center.at(np.array([s, s + v]))[3]).max())
        target = min(float(path.limit_at(s)), (LAT_ACCELERATION_MPS2 / max(curvature, 1e-6)) ** 0.5)
        a = float(idm_free(np.array(v), np.array(target), PDM_IDM))
        after = max(0.0, v + a * drive.dt_s)
        s, v = s + (v + after) / 2 * drive.dt_s, after
    return s - s0
