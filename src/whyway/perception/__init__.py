"""Observation -> Scene: tracked and predicted road users, the ego with its history. Rate: 10 Hz. No clock, no ROS."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.maps.road import Road
from whyway.perception.prediction import Predictor
from whyway.perception.rollout import Mover
from whyway.perception.tracker import Tracker, Tracks
from whyway.types import (
    CYCLE_NS,
    EgoState,
    LaneKind,
    LightColor,
    ObjectClass,
    Observation,
    Scene,
    TrackedObject,
)

__all__ = ["Perception"]

_NS = 1e-9
_NOT_VEHICLES = (ObjectClass.PEDESTRIAN, ObjectClass.ANIMAL, ObjectClass.HAZARD)
_GAP_S = 2.0  # after a longer silence the tracks mean nothing


class Perception:
    """The perception stage. Ids are small integers in order of appearance and are never given twice."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config, self._road = config.perception, road
        self._tracker = Tracker(config.perception, config.vehicle.center_offset_m)
        self._predictor = Predictor(config.perception, road)
        self.reset()

    def reset(self) -> None:
        """Forget everything seen; ids start anew."""
        self._tracker.reset()
        length = round(self._config.history_s * 1e9 / CYCLE_NS) + 1
        self._history: deque[tuple[int, EgoState]] = deque(maxlen=length)
        self._ego: EgoState | None = None
        self._ego_stamp_ns = 0
        self._stamp_ns: int | None = None
        self._seen: Observation | None = None
        self._stuck = False
        self._places: dict[int, tuple[float, float, float, tuple[int, float, float] | None]] = {}

    def step(self, observation: Observation) -> Scene:
        """The scene at the observation's stamp. An ego pose that is late or not finite is carried on by dead reckoning."""
        stamp = observation.stamp_ns
        dt_s = 0.0 if self._stamp_ns is None else (stamp - self._stamp_ns) * _NS
        if not 0.0 <= dt_s <= _GAP_S:
            self.reset()
            dt_s = 0.0
        self._stamp_ns = stamp
        if observation.ego.is_finite:
            self._ego, self._ego_stamp_ns = observation.ego, observation.ego_stamp_ns
        located = self._ego is not None
        ego = (
            _carried(self._ego, (stamp - self._ego_stamp_ns) * _NS)
            if self._ego
            else observation.ego
        )
        self._stuck = not observation.sees_anew(self._seen, self._stuck)
        self._seen = observation
        if self._stuck:  # or broken: no measurement, and no proof that nobody is there
            tracks = self._tracker.coast(dt_s)
        else:
            tracks = self._tracker.step(ego, observation.detections if located else (), dt_s)
        if located and (not self._history or stamp - self._history[-1][0] >= CYCLE_NS):
            self._history.append((stamp, ego))
        past = [e for _, e in self._history]
        return Scene(
            stamp_ns=stamp,
            ego_stamp_ns=self._ego_stamp_ns,
            ego=ego,
            history_x_m=np.array([e.x_m for e in past]),
            history_y_m=np.array([e.y_m for e in past]),
            history_yaw_rad=np.array([e.yaw_rad for e in past]),
            history_v_mps=np.array([e.v_mps for e in past]),
            objects=self._objects(tracks, {x.light_id: x.color for x in observation.lights}),
            lights=observation.lights,
        )

    def _objects(
        self, tracks: Tracks, lights: Mapping[int, LightColor]
    ) -> tuple[TrackedObject, ...]:
        movers = [self._mover(t) for t in tracks]
        ids = set(tracks["id"].tolist())
        self._places = {i: p for i, p in self._places.items() if i in ids}
        predictions = self._predictor.step(movers, lights)
        return tuple(
            TrackedObject(
                id=int(t["id"]),
                object_class=ObjectClass(int(t["votes"].argmax())),
                x_m=m.x_m,
                y_m=m.y_m,
                yaw_rad=m.yaw_rad,
                vx_mps=float(t["vx"]),
                vy_mps=float(t["vy"]),
                length_m=float(t["length"]),
                width_m=float(t["width"]),
                existence_probability=1.0 / (1.0 + math.exp(-float(t["belief"]))),
                age_s=float(t["age"]),
                unseen_s=float(t["unseen"]),
                lane_id=self._lane_id(m),
                predictions=p,
            )
            for t, m, p in zip(tracks, movers, predictions, strict=True)
        )

    def _mover(self, t: np.void) -> Mover:
        x, y, yaw = float(t["x"]), float(t["y"]), float(t["yaw"])
        vx, vy = float(t["vx"]), float(t["vy"])
        v = math.hypot(vx, vy)
        kind = ObjectClass(int(t["votes"].argmax()))
        return Mover(
            x, y, yaw,
            v_mps=v,
            course_rad=math.atan2(vy, vx) if v > 0.3 else yaw,
            acceleration_mps2=float(t["acceleration"]),
            yaw_rate_rps=float(t["yaw_rate"]),
            standing=bool(t["standing"]),
            is_vehicle=kind not in _NOT_VEHICLES,
            length_m=float(t["length"]),
            lane=self._lane_of(int(t["id"]), x, y, yaw, kind),
        )  # fmt: skip

    def _lane_of(
        self, track_id: int, x: float, y: float, yaw: float, kind: ObjectClass
    ) -> tuple[int, float, float] | None:
        """Lane, s, d under a track; remembered while it does not move."""
        known = self._places.get(track_id)
        if (
            known
            and abs(known[0] - x) + abs(known[1] - y) < 0.05
            and abs(wrap_angle(known[2] - yaw)) < 0.02
        ):
            return known[3]
        kinds = (
            (LaneKind.DRIVING, LaneKind.BIKE)
            if kind == ObjectClass.BICYCLE
            else (LaneKind.DRIVING,)
        )
        found: tuple[int, float, float] | None
        if kind in _NOT_VEHICLES:
            under = [
                i
                for i in self._road.lanes_at(x, y)
                if self._road.lanes[i].lane.kind == LaneKind.DRIVING
            ]
            found = (under[0], *self._road.lanes[under[0]].project(x, y)) if under else None
        else:
            found = self._road.locate(x, y, yaw, kinds)
        self._places[track_id] = (x, y, yaw, found)
        return found

    def _lane_id(self, m: Mover) -> int:
        if m.lane is None:
            return 0
        lane_id, s, d = m.lane
        return lane_id if abs(d) <= 0.5 * float(self._road.lanes[lane_id].width_at(s)) else 0


def _carried(ego: EgoState, lag_s: float) -> EgoState:
    """The ego `lag_s` after its pose was measured, on the same arc at the same speed; at most half a second."""
    lag_s = min(lag_s, 0.5)
    if lag_s <= 0.0:
        return ego
    heading = ego.yaw_rad + 0.5 * ego.yaw_rate_rps * lag_s
    return replace(
        ego,
        x_m=ego.x_m + ego.v_mps * lag_s * math.cos(heading),
        y_m=ego.y_m + ego.v_mps * lag_s * math.sin(heading),
        yaw_rad=float(wrap_angle(ego.yaw_rad + ego.yaw_rate_rps * lag_s)),
    )
