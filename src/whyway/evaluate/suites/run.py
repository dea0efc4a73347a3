"""Many scenes, some processes: drive each, judge each from its log, and say it in `summary.json` and `report.html`.

A scene that crashes is an error in the summary, with a score of 0, and the suite's exit code is 1. What was judged before a kill is
not driven again: a score is reused if driver, seed, configuration, scene file and the code of the package are the same.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import whyway
from whyway.config import Config, config_hash
from whyway.evaluate.report.page import write_report
from whyway.evaluate.suites.family_table import family_entry, suite_rows
from whyway.evaluate.suites.summary import render_summary, summarise
from whyway.evaluate.supervision import stage_times
from whyway.files import write_atomically
from whyway.log import read_log
from whyway.maps.leaderboard import is_route_spec, read_routes
from whyway.types import InputError

Run = Callable[[str, str, int, Config, Path], object]
"""Drives one scene and logs it: scene, driver, seed, configuration, log path. Must be importable by name: it runs in other processes."""

ENDINGS = (".xml", ".xml.gz")
DIED = "the process died: killed, or out of memory"


class SuiteError(InputError):
    """A suite that cannot be run; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Job:
    """One scene with one seed, and everything needed to drive and judge it elsewhere."""

    scene: str
    name: str
    driver: str
    seed: int
    config: Config
    out: Path
    key: str
    run: Run

    @property
    def log_path(self) -> Path:
        """Where its log goes."""
        return self.out / "logs" / f"{self.name}.mcap"

    @property
    def score_path(self) -> Path:
        """Where its score goes."""
        return self.out / "scores" / f"{self.name}.json"


SUITES = Path(__file__).parent
"""Suites that come with the package, by the name of their file."""


def worlds_of(suite: Path, seeds: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Every scene of a suite with its seeds: 1 to `seeds`, or those that its row in a YAML file gives.

    A suite that comes with the package ("families") is known by its name.

    Raises:
      SuiteError: no such suite, or there is nothing in it.
    """
    suite = _named(suite)
    every = tuple(range(1, seeds + 1))
    if suite.suffix in (".yaml", ".yml") and suite.is_file():
        data = _yaml(suite)
        if isinstance(data, Mapping) and "rows" in data:
            return tuple((spec, own or every) for spec, own in suite_rows(data, suite.parent))
    return tuple((scene, every) for scene in scenes_of(suite))


def _named(suite: Path) -> Path:
    own = SUITES / f"{suite}.yaml"
    return own if not suite.exists() and own.is_file() else suite


def _yaml(suite: Path) -> Any:
    try:
        return yaml.safe_load(suite.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SuiteError(
            f"{suite}: not readable as YAML: {' '.join(str(error).split())}"
        ) from error


def scenes_of(suite: Path) -> tuple[str, ...]:
    """The scenes of a suite: the files below a directory, one file, or `scenes:` of a YAML file.

    Files are CommonRoad scenes or CARLA leaderboard routes; of the latter every route is a scene of its own, unless one is named
    (`longest6.xml#3`). In YAML, paths are relative to the file, and what is no file ("town", "family:cut_in") is a world's name.

    Raises:
      SuiteError: no such suite, or there are no scenes in it.
    """
    if suite.is_dir():
        found = sorted(str(p) for p in suite.rglob("*") if p.name.endswith(ENDINGS) and p.is_file())
        if not found:
            raise SuiteError(f"{suite}: holds no CommonRoad file (.xml, .xml.gz)")
        return tuple(one for path in found for one in _routes_of(path))
    if is_route_spec(str(suite)):
        return _routes_of(str(suite))
    if not suite.is_file():
        raise SuiteError(
            f"{suite}: no such suite; give a folder of CommonRoad files, a leaderboard route file, a YAML file, "
            f"or one of: {', '.join(sorted(p.stem for p in SUITES.glob('*.yaml')))}"
        )
    if suite.name.endswith(ENDINGS):
        return _routes_of(str(suite))
    data = _yaml(suite)
    scenes = data.get("scenes") if isinstance(data, Mapping) else None
    if not isinstance(scenes, list) or not scenes or not all(isinstance(s, str) for s in scenes):
        raise SuiteError(f"{suite}: needs a list, scenes: [town, some/scene.xml, ...]")
    paths = [s if _is_name(s) else str(suite.parent / s) for s in scenes]
    return tuple(one for path in paths for one in _routes_of(path))


def _is_name(scene: str) -> bool:
    """Whether a scene of a YAML file names a world that is no file."""
    return scene == "town" or scene.startswith("family:")


def _routes_of(scene: str) -> tuple[str, ...]:
    """Every route of a leaderboard file; the scene itself if it is anything else, or one route."""
    if "#" in scene or not is_route_spec(scene):
        return (scene,)
    return tuple(f"{scene}#{route.id}" for route in read_routes(Path(scene)))


def evaluate(
    suite: Path, driver: str, seeds: int, jobs: int, out: Path, run: Run,
    config: Config, provenance: Mapping[str, Any], console: Console | None = None,
) -> tuple[dict[str, Any], int]:  # fmt: skip
    """Drive and judge a suite.

    Args:
      suite: see `scenes_of`.
      driver: who drives.
      seeds: every scene is driven with seeds 1 to this, unless the suite says which.
      jobs: processes.
      out: folder for logs, scores, reports, `summary.json` and `report.html`.
      run: drives one scene.
      config: the whole tree.
      provenance: what the summary says of where it comes from (git, versions).
      console: where progress is shown.

    Returns:
      The summary, and the exit code: 0 only if every scene was judged.

    Raises:
      SuiteError: no such suite, or nothing in it.
    """
    if seeds < 1 or jobs < 1:
        raise SuiteError("seeds and jobs must be at least 1")
    todo = _jobs(worlds_of(suite, seeds), suite, driver, out, run, config)
    results: dict[str, dict[str, Any]] = {}
    with _progress(console) as progress:
        task = progress.add_task("", total=len(todo), last="starting")
        for job, result in _results(todo, jobs):
            results[job.name] = result
            progress.update(task, advance=1, last=f"{job.name}: {_told(result)}"[:80])
            # always a true state on disk, whatever happens next
            ordered = [results[j.name] for j in todo if j.name in results]
            whole = {"suite": str(suite), "seeds": seeds, "config_hash": config_hash(config)}
            summary = summarise(driver, ordered, {**provenance, **whole})
            write_atomically(out / "summary.json", json.dumps(summary, indent=1) + "\n")
    write_atomically(out / "report.html", render_summary(summary))
    return summary, 1 if summary["summary"]["errors"] else 0


def _told(result: Mapping[str, Any]) -> str:
    """A result in a few words."""
    if "error" in result:
        return str(result["error"])
    m = result["metrics"]
    if "family_passed" in result:
        return "passed" if result["family_passed"] else str(result["family_reason"])
    if "carla_driving_score" in m:
        return f"score {m['carla_driving_score']:.1f}, {m['carla_status']}"
    return f"PDMS {m['pdms']:.3f}"


def _jobs(
    scenes: tuple[tuple[str, tuple[int, ...]], ...],
    suite: Path,
    driver: str,
    out: Path,
    run: Run,
    config: Config,
) -> list[Job]:
    for folder in ("logs", "scores", "scenes"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    root = suite if suite.is_dir() else suite.parent
    code, tree = _code_hash(), config_hash(config)
    found = []
    for scene, seeds in scenes:
        file, mark, number = scene.rpartition("#") if "#" in scene else (scene, "", "")
        path = Path(file)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else file
        within = path.relative_to(root) if path.is_relative_to(root) else path
        stem = "__".join(within.parts).replace("/", "").removesuffix(".gz").removesuffix(".xml")
        stem = re.sub(r"[^\w.+-]+", "-", f"{stem}-{number}" if mark else stem)
        for seed in seeds:
            parts = (driver, str(seed), tree, code, content, number)
            key = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
            found.append(Job(scene, f"{stem}-seed{seed}", driver, seed, config, out, key, run))
    return found


def _code_hash() -> str:
    """SHA-256 of the package's source: a result of other code is no result of this one."""
    root = Path(whyway.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _progress(console: Console | None) -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}", markup=False),
        console=console,
    )


# ------------------------------------------------------------------------------------------------- in the parent


def _results(todo: list[Job], processes: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    left = []
    for job in todo:
        known = _known(job)
        if known is None:
            left.append(job)
        else:
            yield job, known
    if not left:
        return
    suspects = []
    for job, future in _submitted(left, min(processes, len(left))):
        if isinstance(future.exception(), BrokenProcessPool):
            suspects.append(job)
        else:
            yield job, _result(job, future)
    # a process that dies takes all of its pool along: find out which job it was, one at a time
    for suspect in suspects:
        for job, future in _submitted([suspect], 1):
            yield job, _result(job, future)


def _submitted(jobs: list[Job], processes: int) -> Iterator[tuple[Job, Future[dict[str, Any]]]]:
    """Every job with its future, as they are done."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_worker) as pool:
        try:
            futures = {pool.submit(drive_and_judge, job): job for job in jobs}
            for future in as_completed(futures):
                yield futures[future], future
        except BaseException:  # interrupted: the pool would first wait for every job
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _known(job: Job) -> dict[str, Any] | None:
    """The score of an earlier run of the very same thing."""
    if not job.score_path.is_file():
        return None
    try:
        found = json.loads(job.score_path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) and found.get("key") == job.key else None


def _result(job: Job, future: Future[dict[str, Any]]) -> dict[str, Any]:
    error = future.exception()
    if error is None:
        return future.result()
    died = isinstance(error, BrokenProcessPool)
    text = DIED if died else f"{type(error).__name__}: {' '.join(str(error).split())}"
    path = job.out / "scenes" / f"{job.name}.error.txt"
    write_atomically(path, DIED if died else "".join(traceback.format_exception(error)))
    return {
        "name": job.name,
        "file": job.scene,
        "seed": job.seed,
        "verdict": "error",
        "error": text,
    }


# --------------------------------------------------------------------------------------------------- in a worker


def _worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's process waits for jobs for ever, also when nobody is left to give it one."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def drive_and_judge(job: Job) -> dict[str, Any]:
    """Drive one scene, judge it, write its score and report. Runs in a process of its own."""
    job.run(job.scene, job.driver, job.seed, job.config, job.log_path)
    log = read_log(job.log_path)
    folder = job.out / "scenes" / job.name
    score = write_report(log, folder)
    result = score.to_json() | {
        "name": job.name,
        "file": job.scene,
        "key": job.key,
        "report": (folder / "report.html").relative_to(job.out).as_posix(),
        "decision_ms": [round(ms, 3) for ms in stage_times(log).get("decision", [])],
        **family_entry(log, score),
    }
    write_atomically(job.score_path, json.dumps(result) + "\n")
    return result
