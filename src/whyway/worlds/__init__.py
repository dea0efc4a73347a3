"""Worlds to drive in: what a driver is run against, by one protocol, and how one is made from a short text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from whyway.config import Config
from whyway.types import Command, InputError, LaneMap, Observation, Route, Truth


@runtime_checkable
class World(Protocol):
    """One ego among other road users, on the data's own clock, which starts at 0 and goes in steps of 0.1 s."""

    @property
    def name(self) -> str:
        """Which world, for logs and reports."""

    @property
    def config(self) -> Config:
        """What it was made with."""

    @property
    def lane_map(self) -> LaneMap:
        """The static road."""

    @property
    def route(self) -> Route:
        """Where the ego is to go."""

    @property
    def notes(self) -> Mapping[str, str]:
        """Anything a report should say about this world."""

    @property
    def duration_s(self) -> float:
        """When it ends."""

    @property
    def stamp_ns(self) -> int:
        """Now."""

    @property
    def done(self) -> bool:
        """Whether it has ended; stepping on is an error."""

    @property
    def goal_reached(self) -> bool | None:
        """Whether the goal has been reached up to now; None where there is none."""

    @property
    def interface_braking(self) -> bool:
        """Whether, in the last step, the vehicle interface braked by itself for want of a command."""

    def reset(self) -> Observation:
        """Begin again, exactly as before."""

    def step(self, command: Command | None) -> Observation:
        """Let 0.1 s pass under a command; None: no command came."""

    def truth(self) -> Truth:
        """What is really there, for judgement."""

    def get_state(self) -> Any:
        """Everything that changes, random generators included."""

    def set_state(self, state: Any) -> None:
        """Go back to what `get_state` gave."""


KINDS = (
    "town",
    "family:NAME or family:NAME@MAP",
    "a CommonRoad scene (.xml, .xml.gz)",
    "a CARLA route (routes.xml#ID)",
    "an OpenSCENARIO file (.xosc)",
    "a recording (a rosbag2 folder, .mcap, .db3, .bag)",
)
"""What `make_world` understands, for messages and help."""


def make_world(spec: str, seed: int, config: Config, duration_s: float | None = None) -> World:
    """A world by its name.

    Args:
      spec: "town"; "family:cut_in", on a map of one's own as "family:cut_in@Town04.xodr"; the path of a CommonRoad scene (`.xml`,
        `.xml.gz`); a route of a CARLA leaderboard file as "longest6.xml#3"; the path of an OpenSCENARIO file (`.xosc`);
        a recording: a folder of rosbag2, or a single `.mcap`, `.db3` or `.bag`.
      seed: of layout, parameters and traffic, and of the sensors' noise.
      config: the whole tree.
      duration_s: when to end; None for the world's own end.

    Raises:
      InputError: no such world, or a file that cannot be used; one line.
    """
    if duration_s is not None and not duration_s > 0.0:
        raise InputError(f"duration {duration_s} s: must be more than 0")
    path, number, _ = spec.rpartition("#")
    if spec == "town":
        from whyway.worlds.scenes.town_world import town_world

        return town_world(seed, config, duration_s)
    if spec.startswith("family:"):
        from whyway.worlds.scenes.family_world import family_world

        name, _, place = spec.removeprefix("family:").partition("@")
        return family_world(name, seed, config, duration_s, Path(place) if place else None)
    if number and path.endswith((".xml", ".xml.gz")):
        from whyway.worlds.scenes.route_world import route_world

        return route_world(spec, seed, config, duration_s)
    if spec.endswith((".xosc", ".xosc.gz")):
        from whyway.worlds.scenes.openscenario_world import scenario_world

        return scenario_world(Path(spec), seed, config, duration_s)
    if spec.endswith((".xml", ".xml.gz")):
        from whyway.worlds.scenes.commonroad_world import commonroad_world

        return commonroad_world(Path(spec), seed, config, duration_s)
    from whyway.worlds.bags.bag import is_bag

    if is_bag(Path(spec)):
        from whyway.worlds.bags.replay_world import replay_world

        return replay_world(Path(spec), seed, config, duration_s)
    raise InputError(f"world {spec!r}: expected {', '.join(KINDS[:-1])} or {KINDS[-1]}")
