"""A log -> `report.html` (one file, no network) and `report.json`, and a table for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from rich.table import Table

from whyway.evaluate.drive import Drive, read_drive
from whyway.evaluate.report import picture, plots
from whyway.evaluate.report.moments import Moment, decisions, moments
from whyway.evaluate.report.picture import Instants, moment_svg
from whyway.evaluate.report.player import replay
from whyway.evaluate.score import SceneScore, score_drive
from whyway.files import write_atomically
from whyway.log import Log
from whyway.trace import sentence
from whyway.trace.sentences import why_not
from whyway.types import Trace


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
    Row("no_at_fault_collisions", "NC", "no collision by its own fault", "{:.1f}", good_from=1.0),
    Row("drivable_area_compliance", "DAC", "all corners stay on the road", "{:.0f}", good_from=1.0),
    Row("ego_progress", "EP", "progress, as a share of what was possible"),
    Row("time_to_collision_within_bound", "TTC", "keeps 0.9 s to whoever is ahead"),
    Row("comfort", "C", "accelerations, jerks and yaw rate within bounds"),
    Row("driving_direction_compliance", "DDC", "not in oncoming lanes", "{:.1f}", good_from=1.0),
    Row("traffic_light_compliance", "TLC", "no red light run", "{:.0f}", good_from=1.0),
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
SUMMARY = (
    "pdms", "at_fault_collisions", "route_completion", "consistency_longitudinal", "consistency_lateral",
    "contradiction", "grounding", "latency_p50_ms", "latency_p99_ms",
)  # fmt: skip
"""The numbers of a report's summary."""


def write_report(log: Log, folder: Path) -> SceneScore:
    """Write `report.html` and `report.json` into a folder, each whole or not at all; give the score.

    Raises:
      ScoreError: the log cannot be judged.
    """
    drive = read_drive(log)
    score = score_drive(log, drive)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "report.html", render(log, drive, score))
    write_atomically(folder / "report.json", json.dumps(report_json(log, score), indent=1) + "\n")
    return score


def report_json(log: Log, score: SceneScore) -> dict[str, Any]:
    """What programs read: {driver, world, provenance, scenes, summary}."""
    scene = score.to_json()
    return {
        "driver": score.driver,
        "world": log.info.get("world", ""),
        "provenance": provenance(log),
        "scenes": [scene],
        "summary": {"scenes": 1} | {name: scene["metrics"][name] for name in SUMMARY},
    }


def provenance(log: Log) -> dict[str, Any]:
    """Where a result comes from."""
    return {key: log.info.get(key) for key in ("git", "config_hash", "seed", "versions")}


def render(log: Log, drive: Drive, score: SceneScore) -> str:
    """Give the text of report.html."""
    traces = log.of(Trace)
    instants = Instants(log)
    chosen = moments(drive, score, traces)
    said = decisions(traces, int(drive.stamps_ns[0]))
    metrics = score.metrics()
    drawn = plots.plots(
        drive, said, score.interventions, [float(drive.t_s[m.index]) for m in chosen]
    )
    light, dark = picture.color_variables()
    # "</" would end the script element
    data = json.dumps(replay(drive, instants), separators=(",", ":")).replace("</", "<\\/")
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            title=f"{score.name}, {score.driver} at the wheel",
            verdict=score.verdict,
            passed=score.passed,
            tiles=_tiles(metrics),
            provenance=_provenance_texts(log, score),
            notes=score.notes,
            moments=[_moment(drive, instants, m) for m in chosen],
            plots={name: Markup(svg) for name, svg in drawn.items()},
            longitudinal_legend=plots.legend(plots.longitudinal_bands(said)),
            lateral_legend=plots.legend(plots.lateral_bands(said)),
            driving_rows=_rows(_driving_rows(metrics), metrics),
            trace_rows=_rows(TRACE_ROWS, metrics),
            windows=score.driving.windows,
            contacts=score.driving.contacts,
            interventions=score.interventions,
            events=score.events,
            latency=score.latency,
            log_name=log.path.name,
            replay=Markup(data),
            light=light,
            dark=dark,
            picture_style=Markup(picture.STYLE),
            plot_style=Markup(plots.STYLE),
            color_names=Markup(json.dumps(list(picture.COLORS))),
        )
    )


def environment() -> jinja2.Environment:
    """The templates of this folder; every text is escaped, an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )


def _tiles(metrics: dict[str, Any]) -> list[dict[str, str]]:
    chosen = (
        ("pdms", "PDMS", "{:.3f}"),
        ("at_fault_collisions", "collisions at fault", "{}"),
        ("route_completion", "route completion", "{:.0%}"),
        ("consistency_longitudinal", "says what it does, speed", "{:.1%}"),
        ("consistency_lateral", "says what it does, path", "{:.1%}"),
        ("grounding", "grounded traces", "{:.1%}"),
        ("latency_p99_ms", "decision, p99", "{:.0f} ms"),
    )
    return [
        {"label": label, "value": "–" if metrics[name] is None else form.format(metrics[name])}
        for name, label, form in chosen
    ]


def _provenance_texts(log: Log, score: SceneScore) -> list[tuple[str, str]]:
    texts = [
        ("driver", score.driver),
        ("world", str(log.info.get("world", "unknown"))),
        ("seed", str(score.seed)),
        ("duration", f"{score.duration_s:.1f} s"),
        ("distance", f"{score.distance_m:.0f} m"),
    ]
    known = ("middleware", "git", "config_hash")
    texts += [(k.replace("_", " "), str(log.info[k])) for k in known if log.info.get(k)]
    versions = log.info.get("versions")
    if isinstance(versions, dict):
        texts += [(name, str(version)) for name, version in versions.items()]
    world_notes = log.info.get("notes")
    if isinstance(world_notes, dict):
        texts += [(str(name), str(note)) for name, note in world_notes.items()]
    return texts


def _moment(drive: Drive, instants: Instants, moment: Moment) -> dict[str, Any]:
    instant = instants.at(moment.index)
    trace = instant.trace
    return {
        "index": moment.index,
        "at_s": float(drive.t_s[moment.index]),
        "speed_kmh": float(drive.v_mps[moment.index]) * 3.6,
        "what": moment.what,
        "svg": Markup(moment_svg(drive, instant)),
        "why": "no trace at this instant" if trace is None else sentence(trace),
        "rejected": [] if trace is None else [why_not(r) for r in trace.planning.rejected[:3]],
    }


def _driving_rows(metrics: dict[str, Any]) -> tuple[Row, ...]:
    return DRIVING_ROWS + tuple(r for r in CARLA_ROWS if r.name in metrics)


def _rows(rows: Iterable[Row], metrics: dict[str, Any]) -> list[dict[str, str]]:
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
    for rows in (_driving_rows(metrics), TRACE_ROWS):
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


def _first(texts: list[str]) -> str:
    return f"first: {texts[0]}" if texts else ""
