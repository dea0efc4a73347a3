"""Scores of many leaderboard routes -> their means, and a table with a line for each: completion, score, infractions, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from whyway.evaluate.driving.carla_score import PENALTIES

_SHORT = {
    "pedestrian": "ped",
    "vehicle": "veh",
    "static": "stat",
    "red_light": "red",
    "stop_sign": "stop",
}


def _of_routes(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Results of leaderboard routes, those that failed to run included."""
    return [r for r in results if "carla_driving_score" in r.get("metrics", {}) or _is_route(r)]


def _is_route(result: Mapping[str, Any]) -> bool:
    return "error" in result and "#" in str(result.get("file", ""))


def route_summary(results: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Means over all routes, and infractions per kilometre driven; nothing if there are no routes.

    As on the leaderboard, the score is the mean of the routes' scores; a route that could not be judged counts 0.
    """
    routes = _of_routes(results)
    if not routes:
        return {}
    judged = [r for r in routes if "metrics" in r]
    metrics = [r["metrics"] for r in judged]
    km = sum(
        r["carla"]["route_length_m"] * r["metrics"]["carla_route_completion"] / 100e3
        for r in judged
    )
    found: dict[str, float | int] = {"carla_routes": len(routes)}
    for name in ("carla_driving_score", "carla_route_completion", "carla_penalty"):
        found[name] = sum(m[name] for m in metrics) / len(routes)
    found["carla_completed_routes"] = sum(m["carla_status"] == "completed" for m in metrics)
    found["carla_km"] = km
    for kind in PENALTIES:
        found[f"carla_{kind}_per_km"] = sum(m[f"carla_{kind}"] for m in metrics) / max(km, 1e-3)
    return found


def route_table(results: Sequence[Mapping[str, Any]]) -> Table | None:
    """A line for each route, for a terminal; None if there are none."""
    routes = _of_routes(results)
    if not routes:
        return None
    table = Table(
        title=f"{len(routes)} routes, CARLA driving score 1.0", title_justify="left",
        box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    table.add_column("route")
    for label in ("length [m]", "completed [%]", "score", *_SHORT.values(), "outside [%]", "time [s]"):  # fmt: skip
        table.add_column(label, justify="right")
    table.add_column("status")
    for r in sorted(routes, key=lambda r: r.get("metrics", {}).get("carla_driving_score", -1.0)):
        if "metrics" not in r:
            table.add_row(
                r["name"], *["–"] * (len(table.columns) - 2), f"[red]error: {r['error']}[/]"
            )
            continue
        m = r["metrics"]
        good = m["carla_driving_score"] == 100.0
        table.add_row(
            r["name"], f"{r['carla']['route_length_m']:.0f}", f"{m['carla_route_completion']:.1f}",
            f"[{'green' if good else 'default'}]{m['carla_driving_score']:.1f}[/]",
            *(str(m[f"carla_{kind}"] or "") for kind in _SHORT),
            f"{100 * m['carla_outside_share']:.1f}", f"{m['carla_duration_s']:.0f}", m["carla_status"],
        )  # fmt: skip
    return table
