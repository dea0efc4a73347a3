"""A log -> all that a page needs to show its drive: embedded in the drive's own page, or a side file that a suite's page asks for.

A side file is a script that hands its data to the page, `Whyway.loaded({...});`: a page that was opened as a file may
not read files (fetch() is forbidden on file://), but it may load scripts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from whyway import types
from whyway.evaluate.drive import Drive
from whyway.evaluate.instants import Instants
from whyway.evaluate.metrics.navsim import LON_ACCELERATION_MPS2
from whyway.evaluate.moments import decisions, moments
from whyway.evaluate.report.buttons import buttons
from whyway.evaluate.report.picture import LATERAL_COLORS, LONGITUDINAL_COLORS
from whyway.evaluate.report.player import places, replay, shown_every, touched
from whyway.evaluate.report.story import story
from whyway.evaluate.report.trace_data import PANEL_ENUMS, Texts, verdict_fields, whole
from whyway.evaluate.score import SceneScore
from whyway.log import Log
from whyway.types import Floats, Trace, Verdict

VIEW_FILE = "view.js"
"""A drive's side file, beside its own report.html."""

FORMAT = 1
"""Of the data: goes up when a page of this code can no longer show what earlier code wrote."""


def view_data(log: Log, drive: Drive, score: SceneScore) -> dict[str, Any]:
    """Everything `assets/view.js` shows of a drive; numbers are whole, see `player.py` and `trace_data.py`."""
    texts, instants = Texts(), Instants(log)
    every, start = shown_every(drive), int(drive.stamps_ns[0])
    replayed = score.open_loop is not None
    told = story(drive, score, instants)
    data = replay(drive, instants, texts)
    for frame, hits in ({} if replayed else touched(drive, score.driving.contacts, texts)).items():
        data["frames"][frame]["hit"] = hits
    for verdict in log.of(Verdict):
        i = int(np.searchsorted(drive.stamps_ns, verdict.stamp_ns))
        fields = verdict_fields(verdict, texts)
        if fields is not None and i < drive.count and i // every < len(data["frames"]):
            data["frames"][i // every]["safe"] = fields
    said = decisions(log.of(Trace), start)
    driving = None if replayed else score.driving
    found = moments(log, start, drive, driving, score.faithfulness)
    data = (
        {"format": FORMAT}
        | data
        | {
            "name": score.name,
            "driver": score.driver,
            "seed": score.seed,
            "passed": score.passed,
            "open_loop": replayed,
            "open_at": told.opens_at(drive.dt_s) // every,
            "story": {"headline": told.headline, "lines": list(told.lines)},
            "places": [] if replayed else places(drive, score.driving, texts),
            "moments": [
                [min(b.index // every, len(data["frames"]) - 1), texts(b.text), b.kind]
                for b in buttons(found, drive)
            ],
            "decisions": [
                [round(a, 2), round(b, 2), [int(part) for part in what]] for a, b, what in said
            ],
            "safety": [
                [round(x.from_s, 2), round(x.to_s, 2), texts(x.text)] for x in score.interventions
            ],
            "handover_s": float(log.info.get("notes", {}).get("handover_s", 0.0)),
            "bounds": list(LON_ACCELERATION_MPS2),
            "series": _series(log, drive, every),
        }
    )
    return data | {"texts": texts.all()}


def page_names() -> dict[str, Any]:
    """Names of enums by value and colours of decisions: what every page with a view needs once."""
    found: dict[str, Any] = {}
    for name in PANEL_ENUMS:
        enum: type[IntEnum] = getattr(types, name)
        found[name] = {int(member): member.name for member in enum}
    return found | {
        "format": FORMAT,
        "colors": {
            "Longitudinal": {int(k): v for k, v in LONGITUDINAL_COLORS.items()},
            "Lateral": {int(k): v for k, v in LATERAL_COLORS.items()},
        },
    }


def compact(value: Any) -> str:
    """JSON without blanks that may stand inside a script element: no text in it can end the element or begin a comment.

    Raises:
      ValueError: a number that JSON has no word for.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def side_file(data: dict[str, Any]) -> str:
    """The text of a side file."""
    return f"Whyway.loaded({compact(data)});\n"


def is_current(side: Path) -> bool:
    """Whether a side file is there and a page of this code can show it."""
    begins = f'Whyway.loaded({{"format":{FORMAT},'
    try:
        with side.open(encoding="utf-8") as file:
            return file.read(len(begins)) == begins
    except (OSError, UnicodeDecodeError):
        return False


def _series(log: Log, drive: Drive, every: int) -> dict[str, Any]:
    limit = drive.road.route_path.limit_at(drive.route_s_m)
    decided = np.full(drive.count, np.nan)
    rows = {int(stamp): i for i, stamp in enumerate(drive.stamps_ns)}
    for trace in log.of(Trace):
        if trace.stamp_ns in rows:
            decided[rows[trace.stamp_ns]] = trace.planning.target_acceleration_mps2
    curves: dict[str, Floats] = {
        "v": drive.v_mps,
        "limit": limit,
        "a": drive.a_mps2,
        "decided": decided,
        "lat": drive.v_mps * drive.yaw_rate_rps,
    }
    return {name: _whole(values[::every]) for name, values in curves.items()} | {
        "latency": {
            stage: _whole(_worst(ms, every)) for stage, ms in _latency_ms(log, drive).items()
        }
    }


def _whole(values: Floats | Sequence[float]) -> list[int | None]:
    return [whole(float(v)) for v in values]


def _worst(ms: Floats, every: int) -> list[float]:
    """The largest of each so many: an instant that is not shown may be the slow one."""
    blocks = [ms[i : i + every] for i in range(0, len(ms), every)]
    return [float(np.nanmax(b)) if np.isfinite(b).any() else np.nan for b in blocks]


def _latency_ms(log: Log, drive: Drive) -> dict[str, Floats]:
    """Each stage's milliseconds `(T,)`, NaN where it did not run, and as `decision` their sum."""
    rows = {int(stamp): i for i, stamp in enumerate(drive.stamps_ns)}
    found: dict[str, Floats] = {}

    def note(stamp_ns: int, stage: str, ms: float) -> None:
        if stamp_ns in rows:
            found.setdefault(stage, np.full(drive.count, np.nan))[rows[stamp_ns]] = ms

    for trace in log.of(Trace):
        for s in trace.integrity.latency:
            note(trace.stamp_ns, s.stage, s.latency_ms)
    if not found:
        return {}
    for verdict in log.of(Verdict):
        note(verdict.stamp_ns, "control", verdict.latency_ms)
    stages = np.array(list(found.values()))
    ran = np.isfinite(stages).any(axis=0)
    return {"decision": np.where(ran, np.nansum(stages, axis=0), np.nan), **found}
