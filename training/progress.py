"""How a run is going: a bar for people, lines of JSON for programs, TensorBoard for curves. Only the first process tells."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"


class Watch:
    """What is told of a run; a context.

    Args:
      folder: where `log.jsonl` and TensorBoard's events go; None: nobody is told anything.
      name: of the run.
      steps: in all.
      start: steps done before: lines and curves behind them are of a part that is done again, and are dropped.
    """

    def __init__(self, folder: Path | None, name: str, steps: int, start: int = 0) -> None:
        self._folder, self._start, self._clock = folder, start, time.monotonic()
        self._console = Console(stderr=True, quiet=folder is None)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn(),
            console=self._console, disable=folder is None,
        )  # fmt: skip
        self._task = self._bar.add_task(name, total=steps, completed=start, told="")

    def __enter__(self) -> Watch:
        self._bar.start()
        if self._folder is not None:
            log = self._folder / LOG
            lines = log.read_text().splitlines(keepends=True) if log.exists() else []
            log.write_text("".join(x for x in lines if json.loads(x)["step"] <= self._start))
            self._curves = SummaryWriter(str(self._folder), purge_step=self._start or None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._folder is not None:
            self._curves.close()

    def steps(self, steps: int) -> None:
        """How many there are after all."""
        self._bar.update(self._task, total=steps)

    def step(self, step: int, told: Mapping[str, float] | None = None) -> None:
        """A step is done; what is told of it goes everywhere."""
        self._bar.update(self._task, completed=step)
        if told:
            short = "  ".join(f"{k} {v:.4g}" for k, v in told.items())
            self._bar.update(self._task, told=short)
            self._write(step, "train", told)

    def validation(self, step: int, table: Mapping[str, float], shown: str) -> None:
        """A validation is done; one line of it stays on the screen."""
        self.say(f"step {step}: {shown}")
        self._write(step, "val", table)

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def _write(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        if self._folder is None:
            return
        line: dict[str, Any] = {
            "step": step,
            "kind": kind,
            "s": round(time.monotonic() - self._clock, 2),
        }
        with (self._folder / LOG).open("a") as file:
            file.write(json.dumps(line | {k: round(v, 6) for k, v in numbers.items()}) + "\n")
        for name, value in numbers.items():
            self._curves.add_scalar(f"{kind}/{name}", value, step)
