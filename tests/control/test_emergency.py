"""Emergency braking: when hard braking is the only way out, and never in ordinary traffic."""

import math

import numpy as np
import pytest

from whyway.control import Follower, Safety
from whyway.types import Fault, ObjectClass, SafetyState


@pytest.fixture(scope="module")
def run(kit):
    """Drive a plan that minds nobody, under safety, among things that move by `objects(t)`; gives egos and verdicts."""
    follower = Follower(kit.config)

    def go(objects, v=10.0, cycles=80, plan=kit.straight):
        safety = Safety(kit.config)

        def step(k, e):
            now = k * kit.step_ns
            p = plan(e, now)
            command = follower.step(e, p, now)
            return safety.step(
                now, kit.observation(now, e), kit.scene(now, e, objects(k * 0.1)), p, command
            )

        return kit.drive(step, kit.ego(v=v), cycles)

    return go


def triggered(verdicts):
    return [v for v in verdicts if v.state is not SafetyState.NOMINAL]


# ------------------------------------------------------------------------------------------------------- it must


@pytest.mark.parametrize("v", [2.0, 5.0, 10.0, 15.0, 25.0])
def test_a_wall_in_the_lane_is_not_driven_into(kit, run, v):
    egos, verdicts = run(lambda t: [kit.thing(7, 80, 0)], v=v, cycles=int(80 / v / 0.1) + 40)
    front = egos[-1].x_m + kit.config.vehicle.center_offset_m + kit.config.vehicle.length_m / 2
    assert front < 80 - 4.5 / 2
    first = triggered(verdicts)[0]
    assert (first.fault, first.object_id) == (Fault.COLLISION_IMMINENT, 7)
    assert "object 7 (car)" in first.reason


def test_braking_waits_until_gentle_braking_would_not_do(kit, run):
    egos, verdicts = run(lambda t: [kit.thing(1, 80, 0)], cycles=100)
    k = next(i for i, v in enumerate(verdicts) if v.state is SafetyState.EMERGENCY_BRAKE)
    gap = (
        80
        - 2.25
        - (egos[k].x_m + kit.config.vehicle.center_offset_m + kit.config.vehicle.length_m / 2)
    )
    assert 10.0**2 / (2 * gap) > 3.0


def test_a_lead_that_brakes_hard_is_not_hit(kit, run):
    def lead(t):
        t = min(t, 1.25)
        return [kit.thing(1, 15 + 10 * t - 4 * t * t, 0, vx=10 - 8 * t, a=-8.0, yaw=0.0)]

    egos, verdicts = run(lead)
    assert triggered(verdicts)
    assert egos[-1].x_m + 3.6 < 15 + 6.25 - 2.25


def test_cross_traffic_that_does_not_give_way_is_braked_for(kit, run):
    _, verdicts = run(lambda t: [kit.thing(1, 30, -20 + 7 * t, vy=7.0)])
    assert triggered(verdicts)


def test_a_pedestrian_who_steps_out_is_braked_for(kit, run):
    egos, verdicts = run(
        lambda t: [kit.thing(1, 28, -4 + 1.5 * t, vy=1.5, kind=ObjectClass.PEDESTRIAN)], cycles=40
    )
    assert triggered(verdicts)
    half = kit.config.vehicle.width_m / 2 + 0.3
    for k, e in enumerate(egos):
        in_the_way = abs(-4 + 1.5 * 0.1 * k) < half
        front = e.x_m + kit.config.vehicle.center_offset_m + kit.config.vehicle.length_m / 2
        beside = 28 - 0.3 < front < 28 + 0.3 + kit.config.vehicle.length_m
        assert not (in_the_way and beside)


def test_a_head_on_collision_is_braked_for(kit, run):
    assert triggered(run(lambda t: [kit.thing(1, 90 - 10 * t, 0, vx=-10.0)], cycles=40)[1])


# --------------------------------------------------------------------------------------------------- it must not


@pytest.mark.parametrize("v", [3.0, 10.0, 20.0, 33.0])
def test_following_at_one_second_is_no_emergency(kit, run, v):
    gap = v * 1.0 + kit.config.vehicle.length_m + 1.0
    lead = lambda t: [kit.thing(1, 1.3 + gap + v * t, 0.2 * math.sin(t), vx=v)]  # noqa: E731
    assert not triggered(run(lead, v=v)[1])


def test_parked_cars_close_beside_the_way_are_no_emergency(kit, run):
    row = [kit.thing(i, 12 + 7 * i, -1.0 - 1.8 / 2 - 0.15) for i in range(12)]
    assert not triggered(run(lambda t: row)[1])


def test_oncoming_cars_in_their_lane_are_no_emergency(kit, run):
    assert not triggered(
        run(lambda t: [kit.thing(i, 60 + 30 * i - 12 * t, 3.3, vx=-12.0) for i in range(4)])[1]
    )


def test_oncoming_cars_round_a_bend_are_no_emergency(kit, run):
    """Their present course points into our lane; the predicted path does not."""
    radius = 30.0
    curve = kit.Curve(lambda s: 0 * s + 1 / radius)

    def oncoming(t):
        angle = (
            2.5 - 8.0 / radius * t
        )  # on the outer... the left lane of a left bend, coming towards us
        r, yaw = radius - 3.5, angle + math.pi
        o = kit.thing(
            1,
            r * math.sin(angle),
            radius - r * math.cos(angle),
            vx=8 * math.cos(yaw),
            vy=8 * math.sin(yaw),
        )
        ahead = angle - 8.0 / radius * 0.5 * np.arange(1, 11)
        (p,) = o.predictions
        p.x_m[:], p.y_m[:], p.yaw_rad[:] = (
            r * np.sin(ahead),
            radius - r * np.cos(ahead),
            ahead + math.pi,
        )
        return [o]

    plan = lambda e, now: curve.plan(e, now)  # noqa: E731
    assert not triggered(run(oncoming, v=8.0, cycles=80, plan=plan)[1])


def test_cars_waiting_at_cross_streets_are_no_emergency(kit, run):
    waiting = [kit.thing(i, 15 + 15 * i, -4.5, yaw=math.pi / 2) for i in range(5)]
    assert not triggered(run(lambda t: waiting)[1])


def test_a_car_that_brakes_for_its_stop_line_is_no_emergency(kit, run):
    def crossing(t):
        t = min(t, 3.2)
        return [
            kit.thing(1, 30, -17.5 + 8 * t - 1.25 * t * t, vy=8 - 2.5 * t, yaw=math.pi / 2)
        ]  # stops 4.7 m before

    assert not triggered(run(crossing)[1])


def test_a_pedestrian_at_the_kerb_is_no_emergency(kit, run):
    standing = [kit.thing(1, 25, -2.0, kind=ObjectClass.PEDESTRIAN)]
    walking = lambda t: [kit.thing(1, 10 + 1.5 * t, -1.8, vx=1.5, kind=ObjectClass.PEDESTRIAN)]  # noqa: E731
    assert not triggered(run(lambda t: standing)[1])
    assert not triggered(run(walking)[1])


def test_who_comes_from_behind_is_no_reason_to_brake(kit, run):
    assert not triggered(run(lambda t: [kit.thing(1, -20 + 16 * t, 0, vx=16.0)])[1])


def test_who_overtakes_and_drifts_over_is_no_reason_to_brake(kit, run):
    assert not triggered(
        run(lambda t: [kit.thing(1, -6 + 13 * t, 3.2 - 0.3 * t, vx=13.0, vy=-0.3)], cycles=60)[1]
    )


def test_what_probably_is_not_there_is_no_reason_to_brake(kit, run):
    assert not triggered(run(lambda t: [kit.thing(1, 40, 0, existence=0.3)])[1])


def test_a_plan_that_stops_in_time_is_left_alone(kit, run):
    """The planner brakes, firmly, and stops two metres short: safety has nothing to add."""

    def plan(e, now):
        room = 60 - 2.25 - 2.0 - (e.x_m + 3.6)
        a = 0.0 if room > 16 else -min(e.v_mps**2 / (2 * max(room, 0.05)), 5.0)
        return kit.straight(e, now, a=a)

    assert not triggered(run(lambda t: [kit.thing(1, 60, 0)], plan=plan, cycles=120)[1])
