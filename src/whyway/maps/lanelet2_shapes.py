"""The lines of lanelets: borders opposite each other, centre lines that meet, the two halves of roads for both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whyway.geometry import points_in_polygon
from whyway.maps.lanelet2_lanes import Joint, Lanelet
from whyway.maps.lanes import arc_length
from whyway.maps.xmlfile import SceneError
from whyway.types import Floats, LaneKind

_MAX_LENGTH_M, _MAX_WIDTH_M = 50_000.0, 200.0
_SECTION_M, _MAX_SECTIONS = 1.0, 1000
_MERGED_M = 0.05
"""Corners of the two borders that are nearer than this (along the lane) share a cross-section."""
_BLEND_M = 10.0
"""Where lanes with and without a centre line of their own meet, the one without moves over on this stretch."""
_STICK_OUT_M = 0.1
_TWO_LANES_M = 4.5
"""A road for both directions narrower than this has one lane."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The three lines (2, n) of a lane, and the height of its middle; `halved` if it is one half of its lanelet."""

    left: Floats
    right: Floats
    center: Floats
    z_m: Floats
    halved: bool


def keeps_left(lanelets: Sequence[Lanelet]) -> bool:
    """Whether traffic keeps to the left: no tag says so, but oncoming lanes then share their right borders."""
    driving = [one for one in lanelets if one.kind == LaneKind.DRIVING and not one.two_way]
    left = {(one.left.way.id, one.left.reversed) for one in driving}
    right = {(one.right.way.id, one.right.reversed) for one in driving}
    oncoming_left = sum((way, not turned) in left for way, turned in left)
    return sum((way, not turned) in right for way, turned in right) > oncoming_left


def shapes(lanelets: Sequence[Lanelet]) -> list[Shape]:
    """The lines of every lane. Lanes that follow each other meet in one point of their centre lines.

    A centre line the file gives is used where it lies inside its lanelet, and goes on at its place between the borders to
    both ends; others are the middle between the borders, points at the same share of either border's length opposite each other.
    A wide lanelet for both directions is two lanes, each on its own half; on a narrow one they lie on each other.

    Raises:
      SceneError: a lane without length, wider than a road, or left by its centre line.
    """
    on_left = keeps_left(lanelets)
    cuts = [_sections(lanelet) for lanelet in lanelets]
    shares = [
        _share(lanelet, left, right, on_left)
        for lanelet, (left, right) in zip(lanelets, cuts, strict=True)
    ]
    # where several lanes meet: the mean of those that have a centre line of their own
    wishes: dict[Joint, list[float]] = {}
    for lanelet, share in zip(lanelets, shares, strict=True):
        if share is not None:
            wishes.setdefault(lanelet.entry, []).append(float(share[0]))
            wishes.setdefault(lanelet.exit, []).append(float(share[-1]))
    joints = {joint: float(np.mean(values)) for joint, values in wishes.items()}
    return [
        _shape(lanelet, left, right, share, joints, on_left)
        for lanelet, (left, right), share in zip(lanelets, cuts, shares, strict=True)
    ]


def _sections(lanelet: Lanelet) -> tuple[Floats, Floats]:
    """Points of both borders (3, n), opposite each other."""
    left, right = lanelet.left.xyz, lanelet.right.xyz
    sl, sr = arc_length(left[0], left[1]), arc_length(right[0], right[1])
    length = float(max(sl[-1], sr[-1]))
    if not 1e-2 < length < _MAX_LENGTH_M:
        raise SceneError(f"lanelet {lanelet.relation_id} is {length:.4g} m long")
    u = np.unique(np.concatenate([sl / max(sl[-1], 1e-9), sr / max(sr[-1], 1e-9)]))
    if lanelet.center is not None:
        n = min(round(length / _SECTION_M), _MAX_SECTIONS)
        u = np.unique(np.concatenate([u, np.linspace(0.0, 1.0, max(n, 4) + 1)]))
    # np.unique leaves what differs in the last digit: no lane needs points that close
    kept = [0.0]
    for value in u.tolist():
        if (value - kept[-1]) * length > _MERGED_M:
            kept.append(value)
    kept[-1 if len(kept) > 1 and (1.0 - kept[-1]) * length <= _MERGED_M else len(kept) :] = [1.0]
    at = np.array(kept)
    left = np.stack([np.interp(at * sl[-1], sl, v) for v in left])
    right = np.stack([np.interp(at * sr[-1], sr, v) for v in right])
    width = float(np.hypot(*(left - right)[:2]).max())
    if not 1e-2 < width < _MAX_WIDTH_M:
        raise SceneError(f"lanelet {lanelet.relation_id} is {width:.4g} m wide")
    return left, right


def _share(lanelet: Lanelet, left: Floats, right: Floats, on_left: bool) -> Floats | None:
    """(n,) where a centre line passes between the borders, 0 on the left one, 1 on the right one; None: in the middle."""
    if _halved(lanelet, left, right):
        return np.full(left.shape[1], 0.25 if on_left else 0.75)
    if lanelet.center is None:
        return None
    x, y = lanelet.center.x_m, lanelet.center.y_m
    _check_inside(lanelet, x, y, left, right)
    # every section against every piece of the line: left + a * (right - left) = start + b * (end - start)
    ax, ay = (right - left)[:2, :, None]
    bx, by = np.diff(x), np.diff(y)
    dx, dy = x[:-1] - left[0][:, None], y[:-1] - left[1][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = ax * by - ay * bx
        a, b = (dx * by - dy * bx) / cross, (dx * ay - dy * ax) / cross
    met = (a >= 0.0) & (a <= 1.0) & (b >= 0.0) & (b <= 1.0)
    rows = np.flatnonzero(met.any(axis=1))
    if len(rows) == 0:
        raise SceneError(f"the centerline {lanelet.center.id} of lanelet {lanelet.relation_id} does not run along it")  # fmt: skip
    share = a[rows, met[rows].argmax(axis=1)]
    result: Floats = np.interp(np.arange(left.shape[1]), rows, share)
    return result


def _halved(lanelet: Lanelet, left: Floats, right: Floats) -> bool:
    """Whether a lanelet for both directions is wide enough for a lane each."""
    width = float(np.hypot(*(left - right)[:2]).min())
    return lanelet.two_way and lanelet.kind == LaneKind.DRIVING and width >= _TWO_LANES_M


def _check_inside(lanelet: Lanelet, x: Floats, y: Floats, left: Floats, right: Floats) -> None:
    """Only its first and last point may lie outside: Autoware's test maps for vm-01-10 to 12, and its validator's
    `mapping.lane.centerline_geometry` (which asks it of the ends, too).
    """
    assert lanelet.center is not None
    outline_x = np.concatenate([left[0], right[0][::-1]])
    outline_y = np.concatenate([left[1], right[1][::-1]])
    inner = slice(1, len(x) - 1)
    out = ~points_in_polygon(x[inner], y[inner], outline_x, outline_y)
    for k in np.flatnonzero(out).tolist():
        away = _distance(float(x[k + 1]), float(y[k + 1]), outline_x, outline_y)
        if away > _STICK_OUT_M:
            raise SceneError(
                f"the centerline {lanelet.center.id} of lanelet {lanelet.relation_id} leaves the lanelet by {away:.2f} m at its "
                f"point {lanelet.center.node_ids[k + 1]}; only its first and last point may stick out"
            )


def _distance(x: float, y: float, outline_x: Floats, outline_y: Floats) -> float:
    ex, ey = np.roll(outline_x, -1) - outline_x, np.roll(outline_y, -1) - outline_y
    rx, ry = x - outline_x, y - outline_y
    u = np.clip((rx * ex + ry * ey) / np.maximum(ex * ex + ey * ey, 1e-12), 0.0, 1.0)
    return float(np.hypot(rx - u * ex, ry - u * ey).min())


def _shape(
    lanelet: Lanelet,
    left: Floats,
    right: Floats,
    share: Floats | None,
    joints: dict[Joint, float],
    on_left: bool,
) -> Shape:
    middle = 0.5
    at_start = joints.get(lanelet.entry, middle)
    at_end = joints.get(lanelet.exit, middle)
    if share is None and (at_start, at_end) != (middle, middle):
        # a lane of two points has none in between that could move back to the middle
        left, right = _finer(left), _finer(right)
    center = (left + right) / 2
    s = arc_length(center[0], center[1])
    length = float(s[-1])
    if not 1e-3 < length < _MAX_LENGTH_M:
        raise SceneError(f"lanelet {lanelet.relation_id} is {length:.4g} m long")
    base = np.full(len(s), middle) if share is None else share
    blend = min(_BLEND_M, length)
    base = base + (at_start - base[0]) * np.maximum(1.0 - s / blend, 0.0)
    base = base + (at_end - base[-1]) * np.maximum(1.0 - (length - s) / blend, 0.0)
    center = left + np.clip(base, 0.0, 1.0) * (right - left)
    halved = _halved(lanelet, left, right)
    if halved:
        middle_line = (left + right) / 2
        left, right = (left, middle_line) if on_left else (middle_line, right)
    return Shape(left[:2], right[:2], center[:2], center[2], halved)


def _finer(points: Floats) -> Floats:
    """(3, m) the same line with points in between, as many for lines of as many points."""
    n = points.shape[1]
    at = np.linspace(0.0, n - 1.0, (n - 1) * 8 + 1)
    return np.stack([np.interp(at, np.arange(n), v) for v in points])
