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


def reference_progress(drive: Drive, start: int, stop: int, ignore: Bools) -> float:
    """The farthest that a proposal comes along the route between two instants, both included.

    Args:
      drive: the log.
      start: index of the instant the proposals start from, as the ego was then.
      stop: index of the last instant.
      ignore: (A,) actors not to judge.
    """
    n = stop + 1 - start
    path, s0, d0 = _way(drive, start)
    actors = drive.actors.between(start, stop + 1)
    ignore = ignore[np.isin(drive.actors.ids, actors.ids)]
    s, v = _roll_out(drive, path, actors, start, n, s0, d0)
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


def _way(drive: Drive, start: int) -> tuple[LanePath, float, float]:
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


def _roll_out(
    drive: Drive, path: LanePath, actors: Actors, start: int, n: int, s0: float, d0: float
) -> tuple[Floats, Floats]:
    """Arc length of `base_link` and speed `(P, n)` of the proposals."""
    low, high = s0 - 20.0, s0 + REACH_M
    a_s, a_d = project_near(path.center, actors.x_m, actors.y_m, low, high)
    turn = wrap_angle(actors.yaw_rad - path.center.at(a_s)[2])
    along, across = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    half_length = (along * actors.length_m + across * actors.width_m) / 2
    half_width = (across * actors.length_m + along * actors.width_m) / 2
    speed = actors.v_mps * np.cos(turn)
    front = drive.center_offset_m + drive.length_m / 2
    s, v = np.full(len(FRACTIONS), s0), np.full(len(FRACTIONS), max(0.0, float(drive.v_mps[start])))
    out_s, out_v = np.empty((len(FRACTIONS), n)), np.empty((len(FRACTIONS), n))
    for i in range(n):
        out_s[:, i], out_v[:, i] = s, v
        d = d0 * np.exp(-(s - s0) / RETURN_M)
        beside = np.abs(a_d[i] - d[:, None]) - half_width[i] - drive.width_m / 2 - SIDEWAYS_M
        gap = a_s[i] - half_length[i] - s[:, None] - front
        # ahead is whoever's centre is before ours; NaN (not there) is never so
        lead = (beside < 0.0) & (a_s[i] > s[:, None] + drive.center_offset_m) & (a_s[i] < high)
        gap = np.where(lead, gap, np.inf)
        pull = idm_interaction(v[:, None], gap, np.where(lead, speed[i], 0.0), PDM_IDM)
        pull = np.where(lead, pull, 0.0).min(axis=-1, initial=0.0)
        halt = _halt_gap(drive, path, start + i, s + front, v)
        pull = np.minimum(pull, idm_interaction(v, halt, np.zeros_like(v), PDM_IDM))
        a = idm_free(v, FRACTIONS * path.limit_at(s), PDM_IDM) + pull
        a = np.clip(a, -BRAKE_MPS2, PDM_IDM.a_mps2)
        after = np.maximum(0.0, v + a * drive.dt_s)
        s, v = s + (v + after) / 2 * drive.dt_s, after
    return out_s, out_v


def _halt_gap(drive: Drive, path: LanePath, instant: int, front_s: Floats, v: Floats) -> Floats:
    """Distance `(P,)` to the next stop line whose light is red, or amber with room to stop; inf if there is none."""
    gap = np.full(len(front_s), np.inf)
    for line_s, line in path.stop_lines:
        color = drive.lights[line.light_id][instant] if line.light_id in drive.lights else 0
        ahead = line_s - front_s
        room = ahead > v**2 / (2 * PDM_IDM.b_mps2)
        stop = (color == LightColor.RED) | ((color == LightColor.AMBER) & room)
        gap = np.where(stop & (ahead > 0.0), np.minimum(gap, ahead), gap)
    return gap


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
