"""The nodes' processes: started, watched, started again, ended. No ROS import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE_S = 1.0
"""From the request to end until the process is killed."""


@dataclass(slots=True)
class Child:
    """One node's process.

    Attributes:
      name: the node's name; its module is `whyway_nodes.<name>_node`.
      log: where what it prints goes.
      starts: how often it has been started.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    starts: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, environ: Mapping[str, str], *parameters: str) -> None:
        """Start it, with further `name:=value` parameters."""
        more = [text for p in parameters for text in ("-p", p)]
        command = [sys.executable, "-m", f"whyway_nodes.{self.name}_node", *self.arguments, *more]
        with self.log.open("ab") as out:
            # a session of its own: Ctrl-C in the terminal reaches the supervisor alone, which ends us in order
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(environ),
                start_new_session=True,
            )
        self.starts += 1

    @property
    def alive(self) -> bool:
        """Whether it runs (or is stopped)."""
        return self.process is not None and self.process.poll() is None

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return None if self.process is None else self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is anyone to receive it."""
        if self.process is not None and self.alive:
            os.kill(self.process.pid, number)

    def last_words(self) -> str:
        """The last line it printed."""
        lines = (
            self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        )
        return lines[-1].strip() if lines else ""

    def end_of(self) -> str:
        """How it ended, in words."""
        code = self.returncode
        if code is None:
            return "runs"
        return (
            f"killed by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )


def end_all(children: Sequence[Child], grace_s: float = GRACE_S) -> list[str]:
    """End every process: asked first, killed after the grace. Names of those that had to be killed."""
    for child in children:
        child.signal(signal.SIGCONT)  # a stopped process hears nothing else
        child.signal(signal.SIGINT)
    deadline = time.monotonic() + grace_s
    while any(c.alive for c in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    stubborn = [c for c in children if c.alive]
    for child in stubborn:
        child.signal(signal.SIGKILL)
        if child.process is not None:
            child.process.wait()
    return [c.name for c in stubborn]
