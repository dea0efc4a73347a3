"""Odometry against the car's own motion: what no car can do is refused, and not believed again for having lasted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import Config
from whyway.control import Safety
from whyway.control.odometry import OdometryCheck
from whyway.types import Detection, EgoState, Fault, ObjectClass, Observation, SafetyState

CONFIG = Config()
STEP_NS = 100_000_000


def driven(cycles, v=10.0, turning=0.0):
    """Readings of a car at constant speed and yaw rate, exactly."""
    found, x, y, yaw = [], 0.0, 0.0, 0.0
    for _ in range(cycles):
        found.append(EgoState(x, y, yaw, v, 0.0, turning, 0.0))
        x, y = x + 0.1 * v * math.cos(yaw + 0.05 * turning), y + 0.1 * v * math.sin(yaw + 0.05 * turning)  # fmt: skip
        yaw += 0.1 * turning
    return found


def checked(readings, step_ns=STEP_NS, slack=1.0):
    """What is said of each reading, and what is believed then."""
    limits = replace(CONFIG.safety, odometry_slack=slack)
    check, said, believed = OdometryCheck(CONFIG.vehicle, limits), [], []
    for k, ego in enumerate(readings):
        said.append(check.step(k * step_ns, ego))
        believed.append(check.believed)
    return said, believed


def first(said):
    return next((k for k, text in enumerate(said) if text), None)


@given(st.floats(0, 40), st.floats(-0.9, 0.9))
def test_what_a_car_can_do_is_believed(v, turning):
    readings = driven(60, v, turning)
    said, believed = checked(readings)
    assert not any(said) and believed == readings


@given(st.floats(0, 30), st.integers(0, 10**6))
def test_so_are_the_errors_of_wheels_and_gyros(v, seed):
    rng = np.random.default_rng(seed)
    wheels, gyro = 1.02, rng.uniform(-0.004, 0.004)
    readings = [
        replace(e, x_m=e.x_m + 0.04 * rng.uniform(-1, 1), y_m=e.y_m + 0.04 * rng.uniform(-1, 1), v_mps=wheels * e.v_mps,
                yaw_rate_rps=gyro)
        for e in driven(80, v)
    ]  # fmt: skip
    assert not any(checked(readings)[0])


def test_whom_we_do_not_stop_we_believe_anew():
    """A recording is driven on by its driver: dead reckoning from where the pose was lost means less and less."""
    said, believed = checked([replace(e, y_m=e.y_m + 5.0 * (k >= 40)) for k, e in enumerate(driven(200))])  # fmt: skip
    lost = [k for k, text in enumerate(said) if text]
    assert lost[0] == 40 and 70 < lost[-1] < 100, "some 41 m later"
    assert believed[-1].y_m == 5.0


@pytest.mark.parametrize(("dx", "dy"), [(1.5, 0.0), (-1.5, 0.0), (0.0, 0.8), (0.0, -30.0)])
def test_a_jump_is_seen_at_once_and_does_not_become_true_by_staying(dx, dy):
    right = driven(80)
    said, believed = checked([replace(e, x_m=e.x_m + dx * (k >= 40), y_m=e.y_m + dy * (k >= 40)) for k, e in enumerate(right)])  # fmt: skip
    assert first(said) == 40 and all(said[40:])
    assert max(math.hypot(b.x_m - r.x_m, b.y_m - r.y_m) for b, r in zip(believed, right, strict=True)) < 1e-6  # fmt: skip


def test_wheels_that_skid_may_be_given_slack():
    """The yaw rate of a robot that turns on the spot is of its wheels, its heading is not."""
    skidding = [replace(e, yaw_rate_rps=0.1) for e in driven(80, v=0.5)]
    assert first(checked(skidding)[0]) is not None
    assert not any(checked(skidding, slack=3.0)[0])
    gone = [replace(e, y_m=e.y_m + 5.0 * (k >= 40)) for k, e in enumerate(driven(80))]
    assert first(checked(gone, slack=3.0)[0]) == 40, "5 m are 5 m"


def test_when_the_pose_is_back_it_is_believed_again():
    said, _ = checked([replace(e, y_m=e.y_m + 5.0 * (40 <= k < 60)) for k, e in enumerate(driven(90))])  # fmt: skip
    assert [k for k, text in enumerate(said) if text] == list(range(40, 61))[: sum(map(bool, said))]
    assert not any(said[61:])


@pytest.mark.parametrize("rate", [0.4, -1.0, 3.0])
def test_a_drift_is_seen_within_the_window_and_what_is_believed_has_hardly_drifted(rate):
    right = driven(80)
    said, believed = checked([replace(e, y_m=e.y_m + rate * 0.1 * max(0, k - 39)) for k, e in enumerate(right)])  # fmt: skip
    seen = first(said)
    assert seen is not None and 40 <= seen <= 61 and all(said[seen:])
    assert max(abs(b.y_m - r.y_m) for b, r in zip(believed[seen:], right[seen:], strict=True)) < 0.3


def test_a_pose_that_stands_still_under_a_moving_car_is_seen():
    right = driven(80)
    said, _ = checked([right[min(k, 40)] for k in range(80)])
    assert 41 <= first(said) <= 52


def test_a_heading_that_turns_away_is_seen_by_where_it_would_have_led():
    said, _ = checked(
        [replace(e, yaw_rad=0.005 * max(0, k - 39)) for k, e in enumerate(driven(120))]
    )
    assert 41 <= first(said) <= 75


def test_the_same_reading_again_is_no_reading():
    check, ego = OdometryCheck(CONFIG.vehicle, CONFIG.safety), driven(1)[0]
    assert [check.step(0, ego), check.step(0, replace(ego, x_m=50.0))] == [None, None]


def test_after_a_long_silence_a_new_place_proves_nothing():
    check, (a, b) = OdometryCheck(CONFIG.vehicle, CONFIG.safety), driven(2)
    assert check.step(0, a) is None
    assert check.step(3_000_000_000, replace(b, x_m=500.0)) is None


# --------------------------------------------------------------------------------------------- what safety makes of it


def closed_loop(kit, spoil, cycles=120, v=10.0, detections=lambda k, e: ()):
    """A car under safety, on a straight plan from wherever odometry says it is; `spoil(k, observation)` is what safety gets."""
    safety = Safety(kit.config)
    from whyway.control import Follower

    follower = Follower(kit.config)

    def step(k, e):
        seen = Observation(k * STEP_NS, k * STEP_NS, e, detections(k, e))
        seen = spoil(k, seen)
        now = seen.stamp_ns
        plan = kit.straight(seen.ego, now)
        return safety.step(now, seen, kit.scene(now, seen.ego), plan, follower.step(seen.ego, plan, now))  # fmt: skip

    return kit.drive(step, kit.ego(v=v), cycles)


def test_a_pose_aside_does_not_steer_the_car_aside(kit):
    egos, verdicts = closed_loop(
        kit, lambda k, o: replace(o, ego=replace(o.ego, y_m=o.ego.y_m + 5.0)) if k >= 20 else o
    )
    assert verdicts[20].fault is Fault.ODOMETRY_INVALID
    assert max(abs(e.y_m) for e in egos) < 0.2
    assert all(e.v_mps == 0.0 for e in egos[55:]), (
        "and it does not drive on from a place it cannot be at"
    )
    assert verdicts[-1].state is SafetyState.MINIMAL_RISK


def test_when_the_pose_comes_back_the_car_drives_on(kit):
    def spoil(k, o):
        return replace(o, ego=replace(o.ego, x_m=o.ego.x_m + 30.0)) if 20 <= k < 30 else o

    verdicts = closed_loop(kit, spoil)[1]
    assert verdicts[20].state is SafetyState.MINIMAL_RISK
    assert verdicts[-1].state is SafetyState.NOMINAL


def test_a_leap_of_all_stamps_stops_the_car(kit):
    def spoil(k, o):
        leap = 500_000_000 if k >= 20 else 0
        return replace(o, stamp_ns=o.stamp_ns + leap, ego_stamp_ns=o.ego_stamp_ns + leap)

    egos, verdicts = closed_loop(kit, spoil)
    assert (
        verdicts[20].fault is Fault.ODOMETRY_STALE
        and "nothing came for 0.60 s" in verdicts[20].reason
    )
    assert egos[55].v_mps == 0.0


def car(x, v=0.0):
    return Detection(ObjectClass.CAR, x, 3.0, 0.0, 4.5, 1.8, v, 0.0, 0.9)


def test_detections_that_stay_the_same_under_a_moving_car_stop_it(kit):
    verdicts = closed_loop(kit, lambda k, o: o, detections=lambda k, e: (car(80.0 - min(k, 20)),))[
        1
    ]
    stopped = [k for k, v in enumerate(verdicts) if v.state is not SafetyState.NOMINAL]
    assert stopped == list(range(23, 120)), "standing, it does not drive on blindly either"
    assert verdicts[23].fault is Fault.SCENE_STALE


def test_an_empty_view_or_a_standing_car_is_no_stuck_detector(kit):
    for v, seen in ((10.0, ()), (0.0, (car(20.0),))):
        verdicts = closed_loop(kit, lambda k, o: o, v=v, detections=lambda k, e, seen=seen: seen)[1]
        assert {x.state for x in verdicts} == {SafetyState.NOMINAL}


def test_detections_that_are_mostly_no_numbers_stop_the_car(kit):
    def detections(k, e):
        return (car(math.nan if k >= 20 else 80.0 - k), car(90.0 - k))

    assert {v.state for v in closed_loop(kit, lambda k, o: o, detections=detections)[1]} == {SafetyState.NOMINAL}  # fmt: skip
    verdicts = closed_loop(kit, lambda k, o: o, detections=lambda k, e: detections(k, e)[:1])[1]
    assert [v.fault for v in verdicts[20:23]] == [Fault.NONE] * 2 + [Fault.SCENE_STALE]


def test_while_the_pose_lies_others_are_where_they_are_seen_from_the_car(kit):
    """A wall 20 m ahead of the car, told in the map of a pose 6 m aside: the stop must still be for it."""
    safety = Safety(kit.config)
    for k, e in enumerate(driven(22)):
        lies = replace(e, y_m=e.y_m + 6.0 * (k >= 20))
        wall = kit.thing(7, lies.x_m + 16.0, lies.y_m)
        now = k * STEP_NS
        clear = kit.scene(now, lies, [wall] if k >= 20 else [])
        command, verdict = safety.step(
            now, kit.observation(now, lies), clear, kit.straight(lies, now), None
        )
        if k == 0:
            safety.reset()
    assert verdict.object_id == 7 and verdict.state is SafetyState.EMERGENCY_BRAKE
    assert command.acceleration_mps2 == -kit.config.safety.emergency_brake_mps2
