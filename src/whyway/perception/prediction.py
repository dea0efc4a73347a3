"""Tracks -> where each may be over the next seconds: a few hypotheses per object with probabilities. No clock.

Vehicles follow every lane that leads on from where they are (at most three), at the speed they seem to want, or brake; one that
drifts out of its lane may cut in; off the lanes they keep their turn for a while. Pedestrians walk on, or cross where they
are about to. `hypotheses_of` chooses per object, in Python; `roll_out` computes all paths at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from whyway.config import PerceptionConfig
from whyway.geometry import wrap_angle
from whyway.maps.road import LanePath, Road
from whyway.perception.crossings import CrossingArea, crossing_direction
from whyway.types import Direction, Floats, Intent, LaneKind, PredictedPath

MAX_BRANCHES = 3
_LANE_HEADING_RAD = 0.7  # beyond it a vehicle does not follow the lane it is on
_COMFORT_BRAKE_MPS2 = 2.0
_TURN_ACCELERATION_MPS2 = 2.5  # lateral, in turns at junctions
_TURN_PRIOR = 0.4  # of a turn, against 1 for going straight on
_START_MPS2 = 1.2
_BRAKING_MPS2 = -0.9  # estimated accelerations beyond these two are believed to be meant
_SPEEDING_UP_MPS2 = 0.6
_FADE_S = 1.0  # ... and smaller ones fade out like this
_TURN_FADE_S = 1.5
_CUT_IN_MPS = 0.35  # lateral speed in the lane
_MIN_PROBABILITY = 0.03


@dataclass(frozen=True)
class Mover:
    """What prediction needs of one track; `lane` is `(lane_id, s_m, d_m)` of the best lane for vehicles."""

    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    """Over ground, along its course."""
    course_rad: float
    acceleration_mps2: float
    yaw_rate_rps: float
    standing: bool
    is_vehicle: bool
    lane: tuple[int, float, float] | None


@dataclass(frozen=True)
class Hypothesis:
    """One thing an object may do, ready to be rolled out along `line` (or freely where it is None)."""

    intent: Intent
    weight: float
    line: Line | None
    s_m: float = 0.0
    d_m: float = 0.0
    target_d_m: float = 0.0
    settle_s: float = 4.0
    """The offset goes from `d_m` to `target_d_m` with this time constant."""
    acceleration_mps2: float = 0.0
    fade_s: float = 1e3
    v_mps: float = 0.0
    v_max_mps: float = 1e3
    turn_v_mps: float = 1e3
    """Speed to slow down to comfortably, for the turn ahead."""
    course_rad: float = 0.0
    yaw_rate_rps: float = 0.0


@dataclass(frozen=True, eq=False)
class Line:
    """A lane path sampled evenly: `(n, 3)` x, y, unwrapped yaw, a row every metre; and its turns `(from_s, to_s, side, comfortable speed)`."""

    path: LanePath
    rows: Floats
    turns: tuple[tuple[float, float, Direction, float], ...]

    def yaw_at(self, s_m: float) -> float:
        """Heading at an arc length."""
        return float(self.rows[min(max(int(s_m), 0), len(self.rows) - 1), 2])


class Predictor:
    """Hypotheses for road users on one road; lines are cached by lane."""

    def __init__(self, config: PerceptionConfig, road: Road) -> None:
        self._road = road
        self._t = config.prediction_dt_s * np.arange(
            1, round(config.horizon_s / config.prediction_dt_s) + 1
        )
        self._dt_s, self._horizon_s = config.prediction_dt_s, config.horizon_s
        self._crossings = tuple(CrossingArea.of(c, road) for c in road.lane_map.crossings)
        self._line = lru_cache(maxsize=2048)(_line)

    def step(self, movers: Sequence[Mover]) -> list[tuple[PredictedPath, ...]]:
        """Predictions for each mover, the most probable first; probabilities sum to one."""
        chosen = [_normalised(list(self.hypotheses_of(m))) for m in movers]
        flat = [h for hypotheses in chosen for h in hypotheses]
        if not flat:
            return []
        x, y, yaw, v, sigma = roll_out(
            flat, [m for m, hs in zip(movers, chosen, strict=True) for _ in hs], self._t
        )
        paths = [
            PredictedPath(h.intent, h.weight, self._dt_s, x[i], y[i], yaw[i], v[i], sigma[i])
            for i, h in enumerate(flat)
        ]
        rest = iter(paths)
        return [tuple(next(rest) for _ in hypotheses) for hypotheses in chosen]

    def hypotheses_of(self, m: Mover) -> Iterator[Hypothesis]:
        """What one road user may do; weights are relative."""
        if not m.is_vehicle:
            yield from self._walking(m)
            return
        branches = self._branches(m)
        if m.standing:
            yield Hypothesis(Intent.STOP, 0.8, None, course_rad=m.yaw_rad)
            for b in branches[:1]:
                yield replace(
                    b,
                    intent=Intent.ACCELERATE,
                    weight=0.2,
                    v_mps=0.0,
                    acceleration_mps2=_START_MPS2,
                    fade_s=1e3,
                )
            return
        if not branches:
            turn = min(max(m.yaw_rate_rps, -0.6), 0.6)
            yield Hypothesis(
                Intent.KEEP,
                1.0,
                None,
                v_mps=m.v_mps,
                course_rad=m.course_rad,
                yaw_rate_rps=turn,
                acceleration_mps2=m.acceleration_mps2,
                fade_s=_FADE_S,
            )
            return
        total = sum(b.weight for b in branches)
        cut_in = self._cut_in(m, branches[0])
        share = 1.0 - (cut_in.weight if cut_in else 0.0)
        braking = m.acceleration_mps2 < _BRAKING_MPS2
        other = 0.25 if braking else 0.12
        for i, b in enumerate(branches):
            weight = share * b.weight / total
            if i == 0:
                alternative = (
                    replace(b, acceleration_mps2=0.0)
                    if braking
                    else replace(b, acceleration_mps2=-_COMFORT_BRAKE_MPS2, fade_s=1e3)
                )
                yield replace(
                    alternative,
                    weight=other * weight,
                    intent=Intent.KEEP if braking else Intent.DECELERATE,
                )
                weight *= 1.0 - other
            yield replace(b, weight=weight)
        if cut_in:
            yield cut_in

    def _branches(self, m: Mover) -> list[Hypothesis]:
        """The lanes that lead on from a vehicle's place, the likeliest first; empty where it follows none."""
        candidates = list(self._lanes_under(m))
        if not candidates:
            return []
        reach = (m.v_mps + 3.0) * self._horizon_s
        found: list[Hypothesis] = []
        for lane_id, s, d, fit in candidates:
            ahead = self._road.branches_from(lane_id, s + reach, 6)
            seen: set[tuple[int, ...]] = set()
            for path in ahead:
                within = path.lane_ids[: int(path.index_at(s + reach)) + 1]
                if within not in seen:
                    seen.add(within)
                    found.append(self._along(m, self._line(path), s, d, fit, reach))
        found.sort(key=lambda h: -h.weight)
        return found[:MAX_BRANCHES]

    def _lanes_under(self, m: Mover) -> Iterator[tuple[int, float, float, float]]:
        """`(lane_id, s_m, d_m, likelihood)`: the best lane, and in junctions those that fork beside it."""
        if m.lane is None:
            return
        ids = [m.lane[0]]
        if self._road.lanes[ids[0]].lane.in_junction:
            ids += [
                i
                for i in self._road.lanes_at(m.x_m, m.y_m)
                if i != ids[0] and self._road.lanes[i].lane.in_junction
            ]
        for i in ids:
            lane = self._road.lanes[i]
            if lane.lane.kind not in (LaneKind.DRIVING, LaneKind.BIKE):
                continue
            s, d = m.lane[1:] if i == ids[0] else lane.project(m.x_m, m.y_m)
            k = min(max(int(s), 0), len(lane.center.yaw_rad) - 1)
            off = abs(float(wrap_angle(m.yaw_rad - lane.center.yaw_rad[k])))
            near = abs(d) < 0.5 * float(lane.width_at(s)) + 0.7
            if off < _LANE_HEADING_RAD and near and (i == ids[0] or (off < 0.4 and abs(d) < 1.5)):
                curve = m.yaw_rate_rps - m.v_mps * float(lane.center.curvature_1pm[k])
                fit = math.exp(-0.5 * ((d / 0.8) ** 2 + (off / 0.15) ** 2 + (curve / 0.25) ** 2))
                yield i, s, d, max(fit, 1e-6)

    def _along(
        self, m: Mover, line: Line, s: float, d: float, fit: float, reach: float
    ) -> Hypothesis:
        turn = next((t for t in line.turns if t[1] > s and t[0] < s + reach), None)
        intent, weight, turn_v = Intent.KEEP, fit, 1e3
        if turn is not None:
            start, _, side, turn_v = turn
            intent = Intent.TURN_LEFT if side is Direction.LEFT else Intent.TURN_RIGHT
            needed = (m.v_mps**2 - turn_v**2) / (2 * max(start - s, 1.0))
            # who brakes hard already may be about to turn; who would have to brake too hard is not
            feasible = math.exp(-max(0.0, needed - 1.0)) if m.v_mps > turn_v else 1.0
            weight *= _TURN_PRIOR * feasible * (2.0 if m.acceleration_mps2 < _BRAKING_MPS2 else 1.0)
            if start <= s:
                weight /= _TURN_PRIOR  # already in it
        a, fade = m.acceleration_mps2, _FADE_S
        if a < _BRAKING_MPS2:
            fade = 1e3
            intent = Intent.DECELERATE if intent is Intent.KEEP else intent
        elif a > _SPEEDING_UP_MPS2:
            fade = 3.0
            intent = Intent.ACCELERATE if intent is Intent.KEEP else intent
        lateral = m.v_mps * math.sin(m.course_rad - line.yaw_at(s))
        settle = min(max(abs(d / lateral), 1.0), 4.0) if d * lateral < -0.05 else 4.0
        limit = 1.1 * float(line.path.limit_at(s))
        return Hypothesis(
            intent, weight, line, s_m=s, d_m=d, settle_s=settle, acceleration_mps2=a, fade_s=fade,
            v_mps=m.v_mps, v_max_mps=max(m.v_mps, limit), turn_v_mps=turn_v,
        )  # fmt: skip

    def _cut_in(self, m: Mover, b: Hypothesis) -> Hypothesis | None:
        """A change to the neighbour lane it drifts to, if it drifts."""
        assert b.line is not None
        lateral = m.v_mps * math.sin(m.course_rad - b.line.yaw_at(b.s_m))
        lane_id = b.line.path.lane_at(b.s_m)
        left, right = self._road.neighbours(lane_id)
        neighbour = left if lateral > 0 else right
        outwards = b.d_m * math.copysign(1.0, lateral)
        if (
            abs(lateral) < _CUT_IN_MPS
            or m.v_mps < 3.0
            or neighbour not in self._road.lanes
            or outwards < -0.3
        ):
            return None
        half = float(b.line.path.half_width_at(b.s_m))
        width = half + 0.5 * float(self._road.lanes[neighbour].width_at(b.s_m))
        weight = min(
            0.25 + 0.5 * max(outwards, 0.0) / max(half, 0.5) + 0.3 * (abs(lateral) - _CUT_IN_MPS),
            0.9,
        )
        intent = Intent.CUT_IN_LEFT if lateral > 0 else Intent.CUT_IN_RIGHT
        settle = min(max((width - outwards) / abs(lateral), 1.0), 3.0) / 2
        return replace(
            b,
            intent=intent,
            weight=weight,
            target_d_m=math.copysign(width, lateral),
            settle_s=settle,
        )

    def _walking(self, m: Mover) -> Iterator[Hypothesis]:
        on = Hypothesis(
            Intent.STOP if m.standing else Intent.KEEP,
            1.0,
            None,
            v_mps=0.0 if m.standing else m.v_mps,
            course_rad=m.course_rad,
        )
        for area in self._crossings:
            found = crossing_direction(
                area, m.x_m, m.y_m, 0.0 if m.standing else m.v_mps, m.course_rad
            )
            if found is not None:
                course, probability = found
                yield replace(on, weight=1.0 - probability)
                yield Hypothesis(
                    Intent.CROSS, probability, None, v_mps=max(m.v_mps, 1.0), course_rad=course
                )
                return
        yield on


def _normalised(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    hypotheses = sorted(hypotheses, key=lambda h: -h.weight)
    total = sum(h.weight for h in hypotheses)
    kept = [h for h in hypotheses if h.weight >= _MIN_PROBABILITY * total]
    total = sum(h.weight for h in kept)
    return [replace(h, weight=h.weight / total) for h in kept]


def _line(path: LanePath) -> Line:
    center = path.center
    s = np.arange(0.0, math.floor(center.length_m) + 2.0)
    x, y, yaw, _ = center.at(s)
    ends = [*path.lane_start_s.tolist()[1:], center.length_m]
    turns = []
    for start, end in zip(path.lane_start_s.tolist(), ends, strict=True):
        side = path.turn_at(start)
        if side is not Direction.NONE:
            inside = (center.s_m >= start) & (center.s_m <= end)
            bend = float(np.abs(center.curvature_1pm[inside]).max(initial=1e-3))
            turns.append((start, end, side, math.sqrt(_TURN_ACCELERATION_MPS2 / bend)))
    return Line(path, np.stack([x, y, yaw], axis=-1), tuple(turns))


def roll_out(
    hypotheses: Sequence[Hypothesis], movers: Sequence[Mover], t_s: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """x, y, yaw, speed, sigma `(h, k)` of the hypotheses of `movers` (one each) at `k` times `t_s`, evenly spaced."""
    column = lambda name: np.array([getattr(h, name) for h in hypotheses])[:, None]  # noqa: E731
    v, travelled = _speeds(
        column("v_mps"),
        column("acceleration_mps2"),
        column("fade_s"),
        column("v_max_mps"),
        column("turn_v_mps"),
        t_s,
    )
    on_line = np.array([h.line is not None for h in hypotheses])
    x, y, yaw = _freely(hypotheses, movers, v, travelled, t_s)
    rows = np.flatnonzero(on_line)
    if len(rows):
        lanes = [hypotheses[i] for i in rows]
        x[rows], y[rows], yaw[rows] = _along_lines(lanes, movers, rows, travelled[rows], t_s)
    speed0 = np.array([m.v_mps for m in movers])[:, None]
    sigma = np.sqrt(0.15**2 + (0.25 * t_s) ** 2 + (0.012 * speed0 * t_s**1.5) ** 2)
    return x, y, yaw, v, sigma


def _speeds(
    v0: Floats, a: Floats, fade_s: Floats, v_max: Floats, turn_v: Floats, t_s: Floats
) -> tuple[Floats, Floats]:
    """Speed at the times and distance travelled until them, integrated on a grid five times as fine."""
    fine = np.linspace(0.0, t_s[-1], 5 * len(t_s) + 1)
    v = v0 + a * fade_s * -np.expm1(-fine / fade_s)
    v = np.clip(v, 0.0, v_max)
    v = np.minimum(v, np.maximum(turn_v, v0 - _COMFORT_BRAKE_MPS2 * fine))
    v = np.maximum(v, 0.0)
    step = fine[1] - fine[0]
    distance = np.cumsum(0.5 * (v[:, 1:] + v[:, :-1]) * step, axis=1)
    return v[:, 5::5], distance[:, 4::5]


def _freely(
    hypotheses: Sequence[Hypothesis],
    movers: Sequence[Mover],
    v: Floats,
    travelled: Floats,
    t_s: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Off the lanes: the course turns on with the turn rate fading; the box turns with the course."""
    rate = np.array([h.yaw_rate_rps for h in hypotheses])[:, None]
    course0 = np.array([h.course_rad for h in hypotheses])[:, None]
    turn = rate * _TURN_FADE_S * -np.expm1(-t_s / _TURN_FADE_S)
    before = np.concatenate([np.zeros_like(turn[:, :1]), turn[:, :-1]], axis=1)
    step = np.diff(travelled, axis=1, prepend=0.0)
    middle = course0 + 0.5 * (turn + before)
    x = np.array([m.x_m for m in movers])[:, None] + np.cumsum(step * np.cos(middle), axis=1)
    y = np.array([m.y_m for m in movers])[:, None] + np.cumsum(step * np.sin(middle), axis=1)
    yaw0 = np.array(
        [
            m.yaw_rad if m.is_vehicle else h.course_rad
            for h, m in zip(hypotheses, movers, strict=True)
        ]
    )[:, None]
    return x, y, wrap_angle(yaw0 + turn)


def _along_lines(
    hypotheses: Sequence[Hypothesis],
    movers: Sequence[Mover],
    rows: Floats,
    travelled: Floats,
    t_s: Floats,
) -> tuple[Floats, Floats, Floats]:
    """On lanes: interpolation in all lines at once, laid end to end; beyond their ends they go on straight."""
    lines = list({id(h.line): h.line for h in hypotheses if h.line is not None}.values())
    first = dict(
        zip(
            [id(line) for line in lines],
            np.cumsum([0, *(len(line.rows) for line in lines)])[:-1].tolist(),
            strict=True,
        )
    )
    table = np.concatenate([line.rows for line in lines])
    offset = np.array([first[id(h.line)] for h in hypotheses])[:, None]
    count = np.array([len(h.line.rows) for h in hypotheses if h.line is not None])[:, None]
    s = np.array([h.s_m for h in hypotheses])[:, None] + travelled
    i = np.clip(np.floor(s).astype(np.int64), 0, count - 2)
    f = (s - i)[..., None]
    a, b = table[offset + i], table[offset + i + 1]
    at = a + f * (b - a)
    yaw = np.where(f[..., 0] > 1.0, b[..., 2], at[..., 2])
    d0 = np.array([h.d_m for h in hypotheses])[:, None]
    target = np.array([h.target_d_m for h in hypotheses])[:, None]
    settle = np.array([h.settle_s for h in hypotheses])[:, None]
    d = target + (d0 - target) * np.exp(-t_s / settle)
    return at[..., 0] - d * np.sin(yaw), at[..., 1] + d * np.cos(yaw), wrap_angle(yaw)
