"""Which lanes lie inside a junction: those that say so, and those whose ways cross. Lanelet2 itself knows no junctions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from whyway.maps.lanelet2_lanes import Joint, Lanelet
from whyway.maps.lanelet2_shapes import Shape
from whyway.maps.xmlfile import SceneError
from whyway.types import Floats, LaneKind

_TAGS = ("turn_direction", "intersection_area", "intersection")
"""Autoware puts `turn_direction` on every lanelet of a junction, straight ones too (vm-03-08)."""

_FROM_END_M = 1.0
_MIN_ANGLE_SIN = 0.2
_HEADROOM_M = 2.5
"""Ways further than this above each other do not meet: a bridge."""

_MAX_PAIRS_PER_LANE = 40
"""Ten times what the densest of the maps we know has; what more there is lies in heaps."""


def junction_lanes(lanelets: Sequence[Lanelet], lines: Sequence[Shape]) -> frozenset[int]:
    """Ids of the lanes inside a junction.

    A lane is inside if its tags say so; if its centre line crosses another driving lane's, away from the ends of both; or if
    it begins or ends together with such a lane and overlaps it: the right turn beside the way straight on.

    Raises:
      SceneError: so many lanes lie on each other that it would take for ever.
    """
    tagged = {one.id for one in lanelets if any(one.tags.get(t) for t in _TAGS)}
    driving = [i for i, one in enumerate(lanelets) if one.kind == LaneKind.DRIVING]
    crossing: set[int] = set()
    for i, j in _overlapping(lanelets, lines, driving):
        if not {i, j} <= crossing and _cross(lines[i], lines[j]):
            crossing |= {i, j}
    begin: dict[Joint, list[int]] = {}
    end: dict[Joint, list[int]] = {}
    for i in driving:
        begin.setdefault(lanelets[i].entry, []).append(i)
        end.setdefault(lanelets[i].exit, []).append(i)
    beside = {
        j
        for i in crossing
        for j in (*begin[lanelets[i].entry], *end[lanelets[i].exit])
        if lanelets[j].relation_id != lanelets[i].relation_id
    }
    return frozenset(tagged | {lanelets[i].id for i in crossing | beside})


def _overlapping(
    lanelets: Sequence[Lanelet], lines: Sequence[Shape], driving: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of driving lanes whose bounding boxes overlap and which do not meet anyhow, end to end or as two directions of one."""
    if not driving:
        return
    low = np.array([lines[i].center.min(axis=1) for i in driving])
    high = np.array([lines[i].center.max(axis=1) for i in driving])
    left = _MAX_PAIRS_PER_LANE * len(driving)
    for a, i in enumerate(driving):
        meets = ((low[a + 1 :] <= high[a]) & (high[a + 1 :] >= low[a])).all(axis=1)
        for b in (np.flatnonzero(meets) + a + 1).tolist():
            j = driving[b]
            one, other = lanelets[i], lanelets[j]
            if one.relation_id == other.relation_id or one.exit == other.entry or other.exit == one.entry:  # fmt: skip
                continue
            left -= 1
            if left < 0:
                raise SceneError(f"on average more than {_MAX_PAIRS_PER_LANE} lanelets lie on each one")  # fmt: skip
            yield i, j


def _cross(one: Shape, other: Shape) -> bool:
    """Whether two centre lines cross at an angle, at one height, away from the ends of both."""
    p, d, s_p, length_p = _pieces(one)
    q, e, s_q, length_q = _pieces(other)
    # p + a d = q + b e for every piece of one against every piece of the other
    rx, ry = q[0] - p[0][:, None], q[1] - p[1][:, None]
    cross = d[0][:, None] * e[1] - d[1][:, None] * e[0]
    size = np.hypot(*d)[:, None] * np.hypot(*e)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (rx * e[1] - ry * e[0]) / cross
        b = (rx * d[1][:, None] - ry * d[0][:, None]) / cross
    met = (a >= 0.0) & (a <= 1.0) & (b >= 0.0) & (b <= 1.0) & (np.abs(cross) > _MIN_ANGLE_SIN * size)  # fmt: skip
    for k, m in zip(*np.nonzero(met), strict=True):
        u, v = float(a[k, m]), float(b[k, m])
        at = s_p[k] + u * (s_p[k + 1] - s_p[k]), s_q[m] + v * (s_q[m + 1] - s_q[m])
        dz = (1 - u) * one.z_m[k] + u * one.z_m[k + 1] - (1 - v) * other.z_m[m] - v * other.z_m[m + 1]  # fmt: skip
        inner = all(
            _FROM_END_M < s < length - _FROM_END_M
            for s, length in zip(at, (length_p, length_q), strict=True)
        )
        if inner and abs(dz) < _HEADROOM_M:
            return True
    return False


def _pieces(shape: Shape) -> tuple[Floats, Floats, Floats, float]:
    """Starts (2, n - 1) and vectors of a centre line's pieces, its arc lengths (n,), its length."""
    d = np.diff(shape.center, axis=1)
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*d))])
    return shape.center[:, :-1], d, s, float(s[-1])
