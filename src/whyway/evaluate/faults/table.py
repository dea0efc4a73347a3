"""A summary of faults as a table, for a terminal or as Markdown: what was promised, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

COLUMNS = ("fault", "severity", "PDMS [95 %]", "harmed", "in fallback", "answered [s]", "promise")


def cells(point: Mapping[str, Any]) -> tuple[str, ...]:
    """One point's texts, in the order of `COLUMNS`."""
    p, drives = point["pdms"], point["drives"]
    ends = "" if p["low"] is None else f" [{p['low']:.2f}, {p['high']:.2f}]"
    reacted, within = point["reacted_s"], point["within_s"]
    answered = (
        "–"
        if within is None
        else f"{'never' if reacted is None else f'{reacted:.1f}'} of {within:.2f}"
    )
    return (
        point["fault"],
        f"{point['value']:g} {point['unit']}",
        f"{p['mean']:.2f}{ends}",
        f"{point['harmed']}/{drives}",
        f"{100 * point['fallback_share']['mean']:.0f} %",
        answered,
        said(point),
    )


def said(point: Mapping[str, Any]) -> str:
    """What became of the promise."""
    if point["broken"]:
        return f"BROKEN in {point['broken']}"
    if not point["gated"]:
        return "measured"
    return "kept" if point["gated"] == point["drives"] else f"kept in {point['gated']}"


def table(summary: Mapping[str, Any]) -> Table:
    """For a terminal."""
    base = summary["baseline"]
    title = f"{summary['drives']} drives; without a fault PDMS {base['pdms']['mean']:.3f}, harm in {base['harmed']} of {base['drives']}"
    found = Table(title=title, title_justify="left")
    for name in COLUMNS:
        found.add_column(name, justify="left" if name in ("fault", "promise") else "right")
    last = None
    for point in summary["points"]:
        texts = cells(point)
        if last is not None and last != texts[0]:
            found.add_section()
        color = "red" if point["broken"] else "dim" if not point["gated"] else "green"
        found.add_row(
            "" if texts[0] == last else texts[0], *texts[1:-1], f"[{color}]{texts[-1]}[/]"
        )
        last = texts[0]
    return found


def markdown(summary: Mapping[str, Any]) -> str:
    """For a document."""
    rows = [f"| {' | '.join(COLUMNS)} |", "|---|" + "---:|" * (len(COLUMNS) - 2) + "---|"]
    rows += [f"| {' | '.join(cells(p))} |" for p in summary["points"]]
    return "\n".join(rows) + "\n"


def lines(summary: Mapping[str, Any]) -> list[str]:
    """What a person should know, worst first: a line for every broken promise and every drive that failed to run."""
    found = [f"BROKEN {b['fault']} in {b['scene']}: {b['what']}" for b in summary["broken"]]
    found += [f"ERROR {e['fault']} in {e['scene']}: {e['error']}" for e in summary["errors"]]
    gated = sum(p["gated"] for p in summary["points"])
    kept = gated - len(summary["broken"])
    return [*found, f"{kept} of {gated} promises kept"]
