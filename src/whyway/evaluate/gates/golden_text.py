"""A comparison -> the text a person reads: how much differs, in which fields, and the first frames of it with their sentences."""

from __future__ import annotations

import math

from whyway.evaluate.gates.fields import short
from whyway.evaluate.gates.golden import Comparison, Frame

FIELDS_LISTED = 10
STAMPS_LISTED = 5


def one_line(found: Comparison) -> str:
    """How much differs."""
    if found.equal:
        return f"{_frames(found.frames)} as in the reference"
    parts = []
    if found.differing:
        first = min(found.differing)
        count = len(found.differing)
        parts.append(f"{count} of {found.frames} frames differ, first at {_s(first)}")
        most = next(iter(_by_frames(found)))
        parts.append(f"most often {most}")
    for word, stamps in (("missing", found.missing), ("extra", found.extra)):
        if stamps:
            parts.append(f"{_frames(len(set().union(*stamps.values())))} {word}")
    return "; ".join(parts)


def _by_frames(found: Comparison) -> list[str]:
    return sorted(found.fields, key=lambda name: -found.fields[name].frames)


def diff(found: Comparison) -> str:
    """The whole story but for its first line, `one_line`."""
    lines = []
    for word, stamps in (("missing", found.missing), ("extra", found.extra)):
        for topic, when in stamps.items():
            more = f" and {len(when) - STAMPS_LISTED} more" if len(when) > STAMPS_LISTED else ""
            listed = ", ".join(_s(t) for t in when[:STAMPS_LISTED])
            lines.append(f"  {word} in {short(topic)}: {listed}{more}")
    names = _by_frames(found)
    if names:
        lines.append("  fields that differ:")
    for name in names[:FIELDS_LISTED]:
        tally = found.fields[name]
        most = f", by {tally.most:.3g} at most" if tally.most else ""
        lines.append(f"    {name}: {tally.frames} times from {_s(tally.first_ns)} on{most}")
    if len(names) > FIELDS_LISTED:
        lines.append(f"    and {len(names) - FIELDS_LISTED} more fields")
    for frame in found.shown:
        lines += _frame(frame)
    return "\n".join(lines)


def _frame(frame: Frame) -> list[str]:
    lines = [f"  at {_s(frame.stamp_ns)}:"]
    width = max(len(f"{short(d.topic)}.{d.field}") for d in frame.differences)
    for d in frame.differences:
        off = f", off by {d.off:.3g}" if math.isfinite(d.off) else ""
        name = f"{short(d.topic)}.{d.field}"
        lines.append(
            f"    {name:{width}}  expected {d.expected}  got {d.got}  (allowed: {d.allowed}{off})"
        )
    if frame.count > len(frame.differences):
        lines.append(f"    and {frame.count - len(frame.differences)} more fields")
    if frame.expected_sentence:
        lines.append(f"    expected: {frame.expected_sentence}")
        lines.append(f"    got:      {frame.got_sentence}")
    return lines


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"


def _s(stamp_ns: int) -> str:
    return f"{stamp_ns * 1e-9:.3f} s"
