"""GATES.yaml -> `Gates`: which logs are held to what. Typed: an unknown key, topic or field is an error that names the nearest.

    golden:                         # the same as last time, field by field
      - logs: "*.mcap"
        reference: refs/{name}.mcap     # beside this file; {name}: the log's name, {folder}: that of its folder
        ignore: [integrity.latency]
        tolerances: {"*": {relative: 1e-6, absolute: 1e-6}, "plan.waypoints": {absolute: 0.01}}
    semantic:                       # as good as last time, on intervals
      - limits:
          contradiction: {at_most: 0.005}
          flips_per_minute: {rise: 6.0}
        reference: refs/{name}.mcap
    budget:                         # at what cost
      - limits: {cpu_s_per_s: {at_most: 1.0}}
        rates: {plan: {at_least: 9.5, longest_gap_s: 0.2}}

Globs are matched from the right: "*.mcap" is any log, "town/*.mcap" any log in a folder called town.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.fields import check_patterns, topic_name
from whyway.typed_yaml import Typed, read_yaml


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A number may be off by `absolute + relative * |expected|`, as in `numpy.isclose`; the boundary itself is allowed."""

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        if self.absolute < 0.0 or self.relative < 0.0:
            raise GateError("a tolerance is 0 or more")


@dataclass(frozen=True, slots=True)
class Golden:
    """The topics of a log, field by field against those of its reference.

    Patterns (`fnmatch`) name fields as `planning.causes.weight` or, for one topic only, `trace.planning.causes.weight`; whoever
    names a whole names its parts. Of several that fit, the last one holds. What no tolerance names must be equal.
    """

    reference: str
    logs: str = "*"
    name: str = "golden"
    topics: tuple[str, ...] = ("trace", "plan", "command")
    ignore: tuple[str, ...] = ()
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "topics", tuple(topic_name(t, typed=True) for t in self.topics))
        check_patterns((*self.ignore, *self.tolerances), self.topics)


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a figure is allowed: bounds of its own, or how far it may rise or drop from the reference's."""

    at_most: float | None = None
    at_least: float | None = None
    rise: float | None = None
    drop: float | None = None

    def __post_init__(self) -> None:
        if all(v is None for v in (self.at_most, self.at_least, self.rise, self.drop)):
            raise GateError("needs one of at_most, at_least, rise, drop")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise GateError(f"at_least {self.at_least:g} is more than at_most {self.at_most:g}")
        if min(self.rise or 0.0, self.drop or 0.0) < 0.0:
            raise GateError("rise and drop are amounts, 0 or more")

    @property
    def relative(self) -> bool:
        """Whether it needs a reference."""
        return self.rise is not None or self.drop is not None


@dataclass(frozen=True, slots=True)
class Semantic:
    """Figures of what was said and driven, each against its limit.

    Attributes:
      limits: by figure: those of `figures.py`, and any number of `SceneScore.metrics()`.
      reference: as in `Golden`; needed where something may rise or drop.
      frames: with fewer frames no interval is trusted and nothing is judged.
      pooled: all logs are judged together, each a scene of its own: intervals are over scenes.
    """

    limits: Mapping[str, Limit]
    logs: str = "*"
    name: str = "semantic"
    reference: str = ""
    frames: int = 30
    pooled: bool = False

    def __post_init__(self) -> None:
        if not self.limits:
            raise GateError("limits: is empty; name at least one figure")
        needy = [name for name, limit in self.limits.items() if limit.relative]
        if needy and not self.reference:
            raise GateError(f"limits.{needy[0]}: rise and drop need a reference:")
        if self.frames < 2:
            raise GateError("frames: give 2 or more")


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a topic comes, and how long or short the pause between two of its messages may be."""

    at_least: float | None = None
    at_most: float | None = None
    longest_gap_s: float | None = None
    shortest_gap_s: float | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, f.name) is None for f in dataclasses.fields(self)):
            raise GateError("needs one of at_least, at_most (in Hz), longest_gap_s, shortest_gap_s")


@dataclass(frozen=True, slots=True)
class Budget:
    """What the drive cost (`figures.COSTS`), and whether every topic kept its pace."""

    logs: str = "*"
    name: str = "budget"
    limits: Mapping[str, Limit] = field(default_factory=dict)
    rates: Mapping[str, Rate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.limits and not self.rates:
            raise GateError("needs limits: or rates:")
        for name, limit in self.limits.items():
            if limit.relative:
                raise GateError(f"limits.{name}: a budget has at_most and at_least only")
        object.__setattr__(self, "rates", {topic_name(t): r for t, r in self.rates.items()})


Gate = Golden | Semantic | Budget


@dataclass(frozen=True, slots=True)
class Gates:
    """A file of gates; `path` is where it stands, and references are relative to it."""

    golden: tuple[Golden, ...] = ()
    semantic: tuple[Semantic, ...] = ()
    budget: tuple[Budget, ...] = ()
    path: Path = field(default=Path("GATES.yaml"), metadata={"key": False})

    def of(self, log: Path) -> Iterator[Gate]:
        """The gates that a log has to pass on its own."""
        gates: tuple[Gate, ...] = (*self.golden, *self.semantic, *self.budget)
        for gate in gates:
            if applies(gate, log) and not (isinstance(gate, Semantic) and gate.pooled):
                yield gate

    def reference_of(self, gate: Golden | Semantic, log: Path) -> Path:
        """Where the reference of a log is."""
        text = gate.reference.replace("{name}", log.stem).replace("{folder}", log.absolute().parent.name)  # fmt: skip
        return self.path.parent / text


def applies(gate: Gate, log: Path) -> bool:
    """Whether a gate is for a log."""
    return PurePath(log.absolute()).match(gate.logs)


def read_gates(path: Path) -> Gates:
    """Read a file of gates.

    Raises:
      GateError: it cannot be read, or something in it makes no sense; one line.
    """
    tree = read_yaml(path, "give a YAML file of gates", GateError)
    if not isinstance(tree, Mapping) or not tree:
        raise GateError(f"{path}: expected golden:, semantic: or budget:, found nothing of it")
    gates = dataclasses.replace(Typed(GateError).read(Gates, tree, str(path)), path=path)
    if not (gates.golden or gates.semantic or gates.budget):
        raise GateError(f"{path}: holds no gate; add one under golden:, semantic: or budget:")
    return gates
