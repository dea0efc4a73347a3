"""A suite of faults: a YAML file of worlds and of faults with their severities -> the drives it asks for.

from_s: 3                       # when faults begin; a fault may have its own from_s, and for_s
worlds:
  - {world: "family:cut_in", seeds: 2}
  - {world: town, seeds: [1, 4], duration_s: 20}
faults:
  - {fault: "late:detections", values: [0.1, 0.3]}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from whyway.evaluate.drive_request import check_length, read_seeds
from whyway.typed_yaml import Special, Typed, read_yaml
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
    data = read_yaml(path, "give a suite of faults", FaultSuiteError)
    asked = Typed(FaultSuiteError, _SPECIAL).read(_File, data, str(path))
    scenes = [Scene(row.world, seed, row.duration_s) for row in asked.worlds for seed in row.seeds]
    faults = [fault for row in asked.faults for fault in row.injections(asked.from_s)]
    if len(scenes) * (len(faults) + 1) > _MOST:
        raise FaultSuiteError(f"{path}: asks for more than {_MOST} drives; leave some out")
    return FaultSuite(tuple(scenes), tuple(faults))


# --------------------------------------------------------------------------------------------------------- the file


@dataclass(frozen=True, slots=True)
class _World:
    """A row of worlds."""

    world: str
    seeds: tuple[int, ...] = (1,)
    duration_s: float | None = None

    def __post_init__(self) -> None:
        check_length(self.duration_s)


@dataclass(frozen=True, slots=True)
class _Faults:
    """A row of faults: one, with each of its severities."""

    fault: str
    values: tuple[float, ...]
    from_s: float | None = None
    for_s: float | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values: names no severity; give at least one")

    def injections(self, from_s: float) -> Iterator[Injection]:
        """One for each severity; from then on unless the row says otherwise."""
        start = from_s if self.from_s is None else self.from_s
        until = "" if self.for_s is None else f"-{start + self.for_s:.9g}"
        for v in self.values:
            yield parse(f"{self.fault}={v:.9g}@{start:.9g}{until}")


@dataclass(frozen=True, slots=True)
class _File:
    """The whole file."""

    worlds: tuple[_World, ...]
    faults: tuple[_Faults, ...]
    from_s: float = 3.0

    def __post_init__(self) -> None:
        for name in ("worlds", "faults"):
            if not getattr(self, name):
                raise ValueError(f"needs a list that is not empty, {name}: [...]")


_SPECIAL: Special = {tuple[int, ...]: partial(read_seeds, error=FaultSuiteError)}
