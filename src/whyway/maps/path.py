"""`LanePath`: some lanes, one after the other, as a single line with what lies along it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from whyway.geometry import Polyline, points_in_polygon
from whyway.maps.lanes import RoadLane, arc_length, even, smoothed
from whyway.types import Crossing, Direction, Floats, StopLine

LANE_CHANGE_M = 50.0
"""Length over which a joined line moves to a neighbour lane."""

TURN_RAD = 0.35
"""A junction lane that changes the heading by more than this (20 degrees) is a turn."""

_Points: TypeAlias = tuple[Floats, Floats, Floats]
"""x, y and half width at the points of a stretch."""


@dataclass(frozen=True, eq=False)
class LanePath:
    """Lanes in a row as one smooth line; `s_m` is arc length from the start of the first lane.

    `stop_lines` and `crossings` are sorted by where they begin; `junctions` are stretches inside junctions.
    """

    lane_ids: tuple[int, ...]
    center: Polyline
    lane_start_s: Floats
    """(lanes,) where each lane begins."""
    half_width_m: Floats
    """At the points of `center`."""
    lane_limit_mps: Floats
    lane_turn_rad: Floats
    lane_in_junction: tuple[bool, ...]
    stop_lines: tuple[tuple[float, StopLine], ...]
    crossings: tuple[tuple[float, float, Crossing], ...]
    junctions: tuple[tuple[float, float], ...]

    @property
    def length_m(self) -> float:
        """Arc length of the whole path."""
        return self.center.length_m

    def index_at(self, s_m: Any) -> Any:
        """Position in `lane_ids` of the lane at `s_m` `(...)`; beyond the ends, the first or last."""
        return np.maximum(np.searchsorted(self.lane_start_s, s_m, side="right") - 1, 0)

    def lane_at(self, s_m: float) -> int:
        """The lane at `s_m`."""
        return self.lane_ids[int(self.index_at(s_m))]

    def limit_at(self, s_m: Any) -> Floats:
        """Speed limit [m/s] at arc lengths `(...)`."""
        return np.asarray(self.lane_limit_mps[self.index_at(s_m)])

    def half_width_at(self, s_m: Any) -> Floats:
        """Distance from the centre line to either border at arc lengths `(...)`."""
        return np.asarray(np.interp(s_m, self.center.s_m, self.half_width_m))

    def in_junction_at(self, s_m: float) -> bool:
        """Whether the lane at `s_m` lies in a junction."""
        return self.lane_in_junction[int(self.index_at(s_m))]

    def turn_at(self, s_m: float) -> Direction:
        """Which way the junction lane at `s_m` turns; NONE outside junctions and where it goes straight on."""
        i = int(self.index_at(s_m))
        if not self.lane_in_junction[i] or abs(self.lane_turn_rad[i]) < TURN_RAD:
            return Direction.NONE
        return Direction.LEFT if self.lane_turn_rad[i] > 0 else Direction.RIGHT

    def next_turn(self, s_m: float) -> tuple[Direction, float] | None:
        """The first turn at or after `s_m` and where its lane begins."""
        for i in range(int(self.index_at(s_m)), len(self.lane_ids)):
            direction = self.turn_at(float(self.lane_start_s[i]))
            if direction is not Direction.NONE:
                return direction, float(self.lane_start_s[i])
        return None


def join(
    lane_ids: Sequence[int],
    lanes: Mapping[int, RoadLane],
    stop_lines: Mapping[int, Sequence[StopLine]],
    crossings: Mapping[int, Sequence[Crossing]],
    goal_m: float = math.inf,
) -> LanePath:
    """The path along lanes, each a successor or a neighbour of the one before; neighbours are joined by a smooth change.

    A change lies in the middle of the stretch where the lanes run side by side.

    Args:
      lane_ids: at least one.
      lanes: all lanes of the map.
      stop_lines: stop lines by the lanes they stand on.
      crossings: crossings by the lanes they cross.
      goal_m: how far along the last lane the goal is: a change to it is over by then.
    """
    parts: list[_Points] = []
    begins: list[
        tuple[int, float]
    ] = []  # for each lane the index of a point, and how far behind it the lane begins
    count = 0
    groups = _groups(lane_ids, lanes)
    for group in groups:
        until = goal_m if group is groups[-1] else math.inf
        first, change = _changes(lanes[group[0]].length_m, len(group) - 1, until)
        x, y, half = _across([lanes[i] for i in group], first, change)
        begin = count
        if parts and (left_out := _ahead(parts[-1], x, y)):
            x, y, half = x[left_out:], y[left_out:], half[left_out:]
            begin = count - 1  # where the lane before ends, this one begins
        begins += [(begin, first + (k - 0.5) * change if k else 0.0) for k in range(len(group))]
        if len(x):
            parts.append((x, y, half))
            count += len(x)
    raw_x, raw_y, raw_half = (np.concatenate(p) for p in zip(*parts, strict=True))
    raw_s = arc_length(raw_x, raw_y)
    x, y, at = even(raw_x, raw_y)
    x, y = smoothed(x, y)
    center = Polyline.through(x, y)
    along = np.interp(raw_s, at, arc_length(x, y))  # rounding kinks shortens the line a little
    lane_start = np.array([along[min(i, count - 1)] + behind for i, behind in begins])
    spans = list(zip(lane_start.tolist(), [*lane_start[1:].tolist(), center.length_m], strict=True))
    members = [lanes[i] for i in lane_ids]
    return LanePath(
        lane_ids=tuple(lane_ids),
        center=center,
        lane_start_s=lane_start,
        half_width_m=np.interp(center.s_m, along, raw_half),
        lane_limit_mps=np.array([m.lane.speed_limit_mps for m in members]),
        lane_turn_rad=np.array([m.turn_rad for m in members]),
        lane_in_junction=tuple(m.lane.in_junction for m in members),
        stop_lines=_stop_lines(lane_ids, spans, center, stop_lines),
        crossings=_crossings(lane_ids, spans, center, crossings),
        junctions=_junctions(members, spans),
    )


def project_near(
    center: Polyline, x_m: Any, y_m: Any, low_s: float, high_s: float
) -> tuple[Floats, Floats]:
    """`s_m`, `d_m` of points `(...)` on the part of a line between two arc lengths: right where the line crosses itself."""
    last = len(center.s_m) - 1
    i = min(max(0, int(np.searchsorted(center.s_m, low_s)) - 1), last - 1)
    j = max(min(last, int(np.searchsorted(center.s_m, high_s))), i + 1) + 1
    s0 = center.s_m[i]
    part = Polyline(
        center.x_m[i:j],
        center.y_m[i:j],
        center.s_m[i:j] - s0,
        center.yaw_rad[i:j],
        center.curvature_1pm[i:j],
    )
    s, d = part.project(x_m, y_m)
    return s + s0, d


def _groups(lane_ids: Sequence[int], lanes: Mapping[int, RoadLane]) -> list[list[int]]:
    """Lanes in a row, neighbours between which the path changes taken together."""
    groups: list[list[int]] = []
    for lane_id in lane_ids:
        lane = lanes[lane_id].lane
        if groups and groups[-1][-1] in (lane.left_id, lane.right_id):
            groups[-1].append(lane_id)
        else:
            groups.append([lane_id])
    return groups


def _changes(length_m: float, count: int, goal_m: float) -> tuple[float, float]:
    """Where on neighbour lanes the first of some changes begins, and how long each is."""
    side_by_side = min(length_m, max(goal_m, 1.0))
    each = min(LANE_CHANGE_M, side_by_side / max(count, 1))
    return (side_by_side - count * each) / 2, each


def _across(group: list[RoadLane], first_m: float, change_m: float) -> _Points:
    """Points of one lane, or of the line that moves over from the first of some neighbours to the last."""
    start = group[0]
    if len(group) == 1:
        return start.lane.center_x_m, start.lane.center_y_m, start.raw_width_m / 2
    n = max(2, round(start.length_m) + 1)
    u = np.linspace(0.0, 1.0, n)
    s = u * start.length_m
    lines = [
        [
            np.interp(u * g.length_m, g.raw_s_m, v)
            for v in (g.lane.center_x_m, g.lane.center_y_m, g.raw_width_m / 2)
        ]
        for g in group
    ]
    x, y, half = lines[0]
    for k in range(1, len(group)):
        t = np.clip((s - first_m - (k - 1) * change_m) / change_m, 0.0, 1.0)
        w = t**3 * (10 - 15 * t + 6 * t * t)  # least jerk from rest to rest
        x, y, half = (
            a + w * (b - c) for a, b, c in zip((x, y, half), lines[k], lines[k - 1], strict=True)
        )
    return x, y, half


def _ahead(before: _Points, x: Floats, y: Floats) -> int:
    """How many points of the next stretch to leave out because they do not lead on from the last one's end."""
    bx, by, _ = before
    ex, ey = bx[-1], by[-1]
    if len(bx) > 1:
        tx, ty = ex - bx[-2], ey - by[-2]
    else:
        tx, ty = x[-1] - ex, y[-1] - ey
    dx, dy = x - ex, y - ey
    on = (dx * tx + dy * ty > 0.0) & (dx * dx + dy * dy > 0.25)
    return int(on.argmax()) if on.any() else len(x)


_Spans: TypeAlias = Sequence[tuple[float, float]]


def _stop_lines(
    lane_ids: Sequence[int],
    spans: _Spans,
    center: Polyline,
    by_lane: Mapping[int, Sequence[StopLine]],
) -> tuple[tuple[float, StopLine], ...]:
    found: list[tuple[float, StopLine]] = []
    for lane_id, (start, end) in zip(lane_ids, spans, strict=True):
        for line in by_lane.get(lane_id, ()):
            x, y = float(line.x_m.mean()), float(line.y_m.mean())
            s = float(project_near(center, x, y, start - 10.0, end + 10.0)[0])
            # a line may stand on several lanes of a path: it is met once
            if not any(other.id == line.id and abs(at - s) < 20.0 for at, other in found):
                found.append((s, line))
    return tuple(sorted(found, key=lambda item: (item[0], item[1].id)))


def _crossings(
    lane_ids: Sequence[int],
    spans: _Spans,
    center: Polyline,
    by_lane: Mapping[int, Sequence[Crossing]],
) -> tuple[tuple[float, float, Crossing], ...]:
    found: list[tuple[float, float, Crossing]] = []
    for lane_id, (start, end) in zip(lane_ids, spans, strict=True):
        for crossing in by_lane.get(lane_id, ()):
            s = np.arange(max(0.0, start - 5.0), min(center.length_m, end + 5.0), 0.25)
            x, y, _, _ = center.at(s)
            inside = s[points_in_polygon(x, y, crossing.x_m, crossing.y_m)]
            known = any(
                c.id == crossing.id and abs(a - inside[:1]).min(initial=99.0) < 20.0
                for a, _, c in found
            )
            if len(inside) and not known:
                found.append((float(inside[0]), float(inside[-1]), crossing))
    return tuple(sorted(found, key=lambda item: (item[0], item[2].id)))


def _junctions(members: list[RoadLane], spans: _Spans) -> tuple[tuple[float, float], ...]:
    found: list[tuple[float, float]] = []
    for member, (start, end) in zip(members, spans, strict=True):
        if not member.lane.in_junction:
            continue
        if found and start - found[-1][1] < 0.5:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)
