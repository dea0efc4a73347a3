"""A drive -> the driving score of the CARLA leaderboard: route completion times a penalty for its infractions, by version.

Sources: leaderboard.carla.org, "Driving score", and the code behind it, github.com/carla-simulator/leaderboard, branch leaderboard-1.0
(`statistics_manager.py`, `route_scenario.py`; criteria in scenario_runner's `atomic_criteria.py`), from which every threshold here
is. A route's score is R * P: R the share of the route that was driven, P the product of 0.50 per pedestrian, 0.60 per vehicle and 0.65
per static thing that was touched, 0.70 per red light and 0.80 per stop sign run, and of the share of the way driven in lanes of the
route's direction. A route ends early when the ego is 30 m off it, has stood for 180 s, or 0.8 s per metre and 5 s are over. Whose fault
a collision is does not matter; what happens after the end does not count. That is version 1.0, which `driving_score` is; 2.0 and 2.1
make other penalties of the same infractions (`metrics/carla.py`). What they know besides is in no log, and costs nothing here:
timeouts of scenarios, emergency vehicles not let by, and a speed below the traffic's, which is told as `efficiency` instead.

From the log alone, so it differs from CARLA's where a log knows more or less than its server does:
* progress is measured along the route's lanes to a tenth of a metre, not from point to point of a polyline of one metre;
* a collision is two boxes that touch, seen at 10 Hz; what touches the ego at the first instant is not counted until it has let go;
* kerbs, walls and poles are in no log: who leaves the road pays by the share outside, not by a collision with the layout;
* lights and stop signs are judged at the map's stop lines, not at trigger boxes: a light by the rear bumper, as CARLA's tail segment
  does, a stop sign by having stood (< 0.1 m/s) on the 20 m before it or on it;
* oncoming lanes are such by heading at 90 degrees (CARLA: 120 and from lane to lane), and only outside junctions;
* the 30 % of the route that CARLA allows between 15 m and 30 m off it are not limited.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.evaluate.drive import AGENTS, Drive
from whyway.evaluate.driving.pdms import line_heading
from whyway.evaluate.metrics import carla as formulas
from whyway.evaluate.metrics import navsim as metrics
from whyway.evaluate.metrics.navsim import Collision
from whyway.types import LaneKind, LightColor, ObjectClass, StopLine

KINDS = {
    "pedestrian": "collisions_pedestrian",
    "vehicle": "collisions_vehicle",
    "static": "collisions_layout",
    "red_light": "red_light",
    "stop_sign": "stop_infraction",
}
"""Our kinds of infraction, and the leaderboard's names for them."""

PENALTIES = {ours: formulas.FORMULAS["1.0"].costs[theirs] for ours, theirs in KINDS.items()}
"""What one infraction leaves of the score in version 1.0."""

VERSION = "1.0"
"""Whose formula `CarlaScore.driving_score` and `penalty` follow; the other versions are among the metrics."""

SECONDS_PER_M, SECONDS_MORE = 0.8, 5.0
DEVIATION_M = 30.0
BLOCKED_MPS, BLOCKED_S = 0.1, 180.0
COMPLETE_SHARE, COMPLETE_M = 0.99, 10.0
"""A route is completed beyond this share of it and within this distance of its end."""

SAME_PLACE_M, FORGET_PLACE_M, SAME_ACTOR_S = 3.0, 5.0, 5.0
"""Contacts so near one counted before, until the ego has been so far from there, or so soon with the same actor, are the same one."""

OUTSIDE_M = 1.3
_ON_FOOT = [int(ObjectClass.PEDESTRIAN), int(ObjectClass.ANIMAL)]
STOP_SIGN_REACH_M = 20.0


@dataclass(frozen=True, slots=True)
class Infraction:
    """What was done, when, where the ego was, and to whom: an actor's id, a light's, a stop line's."""

    kind: str
    at_s: float
    x_m: float
    y_m: float
    who: int


@dataclass(frozen=True, slots=True)
class CarlaScore:
    """The score in 0..100 and what it is made of; `status` is completed, deviated, blocked, timed out or unfinished."""

    driving_score: float
    route_completion: float
    penalty: float
    status: str
    duration_s: float
    route_length_m: float
    outside_share: float
    infractions: tuple[Infraction, ...]
    efficiency: float | None = None
    """Bench2Drive's driving efficiency: percent of the other vehicles' mean speed; None on a drive that passed no checkpoint."""
    comfortness: float | None = None
    """Bench2Drive's comfortness in [0, 1]."""

    def count(self, kind: str) -> int:
        """How many infractions of a kind of `PENALTIES`."""
        return sum(i.kind == kind for i in self.infractions)

    def by_version(self, version: str) -> float:
        """The driving score in 0..100 of the same infractions by another version's formula."""
        counts = {theirs: self.count(ours) for ours, theirs in KINDS.items()}
        done = formulas.Infractions(counts, outside=(self.outside_share,))
        return formulas.composed(self.route_completion, formulas.penalty(version, done))

    @property
    def success(self) -> bool:
        """Bench2Drive's: the route was completed without any infraction."""
        return self.status == "completed" and not self.infractions and self.outside_share == 0.0

    def metrics(self) -> dict[str, float | int | str | bool | None]:
        """The numbers of a table, by the leaderboard's names."""
        return {
            "carla_driving_score": self.driving_score,
            "carla_version": VERSION,
            "carla_driving_score_v2_0": self.by_version("2.0"),
            "carla_driving_score_v2_1": self.by_version("2.1"),
            "carla_route_completion": self.route_completion,
            "carla_penalty": self.penalty,
            "carla_status": self.status,
            **{f"carla_{kind}": self.count(kind) for kind in PENALTIES},
            "carla_outside_share": self.outside_share,
            "carla_duration_s": self.duration_s,
            "bench2drive_success": self.success,
            "bench2drive_efficiency": self.efficiency,
            "bench2drive_comfortness": self.comfortness,
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return dataclasses.asdict(self)


def time_limit_s(route_length_m: float) -> float:
    """When the leaderboard ends a route of a length (`RouteScenario._estimate_route_timeout`)."""
    return float(int(SECONDS_PER_M * route_length_m + SECONDS_MORE))


def carla_score(drive: Drive) -> CarlaScore:
    """Judge a drive by its whole route, from where the ego was first."""
    start, goal = float(drive.route_s_m[0]), drive.road.route_length_m
    length = max(goal - start, 1e-3)
    progress = np.maximum.accumulate(np.clip(drive.route_s_m - start, 0.0, length))
    end, status = _end(drive, progress, length)
    share = 1.0 if status == "completed" else float(progress[end]) / length
    outside = _outside_share(drive, progress[: end + 1])
    found = [*_collisions(drive, end), *_red_lights(drive, end), *_stop_signs(drive, end)]
    counts = {theirs: sum(i.kind == ours for i in found) for ours, theirs in KINDS.items()}
    left = formulas.penalty(VERSION, formulas.Infractions(counts, outside=(outside,)))
    driven = slice(0, end + 1)
    return CarlaScore(
        driving_score=formulas.composed(100.0 * share, left),
        route_completion=100.0 * share,
        penalty=left,
        status=status,
        duration_s=float(drive.t_s[end]),
        route_length_m=length,
        outside_share=outside,
        infractions=tuple(sorted(found, key=lambda i: i.at_s)),
        efficiency=_efficiency(drive, progress[driven] / length, driven),
        comfortness=_comfortness(drive, driven),
    )


def _efficiency(drive: Drive, progress: Any, driven: slice) -> float | None:
    """Speed over the traffic's, with every other vehicle of the log for the traffic, parked ones too, as in `MinimumSpeedRouteTest`."""
    vehicle = drive.actors.is_agent & ~np.isin(drive.actors.object_class, _ON_FOOT)
    speeds = np.abs(drive.actors.v_mps[driven][:, vehicle])
    seen = ~np.isnan(speeds)
    count = seen.sum(axis=1)
    total = np.where(seen, speeds, 0.0).sum(axis=1)
    traffic = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    shares = formulas.checkpoint_shares(progress, drive.v_mps[driven], traffic)
    return formulas.driving_efficiency([shares])


def _comfortness(drive: Drive, driven: slice) -> float | None:
    """By the logged acceleration along the ego and v times yaw rate across it."""
    if driven.stop < 3:
        return None
    v, turning = drive.v_mps[driven], drive.yaw_rate_rps[driven]
    return float(formulas.comfortness(drive.a_mps2[driven], v * turning, turning))


def _end(drive: Drive, progress: Any, length_m: float) -> tuple[int, str]:
    """The instant at which the route ends, and how."""
    x, y = drive.center
    route = drive.road.route
    away = np.hypot(x - route.goal_x_m, y - route.goal_y_m)
    ends = {
        "completed": (progress > COMPLETE_SHARE * length_m) & (away < COMPLETE_M),
        "deviated": np.abs(drive.route_d_m) >= DEVIATION_M,
        "blocked": _standing_s(drive) > BLOCKED_S,
        "timed out": drive.t_s >= time_limit_s(length_m),
    }
    first = {how: int(np.argmax(when)) for how, when in ends.items() if when.any()}
    if not first:
        return drive.count - 1, "unfinished"
    how = min(first, key=lambda k: first[k])
    return first[how], how


def _standing_s(drive: Drive) -> Any:
    """For how long the ego has been slower than `BLOCKED_MPS` `(T,)`."""
    moves = np.abs(drive.v_mps) >= BLOCKED_MPS
    moves[0] = True
    last = np.maximum.accumulate(np.where(moves, np.arange(drive.count), 0))
    return drive.t_s - drive.t_s[last]


# ---------------------------------------------------------------------------------------------------- infractions


def _infraction(drive: Drive, kind: str, i: int, who: int) -> Infraction:
    x, y = drive.center
    return Infraction(kind, float(drive.t_s[i]), float(x[i]), float(y[i]), who)


def _collisions(drive: Drive, end: int) -> Iterator[Infraction]:
    """Every contact that is not the same as one before (`CollisionTest`)."""
    touches = drive.contacts[: end + 1] != Collision.NONE
    # what overlaps at the first instant was not run into: ignored until it lets go
    touches &= ~np.logical_and.accumulate(touches, axis=0)
    x, y = drive.center
    places: list[int] = []
    last: tuple[int, int] | None = None
    for i in np.flatnonzero(touches.any(axis=1)).tolist():
        away = np.hypot(x[places] - x[i], y[places] - y[i]) if places else np.zeros(0)
        places = [p for p, d in zip(places, away, strict=True) if d <= FORGET_PLACE_M]
        for a in np.flatnonzero(touches[i]).tolist():
            same = last is not None and last[0] == a
            if last and same and drive.t_s[i] - drive.t_s[last[1]] <= SAME_ACTOR_S:
                continue
            if any(math.hypot(x[p] - x[i], y[p] - y[i]) <= SAME_PLACE_M for p in places):
                continue
            places.append(i)
            last = (a, i)
            kind = _kind_of(ObjectClass(int(drive.actors.object_class[a])))
            yield _infraction(drive, kind, i, int(drive.actors.ids[a]))


def _kind_of(object_class: ObjectClass) -> str:
    if object_class in _ON_FOOT:
        return "pedestrian"
    return "vehicle" if object_class in AGENTS else "static"


def _rear_crosses(drive: Drive, line: StopLine) -> Any:
    """Instants `(T,)` at which the rear bumper has just crossed a stop line forwards."""
    rear = drive.ahead(drive.center_offset_m - drive.length_m / 2)
    return metrics.crossings_of_line(*rear, line.x_m, line.y_m, line_heading(drive, line))


def _red_lights(drive: Drive, end: int) -> Iterator[Infraction]:
    """Every light whose stop line the rear bumper crosses on red; the same light again only after another one (`RunningRedLightTest`)."""
    found: list[tuple[int, int]] = []
    for line in drive.road.lane_map.stop_lines:
        colors = drive.lights.get(line.light_id)
        if colors is None or not (colors == LightColor.RED).any():
            continue
        red = _rear_crosses(drive, line) & (colors == LightColor.RED)
        found += [(int(i), line.light_id) for i in np.flatnonzero(red[: end + 1])]
    last = None
    for i, light in sorted(found):
        if light != last:
            yield _infraction(drive, "red_light", i, light)
        last = light


def _stop_signs(drive: Drive, end: int) -> Iterator[Infraction]:
    """Every stop sign that is passed without having stood before it or on its line (`RunningStopTest`)."""
    driven = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(drive.x_m), np.diff(drive.y_m)))])
    for line in drive.road.lane_map.stop_lines:
        if not line.is_stop_sign:
            continue
        for i in np.flatnonzero(_rear_crosses(drive, line)[: end + 1]).tolist():
            # the front was within reach of the line since here
            since = np.searchsorted(driven, driven[i] - drive.length_m - STOP_SIGN_REACH_M)
            if np.abs(drive.v_mps[since : i + 1]).min() >= BLOCKED_MPS:
                yield _infraction(drive, "stop_sign", i, line.id)


def _outside_share(drive: Drive, progress: Any) -> float:
    """The part of the way during which the ego's centre was off every lane, or in an oncoming one (`OutsideRouteLanesTest`)."""
    total = float(progress[-1])
    if total <= 0.0:
        return 0.0
    step = np.diff(progress)
    x, y = (c[1 : len(progress)] for c in drive.center)
    off = drive.road.off_road(x, y, OUTSIDE_M, (LaneKind.DRIVING, LaneKind.PARKING))
    wrong = off | drive.oncoming[1 : len(progress)]
    return float(step[wrong].sum()) / total
