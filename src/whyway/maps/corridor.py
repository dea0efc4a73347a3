"""The way ahead as one manoeuvre sees it: who is predicted to be in it, when and where.

Reasoner and planner look through the same corridor; the planner's holds only the objects a trace cites. Arrays are (H, T): one row
per predicted hypothesis, one column per time. Distances are ahead of `base_link` now, along the path.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.config import DrivingConfig, VehicleConfig
from whyway.geometry import Polyline, wrap_angle
from whyway.maps.manoeuvre import Manoeuvre, change_time_s, offset_ahead, offset_at
from whyway.maps.road import LanePath
from whyway.motion import GRID_S as GRID_S
from whyway.motion import OUTLOOK_S, STANDS_MPS, STEP_S, Bools, Obstacles
from whyway.motion import hypotheses as hypotheses
from whyway.types import EgoState, Floats, Ints, ObjectClass, PredictedPath, TrackedObject

BEHIND_M = 60.0
"""How far behind the ego objects are looked at."""
SQUEEZE_M, SQUEEZE_S = 0.12, 0.06
"""Least margin beside the flanks, standing, and how it grows with speed."""
LIKELY = 0.5
"""Of who stands, less probable hypotheses of starting are waited for to come true."""
ACROSS_RAD = math.radians(50.0)
"""Heading relative to the path beyond which an object crosses it rather than drives along it."""
ONCOMING_RAD = math.radians(130.0)
"""Heading relative to the path beyond which an object comes towards us."""
TURNING_RAD = math.radians(10.0)
"""A heading change beyond this is a turn."""
IMMINENT_S = 1.5
"""Who will be in the way this soon is not trusted to wait."""
ANTICIPATE_S = 2.0
"""How long before it enters, somebody who drives along counts as being in the way."""


@dataclass(frozen=True, slots=True, eq=False)
class Corridor:
    """Who is predicted to be where, relative to a manoeuvre's path."""

    t_s: Floats
    ids: Ints
    """(H,) the object each row is a hypothesis of."""
    probability: Floats
    """(H,)"""
    ahead_m: Floats
    """(H, T) the box's centre."""
    aside_m: Floats
    """(H, T) left of the path, less the manoeuvre's own offset there."""
    along_mps: Floats
    """(H, T) speed along the path."""
    relative_yaw_rad: Floats
    """(H, T) heading relative to the path."""
    half_length_m: Floats
    """(H, T) half the extent along the path."""
    half_width_m: Floats
    """(H, T) half the extent across it."""
    inside: Bools
    """(H, T) whether it is in the way."""
    crosses: Bools
    """(H,) whether it goes across, or comes towards us, rather than along."""
    leaves: Bools
    """(H,) row of the lane that is being left."""

    def only(self, keep: Bools) -> Corridor:
        """The same with only some rows."""
        return self._map(lambda rows: rows[keep])

    def followed_by(self, other: Corridor) -> Corridor:
        """The same with another's rows below."""
        mine = [getattr(self, name) for name in self._by_row()]
        theirs = [getattr(other, name) for name in self._by_row()]
        both = [np.concatenate(pair) for pair in zip(mine, theirs, strict=True)]
        return Corridor(self.t_s, *both)

    def _map(self, change: Callable[[Any], Any]) -> Corridor:
        return Corridor(self.t_s, *(change(getattr(self, name)) for name in self._by_row()))

    @staticmethod
    def _by_row() -> list[str]:
        return [f.name for f in dataclasses.fields(Corridor) if f.name != "t_s"]

    def obstacles(self, ego_v_mps: float) -> Obstacles:
        """What holds the ego back: whoever is in the way, or drives along and is about to be.

        Whoever drives along and would come into the way behind the ego (going on at `ego_v_mps`) is a follower: keeping clear is
        the follower's part, so it holds nobody back, not even where its prediction would pass through the ego.
        """
        blocks = self.inside.copy()
        if not len(blocks):
            return Obstacles(self.ahead_m, self.along_mps, blocks)
        rows = np.arange(len(blocks))
        enters = np.argmax(self.inside, axis=1)
        follows = ~self.crosses & (self.ahead_m[rows, enters] < ego_v_mps * self.t_s[enters])
        early = round(ANTICIPATE_S / float(self.t_s[1] - self.t_s[0]))
        columns = np.arange(blocks.shape[1])[None, :]
        soon = (columns >= (enters - early)[:, None]) & (columns < enters[:, None])
        along = self.inside.any(axis=1) & ~self.crosses & (self.probability >= 0.3)
        ahead_now = self.ahead_m[:, 0] - self.half_length_m[:, 0] > 0.0
        blocks |= soon & (along & ahead_now)[:, None]
        blocks &= ~follows[:, None]
        return Obstacles(self.ahead_m - self.half_length_m, self.along_mps, blocks)


def look(
    m: Manoeuvre,
    ego: EgoState,
    objects: Sequence[TrackedObject],
    vehicle: VehicleConfig,
    driving: DrivingConfig,
    t_s: Floats,
    around: Surroundings | None = None,
) -> Corridor:
    """Who is in the way of a manoeuvre, by every likely hypothesis. O(hypotheses x predicted steps x path points).

    Args:
      m: the manoeuvre.
      ego: where the ego is.
      objects: everybody else.
      vehicle: the ego's size.
      driving: margins and how long a lane change takes.
      t_s: (T,) times of the corridor's columns.
      around: the surveys of the same ego, objects and times, where several manoeuvres are looked at.
    """
    around = around or Surroundings(ego, objects, t_s)
    seen = around.along(m.path, m.s_m)
    margin = _margin_m(ego.v_mps, driving)
    own = offset_at(t_s, m.d_m, driving)
    if m.shift is not None or m.leaving is None:
        # aside of the path, the ego is where it has planned to be *there*; only for who moves, where it will be *then*
        there = offset_ahead(m, ego, seen.ahead_m, driving)
        own = there if m.shift is not None else np.where(seen.stands[:, None], there, own)
    corridor = _relative(m.path, m.s_m, own, seen, vehicle, margin)
    if m.leaving is None:
        return corridor
    left = around.along(m.leaving, m.leaving_s_m)
    old = _relative(m.leaving, m.leaving_s_m, np.zeros(len(t_s)), left, vehicle, margin)
    if m.shift is None:
        in_the_way = old.inside & (t_s <= 0.5 * change_time_s(m.d_m, driving))
    else:  # a change laid round somebody: clear of them by where it leads, not by when
        own = m.shift.at(left.ahead_m) - m.shift.d0_m
        room = vehicle.width_m / 2 + margin + left.half_width_m
        in_the_way = old.inside & (np.abs(left.d_m - own) < room)
    old = dataclasses.replace(old, inside=in_the_way, leaves=np.ones(len(old.ids), dtype=np.bool_))
    ever: Bools = np.asarray(in_the_way.any(axis=1))
    return corridor.followed_by(old.only(ever))


def _reachable(o: TrackedObject, ego: EgoState, horizon_s: float) -> bool:
    # the speed two cars may close at, and the stopping distance behind the horizon
    reach = horizon_s * (abs(ego.v_mps) + math.hypot(o.vx_mps, o.vy_mps)) + 30.0
    return math.hypot(o.x_m - ego.x_m, o.y_m - ego.y_m) < reach


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Hypotheses as arrays: (H, K) poses every `STEP_S` from now to `OUTLOOK_S`, whatever times they were predicted for."""

    ids: Ints
    probability: Floats
    length_m: Floats
    width_m: Floats
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    v_mps: Floats

    @staticmethod
    def of(objects: Sequence[TrackedObject]) -> _Rows:
        picked = [(o, p) for o in objects for p in hypotheses(o)]
        table = np.empty((4, len(picked), len(GRID_S)))
        now = [(o.x_m, o.y_m, o.yaw_rad, math.hypot(o.vx_mps, o.vy_mps)) for o, _ in picked]
        table[:, :, 0] = np.array(now).reshape(-1, 4).T
        table[:, :, 1:] = _on_grid([p for _, p in picked])
        return _Rows(
            np.array([o.id for o, _ in picked], dtype=np.int64),
            np.array([p.probability for _, p in picked]),
            np.array([o.length_m for o, _ in picked]),
            np.array([_width(o) for o, _ in picked]),
            table[0],
            table[1],
            table[2],
            table[3],
        )


def _on_grid(paths: Sequence[PredictedPath]) -> Floats:
    """x, y, yaw, v (4, H, K - 1) at `GRID_S[1:]`; what ends sooner goes on straight at its last speed."""
    count = len(GRID_S) - 1
    paths = [_resampled(p) for p in paths]
    columns = [
        np.concatenate([column[:count] for column in each]).reshape(-1, count)
        for each in zip(*((p.x_m, p.y_m, p.yaw_rad, p.v_mps) for p in paths), strict=True)
    ]
    return np.stack(columns) if columns else np.empty((4, 0, count))


def _resampled(p: PredictedPath) -> PredictedPath:
    """The same at `GRID_S[1:]` at least, as most come."""
    if p.dt_s == STEP_S and len(p.x_m) >= len(GRID_S) - 1:
        return p
    times = p.dt_s * np.arange(1, len(p.x_m) + 1)
    nearest = np.clip(np.rint(GRID_S[1:] / p.dt_s).astype(np.int64) - 1, 0, len(times) - 1)
    x, y, v = (np.interp(GRID_S[1:], times, column) for column in (p.x_m, p.y_m, p.v_mps))
    yaw = p.yaw_rad[nearest]  # not interpolated: it is wrapped
    beyond = np.maximum(GRID_S[1:] - times[-1], 0.0) * p.v_mps[-1]
    return dataclasses.replace(
        p, dt_s=STEP_S, x_m=x + beyond * np.cos(yaw), y_m=y + beyond * np.sin(yaw), yaw_rad=yaw, v_mps=v
    )  # fmt: skip


def _width(o: TrackedObject) -> float:
    return max(o.width_m, 0.5) if o.object_class == ObjectClass.PEDESTRIAN else o.width_m


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Everybody along one path, whatever the ego does on it: `Corridor`'s columns, with `d_m` (H, T) left of the path itself."""

    t_s: Floats
    ids: Ints
    probability: Floats
    ahead_m: Floats
    d_m: Floats
    along_mps: Floats
    relative_yaw_rad: Floats
    half_length_m: Floats
    half_width_m: Floats
    stands: Bools
    """(H,)"""


class Surroundings:
    """Everybody who can be met, surveyed along one path after another, each path once."""

    def __init__(self, ego: EgoState, objects: Sequence[TrackedObject], t_s: Floats) -> None:
        """Of a scene, for (T,) times."""
        self._t_s = t_s
        self._rows = _Rows.of([o for o in objects if _reachable(o, ego, float(t_s[-1]))])
        self._stands = _stands(self._rows)
        self._known: dict[tuple[int, float], tuple[LanePath, Survey]] = {}
        """By the path itself, which is kept so that no other gets its number."""

    def along(self, path: LanePath, s0_m: float) -> Survey:
        """Where everybody is along a path, seen from an arc length on it."""
        key = (id(path), s0_m)
        if key not in self._known:
            self._known[key] = path, self._survey(path, s0_m)
        return self._known[key][1]

    def _survey(self, path: LanePath, s0_m: float) -> Survey:
        rows, t_s = self._rows, self._t_s
        line = _stretch(path.center, s0_m - BEHIND_M, s0_m + 200.0)
        s, d = line.project(rows.x_m, rows.y_m) if len(rows.ids) else (rows.x_m, rows.y_m)
        yaw_line = np.interp(s, line.s_m, line.yaw_rad)
        relative_yaw = np.asarray(wrap_angle(rows.yaw_rad - yaw_line))
        speed = rows.v_mps * np.cos(relative_yaw)
        ahead, aside, speed = (_at_times(v, STEP_S, t_s) for v in (s - s0_m, d, speed))
        # headings are wrapped, so they are taken from the nearest predicted step instead of interpolated
        nearest = np.clip(np.rint(t_s / STEP_S).astype(np.int64), 0, rows.x_m.shape[1] - 1)
        relative_yaw = relative_yaw[:, nearest]
        c, sn = np.abs(np.cos(relative_yaw)), np.abs(np.sin(relative_yaw))
        half_l, half_w = rows.length_m[:, None] / 2, rows.width_m[:, None] / 2
        return Survey(
            t_s, rows.ids, rows.probability, ahead, aside, speed, relative_yaw,
            c * half_l + sn * half_w, sn * half_l + c * half_w, self._stands,
        )  # fmt: skip


def _relative(
    path: LanePath,
    s0_m: float,
    own_m: Floats,
    seen: Survey,
    vehicle: VehicleConfig,
    margin_m: float,
) -> Corridor:
    """A survey seen by an ego that is `own_m` (T,) or (H, T) left of the path."""
    t_s, ahead = seen.t_s, seen.ahead_m
    aside = seen.d_m - own_m
    room = vehicle.width_m / 2 + margin_m
    inside = np.abs(aside) < room + seen.half_width_m
    inside &= ~_gives_way(path, s0_m, t_s, ahead, seen.relative_yaw_rad, inside)[:, None]
    # who stands beside the path may start one day: that is no reason until they do
    starts = seen.stands & ~inside[:, 0] & (seen.probability < LIKELY)
    inside &= ~starts[:, None]
    crosses = inside.any(axis=1) & _goes_across(t_s, inside, seen.relative_yaw_rad) & ~seen.stands
    return Corridor(
        t_s, seen.ids, seen.probability, ahead, aside, seen.along_mps, seen.relative_yaw_rad,
        seen.half_length_m, seen.half_width_m, inside, crosses, np.zeros(len(seen.ids), dtype=np.bool_),
    )  # fmt: skip


def _margin_m(v_mps: float, driving: DrivingConfig) -> float:
    """Beside the flanks; at walking pace one squeezes past what one would not at speed."""
    return min(driving.corridor_margin_m, SQUEEZE_M + SQUEEZE_S * max(v_mps, 0.0))


def _gives_way(
    path: LanePath,
    s0_m: float,
    t_s: Floats,
    ahead_m: Floats,
    relative_yaw_rad: Floats,
    inside: Bools,
) -> Bools:
    """Whoever comes towards us and would turn across our way, while we go straight on (H,): they wait for us.

    Vienna Convention on Road Traffic, article 16: a left-turner lets oncoming traffic pass. Not relied on once it is about to happen.
    """
    rows = np.arange(len(inside))
    enters = np.argmax(inside, axis=1)
    oncoming = np.abs(relative_yaw_rad[:, 0]) > ONCOMING_RAD
    turned = np.abs(wrap_angle(relative_yaw_rad[:, -1] - relative_yaw_rad[:, 0]))
    yaw = path.center.at(np.stack([np.full(len(rows), s0_m), s0_m + ahead_m[rows, enters]]))[2]
    ours = np.abs(yaw[1] - yaw[0])
    waits: Bools = (
        inside.any(axis=1)
        & oncoming
        & (turned > ours + TURNING_RAD)
        & (ours < TURNING_RAD)
        & (t_s[enters] > IMMINENT_S)
    )
    return waits


def _goes_across(t_s: Floats, inside: Bools, relative_yaw_rad: Floats) -> Bools:
    """Whether the path is crossed (H,): entered *and* left, or still held at the end, at a steep angle.

    Who enters steeply and then turns along the path merges: that is a lead to be.
    """
    inside = inside[:, t_s <= OUTLOOK_S + 1e-9]
    rows = np.arange(len(inside))
    first = np.argmax(inside, axis=1)
    last = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)
    steep: Bools = (np.abs(relative_yaw_rad[rows, first]) > ACROSS_RAD) & (
        np.abs(relative_yaw_rad[rows, last]) > ACROSS_RAD
    )
    return steep


def _stands(rows: _Rows) -> Bools:
    standing: Bools = np.abs(rows.v_mps[:, 0]) < STANDS_MPS
    return standing


def _stretch(line: Polyline, from_s_m: float, to_s_m: float) -> Polyline:
    """Every second point of a part of a line: half the work, and 1 cm off in the tightest turn."""
    first = max(0, int(np.searchsorted(line.s_m, from_s_m)) - 1)
    last = min(len(line.s_m), int(np.searchsorted(line.s_m, to_s_m)) + 2)
    last = max(last, first + 2)
    first = min(first, last - 2)
    index = np.unique(
        np.append(np.arange(first, min(last, len(line.s_m)), 2), min(last, len(line.s_m)) - 1)
    )
    if len(index) < 2:
        index = np.array([max(0, len(line.s_m) - 2), len(line.s_m) - 1])
    return Polyline(
        line.x_m[index],
        line.y_m[index],
        line.s_m[index],
        line.yaw_rad[index],
        line.curvature_1pm[index],
    )


def _at_times(values: Floats, dt_s: float, t_s: Floats) -> Floats:
    """Values (H, K) at `k dt_s`, interpolated to times (T,); beyond the last one they go on at the last rate.

    Row by row (a matrix product rounds by the number of rows), so that nobody's numbers depend on who else is there.
    """
    last = values.shape[1] - 1
    at = t_s / dt_s
    i = np.clip(at.astype(np.int64), 0, max(last - 1, 0))
    f = at - i
    found: Floats = values[:, i] * (1.0 - f) + values[:, np.minimum(i + 1, last)] * f
    return found
