"""How fast is the judge? Synthetic drives through the town, scored on one thread, for `whyway bench metrics`. Reads the clock of the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whyway.evaluate.drive import Actors, Drive
from whyway.evaluate.driving.criticality import criticality
from whyway.evaluate.driving.epdms import epdms_score
from whyway.evaluate.driving.nuplan_score import nuplan_score
from whyway.evaluate.driving.pdms import driving_score
from whyway.evaluate.score import route_completion
from whyway.maps.path import LanePath
from whyway.maps.road import Road
from whyway.maps.town import make_town
from whyway.types import CYCLE_S, Floats, InputError, LightColor, ObjectClass, Plan, Waypoints

WARM_UP = 2
"""The first drives build what all share: the map's grid, paths, filters."""
PLAN_S = 8.0
LENGTH_M, WIDTH_M, CENTER_OFFSET_M = 4.5, 1.9, 1.35
NEAR_M = 120.0
"""Others are on lanes within this distance of the ego's start, as a sensor would see them."""


def synthetic_drive(road: Road, rng: np.random.Generator, duration_s: float, objects: int) -> Drive:
    """A drive along the route at changing speed, among others that follow lanes near it at steady speeds.

    Args:
      road: the map and the route.
      rng: where the ego starts, how it drives, where the others are.
      duration_s: of the drive.
      objects: how many others, all of them seen all the time.
    """
    n = round(duration_s / CYCLE_S) + 1
    t = np.linspace(0.0, (n - 1) * CYCLE_S, n)
    path = road.route_path
    swing = rng.uniform(0.1, 0.5)
    speed = rng.uniform(5.0, 9.0) * (1.0 + 0.2 * np.sin(swing * t))
    s = rng.uniform(5.0, max(6.0, path.length_m - 12.0 * duration_s)) + np.cumsum(speed) * CYCLE_S
    x, y, yaw, curvature = path.center.at(s, 0.2 * np.sin(0.3 * t))
    lights = {light.id: np.full(n, int(LightColor.GREEN)) for light in road.lane_map.lights}
    return Drive(
        stamps_ns=np.round(t * 1e9).astype(np.int64),
        dt_s=CYCLE_S,
        x_m=x,
        y_m=y,
        yaw_rad=yaw,
        v_mps=speed,
        a_mps2=np.gradient(speed, CYCLE_S),
        yaw_rate_rps=speed * curvature,
        steer_rad=np.zeros(n),
        length_m=LENGTH_M,
        width_m=WIDTH_M,
        center_offset_m=CENTER_OFFSET_M,
        actors=_others(road, rng, t, (float(x[0]), float(y[0])), objects),
        lights=lights,
        road=road,
    )


def _others(
    road: Road, rng: np.random.Generator, t: Floats, start: tuple[float, float], count: int
) -> Actors:
    lanes = [
        i
        for i, lane in road.lanes.items()
        if np.hypot(lane.lane.center_x_m - start[0], lane.lane.center_y_m - start[1]).min() < NEAR_M
    ]
    shape = (len(t), count)
    x, y, yaw, v = (np.empty(shape) for _ in range(4))
    for k in range(count):
        path: LanePath = road.path_from(int(rng.choice(lanes)), 12.0 * float(t[-1]) + 50.0)
        v[:, k] = rng.uniform(0.0, 10.0) if rng.random() < 0.7 else 0.0
        s = rng.uniform(0.0, 40.0) + v[:, k] * t
        x[:, k], y[:, k], yaw[:, k], _ = path.center.at(s)
    kinds = rng.choice([ObjectClass.CAR, ObjectClass.BICYCLE, ObjectClass.PEDESTRIAN], count)
    length = np.where(kinds == ObjectClass.CAR, 4.5, 1.8)
    width = np.where(kinds == ObjectClass.CAR, 1.9, 0.7)
    sizes = (np.broadcast_to(a, shape).copy() for a in (length, width))
    return Actors(np.arange(1, count + 1), kinds.astype(np.int64), x, y, yaw, v, *sizes)


def synthetic_plans(drive: Drive) -> tuple[Plan, ...]:
    """A plan per instant: on along the route at the speed of that instant."""
    t = np.arange(0.0, PLAN_S + CYCLE_S / 2, CYCLE_S)
    center = drive.road.route_path.center
    plans = []
    for i, stamp in enumerate(drive.stamps_ns.tolist()):
        v = np.full_like(t, drive.v_mps[i])
        x, y, yaw, curvature = center.at(drive.route_s_m[i] - CENTER_OFFSET_M + v * t)
        plans.append(Plan(stamp, i, Waypoints(t, x, y, yaw, v, np.zeros_like(t), curvature)))
    return tuple(plans)


def judge(drive: Drive, plans: Sequence[Plan]) -> dict[str, float]:
    """Judge a drive by everything that a score says of driving; CPU seconds that each part took."""
    clock = [time.process_time()]

    def tick() -> None:
        clock.append(time.process_time())

    driving = driving_score(drive)
    tick()
    epdms_score(drive, driving, plans)
    tick()
    nuplan_score(drive, driving)
    tick()
    criticality(drive)
    tick()
    route_completion(drive)
    tick()
    parts = ("pdms", "epdms", "nuplan", "criticality", "route_completion")
    return dict(zip(parts, np.diff(clock).tolist(), strict=True))


def bench_metrics(
    scenes: int = 50,
    duration_s: float = 8.0,
    objects: int = 64,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """CPU time of judging synthetic drives, from a drive's arrays on: reading logs and building maps is not counted.

    Args:
      scenes: how many drives.
      duration_s: of each.
      objects: others in each.
      seed: of the town and the drives.
      progress: called with the number of drives judged, for a bar.

    Returns:
      One row: milliseconds a scene, seconds per thousand, and the mean of each part.

    Raises:
      InputError: fewer than one scene or object, or too short a drive.
    """
    if scenes < 1 or objects < 1 or duration_s < 1.0:
        raise InputError("bench metrics needs at least 1 scene, 1 object and 1 s")
    town = make_town(seed)
    road = Road(town.lane_map, town.default_route)
    rng = np.random.default_rng(seed)
    taken = []
    for i in range(scenes + WARM_UP):
        drive = synthetic_drive(road, rng, duration_s, objects)
        plans = synthetic_plans(drive)
        fresh = replace(drive)  # nothing of it worked out before
        taken.append(judge(fresh, plans))
        progress(i)
    parts = {name: np.array([t[name] for t in taken[WARM_UP:]]) * 1e3 for name in taken[0]}
    whole = sum(parts.values(), np.zeros(scenes))
    return [
        {
            "scenes": scenes,
            "seconds_each": duration_s,
            "objects": objects,
            "ms_per_scene": float(whole.mean()),
            "ms_per_scene_p50": float(np.median(whole)),
            "ms_per_scene_max": float(whole.max()),
            "s_per_1000_scenes": float(whole.mean()),
            **{f"{name}_ms": float(values.mean()) for name, values in parts.items()},
            "includes": "PDMS, EPDMS, nuPlan's score, criticality, route completion, from arrays on",
        }
    ]
