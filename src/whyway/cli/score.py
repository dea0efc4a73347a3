"""`whyway score`: judge results in the field's formats: CARLA's, CommonRoad's, nuPlan's, and our own logs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.markup import escape
from rich.table import Table

from whyway.cli.common import OK, err_console, no_dials, out_console
from whyway.types import InputError


@dataclass(frozen=True)
class Carla:
    """Recompute the scores of a CARLA leaderboard result from its infractions: penalty, driving score, success rate."""

    results: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """The leaderboard's or Bench2Drive's result (JSON, plain or gzipped), its parts, or the folder they are in."""
    version: str = ""
    """Whose formula: 1.0, 2.0 or 2.1; the one the file's own numbers follow otherwise."""
    json: bool = False
    """Print JSON."""

    def score(self) -> Mapping[str, Any]:
        """Read and judge."""
        from whyway.evaluate.formats.carla_rescore import score_carla_result, version_of
        from whyway.evaluate.formats.carla_result import read_carla_result
        from whyway.evaluate.metrics.carla import formula

        if self.version:
            formula(self.version)  # known, before anything is read
        result = read_carla_result(*self.results)
        return score_carla_result(result, self.version or version_of(result))

    def show(self, found: Mapping[str, Any]) -> None:
        """A line for each route, then the summary."""
        columns = ("route_id", "status", "score_route", "score_penalty", "score_composed")
        out_console.print(_rows(f"CARLA {self.results[0].name}", columns, found["records"]))
        summary = dict(found["summary"])
        counts, rates = summary.pop("infractions"), summary.pop("infractions_per_km") or {}
        done = [
            {"infraction": kind, "count": n, "per km": rates.get(kind)}
            for kind, n in counts.items()
            if n
        ]
        if done:
            out_console.print(_rows("infractions", ("infraction", "count", "per km"), done))
        out_console.print(_facts("summary", summary))


@dataclass(frozen=True)
class CommonRoad:
    """Check a CommonRoad solution against its scene: collision, goal reached, cost."""

    solution: Annotated[Path, tyro.conf.Positional]
    """The solution (XML of 2020a)."""
    scene: Path
    """The scene it solves (XML, plain or gzipped)."""
    json: bool = False
    """Print JSON."""

    def score(self) -> Mapping[str, Any]:
        """Read and judge."""
        from whyway.evaluate.driving.commonroad_score import score_solution

        return score_solution(self.solution, self.scene)

    def show(self, found: Mapping[str, Any]) -> None:
        """A line for each planning problem."""
        rows = [
            {
                "problem": row["planning_problem_id"],
                "vehicle": f"{row['vehicle_model']} {row['vehicle_type']}",
                "collision": row["collision"],
                "goal reached": row["goal_reached"],
                row["cost_function"] if len(found["problems"]) == 1 else "cost": row["cost"],
            }
            for row in found["problems"]
        ]
        out_console.print(_rows(found["benchmark_id"], list(rows[0]), rows))
        hits = [hit for row in found["problems"] for hit in row["collisions"]]
        if hits:
            out_console.print(_rows("collisions", ("time_s", "role", "obstacle_id"), hits))


@dataclass(frozen=True)
class NuPlan:
    """Recompute nuPlan's closed-loop score from its metric tables, one a metric, or the folder they are in."""

    tables: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Parquet (needs pyarrow), CSV or JSON."""
    json: bool = False
    """Print JSON."""

    def score(self) -> Mapping[str, Any]:
        """Read and judge."""
        from whyway.evaluate.formats.nuplan_table import read_nuplan_tables, score_nuplan_tables

        if not self.tables:
            raise InputError("there is no table to score; give nuPlan's metric tables, or their folder")  # fmt: skip
        return score_nuplan_tables(read_nuplan_tables(self.tables))

    def show(self, found: Mapping[str, Any]) -> None:
        """Every planner's score, and what it is made of."""
        for planner in found["summary"]:
            out_console.print(_facts(f"nuPlan: {planner['planner_name']}", planner))


@dataclass(frozen=True)
class DriveLog:
    """Every metric of one of our logs, as in its report.json."""

    log: Annotated[Path, tyro.conf.Positional]
    """A drive's log (MCAP)."""
    json: bool = False
    """Print JSON."""

    def score(self) -> Mapping[str, Any]:
        """Read and judge."""
        from whyway.evaluate.score import score
        from whyway.log import read_log

        found: Mapping[str, Any] = score(read_log(self.log)).to_json()
        return {
            key: found[key] for key in ("name", "driver", "seed", "verdict", "metrics", "notes")
        }

    def show(self, found: Mapping[str, Any]) -> None:
        """One line a metric."""
        out_console.print(_facts(f"{found['name']}: {found['verdict']}", found["metrics"]))


@dataclass(frozen=True)
class Score:
    """Judge results in the field's formats."""

    what: Annotated[
        Annotated[Carla, tyro.conf.subcommand("carla")]
        | Annotated[CommonRoad, tyro.conf.subcommand("commonroad")]
        | Annotated[NuPlan, tyro.conf.subcommand("nuplan")]
        | Annotated[DriveLog, tyro.conf.subcommand("log")],
        tyro.conf.arg(name=""),
    ]

    def run(self, overrides: Sequence[str]) -> int:
        """Score, and print it."""
        no_dials(overrides)
        found = self.what.score()
        if self.what.json:
            print(json.dumps(found, indent=1))  # exactly JSON, nothing of a console in it
            return OK
        self.what.show(found)
        for note in found.get("notes", ()):
            err_console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
        return OK


def _rows(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for name in columns:
        text = any(isinstance(row[name], str) for row in rows)
        table.add_column(name, justify="left" if text else "right")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    return table


def _facts(title: str, facts: Mapping[str, Any]) -> Table:
    table = Table("what", "value", box=None, title=escape(title), title_justify="left")
    for key, value in facts.items():
        if isinstance(value, Mapping):
            for inner, part in value.items():
                table.add_row(escape(f"{key}: {inner}"), _cell(part))
        else:
            table.add_row(escape(key), _cell(value))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else escape(str(value))
