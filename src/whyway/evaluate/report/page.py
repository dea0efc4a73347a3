"""A log, or two side by side -> `report.html` (one file, no network); a log's `report.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from whyway.evaluate.drive import Drive, read_drive
from whyway.evaluate.report.page_parts import environment, shared
from whyway.evaluate.report.rows import TRACE_ROWS, as_texts, driving_rows, plain, tiles
from whyway.evaluate.report.view_data import VIEW_FILE, compact, is_current, side_file, view_data
from whyway.evaluate.score import SceneScore, score_drive
from whyway.files import write_atomically
from whyway.log import Log, read_log

SUMMARY = (
    "pdms", "at_fault_collisions", "route_completion", "consistency_longitudinal", "consistency_lateral",
    "contradiction", "grounding", "latency_p50_ms", "latency_p99_ms",
)  # fmt: skip
"""The numbers of a report's summary."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A log with what was made of it."""

    log: Log
    drive: Drive
    score: SceneScore


def judged(log: Log) -> Judged:
    """Judge a log.

    Raises:
      ScoreError: it cannot be judged.
    """
    drive = read_drive(log)
    return Judged(log, drive, score_drive(log, drive))


def write_report(log: Log, folder: Path, with_side_file: bool = False) -> SceneScore:
    """Write `report.html` and `report.json` into a folder, each whole or not at all; give the score.

    Args:
      log: of the drive.
      folder: is made where there is none.
      with_side_file: the drive's data goes into a file of its own, `view.js`, beside report.html, instead of into it, so that a
        suite's page can load it, too.

    Raises:
      ScoreError: the log cannot be judged.
    """
    one = judged(log)
    folder.mkdir(parents=True, exist_ok=True)
    if with_side_file:
        data = view_data(one.log, one.drive, one.score)
        write_atomically(folder / VIEW_FILE, side_file(data))
    page = render([one], VIEW_FILE if with_side_file else "")
    write_atomically(folder / "report.html", page)
    text = json.dumps(report_json(log, one.score), indent=1)
    write_atomically(folder / "report.json", text + "\n")
    return one.score


def renew(scenes: Iterable[Mapping[str, Any]], folder: Path) -> int:
    """Write the side files anew that other code wrote, or that are lost, of scenes whose logs are there; how many.

    Args:
      scenes: of a suite's summary, with `report` and `log`.
      folder: what these paths are relative to.
    """
    count = 0
    for scene in scenes:
        report, log = scene.get("report"), scene.get("log")
        if not report or not log or not (folder / log).is_file():
            continue
        beside = (folder / report).parent
        if not is_current(beside / VIEW_FILE):
            write_report(read_log(folder / log), beside, with_side_file=True)
            count += 1
    return count


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


def render(drives: Sequence[Judged], side: str = "") -> str:
    """Give the text of report.html, of one drive or of two side by side.

    Args:
      drives: one or two.
      side: the path, relative to the page, of the file that holds the (one) drive's data; "" to have the data in the page.
    """
    names = [_title(d.score) for d in drives]
    embedded = [] if side else [view_data(d.log, d.drive, d.score) for d in drives]
    return (
        environment()
        .get_template("drive.html.jinja")
        .render(
            title=" against ".join(dict.fromkeys(names)),
            drives=[_texts(d, len(drives) > 1) for d in drives],
            embedded=[Markup(compact(data)) for data in embedded],
            side_file=side,
            **shared(),
        )
    )


def _title(score: SceneScore) -> str:
    watched = score.open_loop is not None
    return f"{score.name}, {'watched by ' if watched else ''}{score.driver}{'' if watched else ' at the wheel'}"


def _texts(one: Judged, beside: bool) -> dict[str, Any]:
    """What the template says of a drive."""
    score, metrics = one.score, one.score.metrics()
    return {
        "heading": f"Score of {score.driver}, {one.log.path.name}" if beside else "Score",
        "verdict": score.verdict,
        "passed": score.passed,
        "tiles": tiles(metrics),
        "notes": score.notes,
        "driving_rows": as_texts(driving_rows(metrics), metrics),
        "trace_rows": as_texts(TRACE_ROWS, metrics),
        "all_metrics": plain(metrics),
        "windows": score.driving.windows,
        "watched": score.open_loop is not None,
        "contacts": score.driving.contacts,
        "interventions": score.interventions,
        "events": score.events,
        "latency": score.latency,
        "provenance": _provenance_texts(one.log, score),
        "log_name": one.log.path.name,
    }


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
