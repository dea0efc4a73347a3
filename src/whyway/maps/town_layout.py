"""The town's plan: junctions on a jittered grid, roads between them, connecting lanes through them. Right-hand traffic.

corner -- curved -- corner      four columns, three rows; the middle row is the main street with two lanes per
  |      |      |      |        direction; the corners are bends, so every road leads on for ever
main === X ==== X === main
  |      |      |      |
corner -------- -- corner
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np

from whyway.geometry import wrap_angle
from whyway.maps.curves import Cubic, Curve, Pose, chain, length

LANE_WIDTH_M = 3.5
MAIN_MPS, SIDE_MPS = 13.89, 8.33

_REACH_MAIN_M, _REACH_SIDE_M = 17.0, 14.0
"""From a junction's middle to where its roads begin; wide enough for turns of at most 0.15 1/m."""

_BEND_RADIUS_M = 22.0

_FIRST_JUNCTION = 201
"""Junctions and roads share no ids: CARLA's reader tells them apart by asking whether a road has the id."""

Node: TypeAlias = tuple[int, int]
"""Column and row of a place on the grid."""


class Control(Enum):
    """Who goes first at a junction."""

    SIGNALS = "signals"
    STOP_SIGN = "stop"
    GIVE_WAY = "give way"


@dataclass(frozen=True)
class Edge:
    """A road: its reference line is its axis, with `lanes` lanes in either direction."""

    id: int
    start: Node
    end: Node
    curves: tuple[Curve, ...]
    lanes: int
    limit_mps: float
    crossing_s_m: float | None = None
    """Where along the axis a mid-block crossing has its middle."""

    @property
    def is_main(self) -> bool:
        """Whether it is part of the main street."""
        return self.lanes > 1

    @property
    def length_m(self) -> float:
        """Arc length of the axis."""
        return length(self.curves)

    def lane_id(self, number: int) -> int:
        """The map's id of the lane with OpenDRIVE number -1, -2 (along the axis, right of it) or 1, 2 (against it)."""
        return 10 * self.id + (-number if number < 0 else 5 + number)


@dataclass(frozen=True)
class Arm:
    """The end of a road at a junction; `outward` is the pose of the axis there, facing away from the junction."""

    edge: Edge
    at_start: bool
    outward: Pose

    def incoming(self, k: int) -> int:
        """OpenDRIVE number of the k-th lane into the junction, from the axis outwards."""
        return k + 1 if self.at_start else -(k + 1)

    def outgoing(self, k: int) -> int:
        """OpenDRIVE number of the k-th lane out of the junction."""
        return -self.incoming(k)

    def lane_pose(self, k: int, inwards: bool) -> Pose:
        """Where the centre of the k-th lane meets the junction, in driving direction."""
        x, y, yaw = self.outward
        side = (
            (k + 0.5) * LANE_WIDTH_M * (1.0 if inwards else -1.0)
        )  # left of the outward axis drive those who come in
        x, y = x - side * math.sin(yaw), y + side * math.cos(yaw)
        return (x, y, yaw + math.pi) if inwards else (x, y, yaw)

    def at(self, inside_m: float, side_m: float) -> tuple[float, float]:
        """The point `inside_m` up the road from the junction's edge, `side_m` left of the outward axis (roads are straight there)."""
        x, y, yaw = self.outward
        c, s = math.cos(yaw), math.sin(yaw)
        return x + inside_m * c - side_m * s, y + inside_m * s + side_m * c


@dataclass(frozen=True)
class Link:
    """A lane through a junction: a road of its own in OpenDRIVE, with one lane centred on its reference line."""

    id: int
    start: Arm
    end: Arm
    k_start: int
    k_end: int
    curve: Cubic
    turn_rad: float

    @property
    def lane_id(self) -> int:
        """The map's id of its lane."""
        return 10 * self.id + 1

    @property
    def from_lane(self) -> int:
        """The map's id of the lane it comes from."""
        return self.start.edge.lane_id(self.start.incoming(self.k_start))

    @property
    def to_lane(self) -> int:
        """The map's id of the lane it leads to."""
        return self.end.edge.lane_id(self.end.outgoing(self.k_end))


@dataclass(frozen=True)
class Junction:
    """Where three or four roads meet. `arms` counter-clockwise; `major` are the positions of those that go first."""

    id: int
    node: Node
    control: Control
    arms: tuple[Arm, ...]
    major: tuple[int, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Layout:
    """All roads and junctions."""

    edges: tuple[Edge, ...]
    junctions: tuple[Junction, ...]
    links: tuple[Link, ...] = field(default=())


def make_layout(rng: np.random.Generator) -> Layout:
    """Draw a town: distances, the quarter turn it is rotated by, the curve, who goes first where."""
    column = np.concatenate([[0.0], np.cumsum(rng.uniform(95.0, 120.0, 3))])
    row = np.concatenate([[0.0], np.cumsum(rng.uniform(92.0, 115.0, 2))])
    turn = int(rng.integers(4)) * math.pi / 2
    c, s = round(math.cos(turn)), round(math.sin(turn))
    cx, cy = column[-1] / 2, row[-1] / 2
    place = {
        (i, j): (float(c * (x - cx) - s * (y - cy)), float(s * (x - cx) + c * (y - cy)))
        for i, x in enumerate(column)
        for j, y in enumerate(row)
    }
    edges = tuple(_edges(place, rng))
    junctions: list[Junction] = []
    next_id = len(edges) + 1
    for node in sorted({n for e in edges for n in (e.start, e.end)}):
        junction = _junction(_FIRST_JUNCTION + len(junctions), node, edges, next_id, rng)
        junctions.append(junction)
        next_id += len(junction.links)
    return Layout(edges, tuple(junctions), tuple(link for j in junctions for link in j.links))


# ----------------------------------------------------------------------------------------------------------- roads

_Places: TypeAlias = dict[Node, tuple[float, float]]


def _edges(place: _Places, rng: np.random.Generator) -> Iterator[Edge]:
    """The roads, numbered from 1; the main street's come first."""
    radius = float(rng.uniform(30.0, 36.0))
    second_crossing = bool(rng.integers(2))
    plan: list[tuple[Node, Node | None, Node]] = [((i, 1), None, (i + 1, 1)) for i in range(3)]
    plan += [((i, j), None, (i, j + 1)) for i in (1, 2) for j in (0, 1)]
    plan += [((1, 0), None, (2, 0)), ((2, 2), None, (1, 2))]
    plan += [
        ((0, 1), (0, 0), (1, 0)),
        ((1, 2), (0, 2), (0, 1)),
        ((2, 0), (3, 0), (3, 1)),
        ((3, 1), (3, 2), (2, 2)),
    ]
    for number, (a, corner, b) in enumerate(plan, start=1):
        main = corner is None and a[1] == 1 and b[1] == 1
        curved = (a, b) == ((2, 2), (1, 2))
        if corner is not None:
            curves = _bend(place[a], place[corner], place[b], _reach(a), _reach(b))
        else:
            curves = _between(place[a], place[b], _reach(a), _reach(b), radius if curved else 0.0)
        crossing = None
        if corner == (0, 2) or (second_crossing and (a, b) == ((1, 0), (2, 0))):
            crossing = curves[0].length_m * float(rng.uniform(0.45, 0.6))
        yield Edge(number, a, b, curves, 2 if main else 1, MAIN_MPS if main else SIDE_MPS, crossing)


def _reach(node: Node) -> float:
    return _REACH_MAIN_M if node[1] == 1 else _REACH_SIDE_M


def _between(
    a: tuple[float, float], b: tuple[float, float], reach_a: float, reach_b: float, radius_m: float
) -> tuple[Curve, ...]:
    """The axis from junction to junction: straight, or swinging out to the right and back over four arcs."""
    yaw = math.atan2(b[1] - a[1], b[0] - a[0])
    free = math.dist(a, b) - reach_a - reach_b
    start = (a[0] + reach_a * math.cos(yaw), a[1] + reach_a * math.sin(yaw), yaw)
    if not radius_m:
        return chain(start, [(free, 0.0)])
    straight = 6.0
    swing = math.asin((free - 2 * straight) / (4 * radius_m))
    arc, k = swing * radius_m, 1 / radius_m
    return chain(start, [(straight, 0.0), (arc, -k), (2 * arc, k), (arc, -k), (straight, 0.0)])


def _bend(
    a: tuple[float, float],
    corner: tuple[float, float],
    b: tuple[float, float],
    reach_a: float,
    reach_b: float,
) -> tuple[Curve, ...]:
    """The axis from junction to junction round a right-angled corner."""
    yaw = math.atan2(corner[1] - a[1], corner[0] - a[0])
    side = wrap_angle(math.atan2(b[1] - corner[1], b[0] - corner[0]) - yaw)
    start = (a[0] + reach_a * math.cos(yaw), a[1] + reach_a * math.sin(yaw), yaw)
    return chain(
        start,
        [
            (math.dist(a, corner) - reach_a - _BEND_RADIUS_M, 0.0),
            (_BEND_RADIUS_M * math.pi / 2, math.copysign(1 / _BEND_RADIUS_M, side)),
            (math.dist(corner, b) - reach_b - _BEND_RADIUS_M, 0.0),
        ],
    )


# ------------------------------------------------------------------------------------------------------- junctions


def _junction(
    number: int, node: Node, edges: tuple[Edge, ...], next_id: int, rng: np.random.Generator
) -> Junction:
    arms = []
    for edge in edges:
        for at_start in (True, False):
            if (edge.start if at_start else edge.end) != node:
                continue
            first, last = edge.curves[0], edge.curves[-1]
            x, y, yaw = first.start if at_start else last.end
            arms.append(Arm(edge, at_start, (x, y, yaw if at_start else yaw + math.pi)))
    arms.sort(key=lambda arm: float(arm.outward[2] % (2 * math.pi)))
    draw = Control.STOP_SIGN if rng.integers(2) else Control.GIVE_WAY
    if node == (1, 1) or (node == (2, 1) and rng.integers(2)):
        draw = Control.SIGNALS
    return Junction(number, node, draw, tuple(arms), _major(arms), tuple(_links(arms, next_id)))


def _turn(start: Arm, end: Arm) -> float:
    """Heading change on the way from one road into another, left positive."""
    return float(wrap_angle(end.outward[2] - start.outward[2] - math.pi))


def _major(arms: list[Arm]) -> tuple[int, ...]:
    """Positions of the two roads that go on straight through; where two pairs do, the main street's."""
    pairs = [
        (i, j)
        for i in range(len(arms))
        for j in range(i + 1, len(arms))
        if abs(_turn(arms[i], arms[j])) < math.pi / 4
    ]
    return max(pairs, key=lambda pair: arms[pair[0]].edge.is_main)


def _links(arms: list[Arm], next_id: int) -> Iterator[Link]:
    """Lanes through the junction: straight on lane by lane, right from and to the outer lane, left from and to the inner."""
    for start in arms:
        for end in arms:
            if start is end:
                continue
            turn = _turn(start, end)
            n_start, n_end = start.edge.lanes, end.edge.lanes
            if abs(turn) < math.pi / 4:
                pairs = [(k, k) for k in range(min(n_start, n_end))]
            elif turn > 0:
                pairs = [(0, 0)]
            else:
                pairs = [(n_start - 1, n_end - 1)]
            for k_start, k_end in pairs:
                x, y, yaw = start.lane_pose(k_start, inwards=True)
                gx, gy, _ = end.lane_pose(k_end, inwards=False)
                yield Link(
                    next_id,
                    start,
                    end,
                    k_start,
                    k_end,
                    Cubic((x, y, yaw), (gx, gy, yaw + turn)),
                    turn,
                )
                next_id += 1
