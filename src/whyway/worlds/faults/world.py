"""`FaultyWorld`: any world, seen through faults. It is itself a world: the same truth, other observations. No clock, no ROS.

What the driver gets in a cycle is `arrivals`, in the order in which it arrives; a stamp that is not newer than all before it
counts as nothing new, as the nodes' join has it. Then `step` gives the last observation again, and whoever drives lets the world
go on without a command (`step(None)`): the vehicle keeps the last one and, when it has been alone for too long, brakes by itself.

Content is spoilt first, in the order of the injections, then the wire; the drawn numbers of an injection depend on the seed, its
place in the list and the cycle alone, so no fault changes another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.types import CYCLE_NS, Command, LaneMap, Observation, Route, Truth
from whyway.worlds import World
from whyway.worlds.faults.injection import INSIDE, Injection
from whyway.worlds.faults.spoil import PARTS, Memory, Moment, on_wire


@dataclass(frozen=True, slots=True)
class _State:
    inner: Any
    memories: tuple[Memory, ...]
    arrivals: tuple[Observation, ...]
    heard: Observation


def faulty(world: World, injections: Sequence[Injection], seed: int) -> World:
    """The world seen through those of the faults that happen between world and driver; the world itself if there are none."""
    outside = [i for i in injections if i.kind not in INSIDE]
    return FaultyWorld(world, outside, seed) if outside else world


class FaultyWorld:
    """A world behind faults.

    Args:
      world: any.
      injections: what goes wrong; times are of the world's clock.
      seed: of what is drawn.
    """

    def __init__(self, world: World, injections: Sequence[Injection], seed: int) -> None:
        inside = [str(i) for i in injections if i.kind in INSIDE]
        if inside:
            raise ValueError(f"{', '.join(inside)}: happens inside the driver, not in a world")
        self._world, self._seed = world, seed
        self.injections = tuple(injections)
        self._arrivals: tuple[Observation, ...] = ()
        self.reset()

    # --------------------------------------------------------------------------------------- the world's, as they are

    @property
    def name(self) -> str:
        """Which world."""
        return self._world.name

    @property
    def config(self) -> Config:
        """What it was made with."""
        return self._world.config

    @property
    def lane_map(self) -> LaneMap:
        """The static road."""
        return self._world.lane_map

    @property
    def route(self) -> Route:
        """Where the ego is to go."""
        return self._world.route

    @property
    def notes(self) -> Mapping[str, str]:
        """What a report should say about this world."""
        return self._world.notes

    @property
    def duration_s(self) -> float:
        """When it ends."""
        return self._world.duration_s

    @property
    def stamp_ns(self) -> int:
        """Now, by the world's clock, which no fault touches."""
        return self._world.stamp_ns

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._world.done

    @property
    def goal_reached(self) -> bool | None:
        """Whether the goal has been reached up to now; None where there is none."""
        return self._world.goal_reached

    @property
    def interface_braking(self) -> bool:
        """Whether the vehicle interface braked by itself in the last step."""
        return self._world.interface_braking

    def truth(self) -> Truth:
        """What is really there."""
        return self._world.truth()

    # ------------------------------------------------------------------------------------------------------ the faults

    @property
    def arrivals(self) -> tuple[Observation, ...]:
        """What came in the last cycle, in the order in which it came: nothing, one, or more."""
        return self._arrivals

    def reset(self) -> Observation:
        """Begin again, exactly as before. The first observation always comes: without one nobody could begin."""
        self._memories: tuple[Memory, ...] = ((),) * len(self.injections)
        self._heard = self._world.reset()
        self._arrive(self._heard)
        if not self._arrivals:
            self._arrivals = (self._heard,)
        self._heard = max(self._arrivals, key=lambda o: o.stamp_ns)
        return self._heard

    def step(self, command: Command | None) -> Observation:
        """Let 0.1 s pass: the newest observation that has come, or the last one again if nothing newer has.

        Raises:
          ValueError: the world is done.
        """
        self._arrive(self._world.step(command))
        return self._heard

    def get_state(self) -> Any:
        """Everything that changes, what is under way included."""
        return _State(self._world.get_state(), self._memories, self._arrivals, self._heard)

    def set_state(self, state: Any) -> None:
        """Go back to what `get_state` gave."""
        self._world.set_state(state.inner)
        self._memories, self._arrivals = state.memories, state.arrivals
        self._heard = state.heard

    def _arrive(self, clean: Observation) -> None:
        tick, ego = self.stamp_ns // CYCLE_NS, clean.ego
        moments = [
            Moment(i.covers(self.stamp_ns), tick, ego, np.random.default_rng([self._seed, k, tick]))
            for k, i in enumerate(self.injections)
        ]
        memories, seen = list(self._memories), clean
        for k, (i, now) in enumerate(zip(self.injections, moments, strict=True)):
            if i.what != "all":
                memories[k], seen = PARTS[i.kind](i, memories[k], seen, now)
        arrivals: tuple[Observation, ...] = (seen,)
        for k, (i, now) in enumerate(zip(self.injections, moments, strict=True)):
            if i.what == "all":
                memories[k], arrivals = on_wire(i, memories[k], arrivals, now)
        self._memories = tuple(memories)
        self._arrivals = arrivals
        for o in arrivals:
            if o.stamp_ns > self._heard.stamp_ns:
                self._heard = o
