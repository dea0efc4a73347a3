"""Drives of scenario families: did the ego pass, from its log alone; how many of each family did.

A family says in the log's notes what passing takes beside the verdict ("goal stop_at_line limit_slack_mps=1"); see
`worlds/scenes/family.py`, `PassSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from whyway.evaluate.drive import Drive, read_drive
from whyway.evaluate.score import SceneScore
from whyway.log import Log

STANDS_MPS = 0.3
_BEFORE_LINE_M, _BEHIND_LINE_M = 8.0, 1.5
"""Where a stop counts as one at the line, by the front."""
_GRACE_S = 0.5
"""So long one may be too fast at a border of limits."""
_ACTOR = re.compile(r"actor \d+")
"""As verdicts name actors, and as a world's notes name their parts."""
_FIGURES = re.compile(
    r" at [\d.]+ s| \(\d+ % of the way\)|[\d.]+ m/s |(?<=light )\d+ ?| \d+(?=:|;|$)"
)
"""What tells one failure from another of the same kind."""


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """One drive of a family; `reason` says why it failed, "" if it passed."""

    family: str
    seed: int
    reason: str

    @property
    def passed(self) -> bool:
        """Whether the drive was as it had to be."""
        return not self.reason


def family_result(log: Log, score: SceneScore, drive: Drive | None = None) -> FamilyResult | None:
    """The result of a drive in a family's world; None for a drive elsewhere.

    Args:
      log: of the drive.
      score: the log's.
      drive: the log's, where it is at hand.
    """
    notes = log.info.get("notes", {})
    if "family" not in notes:
        return None
    asked = dict(_words(str(notes.get("passes", ""))))
    reasons = [] if score.passed else [score.verdict.removeprefix("failed: ")]
    if "no_contact" in asked and score.driving.contacts and score.passed:
        reasons.append(f"touched actor {score.driving.contacts[0].actor_id}")
    if "goal" in asked and not score.goal_reached:
        reasons.append(f"goal not reached ({100 * score.route_completion:.0f} % of the way)")
    if "stop_at_line" in asked or "limit_slack_mps" in asked:
        drive = read_drive(log) if drive is None else drive
        if "stop_at_line" in asked and not _stopped(drive):
            reasons.append("did not stop at the stop sign")
        if "limit_slack_mps" in asked and (over := _too_fast(drive, asked["limit_slack_mps"])):
            reasons.append(f"{over:.1f} m/s above the limit")
    reason = _ACTOR.sub(lambda m: str(notes.get(m[0], m[0])), "; ".join(reasons))
    return FamilyResult(str(notes["family"]), score.seed, reason)


def _words(text: str) -> Iterator[tuple[str, float]]:
    for word in text.split():
        name, _, value = word.partition("=")
        yield name, float(value) if value else 1.0


def _stopped(drive: Drive) -> bool:
    """Whether the ego stood before the first stop sign of its route, or never came to it."""
    front = drive.route_s_m + drive.center_offset_m + drive.length_m / 2
    for s, line in drive.road.route_path.stop_lines:
        if line.is_stop_sign and s > front[0]:
            if front[-1] < s:
                return True
            near = (front > s - _BEFORE_LINE_M) & (front < s + _BEHIND_LINE_M)
            return bool((np.abs(drive.v_mps[near]) < STANDS_MPS).any())
    return True


def _too_fast(drive: Drive, slack_mps: float) -> float:
    """By how much the ego exceeded the limit and the slack for longer than the grace; 0 if it did not."""
    over = drive.v_mps - drive.road.route_path.limit_at(drive.route_s_m) - slack_mps
    window = round(_GRACE_S / drive.dt_s) + 1
    if len(over) < window:
        return 0.0
    lasting = np.lib.stride_tricks.sliding_window_view(over, window).min(axis=-1)
    return max(float(lasting.max()), 0.0)


# ----------------------------------------------------------------------------------------------------------- tables


def family_entry(log: Log, score: SceneScore, drive: Drive | None = None) -> dict[str, Any]:
    """What a suite's result of one drive says of its family: for the score's JSON; empty elsewhere."""
    found = family_result(log, score, drive)
    if found is None:
        return {}
    return {"family": found.family, "family_passed": found.passed, "family_reason": found.reason}


def family_summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Drives and passes over all families, the worst family, and each family's; nothing if there are none."""
    by = _by_family(results)
    if not by:
        return {}
    rates = {name: sum(map(_passed, rows)) / len(rows) for name, rows in by.items()}
    drives = sum(len(rows) for rows in by.values())
    passed = sum(_passed(r) for rows in by.values() for r in rows)
    worst = min(rates, key=lambda name: (rates[name], name))
    return {
        "family_drives": drives,
        "family_passed": passed,
        "family_pass_rate": passed / drives,
        "family_worst": worst,
        "family_worst_rate": rates[worst],
        "families": {name: round(rate, 4) for name, rate in rates.items()},
    }


def family_table(results: Sequence[Mapping[str, Any]]) -> Table | None:
    """A line for each family with the failures by reason and seed, for a terminal; None if there are none."""
    by = _by_family(results)
    if not by:
        return None
    total = family_summary(results)
    title = (
        f"{len(by)} families, {total['family_passed']} of {total['family_drives']} drives passed "
        f"({100 * total['family_pass_rate']:.1f} %)"
    )
    style = "bold green" if total["family_passed"] == total["family_drives"] else "bold red"
    table = Table(
        title=title, title_justify="left", title_style=style, box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("family")
    table.add_column("passed", justify="right")
    table.add_column("failures (seeds)")
    for name in sorted(by, key=lambda n: (total["families"][n], n)):  # the worst first
        rows = by[name]
        count = sum(map(_passed, rows))
        share = count / len(rows)
        color = "green" if share >= 0.85 else "yellow" if share >= 0.5 else "red"
        table.add_row(name, f"[{color}]{count}/{len(rows)}[/]", "\n".join(_failures(rows)))
    return table


def _failures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Seeds by reason; numbers are left out of reasons so that the same failure is one line."""
    seeds: dict[str, list[int]] = {}
    for row in rows:
        if not _passed(row):
            reason = str(row.get("family_reason") or f"error: {row.get('error', 'unknown')}")
            kind = _FIGURES.sub("", reason)
            seeds.setdefault(kind[:80], []).append(int(row.get("seed", 0)))
    return [f"{kind}: {', '.join(map(str, sorted(found)))}" for kind, found in seeds.items()]


def _passed(row: Mapping[str, Any]) -> bool:
    return bool(row.get("family_passed", False))


def _by_family(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Results by family, those that failed to run included."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in results:
        name = row.get("family")
        if name is None and str(row.get("file", "")).startswith("family:"):
            name = str(row["file"]).removeprefix("family:").partition("@")[0]
        if name is not None:
            found.setdefault(str(name), []).append(row)
    return found
