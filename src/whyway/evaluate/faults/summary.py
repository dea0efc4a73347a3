"""Results of many drives under faults -> points of score against severity with intervals, and the promises that were broken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whyway.evaluate.faults.judge import Result
from whyway.evaluate.faults.promise import ENVELOPE
from whyway.evaluate.faults.suite import Scene
from whyway.evaluate.statistics import bootstrap_interval
from whyway.worlds.faults import FAULTS, Injection


@dataclass(frozen=True, slots=True)
class Row:
    """One drive: its scene, its fault (None: without), and its result, or in words why there is none."""

    scene: Scene
    fault: Injection | None
    result: Result | str


def caused(under: Result, without: Result) -> str:
    """The harm a fault caused: what the drive without it did not do. A drive that harms without the fault proves nothing."""
    return "" if without.harm else under.harm


def summarise(rows: Sequence[Row], told: Mapping[str, Any]) -> dict[str, Any]:
    """Sum up.

    Returns:
      `baseline` (PDMS without faults), `points` (per fault and severity), `broken` (promises: scene, fault, what), `errors`, `drives`.
    """
    without = {r.scene: r.result for r in rows if r.fault is None and isinstance(r.result, Result)}
    errors = [
        {"scene": str(r.scene), "fault": str(r.fault or "none"), "error": r.result}
        for r in rows
        if isinstance(r.result, str)
    ]
    by_fault: dict[Injection, list[tuple[Scene, Result]]] = {}
    for r in rows:
        if r.fault is not None and isinstance(r.result, Result) and r.scene in without:
            by_fault.setdefault(r.fault, []).append((r.scene, r.result))
    broken = [
        {"scene": str(scene), "fault": str(fault), "what": what}
        for fault, results in by_fault.items()
        for scene, result in results
        if (what := _broken(result, without[scene]))
    ]
    scores = [(str(s.world), r.pdms) for s, r in without.items()]
    return {
        **told,
        "drives": len(rows),
        "baseline": {
            "drives": len(without),
            "harmed": sum(bool(r.harm) for r in without.values()),
            "pdms": _interval([v for _, v in scores], [s for s, _ in scores]),
        },
        "points": [_point(f, results, without, broken) for f, results in by_fault.items()],
        "broken": broken,
        "errors": errors,
    }


def _broken(result: Result, without: Result) -> str:
    harm = caused(result, without) if result.harmless else ""
    return "; ".join(part for part in (result.late, harm) if part)


def _point(
    fault: Injection,
    results: Sequence[tuple[Scene, Result]],
    without: Mapping[Scene, Result],
    broken: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    reacted = [
        r.reacted_s for _, r in results if r.within_s is not None and r.reacted_s is not None
    ]
    promised = [r.within_s for _, r in results if r.within_s is not None]
    worlds = [scene.world for scene, _ in results]
    harms = [caused(r, without[s]) for s, r in results]
    return {
        "fault": fault.name,
        "injected": str(fault),
        "value": fault.value,
        "unit": _unit(fault),
        "drives": len(results),
        "pdms": _interval([r.pdms for _, r in results], worlds),
        "harmed": sum(map(bool, harms)),
        "harm_share": _interval([float(bool(h)) for h in harms], worlds),
        "fallback_share": _interval([r.fallback_share for _, r in results], worlds),
        "reacted_s": max(reacted, default=None),
        "within_s": max(promised, default=None),
        "gated": sum(r.harmless or r.within_s is not None for _, r in results),
        "broken": sum(b["fault"] == str(fault) for b in broken),
        "reason": ENVELOPE[fault.name].reason
        if fault.name in ENVELOPE
        else "never detected, never avoided",
    }


def _unit(fault: Injection) -> str:
    units = FAULTS[fault.kind].unit.split(", ")
    return units[-1] if fault.what == "heading" else units[0]


def _interval(values: Sequence[float], worlds: Sequence[str]) -> dict[str, float | None]:
    """Mean and its 95 % interval over scenes; None where nothing is known."""
    if not values:
        return {"mean": None, "low": None, "high": None}
    low, high = bootstrap_interval(values, scenes=worlds, resamples=1000)
    ends = (low, high) if math.isfinite(low) else (None, None)
    return {"mean": sum(values) / len(values), "low": ends[0], "high": ends[1]}
