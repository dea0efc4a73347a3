"""Are the words the causes? Scenes and traces of a log are edited, reasoner and planner run again, and what follows is compared.

Agreement of words and action can be had by chance, or by words that follow the action; only an intervention tells (notes on the trace:
one published driver agrees best with its words, which have no effect on it at all). Two kinds:

* in the scene: a cited cause is taken away, and what the trace declared for that case is decided; an object that is not cited is taken
  away, and neither decision nor plan changes;
* in the trace: the decision is replaced (stop, go on, slower, a lane change to either side) or a cause is left unsaid, the scene stays,
  and the plan moves in the direction of the new words.

And the causes of the rule expert, which are exact by construction, are looked for in what was said (`coverage.py`).

Run on request: it decides hundreds of times.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.evaluate.black_box.explain import ExplainError
from whyway.evaluate.plain import plain
from whyway.evaluate.traces.coverage import EVERY, Expert, covered
from whyway.evaluate.traces.rerun import Here, again, logged_config, logged_driver, own_words
from whyway.log import Log
from whyway.maps.manoeuvre import ego_path, place_of
from whyway.maps.road import LanePath, Road
from whyway.plan import Planner, planner_view
from whyway.trace.integrity import lane_agreement
from whyway.trace.meta_actions import WINDOW_S, lane_action
from whyway.types import (
    Agreement,
    Cause,
    CauseKind,
    Decision,
    Direction,
    LaneMap,
    Lateral,
    Longitudinal,
    Plan,
    PlanningTrace,
    Route,
    Scene,
    Trace,
    same,
)

_MOVING_MPS = 3.0
"""Slower, an edit would have nothing to move."""
_COMFORT_MPS2 = 1.5
_SLOWER = 0.6
_FARTHER_M = 0.1


COVERED = "true causes (the expert's) that are named"
REPRODUCED = "the reasoner says the same again"
DECLARED = "cause taken away: decides as declared"
UNCITED = "uncited object taken away: nothing changes"
SAY_STOP, SAY_GO, SAY_SLOWER = (
    "'stops' said: brakes",
    "'drives on' said: goes farther",
    "less speed said: is slower",
)
SAY_LEFT, SAY_RIGHT = "'to the left' said: goes left", "'to the right' said: goes right"
UNSAID = "cause left unsaid: it no longer holds the car"
TESTS = (
    COVERED,
    REPRODUCED,
    DECLARED,
    UNCITED,
    SAY_STOP,
    SAY_GO,
    SAY_SLOWER,
    SAY_LEFT,
    SAY_RIGHT,
    UNSAID,
)

Outcomes = Iterator[tuple[str, bool]]
"""Which test, and whether what followed is as it must be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One test: how often it was tried and came out as it must."""

    what: str
    hits: int
    tried: int

    @property
    def share(self) -> float | None:
        """Hits of those tried; None for none."""
        return self.hits / self.tried if self.tried else None


@dataclass(frozen=True, slots=True)
class Interventions:
    """All tests over a log."""

    results: tuple[Row, ...]

    def rows(self) -> tuple[Row, ...]:
        """In the order in which they are told."""
        return self.results

    def share(self, what: str) -> float | None:
        """The share of one of `TESTS`."""
        return next(row.share for row in self.results if row.what == what)

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {"tests": [plain(row) | {"share": plain(row.share)} for row in self.results]}


def intervene(log: Log, every: int = EVERY) -> Interventions:
    """Run every test on a log; the tests in the scene where the reasoner, asked again, says its logged words again.

    Raises:
      ExplainError: the log has no map and route, or no traces.
      InputError: no such driver, another model than the one that drove, or a configuration of another version.
    """
    maps, routes = log.of(LaneMap), log.of(Route)
    if not maps or not routes or not log.of(Trace):
        raise ExplainError(
            f"{log.path}: needs map, route and traces to run reasoner and planner again"
        )
    road = Road(maps[-1], routes[-1])
    rerun, planner = logged_driver(log, road)
    expert = Expert(logged_config(log), road)
    found: dict[str, list[bool]] = {what: [] for what in TESTS}
    for k, here in enumerate(again(log, rerun)):
        if k % every == 0:
            for what, hit in _outcomes(here, expert, planner, road):
                found[what].append(hit)
        expert.go_on(here.scene, here.trace)
    return Interventions(tuple(Row(what, sum(hits), len(hits)) for what, hits in found.items()))


def _outcomes(here: Here, expert: Expert, planner: Planner, road: Road) -> Outcomes:
    named, true = covered(here.trace.planning, expert.decide(here.scene).planning)
    yield from ((COVERED, k < named) for k in range(true))

    def decide(scene: Scene) -> Trace:
        return here.rerun.decide([scene])[0]

    if own_words(here.trace):
        reproduced = same(decide(here.scene).planning, here.trace.planning)
        yield REPRODUCED, reproduced
        if reproduced:
            yield from counterfactuals(here.scene, here.trace, decide)
            yield from removals(here.scene, here.trace, decide, planner)
    yield from edits(here.scene, here.trace, planner, road)


# --------------------------------------------------------------------------------------------------- in the scene


def without(scene: Scene, object_id: int) -> Scene:
    """The scene without one object."""
    others = tuple(o for o in scene.objects if o.id != object_id)
    return dataclasses.replace(scene, objects=others)


def without_cause(scene: Scene, kind: CauseKind, id_: int) -> Scene | None:
    """The scene in which a cause is not there; None where a scene cannot do without it (a curve, the route, ...)."""
    if kind == CauseKind.OBJECT:
        return without(scene, id_)
    if kind == CauseKind.TRAFFIC_LIGHT:
        lights = tuple(x for x in scene.lights if x.light_id != id_)
        return dataclasses.replace(scene, lights=lights)
    return None


def declared(cause: Cause) -> Decision:
    """What a cause declares would be decided without it."""
    return (
        cause.counterfactual_longitudinal, cause.counterfactual_lateral, cause.counterfactual_direction
    )  # fmt: skip


def taken_away(scene: Scene, trace: Trace) -> list[tuple[Cause, Scene]]:
    """Each cited cause that a scene can do without, and the scene without it."""
    rests = ((c, without_cause(scene, c.kind, c.id)) for c in trace.planning.causes)
    return [(cause, rest) for cause, rest in rests if rest is not None]


def uncited(scene: Scene, trace: Trace) -> list[Scene]:
    """The scene without each object that is not cited."""
    cited = {c.id for c in trace.perception.critical_objects}
    return [without(scene, o.id) for o in scene.objects if o.id not in cited]


def counterfactuals(scene: Scene, trace: Trace, decide: Callable[[Scene], Trace]) -> Outcomes:
    """Take each cited cause away that a scene can do without: is what was declared decided?"""
    for cause, rest in taken_away(scene, trace):
        yield DECLARED, decide(rest).planning.decision == declared(cause)


def removals(
    scene: Scene, trace: Trace, decide: Callable[[Scene], Trace], planner: Planner
) -> Outcomes:
    """Take each object away that is not cited: are decision and plan the same?"""
    plan = planner.step(planner_view(scene, trace))
    for rest in uncited(scene, trace):
        other = decide(rest)
        unmoved = other.planning.decision == trace.planning.decision and same(
            planner.step(planner_view(rest, other)), plan, ignore_volatile=True
        )
        yield UNCITED, unmoved


# --------------------------------------------------------------------------------------------------- in the trace


def edits(scene: Scene, trace: Trace, planner: Planner, road: Road) -> Outcomes:
    """Say something else of the same scene: does the plan follow the words?"""
    return ((what, hit) for what, hit, _ in sized_edits(scene, trace, planner, road))


def sized_edits(
    scene: Scene, trace: Trace, planner: Planner, road: Road
) -> Iterator[tuple[str, bool, float]]:
    """The same, and by how much [m] the plan is changed within the words' window, in the direction that is said."""
    place, path = place_of(road, scene.ego), ego_path(road, scene.ego)
    if place is None or path is None:
        return

    def plan(said: PlanningTrace, trace: Trace = trace) -> Plan:
        return planner.step(planner_view(scene, dataclasses.replace(trace, planning=said)))

    p, v = trace.planning, scene.ego.v_mps
    base = travelled_m(plan(p))
    if v > _MOVING_MPS:
        if p.longitudinal not in (Longitudinal.STOP, Longitudinal.YIELD):
            stop_m = v * v / (2 * _COMFORT_MPS2) + 1.0
            stop = dataclasses.replace(p, longitudinal=Longitudinal.STOP, stop_distance_m=stop_m)
            if base > _braking_m(v) + 1.0:  # else it brakes as hard anyhow
                less = base - travelled_m(plan(stop))
                yield SAY_STOP, less > _FARTHER_M, less
        target = _SLOWER * v
        slower = dataclasses.replace(
            p, longitudinal=Longitudinal.ADAPT_SPEED, target_speed_mps=target
        )
        if _speed_mps(plan(p)) > target + 1.0:  # else it slows down anyhow
            less = base - travelled_m(plan(slower))
            yield SAY_SLOWER, less > _FARTHER_M, less
        sides = zip((Direction.LEFT, Direction.RIGHT), road.neighbours(place.lane_id), strict=True)
        goes_on = base > _MOVING_MPS * WINDOW_S  # who stops first gets nowhere else
        for side, lane in sides if goes_on and p.lateral == Lateral.KEEP_LANE else ():
            if lane:
                said = dataclasses.replace(
                    p, lateral=Lateral.LANE_CHANGE, direction=side, offset_m=0.0, offset_until_m=0.0
                )
                w = plan(said).waypoints
                done = lane_action(w.x_m[[0, -1]], w.y_m[[0, -1]], path)
                agrees = lane_agreement(Lateral.LANE_CHANGE, side, done) == Agreement.OK
                left = _left_m(plan(said), path) - _left_m(plan(p), path)
                leftward = side == Direction.LEFT
                yield SAY_LEFT if leftward else SAY_RIGHT, agrees, left if leftward else -left
    objects = [c for c in p.causes if c.kind == CauseKind.OBJECT]
    halts = p.longitudinal in (Longitudinal.STOP, Longitudinal.YIELD)
    if halts and not objects and math.isfinite(p.stop_distance_m):
        limit = trace.perception.speed_limit_mps
        go = dataclasses.replace(
            p,
            longitudinal=Longitudinal.RESUME_SPEED,
            stop_distance_m=math.inf,
            target_speed_mps=limit,
        )
        more = travelled_m(plan(go)) - base
        yield SAY_GO, more > _FARTHER_M, more
    if p.longitudinal == Longitudinal.KEEP_DISTANCE and objects:
        more = _unsaid(trace, objects[0].id, plan) - base
        yield UNSAID, more > 0.0, more


def _unsaid(trace: Trace, object_id: int, plan: Callable[[PlanningTrace, Trace], Plan]) -> float:
    """How far the plan leads when an object is not cited."""
    rest = tuple(c for c in trace.perception.critical_objects if c.id != object_id)
    perception = dataclasses.replace(trace.perception, critical_objects=rest)
    return travelled_m(plan(trace.planning, dataclasses.replace(trace, perception=perception)))


def _braking_m(v_mps: float) -> float:
    """How far a car comes within the words' window that brakes comfortably from a speed."""
    t = min(WINDOW_S, v_mps / _COMFORT_MPS2)
    return v_mps * t - 0.5 * _COMFORT_MPS2 * t * t


def travelled_m(plan: Plan) -> float:
    """How far a plan leads within the words' window."""
    w = plan.waypoints
    now = w.t_s <= WINDOW_S + 1e-6
    x, y = w.x_m[now], w.y_m[now]
    return sum(map(math.hypot, (x[1:] - x[:-1]).tolist(), (y[1:] - y[:-1]).tolist()))


def _speed_mps(plan: Plan) -> float:
    """How fast it is at the window's end."""
    w = plan.waypoints
    return float(w.v_mps[w.t_s <= WINDOW_S + 1e-6][-1])


def _left_m(plan: Plan, path: LanePath) -> float:
    """How far left of a lane path it leads within the window."""
    w = plan.waypoints
    last = int(np.flatnonzero(w.t_s <= WINDOW_S + 1e-6)[-1])
    return float(path.center.project(w.x_m[last], w.y_m[last])[1])
