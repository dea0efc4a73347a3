"""The perception stage: observation in, scene out, whatever the odometry does."""

import math
from dataclasses import replace

import numpy as np
import pytest

from whyway.config import Config
from whyway.perception import Perception
from whyway.types import Detection, EgoState, ObjectClass, Observation, same

STEP_NS = 100_000_000


def observation(k, x=None, detections=(), lag=0, **changes):
    ego = EgoState(10.0 + k if x is None else x, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0)
    return Observation(k * STEP_NS, (k - lag) * STEP_NS, replace(ego, **changes), tuple(detections))


def at(x_map, y_map, k, kind=ObjectClass.CAR, v=0.0):
    return Detection(kind, x_map - (10.0 + k), y_map, 0.0, 4.5, 1.8, v, 0.0, 0.95)


@pytest.fixture
def perception(road):
    return Perception(Config(), road)


def test_history_is_oldest_first_every_tenth_of_a_second(perception):
    for k in range(40):
        scene = perception.step(observation(k))
    assert len(scene.history_x_m) == 21
    np.testing.assert_allclose(np.diff(scene.history_x_m), 1.0)
    assert scene.history_x_m[-1] == scene.ego.x_m == 49.0


def test_objects_are_in_map_on_their_lane_and_sorted_by_id(perception):
    for k in range(5):
        scene = perception.step(
            observation(k, detections=[at(60, 3.5, k), at(40, 0, k), at(80, 9, k)])
        )
    assert [o.id for o in scene.objects] == [1, 2, 3]
    assert {(round(o.x_m), o.lane_id) for o in scene.objects} == {(60, 2), (40, 1), (80, 0)}


def test_a_pedestrian_on_the_road_has_a_lane_and_one_beside_it_none(perception):
    people = [at(60, 1.0, 0, ObjectClass.PEDESTRIAN), at(60, -4.0, 0, ObjectClass.PEDESTRIAN)]
    scene = perception.step(observation(0, detections=people))
    assert [o.lane_id for o in scene.objects] == [1, 0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["x_m", "yaw_rad", "v_mps"])
def test_bad_odometry_never_gets_into_the_scene(perception, field, value):
    for k in range(10):
        perception.step(observation(k, detections=[at(60, 0, k)]))
    scene = perception.step(observation(10, detections=[at(60, 0, 10)], **{field: value}))
    assert scene.ego.x_m == pytest.approx(20.0)
    assert scene.ego_stamp_ns == 9 * STEP_NS
    assert scene.objects[0].x_m == pytest.approx(60.0, abs=0.2)


def test_late_odometry_is_carried_on(perception):
    perception.step(observation(0))
    scene = perception.step(observation(2, x=10.0, lag=2, detections=[at(60, 0, 2)]))
    assert scene.ego.x_m == pytest.approx(12.0)
    assert scene.objects == () or scene.objects[0].x_m == pytest.approx(60.0)


def test_without_any_odometry_there_is_a_scene_without_objects(perception):
    scene = perception.step(observation(0, x=math.nan, detections=[at(60, 0, 0)]))
    assert scene.objects == ()


def test_after_a_reset_everything_is_as_at_the_start(road):
    seen = [observation(k, detections=[at(60 + k, 0, k, v=10.0)]) for k in range(10)]
    perception = Perception(Config(), road)
    first = [perception.step(o) for o in seen]
    perception.reset()
    assert all(same(a, b) for a, b in zip(first, [perception.step(o) for o in seen], strict=True))


def test_when_time_goes_back_tracks_are_forgotten(perception):
    for k in range(10):
        perception.step(observation(k, detections=[at(60, 0, k)]))
    assert perception.step(observation(0, detections=[])).objects == ()


def test_a_detector_that_repeats_itself_moves_nobody_and_loses_nobody(perception):
    for k in range(20):
        scene = perception.step(observation(k, detections=[at(60 + 1.02 * k, 0, k, v=10.2)]))
    stuck = [at(60 + 1.02 * 19, 0, 19, v=10.2)]
    for k in range(20, 40):
        scene = perception.step(observation(k, detections=stuck))
    (car,) = scene.objects
    assert car.x_m == pytest.approx(60 + 1.02 * 39, abs=1.0)
    assert car.vx_mps == pytest.approx(10.2, abs=0.5)
    assert car.unseen_s == pytest.approx(2.0)


def test_detections_that_are_no_numbers_are_no_proof_that_nobody_is_there(perception):
    for k in range(20):
        perception.step(observation(k, detections=[at(60, 0, k)]))
    for k in range(20, 50):
        scene = perception.step(observation(k, detections=[at(math.nan, 0, k)]))
    assert len(scene.objects) == 1
