"""A score's numbers as rows: what each is called, what it means, whether it is good; for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from whyway.evaluate.score import SceneScore


@dataclass(frozen=True, slots=True)
class Row:
    """One number of a table: how it is called, what it means, and from where on it is good."""

    name: str
    label: str
    meaning: str
    format: str = "{:.3f}"
    good_from: float | None = None
    good_to: float | None = None

    def value(self, metrics: dict[str, Any]) -> str:
        """The number as text; "–" where there is none."""
        number = metrics.get(self.name)
        return "–" if number is None else self.format.format(number)

    def state(self, metrics: dict[str, Any]) -> str:
        """Whether the number is "good", "bad" or neither."""
        number = metrics.get(self.name)
        if number is None or (self.good_from is None and self.good_to is None):
            return ""
        high, low = self.good_from, self.good_to
        return (
            "good" if (high is None or number >= high) and (low is None or number <= low) else "bad"
        )


DRIVING_ROWS = (
    Row("pdms", "PDMS", "NC · DAC · (5 EP + 5 TTC + 2 C) / 12", good_from=0.9),
    Row(
        "epdms",
        "EPDMS",
        "NAVSIM v2: NC · DAC · DDC · TLC · (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16",
        good_from=0.8,
    ),
    Row("nuplan_cls", "nuPlan CLS", "closed-loop score of the nuPlan challenge", good_from=0.8),
    Row("no_at_fault_collisions", "NC", "no collision by its own fault", "{:.1f}", good_from=1.0),
    Row("drivable_area_compliance", "DAC", "all corners stay on the road", "{:.0f}", good_from=1.0),
    Row("ego_progress", "EP", "progress, as a share of what was possible"),
    Row("time_to_collision_within_bound", "TTC", "keeps 0.9 s to whoever is ahead"),
    Row("comfort", "C", "accelerations, jerks and yaw rate within bounds"),
    Row("driving_direction_compliance", "DDC", "not in oncoming lanes", "{:.1f}", good_from=1.0),
    Row("traffic_light_compliance", "TLC", "no red light run", "{:.0f}", good_from=1.0),
    Row("min_ttc_s", "least TTC", "to whoever was on a collision course", "{:.1f} s"),
    Row("max_drac_mps2", "most DRAC", "braking that would have been needed", "{:.1f} m/s²"),
)
CARLA_ROWS = (
    Row(
        "carla_driving_score",
        "CARLA driving score",
        "route completion · penalties",
        "{:.1f}",
        good_from=75.0,
    ),
    Row(
        "carla_route_completion",
        "CARLA route completion",
        "percent of the way",
        "{:.1f}",
        good_from=90.0,
    ),
    Row("carla_penalty", "CARLA penalty", "product of all infractions", good_from=1.0),
    Row("carla_status", "CARLA status", "how the route ended", "{}"),
)
"""Of a leaderboard's route only."""
OPEN_LOOP_ROWS = (
    Row(
        "plan_ade_m_3s",
        "plan ADE, 3 s",
        "mean distance of our plans from what was driven after them",
        "{:.2f} m",
    ),
    Row("plan_fde_m_3s", "plan FDE, 3 s", "the same at the end of 3 s", "{:.2f} m"),
    Row("plan_miss_rate_3s", "plan misses, 3 s", "plans more than 2 m off at their end", "{:.1%}"),
)
"""Of a replayed recording only."""
TRACE_ROWS = (
    Row(
        "consistency_longitudinal",
        "consistency, longitudinal",
        "the plan does what is said",
        "{:.1%}",
        0.97,
    ),
    Row(
        "consistency_lateral", "consistency, lateral", "the plan steers as is said", "{:.1%}", 0.97
    ),
    Row("contradiction", "contradictions", "the plan does the opposite", "{:.2%}", good_to=0.005),
    Row(
        "grounding", "grounding", "what is cited is there, in the scene and in truth", "{:.1%}", 1.0
    ),
    Row(
        "silent_failures",
        "silent failures",
        "did something else without a word",
        "{:.0f}",
        good_to=0,
    ),
    Row("flips_per_minute", "changes of decision", "per minute", "{:.1f}"),
    Row(
        "route_completion",
        "route completion",
        "of the way to the goal, or that a lone car could come",
        "{:.1%}",
    ),
    Row("goal_reached", "goal reached", "told only where a parked car would miss it"),
    Row("distance_m", "distance", "driven", "{:.0f} m"),
)


def driving_rows(metrics: dict[str, Any]) -> tuple[Row, ...]:
    """The rows on driving, with a leaderboard's where there is one; of a replayed recording those on plans."""
    carla = tuple(r for r in CARLA_ROWS if r.name in metrics)
    if not metrics.get("open_loop"):
        return DRIVING_ROWS + carla
    planned = tuple(r for r in DRIVING_ROWS if metrics.get(r.name) is not None)
    return OPEN_LOOP_ROWS + planned


def as_texts(rows: Iterable[Row], metrics: dict[str, Any]) -> list[dict[str, str]]:
    """Rows for a template: name, label, meaning, value, state."""
    return [
        {
            "name": r.name,
            "label": r.label,
            "meaning": r.meaning,
            "value": _yes_no(metrics, r) or r.value(metrics),
            "state": r.state(metrics),
        }
        for r in rows
    ]


def _yes_no(metrics: dict[str, Any], row: Row) -> str:
    answer = metrics.get(row.name)
    return ("yes" if answer else "no") if isinstance(answer, bool) else ""


def table(score: SceneScore) -> Table:
    """The score for a terminal."""
    metrics = score.metrics()
    style = "green" if score.passed else "bold red"
    found = Table(
        title=f"{score.name} · {score.driver} · [{style}]{score.verdict}[/]", title_justify="left"
    )
    found.add_column("metric")
    found.add_column("value", justify="right")
    found.add_column("what it means", style="dim")
    for rows in (driving_rows(metrics), TRACE_ROWS):
        for r in rows:
            color = {"good": "green", "bad": "red"}.get(r.state(metrics), "default")
            text = _yes_no(metrics, r) or r.value(metrics)
            found.add_row(r.label, f"[{color}]{text}[/]", r.meaning)
        found.add_section()
    for x in score.latency:
        found.add_row(f"latency, {x.stage}", f"{x.p50_ms:.1f} / {x.p99_ms:.1f} ms", "p50 / p99")
    counts = len(score.interventions), len(score.events)
    found.add_section()
    found.add_row(
        "safety interventions", str(counts[0]), _first([i.reason for i in score.interventions])
    )
    found.add_row(
        "events", str(counts[1]), _first([f"{e.source}: {e.fault}" for e in score.events])
    )
    return found


def tiles(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """The few numbers that are told first, for a template: label, value."""
    chosen = (
        ("pdms", "PDMS", "{:.3f}"),
        ("plan_ade_m_3s", "plan off the driven way, 3 s", "{:.1f} m"),
        ("at_fault_collisions", "collisions at fault", "{}"),
        ("route_completion", "route completion", "{:.0%}"),
        ("consistency_longitudinal", "says what it does, speed", "{:.1%}"),
        ("consistency_lateral", "says what it does, path", "{:.1%}"),
        ("grounding", "grounded traces", "{:.1%}"),
        ("latency_p99_ms", "decision, p99", "{:.0f} ms"),
    )
    return [
        {"label": label, "value": form.format(metrics[name])}
        for name, label, form in chosen
        if metrics.get(name) is not None
    ]


def plain(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Every metric by its name, as text."""

    def text(value: Any) -> str:
        if value is None:
            return "–"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return [(name, text(value)) for name, value in metrics.items()]


def _first(texts: list[str]) -> str:
    return f"first: {texts[0]}" if texts else ""
