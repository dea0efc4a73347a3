"""A suite -> a scorecard: drive it, with the driver's own words and with shuffled ones; test every log; say what was found.

Writes `scorecard.json`, and a page about it into the suite's `report.html`; everything else is as `whyway evaluate` leaves it. What was
driven and tested before is not done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from whyway.driver import driver_kind
from whyway.evaluate.faithfulness.job import FaithJob
from whyway.evaluate.faithfulness.probe import Dials
from whyway.evaluate.faithfulness.scorecard import scorecard
from whyway.evaluate.faithfulness.tally import Tally
from whyway.evaluate.report.suite_page import render_suite
from whyway.evaluate.suites.drives_of import find_suite
from whyway.evaluate.suites.pools import processes
from whyway.evaluate.suites.run import Order, evaluate
from whyway.files import write_atomically

FILE = "scorecard.json"


@dataclass(slots=True)
class _State:
    """What has been tested by now, of what there is to be tested."""

    summary: dict[str, Any]
    jobs: list[FaithJob]
    found: dict[str, Tally] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def take(self, job: FaithJob, outcome: Mapping[str, Any] | BaseException) -> None:
        """What came of a job."""
        if isinstance(outcome, BaseException):
            text = " ".join(str(outcome).split())
            self.errors[job.name] = f"{type(outcome).__name__}: {text}"[:500]
        else:
            self.found[job.name] = Tally.of_json(outcome["tests"])

    def card(self, dials: Dials) -> dict[str, Any]:
        """The scorecard of what there is."""
        summary = self.summary
        results = [
            r | ({"error": self.errors[r["name"]]} if r["name"] in self.errors else {})
            for r in summary["scenes"]
        ]
        pdms = summary["differences"].get("pdms") if _rival(summary) else None
        card = scorecard(summary["driver"], results, self.found, pdms)
        done = len(self.found) + len(self.errors) == len(self.jobs)
        return card | {
            "suite": {k: summary["suite"][k] for k in ("name", "file", "seeds")},
            "shuffled": _rival(summary),
            "state": "complete" if done and summary["state"] == "complete" else "interrupted",
            "dials": asdict(dials),
            "provenance": summary["provenance"],
        }


def _rival(summary: Mapping[str, Any]) -> str:
    """Who drove with shuffled words; empty: nobody."""
    wanted = driver_kind(summary["driver"]).shuffled
    return wanted if wanted and (summary["baseline"] or {}).get("driver") == wanted else ""


def faith(
    order: Order, dials: Dials, *, shuffled: bool = True, jobs: int = 1, console: Console | None = None
) -> tuple[dict[str, Any], int]:  # fmt: skip
    """Drive and test a suite.

    Args:
      order: what is driven; a baseline of its own is not asked for.
      dials: how much is tested.
      shuffled: whether it is driven with shuffled words, too, where the driver has somebody for that.
      jobs: processes of this machine.
      console: where progress is shown.

    Returns:
      The scorecard, and the exit code: 0 only if every drive was judged and tested, and no target is missed.

    Raises:
      SuiteError: see `suites.run.evaluate`.
      KeyboardInterrupt: after the scorecard of what was tested until then was written.
    """
    order = replace(order, baseline=_shuffled(order) if shuffled else None)
    summary, _ = evaluate(order, jobs, console)
    (order.out / "faith").mkdir(exist_ok=True)
    state = _State(summary, _jobs(order, dials, summary))
    try:
        _test(state, jobs, console)
    finally:  # also when interrupted: a true scorecard of what there is
        card = state.card(dials)
        write_atomically(order.out / FILE, json.dumps(card, indent=1, allow_nan=False) + "\n")
        told = summary | {"scorecard": card}
        text = json.dumps(told, indent=1, allow_nan=False)
        write_atomically(order.out / "summary.json", text + "\n")
        write_atomically(order.out / "report.html", render_suite(told))
    return card, 0 if card["met"] and card["state"] == "complete" else 1


def _shuffled(order: Order) -> str | None:
    """Who drives with shuffled words in the place of an order's driver."""
    suite = find_suite(order.suite)
    driver = order.driver or (suite.drivers[0] if suite.drivers else "rules")
    return driver_kind(driver).shuffled or None


def _jobs(order: Order, dials: Dials, summary: Mapping[str, Any]) -> list[FaithJob]:
    """A job for every drive that was driven."""
    return [
        FaithJob(r["name"], order.out / r["log"], order.out / "faith" / f"{r['name']}.json", dials)
        for r in summary["scenes"]
        if "error" not in r
    ]


def _test(state: _State, jobs: int, console: Console | None) -> None:
    with _shown(len(state.jobs), console) as show:
        left = []
        for job in state.jobs:
            known = job.known()
            if known is None:
                left.append(job)
            else:
                state.take(job, known)
                show(job)
        for job, outcome in processes(jobs)(left) if left else ():
            state.take(job, outcome)
            show(job)


@contextmanager
def _shown(total: int, console: Console | None) -> Iterator[Any]:
    """A bar with what is left and the last one."""
    with Progress(
        TextColumn("testing"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[last]}", markup=False), console=console,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=total, last="starting")
        yield lambda job: bar.update(task, advance=1, last=job.name[:60])
