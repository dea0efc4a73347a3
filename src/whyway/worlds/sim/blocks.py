"""Many worlds at once, stepped in blocks that fit the processor's cache: step, observation and reward of all, any of them copied.

`Blocks` keeps the state of its worlds in blocks and never joins them while stepping; results are the same for every block size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from whyway.types import InputError
from whyway.worlds.sim.arrays import namespace
from whyway.worlds.sim.engine import advance, put, subset
from whyway.worlds.sim.observe import FEATURES, look_around
from whyway.worlds.sim.reward import Weights, terms
from whyway.worlds.sim.seen import Seen, see
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

Array = Any
Stepper = Callable[[Sim, State, Array, Array], tuple[State, Array, Array]]
"""Simulator, state, accelerations, steering angles -> state, observation, reward."""

BLOCK_AGENTS = 11000
"""Road users in a block: so many that calls cost little, so few that what they touch stays near the processor. No power of two: the
rows of arrays would share a few places in the cache."""


def whole_step(
    sim: Sim, state: State, acceleration_mps2: Array, steer_rad: Array, weights: Weights = Weights()  # noqa: B008
) -> tuple[State, Array, Array]:  # fmt: skip
    """The next state, its observation `[W, A, F]` and what the step was worth `[W, A]`."""
    return seeing_step(sim, state, acceleration_mps2, steer_rad, None, weights)[:3]


def seeing_step(
    sim: Sim, state: State, acceleration_mps2: Array, steer_rad: Array, seen: Seen | None, weights: Weights = Weights(),  # noqa: B008
    room: Array | None = None,
) -> tuple[State, Array, Array, Seen | None]:  # fmt: skip
    """`whole_step` for whoever keeps what was seen of the state (None if nothing was) for the next step, and has room to observe."""
    xp = namespace(state.x_m)
    after, boxes = advance(xp, sim, state, acceleration_mps2, steer_rad, seen)
    now = None if sim.table is None else see(xp, sim, after, boxes)
    worth = terms(xp, sim, state, after, None if now is None else now.lane).total(weights)
    return after, look_around(xp, sim, after, boxes, now, room), worth, now


class Blocks:
    """W worlds of one map.

    Args:
      sim: the map and the rules.
      state: the first state, from `begin`.
      block: worlds in a block; None for as many as fit the cache.
      stepper: what does the step, e.g. a compiled `whole_step`; None for `seeing_step`.
    """

    def __init__(
        self, sim: Sim, state: State, block: int | None = None, stepper: Stepper | None = None
    ) -> None:
        worlds, agents = state.x_m.shape
        size = max(1, BLOCK_AGENTS // max(agents, 1)) if block is None else block
        if size < 1:
            raise InputError(f"a block of {size} worlds: give at least 1")
        self.sim, self.worlds, self.agents = sim, worlds, agents
        self._step = stepper
        self._parts = [slice(a, min(a + size, worlds)) for a in range(0, worlds, size)]
        self._blocks = [subset(state, part) for part in self._parts]
        self._seen: list[Seen | None] = [None] * len(self._parts)

    @property
    def state(self) -> State:
        """The state of all worlds, joined."""
        xp = namespace(self._blocks[0].x_m)
        return State(
            **{
                f.name: xp.concat([getattr(b, f.name) for b in self._blocks], axis=0)
                for f in dataclasses.fields(State)
            }
        )

    def step(self, acceleration_mps2: Array, steer_rad: Array) -> tuple[Array, Array]:
        """Observations `[W, A, F]` and rewards `[W, A]` after a step of all worlds under commands `[W, A]`."""
        seen, worth, room = [], [], None
        if self._step is None and isinstance(acceleration_mps2, np.ndarray):
            room = np.empty((FEATURES, self.worlds, self.agents), dtype=self._blocks[0].x_m.dtype)
        for k, part in enumerate(self._parts):
            block, a, steer = self._blocks[k], acceleration_mps2[part], steer_rad[part]
            if self._step is None:
                mine = None if room is None else room[:, part]
                self._blocks[k], observation, reward, self._seen[k] = seeing_step(
                    self.sim, block, a, steer, self._seen[k], room=mine
                )
            else:
                self._blocks[k], observation, reward = self._step(self.sim, block, a, steer)
            seen.append(observation)
            worth.append(reward)
        if len(seen) == 1:
            return seen[0], worth[0]
        xp = namespace(worth[0])
        every = xp.concat(seen, axis=0) if room is None else np.moveaxis(room, 0, -1)
        return every, xp.concat(worth, axis=0)

    def get_state(self, index: Any = slice(None)) -> State:
        """A copy of some worlds' state: what `set_state` takes, bit for bit."""
        return subset(self.state, index)

    def gather(self, name: str, agent: int) -> Array:
        """One field of one agent in all worlds `[W]`, without joining the rest."""
        xp = namespace(self._blocks[0].x_m)
        return xp.concat([getattr(b, name)[:, agent] for b in self._blocks], axis=0)

    def set_state(self, state: State, index: Any = slice(None)) -> None:
        """Put worlds into states that `get_state` gave, here or in other `Blocks` of the same map; only their blocks are copied."""
        which = np.arange(self.worlds)[index if isinstance(index, slice) else np.asarray(index)]
        for k, part in enumerate(self._parts):
            here = np.flatnonzero((which >= part.start) & (which < part.stop))
            if len(here):
                self._blocks[k] = put(
                    self._blocks[k], which[here] - part.start, subset(state, here)
                )
                self._seen[k] = None
