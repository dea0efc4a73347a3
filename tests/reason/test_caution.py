"""Speeds for what cannot be seen yet: a light beyond the sensors' range may be red."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_scenes import LIGHT, ego, light, scene
from roads import ids, road, straight

from whyway.config import Config
from whyway.plan import WaypointPlanner, planner_view
from whyway.reason import RuleReasoner
from whyway.types import CauseKind, LightColor, Longitudinal, StopLine, TrafficLight

CONFIG = Config()
LINE_M, BEHIND_LINE_M, LIMIT_MPS = 700.0, 35.0, 29.0
COMFORTABLE_MPS2 = -4.05
"""NAVSIM's bound."""


def fast_road():
    """One lane with a limit of 104 km/h, a stop line after 700 m and its light 35 m behind it, as on CARLA's Town04."""
    lane = straight(1, 0, 1000, speed_limit_mps=LIMIT_MPS)
    line = StopLine(9, np.full(2, LINE_M), np.array([-1.75, 1.75]), ids(1), LIGHT, False)
    where = TrafficLight(LIGHT, LINE_M + BEHIND_LINE_M, 3.0, ids(1))
    return road([lane], [1], stop_lines=(line,), lights=(where,))


def test_whoever_cannot_see_a_light_yet_slows_down_for_it_and_says_so():
    trace = RuleReasoner(CONFIG, fast_road()).step(scene(ego(x=520.0, v=28.0)))
    assert trace.planning.longitudinal == Longitudinal.ADAPT_SPEED
    assert [c.kind for c in trace.planning.causes] == [CauseKind.VISIBILITY]


def test_a_light_that_is_near_and_that_nobody_reports_slows_nobody_down():
    trace = RuleReasoner(CONFIG, fast_road()).step(scene(ego(x=650.0, v=12.0)))
    assert trace.planning.longitudinal == Longitudinal.RESUME_SPEED


@pytest.mark.parametrize("color", [LightColor.RED, LightColor.GREEN])
def test_once_it_is_seen_a_red_light_can_be_stopped_for_without_braking_hard(color):
    where = fast_road()
    reasoner, planner = RuleReasoner(CONFIG, where), WaypointPlanner(CONFIG, where)
    e, hardest = ego(x=300.0, v=28.0), 0.0
    for k in range(600):
        away = math.hypot(LINE_M + BEHIND_LINE_M - e.x_m, 3.0)
        lights = light(color) if away < CONFIG.sim.sensor.range_m else ()
        now = scene(e, lights=lights, stamp_ns=k * 10**8)
        w = planner.step(planner_view(now, reasoner.step(now))).waypoints
        e = ego(x=float(w.x_m[1]), v=float(w.v_mps[1]), a=float(w.a_mps2[0]))
        hardest = min(hardest, e.a_mps2)
    front = e.x_m + CONFIG.vehicle.front_m
    assert hardest > COMFORTABLE_MPS2
    if color == LightColor.RED:
        assert LINE_M - 5.0 < front < LINE_M and e.v_mps < 0.1
    else:
        assert front > LINE_M + 50.0
