"""A log -> arrays that the metrics read: the ego's and everyone's driven path, the lights, the road. From the log alone.

Of the log only `Truth`, `LaneMap` and `Route` are read here. T is the number of truths, A the number of actors ever seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whyway.evaluate.metrics.criticality import contact_interval
from whyway.evaluate.metrics.navsim import Collision, collision_kinds
from whyway.geometry import box_corners
from whyway.log import Log
from whyway.maps.path import project_near
from whyway.maps.road import Road
from whyway.types import (
    CYCLE_S,
    Floats,
    InputError,
    Ints,
    LaneMap,
    LightColor,
    ObjectClass,
    Route,
    Truth,
)

Bools = NDArray[np.bool_]

AGENTS = frozenset(ObjectClass) - {ObjectClass.UNKNOWN, ObjectClass.HAZARD}
"""Road users; the rest are things, which cost half as much to run into."""

_BLOCK = 256
"""Instants looked at together: an hour among hundreds must fit the memory."""
_WIDEST_M = 5.0
"""No two boxes touch whose centres are this much farther apart than half their lengths."""

SHORTEST_S = 1.0
"""A shorter drive has no window to judge."""


class ScoreError(InputError):
    """A log that cannot be judged; its text is one line that says what is missing."""


@dataclass(frozen=True, eq=False)
class Actors:
    """Everyone but the ego: box centres, speeds and sizes `(T, A)`, NaN where an actor is not there."""

    ids: Ints
    object_class: Ints
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    length_m: Floats
    width_m: Floats

    @property
    def is_agent(self) -> Bools:
        """Road users `(A,)`; the others are things."""
        return np.isin(self.object_class, [int(c) for c in AGENTS])

    def between(self, start: int, stop: int) -> Actors:
        """Those seen between two instants, at those instants only."""
        seen: Bools = np.asarray(~np.isnan(self.x_m[start:stop]).all(axis=0))
        return self.chosen(slice(start, stop), seen)

    def chosen(self, instants: slice, columns: Bools) -> Actors:
        """Some of them at some instants."""
        parts = (self.x_m, self.y_m, self.yaw_rad, self.v_mps, self.length_m, self.width_m)
        cut = (p[instants][:, columns] for p in parts)
        return Actors(self.ids[columns], self.object_class[columns], *cut)


@dataclass(frozen=True, eq=False)
class Drive:
    """What was driven: the ego's `base_link` `(T,)`, everyone else, the lights' colours `(T,)` by id, and the road."""

    stamps_ns: Ints
    dt_s: float
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats
    a_mps2: Floats
    yaw_rate_rps: Floats
    steer_rad: Floats
    length_m: float
    width_m: float
    center_offset_m: float
    actors: Actors
    lights: dict[int, Ints]
    road: Road
    origin_ns: int | None = None
    """From when on times count; the first instant if None."""
    near_m: float | None = None
    """Where along the route the first instant is to be looked for."""

    @property
    def count(self) -> int:
        """T."""
        return len(self.stamps_ns)

    @cached_property
    def t_s(self) -> Floats:
        """Time since the first instant, or since that of the drive this is a part of."""
        origin = self.stamps_ns[0] if self.origin_ns is None else self.origin_ns
        t: Floats = (self.stamps_ns - origin) * 1e-9
        return t

    @property
    def duration_s(self) -> float:
        """From the first instant to the last."""
        return float(self.stamps_ns[-1] - self.stamps_ns[0]) * 1e-9

    def index(self, at_s: float) -> int:
        """The first instant that is not before a time; the last one if all are."""
        return min(int(np.searchsorted(self.t_s, at_s - 1e-6)), self.count - 1)

    def part(self, start: int, stop: int) -> Drive:
        """The instants from `start` to before `stop` as a drive of its own, whose times go on counting."""
        cut = slice(start, stop)
        own = ("stamps_ns", "x_m", "y_m", "yaw_rad", "v_mps", "a_mps2", "yaw_rate_rps", "steer_rad")
        return replace(
            self,
            **{name: getattr(self, name)[cut] for name in own},
            actors=self.actors.between(start, stop),
            lights={i: colors[cut] for i, colors in self.lights.items()},
            origin_ns=int(self.stamps_ns[0]) if self.origin_ns is None else self.origin_ns,
            near_m=float(self.route_s_m[start]),
        )

    def ahead(self, distance_m: float) -> tuple[Floats, Floats]:
        """Points on the ego's axis, `distance_m` before `base_link`: x, y `(T,)`."""
        return (
            self.x_m + distance_m * np.cos(self.yaw_rad),
            self.y_m + distance_m * np.sin(self.yaw_rad),
        )

    @cached_property
    def center(self) -> tuple[Floats, Floats]:
        """The box's centre: x, y `(T,)`."""
        return self.ahead(self.center_offset_m)

    @cached_property
    def front(self) -> tuple[Floats, Floats]:
        """The front bumper's middle: x, y `(T,)`."""
        return self.ahead(self.center_offset_m + self.length_m / 2)

    @cached_property
    def corners(self) -> Floats:
        """The box's corners `(T, 4, 2)`."""
        corners: Floats = box_corners(*self.center, self.yaw_rad, self.length_m, self.width_m)
        return corners

    @cached_property
    def off_road(self) -> Bools:
        """Whether a corner is off the road `(T,)`."""
        off: Bools = self.road.off_road(self.corners[..., 0], self.corners[..., 1]).any(axis=-1)  # type: ignore[assignment]
        return off

    @cached_property
    def in_multiple_lanes(self) -> Bools:
        """Whether the corners lie in more than one lane and no lane holds all four `(T,)`."""
        return self.road.cover.astride(self.corners)

    @cached_property
    def in_junction(self) -> Bools:
        """Whether `base_link` is in a junction lane `(T,)`."""
        return self.road.cover.in_junction(self.x_m, self.y_m)

    @cached_property
    def oncoming(self) -> Bools:
        """Whether the box's centre is in oncoming lanes only `(T,)`."""
        return self.road.cover.oncoming(*self.center, self.yaw_rad)

    @property
    def route_s_m(self) -> Floats:
        """How far along the route the box's centre is `(T,)`."""
        return self._along_route[0]

    @property
    def route_d_m(self) -> Floats:
        """How far to the left of the route the box's centre is `(T,)`."""
        return self._along_route[1]

    @cached_property
    def _along_route(self) -> tuple[Floats, Floats]:
        """`s_m`, `d_m`, followed step by step from the route's start on: a route may cross itself."""
        s, d, near = np.empty(self.count), np.empty(self.count), self._route_start()
        for i, (x, y) in enumerate(zip(*self.center, strict=True)):
            near, d[i] = self.road.route_progress(float(x), float(y), near)
            s[i] = near
        return s, d

    def _route_start(self) -> float | None:
        """Where the ego is at first if that is known, or on the route's first lane; None elsewhere."""
        if self.near_m is not None:
            return self.near_m
        path = self.road.route_path
        starts = path.lane_start_s
        end = float(starts[1]) if len(starts) > 1 else path.length_m
        x, y = (float(c[0]) for c in self.center)
        s, d = project_near(path.center, x, y, 0.0, end)
        return float(s) if abs(float(d)) < float(path.half_width_at(s)) else None

    @cached_property
    def contacts(self) -> Ints:
        """How the ego touches each actor at each instant: `Collision` values `(T, A)`."""
        a, kinds = self.actors, np.full(self.actors.x_m.shape, int(Collision.NONE))
        x, y = self.center
        for start in range(0, self.count, _BLOCK):
            part = slice(start, start + _BLOCK)
            away = np.hypot(a.x_m[part] - x[part, None], a.y_m[part] - y[part, None])
            close = away < (self.length_m + a.length_m[part]) / 2 + _WIDEST_M
            near: Bools = np.asarray(close.any(axis=0))
            if near.any():
                b = a.chosen(part, near)
                kinds[part, near] = collision_kinds(
                    self.x_m[part], self.y_m[part], self.yaw_rad[part], self.v_mps[part],
                    self.length_m, self.width_m, self.center_offset_m,
                    b.x_m, b.y_m, b.yaw_rad, b.v_mps, b.length_m, b.width_m,
                )  # fmt: skip
        return kinds

    @cached_property
    def contact_times(self) -> tuple[Floats, Floats]:
        """From when to when the ego and each actor would touch if they went on as at each instant: seconds `(T, A)`."""
        a = self.actors
        begin, end = np.empty(a.x_m.shape), np.empty(a.x_m.shape)
        x, y = self.center
        for start in range(0, self.count, _BLOCK):
            part = slice(start, start + _BLOCK)
            yaw, v = self.yaw_rad[part, None], self.v_mps[part, None]
            actor_yaw, actor_v = a.yaw_rad[part], a.v_mps[part]
            begin[part], end[part] = contact_interval(
                x[part, None], y[part, None], yaw, v * np.cos(yaw), v * np.sin(yaw), self.length_m, self.width_m,
                a.x_m[part], a.y_m[part], actor_yaw, actor_v * np.cos(actor_yaw), actor_v * np.sin(actor_yaw),
                a.length_m[part], a.width_m[part],
            )  # fmt: skip
        return begin, end

    @property
    def distance_m(self) -> float:
        """Length of the driven path."""
        return float(np.hypot(np.diff(self.x_m), np.diff(self.y_m)).sum())


def read_drive(log: Log) -> Drive:
    """Give the arrays of a log.

    Raises:
      ScoreError: the log holds no map, no route, or less than a second of truth.
    """
    maps, routes, truths = log.of(LaneMap), log.of(Route), log.of(Truth)
    for kind, found in (("LaneMap", maps), ("Route", routes), ("Truth", truths)):
        if not found:
            raise ScoreError(f"{log.path}: holds no {kind}: only a drive with one can be judged")
    truths = tuple({t.stamp_ns: t for t in truths}.values())
    stamps = np.array([t.stamp_ns for t in truths], dtype=np.int64)
    if len(stamps) < 2 or (stamps[-1] - stamps[0]) * 1e-9 < SHORTEST_S:
        raise ScoreError(
            f"{log.path}: holds less than {SHORTEST_S:g} s of truth: too short to judge"
        )
    dt_s = float(np.median(np.diff(stamps))) * 1e-9
    if abs(dt_s - CYCLE_S) > 0.1 * CYCLE_S:
        raise ScoreError(
            f"{log.path}: holds a truth every {dt_s:g} s: the metrics need one every {CYCLE_S} s"
        )
    try:
        road = Road(maps[-1], routes[-1])
    except ValueError as error:
        raise ScoreError(f"{log.path}: {error}") from error
    return Drive(
        stamps_ns=stamps,
        dt_s=dt_s,
        x_m=np.array([t.ego.x_m for t in truths]),
        y_m=np.array([t.ego.y_m for t in truths]),
        yaw_rad=np.array([t.ego.yaw_rad for t in truths]),
        v_mps=np.array([t.ego.v_mps for t in truths]),
        a_mps2=np.array([t.ego.a_mps2 for t in truths]),
        yaw_rate_rps=np.array([t.ego.yaw_rate_rps for t in truths]),
        steer_rad=np.array([t.ego.steer_rad for t in truths]),
        length_m=truths[0].ego_length_m,
        width_m=truths[0].ego_width_m,
        center_offset_m=truths[0].ego_center_offset_m,
        actors=_actors(truths),
        lights=_lights(truths),
        road=road,
    )


def _actors(truths: tuple[Truth, ...]) -> Actors:
    first = {a.id: a for t in reversed(truths) for a in t.actors}
    ids = sorted(first)
    column = {id_: i for i, id_ in enumerate(ids)}
    parts = np.full((6, len(truths), len(ids)), np.nan)
    for row, truth in enumerate(truths):
        for a in truth.actors:
            parts[:, row, column[a.id]] = (a.x_m, a.y_m, a.yaw_rad, a.v_mps, a.length_m, a.width_m)
    object_class = np.array([first[i].object_class for i in ids], dtype=np.int64)
    return Actors(np.array(ids, dtype=np.int64), object_class, *parts)


def _lights(truths: tuple[Truth, ...]) -> dict[int, Ints]:
    ids = {light.light_id for t in truths for light in t.lights}
    colors = {i: np.full(len(truths), int(LightColor.UNKNOWN), dtype=np.int64) for i in sorted(ids)}
    for row, truth in enumerate(truths):
        for light in truth.lights:
            colors[light.light_id][row] = int(light.color)
    return colors
