"""References: logs cut down to what their gates look at, with every trace's sentence, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from whyway.log import Log, LogWriter
from whyway.trace.sentences import sentence
from whyway.types import Trace

SENTENCES = "sentences"
"""Entry of a reference's `info`: [stamp, words] wherever the words change."""

_KEPT = ("driver", "world", "seed", "config_hash", "name", "notes", "goal_reached")
"""Of `info`: what was driven; not what it cost, the whole configuration, nor the machine."""


def write_reference(log: Log, path: Path, topics: Iterable[str]) -> None:
    """Write some topics of a log as a reference; whoever reads meanwhile sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    info = {key: log.info[key] for key in _KEPT if key in log.info}
    messages = sorted(
        (
            (stamp, order, topic, value)
            for order, topic in enumerate(sorted(topics))
            for stamp, value in zip(
                log.stamps_ns.get(topic, ()), log.topics.get(topic, ()), strict=True
            )
        ),
        key=lambda m: m[:2],
    )
    try:
        with LogWriter(beside, info | {SENTENCES: _sentences(log)}) as out:
            for stamp, _, topic, value in messages:
                out.write(topic, value, stamp)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sentences(log: Log) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for trace in log.of(Trace):
        words = sentence(trace)
        if not found or found[-1][1] != words:
            found.append((trace.stamp_ns, words))
    return found


def told(reference: Log) -> dict[int, str]:
    """How each trace of a reference read when it was written, by stamp; nothing for a log that does not say."""
    changes = {int(stamp): str(words) for stamp, words in reference.info.get(SENTENCES, ())}
    found: dict[int, str] = {}
    words = None
    for trace in reference.of(Trace):
        words = changes.get(trace.stamp_ns, words)
        if words is not None:
            found[trace.stamp_ns] = words
    return found
