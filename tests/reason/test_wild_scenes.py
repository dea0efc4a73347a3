"""Scenes nobody would draw: whatever is where, the expert answers with a valid, grounded trace that declares what it would do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import (
    at_a_light,
    at_a_stop_sign,
    before_a_bend,
    decision,
    declared,
    ego,
    light,
    one_lane,
    route_change,
    scene,
    thing,
    two_lanes,
    without_cause,
)

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path
from whyway.plan import WaypointPlanner, planner_view
from whyway.reason import RuleReasoner
from whyway.trace import complete, sentence
from whyway.types import CauseKind, LightColor, ObjectClass

CONFIG = Config()
ROADS = {
    make.__name__: make()
    for make in (one_lane, two_lanes, route_change, at_a_light, at_a_stop_sign, before_a_bend)
}
egos = st.builds(
    ego, st.floats(-5.0, 150.0), st.floats(-2.0, 6.0), st.floats(0.0, 16.0), st.floats(-0.3, 0.3), st.floats(-4.0, 2.0)
)  # fmt: skip
things = st.builds(
    thing, st.integers(1, 99), st.floats(-30.0, 230.0), st.floats(-8.0, 10.0), st.floats(0.0, 15.0),
    st.floats(-3.1, 3.1), st.sampled_from(ObjectClass),
)  # fmt: skip
scenes = st.builds(
    lambda e, objects, color: scene(e, *objects, lights=light(color)),
    egos,
    st.lists(things, max_size=6, unique_by=lambda o: o.id),
    st.sampled_from(LightColor),
)
roads = st.sampled_from(sorted(ROADS))


@settings(max_examples=100)
@given(roads, scenes)
def test_there_is_always_a_valid_grounded_trace_and_a_finite_plan(name, s):
    road = ROADS[name]
    trace = RuleReasoner(CONFIG, road).step(s)
    plan = WaypointPlanner(CONFIG, road).step(planner_view(s, trace))
    done = complete(trace, s, plan, ego_path(road, s.ego))
    assert done.integrity.grounding_ok or done.integrity.fallback_used
    assert sentence(done)
    assert np.isfinite(plan.waypoints.x_m).all() and (plan.waypoints.v_mps >= 0.0).all()
    causes, cited = trace.planning.causes, trace.perception.critical_objects
    assert 1 <= len(causes) <= CONFIG.reason.max_causes
    assert len(cited) <= CONFIG.reason.max_critical_objects
    assert sum(c.weight for c in causes) <= 1.0 + 1e-9
    assert len({(c.kind, c.id) for c in causes}) == len(causes)
    assert {c.id for c in causes if c.kind == CauseKind.OBJECT} <= {c.id for c in cited}
    assert decision(trace) not in {
        (r.longitudinal, r.lateral, r.direction) for r in trace.planning.rejected
    }


@settings(max_examples=100)
@given(roads, scenes)
def test_what_is_declared_is_decided_without_the_cause(name, s):
    """Exact by construction: no share, every one."""
    reasoner = RuleReasoner(CONFIG, ROADS[name])
    trace = reasoner.step(s)
    for cause in trace.planning.causes:
        without_it = without_cause(s, cause.kind, cause.id)
        if without_it is not None:
            reasoner.reset()
            assert decision(reasoner.step(without_it)) == declared(cause)
