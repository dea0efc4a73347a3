"""The last seconds of a drive in memory, kept as a log when something went wrong: what was seen, said, planned and commanded. No clock.

For cars that cannot log everything for ever. A file is written a moment after its cause, so that it also tells what came of it; it is
read like any log (`whyway.log.read_log`, `whyway explain`).
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whyway import topics
from whyway.log import LogWriter
from whyway.messages import from_cdr
from whyway.topics import TOPICS, Qos
from whyway.types import Event, Fault, SafetyState, Verdict

KEEP_S = 20.0
AFTER_S = 1.0
"""From the cause to the end of the file."""
REST_S = 10.0
"""No cause counts so soon after the last file's."""
MOST_FILES = 20
"""Of one drive: the first ones tell why, and a disk is not filled by a car that stutters."""
MOST_BYTES = 64 << 20
"""Of messages that are held as bytes; the oldest go first."""


@dataclass(frozen=True, slots=True)
class _Entry:
    topic: str
    stamp_ns: int
    value: Any
    """A value of `types.py`, or its CDR bytes."""


class BlackBox:
    """Takes every value that is logged, in order, and writes files when it must. Whatever goes wrong in here stops no drive.

    Args:
      folder: where files go; made when the first one is written.
      info: what a file says of itself, as a log does.
      keep_s: how far back it reaches.
    """

    def __init__(self, folder: Path, info: Mapping[str, Any], keep_s: float = KEEP_S) -> None:
        self._folder, self._info, self._keep_ns = folder, info, round(keep_s * 1e9)
        self._entries: deque[_Entry] = deque()
        self._latched: dict[str, _Entry] = {}
        self._bytes = 0
        self._state = SafetyState.NOMINAL
        self._cause: tuple[int, str] | None = None
        self._newest_ns = 0
        self._rests_until_ns: int | None = None
        self.files: list[Path] = []
        self.trouble = ""
        """Why the last file could not be written."""

    def add(self, topic: str, value: Any, stamp_ns: int | None = None) -> None:
        """Take one value, or its CDR bytes with a stamp; writes a file when one is due."""
        at_ns = value.stamp_ns if stamp_ns is None else stamp_ns
        due = self._cause is not None and at_ns > self._cause[0] + round(AFTER_S * 1e9)
        if due:
            self._write()
        entry = _Entry(topic, at_ns, value)
        if TOPICS[topic].qos is Qos.LATCHED:
            self._latched[topic] = entry
            return
        self._entries.append(entry)
        self._bytes += _size(value)
        self._newest_ns = max(self._newest_ns, at_ns)
        while (
            self._entries[0].stamp_ns < self._newest_ns - self._keep_ns or self._bytes > MOST_BYTES
        ):
            self._bytes -= _size(self._entries.popleft().value)
        why = self._why(topic, value)
        if why:
            self._note(at_ns, why)

    def request(self, why: str = "requested") -> str:
        """Somebody wants a file: it is written at once. Its path, or why there is none."""
        word = "".join(c if c.isalnum() else "_" for c in why)[:40] or "requested"
        self._cause = self._newest_ns, word
        return self._write()

    def close(self) -> None:
        """The drive is over: a file that is due is written."""
        if self._cause is not None:
            self._write()

    def _why(self, topic: str, value: Any) -> str:
        """Whether a value is a cause, in a word that can be part of a file's name; empty: it is none."""
        if topic == topics.EVENT.name:
            event: Event = from_cdr(value, Event) if isinstance(value, bytes) else value
            return "" if event.fault == Fault.NONE else event.fault.name.lower()
        if topic == topics.VERDICT.name:
            verdict: Verdict = from_cdr(value, Verdict) if isinstance(value, bytes) else value
            before, self._state = self._state, verdict.state
            if before == SafetyState.NOMINAL and verdict.state != SafetyState.NOMINAL:
                return verdict.state.name.lower()
        return ""

    def _note(self, at_ns: int, why: str) -> None:
        rests = self._rests_until_ns is not None and at_ns < self._rests_until_ns
        if self._cause is None and not rests and len(self.files) < MOST_FILES:
            self._cause = at_ns, why

    def _write(self) -> str:
        assert self._cause is not None
        at_ns, why = self._cause
        self._cause, self._rests_until_ns = None, at_ns + round(REST_S * 1e9)
        name = f"black_box-{at_ns / 1e9:.1f}s-{why}.mcap"
        path, beside = self._folder / name, self._folder / f".{name}.{os.getpid()}"
        try:
            with LogWriter(
                beside, {**self._info, "black_box": {"why": why, "at_s": at_ns / 1e9}}
            ) as log:
                for entry in (*self._latched.values(), *self._entries):
                    if isinstance(entry.value, bytes):
                        log.write_cdr(entry.topic, entry.value, entry.stamp_ns)
                    else:
                        log.write(entry.topic, entry.value, entry.stamp_ns)
            beside.replace(path)
        except OSError as wrong:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            self.trouble = f"{path}: the black box cannot be written: {wrong.strerror}"
            return self.trouble
        self.files.append(path)
        self.trouble = ""
        return str(path)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else 0
