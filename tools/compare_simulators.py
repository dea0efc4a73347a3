"""highway-env, SUMO and Whyway side by side: agent steps per second of one core, on the same scenes, in one interleaved run.

    make compare                       # sets up an environment of its own (1.1 GB: SUMO brings its tools) and prints the table

Scenes: a motorway (3 lanes, 5 km, 51 cars, free flow), and our town as OpenDRIVE, converted for SUMO by its own netconvert (32 vehicles).
One step is 0.1 s of everybody. Each simulator does what it is made for, and the table says what that is. Times are CPU seconds of
this process; every round runs each of them in turn, and medians are shown with the least and most.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import numpy as np  # noqa: E402

from whyway.maps.opendrive_write import write_opendrive  # noqa: E402
from whyway.maps.pieces_roads import road  # noqa: E402
from whyway.maps.signals import SignalPlan  # noqa: E402
from whyway.maps.town import make_town  # noqa: E402
from whyway.worlds.sim.batch import make_batch  # noqa: E402
from whyway.worlds.sim.blocks import Blocks  # noqa: E402
from whyway.worlds.sim.compiled.step import compiled_step  # noqa: E402

CARS, TOWN_CARS = 51, 32
LIMIT_MPS = 30.0
Run = Callable[[int], tuple[int, float]]
"""Steps to take -> agent steps taken, CPU seconds."""


def highway_env() -> Run:
    """highway-fast-v0 with as many cars, at 10 Hz, and a decision every step."""
    import gymnasium
    import highway_env  # noqa: F401

    options = {
        "lanes_count": 3, "vehicles_count": CARS - 1, "simulation_frequency": 10, "policy_frequency": 10, "duration": 1e9,
        "observation": {"type": "Kinematics", "vehicles_count": 9},
    }  # fmt: skip
    env = gymnasium.make("highway-fast-v0", config=options)
    env.reset(seed=1)

    def run(steps: int) -> tuple[int, float]:
        begin = time.process_time()
        for _ in range(steps):
            _, _, terminated, truncated, _ = env.step(1)  # 1: keep lane and speed
            if terminated or truncated:
                env.reset(seed=1)
        return CARS * steps, time.process_time() - begin

    return run


def sumo_motorway(folder: Path) -> Run:
    """Libsumo on the same road."""
    (folder / "m.nod.xml").write_text(
        '<nodes><node id="a" x="0" y="0"/><node id="b" x="5000" y="0"/></nodes>'
    )
    edge = f'<edge id="e" from="a" to="b" numLanes="3" speed="{LIMIT_MPS}"/>'
    (folder / "m.edg.xml").write_text(f"<edges>{edge}</edges>")
    _netconvert("-n", folder / "m.nod.xml", "-e", folder / "m.edg.xml", "-o", folder / "m.net.xml")
    cars = "".join(
        f'<vehicle id="v{i}" route="r" depart="0" departLane="{i % 3}" departPos="{30 + i // 3 * 60}" departSpeed="25"/>'
        for i in range(CARS)
    )
    (folder / "m.rou.xml").write_text(f'<routes><route id="r" edges="e"/>{cars}</routes>')
    return _libsumo(folder / "m.net.xml", folder / "m.rou.xml")


def sumo_town(folder: Path) -> Run:
    """Libsumo on our town."""
    (folder / "t.xodr").write_text(write_opendrive(make_town(1)))
    _netconvert("--opendrive-files", folder / "t.xodr", "-o", folder / "t.net.xml")
    import sumolib

    net = sumolib.net.readNet(str(folder / "t.net.xml"))
    edges = [e for e in net.getEdges() if e.allows("passenger") and e.getLength() > 20.0]
    rng, cars = np.random.default_rng(1), []
    while len(cars) < TOWN_CARS:
        here = edges[int(rng.integers(len(edges)))]
        way = [here]
        while len(way) < 40 and (nexts := list(way[-1].getOutgoing())):
            way.append(nexts[int(rng.integers(len(nexts)))])
        if len(way) == 40:
            ids = " ".join(e.getID() for e in way)
            at = f'departPos="random_free" departLane="best" depart="{len(cars) * 0.1:.1f}"'
            cars.append(f'<vehicle id="v{len(cars)}" {at}><route edges="{ids}"/></vehicle>')
    (folder / "t.rou.xml").write_text(f"<routes>{''.join(cars)}</routes>")
    return _libsumo(folder / "t.net.xml", folder / "t.rou.xml", settle=50)


def _netconvert(*arguments: object) -> None:
    command = [str(Path(sys.executable).parent / "netconvert"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"netconvert failed: {done.stderr.strip()[-300:]}")


def _libsumo(net: Path, routes: Path, settle: int = 2) -> Run:
    import libsumo

    words = ["sumo", "-n", str(net), "-r", str(routes), "--step-length", "0.1", "--no-step-log"]

    def run(steps: int) -> tuple[int, float]:
        # one simulation a process: it is begun anew, outside the clock
        with contextlib.suppress(Exception):
            libsumo.close()
        libsumo.start([*words, "--no-warnings", "--time-to-teleport", "-1"])
        for _ in range(settle):
            libsumo.simulationStep()
        taken, begin = 0, time.process_time()
        for _ in range(steps):
            libsumo.simulationStep()
            taken += libsumo.vehicle.getIDCount()
        return taken, time.process_time() - begin

    return run


def whyway(place: object, agents: int, worlds: int, compiled: bool) -> Run:
    """Our whole environment step, one agent of each world under command."""
    batch = make_batch(place, agents=agents)  # type: ignore[arg-type]
    state = batch.begin(range(worlds), np.float32)
    sim = batch.sim.to(np, np.float32)
    zero = np.zeros((worlds, agents), dtype=np.float32)
    blocks = Blocks(sim, state, None, compiled_step) if compiled else Blocks(sim, state)
    there = int(state.active.sum())

    def run(steps: int) -> tuple[int, float]:
        begin = time.process_time()
        for _ in range(steps):
            blocks.step(zero, zero)
        return there * steps, time.process_time() - begin

    run(3)
    return run


def main() -> None:
    """Run all of them in turn, and print the table."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--worlds", type=int, default=64, help="of ours at once")
    words.add_argument("--json", action="store_true")
    options = words.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = _measure(Path(name), options)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(
        f"{'scene':10} {'simulator':38} {'agents':>8} {'agent-steps / CPU s':>20} {'least':>10} {'most':>10}"
    )
    for row in rows:
        print(
            f"{row['scene']:10} {row['simulator']:38} {row['agents']:>8} {row['median']:>20,.0f} {row['least']:>10,.0f} {row['most']:>10,.0f}"
        )


def _measure(folder: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    motorway = (
        road(lanes=3, oncoming=0, length_m=5000.0, limit_mps=LIMIT_MPS).lane_map,
        SignalPlan(),
    )
    worlds = options.worlds
    entries: list[tuple[str, str, str, Run, int]] = [
        ("motorway", "highway-env 1 world (decision, obs.)", f"{CARS}", highway_env(), 20),
        ("motorway", "SUMO 1 world (no observation)", f"{CARS}", sumo_motorway(folder), 600),
        ("motorway", "Whyway 1 world (obs., reward)", f"{CARS}", whyway(motorway, CARS, 1, False), 60),
        ("motorway", f"Whyway {worlds} worlds (obs., reward)", f"{CARS}x{worlds}", whyway(motorway, CARS, worlds, False), 10),
        ("motorway", f"Whyway {worlds} worlds, compiled", f"{CARS}x{worlds}", whyway(motorway, CARS, worlds, True), 30),
        ("town", "SUMO 1 world (no observation)", f"{TOWN_CARS}", sumo_town(folder), 600),
        ("town", "Whyway 1 world (obs., reward)", f"{TOWN_CARS}", whyway("town", TOWN_CARS, 1, False), 60),
        ("town", f"Whyway {worlds} worlds (obs., reward)", f"{TOWN_CARS}x{worlds}", whyway("town", TOWN_CARS, worlds, False), 10),
        ("town", f"Whyway {worlds} worlds, compiled", f"{TOWN_CARS}x{worlds}", whyway("town", TOWN_CARS, worlds, True), 30),
    ]  # fmt: skip
    rates: list[list[float]] = [[] for _ in entries]
    for _ in range(options.rounds):
        for k, (*_, run, steps) in enumerate(entries):
            taken, seconds = run(steps)
            rates[k].append(taken / seconds)
    return [
        {"scene": scene, "simulator": simulator, "agents": agents, "median": statistics.median(rate), "least": min(rate), "most": max(rate)}
        for (scene, simulator, agents, _, _), rate in zip(entries, rates, strict=True)
    ]  # fmt: skip


if __name__ == "__main__":
    main()
