"""Does it do what it says, and is what it cites there? From the log alone, computed anew: nothing a trace claims of itself is believed.

* consistency: share of cycles whose stated decision agrees with the meta-action of the logged plan, per axis; the lateral axis
  agrees if steering and motion in the lane's frame both do;
* contradiction: share of cycles in which either axis does the opposite of what is said;
* grounding: share of traces that cite only what is there: every cited id is in the logged scene of that stamp, with its class and on
  its side, and a true road user is within 3 m of it;
* flips: how often the stated decision changes, per minute.

Definitions: notes of the trace; Agreement's table: `trace/integrity.py`, thresholds of meta-actions: `trace/meta_actions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whyway.geometry import distance_to_box
from whyway.log import Log
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import Road
from whyway.trace.integrity import agreement, grounded
from whyway.trace.meta_actions import meta_actions
from whyway.types import Actor, Agreement, Plan, Scene, Trace, TrackedObject, Truth

NEAR_M = 3.0
"""How far from a true road user a cited object may be believed to be."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One trace, checked: agreement per axis (None where there is no plan to check), and what it cites that is not there."""

    stamp_ns: int
    longitudinal: Agreement | None
    lateral: Agreement | None
    in_scene: bool
    in_truth: bool


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Shares in [0, 1]; None where the log has nothing to measure it on."""

    cycles: int
    consistency_longitudinal: float | None
    consistency_lateral: float | None
    contradiction: float | None
    grounding: float | None
    grounding_scene: float | None
    """Cited ids exist in the scene, class and side right: the reasoner's part of grounding."""
    grounding_truth: float | None
    """Something is really there: perception's part."""
    flips_per_minute: float | None
    contradictions_at_s: tuple[float, ...]
    ungrounded_at_s: tuple[float, ...]


def faithfulness(log: Log, road: Road) -> Faithfulness:
    """Check every trace of a log."""
    traces = log.of(Trace)
    cycles = list(check(log, road))
    start = traces[0].stamp_ns if traces else 0
    judged = [c for c in cycles if c.longitudinal is not None and c.lateral is not None]
    bad = [c for c in judged if Agreement.CONTRADICTORY in (c.longitudinal, c.lateral)]
    adrift = [c for c in cycles if not (c.in_scene and c.in_truth)]
    return Faithfulness(
        cycles=len(cycles),
        consistency_longitudinal=_share([c.longitudinal == Agreement.OK for c in judged]),
        consistency_lateral=_share([c.lateral == Agreement.OK for c in judged]),
        contradiction=_share([c in bad for c in judged]),
        grounding=_share([c.in_scene and c.in_truth for c in cycles]),
        grounding_scene=_share([c.in_scene for c in cycles]),
        grounding_truth=_share([c.in_truth for c in cycles]),
        flips_per_minute=_flips_per_minute(traces),
        contradictions_at_s=tuple((c.stamp_ns - start) * 1e-9 for c in bad),
        ungrounded_at_s=tuple((c.stamp_ns - start) * 1e-9 for c in adrift),
    )


def check(log: Log, road: Road) -> Iterator[Cycle]:
    """Check each trace against the plan, scene and truth of its stamp; one without a scene is not grounded."""
    plans = {p.stamp_ns: p for p in log.of(Plan)}
    scenes = {s.stamp_ns: s for s in log.of(Scene)}
    truths = {t.stamp_ns: t for t in log.of(Truth)}
    for trace in log.of(Trace):
        scene, plan = scenes.get(trace.stamp_ns), plans.get(trace.stamp_ns)
        path = None if scene is None else ego_path(road, scene.ego)
        longitudinal = lateral = None
        if plan is not None and len(plan.waypoints.t_s) >= 2:
            longitudinal = lateral = Agreement.UNSUPPORTED
            if path is not None:
                done = meta_actions(plan.waypoints, path)
                longitudinal, steering, lane = agreement(trace.planning, done)
                lateral = max(steering, lane)
        cites = bool(trace.perception.critical_objects or trace.planning.causes)
        in_scene = scene is not None and (
            grounded(trace, scene, path) if path is not None else not cites
        )
        yield Cycle(
            trace.stamp_ns,
            longitudinal,
            lateral,
            in_scene,
            _in_truth(trace, scene, truths.get(trace.stamp_ns)),
        )


def _in_truth(trace: Trace, scene: Scene | None, truth: Truth | None) -> bool:
    cited = {c.id for c in trace.perception.critical_objects}
    if not cited:
        return True
    if scene is None or truth is None:
        return False
    found = [o for o in scene.objects if o.id in cited]
    return len(found) == len(cited) and all(
        any(_away_m(o, a) <= NEAR_M for a in truth.actors) for o in found
    )


def _away_m(o: TrackedObject, a: Actor) -> float:
    """From the believed centre to the true box, 0 inside: a long lorry's centre is easily metres off."""
    yaw = np.float64(a.yaw_rad)
    return float(distance_to_box(o.x_m, o.y_m, a.x_m, a.y_m, yaw, a.length_m, a.width_m))


def _share(answers: list[bool]) -> float | None:
    return sum(answers) / len(answers) if answers else None


def _flips_per_minute(traces: tuple[Trace, ...]) -> float | None:
    said = [(t.planning.longitudinal, t.planning.lateral, t.planning.direction) for t in traces]
    if len(said) < 2 or traces[-1].stamp_ns <= traces[0].stamp_ns:
        return None
    flips = sum(a != b for a, b in zip(said, said[1:], strict=False))
    return flips / ((traces[-1].stamp_ns - traces[0].stamp_ns) * 1e-9 / 60)
