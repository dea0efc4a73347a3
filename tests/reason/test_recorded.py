"""The expert's words on real drives: every trace is valid, what it declares comes true, and who is not cited moves nothing.

The shares asked for are the project's goals (90 % and 98 %); what is measured is printed (`pytest -s`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from whyway.config import Config
from whyway.evaluate.traces.interventions import counterfactuals, removals
from whyway.plan import WaypointPlanner
from whyway.types import CauseKind, Lateral, same

CONFIG = Config()


@pytest.fixture(params=["town_moments", "recorded_moments"])
def moments(request):
    return request.getfixturevalue(request.param)


def share_of(outcomes, request, what):
    """The share of hits, printed."""
    hits = [hit for _, hit in outcomes]
    share = np.mean(hits)
    print(f"\n{request.node.name}: {share:.2%} of {len(hits)} {what}")
    return len(hits), share


def test_the_declared_counterfactual_is_what_is_decided_without_the_cause(moments, request):
    outcomes = [o for m in moments for o in counterfactuals(m.cycle.scene, m.cycle.trace, m.again)]
    count, share = share_of(outcomes, request, "counterfactuals as declared")
    assert count >= 10 and share >= 0.9


def test_without_somebody_who_is_not_cited_decision_and_plan_are_the_same(moments, request):
    outcomes = [
        o
        for m in moments
        for o in removals(m.cycle.scene, m.cycle.trace, m.again, WaypointPlanner(CONFIG, m.road))
    ]
    count, share = share_of(outcomes, request, "uncited removals change nothing")
    assert count >= 50 and share >= 0.98


def test_saying_it_again_is_saying_the_same(moments):
    for m in moments[::5]:
        again = m.again(m.cycle.scene)
        assert same(again.planning, m.cycle.trace.planning)
        assert same(again.perception, m.cycle.trace.perception)


def test_every_trace_is_valid(moments):
    for m in moments:
        trace, scene = m.cycle.trace, m.cycle.scene
        seen, planning = trace.perception, trace.planning
        assert trace.stamp_ns == scene.stamp_ns and trace.trace_id == scene.stamp_ns // 100_000_000
        ids = [c.id for c in seen.critical_objects]
        assert len(ids) <= CONFIG.reason.max_critical_objects and len(set(ids)) == len(ids)
        assert [p.id for p in trace.prediction.objects] == ids
        assert all(0.0 <= c.relevance <= 1.0 for c in seen.critical_objects)
        causes = planning.causes
        assert 1 <= len(causes) <= CONFIG.reason.max_causes
        assert len({(c.kind, c.id) for c in causes}) == len(causes)
        assert all(0.0 <= c.weight <= 1.0 for c in causes)
        assert sum(c.weight for c in causes) <= 1.0 + 1e-9
        assert {c.id for c in causes if c.kind == CauseKind.OBJECT} <= set(ids)
        assert planning.rejected
        sided = planning.lateral in (Lateral.LANE_CHANGE, Lateral.TURN, Lateral.NUDGE)
        assert sided == (planning.direction != 0)


def test_numbers_are_finite_where_they_must_be_and_never_nan(moments):
    def numbers(value, path=""):
        if dataclasses.is_dataclass(value):
            for f in dataclasses.fields(value):
                yield from numbers(getattr(value, f.name), f.name)
        elif isinstance(value, tuple):
            for item in value:
                yield from numbers(item, path)
        elif isinstance(value, (float, np.ndarray)):
            yield path, np.asarray(value)

    may_be_infinite = {
        "distance_to_junction_m", "distance_to_stop_line_m", "traffic_light_distance_m", "command_distance_m",
        "time_to_collision_s", "min_gap_m", "time_of_conflict_s", "stop_distance_m", "at_s",
    }  # fmt: skip
    for m in moments:
        for name, value in numbers(m.cycle.trace):
            assert not np.isnan(value).any(), name
            assert name in may_be_infinite or np.isfinite(value).all(), name


def test_what_is_done_is_what_was_said_and_what_was_said_is_there(moments):
    found = [m.cycle.trace.integrity for m in moments]
    for axis in ("longitudinal", "lateral", "lane"):
        share = np.mean([getattr(i, axis) == 0 for i in found])
        assert share >= 0.95, axis  # of a sample; the whole suite is gated at 97 %
    assert all(i.grounding_ok and i.grammar_ok and not i.fallback_used for i in found)


def test_a_plan_is_of_its_trace_and_starts_where_the_car_is(moments):
    for m in moments:
        plan, ego = m.cycle.plan, m.cycle.scene.ego
        assert (plan.stamp_ns, plan.trace_id) == (m.cycle.trace.stamp_ns, m.cycle.trace.trace_id)
        w = plan.waypoints
        assert math.hypot(w.x_m[0] - ego.x_m, w.y_m[0] - ego.y_m) < 0.05
        assert (w.v_mps >= 0.0).all() and (np.diff(w.t_s) > 0.0).all()
