"""Drives as arrays, without a log between: moved, mirrored, resampled, with plans. A drive's score must not care."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_drives import LENGTH_M, LIGHT, OFFSET_M, WIDTH_M, Other, Path2, ego_state, road

from whyway.evaluate.drive import Actors, Drive
from whyway.maps.road import Road
from whyway.types import Lane, LaneMap, LightColor, Plan, Route, Waypoints


def a_drive(
    ego: Path2,
    *others: Other,
    duration_s: float = 8.0,
    dt_s: float = 0.1,
    light=lambda t: LightColor.GREEN,
    on: tuple[LaneMap, Route] | None = None,
) -> Drive:
    """What `read_drive` makes of such a drive's log, at any sampling."""
    t = np.arange(round(duration_s / dt_s) + 1) * dt_s
    states = [ego_state(ego, float(s)) for s in t]
    actors = [[o.at(float(s)) for o in others] for s in t]
    shape = (len(t), len(others))
    parts = [
        np.array([[getattr(a, name) for a in row] for row in actors], dtype=np.float64).reshape(
            shape
        )
        for name in ("x_m", "y_m", "yaw_rad", "v_mps", "length_m", "width_m")
    ]
    return Drive(
        stamps_ns=np.round(t * 1e9).astype(np.int64),
        dt_s=dt_s,
        **{
            name: np.array([getattr(s, name) for s in states])
            for name in ("x_m", "y_m", "yaw_rad", "v_mps", "a_mps2", "yaw_rate_rps", "steer_rad")
        },
        length_m=LENGTH_M,
        width_m=WIDTH_M,
        center_offset_m=OFFSET_M,
        actors=Actors(
            np.array([o.id for o in others], dtype=np.int64),
            np.array([int(o.object_class) for o in others], dtype=np.int64),
            *parts,
        ),
        lights={LIGHT: np.array([int(light(float(s))) for s in t])},
        road=Road(*(on or road())),
    )


def mirrored(drive: Drive) -> Drive:
    """As seen in a mirror along the x axis: left is right."""
    a = drive.actors
    return replace(
        drive,
        y_m=-drive.y_m,
        yaw_rad=-drive.yaw_rad,
        yaw_rate_rps=-drive.yaw_rate_rps,
        steer_rad=-drive.steer_rad,
        actors=replace(a, y_m=-a.y_m, yaw_rad=-a.yaw_rad),
        road=_road(drive, lambda x, y: (x, -y), mirror=True),
    )


def moved(drive: Drive, dx: float, dy: float, turn: float) -> Drive:
    """The same elsewhere: turned about the origin, then shifted."""
    c, s = np.cos(turn), np.sin(turn)

    def place(x, y):
        return c * x - s * y + dx, s * x + c * y + dy

    def angle(yaw):
        return (yaw + turn + np.pi) % (2 * np.pi) - np.pi

    a, (x, y) = drive.actors, place(drive.x_m, drive.y_m)
    ax, ay = place(a.x_m, a.y_m)
    return replace(
        drive,
        x_m=x,
        y_m=y,
        yaw_rad=angle(drive.yaw_rad),
        actors=replace(a, x_m=ax, y_m=ay, yaw_rad=angle(a.yaw_rad)),
        road=_road(drive, place),
    )


def _road(drive: Drive, place, mirror: bool = False) -> Road:
    old, route = drive.road.lane_map, drive.road.route
    lanes = tuple(_lane(lane, place, mirror) for lane in old.lanes)
    lines = tuple(replace(b, **_xy(b, place)) for b in old.stop_lines)
    crossings = tuple(replace(b, **_xy(b, place)) for b in old.crossings)
    goal_x, goal_y = place(route.goal_x_m, route.goal_y_m)
    lane_map = LaneMap(0, old.name, lanes, lines, old.lights, crossings)
    return Road(lane_map, replace(route, goal_x_m=float(goal_x), goal_y_m=float(goal_y)))


def _xy(part, place):
    x, y = place(part.x_m, part.y_m)
    return {"x_m": x, "y_m": y}


def _lane(lane: Lane, place, mirror: bool) -> Lane:
    (cx, cy), (lx, ly), (rx, ry) = (
        place(getattr(lane, f"{side}_x_m"), getattr(lane, f"{side}_y_m"))
        for side in ("center", "left", "right")
    )
    left_id, right_id = lane.left_id, lane.right_id
    if mirror:
        lx, ly, rx, ry, left_id, right_id = rx, ry, lx, ly, right_id, left_id
    return replace(
        lane, left_id=left_id, right_id=right_id,
        center_x_m=cx, center_y_m=cy, left_x_m=lx, left_y_m=ly, right_x_m=rx, right_y_m=ry,
    )  # fmt: skip


def plan_of(
    drive: Drive, i: int, ego: Path2, horizon_s: float = 6.0, wobble_mps2: float = 0.0
) -> Plan:
    """The plan, made at instant i, to go on as the ego does, with its acceleration off by a constant."""
    ts = np.arange(0.0, horizon_s + 0.05, 0.1)
    at = float(drive.t_s[i])
    states = [ego_state(ego, at + float(t)) for t in ts]
    x, y, yaw, v, a, rate = (
        np.array([getattr(s, n) for s in states])
        for n in ("x_m", "y_m", "yaw_rad", "v_mps", "a_mps2", "yaw_rate_rps")
    )
    w = Waypoints(ts, x, y, yaw, v, a + wobble_mps2, rate / np.maximum(v, 0.1))
    return Plan(int(drive.stamps_ns[i]), i, w)
