"""The learned planner: whatever its net answers, the plan begins at the ego, keeps to the words and to what a car can do."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from heads import head
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_scenes import (
    LIMIT_MPS,
    at_a_light,
    before_a_bend,
    ego,
    one_lane,
    scene,
    thing,
    two_lanes,
)

from whyway.config import Config, PlanConfig
from whyway.geometry import wrap_angle
from whyway.maps.pieces_roads import lane_drop
from whyway.maps.road import Road
from whyway.maps.routes import make_route
from whyway.plan import PlannerView, WaypointPlanner, planner_view
from whyway.plan.course import ENDS_SHARE, course_of, sample_times
from whyway.plan.guard import CREEP_MPS, SHORT_M, guarded
from whyway.plan.knots import at_knots
from whyway.plan.learned import LearnedPlanner
from whyway.reason import RuleReasoner
from whyway.types import (
    CYCLE_S,
    Direction,
    InputError,
    LaneMap,
    Lateral,
    Longitudinal,
    PlanningTrace,
    same,
)

CONFIG = Config()
LIMITS, SAFETY = CONFIG.driving.limits, CONFIG.safety
ROADS = {
    "one lane": one_lane(), "two lanes": two_lanes(), "bend": before_a_bend(), "tight bend": before_a_bend(2.5),
    "light": at_a_light(),
}  # fmt: skip
HEADS = [head(seed, wild=wild) for seed in range(3) for wild in (0.3, 3.0)]
KEEP = (Lateral.KEEP_LANE, Direction.NONE)
SIDES = [KEEP, (Lateral.LANE_CHANGE, Direction.LEFT), (Lateral.LANE_CHANGE, Direction.RIGHT)]


def decided(
    e, target=LIMIT_MPS, stop_m=math.inf, objects=(), side=KEEP, word=Longitudinal.ADAPT_SPEED
):
    """A view with a decision made by hand."""
    said = PlanningTrace(word, *side, (), (), target, 0.0, stop_m, 0.9)
    return PlannerView(0, 0, e, said, tuple(objects))


def planned(view, road=ROADS["one lane"], net=HEADS[0]):
    return LearnedPlanner(CONFIG, road, net).step(view).waypoints


nets = st.sampled_from(HEADS)
roads = st.sampled_from(sorted(ROADS))
egos = st.builds(
    ego, st.floats(5.0, 95.0), st.floats(-1.0, 1.0), st.floats(0.0, 14.0), st.floats(-0.15, 0.15),
    st.floats(-3.0, 1.5),
)  # fmt: skip
others = st.lists(
    st.builds(thing, st.integers(1, 99), st.floats(60.0, 200.0), st.sampled_from([0.0, 3.5]), st.floats(0.0, 14.0)),
    max_size=3, unique_by=lambda o: o.id,
)  # fmt: skip
views = st.builds(
    decided, egos, st.floats(0.0, 14.0), st.one_of(st.just(math.inf), st.floats(0.0, 80.0)), others,
    st.sampled_from(SIDES),
)  # fmt: skip


@settings(max_examples=60)
@given(nets, roads, views)
def test_a_plan_begins_at_the_ego_is_finite_and_never_goes_back(net, road, view):
    w, e = planned(view, ROADS[road], net), view.ego
    assert (len(w.t_s), w.t_s[0], w.t_s[-1]) == (81, 0.0, pytest.approx(8.0))
    assert math.hypot(w.x_m[0] - e.x_m, w.y_m[0] - e.y_m) < 0.05
    assert abs(wrap_angle(w.yaw_rad[0] - e.yaw_rad)) < 1e-6
    assert w.v_mps[0] == pytest.approx(e.v_mps)
    for values in (w.x_m, w.y_m, w.yaw_rad, w.v_mps, w.a_mps2, w.curvature_1pm):
        assert np.isfinite(values).all()
    assert (w.v_mps >= 0.0).all()
    steps = np.hypot(np.diff(w.x_m), np.diff(w.y_m))
    assert steps == pytest.approx((w.v_mps[1:] + w.v_mps[:-1]) / 2 * CYCLE_S, abs=0.06, rel=0.2)


@settings(max_examples=60)
@given(nets, roads, views)
def test_acceleration_and_jerk_keep_their_limits(net, road, view):
    w = planned(view, ROADS[road], net)
    assert w.a_mps2.min() >= LIMITS.a_min_mps2 - 1e-9
    assert w.a_mps2.max() <= LIMITS.a_max_mps2 + 1e-9
    a = np.append(view.ego.a_mps2, w.a_mps2)
    rises, falls = np.diff(a) / CYCLE_S, -np.diff(a) / CYCLE_S
    eases = np.maximum(LIMITS.jerk_mps3, -a[:-1])
    # braking ends with the motion: at the emergency jerk if it was hard, at once if nothing is left
    ends = np.maximum(-np.sqrt(2.0 * LIMITS.emergency_jerk_mps3 * w.v_mps), -w.v_mps / CYCLE_S)
    assert ((rises <= eases + 1e-6) | (w.a_mps2 <= ends + 1e-6)).all()
    assert falls.max(initial=0.0) <= LIMITS.emergency_jerk_mps3 + 1e-6
    assert w.a_mps2[:-1] == pytest.approx(np.diff(w.v_mps) / CYCLE_S, abs=1e-6)


@settings(max_examples=80)
@given(nets, st.floats(0.0, 14.0), st.floats(0.0, 40.0), st.floats(-2.0, 1.5))
def test_a_said_stop_is_never_driven_over(net, v, more, a):
    """Whatever the net wants, as long as it can be done with the braking a plan may use."""
    stop = v * v / (2 * 3.0) + 0.5 * v + more
    view = decided(ego(v=v, a=a if v > 1.0 else 0.0), stop_m=stop, word=Longitudinal.STOP)
    w = planned(view, net=net)
    said = stop * 1.04 + 0.11  # words are bins: six percent wide
    assert w.x_m[-1] - 50.0 <= said + 0.1
    if w.x_m[-1] - 50.0 > said - 0.1:
        assert w.v_mps[-1] < 0.3


@settings(max_examples=60)
@given(nets, st.floats(0.0, 14.0), st.floats(0.5, 14.0))
def test_a_said_speed_is_not_exceeded(net, v, target):
    w = planned(decided(ego(v=v), target=target), net=net)
    said = target + 0.13  # words are bins, 0.25 m/s wide
    assert w.v_mps.max() <= max(v, said) + 0.1
    assert w.v_mps[-1] <= said + max(v - said, 0.0) * 0.1 + 0.1, "from above it gets there, too"


@pytest.mark.parametrize("net", HEADS)
def test_standing_before_a_said_stop_it_stays(net):
    w = planned(decided(ego(v=0.0), stop_m=0.2, word=Longitudinal.STOP), net=net)
    assert not w.v_mps.any() and np.ptp(w.x_m) < 1e-9


@settings(max_examples=60)
@given(nets, roads, egos, st.sampled_from(SIDES))
def test_what_turns_is_slow_enough_for_safety(net, road, e, side):
    """As the rule planner's plans: what safety refuses is not driven at all."""
    view = decided(e, side=side)
    plans = [
        planned(view, ROADS[road], net),
        WaypointPlanner(CONFIG, ROADS[road]).step(view).waypoints,
    ]
    n = int(np.searchsorted(plans[0].t_s, SAFETY.horizon_s, side="right"))
    ours, rules = (np.abs(wrap_angle(np.diff(w.yaw_rad[:n]))).max() / CYCLE_S for w in plans)
    assert ours < max(1.1 * SAFETY.yaw_rate_max_rps, 1.5 * rules)


# ------------------------------------------------------------------------------------------------------- the guard


def motions(view, road, speeds):
    course = course_of(view, road, CONFIG, sample_times(CONFIG))
    return guarded(speeds, view.ego, view.decision, course.profile, CONFIG.driving)


speeds_drawn = st.lists(st.floats(0.0, 16.0), min_size=5, max_size=9).map(
    lambda v: np.interp(np.linspace(0.0, 1.0, 81), np.linspace(0.0, 1.0, len(v)), v)
)


@settings(max_examples=100)
@given(roads, views, speeds_drawn)
def test_what_the_guard_has_passed_it_passes_again(road, view, speeds):
    once = motions(view, ROADS[road], speeds)
    twice = motions(view, ROADS[road], once.v_mps)
    creeps = (once.v_mps > 0.0) & (once.v_mps < CREEP_MPS)
    first = int(np.argmax(creeps)) if creeps.any() else len(creeps)
    assert twice.v_mps[:first] == pytest.approx(once.v_mps[:first], abs=1e-6)
    assert twice.v_mps == pytest.approx(once.v_mps, abs=2 * CREEP_MPS)


@settings(max_examples=60)
@given(st.sampled_from(["one lane", "two lanes", "bend", "light"]), egos, others)
def test_the_guard_leaves_the_teacher_alone(road, e, objects):
    """It is there for a net's slips: what the rule planner drives for the same words it hardly changes."""
    assume(abs(e.y_m) < 0.5)
    trace = RuleReasoner(CONFIG, ROADS[road]).step(scene(e, *objects))
    view = planner_view(scene(e, *objects), trace)
    w = WaypointPlanner(CONFIG, ROADS[road]).step(view).waypoints
    kept = motions(view, ROADS[road], w.v_mps)
    assert kept.v_mps == pytest.approx(w.v_mps, abs=0.35)
    assert np.abs(kept.v_mps - w.v_mps).mean() < 0.1


def test_a_standing_car_does_not_creep_and_one_that_is_to_start_does():
    view = decided(ego(v=0.0))
    crept = motions(view, ROADS["one lane"], np.full(81, 0.08))
    assert not crept.v_mps.any()
    started = motions(view, ROADS["one lane"], np.minimum(0.8 * np.arange(81) * CYCLE_S, 5.0))
    assert started.v_mps[-1] == pytest.approx(5.0, abs=0.1)


def test_a_late_stop_is_braked_for_as_hard_as_it_takes():
    view = decided(ego(v=10.0), stop_m=15.0, word=Longitudinal.STOP)
    kept = motions(view, ROADS["one lane"], np.full(81, 12.0))
    assert kept.v_mps[-1] == pytest.approx(0.0, abs=0.05)
    assert kept.ahead_m[-1] == pytest.approx(view.decision.stop_distance_m - SHORT_M, abs=0.1)


DROP = lane_drop(lanes=2, before_m=200.0, taper_m=40.0, after_m=200.0).lane_map
ENDING = next(lane for lane in DROP.lanes if lane.left_id and not len(lane.successor_ids))
DROPS = Road(DROP, make_route(DROP, [ENDING.id], (195.0, -5.0)))


@settings(max_examples=40)
@given(nets, st.floats(0.0, 16.0), st.floats(0.0, 60.0), st.sampled_from([0.0, 0.5]))
def test_no_plan_goes_on_where_the_lane_ends(net, v, more, a):
    """Whatever is said: nobody drives off the road because they still look for a gap."""
    y = float(ENDING.center_y_m[0])
    at = 180.0 - (v * v / (2 * 3.0) + 0.6 * v + 5.0) - more
    w = planned(decided(ego(x=at, y=y, v=v, a=a), word=Longitudinal.GAP_SEARCH), DROPS, net)
    front_m = w.x_m + CONFIG.vehicle.front_m
    width = np.interp(front_m, ENDING.left_x_m, ENDING.left_y_m - ENDING.right_y_m)
    assert width.min() > (ENDS_SHARE - 0.03) * CONFIG.vehicle.width_m


def test_a_lane_change_goes_on_beside_a_lane_that_ends():
    y = float(ENDING.center_y_m[0])
    left = decided(ego(x=130.0, y=y, v=14.0), target=14.0, side=SIDES[1])
    course = course_of(left, DROPS, CONFIG, sample_times(CONFIG))
    assert course is not None and math.isinf(course.room_m)


def test_where_the_map_ends_the_road_is_taken_to_go_on():
    course = course_of(decided(ego(x=390.0)), ROADS["one lane"], CONFIG, sample_times(CONFIG))
    assert course is not None and math.isinf(course.room_m)


# --------------------------------------------------------------------------------------------------------- law two


@settings(max_examples=40)
@given(
    st.lists(
        st.builds(thing, st.integers(20, 99), st.floats(-50.0, 200.0), st.floats(-10.0, 10.0), st.floats(0.0, 20.0)),
        max_size=4,
    )
)  # fmt: skip
def test_nobody_who_is_not_cited_can_change_a_bit_of_the_plan(strangers):
    lead = thing(7, 85.0, v=7.0)
    trace = RuleReasoner(CONFIG, ROADS["one lane"]).step(scene(ego(), lead))
    planner = LearnedPlanner(CONFIG, ROADS["one lane"], head(0, delta=True))
    alone, crowded = (
        planner.step(planner_view(s, trace))
        for s in (scene(ego(), lead), scene(ego(), lead, *strangers))
    )
    assert same(alone, crowded)


def test_who_is_cited_can():
    plans = [planned(decided(ego(), objects=(thing(7, x, v=3.0),))) for x in (70.0, 90.0)]
    assert not same(*plans)


def test_words_alone_change_the_plan():
    """Of two heads that differ in nothing, the one that is told otherwise drives otherwise."""
    base = planned(decided(ego()))
    for view in (
        decided(ego(), target=6.0), decided(ego(), stop_m=45.0), decided(ego(), side=SIDES[1]),
    ):  # fmt: skip
        assert not same(planned(view, ROADS["two lanes"]), base)


# -------------------------------------------------------------------------------------------------------- symmetry


def mirrored_road(road: Road) -> Road:
    """The road seen in a mirror that lies on the x axis."""

    def lane(x):
        return dataclasses.replace(
            x, center_y_m=-x.center_y_m, left_x_m=x.right_x_m, left_y_m=-x.right_y_m, right_x_m=x.left_x_m,
            right_y_m=-x.left_y_m, left_id=x.right_id, right_id=x.left_id, left_marking=x.right_marking,
            right_marking=x.left_marking,
        )  # fmt: skip

    lanes = tuple(map(lane, road.lane_map.lanes))
    return Road(LaneMap(0, "mirrored", lanes), road.route)


def mirrored(view: PlannerView) -> PlannerView:
    """The view in the same mirror."""
    side = {Direction.LEFT: Direction.RIGHT, Direction.RIGHT: Direction.LEFT}
    p, e = view.decision, view.ego

    def path(x):
        return dataclasses.replace(x, y_m=-x.y_m, yaw_rad=-x.yaw_rad)

    def other(o):
        return dataclasses.replace(
            o, y_m=-o.y_m, yaw_rad=-o.yaw_rad, vy_mps=-o.vy_mps, predictions=tuple(map(path, o.predictions))
        )  # fmt: skip

    return dataclasses.replace(
        view,
        ego=dataclasses.replace(e, y_m=-e.y_m, yaw_rad=-e.yaw_rad, yaw_rate_rps=-e.yaw_rate_rps),
        decision=dataclasses.replace(
            p, direction=side.get(p.direction, p.direction), offset_m=-p.offset_m
        ),
        objects=tuple(map(other, view.objects)),
    )


@settings(max_examples=60)
@given(st.sampled_from(["two lanes", "bend"]), views, st.booleans(), st.integers(0, 3))
def test_a_mirrored_world_is_driven_in_mirror_image(road, view, delta, seed):
    net = head(seed, delta=delta)
    here = planned(view, ROADS[road], net)
    there = planned(mirrored(view), mirrored_road(ROADS[road]), net)
    assert there.v_mps == pytest.approx(here.v_mps, abs=2e-3)
    assert there.x_m == pytest.approx(here.x_m, abs=0.02)
    assert there.y_m == pytest.approx(-here.y_m, abs=0.02)


# ------------------------------------------------------------------------------------------------------------ rest


def test_off_the_lanes_it_brakes_straight_on_as_the_rule_planner_does():
    view = decided(ego(y=30.0, v=8.0, yaw=0.3))
    rules = WaypointPlanner(CONFIG, ROADS["one lane"]).step(view)
    assert same(LearnedPlanner(CONFIG, ROADS["one lane"], HEADS[0]).step(view), rules)


def test_planning_remembers_nothing_and_is_the_same_every_time():
    planner = LearnedPlanner(CONFIG, ROADS["two lanes"], head(1, delta=True))
    view = decided(ego(), objects=(thing(7, 90.0, v=3.0),))
    first = planner.step(view)
    planner.step(decided(ego(v=2.0), stop_m=4.0))
    assert same(planner.step(view), first)
    planner.reset()
    assert same(planner.step(view), first)


def test_a_plan_can_be_had_every_half_second():
    w = planned(decided(ego()))
    coarse = at_knots(w)
    assert coarse.t_s == pytest.approx(0.5 * np.arange(17))
    assert np.array_equal(coarse.x_m, w.x_m[::5]) and np.array_equal(coarse.v_mps, w.v_mps[::5])


def test_another_horizon_is_refused_in_one_line():
    config = dataclasses.replace(CONFIG, plan=PlanConfig(horizon_s=5.0))
    with pytest.raises(InputError, match="plan.horizon_s=8") as error:
        LearnedPlanner(config, ROADS["one lane"], HEADS[0])
    assert "\n" not in str(error.value)
