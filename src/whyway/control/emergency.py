"""Is a collision coming that only hard braking now can avoid? Sees every object of the scene. No clock, no state.

The ego's box is swept along its path on its own speed profile against each object's likeliest path (and, for the next moment, its
present velocity). Contact alone is no emergency: the plan is made anew ten times a second. It is one when

* the ego's *front* is what hits (braking does not help against who comes from behind or into the side),
* the other is in the ego's way already, or cannot stop short of it by ordinary braking (cross traffic and
  pedestrians stop at the edge of our path every day),
* gentler braking than `required_brake_mps2` no longer avoids it, or contact is nearer than `ttc_min_s`,
* and hard braking avoids it, or takes speed out of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from whyway.config import SafetyConfig, VehicleConfig
from whyway.control.path import PlanPath
from whyway.geometry import boxes_overlap, to_frame
from whyway.types import Floats, Intent, ObjectClass, PredictedPath, TrackedObject

STEP_S = 0.1
_LONG_S = 8.0  # how long braking is followed
_PRESENT_S = 0.8  # how long the present velocity is believed, where a likelier path is known
_FRONT_SHARE = 0.3  # of the ego's length
_MOVING_MPS = 0.5
_SAME_WAY = 0.7  # cosine between headings: it drives ahead of us and owes us nothing
_WALKER_BRAKE_MPS2 = 1.0
_HELPS_MPS = 1.0
_GUESSES = (
    Intent.CUT_IN_LEFT,
    Intent.CUT_IN_RIGHT,
)  # worth planning for; hard braking waits for the drift itself
_WALKERS = (ObjectClass.PEDESTRIAN, ObjectClass.ANIMAL)

TIMES_S: Floats = np.arange(0.0, _LONG_S + STEP_S / 2, STEP_S)


@dataclass(frozen=True)
class Threat:
    """An object that will be hit, how soon on the present course, and why that calls for hard braking."""

    object_id: int
    object_class: ObjectClass
    time_s: float
    reason: str


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Boxes over time: x, y, yaw broadcast to `(..., k)`."""

    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    length_m: Floats
    width_m: Floats

    def meets(self, other: _Boxes) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = boxes_overlap(
            self.x_m, self.y_m, self.yaw_rad, self.length_m, self.width_m,
            other.x_m, other.y_m, other.yaw_rad, other.length_m, other.width_m,
        )  # fmt: skip
        return result

    def at(self, index: int | slice) -> _Boxes:
        return _Boxes(
            self.x_m[..., index],
            self.y_m[..., index],
            self.yaw_rad[..., index],
            self.length_m,
            self.width_m,
        )


class EmergencyBrake:
    """The question above, for one vehicle."""

    def __init__(self, limits: SafetyConfig, vehicle: VehicleConfig) -> None:
        self._limits, self._vehicle = limits, vehicle
        self._reach = math.hypot(vehicle.length_m, vehicle.width_m) / 2
        self._soon = round(limits.horizon_s / STEP_S) + 1

    def assess(
        self,
        path: PlanPath,
        start_s: float,
        travel_m: Floats,
        v_mps: float,
        objects: Sequence[TrackedObject],
        active: bool,
    ) -> Threat | None:
        """The most urgent threat, or None.

        Args:
          path: where `base_link` goes.
          start_s: where on it the ego is.
          travel_m: how far it will have gone at `TIMES_S` on its own profile.
          v_mps: its speed now.
          objects: everything perceived.
          active: emergency braking is going on; it ends when nothing is to be hit any more, or at standstill.
        """
        present = [o for o in objects if o.existence_probability >= self._limits.existence_min]
        if not present or v_mps < 0.1 and travel_m[-1] < 0.1:
            return None
        ego = self._swept(path, start_s, travel_m)
        threats = [
            self._threat(path, start_s, travel_m, v_mps, ego, o, boxes, end, active)
            for o, boxes, end in self._near(ego, present)
        ]
        found = [t for t in threats if t is not None]
        return min(found, key=lambda t: t.time_s) if found else None

    def _swept(self, path: PlanPath, start_s: float, travel_m: Floats) -> _Boxes:
        x, y, yaw = path.pose_at(start_s + travel_m)
        offset = self._vehicle.center_offset_m
        length, width = np.array(self._vehicle.length_m), np.array(self._vehicle.width_m)
        return _Boxes(x + offset * np.cos(yaw), y + offset * np.sin(yaw), yaw, length, width)

    def _near(
        self, ego: _Boxes, objects: Sequence[TrackedObject]
    ) -> list[tuple[TrackedObject, _Boxes, int]]:
        """Object, one way it may go, and the number of steps for which that is believed, where that way comes near the ego's."""
        kinds = [
            (_foreseen(objects), self._soon),
            (_straight_on(objects), round(_PRESENT_S / STEP_S) + 1),
        ]
        found = []
        for (x, y, yaw), end in kinds:
            gap2 = (x[:, :end] - ego.x_m[:end]) ** 2 + (y[:, :end] - ego.y_m[:end]) ** 2
            for i, o in enumerate(objects):
                if gap2[i].min() < (self._reach + math.hypot(o.length_m, o.width_m) / 2) ** 2:
                    boxes = _Boxes(x[i], y[i], yaw[i], np.array(o.length_m), np.array(o.width_m))
                    found.append((o, boxes, end))
        return found

    def _threat(
        self, path: PlanPath, start_s: float, travel_m: Floats, v_mps: float,
        ego: _Boxes, o: TrackedObject, other: _Boxes, end: int, active: bool,
    ) -> Threat | None:  # fmt: skip
        first = self._contact(ego, other, end)
        if first is None or not self._must_brake(ego, o, other, first, end):
            return None
        if first == 0 and v_mps < _MOVING_MPS:
            return None  # they touch already, and braking takes nothing away from it
        limits, time_s = self._limits, first * STEP_S
        gentle = limits.required_brake_mps2
        speed = np.gradient(travel_m, STEP_S)
        late, _ = self._braked(path, start_s, travel_m, v_mps, gentle, other)
        if late is None and time_s >= limits.ttc_min_s and not active:
            return None
        hit, hit_speed = self._braked(
            path, start_s, travel_m, v_mps, limits.emergency_brake_mps2, other
        )
        if hit is not None and hit_speed > speed[first] - _HELPS_MPS:
            return None
        name = f"object {o.id} ({o.object_class.name.lower()})"
        if late is not None:
            why = f"braking with {gentle:.1f} m/s2 would not do"
        elif time_s < limits.ttc_min_s:
            why = f"less than {limits.ttc_min_s:.1f} s ahead"
        else:
            why = "not yet averted"
        return Threat(o.id, o.object_class, time_s, f"would hit {name} in {time_s:.1f} s, {why}")

    def _contact(self, ego: _Boxes, other: _Boxes, end: int) -> int | None:
        """The step at which the ego's front hits; None if nothing hits, or something else of the ego does first."""
        touching = ego.at(slice(0, end)).meets(other.at(slice(0, end)))
        if not touching.any():
            return None
        first = int(np.argmax(touching))
        length = self._vehicle.length_m * _FRONT_SHARE
        ahead = (self._vehicle.length_m - length) / 2
        at = ego.at(first)
        front = _Boxes(
            at.x_m + ahead * np.cos(at.yaw_rad), at.y_m + ahead * np.sin(at.yaw_rad), at.yaw_rad,
            np.array(length), at.width_m,
        )  # fmt: skip
        return first if bool(front.meets(other.at(first))) else None

    def _must_brake(
        self, ego: _Boxes, o: TrackedObject, other: _Boxes, first: int, end: int
    ) -> bool:
        """Whether it is up to the ego: the other is in its way, drives ahead of it, or can no longer stop short of its path."""
        v = math.hypot(o.vx_mps, o.vy_mps)
        if v < _MOVING_MPS:
            return True
        if math.cos(float(other.at(first).yaw_rad - ego.at(first).yaw_rad)) > _SAME_WAY:
            # who drives beside us and comes over is not averted by braking into him
            now = ego.at(0)
            ahead, _ = to_frame(o.x_m, o.y_m, float(now.x_m), float(now.y_m), float(now.yaw_rad))
            return bool(ahead > o.length_m / 2)
        way = slice(0, end)
        lane = ego.at(way)
        column = _Boxes(
            lane.x_m[:, None], lane.y_m[:, None], lane.yaw_rad[:, None], lane.length_m, lane.width_m
        )
        inside = column.meets(other.at(way)).any(axis=0)
        entry = int(np.argmax(inside))
        travelled = np.hypot(np.diff(other.x_m[: entry + 1]), np.diff(other.y_m[: entry + 1])).sum()
        brake = _WALKER_BRAKE_MPS2 if o.object_class in _WALKERS else self._limits.other_brake_mps2
        return bool(travelled < v * v / (2 * brake))

    def _braked(
        self,
        path: PlanPath,
        start_s: float,
        travel_m: Floats,
        v_mps: float,
        brake_mps2: float,
        other: _Boxes,
    ) -> tuple[int | None, float]:
        """Step and speed of contact when braking starts after the reaction time; None where there is none."""
        braking = np.maximum(TIMES_S - self._limits.reaction_s, 0.0)
        until_stop = np.minimum(braking, v_mps / brake_mps2)
        stopping = (
            v_mps * (np.minimum(TIMES_S, self._limits.reaction_s) + until_stop)
            - 0.5 * brake_mps2 * until_stop**2
        )
        travel = np.minimum(travel_m, stopping)
        touching = self._swept(path, start_s, travel).meets(other)
        # once the ego stands, whatever touches it is not hit by it
        touching &= np.gradient(travel, STEP_S) > 0.1
        if not touching.any():
            return None, 0.0
        first = int(np.argmax(touching))
        return first, float(np.gradient(travel, STEP_S)[first])


def _straight_on(objects: Sequence[TrackedObject]) -> tuple[Floats, Floats, Floats]:
    """x, y, yaw `(n, k)` at the present velocity."""
    state = np.array([(o.x_m, o.y_m, o.vx_mps, o.vy_mps, o.yaw_rad) for o in objects])[:, :, None]
    yaw = np.broadcast_to(state[:, 4], (len(objects), len(TIMES_S)))
    return state[:, 0] + state[:, 2] * TIMES_S, state[:, 1] + state[:, 3] * TIMES_S, yaw


def _foreseen(objects: Sequence[TrackedObject]) -> tuple[Floats, Floats, Floats]:
    """x, y, yaw `(n, k)` on the likeliest predicted path, going on straight where it ends."""
    x, y, yaw = (a.copy() for a in _straight_on(objects))
    alike: dict[tuple[float, int], list[tuple[int, PredictedPath]]] = {}
    for i, o in enumerate(objects):
        p = max(o.predictions, key=lambda p: p.probability, default=None)
        if p is not None and p.intent not in _GUESSES:
            alike.setdefault((p.dt_s, len(p.x_m)), []).append((i, p))
    for (dt_s, n), found in alike.items():
        rows = [i for i, _ in found]
        now = np.array([(objects[i].x_m, objects[i].y_m, objects[i].yaw_rad) for i in rows])
        paths = np.array([(p.x_m, p.y_m, p.yaw_rad) for _, p in found])
        paths = np.concatenate([now[:, :, None], paths], axis=-1)
        paths[:, 2] = np.unwrap(paths[:, 2], axis=-1)
        x[rows], y[rows], yaw[rows] = np.moveaxis(paths @ _resampling(dt_s, n), 1, 0)
    return x, y, yaw


@lru_cache(maxsize=16)
def _resampling(dt_s: float, n: int) -> Floats:
    """Weights `(n + 1, k)` that take values now and at n steps of `dt_s` to `TIMES_S`, linearly, beyond the last step too."""
    at = TIMES_S / dt_s
    before = np.clip(np.floor(at).astype(np.int64), 0, n - 1)
    weights = np.zeros((n + 1, len(TIMES_S)))
    columns = np.arange(len(TIMES_S))
    weights[before, columns] = 1.0 - (at - before)
    weights[before + 1, columns] = at - before
    return weights
