"""Records the bags of the project's own gates, tests/gates/bags/*.mcap: three short drives, cut to what a driver is given.

    python tools/record_gate_bags.py [--out tests/gates/bags]

A bag holds the observations, the truth, the route and the lanes near the ego's way, on a clock that starts at 0. It is input: record
anew only when a situation is to be another one, then bless new references (make gates ARGS=--update-refs).
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whyway import topics
from whyway.config import Config
from whyway.drives import drive
from whyway.log import LogWriter, read_log
from whyway.types import CYCLE_NS, LaneMap, Observation, Route, Truth

OUT = Path(__file__).resolve().parents[1] / "tests" / "gates" / "bags"


@dataclass(frozen=True, slots=True)
class Situation:
    """A stretch of a drive, and why it is one of the three."""

    name: str
    world: str
    seed: int
    driver: str
    from_s: float
    to_s: float
    why: str


SITUATIONS = (
    Situation(
        "town", "town", 1, "rules", 26.0, 40.0,
        "braking for a curve, a turn at a junction, a car that blocks the lane, a lane change, a light turning red",
    ),
    Situation(
        "jaywalker", "family:jaywalker", 1, "constant_velocity", 0.0, 8.0,
        "a pedestrian steps out and the recorded car does not brake: safety has to",
    ),
    Situation(
        "cut_in", "family:cut_in", 1, "rules", 0.0, 10.0,
        "a car cuts in close, is followed, then overtaken by a lane change",
    ),
)  # fmt: skip

NEAR_M = 70.0
"""Lanes that come so near to the ego's way are kept."""


def record(situation: Situation, folder: Path) -> Path:
    """Drive, cut, write; the bag's path."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "drive.mcap"
        s = situation
        drive(s.world, s.driver, s.seed, Config(), whole, s.to_s + 1.0)
        log = read_log(whole)
    start, stop = round(situation.from_s * 1e9), round(situation.to_s * 1e9)
    observations = _between(log.of(Observation), start, stop)
    truths = _between(log.of(Truth), start, stop)
    lane_map, route = cut_out(log.of(LaneMap)[0], log.of(Route)[0], truths)
    path = folder / f"{situation.name}.mcap"
    info = {"name": situation.name, "world": situation.world, "driver": situation.driver}
    info |= {"seed": situation.seed, "why": situation.why}
    folder.mkdir(parents=True, exist_ok=True)
    with LogWriter(path, info) as bag:
        bag.write(topics.LANE_MAP.name, lane_map)
        bag.write(topics.ROUTE.name, route)
        for observation, truth in zip(observations, truths, strict=True):
            bag.write(topics.OBSERVATION.name, _earlier(observation, start))
            bag.write(topics.TRUTH.name, _earlier(truth, start))
    return path


def _between(values, start_ns, stop_ns):  # type: ignore[no-untyped-def]
    return [v for v in values if start_ns <= v.stamp_ns < stop_ns]


def _earlier(value, by_ns):  # type: ignore[no-untyped-def]
    """The value with its stamps moved so that the bag starts at 0."""
    stamps = {
        f.name: getattr(value, f.name) - by_ns
        for f in dataclasses.fields(value)
        if f.name.endswith("stamp_ns")
    }
    return dataclasses.replace(value, **stamps)


def cut_out(lane_map: LaneMap, route: Route, truths: Iterable[Truth]) -> tuple[LaneMap, Route]:
    """The lanes near the ego's way with all that hangs on them, and the part of the route on them."""
    way = np.array([(t.ego.x_m, t.ego.y_m) for t in truths])  # (n, 2)
    kept = {
        lane.id: lane
        for lane in lane_map.lanes
        if _distance_m(way, np.stack([lane.center_x_m, lane.center_y_m], -1)) <= NEAR_M
    }

    def known(ids: np.ndarray) -> np.ndarray:
        return np.array([i for i in ids if i in kept], dtype=np.int64)

    def one(i: int) -> int:
        return i if i in kept else 0

    lanes = tuple(
        dataclasses.replace(
            lane,
            left_id=one(lane.left_id),
            right_id=one(lane.right_id),
            opposite_id=one(lane.opposite_id),
            successor_ids=known(lane.successor_ids),
            predecessor_ids=known(lane.predecessor_ids),
        )
        for lane in kept.values()
    )

    def hanging(things):  # type: ignore[no-untyped-def]
        cut = (dataclasses.replace(x, lane_ids=known(x.lane_ids)) for x in things)
        return tuple(x for x in cut if len(x.lane_ids))

    small = dataclasses.replace(
        lane_map,
        lanes=lanes,
        stop_lines=hanging(lane_map.stop_lines),
        lights=hanging(lane_map.lights),
        crossings=hanging(lane_map.crossings),
    )
    on_route = known(route.lane_ids)
    if len(on_route) == len(route.lane_ids):
        return small, route
    last = kept[int(on_route[-1])]
    goal = float(last.center_x_m[-1]), float(last.center_y_m[-1])
    return small, dataclasses.replace(route, lane_ids=on_route, goal_x_m=goal[0], goal_y_m=goal[1])


def _distance_m(way: np.ndarray, line: np.ndarray) -> float:
    """From a way (n, 2) to the nearest point of a line (m, 2)."""
    return float(np.linalg.norm(way[:, None] - line[None], axis=-1).min())


def main() -> None:
    """Record all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the bags")
    for situation in SITUATIONS:
        path = record(situation, parser.parse_args().out)
        frames = (situation.to_s - situation.from_s) * 1e9 / CYCLE_NS
        print(f"{path}: {frames:.0f} frames, {path.stat().st_size / 1024:.0f} KiB: {situation.why}")


if __name__ == "__main__":
    main()
