"""How fast is the simulator: agent steps per second of whole environment steps, on one thread.

One environment step is: commands, vehicle model, IDM traffic with lane changes, lights, rights of way, cues, collisions, corners off the
road, and an observation and a reward for every agent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from whyway.types import InputError
from whyway.worlds.sim.batch import make_batch
from whyway.worlds.sim.blocks import Blocks
from whyway.worlds.sim.observe import D_COLUMN, FEATURES, HEADING_COLUMN
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import State

INCLUDES = "vehicle model, IDM and MOBIL traffic, lights, right of way, collisions, off-road, observations, rewards"
BACKENDS = ("numpy", "compiled", "torch", "torch-compiled")
"""The dense code on numpy; numba's machine code; the dense code on torch, as it is and by `torch.compile`."""
CONTROLS = ("one commanded", "all commanded")

_WARM_UP = 5
_COMPILED_BLOCK_AGENTS = 65536
"""Road users in a block of numba's: it works on one world at a time, and so nothing has to fit a cache; of few blocks little is joined."""


def bench_sim(
    worlds: int = 1024,
    agents: int = 32,
    steps: int = 50,
    seed: int = 1,
    backend: str = "numpy",
    place: str = "town",
    device: str = "cpu",
    control: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Time W worlds of A agents in a town: once with one agent of each under command, once with all.

    Figures are given by the clock on the wall and by the processor's own; where other programs run too, only the latter means much.

    Args:
      worlds: how many at once.
      agents: per world.
      steps: to time, after a few that are not.
      seed: of the town and of where everybody starts.
      backend: one of `BACKENDS`.
      place: "town", or the file of a map.
      device: of the torch backends.
      control: one of `CONTROLS`, None for all of them.
      progress: called with the number of steps done so far, for a bar.

    Returns:
      One row for each setting; on a processor they run on a single thread.

    Raises:
      InputError: no world, no agent, more agents than the map has places for, or no such backend.
    """
    if worlds < 1 or agents < 1:
        raise InputError(f"{worlds} worlds of {agents} agents: ask for at least one of each")
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r}: give one of {', '.join(BACKENDS)}")
    if control is not None and control not in CONTROLS:
        raise InputError(f"control {control!r}: give one of {', '.join(CONTROLS)}")
    rows = []
    for number, what in enumerate(CONTROLS if control is None else (control,)):
        commanded = agents if what == "all commanded" else 1
        batch = make_batch(place, agents=agents, commanded=commanded, seed=seed)
        seeds = [seed * 1_000_003 + w for w in range(worlds)]
        blocks, array = _blocks(batch.sim, batch.begin(seeds), backend, device)
        accelerate = array(np.full((worlds, agents), 0.2, dtype=np.float32))
        wall_s, cpu_s, taken = 0.0, 0.0, []
        observation: Any = None
        for k in range(_WARM_UP + steps):
            t0, c0 = time.perf_counter(), time.process_time()
            # keeps everybody under command near its lane, as a policy would: otherwise they scatter, and far pairs are cheap
            steer = 0.0 * accelerate if observation is None else _towards_lane(observation)
            observation, reward = blocks.step(accelerate, steer)
            if device != "cpu":
                float(reward[0, 0])  # waits for the device
            if k >= _WARM_UP:
                taken.append(time.perf_counter() - t0)
                wall_s, cpu_s = wall_s + taken[-1], cpu_s + time.process_time() - c0
            progress(number * (_WARM_UP + steps) + k + 1)
        assert tuple(observation.shape) == (worlds, agents, FEATURES)
        rows.append(
            {
                "backend": f"{backend} float32" + ("" if device == "cpu" else f" on {device}"),
                "place": Path(place).name,
                "lines": len(batch.sim.table.length_m) if batch.sim.table is not None else 0,
                "worlds": worlds,
                "agents": agents,
                "control": what,
                "steps": steps,
                "agent_steps_per_s": worlds * agents * steps / wall_s,
                "agent_steps_per_cpu_s": worlds * agents * steps / cpu_s,
                "ms_per_step": 1e3 * wall_s / steps,
                "ms_per_step_best": 1e3 * min(taken),
                "includes": INCLUDES,
            }
        )
    return rows


def bench_scaling(
    agents: int = 32,
    steps: int = 20,
    seed: int = 1,
    worlds: Sequence[int] = (64, 4096),
    places: Sequence[str] = ("town",),
    backends: Sequence[str] = ("numpy", "torch"),
    progress: Callable[[int], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """How the cost of an agent's step hangs on how many worlds there are and how large the map is: it should on neither.

    Args:
      agents: per world.
      steps: to time of 4096 worlds; of fewer, as many more as take as long, up to ten times.
      seed: see `bench_sim`.
      worlds: numbers of worlds.
      places: maps to compare, "town" or files.
      backends: left out where torch or numba, which they need, is not installed.
      progress: called with the number of rows done so far.

    Returns:
      A row of `bench_sim` with one agent under command for each backend, place and number of worlds, and in it `cost_relative`: CPU
      time of an agent's step by that of the backend's first row.

    Raises:
      InputError: as `bench_sim`.
    """
    rows: list[dict[str, Any]] = []
    for backend in backends:
        needs = {"numpy": "numpy", "compiled": "numba"}.get(backend, "torch")
        if find_spec(needs) is None:
            continue
        first = 0.0
        for place in places:
            for count in worlds:
                more = min(10, max(1, 4096 // max(count, 1)))
                row = bench_sim(
                    count, agents, steps * more, seed, backend, place, control=CONTROLS[0]
                )[0]
                first = first or row["agent_steps_per_cpu_s"]
                rows.append({**row, "cost_relative": first / row["agent_steps_per_cpu_s"]})
                progress(len(rows))
    return rows


def _towards_lane(observation: Any) -> Any:
    """Steering angles from observed offset and heading."""
    steer = -0.5 * observation[..., D_COLUMN] - 0.5 * observation[..., HEADING_COLUMN]
    return steer.clip(-0.3, 0.3)


def _blocks(
    sim: Sim, state: State, backend: str, device: str
) -> tuple[Blocks, Callable[[Any], Any]]:
    """The worlds on a backend, and what makes its arrays of numpy's."""
    if backend in ("numpy", "compiled"):
        import array_api_compat.numpy as xp

        if device != "cpu":
            raise InputError(
                f"backend {backend!r} runs on a processor: leave out device {device!r}"
            )
        block, step = None, None
        if backend == "compiled":
            from whyway.worlds.sim.compiled.step import compiled_step

            block, step = max(1, _COMPILED_BLOCK_AGENTS // state.x_m.shape[1]), compiled_step
        return Blocks(sim.to(xp, np.float32), state.to(xp, np.float32), block, step), lambda a: a
    from whyway.worlds.sim.device import torch_blocks

    return torch_blocks(sim, state, compiled=backend == "torch-compiled", device=device)
