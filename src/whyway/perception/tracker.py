"""Detections of one instant -> tracks in `map` with ids that last. No clock, no randomness.

Every track is a row of one structured array, so a cycle costs a fixed number of array operations. Per axis a Kalman
filter with constant velocity (rotated by the track's own turn rate) takes position *and* velocity, which are both
measured; the noise is taken as the same along x and y, so one 2 x 2 covariance serves both axes. Heading has an alpha-beta
filter of its own, modulo half a turn, since detectors mistake front for rear.
Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to Tracking and Navigation" (2001), chapters 5 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from whyway.config import PerceptionConfig
from whyway.geometry import BoxArrays, from_frame, hidden_share, wrap_angle
from whyway.types import Detection, EgoState, Floats, Ints, ObjectClass

CLASSES = len(ObjectClass)
TRACK = np.dtype(
    [
        ("id", np.int64),  # 0 until confirmed
        ("x", np.float64), ("y", np.float64), ("vx", np.float64), ("vy", np.float64),
        ("pp", np.float64), ("pv", np.float64), ("vv", np.float64),  # covariance of one axis
        ("yaw", np.float64), ("yaw_rate", np.float64), ("acceleration", np.float64),
        ("length", np.float64), ("width", np.float64), ("votes", np.float64, (CLASSES,)),
        ("belief", np.float64),  # log-odds of existence
        ("hits", np.int64), ("age", np.float64), ("unseen", np.float64),
        ("standing", np.bool_), ("slow_vx", np.float64), ("slow_vy", np.float64), ("opposed", np.int64),
    ]
)  # fmt: skip
Tracks: TypeAlias = Any  # NDArray[np.void]: numpy's stubs do not know fields
"""`(n,)` rows of `TRACK`; x, y are box centres in `map`."""

_FAR = 1e6
_FRESH_S = 0.5  # what was seen so lately still hides others
_HIDDEN_SHARE = 0.6
_RAYS = 9
_BESIDE_M = 3.0
_UNSEEN_FADE = 0.8  # a cycle: unseen turns and braking end sooner than they go on
_BELIEF_MIN = -2.0
_GRACE_S = 0.2
_GATE_SIGMAS = 5.0
_GATE_FLOOR_M = 1.0
_BELIEF_MAX = 6.0
_BELIEF_MISS = -2.0  # a miss in plain view; four of them outweigh a long life
_STANDING_COAST_S = 30.0  # what stands is still there when it comes out of hiding
_SLOW_MPS = 0.25  # averaged speed below which a track is held standing
_START_MPS = 0.45  # ... and above which it is let go
_SLOW_GAIN = 0.3
_YAW_ALPHA = 0.5
_YAW_BETA = _YAW_ALPHA**2 / (2 - _YAW_ALPHA)  # critically damped (Bar-Shalom et al., section 6.5)
_ACCELERATION_GAIN = 0.25
_CLASS_COST = 4.0


class Tracker:
    """Holds the tracks between cycles; `step` once per observation."""

    def __init__(self, config: PerceptionConfig, eye_m: float) -> None:
        """`eye_m` is how far before `base_link` the sensors look from."""
        self._config, self._eye_m = config, eye_m
        self.reset()

    def reset(self) -> None:
        """Forget every track; ids start anew."""
        self._tracks: Tracks = np.zeros(0, dtype=TRACK)
        self._next_id = 1
        self._first = True

    def step(self, ego: EgoState, detections: Sequence[Detection], dt_s: float) -> Tracks:
        """The confirmed tracks now, by id, `dt_s` after the last call."""
        z = _measure(ego, detections)
        tracks = self._tracks
        _predict(tracks, dt_s, self._config.process_acceleration_mps2)
        rows, columns = _assign(tracks, z, self._config)
        _update(tracks, rows, z[columns], dt_s, self._config)
        lives = self._miss(tracks, rows, z, ego, dt_s)
        born = self._birth(np.delete(z, columns), ego)
        self._tracks = np.concatenate([tracks[lives], born])
        self._confirm(self._tracks)
        self._first = False
        return self._confirmed()

    def coast(self, dt_s: float) -> Tracks:
        """The confirmed tracks now, without a measurement: they move on, and nobody is missed."""
        _predict(self._tracks, dt_s, self._config.process_acceleration_mps2)
        self._tracks["unseen"] += dt_s
        return self._confirmed()

    def _confirmed(self) -> Tracks:
        confirmed: Tracks = self._tracks[self._tracks["id"] > 0]
        return confirmed[np.argsort(confirmed["id"])]

    def _miss(
        self, tracks: Tracks, rows: Ints, z: Tracks, ego: EgoState, dt_s: float
    ) -> NDArray[np.bool_]:
        """Let the unseen tracks grow old; which of all tracks live on."""
        missed = np.ones(len(tracks), dtype=bool)
        missed[rows] = False
        tracks["unseen"][missed] += dt_s
        hidden = self._hidden(tracks, ego)
        tracks["yaw_rate"][missed] *= _UNSEEN_FADE
        tracks["acceleration"][missed] *= _UNSEEN_FADE
        tracks["belief"][missed & ~hidden] += _BELIEF_MISS
        in_hiding = np.where(tracks["standing"], _STANDING_COAST_S, self._config.occluded_coast_s)
        patience = np.where(hidden, in_hiding, self._config.coast_s)
        dx, dy = tracks["x"][:, None] - z["x"], tracks["y"][:, None] - z["y"]
        # an unseen track on top of a seen box is that box: the same thing cannot be there twice
        covered = (np.hypot(dx, dy) < 0.35 * np.maximum(z["width"], 1.0)).any(axis=1)
        believed = (tracks["belief"] > _BELIEF_MIN) | (tracks["unseen"] <= _GRACE_S)
        candidate = tracks["id"] == 0  # gets no second chance
        result: NDArray[np.bool_] = ~missed | (
            (tracks["unseen"] <= patience + 1e-9) & believed & ~covered & ~candidate
        )
        return result

    def _hidden(self, tracks: Tracks, ego: EgoState) -> NDArray[np.bool_]:
        """Whether each track is unseen for a good reason: behind others, or so near that it is beside the sensors."""
        hidden: NDArray[np.bool_] = np.zeros(len(tracks), dtype=bool)
        lost = np.flatnonzero(tracks["unseen"] > 0)
        if len(lost):
            seen = tracks[tracks["unseen"] < _FRESH_S]
            x, y = from_frame(self._eye_m, 0.0, ego.x_m, ego.y_m, ego.yaw_rad)
            share = hidden_share(
                _boxes(tracks[lost]), _boxes(seen), float(x), float(y), rays=_RAYS, nearer_by_m=0.05
            )
            near = np.hypot(tracks["x"][lost] - x, tracks["y"][lost] - y) < _BESIDE_M
            hidden[lost] = (share > _HIDDEN_SHARE) | near
        return hidden

    def _birth(self, z: Tracks, ego: EgoState) -> Tracks:
        c = self._config
        born = z.copy()
        born["pp"], born["vv"] = c.position_sigma_m**2, c.velocity_sigma_mps**2
        speed = np.hypot(z["vx"], z["vy"])
        backwards = (speed > 1.0) & (np.cos(np.arctan2(z["vy"], z["vx"]) - z["yaw"]) < 0)
        born["yaw"] = wrap_angle(z["yaw"] + np.pi * backwards)
        born["standing"] = speed < 2 * _SLOW_MPS
        born["slow_vx"], born["slow_vy"] = z["vx"], z["vy"]
        near = np.hypot(z["x"] - ego.x_m, z["y"] - ego.y_m) < c.sure_range_m
        sure = near & (z["belief"] >= _log_odds(c.sure_probability) - 1e-9)
        born["hits"] = np.where(sure | self._first, c.confirm_hits, 1)
        return born

    def _confirm(self, tracks: Tracks) -> None:
        for i in np.flatnonzero(
            (tracks["id"] == 0) & (tracks["hits"] >= self._config.confirm_hits)
        ):
            tracks["id"][i] = self._next_id
            self._next_id += 1


def _log_odds(probability: Any) -> Any:
    p = np.clip(probability, 0.02, 0.98)
    return np.log(p / (1 - p))


def _measure(ego: EgoState, detections: Sequence[Detection]) -> Tracks:
    """Detections in `map`, as rows that could be tracks; what is not finite or has no size is dropped."""
    values = np.array(
        [
            (
                d.x_m,
                d.y_m,
                d.yaw_rad,
                d.vx_mps,
                d.vy_mps,
                d.length_m,
                d.width_m,
                d.existence_probability,
                d.object_class,
            )
            for d in detections
        ],
        dtype=np.float64,
    ).reshape(-1, 9)
    values = values[np.isfinite(values).all(axis=1) & (values[:, 5:7] > 0).all(axis=1)]
    z = np.zeros(len(values), dtype=TRACK)
    z["x"], z["y"] = from_frame(values[:, 0], values[:, 1], ego.x_m, ego.y_m, ego.yaw_rad)
    c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    z["vx"], z["vy"] = c * values[:, 3] - s * values[:, 4], s * values[:, 3] + c * values[:, 4]
    z["yaw"] = wrap_angle(values[:, 2] + ego.yaw_rad)
    z["length"], z["width"] = values[:, 5], values[:, 6]
    z["belief"] = _log_odds(values[:, 7])
    z["votes"][np.arange(len(values)), values[:, 8].astype(int)] = 0.2 + values[:, 7]
    return z


def _predict(t: Tracks, dt_s: float, acceleration_mps2: float) -> None:
    """Constant turn rate and velocity; process noise is white acceleration (Bar-Shalom et al., section 6.3.2)."""
    turn = t["yaw_rate"] * dt_s
    c, s = np.cos(turn), np.sin(turn)
    vx, vy = c * t["vx"] - s * t["vy"], s * t["vx"] + c * t["vy"]
    t["x"] += 0.5 * (t["vx"] + vx) * dt_s
    t["y"] += 0.5 * (t["vy"] + vy) * dt_s
    t["vx"], t["vy"] = vx, vy
    t["yaw"] = wrap_angle(t["yaw"] + turn)
    q = np.where(t["standing"], 0.1, acceleration_mps2) ** 2
    t["pp"] += 2 * dt_s * t["pv"] + dt_s**2 * t["vv"] + q * dt_s**4 / 4
    t["pv"] += dt_s * t["vv"] + q * dt_s**3 / 2
    t["vv"] += q * dt_s**2
    t["age"] += dt_s


def _assign(t: Tracks, z: Tracks, config: PerceptionConfig) -> tuple[Ints, Ints]:
    """Rows of tracks and of detections that belong together: least total cost among pairs within the gate."""
    distance = np.hypot(t["x"][:, None] - z["x"], t["y"][:, None] - z["y"])
    sigma2 = (t["pp"] + config.position_sigma_m**2)[:, None]
    speed2 = (t["vx"][:, None] - z["vx"]) ** 2 + (t["vy"][:, None] - z["vy"]) ** 2
    size = np.abs(t["length"][:, None] - z["length"]) + np.abs(t["width"][:, None] - z["width"])
    other = t["votes"].argmax(axis=1)[:, None] != z["votes"].argmax(axis=1)
    gate = np.clip(_GATE_SIGMAS * np.sqrt(sigma2), _GATE_FLOOR_M, config.gate_m)
    cost = (
        distance**2 / (sigma2 + 0.1)
        + speed2 / (t["vv"][:, None] + 1.0)
        + size
        + _CLASS_COST * other
    )
    cost += 3.0 * (t["id"][:, None] == 0)  # a known track goes before a candidate
    cost = np.where(distance < gate, cost, _FAR)
    rows, columns = linear_sum_assignment(cost)
    paired = cost[rows, columns] < _FAR
    return rows[paired], columns[paired]


def _update(tracks: Tracks, rows: Ints, z: Tracks, dt_s: float, config: PerceptionConfig) -> None:
    """Fold the detections `z` into their tracks, in place."""
    t = tracks[rows]
    before = t["vx"] * np.cos(t["yaw"]) + t["vy"] * np.sin(t["yaw"])
    _kalman(t, z, config)
    _hold_standing(t, z)
    _turn(t, z, dt_s)
    if dt_s > 0:
        after = t["vx"] * np.cos(t["yaw"]) + t["vy"] * np.sin(t["yaw"])
        seen_before = (t["unseen"] == 0) & ~t["standing"]
        t["acceleration"] += _ACCELERATION_GAIN * np.where(
            seen_before, (after - before) / dt_s - t["acceleration"], 0.0
        )
        t["acceleration"][t["standing"]] = 0.0
    gain = 1.0 / np.clip(t["hits"] + 1, 2, 20)
    t["length"] += gain * (z["length"] - t["length"])
    t["width"] += gain * (z["width"] - t["width"])
    t["votes"] = 0.95 * t["votes"] + z["votes"]
    t["belief"] = np.clip(t["belief"] + z["belief"], -_BELIEF_MAX, _BELIEF_MAX)
    t["hits"] += 1
    t["unseen"] = 0.0
    tracks[rows] = t


def _kalman(t: Tracks, z: Tracks, config: PerceptionConfig) -> None:
    """Position and velocity measured: K = P (P + R)^-1, written out for 2 x 2."""
    rp, rv = config.position_sigma_m**2, config.velocity_sigma_mps**2
    pp, pv, vv = t["pp"].copy(), t["pv"].copy(), t["vv"].copy()
    det = (pp + rp) * (vv + rv) - pv * pv
    kpp, kpv = (pp * (vv + rv) - pv * pv) / det, pv * rp / det
    kvp, kvv = pv * rv / det, (vv * (pp + rp) - pv * pv) / det
    for axis, speed in (("x", "vx"), ("y", "vy")):
        dp, dv = z[axis] - t[axis], z[speed] - t[speed]
        t[axis] += kpp * dp + kpv * dv
        t[speed] += kvp * dp + kvv * dv
    t["pp"], t["pv"], t["vv"] = kpp * rp, kpv * rv, kvv * rv  # P+ = K R


def _hold_standing(t: Tracks, z: Tracks) -> None:
    """Decide who stands, by averaged measured velocity with hysteresis, and hold them still: they neither drift nor spin."""
    for slow, speed in (("slow_vx", "vx"), ("slow_vy", "vy")):
        t[slow] += _SLOW_GAIN * (z[speed] - t[slow])
    average, now = np.hypot(t["slow_vx"], t["slow_vy"]), np.hypot(z["vx"], z["vy"])
    limit = np.where(t["standing"], _START_MPS, _SLOW_MPS)
    t["standing"] = (average < limit) & (now < 1.0)
    still = t["standing"]
    t["vx"][still], t["vy"][still], t["pv"][still] = 0.0, 0.0, 0.0
    t["yaw_rate"][still] = 0.0


def _turn(t: Tracks, z: Tracks, dt_s: float) -> None:
    """Heading and turn rate; half a turn's difference is the detector's mistake unless the motion says so for long."""
    speed = np.hypot(t["vx"], t["vy"])
    course = np.arctan2(t["vy"], t["vx"])
    opposed = (speed > 1.5) & (np.cos(course - t["yaw"]) < -0.5)
    t["opposed"] = np.where(opposed, t["opposed"] + 1, 0)
    t["yaw"] = wrap_angle(t["yaw"] + np.pi * (t["opposed"] >= 5))
    off: Floats = wrap_angle(z["yaw"] - t["yaw"])
    off = np.where(np.abs(off) > np.pi / 2, wrap_angle(off + np.pi), off)
    alpha: Floats = np.where(t["standing"], 1.0 / np.clip(t["hits"] + 1, 2, 20), _YAW_ALPHA)
    t["yaw"] = wrap_angle(t["yaw"] + alpha * off)
    if dt_s > 0:
        rate = np.where(t["standing"], 0.0, t["yaw_rate"] + _YAW_BETA * off / dt_s)
        t["yaw_rate"] = np.clip(rate, -1.5, 1.5)


def _boxes(t: Tracks) -> BoxArrays:
    return t["x"], t["y"], t["yaw"], t["length"], t["width"]
