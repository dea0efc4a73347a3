"""Hand-made drives whose CARLA driving score is known beforehand."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_drives import LENGTH_M, LIGHT, STOP_X, Other, road, straight

from whyway.evaluate.drive import read_drive
from whyway.evaluate.driving.carla_score import CarlaScore, carla_score, time_limit_s
from whyway.types import LightColor, ObjectClass, Route

ALONE = straight(20.0, 10.0)
"""From x = 20 to the goal at x = 500 in 48 s."""
WAY_M = 480.0


def judge(log) -> CarlaScore:
    return carla_score(read_drive(log))


def said(score: CarlaScore) -> list[tuple[str, int]]:
    return [(i.kind, i.who) for i in score.infractions]


def test_the_whole_way_without_a_fault_is_a_hundred(made):
    score = judge(made.drive(ALONE, duration_s=48.0))
    assert (score.driving_score, score.route_completion, score.penalty) == (100.0, 100.0, 1.0)
    assert score.status == "completed" and score.infractions == ()
    assert score.route_length_m == pytest.approx(WAY_M, abs=0.1)
    assert score.duration_s == pytest.approx(0.99 * 48.0, abs=0.11)


def test_half_the_way_is_half_the_score(made):
    score = judge(made.drive(ALONE, duration_s=24.0))
    assert score.status == "unfinished"
    assert score.driving_score == score.route_completion == pytest.approx(50.0, abs=0.1)


@pytest.mark.parametrize(
    ("object_class", "kind", "left"),
    [
        (ObjectClass.PEDESTRIAN, "pedestrian", 50.0),
        (ObjectClass.CAR, "vehicle", 60.0),
        (ObjectClass.BICYCLE, "vehicle", 60.0),
        (ObjectClass.HAZARD, "static", 65.0),
    ],
)
def test_what_is_touched_costs_its_share(made, object_class, kind, left):
    other = Other(straight(60.0, 0.0), id=7, object_class=object_class)
    score = judge(made.drive(ALONE, other, duration_s=48.0))
    assert score.driving_score == pytest.approx(left)
    (infraction,) = score.infractions
    assert (infraction.kind, infraction.who) == (kind, 7)
    assert infraction.at_s == pytest.approx((60.0 - LENGTH_M - 20.0) / 10.0, abs=0.11)
    assert infraction.x_m == pytest.approx(60.0 - LENGTH_M, abs=1.1)


def test_being_run_into_counts_too(made):
    behind = Other(lambda t: (min(0.0 + 16.0 * t, 13.0 + 10.0 * t), 0.0, 0.0, 10.0))
    free = Other(lambda t: (13.0 + 10.0 * t, 0.0, 0.0, 10.0))
    assert judge(made.drive(ALONE, free, duration_s=8.0)).penalty == 1.0
    hit = Other(lambda t: (min(16.0 * t, 16.0 + 10.0 * t), 0.0, 0.0, 10.0))
    assert judge(made.drive(ALONE, behind, duration_s=8.0)).penalty == 1.0
    assert judge(made.drive(ALONE, hit, duration_s=7.0)).penalty == pytest.approx(0.6)


def test_two_infractions_multiply(made):
    car = Other(straight(60.0, 0.0))
    log = made.drive(ALONE, car, duration_s=48.0, light=lambda t: LightColor.RED)
    score = judge(log)
    assert said(score) == [("vehicle", 50), ("red_light", LIGHT)]
    assert score.driving_score == pytest.approx(42.0)


def test_a_red_light_is_run_by_the_rear_bumper(made):
    front_s = (STOP_X - LENGTH_M / 2 - 20.0) / 10.0
    rear_s = (STOP_X + LENGTH_M / 2 - 20.0) / 10.0

    def lights(change: float, before: LightColor, after: LightColor):
        return judge(
            made.drive(ALONE, duration_s=12.0, light=lambda t: before if t < change else after)
        )

    red, amber, green = LightColor.RED, LightColor.AMBER, LightColor.GREEN
    assert said(lights(rear_s + 0.3, red, green)) == [("red_light", LIGHT)]
    assert said(lights(front_s + 0.1, red, green)) == []
    assert said(lights(rear_s + 0.3, amber, red)) == []
    assert said(lights(front_s + 0.1, green, red)) == [("red_light", LIGHT)]


def _with_stop_sign():
    lane_map, route = road()
    (line,) = lane_map.stop_lines
    line = dataclasses.replace(line, light_id=0, is_stop_sign=True)
    return dataclasses.replace(lane_map, stop_lines=(line,), lights=()), route


def _pausing(at_x: float, v: float = 0.0):
    """At 10 m/s, for two seconds at v from a place on."""
    t0 = (at_x - 20.0) / 10.0

    def motion(t: float):
        slow = min(max(t - t0, 0.0), 2.0)
        return (
            20.0 + 10.0 * (t - slow) + v * slow, 0.0, 0.0, v if t0 < t < t0 + 2.0 else 10.0,
        )  # fmt: skip

    return motion


@pytest.mark.parametrize(
    ("motion", "ran"),
    [
        (ALONE, True),
        (_pausing(STOP_X - 3.0), False),
        (_pausing(STOP_X), False),
        (_pausing(STOP_X - 3.0, v=0.5), True),
        (_pausing(STOP_X - 40.0), True),
        (_pausing(STOP_X + 10.0), True),
    ],
)
def test_a_stop_sign_wants_standing_before_it(made, motion, ran):
    score = judge(made.drive(motion, duration_s=52.0, on=_with_stop_sign()))
    assert said(score) == ([("stop_sign", 5)] if ran else [])
    assert score.driving_score == pytest.approx(80.0 if ran else 100.0)


def test_the_share_of_the_way_in_oncoming_lanes_or_beside_the_road_is_lost(made):
    def swerving(y: float):
        def motion(t: float):
            x = 20.0 + 10.0 * t
            return x, (y if 200.0 <= x < 320.0 else 0.0), 0.0, 10.0

        return motion

    assert judge(made.drive(swerving(3.5), duration_s=48.0)).penalty == 1.0
    oncoming = judge(made.drive(swerving(7.0), duration_s=48.0))
    assert oncoming.outside_share == pytest.approx(120.0 / WAY_M, abs=0.01)
    assert oncoming.driving_score == pytest.approx(75.0, abs=1.0)
    beside = judge(made.drive(swerving(-3.3), duration_s=48.0))
    assert beside.outside_share == pytest.approx(120.0 / WAY_M, abs=0.01)
    assert judge(made.drive(swerving(-3.0), duration_s=48.0)).outside_share == 0.0


def test_thirty_metres_off_the_route_is_the_end(made):
    score = judge(made.drive(straight(20.0, 10.0, yaw=-math.pi / 4), duration_s=20.0))
    assert score.status == "deviated"
    assert score.duration_s == pytest.approx(30.0 / (10.0 * math.sin(math.pi / 4)), abs=0.11)
    assert score.route_completion == pytest.approx(100 * 30.0 / WAY_M, abs=0.3)


def test_standing_three_minutes_is_the_end_and_what_follows_does_not_count(made):
    late = Other(lambda t: (60.0 if t < 185.0 else 20.0, 0.0, 0.0, 0.0))
    score = judge(made.drive(straight(20.0, 0.0), late, duration_s=190.0))
    assert score.status == "blocked"
    assert score.duration_s == pytest.approx(180.1)
    assert (score.driving_score, score.infractions) == (0.0, ())


def test_too_slow_is_timed_out(made):
    limit = time_limit_s(WAY_M)
    assert limit == 389.0  # 0.8 s a metre and 5 s
    score = judge(made.drive(straight(20.0, 1.0), duration_s=limit + 5.0))
    assert score.status == "timed out"
    assert score.duration_s == pytest.approx(limit)
    assert score.driving_score == pytest.approx(100 * limit / WAY_M, abs=0.1)


def test_a_contact_is_counted_once_until_five_seconds_are_over(made):
    def beside(from_s: float, to_s: float):
        return Other(lambda t: (22.0 + 10.0 * t, 0.0 if from_s <= t <= to_s else 9.0, 0.0, 10.0))

    at = [i.at_s for i in judge(made.drive(ALONE, beside(2.0, 6.9), duration_s=12.0)).infractions]
    assert at == pytest.approx([2.0])
    at = [i.at_s for i in judge(made.drive(ALONE, beside(2.0, 9.0), duration_s=12.0)).infractions]
    assert at == pytest.approx([2.0, 7.1])


def test_what_overlaps_from_the_first_instant_counts_only_after_it_let_go(made):
    stays = Other(lambda t: (22.0 + 10.0 * t, 0.0, 0.0, 10.0))
    assert judge(made.drive(ALONE, stays, duration_s=12.0)).infractions == ()
    comes_back = Other(lambda t: (22.0 + 10.0 * t, 9.0 if 1.0 < t < 2.0 else 0.0, 0.0, 10.0))
    assert said(judge(made.drive(ALONE, comes_back, duration_s=4.0))) == [("vehicle", 50)]


def test_a_route_through_its_own_goal_is_not_complete_there(made):
    lane_map, _ = road()
    lane = lane_map.lanes[0]
    angle = np.linspace(-np.pi / 2, np.pi / 2, 40)
    to, back = np.linspace(0.0, 200.0, 41), np.linspace(200.0, 0.0, 41)
    # a stadium: out along y = 0, round, back along y = 60, round, and out again to the goal
    parts = (
        (to, 0 * to), (200 + 30 * np.cos(angle), 30 + 30 * np.sin(angle)),
        (back, 60 + 0 * back), (-30 * np.cos(angle), 30 - 30 * np.sin(angle)),
    )  # fmt: skip
    lanes = []
    for i, (x, y) in enumerate(parts):
        yaw = np.arctan2(np.gradient(y), np.gradient(x))
        nx, ny = -1.75 * np.sin(yaw), 1.75 * np.cos(yaw)
        after = np.array([(i + 1) % 4 + 1])
        lanes.append(
            dataclasses.replace(
                lane,
                id=i + 1,
                left_id=0,
                successor_ids=after,
                center_x_m=x,
                center_y_m=y,
                left_x_m=x + nx,
                left_y_m=y + ny,
                right_x_m=x - nx,
                right_y_m=y - ny,
            )  # fmt: skip
        )
    lane_map = dataclasses.replace(lane_map, lanes=tuple(lanes), stop_lines=(), lights=())
    route = Route(0, np.array([1, 2, 3, 4, 1]), 100.0, 0.0)
    score = judge(made.drive(ALONE, duration_s=15.0, on=(lane_map, route)))
    assert score.status == "unfinished"
    assert score.route_length_m == pytest.approx(480.0 + 60.0 * np.pi, abs=2.0)
    assert score.route_completion == pytest.approx(100 * 150.0 / score.route_length_m, abs=0.5)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    duration_s=st.floats(2.0, 12.0),
    speed_mps=st.floats(0.0, 20.0),
    yaw=st.floats(-0.5, 0.5),
    crowd=st.integers(0, 3),
)
def test_the_score_is_the_product_of_its_parts(made, duration_s, speed_mps, yaw, crowd):
    others = [Other(straight(30.0 + 15.0 * i, 0.0), id=50 + i) for i in range(crowd)]
    score = judge(made.drive(straight(20.0, speed_mps, yaw=yaw), *others, duration_s=duration_s))
    assert 0.0 <= score.driving_score <= score.route_completion <= 100.0
    assert 0.0 <= score.outside_share <= 1.0
    left = 0.6 ** score.count("vehicle") * (1.0 - score.outside_share)
    assert score.driving_score == pytest.approx(score.route_completion * left)
    assert score.count("vehicle") <= crowd


def test_the_same_infractions_by_every_version(made):
    car = Other(straight(60.0, 0.0))
    score = judge(made.drive(ALONE, car, duration_s=48.0, light=lambda t: LightColor.RED))
    found = score.metrics()
    assert found["carla_version"] == "1.0"
    assert found["carla_driving_score"] == found["carla_driving_score_v2_0"] == pytest.approx(42.0)
    assert found["carla_driving_score_v2_1"] == pytest.approx(100.0 / (1.0 + 0.7 + 0.4))
    assert found["bench2drive_success"] is False


def test_the_way_outside_the_lanes_is_lost_in_every_version(made):
    def swerving(t: float):
        x = 20.0 + 10.0 * t
        return x, (7.0 if 200.0 <= x < 320.0 else 0.0), 0.0, 10.0

    score = judge(made.drive(swerving, duration_s=48.0))
    for version in ("1.0", "2.0", "2.1"):
        assert score.by_version(version) == pytest.approx(100.0 * (1.0 - score.outside_share))
    assert not score.success


def test_bench2drive_calls_a_faultless_route_a_success_and_compares_speed_with_the_traffics(made):
    slower = Other(straight(60.0, 5.0, y=-3.5), id=7)
    walker = Other(straight(60.0, 1.0, y=-9.0), id=8, object_class=ObjectClass.PEDESTRIAN)
    score = judge(made.drive(ALONE, slower, walker, duration_s=48.0))
    assert score.success
    assert score.efficiency == pytest.approx(200.0)
    assert score.comfortness == 1.0
    assert judge(made.drive(ALONE, duration_s=48.0)).efficiency == 100.0
    assert judge(made.drive(straight(20.0, 0.0), duration_s=4.0)).efficiency is None
