"""How vehicles move: the single-track model against an integrator, actuators and rollouts against their limits."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from whyway.config import Config
from whyway.motion import (
    FREE,
    HALT,
    Obstacles,
    Rollout,
    SpeedProfile,
    actuate,
    idm_free,
    idm_interaction,
    roll_out,
    single_track,
    speed_profile,
)

VEHICLE, DRIVING = Config().vehicle, Config().driving
LIMITS, IDM = DRIVING.limits, DRIVING.idm
FRONT_M = VEHICLE.length_m / 2 + VEHICLE.center_offset_m
DT = 0.1
T_S = np.arange(0.0, 20.0 + DT / 2, DT)
NOBODY = Obstacles(
    np.zeros((0, len(T_S))), np.zeros((0, len(T_S))), np.zeros((0, len(T_S)), dtype=bool)
)

speeds = st.floats(0.0, 50.0)
town_speeds = st.floats(0.0, 30.0)
steers = st.floats(-VEHICLE.steer_max_rad, VEHICLE.steer_max_rad)

# ------------------------------------------------------------------------------------------------- the vehicle model


@given(
    st.floats(-50, 50), st.floats(-50, 50), st.floats(-10, 10), town_speeds, st.floats(-6, 6),
    st.floats(-0.6, 0.6), st.floats(0.01, 0.5),
)  # fmt: skip
def test_a_step_of_the_single_track_model_is_what_an_integrator_finds(x, y, yaw, v, a, steer, dt):
    def rates(_, state):
        return [
            state[3] * math.cos(state[2]),
            state[3] * math.sin(state[2]),
            state[3] * math.tan(steer) / VEHICLE.wheelbase_m,
            a,
        ]

    found = solve_ivp(rates, (0.0, dt), [x, y, yaw, v], rtol=1e-10, atol=1e-10).y[:, -1]
    stepped = single_track(
        *(np.array(value) for value in (x, y, yaw, v, a, steer)), VEHICLE.wheelbase_m, dt
    )
    np.testing.assert_allclose(np.array(stepped), found, atol=1e-7)


@given(speeds, steers, st.floats(-0.01, 0.01))
def test_two_half_steps_are_one_step(v, steer, a):
    def step(state, dt):
        return single_track(*state, np.array(a), np.array(steer), VEHICLE.wheelbase_m, dt)

    start = tuple(np.array(value) for value in (0.0, 0.0, 0.3, v))
    np.testing.assert_allclose(step(step(start, 0.05), 0.05), step(start, 0.1), atol=1e-9)


def test_many_cars_move_as_each_alone():
    rng = np.random.default_rng(1)
    cars = rng.uniform(-1.0, 1.0, (6, 4, 3)) * np.array([50, 50, 3, 20, 5, 0.5])[:, None, None]
    together = np.array(single_track(*cars, VEHICLE.wheelbase_m, DT))
    for index in np.ndindex(4, 3):
        alone = single_track(*(c[index] for c in cars), VEHICLE.wheelbase_m, DT)
        np.testing.assert_allclose(together[(slice(None), *index)], np.array(alone), atol=1e-12)


@given(speeds, steers, st.floats(-100, 100), st.floats(-5, 5), st.sampled_from([0.02, 0.1, 0.5]))
def test_actuators_never_exceed_their_limits(v, steer, asked_a, asked_steer, dt):
    a, tyre = (
        float(value)
        for value in actuate(
            *(np.array(value) for value in (v, steer, asked_a, asked_steer)), VEHICLE, dt
        )
    )
    power = VEHICLE.a_max_mps2 * min(1.0, VEHICLE.v_switch_mps / max(v, 1e-9))
    assert -VEHICLE.a_max_mps2 <= a <= power + 1e-12
    assert abs(tyre) <= VEHICLE.steer_max_rad
    assert abs(tyre - steer) <= VEHICLE.steer_rate_max_rps * dt + 1e-12


@given(speeds, st.floats(-100, 0), st.sampled_from([0.02, 0.1, 0.5]))
def test_braking_ends_at_standstill(v, asked, dt):
    a, _ = actuate(np.array(v), np.array(0.0), np.array(asked), np.array(0.0), VEHICLE, dt)
    assert v + float(a) * dt >= -1e-12
    if v == 0.0:
        assert float(a) == 0.0


@given(st.floats(1.0, 7.0), st.floats(-5.0, 5.0), st.floats(-0.03, 0.03))
def test_what_is_feasible_is_done(v, asked_a, asked_steer):
    done = actuate(
        np.array(v), np.array(0.0), np.array(asked_a), np.array(asked_steer), VEHICLE, DT
    )
    assert (float(done[0]), float(done[1])) == pytest.approx((asked_a, asked_steer))


def test_at_top_speed_nothing_accelerates():
    a, _ = actuate(
        np.array(VEHICLE.v_max_mps), np.array(0.0), np.array(5.0), np.array(0.0), VEHICLE, DT
    )
    assert float(a) == 0.0


# ------------------------------------------------------------------------------------------------------------- IDM


@given(st.floats(1.0, 40.0))
def test_the_free_road_term_ends_at_the_desired_speed(desired):
    v = np.array([0.0, 0.5 * desired, desired, 2.0 * desired])
    free = idm_free(v, np.full(4, desired), IDM)
    assert free[0] == pytest.approx(IDM.a_mps2)
    assert free[0] > free[1] > free[2] == pytest.approx(0.0)
    assert -IDM.b_mps2 <= free[3] < 0.0


@given(speeds, st.floats(0.5, 200.0), speeds)
def test_a_nearer_lead_never_lets_one_drive_faster(v, gap, lead_v):
    near, far = idm_interaction(
        np.array([v, v]), np.array([gap, gap + 1.0]), np.array([lead_v, lead_v]), IDM
    )
    assert near <= far <= 0.0


def test_an_infinite_gap_is_a_free_road():
    assert idm_interaction(np.array(10.0), np.array(np.inf), np.array(0.0), IDM) == 0.0


# -------------------------------------------------------------------------------------------------------- rollouts


def lead(gap_m: float, v: float = 0.0, brake: float = 0.0) -> Obstacles:
    """Somebody a gap ahead of the bumper who drives on, or brakes to a standstill."""
    t = np.minimum(T_S, v / brake) if brake > 0 else T_S
    x = FRONT_M + gap_m + v * t - 0.5 * brake * t * t
    return Obstacles(
        x[None], np.maximum(v - brake * T_S, 0.0)[None], np.ones((1, len(T_S)), dtype=bool)
    )


def roll(
    v: float,
    obstacles: Obstacles = NOBODY,
    halt_m: float = math.inf,
    limit: float = 30.0,
    a: float = 0.0,
) -> Rollout:
    profile = SpeedProfile(1.0, np.full(700, limit), np.full(700, 100.0))
    return roll_out(v, a, profile, math.inf, halt_m, obstacles, IDM, LIMITS, FRONT_M, T_S)


def braked_hardest(v: float) -> np.ndarray:
    """How far a car has come when it brakes as hard as the limits let it, from now on."""
    a, s, way = 0.0, 0.0, []
    for _ in T_S:
        way.append(s)
        a = max(a - LIMITS.emergency_jerk_mps3 * DT, LIMITS.a_min_mps2, -v / DT)
        s += v * DT + 0.5 * a * DT * DT
        v = max(v + a * DT, 0.0)
    return np.array(way)


def gap_to(obstacles: Obstacles, ahead_m: np.ndarray) -> float:
    return float(np.min(obstacles.rear_m[0] - FRONT_M - ahead_m))


gaps = st.floats(0.5, 120.0)


@given(town_speeds, gaps)
def test_a_standing_obstacle_that_can_be_avoided_is(v, gap):
    obstacle = lead(gap)
    if gap_to(obstacle, braked_hardest(v)) > 0.3:
        assert gap_to(obstacle, roll(v, obstacle).ahead_m) > 0.0


@given(town_speeds, town_speeds, gaps, st.floats(0.5, 8.0))
def test_a_braking_lead_that_can_be_avoided_is(v, lead_v, gap, brake):
    obstacle = lead(gap, lead_v, brake)
    if gap_to(obstacle, braked_hardest(v)) > 0.3:
        assert gap_to(obstacle, roll(v, obstacle).ahead_m) > 0.0


@given(town_speeds, town_speeds, gaps)
def test_a_slow_lead_that_can_be_avoided_is(v, lead_v, gap):
    obstacle = lead(gap, lead_v)
    if gap_to(obstacle, braked_hardest(v)) > 0.3:
        assert gap_to(obstacle, roll(v, obstacle).ahead_m) > 0.0


@given(st.floats(3.0, 15.0), st.floats(0.0, 5.0))
def test_it_stands_before_a_halt_that_can_be_reached_in_comfort(v, more):
    halt = v * v / (2 * DRIVING.comfort_brake_mps2) + v + more
    rolled = roll(v, halt_m=halt, limit=v)
    assert rolled.v_mps[-1] < 0.05
    assert -1.0 <= rolled.ahead_m[-1] - halt <= 0.2
    assert rolled.a_mps2.min() > -3.0


@given(town_speeds, st.floats(0.5, 3.0))
def test_a_halt_that_only_hard_braking_reaches_is_overrun_by_less_than_its_margin(v, more):
    halt = float(braked_hardest(v)[-1]) + more
    rolled = roll(v, halt_m=halt)
    assert rolled.ahead_m[-1] - halt <= 0.2


situations = st.tuples(
    town_speeds,
    st.one_of(st.just(NOBODY), st.builds(lead, gaps, town_speeds, st.floats(0.0, 8.0))),
    st.one_of(st.just(math.inf), st.floats(0.0, 100.0)),
    st.floats(3.0, 30.0),
    st.floats(LIMITS.a_min_mps2, LIMITS.a_max_mps2),
)


@given(situations)
def test_a_rollout_never_goes_back_and_keeps_its_limits(situation):
    rolled = roll(*situation)
    assert (np.diff(rolled.ahead_m) >= -1e-12).all() and (rolled.v_mps >= 0.0).all()
    assert rolled.a_mps2.min() >= LIMITS.a_min_mps2 - 1e-9
    assert rolled.a_mps2.max() <= LIMITS.a_max_mps2 + 1e-9
    jerk, at = np.diff(rolled.a_mps2) / DT, rolled.a_mps2[:-1]
    assert jerk.min() >= -LIMITS.emergency_jerk_mps3 - 1e-6
    # braking is let go the quicker the harder it was; at a brisk walk a stop may end with a jolt
    moving = rolled.v_mps[:-1] > 2.5
    assert (jerk - np.maximum(LIMITS.jerk_mps3, -at))[moving].max(initial=-1.0) <= 1e-6


@given(situations)
def test_position_speed_and_acceleration_belong_together(situation):
    rolled = roll(*situation)
    v, a = rolled.v_mps[:-1], rolled.a_mps2[:-1]
    np.testing.assert_allclose(rolled.v_mps[1:], np.maximum(v + a * DT, 0.0), atol=1e-9)
    np.testing.assert_allclose(np.diff(rolled.ahead_m), v * DT + a * DT * DT / 2, atol=1e-9)


@given(town_speeds, st.floats(3.0, 30.0))
def test_a_free_road_is_driven_in_comfort_towards_its_limit(v, limit):
    rolled = roll(v, limit=limit)
    assert rolled.a_mps2.min() >= -2.5 - 1e-9
    assert (rolled.binding == FREE).all()
    off = np.abs(rolled.v_mps - limit)
    assert off[-1] <= max(0.35 * off[0], 0.3)
    if v <= limit:
        assert np.abs(np.diff(rolled.a_mps2)).max() <= LIMITS.jerk_mps3 * DT + 1e-9
        assert rolled.v_mps.max() <= limit + 0.1


@given(st.floats(3.0, 14.0))
def test_behind_a_steady_lead_the_gap_settles_at_s0_and_the_headway(v):
    wanted = IDM.s0_m + v * IDM.headway_s
    for start in (wanted, 1.3 * wanted):
        obstacle = lead(start, v)
        rolled = roll(v, obstacle, limit=1.8 * v)
        gap = obstacle.rear_m[0] - FRONT_M - rolled.ahead_m
        assert gap[-1] == pytest.approx(wanted, rel=0.12)
        assert rolled.v_mps[-1] == pytest.approx(v, rel=0.05)


@given(st.floats(5.0, 20.0), st.floats(10.0, 60.0))
def test_who_holds_the_car_back_is_named(v, gap):
    behind = roll(v, lead(gap), limit=v)
    assert 0 in behind.binding and behind.pressure_mps2[behind.binding == 0].max() > 0.0
    assert (behind.pressure_mps2[behind.binding == FREE] == 0.0).all()
    stops = roll(v, halt_m=gap, limit=v)
    assert HALT in stops.binding and 0 not in stops.binding


@given(town_speeds, gaps, town_speeds)
def test_somebody_in_the_way_never_makes_one_faster(v, gap, lead_v):
    held, free = roll(v, lead(gap, lead_v)), roll(v)
    assert (held.ahead_m <= free.ahead_m + 1e-9).all()


@given(town_speeds, st.floats(0.0, 100.0))
def test_who_is_not_in_the_way_changes_nothing(v, gap):
    beside = lead(gap)
    beside = Obstacles(beside.rear_m, beside.v_mps, np.zeros_like(beside.blocks))
    np.testing.assert_array_equal(roll(v, beside).ahead_m, roll(v).ahead_m)


# ---------------------------------------------------------------------------------------------------- speed profiles


@st.composite
def roads(draw):
    count = draw(st.integers(5, 120))
    limit = draw(st.lists(st.floats(3.0, 40.0), min_size=count, max_size=count))
    bend = draw(st.lists(st.floats(-0.2, 0.2), min_size=count, max_size=count))
    return np.array(limit), np.array(bend), draw(st.sampled_from([0.5, 1.0, 2.0]))


drivings = st.builds(
    lambda a_lat, brake: dataclasses.replace(
        DRIVING, lateral_acceleration_mps2=a_lat, comfort_brake_mps2=brake
    ),
    st.floats(0.5, 3.0),
    st.floats(0.5, 3.0),
)


@given(roads(), drivings)
def test_a_profile_keeps_to_limits_and_curves_and_can_be_driven_with_its_brake(road, driving):
    limit, bend, step = road
    allowed = speed_profile(limit, bend, step, driving).allowed_mps
    assert (allowed <= limit + 1e-9).all()
    assert (allowed**2 * np.abs(bend) <= driving.lateral_acceleration_mps2 + 1e-9).all()
    assert (allowed * np.abs(bend) <= driving.yaw_rate_rps + 1e-9).all()
    slows = (allowed[:-1] ** 2 - allowed[1:] ** 2) / (2 * step)
    assert slows.max() <= driving.comfort_brake_mps2 + 1e-6


@given(roads(), drivings)
def test_no_faster_profile_would_do(road, driving):
    limit, bend, step = road
    allowed = speed_profile(limit, bend, step, driving).allowed_mps
    k = np.maximum(np.abs(bend), 1e-6)
    curve = np.minimum(np.sqrt(driving.lateral_acceleration_mps2 / k), driving.yaw_rate_rps / k)
    top, s = np.minimum(limit, curve), step * np.arange(len(limit))
    for i in range(len(limit)):
        ahead = top[i:] ** 2 + 2 * driving.comfort_brake_mps2 * (s[i:] - s[i])
        assert allowed[i] == pytest.approx(math.sqrt(ahead.min()))


@given(roads(), drivings)
def test_what_is_possible_is_never_less_than_what_is_comfortable_in_a_curve(road, driving):
    _, bend, step = road
    profile = speed_profile(np.full(len(bend), 1e3), bend, step, driving)
    assert (profile.possible_mps >= profile.allowed_mps - 1e-9).all()


def test_a_steady_road_is_driven_at_its_limit():
    allowed = speed_profile(np.full(20, 13.9), np.zeros(20), 1.0, DRIVING).allowed_mps
    np.testing.assert_allclose(allowed, 13.9)


@given(st.floats(8.0, 20.0), st.floats(10.0, 40.0), st.floats(0.0, 60.0))
def test_a_curve_that_can_still_be_taken_is_taken(v, radius, more):
    """Laid out from where hard braking just does: the tyres are never asked for more than is possible there."""
    top = math.sqrt(1.75 * DRIVING.lateral_acceleration_mps2 * radius)
    begins = max(v * v - top * top, 0.0) / (2 * 3.5) + v + more
    s = np.arange(0.0, 700.0)
    profile = speed_profile(np.full(700, 20.0), np.where(s > begins, 1 / radius, 0.0), 1.0, DRIVING)
    rolled = roll_out(
        v, 0.0, profile, math.inf, math.inf, NOBODY, IDM, LIMITS, FRONT_M, T_S
    )  # fmt: skip
    in_curve = rolled.ahead_m > begins + 1.0
    assert (rolled.v_mps[in_curve] ** 2 / radius).max(initial=0.0) < 1.3 * 1.75 * 2.0
