"""A suite's YAML -> `Suite`: worlds, seeds, dials, drivers and what is asked, typed; every fault is one line with the remedy.

    name: Night shift              # of the file otherwise
    about: what we never want to see again
    drivers: [rules, idm]          # who is judged, and who he is compared with, unless the command line says
    seeds: 5                       # 1 to 5, or a list; a row may have its own
    duration_s: 30                 # the worlds' own otherwise
    set: {sim.traffic.reactive_logs: true}                  # dials, for every row
    asks: {pdms: {min: 0.9}, at_fault_collisions: {max: 0}} # of summary.json; what is not met fails the suite
    scenes: [town, scenes/USA_US101-1.xml]                  # short for rows: [{world: [town, scenes/...]}]
    rows:
      - {family: [cut_in, jaywalker], map: [town, maps/Town04.xodr], seeds: 20}    # every family on every map
      - {folder: scenes/commonroad}                         # every scene file and leaderboard route below it
      - {routes: routes/longest6.xml, ids: [3, 16], duration_s: 120}
      - {bag: bags/rush_hour, set: {replay.handover_s: 12.0}}
      - {world: town, seeds: [7, 9], name: dense, set: {sim.traffic.vehicles: 40}}

Paths are relative to the file. A list of one may be written without its brackets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NewType

from whyway.config import Config, ConfigError, override
from whyway.driver import DRIVERS
from whyway.evaluate.drive_request import check_length, read_seeds
from whyway.typed_yaml import Special, Typed, nearest, read_yaml, shown
from whyway.types import InputError

KINDS = ("family", "world", "folder", "routes", "bag")
"""What a row may be of; each has exactly one."""

RouteId = NewType("RouteId", str)
"""Of a route in a leaderboard's file."""


class SuiteError(InputError):
    """A suite that cannot be run; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a number of the summary has to be."""

    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("asks for nothing; give min, max or both")

    def met(self, value: float | None) -> bool:
        """Whether a number is so; one that is not there is not."""
        if value is None:
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True, slots=True)
class Row:
    """Worlds of one kind, with seeds, length and dials of their own."""

    family: tuple[str, ...] = ()
    """Names, or paths of family files."""
    map: tuple[str, ...] = ()
    """Where the families play: paths, or "town"; on their own pieces of road otherwise."""
    world: tuple[str, ...] = ()
    """Anything that `whyway drive --world` takes."""
    folder: tuple[str, ...] = ()
    """CommonRoad scenes, leaderboard routes and bags below them."""
    routes: tuple[str, ...] = ()
    """Leaderboard files."""
    ids: tuple[RouteId, ...] = ()
    """Of those files' routes; all otherwise."""
    bag: tuple[str, ...] = ()
    """Recorded drives."""
    name: str = ""
    """Put before the names of its drives: needed where two rows drive the same world and seed."""
    seeds: tuple[int, ...] = ()
    duration_s: float | None = None
    set: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = [kind for kind in KINDS if getattr(self, kind)]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"needs exactly one of {', '.join(KINDS)}; found {found}")
        for part, of in (("map", "family"), ("ids", "routes")):
            if getattr(self, part) and of not in kinds:
                raise ValueError(f"{part} goes with {of}, not with {kinds[0]}; leave it out")
        check_length(self.duration_s)

    @property
    def kind(self) -> str:
        """Which one of `KINDS`."""
        return next(kind for kind in KINDS if getattr(self, kind))


@dataclass(frozen=True, slots=True)
class Suite:
    """What is driven, who drives, and what is asked."""

    name: str = ""
    about: str = ""
    drivers: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    duration_s: float | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    asks: Mapping[str, Ask] = field(default_factory=dict)
    scenes: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        if not (self.rows or self.scenes):
            raise ValueError(
                "names nothing to drive; give scenes: [town, some/scene.xml] or rows: [{family: cut_in, seeds: 20}]"
            )
        if len(self.drivers) > 2:
            raise ValueError("drivers: give the one who is judged, and at most one to compare with")
        for name in self.drivers:
            if name not in DRIVERS:
                raise ValueError(f"drivers: no driver {name!r}; {nearest(name, DRIVERS)}")
        check_length(self.duration_s)

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """Its rows, `scenes` among them."""
        return (*([Row(world=self.scenes)] if self.scenes else []), *self.rows)


def read_suite(path: Path) -> Suite:
    """The suite in a YAML file; without a name of its own it has the file's.

    Raises:
      SuiteError: not YAML, or it says what no suite may.
    """
    data = read_yaml(path, "give a suite", SuiteError)
    suite = Typed(SuiteError, _SPECIAL).read(Suite, data, str(path))
    for where, dials in (("set", suite.set), *((f"rows[{i}]: set", r.set) for i, r in enumerate(suite.rows, 1))):  # fmt: skip
        try:
            override(Config(), dials, where)
        except ConfigError as error:
            raise SuiteError(f"{path}: {error}") from None
    return suite if suite.name else dataclasses.replace(suite, name=path.stem)


# ------------------------------------------------------------------------------------------------------------ typing


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SuiteError(f"{where}: expected a text, found {shown(value)}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of texts that is not empty, or one of them without brackets."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise SuiteError(f"{where}: expected a list that is not empty, found []")
    return tuple(_text(v, where) for v in items)


def _ids(value: Any, where: str) -> tuple[str, ...]:
    """Texts; a whole number is one, too."""
    items = value if isinstance(value, list) else [value]
    return _texts([str(v) if type(v) is int else v for v in items], where)


_SPECIAL: Special = {
    str: _text,
    tuple[str, ...]: _texts,
    tuple[RouteId, ...]: _ids,
    tuple[int, ...]: partial(read_seeds, error=SuiteError),
}
