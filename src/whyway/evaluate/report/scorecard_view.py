"""A scorecard -> what its section of a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whyway.evaluate.faithfulness.scorecard import METRICS
from whyway.evaluate.suites.measures import label

ROOM = 2.0
"""The bar of a metric with an upper bound is so many times that bound long."""


def scorecard_view(card: Mapping[str, Any]) -> dict[str, Any]:
    """What `scorecard.html.jinja` takes of a `scorecard.json`: rows in the card's order, those that were not measured only if asked for."""
    targets = {t["metric"]: t for t in card["targets"]}
    numbers = card["summary"]
    rows = [
        _row(metric.name, metric.about, numbers, targets.get(metric.name))
        for metric in METRICS
        if metric.name in targets or numbers.get(metric.name) is not None
    ]
    return {
        "rows": rows,
        "asked": len(targets),
        "reached": sum(t["met"] is True for t in targets.values()),
        "every": card["dials"]["every"],
        "failed": sum("error" in s for s in card["scenes"]),
    }


def _row(
    name: str, about: str, numbers: Mapping[str, Any], target: Mapping[str, Any] | None
) -> dict[str, Any]:
    value, (low, high) = numbers.get(name), numbers["intervals"].get(name, (None, None))
    share = target is not None  # all that have targets are shares
    known = low is not None and high is not None
    row = {
        "label": label(name),
        "about": about,
        "value": _text(value, share),
        "interval": f"{_text(low, share)} – {_text(high, share)}" if known else "",
        "number": numbers["n"].get(name, 0),
        "target": "",
        "verdict": "",
        "fill": None,
        "mark": None,
    }
    if target is None:
        return row
    bound, above = (target["min"], True) if target["min"] is not None else (target["max"], False)
    whole = 1.0 if above else ROOM * bound
    row["target"] = f"{'≥' if above else '≤'} {_text(bound, True)}"
    row["verdict"] = {True: "good", False: "bad", None: ""}[target["met"]]
    if value is not None:
        row["fill"] = round(100 * min(max(value / whole, 0.0), 1.0), 1)
        row["mark"] = round(100 * bound / whole, 1)
    return row


def _text(value: float | None, share: bool) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.4g} %" if share else f"{value:.4g}"
