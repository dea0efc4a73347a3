"""A hand-made straight road and drives on it, written as logs: what a score must be is known beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from whyway.log import Log, LogWriter, read_log
from whyway.topics import EVENT, LANE_MAP, PLAN, ROUTE, SCENE, TRACE, TRUTH, VERDICT
from whyway.types import (
    ActionTrace,
    Actor,
    Agreement,
    Cause,
    CauseKind,
    CriticalObject,
    Crossing,
    Direction,
    EgoState,
    Event,
    Fault,
    Integrity,
    Lane,
    LaneKind,
    LaneMap,
    LaneRelation,
    Lateral,
    LightColor,
    LightState,
    Longitudinal,
    MarkingKind,
    MetaLane,
    MetaLateral,
    MetaLongitudinal,
    NavCommand,
    ObjectClass,
    PerceptionTrace,
    Plan,
    PlanningTrace,
    PredictionTrace,
    RoadType,
    Role,
    Route,
    SafetyState,
    Scene,
    StageLatency,
    StopLine,
    Trace,
    TrackedObject,
    TrafficLight,
    Truth,
    Verdict,
    Waypoints,
)

LENGTH_M, WIDTH_M, OFFSET_M = 4.5, 1.8, 1.3
LIMIT_MPS = 10.0
LIGHT, STOP_X = 9, 100.0
ROAD_M = 500.0


def _lane(id_: int, y: float, reverse: bool = False, **links: Any) -> Lane:
    x = np.linspace(0.0, ROAD_M, 101)
    left, right = np.full_like(x, y + 1.75), np.full_like(x, y - 1.75)
    if reverse:
        x, left, right = x[::-1].copy(), right, left
    same = {"left_id": 0, "right_id": 0, "opposite_id": 0} | links
    return Lane(
        id_, LaneKind.DRIVING, LIMIT_MPS, False, same["left_id"], same["right_id"], same["opposite_id"],
        MarkingKind.DASHED, MarkingKind.SOLID, np.zeros(0, np.int64), np.zeros(0, np.int64),
        x, np.full_like(x, y), x, left, x, right,
    )  # fmt: skip


def road() -> tuple[LaneMap, Route]:
    """Lanes 1 (y = 0) and 2 (y = 3.5) lead to +x, lane 3 (y = 7) comes towards us; a light at x = 100."""
    lanes = (
        _lane(1, 0.0, left_id=2),
        _lane(2, 3.5, right_id=1, opposite_id=3),
        _lane(3, 7.0, True),
    )
    line = StopLine(
        5, np.array([STOP_X, STOP_X]), np.array([-1.7, 5.2]), np.array([1, 2]), LIGHT, False
    )
    light = TrafficLight(LIGHT, STOP_X + 5, -3.0, np.array([1, 2]))
    crossing = Crossing(
        6, np.array([102.0, 105, 105, 102]), np.array([-1.7, -1.7, 8.7, 8.7]), np.array([1, 2, 3])
    )
    lane_map = LaneMap(0, "made", lanes, (line,), (light,), (crossing,))
    return lane_map, Route(0, np.array([1]), ROAD_M, 0.0)


Path2 = Callable[[float], tuple[float, float, float, float]]
"""Time -> x, y, yaw, v of the box's centre."""


def ego_state(motion: Path2, t: float, dt: float = 1e-3) -> EgoState:
    (x, y, yaw, v), (_, _, yaw2, v2) = motion(t), motion(t + dt)
    return EgoState(
        x - OFFSET_M * np.cos(yaw),
        y - OFFSET_M * np.sin(yaw),
        yaw,
        v,
        (v2 - v) / dt,
        (yaw2 - yaw) / dt,
        0.0,
    )


def straight(x0: float, v: float, y: float = 0.0, yaw: float = 0.0) -> Path2:
    return lambda t: (x0 + v * t * np.cos(yaw), y + v * t * np.sin(yaw), yaw, v)


def stopping(x0: float, v: float, brake: float, y: float = 0.0) -> Path2:
    """At speed v from x0, braking from the start to standstill."""

    def motion(t: float) -> tuple[float, float, float, float]:
        t = min(t, v / brake)
        return x0 + v * t - brake * t * t / 2, y, 0.0, v - brake * t

    return motion


@dataclass
class Other:
    """An actor of a hand-made drive."""

    motion: Path2
    id: int = 50
    object_class: ObjectClass = ObjectClass.CAR
    length_m: float = LENGTH_M
    width_m: float = WIDTH_M
    is_static: bool = False

    def at(self, t: float) -> Actor:
        x, y, yaw, v = self.motion(t)
        return Actor(
            self.id, self.object_class, x, y, yaw, v, self.length_m, self.width_m, self.is_static
        )


@dataclass
class Made:
    """Writes hand-made drives below a folder."""

    folder: Path
    count: Any = field(default_factory=itertools.count)

    def drive(
        self,
        ego: Path2,
        *others: Other,
        duration_s: float = 8.0,
        light: Callable[[float], LightColor] = lambda t: LightColor.GREEN,
        say: Callable[[float], Trace | None] = lambda t: None,
        scene: Callable[[float], Scene | None] = lambda t: None,
        plan: Callable[[float], Plan | None] = lambda t: None,
        verdict: Callable[[float], Verdict | None] = lambda t: None,
        events: tuple[Event, ...] = (),
        on: tuple[LaneMap, Route] | None = None,
        **info: Any,
    ) -> Log:
        path = self.folder / f"{next(self.count)}.mcap"
        lane_map, route = on or road()
        with LogWriter(path, {"driver": "rules", "world": "made", "seed": 1} | info) as log:
            log.write(LANE_MAP.name, lane_map)
            log.write(ROUTE.name, route)
            for i in range(round(duration_s * 10) + 1):
                t = i / 10
                log.write(
                    TRUTH.name, truth(i, ego_state(ego, t), [o.at(t) for o in others], light(t))
                )
                for topic, value in (
                    (SCENE, scene(t)), (TRACE, say(t)), (PLAN, plan(t)), (VERDICT, verdict(t))
                ):  # fmt: skip
                    if value is not None:
                        log.write(topic.name, value)
            for event in events:
                log.write(EVENT.name, event)
        return read_log(path)


def truth(i: int, ego: EgoState, actors: list[Actor], light: LightColor) -> Truth:
    return Truth(
        i * 100_000_000,
        ego,
        LENGTH_M,
        WIDTH_M,
        OFFSET_M,
        tuple(actors),
        (LightState(LIGHT, light, 1.0),),
    )


def ns(t: float) -> int:
    return round(t * 10) * 100_000_000


def a_scene(t: float, ego: Path2, *others: Other, ids_from: int = 0) -> Scene:
    """What perfect perception makes of the actors; a track's id is the actor's plus `ids_from`."""
    objects = tuple(
        TrackedObject(
            a.id + ids_from, a.object_class, a.x_m, a.y_m, a.yaw_rad, a.v_mps * np.cos(a.yaw_rad), 0.0,
            a.length_m, a.width_m, 1.0, 1.0, 0.0, 1,
        )
        for a in (o.at(t) for o in others)
    )  # fmt: skip
    empty = np.zeros(0)
    return Scene(
        ns(t), ns(t), ego_state(ego, t), empty, empty, empty, empty, objects,
        (LightState(LIGHT, LightColor.GREEN, 1.0),), latency_ms=1.0,
    )  # fmt: skip


def a_plan(t: float, ego: Path2, a_mps2: float = 0.0, latency_ms: float = 2.0) -> Plan:
    """Straight on from where the ego is, at constant acceleration down to standstill."""
    state = ego_state(ego, t)
    ts = np.arange(0, 8.05, 0.1)
    v = np.maximum(0.0, state.v_mps + a_mps2 * ts)
    x = state.x_m + np.concatenate([[0.0], np.cumsum((v[1:] + v[:-1]) / 2 * 0.1)])
    flat = np.zeros_like(ts)
    waypoints = Waypoints(ts, x, flat + state.y_m, flat, v, np.where(v > 0, a_mps2, 0.0), flat)
    return Plan(ns(t), round(t * 10), waypoints, latency_ms=latency_ms)


def a_trace(
    t: float,
    ego: Path2,
    longitudinal: Longitudinal = Longitudinal.RESUME_SPEED,
    lateral: Lateral = Lateral.KEEP_LANE,
    direction: Direction = Direction.NONE,
    cited: tuple[CriticalObject, ...] = (),
) -> Trace:
    perception = PerceptionTrace(
        RoadType.STRAIGHT, LIMIT_MPS, 0.0, np.inf, np.inf, LightColor.UNKNOWN, np.inf, 0.0,
        ego_state(ego, t), NavCommand.FOLLOW, np.inf, cited,
    )  # fmt: skip
    causes = tuple(
        Cause(
            CauseKind.OBJECT,
            c.id,
            1.0,
            Longitudinal.RESUME_SPEED,
            Lateral.KEEP_LANE,
            Direction.NONE,
        )
        for c in cited
    )
    planning = PlanningTrace(longitudinal, lateral, direction, causes, (), 10.0, 0.0, np.inf, 1.0)
    action = ActionTrace(
        MetaLongitudinal.STOP, MetaLateral.GO_STRAIGHT, MetaLane.LANE_KEEP, Waypoints(), Waypoints(),
        np.zeros(0), np.zeros(0), 0.0,
    )  # fmt: skip
    latency = (
        StageLatency("perception", 1.0),
        StageLatency("reasoner", 4.0),
        StageLatency("planner", 2.0),
    )
    integrity = Integrity(
        "", "1", 1, "", True, Agreement.OK, Agreement.OK, Agreement.OK, True, False, "", latency
    )
    return Trace(ns(t), round(t * 10), perception, PredictionTrace(), planning, action, integrity)


def a_citation(
    other: Other, t: float, ids_from: int = 0, relation: LaneRelation = LaneRelation.EGO
) -> CriticalObject:
    a = other.at(t)
    return CriticalObject(
        a.id + ids_from,
        a.object_class,
        Role.LEAD,
        a.x_m,
        a.y_m,
        0.0,
        a.v_mps,
        0.0,
        relation,
        1.0,
        1.0,
    )


def a_verdict(t: float, state: SafetyState, fault: Fault = Fault.NONE, reason: str = "") -> Verdict:
    return Verdict(ns(t), state, fault, reason, 0, 0.5, 0.0, latency_ms=0.5)
