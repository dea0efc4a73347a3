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
import difflib
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from whyway.config import Config, ConfigError, override
from whyway.driver import DRIVERS
from whyway.types import InputError

KINDS = ("family", "world", "folder", "routes", "bag")
"""What a row may be of; each has exactly one."""
MOST_SEEDS = 100_000
MOST_BYTES = 1_000_000
LONGEST_S = 86_400.0

T = TypeVar("T")


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
    ids: tuple[str, ...] = ()
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
        _check_length(self.duration_s)

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
                raise ValueError(f"drivers: no driver {name!r}; {_hint(name, DRIVERS)}")
        _check_length(self.duration_s)

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """Its rows, `scenes` among them."""
        return (*([Row(world=self.scenes)] if self.scenes else []), *self.rows)


def _check_length(duration_s: float | None) -> None:
    if duration_s is not None and not 1.0 <= duration_s <= LONGEST_S:
        raise ValueError(f"duration_s: {duration_s:g} is not from 1 to {LONGEST_S:.0f}")


def read_suite(path: Path) -> Suite:
    """The suite in a YAML file; without a name of its own it has the file's.

    Raises:
      SuiteError: not YAML, or it says what no suite may.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise SuiteError(f"{path}: larger than {MOST_BYTES // 1000} kB; no suite is")
        text = raw.decode("utf-8")
        if "&" in text and any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text)):
            raise SuiteError(f"{path}: uses YAML aliases; write it out")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SuiteError(f"{path}: not readable as YAML: {reason}") from None
    suite = _built(Suite, data, str(path))
    for where, dials in (("set", suite.set), *((f"rows[{i}]: set", r.set) for i, r in enumerate(suite.rows, 1))):  # fmt: skip
        try:
            override(Config(), dials, where)
        except ConfigError as error:
            raise SuiteError(f"{path}: {error}") from None
    return suite if suite.name else dataclasses.replace(suite, name=path.stem)


# ------------------------------------------------------------------------------------------------------------ typing


def _built(cls: type[T], data: Any, where: str) -> T:
    """A dataclass from plain values, checked key by key."""
    if not isinstance(data, Mapping):
        raise SuiteError(f"{where}: expected keys and values, found {_shown(data)}")
    hints = typing.get_type_hints(cls)
    for key in data:
        if key not in hints:
            raise SuiteError(f"{where}: unknown key {_shown(key)}; {_hint(str(key), hints)}")
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise SuiteError(f"{where}: {error}") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    """A value as its type asks."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _number(value, where)
    if origin is tuple:
        return _seeds(value, where) if inner[0] is int else _many(inner[0], value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise SuiteError(f"{where}: expected keys and values, found {_shown(value)}")
        if inner[1] is Any:
            return dict(value)
        return {k: _built(inner[1], v, f"{where}: {k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return _built(typing.cast("type[Any]", hint), value, where)
    if where.endswith(": ids") and type(value) is int:
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise SuiteError(f"{where}: expected a text, found {_shown(value)}")
    return value


def _many(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    items = value if isinstance(value, list) else [value]
    if not items or (kind is not str and not isinstance(value, list)):
        raise SuiteError(f"{where}: expected a list that is not empty, found {_shown(value)}")
    if kind is str:
        return tuple(_value(kind, v, where) for v in items)
    return tuple(_built(kind, v, f"{where}[{i}]") for i, v in enumerate(items, 1))


def _number(value: Any, where: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not abs(value) < 1e300 or not math.isfinite(value):
        raise SuiteError(f"{where}: expected a number, found {_shown(value)}")
    return float(value)


def _seeds(value: Any, where: str) -> tuple[int, ...]:
    """A count, or a list of seeds."""
    if type(value) is int and 1 <= value <= MOST_SEEDS:
        return tuple(range(1, value + 1))
    whole = isinstance(value, list) and 0 < len(value) <= MOST_SEEDS
    if not whole or not all(type(v) is int and 0 <= v < 2**31 for v in value):
        raise SuiteError(
            f"{where}: expected a count (1 to {MOST_SEEDS}) or a list of whole numbers from 0, found {_shown(value)}"
        )
    if len(set(value)) < len(value):
        raise SuiteError(f"{where}: a seed stands twice in {_shown(value)}; name each once")
    return tuple(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _hint(word: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
