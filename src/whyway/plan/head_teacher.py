"""What the waypoint head is taught: the rule planner's speeds, for what was said and for what might have been said instead.

Of a trace as it is, most of a plan follows from any half of it: a head that sees only such traces may learn to ignore some of the words.
So the words are edited, the scene stays, and the teacher drives the new words.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from whyway.config import Config
from whyway.maps.road import Road
from whyway.plan.course import course_of, sample_times
from whyway.plan.head_features import Float32s, said
from whyway.plan.knots import KNOT_TIMES_S
from whyway.plan.view import PlannerView, planner_view
from whyway.plan.waypoints import WaypointPlanner
from whyway.types import Direction, Lateral, Longitudinal, PlanningTrace, Scene, Trace

VARIANTS = 3
"""Edited views of every scene, beside the one as it was said."""
_FURTHER = 0.35
"""Chance that an edited view is edited once more."""
_MOVING_MPS = 1.0


class Teacher:
    """Labels views: the speeds at the knots (KNOTS,) [m/s] that the rule planner drives for the quantised decision."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config, self._road = config, road
        self._planner, self._t_s = WaypointPlanner(config, road), sample_times(config)

    def __call__(self, view: PlannerView) -> Float32s | None:
        """The speeds; None off the lanes, where the head is not asked."""
        view = said(view)
        course = course_of(view, self._road, self._config, self._t_s)
        if course is None:
            return None
        _, motion = self._planner.drive(view, course)
        speeds: Float32s = np.interp(KNOT_TIMES_S, self._t_s, motion.v_mps).astype(np.float32)
        return speeds


def edited_views(
    scene: Scene, trace: Trace, rng: np.random.Generator, variants: int = VARIANTS
) -> list[PlannerView]:
    """The view of a scene as its trace says it, and some with other words: first the true one, then `variants` edited ones."""
    view = planner_view(scene, trace)
    found = [view]
    for _ in range(variants):
        other = view
        for _ in range(2 if rng.random() < _FURTHER else 1):
            other = _EDITS[int(rng.integers(len(_EDITS)))](other, scene, trace, rng)
        found.append(other)
    return found


Edit = Callable[[PlannerView, Scene, Trace, np.random.Generator], PlannerView]


def _decided(view: PlannerView, **changes: object) -> PlannerView:
    decision: PlanningTrace = dataclasses.replace(view.decision, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(view, decision=decision)


def _stop(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """A stop that can be made, somewhere."""
    v = max(view.ego.v_mps, 0.0)
    needed = v * v / (2.0 * rng.uniform(0.8, 4.0))
    word = Longitudinal.STOP if rng.random() < 0.7 else Longitudinal.YIELD
    return _decided(
        view, longitudinal=word, stop_distance_m=needed + rng.exponential(6.0),
        target_acceleration_mps2=-rng.uniform(0.0, 3.0),
    )  # fmt: skip


def _go(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """No stop, up to the limit."""
    return _decided(
        view, longitudinal=Longitudinal.RESUME_SPEED, stop_distance_m=math.inf,
        target_speed_mps=trace.perception.speed_limit_mps, target_acceleration_mps2=rng.uniform(0.0, 1.5),
    )  # fmt: skip


def _speed(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """Another speed: a share of the one it has, or of the one it was to have."""
    v = view.ego.v_mps
    base = v if v > _MOVING_MPS and rng.random() < 0.6 else view.decision.target_speed_mps
    word = (Longitudinal.ADAPT_SPEED, Longitudinal.RESUME_SPEED, Longitudinal.KEEP_DISTANCE)
    return _decided(
        view, longitudinal=word[int(rng.integers(3))], target_speed_mps=base * rng.uniform(0.2, 1.3)
    )


def _side(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """Another lane, or keeping this one."""
    lateral, side = [
        (Lateral.LANE_CHANGE, Direction.LEFT), (Lateral.LANE_CHANGE, Direction.RIGHT), (Lateral.KEEP_LANE, Direction.NONE),
    ][int(rng.integers(3))]  # fmt: skip
    return _decided(
        view, lateral=lateral, direction=side, offset_m=0.0, offset_from_m=0.0, offset_until_m=0.0
    )


def _nudge(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """Aside for a while."""
    offset = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 2.5))
    begins = rng.uniform(2.0, 40.0)
    side = Direction.LEFT if offset > 0.0 else Direction.RIGHT
    return _decided(
        view, lateral=Lateral.NUDGE, direction=side, offset_m=offset, offset_from_m=begins,
        offset_until_m=begins + rng.uniform(3.0, 30.0),
        target_speed_mps=min(view.decision.target_speed_mps, rng.uniform(4.0, 12.0)),
    )  # fmt: skip


def _unsaid(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """Some of the cited objects are not."""
    kept = tuple(o for o in view.objects if rng.random() < 0.4)
    return dataclasses.replace(view, objects=kept)


def _others(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """Other objects are cited, in other numbers."""
    if not scene.objects:
        return _motion(view, scene, trace, rng)
    count = int(rng.integers(1, min(len(scene.objects), 8) + 1))
    picked = sorted(rng.choice(len(scene.objects), size=count, replace=False).tolist())
    return dataclasses.replace(view, objects=tuple(scene.objects[i] for i in picked))


def _motion(view: PlannerView, scene: Scene, trace: Trace, rng: np.random.Generator) -> PlannerView:
    """The ego moves otherwise and stands a little elsewhere."""
    ego = view.ego
    v = (
        0.0
        if rng.random() < 0.15
        else max(ego.v_mps * rng.uniform(0.6, 1.3) + rng.normal(0.0, 1.5), 0.0)
    )
    a = float(np.clip(ego.a_mps2 + rng.normal(0.0, 1.0), -5.0, 2.0)) if v > 0.0 else 0.0
    aside, askew = rng.normal(0.0, 0.25), rng.normal(0.0, 0.03)
    return dataclasses.replace(
        view,
        ego=dataclasses.replace(
            ego, v_mps=float(v), a_mps2=a, yaw_rad=ego.yaw_rad + askew,
            x_m=ego.x_m - aside * math.sin(ego.yaw_rad), y_m=ego.y_m + aside * math.cos(ego.yaw_rad),
        ),
    )  # fmt: skip


_EDITS: Sequence[Edit] = (
    _stop,
    _stop,
    _go,
    _speed,
    _speed,
    _side,
    _nudge,
    _unsaid,
    _others,
    _motion,
)
"""Each as likely as often as it stands here."""
