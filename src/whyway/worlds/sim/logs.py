"""Recorded road users on arrays, and traffic lights on their cycles: the parts of a world that react to nothing.

Shapes: L recordings of up to T samples, N lights, W worlds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.maps.signals import SignalPlan
from whyway.types import Floats, TrafficLight
from whyway.worlds.sim.arrays import clamp, namespace, pick
from whyway.worlds.sim.lane_table import Line

Array = Any


STANDS_M = 2.0
"""A recording that moves less has no way of its own."""

_HARDLY_MPS = 3.0
_AROUND_M = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One recording: samples `(n,)` of a box's centre, from `first_s` on. One of a single sample that is `forever` never ends."""

    first_s: float
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    forever: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """L recordings sampled every `dt_s`."""

    dt_s: float
    samples: Array
    """`[L * T, 5]`: x, y, yaw (unwrapped), speed, acceleration."""
    stride: int
    """T."""
    first_s: Array
    """`[L]`."""
    count: Array
    """`[L]`."""
    forever: Array
    """`[L]`."""

    def at(self, log: Array, time_s: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
        """x, y, yaw, v, a and presence of recordings `log` `(...)` at times `(...)`, linear between samples."""
        xp = namespace(time_s)
        u = (time_s - xp.take(self.first_s, log)) / self.dt_s
        last = xp.astype(xp.take(self.count, log) - 1, u.dtype)
        forever = xp.take(self.forever, log)
        present = ((u >= -1e-6) & (u <= last + 1e-6)) | forever
        u = clamp(u, 0.0 * u, last)
        i = xp.floor(u)
        f = (u - i)[..., None]
        flat = log * self.stride + xp.astype(i, xp.int64)
        a = self.samples[flat]
        b = self.samples[xp.where(i < last, flat + 1, flat)]
        row = a + f * (b - a)
        return row[..., 0], row[..., 1], row[..., 2], row[..., 3], row[..., 4], present


def build_logs(tracks: Sequence[Track], dt_s: float) -> Logs:
    """The recordings on arrays, all sampled every `dt_s`."""
    stride = max([len(t.x_m) for t in tracks] + [1])
    samples = np.zeros((max(len(tracks), 1), stride, 5))
    for i, t in enumerate(tracks):
        n = len(t.x_m)
        a = np.gradient(t.v_mps, dt_s) if n > 1 else np.zeros(n)
        columns = (t.x_m, t.y_m, np.unwrap(t.yaw_rad), t.v_mps, a)
        samples[i, :n] = np.stack(columns, axis=-1)
    return Logs(
        dt_s=dt_s,
        samples=samples.reshape(-1, 5),
        stride=stride,
        first_s=np.array([t.first_s for t in tracks] or [0.0]),
        count=np.array([len(t.x_m) for t in tracks] or [1]),
        forever=np.array([t.forever for t in tracks] or [False]),
    )


def recorded_way(track: Track) -> Line | None:
    """The path of a recording as a line to drive on; None for one that hardly moves.

    The speed wanted on it is the highest recorded nearby: who stood there at a light does not have to stand there again.
    """
    moved = np.hypot(np.diff(track.x_m), np.diff(track.y_m))
    s = np.concatenate([[0.0], np.cumsum(moved)])
    if not len(moved) or float(s[-1]) < STANDS_M:
        return None
    keep = np.concatenate([[True], np.diff(np.floor(s / 0.5)) > 0])
    keep[-1] = True
    x, y, at = track.x_m[keep], track.y_m[keep], s[keep]
    near = np.abs(at[:, None] - s[None, :]) < _AROUND_M
    speed = np.where(near, track.v_mps[None, :], 0.0).max(axis=1)
    return Line(x, y, np.maximum(speed, _HARDLY_MPS), half_width_m=1.75)


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """N lights, each with C phases in turn (`maps.signals` on arrays)."""

    light_id: Array
    x_m: Array
    y_m: Array
    period_s: Array
    offset_s: Array
    until_s: Array
    """`[N, C]` when each phase ends in the cycle; phases that a light does not have end where the last one does."""
    color: Array
    """`[N, C]` `LightColor` values."""
    waits: Array
    """`[N]` whether the light stands still at `dwell_s` of its program until somebody asks for its green."""
    dwell_s: float

    def colors(self, time_s: Array, asked_s: Array) -> Array:
        """`LightColor` values `[W, N]` at times `[W]`, `asked_s` `[W]` after the demand (0 before)."""
        xp = namespace(time_s)
        lights, phases = self.color.shape
        # a microsecond's grace, so that a change at a whole step does not hang on rounding
        clock = xp.where(self.waits[None, :], self.dwell_s + asked_s[:, None], time_s[:, None])
        t = (clock - self.offset_s[None, :] + 1e-6) % self.period_s[None, :]
        phase = xp.sum(xp.astype(t[..., None] >= self.until_s[None], xp.int64), axis=-1)
        flat = xp.arange(lights, device=self.color.device)[None, :] * phases + clamp(
            phase, 0, phases - 1
        )
        return pick(self.color, flat)


def build_signals(
    lights: Sequence[TrafficLight],
    plan: SignalPlan,
    waiting: Sequence[int] = (),
    dwell_s: float = 0.0,
) -> Signals:
    """The lights of a map that have a program, by rising id; those `waiting` by id stand at `dwell_s` until asked."""
    placed = sorted(
        (light for light in lights if light.id in plan.cycles), key=lambda light: light.id
    )
    cycles = [plan.cycles[light.id] for light in placed]
    phases = max([len(c.colors) for c in cycles] + [1])
    until, color = np.zeros((len(cycles), phases)), np.zeros((len(cycles), phases), dtype=np.int64)
    for i, cycle in enumerate(cycles):
        n = len(cycle.colors)
        until[i], color[i] = cycle.period_s, int(cycle.colors[-1])
        until[i, :n], color[i, :n] = np.cumsum(cycle.durations_s), [int(c) for c in cycle.colors]
    return Signals(
        light_id=np.array([light.id for light in placed], dtype=np.int64),
        x_m=np.array([light.x_m for light in placed]),
        y_m=np.array([light.y_m for light in placed]),
        period_s=np.array([c.period_s for c in cycles]),
        offset_s=np.array([c.offset_s for c in cycles]),
        until_s=until,
        color=color,
        waits=np.array([light.id in set(waiting) for light in placed], dtype=bool),
        dwell_s=dwell_s,
    )
