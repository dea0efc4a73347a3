"""What the expert decides on hand-made roads, whom it cites, and what it declares it would do without them."""

from __future__ import annotations

import math

import pytest
from made_scenes import (
    LIGHT,
    LIMIT_MPS,
    SIGN,
    at_a_light,
    at_a_stop_sign,
    before_a_bend,
    decision,
    declared,
    ego,
    light,
    one_lane,
    pedestrian,
    route_change,
    scene,
    thing,
    two_lanes,
    without,
    without_cause,
)
from roads import ids, road, straight

from whyway.config import Config
from whyway.maps.manoeuvre import place_of
from whyway.reason import RuleReasoner
from whyway.reason.facts import Facts
from whyway.reason.proposals import Decider
from whyway.types import (
    CauseKind,
    Direction,
    LaneRelation,
    Lateral,
    LightColor,
    Longitudinal,
    MarkingKind,
    NavCommand,
    ObjectClass,
    Risk,
    RoadType,
    Role,
    same,
)

CONFIG = Config()


def say(road, s):
    """What a reasoner with no memory says to a scene."""
    return RuleReasoner(CONFIG, road).step(s)


def causes(trace):
    return {(c.kind, c.id) for c in trace.planning.causes}


def roles(trace):
    return {c.id: c.role for c in trace.perception.critical_objects}


def rejects(trace):
    return {(r.longitudinal, r.lateral, r.direction): r.risk for r in trace.planning.rejected}


def change(trace):
    """What speaks against each rejected lane change."""
    return {
        r.direction: r.risk for r in trace.planning.rejected if r.lateral == Lateral.LANE_CHANGE
    }


# -------------------------------------------------------------------------------------------------------- free road


def test_on_a_free_road_it_drives_on_because_of_the_limit():
    trace = say(one_lane(), scene(ego(v=8.0)))
    assert decision(trace) == (Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE)
    assert causes(trace) == {(CauseKind.SPEED_LIMIT, 0)}
    assert trace.perception.critical_objects == ()
    assert trace.planning.target_speed_mps == pytest.approx(LIMIT_MPS)
    assert math.isinf(trace.planning.stop_distance_m)


def test_above_the_limit_it_adapts_because_of_the_limit():
    trace = say(one_lane(), scene(ego(v=17.0)))
    assert trace.planning.longitudinal == Longitudinal.ADAPT_SPEED
    assert causes(trace) == {(CauseKind.SPEED_LIMIT, 0)}


def test_somebody_far_away_is_not_cited():
    trace = say(one_lane(), scene(ego(v=8.0), thing(7, 400.0, v=10.0)))
    assert decision(trace)[0] == Longitudinal.RESUME_SPEED
    assert trace.perception.critical_objects == ()


# ----------------------------------------------------------------------------------------------------------- a lead


def test_behind_a_slower_lead_it_keeps_its_distance_because_of_it():
    trace = say(one_lane(), scene(ego(v=10.0), thing(7, 85.0, v=7.0)))
    assert decision(trace) == (Longitudinal.KEEP_DISTANCE, Lateral.KEEP_LANE, Direction.NONE)
    assert (CauseKind.OBJECT, 7) in causes(trace) and roles(trace) == {7: Role.LEAD}
    assert [p.id for p in trace.prediction.objects] == [7]
    assert (
        rejects(trace)[(Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE)]
        == Risk.COLLISION
    )


def test_without_the_lead_it_would_drive_on_and_says_so():
    trace = say(one_lane(), scene(ego(v=10.0), thing(7, 85.0, v=7.0)))
    (cause,) = (c for c in trace.planning.causes if c.id == 7)
    assert declared(cause) == (Longitudinal.RESUME_SPEED, Lateral.KEEP_LANE, Direction.NONE)


def test_of_two_in_a_row_the_nearer_one_is_the_cause():
    trace = say(one_lane(), scene(ego(v=10.0), thing(7, 85.0, v=7.0), thing(8, 120.0, v=7.0)))
    assert (CauseKind.OBJECT, 7) in causes(trace) and (CauseKind.OBJECT, 8) not in causes(trace)


def test_somebody_who_stands_in_the_lane_is_a_blocker():
    trace = say(one_lane(), scene(ego(v=10.0), thing(7, 90.0)))
    assert roles(trace) == {7: Role.BLOCKER}
    assert trace.planning.longitudinal in (Longitudinal.KEEP_DISTANCE, Longitudinal.STOP)


# ---------------------------------------------------------------------------------------------------------- lights


def test_at_a_red_light_it_stops_because_of_that_light():
    trace = say(at_a_light(), scene(ego(x=110.0), lights=light(LightColor.RED)))
    assert trace.planning.longitudinal == Longitudinal.STOP
    assert causes(trace) == {(CauseKind.TRAFFIC_LIGHT, LIGHT)}
    assert (
        0.0 < trace.planning.stop_distance_m < trace.perception.distance_to_stop_line_m == 150 - 110
    )
    seen = trace.perception
    assert (seen.traffic_light, seen.traffic_light_distance_m) == (LightColor.RED, 40.0)
    assert declared(trace.planning.causes[0])[0] == Longitudinal.RESUME_SPEED


def test_at_a_light_on_this_side_of_its_line_it_stops_where_it_still_sees_it():
    def stop_m(light_x):
        return say(
            at_a_light(light_x=light_x), scene(ego(x=110.0), lights=light(LightColor.RED))
        ).planning.stop_distance_m

    assert stop_m(144.0) == pytest.approx(144.0 - 2.0 - 110.0)
    assert stop_m(144.0) < stop_m(155.0) == stop_m(170.0)


def test_at_a_green_light_it_drives_on():
    trace = say(at_a_light(), scene(ego(x=110.0), lights=light(LightColor.GREEN)))
    assert trace.planning.longitudinal == Longitudinal.RESUME_SPEED
    assert (CauseKind.TRAFFIC_LIGHT, LIGHT) not in causes(trace)


def test_amber_stops_whoever_still_can():
    far = say(at_a_light(), scene(ego(x=110.0), lights=light(LightColor.AMBER)))
    near = say(at_a_light(), scene(ego(x=140.0), lights=light(LightColor.AMBER)))
    assert far.planning.longitudinal == Longitudinal.STOP
    assert near.planning.longitudinal == Longitudinal.RESUME_SPEED


def test_a_light_that_is_passed_does_not_hold():
    trace = say(at_a_light(), scene(ego(x=150.0), lights=light(LightColor.RED)))
    assert trace.planning.longitudinal == Longitudinal.RESUME_SPEED


def test_a_light_that_cannot_be_seen_does_not_hold():
    assert say(at_a_light(), scene(ego(x=110.0))).planning.longitudinal == Longitudinal.RESUME_SPEED


# ------------------------------------------------------------------------------------------------------- stop signs


def test_at_a_stop_sign_it_stops_once_and_then_drives_on():
    reasoner = RuleReasoner(CONFIG, at_a_stop_sign())
    comes = reasoner.step(scene(ego(x=115.0)))
    assert comes.planning.longitudinal == Longitudinal.STOP
    assert causes(comes) == {(CauseKind.STOP_SIGN, SIGN)}
    front = CONFIG.vehicle.length_m / 2 + CONFIG.vehicle.center_offset_m
    stands = ego(x=150.0 - front - 1.0, v=0.0)
    assert reasoner.step(scene(stands)).planning.longitudinal == Longitudinal.RESUME_SPEED
    reasoner.reset()
    assert reasoner.step(scene(ego(x=115.0))).planning.longitudinal == Longitudinal.STOP


# ------------------------------------------------------------------------------------------------------ pedestrians


@pytest.mark.parametrize(("y", "yaw"), [(-6.0, math.pi / 2), (6.0, -math.pi / 2)])
def test_to_a_pedestrian_who_crosses_it_yields(y, yaw):
    trace = say(one_lane(), scene(ego(v=10.0), pedestrian(7, 85.0, y, 1.8, yaw)))
    assert trace.planning.longitudinal == Longitudinal.YIELD
    assert causes(trace) == {(CauseKind.OBJECT, 7)} and roles(trace) == {7: Role.CROSSING}
    assert trace.planning.stop_distance_m < 35.0
    assert declared(trace.planning.causes[0])[0] == Longitudinal.RESUME_SPEED


def test_a_pedestrian_who_stays_on_the_pavement_holds_nobody_back():
    trace = say(one_lane(), scene(ego(v=10.0), pedestrian(7, 85.0, -6.0, 1.4, yaw=0.0)))
    assert trace.planning.longitudinal == Longitudinal.RESUME_SPEED


def test_a_pedestrian_who_has_crossed_holds_nobody_back():
    trace = say(one_lane(), scene(ego(v=10.0), pedestrian(7, 85.0, 4.0, 1.4)))
    assert trace.planning.longitudinal == Longitudinal.RESUME_SPEED


# ------------------------------------------------------------------------------------------------------ lane changes

SLOW_LEAD = thing(7, 105.0, v=3.0)


def test_round_a_slow_lead_it_changes_to_the_free_lane_on_the_left():
    trace = say(two_lanes(), scene(ego(v=10.0), SLOW_LEAD))
    assert decision(trace)[1:] == (Lateral.LANE_CHANGE, Direction.LEFT)
    assert (CauseKind.OBJECT, 7) in causes(trace) and 7 in roles(trace)
    assert any(lateral == Lateral.KEEP_LANE for _, lateral, _ in rejects(trace))


def test_it_goes_on_changing_until_it_has_its_lane():
    reasoner = RuleReasoner(CONFIG, two_lanes())
    reasoner.step(scene(ego(v=10.0), SLOW_LEAD))
    for k, y in enumerate((0.8, 1.6, 2.0, 2.6)):
        lead = thing(7, 105.0 + 3.0 * k, v=3.0)
        trace = reasoner.step(scene(ego(x=50 + 10.0 * k, y=y), lead))
        assert decision(trace)[1:] == (Lateral.LANE_CHANGE, Direction.LEFT), y
    assert decision(reasoner.step(scene(ego(x=95.0, y=3.3))))[1] == Lateral.KEEP_LANE


@pytest.mark.parametrize("x", [46.0, 51.0, 56.0])
def test_it_does_not_change_into_somebody_beside_it_and_says_why(x):
    beside = thing(8, x, 3.5, v=10.0, lane_id=2)
    trace = say(two_lanes(), scene(ego(v=10.0), SLOW_LEAD, beside))
    assert decision(trace) == (Longitudinal.KEEP_DISTANCE, Lateral.KEEP_LANE, Direction.NONE)
    assert change(trace) == {Direction.LEFT: Risk.COLLISION}


def test_it_does_not_cut_in_before_somebody_fast():
    fast = thing(8, 25.0, 3.5, v=20.0, lane_id=2)
    trace = say(two_lanes(), scene(ego(v=10.0), SLOW_LEAD, fast))
    assert decision(trace)[1] == Lateral.KEEP_LANE
    assert change(trace) == {Direction.LEFT: Risk.COLLISION}


def test_it_does_not_change_over_a_solid_line():
    trace = say(two_lanes(left_marking=MarkingKind.SOLID), scene(ego(v=10.0), SLOW_LEAD))
    assert decision(trace)[1] == Lateral.KEEP_LANE
    assert change(trace) == {Direction.LEFT: Risk.RULE}


def test_where_the_route_knows_no_other_way_it_crosses_a_solid_line():
    trace = say(route_change(left_marking=MarkingKind.SOLID), scene(ego(x=200.0, v=10.0)))
    assert decision(trace)[1:] == (Lateral.LANE_CHANGE, Direction.LEFT)


@pytest.mark.parametrize("color", [LightColor.AMBER, LightColor.RED])
@pytest.mark.parametrize(
    "v, over_m, stays", [(1.0, 0.5, True), (1.0, 2.5, False), (6.0, 0.5, False)]
)
def test_who_creeps_over_the_line_with_its_nose_only_stays_when_the_light_changes(
    color, v, over_m, stays
):
    x = 150.0 + over_m - Config().vehicle.front_m
    trace = say(at_a_light(), scene(ego(x=x, v=v), lights=light(color)))
    assert (decision(trace)[0] == Longitudinal.STOP) == stays


def test_it_does_not_change_to_where_it_is_no_faster():
    slow_too = thing(8, 105.0, 3.5, v=3.0, lane_id=2)
    trace = say(two_lanes(), scene(ego(v=10.0), SLOW_LEAD, slow_too))
    assert decision(trace)[1] == Lateral.KEEP_LANE
    assert change(trace)[Direction.LEFT] in (Risk.PROGRESS, Risk.COLLISION)


def test_without_a_reason_it_does_not_change():
    trace = say(two_lanes(), scene(ego(v=10.0)))
    assert decision(trace)[1] == Lateral.KEEP_LANE and change(trace) == {}


def test_where_the_route_asks_for_it_it_changes_because_of_the_route():
    trace = say(route_change(), scene(ego(x=200.0, v=10.0)))
    assert decision(trace)[1:] == (Lateral.LANE_CHANGE, Direction.LEFT)
    assert (CauseKind.ROUTE, 0) in causes(trace)
    assert trace.perception.command == NavCommand.CHANGE_LEFT
    (cause,) = (c for c in trace.planning.causes if c.kind == CauseKind.ROUTE)
    assert declared(cause)[1] == Lateral.KEEP_LANE


def test_for_more_lane_changes_than_fit_in_at_its_speed_it_slows_down_because_of_the_route():
    lanes = [
        straight(1, 0, 100, 3.5, left_id=2),
        straight(2, 0, 100, 7.0, left_id=3, right_id=1),
        straight(3, 0, 100, 10.5, left_id=4, right_id=2),
        straight(4, 0, 100, 14.0, right_id=3, successor_ids=ids(9)),
        straight(9, 100, 300, 14.0),
    ]
    trace = say(road(lanes, [1, 2, 3, 4, 9]), scene(ego(x=5.0, y=3.5, v=12.0)))
    assert trace.planning.longitudinal == Longitudinal.ADAPT_SPEED
    assert trace.planning.target_speed_mps < 7.0
    assert causes(trace) == {(CauseKind.ROUTE, 0)}
    one = say(road(lanes, [3, 4, 9]), scene(ego(x=5.0, y=10.5, v=12.0)))
    assert one.planning.longitudinal == Longitudinal.RESUME_SPEED


@pytest.mark.parametrize("x, changes", [(60.0, False), (150.0, True)])
def test_a_change_that_can_wait_until_behind_a_junction_is_not_made_inside_it(x, changes):
    lanes = [
        straight(1, 0, 70, 0.0, left_id=2, successor_ids=ids(3)),
        straight(2, 0, 70, 3.5, right_id=1, successor_ids=ids(4)),
        straight(3, 70, 100, 0.0, left_id=4, in_junction=True, successor_ids=ids(5)),
        straight(4, 70, 100, 3.5, right_id=3, in_junction=True, successor_ids=ids(6)),
        straight(5, 100, 300, 0.0, left_id=6),
        straight(6, 100, 300, 3.5, right_id=5, successor_ids=ids(7)),
        straight(7, 300, 500, 3.5),
    ]
    trace = say(road(lanes, [1, 3, 5, 6, 7]), scene(ego(x=x, v=8.0)))
    assert (decision(trace)[1] == Lateral.LANE_CHANGE) == changes


# ------------------------------------------------------------------------------------------------ curves and turns


def test_before_a_tight_bend_it_adapts_because_of_the_curve():
    trace = say(before_a_bend(), scene(ego(x=70.0, v=12.0)))
    assert trace.planning.longitudinal == Longitudinal.ADAPT_SPEED
    assert causes(trace) == {(CauseKind.CURVATURE, 0)}
    assert declared(trace.planning.causes[0])[0] == Longitudinal.RESUME_SPEED


def test_before_a_slow_stretch_it_adapts_because_of_the_limit():
    trace = say(before_a_bend(150.0, speed_limit_mps=5.0), scene(ego(x=75.0, v=12.0)))
    assert trace.planning.longitudinal == Longitudinal.ADAPT_SPEED
    assert causes(trace) == {(CauseKind.SPEED_LIMIT, 0)}


def test_in_a_junction_it_turns_because_of_the_route():
    trace = say(before_a_bend(12.0, junction=True), scene(ego(x=98.0, v=4.0)))
    assert decision(trace)[1:] == (Lateral.TURN, Direction.LEFT)
    assert (CauseKind.ROUTE, 0) in causes(trace)
    assert trace.perception.command == NavCommand.LEFT


def test_the_road_is_described():
    seen = say(before_a_bend(12.0, junction=True), scene(ego(x=60.0, v=5.0))).perception
    assert seen.road_type == RoadType.STRAIGHT
    assert seen.distance_to_junction_m == pytest.approx(40.0, abs=1.0)
    inside = say(before_a_bend(12.0, junction=True), scene(ego(x=101.0, v=3.0))).perception
    assert inside.road_type == RoadType.INTERSECTION


# ------------------------------------------------------------------------------------------------------- properties

SITUATIONS = {
    "free": (one_lane, scene(ego(v=8.0))),
    "lead": (one_lane, scene(ego(), thing(7, 85.0, v=7.0), thing(8, 120.0, v=7.0))),
    "blocker": (one_lane, scene(ego(), thing(7, 90.0))),
    "red": (at_a_light, scene(ego(x=110.0), lights=light(LightColor.RED))),
    "red behind a lead": (
        at_a_light,
        scene(ego(x=110.0), thing(7, 135.0, v=3.0), lights=light(LightColor.RED)),
    ),
    "sign": (at_a_stop_sign, scene(ego(x=115.0))),
    "pedestrian": (one_lane, scene(ego(), pedestrian(7, 85.0, -6.0, 1.8))),
    "two pedestrians": (
        one_lane,
        scene(ego(), pedestrian(7, 85.0, -6.0, 1.8), pedestrian(8, 88.0, -5.5, 1.8)),
    ),
    "pedestrian behind a lead": (
        one_lane,
        scene(ego(), thing(6, 75.0, v=8.0), pedestrian(7, 95.0, -4.0, 1.5)),
    ),
    "overtaking": (two_lanes, scene(ego(), SLOW_LEAD)),
    "no room": (two_lanes, scene(ego(), SLOW_LEAD, thing(8, 51.0, 3.5, 10.0, lane_id=2))),
    "route": (route_change, scene(ego(x=200.0))),
    "bend": (before_a_bend, scene(ego(x=70.0, v=12.0))),
    "bend behind a lead": (before_a_bend, scene(ego(x=50.0, v=12.0), thing(7, 80.0, v=7.0))),
}
situations = pytest.mark.parametrize(
    ("make", "s"), list(SITUATIONS.values()), ids=list(SITUATIONS)
)  # fmt: skip


@situations
def test_what_is_declared_is_decided_when_the_cause_is_not_there(make, s):
    trace, checked = say(make(), s), 0
    for cause in trace.planning.causes:
        without_it = without_cause(s, cause.kind, cause.id)
        if without_it is not None:
            assert decision(say(make(), without_it)) == declared(cause)
            checked += 1
    assert checked or all(
        c.kind not in (CauseKind.OBJECT, CauseKind.TRAFFIC_LIGHT) for c in trace.planning.causes
    )


@pytest.mark.parametrize(
    ("kind", "there", "elsewhere", "s"),
    [
        (CauseKind.STOP_SIGN, at_a_stop_sign, one_lane, scene(ego(x=115.0))),
        (
            CauseKind.CURVATURE,
            before_a_bend,
            lambda: before_a_bend(400.0),
            scene(ego(x=70.0, v=12.0)),
        ),
        (
            CauseKind.SPEED_LIMIT,
            one_lane,
            lambda: one_lane(speed_limit_mps=1.3 * LIMIT_MPS),
            scene(ego(v=16.0)),
        ),
    ],
    ids=["stop sign", "bend", "limit"],
)
def test_what_is_declared_is_decided_on_a_road_without_the_cause(kind, there, elsewhere, s):
    (cause,) = (c for c in say(there(), s).planning.causes if c.kind == kind)
    assert decision(say(elsewhere(), s)) == declared(cause)


@situations
def test_who_is_not_cited_changes_nothing(make, s):
    trace = say(make(), s)
    for o in s.objects:
        if o.id not in roles(trace):
            again = say(make(), without(s, o.id))
            assert decision(again) == decision(trace)
            assert causes(again) == causes(trace)
            assert (
                again.planning.target_acceleration_mps2 == trace.planning.target_acceleration_mps2
            )


@situations
def test_a_reason_is_always_given_and_so_is_an_alternative(make, s):
    planning = say(make(), s).planning
    assert planning.causes and planning.rejected
    assert (planning.longitudinal, planning.lateral, planning.direction) not in {
        (r.longitudinal, r.lateral, r.direction) for r in planning.rejected
    }


@situations
def test_saying_it_again_is_saying_the_same(make, s):
    assert same(say(make(), s), say(make(), s))
    reasoner = RuleReasoner(CONFIG, make())
    first = reasoner.step(s)
    reasoner.reset()
    assert same(first, reasoner.step(s))


def test_off_the_lanes_it_says_so_and_stops():
    trace = say(one_lane(), scene(ego(y=30.0), thing(7, 60.0)))
    assert trace.planning.longitudinal == Longitudinal.STOP and trace.integrity.fallback_used
    assert trace.perception.road_type == RoadType.UNKNOWN
    assert trace.planning.target_acceleration_mps2 < 0.0


def test_a_lorry_cited_is_a_lorry():
    trace = say(one_lane(), scene(ego(), thing(7, 85.0, v=6.0, kind=ObjectClass.TRUCK)))
    (cited,) = trace.perception.critical_objects
    assert (cited.object_class, cited.lane_relation) == (ObjectClass.TRUCK, LaneRelation.EGO)


@pytest.mark.parametrize("y", [-0.65, -0.58])
def test_at_the_edge_of_a_narrow_lane_no_change_is_said_that_only_moves_back_to_its_centre(y):
    lanes = [
        straight(1, 0, 800, 0.0, width_m=2.7, left_id=2),
        straight(2, 0, 800, 2.7, width_m=2.7, right_id=1),
    ]
    trace = say(road(lanes, [1]), scene(ego(y=y, v=10.0), SLOW_LEAD))
    assert decision(trace)[1:] == (Lateral.KEEP_LANE, Direction.NONE)


@situations
def test_what_one_question_has_worked_out_answers_no_other(make, s):
    """A scene's counterfactuals share what they can; who is asked only one of them says the same."""
    road = make()
    place = place_of(road, s.ego)
    colors = {x.light_id: x.color for x in s.lights}
    facts = Facts(s.ego, place, s.objects, colors, Direction.NONE, frozenset())
    keys = [(CauseKind.OBJECT, o.id) for o in s.objects]
    keys += [(kind, 0) for kind in (CauseKind.ROUTE, CauseKind.SPEED_LIMIT, CauseKind.CURVATURE)]
    asked = [frozenset(), *(frozenset({k}) for k in keys), frozenset(keys), frozenset()]
    knowing = Decider(CONFIG, road)
    for without_them in asked:
        one = knowing.decide(facts, without_them)
        other = Decider(CONFIG, road).decide(facts, without_them)
        for name in ("longitudinal", "lateral", "direction", "weights"):
            assert getattr(one, name) == getattr(other, name)
        assert same(one.chosen.rollout, other.chosen.rollout)
        assert [o.prospect_m for o in one.others] == [o.prospect_m for o in other.others]
