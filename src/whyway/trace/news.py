"""What people should be told about a drive's traces, once when it begins: plans withheld, fallbacks, somebody's word. No clock.

Driver and planner node tell the same, from the same values.
"""

from __future__ import annotations

from whyway.trace.override import OVERRIDE
from whyway.types import Event, Fault, Trace

AGAIN_NS = 1_000_000_000
"""What ended less than so long ago goes on: it is not told again."""


class News:
    """Decisions in, events out; remembers when each kind was last so."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._last_ns: dict[Fault, int] = {}

    def of(self, trace: Trace, *, withheld: str = "", replaced: str = "") -> tuple[Event, ...]:
        """The events of one cycle.

        Args:
          trace: as it is given on.
          withheld: why its plan is not, if it is not.
          replaced: why what was said first is not driven, if it is not.
        """
        said, now_ns = trace.integrity.validator, trace.stamp_ns
        found: dict[Fault, str] = {}
        if withheld:
            found[Fault.TRACE_CONTRADICTED] = f"plan withheld: the trace {withheld}"
        elif replaced:
            found[Fault.TRACE_CONTRADICTED] = f"not driven: the trace {replaced}; the rules answer"
        elif trace.integrity.fallback_used and said:
            found[Fault.FALLBACK] = said
        if said.startswith(OVERRIDE):
            found[Fault.OVERRIDDEN] = said
        events = []
        for fault, detail in found.items():
            before_ns = self._last_ns.get(fault)
            if before_ns is None or not 0 <= now_ns - before_ns <= AGAIN_NS:
                events.append(Event(now_ns, self._source, fault, detail))
            self._last_ns[fault] = now_ns
        return tuple(events)
