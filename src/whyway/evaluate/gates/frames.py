"""What a line of `result.jsonl` says of a frame: the state so far, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whyway.evaluate.gates.figures import Figures
from whyway.evaluate.gates.golden import Comparison
from whyway.trace.sentences import sentence
from whyway.types import Trace


def frames(figures: Figures, compared: Sequence[Comparison]) -> Mapping[int, Mapping[str, Any]]:
    """By stamp (ns): where the ego is, what was said, and how much of it is not as in the reference, until then.

    Frames are those of the traces, and those of any topic that is missing or extra.
    """
    traces = {t.stamp_ns: t for t in figures.log.of(Trace)}
    lost = {s for c in compared for stamps in c.missing.values() for s in stamps}
    extra = {s for c in compared for stamps in c.extra.values() for s in stamps}
    changes = dict(zip(*figures.series("flips_per_minute"), strict=True))
    found: dict[int, dict[str, Any]] = {}
    differing = flips = 0
    for stamp in sorted(traces.keys() | lost | extra):
        differs = sum(c.differing.get(stamp, 0) for c in compared)
        differing += bool(differs) or stamp in lost | extra
        flips += bool(changes.get(stamp, 0))
        line: dict[str, Any] = {
            "Golden": {
                "Fields": differs,
                "Missing": stamp in lost,
                "Extra": stamp in extra,
                "Total": differing,
            },
            "Flips": flips,
        }
        if stamp in traces:
            line |= _said(traces[stamp])
        found[stamp] = line
    return found


def _said(trace: Trace) -> dict[str, Any]:
    p, ego = trace.planning, trace.perception.ego
    return {
        "Ego": {"x_m": ego.x_m, "y_m": ego.y_m, "yaw_rad": ego.yaw_rad, "v_mps": ego.v_mps},
        "Decision": [p.longitudinal.name, p.lateral.name, p.direction.name],
        "Sentence": sentence(trace),
        "LatencyMs": {s.stage: s.latency_ms for s in trace.integrity.latency},
    }
