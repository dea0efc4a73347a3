"""CommonRoad 2018b and 2020a files -> map, route, recorded road users, the ego's start and goal. A lean reader of our own.

Format: commonroad.in.tum.de, XML_commonRoad documentation 2020a. Traffic signs in `commonroad_lanes.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lxml import etree

from whyway.config import VehicleConfig
from whyway.geometry import wrap_angle
from whyway.maps.commonroad_lanes import read_lanes
from whyway.maps.goal import Goal, GoalState, Region
from whyway.maps.lanes import RoadLane
from whyway.maps.routes import RouteError, find_route, follow, start_lane
from whyway.maps.signals import SignalPlan
from whyway.maps.xmlfile import SceneError, integer, number, points, read_xml
from whyway.types import EgoState, Floats, Ints, LaneMap, ObjectClass, Route

__all__ = [
    "CommonRoadScene", "Obstacle", "Problem", "SceneError", "open_scene", "read_problems", "read_scene", "time_step_s",
]  # fmt: skip

_CLASSES = {
    "car": ObjectClass.CAR, "taxi": ObjectClass.CAR, "parkedVehicle": ObjectClass.CAR, "priorityVehicle": ObjectClass.CAR,
    "truck": ObjectClass.TRUCK, "bus": ObjectClass.BUS, "train": ObjectClass.BUS, "motorcycle": ObjectClass.MOTORCYCLE,
    "bicycle": ObjectClass.BICYCLE, "pedestrian": ObjectClass.PEDESTRIAN, "constructionZone": ObjectClass.HAZARD,
    "roadBoundary": ObjectClass.HAZARD, "building": ObjectClass.HAZARD, "pillar": ObjectClass.HAZARD,
    "median_strip": ObjectClass.HAZARD,
}  # fmt: skip

_AHEAD_M = 100.0
_SPEED_MARGIN_MPS = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Obstacle:
    """A recorded road user as a box: its states (n each, one for a static one) at rising time indices; the box's centre.

    Time `t` is index * `dt_s`, from the ego's initial state.
    """

    id: int
    object_class: ObjectClass
    length_m: float
    width_m: float
    is_static: bool
    time_index: Ints
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CommonRoadScene:
    """A scene file, read whole. `ego_initial` is `base_link`; `duration_s` ends with the goal, or else with the recording."""

    benchmark_id: str
    dt_s: float
    lane_map: LaneMap
    route: Route
    obstacles: tuple[Obstacle, ...]
    ego_initial: EgoState
    goal: Goal | None
    duration_s: float
    signals: SignalPlan
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A planning problem: where the ego's box (its centre) is at which time index, and its goal. Times are index * `dt_s`."""

    id: int
    time_index: int
    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    goal: Goal | None


def read_scene(path: Path, vehicle: VehicleConfig | None = None) -> CommonRoadScene:
    """Read a CommonRoad scene (.xml or .xml.gz).

    Args:
      path: the file; nothing in it is trusted.
      vehicle: the ego, whose `base_link` is behind the file's positions (box centres).

    Raises:
      SceneError: one line that says what is wrong with the file.
    """
    path = Path(path)
    root = open_scene(path)
    try:
        return _scene(root, vehicle or VehicleConfig(), path.name)
    except SceneError as error:
        raise SceneError(
            f"{path}: {error}; the file breaks the CommonRoad format, fetch it again"
        ) from None


def open_scene(path: Path) -> etree._Element:
    """The root element of a scene file.

    Raises:
      SceneError: it is no XML, no CommonRoad scene, or of a version we do not know.
    """
    root = read_xml(path)
    version = root.get("commonRoadVersion", "")
    if root.tag != "commonRoad":
        raise SceneError(
            f"{path}: the root element is <{str(root.tag)[:40]}>, not <commonRoad>; give a CommonRoad scene"
        )
    if version not in ("2018b", "2020a"):
        raise SceneError(
            f"{path}: CommonRoad version {version[:20]!r}; convert it to 2020a (or 2018b)"
        )
    return root


def time_step_s(root: etree._Element) -> float:
    """Seconds between two time indices of a scene.

    Raises:
      SceneError: they are not given, or make no sense.
    """
    try:
        dt = float(root.get("timeStepSize", ""))
    except ValueError:
        dt = math.nan
    if not 0.001 <= dt <= 10.0:
        raise SceneError(
            f"timeStepSize is {root.get('timeStepSize', '')[:20]!r}, not a number of seconds"
        )
    return dt


def read_problems(root: etree._Element) -> tuple[Problem, ...]:
    """Every planning problem of a scene; their times count from index 0, unlike `CommonRoadScene`'s.

    Raises:
      SceneError: one of them breaks the format.
    """
    dt = time_step_s(root)
    lane_map, _ = read_lanes(root, root.get("benchmarkID") or "", (), dt, 0)
    problems = []
    for element in root.findall("planningProblem"):
        initial = element.find("initialState")
        if initial is None:
            raise SceneError("a planning problem has no <initialState>")
        problems.append(
            Problem(
                integer(element.get("id"), "id", element), round(_value(initial, "time")), *_position(initial),
                _value(initial, "orientation"), _value(initial, "velocity"), _goal(element, lane_map, dt, 0),
            )
        )  # fmt: skip
    return tuple(problems)


def _scene(root: etree._Element, vehicle: VehicleConfig, name: str) -> CommonRoadScene:
    dt = time_step_s(root)
    tags = tuple(t.tag for t in root.findall("scenarioTags/*")) or tuple(
        (root.get("tags") or "").split()
    )
    benchmark = root.get("benchmarkID") or name.split(".")[0]
    problem = root.find("planningProblem")
    if problem is None:
        raise SceneError("there is no <planningProblem>, so no ego to drive")
    initial = problem.find("initialState")
    if initial is None:
        raise SceneError("the planning problem has no <initialState>")
    start_index = round(_value(initial, "time"))
    lane_map, signals = read_lanes(root, benchmark, tags, dt, start_index)
    center = (*_position(initial), _value(initial, "orientation"))
    goal = _goal(problem, lane_map, dt, start_index)
    obstacles = tuple(
        _obstacle(e, start_index)
        for tag in ("obstacle", "staticObstacle", "dynamicObstacle")
        for e in root.findall(tag)
    )
    ego = _ego(initial, center, vehicle)
    moving_end = max((int(o.time_index[-1]) for o in obstacles if not o.is_static), default=0) * dt
    duration = goal.end_s if goal is not None else moving_end
    route = _route(lane_map, center, goal, (ego.v_mps + _SPEED_MARGIN_MPS) * duration + _AHEAD_M)
    return CommonRoadScene(
        benchmark, dt, lane_map, route, obstacles, ego, goal, max(duration, dt), signals, tags
    )


def _route(
    lane_map: LaneMap, center: tuple[float, float, float], goal: Goal | None, length_m: float
) -> Route:
    start = start_lane(lane_map, *center)
    for state in goal.states if goal is not None else ():
        if not state.regions:
            continue
        try:
            if state.lane_ids:
                return find_route(lane_map, start, state.lane_ids)
            return find_route(lane_map, start, state.regions[0].center)
        except RouteError:
            continue  # the goal lies off the lanes or against their direction
    return follow(lane_map, start, length_m)


def _ego(
    initial: etree._Element, center: tuple[float, float, float], vehicle: VehicleConfig
) -> EgoState:
    x, y, yaw = center
    v = _value(initial, "velocity")
    yaw_rate = _value(initial, "yawRate", 0.0)
    steer = math.atan(yaw_rate * vehicle.wheelbase_m / v) if v > 1.0 else 0.0
    back = vehicle.center_offset_m
    return EgoState(
        x_m=x - back * math.cos(yaw), y_m=y - back * math.sin(yaw), yaw_rad=float(wrap_angle(yaw)), v_mps=v,
        a_mps2=_value(initial, "acceleration", 0.0), yaw_rate_rps=yaw_rate,
        steer_rad=min(max(steer, -vehicle.steer_max_rad), vehicle.steer_max_rad),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- obstacles


def _obstacle(element: etree._Element, start_index: int) -> Obstacle:
    obstacle_id = integer(element.get("id"), "id", element)
    kind = (element.findtext("type") or "").strip()
    length, width, offset = _box(element.find("shape"), obstacle_id)
    initial = element.find("initialState")
    if initial is None:
        raise SceneError(f"obstacle {obstacle_id} has no <initialState>")
    static = element.tag == "staticObstacle" or (element.findtext("role") or "").strip() == "static"
    states = [initial] if static else [initial, *element.findall("trajectory/state")]
    time = np.array([round(_value(s, "time")) for s in states], dtype=np.int64) - start_index
    order = np.argsort(time, kind="stable")
    time = time[order]
    if len(time) > 1 and int(np.diff(time).min()) <= 0:
        raise SceneError(f"obstacle {obstacle_id} has two states at one time")
    place = np.array([_position(s) for s in states])[order]
    yaw = np.array([_value(s, "orientation") for s in states])[order]
    speed = np.array([_value(s, "velocity", 0.0) for s in states])[order]
    ox, oy, turned = offset
    return Obstacle(
        id=obstacle_id, object_class=_CLASSES.get(kind, ObjectClass.UNKNOWN), length_m=length, width_m=width, is_static=static,
        time_index=time,
        x_m=place[:, 0] + ox * np.cos(yaw) - oy * np.sin(yaw), y_m=place[:, 1] + ox * np.sin(yaw) + oy * np.cos(yaw),
        yaw_rad=np.asarray(wrap_angle(yaw + turned)), v_mps=speed,
    )  # fmt: skip


def _box(
    shape: etree._Element | None, obstacle_id: int
) -> tuple[float, float, tuple[float, float, float]]:
    """Length and width, and where the box sits in the obstacle's own frame: x, y, yaw. Other shapes become boxes around them."""
    for part in [] if shape is None else shape:
        if part.tag == "rectangle":
            cx, cy = (
                (number(part, "center/x"), number(part, "center/y"))
                if part.find("center") is not None
                else (0.0, 0.0)
            )
            turned = number(part, "orientation") if part.find("orientation") is not None else 0.0
            return (
                _size(number(part, "length"), obstacle_id),
                _size(number(part, "width"), obstacle_id),
                (cx, cy, turned),
            )
        if part.tag == "circle":
            cx, cy = (
                (number(part, "center/x"), number(part, "center/y"))
                if part.find("center") is not None
                else (0.0, 0.0)
            )
            size = _size(2 * number(part, "radius"), obstacle_id)
            return size, size, (cx, cy, 0.0)
        if part.tag == "polygon":
            x, y = points(part, f"the polygon of obstacle {obstacle_id}", 3)
            middle = (float(x.max() + x.min()) / 2, float(y.max() + y.min()) / 2, 0.0)
            return (
                _size(float(np.ptp(x)), obstacle_id),
                _size(float(np.ptp(y)), obstacle_id),
                middle,
            )
    raise SceneError(f"obstacle {obstacle_id} has no <shape> of rectangle, circle or polygon")


def _size(value: float, obstacle_id: int) -> float:
    if not 0.0 < value < 1000.0:
        raise SceneError(f"obstacle {obstacle_id} has a size of {value:g} m")
    return value


# ---------------------------------------------------------------------------------------------------- states, goal


_NEEDED = object()


def _value(state: etree._Element, tag: str, default: float | object = _NEEDED) -> float:
    """A state's exact value, or the middle of its interval."""
    element = state.find(tag)
    if element is None:
        if isinstance(default, float):
            return default
        raise SceneError(f"<{state.tag}> line {state.sourceline} has no <{tag}>")
    exact = element.find("exact")
    if exact is not None:
        return number(exact)
    low, high = _interval(element)
    return (low + high) / 2


def _interval(element: etree._Element) -> tuple[float, float]:
    exact = element.find("exact")
    if exact is not None:
        return number(exact), number(exact)
    low, high = number(element, "intervalStart"), number(element, "intervalEnd")
    if high < low:
        raise SceneError(
            f"<{element.tag}> line {element.sourceline}: the interval ends before it starts"
        )
    return low, high


def _position(state: etree._Element) -> tuple[float, float]:
    position = state.find("position")
    if position is None:
        raise SceneError(f"<{state.tag}> line {state.sourceline} has no <position>")
    point = position.find("point")
    if point is not None:
        return number(point, "x"), number(point, "y")
    regions = _regions(position, {})[0]
    if not regions:
        raise SceneError(f"<position> line {position.sourceline} holds no point")
    return regions[0].center  # an uncertain position: its middle


def _goal(problem: etree._Element, lane_map: LaneMap, dt: float, start_index: int) -> Goal | None:
    lanes = {lane.id: RoadLane(lane) for lane in lane_map.lanes}
    states = []
    for element in problem.findall("goalState"):
        time = element.find("time")
        if time is None:
            raise SceneError(f"<goalState> line {element.sourceline} has no <time>")
        low, high = _interval(time)
        position, velocity, orientation = (
            element.find(t) for t in ("position", "velocity", "orientation")
        )
        regions, lane_ids = ((), ()) if position is None else _regions(position, lanes)
        states.append(
            GoalState(
                time_s=((low - start_index) * dt, (high - start_index) * dt), regions=regions, lane_ids=lane_ids,
                v_mps=None if velocity is None else _interval(velocity),
                yaw_rad=None if orientation is None else _interval(orientation),
            )
        )  # fmt: skip
    return Goal(tuple(states)) if states else None


def _regions(
    position: etree._Element, lanes: dict[int, RoadLane]
) -> tuple[tuple[Region, ...], tuple[int, ...]]:
    """The shapes of a position, and the lanes among them."""
    regions: list[Region] = []
    lane_ids: list[int] = []
    for part in position:
        if part.tag == "rectangle":
            regions.append(_rectangle(part))
        elif part.tag == "circle":
            cx, cy = number(part, "center/x"), number(part, "center/y")
            regions.append(Region(np.array([cx]), np.array([cy]), _size(number(part, "radius"), 0)))
        elif part.tag == "polygon":
            regions.append(Region(*points(part, "a goal polygon", 3)))
        elif part.tag == "point":
            x, y = number(part, "x"), number(part, "y")
            regions.append(Region(np.array([x]), np.array([y]), 1e-9))
        elif part.tag == "lanelet":
            lane_id = integer(part.get("ref"), "ref", part)
            if lane_id not in lanes:
                raise SceneError(
                    f"<{position.tag}> line {position.sourceline} names lanelet {lane_id}, which is not there"
                )
            lane_ids.append(lane_id)
            regions.append(Region(*lanes[lane_id].polygon))
    return tuple(regions), tuple(lane_ids)


def _rectangle(part: etree._Element) -> Region:
    length, width = number(part, "length"), number(part, "width")
    yaw = number(part, "orientation") if part.find("orientation") is not None else 0.0
    cx, cy = (
        (number(part, "center/x"), number(part, "center/y"))
        if part.find("center") is not None
        else (0.0, 0.0)
    )
    along, across = np.array([1, -1, -1, 1]) * length / 2, np.array([1, 1, -1, -1]) * width / 2
    c, s = math.cos(yaw), math.sin(yaw)
    return Region(cx + c * along - s * across, cy + s * along + c * across)
