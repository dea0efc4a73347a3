"""What the car does and why, told on the terminal as the decision changes; transport figures on the side."""

from __future__ import annotations

import sys

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from whyway.trace import narrator as trace_narrator
from whyway.types import Event, Trace, Truth, Verdict


class Narrator:
    """Prints to a console; on a terminal with a progress bar below."""

    def __init__(self, duration_s: float, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.fields[now]}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._duration_s = duration_s
        self._v_mps = 0.0
        self._teller = trace_narrator.Narrator(self.say)

    def __enter__(self) -> Narrator:
        if self.console.is_terminal:
            self._progress.start()
            self._task = self._progress.add_task("", total=self._duration_s or None, now="starting")
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def say(self, text: str, style: str = "") -> None:
        """A line of its own."""
        self.console.print(text, style=style or None, markup=False)

    def truth(self, truth: Truth) -> None:
        """Where the drive is."""
        self._v_mps = truth.ego.v_mps
        if self._task is not None:
            t_s = truth.stamp_ns * 1e-9
            self._progress.update(
                self._task, completed=t_s, now=f"{t_s:6.1f} s  {self._v_mps * 3.6:4.0f} km/h"
            )

    def trace(self, trace: Trace) -> None:
        """The decision, when it changes."""
        self._teller.trace(trace)

    def verdict(self, verdict: Verdict) -> None:
        """Safety, when it takes over and when it lets go."""
        self._teller.verdict(verdict)

    def event(self, event: Event) -> None:
        """Something a person should know."""
        self.say(f"{event.stamp_ns * 1e-9:6.1f} s  {event.source}: {event.detail}", "bold yellow")


class TransportTimes:
    """What crossing between the processes costs: a cycle's time less what its stages took."""

    def __init__(self) -> None:
        self._cycle_ms: dict[int, float] = {}
        self._stages_ms: dict[int, float] = {}
        self._control_ms: dict[int, float] = {}

    def cycle(self, stamp_ns: int, ms: float) -> None:
        """From the observation out to the command in."""
        self._cycle_ms[stamp_ns] = ms

    def trace(self, trace: Trace) -> None:
        """Perception, reasoner and planner."""
        self._stages_ms[trace.stamp_ns] = sum(x.latency_ms for x in trace.integrity.latency)

    def verdict(self, verdict: Verdict) -> None:
        """Control."""
        self._control_ms[verdict.stamp_ns] = verdict.latency_ms

    def figures(self, skip: int = 10) -> dict[str, float]:
        """Median, 99th percentile and maximum [ms] over the cycles after the first `skip` (imports and caches warm up)."""
        stamps = sorted(self._cycle_ms.keys() & self._stages_ms.keys() & self._control_ms.keys())[
            skip:
        ]
        if not stamps:
            return {}
        ms = np.array(
            [self._cycle_ms[t] - self._stages_ms[t] - self._control_ms[t] for t in stamps]
        )
        p50, p99, most = np.percentile(ms, (50, 99, 100)).round(3).tolist()
        return {"cycles": len(ms), "p50_ms": p50, "p99_ms": p99, "max_ms": most}
