"""A report -> what a terminal shows: a line a gate, failures first, then why, with diffs, then the remedy."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from whyway.evaluate.gates.results import LogResult, Outcome, Report, Result

_ORDER = (Outcome.FAILED, Outcome.NOT_JUDGED, Outcome.PASSED)
_STYLE = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_JUDGED: "yellow"}
_HEADINGS = ("verdict", "log", "gate", "figure", "interval", "limit")

Row = tuple[LogResult, Result]


def rendered(report: Report) -> Group:
    """The report for a terminal; lines are as long as they are, so that a pipe gets them whole."""
    rows = [(log, result) for log in report.logs for result in log.results]
    rows.sort(key=lambda row: _ORDER.index(row[1].outcome))
    parts = [Text(line) for line in report.updated]
    parts += [*_table(rows), *_stories(rows)]
    if report.remedy:
        parts.append(Text(f"\nif this is meant, take it for the new reference:\n  {report.remedy}"))
    parts.append(Text(f"\n{report.summary()}", style=_STYLE[report.outcome]))
    return Group(*parts)


def _table(rows: list[Row]) -> Iterator[Text]:
    cells = [_HEADINGS, *(_cells(*row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    styles = ["bold", *(_STYLE[result.outcome] for _, result in rows)]
    for line, style in zip(cells, styles, strict=True):
        verdict, *rest = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield Text(verdict, style=style) + Text(("  " + "  ".join(rest)).rstrip(), style="default")


def _cells(log: LogResult, result: Result) -> tuple[str, ...]:
    exact = result.low is None or result.low == result.high == result.figure
    return (
        result.outcome.words,
        log.name,
        result.name.removesuffix(f" {result.limit}"),
        "" if result.figure is None else f"{result.figure:.4g}",
        "" if exact else f"{result.low:.4g} .. {result.high:.4g}",
        result.limit,
    )


def _stories(rows: list[Row]) -> Iterator[Text]:
    """Why, for everything that has not passed."""
    for log, result in rows:
        if result.outcome is not Outcome.PASSED:
            told = "\n".join(filter(None, (result.text, result.detail)))
            yield Text(f"\n{log.name}, {result.name}: ", style="bold") + Text(
                told, style="not bold"
            )
