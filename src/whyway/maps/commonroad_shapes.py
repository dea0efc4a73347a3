"""CommonRoad files -> what every obstacle occupies at every time index, exactly: boxes, discs, polygons; and whether a box touches them.

`commonroad.py` reads the same obstacles as boxes to drive among; this reads them to judge. Shapes are placed as commonroad-io does, whose
occupancies the benchmark's own checker takes (`commonroad/geometry/shape.py`): a shape is turned about its own centre (a polygon: its
centroid), then moved by the state's position. Where a state is uncertain, the obstacle occupies the box that encloses all it may
(`occupancy_shape_from_state`, after Althoff and Dolan, "Online Verification of Automated Road Vehicles Using Reachability Analysis",
IEEE T-RO 30(4), 2014, section IV.C).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from lxml import etree

from whyway.geometry import box_corners, boxes_overlap, distance_to_box, points_in_polygon
from whyway.maps.xmlfile import SceneError, integer, number, points
from whyway.types import Floats

MAX_STEPS = 1_000_000
"""Largest time index, and most occupancies in a file."""

_TOUCH_M = 1e-9
"""Edges so near one another touch: who lies on whose edge shall not depend on rounding."""


@dataclass(frozen=True, slots=True)
class Box:
    """An oriented box by its centre."""

    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float

    @property
    def reach_m(self) -> float:
        """No point of it is farther from its centre."""
        return math.hypot(self.length_m, self.width_m) / 2

    def placed(self, x_m: float, y_m: float, yaw_rad: float) -> Box:
        """Turned about its centre, then moved."""
        return Box(
            self.x_m + x_m, self.y_m + y_m, self.yaw_rad + yaw_rad, self.length_m, self.width_m
        )

    @property
    def corners(self) -> Floats:
        """`(4, 2)`."""
        corners: Floats = box_corners(*_arrays(self))
        return corners


@dataclass(frozen=True, slots=True)
class Disc:
    """A disc."""

    x_m: float
    y_m: float
    radius_m: float

    @property
    def reach_m(self) -> float:
        """No point of it is farther from its centre."""
        return self.radius_m

    def placed(self, x_m: float, y_m: float, yaw_rad: float) -> Disc:
        """Moved."""
        return Disc(self.x_m + x_m, self.y_m + y_m, self.radius_m)

    @property
    def corners(self) -> Floats:
        """Of the square around it `(4, 2)`."""
        r = self.radius_m
        corners: Floats = np.array([[r, r], [-r, r], [-r, -r], [r, -r]]) + (self.x_m, self.y_m)
        return corners


@dataclass(frozen=True, eq=False)
class Polygon:
    """A simple polygon `(n, 2)`, not closed."""

    corners: Floats

    @cached_property
    def centroid(self) -> tuple[float, float]:
        """Its area's, or the mean of its corners where it has no area."""
        p = self.corners - self.corners[0]  # near the origin, where products lose least
        q = np.roll(p, -1, axis=0)
        cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
        twice = float(cross.sum())
        if abs(twice) < 1e-12:
            x, y = self.corners.mean(axis=0).tolist()
            return x, y
        x, y = (((p + q) * cross[:, None]).sum(axis=0) / (3.0 * twice) + self.corners[0]).tolist()
        return x, y

    @property
    def x_m(self) -> float:
        """Of its centroid."""
        return self.centroid[0]

    @property
    def y_m(self) -> float:
        """Of its centroid."""
        return self.centroid[1]

    @cached_property
    def reach_m(self) -> float:
        """No point of it is farther from its centroid."""
        return float(np.hypot(*(self.corners - np.array(self.centroid)).T).max())

    def placed(self, x_m: float, y_m: float, yaw_rad: float) -> Polygon:
        """Turned about its centroid, then moved."""
        c, s = math.cos(yaw_rad), math.sin(yaw_rad)
        middle = np.array(self.centroid)
        turned = (self.corners - middle) @ np.array([[c, s], [-s, c]])
        return Polygon(turned + middle + np.array([x_m, y_m]))


Shape: TypeAlias = Box | Disc | Polygon


# ------------------------------------------------------------------------------------------------------ touching


def box_touches(box: Box, shape: Shape) -> bool:
    """Whether a box and a shape share a point, touching included."""
    if isinstance(shape, Box):
        return bool(boxes_overlap(*_arrays(box), *_arrays(shape)))
    if isinstance(shape, Disc):
        x, y = np.array(shape.x_m), np.array(shape.y_m)
        return bool(distance_to_box(x, y, *_arrays(box)) <= shape.radius_m)
    a, b = box.corners, shape.corners
    if _edges_cross(a, b):
        return True
    one_inside = points_in_polygon(a[:1, 0], a[:1, 1], b[:, 0], b[:, 1])
    other_inside = distance_to_box(b[:1, 0], b[:1, 1], *_arrays(box)) <= 0.0
    return bool(one_inside[0] or other_inside[0])


def _arrays(box: Box) -> list[Floats]:
    return [np.array(v) for v in (box.x_m, box.y_m, box.yaw_rad, box.length_m, box.width_m)]


def _edges_cross(a: Floats, b: Floats) -> bool:
    """Whether an edge of one closed polygon `(n, 2)` meets an edge of another `(m, 2)`."""
    a0, a1 = a[:, None, :], np.roll(a, -1, axis=0)[:, None, :]
    b0, b1 = b[None, :, :], np.roll(b, -1, axis=0)[None, :, :]

    def side(p: Floats, q: Floats, r: Floats) -> Floats:
        d, e = q - p, r - p
        far = d[..., 0] * e[..., 1] - d[..., 1] * e[..., 0]
        on_it = np.abs(far) <= _TOUCH_M * np.hypot(d[..., 0], d[..., 1])
        sides: Floats = np.where(on_it, 0.0, far)
        return sides

    s0, s1, s2, s3 = side(a0, a1, b0), side(a0, a1, b1), side(b0, b1, a0), side(b0, b1, a1)
    meets = (s0 * s1 <= 0.0) & (s2 * s3 <= 0.0)
    # edges on one line meet only if their extents do
    before = np.maximum(a0, a1) + _TOUCH_M < np.minimum(b0, b1)
    apart = before | (np.maximum(b0, b1) + _TOUCH_M < np.minimum(a0, a1))
    return bool((meets & ~apart.any(axis=-1)).any())


# ------------------------------------------------------------------------------------------------------- obstacles


@dataclass(frozen=True, slots=True)
class Occupied:
    """What an obstacle occupies: `role` is static, dynamic, environment or phantom; shapes by time index, or `always` the same."""

    id: int
    role: str
    always: tuple[Shape, ...]
    at: Mapping[int, tuple[Shape, ...]]

    def shapes(self, step: int) -> tuple[Shape, ...]:
        """At a time index; none where it is not there."""
        return self.always or self.at.get(step, ())


def read_occupied(root: etree._Element) -> tuple[Occupied, ...]:
    """What all obstacles of a scene occupy.

    Raises:
      SceneError: one of them breaks the format.
    """
    found, steps = [], 0
    for tag in ("obstacle", "staticObstacle", "dynamicObstacle", "environmentObstacle", "phantomObstacle"):  # fmt: skip
        for element in root.findall(tag):
            obstacle = _occupied(element)
            steps += len(obstacle.at)
            if steps > MAX_STEPS:
                raise SceneError(f"the obstacles have more than {MAX_STEPS} states")
            found.append(obstacle)
    return tuple(found)


def _occupied(element: etree._Element) -> Occupied:
    id_ = integer(element.get("id"), "id", element)
    role = {"obstacle": (element.findtext("role") or "dynamic").strip()}.get(
        str(element.tag), str(element.tag).removesuffix("Obstacle")
    )
    own = element.find("shape")
    if role == "environment":
        return Occupied(id_, role, _shapes(own, id_), {})
    at: dict[int, tuple[Shape, ...]] = {}
    initial = element.find("initialState")
    if role != "phantom":
        if initial is None:
            raise SceneError(f"obstacle {id_} has no <initialState>")
        shapes = _shapes(own, id_)
        for state in (
            [initial] if role == "static" else [initial, *element.findall("trajectory/state")]
        ):
            now = tuple(_at_state(shape, state) for shape in shapes)
            if role == "static":
                return Occupied(id_, role, now, {})
            at[_steps(state)[0]] = now
    spent = 0
    for occupancy in element.findall("occupancySet/occupancy"):
        there = _shapes(occupancy.find("shape"), id_)
        first, last = _steps(occupancy)
        spent += last - first + 1
        if spent > MAX_STEPS:
            raise SceneError(f"obstacle {id_} has more than {MAX_STEPS} occupancies")
        for step in range(first, last + 1):
            at.setdefault(step, there)
    return Occupied(id_, role, (), at)


def _shapes(element: etree._Element | None, id_: int) -> tuple[Shape, ...]:
    shapes = tuple(_each_shape(element, id_))
    if not shapes:
        raise SceneError(f"obstacle {id_} has no <shape> of rectangle, circle or polygon")
    return shapes


def _each_shape(element: etree._Element | None, id_: int) -> Iterator[Shape]:
    for part in () if element is None else element:
        x, y = (
            number(part, f"center/{c}") if part.find("center") is not None else 0.0 for c in "xy"
        )
        if part.tag == "rectangle":
            yaw = number(part, "orientation") if part.find("orientation") is not None else 0.0
            sizes = (_size(number(part, tag), id_) for tag in ("length", "width"))
            yield Box(x, y, yaw, *sizes)
        elif part.tag == "circle":
            yield Disc(x, y, _size(number(part, "radius"), id_))
        elif part.tag == "polygon":
            corners = np.column_stack(points(part, f"the polygon of obstacle {id_}", 3))
            if len(corners) > 3 and (corners[0] == corners[-1]).all():
                corners = corners[:-1]
            yield Polygon(corners)


def _size(value: float, id_: int) -> float:
    if not 0.0 < value < 1e5:
        raise SceneError(f"obstacle {id_} has a size of {value:g} m")
    return value


def _steps(element: etree._Element) -> tuple[int, int]:
    """First and last time index of a state or an occupancy."""
    time = element.find("time")
    if time is None:
        raise SceneError(f"<{element.tag}> line {element.sourceline} has no <time>")
    low, high = (round(v) for v in _interval(time))
    if not 0 <= low <= high <= MAX_STEPS:
        raise SceneError(f"<time> line {time.sourceline} is from {low} to {high}")
    return low, high


def _interval(element: etree._Element) -> tuple[float, float]:
    exact = element.find("exact")
    if exact is not None:
        return number(exact), number(exact)
    return number(element, "intervalStart"), number(element, "intervalEnd")


# ----------------------------------------------------------------------------------------------- uncertain states


def _at_state(shape: Shape, state: etree._Element) -> Shape:
    """A shape where a state puts it: exactly, or the box around all the places where it may be."""
    position, orientation = state.find("position"), state.find("orientation")
    if position is None or orientation is None:
        raise SceneError(
            f"<{state.tag}> line {state.sourceline} has no <position> or <orientation>"
        )
    low, high = _interval(orientation)
    point = position.find("point")
    if point is not None and low == high:
        return shape.placed(number(point, "x"), number(point, "y"), low)
    yaw, half = (low + high) / 2, abs(high - low) / 2
    if point is not None:
        x, y, along, across = number(point, "x"), number(point, "y"), 0.0, 0.0
    else:
        x, y, along, across = _spread(_shapes(position, 0), yaw)
    length, width = _extent(shape.corners)
    more_length, more_width = _turned(length, width, half), _turned(width, length, half)
    return Box(x, y, yaw, along + length + more_length, across + width + more_width)


def _turned(length_m: float, width_m: float, half_rad: float) -> float:
    """By how much a box that may be turned by an angle either way grows along its length."""
    angle = min(half_rad, math.atan(width_m / length_m) if length_m > 0.0 else math.pi / 2)
    return abs((1.0 - math.cos(angle)) * length_m - math.sin(angle) * width_m)


def _spread(places: Sequence[Shape], yaw_rad: float) -> tuple[float, float, float, float]:
    """The centre of an uncertain position, and its extent along and across a heading."""
    place = places[0]
    along, across = _extent(place.placed(0.0, 0.0, -yaw_rad).corners)
    return place.x_m, place.y_m, along, across


def _extent(corners: Floats) -> tuple[float, float]:
    along, across = np.ptp(corners, axis=0).tolist()
    return along, across
