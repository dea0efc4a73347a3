"""A trace and a verdict as compact numbers, for the panel of a report's page. No ROS, no clock.

Lengths are centimetres, speeds cm/s, times deciseconds, shares percent, enums their values; null stands for infinity. Texts go
into a table once and are meant by their number. `assets/panel.js` reads what is written here.
"""

from __future__ import annotations

import math
from typing import Any

from whyway.trace.sentences import deed, reason, why_not
from whyway.types import (
    CauseKind,
    CriticalObject,
    Floats,
    ObjectPrediction,
    SafetyState,
    Trace,
    Verdict,
)

GUESS_POINTS = 6
"""So many points of the path that a cited object is expected to take."""

PANEL_ENUMS = (
    "Agreement", "CauseKind", "Conflict", "Direction", "Fault", "Intent", "LaneRelation", "Lateral",
    "LightColor", "Longitudinal", "MetaLane", "MetaLateral", "MetaLongitudinal", "NavCommand", "ObjectClass",
    "Risk", "RoadType", "Role", "SafetyState",
)  # fmt: skip
"""Enums of `types.py` whose names the page needs."""


class Texts:
    """Every text once; others mean it by its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The number of a text."""
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        """The table."""
        return list(self._numbers)


def whole(value: float, per: float = 100.0) -> int | None:
    """A number as a whole one, `per` to the unit; None for infinity and NaN."""
    return round(float(value) * per) if math.isfinite(value) else None


def trace_fields(trace: Trace, texts: Texts) -> dict[str, Any]:
    """What the panel shows of a trace."""
    p, seen, checks = trace.planning, trace.perception, trace.integrity
    expected = {o.id: o for o in trace.prediction.objects}
    return {
        "does": [int(p.longitudinal), int(p.lateral), int(p.direction)],
        "aims": [
            whole(p.target_speed_mps), whole(p.target_acceleration_mps2), whole(p.stop_distance_m),
            whole(p.confidence),
        ],
        "causes": [
            [
                int(c.kind),
                int(c.id),
                whole(c.weight),
                texts(reason(c, trace)),
                texts(
                    deed(
                        c.counterfactual_longitudinal,
                        c.counterfactual_lateral,
                        c.counterfactual_direction,
                    )
                ),
            ]
            for c in p.causes
            if c.kind != CauseKind.NONE
        ],
        "not": [[texts(why_not(r)), int(r.risk)] for r in p.rejected],
        "sees": [
            int(seen.road_type), whole(seen.speed_limit_mps), whole(seen.curvature_1pm, 1e4),
            whole(seen.distance_to_junction_m), whole(seen.distance_to_stop_line_m),
            int(seen.traffic_light), whole(seen.traffic_light_distance_m), int(seen.command),
            whole(seen.command_distance_m),
        ],
        "cites": [_cited(c, expected.get(c.id)) for c in seen.critical_objects],
        "did": [
            int(trace.action.meta_longitudinal), int(trace.action.meta_lateral), int(trace.action.meta_lane),
        ],
        "checks": [
            int(checks.grammar_ok), int(checks.longitudinal), int(checks.lateral), int(checks.lane),
            int(checks.grounding_ok), int(checks.fallback_used),
        ],
        "validator": texts(checks.validator) if checks.validator else None,
    }  # fmt: skip


def _cited(c: CriticalObject, expected: ObjectPrediction | None) -> list[int | None]:
    """[id, class, role, lane, relevance], and where it is predicted: intent, probability, conflict, TTC, gap, time of conflict."""
    found = [
        int(c.id),
        int(c.object_class),
        int(c.role),
        int(c.lane_relation),
        whole(c.relevance),
    ]
    if expected is not None:
        found += [
            int(expected.intent), whole(expected.probability), int(expected.conflict),
            whole(expected.time_to_collision_s, 10), whole(expected.min_gap_m), whole(expected.time_of_conflict_s, 10),
        ]  # fmt: skip
    return found


def guesses(trace: Trace) -> list[tuple[Floats, Floats]]:
    """The paths that objects cited as causes are expected to take: x, y of a few points each."""
    causes = {c.id for c in trace.planning.causes if c.kind == CauseKind.OBJECT}
    found = []
    for o in trace.prediction.objects:
        if o.id in causes and len(o.path_x_m):
            step = max(1, math.ceil(len(o.path_x_m) / GUESS_POINTS))
            found.append((o.path_x_m[::step], o.path_y_m[::step]))
    return found


def verdict_fields(verdict: Verdict, texts: Texts) -> list[int] | None:
    """[state, fault, reason, object] where safety intervened, None where it did not."""
    if verdict.state == SafetyState.NOMINAL:
        return None
    return [int(verdict.state), int(verdict.fault), texts(verdict.reason), int(verdict.object_id)]
