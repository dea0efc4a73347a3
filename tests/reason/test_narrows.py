"""Where two do not pass: who comes through first is waited for before it, whoever is far off or stands is not."""

from __future__ import annotations

import math

import pytest
from made_scenes import decision, ego, scene, thing

from whyway.config import Config
from whyway.maps.narrows import Narrows
from whyway.maps.pieces_roads import narrows
from whyway.maps.road import Road
from whyway.maps.routes import make_route
from whyway.reason import RuleReasoner
from whyway.types import CauseKind, Longitudinal

CONFIG = Config()
BEFORE_M, TAPER_M, NARROW_M = 150.0, 15.0, 40.0
WIDE_AGAIN_M = BEFORE_M + 2 * TAPER_M + NARROW_M
LANE_Y_M = -1.75


def street():
    """150 m wide enough for two, 15 m narrowing, 40 m wide enough for one, and the same back; eastwards."""
    lane_map = narrows(before_m=BEFORE_M, taper_m=TAPER_M, narrow_m=NARROW_M).lane_map
    east = sorted(
        (lane for lane in lane_map.lanes if lane.center_x_m[-1] > lane.center_x_m[0]),
        key=lambda lane: float(lane.center_x_m[0]),
    )
    return Road(lane_map, make_route(lane_map, [lane.id for lane in east]))


def said(x, v, *others):
    return RuleReasoner(CONFIG, street()).step(scene(ego(x=x, y=LANE_Y_M, v=v), *others))


def oncoming(x, v, y=1.75):
    return thing(7, x, y, v, math.pi)


def test_the_narrow_stretch_is_found_and_nothing_else():
    path = street().route_path
    ((a, b),) = Narrows(street()).along(path)
    assert BEFORE_M < a < BEFORE_M + TAPER_M
    assert WIDE_AGAIN_M - TAPER_M < b < WIDE_AGAIN_M


@pytest.mark.parametrize("x, y", [(WIDE_AGAIN_M - 20.0, 0.0), (WIDE_AGAIN_M + 8.0, 1.75)])
def test_who_is_in_it_first_is_waited_for_before_it(x, y):
    trace = said(130.0, 8.0, oncoming(x, 6.0, y))
    assert trace.planning.longitudinal == Longitudinal.YIELD
    front = 130.0 + trace.planning.stop_distance_m + CONFIG.vehicle.front_m
    assert front < BEFORE_M + TAPER_M / 2
    assert (CauseKind.OBJECT, 7) in {(c.kind, c.id) for c in trace.planning.causes}


@pytest.mark.parametrize("x, v", [(320.0, 6.0), (WIDE_AGAIN_M + 8.0, 0.0), (BEFORE_M - 15.0, 6.0)])
def test_who_is_far_off_or_stands_beyond_it_or_has_come_through_is_not(x, v):
    assert decision(said(110.0, 8.0, oncoming(x, v)))[0] == Longitudinal.RESUME_SPEED


def test_who_is_in_it_itself_drives_on():
    trace = said(BEFORE_M + TAPER_M + 30.0, 6.0, oncoming(WIDE_AGAIN_M + 30.0, 6.0))
    assert not math.isfinite(trace.planning.stop_distance_m)
