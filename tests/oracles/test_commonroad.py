"""Our CommonRoad reader against commonroad-io, our boxes against the drivability checker's, on every shared scene."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from whyway.config import VehicleConfig
from whyway.geometry import boxes_overlap, wrap_angle
from whyway.types import Floats


def test_the_lanelets_are_the_same(pair: Any) -> None:
    theirs = {lanelet.lanelet_id: lanelet for lanelet in pair.scenario.lanelet_network.lanelets}
    ours = {lane.id: lane for lane in pair.ours.lane_map.lanes}
    assert ours.keys() == theirs.keys()
    known = set(ours)
    for lane_id, lane in ours.items():
        other = theirs[lane_id]
        for x, y, vertices in (
            (lane.left_x_m, lane.left_y_m, other.left_vertices),
            (lane.right_x_m, lane.right_y_m, other.right_vertices),
            (lane.center_x_m, lane.center_y_m, other.center_vertices),
        ):
            np.testing.assert_allclose(np.column_stack([x, y]), vertices, rtol=0, atol=1e-9)
        assert set(lane.successor_ids.tolist()) == set(other.successor) & known
        assert set(lane.predecessor_ids.tolist()) == set(other.predecessor) & known
        assert lane.left_id == (
            other.adj_left if other.adj_left and other.adj_left_same_direction else 0
        )
        assert lane.right_id == (
            other.adj_right if other.adj_right and other.adj_right_same_direction else 0
        )
        assert lane.opposite_id == (
            other.adj_left if other.adj_left and not other.adj_left_same_direction else 0
        )


def test_the_speed_limits_on_signs_are_the_same(pair: Any) -> None:
    network = pair.scenario.lanelet_network
    signs = {sign.traffic_sign_id: sign for sign in network.traffic_signs}
    for lane in pair.ours.lane_map.lanes:
        values = [
            float(part.additional_values[0])
            for sign_id in network.find_lanelet_by_id(lane.id).traffic_signs
            for part in signs[sign_id].traffic_sign_elements
            if part.traffic_sign_element_id.name.startswith("MAX_SPEED")
        ]
        if values:
            assert lane.speed_limit_mps == min(values)


def test_the_lanes_in_intersections_are_the_same(pair: Any) -> None:
    inside = {
        lane_id
        for intersection in pair.scenario.lanelet_network.intersections
        for incoming in intersection.incomings
        for lane_id in (
            *incoming.successors_right,
            *incoming.successors_straight,
            *incoming.successors_left,
        )
    }
    assert {lane.id for lane in pair.ours.lane_map.lanes if lane.in_junction} == inside


def test_the_obstacles_are_in_the_same_state_at_every_step(pair: Any) -> None:
    theirs = {o.obstacle_id: o for o in pair.scenario.obstacles}
    assert {o.id for o in pair.ours.obstacles} == theirs.keys()
    for ours in pair.ours.obstacles:
        other = theirs[ours.id]
        assert (ours.length_m, ours.width_m) == (
            other.obstacle_shape.length,
            other.obstacle_shape.width,
        )
        moving = other.obstacle_role.name == "DYNAMIC" and other.prediction is not None
        assert ours.is_static is not moving
        last = other.prediction.final_time_step if moving else other.initial_state.time_step
        assert ours.time_index.tolist() == list(range(other.initial_state.time_step, last + 1))
        for k, step in enumerate(ours.time_index.tolist()):
            state = other.state_at_time(step)
            offset = other.obstacle_shape.center
            assert (offset == 0.0).all() and other.obstacle_shape.orientation == 0.0
            np.testing.assert_allclose(
                [ours.x_m[k], ours.y_m[k]], state.position, rtol=0, atol=1e-9
            )
            assert abs(float(wrap_angle(ours.yaw_rad[k] - state.orientation))) < 1e-9
            # static obstacles of old files have no speed
            if getattr(state, "velocity", None) is not None:
                assert ours.v_mps[k] == state.velocity


def test_the_ego_starts_in_the_same_state(pair: Any) -> None:
    ego, initial = pair.ours.ego_initial, pair.problem.initial_state
    back = VehicleConfig().center_offset_m
    x, y = ego.x_m + back * math.cos(ego.yaw_rad), ego.y_m + back * math.sin(ego.yaw_rad)
    np.testing.assert_allclose([x, y], initial.position, rtol=0, atol=1e-9)
    assert abs(float(wrap_angle(ego.yaw_rad - initial.orientation))) < 1e-9
    assert ego.v_mps == initial.velocity
    assert pair.ours.dt_s == pair.scenario.dt


def test_the_goal_is_met_by_the_same_states(pair: Any) -> None:
    from commonroad.scenario.state import CustomState

    ours, theirs = pair.ours.goal, pair.problem.goal
    if ours is None:
        assert not theirs.state_list
        pytest.skip("this scene has no goal")
    rng = np.random.default_rng(7)
    answers = []
    for step, x, y, yaw, v in _goal_samples(pair, rng, 300):
        state = CustomState(time_step=step, position=np.array([x, y]), orientation=yaw, velocity=v)
        answer = ours.reached(step * pair.ours.dt_s, x, y, yaw, v)
        assert answer == bool(theirs.is_reached(state)), (step, x, y, yaw, v)
        answers.append(answer)
    assert any(answers) and not all(answers)


def _goal_samples(
    pair: Any, rng: np.random.Generator, n: int
) -> list[tuple[int, float, float, float, float]]:
    """States around the goal: each condition is met about as often as missed."""
    goal = pair.ours.goal.states[0]
    low, high = (round(t / pair.ours.dt_s) for t in goal.time_s)
    x0, y0, spread = pair.ours.ego_initial.x_m, pair.ours.ego_initial.y_m, 10.0
    if goal.regions:
        region = goal.regions[int(rng.integers(len(goal.regions)))]
        (x0, y0), spread = region.center, float(np.ptp(region.x_m) + np.ptp(region.y_m)) / 2
    samples = []
    for _ in range(n):
        yaw_low, yaw_high = goal.yaw_rad or (-1.0, 1.0)
        v_low, v_high = goal.v_mps or (0.0, 20.0)
        samples.append(
            (
                max(0, int(rng.integers(low - 1, high + 2))),
                x0 + spread * float(rng.uniform(-0.6, 0.6)),
                y0 + spread * float(rng.uniform(-0.6, 0.6)),
                float(rng.uniform(yaw_low - 0.1, yaw_high + 0.1))
                + 2 * math.pi * int(rng.integers(-1, 2)),
                max(0.0, float(rng.uniform(v_low - 0.5, v_high + 0.5))),
            )
        )
    return samples


def test_the_same_ego_boxes_collide(pair: Any) -> None:
    checker = pytest.importorskip(
        "commonroad_dc.pycrcc", reason="needs commonroad-drivability-checker"
    )
    vehicle = VehicleConfig()
    rng = np.random.default_rng(11)
    hits = 0
    for obstacle in pair.ours.obstacles:
        for k in rng.integers(len(obstacle.x_m), size=12).tolist():
            box = (
                obstacle.x_m[k],
                obstacle.y_m[k],
                obstacle.yaw_rad[k],
                obstacle.length_m,
                obstacle.width_m,
            )
            away, bearing, yaw = (
                rng.uniform(0.0, 8.0),
                rng.uniform(-3.2, 3.2),
                rng.uniform(-3.2, 3.2),
            )
            ego = (
                box[0] + away * np.cos(bearing),
                box[1] + away * np.sin(bearing),
                yaw,
                vehicle.length_m,
                vehicle.width_m,
            )
            theirs = _oriented_box(checker, ego).collide(_oriented_box(checker, box))
            assert bool(boxes_overlap(*_arrays(ego), *_arrays(box))) == bool(theirs)
            hits += bool(theirs)
    if len(pair.ours.obstacles) > 3:
        assert hits > 0


def _arrays(box: tuple[float, ...]) -> list[Floats]:
    return [np.asarray(v, dtype=np.float64) for v in box]


def _oriented_box(checker: Any, box: tuple[float, ...]) -> Any:
    x, y, yaw, length, width = (float(v) for v in box)
    return checker.RectOBB(length / 2, width / 2, yaw, x, y)
