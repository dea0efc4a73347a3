"""Ego and command -> waypoints by a small net: the baseline that sees nobody and hears nothing. Rate: 10 Hz. No clock, no state.

The ego status baseline of NAVSIM (Dauner et al., arXiv 2406.15349): how far a plan gets by going on as one does. Its net has two hidden
layers; trained by `training/ego_mlp.py` on the keyframes that microgpt learns from, for the same speeds, along the middle of its lane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path, place_of
from whyway.maps.road import Road
from whyway.plan.course import sample_times
from whyway.plan.knots import KNOT_TIMES_S, KNOTS, smooth
from whyway.plan.view import PlannerView
from whyway.types import (
    CYCLE_S,
    Direction,
    EgoState,
    Floats,
    InputError,
    NavCommand,
    Plan,
    Waypoints,
)

FILE = "ego-mlp/ego_mlp.safetensors"
"""Below the folder of models."""
STATUS = (
    "speed", "standing", "acceleration", "yaw_rate", "steer", "left", "right", "straight", "near",
)  # fmt: skip
WIDTH = 32
SHAPES: Mapping[str, tuple[int, ...]] = {
    "hidden_1.weight": (WIDTH, len(STATUS)),
    "hidden_1.bias": (WIDTH,),
    "hidden_2.weight": (WIDTH, WIDTH),
    "hidden_2.bias": (WIDTH,),
    "answer.weight": (2 * KNOTS, WIDTH),
    "answer.bias": (2 * KNOTS,),
}
SPEED_MPS, YAW_RAD = 5.0, 0.5
"""Of what is answered: change of speed and of heading at every knot."""

Weights = Mapping[str, NDArray[np.float32]]


def status(
    speed_mps: Floats, a_mps2: Floats, yaw_rate_rps: Floats, steer_rad: Floats, command: NDArray[np.integer],
    command_distance_m: Floats,
) -> NDArray[np.float32]:  # fmt: skip
    """What is read (n, len(STATUS)), of arrays (n,)."""
    asks = [command == c for c in (NavCommand.LEFT, NavCommand.RIGHT, NavCommand.STRAIGHT)]
    near = np.exp(-np.minimum(command_distance_m, 1e3) / 15.0)
    columns = (
        speed_mps / 15.0, np.exp(-2.0 * np.maximum(speed_mps, 0.0)), a_mps2 / 3.0, yaw_rate_rps / 0.5, steer_rad / 0.5,
        *asks, near,
    )  # fmt: skip
    read: NDArray[np.float32] = np.clip(np.stack(columns, axis=-1), -3.0, 3.0).astype(np.float32)
    return read


class EgoMlpPlanner:
    """Drives what the net answers.

    Args:
      config: the whole tree; it plans exactly the net's horizon.
      road: of map and route only the next command is taken.
      weights: of `SHAPES`.

    Raises:
      InputError: weights of another net, or another horizon is configured.
    """

    def __init__(self, config: Config, road: Road, weights: Weights) -> None:
        found = {name: w.shape for name, w in weights.items()}
        if found != SHAPES:
            raise InputError(f"the ego-only baseline's weights have shapes {found}, not {dict(SHAPES)}; train it anew")  # fmt: skip
        if config.plan.horizon_s != KNOT_TIMES_S[-1]:
            raise InputError(f"the ego-only baseline plans {KNOT_TIMES_S[-1]:g} s; set plan.horizon_s={KNOT_TIMES_S[-1]:g}")  # fmt: skip
        self._road, self._w, self._t_s = road, weights, sample_times(config)

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def step(self, view: PlannerView) -> Plan:
        """The plan; nobody is looked at."""
        ego = view.ego
        command, distance = next_command(self._road, ego)
        v0, a0, turns, steer = np.array(
            [[ego.v_mps], [ego.a_mps2], [ego.yaw_rate_rps], [ego.steer_rad]]
        )
        read = status(v0, a0, turns, steer, np.array([command]), np.array([distance]))
        speeds, turned = answer(self._w, read, v0)
        v = smooth(np.append(max(ego.v_mps, 0.0), speeds[0]), ego.a_mps2)
        yaw = smooth(np.append(0.0, turned[0]), ego.yaw_rate_rps)
        return Plan(view.stamp_ns, view.trace_id, _driven(ego, self._t_s, v, yaw))


def answer(w: Weights, read: NDArray[np.float32], speed_mps: Floats) -> tuple[Floats, Floats]:
    """Speeds [m/s] and heading changes [rad] at the knots, (n, KNOTS) each."""
    x = np.maximum(read @ w["hidden_1.weight"].T + w["hidden_1.bias"], 0.0)
    x = np.maximum(x @ w["hidden_2.weight"].T + w["hidden_2.bias"], 0.0)
    out = (x @ w["answer.weight"].T + w["answer.bias"]).astype(np.float64)
    speeds = np.maximum(speed_mps[:, None] + SPEED_MPS * out[:, :KNOTS], 0.0)
    return speeds, YAW_RAD * out[:, KNOTS:]


def next_command(road: Road, ego: EgoState) -> tuple[NavCommand, float]:
    """How to pass the next junction of the way, and how far off that is; FOLLOW and inf where there is none."""
    place, path = place_of(road, ego), ego_path(road, ego)
    if place is None or path is None:
        return NavCommand.FOLLOW, math.inf
    s = float(path.center.project(ego.x_m, ego.y_m)[0])
    turn = path.next_turn(s)
    if turn is not None:
        return (NavCommand.LEFT if turn[0] == Direction.LEFT else NavCommand.RIGHT), max(turn[1] - s, 0.0)  # fmt: skip
    junction = next((max(a - s, 0.0) for a, b in path.junctions if b > s), math.inf)
    if math.isfinite(junction):
        return NavCommand.STRAIGHT, junction
    return NavCommand.FOLLOW, math.inf


def _driven(ego: EgoState, t_s: Floats, v_mps: Floats, turned_rad: Floats) -> Waypoints:
    """Speeds and heading changes (T,) driven from where the ego is."""
    yaw = ego.yaw_rad + turned_rad
    x, y = (ego_0 + _summed(v_mps * f(yaw)) for ego_0, f in ((ego.x_m, np.cos), (ego.y_m, np.sin)))
    curvature = np.gradient(yaw, CYCLE_S) / np.maximum(v_mps, 0.5)
    return Waypoints(t_s, x, y, yaw, v_mps, np.gradient(v_mps, CYCLE_S), curvature)


def _summed(rate: Floats) -> Floats:
    """The integral (T,) of a rate, by trapezoids."""
    return np.concatenate([[0.0], np.cumsum(0.5 * CYCLE_S * (rate[1:] + rate[:-1]))])
