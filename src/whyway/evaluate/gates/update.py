"""`--update-refs`: logs become the new references of their gates, and it is said what changes by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from whyway.evaluate.gates import golden_text
from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.figures import topics_for
from whyway.evaluate.gates.golden import compare
from whyway.evaluate.gates.reference import write_reference
from whyway.evaluate.gates.schema import Gates, Golden, Semantic, applies
from whyway.log import Log, LogError, read_log


def update_references(gates: Gates, logs: Iterable[Path]) -> tuple[str, ...]:
    """Take logs for the new references of their gates; one that would not change is left as it is.

    Returns:
      A line a reference: what has changed in it.

    Raises:
      GateError: a log that is not whole, or two logs that share a reference.
    """
    wanted = _wanted(gates, logs)
    for path, topics, _ in wanted.values():  # all of them, before the first is written
        _whole(path, topics)
    return tuple(
        _update(where, _whole(path, topics), topics, goldens)
        for where, (path, topics, goldens) in wanted.items()
    )


def _whole(path: Path, topics: set[str]) -> Log:
    """A log that may become a reference."""
    try:
        log = read_log(path)
    except LogError as error:
        raise GateError(f"no reference is written: {error}") from error
    if log.truncated or not any(log.topics.get(t) for t in topics):
        why = log.truncated or f"holds nothing of {', '.join(sorted(topics))}"
        raise GateError(f"no reference is written: {path} {why}")
    return log


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
