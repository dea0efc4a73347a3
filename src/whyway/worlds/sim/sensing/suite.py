"""All sensors of a rig in a world: truth of each cycle in, raw data out. Seeded; each sensor has its own luck, so none disturbs another.

What is cheap and has a memory (IMU, GNSS, wheels) is measured in every cycle; pictures and sweeps only when they are asked for, which
changes nobody's noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from whyway.types import CYCLE_NS, Floats, LaneMap, Truth
from whyway.worlds.sim.sensing import gnss, inertial, lidar, wheels
from whyway.worlds.sim.sensing.camera import Camera, Frame
from whyway.worlds.sim.sensing.rig import Rig
from whyway.worlds.sim.sensing.scenery import make_scenery
from whyway.worlds.sim.sensing.things import Things, road_users


@dataclass(frozen=True, slots=True)
class Readings:
    """What the cheap sensors of one cycle say, by name."""

    stamp_ns: int
    imus: Mapping[str, inertial.ImuSamples] = field(default_factory=dict)
    gnss: Mapping[str, gnss.Fix] = field(default_factory=dict)
    wheels: Mapping[str, wheels.WheelState] = field(default_factory=dict)


class Suite:
    """The sensors of one car in one world.

    Args:
      rig: which sensors.
      lane_map: of the world.
      seed: of all noise.

    Raises:
      InputError: the rig has a camera and numba is missing.
    """

    def __init__(self, rig: Rig, lane_map: LaneMap, seed: int) -> None:
        self.rig, self._seed = rig, seed
        self._scenery = make_scenery(lane_map)
        self._cameras = {name: Camera(spec, self._scenery) for name, spec in rig.cameras.items()}
        self.reset()

    def reset(self) -> None:
        """Begin a drive."""
        self._now: _Look | None = None
        self._before: _Look | None = None
        named = [
            (kind, name) for kind in ("imus", "gnss", "wheels") for name in getattr(self.rig, kind)
        ]
        self._luck = {key: self._generator(*key) for key in named}
        self._imu: dict[str, inertial.ImuState] = {}
        self._bias: dict[str, Floats] = {}
        self._wheel: dict[str, wheels.WheelState] = {}

    def warm_up(self) -> None:
        """Take a picture of nothing: what is compiled at the first look is compiled now."""
        for camera in self._cameras.values():
            camera.look(0.0, 0.0, 0.0, self._scenery.roadside.things)

    def step(self, truth: Truth) -> Readings:
        """One cycle: take in the truth, measure what has a memory.

        A truth that does not come `CYCLE_NS` after the last one, the first one too, begins anew.
        """
        if self._now is None or truth.stamp_ns - self._now.truth.stamp_ns != CYCLE_NS:
            self.reset()
            self._begin(truth)
        self._before, self._now = self._now, _Look(truth)
        ego, stamp_ns, rig = truth.ego, truth.stamp_ns, self.rig
        before = ego if self._before is None else self._before.truth.ego
        samples = {}
        for name, imu in rig.imus.items():
            samples[name], self._imu[name] = inertial.measure(
                imu, self._imu[name], before, ego, stamp_ns, CYCLE_NS, self._luck["imus", name]
            )
        fixes = {}
        for name, receiver in rig.gnss.items():
            fixes[name], self._bias[name] = gnss.measure(
                receiver, self._bias[name], ego, CYCLE_NS * 1e-9, self._luck["gnss", name]
            )
        if self._before is not None:
            for name, wheel in rig.wheels.items():
                self._wheel[name] = wheels.measure(
                    wheel, self._wheel[name], ego, CYCLE_NS * 1e-9, self._luck["wheels", name]
                )
        return Readings(stamp_ns, samples, fixes, dict(self._wheel))

    def picture(self, name: str) -> Frame:
        """What a camera sees now."""
        look, ego = self._look, self._look.truth.ego
        things = look.users + self._scenery.roadside.showing(look.truth)
        return self._cameras[name].look(ego.x_m, ego.y_m, ego.yaw_rad, things)

    def sweep(self, name: str) -> lidar.Sweep:
        """What a lidar has measured since the cycle before."""
        now, before, still = self._look, self._before, self._scenery.roadside.things
        return lidar.sweep(
            self.rig.lidars[name],
            None if before is None else (before.truth.ego, before.users + still),
            (now.truth.ego, now.users + still),
            now.truth.stamp_ns * 1e-9,
            CYCLE_NS * 1e-9,
            self._generator("lidars", name, now.truth.stamp_ns),
        )

    @property
    def _look(self) -> _Look:
        if self._now is None:
            raise ValueError("nothing has been seen yet: call step(truth) first")
        return self._now

    def _begin(self, truth: Truth) -> None:
        for name, imu in self.rig.imus.items():
            self._imu[name] = inertial.start(imu, self._luck["imus", name])
        for name, receiver in self.rig.gnss.items():
            self._bias[name] = gnss.start(receiver, self._luck["gnss", name])
        for name, wheel in self.rig.wheels.items():
            self._wheel[name] = wheels.start(wheel, truth.ego, self._luck["wheels", name])

    def _generator(self, kind: str, name: str, moment: int = 0) -> np.random.Generator:
        """A sensor's own luck, from its name: another sensor more or less in the rig does not change it."""
        return np.random.default_rng([self._seed, zlib.crc32(f"{kind}.{name}".encode()), moment])


class _Look:
    """A truth and, made once when asked for, its road users."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    @cached_property
    def users(self) -> Things:
        return road_users(self.truth)
