"""CommonRoad solution files (2020a): one trajectory for each planning problem, by vehicle model, vehicle type and cost function.

Format: commonroad-io, `commonroad/common/solution.py` (`XMLStateFields`, `VehicleType`, `CostFunction`). The benchmark's name says what
the states are: "KS2:SM1:USA_US101-3_1_T-1:2020a" is model KS, vehicle 2, cost function SM1; several solutions stand in brackets.
Whatever the model, a state's position is taken for the centre of the vehicle's box, as the benchmark's checker does
(commonroad-drivability-checker, `feasibility/solution_checker.py`, `_create_pp_solution_collision_object`), although the equations of
the model KS hold for its rear axle. A point mass (PM) has no heading: it looks where it goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lxml import etree

from whyway.evaluate.formats.jsonfile import FormatError
from whyway.maps.xmlfile import SceneError, integer, number, read_xml
from whyway.types import Floats, Ints

MODELS = ("PM", "ST", "KS", "MB")
VEHICLES = {1: ("FORD_ESCORT", 4.298, 1.674), 2: ("BMW_320i", 4.508, 1.610), 3: ("VW_VANAGON", 4.569, 1.844)}  # fmt: skip
"""Name, length and width of the vehicle types: commonroad-vehicle-models, `parameters_vehicle{1,2,3}.yaml`."""

MAX_STATES = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class ProblemSolution:
    """One trajectory: states `(n,)` at successive time indices. `velocity_mps` is along the vehicle; a point mass has its speed there."""

    planning_problem_id: int
    model: str
    vehicle: int
    cost_function: str
    time_index: Ints
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    velocity_mps: Floats
    speed_mps: Floats
    """With the velocity across the vehicle, where the model has one."""
    steering_rad: Floats | None
    """None for a point mass."""

    @property
    def vehicle_name(self) -> str:
        """As CommonRoad calls it."""
        return VEHICLES[self.vehicle][0]

    @property
    def size_m(self) -> tuple[float, float]:
        """Length and width."""
        _, length, width = VEHICLES[self.vehicle]
        return length, width


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A solution file, read whole."""

    benchmark_id: str
    scenario_id: str
    problems: tuple[ProblemSolution, ...]


def read_solution(path: Path) -> Solution:
    """Read a solution file (XML, plain or gzipped).

    Raises:
      SceneError: it cannot be read as XML.
      FormatError: one line that says what is wrong with it.
    """
    root = read_xml(path)
    try:
        return _solution(root)
    except (SceneError, FormatError) as error:
        raise FormatError(f"{path}: {error}; give a CommonRoad solution of 2020a") from None


def _solution(root: etree._Element) -> Solution:
    if root.tag != "CommonRoadSolution":
        raise FormatError(f"the root element is <{str(root.tag)[:40]}>, not <CommonRoadSolution>")
    benchmark = (root.get("benchmark_id") or "").replace(" ", "")
    parts = benchmark.split(":")
    if len(parts) != 4:
        raise FormatError(
            f"benchmark_id is {benchmark[:60]!r}, not like KS2:SM1:USA_US101-3_1_T-1:2020a"
        )
    vehicles, costs = (re.sub(r"[\[\]]", "", part).split(",") for part in parts[:2])
    trajectories = list(root)
    if not trajectories:
        raise FormatError("it holds no trajectory")
    if not len(vehicles) == len(costs) == len(trajectories):
        raise FormatError(
            f"benchmark_id names {len(vehicles)} vehicles and {len(costs)} cost functions for {len(trajectories)} trajectories"
        )
    problems = tuple(
        _problem(element, *_vehicle(vehicle), cost)
        for element, vehicle, cost in zip(trajectories, vehicles, costs, strict=True)
    )
    if len({p.planning_problem_id for p in problems}) < len(problems):
        raise FormatError("it solves a planning problem twice")
    return Solution(benchmark[:200], parts[2][:100], problems)


def _vehicle(text: str) -> tuple[str, int]:
    model, type_ = text[:-1], text[-1:]
    if model not in MODELS or type_ not in map(str, VEHICLES):
        known = ", ".join(f"{n} ({name})" for n, (name, _, _) in VEHICLES.items())
        raise FormatError(
            f"vehicle {text[:20]!r} is none of the models {', '.join(MODELS)} with a type of {known}"
        )
    return model, int(type_)


def _problem(element: etree._Element, model: str, vehicle: int, cost: str) -> ProblemSolution:
    tag = str(element.tag)
    if tag in ("inputVector", "pmInputVector"):
        raise FormatError(f"<{tag}> holds inputs, not states: simulate them and write {model} states")  # fmt: skip
    if tag != f"{model.lower()}Trajectory":
        raise FormatError(f"<{tag[:40]}> is not the trajectory of model {model}")
    states = element.findall(f"{model.lower()}State")
    if not 1 <= len(states) <= MAX_STATES or len(states) != len(element):
        raise FormatError(f"<{tag}> has {len(states)} <{model.lower()}State>, needs 1 to {MAX_STATES} and nothing else")  # fmt: skip
    time = np.array([integer(s.findtext("time"), "time", s) for s in states], dtype=np.int64)
    order = np.argsort(time, kind="stable")
    time = time[order]
    if time[0] < 0 or (np.diff(time) != 1).any():
        wrong = time[:1] if time[0] < 0 else time[1:][np.diff(time) != 1][:1]
        raise FormatError(f"<{tag}> goes on at time {int(wrong[0])}, not step by step from 0 on")

    def column(name: str) -> Floats:
        return np.array([number(s, name) for s in states])[order]

    x, y = column("x"), column("y")
    if model == "PM":
        vx, vy = column("xVelocity"), column("yVelocity")
        speed = np.hypot(vx, vy)
        yaw, v, steering = np.arctan2(vy, vx), speed, None
    else:
        yaw, v, steering = column("orientation"), column("velocity"), column("steeringAngle")
        speed = np.hypot(v, column("yVelocity")) if model == "MB" else v
    return ProblemSolution(
        integer(element.get("planningProblem"), "planningProblem", element),
        model, vehicle, cost[:20], time, x, y, yaw, v, speed, steering,
    )  # fmt: skip
