"""A CommonRoad solution against its scene -> collision, goal and cost, as the benchmark's own checker decides them.

A collision is a point that the vehicle's box shares with what a static or dynamic obstacle occupies at the same time index, touching
included (commonroad-drivability-checker, `feasibility/solution_checker.py`, `obstacle_collision`, `ego_collision`). Verdicts are exact but
for the last bits of the arithmetic: boxes that touch to within about 1e-9 m may be told either way by two implementations. The goal is reached
if a state meets a goal state's time, place, heading and velocity (`goal_reached`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whyway.evaluate.formats.commonroad_solution import ProblemSolution, Solution, read_solution
from whyway.evaluate.formats.jsonfile import FormatError
from whyway.evaluate.metrics import commonroad as costs
from whyway.geometry import wrap_angle
from whyway.maps.commonroad import Problem, SceneError, open_scene, read_problems, time_step_s
from whyway.maps.commonroad_shapes import Box, Occupied, box_touches, read_occupied

COUNTED = ("static", "dynamic")
"""Roles of the obstacles that the checker looks at; touching another (a building, a phantom) is told in a note."""

MAX_TESTS = 100_000_000
"""Most states times shapes: a scene of 2 MB has 20,000 shapes, a solution some hundred states."""

START_M, START_RAD, START_MPS = 0.1, 0.1, 2.0
"""How far a first state may be from the problem's (`starts_at_correct_state`)."""


@dataclass(frozen=True, slots=True)
class Touch:
    """The first time index at which a vehicle touches an obstacle, or another vehicle of the solution (role "ego")."""

    time_index: int
    obstacle_id: int
    role: str


def score_solution(solution: Path, scene: Path) -> dict[str, Any]:
    """Judge a solution file against its scene.

    Returns:
      Plain values: `collision`, `goal_reached`, `cost` (of all problems together; None where a part is not computed), `problems`, `notes`.

    Raises:
      InputError: one line that says what is wrong with a file, or that they do not belong together.
    """
    read = read_solution(solution)
    root = open_scene(scene)
    try:
        dt, problems, obstacles = time_step_s(root), read_problems(root), read_occupied(root)
    except SceneError as error:
        raise SceneError(
            f"{scene}: {error}; the file breaks the CommonRoad format, fetch it again"
        ) from None
    by_id = {p.id: p for p in problems}
    if unknown := [
        p.planning_problem_id for p in read.problems if p.planning_problem_id not in by_id
    ]:
        there = ", ".join(map(str, by_id)) or "none"
        raise FormatError(
            f"{solution}: solves planning problem {unknown[0]}, {scene} has {there}; give the scene {read.scenario_id}"
        )
    shapes = sum(len(o.always) + sum(map(len, o.at.values())) for o in obstacles)
    if shapes * max(len(s.time_index) for s in read.problems) > MAX_TESTS:
        raise FormatError(
            f"{solution}: too many states among {shapes} shapes; cut out what is needed"
        )
    rows = [_judge(s, by_id[s.planning_problem_id], obstacles, read, dt) for s in read.problems]
    unsolved = sorted(by_id.keys() - {s.planning_problem_id for s in read.problems})
    notes = [note for row in rows for note in row.pop("notes")]
    notes += [f"planning problem {i} is not solved" for i in unsolved]
    named = root.get("benchmarkID") or ""
    if named and named != read.scenario_id:
        notes.append(f"the solution is for {read.scenario_id}, the scene is {named[:100]}")
    total = [row["cost"] for row in rows]
    return {
        "benchmark_id": read.benchmark_id,
        "collision": any(row["collision"] for row in rows),
        "goal_reached": all(row["goal_reached"] for row in rows) and not unsolved,
        "cost": None if None in total else sum(total),
        "problems": rows,
        "notes": notes,
    }


def _judge(
    s: ProblemSolution, problem: Problem, obstacles: Sequence[Occupied], all_: Solution, dt: float
) -> dict[str, Any]:
    touched = [*touches(s, obstacles), *_egos(s, all_)]
    hits = [t for t in touched if t.role in (*COUNTED, "ego")]
    at = goal_index(s, problem, dt)
    partial, missing = _costs(s, problem, dt)
    weights = costs.COST_FUNCTIONS.get(s.cost_function)
    notes = [*_start_notes(s, problem, dt), *missing]
    notes += [
        f"touches {t.role} obstacle {t.obstacle_id} at {t.time_index * dt:g} s, which CommonRoad does not count"
        for t in touched
        if t not in hits
    ]
    return {
        "planning_problem_id": s.planning_problem_id,
        "vehicle_model": s.model,
        "vehicle_type": s.vehicle_name,
        "cost_function": s.cost_function,
        "collision": bool(hits),
        "collisions": [
            {"time_s": t.time_index * dt, "time_step": t.time_index, "obstacle_id": t.obstacle_id, "role": t.role}
            for t in hits
        ],
        "goal_reached": at is not None,
        "goal_time_s": None if at is None else at * dt,
        "cost": costs.total_cost(s.cost_function, partial) if weights else None,
        "partial_costs": partial,
        "weights": dict(weights or {}),
        "notes": notes,
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------- collisions


def touches(s: ProblemSolution, obstacles: Sequence[Occupied]) -> list[Touch]:
    """The first contact of a trajectory with every obstacle that it touches, in order of time."""
    found = [_first(s, o) for o in obstacles]
    return sorted((t for t in found if t), key=lambda t: (t.time_index, t.obstacle_id))


def _first(s: ProblemSolution, obstacle: Occupied) -> Touch | None:
    for k in _near(s, obstacle):
        step = int(s.time_index[k])
        if any(box_touches(_box(s, k), shape) for shape in obstacle.shapes(step)):
            return Touch(step, obstacle.id, obstacle.role)
    return None


def _near(s: ProblemSolution, obstacle: Occupied) -> list[int]:
    """The states at which the circles around the box and a shape of the obstacle meet."""
    length, width = s.size_m
    rows = [
        (k, shape.x_m, shape.y_m, shape.reach_m)
        for k, step in enumerate(s.time_index.tolist())
        for shape in obstacle.shapes(step)
    ]
    if not rows:
        return []
    k, x, y, reach = np.array(rows).T
    state = k.astype(np.int64)
    away = np.hypot(s.x_m[state] - x, s.y_m[state] - y)
    # a hair more than the sum: what just touches is for the exact test to tell
    close = state[away <= (reach + math.hypot(length, width) / 2) * 1.000001 + 1e-6]
    return sorted(set(close.tolist()))


def _box(s: ProblemSolution, k: int) -> Box:
    return Box(float(s.x_m[k]), float(s.y_m[k]), float(s.yaw_rad[k]), *s.size_m)


def _egos(s: ProblemSolution, all_: Solution) -> list[Touch]:
    """The first contact with each other vehicle of the solution."""
    others = (o for o in all_.problems if o is not s)
    return [t for o in others if (t := _first(s, _as_obstacle(o)))]


def _as_obstacle(s: ProblemSolution) -> Occupied:
    at = {int(step): (_box(s, k),) for k, step in enumerate(s.time_index)}
    return Occupied(s.planning_problem_id, "ego", (), at)


# ----------------------------------------------------------------------------------------------------- goal, cost


def goal_index(s: ProblemSolution, problem: Problem, dt_s: float) -> int | None:
    """The first time index at which a state meets the goal; None if none does, or there is no goal to meet."""
    for k, step in enumerate(s.time_index.tolist()):
        state = (float(v[k]) for v in (s.x_m, s.y_m, s.yaw_rad, s.speed_mps))
        if problem.goal and problem.goal.reached(step * dt_s, *state):
            return int(step)
    return None


def _costs(s: ProblemSolution, problem: Problem, dt: float) -> tuple[dict[str, float], list[str]]:
    """The partial costs of the problem's cost function, and why others are missing."""
    if s.cost_function not in costs.COST_FUNCTIONS:
        known = ", ".join(costs.COST_FUNCTIONS)
        return {}, [f"cost function {s.cost_function} is not computed: its weights are not published; known: {known}"]  # fmt: skip
    states = problem.goal.states if problem.goal else ()
    wanted = [g.v_mps[0] for g in states if g.v_mps is not None]
    partial = costs.partial_costs(s.velocity_mps, s.steering_rad, min(wanted, default=None), dt)
    asked = costs.COST_FUNCTIONS[s.cost_function]
    missing = [name for name in asked if name not in partial]
    reasons = [
        f"{name} ({costs.ALONG_PATH[name]}) needs a reference path, which CommonRoad leaves open"
        if name in costs.ALONG_PATH
        else f"{name} is not defined for model {s.model} or a single state"
        for name in missing
    ]
    notes = [f"cost {s.cost_function} is not computed: {'; '.join(reasons)}"] if missing else []
    return {name: partial[name] for name in asked if name in partial}, notes


def _start_notes(s: ProblemSolution, problem: Problem, dt: float) -> list[str]:
    """Where the first state is not the problem's."""
    off = [
        what
        for what, far, most in (
            ("place", math.hypot(s.x_m[0] - problem.x_m, s.y_m[0] - problem.y_m), START_M),
            ("heading", abs(float(wrap_angle(s.yaw_rad[0] - problem.yaw_rad))), START_RAD),
            ("velocity", abs(s.speed_mps[0] - problem.v_mps), START_MPS),
            ("time", abs(s.time_index[0] - problem.time_index), 0),
        )
        if far > most
    ]
    return [f"problem {problem.id}: the first state is not the given one ({', '.join(off)})"] if off else []  # fmt: skip
