"""Plans: from where the ego is, along the stated decision, as a car can drive."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import (
    LIMIT_MPS,
    at_a_light,
    before_a_bend,
    ego,
    light,
    one_lane,
    pedestrian,
    scene,
    thing,
    two_lanes,
)

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.plan import PlannerView, WaypointPlanner, planner_view
from whyway.plan.baselines import ConstantVelocityPlanner
from whyway.reason import RuleReasoner
from whyway.types import CYCLE_S, Direction, Lateral, LightColor, Longitudinal, PlanningTrace

CONFIG = Config()
VEHICLE, DRIVING = CONFIG.vehicle, CONFIG.driving
FRONT_M = VEHICLE.length_m / 2 + VEHICLE.center_offset_m
ROADS = {
    "one lane": one_lane(),
    "two lanes": two_lanes(),
    "bend": before_a_bend(),
    "wide bend": before_a_bend(60.0),
    "light": at_a_light(),
}


def plan(road, s):
    """The plan of what the expert says to a scene."""
    return (
        WaypointPlanner(CONFIG, road)
        .step(planner_view(s, RuleReasoner(CONFIG, road).step(s)))
        .waypoints
    )


def decided(
    e,
    lateral=Lateral.KEEP_LANE,
    direction=Direction.NONE,
    speed=LIMIT_MPS,
    stop_m=math.inf,
    objects=(),
):
    """A view with a decision made by hand."""
    said = PlanningTrace(
        Longitudinal.RESUME_SPEED, lateral, direction, (), (), speed, 0.0, stop_m, 1.0
    )
    return PlannerView(0, 0, e, said, tuple(objects))


egos = st.builds(
    ego, st.floats(5.0, 95.0), st.floats(-1.0, 1.0), st.floats(0.0, 14.0), st.floats(-0.15, 0.15),
    st.floats(-3.0, 1.5),
)  # fmt: skip
others = st.lists(
    st.builds(
        thing,
        st.integers(1, 99),
        st.floats(60.0, 200.0),
        st.sampled_from([0.0, 3.5]),
        st.floats(0.0, 14.0),
    ),
    max_size=3,
    unique_by=lambda o: o.id,
)


@settings(max_examples=60)
@given(st.sampled_from(sorted(ROADS)), egos, others)
def test_a_plan_begins_at_the_ego_and_time_only_goes_on(road, e, objects):
    w = plan(ROADS[road], scene(e, *objects, lights=light(LightColor.RED)))
    assert (w.t_s[0], w.t_s[-1]) == (0.0, pytest.approx(CONFIG.plan.horizon_s))
    assert np.diff(w.t_s) == pytest.approx(CYCLE_S)
    assert math.hypot(w.x_m[0] - e.x_m, w.y_m[0] - e.y_m) < 0.05
    assert abs(wrap_angle(w.yaw_rad[0] - e.yaw_rad)) < 1e-6
    assert w.v_mps[0] == pytest.approx(e.v_mps)


@settings(max_examples=60)
@given(st.sampled_from(sorted(ROADS)), egos, others)
def test_a_plan_is_finite_never_goes_back_and_keeps_its_limits(road, e, objects):
    w = plan(ROADS[road], scene(e, *objects, lights=light(LightColor.RED)))
    for values in (w.x_m, w.y_m, w.yaw_rad, w.v_mps, w.a_mps2, w.curvature_1pm):
        assert len(values) == len(w.t_s) and np.isfinite(values).all()
    assert (w.v_mps >= 0.0).all()
    assert w.a_mps2.min() >= DRIVING.limits.a_min_mps2 - 1e-9
    assert w.a_mps2.max() <= DRIVING.limits.a_max_mps2 + 1e-9
    steps = np.hypot(np.diff(w.x_m), np.diff(w.y_m))
    # beside its line a path is longer than along it: by as much as safety lets a plan leave its own speed
    assert steps == pytest.approx((w.v_mps[1:] + w.v_mps[:-1]) / 2 * CYCLE_S, abs=0.06, rel=0.2)


@settings(max_examples=60)
@given(st.sampled_from(sorted(ROADS)), egos)
def test_a_plan_can_be_steered(road, e):
    w = plan(ROADS[road], scene(e))
    tightest = math.tan(VEHICLE.steer_max_rad) / VEHICLE.wheelbase_m
    assert np.abs(w.curvature_1pm).max() < tightest


@pytest.mark.parametrize("radius", [12.0, 20.0, 60.0])
def test_a_bend_is_driven_on_its_centre_line_and_comfortably(radius):
    road = before_a_bend(radius)
    w = plan(road, scene(ego(x=70.0, v=min(8.0, math.sqrt(2.0 * radius)))))
    away = [abs(road.route_progress(x, y)[1]) for x, y in zip(w.x_m, w.y_m, strict=True)]
    assert max(away) < 0.1
    assert (w.v_mps**2 * np.abs(w.curvature_1pm)).max() < 1.3 * DRIVING.lateral_acceleration_mps2


@given(st.floats(-1.0, 1.0), st.floats(2.0, 14.0))
def test_an_offset_from_the_lane_is_taken_back_without_overshoot(y, v):
    w = (
        WaypointPlanner(CONFIG, ROADS["one lane"])
        .step(decided(ego(y=y, v=v), speed=max(v, 3.0)))
        .waypoints
    )
    assert abs(w.y_m[-1]) < 0.05
    assert (np.sign(y) * w.y_m > -0.02).all()
    assert (w.v_mps**2 * np.abs(w.curvature_1pm)).max() < 1.5


def test_a_lane_change_ends_in_its_lane_and_turns_gently():
    view = decided(ego(v=10.0), Lateral.LANE_CHANGE, Direction.LEFT)
    w = WaypointPlanner(CONFIG, ROADS["two lanes"]).step(view).waypoints
    assert w.y_m[-1] == pytest.approx(3.5, abs=0.05)
    assert (np.diff(w.y_m) > -1e-6).all()
    assert (w.v_mps**2 * np.abs(w.curvature_1pm)).max() < 1.5


@pytest.mark.parametrize("v", [0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("y", [0.0, -1.2])
def test_a_lane_change_from_standstill_is_no_faster_than_its_bends_allow(v, y):
    """Over so short a way it is sharp: safety refused the plan, and the ego stood for ever (longest6 26)."""
    view = decided(ego(y=y, v=v), Lateral.LANE_CHANGE, Direction.LEFT)
    w = WaypointPlanner(CONFIG, ROADS["two lanes"]).step(view).waypoints
    bend, safety = np.abs(w.curvature_1pm), CONFIG.safety
    assert (w.v_mps * bend).max() < 0.9 * safety.yaw_rate_max_rps
    assert (w.v_mps**2 * bend).max() < 0.9 * safety.a_lat_max_mps2
    assert w.x_m[-1] > ego().x_m + 8.0


@pytest.mark.parametrize(
    ("x", "y", "yaw", "v"),
    [
        (97.0, 0.6, 0.0, 0.0), (97.0, 1.2, -0.3, 0.0), (97.0, 1.2, -0.3, 1.0),
        (98.0, 1.2, -0.3, 1.0), (98.0, 1.2, -0.3, 2.0), (100.0, 0.6, 0.0, 2.0),
    ],
)  # fmt: skip
def test_askew_before_the_tightest_bend_it_is_no_faster_than_safety_lets_it_turn(x, y, yaw, v):
    """Speeds rise with limited jerk, beyond what a sudden bend allows: safety refused, and the ego stood for ever (longest6 30)."""
    planner = WaypointPlanner(CONFIG, before_a_bend(2.5))
    w = planner.step(decided(ego(x=x, y=y, v=v, yaw=yaw), speed=20.0)).waypoints
    n = int(np.searchsorted(w.t_s, CONFIG.safety.horizon_s, side="right"))
    rate = np.abs(wrap_angle(np.diff(w.yaw_rad[:n]))) / np.diff(w.t_s[:n])
    assert rate.max() < CONFIG.safety.yaw_rate_max_rps
    assert np.hypot(w.x_m[-1] - x, w.y_m[-1] - y) > 4.0, "and it drives"


@pytest.mark.parametrize(
    ("lateral", "direction", "y"),
    [
        (Lateral.KEEP_LANE, Direction.NONE, 0.0),
        (Lateral.LANE_CHANGE, Direction.LEFT, 3.5),
        (Lateral.LANE_CHANGE, Direction.RIGHT, 0.0),  # no lane there: the lane is kept
    ],
)
def test_an_edited_decision_is_followed(lateral, direction, y):
    view = decided(ego(v=10.0), lateral, direction)
    w = WaypointPlanner(CONFIG, ROADS["two lanes"]).step(view).waypoints
    assert w.y_m[-1] == pytest.approx(y, abs=0.05)


@given(st.floats(5.0, 14.0), st.floats(0.0, 20.0))
def test_a_stated_stop_is_kept(v, more):
    stop = v * v / (2 * DRIVING.comfort_brake_mps2) + v + more
    w = WaypointPlanner(CONFIG, ROADS["one lane"]).step(decided(ego(v=v), stop_m=stop)).waypoints
    assert w.x_m[-1] - 50.0 <= stop + 0.2
    if stop < 4.0 * v:
        assert w.v_mps[-1] < 0.35 * v


@given(st.floats(1.0, 14.0), st.floats(3.0, 14.0))
def test_a_stated_speed_is_not_exceeded(v, speed):
    w = WaypointPlanner(CONFIG, ROADS["one lane"]).step(decided(ego(v=v), speed=speed)).waypoints
    assert w.v_mps.max() <= max(v, speed) + 0.1
    assert abs(w.v_mps[-1] - speed) <= max(0.7 * abs(v - speed), 0.3)


@pytest.mark.parametrize(
    "s",
    [
        scene(ego(), thing(7, 85.0)),
        scene(ego(), thing(7, 80.0, v=2.0)),
        scene(ego(), pedestrian(7, 85.0, -6.0, 1.8)),
    ],
    ids=["standing", "slow", "crossing"],
)
def test_whoever_is_cited_is_not_driven_into(s):
    w, o = plan(ROADS["one lane"], s), s.objects[0]
    p = o.predictions[0]
    t = np.concatenate([[0.0], p.dt_s * np.arange(1, len(p.x_m) + 1)])
    x, y = np.interp(w.t_s, t, [o.x_m, *p.x_m]), np.interp(w.t_s, t, [o.y_m, *p.y_m])
    known = w.t_s <= t[-1]
    in_lane = np.abs(y - w.y_m) < (VEHICLE.width_m + o.width_m) / 2
    gap = x - o.length_m / 2 - (w.x_m + FRONT_M)
    assert gap[known & in_lane].min(initial=99.0) > 0.3


def test_off_the_lanes_it_brakes_straight_on():
    s = scene(ego(y=30.0, v=8.0, yaw=0.3))
    w = plan(ROADS["one lane"], s)
    assert w.v_mps[-1] == 0.0 and (np.diff(w.v_mps) <= 1e-12).all()
    assert np.ptp(w.yaw_rad) == 0.0
    ahead = np.arctan2(np.diff(w.y_m), np.diff(w.x_m))[w.v_mps[1:] > 0]
    assert ahead == pytest.approx(0.3)


def test_the_constant_velocity_planner_goes_straight_on_whatever_comes():
    view = decided(ego(v=9.0, yaw=0.2), objects=[thing(7, 60.0)], stop_m=5.0)
    w = ConstantVelocityPlanner(CONFIG, ROADS["one lane"]).step(view).waypoints
    assert (w.v_mps == 9.0).all() and (w.yaw_rad == 0.2).all()
    assert math.hypot(w.x_m[-1] - w.x_m[0], w.y_m[-1] - w.y_m[0]) == pytest.approx(9.0 * w.t_s[-1])
