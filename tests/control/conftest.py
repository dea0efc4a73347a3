"""A car by the single-track model, plans along given curves, and a drive of one under the other."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from whyway.config import Config
from whyway.motion import actuate, single_track
from whyway.types import (
    EgoState,
    Intent,
    ObjectClass,
    Observation,
    Plan,
    PredictedPath,
    Scene,
    TrackedObject,
    Waypoints,
)  # fmt: skip

STEP_NS = 100_000_000
CONFIG = Config()
NONE = np.zeros(0)


def ego(x=0.0, y=0.0, yaw=0.0, v=10.0, steer=0.0):
    return EgoState(x, y, yaw, v, 0.0, v * math.tan(steer) / CONFIG.vehicle.wheelbase_m, steer)


def moved(e, command, dt=0.1):
    """The car after one period under a command."""
    v, steer = np.array([e.v_mps]), np.array([e.steer_rad])
    a, steer = actuate(
        v,
        steer,
        np.array([command.acceleration_mps2]),
        np.array([command.steer_rad]),
        CONFIG.vehicle,
        dt,
    )
    state = (np.array([value]) for value in (e.x_m, e.y_m, e.yaw_rad, e.v_mps))
    x, y, yaw, v = (
        float(c[0]) for c in single_track(*state, a, steer, CONFIG.vehicle.wheelbase_m, dt)
    )
    turning = v * math.tan(float(steer[0])) / CONFIG.vehicle.wheelbase_m
    return EgoState(x, y, yaw, v, float(a[0]), turning, float(steer[0]))


class Curve:
    """A curve by its curvature over arc length, from the origin to the east."""

    def __init__(self, curvature_of_s, length=1000.0, step=0.1):
        self.s = np.arange(0.0, length, step)
        self.k = curvature_of_s(self.s)
        self.yaw = np.concatenate([[0.0], np.cumsum(self.k[:-1] * step)])
        middle = self.yaw[:-1] + self.k[:-1] * step / 2
        self.x = np.concatenate([[0.0], np.cumsum(np.cos(middle) * step)])
        self.y = np.concatenate([[0.0], np.cumsum(np.sin(middle) * step)])

    def nearest(self, e):
        i = int(np.argmin((self.x - e.x_m) ** 2 + (self.y - e.y_m) ** 2))
        offset = -math.sin(self.yaw[i]) * (e.x_m - self.x[i]) + math.cos(self.yaw[i]) * (
            e.y_m - self.y[i]
        )
        return self.s[i], offset

    def plan(self, e, stamp_ns=0, speed=None):
        """The plan from where the car is, on the curve, at constant speed."""
        t, v = np.arange(0.0, 8.05, 0.1), e.v_mps if speed is None else speed
        s = self.nearest(e)[0] + v * t
        x, y, yaw, k = (np.interp(s, self.s, c) for c in (self.x, self.y, self.yaw, self.k))
        return Plan(stamp_ns, 0, Waypoints(t, x, y, yaw, np.full_like(t, v), 0 * t, k))


def straight(e, stamp_ns=0, a=0.0, v=None):
    """A straight plan from the car's pose with constant acceleration until it stands."""
    t = np.arange(0.0, 8.05, 0.1)
    v0 = e.v_mps if v is None else v
    speed = np.maximum(v0 + a * t, 0.0)
    s = np.concatenate([[0.0], np.cumsum(0.05 * (speed[1:] + speed[:-1]))])
    x, y = e.x_m + s * math.cos(e.yaw_rad), e.y_m + s * math.sin(e.yaw_rad)
    return Plan(
        stamp_ns,
        0,
        Waypoints(t, x, y, np.full_like(t, e.yaw_rad), speed, np.where(speed > 0, a, 0.0), 0 * t),
    )


def thing(
    i, x, y, vx=0.0, vy=0.0, kind=ObjectClass.CAR, a=0.0, existence=0.99, yaw=None, predicted=True
):
    """An object predicted to go straight on, braking with -a until it stands."""
    length, width = (0.6, 0.6) if kind is ObjectClass.PEDESTRIAN else (4.5, 1.8)
    v0 = math.hypot(vx, vy)
    yaw = (math.atan2(vy, vx) if v0 > 0 else 0.0) if yaw is None else yaw
    t = 0.5 * np.arange(1, 11)
    until = np.minimum(t, v0 / -a) if a < 0 else t
    s, v = v0 * until + 0.5 * a * until**2, np.maximum(v0 + a * t, 0.0)
    path = PredictedPath(
        Intent.KEEP,
        1.0,
        0.5,
        x + s * math.cos(yaw),
        y + s * math.sin(yaw),
        np.full(10, yaw),
        v,
        0.2 * t,
    )
    return TrackedObject(
        i,
        kind,
        x,
        y,
        yaw,
        vx,
        vy,
        length,
        width,
        existence,
        5.0,
        0.0,
        1,
        (path,) if predicted else (),
    )


def drive(step, e, cycles):
    """Close the loop: `step(k, ego) -> (command, note)`; gives the egos and the notes."""
    egos, notes = [e], []
    for k in range(cycles):
        command, note = step(k, e)
        e = moved(e, command)
        egos.append(e)
        notes.append(note)
    return egos, notes


@pytest.fixture(scope="session")
def kit():
    """The helpers above, under one name."""
    return SimpleNamespace(
        config=CONFIG, step_ns=STEP_NS, ego=ego, moved=moved, Curve=Curve, straight=straight, thing=thing, drive=drive,
        observation=lambda now, e, lag=0: Observation(now, now - lag, e),
        scene=lambda now, e, objects=(): Scene(now, now, e, NONE, NONE, NONE, NONE, tuple(objects)),
    )  # fmt: skip
