"""Two drivers, or two states of the code, over the same drives: paired differences, what can be said of each, and one line in words."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from whyway.evaluate.statistics import Difference, paired_difference, quantile_difference
from whyway.evaluate.suites.measures import (
    HEADLINE,
    QUANTILES,
    Measure,
    Result,
    label,
    labels,
    measure_of,
    measures_of,
)
from whyway.evaluate.suites.schema import SuiteError
from whyway.evaluate.suites.summary import total

MOST_BYTES = 1_000_000_000
_OF_BASELINE = ("name", "file", "seed", "verdict", "error", "metrics", "content", "report", "log")
_NO = "no difference shown"


@dataclass(frozen=True, slots=True)
class Baseline:
    """Who a driver is compared with: results with decision times as far as they are known, and their summary."""

    driver: str
    source: str
    results: tuple[Result, ...]
    summary: Mapping[str, Any]
    provenance: Mapping[str, Any]


def earlier_run(path: Path, out: Path) -> Baseline:
    """The baseline of an earlier run's folder (or its summary.json); paths of its reports are made relative to `out`.

    Raises:
      SuiteError: there is no summary of a suite, or it is that of the folder to be written.
    """
    file = path / "summary.json" if path.is_dir() else path
    folder = file.parent
    if folder.resolve() == out.resolve():
        raise SuiteError(f"{path}: is where this run's results go, too; choose another --out")
    try:
        if file.stat().st_size > MOST_BYTES:
            raise SuiteError(f"{file}: larger than {MOST_BYTES // 10**6} MB; no summary is")
        data = json.loads(file.read_text(encoding="utf-8"))
        scenes, summary = data["scenes"], data["summary"]
        results = tuple(_with_times(dict(scene), folder, out) for scene in scenes)
        driver = str(data["driver"])
        provenance = dict(data.get("provenance", {}))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SuiteError(
            f"{path}: no driver and no earlier run ({type(error).__name__}: {' '.join(str(error).split())[:80]}); "
            "give a driver, or the folder that whyway evaluate --out wrote"
        ) from None
    return Baseline(driver, str(path), results, summary, provenance)


def _with_times(scene: dict[str, Any], folder: Path, out: Path) -> dict[str, Any]:
    """A drive with the decision times of its score's file, if that is still there."""
    if not isinstance(scene["name"], str) or ("error" not in scene and "metrics" not in scene):
        raise ValueError("a scene without a name or metrics")
    below = folder
    if (
        "log" in scene
    ):  # of a run with a baseline of its own, a driver's results are in a folder of theirs
        below = folder / Path(scene["log"]).parent.parent
    score = below / "scores" / f"{Path(scene['name']).name}.json"
    for key in ("report", "log"):
        if key in scene:
            scene[key] = Path(os.path.relpath(folder / scene[key], out)).as_posix()
    if score.is_file():
        scene["decision_ms"] = json.loads(score.read_text(encoding="utf-8")).get("decision_ms", [])
    return scene


def compared(
    summary: dict[str, Any], results: Sequence[Result], baseline: Baseline | None
) -> dict[str, Any]:
    """A summary with `baseline`, `differences`, `verdict` and `overall`, over the drives of the same name.

    Args:
      summary: of `summarise`.
      results: it is of.
      baseline: None: those keys say so.
    """
    if baseline is None:
        return summary | {
            "baseline": None, "differences": {}, "verdict": None, "overall": _passes(summary),
        }  # fmt: skip
    ours, theirs, changed = _pairs(results, baseline.results)
    found = {m.name: _difference(m, ours, theirs) for m in measures_of([*ours, *theirs])}
    verdict = _verdict(found)
    told = {
        "driver": baseline.driver, "source": baseline.source, "provenance": dict(baseline.provenance),
        "summary": dict(baseline.summary),
        "scenes": [{k: r[k] for k in _OF_BASELINE if k in r} for r in baseline.results],
    }  # fmt: skip
    words = f"{_passes(summary)} {_in_words(verdict, found, len(ours), baseline)}"
    if changed:
        left = (
            "1 drive left out: its world's"
            if changed == 1
            else f"{changed} drives left out: their worlds'"
        )
        words += f" {left} files are not what they were."
    return summary | {
        "baseline": told, "differences": found, "verdict": verdict, "overall": words,
    }  # fmt: skip


def _pairs(
    ours: Sequence[Result], theirs: Sequence[Result]
) -> tuple[list[Result], list[Result], int]:
    """Drives of the same name and world, in our order; and how many have the name alone."""
    by_name = {r["name"]: r for r in theirs}
    named = [(r, by_name[r["name"]]) for r in ours if r["name"] in by_name]
    both = [(a, b) for a, b in named if len({a.get("content"), b.get("content")} - {None}) < 2]
    return [a for a, _ in both], [b for _, b in both], len(named) - len(both)


def _difference(measure: Measure, ours: Sequence[Result], theirs: Sequence[Result]) -> dict[str, Any]:  # fmt: skip
    scenes, strata = labels(ours)
    better = measure.higher_is_better
    if measure.how == "quantile":
        a, b = ([r.get("decision_ms", ()) for r in side] for side in (ours, theirs))
        found = quantile_difference(
            a, b, QUANTILES[measure.name], higher_is_better=better, scenes=scenes, strata=strata
        )
        kept = [bool(len(x)) and bool(len(y)) for x, y in zip(a, b, strict=True)]
    else:
        values = [[measure.value(r) for r in side] for side in (ours, theirs)]
        estimate = partial(
            paired_difference, *values, higher_is_better=better, scenes=scenes, strata=strata
        )
        kept = [x is not None and y is not None for x, y in zip(*values, strict=True)]
        if measure.how == "share":
            cycles = [[r.get("metrics", {}).get("cycles") or 0.0 for r in side] for side in (ours, theirs)]  # fmt: skip
            found = estimate(weights=(cycles[0], cycles[1]))
            kept = [k and bool(x) and bool(y) for k, x, y in zip(kept, *cycles, strict=True)]
        else:
            found = estimate(statistic=np.sum if measure.how == "sum" else np.mean)
    sides = [total(measure, [r for r, k in zip(side, kept, strict=True) if k]) for side in (ours, theirs)]  # fmt: skip
    return _told(measure, found, *sides)


def _told(
    measure: Measure, found: Difference, ours: float | None, theirs: float | None
) -> dict[str, Any]:
    numbers = {"mean": found.mean, "low": found.low, "high": found.high, "ours": ours, "theirs": theirs}  # fmt: skip
    plain = {k: round(v, 6) if v is not None and math.isfinite(v) else None for k, v in numbers.items()}  # fmt: skip
    return plain | {"pairs": found.pairs, "verdict": found.verdict, "better": measure.better}


# ------------------------------------------------------------------------------------------------------------ words


def _verdict(differences: Mapping[str, Mapping[str, Any]]) -> str:
    """The one over the headline numbers."""
    said = {differences[name]["verdict"] for name in HEADLINE if name in differences} - {_NO}
    if not said:
        return _NO
    return "mixed" if len(said) > 1 else str(said.pop())


def _passes(summary: Mapping[str, Any]) -> str:
    numbers = summary["summary"]
    failed = f", {numbers['errors']} did not run" if numbers["errors"] else ""
    passed, drives = numbers["passed"], numbers["scenes"]
    if "family_drives" in numbers:
        passed = numbers["family_passed"] + sum(
            s["verdict"] == "passed" and "family" not in s for s in summary["scenes"]
        )
    return f"{summary['driver']}: {passed} of {drives} drives passed{failed}."


def _in_words(
    verdict: str, differences: Mapping[str, Mapping[str, Any]], pairs: int, baseline: Baseline
) -> str:
    who = baseline.driver if baseline.source == "this run" else f"{baseline.driver} of {baseline.source}"  # fmt: skip
    if not pairs:
        return f"Nothing to compare with {who}: no drive of the same name."
    judged = {
        name: d for name, d in differences.items()
        if d["better"] and not measure_of(name).of_the_machine
    }  # fmt: skip
    parts = [f"Against {who} over the same {pairs} drives: {verdict}."]
    for word in ("better", "worse"):
        names = [name for name, d in judged.items() if d["verdict"] == word]
        if names:
            parts.append(f"{word.capitalize()} in {_list(names)}.")
    same = sum(d["verdict"] == _NO for d in judged.values())
    if same and same < len(judged):
        parts.append(f"No difference shown in the other {same}.")
    if len(judged) >= 10 and same < len(judged):
        parts.append("(Each at 95 %: of twenty numbers one differs by chance.)")
    return " ".join(parts)


def _list(names: Sequence[str], most: int = 6) -> str:
    told = [label(n) for n in names[:most]]
    if len(names) > most:
        return f"{', '.join(told)} and {len(names) - most} more"
    return " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else told[0]
