"""A suite -> a scorecard: drive it, test every log; drive it with the words of other scenes; say what was found.

Writes `scorecard.json`, and a page about it into the suite's `report.html`; everything else is as `whyway evaluate` leaves it. What was
driven and tested before is not done again.

What words are worth shows without the safety supervisor, which would brake for whoever listens to wrong ones: below `words/` the suite is
driven again by the driver and by who plans alike but says other words (`driver.DriverKind.shuffled`), both without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from whyway.driver import driver_kind
from whyway.evaluate.faithfulness.job import FaithJob, make_job
from whyway.evaluate.faithfulness.probe import Dials
from whyway.evaluate.faithfulness.scorecard import scorecard
from whyway.evaluate.faithfulness.tally import Tally
from whyway.evaluate.report.suite_page import render_suite
from whyway.evaluate.suites.pools import processes
from whyway.evaluate.suites.run import Order, evaluate
from whyway.files import write_atomically

FILE = "scorecard.json"


@dataclass(slots=True)
class _State:
    """What has been tested by now, of what there is to be tested."""

    summary: dict[str, Any]
    jobs: list[FaithJob]
    words: dict[str, Any] | None = None
    """What the suite says of the driver against who says other words."""
    found: dict[str, Tally] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    whole: bool = False
    """Whether there is nothing left to do."""

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
        words = self.words
        pdms = words["differences"].get("pdms") if words else None
        card = scorecard(summary["driver"], results, self.found, pdms)
        done = (
            len(self.found) + len(self.errors) == len(self.jobs) and summary["state"] == "complete"
        )
        return card | {
            "suite": {k: summary["suite"][k] for k in ("name", "file", "seeds")},
            "shuffled": words["baseline"]["driver"] if words else None,
            "state": "complete" if done and self.whole else "interrupted",
            "dials": asdict(dials),
            "provenance": summary["provenance"],
        }


def faith(
    order: Order, dials: Dials, *, shuffled: bool = True, jobs: int = 1, console: Console | None = None
) -> tuple[dict[str, Any], int]:  # fmt: skip
    """Drive and test a suite.

    Args:
      order: what is driven.
      dials: how much is tested.
      shuffled: whether it is driven with other words, too, where the driver has somebody for that.
      jobs: processes of this machine.
      console: where progress is shown.

    Returns:
      The scorecard, and the exit code: 0 only if every drive was judged and tested, and no target is missed.

    Raises:
      SuiteError: see `suites.run.evaluate`.
      KeyboardInterrupt: after the scorecard of what was tested until then was written.
    """
    summary, _ = evaluate(order, jobs, console)
    (order.out / "faith").mkdir(exist_ok=True)
    state = _State(summary, _jobs(order, dials, summary))
    rival = driver_kind(summary["driver"]).shuffled
    try:
        _test(state, jobs, console)
        if shuffled and rival:
            state.words = _words(order, summary["driver"], rival, jobs, console)
        state.whole = True
    finally:  # also when interrupted: a true scorecard of what there is
        card = state.card(dials)
        write_atomically(order.out / FILE, json.dumps(card, indent=1, allow_nan=False) + "\n")
        told = summary | {"scorecard": card}
        text = json.dumps(told, indent=1, allow_nan=False)
        write_atomically(order.out / "summary.json", text + "\n")
        write_atomically(order.out / "report.html", render_suite(told))
    return card, 0 if card["met"] and card["state"] == "complete" else 1


def _words(
    order: Order, driver: str, rival: str, jobs: int, console: Console | None
) -> dict[str, Any]:
    """Drive a suite with a driver's own words and with those of other scenes, nobody supervised."""
    bare = (*order.overrides, "safety.enabled=false")
    summary, _ = evaluate(
        replace(order, out=order.out / "words", driver=driver, baseline=rival, overrides=bare),
        jobs,
        console,
    )
    return summary


def _jobs(order: Order, dials: Dials, summary: Mapping[str, Any]) -> list[FaithJob]:
    """A job for every drive that was driven."""
    return [
        make_job(r["name"], order.out / r["log"], order.out / "faith" / f"{r['name']}.json", dials)
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
        if not left:
            return
        with closing(processes(jobs)(left)) as outcomes:
            for job, outcome in outcomes:
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
