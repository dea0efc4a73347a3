"""One drive of a suite, with everything needed to drive and judge it in another process or on another machine."""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import whyway
from whyway.config import Config, config_hash
from whyway.driver import driver_kind
from whyway.evaluate.report.page import write_report
from whyway.evaluate.suites.drives_of import Item
from whyway.evaluate.suites.family_table import family_entry
from whyway.evaluate.suites.pools import DIED, DeadError, Outcome
from whyway.evaluate.supervision import stage_times
from whyway.files import write_atomically
from whyway.log import read_log
from whyway.reason.checkpoint import find_model
from whyway.types import InputError

Run = Callable[[str, str, int, Config, Path, float | None], object]
"""Drives one scene and logs it: scene, driver, seed, configuration, log path, duration. Must be importable by name: it runs elsewhere."""


@dataclass(frozen=True, slots=True)
class Job:
    """One scene with one seed and one driver.

    `out` is the folder of this driver's results; `content` tells the world's files; `key` is the same only for the same drive by
    the same code.
    """

    item: Item
    driver: str
    config: Config
    out: Path
    content: str
    key: str
    run: Run

    @property
    def name(self) -> str:
        """As the item's."""
        return self.item.name

    @property
    def log_path(self) -> Path:
        """Where its log goes."""
        return self.out / "logs" / f"{self.name}.mcap"

    @property
    def written(self) -> Path:
        """Its log is there once it is done."""
        return self.log_path

    @property
    def score_path(self) -> Path:
        """Where its score goes."""
        return self.out / "scores" / f"{self.name}.json"

    def do(self) -> dict[str, Any]:
        """Drive and judge."""
        return drive_and_judge(self)


def make_job(item: Item, driver: str, config: Config, out: Path, run: Run) -> Job:
    """The job of an item; its key tells driver, seed, length, configuration, the world's files and the package's code.

    Args:
      item: what is driven.
      driver: who drives.
      config: with the item's dials.
      out: folder of this driver's results.
      run: drives one scene.
    """
    content = content_of(item.world)
    number = item.world.rpartition("#")[2] if "#" in item.world else ""
    parts = (
        driver, str(item.seed), str(item.duration_s), config_hash(config), code_hash(), content, number,
        model_of(driver, config),
    )  # fmt: skip
    return Job(item, driver, config, out, content, short_hash("|".join(parts)), run)


def model_of(driver: str, config: Config) -> str:
    """SHA-256 of the files of the model that a driver needs: another may come to lie in the same folder; empty: it needs none, or there is none."""
    if not driver_kind(driver).learnt:
        return ""
    try:
        folder = find_model(config.reason.model)
    except InputError:
        return ""
    files = sorted(p for p in folder.iterdir() if p.is_file())
    return short_hash(" ".join(f"{p.name} {_file_hash(p)}" for p in files))


def short_hash(text: str) -> str:
    """Sixteen hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_of(world: str) -> str:
    """Sixteen hex digits that tell a world's files apart: a scene, a bag's folder, a family's map; its name where it has none."""
    file = world.rpartition("#")[0] if "#" in world else world
    return short_hash(_content(file.partition("@")))


def _content(parts: tuple[str, str, str]) -> str:
    """SHA-256 of a world's files (a scene, a bag's folder, a family's map), or its name where it has none."""
    found = []
    for part in (parts[0].removeprefix("family:"), parts[2]):
        path = Path(part)
        if part and path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            found += [f"{p.relative_to(path)} {_file_hash(p)}" for p in files]
        else:
            found.append(_file_hash(path) if part and path.is_file() else part)
    return " ".join(found)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return _stamped_hash(str(path), file.seek(0, 2), path.stat().st_mtime_ns)


@lru_cache(maxsize=10_000)
def _stamped_hash(path: str, size: int, stamp_ns: int) -> str:
    """Of a file's content; read once for all seeds of a scene."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def code_hash() -> str:
    """SHA-256 of the package's source and data: a result of other code is no result of this one."""
    root = Path(whyway.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".py", ".yaml", ".xml")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def known(job: Job) -> dict[str, Any] | None:
    """The score of an earlier run of the very same drive."""
    try:
        found = json.loads(job.score_path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    same = isinstance(found, dict) and found.get("key") == job.key
    return found if same and job.log_path.is_file() else None


def drive_and_judge(job: Job) -> dict[str, Any]:
    """Drive one scene, judge it, write its score and report. Runs in a process of its own."""
    job.run(
        job.item.world, job.driver, job.item.seed, job.config, job.log_path, job.item.duration_s
    )
    log = read_log(job.log_path)
    folder = job.out / "scenes" / job.name
    score = write_report(log, folder, with_side_file=True)
    result = score.to_json() | {
        "name": job.name,
        "file": job.item.world,
        "driver": job.driver,
        "key": job.key,
        "content": job.content,
        "report": (folder / "report.html").relative_to(job.out).as_posix(),
        "log": job.log_path.relative_to(job.out).as_posix(),
        "decision_ms": [round(ms, 3) for ms in stage_times(log).get("decision", [])],
        **family_entry(log, score),
    }
    write_atomically(job.score_path, json.dumps(result) + "\n")
    return result


def result_of(job: Job, outcome: Outcome) -> dict[str, Any]:
    """What the summary says of a job: its score, or the error it ended with, whose traceback is written beside the reports."""
    if not isinstance(outcome, BaseException):
        return outcome
    died = isinstance(outcome, DeadError)
    text = DIED if died else f"{type(outcome).__name__}: {' '.join(str(outcome).split())}"
    path = job.out / "scenes" / f"{job.name}.error.txt"
    write_atomically(path, DIED if died else "".join(traceback.format_exception(outcome)))
    return {
        "name": job.name, "file": job.item.world, "driver": job.driver, "seed": job.item.seed, "verdict": "error",
        "error": text[:500],
    }  # fmt: skip
