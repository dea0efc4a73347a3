"""A suite of faults: a YAML file of worlds and of faults with their severities -> the drives it asks for.

from_s: 3                       # when faults begin; a fault may have its own from_s, and for_s
worlds:
  - {world: "family:cut_in", seeds: 2}
  - {world: town, seeds: [1, 4], duration_s: 20}
faults:
  - {fault: "late:detections", values: [0.1, 0.3]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from whyway.types import InputError
from whyway.worlds.faults import Injection, parse

OWN = Path(__file__).parent / "faults.yaml"
"""The suite that comes with the package."""
_MOST = 100_000


class FaultSuiteError(InputError):
    """A suite of faults that cannot be run; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A world with its seed and how long it is driven; None: its own time."""

    world: str
    seed: int
    duration_s: float | None

    def __str__(self) -> str:
        return f"{self.world} {self.seed}"


@dataclass(frozen=True, slots=True)
class FaultSuite:
    """What is driven: every scene without a fault, and with each of the faults."""

    scenes: tuple[Scene, ...]
    faults: tuple[Injection, ...]

    def chosen(self, names: tuple[str, ...], scenes: int | None) -> FaultSuite:
        """Only faults whose text begins with one of the names (none: all), and only so many scenes.

        Raises:
          FaultSuiteError: nothing is left.
        """
        faults = tuple(f for f in self.faults if not names or str(f).startswith(names))
        if not faults:
            known = ", ".join(dict.fromkeys(f.name for f in self.faults))
            raise FaultSuiteError(
                f"--only {' '.join(names)}: the suite has no such fault; it has {known}"
            )
        return replace(self, faults=faults, scenes=self.scenes[:scenes])


def read_suite(path: Path | None) -> FaultSuite:
    """Read a suite; None: the package's own.

    Raises:
      FaultSuiteError: not a suite; one line.
      FaultError: a fault that is none; one line.
    """
    path = OWN if path is None else path
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise FaultSuiteError(
            f"{path}: not readable as YAML: {why}; give a suite of faults"
        ) from error
    data = _mapping(data, f"{path}", {"from_s", "worlds", "faults"})
    start = _number(data.get("from_s", 3.0), f"{path}: from_s")
    scenes = [
        scene
        for k, row in enumerate(_list(data, "worlds", path))
        for scene in _scenes(row, f"{path}: worlds, row {k + 1}")
    ]
    faults = [
        fault
        for k, row in enumerate(_list(data, "faults", path))
        for fault in _faults(row, start, f"{path}: faults, row {k + 1}")
    ]
    if len(scenes) * (len(faults) + 1) > _MOST:
        raise FaultSuiteError(f"{path}: asks for more than {_MOST} drives; leave some out")
    return FaultSuite(tuple(scenes), tuple(faults))


def _scenes(row: Any, where: str) -> list[Scene]:
    row = _mapping(row, where, {"world", "seeds", "duration_s"})
    world, seeds, duration = row.get("world"), row.get("seeds", 1), row.get("duration_s")
    if not isinstance(world, str):
        raise FaultSuiteError(f"{where}: needs world: town, family:NAME or a file")
    if isinstance(seeds, int) and not isinstance(seeds, bool) and 1 <= seeds <= _MOST:
        seeds = list(range(1, seeds + 1))
    if (
        not isinstance(seeds, list)
        or not seeds
        or not all(type(s) is int and s >= 0 for s in seeds)
    ):
        raise FaultSuiteError(f"{where}: seeds is a count or a list of numbers")
    if duration is not None and not 1.0 <= _number(duration, f"{where}: duration_s") <= 86400.0:
        raise FaultSuiteError(f"{where}: duration_s is 1 to 86400")
    return [Scene(world, seed, None if duration is None else float(duration)) for seed in seeds]


def _faults(row: Any, start: float, where: str) -> list[Injection]:
    row = _mapping(row, where, {"fault", "values", "from_s", "for_s"})
    name, values = row.get("fault"), row.get("values")
    if not isinstance(name, str) or not isinstance(values, list) or not values:
        raise FaultSuiteError(f"{where}: needs fault: kind:what and values: [...]")
    start = _number(row.get("from_s", start), f"{where}: from_s")
    lasts = _number(row["for_s"], f"{where}: for_s") if "for_s" in row else math.inf
    until = f"-{start + lasts:.9g}" if math.isfinite(lasts) else ""
    numbers = [_number(v, f"{where}: values") for v in values]
    return [parse(f"{name}={v:.9g}@{start:.9g}{until}") for v in numbers]


def _mapping(value: Any, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FaultSuiteError(f"{where}: needs keys of {', '.join(sorted(known))}")
    unknown = [k for k in value if k not in known]
    if unknown:
        raise FaultSuiteError(
            f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    return value


def _list(data: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    rows = data.get(key)
    if not isinstance(rows, list) or not rows:
        raise FaultSuiteError(f"{path}: needs a list, {key}: [...]")
    return rows


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise FaultSuiteError(f"{where}: {str(value)[:40]!r} is no number")
    return float(value)
