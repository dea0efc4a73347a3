"""A road where nobody has a map: the driven way as a lane, with a lane on either side, as `LaneMap` and `Route`.

It is what a map would have told of the ego's own lane, had it kept to the middle; that there are lanes beside it is an assumption.
Speed limits are the speeds driven near by, rounded up to 10 km/h. Lanes follow each other every `PIECE_M`, so that a way that comes
back to where it was has a place in the route for every time. At its end the road goes on straight for as far as a plan may reach.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from whyway.maps.grid import Bools
from whyway.maps.lanes import arc_length
from whyway.types import Floats, InputError, Ints, Lane, LaneKind, LaneMap, MarkingKind, Route

WIDTH_M = 3.5
PIECE_M = 60.0
SPACING_M = 1.0
SMOOTHING_S, SMOOTHING_LOW_M, SMOOTHING_HIGH_M = 0.3, 1.0, 4.0
"""Standard deviation of the Gaussian along the way, in time at the mean speed, and its limits: wheels weave in a lane, and fixes jump.

It moves an arc of radius R inwards by sigma^2 / (2 R): 0.25 m where a robot turns on two metres, as little where a car leaves a motorway.
"""
STEP_M = 0.5
"""Who has moved less than this may as well have stood: noise at standstill is no way."""
SHORTEST_M = 5.0
AHEAD_S, AHEAD_M = 10.0, 50.0
BEHIND_M = 20.0
NEAR_M = 60.0
"""Driven speeds count so far before and behind a lane."""
LIMIT_STEP_MPS = 10 / 3.6
_FOLD = 0.8
"""Of a curve's radius, this share may lie between its line and one beside it: nearer to its centre, lines fold over.

The driven lane itself keeps its width also where a robot turns on the spot: narrower, every step aside would be a change of lanes."""


def driven_road(
    x_m: Floats, y_m: Floats, v_mps: Floats, name: str, width_m: float = WIDTH_M
) -> tuple[LaneMap, Route]:
    """The road along a driven way.

    Args:
      x_m: `base_link`, `(n,)`, in the order it was driven; so are the others.
      y_m: see there.
      v_mps: its speed.
      name: of the map.
      width_m: of every lane.

    Raises:
      InputError: the way is shorter than 5 m: nobody drove.
    """
    keep = _moving(x_m, y_m)
    if len(keep) < 2 or float(arc_length(x_m[keep], y_m[keep])[-1]) < SHORTEST_M:
        raise InputError(
            f"the recorded way is shorter than {SHORTEST_M:g} m: there is no road along it; give a map with --map"
        )
    speed = np.abs(v_mps[keep])
    sigma_m = float(np.clip(SMOOTHING_S * speed.mean(), SMOOTHING_LOW_M, SMOOTHING_HIGH_M))
    x, y, v = _even(*_with_ends(x_m[keep], y_m[keep], speed), sigma_m)
    nx, ny, beside = _sides(x, y, width_m)
    count = max(1, round((len(x) - 1) * SPACING_M / PIECE_M))
    cuts = np.linspace(0, len(x) - 1, count + 1).round().astype(int)
    lanes: list[Lane] = []
    for k in range(count):
        part = slice(cuts[k], cuts[k + 1] + 1)
        three = bool(beside[part].all())
        near = slice(
            max(0, cuts[k] - int(NEAR_M / SPACING_M)), cuts[k + 1] + int(NEAR_M / SPACING_M)
        )
        limit = max(1.0, math.ceil(float(v[near].max()) / LIMIT_STEP_MPS - 1e-6)) * LIMIT_STEP_MPS
        line = (x[part], y[part], nx[part], ny[part])
        for side in (1, 0, -1) if three else (0,):
            lanes.append(_lane(k, count, side, three, line, width_m, limit))
    lanes = _linked(lanes)
    ids = np.array([lane.id for lane in lanes if lane.id % 10 == 2], dtype=np.int64)
    return LaneMap(0, name, tuple(lanes)), Route(0, ids, float(x[-1]), float(y[-1]))


def _moving(x: Floats, y: Floats) -> Ints:
    """Indices of points at least `STEP_M` from the one kept before."""
    kept = [0]
    for i in range(1, len(x)):
        if math.hypot(x[i] - x[kept[-1]], y[i] - y[kept[-1]]) >= STEP_M:
            kept.append(i)
    return np.array(kept)


def _with_ends(x: Floats, y: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
    """The way with straight ends: some metres behind its start, and as far ahead as a plan may reach."""
    m = min(4, len(x) - 1)
    first = math.atan2(y[m] - y[0], x[m] - x[0])
    last = math.atan2(y[-1] - y[-1 - m], x[-1] - x[-1 - m])
    ahead = AHEAD_M + AHEAD_S * float(v[-20:].max())
    back, on = np.arange(BEHIND_M, 0.0, -SPACING_M), np.arange(SPACING_M, ahead, SPACING_M)
    return (
        np.concatenate([x[0] - back * math.cos(first), x, x[-1] + on * math.cos(last)]),
        np.concatenate([y[0] - back * math.sin(first), y, y[-1] + on * math.sin(last)]),
        np.concatenate([np.full(len(back), v[0]), v, np.full(len(on), v[-1])]),
    )


def _even(x: Floats, y: Floats, v: Floats, sigma_m: float) -> tuple[Floats, Floats, Floats]:
    """Points every `SPACING_M`, smoothed."""
    s = arc_length(x, y)
    at = np.arange(0.0, float(s[-1]), SPACING_M)
    radius = min(round(3 * sigma_m / SPACING_M), len(at) - 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) * SPACING_M / sigma_m) ** 2)
    kernel /= kernel.sum()
    lines = []
    for c in (np.interp(at, s, x), np.interp(at, s, y)):
        # continued by point reflection, under which the ends stay where they are
        long = np.concatenate([2 * c[0] - c[radius:0:-1], c, 2 * c[-1] - c[-2 : -radius - 2 : -1]])
        lines.append(np.convolve(long, kernel, mode="valid"))
    return lines[0], lines[1], np.interp(at, s, v)


def _sides(x: Floats, y: Floats, width_m: float) -> tuple[Floats, Floats, Bools]:
    """The normals to the left, and where lanes beside this one do not fold over."""
    dx, dy = np.gradient(x), np.gradient(y)
    size = np.maximum(np.hypot(dx, dy), 1e-9)
    yaw = np.unwrap(np.arctan2(dy, dx))
    curvature = np.abs(np.gradient(yaw)) / size
    return -dy / size, dx / size, 1.5 * width_m * curvature < _FOLD


def _lane(
    k: int, count: int, side: int, three: bool, line: tuple[Floats, Floats, Floats, Floats], width_m: float,
    limit_mps: float,
) -> Lane:  # fmt: skip
    """Lane `10 (k + 1) + 2 - side`: 1 is to the left, 2 the driven one, 3 to the right."""
    x, y, nx, ny = line
    middle, half = side * width_m, width_m / 2
    inner, dashed, solid = three and side == 0, MarkingKind.DASHED, MarkingKind.SOLID
    me = 10 * (k + 1) + 2 - side
    return Lane(
        id=me,
        kind=LaneKind.DRIVING,
        speed_limit_mps=limit_mps,
        in_junction=False,
        left_id=me - 1 if three and side < 1 else 0,
        right_id=me + 1 if three and side > -1 else 0,
        opposite_id=0,
        left_marking=dashed if inner or side == -1 else solid,
        right_marking=dashed if inner or side == 1 else solid,
        successor_ids=np.array([me + 10] if k + 1 < count else [], dtype=np.int64),
        predecessor_ids=np.array([me - 10] if k else [], dtype=np.int64),
        center_x_m=x + middle * nx,
        center_y_m=y + middle * ny,
        left_x_m=x + (middle + half) * nx,
        left_y_m=y + (middle + half) * ny,
        right_x_m=x + (middle - half) * nx,
        right_y_m=y + (middle - half) * ny,
    )


def _linked(lanes: list[Lane]) -> list[Lane]:
    """Links to lanes that are not there (beside a tight curve) are left out."""
    there = {lane.id for lane in lanes}
    return [
        dataclasses.replace(
            lane,
            successor_ids=np.array(
                [i for i in lane.successor_ids.tolist() if i in there], dtype=np.int64
            ),
            predecessor_ids=np.array(
                [i for i in lane.predecessor_ids.tolist() if i in there], dtype=np.int64
            ),
        )
        for lane in lanes
    ]
