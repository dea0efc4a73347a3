"""The stop lines ahead that may be causes: lights and stop signs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from whyway.reason.features.table import one_hot, one_hot_names
from whyway.reason.features.view import WINDOW_STEPS, Line, View, Viewer
from whyway.types import LightColor

LINE: dict[str, str] = {
    "light": "a traffic light's",
    "sign": "a stop sign's",
    **one_hot_names("", LightColor, "the light is"),
    "confidence": "of its colour",
    "served": "a stop sign at which the ego has stood",
    "holds": "whether it holds the ego: red, amber that can be stopped for, a sign not yet stood at",
    "first": "whether it is the first that holds",
    "distance": "from the front bumper / 50 m",
    "near": "... / 10 m",
    "halt": "where to stand for it / 50 m",
    "halt_near": "... / 10 m",
    "needs": "braking it takes to stand there / 3 m/s2",
    "time": "to reach it on a free road / 5 s",
    "pressure": "log(1 + what it alone takes off the free road's acceleration in the words' window) / 2",
    "loses": "speed it alone takes in the window / 3 m/s",
}


def line_columns(v: View, viewer: Viewer, lines: Sequence[Line]) -> dict[str, Any]:
    """Columns `(lines,)` by name."""
    front, speed = viewer.config.vehicle.front_m, v.scene.ego.v_mps
    distance = np.array([x.to_line_m for x in lines])
    halt = np.array([x.halt.ahead_m if x.halt else max(x.to_line_m - 1.0, 0.0) for x in lines])
    holds = np.array([x.halt is not None for x in lines], dtype=np.bool_)
    reach = np.interp(distance + front, v.free.ahead_m, v.free.t_s, right=math.inf)
    pressure, loses = np.zeros(len(lines)), np.zeros(len(lines))
    for k, x in enumerate(lines):
        if x.halt is not None:
            roll = v.held if x.halt.ahead_m == v.held_m else viewer.drive(
                v.facts, v.profile, v.cap_mps, x.halt.ahead_m
            )  # fmt: skip
            pressure[k] = np.mean(roll.pressure_mps2[:WINDOW_STEPS])
            loses[k] = speed - roll.v_mps[WINDOW_STEPS - 1]
    return {
        "light": np.array([x.line.light_id != 0 for x in lines]),
        "sign": np.array([x.line.light_id == 0 for x in lines]),
        **one_hot("", [x.color for x in lines], LightColor),
        "confidence": np.array([x.confidence for x in lines]),
        "served": np.array([x.served for x in lines]),
        "holds": holds,
        "first": holds & (np.cumsum(holds) == 1),
        "distance": distance / 50,
        "near": distance / 10,
        "halt": halt / 50,
        "halt_near": halt / 10,
        "needs": speed**2 / (2 * np.maximum(halt, 0.5)) / 3,
        "time": reach / 5,
        "pressure": np.log1p(pressure) / 2,
        "loses": loses / 3,
    }
