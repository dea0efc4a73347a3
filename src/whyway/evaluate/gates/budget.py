"""Budget gates: what a drive cost, and whether every topic of its log kept its pace on the data's clock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from whyway.evaluate.gates.error import GateError
from whyway.evaluate.gates.fields import short
from whyway.evaluate.gates.figures import COSTS, Figure, Figures, span_s
from whyway.evaluate.gates.limits import judge
from whyway.evaluate.gates.results import Result
from whyway.evaluate.gates.schema import Budget, Limit, Rate
from whyway.log import Log
from whyway.typed_yaml import nearest

KIND = "budget"
NO_CHANGE = Figure.missing("a budget has no reference")


def budget(gate: Budget, log: Figures) -> Iterator[Result]:
    """Judge one log.

    Raises:
      GateError: no such cost.
    """
    for name, limit in gate.limits.items():
        if name not in COSTS:
            raise GateError(f"no cost {name!r}; {nearest(name, COSTS)}")
        yield from judge(KIND, gate.name, name, log.figure(name), limit, NO_CHANGE, 0)
    for topic, rate in gate.rates.items():
        for name, figure, allowed in _rates(log.log, topic, rate):
            yield from judge(
                KIND, gate.name, f"{short(topic)} {name}", figure, allowed, NO_CHANGE, 0
            )


def _rates(log: Log, topic: str, rate: Rate) -> Iterator[tuple[str, Figure, Limit]]:
    """What a rate asks for: name, figure, limit.

    A rate is messages over the whole log's span, and its pauses are also those from the log's first message and to its last: a
    topic that stops half way has neither kept its rate nor paused for nothing.
    """
    span = span_s(log)
    if span <= 0.0:
        yield "rate_hz", Figure.missing("the log spans no time"), Limit(at_least=0.0)
        return
    stamps = np.sort(np.array(log.stamps_ns.get(topic, ()), dtype=np.int64))
    if rate.at_least is not None or rate.at_most is not None:
        yield (
            "rate_hz",
            Figure.exact(len(stamps) / span),
            Limit(at_least=rate.at_least, at_most=rate.at_most),
        )
    if rate.longest_gap_s is not None:
        first = min(min(s) for s in log.stamps_ns.values() if s)
        ends = [first, first + round(span * 1e9)]
        pauses = np.diff(np.concatenate([ends[:1], stamps, ends[1:]]))
        longest = Figure.exact(float(pauses.max()) * 1e-9)
        yield "longest_gap_s", longest, Limit(at_most=rate.longest_gap_s)
    if rate.shortest_gap_s is not None:
        gaps = np.diff(stamps) * 1e-9
        why = Figure.missing(f"{short(topic)} has less than two messages")
        shortest = Figure.exact(float(gaps.min())) if len(gaps) else why
        yield "shortest_gap_s", shortest, Limit(at_least=rate.shortest_gap_s)
