"""A log -> figures that gates look at: each with the series it is made of, so that it can be judged on an interval.

* shares and rates, a value a frame: `FRAME_FIGURES`; their interval is a bootstrap over stretches of sqrt(n) frames;
* latencies `<stage>_p50_ms`, `<stage>_p99_ms` of perception, reasoner, planner, control and decision (all of them together): exact
  intervals of quantiles;
* everything else: the numbers of `SceneScore.metrics()` (PDMS, collisions ...) and `COSTS`: facts of the drive, without an interval.

Definitions of what is said and done: `evaluate/traces/faithfulness.py`; nothing a trace claims of itself is believed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from whyway import topics
from whyway.evaluate.drive import ScoreError
from whyway.evaluate.gates.error import GateError
from whyway.evaluate.score import score
from whyway.evaluate.statistics import bootstrap_interval, quantile_interval
from whyway.evaluate.supervision import stage_times
from whyway.evaluate.traces.faithfulness import Cycle, check
from whyway.log import Log
from whyway.maps.road import Road
from whyway.typed_yaml import nearest
from whyway.types import Agreement, Floats, Ints, LaneMap, Route, Trace

STAGES = ("perception", "reasoner", "planner", "control", "decision")
_LATENCY = re.compile(rf"({'|'.join(STAGES)}|latency)_p(50|99)_ms")

_CHECKED: Mapping[str, Callable[[Cycle], bool | None]] = {
    "consistency_longitudinal": lambda c: _is(c.longitudinal, Agreement.OK),
    "consistency_lateral": lambda c: _is(c.lateral, Agreement.OK),
    "contradiction": lambda c: _either(c, Agreement.CONTRADICTORY),
    "grounding": lambda c: c.grounded,
    "grounding_scene": lambda c: c.in_scene,
    "grounding_truth": lambda c: c.in_truth,
}
FRAME_FIGURES = ("flips_per_minute", "cause_changes_per_minute", *_CHECKED)
COUNTS = {"contradictions": ("contradiction", 1.0), "ungrounded": ("grounding", 0.0)}
"""How many frames have that value of that figure: exact, where not a single one will do."""
COSTS = ("cpu_s_per_s", "wall_s_per_s", "peak_rss_mib")
"""Of the process that drove, per second of the data's clock; and the most memory it held."""

_SAID = (topics.TRACE.name,)
_JUDGED = (*_SAID, *(t.name for t in (
    topics.LANE_MAP, topics.ROUTE, topics.TRUTH, topics.SCENE, topics.PLAN, topics.VERDICT, topics.EVENT,
)))  # fmt: skip


def topics_for(figure: str) -> tuple[str, ...]:
    """What a log must hold for a figure: of a reference nothing else is kept."""
    if figure in FRAME_FIGURES[:2]:
        return _SAID
    if _LATENCY.fullmatch(figure):
        return (*_SAID, topics.VERDICT.name)
    return _JUDGED


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a log, and how well it is known.

    Attributes:
      value: nan where the log does not say.
      low: of its interval; equal to `value` where it is exact.
      high: see `low`.
      frames: how many it is made of; 0 where it is exact.
      stamps_ns: of the frames `(n,)`.
      series: a value a frame `(n,)`; empty where it is exact.
      quantile: what of the series it is: 0.5, 0.99; None for the mean.
      unit: what `frames` counts.
      why_not: why there is no value.
    """

    value: float
    low: float
    high: float
    frames: int = 0
    stamps_ns: Ints | None = None
    series: Floats | None = None
    quantile: float | None = None
    unit: str = "frames"
    why_not: str = ""

    @classmethod
    def exact(cls, value: float) -> Figure:
        """A fact."""
        return cls(value, value, value)

    @classmethod
    def missing(cls, why: str) -> Figure:
        """What a log does not say."""
        return cls(math.nan, -math.inf, math.inf, why_not=why)


class Figures:
    """The figures of one log, worked out when they are asked for."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def figure(self, name: str) -> Figure:
        """A figure by its name.

        Raises:
          GateError: there is none of that name, or it is a text.
        """
        latency = _LATENCY.fullmatch(name)
        if latency:
            stage = latency[1].replace("latency", "decision")
            return self._latency(stage, int(latency[2]) / 100.0)
        if name in FRAME_FIGURES:
            return self._of_frames(name)
        if name in COUNTS:
            of, value = COUNTS[name]
            shares = self._of_frames(of)
            if shares.series is None:
                return shares
            return Figure.exact(float((shares.series == value).sum()))
        return self._cost(name) if name in COSTS else self._metric(name)

    def _of_frames(self, name: str) -> Figure:
        try:
            stamps, series = self.series(name)
        except ScoreError as error:
            return Figure.missing(str(error))
        if not len(series):
            return Figure.missing(f"no frame says anything of {name}")
        low, high = bootstrap_interval(series, scenes=stretches(len(series)), expanded=True)
        return Figure(float(series.mean()), low, high, len(series), stamps, series)

    def series(self, name: str) -> tuple[Ints, Floats]:
        """One of `FRAME_FIGURES` frame by frame: stamps and values `(n,)`.

        Raises:
          ScoreError: the log lacks what it takes.
        """
        if name in _CHECKED:
            found = [(c.stamp_ns, _CHECKED[name](c)) for c in self._cycles]
            known = [(stamp, value) for stamp, value in found if value is not None]
            return _arrays(known)
        flips = name == "flips_per_minute"
        gists = [t.planning.decision if flips else _causes(t) for t in self._traces]
        stamps = [t.stamp_ns for t in self._traces]
        if len(stamps) < 2 or stamps[-1] <= stamps[0]:
            return _arrays([])
        a_minute = 60e9 * (len(stamps) - 1) / (stamps[-1] - stamps[0])
        pairs = zip(stamps[1:], gists, gists[1:], strict=False)
        return _arrays([(stamp, a_minute * (a != b)) for stamp, a, b in pairs])

    @cached_property
    def _traces(self) -> tuple[Trace, ...]:
        return self.log.of(Trace, topics.TRACE.name)

    @cached_property
    def _cycles(self) -> list[Cycle]:
        maps, routes = self.log.of(LaneMap), self.log.of(Route)
        if not maps or not routes:
            raise ScoreError("the log holds no lane map or no route")
        return list(check(self.log, Road(maps[-1], routes[-1])))

    def _latency(self, stage: str, q: float) -> Figure:
        times = np.array(self._stage_times.get(stage, ()), dtype=np.float64)
        times = times[np.isfinite(times)]
        if not len(times):
            return Figure.missing(f"no frame says how long {stage} took")
        low, high = quantile_interval([times.tolist()], q)
        return Figure(float(np.quantile(times, q)), low, high, len(times), series=times, quantile=q)

    @cached_property
    def _stage_times(self) -> dict[str, list[float]]:
        return stage_times(self.log)

    def _metric(self, name: str) -> Figure:
        if isinstance(self._metrics, str):
            return Figure.missing(self._metrics)
        if name not in self._metrics:
            known = (*FRAME_FIGURES, *COUNTS, *COSTS, *self._metrics)
            raise GateError(f"no figure {name!r}; {nearest(name, dict.fromkeys(known))}")
        value = self._metrics[name]
        if isinstance(value, str):
            raise GateError(f"{name} is a text ({value!r}), which has no limits")
        if value is None or not math.isfinite(value):
            return Figure.missing(f"{name} has no value in this log")
        return Figure.exact(float(value))

    @cached_property
    def _metrics(self) -> dict[str, Any] | str:
        """`SceneScore.metrics()`, or why there is no score."""
        try:
            return dict(score(self.log).metrics())
        except ScoreError as error:
            return str(error)

    def _cost(self, name: str) -> Figure:
        cost = self.log.info.get("resources") or {}
        key = name.removesuffix("_per_s")
        span = span_s(self.log)
        value = cost.get(key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return Figure.missing("the log does not say what the drive cost: it ended early")
        if name == key:
            return Figure.exact(float(value))
        if span <= 0.0:
            return Figure.missing("the log spans no time")
        return Figure.exact(value / span)


def span_s(log: Log) -> float:
    """From the first message of a log to the last."""
    ends = [(min(stamps), max(stamps)) for stamps in log.stamps_ns.values() if stamps]
    return (max(b for _, b in ends) - min(a for a, _ in ends)) * 1e-9 if ends else 0.0


def stretches(count: int) -> Sequence[Hashable]:
    """Which stretch each of so many frames is of: neighbours are alike, so they are drawn together (batch means, sqrt(n) a batch)."""
    batch = max(1, math.isqrt(count))
    return [i // batch for i in range(count)]


def _arrays(found: list[tuple[int, Any]]) -> tuple[Ints, Floats]:
    stamps = np.array([stamp for stamp, _ in found], dtype=np.int64)
    return stamps, np.array([value for _, value in found], dtype=np.float64)


def _causes(trace: Trace) -> object:
    return frozenset((c.kind, c.id) for c in trace.planning.causes)


def _is(value: Agreement | None, wanted: Agreement) -> bool | None:
    return None if value is None else value == wanted


def _either(cycle: Cycle, wanted: Agreement) -> bool | None:
    if cycle.longitudinal is None or cycle.lateral is None:
        return None
    return wanted in (cycle.longitudinal, cycle.lateral)
