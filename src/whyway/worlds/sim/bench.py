"""How fast the simulator is: agent steps per second of whole environment steps, on one thread.

One environment step is: commands, vehicle model, traffic with car following, lights and rights of way, collisions of all pairs,
corners off the road, and an observation for every agent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.maps.road import DRIVABLE
from whyway.maps.town import make_town
from whyway.types import CYCLE_S, InputError
from whyway.worlds.sim.engine_old import Sim, begin, step
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.network import Network
from whyway.worlds.sim.observe import FEATURES, observe
from whyway.worlds.sim.rails import build_rails
from whyway.worlds.sim.state import Mode, State, empty_state
from whyway.worlds.sim.surface import build_surface
from whyway.worlds.sim.walks import Walker

INCLUDES = "vehicle model, IDM traffic, lights, right of way, collisions, off-road, observations"

_WARM_UP = 5
_PATHS = 64


def bench_sim(
    worlds: int = 1024,
    agents: int = 16,
    steps: int = 50,
    seed: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Time whole environment steps of a town, once with one car per world under command and once with all of them.

    Args:
      worlds: how many at once.
      agents: per world.
      steps: to time, after a few that are not.
      seed: of the town and of where everybody starts.
      progress: called with the number of steps done so far, for a bar.

    Returns:
      One row for each setting; numpy runs these on a single thread.

    Raises:
      ValueError: no world, no agent, or more agents than a town has places for.
    """
    if worlds < 1 or agents < 1:
        raise InputError(f"{worlds} worlds of {agents} agents: ask for at least one of each")
    rows = []
    for number, (what, commanded) in enumerate((("one commanded", 1), ("all commanded", agents))):
        sim, state = town_batch(worlds, agents, commanded, seed)
        steer = np.zeros((worlds, agents), dtype=np.float32)
        accelerate = np.full((worlds, agents), 0.2, dtype=np.float32)
        wall_s, cpu_s, taken = 0.0, 0.0, []
        for k in range(_WARM_UP + steps):
            t0, c0 = time.perf_counter(), time.process_time()
            # keeps everybody under command near its path, as a policy would: otherwise they scatter, and far pairs are cheap
            steer = np.clip(-0.1 * state.d_m, -0.2, 0.2).astype(np.float32)
            state = step(sim, state, accelerate, steer)
            observation = observe(sim, state)
            if k >= _WARM_UP:
                taken.append(time.perf_counter() - t0)
                wall_s, cpu_s = wall_s + taken[-1], cpu_s + time.process_time() - c0
            progress(number * (_WARM_UP + steps) + k + 1)
        assert observation.shape == (worlds, agents, FEATURES)
        rows.append(
            {
                "backend": "numpy float32",
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


def town_batch(worlds: int, agents: int, commanded: int, seed: int) -> tuple[Sim, State]:
    """Many copies of one town with traffic placed differently in each; the first `commanded` agents are under command."""
    config, town = Config(), make_town(seed)
    rng = np.random.default_rng([seed, 13])
    signals = build_signals(town.lane_map.lights, town.signals)
    network = Network(signals.light_id.tolist())
    walker = Walker(town, network)
    places: dict[tuple[int, float], int] = {}
    for lane_id, s in [town.spawns[i] for i in rng.permutation(len(town.spawns))]:
        if len(network.rails) >= _PATHS:
            break
        path = walker.walk(lane_id, rng)
        if path is not None:
            places[lane_id, s] = path
    slots = np.array([(path, s) for (_, s), path in places.items()])
    if agents > len(slots):
        raise InputError(f"{agents} agents: the town has places for {len(slots)}")
    rails = build_rails(network.rails, network.conflicts(), dtype=np.float32)
    surface = build_surface(
        (
            np.concatenate([lane.left_x_m, lane.right_x_m[::-1]]),
            np.concatenate([lane.left_y_m, lane.right_y_m[::-1]]),
        )
        for lane in town.lane_map.lanes
        if lane.kind in DRIVABLE
    )
    sim = Sim(CYCLE_S, config.vehicle, config.sim.traffic, signals, rails=rails, surface=surface)
    state = empty_state(worlds, agents, np.float32)
    for w in range(worlds):  # once, before anything is timed
        chosen = slots[rng.permutation(len(slots))[:agents]]
        state.path[w], state.s_m[w], state.active[w] = chosen[:, 0], chosen[:, 1], True
    state.v_mps[:] = 5.0
    state.mode[:, :commanded] = int(Mode.COMMAND)
    state.phase_s[:] = rng.uniform(0.0, 60.0, worlds)
    x, y, yaw, _ = rails.pose(np.maximum(state.path, 0), state.s_m, state.d_m)
    return sim, begin(sim, replace(state, x_m=x, y_m=y, yaw_rad=yaw))
