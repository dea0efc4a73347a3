"""Steps of a recipe: each is done once, skipped while nothing it depends on has changed, and done again from there when something has.

The ledger says what each step was done with and how long it took; a step that is killed goes on where it was (its program can resume).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from whyway.files import write_atomically
from whyway.reason.manifest import versions_here
from whyway.types import InputError

LEDGER = "steps.json"

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Step:
    """One step."""

    name: str
    """Also of its folder."""
    run: Callable[[Path], None]
    """Does it, into its folder; raises `StepError`."""
    asks: Any
    """All it depends on but other steps, as plain values."""
    after: Sequence[str] = ()
    """Steps it builds upon."""


class StepError(InputError):
    """A step's program did not do its work; it has said why."""


def do(steps: Sequence[Step], work: Path) -> dict[str, Any]:
    """Do all steps that are not done; what the ledger says then.

    Args:
      steps: each after those it builds upon.
      work: a folder; each step has one in it.
    """
    work.mkdir(parents=True, exist_ok=True)
    path = work / LEDGER
    ledger: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for step in steps:
        key = _key(step, ledger)
        folder, before = work / step.name, ledger.get(step.name, {})
        if before.get("key") == key and before.get("done") and folder.exists():
            console.print(f"[green]done[/]   {step.name}  ({before['s'] / 60:.1f} min)")
            continue
        if before.get("key") != key:  # what lies there is of another recipe
            shutil.rmtree(folder, ignore_errors=True)
            before = {"key": key, "s": 0.0}
        console.print(f"[bold]doing[/]  {step.name}")
        ledger[step.name] = {**before, "done": False}
        _write(path, ledger)
        began = time.monotonic()
        try:
            folder.mkdir(exist_ok=True)
            step.run(folder)
        finally:  # a step that goes on later has taken this long already
            ledger[step.name]["s"] = round(before["s"] + time.monotonic() - began, 1)
            _write(path, ledger)
        ledger[step.name]["done"] = True
        _write(path, ledger)
    return ledger


def _key(step: Step, ledger: Mapping[str, Any]) -> str:
    """Of what a step is done with, and the keys of what it builds upon."""
    versions = [versions_here().vocabulary_sha256, versions_here().features]
    whole = [step.name, step.asks, versions, [ledger[name]["key"] for name in step.after]]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _write(path: Path, ledger: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(ledger, indent=1) + "\n")


def program(module: str, *words: object, fine: Sequence[int] = (0,)) -> None:
    """Run `python -m module words`; what it says is seen.

    Raises:
      StepError: another exit code than those that are fine.
    """
    command = [sys.executable, "-m", module, *map(str, words)]
    console.print(f"  [dim]{' '.join(command[1:])}", soft_wrap=True)
    code = subprocess.run(command, check=False).returncode
    if code not in fine:
        raise StepError(f"{module} ended with exit code {code}; mend what it says and run again: what is done is kept")  # fmt: skip
