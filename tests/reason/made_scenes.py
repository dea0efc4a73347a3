"""Hand-made roads with road users on them, drawn in a few numbers, and what is left of a scene without one of them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from roads import arc, ids, road, straight

from whyway.evaluate.traces.interventions import declared as declared
from whyway.evaluate.traces.interventions import without as without
from whyway.evaluate.traces.interventions import without_cause as without_cause
from whyway.types import (
    EgoState,
    Intent,
    LightState,
    ObjectClass,
    PredictedPath,
    Scene,
    StopLine,
    TrackedObject,
    TrafficLight,
)

NONE = np.zeros(0)
LIMIT_MPS = 13.89
LIGHT, SIGN = 31, 41


def decision(trace):
    """What a trace decides: longitudinal, lateral, direction."""
    return trace.planning.decision


def one_lane(**changes):
    """One lane east, 600 m."""
    return road([straight(1, 0, 600, **changes)], [1])


def two_lanes(**changes):
    """Two lanes east, 800 m: 1 right, 2 left; dashed between them."""
    lanes = [straight(1, 0, 800, 0.0, left_id=2, **changes), straight(2, 0, 800, 3.5, right_id=1)]
    return road(lanes, [1])


def route_change(**changes):
    """Two lanes east, 400 m; the route needs the left one."""
    lanes = [
        straight(1, 0, 400, 0.0, left_id=2, **changes),
        straight(2, 0, 400, 3.5, right_id=1, successor_ids=ids(3)),
        straight(3, 400, 800, 3.5, predecessor_ids=ids(2)),
    ]
    return road(lanes, [1, 2, 3])


def _line(i, x, light_id=0, sign=False):
    return StopLine(i, np.array([x, x]), np.array([-1.75, 1.75]), ids(1), light_id, sign)


def at_a_light(x=150.0, light_x=None):
    """One lane with a stop line of a traffic light, which stands behind it or at `light_x`."""
    light = TrafficLight(LIGHT, x + 5 if light_x is None else light_x, 3.0, ids(1))
    lanes = [straight(1, 0, 600)]
    return road(lanes, [1], stop_lines=(_line(9, x, LIGHT),), lights=(light,))


def at_a_stop_sign(x=150.0):
    """One lane with a stop sign."""
    return road([straight(1, 0, 600)], [1], stop_lines=(_line(SIGN, x, sign=True),))


def before_a_bend(radius_m=15.0, junction=False, speed_limit_mps=LIMIT_MPS):
    """100 m straight, then a quarter circle to the left, then on north."""
    return road(
        [
            straight(1, 0, 100, successor_ids=ids(2)),
            arc(2, radius_m, math.pi / 2, 100.0, predecessor_ids=ids(1), successor_ids=ids(3),
                in_junction=junction, speed_limit_mps=speed_limit_mps),
            _north(3, 100 + radius_m, radius_m),
        ],
        [1, 2, 3],
    )  # fmt: skip


def _north(lane_id, x, y):
    lane = straight(lane_id, 0, 200, predecessor_ids=ids(2))
    turned = {
        name.replace("_x_m", "_y_m"): getattr(lane, name) + y
        for name in ("center_x_m", "left_x_m", "right_x_m")
    }
    turned |= {
        name.replace("_y_m", "_x_m"): x - getattr(lane, name)
        for name in ("center_y_m", "left_y_m", "right_y_m")
    }
    return dataclasses.replace(lane, **turned)


def ego(x=50.0, y=0.0, v=10.0, yaw=0.0, a=0.0):
    return EgoState(x, y, yaw, v, a, 0.0, 0.0)


def thing(i, x, y=0.0, v=0.0, yaw=0.0, kind=ObjectClass.CAR, lane_id=1, probability=1.0):
    """Somebody who is predicted to go straight on at the speed they have."""
    length, width = (0.5, 0.6) if kind == ObjectClass.PEDESTRIAN else (4.5, 1.8)
    t = 0.5 * np.arange(1, 11)
    vx, vy = v * math.cos(yaw), v * math.sin(yaw)
    path = PredictedPath(
        Intent.KEEP, probability, 0.5, x + vx * t, y + vy * t, np.full(10, yaw), np.full(10, v), 0.2 * t
    )  # fmt: skip
    return TrackedObject(
        i, kind, x, y, yaw, vx, vy, length, width, 0.99, 5.0, 0.0, lane_id, (path,)
    )


def pedestrian(i, x, y, v, yaw=math.pi / 2):
    return thing(i, x, y, v, yaw, ObjectClass.PEDESTRIAN, lane_id=0)


def scene(e, *objects, lights=(), stamp_ns=0):
    return Scene(stamp_ns, stamp_ns, e, NONE, NONE, NONE, NONE, objects, lights)


def light(color):
    return (LightState(LIGHT, color, 1.0),)
