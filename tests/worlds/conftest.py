"""Worlds for tests: a grid of crossing streets, and CommonRoad scenes where they are at hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from whyway.config import Config
from whyway.geometry import Polyline
from whyway.maps.signals import SignalCycle, SignalPlan
from whyway.types import LightColor, TrafficLight
from whyway.worlds.sim.engine_old import Sim, begin
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.rails import Rail, Stop, build_rails
from whyway.worlds.sim.state import empty_state

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "commonroad_bsd"
STREETS, GAP_M = 3, 80.0


def _lights(signalled: bool):
    """One light for each direction of travel: east-west and north-south in turn."""
    if not signalled:
        return build_signals((), SignalPlan())
    colors = (LightColor.GREEN, LightColor.AMBER, LightColor.RED)
    none = np.zeros(0, dtype=np.int64)
    lights = [TrafficLight(1, 0.0, 0.0, none), TrafficLight(2, 0.0, 0.0, none)]
    cycles = {
        1: SignalCycle(colors, (10.0, 3.0, 17.0)),
        2: SignalCycle(colors, (10.0, 3.0, 17.0), offset_s=15.0),
    }
    return build_signals(lights, SignalPlan(cycles))


def _streets(signalled: bool, dtype):
    """Streets of one lane per direction, straight on at every crossing; north-south gives way."""
    length = (STREETS + 1) * GAP_M
    rails, movements, crossings = [], {}, {}
    for street in range(STREETS):
        for way in (1, -1):
            for axis in (0, 1):
                along = np.linspace(0.0, length, 5)[::way]
                aside = np.full(5, (street + 1) * GAP_M - 1.75 * way * (1 - 2 * axis))
                x, y = (along, aside) if axis == 0 else (aside, along)
                line = Polyline.through(x, y, spacing_m=1.0)
                stops = []
                for other in range(STREETS):
                    cell = (other, street) if axis == 0 else (street, other)
                    at = (other + 1) * GAP_M
                    at = at if way > 0 else length - at
                    m = movements.setdefault((cell, axis, way), len(movements))
                    crossings.setdefault(cell, []).append((m, axis))
                    light = axis if signalled else -1
                    stops.append(Stop(at - 8.0, at + 8.0, m, 0 if signalled else 2 * axis, light))
                stops.sort(key=lambda stop: stop.s_m)
                rails.append(Rail(line, line.s_m, np.full(len(line.s_m), 12.0), tuple(stops)))
    conflict = np.zeros((len(movements), len(movements)), dtype=bool)
    for ways in crossings.values():
        for a, axis_a in ways:
            for b, axis_b in ways:
                conflict[a, b] = axis_a != axis_b
    return build_rails(rails, conflict, dtype=dtype)


@pytest.fixture(scope="session")
def street_grid():
    """(worlds, agents, seed=0, signalled=False, commanded=0, dtype) -> Sim and a first State with traffic spread over the grid."""
    libraries = {}

    def make(worlds, agents, seed=0, signalled=False, commanded=0, dtype=np.float64):
        key = (signalled, np.dtype(dtype))
        if key not in libraries:
            libraries[key] = _streets(signalled, dtype)
        rails = libraries[key]
        config = Config()
        sim = Sim(0.1, config.vehicle, config.sim.traffic, _lights(signalled), rails=rails)
        state = empty_state(worlds, agents, dtype)
        places = np.array(
            [(p, s) for p in range(len(rails.length_m)) for s in (20.0, 40.0, 110.0, 190.0)]
        )
        for w in range(worlds):
            chosen = places[np.random.default_rng([seed, w]).permutation(len(places))[:agents]]
            state.path[w], state.s_m[w] = chosen[:, 0], chosen[:, 1]
        state.active[:], state.v_mps[:] = True, 6.0
        state.mode[:, :commanded] = 0
        x, y, yaw, _ = rails.pose(state.path, state.s_m, state.d_m)
        return sim, begin(sim, dataclasses.replace(state, x_m=x, y_m=y, yaw_rad=yaw))

    return make


@pytest.fixture(scope="session")
def scene_files():
    """All CommonRoad scenes of the shared data, or a skip."""
    files = sorted([*SCENES.rglob("*.xml"), *SCENES.rglob("*.xml.gz")])
    if not files:
        pytest.skip(f"no CommonRoad scenes at {SCENES}")
    return files
