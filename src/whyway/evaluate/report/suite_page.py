"""A suite's summary -> its page: one HTML file, what was failed first; a scene's drive is loaded when somebody asks for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from whyway.evaluate.report.page_parts import environment, shared
from whyway.evaluate.report.scorecard_view import scorecard_view
from whyway.evaluate.report.view_data import VIEW_FILE, compact

COLUMNS = (
    ("pdms", "PDMS", 3), ("epdms", "EPDMS", 3), ("no_at_fault_collisions", "NC", 1), ("drivable_area_compliance", "DAC", 0),
    ("ego_progress", "EP", 2), ("time_to_collision_within_bound", "TTC", 2), ("comfort", "C", 2),
    ("route_completion", "route", 2), ("consistency_longitudinal", "says = does", 3), ("contradiction", "contrad.", 3),
    ("grounding", "grounded", 3), ("interventions", "safety", 0), ("latency_p99_ms", "p99 [ms]", 0),
)  # fmt: skip
"""Metrics that every table begins with: name, label, digits. Any other can be added in the page."""

ROUTE_COLUMNS = (
    ("carla_driving_score", "CARLA DS", 1), ("carla_route_completion", "completed [%]", 1),
    ("carla_penalty", "penalty", 2), ("carla_status", "status", None),
)  # fmt: skip
"""Before them where there is a leaderboard's route; digits None: a text."""

TILES = (
    ("pass_rate", "drives passed", "{:.0%}"), ("family_pass_rate", "families passed", "{:.0%}"), ("pdms", "mean PDMS", "{:.3f}"), ("epdms", "mean EPDMS", "{:.3f}"),
    ("carla_driving_score", "CARLA driving score", "{:.1f}"), ("at_fault_collisions", "collisions at fault", "{:.0f}"),
    ("route_completion", "route completion", "{:.1%}"), ("consistency_longitudinal", "says = does", "{:.1%}"),
    ("contradiction", "contradictions", "{:.2%}"), ("grounding", "grounded traces", "{:.1%}"),
    ("latency_p99_ms", "decision, p99", "{:.0f} ms"),
)  # fmt: skip
"""Of the whole suite, told first: metric, label, format."""

_FIGURES = re.compile(
    r"( at| after)? [\d.]+ ?(s|m/s|m|%)?(?= |$|;)( of the (way|route))?|\(.*?\)|\bactor\b"
)
"""What tells one failure from another of the same kind."""


def render_suite(summary: Mapping[str, Any]) -> str:
    """Give the text of a suite's report.html.

    Args:
      summary: summary.json, see `suites/summary.py`, and with a `scorecard` where its words were tested. A scene (and a baseline's scene) with a `report` can be opened in the page if
        `write_report(..., with_side_file=True)` made it; paths are relative to the page.
    """
    scenes = sorted(summary["scenes"], key=_rank)
    beside = {s["name"]: s for s in (summary.get("baseline") or {}).get("scenes", ())}
    columns = [*(ROUTE_COLUMNS if _has(scenes, "carla_driving_score") else ()), *COLUMNS]
    numbers, more = summary["summary"], _more_metrics(scenes, columns)
    rows = [_row(s, columns, beside.get(s["name"])) for s in scenes]
    data = {
        "rows": [
            [r["name"], r["view"], r["other"], "" if r["passed"] else r["reason"]] for r in rows
        ],
        "driver": summary["driver"],
        "baseline": (summary.get("baseline") or {}).get("driver", ""),
        "metrics": more,
        "values": [[_number(s.get("metrics", {}).get(name)) for name in more] for s in scenes],
    }
    passed = sum(r["passed"] for r in rows)
    return (
        environment()
        .get_template("suite.html.jinja")
        .render(
            title=_title(summary),
            overall=summary.get("overall", ""),
            passed=passed,
            count=len(rows),
            errors=numbers.get("errors", 0),
            unfinished=_unfinished(summary),
            tiles=_tiles(numbers),
            asks=summary.get("asks") or (),
            differences=(differences := _differences(summary)),
            verdicts=Counter(d["verdict"] for d in differences).most_common(),
            baseline=summary.get("baseline"),
            scorecard=scorecard_view(summary["scorecard"]) if "scorecard" in summary else None,
            kinds=Counter(r["kind"] for r in rows if not r["passed"]).most_common(12),
            families=_families(rows),
            columns=columns,
            rows=rows,
            provenance=_flat(summary["provenance"]),
            data=Markup(compact(data)),
            **shared("suite.js"),
        )
    )


def _title(summary: Mapping[str, Any]) -> str:
    suite = summary.get("suite") or {}
    name = suite.get("name") if isinstance(suite, Mapping) else ""
    beside = summary.get("baseline")
    against = f" against {beside['driver']}" if beside else ""
    return f"{summary['driver']}{against} on {name or str(len(summary['scenes'])) + ' scenes'}"


def _unfinished(summary: Mapping[str, Any]) -> str:
    drives = summary.get("drives") or {}
    stopped = summary.get("state") == "interrupted"
    return f"interrupted: {drives.get('done')} of {drives.get('wanted')} drives" if stopped else ""


def has_passed(scene: Mapping[str, Any]) -> bool:
    """Whether a scene ran, was judged "passed", and is what its family asks for, where it is of one."""
    return scene.get("verdict") == "passed" and scene.get("family_passed", True) is True


def reason_of(scene: Mapping[str, Any]) -> str:
    """Why a scene was failed, in words; "passed" if it was not."""
    if "error" in scene:
        return f"did not run: {scene['error']}"
    if scene.get("family_passed") is False and scene.get("family_reason"):
        return str(scene["family_reason"]).replace("_", " ")  # it names parts as files do
    return str(scene["verdict"]).removeprefix("failed: ")


def _rank(scene: Mapping[str, Any]) -> tuple[bool, float, float]:
    """What is to be looked at first: what was not passed, then the lower CARLA score if there is one, then the lower PDMS."""
    metrics = scene.get("metrics") or {}
    score, pdms = metrics.get("carla_driving_score"), metrics.get("pdms")
    return has_passed(scene), 0.0 if score is None else score, -1.0 if pdms is None else pdms


def _has(scenes: Sequence[Mapping[str, Any]], metric: str) -> bool:
    return any(metric in (s.get("metrics") or {}) for s in scenes)


def _more_metrics(
    scenes: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str, int | None]]
) -> list[str]:
    """Names of the metrics that some scene has and no column shows."""
    shown = {name for name, _, _ in columns}
    names = {name: None for s in scenes for name in s.get("metrics") or {}}
    return [name for name in names if name not in shown]


def _number(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _row(
    scene: Mapping[str, Any],
    columns: Sequence[tuple[str, str, int | None]],
    beside: Mapping[str, Any] | None,
) -> dict[str, Any]:
    metrics, reason = scene.get("metrics") or {}, reason_of(scene)
    family = str(scene.get("family") or scene.get("stratum") or "").removeprefix("family:")
    return {
        "name": str(scene["name"]),
        "report": _url(scene.get("report")),
        "view": _view(scene),
        "other": "" if beside is None else _view(beside),
        "passed": has_passed(scene),
        "reason": reason,
        "kind": _kind(reason),
        "family": family,
        "cells": [
            (_sortable(metrics.get(name)), _cell(metrics.get(name), d)) for name, _, d in columns
        ],
    }


def _view(scene: Mapping[str, Any]) -> str:
    """Where the side file of a scene's drive is, relative to the page."""
    report = scene.get("report")
    return _url((PurePosixPath(str(report)).parent / VIEW_FILE).as_posix()) if report else ""


def _url(path: object) -> str:
    """A path as the page may link it: no scheme, everything odd escaped."""
    return quote(str(path), safe="/.-_~+") if path else ""


def _sortable(value: Any) -> Any:
    return "" if value is None else int(value) if isinstance(value, bool) else value


def _cell(value: Any, digits: int | None) -> str:
    if value is None:
        return "–"
    return str(value) if digits is None or isinstance(value, str) else f"{value:.{digits}f}"


def _kind(reason: str) -> str:
    """What failures of one kind share: the first reason, without numbers."""
    first = reason.partition(";")[0].partition(": ")
    text = first[0] if reason.startswith("did not run") else reason.partition(";")[0]
    return " ".join(_FIGURES.sub(" ", text).split())[:60] or "other"


def _families(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Each family with how many of its drives passed, of how many; the worst first."""
    by: dict[str, list[bool]] = {}
    for row in rows:
        if row["family"]:
            by.setdefault(row["family"], []).append(row["passed"])
    found = [(name, sum(passed), len(passed)) for name, passed in by.items()]
    return sorted(found, key=lambda f: (f[1] / f[2], f[0]))


def _tiles(numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    found, intervals = [], numbers.get("intervals") or {}
    for name, label, form in TILES:
        value = numbers.get(name)
        if name == "pass_rate" and "family_pass_rate" in numbers:
            continue  # of a family more is asked than the verdict
        if value is not None or name == "pdms":
            text = "–" if value is None else form.format(value)
            found.append(
                {"label": label, "value": text, "interval": _interval(intervals.get(name), form)}
            )
    return found


def _interval(interval: Sequence[float | None] | None, form: str) -> str:
    """E.g. "0.91 – 0.97"; an end that nothing is known of is told as "?"."""
    if interval is None or all(end is None for end in interval):
        return ""
    low, high = ("?" if end is None else form.format(end) for end in interval)
    return f"{low} – {high}"


def _differences(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The paired differences from the baseline, those that were shown first."""
    found = []
    for name, d in (summary.get("differences") or {}).items():
        ends = ["?" if d.get(end) is None else f"{d[end]:+.4g}" for end in ("low", "high")]
        numbers = {k: "–" if d.get(k) is None else f"{d[k]:.4g}" for k in ("ours", "theirs")}
        mean = "–" if d.get("mean") is None else f"{d['mean']:+.4g}"
        found.append(
            {
                "name": name,
                "mean": mean,
                "interval": " to ".join(ends),
                "pairs": d.get("pairs"),
                "verdict": d["verdict"],
                **numbers,
            }
        )
    return sorted(found, key=lambda d: d["verdict"] == "no difference shown")


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        found += _flat(value) if isinstance(value, Mapping) else [(str(name), str(value))]
    return found
