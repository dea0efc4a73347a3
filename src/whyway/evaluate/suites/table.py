"""A suite's summary for a terminal of 120 columns, or of 80: what failed first, then numbers with intervals, and the baseline beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from whyway.evaluate.suites.family_table import family_table
from whyway.evaluate.suites.measures import label, measure_of
from whyway.evaluate.suites.route_table import route_table

MOST_FAILURES = 20
"""Lines of failed drives; the page has them all."""

WIDE = 112
"""Columns that both intervals need."""

SHOWN = (
    (
        "pass_rate", "family_pass_rate", "pdms", "epdms", "nuplan_cls", "carla_driving_score", "carla_route_completion",
        "route_completion",
    ),
    (
        "at_fault_collisions", "red_lights_run", "interventions", "no_at_fault_collisions", "drivable_area_compliance",
        "driving_direction_compliance", "traffic_light_compliance", "time_to_collision_within_bound", "ego_progress",
        "lane_keeping", "comfort",
    ),
    (
        "consistency_longitudinal", "consistency_lateral", "contradiction", "grounding", "silent_failures",
        "flips_per_minute",
    ),
    ("plan_ade_m_3s", "plan_fde_m_3s", "plan_miss_rate_3s", "latency_p50_ms", "latency_p99_ms"),
)  # fmt: skip
"""The numbers of the table, in sections; with a baseline also all that differ. The others are in summary.json."""

_COLORS = {"better": "green", "worse": "red"}


def suite_table(summary: Mapping[str, Any], width: int = 120) -> Group:
    """The summary for a terminal of so many columns."""
    scenes = summary["scenes"]
    parts: list[RenderableType | None] = [
        route_table(scenes), family_table(scenes), _failures(summary), _asks(summary),
        _numbers(summary, width >= WIDE),
    ]  # fmt: skip
    told = [p for p in parts if p is not None]
    state = "[yellow]interrupted: judged as far as it came. [/]" if summary.get("state") == "interrupted" else ""  # fmt: skip
    return Group(*told, "", state + escape(summary.get("overall", "")))


def _failures(summary: Mapping[str, Any]) -> Table | None:
    """Every drive that failed, and what became of it with the baseline; families and routes have tables of their own."""
    failed = [s for s in summary["scenes"] if s["verdict"] != "passed" and not _elsewhere(s)]
    if not failed:
        return None
    theirs = {s["name"]: s for s in (summary.get("baseline") or {}).get("scenes", ())}
    table = Table(
        title=f"{len(failed)} of {len(summary['scenes'])} drives failed",
        title_justify="left", title_style="bold red", box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    table.add_column("drive", max_width=38, overflow="ellipsis", no_wrap=True)
    table.add_column(summary["driver"], max_width=48 if theirs else 78)
    if theirs:
        table.add_column(summary["baseline"]["driver"], max_width=26, overflow="ellipsis")
    for scene in sorted(failed, key=lambda s: ("error" not in s, s["name"]))[:MOST_FAILURES]:
        cells = [escape(scene["name"]), f"[red]{escape(_verdict(scene))}[/]"]
        if theirs:
            other = theirs.get(scene["name"])
            cells.append("–" if other is None else _colored(other))
        table.add_row(*cells)
    if len(failed) > MOST_FAILURES:
        table.add_row(f"... and {len(failed) - MOST_FAILURES} more in report.html", "")
    return table


def _elsewhere(scene: Mapping[str, Any]) -> bool:
    return str(scene.get("file", "")).startswith("family:") or "#" in str(scene.get("file", ""))


def _verdict(scene: Mapping[str, Any]) -> str:
    text = f"error: {scene['error']}" if "error" in scene else str(scene["verdict"])
    return text.removeprefix("failed: ")


def _colored(scene: Mapping[str, Any]) -> str:
    good = scene["verdict"] == "passed"
    return f"[{'green' if good else 'red'}]{escape(_verdict(scene))}[/]"


def _asks(summary: Mapping[str, Any]) -> Table | None:
    asks = summary.get("asks", [])
    if not asks:
        return None
    table = Table(title="what the suite asks for", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)  # fmt: skip
    for head in ("metric", "asked", "found", ""):
        table.add_column(head, justify="left" if head in ("metric", "") else "right")
    for ask in asks:
        bounds = [f"{sign} {_plain(ask[k])}" for k, sign in (("min", "≥"), ("max", "≤")) if ask[k] is not None]  # fmt: skip
        met = "[green]met[/]" if ask["met"] else "[red]not met[/]"
        found = "no such number" if ask["value"] is None else _plain(ask["value"])
        table.add_row(escape(label(ask["metric"])), " and ".join(bounds), found, met)
    return table


def _numbers(summary: Mapping[str, Any], wide: bool) -> Table:
    """Values and, where there is room or no baseline, their intervals."""
    numbers, baseline = summary["summary"], summary.get("baseline")
    differences = summary.get("differences", {})
    drives = numbers["scenes"]
    table = Table(
        title=f"{summary['driver']} on {drives} drive{'s' * (drives != 1)}"
        + (f", against {baseline['driver']}" if baseline else ""),
        title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    table.add_column("metric", min_width=20)
    table.add_column(_driver(summary), justify="right", min_width=6)
    own = wide or not baseline
    if own:
        table.add_column("95 % interval", style="dim", no_wrap=True)
    if baseline:
        table.add_column(_driver(baseline), justify="right", min_width=6)
        table.add_column("difference", justify="right", no_wrap=True)
        table.add_column("95 % interval", style="dim", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
    sections = _chosen(numbers, differences)
    for section in sections:
        for name in section:
            cells = _cells(name, numbers, baseline, differences.get(name))
            table.add_row(*(cells if own else _narrow(cells)))
        table.add_section()
    rest = len(numbers.get("intervals", {}).keys() - {name for s in sections for name in s})
    if rest:
        table.caption, table.caption_justify = f"and {rest} more numbers in summary.json", "left"
    return table


def _narrow(cells: Sequence[str]) -> list[str]:
    """A row with a baseline where there is little room."""
    return [*cells[:2], *cells[3:-1], cells[-1].replace("no difference shown", "none shown")]


def _driver(run: Mapping[str, Any]) -> str:
    """A driver's name that breaks in two where there is little room."""
    return escape(str(run["driver"]).replace("_", " "))


def _chosen(numbers: Mapping[str, Any], differences: Mapping[str, Any]) -> list[list[str]]:
    """Names by section, the last one of those that differ and are not among the others."""
    shown = [[n for n in section if numbers.get(n) is not None] for section in SHOWN]
    usual = {n for section in SHOWN for n in section}
    said = [n for n, d in differences.items() if d["verdict"] in _COLORS and n not in usual]
    return [section for section in (*shown, said) if section]


def _cells(
    name: str,
    numbers: Mapping[str, Any],
    baseline: Mapping[str, Any] | None,
    difference: Mapping[str, Any] | None,
) -> list[str]:
    value = numbers.get(name)
    bad = name in ("at_fault_collisions", "red_lights_run") and value
    digits = _digits(name, value)
    text = _number(value, digits)
    cells = [escape(label(name)), f"[red]{text}[/]" if bad else text]
    cells.append(_interval(numbers.get("intervals", {}).get(name), digits))
    if baseline:
        cells.append(_number(baseline["summary"].get(name), digits))
        if difference is None or difference["mean"] is None:
            return [*cells, "–", "", ""]
        verdict = difference["verdict"]
        color = _COLORS.get(verdict, "dim")
        cells.append(_signed(difference["mean"], digits))
        cells.append(_interval([difference["low"], difference["high"]], digits, signed=True))
        cells.append(f"[{color}]{verdict}[/]")
    return cells


def _digits(name: str, value: float | None) -> int:
    """After the point: none for counts, as many as an interval needs for others."""
    if measure_of(name).how == "sum":
        return 0
    return 3 if value is None or abs(value) < 2.0 else 1 if abs(value) < 1000.0 else 0


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text[1:].replace("-", "") if float(text) == 0.0 else text.replace("-", "−")


def _interval(found: Sequence[float | None] | None, digits: int, signed: bool = False) -> str:
    if found is None or found == [None, None]:
        return ""
    low, high = found
    form = _signed if signed else _number
    left = "−∞" if low is None else form(low, digits)
    right = "∞" if high is None else form(high, digits)
    return f"{left} … {right}"


def _plain(value: float) -> str:
    return f"{value:.4g}"
