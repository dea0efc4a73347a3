"""Hand-made drives whose score is known beforehand."""

import math

import numpy as np
import pytest
from made_drives import LIGHT, OFFSET_M, STOP_X, Other, stopping, straight

from whyway.evaluate import score
from whyway.evaluate.drive import ScoreError, read_drive
from whyway.evaluate.driving.pdms import windows
from whyway.log import LogWriter, read_log
from whyway.types import Command, LightColor, ObjectClass

ALONE = straight(20.0, 10.0)
"""In lane 1 at the limit."""


def judge(log):
    return score(log).driving


def test_driving_at_the_limit_alone_is_perfect(made):
    result = score(made.drive(ALONE))
    assert result.driving.pdms == pytest.approx(1.0)
    assert result.verdict == "passed"
    assert result.route_completion == pytest.approx(1.0, abs=0.01)
    assert result.distance_m == pytest.approx(80.0)
    assert result.notes == ()


def test_standing_where_one_could_drive_has_no_progress(made):
    d = judge(made.drive(straight(20.0, 0.0)))
    assert (d.ego_progress, d.time_to_collision_within_bound, d.comfort) == (0.0, 1.0, 1.0)
    assert d.pdms == pytest.approx(7 / 12)


def test_standing_behind_who_stands_is_full_progress(made):
    d = judge(made.drive(straight(20.0, 0.0), Other(straight(26.5, 0.0))))
    assert d.ego_progress == 1.0
    assert d.pdms == pytest.approx(1.0)


def test_half_as_fast_as_possible_is_half_the_progress(made):
    d = judge(made.drive(straight(20.0, 5.0), duration_s=4.0))
    # from 5 m/s, IDM comes 4 s later somewhat less far than 40 m
    assert 0.5 < d.ego_progress < 0.75


def test_progress_counts_the_others_as_they_drove(made):
    slow = Other(straight(32.0, 5.0))
    d = judge(made.drive(straight(20.0, 5.0), slow, duration_s=4.0))
    assert d.ego_progress > 0.95, "nobody could have passed the slow car"


def test_progress_counts_a_red_light(made):
    ego = straight(STOP_X - 4.0, 0.0)
    red = judge(made.drive(ego, light=lambda t: LightColor.RED))
    green = judge(made.drive(ego))
    assert (red.ego_progress, green.ego_progress) == (1.0, 0.0)


def test_running_into_who_stands_is_worth_nothing(made):
    result = score(made.drive(ALONE, Other(straight(60.0, 0.0))))
    assert result.driving.no_at_fault_collisions == 0.0
    assert result.driving.pdms == 0.0
    assert result.at_fault_collisions == 1
    (contact,) = result.driving.contacts
    assert (contact.kind, contact.actor_id) == ("STOPPED_TRACK", 50)
    assert contact.at_s == pytest.approx(3.6, abs=0.11)
    assert result.verdict.startswith("failed: ran into actor 50 at 3.6 s")


def test_running_into_a_thing_costs_half(made):
    cone = Other(straight(60.0, 0.0), object_class=ObjectClass.HAZARD, is_static=True)
    assert judge(made.drive(ALONE, cone)).no_at_fault_collisions == 0.5


def test_being_run_into_is_not_our_fault(made):
    behind = judge(made.drive(straight(60.0, 5.0), Other(straight(40.0, 10.0))))
    standing = judge(made.drive(straight(60.0, 0.0), Other(straight(90.0, 5.0, yaw=math.pi))))
    for d in (behind, standing):
        assert d.no_at_fault_collisions == 1.0
        assert [c.at_fault for c in d.contacts] == [False]
    assert (behind.contacts[0].kind, standing.contacts[0].kind) == ("REAR", "STOPPED_EGO")


@pytest.mark.parametrize(("y", "fault"), [(0.0, False), (1.3, True)])
def test_a_side_swipe_is_the_fault_of_who_leaves_the_lane(made, y, fault):
    def other(t):  # beside us, drifting over
        return 19.0 + 10.0 * t, 3.6 - 0.5 * t + y, 0.0, 10.0

    ego = straight(20.0, 10.0, y=y)
    (contact,) = judge(made.drive(ego, Other(other), duration_s=5.0)).contacts
    assert contact.kind == "LATERAL"
    assert contact.at_fault is fault


def test_who_overlaps_at_the_first_instant_is_left_out_and_named(made):
    result = score(made.drive(ALONE, Other(straight(22.0, 5.0), id=77)))
    assert result.driving.no_at_fault_collisions == 1.0
    assert result.notes == (
        "left out of judgement: actor 77 overlaps the ego at the first instant",
    )


def test_a_corner_off_the_road_fails_the_drive(made):
    def ego(t):
        return 20.0 + 10.0 * t, -0.3 * t, 0.0, 10.0

    result = score(made.drive(ego))
    assert result.driving.drivable_area_compliance == 0.0
    assert result.driving.pdms == 0.0
    assert "left the road at 3." in result.verdict or "left the road at 4." in result.verdict


def test_starting_off_the_road_is_left_out_until_on_it_and_named(made):
    def ego(t):
        return 20.0 + 10.0 * t, min(0.0, -2.0 + t), 0.0, 10.0

    result = score(made.drive(ego))
    assert result.driving.drivable_area_compliance == 1.0
    assert "starts off the road" in result.notes[0]


@pytest.mark.parametrize(("y", "ddc"), [(0.0, 1.0), (7.0, 0.0)])
def test_the_oncoming_lane_is_the_wrong_one(made, y, ddc):
    result = score(made.drive(straight(20.0, 8.0, y=y)))
    assert result.driving.driving_direction_compliance == ddc
    assert ("oncoming" in result.verdict) == (ddc < 1.0)


@pytest.mark.parametrize(
    ("color", "tlc"),
    [(LightColor.RED, 0.0), (LightColor.AMBER, 1.0), (LightColor.GREEN, 1.0)],
)
def test_crossing_on_red_is_running_the_light(made, color, tlc):
    d = judge(made.drive(straight(70.0, 8.0), light=lambda t: color))
    assert d.traffic_light_compliance == tlc
    if tlc == 0.0:
        ((at_s, light),) = d.red_lights_run
        assert light == LIGHT
        assert at_s == pytest.approx((STOP_X - 70.0 - 2.25) / 8.0, abs=0.11)


def test_stopping_at_the_line_or_having_passed_it_before_red_is_right(made):
    stops = stopping(70.0, 9.0, 1.7)  # comes to rest with its front before x = 100
    assert stops(9.0)[0] + 2.25 < STOP_X
    assert judge(made.drive(stops, light=lambda t: LightColor.RED)).traffic_light_compliance == 1.0
    late = judge(
        made.drive(
            straight(95.0, 8.0), light=lambda t: LightColor.RED if t > 0.6 else LightColor.AMBER
        )
    )
    assert late.traffic_light_compliance == 1.0


def test_closing_in_too_fast_breaks_time_to_collision_without_a_collision(made):
    brakes = stopping(20.0, 10.0, 5.0)  # stands at x = 30
    lead = Other(straight(35.0, 0.0))
    d = judge(made.drive(brakes, lead, duration_s=4.0))
    assert d.no_at_fault_collisions == 1.0
    assert d.time_to_collision_within_bound == 0.0


def test_who_drives_beside_is_no_time_to_collision(made):
    beside = Other(straight(20.0, 10.0, y=3.5))
    close_behind = Other(straight(14.5, 10.0), id=51)
    assert judge(made.drive(ALONE, beside, close_behind)).time_to_collision_within_bound == 1.0


def test_harsh_braking_is_uncomfortable_in_its_window_only(made):
    def ego(t):
        if t <= 4.5:
            return 20.0 + 10.0 * t, 0.0, 0.0, 10.0
        return stopping(65.0, 10.0, 6.0)(t - 4.5)

    d = judge(made.drive(ego, duration_s=12.0))
    assert [w.comfort for w in d.windows] == [1.0, 0.0, 1.0]
    assert "lon_acceleration" in d.windows[1].uncomfortable
    assert d.comfort == pytest.approx(2 / 3)


def test_the_score_is_the_formula_over_the_windows(made):
    d = judge(made.drive(stopping(20.0, 9.0, 1.0), Other(straight(50.0, 3.0)), duration_s=11.0))
    mean = [
        np.mean([getattr(w, name) for w in d.windows])
        for name in ("ego_progress", "time_to_collision_within_bound", "comfort")
    ]
    whole = d.no_at_fault_collisions * d.drivable_area_compliance
    assert d.pdms == pytest.approx(whole * np.dot(mean, [5, 5, 2]) / 12)


@pytest.mark.parametrize("count", range(11, 200, 7))
def test_windows_cover_the_drive_once_and_none_is_short(count):
    found = windows(count, 0.1)
    assert found[0][0] == 0
    assert found[-1][1] == count - 1
    assert all(a[1] == b[0] for a, b in zip(found, found[1:], strict=False))
    assert all(10 <= b - a < 50 for a, b in found)


def test_what_cannot_be_judged_says_why(made, tmp_path):
    with LogWriter(tmp_path / "empty.mcap", {}) as log:
        log.write("/whyway/command", Command(0, 0.0, 0.0))
    with pytest.raises(ScoreError, match="holds no LaneMap"):
        score(read_log(tmp_path / "empty.mcap"))
    with pytest.raises(ScoreError, match="too short"):
        score(made.drive(ALONE, duration_s=0.5))


def test_a_killed_log_is_judged_as_far_as_it_goes(made):
    log = made.drive(ALONE, duration_s=9.0)
    data = log.path.read_bytes()
    log.path.write_bytes(data[: int(0.7 * len(data))])
    result = score(read_log(log.path))
    assert "judged up to" in result.notes[0]


def test_the_ego_is_read_where_its_box_is(made):
    drive = read_drive(made.drive(ALONE))
    assert drive.center[0][0] == pytest.approx(20.0)
    assert drive.x_m[0] == pytest.approx(20.0 - OFFSET_M)
    assert drive.corners.shape == (81, 4, 2)
    assert drive.route_s_m[-1] - drive.route_s_m[0] == pytest.approx(80.0)
