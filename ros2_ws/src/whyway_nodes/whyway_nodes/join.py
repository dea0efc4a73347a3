"""Inputs of the same stamp, brought together: a stage acts once per stamp, on inputs of exactly that stamp. No ROS, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Join:
    """Collects messages of several kinds by stamp and gives each stamp's set out once.

    A set that never becomes complete is forgotten when a newer one is given out or `keep` newer stamps have come, so a silent
    neighbour costs no memory.
    """

    def __init__(self, kinds: Sequence[str], keep: int = 8) -> None:
        self._kinds = frozenset(kinds)
        self._keep = keep
        self._waiting: dict[int, dict[str, Any]] = {}
        self._done_ns = -(2**63)

    def add(self, kind: str, stamp_ns: int, value: Any) -> dict[str, Any] | None:
        """Take one message in; the complete set of its stamp, if this was the last one missing."""
        if stamp_ns <= self._done_ns:
            return None
        inputs = self._waiting.setdefault(stamp_ns, {})
        inputs[kind] = value
        if self._kinds <= inputs.keys():
            return self.take(stamp_ns)
        for old in sorted(self._waiting)[: -self._keep]:
            del self._waiting[old]
        return None

    def take(self, stamp_ns: int) -> dict[str, Any]:
        """What has come of a stamp, complete or not; the stamp and all before it are done with."""
        inputs = self._waiting.pop(stamp_ns, {})
        self._done_ns = max(self._done_ns, stamp_ns)
        for old in [s for s in self._waiting if s <= self._done_ns]:
            del self._waiting[old]
        return inputs
