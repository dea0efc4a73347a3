"""A recording as a world: the recorded drive passes by on its own clock, whatever the driver commands (open loop). No clock, no ROS.

With `replay.handover_s` the driver takes the wheel at that time: from then on the simulator drives the ego from its recorded state, among
the recorded road users (`handover.py`), on the same clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from whyway.config import Config, VehicleConfig
from whyway.types import CYCLE_NS, CYCLE_S, Command, InputError, Observation, Truth
from whyway.worlds.bags.bag import open_bag
from whyway.worlds.bags.reading import read_recording
from whyway.worlds.bags.recording import Recording
from whyway.worlds.bags.road_choice import road_of
from whyway.worlds.sim.world import SimWorld


class Snapshot(NamedTuple):
    """Everything of a `ReplayWorld` that changes."""

    tick: int
    sim: Any


class ReplayWorld:
    """The `World` of a recording.

    Args:
      recording: what passes by.
      config: the whole tree; `replay` and, after the handover, `sim` are used here.
      seed: of the sensors after the handover.
      duration_s: when to end; None for the recording's own end.

    Raises:
      InputError: no road, or a handover outside the recording; one line.
    """

    def __init__(
        self, recording: Recording, config: Config, seed: int = 0, duration_s: float | None = None
    ) -> None:
        self.config, self._recording = config, recording
        self.lane_map, self.route, signals, told = road_of(recording, config.replay.map)
        steps = recording.count - 1
        self._steps = steps if duration_s is None else min(steps, round(duration_s / CYCLE_S))
        handover = config.replay.handover_s
        self._handover = round(handover / CYCLE_S) if handover > 0.0 else None
        self._notes: dict[str, str] = {**recording.facts.notes, **told}
        self._sim: SimWorld | None = None
        known = recording.knows_actors
        if self._handover is None:
            self._notes["open_loop"] = "yes"
            if not known:
                self._notes["actors_known_from_s"] = "inf"
        else:
            from whyway.worlds.bags.handover import taken_over

            if not 0 < self._handover < self._steps:
                raise InputError(
                    f"replay.handover_s {handover:g}: the replay lasts {self.duration_s:g} s; hand over within it"
                )
            self._sim, more = taken_over(
                recording, self._handover, self._steps, (self.lane_map, self.route, signals), seed, config
            )  # fmt: skip
            self._notes |= {"handover_s": f"{self._handover * CYCLE_S:g}", **more}
            if not known:  # at the handover itself what is seen and true is still the recording's
                self._notes["actors_known_from_s"] = f"{(self._handover + 1) * CYCLE_S:g}"
        self.reset()

    @property
    def name(self) -> str:
        """Which recording."""
        return self._recording.name

    @property
    def notes(self) -> Mapping[str, str]:
        """Where it comes from, what was made of it, whether it is open loop."""
        return self._notes

    @property
    def duration_s(self) -> float:
        """When it ends."""
        return round(self._steps * CYCLE_S, 6)

    @property
    def stamp_ns(self) -> int:
        """Now."""
        return self._tick * CYCLE_NS

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._tick >= self._steps

    @property
    def goal_reached(self) -> bool | None:
        """A recording has no goal: None."""
        return None

    @property
    def interface_braking(self) -> bool:
        """After the handover, whether the vehicle interface braked for want of a command; a recording never does."""
        return self._driving is not None and self._driving.interface_braking

    @property
    def _driving(self) -> SimWorld | None:
        """The simulator, once it drives."""
        return self._sim if self._handover is not None and self._tick > self._handover else None

    def reset(self) -> Observation:
        """Begin again, exactly as before."""
        self._tick = 0
        if self._sim is not None:
            self._sim.reset()
        return self._recording.observation(0)

    def step(self, command: Command | None) -> Observation:
        """Let 0.1 s pass. Before the handover (or without one) the command changes nothing.

        Raises:
          ValueError: the recording is over.
        """
        if self.done:
            raise ValueError(
                f"replay of {self.name} ended at {self.duration_s:g} s; reset it to go on"
            )
        self._tick += 1
        driving = self._driving
        return self._recording.observation(self._tick) if driving is None else driving.step(command)

    def truth(self) -> Truth:
        """What is known to be true: recorded before the handover, the simulator's after it."""
        driving = self._driving
        return (
            self._recording.truth(self._tick, self.config) if driving is None else driving.truth()
        )

    def get_state(self) -> Snapshot:
        """Where it is."""
        return Snapshot(self._tick, None if self._sim is None else self._sim.get_state())

    def set_state(self, state: Snapshot) -> None:
        """Go back to what `get_state` gave."""
        self._tick = state.tick
        if self._sim is not None:
            self._sim.set_state(state.sim)


def replay_world(
    path: Path, seed: int, config: Config, duration_s: float | None = None
) -> ReplayWorld:
    """The world of a recording.

    Raises:
      InputError: it cannot be replayed; one line with the remedy.
    """
    recording = _read(str(path), config.replay.topics, config.vehicle, _signature(path))
    return ReplayWorld(recording, config, seed, duration_s)


@lru_cache(maxsize=1)
def _read(path: str, topics: str, vehicle: VehicleConfig, _: tuple[object, ...]) -> Recording:
    # a command checks its world before it drives in it: the same recording need not be read twice
    return read_recording(path, topics, Config(vehicle=vehicle))


def _signature(path: Path) -> tuple[object, ...]:
    """Changes when a file of the recording does."""
    stats = [(p, p.stat()) for p in open_bag(path).files]
    return tuple((str(p), s.st_size, s.st_mtime_ns) for p, s in stats)
