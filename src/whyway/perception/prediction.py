"""Tracks -> where each may be over the next seconds: a few hypotheses per object with probabilities. No clock.

Vehicles follow every lane that leads on from where they are (at most three), at the speed they seem to want, or brake; one that
drifts out of its lane may cut in; off the lanes they keep their turn for a while. Pedestrians walk on, or cross where they
are about to. Whoever has to stop at a light or to give way is expected to, as long as they still can. `hypotheses_of` chooses per object; `roll_out` then computes all paths at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from whyway.config import PerceptionConfig
from whyway.geometry import wrap_angle
from whyway.maps.road import Road
from whyway.perception.crossings import CrossingArea, crossing_direction
from whyway.perception.rollout import COMFORT_BRAKE_MPS2, Hypothesis, Line, Mover, roll_out, sampled
from whyway.types import Direction, Floats, Intent, LaneKind, LightColor, PredictedPath

MAX_BRANCHES = 3
_LANE_HEADING_RAD = 0.7  # beyond it a vehicle does not follow the lane it is on
_BESIDE_M = 0.7  # it still follows a lane whose border it is so far beyond
_TURN_PRIOR = 0.4  # of a turn, against 1 for going straight on
_START_MPS2 = 1.2
_BRAKING_MPS2 = -0.9  # estimated accelerations beyond these two are believed to be meant
_SPEEDING_UP_MPS2 = 0.6
_FADE_S = 0.7  # accelerations fade out: those of real traffic mean little after a second (fitted on recorded US-101) ...
_BRAKING_FADE_S = 1.5
_LASTING_S = 1e3  # ... unless there is something to stop for
_FOLLOW_M = 60.0
_STANDSTILL_GAP_M = 2.0
_IN_LANE_M = 1.5  # so far from its middle one is in the way of who follows it
_CUT_IN_MPS = 0.35  # lateral speed in the lane
_MIN_PROBABILITY = 0.03
_LINES_M = 60.0
_EASY_STOP_MPS2 = 2.0  # whoever needs no more than this to stop at a line that holds them will
_AMBER_STOP_MPS2 = 3.0
_HARD_STOP_MPS2 = 4.0  # and who would need more than this will not
_DARK: Mapping[int, LightColor] = {}


class Predictor:
    """Hypotheses for road users on one road; lines are cached by lane."""

    def __init__(self, config: PerceptionConfig, road: Road) -> None:
        self._road = road
        self._dt_s, self._horizon_s = config.prediction_dt_s, config.horizon_s
        steps = round(self._horizon_s / self._dt_s)
        self._t: Floats = np.linspace(self._dt_s, steps * self._dt_s, steps)
        self._crossings = tuple(CrossingArea.of(c, road) for c in road.lane_map.crossings)
        self._line = lru_cache(maxsize=2048)(sampled)
        self._on_lane: dict[int, list[tuple[float, Mover]]] = {}
        self._lights: Mapping[int, LightColor] = _DARK

    def step(
        self, movers: Sequence[Mover], lights: Mapping[int, LightColor] = _DARK
    ) -> list[tuple[PredictedPath, ...]]:
        """Predictions for each mover, the most probable first; probabilities sum to one.

        Args:
          movers: everybody.
          lights: colours by light, as far as they are known.
        """
        self._lights = lights
        self._on_lane = _by_lane(movers)
        chosen = [_normalised(list(self.hypotheses_of(m))) for m in movers]
        flat = [h for hypotheses in chosen for h in hypotheses]
        if not flat:
            return []
        columns = zip(*roll_out(flat, self._t), strict=True)
        paths = (
            PredictedPath(h.intent, h.weight, self._dt_s, *column)
            for h, column in zip(flat, columns, strict=True)
        )
        return [tuple(next(paths) for _ in hypotheses) for hypotheses in chosen]

    def hypotheses_of(self, m: Mover) -> Iterator[Hypothesis]:
        """What one road user may do; weights are relative."""
        if not m.is_vehicle:
            yield from self._walking(m)
            return
        branches = self._branches(m)
        if m.standing:
            yield _free(m, Intent.STOP, 0.8)._replace(v_mps=0.0)
            for b in branches[:1] if branches and not branches[0].waits else ():
                yield b._replace(
                    intent=Intent.ACCELERATE,
                    weight=0.2,
                    v_mps=0.0,
                    acceleration_mps2=_START_MPS2,
                    fade_s=_LASTING_S,
                )
        elif not branches:
            turn = min(max(m.yaw_rate_rps, -0.6), 0.6)
            yield _free(m, Intent.KEEP, 1.0)._replace(
                acceleration_mps2=m.acceleration_mps2, fade_s=_FADE_S, yaw_rate_rps=turn
            )
        else:
            yield from self._driving(m, branches)

    def _driving(self, m: Mover, branches: list[Hypothesis]) -> Iterator[Hypothesis]:
        """On along the branches; along the likeliest also at another speed; or over into the neighbour lane."""
        cut_in = self._cut_in(m, branches[0])
        share = (1.0 - (cut_in.weight if cut_in else 0.0)) / sum(b.weight for b in branches)
        likeliest, *others = [b._replace(weight=share * b.weight) for b in branches]
        if likeliest.waits:
            # the less it would take to stop, the less likely is it that they will not
            needed = -likeliest.acceleration_mps2
            slows = m.acceleration_mps2 < 0.5 * _BRAKING_MPS2
            other, intent, a = 0.05, Intent.KEEP, 0.0
            if needed > _EASY_STOP_MPS2 and not slows:
                other = min(0.05 + 0.3 * (needed - _EASY_STOP_MPS2), 0.6)
        elif m.acceleration_mps2 < _BRAKING_MPS2:
            other, intent, a = 0.25, Intent.KEEP, 0.0
        else:
            other, intent, a = 0.12, Intent.DECELERATE, -COMFORT_BRAKE_MPS2
        yield likeliest._replace(weight=(1.0 - other) * likeliest.weight)
        yield likeliest._replace(
            weight=other * likeliest.weight,
            intent=intent,
            acceleration_mps2=a,
            fade_s=_LASTING_S,
            v_min_mps=0.0,
        )
        yield from others
        if cut_in:
            yield cut_in

    def _branches(self, m: Mover) -> list[Hypothesis]:
        """The lanes that lead on from a vehicle's place, the likeliest first; empty where it follows none."""
        reach = (m.v_mps + 3.0) * self._horizon_s
        found: list[Hypothesis] = []
        for lane_id, s, d, fit in self._lanes_under(m):
            seen: set[tuple[int, ...]] = set()
            for path in self._road.branches_from(lane_id, s + reach, 2 * MAX_BRANCHES):
                within = path.lane_ids[: int(path.index_at(s + reach)) + 1]
                if within not in seen:  # paths that part only beyond the horizon are one
                    seen.add(within)
                    found.append(self._along(m, self._line(path), s, d, fit, reach))
        found.sort(key=lambda h: -h.weight)
        return found[:MAX_BRANCHES]

    def _lanes_under(self, m: Mover) -> Iterator[tuple[int, float, float, float]]:
        """`(lane_id, s_m, d_m, likelihood)`: the best lane, and in junctions those that fork beside it."""
        if m.lane is None:
            return
        best, lanes = m.lane[0], self._road.lanes
        ids = [best]
        if lanes[best].lane.in_junction:
            ids += [
                i
                for i in self._road.lanes_at(m.x_m, m.y_m)
                if i != best and lanes[i].lane.in_junction
            ]
        for i in ids:
            lane = lanes[i]
            if lane.lane.kind not in (LaneKind.DRIVING, LaneKind.BIKE):
                continue
            s, d = m.lane[1:] if i == best else lane.project(m.x_m, m.y_m)
            k = min(max(int(s), 0), len(lane.center.yaw_rad) - 1)
            off = abs(float(wrap_angle(m.yaw_rad - lane.center.yaw_rad[k])))
            near = abs(d) < 0.5 * float(lane.width_at(s)) + _BESIDE_M
            if near and off < _LANE_HEADING_RAD and (i == best or (off < 0.4 and abs(d) < 1.5)):
                curve = m.yaw_rate_rps - m.v_mps * float(lane.center.curvature_1pm[k])
                fit = math.exp(-0.5 * ((d / 0.8) ** 2 + (off / 0.15) ** 2 + (curve / 0.25) ** 2))
                yield i, s, d, max(fit, 1e-6)

    def _along(
        self, m: Mover, line: Line, s: float, d: float, fit: float, reach: float
    ) -> Hypothesis:
        """On along a line, with the turn it takes within reach, at the speed the vehicle seems to want."""
        a, fade, v_min = self._longitudinal(m, line, s)
        stop = self._stop(m, line, s)
        if stop is not None and -stop <= a:
            a, fade, v_min = -stop, _LASTING_S, 0.0
        intent = Intent.KEEP
        if a < _BRAKING_MPS2:
            intent = Intent.DECELERATE
        elif a > _SPEEDING_UP_MPS2:
            intent = Intent.ACCELERATE
        weight, turn_v, turn_from = fit, 1e3, 0.0
        turn = next((t for t in line.turns if t[1] > s and t[0] < s + reach), None)
        if turn is not None:
            start, _, side, turn_v = turn
            intent = Intent.TURN_LEFT if side is Direction.LEFT else Intent.TURN_RIGHT
            slowing_m = (m.v_mps**2 - turn_v**2) / (2 * COMFORT_BRAKE_MPS2)
            turn_from = max(0.0, (start - s - slowing_m) / max(m.v_mps, 0.1))
            if start > s:
                # who would have to brake hard for the turn will not take it; who brakes already is about to
                excess = COMFORT_BRAKE_MPS2 * slowing_m / max(start - s, 1.0) - 1.0
                weight *= (
                    _TURN_PRIOR * math.exp(-max(0.0, excess)) * (2.0 if a < _BRAKING_MPS2 else 1.0)
                )
        lateral = m.v_mps * math.sin(m.course_rad - line.yaw_at(s))
        settle = min(max(abs(d / lateral), 1.0), 4.0) if d * lateral < -0.05 else 4.0
        return Hypothesis(
            intent, weight, line, m.x_m, m.y_m, m.yaw_rad, m.v_mps,
            acceleration_mps2=a, fade_s=fade, v_max_mps=max(m.v_mps, 1.1 * float(line.path.limit_at(s))),
            turn_v_mps=turn_v, turn_from_s=turn_from, v_min_mps=v_min, s_m=s, d_m=d, settle_s=settle,
            waits=float(stop is not None),
        )  # fmt: skip

    def _longitudinal(self, m: Mover, line: Line, s: float) -> tuple[float, float, float]:
        """Acceleration, how it fades, and the speed at which braking ends: for a slower one ahead, for a stop line, for nothing visible."""
        a, v = m.acceleration_mps2, m.v_mps
        lead = self._lead(m, line, s)
        if lead is not None and lead[1] < v:
            gap, lead_v = lead
            needed = (v - lead_v) ** 2 / (2 * max(gap - _STANDSTILL_GAP_M, 0.5))
            if needed > 0.3 or a < _BRAKING_MPS2:
                return min(a, -min(needed, 6.0)), _LASTING_S, lead_v
        if a >= _BRAKING_MPS2:
            return a, _FADE_S, 0.0
        stop_m = 1.5 * v * v / (2 * -a) + 5.0
        stops = any(s < at < s + stop_m for at, _ in line.path.stop_lines)
        return a, _LASTING_S if stops else _BRAKING_FADE_S, 0.0

    def _stop(self, m: Mover, line: Line, s: float) -> float | None:
        """How hard a vehicle has to brake to stand at the line that holds it: red, amber that can be stopped for, a sign or give-way line.

        None where no line holds, and where it is too late: who cannot stop any more, or does not, goes on.
        """
        front = s + 0.5 * m.length_m
        for at, part in line.path.stop_lines:
            if not front - 1.0 < at < s + _LINES_M:
                continue
            needed = m.v_mps**2 / (2.0 * max(at - front, 0.5))
            if not part.light_id:
                return needed if needed <= _HARD_STOP_MPS2 else None
            color = self._lights.get(part.light_id, LightColor.UNKNOWN)
            most = {LightColor.RED: _HARD_STOP_MPS2, LightColor.AMBER: _AMBER_STOP_MPS2}
            return needed if color in most and needed <= most[color] else None
        return None

    def _lead(self, m: Mover, line: Line, s: float) -> tuple[float, float] | None:
        """Gap between boxes and speed of the next one ahead along a line."""
        best: tuple[float, float] | None = None
        for start, lane_id in zip(line.starts, line.path.lane_ids, strict=True):
            if start > s + _FOLLOW_M or best is not None:
                break
            for other_s, other in self._on_lane.get(lane_id, ()):
                gap = start + other_s - s - 0.5 * (m.length_m + other.length_m)
                if (
                    other is not m
                    and start + other_s > s
                    and gap < _FOLLOW_M
                    and (best is None or gap < best[0])
                ):
                    best = gap, 0.0 if other.standing else other.v_mps
        return best

    def _cut_in(self, m: Mover, b: Hypothesis) -> Hypothesis | None:
        """A change to the neighbour lane it drifts to, if it drifts."""
        assert b.line is not None
        lateral = m.v_mps * math.sin(m.course_rad - b.line.yaw_at(b.s_m))
        left, right = self._road.neighbours(b.line.path.lane_at(b.s_m))
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
        weight = (
            0.25 + 0.5 * max(outwards, 0.0) / max(half, 0.5) + 0.3 * (abs(lateral) - _CUT_IN_MPS)
        )
        return b._replace(
            intent=Intent.CUT_IN_LEFT if lateral > 0 else Intent.CUT_IN_RIGHT,
            weight=min(weight, 0.9),
            target_d_m=math.copysign(width, lateral),
            settle_s=min(max((width - outwards) / abs(lateral), 2.0), 4.0) / 2,
        )

    def _walking(self, m: Mover) -> Iterator[Hypothesis]:
        v = 0.0 if m.standing else m.v_mps
        on = _free(m, Intent.STOP if m.standing else Intent.KEEP, 1.0)._replace(v_mps=v)
        for area in self._crossings:
            about = crossing_direction(area, m.x_m, m.y_m, v, m.course_rad)
            if about is not None:
                course, probability = about
                yield on._replace(weight=1.0 - probability)
                yield on._replace(
                    intent=Intent.CROSS,
                    weight=probability,
                    v_mps=max(v, 1.0),
                    course_rad=course,
                    yaw_rad=course,
                )
                return
        yield on


def _by_lane(movers: Sequence[Mover]) -> dict[int, list[tuple[float, Mover]]]:
    """Who is on each lane, and where along it."""
    found: dict[int, list[tuple[float, Mover]]] = {}
    for m in movers:
        if m.lane is not None and abs(m.lane[2]) < _IN_LANE_M:
            found.setdefault(m.lane[0], []).append((m.lane[1], m))
    return found


def _free(m: Mover, intent: Intent, weight: float) -> Hypothesis:
    """Straight on at the present speed; a vehicle's box keeps its heading, a pedestrian's follows the course."""
    yaw = m.yaw_rad if m.is_vehicle else m.course_rad
    return Hypothesis(intent, weight, None, m.x_m, m.y_m, yaw, m.v_mps, course_rad=m.course_rad)


def _normalised(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    """Without the improbable, weights summing to one, the likeliest first."""
    total = sum(h.weight for h in hypotheses)
    kept = [h for h in hypotheses if h.weight >= _MIN_PROBABILITY * total]
    kept.sort(key=lambda h: -h.weight)
    total = sum(h.weight for h in kept)
    return [h._replace(weight=h.weight / total) for h in kept]
