"""Traces, scenes and a lane for the tests, made in a few words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.geometry import Polyline
from whyway.trace.integrity import NO_ACTION
from whyway.types import (
    Agreement,
    Cause,
    CauseKind,
    Conflict,
    CriticalObject,
    Direction,
    EgoState,
    Integrity,
    Intent,
    LaneRelation,
    Lateral,
    LightColor,
    LightState,
    Longitudinal,
    NavCommand,
    ObjectClass,
    ObjectPrediction,
    PerceptionTrace,
    Plan,
    PlanningTrace,
    PredictionTrace,
    RoadType,
    Role,
    Scene,
    Trace,
    TrackedObject,
    Waypoints,
)

NONE = np.zeros(0)
EGO = EgoState(0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Lane:
    """A lane 3.5 m wide along the x axis, as far as a trace needs it."""

    center: Polyline
    junctions: tuple[tuple[float, float], ...] = ()

    def half_width_at(self, s_m):
        return np.full(np.shape(s_m), 1.75)


LANE = Lane(Polyline.through(np.array([-100.0, 400.0]), np.zeros(2)))


def tracked(i=7, x=30.0, y=0.0, kind=ObjectClass.CAR):
    return TrackedObject(i, kind, x, y, 0.0, 5.0, 0.0, 4.5, 1.8, 0.99, 3.0, 0.0, 1)


RED = (LightState(3, LightColor.RED, 0.9),)


def scene(*objects, lights=RED, stamp_ns=0, latency_ms=1.5):
    return Scene(stamp_ns, stamp_ns, EGO, NONE, NONE, NONE, NONE, objects, lights, latency_ms)


def citation(i=7, x=30.0, y=0.0, kind=ObjectClass.CAR, side=LaneRelation.EGO, role=Role.LEAD):
    return CriticalObject(i, kind, role, x, y, 0.0, 5.0, 0.0, side, 0.99, 1.0)


def cause(kind=CauseKind.OBJECT, i=7, weight=1.0):
    return Cause(
        kind, i, weight, Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE
    )  # fmt: skip


def prediction(i=7):
    return ObjectPrediction(
        i, Intent.KEEP, 1.0, 0.5, NONE, NONE, NONE, Conflict.REAR_END, math.inf, 20.0, 0.0
    )


def trace(
    longitudinal=Longitudinal.KEEP_DISTANCE,
    lateral=Lateral.KEEP_LANE,
    direction=Direction.NONE,
    causes=(),
    cites=(),
    predicts=(),
    light=LightColor.UNKNOWN,
    stop_m=math.inf,
    stamp_ns=0,
):
    """A draft, as the reasoner hands it on."""
    perception = PerceptionTrace(
        RoadType.STRAIGHT, 13.9, 0.0, math.inf, math.inf, light, math.inf, 0.0, EGO, NavCommand.FOLLOW, math.inf,
        tuple(cites),
    )  # fmt: skip
    planning = PlanningTrace(
        longitudinal, lateral, direction, tuple(causes), (), 13.9, 0.0, stop_m, 1.0
    )
    integrity = Integrity(
        "sha", "1", 0, "hash", True, Agreement.UNSUPPORTED, Agreement.UNSUPPORTED, Agreement.UNSUPPORTED, False,
        False, "",
    )  # fmt: skip
    return Trace(
        stamp_ns, stamp_ns // 100_000_000, perception, PredictionTrace(tuple(predicts)), planning, NO_ACTION, integrity
    )  # fmt: skip


def plan(v0=10.0, a=0.0, shift_m=0.0, stamp_ns=0, **parts):
    """Along the lane at constant acceleration until it stands, moving over within three seconds."""
    t = np.arange(0.0, 8.05, 0.1)
    v = np.maximum(v0 + a * t, 0.0)
    x = np.concatenate([[0.0], np.cumsum(0.05 * (v[1:] + v[:-1]))])
    y = shift_m * np.clip(t / 3.0, 0.0, 1.0)
    return Plan(stamp_ns, 0, Waypoints(t, x, y, 0 * t, v, np.where(v > 0, a, 0.0), 0 * t), **parts)
