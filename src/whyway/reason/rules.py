"""Scene -> trace by rules: IDM, MOBIL and scored proposals, with exact causes. Rate: 10 Hz. No clock, no ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from whyway.config import Config, config_hash
from whyway.maps.manoeuvre import CENTRED, Place, place_of
from whyway.maps.road import Road
from whyway.motion import HALT
from whyway.reason.citations import cited, perceived, predicted
from whyway.reason.facts import Decision, Facts, Key, Option
from whyway.reason.proposals import Decider
from whyway.reason.wording import collision_time
from whyway.trace.integrity import NO_ACTION, scene_hash
from whyway.trace.vocabulary import VOCABULARY_VERSION
from whyway.types import (
    CYCLE_NS,
    Agreement,
    Cause,
    CauseKind,
    Direction,
    Integrity,
    Lateral,
    LightColor,
    Longitudinal,
    NavCommand,
    PerceptionTrace,
    PlanningTrace,
    PredictionTrace,
    Rejected,
    Risk,
    RoadType,
    Scene,
    Trace,
)

if TYPE_CHECKING:
    from whyway.reason.memory import SceneMemory

CAUSE_WEIGHT = 0.1
"""Terms with a smaller share are not cited."""
STANDS_MPS = 0.3
"""Slower road users stand."""
STOP_SIGN_REACH_M = 4.0
"""Standing this near to a stop sign's line serves it."""


class RuleReasoner:
    """The expert.

    Its memory: the lane change or detour under way, the stop signs it has stood at, who has stood since when, itself included. `step`
    is otherwise a function of the scene.
    """

    def __init__(self, config: Config, road: Road, *, detours: bool = True) -> None:
        """The expert of one road; without `detours` it drives round nobody."""
        self._config = config
        self._road = road
        self._decider = Decider(config, road, detours=detours)
        self._sha = config_hash(config.reason) + config_hash(config.driving)
        self.reset()

    def reset(self) -> None:
        """Forget the lane change and the stop signs."""
        self._changing = Direction.NONE
        self._crossed = False
        self._served: frozenset[int] = frozenset()
        self._nudging = False
        self._stamp_ns: int | None = None
        self._standing_s: Mapping[int, float] = {}
        self._waited_s = 0.0

    def recall(self, memory: SceneMemory) -> None:
        """Go on from what another driver of this car remembers, as before its next scene."""
        self._changing, self._crossed = memory.changing, memory.crossed
        self._served, self._nudging = memory.served_stops, memory.nudging
        self._standing_s, self._waited_s = memory.standing_s, memory.waited_s
        self._stamp_ns = memory.stamp_ns

    def step(self, scene: Scene) -> Trace:
        """The draft of a trace: all parts but the action, which is computed from the final trajectory."""
        place = place_of(self._road, scene.ego)
        if place is None:
            return self._off_the_map(scene)
        self._update_memory(scene, place)
        lights = {light.light_id: light.color for light in scene.lights}
        facts = Facts(
            scene.ego, place, scene.objects, lights, self._changing, self._served, self._standing_s,
            self._waited_s, self._nudging,
        )  # fmt: skip
        decision = self._decider.decide(facts)
        self._follow_up(decision, place)
        citations = cited(decision, facts, self._config, self._road)
        return Trace(
            scene.stamp_ns,
            scene.stamp_ns // CYCLE_NS,
            perceived(decision, facts, scene, citations, self._road, self._config),
            PredictionTrace(tuple(predicted(decision, c, scene.objects) for c in citations)),
            self._planning(decision, facts),
            NO_ACTION,
            self._integrity(scene, fallback=False),
        )

    # ------------------------------------------------------------------------------------------------------ memory

    def _update_memory(self, scene: Scene, place: Place) -> None:
        dt_s = 0.0 if self._stamp_ns is None else (scene.stamp_ns - self._stamp_ns) * 1e-9
        dt_s = dt_s if 0.0 <= dt_s < 2.0 else 0.0
        self._stamp_ns = scene.stamp_ns
        # never changed in place: who copies the reasoner keeps what it remembered then
        self._standing_s = {
            o.id: self._standing_s.get(o.id, -dt_s) + dt_s
            for o in scene.objects
            if math.hypot(o.vx_mps, o.vy_mps) < STANDS_MPS
        }
        v = scene.ego.v_mps
        self._waited_s = self._waited_s + dt_s if v < 0.5 else 0.0 if v > 2.0 else self._waited_s
        front = self._config.vehicle.front_m
        if scene.ego.v_mps < 0.2:
            path = self._road.path_from(place.lane_id, place.s_m + 50.0)
            near = [
                line.id
                for s, line in path.stop_lines
                if -1.0 < s - place.s_m - front < STOP_SIGN_REACH_M
            ]
            self._served = self._served | frozenset(near)
        if self._changing == Direction.NONE:
            return
        came_from = -1.0 if self._changing == Direction.LEFT else 1.0
        half = float(self._road.lanes[place.lane_id].width_at(place.s_m)) / 2
        still_aside = place.d_m * came_from > CENTRED * half
        self._crossed = self._crossed or still_aside
        if self._crossed and not still_aside:
            self._changing, self._crossed = Direction.NONE, False

    def _follow_up(self, decision: Decision, place: Place) -> None:
        """Begin the lane change that was decided; give up one that no longer is, unless the border is behind us."""
        done = decision.chosen.manoeuvre  # a change that is held is not said, but goes on later
        self._nudging = done.lateral == Lateral.NUDGE
        if done.lateral == Lateral.LANE_CHANGE:
            self._changing = done.direction
        elif not self._crossed:
            self._changing = Direction.NONE

    # ---------------------------------------------------------------------------------------------------- planning

    def _planning(self, decision: Decision, facts: Facts) -> PlanningTrace:
        chosen = decision.chosen
        ranked = sorted(decision.weights.items(), key=lambda item: (-item[1], item[0]))
        keys: list[tuple[Key, float]] = [(k, w) for k, w in ranked if w >= CAUSE_WEIGHT]
        if decision.longitudinal in (Longitudinal.RESUME_SPEED, Longitudinal.PASS):
            # what will hold the car back later is no reason to drive on now
            keys = [((CauseKind.OBJECT, i), 1.0 / len(chosen.passes)) for i in chosen.passes]
        if decision.lateral == Lateral.TURN or (
            decision.lateral == Lateral.LANE_CHANGE and decision.route_change == decision.direction
        ):
            keys += [((CauseKind.ROUTE, 0), 0.0)] if (CauseKind.ROUTE, 0) not in dict(keys) else []
        elif decision.lateral == Lateral.LANE_CHANGE:
            keys += [
                (k, 0.0)
                for k in self._what_the_lane_change_avoids(decision, facts)
                if k not in dict(keys)
            ]
        for i in chosen.round:
            keys += (
                [((CauseKind.OBJECT, i), 0.0)] if (CauseKind.OBJECT, i) not in dict(keys) else []
            )
        if not keys and chosen.capped_by is not None:
            keys = [(chosen.capped_by, 1.0)]
        keys += [(k, 0.0) for k in self._what_keeps_it_behind(decision) if k not in dict(keys)]
        if not keys:
            # nothing holds it back but what the road allows
            limit = float(chosen.manoeuvre.path.limit_at(np.array([chosen.manoeuvre.s_m]))[0])
            bends = chosen.cap_mps < limit - 0.5
            keys = [((CauseKind.CURVATURE if bends else CauseKind.SPEED_LIMIT, 0), 1.0)]
        keys = sorted(keys[: self._config.reason.max_causes], key=lambda k: (-k[1], k[0]))
        causes = tuple(self._cause(key, weight, facts) for key, weight in keys)
        return PlanningTrace(
            decision.longitudinal,
            decision.lateral,
            decision.direction,
            causes,
            self._rejected(decision, facts),
            chosen.cap_mps,
            float(chosen.rollout.a_mps2[1]),
            max(chosen.halt.ahead_m, 0.0) if chosen.halt else math.inf,
            self._confidence(decision),
            *self._aside(chosen),
        )

    @staticmethod
    def _aside(chosen: Option) -> tuple[float, float, float]:
        """How far aside of its lane's middle it drives, and from where to where."""
        shift = chosen.manoeuvre.shift
        if shift is None:
            return 0.0, 0.0, 0.0
        return shift.swerve.offset_m, shift.swerve.from_m, shift.swerve.until_m

    @staticmethod
    def _what_keeps_it_behind(decision: Decision) -> list[Key]:
        """Those for whom it waits with driving round somebody."""
        waits = decision.chosen.halt is not None and not decision.chosen.round
        ways = [o for o in decision.others if o.round and o.hindered_by] if waits else []
        return list(dict.fromkeys((CauseKind.OBJECT, o.hindered_by) for o in ways))

    def _what_the_lane_change_avoids(self, decision: Decision, facts: Facts) -> list[Key]:
        keep = next((o for o in decision.others if o.manoeuvre.lateral == Lateral.KEEP_LANE), None)
        if keep is None:
            return []
        held = [int(keep.corridor.ids[r]) for r in keep.rollout.binding if r >= 0]
        if keep.halt is not None and keep.halt.key[0] == CauseKind.OBJECT:
            held += [keep.halt.key[1]] * int(np.count_nonzero(keep.rollout.binding == HALT))
        return [(CauseKind.OBJECT, max(sorted(set(held)), key=held.count))] if held else []

    def _cause(self, key: Key, weight: float, facts: Facts) -> Cause:
        """A cause with its declared counterfactual: the decision taken again without it."""
        other = self._decider.decide(facts, frozenset({key}))
        return Cause(key[0], key[1], weight, other.longitudinal, other.lateral, other.direction)

    def _rejected(self, decision: Decision, facts: Facts) -> tuple[Rejected, ...]:
        chosen = decision.chosen
        found: list[Rejected] = []
        if decision.longitudinal not in (Longitudinal.RESUME_SPEED, Longitudinal.PASS):
            at = collision_time(facts, chosen, self._config)
            risk = Risk.COLLISION
            if not math.isfinite(at):
                risk, at = self._why_not_faster(decision, facts)
            found.append(
                Rejected(Longitudinal.RESUME_SPEED, decision.lateral, decision.direction, risk, at)
            )
        if decision.longitudinal not in (Longitudinal.STOP, Longitudinal.YIELD):
            found.append(
                Rejected(
                    Longitudinal.STOP, Lateral.KEEP_LANE, Direction.NONE, Risk.PROGRESS, math.inf
                )
            )
        for option in decision.others:
            m = option.manoeuvre
            if option.meets is not None:
                risk, at = option.meets
            else:
                risk, at = Risk.PROGRESS, math.inf
            longitudinal = (
                Longitudinal.KEEP_DISTANCE
                if m.lateral == Lateral.KEEP_LANE
                else Longitudinal.RESUME_SPEED
            )
            found.append(Rejected(longitudinal, m.lateral, m.direction, risk, at))
        taken = (decision.longitudinal, decision.lateral, decision.direction)
        return tuple(r for r in found if (r.longitudinal, r.lateral, r.direction) != taken)

    def _why_not_faster(self, decision: Decision, facts: Facts) -> tuple[Risk, float]:
        main = (
            max(decision.weights, key=lambda k: decision.weights[k]) if decision.weights else None
        )
        if main is None:
            return Risk.PROGRESS, math.inf
        if (
            main[0] in (CauseKind.TRAFFIC_LIGHT, CauseKind.STOP_SIGN)
            and decision.chosen.halt is not None
        ):
            return Risk.RULE, decision.chosen.halt.ahead_m / max(facts.ego.v_mps, 1.0)
        if main[0] == CauseKind.CURVATURE:
            return Risk.COMFORT, 0.0
        # closer than the headway, though not yet a collision within the horizon
        return (Risk.RULE, 0.0) if main[0] == CauseKind.SPEED_LIMIT else (Risk.COLLISION, math.inf)

    def _confidence(self, decision: Decision) -> float:
        """How clear-cut: probability of the hypothesis that decides, 1 on a free road."""
        rows = decision.chosen.rollout.binding
        used = np.unique(rows[rows >= 0])
        return float(np.max(decision.chosen.corridor.probability[used])) if len(used) else 1.0

    # ---------------------------------------------------------------------------------------------------- the rest

    def _integrity(self, scene: Scene, *, fallback: bool) -> Integrity:
        return Integrity(
            model_sha256=self._sha,
            vocabulary_version=VOCABULARY_VERSION,
            seed=0,
            input_hash=scene_hash(scene),
            grammar_ok=True,
            longitudinal=Agreement.UNSUPPORTED,
            lateral=Agreement.UNSUPPORTED,
            lane=Agreement.UNSUPPORTED,
            grounding_ok=False,
            fallback_used=fallback,
            validator="",
        )

    def _off_the_map(self, scene: Scene) -> Trace:
        """Nothing is known of the road here: say so, and stop."""
        perception = PerceptionTrace(
            RoadType.UNKNOWN, 0.0, 0.0, math.inf, math.inf, LightColor.UNKNOWN, math.inf, 0.0, scene.ego,
            NavCommand.FOLLOW, math.inf,
        )  # fmt: skip
        cause = Cause(CauseKind.ROUTE, 0, 1.0, Longitudinal.STOP, Lateral.KEEP_LANE, Direction.NONE)
        brake = self._config.driving.comfort_brake_mps2 * 2
        planning = PlanningTrace(
            Longitudinal.STOP, Lateral.KEEP_LANE, Direction.NONE, (cause,), (), 0.0, -brake,
            scene.ego.v_mps**2 / (2 * brake), 0.5,
        )  # fmt: skip
        return Trace(
            scene.stamp_ns, scene.stamp_ns // CYCLE_NS, perception, PredictionTrace(), planning, NO_ACTION,
            self._integrity(scene, fallback=True),
        )  # fmt: skip
