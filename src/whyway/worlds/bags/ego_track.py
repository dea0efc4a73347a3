"""Recorded odometry, fixes and inertial data -> the ego's state every 0.1 s, from the first pose to the last.

Between two poses it is linear; where they are missing for longer than `GAP_PERIODS` of their own period, the last one is held with
its own stamp, so that perception and safety find it as old as it is. What no topic tells is derived: the speed from the way,
acceleration and yaw rate by differences over 0.4 s, the steering angle from the yaw rate by the kinematic single-track model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from whyway.config import VehicleConfig
from whyway.geometry import wrap_angle
from whyway.maps.projection import TransverseMercator
from whyway.types import CYCLE_NS, CYCLE_S, Floats, Ints
from whyway.worlds.bags.gather import Column
from whyway.worlds.bags.recording import MOST_S, EgoTrack
from whyway.worlds.bags.records import BagError
from whyway.worlds.bags.topic_map import Chosen

GAP_PERIODS = 3.0
GAP_LEAST_S = 0.25
SHORTEST_S = 1.0
_GRAVITY = (7.0, 12.6)
"""A mean specific force of this size is gravity, and tells which way is up; else z is."""
_SLOW_MPS = 1.0
"""Below this speed a yaw rate tells nothing of the steering angle."""
_FIX_HALF_S = 1.0
"""Speed and course from fixes alone: over so long before and after."""
_COURSE_MPS = 0.5
_EMPTY_MPS = 0.2
"""Some leave an Odometry's twist empty: it is believed to be zero only if the pose does not move faster than this."""


def ego_track(
    ego: Mapping[str, Column], chosen: Chosen, vehicle: VehicleConfig
) -> tuple[EgoTrack, Mapping[str, str]]:
    """The ego's way, and what to note of how it was found.

    Raises:
      BagError: there is no pose, or too few to be a drive.
    """
    notes: dict[str, str] = {}
    stamps, rows = _poses(ego, notes)
    count = int((stamps[-1] - stamps[0]) // CYCLE_NS) + 1
    grid = stamps[0] + CYCLE_NS * np.arange(count, dtype=np.int64)
    at, own = _followed(grid, stamps, rows[:, :3])
    x, y, yaw = at.T
    if np.isnan(yaw).all():
        x, y, yaw = _smooth_way(x, y)
    v = _speed(ego, grid, stamps, rows, (x, y, yaw), notes)
    yaw_rate = _yaw_rate(ego, grid, stamps, rows, yaw, notes)
    a = _column(ego, "acceleration", grid)
    mount = chosen.table.base_link
    c, s = np.cos(yaw), np.sin(yaw)
    v = v - yaw_rate * mount.y_m
    steer = _column(ego, "steering", grid)
    if steer is None:
        notes["steering"] = "from the yaw rate"
        turn = np.arctan2(vehicle.wheelbase_m * yaw_rate, np.maximum(v, _SLOW_MPS))
        steer = np.where(np.abs(v) > _SLOW_MPS, turn, 0.0)
    else:
        steer = steer / chosen.table.steering_ratio
    track = EgoTrack(
        start_ns=int(stamps[0]),
        stamp_ns=own,
        x_m=x + c * mount.x_m - s * mount.y_m,
        y_m=y + s * mount.x_m + c * mount.y_m,
        yaw_rad=np.asarray(wrap_angle(yaw + mount.yaw_rad)),
        v_mps=v,
        a_mps2=_slope(v) if a is None else a,
        yaw_rate_rps=yaw_rate,
        steer_rad=np.clip(steer, -vehicle.steer_max_rad, vehicle.steer_max_rad),
    )
    return track, notes


def _poses(ego: Mapping[str, Column], notes: dict[str, str]) -> tuple[Ints, Floats]:
    """Stamps `(n,)` and x, y, yaw, speed, yaw rate `(n, 5)`: of odometry, else of fixes, whose heading is NaN."""
    stamps, rows = np.zeros(0, dtype=np.int64), np.zeros((0, 5))
    if "odometry" in ego:
        stamps, rows = ego["odometry"].sorted()
        good = np.isfinite(rows[:, :3]).all(axis=1)
        stamps, rows = stamps[good], rows[good]
        notes["ego"] = "pose from odometry"
    elif "fix" in ego:
        stamps, rows = _from_fixes(*ego["fix"].sorted())
        notes["ego"] = "position from satellite fixes, heading from the way"
    lasts_s = (stamps[-1] - stamps[0]) * 1e-9 if len(stamps) else 0.0
    if lasts_s < SHORTEST_S:
        raise BagError(
            f"{len(stamps)} poses of the ego, over less than {SHORTEST_S:g} s: no drive; check the topics with --info"
        )
    if lasts_s > MOST_S:
        raise BagError(
            "poses of the ego over more than a day: are its stamps of one clock? Split the recording"
        )
    return stamps, rows


def georeference(ego: Mapping[str, Column]) -> tuple[float, float] | None:
    """Latitude and longitude of the first good fix."""
    if "fix" not in ego:
        return None
    _, rows = ego["fix"].sorted()
    good = rows[np.isfinite(rows).all(axis=1)]
    return (float(good[0, 0]), float(good[0, 1])) if len(good) else None


def _from_fixes(stamps: Ints, rows: Floats) -> tuple[Ints, Floats]:
    good = np.isfinite(rows).all(axis=1)
    stamps, rows = stamps[good], rows[good]
    if not len(rows):
        return stamps, np.zeros((0, 5))
    x, y = TransverseMercator(float(rows[0, 0]), float(rows[0, 1])).forward(rows[:, 0], rows[:, 1])
    nan = np.full(len(x), math.nan)
    return stamps, np.stack([x, y, nan, nan, nan], axis=1)


def _followed(grid: Ints, stamps: Ints, pose: Floats) -> tuple[Floats, Ints]:
    """x, y, yaw `(n, 3)` at the grid's times, and the stamp each is of."""
    limit_ns = max(GAP_LEAST_S * 1e9, GAP_PERIODS * float(np.median(np.diff(stamps))))
    turned = pose.copy()
    turned[:, 2] = np.unwrap(pose[:, 2])
    before = np.clip(np.searchsorted(stamps, grid, side="right") - 1, 0, len(stamps) - 1)
    after = np.minimum(before + 1, len(stamps) - 1)
    gap = stamps[after] - stamps[before]
    share = np.where(gap > 0, (grid - stamps[before]) / np.maximum(gap, 1), 0.0)
    share = np.where(gap <= limit_ns, share, 0.0)
    at = turned[before] + share[:, None] * (turned[after] - turned[before])
    return at, np.where(gap <= limit_ns, grid, stamps[before])


def _column(ego: Mapping[str, Column], role: str, grid: Ints) -> Floats | None:
    """The number a topic tells, at the grid's times; None where there is no such topic."""
    if role not in ego:
        return None
    stamps, rows = ego[role].sorted()
    return _between(grid, stamps, rows[:, 0])


def _between(grid: Ints, stamps: Ints, values: Floats) -> Floats | None:
    """Values `(n,)` at the grid's times, linear between messages; None where none is a number."""
    good = np.isfinite(values)
    if not good.any():
        return None
    start = int(grid[0])  # seconds since 1970 leave too few digits
    found: Floats = np.interp((grid - start) * 1e-9, (stamps[good] - start) * 1e-9, values[good])
    return found


def _speed(
    ego: Mapping[str, Column], grid: Ints, stamps: Ints, rows: Floats, way: tuple[Floats, Floats, Floats],
    notes: dict[str, str],
) -> Floats:  # fmt: skip
    v = _column(ego, "speed", grid)
    if v is not None:
        return v
    x, y, yaw = way
    dx, dy = _slope(x), _slope(y)
    along = dx * np.cos(yaw) + dy * np.sin(yaw)
    twist = _between(grid, stamps, rows[:, 3])
    if twist is not None and (twist.any() or np.abs(along).max() < _EMPTY_MPS):
        return twist
    notes["speed"] = "from the way"
    return along


def _yaw_rate(
    ego: Mapping[str, Column],
    grid: Ints,
    stamps: Ints,
    rows: Floats,
    yaw: Floats,
    notes: dict[str, str],
) -> Floats:
    if "imu" in ego:
        times, six = ego["imu"].sorted()
        force = six[np.isfinite(six).all(axis=1), 3:]
        mean = force.mean(axis=0) if len(force) else np.zeros(3)
        size = float(np.linalg.norm(mean))
        # at rest an accelerometer feels 1 g upwards (REP-145): however the sensor is mounted, this is its vertical
        up = mean / size if _GRAVITY[0] < size < _GRAVITY[1] else np.array([0.0, 0.0, 1.0])
        felt = _between(grid, times, six[:, :3] @ up)
        if felt is not None:
            notes["yaw_rate"] = "from the inertial sensor, about the vertical it feels"
            return felt
    twist = _between(grid, stamps, rows[:, 4])
    if twist is not None and twist.any():
        return twist
    notes["yaw_rate"] = "from the heading"
    return _slope(np.unwrap(yaw))


def _slope(values: Floats) -> Floats:
    """Rate of change `(n,)` per second, by central differences over 0.4 s."""
    n = len(values)
    i = np.arange(n)
    low, high = np.maximum(i - 2, 0), np.minimum(i + 2, n - 1)
    slope: Floats = (values[high] - values[low]) / (np.maximum(high - low, 1) * CYCLE_S)
    return slope


def _smooth_way(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Fixes jump: the mean way, and the heading along it."""
    half = round(_FIX_HALF_S / CYCLE_S)
    kernel = np.hanning(2 * half + 1)
    kernel /= kernel.sum()
    xs, ys = (np.convolve(np.pad(c, half, mode="edge"), kernel, mode="valid") for c in (x, y))
    i = np.arange(len(xs))
    low, high = np.maximum(i - half, 0), np.minimum(i + half, len(xs) - 1)
    dx, dy = xs[high] - xs[low], ys[high] - ys[low]
    moving = np.hypot(dx, dy) > _COURSE_MPS * np.maximum(high - low, 1) * CYCLE_S
    if not moving.any():
        return xs, ys, np.zeros(len(xs))
    # who stands keeps the heading it came with
    last = np.maximum.accumulate(np.where(moving, i, -1))
    last = np.where(last < 0, int(np.argmax(moving)), last)
    return xs, ys, np.unwrap(np.arctan2(dy, dx)[last])
