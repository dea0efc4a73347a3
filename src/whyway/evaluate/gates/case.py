"""One log before its gates: read once, with its references, and let go again, so that of many logs one is in memory."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from whyway.evaluate.gates import golden_text
from whyway.evaluate.gates.budget import budget
from whyway.evaluate.gates.figures import Figures
from whyway.evaluate.gates.frames import frames
from whyway.evaluate.gates.golden import Comparison, compare
from whyway.evaluate.gates.results import LogResult, Outcome, Result
from whyway.evaluate.gates.schema import Gate, Gates, Golden, Semantic
from whyway.evaluate.gates.semantic import Measured, measured, semantic
from whyway.log import Log, LogError, read_log


def not_judged(kind: str, name: str, why: str) -> Result:
    """The result of a gate that has nothing to go by."""
    return Result(kind, name, Outcome.NOT_JUDGED, why)


def read(path: Path) -> Log | str:
    """A log, or why there is none."""
    try:
        return read_log(path)
    except LogError as error:
        return str(error)


class Case:
    """One log and its references.

    Attributes:
      path: of the log.
      name: how reports call it.
      trouble: why it cannot be judged, "" if it can.
    """

    def __init__(self, gates: Gates, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._gates = gates
        self._start_s = time.perf_counter()
        self._references: dict[Path, Log | str] = {}
        found = read(path)
        self._log = found if isinstance(found, Log) else None
        self.trouble = found if isinstance(found, str) else ""
        if self._log and not any(self._log.topics.values()):
            self.trouble = f"{path}: holds no message of ours; give the .mcap of a drive"
        self._figures = Figures(self._log) if self._log else None

    @property
    def breaks_off(self) -> str:
        """Why the log's end is missing, "" if it is not."""
        return f"the log {self._log.truncated}" if self._log and self._log.truncated else ""

    def judged(self) -> LogResult:
        """The verdict of every gate that is for this log alone."""
        mine = tuple(self._gates.of(self.path))
        compared: list[Comparison] = []
        if self._log is None or self._figures is None or self.trouble:
            results = [not_judged(_kind(g), g.name, self.trouble) for g in mine]
        else:
            results = [r for g in mine for r in self._results(g, self._log, self._figures, compared)]  # fmt: skip
        if not mine:
            why = self.trouble or f"no gate of {self._gates.path} is for {self.path}; see its logs:"
            results = [not_judged("log", self.name, why)]
        seen = frames(self._figures, compared) if self._figures and not self.trouble else {}
        took_s = time.perf_counter() - self._start_s
        return LogResult(self.path, self.name, tuple(results), seen, took_s)

    def _results(
        self, gate: Gate, log: Log, figures: Figures, compared: list[Comparison]
    ) -> Iterator[Result]:
        found: Iterable[Result]
        if isinstance(gate, Golden):
            result, comparison = _golden(gate, log, self._reference(gate))
            compared += [comparison] if comparison else []
            found = [result]
        elif isinstance(gate, Semantic):
            found = semantic(gate, self.measured(gate))
        else:
            found = budget(gate, figures)
        yield from (self._of_a_part(r) for r in found)

    def measured(self, gate: Semantic) -> Measured:
        """What a semantic gate looks at; only for a log that can be judged."""
        assert self._figures is not None
        before = self._reference(gate)
        old = before if isinstance(before, str) else Figures(before)
        return measured(gate, self._figures, old)

    def _reference(self, gate: Golden | Semantic) -> Log | str:
        """The reference of the log, or why there is none."""
        if isinstance(gate, Semantic) and not gate.reference:
            return "no reference is named"
        where = self._gates.reference_of(gate, self.path)
        if where not in self._references:
            self._references[where] = _reference(where)
        return self._references[where]

    def _of_a_part(self, result: Result) -> Result:
        """A result of a log that breaks off: what failed has failed, but who knows how the rest would have gone."""
        if result.outcome is not Outcome.PASSED or not self.breaks_off:
            return result
        text = f"{self.breaks_off}; up to there: {result.text}"
        return dataclasses.replace(result, outcome=Outcome.NOT_JUDGED, text=text)


def _kind(gate: Gate) -> str:
    return type(gate).__name__.lower()


def _reference(where: Path) -> Log | str:
    if not where.exists():
        return f"no reference {where}; --update-refs writes it"
    found = read(where)
    if isinstance(found, str):
        return f"the reference cannot be used: {found}"
    if found.truncated:
        return f"the reference {where} {found.truncated}; --update-refs writes it anew"
    return found if any(found.topics.values()) else f"the reference {where} is empty"


def _golden(gate: Golden, log: Log, reference: Log | str) -> tuple[Result, Comparison | None]:
    if isinstance(reference, str):
        return not_judged("golden", gate.name, reference), None
    if not any(log.topics.get(t) or reference.topics.get(t) for t in gate.topics):
        why = f"neither the log nor its reference holds any of {', '.join(gate.topics)}"
        return not_judged("golden", gate.name, why), None
    found = compare(reference, log, gate)
    if log.truncated:  # what was not written, of the last cycle either, is no difference
        last = max((max(s) for s in log.stamps_ns.values() if s), default=0)
        kept = {t: [s for s in stamps if s < last] for t, stamps in found.missing.items()}
        found.missing = {topic: stamps for topic, stamps in kept.items() if stamps}
    line = golden_text.one_line(found)
    if found.equal:
        return Result("golden", gate.name, Outcome.PASSED, line, limit="none differ"), found
    count = float(len(found.unequal))
    text = golden_text.diff(found)
    result = Result(
        "golden", gate.name, Outcome.FAILED, line, count, count, count, "none differ", text
    )
    return result, found
