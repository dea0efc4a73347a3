"""Does it do what it says, and is what it cites there? From the log alone, computed anew: nothing a trace claims of itself is believed.

* consistency: share of cycles whose stated decision agrees with the meta-action of the logged plan, per axis; the lateral axis
  agrees if steering and motion in the lane's frame both do;
* contradiction: share of cycles in which either axis does the opposite of what is said;
* grounding: share of traces that cite only what is there: every cited id is in the logged scene of that stamp, with its class and on
  its side, and a true road user is within 3 m of it;
* flips: how often the stated decision changes, per minute;
* silent changes and failures: how often what the plan does changes while nothing said of it does, and how often the words do not
  cover it either (`silence.py`);
* driven consistency: as consistency and contradiction, against what the car then drove for as long as a plan's words are about (3 s),
  where the decision stood all that time. When safety took over, what was driven was not what was said: that counts. Nothing is said of a
  log whose car was not ours to drive (a replayed recording).

Definitions: notes of the trace; Agreement's table: `trace/integrity.py`, thresholds of meta-actions: `trace/meta_actions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whyway.evaluate.traces.driven import Driven, stands_until
from whyway.evaluate.traces.silence import Behaviour, Words, silence, words_of
from whyway.geometry import distance_to_box
from whyway.log import Log
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import LanePath, Road
from whyway.trace.integrity import agreement, grounded
from whyway.trace.meta_actions import MetaActions, meta_actions
from whyway.types import (
    Agreement,
    Plan,
    PlanningTrace,
    Scene,
    Trace,
    Truth,
    Waypoints,
)

NEAR_M = 3.0
"""How far from a true road user a cited object may be believed to be."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """One trace, checked: agreement per axis (None where there is no plan to check), and what it cites that is not there.

    `in_truth` is None where nobody knows who was there (a recording without road users by name). `done` is what the plan does, `driven`
    the agreement per axis with what was driven then (None where that cannot be told).
    """

    stamp_ns: int
    longitudinal: Agreement | None
    lateral: Agreement | None
    in_scene: bool
    in_truth: bool | None
    words: Words
    done: MetaActions | None = None
    driven: tuple[Agreement, Agreement] | None = None

    @property
    def grounded(self) -> bool:
        """Whether all that is cited is there, as far as that is known."""
        return self.in_scene and self.in_truth is not False


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Shares in [0, 1]; None where the log has nothing to measure it on. Times count from the first truth, as a drive's do."""

    cycles: int
    consistency_longitudinal: float | None
    consistency_lateral: float | None
    contradiction: float | None
    grounding: float | None
    grounding_scene: float | None
    """Cited ids exist in the scene, class and side right: the reasoner's part of grounding."""
    grounding_truth: float | None
    """Something is really there: perception's part; only where it is known who was there."""
    flips_per_minute: float | None
    contradictions_at_s: tuple[float, ...]
    ungrounded_at_s: tuple[float, ...]
    changes_of_behaviour: int = 0
    silent_changes: int = 0
    silent_failures_at_s: tuple[float, ...] = ()
    consistency_driven_longitudinal: float | None = None
    consistency_driven_lateral: float | None = None
    contradiction_driven: float | None = None

    def metrics(self) -> dict[str, float | int | None]:
        """The numbers by their names."""
        return {
            "cycles": self.cycles,
            "consistency_longitudinal": self.consistency_longitudinal,
            "consistency_lateral": self.consistency_lateral,
            "contradiction": self.contradiction,
            "consistency_driven_longitudinal": self.consistency_driven_longitudinal,
            "consistency_driven_lateral": self.consistency_driven_lateral,
            "contradiction_driven": self.contradiction_driven,
            "grounding": self.grounding,
            "grounding_scene": self.grounding_scene,
            "grounding_truth": self.grounding_truth,
            "flips_per_minute": self.flips_per_minute,
            "changes_of_behaviour": self.changes_of_behaviour,
            "silent_changes": self.silent_changes,
            "silent_failures": len(self.silent_failures_at_s),
        }


def faithfulness(log: Log, road: Road) -> Faithfulness:
    """Check every trace of a log."""
    traces = log.of(Trace)
    cycles = list(check(log, road))
    truths = log.of(Truth)
    start = truths[0].stamp_ns if truths else traces[0].stamp_ns if traces else 0
    judged = [c for c in cycles if c.longitudinal is not None and c.lateral is not None]
    bad = [c for c in judged if Agreement.CONTRADICTORY in (c.longitudinal, c.lateral)]
    adrift = [c for c in cycles if not c.grounded]
    driven = [c.driven for c in cycles if c.driven is not None]
    quiet = silence(
        [
            Behaviour.of(c.stamp_ns, c.done, c.words, c.longitudinal == c.lateral == Agreement.OK)
            for c in cycles
            if c.done is not None
        ]
    )
    return Faithfulness(
        cycles=len(cycles),
        consistency_longitudinal=_share([c.longitudinal == Agreement.OK for c in judged]),
        consistency_lateral=_share([c.lateral == Agreement.OK for c in judged]),
        contradiction=len(bad) / len(judged) if judged else None,
        grounding=_share([c.grounded for c in cycles]),
        grounding_scene=_share([c.in_scene for c in cycles]),
        grounding_truth=_share([c.in_truth for c in cycles if c.in_truth is not None]),
        flips_per_minute=_flips_per_minute(traces),
        contradictions_at_s=tuple((c.stamp_ns - start) * 1e-9 for c in bad),
        ungrounded_at_s=tuple((c.stamp_ns - start) * 1e-9 for c in adrift),
        changes_of_behaviour=quiet.changes,
        silent_changes=len(quiet.silent_ns),
        silent_failures_at_s=tuple((stamp - start) * 1e-9 for stamp in quiet.failures_ns),
        consistency_driven_longitudinal=_share([d[0] == Agreement.OK for d in driven]),
        consistency_driven_lateral=_share([d[1] == Agreement.OK for d in driven]),
        contradiction_driven=_share([Agreement.CONTRADICTORY in d for d in driven]),
    )


def check(log: Log, road: Road) -> Iterator[Cycle]:
    """Check each trace against the plan, scene and truth of its stamp; one without a scene is not grounded."""
    plans = {p.stamp_ns: p for p in log.of(Plan)}
    scenes = {s.stamp_ns: s for s in log.of(Scene)}
    truths = {t.stamp_ns: t for t in log.of(Truth)}
    traces = log.of(Trace)
    notes = log.info.get("notes", {})
    ours = notes.get("open_loop") != "yes"
    known_ns = float(notes.get("actors_known_from_s", 0.0)) * 1e9
    driven = Driven(tuple(truths.values()) if ours else ())
    for trace, until_ns in zip(traces, stands_until(traces), strict=True):
        scene, plan = scenes.get(trace.stamp_ns), plans.get(trace.stamp_ns)
        path = None if scene is None else ego_path(road, scene.ego)
        done, longitudinal, lateral = None, None, None
        if plan is not None and len(plan.waypoints.t_s) >= 2:
            longitudinal = lateral = Agreement.UNSUPPORTED
            if path is not None:
                done, longitudinal, lateral = _judged(trace.planning, plan.waypoints, path)
        went = driven.window(trace.stamp_ns, until_ns)
        cites = bool(trace.perception.critical_objects or trace.planning.causes)
        in_scene = scene is not None and (
            grounded(trace, scene, path) if path is not None else not cites
        )
        yield Cycle(
            trace.stamp_ns,
            longitudinal,
            lateral,
            in_scene,
            _in_truth(trace, scene, truths.get(trace.stamp_ns))
            if trace.stamp_ns >= known_ns
            else None,
            words_of(trace.planning),
            done,
            None if went is None or path is None else _judged(trace.planning, went, path)[1:],
        )


def _judged(
    said: PlanningTrace, motion: Waypoints, path: LanePath
) -> tuple[MetaActions, Agreement, Agreement]:
    """What a motion does, and its agreement with what was said: longitudinal, lateral (steering and lane)."""
    done = meta_actions(motion, path)
    longitudinal, steering, lane = agreement(said, done)
    return done, longitudinal, max(steering, lane)


def _in_truth(trace: Trace, scene: Scene | None, truth: Truth | None) -> bool:
    cited = {c.id for c in trace.perception.critical_objects}
    if not cited:
        return True
    if scene is None or truth is None:
        return False
    found = [o for o in scene.objects if o.id in cited]
    if len(found) < len(cited) or not truth.actors:
        return False
    # to the true box, 0 inside: a long lorry's centre is easily metres off
    boxes = np.array([(a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m) for a in truth.actors]).T
    x, y = np.array([(o.x_m, o.y_m) for o in found]).T[..., None]
    return bool((distance_to_box(x, y, *boxes).min(axis=1) <= NEAR_M).all())


def _share(answers: Sequence[bool]) -> float | None:
    return sum(answers) / len(answers) if answers else None


def _flips_per_minute(traces: tuple[Trace, ...]) -> float | None:
    said = [t.planning.decision for t in traces]
    if len(said) < 2 or traces[-1].stamp_ns <= traces[0].stamp_ns:
        return None
    flips = sum(a != b for a, b in zip(said, said[1:], strict=False))
    return flips / ((traces[-1].stamp_ns - traces[0].stamp_ns) * 1e-9 / 60)
