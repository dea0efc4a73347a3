"""Faults around a world: each does exactly what it says to what is sensed, nothing to what is there, and the same again from its seed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.config import Config
from whyway.types import (
    Command,
    Detection,
    EgoState,
    Fault,
    LaneMap,
    LightColor,
    LightState,
    ObjectClass,
    Observation,
    Plan,
    Route,
    Truth,
    Waypoints,
    same,
)
from whyway.worlds import World, make_world
from whyway.worlds.faults import (
    FAULTS,
    DriverFaults,
    FaultError,
    FaultyWorld,
    Injection,
    begun,
    faulty,
    parse,
)

STEP_NS = 100_000_000
KINDS = (ObjectClass.CAR, ObjectClass.PEDESTRIAN, ObjectClass.BICYCLE)
BEARINGS = (0.0, math.pi / 2, math.pi, -math.pi / 2)


class Straight:
    """A world in which the ego drives 10 m/s to the east and every value of an observation tells its cycle."""

    name, notes, duration_s, goal_reached, interface_braking = "straight", {}, 60.0, None, False
    config, lane_map, route = Config(), LaneMap(0, "none"), Route(0, np.zeros(0, np.int64), 0, 0)

    def __init__(self) -> None:
        self.k, self.commands = 0, []

    @property
    def stamp_ns(self) -> int:
        return self.k * STEP_NS

    @property
    def done(self) -> bool:
        return self.k >= 600

    def observation(self, k: int) -> Observation:
        seen = tuple(
            Detection(
                c, 10 * math.cos(b) + 0.01 * k, 10 * math.sin(b), 0.0, 4.5, 1.8, float(k), 0.0, 0.9
            )
            for c in KINDS
            for b in BEARINGS
        )
        light = LightState(1, LightColor.GREEN if k % 2 else LightColor.RED, 1.0)
        ego = EgoState(float(k), 0.0, 0.0, 10.0, 0.0, 0.0, 0.0)
        return Observation(k * STEP_NS, k * STEP_NS, ego, seen, (light,))

    def reset(self) -> Observation:
        self.k, self.commands = 0, []
        return self.observation(0)

    def step(self, command: Command | None) -> Observation:
        self.k += 1
        self.commands.append(command)
        return self.observation(self.k)

    def truth(self) -> Truth:
        return Truth(self.stamp_ns, self.observation(self.k).ego, 4.5, 1.8, 1.3)

    def get_state(self) -> int:
        return self.k

    def set_state(self, state: int) -> None:
        self.k = state


def seen(*texts: str, cycles: int = 40, seed: int = 1) -> list[Observation]:
    """What `step` gives in a straight world with faults, the first observation included."""
    world = FaultyWorld(Straight(), [parse(t) for t in texts], seed)
    return [world.reset(), *(world.step(None) for _ in range(cycles))]


def clean(k: int) -> Observation:
    return Straight().observation(k)


def ages(found: list[Observation]) -> list[int]:
    """How many cycles old what each cycle gives is."""
    return [k - o.stamp_ns // STEP_NS for k, o in enumerate(found)]


# ---------------------------------------------------------------------------------------------------- vocabulary

WHATS = [(kind, what) for kind, spec in FAULTS.items() for what in spec.what]


@given(st.sampled_from(WHATS), st.floats(0, 1), st.floats(0, 900), st.floats(0.1, 60))
def test_a_fault_reads_back_from_its_text(
    name: tuple[str, str], value: float, start: float, lasts: float
) -> None:
    value, start = round(value, 3), round(start, 1)
    text = f"{name[0]}:{name[1]}={value:g}@{start:g}-{round(start + lasts, 1):g}"
    injection = parse(text)
    assert parse(str(injection)) == injection
    assert (injection.kind, injection.what, injection.value) == (*name, value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "kind:what"),
        ("late", "kind:what"),
        ("lost:all@3", "no fault 'lost'"),
        ("drop:detection@3", "did you mean 'detections'"),
        ("late:all@3", "how much"),
        ("late:all=soon@3", "no number"),
        ("late:all=nan@3", "not finite"),
        ("drop:all=1.5@3", "out of range"),
        ("drop:all@-3", "kind:what"),
        ("drop:all@5-3", "must begin"),
        ("freeze:all@5", "how much"),
        ("kill:reasoner@3", "no fault 'kill'"),
    ],
)
def test_a_text_that_is_no_fault_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(FaultError, match=says) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_freeze_lasts_as_long_as_its_value_says() -> None:
    assert parse("freeze:odometry=0.8@2") == parse("freeze:odometry@2-2.8")
    assert parse("freeze:odometry=0.8@2").to_s == pytest.approx(2.8)


def test_events_name_faults_by_what_they_do() -> None:
    codes = {
        text: parse(text).code
        for text in (
            "nan:odometry",
            "late:pose=1",
            "drop:detections",
            "slow:reasoner=2",
            "spoil:plan",
        )
    }
    assert codes == {
        "nan:odometry": Fault.ODOMETRY_INVALID, "late:pose=1": Fault.ODOMETRY_STALE, "drop:detections": Fault.SCENE_STALE,
        "slow:reasoner=2": Fault.PLAN_STALE, "spoil:plan": Fault.PLAN_INVALID,
    }  # fmt: skip


def test_a_fault_begins_once() -> None:
    injection = parse("drop:all@1-2")
    times = [
        k for k in range(40) if begun([injection], (k - 1) * STEP_NS if k else None, k * STEP_NS)
    ]
    assert times == [10]


# ------------------------------------------------------------------------------------------------- what they have in common


def test_without_faults_the_world_is_itself() -> None:
    world = Straight()
    assert faulty(world, [], 1) is world
    assert faulty(world, [parse("slow:reasoner=2")], 1) is world


def test_what_happens_inside_the_driver_is_no_worlds_fault() -> None:
    with pytest.raises(ValueError, match="inside the driver"):
        FaultyWorld(Straight(), [parse("spoil:plan")], 1)


@pytest.mark.parametrize(("kind", "what"), [n for n in WHATS if n[0] not in ("slow", "spoil")])
def test_every_fault_leaves_truth_and_commands_alone_and_ends(kind: str, what: str) -> None:
    spec = FAULTS[kind]
    value = 5.0 if kind == "false" else min(1.0, spec.high)
    inner = Straight()
    world = FaultyWorld(inner, [Injection(kind, what, value, 1.0, 2.0)], 1)
    assert isinstance(world, World)
    found = [world.reset()]
    command = Command(0, 1.0, 0.0)
    for k in range(1, 41):
        found.append(world.step(command))
        assert world.truth() == Truth(k * STEP_NS, clean(k).ego, 4.5, 1.8, 1.3)
        assert world.stamp_ns == k * STEP_NS
    assert inner.commands == [command] * 40
    assert found[:10] == [clean(k) for k in range(10)]
    # a clock that was ahead is believed again only when the time has come
    assert found[32:] == [clean(k) for k in range(32, 41)]
    changed = found != [clean(k) for k in range(41)]
    assert changed == (
        (kind, what)
        not in {
            ("duplicate", "all"),
            *(("miss", c.name.lower()) for c in ObjectClass if c not in KINDS),
        }
    )


@given(
    st.lists(st.sampled_from(["drop:all=0.4", "late:all=0.2@0-2", "reorder:all=0.5", "duplicate:all=0.5", "drop:detections=0.5",
                              "late:odometry=0.3", "nan:detections=0.2", "false:objects=5", "miss:objects=0.4", "drift:pose=1@1",
                              "freeze:lights=1@1", "nan:odometry=0.1"]), min_size=1, max_size=4),
    st.integers(0, 99), st.integers(0, 30),
)  # fmt: skip
def test_the_same_seed_gives_the_same_faults_from_any_state(
    texts: list[str], seed: int, until: int
) -> None:
    world = FaultyWorld(Straight(), [parse(t) for t in texts], seed)
    first = [world.reset(), *(world.step(None) for _ in range(until))]
    state = world.get_state()
    rest = [world.step(None) for _ in range(10)]
    arrived = world.arrivals
    world.set_state(state)
    again = [world.step(None) for _ in range(10)]
    assert all(same(a, b) for a, b in zip(again, rest, strict=True))
    assert all(same(a, b) for a, b in zip(world.arrivals, arrived, strict=True))
    assert all(same(a, b) for a, b in zip([world.reset(), *(world.step(None) for _ in range(until))], first, strict=True))  # fmt: skip


def test_another_seed_loses_others() -> None:
    assert ages(seen("drop:all=0.5", seed=1)) != ages(seen("drop:all=0.5", seed=2))


def test_one_fault_changes_nothing_of_what_another_draws() -> None:
    alone = [o.detections for o in seen("miss:objects=0.5")]
    beside = [o.detections for o in seen("miss:objects=0.5", "drop:odometry=0.5")]
    assert alone == beside


def test_stamps_never_go_back() -> None:
    for text in (
        "reorder:all=0.5",
        "late:all=0.3@1-2",
        "duplicate:all",
        "clock:step=-1@2",
        "drop:all=0.5",
    ):
        stamps = [o.stamp_ns for o in seen(text)]
        assert stamps == sorted(stamps)


def test_a_real_world_behind_faults_drives_as_without_when_they_do_not_act() -> None:
    plain = make_world("town", 1, Config(), 2.0)
    behind = FaultyWorld(make_world("town", 1, Config(), 2.0), [parse("drop:all@100")], 1)
    assert same(plain.reset(), behind.reset())
    while not plain.done:
        assert same(
            plain.step(Command(plain.stamp_ns, 1.0, 0.0)), behind.step(Command(0, 1.0, 0.0))
        )


# --------------------------------------------------------------------------------------------------------- one by one


def test_what_is_dropped_never_comes_and_the_last_one_is_given_again() -> None:
    assert ages(seen("drop:all@1-1.5"))[8:17] == [0, 0, 1, 2, 3, 4, 5, 0, 0]
    found = seen("drop:odometry@1-1.5")
    assert ages(found) == [0] * 41
    for k in range(10, 15):
        assert found[k] == dataclasses.replace(clean(k), ego=clean(9).ego, ego_stamp_ns=9 * STEP_NS)


def test_a_share_is_dropped() -> None:
    new = sum(age == 0 for age in ages(seen("drop:all=0.3", cycles=500)))
    assert 0.62 < new / 501 < 0.78


def test_what_is_late_comes_later_and_all_of_it_comes() -> None:
    found = seen("late:detections=0.25@1-2")
    delay = [k - round(o.detections[0].vx_mps) for k, o in enumerate(found)]
    assert delay[8:24] == [0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0]
    assert [o.ego for o in found] == [clean(k).ego for k in range(41)]
    assert ages(seen("late:all=0.2@1-2"))[8:16] == [0, 0, 1, 2, 2, 2, 2, 2]


def test_late_odometry_says_so_by_its_stamp_and_a_late_pose_does_not() -> None:
    late, pose = seen("late:odometry=0.3@1")[30], seen("late:pose=0.3@1")[30]
    assert (late.ego.x_m, late.ego_stamp_ns) == (27.0, 27 * STEP_NS)
    assert (pose.ego.x_m, pose.ego_stamp_ns, pose.ego.v_mps) == (27.0, 30 * STEP_NS, 10.0)


def test_what_is_frozen_stays_and_comes_back() -> None:
    found = seen("freeze:lights=0.5@1")
    assert [o.lights for o in found[10:15]] == [clean(9).lights] * 5
    assert found[15] == clean(15)
    world = FaultyWorld(Straight(), [parse("freeze:all=0.5@1")], 1)
    world.reset()
    for k in range(1, 15):
        world.step(None)
        assert world.arrivals == (clean(min(k, 9)),), "the sender says the same again"


def test_what_comes_twice_comes_twice_and_counts_once() -> None:
    world = FaultyWorld(Straight(), [parse("duplicate:all@1")], 1)
    world.reset()
    for k in range(1, 20):
        assert world.step(None) == clean(k)
        assert world.arrivals == ((clean(k - 1),) if k > 10 else ()) + (clean(k),)


def test_what_is_out_of_order_comes_after_its_successor_and_is_nothing_new() -> None:
    world = FaultyWorld(Straight(), [parse("reorder:all@1-1.1")], 1)
    world.reset()
    found = [world.step(None) for _ in range(12)]
    assert found[9] == clean(9)  # the tenth is held back
    assert found[10] == clean(11) and world.arrivals == (clean(12),)
    world.reset()
    for _ in range(11):
        world.step(None)
    assert world.arrivals == (clean(11), clean(10))


def test_a_pose_jumps_to_the_left_and_drifts_from_there() -> None:
    assert {(o.ego.x_m - k, o.ego.y_m) for k, o in enumerate(seen("jump:pose=3@1"))} == {
        (0, 0),
        (0, 3),
    }
    drifting = [o.ego.y_m for o in seen("drift:pose=0.5@1")]
    np.testing.assert_allclose(drifting[9:13], [0.0, 0.05, 0.1, 0.15])
    turning = seen("drift:heading=0.1@1")
    np.testing.assert_allclose([o.ego.yaw_rad for o in turning[9:13]], [0.0, 0.01, 0.02, 0.03])
    assert all(o.ego.y_m == 0.0 for o in turning)


def test_what_is_missing_is_of_its_quarter_or_class() -> None:
    for what, left in (("pedestrian", 8), ("rear", 9), ("objects", 0)):
        found = seen(f"miss:{what}@1")[20].detections
        assert len(found) == left and set(found) <= set(clean(20).detections)
    assert {
        d.x_m > 9 for d in clean(20).detections if d not in seen("miss:front@1")[20].detections
    } == {True}


def test_false_cars_stand_in_the_map_ahead_for_a_second() -> None:
    found = seen("false:objects=3@1", cycles=200)
    false = [[d for d in o.detections if d not in clean(k).detections] for k, o in enumerate(found)]
    assert not any(false[:10])
    assert 20 < np.mean([len(f) for f in false[30:]]) * 10 < 40  # 3 a second, a second each
    places: dict[float, list[int]] = {}
    for k, one in enumerate(false):
        for d in one:
            places.setdefault(round(d.x_m + k, 6), []).append(k)
    whole = [ks for ks in places.values() if ks[0] < 180]
    assert all(ks == list(range(ks[0], ks[0] + 10)) for ks in whole)


def test_a_share_of_values_is_no_number() -> None:
    assert not any(math.isfinite(v) for v in dataclasses.astuple(seen("nan:odometry@1")[20].ego))
    values = [
        v
        for o in seen("nan:detections=0.1", cycles=60)
        for d in o.detections
        for v in dataclasses.astuple(d)[1:]
    ]
    assert 0.08 < np.mean(~np.isfinite(values)) < 0.12


def test_a_clock_leaps_with_all_stamps_and_behind_it_nothing_is_new() -> None:
    ahead = seen("clock:step=0.5@1")[20]
    assert (ahead.stamp_ns, ahead.ego_stamp_ns, ahead.ego) == (
        25 * STEP_NS,
        25 * STEP_NS,
        clean(20).ego,
    )
    stamps = [o.stamp_ns // STEP_NS for o in seen("clock:step=-0.5@1")]
    assert stamps[8:17] == [8, 9, 9, 9, 9, 9, 9, 10, 11]


# ------------------------------------------------------------------------------------------------------ inside the driver


def plan(k: int) -> Plan:
    zeros = np.zeros(3)
    return Plan(k * STEP_NS, 0, Waypoints(np.arange(3.0), zeros, zeros, zeros, zeros, zeros, zeros))


def test_a_slow_reasoner_is_slow_in_its_time() -> None:
    inside = DriverFaults([parse("slow:reasoner=10@1-2"), parse("slow:reasoner=2@0-3")])
    assert inside.any and not DriverFaults([parse("drop:all")]).any
    assert [inside.delay_cycles(k * STEP_NS) for k in (0, 9, 10, 19, 20, 30)] == [
        2,
        2,
        10,
        10,
        2,
        0,
    ]


def test_a_spoilt_plan_asks_for_the_impossible() -> None:
    inside = DriverFaults([parse("spoil:plan@1-2")])
    assert same(inside.spoil(plan(9)), plan(9))
    assert inside.spoil(plan(10)).waypoints.a_mps2.min() > 30.0
