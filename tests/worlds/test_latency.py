"""Detections that are old: what is reported is where others were, the ego is where it is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from whyway.config import Config, override
from whyway.types import Command, same
from whyway.worlds.scenes.family_world import family_world


def _world(latency_s: float):
    exact = {
        "sim.sensor": {"miss_probability": 0.0, "false_per_cycle": 0.0, "position_sigma_m": 0.0}
    }
    config = override(Config(), {**exact, "sim.sensor.latency_s": latency_s})
    return family_world("lead_brakes_hard", 1, config)


def _lead_in_map(observation) -> float:
    found = max(observation.detections, key=lambda d: d.existence_probability)
    ego = observation.ego
    return ego.x_m + math.cos(ego.yaw_rad) * found.x_m - math.sin(ego.yaw_rad) * found.y_m


@pytest.mark.parametrize("latency_s", [0.1, 0.3])
def test_the_detector_reports_where_the_lead_was(latency_s: float) -> None:
    fresh, late = _world(0.0), _world(latency_s)
    where = [_lead_in_map(fresh.observation)]
    seen = [_lead_in_map(late.observation)]
    for k in range(12):
        command = Command(0, 0.0, 0.0)
        where.append(_lead_in_map(fresh.step(replace(command, stamp_ns=k))))
        seen.append(_lead_in_map(late.step(replace(command, stamp_ns=k))))
    steps = round(latency_s / 0.1)
    np.testing.assert_allclose(seen[steps:], where[:-steps], atol=1e-6)


def test_a_world_that_goes_back_reports_the_same_again() -> None:
    world = _world(0.3)
    command = Command(0, 0.0, 0.0)
    for _ in range(5):
        world.step(command)
    state = world.get_state()
    first = [world.step(command) for _ in range(6)]
    world.set_state(state)
    second = [world.step(command) for _ in range(6)]
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
