"""EPDMS: its terms on what they must say, drives whose score is known beforehand, and plans beside a recorded person."""

import math

import numpy as np
import pytest
from made_drives import Other, a_plan, stopping, straight
from scenes import a_drive, plan_of
from scipy.signal import savgol_filter

from whyway.evaluate import score
from whyway.evaluate.driving.epdms import compare_plans, epdms_score
from whyway.evaluate.driving.open_loop import open_loop_score
from whyway.evaluate.driving.pdms import driving_score
from whyway.evaluate.metrics import navsim_v2 as metrics
from whyway.evaluate.metrics.navsim_comfort import at_center
from whyway.types import LightColor, ObjectClass

ALONE = straight(20.0, 10.0)
RNG = np.random.default_rng(3)


# ---------------------------------------------------------------------------------------------------------- terms


def off_for(seconds, dt=0.1, offset=0.6, before=1.0, after=1.0):
    parts = ((before, 0.0), (seconds, offset), (after, 0.0))
    return np.concatenate([np.full(round(s / dt), d) for s, d in parts])


@pytest.mark.parametrize("dt", [0.05, 0.1])
@pytest.mark.parametrize(
    ("seconds", "offset", "lk"), [(2.1, 0.6, 0.0), (1.8, 0.6, 1.0), (4.0, 0.49, 1.0)]
)
def test_two_seconds_on_end_off_the_line_are_no_lane_keeping(seconds, offset, lk, dt):
    d = off_for(seconds, dt, offset)
    assert metrics.lane_keeping(d, np.zeros(len(d), bool), dt) == lk


def test_a_return_to_the_line_breaks_a_departure_and_a_junction_does_not():
    twice = np.concatenate([off_for(1.5), off_for(1.5)])
    assert metrics.lane_keeping(twice, np.zeros(len(twice), bool), 0.1) == 1.0
    d = np.full(50, 0.7)
    junction = np.zeros(50, bool)
    junction[15:45] = True  # 1.5 s before it and 0.5 s behind it: 2 s
    assert metrics.lane_keeping(d, junction, 0.1) == 0.0
    assert metrics.lane_keeping(d[:-1], junction[:-1], 0.1) == 1.0
    assert metrics.lane_keeping(d, np.ones(50, bool), 0.1) == 1.0


def navsims_features(a_lon, a_lat, yaw):
    """As NAVSIM's `extract_features` calls scipy."""

    def slope(y, window, order=2, deriv=1):
        return savgol_filter(y, polyorder=order, window_length=window, deriv=deriv, delta=0.1)

    a = savgol_filter(np.hypot(a_lon, a_lat), polyorder=2, window_length=8)
    yaw = np.unwrap(yaw)
    return {
        "acceleration": a,
        "jerk": slope(a, 15),
        "yaw_rate": slope(yaw, 5),
        "yaw_acceleration": slope(yaw, 5, 2, 2),
    }


def test_extended_comfort_compares_what_navsim_compares():
    one, two = RNG.normal(size=(2, 3, 36))
    _, rms = metrics.extended_comfort(tuple(one), tuple(two), 0.1)
    a, b = navsims_features(*one), navsims_features(*two)
    for name, value in rms.items():
        assert value == pytest.approx(np.sqrt(np.mean((a[name] - b[name]) ** 2))), name


@pytest.mark.parametrize(("more", "ec"), [(0.0, 1.0), (0.69, 1.0), (0.71, 0.0)])
def test_plans_may_differ_by_so_much_acceleration(more, ec):
    flat = np.zeros(36)
    got, _ = metrics.extended_comfort((flat + more, flat, flat), (flat, flat, flat), 0.1)
    assert got == ec


def test_what_a_person_fails_is_held_against_nobody():
    agent, human = np.array([0.0, 0.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.5, 0.0])
    assert metrics.human_filter(agent, human).tolist() == [1.0, 0.0, 0.5, 1.0]


def test_epdms_has_navsims_weights_and_does_without_a_second_plan():
    one = [np.array(1.0)] * 9

    def but(**terms):
        names = ("nc", "dac", "ddc", "tlc", "ep", "ttc", "lk", "hc", "ec")
        return float(metrics.epdms(*(np.array(terms.get(n, 1.0)) for n in names)))

    assert metrics.epdms(*one) == 1.0
    for name, weight in (("ep", 5), ("ttc", 5), ("lk", 2), ("hc", 2), ("ec", 2)):
        assert but(**{name: 0.0}) == pytest.approx(1 - weight / 16), name
    assert but(ep=0.0, ec=math.nan) == pytest.approx(1 - 5 / 14)
    for name in ("nc", "dac", "ddc", "tlc"):
        assert but(**{name: 0.0}) == 0.0
        assert but(**{name: 0.5}) == 0.5
    assert but(ec=math.nan) == 1.0


def test_follow_up_scenes_count_by_how_near_they_start():
    end, starts = np.zeros(2), np.array([[0.1, 0.0], [0.3, 0.0], [5.0, 0.0]])
    w = metrics.second_stage_weights(end, starts)
    kernel = np.exp(-np.array([0.01, 0.09, 25.0]) / 0.2)
    assert w == pytest.approx(kernel / kernel.sum())
    assert metrics.second_stage_weights(end, starts + 100.0) == pytest.approx([1 / 3] * 3)
    assert metrics.two_stage_score(np.array(0.8), np.array([1.0, 0.5, 0.0]), w) == pytest.approx(
        0.8 * (w[0] + 0.5 * w[1])
    )


def test_the_centre_of_a_turning_car_is_drawn_inwards_and_swung_aside():
    lon, lat = at_center(np.array(1.0), np.array(2.0), np.array(0.5), np.array(0.4), 1.3)
    assert (float(lon), float(lat)) == pytest.approx((1.0 - 0.25 * 1.3, 2.0 + 0.4 * 1.3))


# ----------------------------------------------------------------------------------------------------------- logs


def metrics_of(log):
    return score(log).metrics()


def test_a_perfect_drive_is_worth_everything_by_every_score(made):
    m = metrics_of(made.drive(ALONE, plan=lambda t: a_plan(t, ALONE)))
    assert m["epdms"] == pytest.approx(1.0)
    assert m["epdms"] == pytest.approx(m["pdms"])
    assert (m["lane_keeping"], m["history_comfort"], m["extended_comfort"]) == (1.0, 1.0, 1.0)
    assert (m["epdms_version"], m["pdms_version"]) == ("NAVSIM v2", "NAVSIM v1")
    assert m["epdms_human_filter"] == "none"


def test_parked_where_one_could_drive_and_where_one_could_not(made):
    parked = metrics_of(made.drive(straight(20.0, 0.0)))
    assert parked["extended_comfort"] is None
    assert parked["epdms"] == pytest.approx(9 / 14)
    behind = metrics_of(made.drive(straight(20.0, 0.0), Other(straight(26.5, 0.0))))
    assert behind["epdms"] == pytest.approx(1.0)


def test_a_corner_off_the_road_for_one_frame_is_worth_nothing():
    def ego(t):  # 0.95 m to the right at t = 2: the corner is 0.1 m beyond the edge and its 0.3 m
        return 20.0 + 10.0 * t, -1.26 if abs(t - 2.0) < 0.04 else -0.2, 0.0, 10.0

    drive = a_drive(ego)
    d = driving_score(drive)
    assert len(d.off_road_s) == 1
    assert epdms_score(drive, d, ()).epdms == 0.0


@pytest.mark.parametrize(("metres", "ddc"), [(1.5, 1.0), (3.0, 0.5), (8.0, 0.0)])
def test_an_excursion_into_the_oncoming_lane_costs_by_its_metres(metres, ddc):
    def ego(t):  # the centre is in the oncoming lane for some metres
        x = 20.0 + 10.0 * t
        inside = 40.0 < x < 40.0 + metres + 0.5
        return x, 5.4 if inside else 5.1, 0.0, 10.0

    d = driving_score(drive := a_drive(ego))
    assert d.driving_direction_compliance == ddc
    whole = epdms_score(drive, d, ()).epdms
    assert whole <= ddc and (whole == 0.0) == (ddc == 0.0)


def test_being_run_into_from_behind_is_not_our_fault():
    drive = a_drive(straight(60.0, 10.0), Other(straight(40.0, 14.0)), duration_s=6.0)
    d = driving_score(drive)
    assert [(c.kind, c.at_fault) for c in d.contacts] == [("REAR", False)]
    assert d.no_at_fault_collisions == 1.0
    # NAVSIM looks from where the ego is to where the other will be, so even this one is ahead 0.9 s before
    assert epdms_score(drive, d, ()).epdms == pytest.approx(1 - 0.5 * 5 / 14)


def test_running_a_red_light_costs_everything_in_version_2_and_nothing_in_version_1():
    drive = a_drive(straight(70.0, 8.0), light=lambda t: LightColor.RED)
    d = driving_score(drive)
    assert d.pdms > 0.5
    assert epdms_score(drive, d, ()).epdms == 0.0


def test_a_departure_from_the_lane_costs_its_window():
    def ego(t):
        return 20.0 + 10.0 * t, 0.6 if 1.0 <= t < 3.1 else 0.0, 0.0, 10.0

    drive = a_drive(ego)
    e = epdms_score(drive, driving_score(drive), ())
    assert e.lane_keeping == 0.5
    assert e.epdms == pytest.approx(1 - 0.5 * 2 / 14)


def test_what_was_uncomfortable_before_a_window_belongs_to_its_history():
    def ego(t):  # brakes hard in the last half second of the first window
        if t <= 3.4:
            return 20.0 + 10.0 * t, 0.0, 0.0, 10.0
        return (
            stopping(54.0, 10.0, 6.0)(min(t - 3.4, 0.5))
            if t < 3.9
            else straight(stopping(54.0, 10.0, 6.0)(0.5)[0], 7.0)(t - 3.9)
        )

    drive = a_drive(ego)
    d = driving_score(drive)
    assert [w.comfort for w in d.windows] == [0.0, 1.0]
    assert epdms_score(drive, d, ()).history_comfort == 0.0


# ----------------------------------------------------------------------------------------------------- consecutive


def test_steady_plans_are_comfortable_and_jittering_ones_are_not():
    drive = a_drive(ALONE)
    steady = [plan_of(drive, i, ALONE) for i in range(0, 80)]
    jitter = [plan_of(drive, i, ALONE, wobble_mps2=1.0 * (i % 2)) for i in range(0, 80)]
    d = driving_score(drive)
    assert epdms_score(drive, d, steady).extended_comfort == 1.0
    # a plan is compared with that of five cycles before, which wobbles the other way
    assert epdms_score(drive, d, jitter).extended_comfort < 0.1


def test_a_plan_is_compared_with_the_one_half_a_second_older():
    drive = a_drive(ALONE)
    plans = [plan_of(drive, i, ALONE, wobble_mps2=0.0 if i < 20 else 1.0) for i in range(0, 40)]
    ec = compare_plans(plans)
    changed = sorted(round(at * 1e-8) for at, value in ec.items() if value == 0.0)
    assert changed == [20, 21, 22, 23, 24]
    assert 0 not in ec and len(ec) == 39


def test_plans_too_far_apart_or_too_short_are_not_compared():
    drive = a_drive(ALONE)
    assert compare_plans([plan_of(drive, i, ALONE) for i in (0, 6, 12)]) == {}
    assert compare_plans([plan_of(drive, i, ALONE, horizon_s=1.5) for i in range(9)]) == {}
    assert compare_plans([]) == {}


# ------------------------------------------------------------------------------------------------------ open loop

PARKED = Other(straight(60.0, 0.0), object_class=ObjectClass.CAR)


def swerving(t):
    """What a person does about the parked car: around it, over the next lane."""
    d = 3.5 * (1 / (1 + math.exp(-6 * (t - 1.2))) - 1 / (1 + math.exp(-6 * (t - 6.5))))
    return 20.0 + 10.0 * t, d, 0.0, 10.0


def test_the_plan_is_judged_where_a_person_drove(made):
    log = made.drive(
        swerving, PARKED, plan=lambda t: a_plan(t, swerving), notes={"open_loop": "yes"}
    )
    result = score(log)
    m = result.metrics()
    assert result.passed, "a verdict on a recording is on words alone"
    assert m["open_loop"] is True and m["epdms_human_filter"] == "recorded human"
    # the plan at 0 s runs straight on into the parked car; the person did not
    assert m["no_at_fault_collisions"] == pytest.approx(0.5)
    assert (m["collisions"], m["at_fault_collisions"], m["route_completion"]) == (None, None, None)
    assert m["nuplan_cls"] is None and m["min_ttc_s"] is None
    assert m["pdms"] <= 0.5


def test_displacement_is_from_what_was_driven(made):
    def ego(t):
        return 20.0 + 10.0 * t, 0.0, 0.0, 10.0

    m = metrics_of(
        made.drive(ego, plan=lambda t: a_plan(t, ego, a_mps2=-1.0), notes={"open_loop": "yes"})
    )
    # a plan that brakes at 1 m/s^2 is t^2 / 2 behind
    assert m["plan_fde_m_3s"] == pytest.approx(4.5, abs=0.05)
    assert m["plan_ade_m_3s"] == pytest.approx(np.mean((np.arange(1, 31) * 0.1) ** 2 / 2), abs=0.05)
    assert m["plan_fde_m_5s"] == pytest.approx(12.5, abs=0.05)
    assert m["plan_miss_rate_3s"] == 1.0


def test_a_plan_is_not_blamed_for_what_the_person_did_too():
    def ego(t):  # on the wrong side of the road, as the person
        return 20.0 + 8.0 * t, 7.0, 0.0, 8.0

    drive = a_drive(ego)
    result = open_loop_score(drive, [plan_of(drive, i, ego) for i in (0, 40)])
    assert [w.driving_direction_compliance for w in result.windows] == [0.0, 0.0]
    assert result.forgiven >= 2
    assert result.epdms is not None and result.epdms > 0.5


def test_without_plans_nothing_is_said_of_them(made):
    m = metrics_of(made.drive(ALONE, notes={"open_loop": "yes"}))
    assert m["epdms"] is None and m["pdms"] is None and m["plan_ade_m_3s"] is None


def test_after_a_handover_the_driver_is_judged_from_there_on(made):
    def ego(t):  # the person ran a red light at 20 m/s; then the driver keeps the limit
        return (20.0 + 40.0 * t, 0.0, 0.0, 40.0) if t <= 2.5 else straight(120.0, 10.0)(t - 2.5)

    log = made.drive(ego, light=lambda t: LightColor.RED, notes={"handover_s": "3.0"})
    result = score(log)
    assert result.driving.red_lights_run == ()
    assert result.driving.windows[0].from_s == pytest.approx(3.0)
    assert result.passed and result.duration_s == pytest.approx(8.0)
