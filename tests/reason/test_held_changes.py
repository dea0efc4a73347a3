"""Lane changes that are held half-way, by a light or by what stands beside them: words true while they stand, and a way on."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from made_scenes import LIGHT, decision, ego, light, scene, thing, two_lanes
from roads import arc, ids, road, straight

from whyway.config import Config
from whyway.maps.manoeuvre import ego_path
from whyway.plan import WaypointPlanner, planner_view
from whyway.reason import RuleReasoner
from whyway.trace import complete, sentence
from whyway.types import (
    Agreement,
    Direction,
    Lateral,
    LightColor,
    Longitudinal,
    ObjectClass,
    StopLine,
    TrafficLight,
)

CONFIG = Config()
RED, GREEN = light(LightColor.RED), light(LightColor.GREEN)


def two_lanes_to_a_light():
    """Two lanes east, 400 m; the route needs the left one, and at 250 m both have a light."""
    line = StopLine(9, np.array([250.0, 250.0]), np.array([-1.75, 5.25]), ids(1, 2), LIGHT, False)
    lanes = [
        straight(1, 0, 400, 0.0, left_id=2),
        straight(2, 0, 400, 3.5, right_id=1, successor_ids=ids(3)),
        straight(3, 400, 800, 3.5, predecessor_ids=ids(2)),
    ]
    lights = (TrafficLight(LIGHT, 260.0, 3.0, ids(1, 2)),)
    return road(lanes, [1, 2, 3], stop_lines=(line,), lights=lights)


def agreements(made, s, trace):
    """What is done, held against what is said."""
    plan = WaypointPlanner(CONFIG, made).step(planner_view(s, trace))
    done = complete(trace, s, plan, ego_path(made, s.ego))
    found = done.integrity
    return (found.longitudinal, found.lateral, found.lane), sentence(done)


def changed_so_far(y, v):
    """A reasoner that is changing to the left lane, and the scene in which a red light holds it at `y`."""
    made = two_lanes_to_a_light()
    reasoner = RuleReasoner(CONFIG, made)
    for k, at in enumerate(np.arange(0.0, y + 0.01, 0.2)):
        e = ego(x=200.0 + k, y=float(at), v=8.0)
        trace = reasoner.step(scene(e, lights=GREEN, stamp_ns=k * 100_000_000))
    assert decision(trace)[1] == Lateral.LANE_CHANGE
    stamp = trace.stamp_ns + 100_000_000
    stands = CONFIG.vehicle.front_m + 1.5 + v * v / 4.0
    return made, reasoner, scene(ego(250.0 - stands, y, v), lights=RED, stamp_ns=stamp)


@pytest.mark.parametrize("v", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("y", [1.4, 2.0, 2.4])
def test_a_change_held_by_a_light_is_not_said_while_it_stands(y, v):
    made, reasoner, s = changed_so_far(y, v)
    trace = reasoner.step(s)
    found, words = agreements(made, s, trace)
    assert found == (Agreement.OK,) * 3, words


@pytest.mark.parametrize("y", [1.4, 2.0, 2.4])
def test_it_goes_on_when_the_light_lets_it(y):
    _, reasoner, s = changed_so_far(y, 0.0)
    for _ in range(30):
        trace = reasoner.step(s)
        s = dataclasses.replace(s, stamp_ns=s.stamp_ns + 100_000_000)
    assert decision(trace)[1] == Lateral.KEEP_LANE
    trace = reasoner.step(dataclasses.replace(s, lights=GREEN))
    assert decision(trace)[1:] == (Lateral.LANE_CHANGE, Direction.LEFT)


@pytest.mark.parametrize("gap_m, goes_on", [(3.0, False), (7.0, True)])
def test_a_change_under_way_goes_on_before_somebody_who_has_seen_it(gap_m, goes_on):
    reasoner = RuleReasoner(CONFIG, two_lanes())
    lead = thing(7, 105.0, v=4.0)
    assert decision(reasoner.step(scene(ego(v=8.0), lead)))[1] == Lateral.LANE_CHANGE
    behind = 58.0 - CONFIG.vehicle.rear_m - gap_m - 2.25
    s = scene(ego(x=58.0, y=0.8, v=8.0), lead, thing(8, behind, 3.5, 12.0, lane_id=2))
    assert (decision(reasoner.step(s))[1] == Lateral.LANE_CHANGE) == goes_on


def test_a_change_that_ends_in_a_turn_is_a_turn():
    lanes = [
        straight(1, 0, 100, 0.0, left_id=2),
        straight(2, 0, 100, 3.5, right_id=1, successor_ids=ids(3)),
        arc(3, 12.0, math.pi / 2, 100.0, 3.5, predecessor_ids=ids(2), in_junction=True),
    ]
    made = road(lanes, [1, 2, 3])
    reasoner = RuleReasoner(CONFIG, made)
    reasoner.step(scene(ego(x=40.0, v=8.0)))
    reasoner.step(scene(ego(x=70.0, y=1.7, v=5.0)))
    s = scene(ego(x=95.0, y=2.5, v=4.0))
    trace = reasoner.step(s)
    found, words = agreements(made, s, trace)
    assert found == (Agreement.OK,) * 3, words


def test_who_stands_across_the_border_drives_on_past_what_it_leads_past():
    """Nothing but the cone that the ego's heading already leads past stands near: that is no reason to stand for ever."""
    yaw, x, y = 0.51, 50.0, 2.1
    cone = dataclasses.replace(
        thing(7, x + 4.8, 1.3, kind=ObjectClass.HAZARD), length_m=0.4, width_m=0.4
    )
    trace = RuleReasoner(CONFIG, two_lanes()).step(scene(ego(x, y, 0.0, yaw), cone))
    assert trace.planning.longitudinal == Longitudinal.RESUME_SPEED
    assert trace.planning.target_acceleration_mps2 > 0.0
