"""Manoeuvres weighed: each lateral option is driven forward along its path, held back by whoever is in the way.

The terms of the rollout are the expert's reasons: the term that holds the car back at an instant *is* the cause then. `decide` is a
pure function of the facts and of causes to leave out, so a declared counterfactual is the decision taken again without one.
"""

from __future__ import annotations

import math

import numpy as np

from whyway.config import Config
from whyway.maps.corridor import Corridor, look
from whyway.maps.grid import OPEN_END_M
from whyway.maps.manoeuvre import (
    REACH_M,
    Manoeuvre,
    manoeuvre,
    profile_along,
)
from whyway.maps.road import Road
from whyway.motion import HALT, Rollout, SpeedProfile, roll_out
from whyway.reason.facts import HELD_MPS2, Decision, Facts, Halt, Key, Option
from whyway.reason.lane_change import LaneChanges
from whyway.trace.meta_actions import TURN_RAD, WINDOW_S, longitudinal_action, turn_between
from whyway.types import (
    CYCLE_S,
    CauseKind,
    Direction,
    EgoState,
    Floats,
    Lateral,
    LightColor,
    Longitudinal,
    MetaLongitudinal,
)

STOP_BEFORE_LINE_M = 1.0
STOP_BEFORE_OBJECT_M = 2.0
HARDEST_STOP_MPS2 = 6.0
"""A halt that would need more braking than this is no longer possible."""
AMBER_STOP_MPS2 = 3.0
"""Amber: stop if this much braking suffices (German and US practice: about 3 m/s2)."""
_SLOWS = (
    MetaLongitudinal.GENTLE_DECELERATION, MetaLongitudinal.STRONG_DECELERATION, MetaLongitudinal.STOP,
)  # fmt: skip
_SPEEDS_UP = (MetaLongitudinal.GENTLE_ACCELERATION, MetaLongitudinal.STRONG_ACCELERATION)


class Decider:
    """`decide(facts) -> Decision` for one road and configuration."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config = config
        self._road = road
        self._changes = LaneChanges(config, road)
        step = CYCLE_S
        self._t_s = np.arange(0.0, config.reason.horizon_s + step / 2, step)
        self._facts: Facts | None = None
        self._looks: dict[
            tuple[Lateral, Direction, bool], tuple[Manoeuvre | None, Corridor | None]
        ] = {}
        self._front_m = config.vehicle.front_m
        self._rear_m = config.vehicle.rear_m

    def decide(self, facts: Facts, without: frozenset[Key] = frozenset()) -> Decision:
        """The decision, as if the causes `without` were not there."""
        keep = self._option(facts, Lateral.KEEP_LANE, Direction.NONE, without)
        assert keep is not None
        wish = (
            None
            if (CauseKind.ROUTE, 0) in without
            else self._road.next_route_lane_change(facts.place.lane_id)
        )
        left = wish[1] - facts.place.s_m if wish else math.inf
        options = [keep]
        for direction in self._changes.sides_worth_a_look(
            facts, keep, wish[0] if wish else Direction.NONE
        ):
            option = self._option(facts, Lateral.LANE_CHANGE, direction, without)
            if option is not None:
                options.append(self._changes.judged(facts, option, keep, wish, left))
        sound = [o for o in options[1:] if o.meets is None]
        chosen = max(sound, key=lambda o: o.prospect_m) if sound else keep
        wanted = wish is not None and left < 80.0 and chosen is keep and len(options) > 1
        return self._named(
            facts, chosen, tuple(o for o in options if o is not chosen), without, wanted, wish
        )

    # ------------------------------------------------------------------------------------------------- one option

    def _option(
        self, facts: Facts, lateral: Lateral, direction: Direction, without: frozenset[Key]
    ) -> Option | None:
        on_route = (CauseKind.ROUTE, 0) not in without
        m, corridor = self._looked(facts, lateral, direction, on_route)
        if m is None or corridor is None:
            return None
        gone = [i for kind, i in without if kind == CauseKind.OBJECT]
        if gone:
            corridor = corridor.only(~np.isin(corridor.ids, gone))
        driving = self._config.driving
        profile = profile_along(
            m, driving, REACH_M,
            limits=(CauseKind.SPEED_LIMIT, 0) not in without, curves=(CauseKind.CURVATURE, 0) not in without,
        )  # fmt: skip
        cap = float(np.max(profile.allowed_mps[: max(2, int(facts.ego.v_mps * 5.0) + 10)]))
        halt = self._line_halt(facts, m, without)
        go = self._roll(facts.ego, profile, cap, halt, corridor)
        in_way, passed = self._conflicts(facts.ego, go, corridor)
        yields: tuple[int, ...] = ()
        if in_way:
            ahead, object_id = min(in_way)
            if self._can_stop(facts.ego.v_mps, ahead) and (halt is None or ahead < halt.ahead_m):
                halt, yields = Halt(ahead, (CauseKind.OBJECT, object_id)), (object_id,)
                go = self._roll(facts.ego, profile, cap, halt, corridor)
        return Option(m, corridor, profile, cap, go, halt, yields, tuple(dict.fromkeys(passed)))

    def _looked(
        self, facts: Facts, lateral: Lateral, direction: Direction, on_route: bool
    ) -> tuple[Manoeuvre | None, Corridor | None]:
        """The manoeuvre and who is in its way; counterfactuals look at the same scene again, so the last one is remembered."""
        if self._facts is not facts:
            self._facts, self._looks = facts, {}
        key = (lateral, direction, on_route)
        if key not in self._looks:
            m = manoeuvre(self._road, facts.place, lateral, direction, REACH_M, on_route=on_route)
            driving, vehicle = self._config.driving, self._config.vehicle
            seen = (
                None
                if m is None
                else look(m, facts.ego, facts.objects, vehicle, driving, self._t_s)
            )
            self._looks[key] = m, seen
        return self._looks[key]

    def _roll(
        self,
        ego: EgoState,
        profile: SpeedProfile,
        cap: float,
        halt: Halt | None,
        corridor: Corridor,
    ) -> Rollout:
        driving = self._config.driving
        return roll_out(
            ego.v_mps, ego.a_mps2, profile, cap, halt.ahead_m if halt else math.inf,
            corridor.obstacles(ego.v_mps), driving.idm, driving.limits, self._front_m, self._t_s,
        )  # fmt: skip

    def _can_stop(self, v_mps: float, ahead_m: float) -> bool:
        return ahead_m > -0.5 and v_mps * v_mps <= 2.0 * HARDEST_STOP_MPS2 * max(ahead_m + 0.5, 0.1)

    def _line_halt(self, facts: Facts, m: Manoeuvre, without: frozenset[Key]) -> Halt | None:
        """The first stop line that holds: red, amber that can be stopped for, or a stop sign not yet stood at."""
        v = facts.ego.v_mps
        for s, line in m.path.stop_lines:
            to_line = s - m.s_m - self._front_m
            if to_line < -0.3:
                continue
            halt = max(to_line - STOP_BEFORE_LINE_M, 0.0)
            if line.light_id:
                key = (CauseKind.TRAFFIC_LIGHT, line.light_id)
                color = facts.lights.get(line.light_id, LightColor.UNKNOWN)
                needs = v * v / (2.0 * max(to_line, 0.1))
                holds = (color == LightColor.RED and needs <= HARDEST_STOP_MPS2) or (
                    color == LightColor.AMBER and needs <= AMBER_STOP_MPS2
                )
            else:
                key = (CauseKind.STOP_SIGN, line.id)
                holds = line.is_stop_sign and line.id not in facts.served_stops
            if holds and key not in without:
                return Halt(halt, key)
        # where the map ends nothing is known of the road: not further than it is taken to go on
        end = m.path.length_m + OPEN_END_M - m.s_m - self._front_m - STOP_BEFORE_LINE_M
        ends = not len(self._road.lanes[m.path.lane_ids[-1]].lane.successor_ids)
        key = (CauseKind.ROUTE, 0)
        return Halt(max(end, 0.0), key) if ends and end < REACH_M and key not in without else None

    def _conflicts(
        self, ego: EgoState, go: Rollout, c: Corridor
    ) -> tuple[list[tuple[float, int]], list[int]]:
        """Crossing objects: those to yield to (where `base_link` would have to stand, id), and those the ego goes before."""
        yields, passes = [], []
        s, t = go.ahead_m, c.t_s
        for row in np.flatnonzero(c.crosses):
            at = np.flatnonzero(c.inside[row])
            near = float(np.min(c.ahead_m[row, at] - c.half_length_m[row, at]))
            far = float(np.max(c.ahead_m[row, at] + c.half_length_m[row, at]))
            if far < -self._rear_m or near < 0.5 * self._front_m:
                continue  # passed, or we stand in its way already: going on is the way out
            t_in, t_out = float(t[at[0]]), float(t[at[-1]]) if at[-1] < len(t) - 1 else math.inf
            arrives = _first(t, s + self._front_m >= near - 0.5)
            clears = _first(t, s - self._rear_m >= far + 0.5)
            slow = abs(float(c.along_mps[row, 0])) < 0.5 and t_in == 0.0 and t_out == math.inf
            before, after = (1.8, 0.8) if c.half_length_m[row, 0] < 0.6 else (1.0, 0.6)
            meets = arrives <= t_out + after and clears >= t_in - before
            reaches = math.isfinite(arrives) or near < 0.5 * ego.v_mps + 12.0
            if meets and reaches and not slow:
                margin = STOP_BEFORE_OBJECT_M
                yields.append((near - self._front_m - margin, int(c.ids[row])))
            elif math.isfinite(clears) and clears < t_in:
                passes.append(int(c.ids[row]))
        return yields, passes

    # -------------------------------------------------------------------------------------------------- in words

    def _named(
        self, facts: Facts, chosen: Option, others: tuple[Option, ...], without: frozenset[Key], wanted: bool,
        wish: tuple[Direction, float] | None,
    ) -> Decision:  # fmt: skip
        m, roll = chosen.manoeuvre, chosen.rollout
        now = roll.t_s <= WINDOW_S + 1e-6
        done = longitudinal_action(roll.t_s[now], roll.v_mps[now])
        weights = self._weights(facts, chosen, now, without)
        main = max(weights, key=lambda k: weights[k]) if weights else None
        longitudinal = _label(main, done, chosen, float(np.mean(roll.pressure_mps2[now])), wanted)
        lateral, direction = m.lateral, m.direction
        if lateral == Lateral.KEEP_LANE:
            to_s = m.s_m + float(roll.ahead_m[now][-1])
            turn = turn_between(m.path, m.s_m, to_s)
            if abs(turn) >= TURN_RAD and any(a < to_s and b > m.s_m for a, b in m.path.junctions):
                lateral, direction = Lateral.TURN, Direction.LEFT if turn > 0 else Direction.RIGHT
        return Decision(
            chosen,
            longitudinal,
            direction,
            lateral,
            weights,
            others,
            wanted,
            wish[0] if wish else Direction.NONE,
        )

    def _weights(
        self, facts: Facts, o: Option, now: np.ndarray, without: frozenset[Key]
    ) -> dict[Key, float]:
        """Share of each term: what it takes off the free road's acceleration, summed over the window."""
        total: dict[Key, float] = {}
        for row, pressure in zip(o.rollout.binding[now], o.rollout.pressure_mps2[now], strict=True):
            key: Key | None = None
            if row == HALT and o.halt is not None:
                key = o.halt.key
            elif row >= 0:
                key = (CauseKind.OBJECT, int(o.corridor.ids[row]))
            if key is not None:
                total[key] = total.get(key, 0.0) + float(pressure)
        steps = int(np.count_nonzero(now))
        held = {k: w for k, w in total.items() if w / steps >= HELD_MPS2}
        slows = float(o.rollout.v_mps[now][-1]) < float(o.rollout.v_mps[0]) - 0.3
        if not held and slows:
            kind = CauseKind.CURVATURE if self._curve_decides(facts, o) else CauseKind.SPEED_LIMIT
            held[(kind, 0)] = 1.0
        whole = sum(held.values())
        return {k: w / whole for k, w in held.items()}

    def _curve_decides(self, facts: Facts, o: Option) -> bool:
        span = max(5, int(facts.ego.v_mps * 5.0))
        straight = profile_along(o.manoeuvre, self._config.driving, REACH_M, curves=False)
        return bool(
            np.min(o.profile.allowed_mps[:span]) < np.min(straight.allowed_mps[:span]) - 0.3
        )


def collision_time(facts: Facts, o: Option, config: Config) -> float:
    """When the ego would hit somebody if it drove on as if the road were free; inf if it would not within the horizon."""
    c, t, vehicle = o.corridor, o.corridor.t_s, config.vehicle
    if not len(c.ids):
        return math.inf
    v = facts.ego.v_mps
    speed = np.minimum(v + config.driving.idm.a_mps2 * t, max(v, o.cap_mps))
    ahead = np.concatenate([[0.0], np.cumsum(speed[:-1] * np.diff(t))])
    meets = (
        c.inside
        & (c.ahead_m - c.half_length_m < ahead + vehicle.front_m)
        & (c.ahead_m + c.half_length_m > ahead - vehicle.rear_m)
        & (c.ahead_m[:, :1] > -vehicle.rear_m)
    )
    columns = np.flatnonzero(meets.any(axis=0))
    return float(t[columns[0]]) if len(columns) else math.inf


def _label(
    main: Key | None, done: MetaLongitudinal, o: Option, pressure_mps2: float, searching_gap: bool
) -> Longitudinal:
    """The decision's name: the main cause and what the rollout does about it."""
    if main is None:
        return Longitudinal.PASS if o.passes and done not in _SLOWS else Longitudinal.RESUME_SPEED
    if main[0] in (CauseKind.SPEED_LIMIT, CauseKind.CURVATURE):
        return Longitudinal.ADAPT_SPEED if done not in _SPEEDS_UP else Longitudinal.RESUME_SPEED
    if o.halt is not None and main == o.halt.key:
        if done in _SLOWS:
            return Longitudinal.YIELD if o.yields_to else Longitudinal.STOP
        return Longitudinal.RESUME_SPEED if done in _SPEEDS_UP else Longitudinal.ADAPT_SPEED
    if searching_gap and done not in _SPEEDS_UP and done != MetaLongitudinal.STOP:
        return Longitudinal.GAP_SEARCH
    if done == MetaLongitudinal.STRONG_ACCELERATION:
        return Longitudinal.RESUME_SPEED
    row = np.flatnonzero(o.corridor.ids == main[1])
    crossing = len(row) > 0 and bool(o.corridor.crosses[row].any())
    if crossing and done in _SLOWS:
        return Longitudinal.YIELD
    return Longitudinal.KEEP_DISTANCE


def _first(t: Floats, holds: np.ndarray) -> float:
    return float(t[np.argmax(holds)]) if holds.any() else math.inf
