"""One decision of a log, tested: is it said again, do its declared causes cause it, does the plan follow its words, and nothing but them?

What each name counts is told in `scorecard.py`. All the scenes a reasoner is asked about are asked in one go: the learnt one decides them
together.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whyway.evaluate.faithfulness.tally import Tally
from whyway.evaluate.traces.coverage import Expert, covered
from whyway.evaluate.traces.interventions import (
    SAY_GO,
    SAY_LEFT,
    SAY_RIGHT,
    SAY_SLOWER,
    SAY_STOP,
    UNSAID,
    declared,
    sized_edits,
    taken_away,
    travelled_m,
    uncited,
)
from whyway.evaluate.traces.rerun import Here, own_words
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import LanePath, Road
from whyway.plan import Planner, planner_view
from whyway.reason.baselines import BlankReasoner
from whyway.reason.shuffled import ShuffledReasoner
from whyway.trace.integrity import lane_agreement
from whyway.trace.meta_actions import WINDOW_S, meta_actions
from whyway.types import (
    Agreement,
    Cause,
    Decision,
    Floats,
    InputError,
    Longitudinal,
    Plan,
    Scene,
    Trace,
    same,
)

SAME_M = 0.25
"""Plans that are nowhere farther apart within the words' window (3 s) count as the same: half of the least motion that has a name (a shift
of 0.5 m, `meta_actions`), and what the expert itself calls holding an offset. A learnt number may be said one bin off."""
FARTHER_M = 0.1
"""A plan leads farther than another by at least this."""
NAMES = {
    SAY_STOP: "stop", SAY_GO: "go", SAY_SLOWER: "slower", SAY_LEFT: "left", SAY_RIGHT: "right", UNSAID: "unsaid",
}  # fmt: skip
_FREEDOM = {
    Longitudinal.STOP: 0, Longitudinal.YIELD: 0, Longitudinal.GAP_SEARCH: 1, Longitudinal.KEEP_DISTANCE: 1,
    Longitudinal.ADAPT_SPEED: 1, Longitudinal.PASS: 2, Longitudinal.RESUME_SPEED: 2,
}  # fmt: skip
"""How much a decision holds back; the declared one leads farther if it is higher."""


@dataclass(frozen=True, slots=True)
class Dials:
    """How much is tested."""

    every: int = 10
    """Every so many decisions one is; 10: once a second."""
    removals: int = 8
    """At most so many objects that are not cited are taken away, each alone, drawn at random."""
    samples: int = 4
    """So often a reasoner with probabilities is asked what else it might have said."""

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 10_000:
            raise InputError(f"--every {self.every}: from 1 (every decision) to 10000")
        for name, count in (("removals", self.removals), ("samples", self.samples)):
            if not 0 <= count <= 1000:
                raise InputError(f"--{name} {count}: from 0 (none) to 1000")


class Probe:
    """Tests decisions of one log.

    Args:
      road: map and route.
      planner: of the driver.
      expert: in the driver's place, as it stands before the decision.
      said: all traces of the log, whose words are said at other moments.
      blank: says nothing.
      others: says the words of other scenes.
      dials: how much is tested.
    """

    def __init__(
        self, road: Road, planner: Planner, expert: Expert, said: Sequence[Trace], blank: BlankReasoner,
        others: ShuffledReasoner, dials: Dials,
    ) -> None:  # fmt: skip
        self._road, self._planner, self._expert, self._said = road, planner, expert, said
        self._blank, self._others, self._dials = blank, others, dials

    def __call__(self, here: Here, number: int, tally: Tally) -> None:
        """Test a decision, the so-manieth of its log."""
        path = ego_path(self._road, here.scene.ego)
        own = own_words(here.trace)
        tally.add("own_words", own)
        if own:
            true = self._expert.decide(here.scene).planning
            tally.add("coverage", *covered(here.trace.planning, true))
            self._reasoner(here, path, tally)
        for what, hit, moved_m in sized_edits(here.scene, here.trace, self._planner, self._road):
            tally.add("intervention_direction", hit)
            tally.add(f"intervention_{NAMES[what]}", hit)
            tally.add(f"intervention_{NAMES[what]}_m", moved_m)
        if path is not None:
            self._bypass(here, number, path, tally)

    # ------------------------------------------------------------------------------------------------ the reasoner

    def _reasoner(self, here: Here, path: LanePath | None, tally: Tally) -> None:
        """Ask it again, here and in scenes without somebody."""
        scene, said = here.scene, here.trace.planning
        causes, strangers = taken_away(scene, here.trace), self._drawn(uncited(scene, here.trace))
        first, *rest = here.rerun.decide([scene, *(s for _, s in causes), *strangers])
        tally.add("reproduced", same(first.planning, said))
        if first.planning.decision != said.decision:
            return  # what follows would be another decision's
        plan = self._plan(scene, first)
        for (cause, without), answer in zip(causes, rest[: len(causes)], strict=True):
            tally.add("counterfactual_hit", answer.planning.decision == declared(cause))
            if path is not None:
                other = self._plan(without, answer)
                acts = _acts(said.decision, cause, plan, other, path)
                if acts is not None:
                    tally.add("counterfactual_action", acts)
        for without, answer in zip(strangers, rest[len(causes) :], strict=True):
            self._unchanged(first, plan, without, answer, tally)
        drawn = here.rerun.sample(scene, self._dials.samples) or [first]
        for other_trace in drawn:
            tally.add("stability", other_trace.planning.decision == said.decision)

    def _unchanged(
        self, first: Trace, plan: Plan, without: Scene, answer: Trace, tally: Tally
    ) -> None:
        """Somebody who is not cited is gone: nothing may have changed."""
        equal = answer.planning.decision == first.planning.decision
        other = self._plan(without, answer)
        tally.add("uncited_unchanged", equal and _apart_m(plan, other) <= SAME_M)
        tally.add("uncited_decision", equal)
        tally.add("uncited_identical", equal and same(plan, other, ignore_volatile=True))

    def _drawn(self, scenes: list[Scene]) -> list[Scene]:
        """Some of them, by a generator of the stamp."""
        if len(scenes) <= self._dials.removals:
            return scenes
        rng = np.random.default_rng(max(scenes[0].stamp_ns, 0))
        picked = sorted(rng.choice(len(scenes), size=self._dials.removals, replace=False).tolist())
        return [scenes[i] for i in picked]

    # ------------------------------------------------------------------------------------------------- the planner

    def _bypass(self, here: Here, number: int, path: LanePath, tally: Tally) -> None:
        """Give the planner no words, those of another moment of this drive, and those of another drive."""
        scene = here.scene
        driven = self._departure(scene, self._plan(scene, here.trace), path)
        total = float(driven @ driven)
        tally.add("departures", total)
        moment = _here(self._said[(number + len(self._said) // 2) % len(self._said)], scene)
        words = {
            "blank": self._blank.step(scene),
            "moment": moment,
            "other": self._others.step(scene),
        }
        for name, trace in words.items():
            off = self._departure(scene, self._plan(scene, trace), path) - driven
            tally.add(f"bypass_{name}", total - float(off @ off), total)

    def _departure(self, scene: Scene, plan: Plan, path: LanePath) -> Floats:
        """What a plan does within the words' window beside going on as it does: (2,) metres farther, and metres to the left in its lane."""
        w = plan.waypoints
        last = int(np.flatnonzero(w.t_s <= WINDOW_S + 1e-6)[-1])
        _, d = path.center.project(w.x_m[[0, last]], w.y_m[[0, last]])
        return np.array(
            [travelled_m(plan) - scene.ego.v_mps * float(w.t_s[last]), float(d[1] - d[0])]
        )

    def _plan(self, scene: Scene, trace: Trace) -> Plan:
        return self._planner.step(planner_view(scene, trace))


def _acts(said: Decision, cause: Cause, plan: Plan, without: Plan, path: LanePath) -> bool | None:
    """Whether a plan without a cause differs as is declared; None where what is declared says nothing of its direction."""
    (longitudinal, *lateral), (then, *then_lateral) = said, declared(cause)
    freer, found = _FREEDOM[then] - _FREEDOM[longitudinal], []
    if freer:
        more = travelled_m(without) - travelled_m(plan)
        found.append(math.copysign(1.0, freer) * more >= FARTHER_M)
    if lateral != then_lateral:
        done = meta_actions(without.waypoints, path).lane
        found.append(lane_agreement(*declared(cause)[1:], done) == Agreement.OK)
    return all(found) if found else None


def _apart_m(a: Plan, b: Plan) -> float:
    """How far apart two plans are at most within the words' window."""
    now = a.waypoints.t_s <= WINDOW_S + 1e-6
    dx, dy = (getattr(a.waypoints, n)[now] - getattr(b.waypoints, n)[now] for n in ("x_m", "y_m"))
    return float(np.hypot(dx, dy).max())


def _here(trace: Trace, scene: Scene) -> Trace:
    """The words of another moment said of this scene; who is not here is not cited."""
    ids = {o.id for o in scene.objects}
    cited = tuple(c for c in trace.perception.critical_objects if c.id in ids)
    perception = dataclasses.replace(trace.perception, critical_objects=cited)
    return dataclasses.replace(trace, stamp_ns=scene.stamp_ns, perception=perception)
