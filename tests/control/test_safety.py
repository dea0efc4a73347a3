"""The supervisor: what it refuses, why, how it stops, and when it lets go."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import Config, override
from whyway.control import Follower, Safety
from whyway.types import Command, EgoState, Fault, SafetyState, Waypoints

ANY = st.floats(allow_nan=True, allow_infinity=True)


@pytest.fixture(scope="module")
def run(kit):
    """Drive under safety with inputs spoilt by `spoil(k, observation, scene, plan, command)`; gives egos and verdicts."""
    follower = Follower(kit.config)

    def go(spoil=lambda k, *inputs: inputs, v=10.0, cycles=80, plan=kit.straight, objects=()):
        safety = Safety(kit.config)

        def step(k, e):
            now = k * kit.step_ns
            p = plan(e, now)
            inputs = (
                kit.observation(now, e),
                kit.scene(now, e, objects),
                p,
                follower.step(e, p, now),
            )
            return safety.step(now, *spoil(k, *inputs))

        return kit.drive(step, kit.ego(v=v), cycles)

    return go


def faults(verdicts):
    return list(dict.fromkeys(v.fault for v in verdicts if v.fault is not Fault.NONE))


def test_a_healthy_drive_passes_untouched(kit, run):
    _, verdicts = run()
    assert {v.state for v in verdicts} == {SafetyState.NOMINAL}
    assert {v.reason for v in verdicts} == {""}


# ------------------------------------------------------------------------------------------------------ inputs

SPOILT = {
    "no odometry": (Fault.ODOMETRY_STALE, lambda o, s, p, c: (None, s, p, c)),
    "odometry is 0.30 s old (limit 0.25)": (
        Fault.ODOMETRY_STALE, lambda o, s, p, c: (replace(o, ego_stamp_ns=o.stamp_ns - 300_000_000), s, p, c)),
    "odometry x_m is nan": (Fault.ODOMETRY_INVALID, lambda o, s, p, c: (replace(o, ego=replace(o.ego, x_m=math.nan)), s, p, c)),
    "odometry v_mps is inf": (Fault.ODOMETRY_INVALID, lambda o, s, p, c: (replace(o, ego=replace(o.ego, v_mps=math.inf)), s, p, c)),
    "odometry jumped": (Fault.ODOMETRY_INVALID, lambda o, s, p, c: (replace(o, ego=replace(o.ego, x_m=o.ego.x_m + 30)), s, p, c)),
    "odometry heading jumped": (
        Fault.ODOMETRY_INVALID, lambda o, s, p, c: (replace(o, ego=replace(o.ego, yaw_rad=1.5)), s, p, c)),
    "no scene": (Fault.SCENE_STALE, lambda o, s, p, c: (o, None, p, c)),
    "scene is 0.30 s old (limit 0.25)": (
        Fault.SCENE_STALE, lambda o, s, p, c: (o, replace(s, stamp_ns=s.stamp_ns - 300_000_000), p, c)),
    "no plan": (Fault.PLAN_STALE, lambda o, s, p, c: (o, s, None, c)),
    "plan is 0.40 s old (limit 0.35)": (
        Fault.PLAN_STALE, lambda o, s, p, c: (o, s, replace(p, stamp_ns=p.stamp_ns - 400_000_000), c)),
    "no command": (Fault.COMMAND_TIMEOUT, lambda o, s, p, c: (o, s, p, None)),
    "command is not finite": (Fault.PLAN_INVALID, lambda o, s, p, c: (o, s, p, replace(c, steer_rad=math.nan))),
}  # fmt: skip


@pytest.mark.parametrize("reason", SPOILT)
def test_each_lost_input_stops_the_car_and_says_why(kit, run, reason):
    fault, spoil = SPOILT[reason]
    egos, verdicts = run(lambda k, *inputs: spoil(*inputs) if k >= 20 else inputs)
    assert faults(verdicts)[0] is fault
    assert verdicts[20].reason.startswith(reason)
    assert verdicts[20].reason.endswith("minimal-risk stop")
    assert "\n" not in verdicts[20].reason
    assert egos[-1].v_mps == 0.0
    stopped_after = next(k for k, e in enumerate(egos) if e.v_mps == 0.0)
    assert stopped_after * 0.1 == pytest.approx(
        2.0 + 10.0 / kit.config.safety.minimal_risk_brake_mps2, abs=0.3
    )


def test_inputs_a_little_late_are_well(kit, run):
    def late(k, o, s, p, c):
        return (o, replace(s, stamp_ns=s.stamp_ns - 200_000_000), p, c) if k % 2 else (o, s, p, c)

    assert faults(run(late)[1]) == []


def test_the_stop_is_latched_until_the_car_stands_and_all_was_well_for_a_second(kit, run):
    egos, verdicts = run(lambda k, o, s, p, c: (o, s, None if k == 20 else p, c), cycles=100)
    stops = [k for k, v in enumerate(verdicts) if v.state is SafetyState.MINIMAL_RISK]
    assert stops == list(range(20, stops[-1] + 1))
    assert egos[stops[-1] + 1].v_mps < 0.1
    assert verdicts[30].reason.startswith("still stopping: no plan")

    egos, verdicts = run(lambda k, o, s, p, c: (o, s, None if 20 <= k < 70 else p, c), cycles=100)
    stops = [k for k, v in enumerate(verdicts) if v.state is SafetyState.MINIMAL_RISK]
    assert stops[-1] == 70 + round(kit.config.safety.healthy_s * 10) - 1


def test_a_minimal_risk_stop_follows_the_last_good_path(kit, run):
    curve = kit.Curve(lambda s: np.where(s > 25, 1 / 30, 0.0))
    for lost in ("no plan", "no odometry"):
        egos, _ = run(
            lambda k, *i, lost=lost: SPOILT[lost][1](*i) if k >= 20 else i,
            plan=lambda e, now: curve.plan(e, now),
        )
        assert egos[-1].v_mps == 0.0
        assert max(abs(curve.nearest(e)[1]) for e in egos) < 0.3


def test_a_minimal_risk_stop_brakes_harder_for_what_is_in_the_way(kit, run):
    wall = [kit.thing(3, 30.5, 0)]
    egos, verdicts = run(
        lambda k, o, s, p, c: (o, s, None if k >= 10 else p, c),
        objects=wall,
        plan=lambda e, n: kit.straight(e, n, a=-4.0),
    )
    assert egos[-1].v_mps == 0.0
    assert egos[-1].x_m + 3.6 < 30.5 - 2.25
    assert Fault.PLAN_STALE in faults(verdicts)


def test_a_scene_with_nan_in_it_is_no_scene(kit, run):
    assert faults(run(objects=[kit.thing(5, math.nan, 0.0, predicted=False)], cycles=5)[1]) == [
        Fault.SCENE_STALE
    ]


def test_an_error_of_its_own_is_a_reason_to_brake(kit):
    safety = Safety(kit.config)
    command, verdict = safety.step(
        0, kit.observation(0, kit.ego()), object(), kit.straight(kit.ego()), Command(0, 1.0, 0.0)
    )
    assert command.acceleration_mps2 < 0
    assert verdict.fault is Fault.INTERNAL_ERROR
    assert "AttributeError" in verdict.reason


def test_switched_off_it_passes_what_it_is_given(kit):
    safety = Safety(override(Config(), {"safety.enabled": False}))
    command, verdict = safety.step(0, None, None, None, Command(0, 1.0, 0.1))
    assert (command.acceleration_mps2, command.steer_rad, verdict.state) == (
        1.0,
        0.1,
        SafetyState.NOMINAL,
    )


def test_the_same_inputs_give_the_same_verdicts(run):
    assert run(lambda k, *i: SPOILT["no plan"][1](*i) if k == 30 else i) == run(
        lambda k, *i: SPOILT["no plan"][1](*i) if k == 30 else i
    )


# ------------------------------------------------------------------------------------------------------- plans


def spoilt_plan(**columns):
    def plan(kit, e, now):
        p = kit.straight(e, now)
        w = p.waypoints
        return replace(p, waypoints=replace(w, **{k: f(w) for k, f in columns.items()}))

    return plan


BAD_PLANS = {
    "plan x_m is not finite": spoilt_plan(x_m=lambda w: np.where(w.t_s == 1.0, math.nan, w.x_m)),
    "plan times do not increase": spoilt_plan(
        t_s=lambda w: np.where(w.t_s > 1.0, w.t_s - 0.5, w.t_s)
    ),
    "plan starts 3.0 m from the ego": spoilt_plan(y_m=lambda w: w.y_m + 3.0),
    "plan starts 1.00 rad off": spoilt_plan(yaw_rad=lambda w: w.yaw_rad + 1.0),
    "plan starts at 20.0 m/s": spoilt_plan(v_mps=lambda w: w.v_mps + 10.0),
    "plan drives backwards": spoilt_plan(v_mps=lambda w: np.where(w.t_s > 3, -1.0, w.v_mps)),
    "plan leaves its own speed": spoilt_plan(x_m=lambda w: np.where(w.t_s > 2, w.x_m + 5, w.x_m)),
    "plan accelerates with 6.00 m/s2": spoilt_plan(a_mps2=lambda w: 0 * w.t_s + 6.0),
    "plan brakes with 9.50 m/s2": spoilt_plan(a_mps2=lambda w: 0 * w.t_s - 9.5),
    "plan has a jerk of": spoilt_plan(a_mps2=lambda w: np.where(w.t_s > 2, -2.9, 2.9)),
    "plan has a lateral acceleration of 6.00 m/s2": spoilt_plan(
        curvature_1pm=lambda w: 0 * w.t_s + 0.06
    ),
    "plan has 81 times but y_m of shape (80,)": spoilt_plan(y_m=lambda w: w.y_m[:-1]),
}


@pytest.mark.parametrize("reason", BAD_PLANS)
def test_plans_beyond_the_limits_are_refused_with_the_reason(kit, run, reason):
    def spoil(k, o, s, p, c):
        return (o, s, BAD_PLANS[reason](kit, o.ego, o.stamp_ns) if k >= 20 else p, c)

    egos, verdicts = run(spoil)
    assert faults(verdicts) == [Fault.PLAN_INVALID]
    assert verdicts[20].reason.startswith(reason)
    assert egos[-1].v_mps == 0.0


def test_what_lies_beyond_the_horizon_is_no_reason_to_refuse_a_plan(kit, run):
    late = spoilt_plan(
        curvature_1pm=lambda w: np.where(w.t_s > kit.config.safety.horizon_s + 0.05, 0.2, 0.0)
    )
    assert faults(run(plan=lambda e, now: late(kit, e, now), cycles=5)[1]) == []


def test_slow_plans_may_not_turn_tighter_than_the_wheels(kit):
    bend = spoilt_plan(curvature_1pm=lambda w: 0 * w.t_s + 0.9)
    e = kit.ego(v=0.5)
    _, verdict = Safety(kit.config).step(
        0, kit.observation(0, e), kit.scene(0, e), bend(kit, e, 0), Command(0, 0.0, 0.0)
    )
    assert verdict.reason.startswith("plan has a curvature of 0.90")


def test_an_empty_plan_is_refused(kit):
    e, plan = kit.ego(), replace(kit.straight(kit.ego()), waypoints=Waypoints())
    command, verdict = Safety(kit.config).step(
        0, kit.observation(0, e), kit.scene(0, e), plan, Command(0, 0.0, 0.0)
    )
    assert verdict.reason.startswith("plan has 0 waypoints")
    assert command.acceleration_mps2 < 0


def test_braking_to_a_stop_is_a_good_plan(kit, run):
    assert faults(run(plan=lambda e, now: kit.straight(e, now, a=-5.0))[1]) == []


# --------------------------------------------------------------------------------------------------- properties


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 50))
def test_whatever_is_asked_the_answer_is_within_limits(kit, a, steer, v):
    e, safety = kit.ego(v=v), Safety(kit.config)
    command, _ = safety.step(
        0, kit.observation(0, e), kit.scene(0, e), kit.straight(e), Command(0, a, steer)
    )
    limits = kit.config.safety
    assert limits.a_lon_min_mps2 <= command.acceleration_mps2 <= limits.a_lon_max_mps2
    assert abs(command.steer_rad) <= kit.config.vehicle.steer_max_rad
    assert (
        v * v * math.tan(abs(command.steer_rad)) / kit.config.vehicle.wheelbase_m
        <= 1.25 * limits.a_lat_max_mps2
    )


EGO_FIELDS = [f.name for f in fields(EgoState)]
PLAN_FIELDS = [f.name for f in fields(Waypoints)]


@given(
    st.sampled_from(["command", "ego", "plan"]),
    st.integers(0, 6),
    st.integers(0, 80),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
def test_nothing_that_is_not_finite_ever_speeds_the_car_up(kit, where, field, index, value):
    e = kit.ego(v=8.0)
    observation, plan, command = kit.observation(0, e), kit.straight(e, a=1.0), Command(0, 1.0, 0.0)
    if where == "command":
        command = replace(command, **{("acceleration_mps2", "steer_rad")[field % 2]: value})
    elif where == "ego":
        observation = replace(observation, ego=replace(e, **{EGO_FIELDS[field]: value}))
    else:
        column = getattr(plan.waypoints, PLAN_FIELDS[field]).copy()
        column[index] = value
        plan = replace(plan, waypoints=replace(plan.waypoints, **{PLAN_FIELDS[field]: column}))
    command, verdict = Safety(kit.config).step(0, observation, kit.scene(0, e), plan, command)
    assert math.isfinite(command.acceleration_mps2)
    assert math.isfinite(command.steer_rad)
    assert command.acceleration_mps2 < 0
    assert verdict.state is SafetyState.MINIMAL_RISK


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans(), ANY, ANY),
        min_size=1,
        max_size=12,
    )
)
def test_it_always_answers_and_never_speeds_up_on_missing_inputs(kit, cycles):
    safety, e = Safety(kit.config), kit.ego(v=5.0)
    for k, (has_odometry, has_scene, has_plan, has_command, a, steer) in enumerate(cycles):
        now = k * kit.step_ns
        command, verdict = safety.step(
            now,
            kit.observation(now, e) if has_odometry else None,
            kit.scene(now, e) if has_scene else None,
            kit.straight(e, now) if has_plan else None,
            Command(now, a, steer) if has_command else None,
        )
        assert command.stamp_ns == verdict.stamp_ns == now
        assert math.isfinite(command.acceleration_mps2 + command.steer_rad)
        assert verdict.fault is not Fault.INTERNAL_ERROR
        if not (has_odometry and has_scene and has_plan and has_command):
            assert command.acceleration_mps2 < 0
