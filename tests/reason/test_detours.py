"""Who stands or dawdles in the lane is driven round where that is safe, waited behind where it is not, and named in either case."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from made_scenes import (
    at_a_light,
    decision,
    declared,
    ego,
    light,
    one_lane,
    scene,
    thing,
    two_lanes,
    without,
)
from roads import road, straight

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path
from whyway.plan import WaypointPlanner, planner_view
from whyway.reason import RuleReasoner
from whyway.trace import complete, sentence
from whyway.types import (
    Agreement,
    CauseKind,
    Direction,
    Lateral,
    LightColor,
    Longitudinal,
    ObjectClass,
    Risk,
)

CONFIG = Config()
PARKED = thing(7, 90.0, -0.6)


def two_way(**changes):
    """One lane east and one west beside it, 400 m."""
    lanes = [straight(1, 0, 400, opposite_id=2, **changes), straight(2, 400, 0, 3.5, opposite_id=1)]
    return road(lanes, [1])


def oncoming(x, v=8.0):
    return thing(8, x, 3.5, v, math.pi, lane_id=2)


def watched(make, s, seconds=4.0):
    """A reasoner that has looked at a scene for some time, and what it says then."""
    reasoner = RuleReasoner(CONFIG, make())
    for k in range(round(seconds * 10)):
        trace = reasoner.step(dataclasses.replace(s, stamp_ns=k * 100_000_000))
    return reasoner, trace


def said(make, s, seconds=4.0):
    return watched(make, s, seconds)[1]


def causes(trace):
    return {(c.kind, c.id) for c in trace.planning.causes}


def rejected(trace, direction):
    return [
        r.risk
        for r in trace.planning.rejected
        if r.lateral == Lateral.NUDGE and r.direction == direction
    ]


# ------------------------------------------------------------------------------------------------- the double-parked car


def test_a_double_parked_car_with_a_free_oncoming_lane_is_passed():
    trace = said(two_way, scene(ego(v=8.0), PARKED))
    assert decision(trace)[1:] == (Lateral.NUDGE, Direction.LEFT)
    assert (CauseKind.OBJECT, 7) in causes(trace)
    p = trace.planning
    assert p.offset_m > 0.3 + 0.8 and 0.0 < p.offset_from_m < 90.0 - 50.0 < p.offset_until_m
    assert any(r.lateral == Lateral.KEEP_LANE for r in p.rejected)


def test_an_oncoming_car_is_waited_for_and_named():
    trace = said(two_way, scene(ego(v=8.0), PARKED, oncoming(130.0)))
    assert decision(trace) == (Longitudinal.STOP, Lateral.KEEP_LANE, Direction.NONE)
    assert causes(trace) == {(CauseKind.OBJECT, 7), (CauseKind.OBJECT, 8)}
    assert rejected(trace, Direction.LEFT) == [Risk.COLLISION]
    (cause,) = (c for c in trace.planning.causes if c.id == 8)
    assert declared(cause)[1:] == (Lateral.NUDGE, Direction.LEFT)


def test_an_oncoming_car_that_has_passed_is_not_waited_for():
    trace = said(two_way, scene(ego(v=8.0), PARKED, oncoming(40.0)))
    assert decision(trace)[1] == Lateral.NUDGE


def test_it_waits_where_it_can_still_steer_round():
    trace = said(two_way, scene(ego(v=5.0), PARKED, oncoming(130.0)))
    front = CONFIG.vehicle.front_m
    gap = 90.0 - 2.25 - (50.0 + trace.planning.stop_distance_m + front)
    assert gap == pytest.approx(CONFIG.reason.stand_off_m, abs=0.5)


def test_what_is_declared_is_decided_when_the_cause_is_not_there():
    for s in (
        scene(ego(v=8.0), PARKED),
        scene(ego(v=8.0), PARKED, oncoming(130.0)),
        scene(ego(v=8.0), PARKED, thing(9, 97.0, -0.8)),
        scene(ego(), thing(7, 70.0, -1.0, 3.0, kind=ObjectClass.BICYCLE)),
    ):
        trace = said(two_way, s)
        for cause in trace.planning.causes:
            if cause.kind == CauseKind.OBJECT:
                assert decision(said(two_way, without(s, cause.id))) == declared(cause)


def test_with_its_middle_in_the_oncoming_lane_it_drives_only_after_a_wait():
    s = scene(ego(x=72.0, v=0.0), thing(7, 90.0, 0.0))
    assert decision(said(two_way, s))[1] == Lateral.KEEP_LANE
    assert decision(said(two_way, s, seconds=15.0))[1:] == (Lateral.NUDGE, Direction.LEFT)


def test_a_row_of_parked_cars_is_passed_in_one_go():
    trace = said(two_way, scene(ego(v=8.0), PARKED, thing(9, 97.0, -1.2)))
    assert decision(trace)[1] == Lateral.NUDGE
    assert {i for kind, i in causes(trace) if kind == CauseKind.OBJECT} == {7, 9}
    assert trace.planning.offset_until_m > 97.0 + 2.25 - 50.0


def test_where_there_is_no_road_beside_nobody_drives_round():
    trace = said(one_lane, scene(ego(v=8.0), PARKED))
    assert decision(trace)[1] == Lateral.KEEP_LANE and rejected(trace, Direction.LEFT) == []


def test_where_there_is_a_lane_of_ones_own_beside_it_changes_lanes():
    trace = said(two_lanes, scene(ego(v=8.0), PARKED))
    assert decision(trace)[1:] == (Lateral.LANE_CHANGE, Direction.LEFT)


@pytest.mark.parametrize("behind_m, changes", [(27.0, False), (60.0, True)])
def test_a_change_that_is_slow_because_of_a_blocker_leaves_a_follower_time(behind_m, changes):
    """As fast as the ego is now it could go; but it will be slower before it is over the border."""
    fast = thing(8, 50.0 - behind_m, 3.5, 11.5, lane_id=2)
    trace = said(two_lanes, scene(ego(v=6.0), thing(7, 72.0), fast), seconds=0.1)
    assert (decision(trace)[1] == Lateral.LANE_CHANGE) == changes


def test_nobody_is_driven_round_over_the_right_border():
    leftwards = thing(7, 90.0, 0.6)
    trace = said(two_way, scene(ego(v=8.0), leftwards))
    assert trace.planning.offset_m >= 0.0


# --------------------------------------------------------------------------------------------------- not every stop is one


def test_who_waits_at_a_red_light_is_not_driven_round():
    s = scene(ego(x=110.0, v=3.0), thing(7, 146.0), lights=light(LightColor.RED))
    assert decision(said(at_a_light, s, seconds=30.0))[1] == Lateral.KEEP_LANE


def test_who_has_only_just_stopped_is_not_driven_round_yet():
    assert decision(said(two_way, scene(ego(v=5.0), PARKED), seconds=0.2))[1] == Lateral.KEEP_LANE


def test_a_queue_is_not_overtaken():
    queue = [thing(20 + k, 90.0 + 7.0 * k) for k in range(3)]
    assert decision(said(two_way, scene(ego(v=5.0), *queue)))[1] == Lateral.KEEP_LANE


# ------------------------------------------------------------------------------------------------------- within the lane


def test_a_parked_car_that_reaches_into_the_lane_is_passed_within_it_whoever_comes():
    edge = thing(7, 90.0, -1.9)
    trace = said(two_way, scene(ego(v=8.0), edge, oncoming(130.0)))
    assert decision(trace)[1:] == (Lateral.NUDGE, Direction.LEFT)
    assert trace.planning.offset_m + CONFIG.vehicle.width_m / 2 <= 1.75


def test_a_cyclist_is_passed_with_room():
    s = scene(ego(v=9.0), thing(7, 80.0, -1.2, 4.0, kind=ObjectClass.BICYCLE))
    p = said(two_way, s).planning
    assert (p.lateral, p.direction) == (Lateral.NUDGE, Direction.LEFT)
    left_edge = -1.2 + s.objects[0].width_m / 2
    room = p.offset_m - CONFIG.vehicle.width_m / 2 - left_edge
    assert CONFIG.reason.passing_gap_m <= room <= 2.0 * CONFIG.reason.passing_gap_m + 1e-6


# --------------------------------------------------------------------------------------------------------- words and deeds


@pytest.mark.parametrize("v", [0.0, 2.0, 5.0, 8.0])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.2])
def test_the_plan_does_what_is_said(v, y):
    s = scene(ego(x=66.0, y=y, v=v), PARKED)
    _, trace = watched(two_way, s)
    s, made = dataclasses.replace(s, stamp_ns=trace.stamp_ns), two_way()
    plan = WaypointPlanner(CONFIG, made).step(planner_view(s, trace))
    done = complete(trace, s, plan, ego_path(made, s.ego))
    found = done.integrity
    assert (found.longitudinal, found.lateral, found.lane) == (Agreement.OK,) * 3, sentence(done)
    assert found.grounding_ok


def test_the_plan_clears_whom_it_is_for():
    s = scene(ego(v=8.0), PARKED)
    _, trace = watched(two_way, s)
    s = dataclasses.replace(s, stamp_ns=trace.stamp_ns)
    w = WaypointPlanner(CONFIG, two_way()).step(planner_view(s, trace)).waypoints
    front = CONFIG.vehicle.front_m
    beside = (w.x_m + front > 90.0 - 2.25) & (w.x_m - CONFIG.vehicle.rear_m < 90.0 + 2.25)
    assert beside.any()
    room = w.y_m - CONFIG.vehicle.width_m / 2 - (-0.6 + 0.9)
    assert room[beside].min() > 0.25
    assert np.abs(w.curvature_1pm * w.v_mps**2).max() < CONFIG.safety.a_lat_max_mps2
