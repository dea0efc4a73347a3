"""A drive told while it happens: one line whenever the decision, its causes or safety's verdict changes."""

from __future__ import annotations

from collections.abc import Callable

from whyway.trace.sentences import in_words, sentence
from whyway.types import SafetyState, Trace, Verdict


class Narrator:
    """Says what the car does and why, not more often than it changes.

    Args:
      say: takes a line, e.g. `console.print`.
      hold_s: how long a decision has to hold before it is told: what flickers is not news.
    """

    def __init__(self, say: Callable[[str], object], hold_s: float = 0.3) -> None:
        self._say = say
        self._hold_ns = int(hold_s * 1e9)
        self._told: object = None
        self._new: object = None
        self._since_ns = 0
        self._state = SafetyState.NOMINAL

    def trace(self, trace: Trace) -> None:
        """Tell of a decision that is new."""
        p = trace.planning
        gist = (*p.decision, tuple((c.kind, c.id) for c in p.causes[:1]))
        if gist != self._new:
            self._new, self._since_ns = gist, trace.stamp_ns
        if gist != self._told and trace.stamp_ns - self._since_ns >= self._hold_ns:
            self._told = gist
            v = trace.perception.ego.v_mps * 3.6
            self._say(f"{trace.stamp_ns * 1e-9:6.1f} s  {v:3.0f} km/h  {sentence(trace)}")

    def verdict(self, verdict: Verdict) -> None:
        """Tell of an intervention that begins or ends."""
        if verdict.state != self._state:
            self._state = verdict.state
            what = in_words(verdict.state.name)
            why = f": {verdict.reason}" if verdict.reason else ""
            self._say(f"{verdict.stamp_ns * 1e-9:6.1f} s            safety: {what}{why}")
