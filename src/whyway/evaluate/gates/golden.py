"""Two logs -> where their traces, plans and commands differ, field by field, message against message of the same stamp.

After openpilot's process_replay: what a process says of a recording is compared with what it said last time, volatile fields
left out, and one command takes the new for the reference. Numbers have tolerances, because another CPU rounds another way;
angles (`_rad`) are compared the short way round; NaN equals NaN; enums, ids, texts and lengths must be equal.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from whyway.evaluate.gates.fields import SENTENCE, chosen_by, short, without_index
from whyway.evaluate.gates.reference import told
from whyway.evaluate.gates.schema import Golden, Tolerance
from whyway.geometry import wrap_angle
from whyway.log import Log
from whyway.trace.sentences import sentence
from whyway.types import Floats, Trace

FRAMES_SHOWN = 3
"""Of the frames that differ the first few are told in full."""
FIELDS_SHOWN = 12
"""Of each of them so many fields."""

_EXACT = Tolerance()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not what was expected, as texts; `off` is by how much, nan where that is no number."""

    topic: str
    field: str
    expected: str
    got: str
    allowed: str
    off: float = math.nan


@dataclass(slots=True)
class Frame:
    """A stamp at which something differs, and how both traces read."""

    stamp_ns: int
    differences: list[Difference] = field(default_factory=list)
    count: int = 0
    expected_sentence: str = ""
    got_sentence: str = ""


@dataclass(slots=True)
class Tally:
    """How often a field differs, when first, and by how much at most."""

    frames: int
    first_ns: int
    most: float


@dataclass(slots=True)
class Comparison:
    """All that differs, counted; the first frames of it in full.

    `missing` and `extra` are stamps by topic: in the reference only, in the log only.
    """

    frames: int = 0
    differing: dict[int, int] = field(default_factory=dict)
    shown: list[Frame] = field(default_factory=list)
    fields: dict[str, Tally] = field(default_factory=dict)
    missing: dict[str, list[int]] = field(default_factory=dict)
    extra: dict[str, list[int]] = field(default_factory=dict)

    @property
    def unequal(self) -> set[int]:
        """Stamps at which anything differs, is missing or is extra."""
        return set(self.differing).union(*self.missing.values(), *self.extra.values())

    @property
    def equal(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.unequal


class Comparer:
    """Compares values of our types under a gate's tolerances; resolves each field's pattern once."""

    def __init__(self, gate: Golden) -> None:
        self._gate = gate
        self._known: dict[tuple[str, str], Tolerance | None] = {}

    def differences(self, topic: str, expected: Any, got: Any, path: str = "") -> Iterator[Difference]:  # fmt: skip
        """What differs between two values of a topic, part by part."""
        rule = self._rule(topic, path) if path else _EXACT
        if rule is None:
            return
        if dataclasses.is_dataclass(expected) and type(expected) is type(got):
            for f in dataclasses.fields(expected):
                if f.metadata.get("volatile"):  # measured on the wall clock
                    continue
                here = f"{path}.{f.name}" if path else f.name
                yield from self.differences(topic, getattr(expected, f.name), getattr(got, f.name), here)  # fmt: skip
        elif isinstance(expected, tuple) and isinstance(got, tuple):
            if len(expected) != len(got):
                yield Difference(topic, path, _items(expected), _items(got), "as many")
            for i, (a, b) in enumerate(zip(expected, got, strict=False)):
                yield from self.differences(topic, a, b, f"{path}[{i}]")
        elif isinstance(expected, np.ndarray) and isinstance(got, np.ndarray):
            yield from _arrays(topic, path, expected, got, rule)
        elif isinstance(expected, float) and isinstance(got, float):
            if expected != got:
                yield from _arrays(topic, path, np.float64(expected), np.float64(got), rule)
        elif expected != got or type(expected) is not type(got):
            yield Difference(topic, path, _word(expected), _word(got), "equal")

    def _rule(self, topic: str, path: str) -> Tolerance | None:
        """How far a field may be off; None if it is ignored."""
        plain = without_index(path)
        key = (topic, plain)
        if key not in self._known:
            ignored = any(chosen_by(p, topic, plain) for p in self._gate.ignore)
            fitting = [t for p, t in self._gate.tolerances.items() if chosen_by(p, topic, plain)]
            self._known[key] = None if ignored else (fitting or [_EXACT])[-1]
        return self._known[key]

    def ignores(self, topic: str, path: str) -> bool:
        """Whether a field is left out."""
        return self._rule(topic, path) is None


def beyond(expected: Any, got: Any, tolerance: Tolerance, *, angle: bool) -> tuple[Any, Any]:
    """By how much numbers are off, and whether that is too much: arrays of the inputs' shape.

    |got - expected| <= absolute + relative * |expected| is allowed (as `numpy.isclose`), an angle's difference taken the short way
    round; NaN is off from everything but NaN, an infinity from everything but itself.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(np.subtract(got, expected))
        if angle:
            off = np.abs(wrap_angle(off))
        allowed = tolerance.absolute + tolerance.relative * np.abs(expected)
        # an infinite expectation would allow anything
        within = np.isfinite(off) & np.isfinite(expected) & (off <= allowed)
    same = (np.equal(got, expected)) | (np.isnan(got) & np.isnan(expected))
    return np.where(same, 0.0, off), ~(within | same)


def _arrays(
    topic: str, path: str, expected: Floats, got: Floats, rule: Tolerance
) -> Iterator[Difference]:
    if expected.shape != got.shape:
        yield Difference(topic, path, f"{len(expected)} values", f"{len(got)} values", "as many")
        return
    if np.array_equal(expected, got):  # as nearly always
        return
    if expected.dtype.kind != "f":
        rule = _EXACT
    off, bad = beyond(expected, got, rule, angle=path.endswith("_rad"))
    if not np.any(bad):
        return
    # the worst place; nan is worse than any number
    k = int(np.argmax(np.where(bad, np.nan_to_num(off, nan=np.inf), -1.0)))
    a, b = np.ravel(expected)[k].item(), np.ravel(got)[k].item()
    place = f"{path}[{k}]" if expected.ndim else path
    allowed = f"{rule.absolute:g} + {rule.relative:g} of it" if rule.relative else f"{rule.absolute:g}"  # fmt: skip
    yield Difference(topic, place, _word(a), _word(b), allowed, float(np.ravel(off)[k]))


def _word(value: Any) -> str:
    """A value as a person says it: enums by name."""
    if isinstance(value, IntEnum):
        return value.name
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def _items(items: tuple[Any, ...]) -> str:
    """So many items, by the enums and ids that tell them apart."""

    def brief(item: Any) -> str:
        if not dataclasses.is_dataclass(item):
            return _word(item)
        parts = [getattr(item, f.name) for f in dataclasses.fields(item)][:3]
        return " ".join(_word(p) for p in parts if isinstance(p, int) and not isinstance(p, bool))

    names = ", ".join(brief(i) for i in items[:4]) + (", ..." if len(items) > 4 else "")
    return f"{len(items)} items ({names})" if items else "0 items"


def compare(expected: Log, got: Log, gate: Golden) -> Comparison:
    """Compare the gate's topics of two logs."""
    found, comparer = Comparison(), Comparer(gate)
    stamps: set[int] = set()
    said = told(expected)
    for topic in gate.topics:
        ours, theirs = _by_stamp(expected, topic), _by_stamp(got, topic)
        stamps |= {stamp for stamp, _ in ours}
        _note(found.missing, topic, ours.keys() - theirs.keys())
        _note(found.extra, topic, theirs.keys() - ours.keys())
        for key in sorted(ours.keys() & theirs.keys()):
            a, b = ours[key], theirs[key]
            differ = list(comparer.differences(topic, a, b))
            if isinstance(a, Trace) and not comparer.ignores(topic, SENTENCE):
                differ += _wording(topic, a, said.get(key[0]))
            if differ:
                _take(found, key[0], differ)
                if isinstance(a, Trace):
                    _tell(found, key[0], said.get(key[0]) or sentence(a), sentence(b))
    found.frames = len(stamps)
    found.shown.sort(key=lambda f: f.stamp_ns)
    return found


def _by_stamp(log: Log, topic: str) -> dict[tuple[int, int], Any]:
    """Values by stamp, and, where a stamp comes again, by how often it came."""
    seen: Counter[int] = Counter()
    found = {}
    for stamp, value in zip(log.stamps_ns.get(topic, ()), log.topics.get(topic, ()), strict=True):
        found[stamp, seen[stamp]] = value
        seen[stamp] += 1
    return found


def _note(where: dict[str, list[int]], topic: str, keys: set[tuple[int, int]]) -> None:
    if keys:
        where[topic] = sorted(stamp for stamp, _ in keys)


def _wording(topic: str, expected: Trace, was: str | None) -> Iterator[Difference]:
    """Whether the reference's trace still reads as it did: who swaps two words in a template changes no number."""
    now = sentence(expected)
    if was is not None and now != was:
        yield Difference(topic, SENTENCE, was, now, "the same words for the same trace")


def _take(found: Comparison, stamp: int, differ: list[Difference]) -> None:
    """Count what differs at a stamp, and keep it if it is among the first."""
    found.differing[stamp] = found.differing.get(stamp, 0) + len(differ)
    for d in differ:
        name = f"{short(d.topic)}.{without_index(d.field)}"
        tally = found.fields.setdefault(name, Tally(0, stamp, 0.0))
        tally.frames += 1
        tally.first_ns = min(tally.first_ns, stamp)
        tally.most = max(tally.most, d.off if math.isfinite(d.off) else 0.0)
    frame = next((f for f in found.shown if f.stamp_ns == stamp), None)
    if frame is None:
        frame = Frame(stamp)
        found.shown.append(frame)
        found.shown.sort(key=lambda f: f.stamp_ns)
        del found.shown[FRAMES_SHOWN:]
    frame.count += len(differ)
    # words before numbers: another decision explains other waypoints
    ranked = sorted([*frame.differences, *differ], key=lambda d: math.isfinite(d.off))
    frame.differences = ranked[:FIELDS_SHOWN]


def _tell(found: Comparison, stamp: int, expected: str, got: str) -> None:
    """How both traces of a frame that is shown read."""
    for frame in found.shown:
        if frame.stamp_ns == stamp:
            frame.expected_sentence, frame.got_sentence = expected, got
