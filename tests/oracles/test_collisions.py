"""Our verdicts on driven trajectories against commonroad-drivability-checker's and commonroad-io's, on every shared scene.

Ego boxes are driven along many trajectories: parked, straight at constant speed, straight and accelerating, with the obstacles beside and
into them, and at random. Every time index is compared, and the whole solution. Two implementations may tell boxes apart that touch within
`TOUCH_M`; such instants are counted and left out, none of which the seeds below produce.
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import COMPARED

from whyway.evaluate.driving.commonroad_score import score_solution, touches
from whyway.evaluate.formats.commonroad_solution import VEHICLES, ProblemSolution, read_solution
from whyway.evaluate.metrics import commonroad as costs
from whyway.evaluate.metrics.navsim import Collision, collision_kinds
from whyway.maps.commonroad import open_scene
from whyway.maps.commonroad_shapes import read_occupied

TOUCH_M = 1e-9
RANDOM, FOLLOWING = 12, 12
"""Trajectories at random, and with an obstacle, for each scene."""

crcc = pytest.importorskip("commonroad_dc.pycrcc", reason="run `make oracles`")

Path2 = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""x, y, yaw, v, one a time index from 0 on."""


def trajectories(pair: Any) -> Iterator[tuple[int, Path2]]:
    """Vehicle types and paths, as long as the scene's recording and a little longer."""
    rng = np.random.default_rng(sum(map(ord, pair.path.name)))
    initial, dt = pair.problem.initial_state, pair.scenario.dt
    n = 6 + max(o.time_index[-1] for o in pair.ours.obstacles) if pair.ours.obstacles else 40
    t = np.arange(n) * dt
    (x0, y0), yaw0, v0 = initial.position, initial.orientation, initial.velocity
    yield 2, _line(x0, y0, yaw0, np.zeros(n), dt)
    yield 2, _line(x0, y0, yaw0, np.full(n, v0), dt)
    yield 1, _line(x0, y0, yaw0, np.minimum(v0 + 3.0 * t, 40.0), dt)
    yield 3, _line(x0, y0, yaw0, np.maximum(v0 - 4.0 * t, 0.0), dt)
    for _ in range(RANDOM):
        x, y = x0 + rng.normal(0, 15), y0 + rng.normal(0, 15)
        v = np.full(n, rng.uniform(0.0, 20.0))
        turn = np.full(n, rng.uniform(-0.5, 0.5))
        yield int(rng.integers(1, 4)), _line(x, y, rng.uniform(-3.1, 3.1), v, dt, turn)
    for _ in range(FOLLOWING if pair.ours.obstacles else 0):
        o = pair.ours.obstacles[int(rng.integers(len(pair.ours.obstacles)))]
        at = np.clip(np.arange(n) - o.time_index[0], 0, len(o.x_m) - 1)
        away, side, turned = rng.uniform(-9.0, 9.0), rng.normal(0, 1.5), rng.normal(0, 0.3)
        # at a distance that breathes: contacts begin and end on the way
        away = away * (0.6 + 0.4 * np.sin(0.7 * t + rng.uniform(0, 6)))
        c, s = np.cos(o.yaw_rad[at]), np.sin(o.yaw_rad[at])
        x, y = o.x_m[at] + away * c - side * s, o.y_m[at] + away * s + side * c
        yield int(rng.integers(1, 4)), (x, y, o.yaw_rad[at] + turned, np.abs(o.v_mps[at]))


def _line(x: float, y: float, yaw: float, v: Any, dt: float, turn: Any = 0.0) -> Path2:
    yaws = yaw + np.cumsum(np.zeros(len(v)) + turn) * dt
    return x + np.cumsum(v * np.cos(yaws)) * dt, y + np.cumsum(v * np.sin(yaws)) * dt, yaws, v


def ours_of(path: Path2, vehicle: int, problem: int, model: str = "KS") -> ProblemSolution:
    x, y, yaw, v = (np.asarray(p, dtype=np.float64) for p in path)
    steps = np.arange(len(x))
    return ProblemSolution(problem, model, vehicle, "JB1", steps, x, y, yaw, v, v, np.zeros(len(x)))


def hits_of(checker: Any, ego: ProblemSolution) -> list[bool]:
    """The checker's verdict at every time index."""
    length, width = ego.size_m
    return [
        bool(checker.time_slice(k).collide(crcc.RectOBB(length / 2, width / 2, *pose)))
        for k, pose in enumerate(zip(ego.yaw_rad, ego.x_m, ego.y_m, strict=True))
    ]


def test_every_time_index_of_every_trajectory_has_the_same_verdict(pair: Any) -> None:
    from commonroad_dc.collision.collision_detection.pycrcc_collision_dispatch import (
        create_collision_checker,
    )

    checker = create_collision_checker(pair.scenario)
    occupied = read_occupied(open_scene(pair.path))
    seen = set()
    for vehicle, path in trajectories(pair):
        ego = ours_of(path, vehicle, 0)
        theirs = hits_of(checker, ego)
        ours = _hits(ego, occupied)
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if a != b:
                assert _touching(ego, k, occupied), (pair.path.name, vehicle, k, a, b)
                COMPARED["time indices where boxes just touch, left out"] += 1
        seen |= set(theirs)
        COMPARED["verdicts a time index (a box against all obstacles)"] += len(ours)
        COMPARED["of them collisions"] += sum(ours)
    if pair.ours.obstacles:
        assert seen == {True, False}


def _hits(ego: ProblemSolution, occupied: Any) -> list[bool]:
    """Ours at every time index: each by itself, as a trajectory of one state."""
    hits = []
    for k in range(len(ego.time_index)):
        one = slice(k, k + 1)
        state = ProblemSolution(
            ego.planning_problem_id, ego.model, ego.vehicle, ego.cost_function, ego.time_index[one], ego.x_m[one], ego.y_m[one],
            ego.yaw_rad[one], ego.velocity_mps[one], ego.speed_mps[one], None,
        )  # fmt: skip
        hits.append(any(t.role in ("static", "dynamic") for t in touches(state, occupied)))
    return hits


def _touching(ego: ProblemSolution, k: int, occupied: Any) -> bool:
    """Whether a hair more or less of width changes our verdict."""
    from whyway.maps.commonroad_shapes import Box, box_touches

    length, width = ego.size_m
    shapes = [s for o in occupied for s in o.shapes(int(ego.time_index[k]))]
    place = (float(ego.x_m[k]), float(ego.y_m[k]), float(ego.yaw_rad[k]))
    small, large = (
        Box(*place, length + grown, width + grown) for grown in (-2 * TOUCH_M, 2 * TOUCH_M)
    )
    return any(box_touches(small, s) != box_touches(large, s) for s in shapes)


def test_a_logs_contacts_are_the_checkers(pair: Any) -> None:
    """`collision_kinds`, by which our own drives are judged: each obstacle by itself, at each time index."""
    obstacles = pair.ours.obstacles
    if not obstacles:
        pytest.skip("nobody is there")
    paths = list(trajectories(pair))
    for vehicle, path in paths[:8] + paths[-4:]:
        x, y, yaw, v = path
        _, length, width = VEHICLES[vehicle]
        n = len(x)
        boxes = np.full((5, n, len(obstacles)), np.nan)
        for a, o in enumerate(obstacles):
            there = o.time_index < n
            at = slice(None) if o.is_static else o.time_index[there]
            for row, values in enumerate((o.x_m, o.y_m, o.yaw_rad)):
                boxes[row, at, a] = values if o.is_static else values[there]
            boxes[3:, at, a] = [[o.length_m], [o.width_m]]
        ax, ay, ayaw, al, aw = boxes
        offset = 1.3  # base_link is behind the centre in our logs
        back = (x - offset * np.cos(yaw), y - offset * np.sin(yaw))
        kinds = collision_kinds(
            *back, yaw, v, length, width, offset, ax, ay, ayaw, np.zeros_like(ax), al, aw
        )
        for k in range(n):
            ego = crcc.RectOBB(length / 2, width / 2, yaw[k], x[k], y[k])
            for a in np.flatnonzero(~np.isnan(ax[k])).tolist():
                box = crcc.RectOBB(al[k, a] / 2, aw[k, a] / 2, ayaw[k, a], ax[k, a], ay[k, a])
                theirs = bool(ego.collide(box))
                assert (kinds[k, a] != Collision.NONE) == theirs, (pair.path.name, vehicle, k, a)
                COMPARED["pairs of boxes by collision_kinds"] += 1
                COMPARED["of them in contact"] += theirs


# --------------------------------------------------------------------------------------------------- whole solutions


def written(pair: Any, path: Path2, vehicle: int, model: str, cost: str, file: Path) -> Any:
    """A solution file by commonroad-io's own writer, and what it wrote."""
    from commonroad.common import solution as crs
    from commonroad.scenario.state import KSState, PMState
    from commonroad.scenario.trajectory import Trajectory

    x, y, yaw, v = path
    first = pair.problem.initial_state.time_step
    states = []
    for k in range(len(x)):
        place = {"time_step": first + k, "position": np.array([x[k], y[k]])}
        if model == "PM":
            states.append(PMState(velocity=v[k] * math.cos(yaw[k]), velocity_y=v[k] * math.sin(yaw[k]), **place))  # fmt: skip
        else:
            states.append(KSState(steering_angle=0.01 * math.sin(k), velocity=v[k], orientation=yaw[k], **place))  # fmt: skip
    one = crs.PlanningProblemSolution(
        pair.problem.planning_problem_id, crs.VehicleModel[model], crs.VehicleType(vehicle), crs.CostFunction[cost],
        Trajectory(first, states),
    )  # fmt: skip
    solution = crs.Solution(pair.scenario.scenario_id, [one])
    file.write_text(crs.CommonRoadSolutionWriter(solution).dump())
    return solution


def test_a_whole_solution_has_the_same_verdicts(pair: Any, tmp_path: Path) -> None:
    """As the checker's `feasibility/solution_checker.py` decides; it cannot be imported without the package left out (requirements.txt)."""
    from commonroad_dc.collision.collision_detection.pycrcc_collision_dispatch import (
        create_collision_checker,
    )

    checker = create_collision_checker(pair.scenario)
    for i, (vehicle, path) in enumerate(trajectories(pair)):
        if i % 2:
            continue
        model = "PM" if i % 3 == 2 else "KS"
        file = tmp_path / f"{i}.xml"
        (theirs,) = written(pair, path, vehicle, model, "JB1", file).planning_problem_solutions
        found = score_solution(file, pair.path)
        assert found["collision"] == _collides(checker, theirs), (pair.path.name, i)
        if pair.problem.goal.state_list:
            reached = _reached(pair.problem, theirs.trajectory, model)
            assert found["goal_reached"] == reached, (pair.path.name, i)
            COMPARED["goals reached or not"] += 1
            COMPARED["of them reached"] += reached
        COMPARED["whole solutions' collisions"] += 1
        COMPARED["of them colliding"] += found["collision"]


def _collides(checker: Any, solution: Any) -> bool:
    """`obstacle_collision`: the vehicle's box along its trajectory against the scene."""
    from commonroad.common.solution import vehicle_parameters
    from commonroad.geometry.shape import Rectangle
    from commonroad.prediction.prediction import TrajectoryPrediction
    from commonroad_dc.collision.collision_detection.pycrcc_collision_dispatch import (
        create_collision_object,
    )

    size = vehicle_parameters[solution.vehicle_type]
    driven = TrajectoryPrediction(solution.trajectory, Rectangle(length=size.l, width=size.w))
    return bool(checker.collide(create_collision_object(driven)))


def _reached(problem: Any, trajectory: Any, model: str) -> bool:
    """`goal_reached`; of a point mass commonroad-io's about the same states with a heading.

    For states without one, commonroad-io 2024.3 puts the speed in the place of the velocity along x before it asks for the heading
    (`GoalRegion._harmonize_state_types`), so that one going west is taken for one going east.
    """
    from commonroad.scenario.state import CustomState

    if model != "PM":
        return bool(problem.goal_reached(trajectory)[0])
    headed = [
        CustomState(
            time_step=s.time_step, position=s.position, orientation=math.atan2(s.velocity_y, s.velocity),
            velocity=math.hypot(s.velocity, s.velocity_y),
        )
        for s in trajectory.state_list
    ]  # fmt: skip
    return any(problem.goal.is_reached(s) for s in headed)


def test_the_costs_are_the_checkers(pair: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Those that need no reference path; the package the others need is absent, so its names are stood in for."""
    for name, members in {
        "commonroad_clcs": (),
        "commonroad_clcs.util": ("chaikins_corner_cutting", "resample_polyline"),
        "commonroad_clcs.pycrccosy": ("CurvilinearCoordinateSystem", "CartesianProjectionDomainError"),
    }.items():  # fmt: skip
        module = types.ModuleType(name)
        for member in members:
            setattr(module, member, type(member, (Exception,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    from commonroad_dc.costs import evaluation as theirs

    for name, weights in theirs.cost_function_mapping.items():
        assert {p.value: w for p, w in weights} == costs.COST_FUNCTIONS[name.name]
    for i, (vehicle, path) in enumerate(trajectories(pair)):
        if i % 4:
            continue
        file = tmp_path / f"{i}.xml"
        trajectory = written(pair, path, vehicle, "KS", "SM1", file).planning_problem_solutions[0].trajectory  # fmt: skip
        s = read_solution(file).problems[0]
        goals = [g.velocity.start for g in pair.problem.goal.state_list if g.has_value("velocity")]
        ours = costs.partial_costs(s.velocity_mps, s.steering_rad, min(goals, default=None), pair.scenario.dt)  # fmt: skip
        for name in ("A", "J", "SA", "SR", "L", "T", "V"):
            function = theirs.PartialCostFunctionMapping[theirs.PartialCostFunction(name)]
            expected = function(pair.scenario, pair.problem, trajectory, {})
            assert ours[name] == pytest.approx(expected, rel=1e-9, abs=1e-9), name
            COMPARED["partial costs"] += 1


# ------------------------------------------------------------------------------------------- shapes other than boxes


@pytest.mark.parametrize("kind", ["box", "disc", "triangle", "polygon"])
def test_a_box_touches_any_shape_as_the_checker_and_shapely_say(kind: str) -> None:
    import shapely

    from whyway.maps.commonroad_shapes import Box, Disc, Polygon, Shape, box_touches

    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(4000):
        x, y, yaw = rng.uniform(-6, 6), rng.uniform(-6, 6), rng.uniform(-3.2, 3.2)
        length, width = rng.uniform(0.2, 6.0, 2)
        ego, ego_crcc = Box(x, y, yaw, length, width), crcc.RectOBB(length / 2, width / 2, yaw, x, y)  # fmt: skip
        shape: Shape
        if kind == "box":
            shape = Box(*rng.uniform(-3, 3, 3), *rng.uniform(0.2, 6.0, 2))
            other = crcc.RectOBB(shape.length_m / 2, shape.width_m / 2, shape.yaw_rad, shape.x_m, shape.y_m)  # fmt: skip
        elif kind == "disc":
            shape = Disc(*rng.uniform(-3, 3, 2), rng.uniform(0.1, 4.0))
            other = crcc.Circle(shape.radius_m, shape.x_m, shape.y_m)
        else:
            # a star around the origin is simple, and seldom convex
            n = 3 if kind == "triangle" else int(rng.integers(4, 9))
            angles = np.sort(rng.uniform(-math.pi, math.pi, n))
            corners = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(
                0.3, 5.0, (n, 1)
            )
            shape = Polygon(corners)
            other = (
                crcc.Triangle(*corners.ravel())
                if kind == "triangle"
                else crcc.Polygon([*corners.tolist(), corners[0].tolist()], [])
            )
        ours = box_touches(ego, shape)
        assert ours == bool(ego_crcc.collide(other))
        if kind == "disc":
            middle = shapely.Point(shape.x_m, shape.y_m)
            assert ours == (shapely.Polygon(ego.corners).distance(middle) <= shape.radius_m)
        else:
            assert ours == shapely.Polygon(ego.corners).intersects(shapely.Polygon(shape.corners))
        hits += ours
        COMPARED[f"boxes against a {kind}"] += 1
    assert 400 < hits < 3600


def test_a_scene_of_every_kind_of_obstacle_is_occupied_alike(tmp_path: Path) -> None:
    """Shapes off their obstacle's centre, groups, discs, polygons, uncertain states, predicted occupancies, by commonroad-io's own writer."""
    from commonroad.common.file_reader import CommonRoadFileReader
    from commonroad.common.file_writer import CommonRoadFileWriter, OverwriteExistingFile
    from commonroad.common.util import AngleInterval
    from commonroad.geometry import shape as crs
    from commonroad.prediction.prediction import Occupancy, SetBasedPrediction, TrajectoryPrediction
    from commonroad.scenario.obstacle import DynamicObstacle, ObstacleType, StaticObstacle
    from commonroad.scenario.state import CustomState, InitialState
    from commonroad.scenario.trajectory import Trajectory
    from commonroad_dc.collision.collision_detection.pycrcc_collision_dispatch import (
        create_collision_checker,
    )
    from conftest import SCENES

    if not SCENES:
        pytest.skip("no scene to add obstacles to")
    import gzip

    plain = tmp_path / "scene.xml"
    plain.write_bytes(gzip.decompress(SCENES[0].read_bytes()))
    scenario, problems = CommonRoadFileReader(str(plain)).open()
    for obstacle in scenario.obstacles:
        scenario.remove_obstacle(obstacle)
    rng = np.random.default_rng(3)
    shapes = [
        crs.Rectangle(4.0, 2.0), crs.Rectangle(4.0, 2.0, np.array([1.5, 0.7]), 0.4), crs.Circle(1.3), crs.Circle(0.8, np.array([1.0, -2.0])),
        crs.Polygon(np.array([[0.0, 0.0], [3.0, 0.5], [0.5, 2.0]])),
        crs.ShapeGroup([crs.Rectangle(3.0, 1.0), crs.Circle(1.0, np.array([2.0, 0.0]))]),
    ]  # fmt: skip

    def initial(position: Any, orientation: Any) -> Any:
        return InitialState(
            time_step=0, position=position, orientation=orientation, velocity=1.0, acceleration=0.0, yaw_rate=0.0, slip_angle=0.0,
        )  # fmt: skip

    for i, shape in enumerate(shapes):
        place = rng.uniform(-12, 12, 2)
        scenario.add_objects(
            StaticObstacle(9000 + i, ObstacleType.PARKED_VEHICLE, shape, initial(place, 0.3 * i))
        )
        states = [
            CustomState(time_step=k, position=place + (k, 3.0), orientation=0.1 * k, velocity=1.0)
            for k in range(1, 8)
        ]
        scenario.add_objects(
            DynamicObstacle(
                9100 + i, ObstacleType.CAR, shape, initial(place + (0, 3.0), 0.0), TrajectoryPrediction(Trajectory(1, states), shape),
            )
        )  # fmt: skip
    sets = [Occupancy(k, crs.Rectangle(2.0 + k, 2.0, np.array([-8.0, -8.0 + k]), 0.2)) for k in range(1, 6)]  # fmt: skip
    scenario.add_objects(
        DynamicObstacle(9200, ObstacleType.CAR, shapes[0], initial(np.array([-8.0, -8.0]), 0.0), SetBasedPrediction(1, sets))
    )  # fmt: skip
    for i, spread in enumerate((crs.Rectangle(2.0, 3.0, np.array([9.0, 9.0]), 0.5), crs.Circle(1.5, np.array([9.0, -9.0])))):  # fmt: skip
        unsure = initial(spread, AngleInterval(-0.2, 0.3))
        scenario.add_objects(StaticObstacle(9300 + i, ObstacleType.PARKED_VEHICLE, shapes[i], unsure))  # fmt: skip
    made = tmp_path / "made.xml"
    CommonRoadFileWriter(scenario, problems, "a", "b", "c", set()).write_to_file(
        str(made), OverwriteExistingFile.ALWAYS
    )
    scenario, _ = CommonRoadFileReader(str(made)).open()
    checker = create_collision_checker(scenario)
    occupied = read_occupied(open_scene(made))
    n, hits = 2500, 0
    for _ in range(n):
        k, (x, y, yaw) = int(rng.integers(0, 10)), rng.uniform(-15, 15, 3)
        path = tuple(np.full(1, v) for v in (x, y, yaw, 0.0))
        ego = ours_of(path, 2, 0)  # type: ignore[arg-type]
        ego.time_index[0] = k
        theirs = bool(checker.time_slice(k).collide(crcc.RectOBB(4.508 / 2, 1.61 / 2, yaw, x, y)))
        assert bool(touches(ego, occupied)) == theirs, (k, x, y, yaw)
        hits += theirs
    COMPARED["boxes in a scene of every kind of obstacle"] += n
    assert 200 < hits < n - 200
