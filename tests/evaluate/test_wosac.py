"""WOSAC 2025's meta-metric: by hand, by property, and on recorded scenes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whyway.cli import OK, WRONG_INPUT, main
from whyway.config import Config
from whyway.evaluate.metrics.wosac import (
    GROUPS,
    HISTOGRAMS,
    WEIGHTS,
    Histogram,
    event_likelihood,
    kinematic_validity,
    log_likelihood,
    mean_realism,
    realism,
    series_likelihood,
)
from whyway.evaluate.metrics.wosac_features import (
    FAR_M,
    MOST_TTC_S,
    Motion,
    features,
    kinematics,
    nearest_object,
    one,
    signed_box_distance,
    time_to_collision,
)
from whyway.evaluate.traffic.realism import TRAFFIC, record, traffic_realism
from whyway.maps.commonroad import read_scene
from whyway.types import InputError

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "commonroad_bsd"
FIRST = 11


def test_the_weights_sum_to_one_and_every_part_has_one_group():
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
    assert sorted(n for names in GROUPS.values() for n in names) == sorted(WEIGHTS)
    assert set(HISTOGRAMS) < set(WEIGHTS)


# ------------------------------------------------------------------------------------------------------- likelihoods


def test_a_likelihood_by_hand():
    """Two bins, [0, 1) and [1, 2]; four samples, three of them in the second: (3 + 0.1) / (4 + 0.2) for what is there."""
    two = Histogram(0.0, 2.0, 2)
    found = log_likelihood(np.array([[1.5, 0.5, 9.0]]), np.array([[0.2, 1.0, 1.9, 5.0]]), two)
    assert np.exp(found) == pytest.approx(np.array([[3.1 / 4.2, 1.1 / 4.2, 3.1 / 4.2]]))


def test_an_event_by_hand():
    """Of four rollouts one collides, the recording did not: (3 + 0.001) / (4 + 0.002), for one of two road users; the other never."""
    simulated = np.array([[True, False], [False, False], [False, False], [False, False]])
    found = event_likelihood(np.array([False, False]), simulated)
    assert found == pytest.approx(math.sqrt(3.001 / 4.002 * 4.001 / 4.002))


def test_a_series_is_scored_over_its_valid_steps_with_all_steps_of_all_rollouts_as_one_distribution():
    two = Histogram(0.0, 2.0, 2)
    logged = np.array([[0.5, 1.5, 1.5]])
    simulated = np.array([[[0.5, 0.5, 1.5]], [[0.5, 0.5, 0.5]]])  # five of six in the first bin
    valid = np.array([[True, True, False]])
    wanted = math.sqrt((5.1 / 6.2) * (1.1 / 6.2))
    assert series_likelihood(logged, simulated, valid, two) == pytest.approx(wanted)
    with pytest.raises(ValueError, match="no valid step"):
        series_likelihood(logged, simulated, valid & False, two)


@given(st.lists(st.floats(-3, 5), min_size=1, max_size=30), st.floats(-3, 5), st.integers(1, 12))
def test_it_is_the_share_of_a_histogram_with_a_tenth_more_in_each_bin(samples, value, bins):
    counts, _ = np.histogram(np.clip(samples, -1, 3), bins=np.linspace(-1, 3, bins + 1))
    at, _ = np.histogram([np.clip(value, -1, 3)], bins=np.linspace(-1, 3, bins + 1))
    wanted = (counts[np.argmax(at)] + 0.1) / (len(samples) + 0.1 * bins)
    found = log_likelihood(np.array([[value]]), np.array([samples]), Histogram(-1.0, 3.0, bins))
    assert math.exp(found.item()) == pytest.approx(wanted)


def test_what_is_not_known_counts_neither_here_nor_there():
    two = Histogram(0.0, 2.0, 2)
    with_gap = log_likelihood(np.array([[0.5, np.nan]]), np.array([[0.5, np.nan, 1.5]]), two)
    assert math.exp(with_gap[0, 0]) == pytest.approx(1.1 / 2.2)
    assert np.isnan(with_gap[0, 1])


def test_a_difference_is_valid_where_both_neighbours_are():
    valid = np.array([True, True, True, False, True, True])
    assert kinematic_validity(valid).tolist() == [False, True, False, True, False, False]


# ---------------------------------------------------------------------------------------------------------- features


def test_kinematics_of_a_circle():
    t = np.arange(0, 5, 0.1)
    speed, a, turn, bend = kinematics(10 * np.cos(t), 10 * np.sin(t), t + np.pi / 2)
    assert speed[1:-1] == pytest.approx(np.full(48, 10.0), rel=0.01)
    assert turn[1:-1] == pytest.approx(np.full(48, 1.0))
    assert a[2:-2] == pytest.approx(np.zeros(46), abs=1e-9) == bend[2:-2]
    assert np.isnan(speed[[0, -1]]).all() and np.isnan(a[[0, 1, -2, -1]]).all()


def box(draw):
    return tuple(
        draw(st.floats(low, high)) for low, high in ((-6, 6), (-6, 6), (-4, 4), (0.5, 9), (0.5, 3))
    )


boxes = st.composite(lambda draw: (box(draw), box(draw)))()


@given(boxes, st.floats(0.05, 3.0), st.floats(-3, 3))
def test_boxes_part_when_moved_by_how_deep_they_overlap_and_touch_when_moved_by_their_gap(
    pair, turn, angle
):
    def distance(a, b):
        return float(signed_box_distance(*(np.array([v]) for v in (*a, *b)))[0])

    a, b = pair
    d = distance(a, b)
    assert distance(b, a) == pytest.approx(d, abs=1e-9)
    # no motion of one box changes the distance by more than its length
    moved = (b[0] + turn * math.cos(angle), b[1] + turn * math.sin(angle), *b[2:])
    assert abs(distance(a, moved) - d) <= turn + 1e-9
    # and one there is that changes it by just that
    if d < 0:
        tries = [(b[0] - 1.001 * d * math.cos(u), b[1] - 1.001 * d * math.sin(u), *b[2:]) for u in
                 (w + k * np.pi / 2 for w in (a[2], b[2]) for k in range(4))]  # fmt: skip
        assert max(distance(a, t) for t in tries) >= -1e-6


def random_motion(seed, rollouts=2, count=7, steps=5):
    rng = np.random.default_rng(seed)
    shape = (rollouts, count, steps)
    x, y = rng.uniform(-25, 25, shape), rng.uniform(-25, 25, shape)
    x[rng.random(shape) < 0.2] = np.nan
    return Motion(
        x, y, rng.uniform(-4, 4, shape), rng.uniform(1, 12, count), rng.uniform(0.5, 3, count)
    )


@given(st.integers(0, 50))
def test_the_nearest_is_the_nearest_of_all_pairs(seed):
    m = random_motion(seed)
    n, count, steps = m.x_m.shape
    everyone = np.full((n, count, steps), FAR_M)
    for i in range(count):
        for j in range(count):
            sizes = [
                np.broadcast_to(v, (n, steps))
                for v in (m.length_m[i], m.width_m[i], m.length_m[j], m.width_m[j])
            ]
            d = signed_box_distance(
                m.x_m[:, i], m.y_m[:, i], m.yaw_rad[:, i], *sizes[:2], m.x_m[:, j], m.y_m[:, j], m.yaw_rad[:, j], *sizes[2:]
            )  # fmt: skip
            if i != j:
                everyone[:, i] = np.fmin(everyone[:, i], d)
    everyone[~m.there] = np.nan
    chosen = np.arange(count) < 4
    np.testing.assert_allclose(nearest_object(m, chosen), everyone[:, chosen], atol=1e-9)


def two(gap_m, behind_mps, ahead_mps, aside_m=0.0, yaw=0.0, turned=0.0):
    """One car `gap_m` behind another, both along a heading; both 4 m by 2 m."""
    t = np.arange(5) * 0.1
    s = np.stack([behind_mps * t, 4.0 + gap_m + ahead_mps * t])[None]
    d = np.stack([0 * t, 0 * t + aside_m])[None]
    x, y = s * math.cos(yaw) - d * math.sin(yaw), s * math.sin(yaw) + d * math.cos(yaw)
    headings = np.stack([yaw + 0 * t, yaw + turned + 0 * t])[None]
    return Motion(x, y, headings, np.full(2, 4.0), np.full(2, 2.0))


def ttc(motion):
    speed = kinematics(motion.x_m, motion.y_m, motion.yaw_rad)[0]
    return time_to_collision(motion, speed, np.array([True, False]))[0, 0, 1]


@pytest.mark.parametrize("yaw", [0.0, 1.0, math.pi])
def test_time_to_collision_is_gap_over_closing_speed_to_whom_one_follows(yaw):
    assert ttc(two(10.0, 8.0, 3.0, yaw=yaw)) == pytest.approx((10.0 - 0.5) / 5.0)
    assert ttc(two(10.0, 3.0, 8.0, yaw=yaw)) == MOST_TTC_S  # opens
    assert ttc(two(90.0, 8.0, 3.0, yaw=yaw)) == MOST_TTC_S  # far
    assert ttc(two(10.0, 8.0, 3.0, aside_m=2.5, yaw=yaw)) == MOST_TTC_S  # beside
    assert ttc(two(10.0, 8.0, 3.0, turned=math.pi / 2, yaw=yaw)) == MOST_TTC_S  # crosses


@given(st.integers(0, 20), st.floats(-3, 3), st.booleans())
def test_no_feature_knows_where_north_is_nor_left_from_right(seed, turn, mirror):
    m = random_motion(seed, steps=8)
    flip = -1.0 if mirror else 1.0
    c, s = math.cos(turn), math.sin(turn)
    y = flip * m.y_m
    moved = replace(
        m,
        x_m=c * m.x_m - s * y + 30.0,
        y_m=s * m.x_m + c * y - 7.0,
        yaw_rad=flip * m.yaw_rad + turn,
    )
    speeds, other = (kinematics(w.x_m, w.y_m, w.yaw_rad) for w in (m, moved))
    for a, b, sign in zip(speeds, other, (1.0, 1.0, flip, flip), strict=True):
        np.testing.assert_allclose(a, sign * b, atol=1e-6)
    every = np.ones(7, dtype=bool)
    np.testing.assert_allclose(nearest_object(m, every), nearest_object(moved, every), atol=1e-6)
    np.testing.assert_allclose(
        time_to_collision(m, speeds[0], every), time_to_collision(moved, other[0], every), atol=1e-6
    )


# -------------------------------------------------------------------------------------------------------- meta-metric


def road_users(rollouts, how):
    """Three cars on three lanes over 3 s, at 8, 10 and 12 m/s; `how(t, rng)` gives what is added to s and d."""
    rng = np.random.default_rng(3)
    t = np.arange(31) * 0.1
    v = np.array([8.0, 10.0, 12.0])[:, None]
    s = 12.0 * np.sin(0.3 * t) * v / 10.0
    parts = [how(t, rng) for _ in range(rollouts)]
    x = np.stack([s + np.where(t >= 1.05, p[0], 0.0) for p in parts])
    y = np.stack(
        [np.array([0.0, 4.0, 8.0])[:, None] + np.where(t >= 1.05, p[1], 0.0) for p in parts]
    )
    yaw = np.zeros_like(x)
    motion = Motion(x, y, yaw, np.full(3, 4.5), np.full(3, 1.8))
    edge = np.abs(y - 4.0) + 0.9 - 6.0  # a road 12 m wide
    return features(motion, edge, np.zeros(x.shape, dtype=bool), np.ones(3, dtype=bool), FIRST)


def still(t, rng):
    return np.zeros((3, 1)), np.zeros((3, 1))


def constant_velocity(t, rng):
    late = np.maximum(t - 1.0, 0.0)
    v = np.array([8.0, 10.0, 12.0])[:, None] / 10.0
    return (
        12.0 * (np.sin(0.3) + 0.3 * np.cos(0.3) * late - np.sin(0.3 * np.maximum(t, 1.0)))
    ) * v, 0.0 * v


def noise(t, rng):
    return rng.normal(0.0, 6.0, (3, len(t))), rng.normal(0.0, 6.0, (3, len(t)))


CARS = np.ones(3, dtype=bool)


def scored(how, cars=CARS, rollouts=8):
    return realism(one(road_users(1, still)), road_users(rollouts, how), cars)


def test_what_was_recorded_is_more_likely_than_straight_on_and_that_than_noise():
    log, straight_on, random = (scored(how) for how in (still, constant_velocity, noise))
    assert 1.0 >= log.meta > straight_on.meta > random.meta >= 0.0
    assert log.ade_m == log.min_ade_m == 0.0 < straight_on.ade_m < random.ade_m
    assert random.collision_rate > 0.5 > log.collision_rate == 0.0


@pytest.mark.parametrize("how", [still, constant_velocity, noise])
def test_parts_are_likelihoods_and_the_whole_is_their_weighted_mean(how):
    found = scored(how)
    assert set(found.parts) == set(WEIGHTS)
    assert all(0.0 <= p <= 1.0 for p in found.parts.values())
    assert found.meta == pytest.approx(sum(WEIGHTS[n] * p for n, p in found.parts.items()))
    weight = {name: sum(WEIGHTS[n] for n in names) for name, names in GROUPS.items()}
    assert found.meta == pytest.approx(sum(weight[g] * found.group(g) for g in GROUPS))
    assert min(found.parts.values()) <= found.meta <= max(found.parts.values())


def test_events_count_only_where_the_recording_is_valid_and_red_lights_only_of_vehicles():
    logged, simulated = one(road_users(1, still)), road_users(4, still)
    red = np.zeros_like(simulated.valid)
    red[:, 0, 3] = True
    runs = replace(simulated, traffic_light_violation=red)
    assert realism(logged, runs, CARS).red_light_rate == pytest.approx(1 / 3)
    assert realism(logged, runs, np.array([False, True, True])).red_light_rate == 0.0
    gone = logged.valid.copy()
    gone[0, 3] = False
    assert realism(replace(logged, valid=gone), runs, CARS).red_light_rate == 0.0


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(A, T\)"):
        realism(one(road_users(1, still)), road_users(2, still), np.ones(2, dtype=bool))


def test_the_mean_over_scenes_counts_each_the_same():
    a, b = scored(still), scored(noise)
    both = mean_realism([a, b])
    assert both.meta == pytest.approx((a.meta + b.meta) / 2)
    assert both.parts["linear_speed"] == pytest.approx(
        (a.parts["linear_speed"] + b.parts["linear_speed"]) / 2
    )


# --------------------------------------------------------------------------------------------------- recorded scenes


@pytest.fixture(scope="module")
def scene_file():
    files = sorted(SCENES.rglob("USA_US101-26_2*.xml*"))
    if not files:
        pytest.skip(f"no CommonRoad scenes at {SCENES}")
    return files[0]


def test_the_recording_is_the_most_real_and_our_traffic_more_so_than_random_motion(scene_file):
    config = Config()
    meta = {
        name: mean_realism(traffic_realism([scene_file], name, config, rollouts=4)).meta
        for name in TRAFFIC
    }
    assert meta["log"] == max(meta.values())
    assert meta["paths"] > meta["noise"] and meta["lanes"] > meta["noise"]


def test_rollouts_begin_where_the_recording_ends_and_differ_by_their_manners(scene_file):
    config = Config()
    r = record(read_scene(scene_file, config.vehicle))
    for name in ("paths", "lanes"):
        x, y, _ = TRAFFIC[name](r, 3, config)
        assert x.shape == (3, len(r.object_class), r.steps - FIRST)
        jump = np.hypot(
            x[..., 0] - r.motion.x_m[..., FIRST - 1], y[..., 0] - r.motion.y_m[..., FIRST - 1]
        )
        assert np.nanmax(jump) < 4.0  # a step at 35 m/s, no teleport
        assert not np.allclose(np.nan_to_num(x[0]), np.nan_to_num(x[1]))


def test_the_command_prints_json_and_refuses_what_it_does_not_know(scene_file, capsys):
    assert (
        main(
            [
                "realism",
                str(scene_file),
                "--traffic",
                "log",
                "constant_velocity",
                "--rollouts",
                "2",
                "--json",
            ]
        )
        == OK
    )
    told = json.loads(capsys.readouterr().out)
    assert [row["traffic"] for row in told["results"]] == ["log", "constant_velocity"]
    assert told["results"][0]["wosac_meta"] > told["results"][1]["wosac_meta"]
    assert main(["realism", str(scene_file), "--traffic", "ghosts"]) == WRONG_INPUT
    assert "constant_velocity" in capsys.readouterr().err


def test_no_traffic_of_that_name():
    with pytest.raises(InputError, match="ghosts"):
        traffic_realism([], "ghosts")
