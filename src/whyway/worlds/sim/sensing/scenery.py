"""A map as flat painted triangles in layers, in tiles so that a look costs what is near and not what the map holds.

Everything lies in the plane z = 0. A later layer covers an earlier one, as paint does: lanes beside the road, the road, lines, crossings, stop
lines. What no triangle covers is terrain.

Shapes of arrays: F faces, T tiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whyway.types import Floats, InputError, Ints, Lane, LaneKind, LaneMap, MarkingKind
from whyway.worlds.sim.sensing.labels import Label
from whyway.worlds.sim.sensing.things import Roadside, roadside

LAYERS = 5
BESIDE, ROAD, LINES, CROSSINGS, STOP_LINES = range(LAYERS)
TERRAIN_RGB = (96, 122, 70)

LINE_WIDTH_M, STOP_LINE_WIDTH_M = 0.14, 0.4
DASH_M, DASH_EVERY_M = 3.0, 9.0
BAR_M, BAR_EVERY_M = 0.5, 1.0
"""A crossing's bars: how wide, and from one to the next."""
_EDGE_GAP_M = 0.1
"""Between the end of the asphalt and a line on it."""

_TILE_M = 32.0
_MOST_TILES = 250_000
_SAGITTA_M = 0.02
"""How far a straight piece may be off the curve it stands for."""
_PIECE_M = 20.0

_ASPHALT_RGB, _PAINT_RGB = (84, 86, 90), (226, 226, 220)
_LANE_LOOKS: dict[LaneKind, tuple[int, Label, tuple[int, int, int]]] = {
    LaneKind.DRIVING: (ROAD, Label.ROAD, _ASPHALT_RGB),
    LaneKind.BIKE: (BESIDE, Label.ROAD, (126, 78, 70)),
    LaneKind.SIDEWALK: (BESIDE, Label.SIDEWALK, (158, 154, 148)),
    LaneKind.SHOULDER: (BESIDE, Label.ROAD, (98, 99, 102)),
    LaneKind.PARKING: (BESIDE, Label.ROAD, (104, 104, 110)),
    LaneKind.CROSSWALK: (BESIDE, Label.SIDEWALK, (158, 154, 148)),
    LaneKind.OTHER: (BESIDE, Label.GROUND, (120, 118, 108)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """What never moves, ready to be drawn.

    Attributes:
      corners_m: triangles (F, 3, 2) in `map`, ordered by layer, then tile.
      label: (F,).
      rgb: (F, 3).
      first: (LAYERS * T + 1,): the faces of layer l in tile t are first[l * T + t] up to first[l * T + t + 1].
      tile_m: edge of a tile; tiles are counted along x first.
      grid: x and y of the first tile's corner, then how many tiles along x and y.
      radius_m: (T,) round a tile's middle, that holds all of its faces' corners.
      roadside: traffic lights and signs.
    """

    corners_m: Floats
    label: NDArray[np.uint8]
    rgb: NDArray[np.uint8]
    first: Ints
    tile_m: float
    grid: tuple[float, float, int, int]
    radius_m: Floats
    roadside: Roadside


def make_scenery(lane_map: LaneMap) -> Scenery:
    """The scenery of a map.

    Raises:
      InputError: coordinates that are not finite.
    """
    parts = [
        *_lane_parts(lane_map),
        *_crossing_parts(lane_map),
        *_stop_line_parts(lane_map),
    ]
    layer = np.concatenate([np.zeros(0, np.int64), *(np.full(len(p[0]), p[1]) for p in parts)])
    corners = np.concatenate([np.zeros((0, 3, 2)), *(p[0] for p in parts)])
    label = np.concatenate(
        [np.zeros(0, np.uint8), *(np.full(len(p[0]), p[2], np.uint8) for p in parts)]
    )
    rgb = np.concatenate(
        [
            np.zeros((0, 3), np.uint8),
            *(np.tile(np.array(p[3], np.uint8), (len(p[0]), 1)) for p in parts),
        ]
    )
    if not np.isfinite(corners).all():
        raise InputError(f"map {lane_map.name!r}: has coordinates that are not finite")
    grid, tile_m, tile = _tiles(corners)
    tiles = grid[2] * grid[3]
    order = np.argsort(layer * tiles + tile, kind="stable")
    key = (layer * tiles + tile)[order]
    first = np.searchsorted(key, np.arange(LAYERS * tiles + 1))
    middle_x = grid[0] + (tile % grid[2] + 0.5) * tile_m
    middle_y = grid[1] + (tile // grid[2] + 0.5) * tile_m
    away = np.hypot(corners[..., 0] - middle_x[:, None], corners[..., 1] - middle_y[:, None])
    radius = np.zeros(tiles)
    np.maximum.at(radius, tile, away.max(axis=1, initial=0.0))
    return Scenery(
        np.ascontiguousarray(corners[order]), label[order], np.ascontiguousarray(rgb[order]),
        first.astype(np.int64), tile_m, grid, radius, roadside(lane_map),
    )  # fmt: skip


def _tiles(corners: Floats) -> tuple[tuple[float, float, int, int], float, Ints]:
    if len(corners) == 0:
        return (0.0, 0.0, 1, 1), _TILE_M, np.zeros(0, dtype=np.int64)
    middle = corners.mean(axis=1)
    low, high = middle.min(axis=0), middle.max(axis=0)
    span_x, span_y = (high - low).tolist()
    tile_m = max(_TILE_M, math.sqrt(max(span_x, _TILE_M) * max(span_y, _TILE_M) / _MOST_TILES))
    nx, ny = int(span_x / tile_m) + 1, int(span_y / tile_m) + 1
    ix, iy = ((middle - low) / tile_m).astype(np.int64).T
    tile: Ints = np.minimum(iy, ny - 1) * nx + np.minimum(ix, nx - 1)
    return (float(low[0]), float(low[1]), nx, ny), tile_m, tile


_Part = tuple[Floats, int, int, tuple[int, int, int]]
"""Triangles (k, 3, 2), layer, label, colour."""


# ----------------------------------------------------------------------------------------------------------- lanes


def _lane_parts(lane_map: LaneMap) -> Iterator[_Part]:
    for lane in lane_map.lanes:
        if len(lane.left_x_m) < 2 or len(lane.left_x_m) != len(lane.right_x_m):
            continue
        left = np.stack([lane.left_x_m, lane.left_y_m], axis=1)
        right = np.stack([lane.right_x_m, lane.right_y_m], axis=1)
        keep = _corners_kept(left, right)
        layer, label, rgb = _LANE_LOOKS[lane.kind]
        yield _strip(*_widened(left[keep], right[keep])), layer, label, rgb
        for line, kind, shift in _borders(lane, left, right):
            if kind == MarkingKind.SOLID:
                yield _ribbon(line[keep], LINE_WIDTH_M, shift), LINES, Label.ROAD_LINE, _PAINT_RGB
            elif kind == MarkingKind.DASHED:
                yield _dashes(line, shift), LINES, Label.ROAD_LINE, _PAINT_RGB


def _borders(
    lane: Lane, left: Floats, right: Floats
) -> Iterator[tuple[Floats, MarkingKind, float]]:
    """The lines a lane is to paint, and how far to the left.

    What it shares with a neighbour is one line, which one of the two paints; shoulders and the like leave theirs to the road.
    """
    if lane.kind not in (LaneKind.DRIVING, LaneKind.BIKE):
        return
    edge = _EDGE_GAP_M + LINE_WIDTH_M / 2
    if lane.opposite_id == 0 or lane.id < lane.opposite_id:
        shared = lane.left_id or lane.opposite_id
        yield left, lane.left_marking, 0.0 if shared else -edge
    if lane.right_id == 0:
        yield right, lane.right_marking, edge


def _corners_kept(left: Floats, right: Floats) -> Ints:
    """Which points two borders need, so that straight pieces between them stay within `_SAGITTA_M`."""
    steps, turns = [], []
    for line in (left, right):
        d = np.diff(line, axis=0)
        steps.append(np.hypot(d[:, 0], d[:, 1]))
        yaw = np.unwrap(np.arctan2(d[:, 1], d[:, 0]))
        turns.append(np.abs(np.diff(yaw, append=yaw[-1:])))
    step, turn = np.maximum(*steps).tolist(), np.maximum(*turns).tolist()
    kept, run, bend = [0], 0.0, 0.0
    for i in range(len(step)):
        # a chord over an arc of this length and turn is off by length * turn / 8
        if run > 0.0 and ((run + step[i]) * bend / 8 > _SAGITTA_M or run + step[i] > _PIECE_M):
            kept.append(i)
            run, bend = 0.0, 0.0
        run, bend = run + step[i], bend + turn[i]
    return np.array([*kept, len(step)], dtype=np.int64)


def _widened(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Both borders a little outwards: neighbours that were cut differently then leave no crack between them."""
    across = left - right
    across *= 1.5 * _SAGITTA_M / np.maximum(np.hypot(across[:, 0], across[:, 1]), 1e-9)[:, None]
    return left + across, right - across


def _strip(left: Floats, right: Floats) -> Floats:
    """Triangles (k, 3, 2) between two lines of as many points."""
    a, b, c, d = left[:-1], right[:-1], right[1:], left[1:]
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


def _ribbon(line: Floats, width_m: float, shift_m: float) -> Floats:
    """A line of some width, moved to its left."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return _strip(line + (shift_m + width_m / 2) * aside, line + (shift_m - width_m / 2) * aside)


def _dashes(line: Floats, shift_m: float) -> Floats:
    d = np.diff(line, axis=0)
    s = np.concatenate([[0.0], np.cumsum(np.hypot(d[:, 0], d[:, 1]))])
    start = np.arange((DASH_EVERY_M - DASH_M) / 2, s[-1] - DASH_M, DASH_EVERY_M)
    begin, end = (
        np.stack([np.interp(at, s, line[:, k]) for k in (0, 1)], axis=1)
        for at in (start, start + DASH_M)
    )
    return _bars(begin, end, LINE_WIDTH_M, shift_m)


def _bars(start: Floats, end: Floats, width_m: float, shift_m: float = 0.0) -> Floats:
    """Straight lines from points `(k, 2)` to points `(k, 2)`."""
    along = end - start
    along = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    aside = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left, right = (shift_m + width_m / 2) * aside, (shift_m - width_m / 2) * aside
    a, b, c, d = start + left, start + right, end + right, end + left
    return np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])


# ------------------------------------------------------------------------------------------- crossings and stop lines


def _crossing_parts(lane_map: LaneMap) -> Iterator[_Part]:
    """Bars along the traffic, in the rectangle round the polygon along its longest edge."""
    for crossing in lane_map.crossings:
        points = np.stack([crossing.x_m, crossing.y_m], axis=1)
        if len(points) < 3:
            continue
        edges = np.roll(points, -1, axis=0) - points
        length = np.hypot(edges[:, 0], edges[:, 1])
        longest = int(np.argmax(length))
        if not length[longest] > 0.0:
            continue
        walk = edges[longest] / length[longest]
        aside = np.array([-walk[1], walk[0]])
        (s0, d0), (s1, d1) = (
            reach(points @ np.stack([walk, aside], axis=1), axis=0) for reach in (np.min, np.max)
        )
        count = int(min((s1 - s0 - BAR_M) / BAR_EVERY_M, 200.0)) + 1
        first = (s0 + s1 - (count - 1) * BAR_EVERY_M) / 2
        at = (first + BAR_EVERY_M * np.arange(count))[:, None] * walk
        bars = _bars(at + d0 * aside, at + d1 * aside, BAR_M)
        yield bars, CROSSINGS, Label.ROAD_LINE, (232, 232, 228)


def _stop_line_parts(lane_map: LaneMap) -> Iterator[_Part]:
    for line in lane_map.stop_lines:
        points = np.stack([line.x_m, line.y_m], axis=1)
        if len(points) >= 2:
            bars = _bars(points[:-1], points[1:], STOP_LINE_WIDTH_M)
            yield bars, STOP_LINES, Label.ROAD_LINE, _PAINT_RGB
