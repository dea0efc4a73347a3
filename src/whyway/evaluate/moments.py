"""The moments of a drive that matter: what went wrong, what safety did, what was not said, where it stood and where its mind changed.

One list for whoever asks: the black box tells it, the report makes buttons of it. What only the truth can tell is there if it is.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from whyway.evaluate.contacts import known, met
from whyway.evaluate.drive import Drive
from whyway.evaluate.driving.pdms import DrivingScore
from whyway.evaluate.instants import Instants
from whyway.evaluate.supervision import (
    GAP_S,
    happenings,
    interventions,
    stretches,
)
from whyway.evaluate.traces.faithfulness import Faithfulness
from whyway.evaluate.traces.silence import HOLDS_S
from whyway.geometry import box_corners, distance_to_box
from whyway.log import Log
from whyway.trace.sentences import in_words, sentence
from whyway.types import Direction, Fault, Floats, Lateral, Longitudinal, Trace, Verdict

STANDS_MPS, STANDS_S = 0.1, 2.0
"""So slow for so long is a stand."""
MOVES_MPS = 0.5
"""How close others came counts while the ego is faster than this, if it ever was: a queue at a light is close, too."""

RANK = {"collision": 0, "red light": 0, "off road": 0, "safety": 1, "fault": 1, "silence": 1,
        "contradiction": 2, "stand": 3, "start": 4, "close": 5, "decision": 6}  # fmt: skip
"""Every kind of moment, and how much it matters: 0 most."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that matters and until when it lasted.

    Attributes:
      what: in words; empty where what was said tells it all (the first decision, the same one for another cause).
      said: the sentence in force as it began.
      known: of a collision, what perception and the trace knew of the other.
    """

    at_s: float
    to_s: float
    kind: str
    what: str
    said: str = ""
    known: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """Smaller is more telling; of a kind, what lasted longer."""
        return RANK[self.kind], self.at_s - self.to_s


def moments(
    log: Log,
    start_ns: int,
    drive: Drive | None = None,
    driving: DrivingScore | None = None,
    words: Faithfulness | None = None,
) -> list[Moment]:
    """All moments of a log.

    Args:
      log: whose traces, verdicts and events are looked at.
      start_ns: from when on times count.
      drive: its arrays, if it holds the truth.
      driving: how the driver drove; None where that is not known, or where somebody else did.
      words: whether the plans did what was said; like `driving` only with the drive.
    """
    traces = sorted(log.of(Trace), key=lambda t: t.stamp_ns)
    stamps = [t.stamp_ns for t in traces]
    found = list[Moment]()
    if drive is not None:
        found += _driven(log, start_ns, drive, driving, words)
    found += _machinery(log, start_ns)
    found += _silences(traces, start_ns)
    found += _stands(traces, drive, start_ns)
    found += _mind(traces, start_ns)

    def said(at_s: float) -> str:
        before = bisect.bisect_right(stamps, start_ns + round(at_s * 1e9) + 1000)
        return sentence(traces[before - 1]) if before else ""

    return [replace(m, said=said(m.at_s)) for m in found]


def decisions(
    traces: Iterable[Trace], start_ns: int, with_cause: bool = False
) -> list[tuple[float, float, tuple[int, ...]]]:
    """Stretches of one stated decision: from, to [s], what; where traces are missing there is none.

    Args:
      traces: in the order of time.
      start_ns: from when on times count.
      with_cause: for another first cause is another decision.
    """

    def what(trace: Trace) -> tuple[int, ...]:
        p = trace.planning
        return (*p.decision, p.causes[0].id if p.causes else 0) if with_cause else p.decision

    instants = (((t.stamp_ns - start_ns) * 1e-9, what(t)) for t in traces)
    return stretches(instants, until_next=True)


def stands(t_s: Iterable[float], v_mps: Iterable[float]) -> list[tuple[float, float]]:
    """Where a car stood: from, to [s]."""
    slow = ((float(t), True) for t, v in zip(t_s, v_mps, strict=True) if abs(v) < STANDS_MPS)
    return [(start, end) for start, end, _ in stretches(slow) if end - start >= STANDS_S]


def box_gap(drive: Drive) -> Floats:
    """Distance `(T,)` from the ego's box to the nearest actor's outline, about: corners of each against the other's box."""
    if not len(drive.actors.ids):
        return np.full(drive.count, np.inf)
    a = drive.actors
    their_boxes = (a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m)
    theirs = box_corners(*their_boxes)  # (T, A, 4, 2)
    x, y, yaw = (v[:, None, None] for v in (*drive.center, drive.yaw_rad))
    of_theirs = distance_to_box(
        theirs[..., 0], theirs[..., 1], x, y, yaw, drive.length_m, drive.width_m
    )
    ours = drive.corners[:, None]  # (T, 1, 4, 2)
    of_ours = distance_to_box(ours[..., 0], ours[..., 1], *(v[..., None] for v in their_boxes))
    gap = np.minimum(of_theirs, of_ours)
    nearest: Floats = np.where(np.isnan(gap), np.inf, gap).min(axis=(1, 2))
    return nearest


# ------------------------------------------------------------------------------------------------------------ kinds


def _driven(
    log: Log,
    start_ns: int,
    drive: Drive,
    driving: DrivingScore | None,
    words: Faithfulness | None,
) -> Iterator[Moment]:
    since_s = (int(drive.stamps_ns[0]) - start_ns) * 1e-9
    if driving is not None:
        instants = Instants(log)
        for c in driving.contacts:
            knew = known(drive, instants, c) if c.at_fault else ""
            yield _instant(c.at_s + since_s, "collision", met(drive, c), knew)
        for b in driving.broken:
            kind = "off road" if b.light is None else "red light"
            yield _instant(b.at_s + since_s, kind, b.what)
    gap = box_gap(drive)
    moving = np.where(drive.v_mps > MOVES_MPS, gap, np.inf)
    i = int(np.argmin(moving if np.isfinite(moving.min()) else gap))
    if 0.0 < gap[i] < np.inf:  # else there is nobody, or it is a contact and told as such
        text = f"closest to another road user: {gap[i]:.1f} m"
        yield _instant(float(drive.t_s[i]) + since_s, "close", text)
    wrong = ((since_s + t, True) for t in (words.contradictions_at_s if words else ()))
    for start, end, _ in stretches(wrong):
        yield Moment(start, end, "contradiction", "the plan did the opposite of what was said")


def _instant(at_s: float, kind: str, what: str, knew: str = "") -> Moment:
    return Moment(at_s, at_s, kind, what, known=knew)


def _machinery(log: Log, start_ns: int) -> Iterator[Moment]:
    for i in interventions(log.of(Verdict), start_ns):
        yield Moment(i.from_s, i.to_s, "safety", i.text)
    for e in happenings(log, start_ns):
        fault = "" if e.fault == Fault.NONE.name else f" ({in_words(e.fault)})"
        yield _instant(e.at_s, "fault", f"{e.source}: {e.detail}{fault}")


def _silences(traces: Sequence[Trace], start_ns: int) -> Iterator[Moment]:
    for before, after in pairwise((t.stamp_ns - start_ns) * 1e-9 for t in traces):
        if after - before > GAP_S:
            yield Moment(before, after, "silence", f"no decision for {after - before:.1f} s")


def _stands(traces: Sequence[Trace], drive: Drive | None, start_ns: int) -> Iterator[Moment]:
    """By the truth where it is known, else by the car's own odometry."""
    if drive is not None:
        t_s, v_mps = (drive.stamps_ns - start_ns) * 1e-9, drive.v_mps
    else:
        t_s = np.array([(t.stamp_ns - start_ns) * 1e-9 for t in traces])
        v_mps = np.array([t.perception.ego.v_mps for t in traces])
    for start, end in stands(t_s, v_mps):
        until = "to the end" if t_s[-1] - end < GAP_S else f"for {end - start:.0f} s"
        yield Moment(start, end, "stand", f"stands {until}")


def _mind(traces: Sequence[Trace], start_ns: int) -> Iterator[Moment]:
    """The first decision, each later one that was held, and where one was held for another cause."""
    told: tuple[int, ...] = ()
    begun = set()
    for start, end, what in decisions(traces, start_ns):
        if end - start >= HOLDS_S and what != told:
            yield Moment(start, end, "decision" if told else "start", _change(told, what))
            told = what
            begun.add(start)
    told = ()
    for start, end, what in decisions(traces, start_ns, with_cause=True):
        if end - start >= HOLDS_S and what != told:
            if told[:-1] == what[:-1] and start not in begun:
                yield Moment(start, end, "decision", "")
            told = what


def _change(before: tuple[int, ...], after: tuple[int, ...]) -> str:
    def words(said: tuple[int, ...]) -> str:
        text = in_words(Longitudinal(said[0]).name)
        if said[1] != Lateral.KEEP_LANE:
            side = f" {Direction(said[2]).name.lower()}" if said[2] != Direction.NONE else ""
            text += f", {in_words(Lateral(said[1]).name)}{side}"
        return text

    return f"{words(before)} → {words(after)}" if before else ""
