"""Scores of many scenes -> one summary: means, shares over all cycles, pooled latencies; as JSON, as a page, as a table.

`summary.json` (schema 2), which the page, the table, gates and a later run's `--baseline` read:

    schema        2
    suite         {name, about, file, seeds}; the file as given, the seeds of rows that have none of their own
    driver        who was judged
    state         "complete", or "interrupted" (then `drives` says how far it came)
    drives        {wanted, done}
    overall       one line in words: what passed, what failed, what differs from the baseline
    asks          [{metric, min, max, value, met}]: what the suite's file asks for; min or max is null where it asks for one
    provenance    {git, versions, suite, seeds, config_hash}
    scenes        [one a drive; a failed one as {name, file, seed, verdict: "error", error}, others as
                   SceneScore.to_json() and
                     name     unique in the suite ("cut_in-seed3"); the same drive of the baseline has the same name
                     file     the world ("family:cut_in", "scenes/USA_1.xml", "longest6.xml#3")
                     scene    what is drawn anew for intervals: drives of one scene share it
                     stratum  what scenes are drawn within ("family:cut_in"; "" for scene files)
                     report   path of its report.html, log  path of its .mcap; both relative to summary.json
                     family, family_passed, family_reason   where it is of a family; carla   where it is a route]
    summary       {metric: number or null, and intervals: {metric: [low, high]}}, an infinite end as null: nothing excluded
    baseline      null, or {driver, source, state, provenance, summary, scenes}; scenes with name, file, seed, verdict, error, metrics,
                  report and log only. source is "this run" or the folder of the earlier run
    differences   {} without a baseline, or {metric: {mean, low, high, pairs, verdict, better, ours, theirs}}: ours - theirs over the drives
                  of the same name; verdict "better", "worse", "no difference shown", or "higher", "lower" where neither is
                  good; better is "high", "low" or null; ours and theirs are the values over those drives
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from rich.console import Group
from rich.table import Table

from whyway.evaluate.report import picture, plots
from whyway.evaluate.report.page import environment
from whyway.evaluate.suites.family_table import family_summary, family_table
from whyway.evaluate.suites.route_table import route_columns, route_summary, route_table

SHARES = (
    "consistency_longitudinal",
    "consistency_lateral",
    "contradiction",
    "grounding",
    "grounding_scene",
    "grounding_truth",
)
"""Shares of cycles: averaged by how many cycles a scene has."""

MEANS = (
    "no_at_fault_collisions", "drivable_area_compliance", "driving_direction_compliance", "traffic_light_compliance",
    "ego_progress", "time_to_collision_within_bound", "comfort",
)  # fmt: skip

COLUMNS = (
    ("pdms", "PDMS", 3), ("no_at_fault_collisions", "NC", 1), ("drivable_area_compliance", "DAC", 0),
    ("ego_progress", "EP", 2), ("time_to_collision_within_bound", "TTC", 2), ("comfort", "C", 2),
    ("route_completion", "route", 2), ("consistency_longitudinal", "consist. lon", 3),
    ("consistency_lateral", "consist. lat", 3), ("contradiction", "contrad.", 3), ("grounding", "grounding", 3),
    ("interventions", "safety", 0), ("latency_p99_ms", "p99 [ms]", 0),
)  # fmt: skip


def summarise(
    driver: str, results: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The summary of some results, each a `SceneScore` as JSON, or {name, file, seed, verdict, error}.

    A scene with an error counts 0 in PDMS and route completion: what does not run does not drive.
    """
    judged = [r for r in results if "error" not in r]
    metrics = [r["metrics"] for r in judged]
    times = [ms for r in judged for ms in r.get("decision_ms", [])]
    goals = [m["goal_reached"] for m in metrics if m["goal_reached"] is not None]
    summary = {
        "scenes": len(results),
        "errors": len(results) - len(judged),
        "passed": sum(map(_passed, judged)),
        "pdms": _mean([m["pdms"] for m in metrics], len(results)),
        "at_fault_collisions": sum(m["at_fault_collisions"] for m in metrics),
        "scenes_with_at_fault_collision": sum(m["at_fault_collisions"] > 0 for m in metrics),
        "red_lights_run": sum(m["red_lights_run"] for m in metrics),
        "route_completion": _mean([m["route_completion"] for m in metrics], len(results)),
        **{name: _mean([m[name] for m in metrics], len(judged)) for name in MEANS},
        **{name: _share(metrics, name) for name in SHARES},
        "interventions": sum(m["interventions"] for m in metrics),
        "goals_that_count": len(goals),
        "goals_reached": sum(goals),
        "latency_p50_ms": float(np.percentile(times, 50)) if times else None,
        "latency_p99_ms": float(np.percentile(times, 99)) if times else None,
        **route_summary(results),
        **family_summary(results),
    }
    scenes = [{k: v for k, v in r.items() if k not in ("decision_ms", "key")} for r in results]
    rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in summary.items()}
    return {"driver": driver, "provenance": dict(provenance), "scenes": scenes, "summary": rounded}


def _mean(values: Sequence[float], count: int) -> float | None:
    return sum(values) / count if count else None


def _share(metrics: Sequence[Mapping[str, Any]], name: str) -> float | None:
    known = [(m[name], m["cycles"]) for m in metrics if m[name] is not None and m["cycles"]]
    total = sum(cycles for _, cycles in known)
    return sum(share * cycles for share, cycles in known) / total if total else None


def render_summary(summary: Mapping[str, Any]) -> str:
    """Give the text of the suite's report.html: one row a scene, each with its own report behind it."""
    light, dark = picture.color_variables()
    scenes = sorted(summary["scenes"], key=_rank)
    columns = (*route_columns(scenes), *COLUMNS)
    return (
        environment()
        .get_template("summary.html.jinja")
        .render(
            driver=summary["driver"],
            summary=summary["summary"],
            provenance=_flat(summary["provenance"]),
            columns=[label for _, label, _ in columns],
            rows=[_row(s, columns) for s in scenes],
            light=light,
            dark=dark,
            picture_style=Markup(picture.STYLE),
            plot_style=Markup(plots.STYLE),
        )
    )


def _passed(scene: Mapping[str, Any]) -> bool:
    return bool(scene["verdict"] == "passed")


def _rank(scene: Mapping[str, Any]) -> tuple[bool, float, float]:
    """What is to be looked at first: what was not passed, then the lower CARLA score if there is one, then the lower PDMS."""
    metrics = scene.get("metrics") or {"pdms": -1.0}
    return _passed(scene), metrics.get("carla_driving_score", 0.0), metrics["pdms"]


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        found += _flat(value) if isinstance(value, Mapping) else [(name, str(value))]
    return found


def _row(
    scene: Mapping[str, Any], columns: Sequence[tuple[str, str, int | None]]
) -> dict[str, Any]:
    metrics = scene.get("metrics", {})
    cells = [
        "–"
        if metrics.get(name) is None
        else str(metrics[name])
        if digits is None
        else f"{metrics[name]:.{digits}f}"
        for name, _, digits in columns
    ]
    return {
        "name": scene["name"],
        "report": scene.get("report", ""),
        "verdict": scene.get("error") or scene["verdict"],
        "passed": _passed(scene),
        "cells": cells,
    }


def summary_table(summary: Mapping[str, Any]) -> Table | Group:
    """The summary for a terminal: routes and families one by one where there are any, the numbers, then every scene that failed."""
    numbers = summary["summary"]
    found = Table(title=f"{summary['driver']} on {numbers['scenes']} scenes", title_justify="left")
    found.add_column("metric")
    found.add_column("value", justify="right")
    for name, value in numbers.items():
        text = "–" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
        bad = name in ("errors", "at_fault_collisions", "red_lights_run") and value
        found.add_row(name.replace("_", " "), f"[red]{text}[/]" if bad else text)
    failed = [s for s in summary["scenes"] if not _passed(s)]
    if failed:
        found.add_section()
        for scene in failed:
            found.add_row(scene["name"], f"[red]{scene.get('error') or scene['verdict']}[/]")
    more = [t for make in (route_table, family_table) if (t := make(summary["scenes"])) is not None]
    return Group(*more, found) if more else found
