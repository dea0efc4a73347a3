"""The black box: the moments of a drive that matter to whoever finds the car in the morning. From the log alone.

What went wrong comes first when there is too much to tell: collisions, red lights, the road left; safety's interventions, faults, words
that were missing or contradicted; then where the car came to a stand, and where its mind changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from whyway.evaluate.black_box.explain import Span, plain, span
from whyway.evaluate.drive import Drive, ScoreError, read_drive
from whyway.evaluate.driving.pdms import driving_score
from whyway.evaluate.supervision import GAP_S, happenings, interventions
from whyway.evaluate.traces.faithfulness import faithfulness
from whyway.log import Log
from whyway.trace.sentences import sentence
from whyway.types import Fault, Trace, Verdict

HOLDS_S = 0.5
"""A decision that changes back sooner than this is no news."""
STANDS_MPS, STANDS_S = 0.1, 2.0
"""So slow for so long is a stand."""
MOST = 30

RANK = {"collision": 0, "red light": 0, "off road": 0, "safety": 1, "fault": 1, "silence": 1,
         "contradiction": 2, "stand": 3, "start": 4, "decision": 5}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that matters, until when it lasted, and the words in force as it began."""

    at_s: float
    to_s: float
    kind: str
    what: str
    said: str


@dataclass(frozen=True, slots=True)
class Story:
    """The moments in the order of time; `left_out` says how many of the least telling are missing, `unjudged` why nothing is said of
    how it drove (no truth, say).
    """

    duration_s: float
    moments: tuple[Moment, ...]
    left_out: int
    unjudged: str
    truncated: str

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        values: dict[str, Any] = plain(self)
        return values


def story(log: Log, most: int = MOST) -> Story:
    """The moments that matter, at most so many.

    Raises:
      ExplainError: nothing was decided in the log.
    """
    times = span(log)
    traces = sorted(log.of(Trace), key=lambda t: t.stamp_ns)
    driven, unjudged = _driving(log, times)
    found = [*driven, *_machinery(log, times), *_stands(traces, times), *_mind(traces, times)]
    # a decision that was held for longer says more
    chosen = sorted(found, key=lambda m: (RANK[m[2]], m[0] - m[1]))[:most]
    moments = [Moment(*m, said=_said(traces, times, m[0])) for m in chosen]
    moments.sort(key=lambda m: (m.at_s, RANK[m.kind]))
    return Story(
        times.duration_s, tuple(moments), len(found) - len(chosen), unjudged, log.truncated
    )


_Bare = tuple[float, float, str, str]
"""From, to [s], kind, what."""


def _said(traces: Sequence[Trace], times: Span, at_s: float) -> str:
    before = [t for t in traces if times.seconds(t.stamp_ns) <= at_s + 1e-6]
    return sentence(before[-1]) if before else ""


def _driving(log: Log, times: Span) -> tuple[list[_Bare], str]:
    """What only the truth can tell; and why the rest is missing, where it is."""
    try:
        drive = read_drive(log)
    except ScoreError as error:
        return [], str(error)
    first = times.seconds(log.of(Trace)[0].stamp_ns)
    bad = [t + first for t in faithfulness(log, drive.road).contradictions_at_s]
    found: list[_Bare] = [
        (start, end, "contradiction", "the plan did the opposite of what was said")
        for start, end in _joined(bad)
    ]
    if log.info.get("notes", {}).get("open_loop") == "yes":
        return found, "it was a recording of somebody else's driving"
    return found + list(_driven(drive, times.seconds(int(drive.stamps_ns[0])))), ""


def _driven(drive: Drive, shift_s: float) -> Iterator[_Bare]:
    score = driving_score(drive)
    for c in score.contacts:
        at, kind = c.at_s + shift_s, c.kind.lower().replace("_", " ")
        did, whose = ("ran into", "its own fault") if c.at_fault else ("touched", "not its fault")
        yield at, at, "collision", f"{did} actor {c.actor_id} ({kind}; {whose})"
    for t, light in score.red_lights_run:
        yield t + shift_s, t + shift_s, "red light", f"ran light {light}"
    for t in score.off_road_s[:1]:
        yield t + shift_s, t + shift_s, "off road", "left the road"


def _joined(times: Sequence[float]) -> list[tuple[float, float]]:
    """Instants as stretches (from, to)."""
    found: list[tuple[float, float]] = []
    for t in times:
        if found and t - found[-1][1] <= GAP_S:
            found[-1] = (found[-1][0], t)
        else:
            found.append((t, t))
    return found


def _machinery(log: Log, times: Span) -> Iterator[_Bare]:
    for i in interventions(log.of(Verdict), times.start_ns):
        why = i.reason or i.fault.lower().replace("_", " ")
        yield i.from_s, i.to_s, "safety", f"{i.state.lower().replace('_', ' ')}: {why}"
    for e in happenings(log, times.start_ns):
        fault = "" if e.fault == Fault.NONE.name else f" ({e.fault.lower().replace('_', ' ')})"
        yield e.at_s, e.at_s, "fault", f"{e.source}: {e.detail}{fault}"


def _stands(traces: Sequence[Trace], times: Span) -> Iterator[_Bare]:
    """Where the car came to a stand, by its own odometry."""
    slow = [times.seconds(t.stamp_ns) for t in traces if abs(t.perception.ego.v_mps) < STANDS_MPS]
    end = times.seconds(traces[-1].stamp_ns)
    for start, stop in _joined(slow):
        if stop - start >= STANDS_S:
            until = "to the end" if end - stop < GAP_S else f"for {stop - start:.0f} s"
            yield start, stop, "stand", f"stands {until}"


def _mind(traces: Sequence[Trace], times: Span) -> Iterator[_Bare]:
    """The first decision, each later one that was held, and where there was none."""
    start: float | None = None
    gist: object = None
    told: object = None
    last = times.seconds(traces[0].stamp_ns)
    for trace in (*traces, None):
        t = last if trace is None else times.seconds(trace.stamp_ns)
        if t - last > GAP_S:
            yield last, t, "silence", f"no decision for {t - last:.1f} s"
        p = None if trace is None else trace.planning
        now = (
            None
            if p is None
            else (p.longitudinal, p.lateral, p.direction, p.causes[0].id if p.causes else 0)
        )
        if now != gist:
            held = start is not None and last - start >= HOLDS_S
            if held and start is not None and gist != told:
                yield start, last, "start" if told is None else "decision", ""
                told = gist
            gist, start = now, t
        last = t
