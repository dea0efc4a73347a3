"""A leaderboard's result, read -> every route's score by any version's formula, the summary, and where the file says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from whyway.evaluate.formats.carla_result import CarlaResult, Record
from whyway.evaluate.metrics import carla as formulas
from whyway.evaluate.metrics.carla import MIN_SPEED, OUTSIDE
from whyway.types import InputError

STOPS_FREE = "stop signs free, as in longest6"

ROUNDING = 1e-4
"""What a percentage rounded to 0.01 %, as messages have it, may change of a penalty."""


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
    """The version whose formula gives the file's own penalties; of several 1.0 for a file without what 2.x added, else the latest.

    Raises:
      InputError: there is none.
    """
    found = [v for v in formulas.FORMULAS if _follows(result.records, v, result.bench2drive)]
    if not found:
        hint = f" (they are 1.0's with {STOPS_FREE})" if _stops_are_free(result) else ""
        raise InputError(
            f"the file's own penalties follow no version's formula{hint}; choose one with --version {', '.join(formulas.FORMULAS)}"
        )
    old = not any(MIN_SPEED in r.counts for r in result.records)
    return found[0] if old else found[-1]


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
    others = [v for v in formulas.FORMULAS if _follows(result.records, v, result.bench2drive)]
    others += [f"1.0 with {STOPS_FREE}"] if not others and _stops_are_free(result) else []
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


def _follows(records: Sequence[Record], version: str, bench2drive: bool) -> bool:
    """Whether all of the file's own penalties are a version's."""
    return all(
        _agrees(r, formulas.penalty(version, r.infractions, min_speed_counts=not bench2drive))
        for r in records
    )


def _stops_are_free(result: CarlaResult) -> bool:
    """Whether the file's own penalties are 1.0's but for the stop signs: Transfuser's longest6 records them and lets them cost nothing."""
    free = [
        replace(r, counts={kind: n for kind, n in r.counts.items() if kind != "stop_infraction"})
        for r in result.records
    ]
    return _follows(free, "1.0", result.bench2drive)
