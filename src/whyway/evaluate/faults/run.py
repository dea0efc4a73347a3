"""Drive a suite of faults over processes, and sum it up: every scene without a fault once, then with each.

What was judged before an interruption is not driven again: `results.jsonl` keeps every result with a key of code, configuration,
driver, scene and fault.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyway.config import Config, config_hash
from whyway.drives import drive
from whyway.evaluate.faults.judge import Result, judge
from whyway.evaluate.faults.suite import FaultSuite, Scene
from whyway.evaluate.faults.summary import Row, summarise
from whyway.evaluate.suites.job import code_hash
from whyway.log import read_log
from whyway.worlds import make_world
from whyway.worlds.faults import Injection

Progress = Callable[[int, int, str], None]
"""Called after every drive: how many are done, of how many, and what the last one came to."""


@dataclass(frozen=True, slots=True)
class Job:
    """One drive; `fault` None: without one."""

    scene: Scene
    fault: Injection | None
    driver: str
    config: Config
    log_path: Path

    @property
    def key(self) -> str:
        """The same only for the same drive by the same code."""
        parts = (
            code_hash(),
            config_hash(self.config),
            self.driver,
            repr(self.scene),
            str(self.fault),
        )
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def run(
    suite: FaultSuite, driver: str, config: Config, out: Path, jobs: int, told: Mapping[str, Any],
    progress: Progress = lambda done, of, last: None,
) -> dict[str, Any]:  # fmt: skip
    """Drive and judge everything a suite asks for.

    Args:
      suite: what to drive.
      driver: who drives.
      config: the whole tree.
      out: folder; logs of drives that broke a promise are kept under `logs`.
      jobs: processes.
      told: what the summary says of where it comes from.
      progress: see `Progress`.

    Returns:
      The summary, as plain values; see `summarise`.

    Raises:
      InputError: a world that there is not; one line.
    """
    for scene in suite.scenes:  # what cannot be made is refused before anything is driven
        make_world(scene.world, scene.seed, config, scene.duration_s)
    (out / "logs").mkdir(parents=True, exist_ok=True)
    todo = [
        Job(scene, fault, driver, config, out / "logs" / f"{_name(scene, fault)}.mcap")
        for fault in (None, *suite.faults)
        for scene in suite.scenes
    ]
    rows: list[Row] = []
    for job, result in _known_or_driven(todo, jobs, out / "results.jsonl"):
        rows.append(Row(job.scene, job.fault, result))
        said = result if isinstance(result, str) else result.late or result.harm or "no harm"
        progress(len(rows), len(todo), f"{job.scene} {job.fault or 'without a fault'}: {said}")
    order = {(job.scene, str(job.fault)): k for k, job in enumerate(todo)}
    rows.sort(key=lambda r: order[r.scene, str(r.fault)])
    summary = summarise(rows, {"driver": driver, **told})
    _tidy(todo, {(b["scene"], b["fault"]) for b in summary["broken"]})
    return summary


def _name(scene: Scene, fault: Injection | None) -> str:
    text = f"{scene.world}-{scene.seed}-{fault or 'none'}"
    return "".join(c if c.isalnum() or c in "-+." else "_" for c in text)


def _tidy(todo: Sequence[Job], broken: set[tuple[str, str]]) -> None:
    """Keep the logs that somebody will want to look at."""
    for job in todo:
        if (str(job.scene), str(job.fault)) not in broken:
            job.log_path.unlink(missing_ok=True)


def _known_or_driven(
    todo: Sequence[Job], jobs: int, path: Path
) -> Iterator[tuple[Job, Result | str]]:
    known = _known(path)
    yield from ((job, known[job.key]) for job in todo if job.key in known)
    with path.open("a", encoding="utf-8") as file:
        for job, result in _results([job for job in todo if job.key not in known], jobs):
            if isinstance(result, Result):
                line = {"key": job.key, "scene": str(job.scene), "fault": str(job.fault)}
                file.write(json.dumps({**line, "result": result.to_json()}) + "\n")
                file.flush()
            yield job, result


def _known(path: Path) -> dict[str, Result]:
    """Results of an earlier run; a line that was cut off is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            found[str(row["key"])] = Result(**row["result"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _results(todo: Sequence[Job], jobs: int) -> Iterator[tuple[Job, Result | str]]:
    if jobs == 1 or not todo:
        for job in todo:
            yield job, drive_and_judge(job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_worker) as pool:
        try:
            futures = {pool.submit(drive_and_judge, job): job for job in todo}
            for future in as_completed(futures):
                error = future.exception()
                found = (
                    future.result() if error is None else f"error: {type(error).__name__}: {error}"
                )
                yield futures[future], found
        except BaseException:  # interrupted: the pool would first wait for every job
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback


def drive_and_judge(job: Job) -> Result:
    """One drive and what came of it; in a process of its own."""
    scene, inject = job.scene, () if job.fault is None else (job.fault,)
    drive(
        scene.world,
        job.driver,
        scene.seed,
        job.config,
        job.log_path,
        scene.duration_s,
        None,
        inject,
    )
    return judge(read_log(job.log_path), job.fault)
