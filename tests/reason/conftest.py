"""Real drives, recorded cycle by cycle, with the reasoner as it was before each."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package
sys.path.insert(0, str(Path(__file__).parents[1] / "maps"))

from whyway.config import Config
from whyway.driver import Cycle, Driver
from whyway.maps.road import Road
from whyway.reason import RuleReasoner
from whyway.worlds import make_world

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "commonroad_bsd"
CONFIG = Config()


@dataclass(frozen=True)
class Moment:
    """One cycle of a drive, and the reasoner with the memory it had before it."""

    drive: str
    road: Road
    before: RuleReasoner
    cycle: Cycle

    def again(self, scene):
        """What the reasoner would have said to another scene then."""
        return copy.copy(self.before).step(scene)


def record(world: str, seed: int, duration_s: float | None, every: int) -> list[Moment]:
    """Drive a world and keep every so many cycles."""
    w = make_world(world, seed, CONFIG, duration_s)
    road = Road(w.lane_map, w.route)
    driver = Driver("rules", CONFIG, road)
    observation, moments, k = w.reset(), [], 0
    while not w.done:
        before = copy.copy(driver._reasoner)
        cycle = driver.step(observation)
        if k % every == 0:
            moments.append(Moment(f"{Path(world).name} {seed}", road, before, cycle))
        observation, k = w.step(cycle.command), k + 1
    return moments


@pytest.fixture(scope="session")
def town_moments() -> list[Moment]:
    return record("town", 1, 40.0, every=5)


@pytest.fixture(scope="session")
def short_drive() -> list[Moment]:
    """Every cycle of some seconds in town."""
    return record("town", 3, 6.0, every=1)


@pytest.fixture(scope="session")
def recorded_moments() -> list[Moment]:
    """Moments of recorded scenes, or a skip."""
    wanted = ("USA_US101-26_2", "ESP_Monzon-6_1", "BEL_Zaventem-5_3", "DEU_Speyer-2_4")
    files = [f for w in wanted for f in sorted(SCENES.rglob(f"{w}*.xml*"))]
    if not files:
        pytest.skip(f"no CommonRoad scenes at {SCENES}")
    return [m for f in files for m in record(str(f), 1, None, every=6)]
