"""The simulator as Gymnasium environments: `whyway/Drive-v0`, one car or many at once, in traffic on any map.

    import gymnasium
    import whyway.worlds.gym                                # registers the ids
    env = gymnasium.make("whyway/Drive-v0", place="town")
    envs = gymnasium.make_vec("whyway/Drive-v0", num_envs=1024, vectorization_mode="vector_entry_point")

Observation: `observe`'s numbers of the ego, `(FEATURES,)` (the truth, in its own frame). Action: acceleration and steering rate, each in
[-1, 1] of `ACCELERATION_MPS2` (twice that for braking) and of what the steering can do. Reward: `reward`'s. An episode ends with a collision or off the road
(terminated), or when its time is over (truncated). Needs: pip install 'whyway[gym]'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

try:
    import gymnasium
    from gymnasium.spaces import Box
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError("whyway.worlds.gym needs: pip install 'whyway[gym]'") from error

from whyway.config import Config
from whyway.types import Floats, InputError, Ints
from whyway.worlds.sim.batch import Batch, make_batch
from whyway.worlds.sim.blocks import Blocks
from whyway.worlds.sim.observe import FEATURES, observe
from whyway.worlds.sim.state import EGO

ENV_ID = "whyway/Drive-v0"
ACCELERATION_MPS2 = 4.0
"""What an action of 1 asks for; braking of -1 is twice as hard."""
BOUND = 10.0
"""Observations are scaled to about one; beyond this they are cut."""

_Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
_Flags: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"


@dataclass(frozen=True)
class Episodes:
    """What both views are made with.

    `place` is "town" or a map's file, `agents` how many road users there are in each world with the ego, `duration_s` when an
    episode is cut off, `map_seed` the town's layout. Who is where is up to each episode's own seed.
    """

    place: str = "town"
    agents: int = 24
    pedestrians: int = 2
    duration_s: float = 30.0
    map_seed: int = 1
    config: Config | None = None

    def batch(self) -> Batch:
        """The worlds' common part."""
        if not self.duration_s >= 0.1:
            raise InputError(f"duration_s={self.duration_s}: give at least one step, 0.1 s")
        return make_batch(
            self.place,
            config=self.config,
            agents=self.agents,
            pedestrians=self.pedestrians,
            seed=self.map_seed,
        )


class _Worlds:
    """Some worlds with one ego each: what a view does to them."""

    def __init__(self, episodes: Episodes) -> None:
        self._batch = episodes.batch()
        self._last_tick = round(episodes.duration_s / self._batch.sim.dt_s)
        self._blocks: Blocks | None = None
        self._steer: Floats = np.zeros(0)
        self._age: Ints = np.zeros(0, dtype=np.int64)

    def begin(self, seeds: list[int]) -> _Numbers:
        """First observations `[W, F]`."""
        state = self._batch.begin(seeds)
        self._blocks = Blocks(self._batch.sim, state)
        self._steer = np.zeros(len(seeds))
        self._age = np.zeros(len(seeds), dtype=np.int64)
        return _of_ego(observe(self._batch.sim, state))

    def restart(self, which: Ints, seeds: list[int]) -> _Numbers:
        """First observations of the worlds that begin anew."""
        assert self._blocks is not None
        state = self._batch.begin(seeds)
        self._blocks.set_state(state, which)
        self._steer[which], self._age[which] = 0.0, 0
        return _of_ego(observe(self._batch.sim, state))

    def step(self, action: Floats) -> tuple[_Numbers, Floats, _Flags, _Flags]:
        """Observation, reward, terminated, truncated `[W]`."""
        blocks = self._blocks
        if blocks is None:
            raise InputError("step before reset: call reset() first")
        vehicle = self._batch.vehicle
        pedal, turn = np.clip(action[:, 0], -1.0, 1.0), np.clip(action[:, 1], -1.0, 1.0)
        rate = vehicle.steer_rate_max_rps * self._batch.sim.dt_s
        limit = vehicle.steer_max_rad
        self._steer = np.clip(self._steer + rate * turn, -limit, limit)
        acceleration, steer = np.zeros((2, blocks.worlds, blocks.agents))
        acceleration[:, EGO] = ACCELERATION_MPS2 * np.where(pedal < 0.0, 2.0 * pedal, pedal)
        steer[:, EGO] = self._steer
        seen, worth = blocks.step(acceleration, steer)
        self._age += 1
        ends = blocks.gather("collided", EGO) | blocks.gather("off_road", EGO)
        return _of_ego(seen), worth[:, EGO], ends, (self._age >= self._last_tick) & ~ends


def _of_ego(observations: Any) -> _Numbers:
    seen: _Numbers = np.clip(observations[:, EGO], -BOUND, BOUND).astype(np.float32)
    return seen


def _spaces() -> tuple[Any, Any]:
    seen = Box(-BOUND, BOUND, (FEATURES,), np.float32)
    return seen, Box(-1.0, 1.0, (2,), np.float32)


class DriveEnv(gymnasium.Env[_Numbers, _Numbers]):
    """One ego in one world; keyword arguments as in `Episodes`."""

    metadata = {"render_modes": []}

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        if render_mode is not None:
            raise InputError(f"render_mode={render_mode!r}: there is none; log a drive instead")
        self.render_mode = None
        self._worlds = _Worlds(Episodes(**options))
        self.observation_space, self.action_space = _spaces()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[_Numbers, dict[str, Any]]:
        """A new episode; its traffic follows from the generator that `seed` sets."""
        super().reset(seed=seed)
        return self._worlds.begin([_draw(self.np_random)])[0], {}

    def step(self, action: _Numbers) -> tuple[_Numbers, float, bool, bool, dict[str, Any]]:
        """One tenth of a second."""
        seen, worth, ends, late = self._worlds.step(np.asarray(action, dtype=np.float64)[None])
        return seen[0], float(worth[0]), bool(ends[0]), bool(late[0]), {}


class DriveVectorEnv(VectorEnv[_Numbers, _Numbers, Any]):
    """`num_envs` worlds stepped together; a world that ends begins anew in the same step, its last observation in `final_obs`."""

    metadata = {
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, num_envs: int = 64, render_mode: str | None = None, **options: Any) -> None:
        if num_envs < 1:
            raise InputError(f"num_envs={num_envs}: give at least 1")
        if render_mode is not None:
            raise InputError(f"render_mode={render_mode!r}: there is none; log a drive instead")
        self.num_envs = num_envs
        self._worlds = _Worlds(Episodes(**options))
        self.single_observation_space, self.single_action_space = _spaces()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[_Numbers, dict[str, Any]]:
        """New episodes everywhere; a list gives each world its own seed."""
        if isinstance(seed, list):
            super().reset(seed=next((s for s in seed if s is not None), None))
            seeds = [
                _draw(np.random.default_rng(s)) if s is not None else _draw(self.np_random)
                for s in seed
            ]
        else:
            super().reset(seed=seed)
            seeds = self._seeds(self.num_envs)
        return self._worlds.begin(seeds), {}

    def step(self, actions: _Numbers) -> tuple[_Numbers, Floats, _Flags, _Flags, dict[str, Any]]:
        """One tenth of a second in every world."""
        seen, worth, ends, late = self._worlds.step(np.asarray(actions, dtype=np.float64))
        over = ends | late
        info: dict[str, Any] = {}
        if over.any():
            which = np.flatnonzero(over)
            last = np.full(self.num_envs, None, dtype=object)
            for w in which:
                last[w] = seen[w].copy()
            info = {"final_obs": last, "_final_obs": over}
            seen[which] = self._worlds.restart(which, self._seeds(len(which)))
        return seen, worth, ends, late, info

    def _seeds(self, count: int) -> list[int]:
        return [_draw(self.np_random) for _ in range(count)]


def _draw(generator: np.random.Generator) -> int:
    return int(generator.integers(1 << 31))


if ENV_ID not in gymnasium.registry:
    gymnasium.register(
        ENV_ID,
        entry_point="whyway.worlds.gym:DriveEnv",
        vector_entry_point="whyway.worlds.gym:DriveVectorEnv",
    )
