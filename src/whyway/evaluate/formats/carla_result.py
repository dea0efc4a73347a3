"""A CARLA leaderboard's result file -> what was done on each route: the infractions, from which `carla_rescore.py` makes its scores anew.

Layouts read: leaderboard 1.0 and 2.x (`_checkpoint.records`, written by their `leaderboard/utils/statistics_manager.py`), Bench2Drive's, its
`tools/merge_route_json.py`'s merged one, and a single record by itself. Only `score_route` is taken from the file; the shares that two kinds
of infraction carry are read from their messages, where they stand rounded to 0.01 % (so up to 1e-4 of a penalty is not known).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyway.evaluate.formats.jsonfile import FormatError, mapping, read_json, real, sequence
from whyway.evaluate.metrics.carla import MIN_SPEED, OUTSIDE, Infractions

WHAT = "a CARLA leaderboard result (JSON)"
MAX_RECORDS = 100_000

_PERCENT = re.compile(r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*%")
_SPEED = re.compile(r"speed is (\d+(?:\.\d+)?)")
_METRES = re.compile(r"about\s+(\d+(?:\.\d+)?)\s*m")
_OLDER_NAMES = {"yield_emergency_vehicles_infractions": "yield_emergency_vehicle_infractions"}
"""Kinds that the first files of 2.0 name otherwise."""
_BENCH2DRIVE_KEYS = ("scenario_name", "weather_id", "save_name", "town_name")


@dataclass(frozen=True, slots=True)
class Record:
    """One route: what was done on it, and what the file says of its score (None where it says nothing)."""

    route_id: str
    status: str
    score_route: float
    counts: Mapping[str, int]
    outside: tuple[float, ...]
    outside_m: float
    min_speed: tuple[float, ...]
    route_length_m: float | None
    said_penalty: float | None
    said_composed: float | None

    @property
    def infractions(self) -> Infractions:
        """For the formulas."""
        return Infractions(self.counts, self.outside, self.min_speed)


@dataclass(frozen=True, slots=True)
class CarlaResult:
    """A result file, read whole. `routes` is how many there should have been: who is not recorded drove nothing."""

    records: tuple[Record, ...]
    routes: int
    bench2drive: bool
    said_driving_score: float | None


# ------------------------------------------------------------------------------------------------------- reading


def read_carla_result(*paths: Path) -> CarlaResult:
    """Read a result file, or the parts of one run that was split over several; a folder stands for the results in it.

    Raises:
      FormatError: one line that says what is wrong with which file.
    """
    parts = [_read(path) for path in _files(paths)]
    if len(parts) == 1:
        return parts[0]
    records = tuple(r for part in parts for r in part.records)
    if len(records) > MAX_RECORDS:
        raise FormatError(f"the files hold {len(records)} routes, more than {MAX_RECORDS}; score them apart")  # fmt: skip
    return CarlaResult(
        records, sum(p.routes for p in parts), any(p.bench2drive for p in parts), None
    )


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Of a folder all but `merged.json`, which Bench2Drive's merging leaves beside its parts."""
    if not paths:
        raise FormatError(f"there is nothing to score; give {WHAT}, or a folder of them")
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(p for p in path.glob("*.json*") if p.name != "merged.json")
        if not inside:
            raise FormatError(f"{path}: holds no .json; give {WHAT}, or a folder of them")
        yield from inside


def _read(path: Path) -> CarlaResult:
    value = read_json(path, WHAT)
    try:
        return _result(mapping(value, "the file"))
    except FormatError as error:
        raise FormatError(f"{path}: {error}; give {WHAT}, whole") from None


def _result(top: Mapping[str, Any]) -> CarlaResult:
    checkpoint = mapping(top["_checkpoint"], "_checkpoint") if "_checkpoint" in top else top
    if "records" in checkpoint:
        raw = sequence(checkpoint["records"], "records")
    elif "infractions" in top and "scores" in top:
        raw = [top]
    else:
        raise FormatError("there is no _checkpoint.records")
    if not raw:
        raise FormatError("records is empty: no route was finished")
    if len(raw) > MAX_RECORDS:
        raise FormatError(f"records has {len(raw)} routes, more than {MAX_RECORDS}")
    fields = [mapping(r, f"records[{i}]") for i, r in enumerate(raw)]
    records = tuple(_record(r, f"records[{i}]") for i, r in enumerate(fields))
    merged = "success rate" in top or "eval num" in top
    return CarlaResult(
        records,
        routes=max(len(records), _planned(checkpoint.get("progress"))),
        bench2drive=merged or any(key in r for r in fields for key in _BENCH2DRIVE_KEYS),
        said_driving_score=_said_driving_score(checkpoint.get("global_record")),
    )


def _planned(progress: Any) -> int:
    """How many routes the run was to have: `progress` is [done, planned]; 0 where it says nothing usable."""
    if isinstance(progress, list) and len(progress) == 2 and isinstance(progress[1], int):
        return progress[1] if 0 <= progress[1] <= MAX_RECORDS else 0
    return 0


def _said_driving_score(record: Any) -> float | None:
    """`scores_mean` in 2.x, `scores` in 1.0."""
    if not isinstance(record, dict):
        return None
    scores = record.get("scores_mean", record.get("scores"))
    value = scores.get("score_composed") if isinstance(scores, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0.0 <= value <= 100.001 else None


def _record(fields: Mapping[str, Any], where: str) -> Record:
    scores = mapping(fields.get("scores"), f"{where}.scores")
    done = mapping(fields.get("infractions"), f"{where}.infractions")
    messages: dict[str, list[str]] = {}
    for name, texts in done.items():
        kind = _OLDER_NAMES.get(name, _text(name))
        messages.setdefault(kind, []).extend(_messages(texts, f"{where}.infractions.{kind}"))
    status = fields.get("status", "")
    if not isinstance(status, str):
        raise FormatError(f"{where}.status is not a text")
    meta = fields.get("meta")
    length = meta.get("route_length") if isinstance(meta, dict) else None
    return Record(
        route_id=_text(fields.get("route_id", where)),
        status=_text(status),
        score_route=real(scores.get("score_route"), f"{where}.scores.score_route", 0.0, 100.001),
        counts={kind: len(m) for kind, m in messages.items()},
        outside=tuple(
            _share(m, f"{where}.infractions.{OUTSIDE}") for m in messages.get(OUTSIDE, [])
        ),
        outside_m=sum(_metres(m) for m in messages.get(OUTSIDE, [])),
        min_speed=tuple(
            _share(m, f"{where}.infractions.{MIN_SPEED}") for m in messages.get(MIN_SPEED, [])
        ),
        route_length_m=None
        if length is None
        else real(length, f"{where}.meta.route_length", 0.0, 1e7),
        said_penalty=_optional(scores, "score_penalty", where),
        said_composed=_optional(scores, "score_composed", where),
    )


def _text(value: Any) -> str:
    """A short text that every terminal takes: JSON may hold halves of characters."""
    return str(value)[:200].encode("utf-8", "replace").decode()


def _optional(scores: Mapping[str, Any], key: str, where: str) -> float | None:
    value = scores.get(key)
    return None if value is None else real(value, f"{where}.scores.{key}")


def _messages(value: Any, where: str) -> list[str]:
    texts = sequence(value, where)
    if not all(isinstance(t, str) for t in texts):
        raise FormatError(f"{where} holds something else than messages")
    return [t[:1000] for t in texts]


def _share(message: str, where: str) -> float:
    """The percentage in a message, as a share."""
    found = _PERCENT.search(message) or _SPEED.search(message)
    if found is None:
        raise FormatError(f"{where}: no percentage in {message[:60]!r}")
    return min(float(found.group(1)), 1e9) / 100.0


def _metres(message: str) -> float:
    found = _METRES.search(message)
    return min(float(found.group(1)), 1e7) if found else 0.0
