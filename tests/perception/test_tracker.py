"""Tracks: ids that last, things that stand, detectors that err."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyway.config import PerceptionConfig
from whyway.perception.tracker import Tracker
from whyway.types import Detection, EgoState, ObjectClass

CONFIG = PerceptionConfig()
EGO = EgoState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
DT = 0.1


def car(x, y, yaw=0.0, v=0.0, sure=0.85, **changes):
    d = Detection(ObjectClass.CAR, x, y, yaw, 4.5, 1.8, v * math.cos(yaw), v * math.sin(yaw), sure)
    return replace(d, **changes)


def noisy(d, rng):
    n = rng.normal(size=5)
    return replace(
        d, x_m=d.x_m + 0.1 * n[0], y_m=d.y_m + 0.1 * n[1], yaw_rad=d.yaw_rad + 0.01 * n[2],
        vx_mps=d.vx_mps + 0.15 * n[3], vy_mps=d.vy_mps + 0.05 * n[4],
    )  # fmt: skip


def new():
    return Tracker(CONFIG, eye_m=1.3)


def ids(tracks):
    return tracks["id"].tolist()


def test_the_first_cycle_is_not_blind():
    assert len(new().step(EGO, [car(20, 0), car(40, 3)], 0.0)) == 2


def test_a_detection_that_comes_once_never_becomes_a_track():
    tracker = new()
    tracker.step(EGO, [], 0.0)
    seen = [len(tracker.step(EGO, [car(40, 0)] if k == 3 else [], DT)) for k in range(10)]
    assert seen == [0] * 10


def test_a_sure_detection_nearby_is_believed_at_once():
    tracker = new()
    tracker.step(EGO, [], 0.0)
    assert len(tracker.step(EGO, [car(8, 0, sure=0.95)], DT)) == 1


def test_ids_are_given_once(rng=None):
    rng, tracker, given_ids = np.random.default_rng(1), new(), []
    for _ in range(150):
        present = [
            car(*rng.uniform(-60, 60, 2), v=rng.uniform(0, 10)) for _ in range(rng.integers(0, 6))
        ]
        now = ids(tracker.step(EGO, present, DT))
        assert len(set(now)) == len(now)
        new_ids = [i for i in now if i not in given_ids]
        assert all(i > max(given_ids, default=0) for i in new_ids)
        given_ids += new_ids


def test_an_occluded_car_keeps_its_id_for_the_coasting_time():
    tracker, wall = new(), car(10, 0, length_m=6.0, width_m=6.0)
    hidden = [car(40 + 5.0 * DT * k, 0, v=5.0) for k in range(60)]
    for k in range(20):
        before = ids(
            tracker.step(EGO, [hidden[k]] if k < 19 else [wall, hidden[k]], DT if k else 0.0)
        )
    steps = round(CONFIG.occluded_coast_s / DT) - 1
    for _ in range(steps):
        tracks = tracker.step(EGO, [wall], DT)
        assert set(before) <= set(ids(tracks))
    back = tracker.step(EGO, [wall, replace(hidden[-1], x_m=40 + 5.0 * DT * (20 + steps))], DT)
    assert set(ids(back)) == set(ids(tracks))
    assert (back["unseen"] == 0).all()


def test_a_track_that_should_be_seen_and_is_not_dies_soon():
    tracker = new()
    for k in range(20):
        tracker.step(EGO, [car(20, 0)], DT if k else 0.0)
    left = [len(tracker.step(EGO, [], DT)) for _ in range(round(CONFIG.coast_s / DT) + 1)]
    assert left[0] == 1
    assert left[-1] == 0


def test_one_missed_detection_changes_nothing():
    tracker = new()
    for k in range(10):
        tracker.step(EGO, [car(20 + k, 0, v=10)], DT if k else 0.0)
    coasting = tracker.step(EGO, [], DT)
    assert coasting["x"][0] == pytest.approx(30, abs=0.1)
    again = tracker.step(EGO, [car(31, 0, v=10)], DT)
    assert ids(again) == ids(coasting) == [1]


def test_parked_cars_neither_drift_nor_spin():
    rng, tracker, parked = np.random.default_rng(2), new(), car(15, 4, yaw=0.3)
    for k in range(100):
        t = tracker.step(EGO, [noisy(parked, rng)], DT if k else 0.0)
        if k > 20:
            assert math.hypot(t["vx"][0], t["vy"][0]) == 0.0
            assert t["yaw_rate"][0] == 0.0
            assert math.hypot(t["x"][0] - 15, t["y"][0] - 4) < 0.15
            assert abs(t["yaw"][0] - 0.3) < 0.02


def test_a_car_that_starts_is_let_go_within_half_a_second():
    rng, tracker = np.random.default_rng(3), new()
    x, v, released = 15.0, 0.0, None
    for k in range(60):
        if k > 30:
            v += 1.5 * DT
            x += v * DT
        t = tracker.step(EGO, [noisy(car(x, 0, v=v), rng)], DT if k else 0.0)
        if k > 30 and released is None and not t["standing"][0]:
            released = (k - 30) * DT
    assert released is not None
    assert released <= 0.8


def test_estimates_are_better_than_measurements():
    rng, tracker, off, off_v = np.random.default_rng(4), new(), [], []
    for k in range(200):
        truth = car(10 + 8 * DT * k * 0.5, 3, v=4.0)
        t = tracker.step(EGO, [noisy(truth, rng)], DT if k else 0.0)
        off.append(math.hypot(t["x"][0] - truth.x_m, t["y"][0] - truth.y_m))
        off_v.append(abs(t["vx"][0] - 4.0))
    assert np.mean(off[20:]) < 0.1 * math.sqrt(math.pi / 2)  # mean of the measurements' own error
    assert np.sqrt(np.mean(np.square(off_v[20:]))) < 0.15


def test_a_turning_car_is_followed():
    tracker = new()
    for k in range(60):
        angle = 0.5 * DT * k  # 8 m/s on a circle of 16 m: 4 m/s2
        t = tracker.step(
            EGO,
            [car(16 * math.sin(angle), 40 - 16 * math.cos(angle), yaw=angle, v=8)],
            DT if k else 0.0,
        )
    assert t["x"][0] == pytest.approx(16 * math.sin(angle), abs=0.1)
    assert t["y"][0] == pytest.approx(40 - 16 * math.cos(angle), abs=0.1)
    assert t["yaw_rate"][0] == pytest.approx(0.5, abs=0.05)


@given(st.lists(st.booleans(), min_size=30, max_size=30))
@settings(max_examples=30, deadline=None)
def test_a_detector_that_mistakes_front_for_rear_turns_nothing(flips):
    tracker = new()
    for k, flip in enumerate(flips):
        d = car(10 + 5 * DT * k, 0, v=5)
        t = tracker.step(EGO, [replace(d, yaw_rad=math.pi if flip else 0.0)], DT if k else 0.0)
        assert abs(t["yaw"][0]) < 0.1


def test_cars_that_pass_each_other_closely_keep_their_ids():
    rng, tracker = np.random.default_rng(5), new()
    for k in range(60):
        a, b = car(10 + DT * 10 * k, 0, v=10), car(70 - DT * 10 * k, 2.2, yaw=math.pi, v=10)
        t = tracker.step(EGO, [noisy(a, rng), noisy(b, rng)], DT if k else 0.0)
    assert ids(t) == [1, 2]
    assert t["vx"][0] > 8
    assert t["vx"][1] < -8


@given(st.integers(0, 8), st.sampled_from([math.nan, math.inf, -math.inf]))
@settings(max_examples=40, deadline=None)
def test_detections_that_are_not_finite_are_left_out(column, value):
    name = (
        "x_m",
        "y_m",
        "yaw_rad",
        "vx_mps",
        "vy_mps",
        "length_m",
        "width_m",
        "existence_probability",
        "x_m",
    )[column]
    tracker = new()
    assert len(tracker.step(EGO, [replace(car(10, 0), **{name: value}), car(30, 0)], 0.0)) == 1


def test_the_same_detections_give_the_same_tracks():
    def drive():
        rng, tracker = np.random.default_rng(6), new()
        for k in range(40):
            cars = [noisy(car(10 + 6 * i + DT * i * k, 3 * (i % 2), v=i), rng) for i in range(8)]
            t = tracker.step(EGO, cars, DT if k else 0.0)
        return t

    assert drive().tobytes() == drive().tobytes()
