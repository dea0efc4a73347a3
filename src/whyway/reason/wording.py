"""A decision in words: its name, the share of every term in it, and what would have happened otherwise."""

from __future__ import annotations

import math

import numpy as np

from whyway.config import Config
from whyway.maps.manoeuvre import REACH_M, profile_along
from whyway.motion import HALT
from whyway.reason.facts import HELD_MPS2, Decision, Facts, Key, Option, moves_over_m
from whyway.trace.meta_actions import (
    SHIFT_M,
    TURN_RAD,
    WINDOW_S,
    longitudinal_action,
    turn_between,
)
from whyway.types import CauseKind, Direction, Lateral, Longitudinal, MetaLongitudinal

_SLOWS = (
    MetaLongitudinal.GENTLE_DECELERATION, MetaLongitudinal.STRONG_DECELERATION, MetaLongitudinal.STOP,
)  # fmt: skip
_SPEEDS_UP = (MetaLongitudinal.GENTLE_ACCELERATION, MetaLongitudinal.STRONG_ACCELERATION)
SHIFTS_M = 0.25
"""Moving sideways by less than this within the words' window is holding the offset."""


class Wording:
    """Names decisions for one configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def named(
        self, facts: Facts, chosen: Option, others: tuple[Option, ...], without: frozenset[Key], wanted: bool,
        wish: tuple[Direction, float] | None,
    ) -> Decision:  # fmt: skip
        """The decision to drive the chosen option."""
        m, roll = chosen.manoeuvre, chosen.rollout
        now = roll.t_s <= WINDOW_S + 1e-6
        done = longitudinal_action(roll.t_s[now], roll.v_mps[now])
        weights = self._weights(facts, chosen, now, without)
        main = max(weights, key=lambda k: weights[k]) if weights else None
        longitudinal = _label(main, done, chosen, float(np.mean(roll.pressure_mps2[now])), wanted)
        lateral, direction = m.lateral, m.direction
        if m.shift is not None and lateral != Lateral.LANE_CHANGE:
            start, end = m.shift.at(np.array([0.0, roll.ahead_m[now][-1]])).tolist()
            by = end - start if abs(end - start) > SHIFTS_M else m.shift.swerve.offset_m
            direction = Direction.LEFT if by > 0.0 else Direction.RIGHT
        if (
            lateral == Lateral.LANE_CHANGE
            and moves_over_m(facts, chosen, self._config.driving) < SHIFT_M
        ):
            lateral, direction = Lateral.KEEP_LANE, Direction.NONE  # held, half over a border
        if lateral != Lateral.LANE_CHANGE or m.leaving is None:
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
        if not held and slows and o.capped_by is not None:
            held[o.capped_by] = 1.0
        elif not held and slows:
            kind = CauseKind.CURVATURE if self._curve_decides(facts, o) else CauseKind.SPEED_LIMIT
            held[(kind, 0)] = 1.0
        whole = sum(held.values())
        return {k: w / whole for k, w in held.items()}

    def _curve_decides(self, facts: Facts, o: Option) -> bool:
        span = max(5, int(facts.ego.v_mps * 5.0))
        driving = self._config.driving
        straight = profile_along(o.manoeuvre, facts.ego, driving, REACH_M, curves=False)
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
    gap_search = searching_gap and done not in (*_SPEEDS_UP, MetaLongitudinal.STOP)
    if main == o.capped_by and gap_search:
        return Longitudinal.GAP_SEARCH
    if main[0] in (CauseKind.SPEED_LIMIT, CauseKind.CURVATURE) or main == o.capped_by:
        return Longitudinal.ADAPT_SPEED if done not in _SPEEDS_UP else Longitudinal.RESUME_SPEED
    if o.halt is not None and main == o.halt.key:
        if done in _SLOWS:
            return Longitudinal.YIELD if o.yields_to else Longitudinal.STOP
        return Longitudinal.RESUME_SPEED if done in _SPEEDS_UP else Longitudinal.ADAPT_SPEED
    if gap_search:
        return Longitudinal.GAP_SEARCH
    if done == MetaLongitudinal.STRONG_ACCELERATION:
        return Longitudinal.RESUME_SPEED
    row = np.flatnonzero(o.corridor.ids == main[1])
    crossing = len(row) > 0 and bool(o.corridor.crosses[row].any())
    if crossing and done in _SLOWS:
        return Longitudinal.YIELD
    return Longitudinal.KEEP_DISTANCE
