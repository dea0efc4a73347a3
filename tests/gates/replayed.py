"""A bag of the project's own gates -> the log of a driver that was given it, open loop, as `whyway replay BAG` makes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from whyway.config import Config
from whyway.drives import drive

HERE = Path(__file__).resolve().parent
GATES = HERE / "gates.yaml"
PLAIN = Config()
BAGS = tuple(sorted((HERE / "bags").glob("*.mcap")))


def replay(
    bag: Path,
    folder: Path,
    config: Config = PLAIN,
    clock: Callable[[], float] = time.perf_counter,
    duration_s: float | None = None,
) -> Path:
    """The path of the log, which is called as the bag is."""
    log = folder / bag.name
    drive(str(bag), "rules", 1, config, log, duration_s, clock=clock)
    return log
