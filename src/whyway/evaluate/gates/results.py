"""What a gate says of a log: passed, failed or could not judge, the figure with its interval and limit, and what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from whyway.evaluate.plain import plain


class Outcome(Enum):
    """A gate's verdict; the value is the exit code."""

    PASSED = 0
    FAILED = 1
    NOT_JUDGED = 2

    @property
    def words(self) -> str:
        """For people and files."""
        return {0: "passed", 1: "failed", 2: "could not judge"}[self.value]


@dataclass(frozen=True, slots=True)
class Result:
    """One gate on one log.

    Attributes:
      kind: golden, semantic or budget.
      name: of the gate, with the figure it looks at.
      outcome: its verdict.
      text: one line: why.
      figure: what was measured; None where nothing was.
      low: of the interval the figure is known to; equal to it where it is exact.
      high: see `low`.
      limit: what is allowed, in words.
      detail: many lines for who wants to know more: the diff.
    """

    kind: str
    name: str
    outcome: Outcome
    text: str
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    limit: str = ""
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values; what is not finite is null."""
        values: dict[str, Any] = plain(self, digits=None)
        return values | {"outcome": self.outcome.words}


def overall(outcomes: list[Outcome]) -> Outcome:
    """One verdict of many: a failure is one whatever else could not be judged; nothing judged is nothing passed."""
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED
    judged = outcomes and Outcome.NOT_JUDGED not in outcomes
    return Outcome.PASSED if judged else Outcome.NOT_JUDGED


@dataclass(frozen=True, slots=True)
class LogResult:
    """All gates on one log, and what was seen frame by frame (for `result.jsonl`).

    Attributes:
      path: of the log.
      name: how it is called in reports.
      results: in the order of the file of gates.
      frames: by stamp (ns), what a line about that frame says.
      wall_s: how long judging took.
    """

    path: Path
    name: str
    results: tuple[Result, ...]
    frames: Mapping[int, Mapping[str, Any]]
    wall_s: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """Of all its gates."""
        return overall([r.outcome for r in self.results])


@dataclass(frozen=True, slots=True)
class Report:
    """All gates on all logs.

    Attributes:
      gates: the file of gates.
      logs: in the order they were given; gates on all logs together come last, as a log called "all logs".
      remedy: the command that takes what was logged for the new reference, "" if no golden gate failed.
      updated: what `--update-refs` wrote, a line a reference.
    """

    gates: Path
    logs: tuple[LogResult, ...]
    remedy: str = ""
    updated: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Of all of them."""
        return overall([log.outcome for log in self.logs])

    def summary(self) -> str:
        """One line."""
        results = [r for log in self.logs for r in log.results]
        counts = {o: sum(r.outcome is o for r in results) for o in Outcome}
        said = ", ".join(f"{counts[o]} {o.words}" for o in Outcome if counts[o])
        return f"{self.outcome.words}: {said or 'no gate'} over {len(self.logs)} logs"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "verdict": self.outcome.words,
            "exit_code": self.outcome.value,
            "summary": self.summary(),
            "gates": str(self.gates),
            "logs": [
                {
                    "log": str(log.path),
                    "name": log.name,
                    "verdict": log.outcome.words,
                    "results": [r.to_json() for r in log.results],
                }
                for log in self.logs
            ],
            "remedy": self.remedy,
            "updated": list(self.updated),
        }
