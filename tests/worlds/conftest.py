"""Worlds for tests: traffic in a town, agents put where a test wants them, and CommonRoad scenes where they are at hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from whyway.config import Config
from whyway.maps.town import make_town
from whyway.worlds.sim.engine import begin
from whyway.worlds.sim.logs import build_signals
from whyway.worlds.sim.pedestrians import plan_walks
from whyway.worlds.sim.places import find_places
from whyway.worlds.sim.populate import Traffic
from whyway.worlds.sim.sim import make_sim
from whyway.worlds.sim.state import Mode, empty_state
from whyway.worlds.sim.table import build_table, line_of

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "commonroad_bsd"


@pytest.fixture(scope="session")
def town_traffic():
    """(worlds, agents, pedestrians=0, commanded=0, seed=1) -> Sim and first State of worlds in a town."""
    known = {}

    def make(worlds, agents, pedestrians=0, commanded=0, seed=1):
        if (seed, pedestrians) not in known:
            town = make_town(seed)
            signals = build_signals(town.lane_map.lights, town.signals)
            ids = signals.light_id.tolist()
            table = build_table(town.lane_map, ids)
            walks = plan_walks(table, town.lane_map, 2 * pedestrians, seed) if pedestrians else None
            if walks is not None:
                table = build_table(town.lane_map, ids, walks.lines)
            config = Config()
            sim = make_sim(0.1, config.vehicle, config.sim.traffic, signals, table)
            known[seed, pedestrians] = sim, Traffic(table, find_places(table), walks)
        sim, traffic = known[seed, pedestrians]
        state = empty_state(worlds, agents)
        state.seed[:] = 100 * seed + np.arange(worlds)
        state = traffic.fill(state, vehicles=agents - pedestrians, pedestrians=pedestrians, first=0)
        state.mode[:, :commanded] = int(Mode.COMMAND)
        return sim, begin(sim, state)

    return make


@pytest.fixture(scope="session")
def cast():
    """(piece, agents, routes=(), lines=(), **parts of Sim) -> Sim and first State of one world with just these agents.

    An agent is a mapping of `State`'s fields; `lane` (id of the map) or `own` (index of `lines`) says where, `s_m` how far along.
    Values of fields with one axis more are lists.
    """

    def make(piece, agents, routes=(), lines=(), **parts):
        signals = build_signals(piece.lane_map.lights, piece.signals)
        table = build_table(piece.lane_map, signals.light_id.tolist(), lines)
        config = Config()
        routes = [[line_of(table, lane) for lane in route] for route in routes]
        sim = make_sim(
            0.1,
            config.vehicle,
            config.sim.traffic,
            signals,
            table,
            routes,
            **({"returns": False} | parts),
        )
        state = empty_state(1, len(agents))
        for i, agent in enumerate(agents):
            agent = dict(agent)
            lane, own = agent.pop("lane", None), agent.pop("own", None)
            if own is not None:
                state.window[0, i, 0] = len(piece.lane_map.lanes) + own
            elif lane is not None:
                state.window[0, i, 0] = line_of(table, lane)
            for name, value in ({"active": True} | agent).items():
                field = getattr(state, name)
                if isinstance(value, list):
                    field[0, i, : len(value)] = value
                else:
                    field[0, i] = value
        line = np.maximum(state.window[..., 0], 0)
        x, y, yaw, _, _ = table.pose(line, state.s_m, state.d_m)
        put = (state.window[..., 0] >= 0) & (state.mode != int(Mode.LOG))
        state = dataclasses.replace(
            state,
            x_m=np.where(put, x - state.offset_m * np.cos(yaw), state.x_m),
            y_m=np.where(put, y - state.offset_m * np.sin(yaw), state.y_m),
            yaw_rad=np.where(put, yaw, state.yaw_rad),
        )
        return sim, begin(sim, state)

    return make


@pytest.fixture(scope="session")
def scene_files():
    """All CommonRoad scenes of the shared data, or a skip."""
    files = sorted([*SCENES.rglob("*.xml"), *SCENES.rglob("*.xml.gz")])
    if not files:
        pytest.skip(f"no CommonRoad scenes at {SCENES}")
    return files
