"""Scores of many drives -> one summary: means, shares over all cycles, pooled latencies, each with its interval.

`summary.json` (schema 2), which the page, the table, gates and a later run's `--baseline` read:

    schema        2
    suite         {name, about, file, seeds}; the file as given, the seeds of rows that have none of their own
    driver        who was judged
    state         "complete", or "interrupted" (then `drives` says how far it came)
    drives        {wanted, done}
    verdict       null without a baseline; else "better", "worse", "mixed" or "no difference shown", by the headline numbers
    overall       one line in words: what passed, what failed, what differs from the baseline
    asks          [{metric, min, max, value, met}]: what the suite's file asks for; min or max is null where it asks for one
    provenance    {git, versions, suite, seeds, config_hash}
    scenes        [one a drive; a failed one as {name, file, seed, verdict: "error", error}, others as
                   SceneScore.to_json() and
                     name     unique in the suite ("cut_in-seed3"); the same drive of the baseline has the same name
                     file     the world ("family:cut_in", "scenes/USA_1.xml", "longest6.xml#3")
                     scene    what is drawn anew for intervals: drives of one scene share it
                     stratum  what scenes are drawn within ("family:cut_in"; "" for scene files)
                     content  hash of the world's files: drives of other content are not compared
                     report   path of its report.html, log  path of its .mcap; both relative to summary.json
                     family, family_passed, family_reason   where it is of a family; carla   where it is a route]
    summary       {metric: number or null, and intervals: {metric: [low, high]}}, an infinite end as null: nothing excluded
    baseline      null, or {driver, source, provenance, summary, scenes}; scenes with name, file, seed, verdict, error, metrics,
                  content, report and log only. source is "this run" or the folder of the earlier run
    differences   {} without a baseline, or {metric: {mean, low, high, pairs, verdict, better, ours, theirs}}: ours - theirs over the drives
                  of the same name; verdict "better", "worse", "no difference shown", or "higher", "lower" where neither is
                  good; better is "high", "low" or null; ours and theirs are the values over those drives
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from whyway.evaluate.statistics import (
    bootstrap_interval,
    never_seen,
    quantile_interval,
)
from whyway.evaluate.suites.family_table import family_summary
from whyway.evaluate.suites.measures import (
    QUANTILES,
    Measure,
    Result,
    labels,
    measures_of,
)
from whyway.evaluate.suites.route_table import route_summary

SCHEMA = 2
_NOT_TOLD = ("decision_ms", "key")
"""Of a drive's score: too much, or of no use to a reader."""


def summarise(
    driver: str, results: Sequence[Result], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The summary of some results, each a `SceneScore` as JSON, or {name, file, seed, verdict, error}.

    A drive with an error counts 0 in scores (PDMS, route completion, pass rate ...): what does not run does not drive.

    Returns:
      What `summary.json` holds of one driver; `compare.compared` and `run.evaluate` add the rest.
    """
    judged = [r for r in results if "error" not in r]
    measures = measures_of(results)
    goals = [g for r in judged if (g := r["metrics"].get("goal_reached")) is not None]
    hit = [r["metrics"].get("at_fault_collisions") or 0 for r in judged]
    numbers = {
        "scenes": len(results),
        "errors": len(results) - len(judged),
        "passed": sum(r["verdict"] == "passed" for r in judged),
        **{m.name: total(m, results) for m in measures},
        "scenes_with_at_fault_collision": sum(n > 0 for n in hit),
        "goals_that_count": len(goals),
        "goals_reached": sum(map(bool, goals)),
        **route_summary(results),
        **family_summary(results),
    }
    scenes, strata = labels(results)
    told = [
        {k: v for k, v in r.items() if k not in _NOT_TOLD} | {"scene": scene, "stratum": stratum}
        for r, scene, stratum in zip(results, scenes, strata, strict=True)
    ]
    rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in numbers.items()}
    rounded["intervals"] = {m.name: ends(*interval(m, results)) for m in measures}
    return {
        "schema": SCHEMA, "driver": driver, "provenance": dict(provenance), "scenes": told, "summary": rounded,
    }  # fmt: skip


def total(measure: Measure, results: Sequence[Result]) -> float | int | None:
    """A number over all drives; None where no drive has it."""
    if measure.how == "quantile":
        times = [ms for r in results for ms in r.get("decision_ms", ())]
        return float(np.quantile(times, QUANTILES[measure.name])) if times else None
    pairs = [(v, r) for r in results if (v := measure.value(r)) is not None]
    values = [v for v, _ in pairs]
    if measure.how == "sum":
        return int(sum(values))
    if measure.how == "share":
        cycles = [_cycles(r) for _, r in pairs]
        whole = sum(cycles)
        weighted = (v * c for v, c in zip(values, cycles, strict=True))
        return sum(weighted) / whole if whole else None
    return sum(values) / len(values) if values else None


def interval(measure: Measure, results: Sequence[Result]) -> tuple[float, float]:
    """The 95 % interval of `total`, over scenes."""
    if measure.how == "quantile":
        series = [r.get("decision_ms", ()) for r in results]
        return quantile_interval(series, QUANTILES[measure.name])
    scenes, strata = labels(results)
    values = [measure.value(r) for r in results]
    known = {v for v in values if v is not None}
    if measure.event and known in ({0.0}, {1.0}) and (measure.how != "sum" or known == {0.0}):
        drawn = {s for s, v in zip(scenes, values, strict=True) if v is not None}
        return _certain(measure, known.pop(), len(drawn))
    estimate = partial(bootstrap_interval, values, scenes=scenes, strata=strata)
    if measure.how == "share":
        return estimate(weights=[_cycles(r) for r in results])
    return estimate(statistic=np.sum if measure.how == "sum" else np.mean)


def _certain(measure: Measure, value: float, scenes: int) -> tuple[float, float]:
    """The interval of what was the same, 0 or 1, in all scenes; see `statistics.never_seen`."""
    other = never_seen(scenes)
    if measure.how == "sum":  # over as many scenes, each with one at most
        return 0.0, scenes * other
    return value * (1.0 - other), value + (1.0 - value) * other


def _cycles(result: Result) -> float:
    return float(result.get("metrics", {}).get("cycles") or 0)


def ends(low: float, high: float) -> list[float | None]:
    """An interval as JSON has it: an infinite end is null."""
    return [round(x, 6) if math.isfinite(x) else None for x in (low, high)]
