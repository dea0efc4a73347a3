"""Gates and logs -> a report: every log against every gate that is for it, and, if asked, its references written anew.

A log that breaks off, cannot be read or holds nothing is not judged, and neither is one that no gate is for: a gate that does not
look has not passed anything.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from whyway.evaluate.gates import golden_text
from whyway.evaluate.gates.budget import budget
from whyway.evaluate.gates.figures import Figures, topics_for
from whyway.evaluate.gates.frames import frames
from whyway.evaluate.gates.golden import Comparison, compare
from whyway.evaluate.gates.reference import write_reference
from whyway.evaluate.gates.results import LogResult, Outcome, Report, Result
from whyway.evaluate.gates.schema import Gate, Gates, Golden, Semantic, applies
from whyway.evaluate.gates.semantic import pooled, semantic
from whyway.evaluate.gates.typed import GateError
from whyway.log import Log, LogError, read_log

ALL = "all logs"


def run_gates(gates: Gates, paths: Sequence[Path], *, update: bool = False) -> Report:
    """Judge some logs.

    Args:
      gates: what they are held to.
      paths: of the logs, or of folders that hold them.
      update: first take what was logged for the new references.

    Raises:
      GateError: nothing to judge, an unknown figure, or two logs that share a reference.
    """
    logs = _found(paths)
    updated = update_references(gates, logs) if update else ()
    read = _Reader()
    results = [_judge(gates, path, name, read) for path, name in _named(logs)]
    for gate in gates.semantic:
        if gate.pooled:
            results.append(_judge_together(gates, gate, logs, read))
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


class _Reader:
    """Reads each file once; why one cannot be used is a text."""

    def __init__(self) -> None:
        self._known: dict[Path, Log | str] = {}

    def log(self, path: Path) -> Log | str:
        """A log, or why there is none."""
        if path not in self._known:
            try:
                self._known[path] = read_log(path)
            except LogError as error:
                self._known[path] = str(error)
        return self._known[path]

    def reference(self, gates: Gates, gate: Golden | Semantic, path: Path) -> Log | str:
        """The reference of a log, or why there is none."""
        if isinstance(gate, Semantic) and not gate.reference:
            return "no reference is named"
        where = gates.reference_of(gate, path)
        if not where.exists():
            return f"no reference {where}; --update-refs writes it"
        found = self.log(where)
        if isinstance(found, str):
            return f"the reference cannot be used: {found}"
        if found.truncated:
            return f"the reference {where} {found.truncated}; --update-refs writes it anew"
        return found if any(found.topics.values()) else f"the reference {where} is empty"


def _judge(gates: Gates, path: Path, name: str, read: _Reader) -> LogResult:
    start = time.perf_counter()
    log = read.log(path)
    trouble = log if isinstance(log, str) else _nothing_to_judge(log)
    mine = tuple(gates.of(path))
    if not mine:
        trouble = trouble or f"no gate of {gates.path} is for {path}; see its logs:"
        return LogResult(path, name, (_not_judged("log", name, trouble),), {})
    if isinstance(log, str) or trouble:
        results = tuple(_not_judged(_kind(g), g.name, trouble) for g in mine)
        return LogResult(path, name, results, {})
    figures = Figures(log)
    found: list[Result] = []
    compared: list[Comparison] = []
    for gate in mine:
        if isinstance(gate, Golden):
            result, comparison = _golden(gate, log, read.reference(gates, gate, path))
            found.append(result)
            compared += [comparison] if comparison else []
        elif isinstance(gate, Semantic):
            before = read.reference(gates, gate, path)
            found += semantic(gate, figures, before if isinstance(before, str) else Figures(before))
        else:
            found += budget(gate, figures)
    if log.truncated:
        found = [_of_a_part(r, log) for r in found]
    seen = frames(figures, compared)
    return LogResult(path, name, tuple(found), seen, time.perf_counter() - start)


def _nothing_to_judge(log: Log) -> str:
    if any(log.topics.values()):
        return ""
    return f"{log.path}: holds no message of ours; give the .mcap of a drive"


def _kind(gate: Gate) -> str:
    return type(gate).__name__.lower()


def _not_judged(kind: str, name: str, why: str) -> Result:
    return Result(kind, name, Outcome.NOT_JUDGED, why)


def _golden(gate: Golden, log: Log, reference: Log | str) -> tuple[Result, Comparison | None]:
    if isinstance(reference, str):
        return _not_judged("golden", gate.name, reference), None
    if not any(log.topics.get(t) or reference.topics.get(t) for t in gate.topics):
        why = f"neither the log nor its reference holds any of {', '.join(gate.topics)}"
        return _not_judged("golden", gate.name, why), None
    found = compare(reference, log, gate)
    if log.truncated:  # what was not written, of the last cycle either, is no difference
        last = max((s[-1] for s in log.stamps_ns.values() if s), default=0)
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


def _of_a_part(result: Result, log: Log) -> Result:
    """A result of a log that breaks off: what failed has failed, but who knows how the rest would have gone."""
    if result.outcome is not Outcome.PASSED:
        return result
    text = f"the log {log.truncated}; up to there: {result.text}"
    return dataclasses.replace(result, outcome=Outcome.NOT_JUDGED, text=text)


def _judge_together(gates: Gates, gate: Semantic, logs: Sequence[Path], read: _Reader) -> LogResult:
    start = time.perf_counter()
    mine = [path for path in logs if applies(gate, path)]
    usable: list[Figures] = []
    for path in mine:
        log = read.log(path)
        trouble = log if isinstance(log, str) else log.truncated or _nothing_to_judge(log)
        if isinstance(log, str) or trouble:
            result = _not_judged("semantic", gate.name, f"{path}: {trouble}")
            return LogResult(gates.path, ALL, (result,), {})
        usable.append(Figures(log))
    if not usable:
        result = _not_judged("semantic", gate.name, f"no log is called {gate.logs}")
        return LogResult(gates.path, ALL, (result,), {})
    olds = [read.reference(gates, gate, path) for path in mine]
    before = [old if isinstance(old, str) else Figures(old) for old in olds]
    results = tuple(pooled(gate, usable, before))
    return LogResult(gates.path, ALL, results, {}, time.perf_counter() - start)


# ----------------------------------------------------------------------------------------------------- references


def update_references(gates: Gates, logs: Iterable[Path]) -> tuple[str, ...]:
    """Take logs for the new references of their gates; one that would not change is left as it is.

    Returns:
      A line a reference: what has changed in it.

    Raises:
      GateError: a log that is not whole, or two logs that share a reference.
    """
    wanted = _wanted(gates, logs)
    lines = []
    for where, (path, topics, goldens) in wanted.items():
        try:
            log = read_log(path)
        except LogError as error:
            raise GateError(f"no reference is written: {error}") from error
        if log.truncated or not any(log.topics.get(t) for t in topics):
            why = log.truncated or f"holds nothing of {', '.join(sorted(topics))}"
            raise GateError(f"no reference is written: {path} {why}")
        lines.append(_update(where, log, topics, goldens))
    return tuple(lines)


def _wanted(
    gates: Gates, logs: Iterable[Path]
) -> Mapping[Path, tuple[Path, set[str], list[Golden]]]:
    """By reference: the log it is written from, the topics its gates look at, and its golden gates."""
    wanted: dict[Path, tuple[Path, set[str], list[Golden]]] = {}
    for path in logs:
        needing: list[Golden | Semantic] = [g for g in gates.golden if applies(g, path)]
        needing += [g for g in gates.semantic if g.reference and applies(g, path)]
        for gate in needing:
            where = gates.reference_of(gate, path)
            of, topics, goldens = wanted.setdefault(where, (path, set(), []))
            if of != path:
                raise GateError(f"{of} and {path} share the reference {where}; put {{name}} or {{folder}} into it")  # fmt: skip
            if isinstance(gate, Golden):
                topics |= set(gate.topics)
                goldens.append(gate)
            else:
                needed = [topics_for(n) for n, limit in gate.limits.items() if limit.relative]
                topics |= set().union(*needed)
    return wanted


def _update(where: Path, log: Log, topics: set[str], goldens: list[Golden]) -> str:
    old = "new"
    if where.exists():
        try:
            before = read_log(where)
        except LogError as error:
            old = f"replaced, was no log ({error})"
        else:
            found = [compare(before, log, gate) for gate in goldens]
            alike = all(bool(before.topics.get(t)) == bool(log.topics.get(t)) for t in topics)
            if goldens and alike and not before.truncated and all(c.equal for c in found):
                return f"{where}: unchanged"
            old = "; ".join(golden_text.one_line(c) for c in found) or "replaced"
    write_reference(log, where, topics)
    return f"{where}: written from {log.path}: {old}"
