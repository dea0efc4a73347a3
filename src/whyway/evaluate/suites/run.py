"""Many drives, some processes or machines: drive each, judge each from its log, and say it in `summary.json` and `report.html`.

A drive that crashes is an error in the summary, with a score of 0, and the suite's exit code is 1. What was judged before a kill is
not driven again: a score is reused if driver, seed, length, configuration, the world's files and the code of the package are the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from whyway.config import Config, config_hash, override, override_texts
from whyway.driver import DEFAULT_DRIVER, DRIVERS, driver_config
from whyway.evaluate.report.suite_page import render_suite
from whyway.evaluate.suites.compare import Baseline, compared, earlier_run
from whyway.evaluate.suites.drives_of import Item, drives_of, find_suite
from whyway.evaluate.suites.job import Job, Run, known, make_job, result_of
from whyway.evaluate.suites.pools import Pool, processes
from whyway.evaluate.suites.schema import Suite, SuiteError
from whyway.evaluate.suites.summary import summarise
from whyway.files import write_atomically

SHARE_OF_TIME = 0.05
"""Of the time goes into summaries that a later one replaces."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be evaluated.

    Attributes:
      suite: path or name, see `drives_of.find_suite`.
      out: folder for logs, scores, reports, `summary.json` and `report.html`.
      run: drives one scene.
      driver: who drives; None: who the suite names first, or the rules.
      baseline: another driver, who drives the same in this run, or the folder of an earlier run; None: whom the suite names second.
      seeds: every scene is driven with seeds 1 to this, unless the suite says which.
      config: the tree that the suite's dials are laid over.
      overrides: dials laid over those, as `key=value`.
      provenance: what the summary says of where it comes from (git, versions).
    """

    suite: Path
    out: Path
    run: Run
    driver: str | None = None
    baseline: str | None = None
    seeds: int = 1
    config: Config = field(default_factory=Config)
    overrides: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _State:
    """A suite on its way: what is to be done, and what has come of it, by driver and drive."""

    order: Order
    suite: Suite
    driver: str
    rival: str | None
    earlier: Baseline | None
    jobs: list[Job]
    results: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def take_known(self) -> list[Job]:
        """Take the scores that lie on disk already; the jobs that are left."""
        left = []
        for job in self.jobs:
            if (job.driver, job.name) not in self.results:
                found = known(job)
                if found is None:
                    left.append(job)
                else:
                    self.results[job.driver, job.name] = found
        return left

    def of(self, driver: str) -> list[dict[str, Any]]:
        """A driver's results in the order of the suite, their paths relative to the suite's folder."""
        found = []
        for job in self.jobs:
            result = self.results.get((driver, job.name)) if job.driver == driver else None
            if result is not None:
                below = job.out.relative_to(self.order.out)
                paths = {
                    k: (below / result[k]).as_posix() for k in ("report", "log") if k in result
                }
                found.append(result | paths)
        return found

    def summary(self) -> dict[str, Any]:
        """All that is known by now, as `summary.json` has it."""
        results = self.of(self.driver)
        found = summarise(self.driver, results, self._provenance())
        baseline = self.earlier
        if self.rival is not None:
            theirs = self.of(self.rival)
            numbers = summarise(self.rival, theirs, {})["summary"]
            baseline = Baseline(self.rival, "this run", tuple(theirs), numbers, self._provenance())
        found = compared(found, results, baseline)
        done = len(self.results)
        asks = [
            {"metric": name, "min": ask.min, "max": ask.max, "value": value, "met": ask.met(value)}
            for name, ask in self.suite.asks.items()
            for value in (_asked(found["summary"], name),)
        ]
        file, seeds = str(self.order.suite), self.order.seeds
        return found | {
            "suite": {"name": self.suite.name, "about": self.suite.about, "file": file, "seeds": seeds},
            "state": "complete" if done == len(self.jobs) else "interrupted",
            "drives": {"wanted": len(self.jobs), "done": done},
            "asks": asks,
        }  # fmt: skip

    def write(self, summary: Mapping[str, Any]) -> None:
        """Put a summary where everybody looks for it."""
        text = json.dumps(summary, indent=1, allow_nan=False)
        write_atomically(self.order.out / "summary.json", text + "\n")

    def _provenance(self) -> dict[str, Any]:
        tree = config_hash(driver_config(self.driver, _config(self.order, ())))
        own = {"suite": str(self.order.suite), "seeds": self.order.seeds, "config_hash": tree}
        return {**self.order.provenance, **own}


def _asked(numbers: Mapping[str, Any], name: str) -> float | None:
    value = numbers.get(name)
    return value if isinstance(value, (int, float)) else None


def evaluate(
    order: Order, pool: Pool | int = 1, console: Console | None = None
) -> tuple[dict[str, Any], int]:
    """Drive and judge a suite.

    Args:
      order: what.
      pool: where: a number of processes, or another pool.
      console: where progress is shown.

    Returns:
      The summary, and the exit code: 0 only if every drive was judged and all that the suite asks for is met.

    Raises:
      SuiteError: no such suite, driver or baseline, or nothing to drive.
      KeyboardInterrupt: after the summary of what was judged until then was written.
    """
    if order.seeds < 1 or (isinstance(pool, int) and pool < 1):
        raise SuiteError("seeds and jobs must be at least 1")
    state = _state(order)
    left = state.take_known()
    try:
        _drive(state, left, processes(pool) if isinstance(pool, int) else pool, console)
    finally:  # also when interrupted: a valid summary of what there is
        state.take_known()
        summary = state.summary()
        state.write(summary)
        write_atomically(order.out / "report.html", render_suite(summary))
    if state.rival is not None:
        for driver in (state.driver, state.rival):
            _write_own(state, driver)
    failed = any("error" in r for r in state.results.values())
    return summary, 1 if failed or not all(ask["met"] for ask in summary["asks"]) else 0


def _state(order: Order) -> _State:
    """Who drives what, checked before anything starts."""
    suite = find_suite(order.suite)
    driver = order.driver or (suite.drivers[0] if suite.drivers else DEFAULT_DRIVER)
    driver_config(driver, order.config)  # is there such a one?
    rival = order.baseline
    if rival is None and len(suite.drivers) == 2 and suite.drivers[1] != driver:
        rival = suite.drivers[1]
    earlier = None
    if rival is not None and rival not in DRIVERS:
        if not Path(rival).exists():
            raise SuiteError(
                f"--baseline {rival}: no driver ({', '.join(DRIVERS)}) and no folder of an earlier run"
            )
        earlier, rival = earlier_run(Path(rival), order.out), None
    if rival == driver:
        raise SuiteError(
            f"--baseline {rival}: is who drives; give another driver, or the folder of an earlier run"
        )
    items = drives_of(suite, order.suite, order.seeds)
    jobs = [job for item in items for job in _jobs(order, item, driver, rival)]
    for job in jobs[: 1 if rival is None else 2]:
        for folder in ("logs", "scores", "scenes"):
            (job.out / folder).mkdir(parents=True, exist_ok=True)
    return _State(order, suite, driver, rival, earlier, jobs)


def _jobs(order: Order, item: Item, driver: str, rival: str | None) -> Iterator[Job]:
    """The item's drive by each driver; both have folders of their own if there are two."""
    config = _config(order, item.dials)
    for name in [driver] if rival is None else [driver, rival]:
        out = order.out if rival is None else order.out / name
        yield make_job(item, name, driver_config(name, config), out, order.run)


def _config(order: Order, dials: Sequence[Mapping[str, Any]]) -> Config:
    config = order.config
    for values in dials:
        config = override(config, values, "set")
    return override_texts(config, order.overrides)


def _drive(state: _State, jobs: list[Job], pool: Pool, console: Console | None) -> None:
    if not jobs:
        return
    written, cost = time.monotonic(), 0.0
    with _shown(state, console) as show, closing(pool(jobs)) as outcomes:
        for job, outcome in outcomes:
            result = result_of(job, outcome)
            state.results[job.driver, job.name] = result
            show(job, result)
            now = time.monotonic()
            if now - written > max(2.0, cost / SHARE_OF_TIME):  # a true state on disk meanwhile
                state.write(state.summary())
                written = time.monotonic()
                cost = written - now


def _write_own(state: _State, driver: str) -> None:
    """A driver's own summary in its own folder, so that it can be the baseline of a later run."""
    out = state.order.out / driver
    own = [
        state.results[driver, j.name]
        for j in state.jobs
        if j.driver == driver and (driver, j.name) in state.results
    ]
    summary = compared(summarise(driver, own, state.order.provenance), own, None)
    write_atomically(out / "summary.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")


# --------------------------------------------------------------------------------------------------------- progress


@contextmanager
def _shown(state: _State, console: Console | None) -> Iterator[Any]:
    """A bar with what is left, how many failed, and the last one."""
    with Progress(
        BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[failed]}"), TextColumn("{task.fields[last]}", markup=False), console=console,
    ) as bar:  # fmt: skip
        failed = sum(map(_failed, state.results.values()))
        task = bar.add_task(
            "", total=len(state.jobs), completed=len(state.results), last="starting",
            failed=_failures(failed),
        )  # fmt: skip

        def show(job: Job, result: Mapping[str, Any]) -> None:
            nonlocal failed
            failed += _failed(result)
            who = f"{job.driver}, " if state.rival is not None else ""
            last = f"{who}{job.name}: {_told(result)}"[:70]
            bar.update(task, advance=1, last=last, failed=_failures(failed))

        yield show


def _failures(count: int) -> str:
    return f"[red]{count} failed[/]" if count else "[green]0 failed[/]"


def _failed(result: Mapping[str, Any]) -> bool:
    return not result.get("family_passed", result["verdict"] == "passed")


def _told(result: Mapping[str, Any]) -> str:
    """A result in a few words."""
    if "error" in result:
        return str(result["error"])
    m = result["metrics"]
    if "family_passed" in result:
        return "passed" if result["family_passed"] else str(result["family_reason"])
    if "carla_driving_score" in m:
        return f"score {m['carla_driving_score']:.1f}, {m['carla_status']}"
    return f"PDMS {m['pdms']:.3f}" if m.get("pdms") is not None else str(result["verdict"])
