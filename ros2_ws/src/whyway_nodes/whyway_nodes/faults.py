"""Faults on purpose over ROS 2: `whyway.worlds.faults`' vocabulary, and what only happens to processes. Pure; times are the data's clock.

kill:NODE[=V]@T         SIGKILL to a node at T s, or later, as soon as the car drives at V m/s or more
hang:NODE[=V]@T         SIGSTOP instead: the process lives and says nothing
anything else           as in one process: world faults in the world's node, `slow:reasoner` and `spoil:plan` in theirs
"""

from __future__ import annotations

from collections.abc import Sequence

from whyway.worlds.faults import FaultError, Injection, Spec
from whyway.worlds.faults import parse as parse_any

__all__ = ["PROCESS_FAULTS", "FaultError", "Injection", "own", "parse"]

PROCESS_FAULTS = ("kill", "hang")


def parse(text: str, nodes: Sequence[str]) -> Injection:
    """Read one `--inject` text.

    Raises:
      FaultError: it is none; one line that says what would be one.
    """
    about = "at so many m/s or more"
    process = Spec(tuple(nodes), "m/s", 0.0, 100.0, 0.0, about)
    return parse_any(text, {kind: process for kind in PROCESS_FAULTS})


def own(texts: str, nodes: Sequence[str]) -> tuple[Injection, ...]:
    """The faults of a node's parameter `inject`: texts with spaces between them."""
    return tuple(parse(text, nodes) for text in texts.split())
