"""nuPlan's closed-loop score: its terms on what they must say, and drives whose score is known beforehand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_drives import LIMIT_MPS, Other, road, stopping, straight
from scenes import a_drive

from whyway.evaluate import score
from whyway.evaluate.driving.nuplan_score import nuplan_score
from whyway.evaluate.driving.pdms import driving_score
from whyway.evaluate.metrics import nuplan as metrics
from whyway.types import ObjectClass

ALONE = straight(20.0, 10.0)


def judge(drive):
    return nuplan_score(drive, driving_score(drive))


# ---------------------------------------------------------------------------------------------------------- terms


def test_one_thing_costs_half_two_things_or_one_road_user_everything():
    fault = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], bool)
    vru, vehicle = np.array([1, 0, 0, 0], bool), np.array([0, 1, 0, 0], bool)
    got = metrics.no_at_fault_collisions(fault, vru, vehicle)
    assert got.tolist() == [0.0, 0.0, 0.5, 0.0, 1.0]


@pytest.mark.parametrize("dt", [0.05, 0.1])
@pytest.mark.parametrize(("against", "ddc"), [(0.0, 1.0), (1.9, 1.0), (2.1, 0.5), (6.1, 0.0)])
def test_metres_against_the_lane_within_a_second_decide(against, ddc, dt):
    n = round(1.0 / dt) + 1  # as nuPlan, which sums both ends of the second
    along = np.concatenate([np.full(30, 10.0 * dt), np.full(n, -against / n), np.full(30, 1.0)])
    assert metrics.driving_direction_compliance(along, dt) == ddc


def test_metres_against_the_lane_count_less_the_metres_along_it_in_the_same_second():
    along = np.tile([3.0, -3.0], 20)
    assert metrics.driving_direction_compliance(along, 0.1) == 0.5


@pytest.mark.parametrize(
    ("ego", "expert", "ratio"),
    [(50.0, 100.0, 0.5), (120.0, 100.0, 1.0), (0.0, 1.0, 1.0), (0.0, 20.0, 0.1), (-1.9, 20.0, 0.1), (-2.1, 20.0, 0.0)],
)  # fmt: skip
def test_progress_is_a_share_of_the_experts(ego, expert, ratio):
    got = metrics.progress_along_expert_route(np.array(ego), np.array(expert))
    assert got == pytest.approx(ratio)
    assert metrics.is_making_progress(got) == (ratio >= 0.2)


@pytest.mark.parametrize(("over", "score"), [(0.0, 1.0), (1.115, 0.5), (2.23, 0.0), (9.0, 0.0)])
def test_speed_above_the_limit_counts_by_how_much_and_how_long(over, score):
    v = np.full(101, 10.0 + over)
    got = metrics.speed_limit_compliance(v, np.full(101, 10.0), 0.1)
    assert got == pytest.approx(score, abs=0.011)  # nuPlan divides n samples by n - 1 steps
    assert metrics.speed_limit_compliance(v, np.full(101, np.inf), 0.1) == 1.0


@given(st.floats(-5.0, 5.0), st.floats(0.0, 5.0))
def test_ttc_is_the_first_tenth_of_a_second_at_which_boxes_overlap(begin, lasts):
    samples = [k for k in range(1, 30) if begin - 1e-9 <= k * 0.1 <= begin + lasts + 1e-9]
    got = float(metrics.sampled_ttc(np.array(begin), np.array(begin + lasts)))
    assert got == pytest.approx(samples[0] * 0.1 if samples else math.inf, abs=1e-6)


def test_the_score_is_gates_times_the_weighted_mean():
    good = dict.fromkeys((*metrics.GATES, *metrics.WEIGHTS), np.array(1.0))
    assert metrics.closed_loop_score(good) == 1.0
    for gate in metrics.GATES:
        assert metrics.closed_loop_score(good | {gate: np.array(0.0)}) == 0.0
    for name, weight in metrics.WEIGHTS.items():
        assert metrics.closed_loop_score(good | {name: np.array(0.0)}) == 1 - weight / 16


# ----------------------------------------------------------------------------------------------------------- logs


def test_driving_at_the_limit_alone_is_perfect_and_says_by_which_version(made):
    m = score(made.drive(ALONE)).metrics()
    assert m["nuplan_cls"] == pytest.approx(1.0)
    assert m["nuplan_version"] == "nuplan-devkit 1.2"
    assert m["nuplan_ego_is_making_progress"] == 1.0


def test_parking_where_one_could_drive_is_no_progress():
    s = judge(a_drive(straight(20.0, 0.0)))
    assert (s.ego_is_making_progress, s.closed_loop_score) == (0.0, 0.0)
    assert s.ego_progress_along_expert_route < 0.2
    assert judge(a_drive(straight(20.0, 0.0), Other(straight(26.5, 0.0)))).closed_loop_score == 1.0


def test_a_corner_off_the_road_for_one_frame_closes_a_gate():
    def ego(t):
        return 20.0 + 10.0 * t, -1.26 if abs(t - 2.0) < 0.04 else -0.2, 0.0, 10.0

    s = judge(a_drive(ego))
    assert (s.drivable_area_compliance, s.closed_loop_score) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "score"),
    [(ObjectClass.HAZARD, 0.5), (ObjectClass.PEDESTRIAN, 0.0), (ObjectClass.CAR, 0.0)],
)
def test_running_into_someone_closes_a_gate_and_into_a_thing_half(kind, score):
    s = judge(a_drive(ALONE, Other(straight(60.0, 0.0), object_class=kind)))
    assert s.no_ego_at_fault_collisions == score
    assert s.time_to_collision_within_bound == 0.0


def test_being_run_into_from_behind_costs_nothing():
    s = judge(a_drive(straight(60.0, 10.0), Other(straight(40.0, 14.0)), duration_s=6.0))
    assert s.closed_loop_score == pytest.approx(1.0)


@pytest.mark.parametrize(("metres", "ddc"), [(1.5, 1.0), (3.0, 0.5), (8.0, 0.0)])
def test_an_excursion_into_the_oncoming_lane_costs_by_its_metres(metres, ddc):
    def ego(t):
        x = 20.0 + 10.0 * t
        return x, 5.4 if 40.0 < x < 40.0 + metres + 0.5 else 5.1, 0.0, 10.0

    s = judge(a_drive(ego))
    # nuPlan counts the second's metres the right way against those the wrong way
    assert s.driving_direction_compliance >= ddc
    if metres > 7:
        assert s.driving_direction_compliance < 1.0


def test_reversing_is_driving_against_the_lane():
    def back(t):
        return 100.0 - 4.0 * t, 0.0, 0.0, -4.0

    s = judge(a_drive(back))
    assert s.driving_direction_compliance == 0.5
    assert s.ego_progress_along_expert_route == 0.0


def test_speeding_for_half_the_time_costs_half():
    def ego(t):  # 2.23 m/s too fast from 4 s on
        return 20.0 + LIMIT_MPS * t + 2.23 * max(0.0, t - 4.0), 0.0, 0.0, LIMIT_MPS + 2.23 * (t > 4)

    s = judge(a_drive(ego))
    assert s.speed_limit_compliance == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("gap", "within"), [(3.5, 0.0), (11.0, 1.0)])
def test_who_will_be_reached_within_095_s_is_too_near(gap, within):
    # 10 m/s behind 5 m/s until it brakes: TTC is gap / 5
    lead = Other(straight(20.0 + 4.5 + gap, 5.0))
    ego = stopping(20.0, 10.0, 4.0)
    assert judge(a_drive(ego, lead, duration_s=2.0)).time_to_collision_within_bound == within


def test_beside_counts_only_where_the_ego_is_astride():
    # drifting towards each other: contact in 0.6 s
    def beside(t):
        return 21.0 + 10.0 * t, 3.5 - 1.0 * min(t, 0.9), -0.1, 10.05

    in_lane = judge(a_drive(ALONE, Other(beside), duration_s=2.0))
    assert in_lane.time_to_collision_within_bound == 1.0
    astride = judge(a_drive(straight(20.0, 10.0, y=0.95), Other(beside), duration_s=2.0))
    assert astride.time_to_collision_within_bound == 0.0


def test_harsh_braking_is_uncomfortable():
    assert judge(a_drive(stopping(20.0, 10.0, 5.0))).ego_is_comfortable == 0.0
    assert judge(a_drive(ALONE)).ego_is_comfortable == 1.0


def test_a_long_drive_is_judged_without_a_matrix_of_its_square():
    lane_map, route = road()
    drive = a_drive(straight(20.0, 1.0), duration_s=400.0, on=(lane_map, route))
    assert judge(drive).ego_is_comfortable == 1.0
