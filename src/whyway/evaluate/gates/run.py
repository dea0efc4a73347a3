"""Gates and logs -> a report: every log against every gate that is for it, one after the other.

A log that breaks off, cannot be read or holds nothing is not judged, and neither is one that no gate is for: a gate that does not
look has not passed anything.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from whyway.evaluate.gates.case import Case, not_judged
from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.results import LogResult, Outcome, Report
from whyway.evaluate.gates.schema import Gates, Semantic, applies
from whyway.evaluate.gates.semantic import KIND, Measured, pooled
from whyway.evaluate.gates.update import update_references

ALL = "all logs"

Watch = Callable[[LogResult], None]
"""Called with each log's result as it is known; the report keeps all of it but the frames."""


def run_gates(
    gates: Gates, paths: Sequence[Path], *, update: bool = False, watch: Watch | None = None
) -> Report:
    """Judge some logs.

    Args:
      gates: what they are held to.
      paths: of the logs, or of folders that hold them.
      update: first take what was logged for the new references.
      watch: sees each log's result, with its frames.

    Raises:
      GateError: nothing to judge, an unknown figure, or two logs that share a reference.
    """
    logs = _found(paths)
    updated = update_references(gates, logs) if update else ()
    together = [_Together(gate) for gate in gates.semantic if gate.pooled]
    results: list[LogResult] = []

    def keep(result: LogResult) -> None:
        if watch is not None:
            watch(result)
        results.append(dataclasses.replace(result, frames={}))

    for path, name in _named(logs):
        case = Case(gates, path, name)
        keep(case.judged())
        for gate in together:
            gate.take(case)
    for gate in together:
        keep(gate.judged(gates.path))
    stale = any(r.kind == "golden" and r.outcome is Outcome.FAILED for x in results for r in x.results)  # fmt: skip
    return Report(gates.path, tuple(results), _remedy(gates, paths) if stale else "", updated)


def _found(paths: Sequence[Path]) -> list[Path]:
    """The logs named, and those below the folders named."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*.mcap")) if path.is_dir() else [path]
        if not inside:
            raise GateError(f"{path}: no .mcap below this folder")
        found += inside
    if not found:
        raise GateError("no log to judge; give the .mcap of a drive, or a folder of them")
    return list(dict.fromkeys(found))


def _named(logs: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each log with a name that tells it from the others: its file's, with its folder's where two have the same."""
    stems = [path.stem for path in logs]
    for path in logs:
        alone = stems.count(path.stem) == 1
        yield path, path.stem if alone else f"{path.absolute().parent.name}/{path.stem}"


def _remedy(gates: Gates, paths: Sequence[Path]) -> str:
    words = ["whyway", "gate", str(gates.path), *map(str, paths), "--update-refs"]
    return " ".join(map(shlex.quote, words))


class _Together:
    """A gate on all logs together; keeps figures, not logs."""

    def __init__(self, gate: Semantic) -> None:
        self._gate = gate
        self._logs: list[Measured] = []
        self._trouble = ""
        self._start_s = time.perf_counter()

    def take(self, case: Case) -> None:
        """Look at a log, if the gate is for it; one that cannot be judged leaves all of them without a verdict."""
        if self._trouble or not applies(self._gate, case.path):
            return
        if case.trouble or case.breaks_off:
            self._trouble = case.trouble or f"{case.path}: {case.breaks_off}"
        else:
            self._logs.append(case.measured(self._gate))

    def judged(self, gates: Path) -> LogResult:
        """The verdict over all that was looked at."""
        why = self._trouble or ("" if self._logs else f"no log is called {self._gate.logs}")
        results = [not_judged(KIND, self._gate.name, why)] if why else list(pooled(self._gate, self._logs))  # fmt: skip
        return LogResult(gates, ALL, tuple(results), {}, time.perf_counter() - self._start_s)
