"""How fast the sensors are: pictures and sweeps along a drive in town, on one core.

python -m whyway.worlds.sim.sensing.bench --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

from whyway.config import Config, override
from whyway.worlds import make_world
from whyway.worlds.sim.sensing.rig import DEFAULT
from whyway.worlds.sim.sensing.sheet import moments
from whyway.worlds.sim.sensing.suite import Suite


def bench_sensors(frames: int = 300, seed: int = 4, vehicles: int = 30) -> dict[str, Any]:
    """Median time of a picture (colour, depth, semantics and instances) and of a sweep of the default rig.

    Every frame is a new view: of the ego and all who drive, in turn, as the traffic moves on. Compiling is not counted.
    """
    busy = override(Config(), {"sim.traffic.vehicles": vehicles, "sim.traffic.pedestrians": 8})
    world = make_world("town", seed, busy, 60.0)
    suite = Suite(DEFAULT, world.lane_map, seed)
    suite.warm_up()
    pictures, sweeps, things = [], [], 0
    for k, truth in enumerate(moments(world, 0.5)):
        if k == frames:
            break
        suite.step(truth)
        start = time.process_time()
        suite.picture("front")
        middle = time.process_time()
        suite.sweep("top")
        pictures.append(middle - start)
        sweeps.append(time.process_time() - middle)
        things = max(things, len(truth.actors))
    camera, lidar = DEFAULT.cameras["front"], DEFAULT.lidars["top"]
    picture_s, sweep_s = statistics.median(pictures), statistics.median(sweeps)
    return {
        "frames": len(pictures),
        "road_users": things,
        "picture": f"{camera.width_px}x{camera.height_px}",
        "picture_ms": picture_s * 1e3,
        "pictures_per_s": 1.0 / picture_s,
        "slowest_picture_ms": max(pictures) * 1e3,
        "sweep_rays": lidar.columns * lidar.channels,
        "sweep_ms": sweep_s * 1e3,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time the simulated sensors.")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    found = bench_sensors(a.frames)
    if a.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key:20} {value:.2f}" if isinstance(value, float) else f"{key:20} {value}")


if __name__ == "__main__":
    main()
