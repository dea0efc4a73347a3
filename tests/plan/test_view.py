"""Law 2: the planner sees ego, decision, and the objects that are cited; nobody else can move the car."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scenes import ego, one_lane, pedestrian, scene, thing, two_lanes

from whyway.config import Config
from whyway.plan import PlannerView, WaypointPlanner, planner_view
from whyway.reason import RuleReasoner
from whyway.types import same

CONFIG = Config()
ROAD = one_lane()
LEAD, BESIDE, FAR = thing(7, 85.0, v=7.0), thing(8, 60.0, 9.0, lane_id=0), thing(9, 300.0, v=14.0)
SCENE = scene(ego(), LEAD, BESIDE, FAR)
TRACE = RuleReasoner(CONFIG, ROAD).step(SCENE)


def test_a_view_holds_what_is_cited_and_nothing_else():
    assert {c.id for c in TRACE.perception.critical_objects} == {7}
    view = planner_view(SCENE, TRACE)
    assert view.objects == (LEAD,)
    assert (view.ego, view.decision, view.stamp_ns) == (SCENE.ego, TRACE.planning, SCENE.stamp_ns)
    assert {f.name for f in dataclasses.fields(PlannerView)} == {
        "stamp_ns",
        "trace_id",
        "ego",
        "decision",
        "objects",
    }


def test_a_trace_of_another_scene_is_refused_in_one_line():
    with pytest.raises(ValueError, match="does not belong") as error:
        planner_view(dataclasses.replace(SCENE, stamp_ns=100_000_000), TRACE)
    assert "\n" not in str(error.value)


def plan_of(s):
    return WaypointPlanner(CONFIG, ROAD).step(planner_view(s, TRACE))


@given(
    st.lists(
        st.builds(
            thing,
            st.integers(20, 1000),
            st.floats(-50.0, 200.0),
            st.floats(-10.0, 10.0),
            st.floats(0.0, 20.0),
            st.floats(-3.0, 3.0),
        ),
        max_size=4,
    )
)
def test_nobody_who_is_not_cited_can_change_a_bit_of_the_plan(strangers):
    """They may come, go and stand right before the car: what is not said cannot move it."""
    assert same(plan_of(scene(ego(), LEAD, *strangers)), plan_of(SCENE))


@given(st.floats(-3.0, 10.0), st.floats(0.0, 10.0))
def test_who_is_cited_can(dx, v):
    moved = scene(ego(), thing(7, 70.0 + dx, v=v))
    assert not same(plan_of(moved), plan_of(SCENE))


def test_a_view_that_cites_nobody_is_a_free_road():
    blocked = scene(ego(), thing(7, 70.0), pedestrian(8, 65.0, 0.0, 0.0))
    nobody = dataclasses.replace(
        TRACE, perception=dataclasses.replace(TRACE.perception, critical_objects=())
    )
    planner = WaypointPlanner(CONFIG, ROAD)
    free = planner.step(planner_view(scene(ego()), nobody))
    assert same(planner.step(planner_view(blocked, nobody)), free)


def test_planning_remembers_nothing():
    road, s = two_lanes(), scene(ego(), thing(7, 105.0, v=3.0))
    trace = RuleReasoner(CONFIG, road).step(s)
    planner = WaypointPlanner(CONFIG, road)
    first = planner.step(planner_view(s, trace))
    planner.step(
        planner_view(scene(ego(v=3.0)), RuleReasoner(CONFIG, road).step(scene(ego(v=3.0))))
    )
    assert same(planner.step(planner_view(s, trace)), first)
    assert same(WaypointPlanner(CONFIG, road).step(planner_view(s, trace)), first)
