"""A CARLA leaderboard's result file -> its scores anew, from its list of infractions, by any version's formula.

Layouts read: leaderboard 1.0 and 2.x (`_checkpoint.records`, written by their `leaderboard/utils/statistics_manager.py`), Bench2Drive's, its
`tools/merge_route_json.py`'s merged one, and a single record by itself. Only `score_route` is taken from the file; the shares that two kinds
of infraction carry are read from their messages, where they stand rounded to 0.01 % (so up to 1e-4 of a penalty is not known).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyway.evaluate.formats.jsonfile import FormatError, mapping, read_json, real, sequence
from whyway.evaluate.metrics import carla as formulas
from whyway.evaluate.metrics.carla import MIN_SPEED, OUTSIDE, Infractions
from whyway.types import InputError

WHAT = "a CARLA leaderboard result (JSON)"
MAX_RECORDS = 100_000
ROUNDING = 1e-4
"""What a percentage rounded to 0.01 % may change."""

_PERCENT = re.compile(r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*%")
_SPEED = re.compile(r"speed is (\d+(?:\.\d+)?)")
_METRES = re.compile(r"about\s+(\d+(?:\.\d+)?)\s*m")
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


def read_carla_result(path: Path) -> CarlaResult:
    """Read a result file.

    Raises:
      FormatError: one line that says what is wrong with the file.
    """
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
    messages = {
        _text(kind): _messages(m, f"{where}.infractions.{kind}") for kind, m in done.items()
    }
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


# ------------------------------------------------------------------------------------------------------- scoring


def score_carla_result(result: CarlaResult, version: str) -> dict[str, Any]:
    """Every route's `score_penalty` and `score_composed`, and the summary, by a version's formula.

    As the leaderboard's own means, the summary's go over all routes that were to be driven; those without a record drove nothing.

    Returns:
      Plain values: `records`, `summary`, `notes` (where the file says otherwise, and what a version does not count).

    Raises:
      InputError: there is no such version.
    """
    formulas.formula(version)
    rows = [_row(r, version, result.bench2drive) for r in result.records]
    n = result.routes

    def mean(key: str) -> float:
        return formulas.rounded(version, sum(row[key] for row in rows) / n)

    summary: dict[str, Any] = {
        "version": version,
        "benchmark": "bench2drive" if result.bench2drive else "leaderboard",
        "routes": n,
        "routes_recorded": len(rows),
        "driving_score": mean("score_composed"),
        "success_rate": sum(row["success"] for row in rows) / n,
        "route_completion": mean("score_route"),
        "infraction_penalty": mean("score_penalty"),
        "driving_efficiency": _efficiency(result),
        "infractions": _total(result.records),
        "infractions_per_km": _per_km(result.records),
    }
    return {"records": rows, "summary": summary, "notes": _notes(result, version, rows, summary)}


def version_of(result: CarlaResult) -> str:
    """The latest version whose formula gives the file's own penalties.

    Raises:
      InputError: there is none.
    """
    found = [v for v in formulas.FORMULAS if _follows(result, v)]
    if not found:
        raise InputError(
            f"the file's own penalties follow no version's formula; choose one with --version {', '.join(formulas.FORMULAS)}"
        )
    return found[-1]


def _row(record: Record, version: str, bench2drive: bool) -> dict[str, Any]:
    left = formulas.penalty(version, record.infractions, min_speed_counts=not bench2drive)
    return {
        "route_id": record.route_id,
        "status": record.status,
        "score_route": record.score_route,
        "score_penalty": formulas.rounded(version, left),
        "score_composed": formulas.rounded(version, formulas.composed(record.score_route, left)),
        "success": formulas.succeeded(record.status, record.counts),
    }


def _efficiency(result: CarlaResult) -> float | None:
    """Bench2Drive records every checkpoint's speed, the leaderboard only those too slow: no mean of theirs says anything."""
    shares = [r.min_speed for r in result.records]
    return formulas.driving_efficiency(shares) if result.bench2drive else None


def _total(records: Sequence[Record]) -> dict[str, int]:
    kinds = dict.fromkeys(kind for r in records for kind in r.counts)
    return {kind: sum(r.counts.get(kind, 0) for r in records) for kind in kinds}


def _per_km(records: Sequence[Record]) -> dict[str, float] | None:
    """None where a record does not tell its route's length."""
    lengths = [r.route_length_m for r in records]
    if any(length is None for length in lengths):
        return None
    km = sum((r.route_length_m or 0.0) * r.score_route / 100e3 for r in records)
    return formulas.per_km(_total(records), sum(r.outside_m for r in records) / 1000.0, km)


def _notes(
    result: CarlaResult, version: str, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]
) -> list[str]:
    notes = [*_differences(result, version, rows)]
    said = result.said_driving_score
    if said is not None and abs(said - summary["driving_score"]) > 100.0 * ROUNDING:
        notes.append(f"the file's own driving score is {said:g}")
    if missing := result.routes - len(rows):
        notes.append(f"{missing} of {result.routes} routes have no record and count as not driven")
    if result.bench2drive and result.routes < formulas.BENCH2DRIVE_ROUTES:
        notes.append(
            f"Bench2Drive divides by its {formulas.BENCH2DRIVE_ROUTES} routes; the means are over the {result.routes} here"
        )
    if result.bench2drive and version != "1.0":
        notes.append(f"Bench2Drive does not punish a low speed: {MIN_SPEED} cost nothing")
    rule = formulas.formula(version)
    known = {*rule.costs, OUTSIDE, *formulas.ENDINGS, *([MIN_SPEED] if rule.min_speed else [])}
    notes += [
        f"version {version} does not count {kind} ({count})"
        for kind, count in summary["infractions"].items()
        if count and kind not in known
    ]
    twice = len(rows) - len({row["route_id"] for row in rows})
    return [*notes, f"{twice} records repeat a route's id"] if twice else notes


def _differences(result: CarlaResult, version: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the file's own numbers are other ones, and whose formula they follow."""
    far = [
        (abs(r.said_penalty - row["score_penalty"]), r, row)
        for r, row in zip(result.records, rows, strict=True)
        if r.said_penalty is not None and not _agrees(r, row["score_penalty"])
    ]
    if not far:
        return []
    _, record, row = max(far, key=lambda f: f[0])
    others = [v for v in formulas.FORMULAS if v != version and _follows(result, v)]
    whose = f"; they follow version {' and '.join(others)}" if others else ""
    return [
        f"{len(far)} of {len(rows)} routes have another score_penalty in the file (route {record.route_id}: "
        f"{record.said_penalty:.6g} there, {row['score_penalty']:.6g} by version {version}){whose}"
    ]


def _agrees(record: Record, penalty: float) -> bool:
    shares = len(record.outside) + len(record.min_speed)
    return record.said_penalty is None or abs(record.said_penalty - penalty) <= ROUNDING * (
        1 + shares
    )


def _follows(result: CarlaResult, version: str) -> bool:
    """Whether all of the file's own penalties are a version's."""
    counts = not result.bench2drive
    return all(
        _agrees(r, formulas.penalty(version, r.infractions, min_speed_counts=counts))
        for r in result.records
    )
