"""The only place where nodes meet the driver's stages and worlds: what `whyway.driver` wires in one process, for single stages.

Imports are inside: a node loads its own stage and nothing else, which keeps start-up short.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whyway.config import Config
from whyway.types import LaneMap, Route
from whyway.worlds.faults import FAULTS, DriverFaults, Injection, begun

__all__ = [
    "begun",
    "control",
    "driver_faults",
    "mind",
    "perception",
    "planning",
    "reasoner",
    "sensors",
    "world",
]

if TYPE_CHECKING:
    from whyway.worlds import World
    from whyway.worlds.sim.sensing.suite import Suite


def world(
    spec: str,
    seed: int,
    config: Config,
    duration_s: float | None,
    injections: Sequence[Injection] = (),
) -> World:
    """The world a text names (`town`, a CommonRoad file, ...), seen through faults if there are any.

    Raises:
      ValueError: there is no such world, in one line.
    """
    from whyway.worlds import make_world
    from whyway.worlds.faults import faulty

    inside = [i for i in injections if i.kind in FAULTS]
    return faulty(make_world(spec, seed, config, duration_s), inside, seed)


def driver_faults(injections: Sequence[Injection], seed: int = 0) -> DriverFaults:
    """What goes wrong inside the driver."""
    return DriverFaults(injections, seed)


def sensors(rig: str, lane_map: LaneMap, seed: int) -> Suite:
    """The raw sensors of a rig, a YAML file's or without one the default; ready to look without delay.

    Raises:
      ValueError: a rig that cannot be used, or numba is missing, in one line.
    """
    from whyway.worlds.sim.sensing.rig import read_rig
    from whyway.worlds.sim.sensing.suite import Suite

    suite = Suite(read_rig(Path(rig) if rig else None), lane_map, seed)
    suite.warm_up()
    return suite


def perception(config: Config, lane_map: LaneMap, route: Route) -> Any:
    """Observation -> Scene."""
    from whyway.maps.road import Road
    from whyway.perception import Perception

    return Perception(config, Road(lane_map, route))


def mind(driver: str, config: Config, *, thinks: bool = True) -> Any:
    """The model of a learnt driver (only its waypoint head, if it need not think), None of any other; loaded while a node is configured.

    Raises:
      ValueError: no such driver, or a model that cannot be used, in one line.
    """
    from whyway.driver import load_mind

    return load_mind(driver, config, thinks=thinks)


def reasoner(driver: str, config: Config, lane_map: LaneMap, route: Route, mind: Any) -> Any:
    """Scene -> draft of a Trace."""
    from whyway.driver import make_reasoner
    from whyway.maps.road import Road

    return make_reasoner(driver, config, Road(lane_map, route), mind)


def planning(driver: str, config: Config, lane_map: LaneMap, route: Route, mind: Any) -> Any:
    """Scene and draft Trace -> Plan, and the Trace that belongs to it."""
    from whyway.driver import make_planning
    from whyway.maps.road import Road

    return make_planning(driver, config, Road(lane_map, route), mind)


def control(config: Config, lane_map: LaneMap, route: Route) -> Any:
    """Plan -> Command, safety's last word included."""
    from whyway.control import Control
    from whyway.maps.road import Road

    return Control(config, Road(lane_map, route))
