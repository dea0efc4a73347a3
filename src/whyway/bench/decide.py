"""How fast is it? Decisions and simulated steps timed, for `whyway bench`. The one place besides the driver that reads a clock."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from whyway.config import Config
from whyway.driver import DEFAULT_DRIVER, Cycle, Driver, driver_config
from whyway.maps.road import Road
from whyway.types import CYCLE_S, Command, InputError
from whyway.worlds import make_world

WARM_UP_CYCLES = 10
MOST_AGENTS = 200
"""A town has no room for many more."""


def bench_decide(
    config: Config,
    agents: int = 30,
    duration_s: float = 60.0,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
    driver: str = DEFAULT_DRIVER,
) -> list[dict[str, Any]]:
    """Time decisions (observation to command, and scene to command) in a town where the car sees many road users.

    Args:
      config: the whole tree; traffic and sensor range are raised until enough road users are seen.
      agents: how many road users a decision has to deal with: cycles with fewer are not counted.
      duration_s: how long to drive.
      seed: of the town.
      progress: called with the simulated time, for a bar.
      driver: whose decisions.

    Returns:
      One row: medians and 99th percentiles in ms of the whole decision and of its stages; with a budget (`reason.budget_ms`) also how far
      the reasoner went beyond it, and the share of decisions in which it had nothing to say in time.

    Raises:
      ValueError: more road users than a town holds, or than ever come into view.
    """
    if not 1 <= agents <= MOST_AGENTS:
        raise InputError(f"{agents} road users: ask for 1 to {MOST_AGENTS}")
    traffic = dataclasses.replace(config.sim.traffic, vehicles=2 * agents)
    sensor = dataclasses.replace(config.sim.sensor, range_m=400.0, occlusion=False)
    config = dataclasses.replace(
        config, sim=dataclasses.replace(config.sim, traffic=traffic, sensor=sensor)
    )
    world = make_world("town", seed, config, duration_s)
    drives = Driver(driver, driver_config(driver, config), Road(world.lane_map, world.route))
    observation = world.reset()
    rows: list[dict[str, float]] = []
    while not world.done:
        cycle = drives.step(observation)
        rows.append(_latencies(cycle))
        progress(world.stamp_ns * 1e-9)
        observation = world.step(cycle.command)
    counted = [r for r in rows[WARM_UP_CYCLES:] if r["objects"] >= agents]
    if not counted:
        most = int(max(r["objects"] for r in rows))
        raise InputError(
            f"no cycle with {agents} road users in view (at most {most}); ask for fewer: --agents {most}"
        )
    return [{"driver": driver, **_row(counted, agents, config.reason.budget_ms)}]


def _latencies(cycle: Cycle) -> dict[str, float]:
    stages = {entry.stage: entry.latency_ms for entry in cycle.trace.integrity.latency}
    stages["control"] = cycle.verdict.latency_ms
    fallback = float(cycle.trace.integrity.fallback_used)
    return {"objects": float(len(cycle.scene.objects)), "fallback": fallback, **stages}


def _row(counted: list[dict[str, float]], agents: int, budget_ms: float) -> dict[str, Any]:
    stages = [name for name in counted[0] if name not in ("objects", "fallback")]
    table = np.array([[r[name] for name in stages] for r in counted])
    whole, from_scene = (
        table.sum(axis=1),
        table[:, [i for i, s in enumerate(stages) if s != "perception"]].sum(axis=1),
    )
    over_ms = [r["reasoner"] - budget_ms for r in counted] if budget_ms > 0.0 else []
    kept = {
        "budget_ms": budget_ms,
        "over_budget_p99_ms": float(np.percentile(over_ms, 99)),
        "over_budget_most_ms": max(over_ms),
        "fallbacks": float(np.mean([r["fallback"] for r in counted])),
    } if over_ms else {}  # fmt: skip
    return {
        "backend": "numpy",
        "worlds": 1,
        "agents": agents,
        **kept,
        "objects_median": float(np.median([r["objects"] for r in counted])),
        "cycles": len(counted),
        "decide_p50_ms": float(np.median(whole)),
        "decide_p99_ms": float(np.percentile(whole, 99)),
        "scene_to_command_p50_ms": float(np.median(from_scene)),
        "scene_to_command_p99_ms": float(np.percentile(from_scene, 99)),
        "stages_p50_ms": dict(zip(stages, np.median(table, axis=0).round(3).tolist(), strict=True)),
        "stages_p99_ms": dict(
            zip(stages, np.percentile(table, 99, axis=0).round(3).tolist(), strict=True)
        ),
    }


def bench_world(
    config: Config,
    duration_s: float = 30.0,
    seed: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Time one town as a driver meets it, sensors and truth included: alone, and with the driver `rules` deciding in it.

    Args:
      config: the whole tree.
      duration_s: simulated seconds.
      seed: of the town.
      progress: called with the simulated time, for a bar.

    Returns:
      One row each; `real_time_factor` is simulated over elapsed time.
    """
    rows = []
    for what in ("one town, nobody deciding", "one town, driver rules"):
        world = make_world("town", seed, config, duration_s)
        driver = (
            Driver("rules", config, Road(world.lane_map, world.route)) if "rules" in what else None
        )
        observation, agents, taken = world.reset(), 0, []
        while not world.done:
            begun = time.perf_counter()
            command = (
                driver.step(observation).command if driver else Command(world.stamp_ns, 0.0, 0.0)
            )
            observation = world.step(command)
            agents = max(agents, len(world.truth().actors) + 1)
            taken.append(time.perf_counter() - begun)
            progress(world.stamp_ns * 1e-9)
        rows.append(
            {
                "backend": "numpy float64",
                "worlds": 1,
                "agents": agents,
                "control": what,
                "steps": len(taken),
                "agent_steps_per_s": agents * len(taken) / sum(taken),
                "ms_per_step": 1e3 * sum(taken) / len(taken),
                "ms_per_step_best": 1e3 * min(taken),
                "real_time_factor": CYCLE_S * len(taken) / sum(taken),
                "includes": "the world, its sensors and its truth",
            }
        )
    return rows
