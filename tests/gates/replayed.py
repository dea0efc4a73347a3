"""A bag of ours -> the log of a driver that was given it, open loop: whatever it commands, the recording goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from whyway import topics
from whyway.config import Config
from whyway.driver import Driver
from whyway.drives import Meter, run_info
from whyway.log import LogWriter, read_log
from whyway.maps.road import Road
from whyway.types import LaneMap, Observation, Route, Truth

HERE = Path(__file__).resolve().parent
GATES = HERE / "gates.yaml"
BAGS = tuple(sorted((HERE / "bags").glob("*.mcap")))


def replay(
    bag: Path,
    path: Path,
    config: Config = Config(),
    clock: Callable[[], float] = time.perf_counter,
    frames: int | None = None,
) -> Path:
    """Drive by the first so many observations of a bag, log it, give the log's path back."""
    recorded = read_log(bag)
    lane_map, route = recorded.of(LaneMap)[0], recorded.of(Route)[0]
    driver = Driver("rules", config, Road(lane_map, route), clock)
    truths = {t.stamp_ns: t for t in recorded.of(Truth)}
    info = run_info("rules", bag.name, 1, config) | {"name": bag.stem}
    meter = Meter()
    with LogWriter(path, info | {"notes": {"open_loop": "yes"}}) as log:
        log.write(topics.LANE_MAP.name, lane_map)
        log.write(topics.ROUTE.name, route)
        for observation in recorded.of(Observation)[:frames]:
            cycle = driver.step(observation)
            log.write(topics.TRUTH.name, truths[observation.stamp_ns])
            log.write(topics.OBSERVATION.name, cycle.observation)
            log.write(topics.SCENE.name, cycle.scene)
            log.write(topics.TRACE.name, cycle.trace)
            log.write(topics.PLAN.name, cycle.plan)
            log.write(topics.COMMAND.name, cycle.command)
            log.write(topics.VERDICT.name, cycle.verdict)
        log.add_info({"resources": meter.read()})
    return path
