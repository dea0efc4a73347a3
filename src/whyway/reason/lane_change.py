"""Lane changes weighed: which side is worth a look, and what speaks against going there.

MOBIL's safety criterion and incentive (Kesting, Treiber, Helbing, Transportation Research Record 1999, 2007), with the accelerations
of whole rollouts in place of momentary ones.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from whyway.config import Config
from whyway.maps.manoeuvre import (
    CENTRED,
    change_time_s,
)
from whyway.maps.road import Road
from whyway.motion import idm_interaction
from whyway.reason.facts import HELD_MPS2, OUTLOOK_S, Facts, Option
from whyway.types import (
    CYCLE_S,
    Direction,
    EgoState,
    MarkingKind,
    Risk,
)


class LaneChanges:
    """Judges lane changes for one road and configuration."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config = config
        self._road = road
        self._front_m = config.vehicle.front_m
        self._rear_m = config.vehicle.rear_m

    def sides_worth_a_look(self, facts: Facts, keep: Option, wish: Direction) -> list[Direction]:
        """The sides to change to that are worth driving forward: the one under way, the route's, or any while somebody holds us back."""
        if facts.changing != Direction.NONE:
            return [facts.changing]
        # farther aside, a lane change would mean finishing one into this lane
        half = float(self._road.lanes[facts.place.lane_id].width_at(facts.place.s_m)) / 2
        if abs(facts.place.d_m) > min(0.6, CENTRED * half) or facts.ego.v_mps < 2.0:
            return []
        held = (
            float(np.mean(keep.rollout.pressure_mps2)) > 2 * HELD_MPS2
            and keep.rollout.binding.max() >= 0
        )
        if wish != Direction.NONE:
            return [wish]
        return [Direction.LEFT, Direction.RIGHT] if held else []

    def judged(
        self,
        facts: Facts,
        o: Option,
        keep: Option,
        wish: tuple[Direction, float] | None,
        left_m: float,
    ) -> Option:
        """The option with what speaks against it: MOBIL's safety criterion, then its incentive (Kesting et al., TRR 1999, 2007)."""
        m, under_way = o.manoeuvre, facts.changing != Direction.NONE
        if m.leaving is None:  # over the border already: finishing is all there is
            return o
        asked = wish is not None and wish[0] == m.direction
        lane = self._road.lanes[facts.place.lane_id].lane
        border = lane.left_marking if m.direction == Direction.LEFT else lane.right_marking
        change_m = facts.ego.v_mps * change_time_s(m.d_m, self._config.driving)
        if not under_way:
            if border == MarkingKind.SOLID or lane.in_junction:
                return against(o, Risk.RULE, 0.0)
            away = self._road.next_route_lane_change(m.path.lane_ids[0])
            if not asked and (
                any(a - m.s_m < change_m + 10.0 and b > m.s_m for a, b in m.path.junctions)
                or (wish is None and away is not None and away[1] - m.s_m < change_m + 120.0)
                or m.path.length_m - m.s_m < change_m + 20.0
            ):
                return against(o, Risk.PROGRESS, math.inf)
        unsafe = self._unsafe_at(facts.ego, o)
        if unsafe is not None:
            return against(o, Risk.COLLISION, *unsafe)
        if under_way or (asked and left_m < 250.0):
            return o
        horizon = self._config.reason.horizon_s + OUTLOOK_S
        gain = 2.0 * (o.prospect_m - keep.prospect_m) / horizon**2
        if gain < self._config.reason.lane_change_gain_mps2:
            return against(o, Risk.PROGRESS, math.inf)
        return o

    def _unsafe_at(self, ego: EgoState, o: Option) -> tuple[float, int] | None:
        """When a change would be unsafe and because of whom (0: nobody): beside us, braking hard behind us, or too near ahead."""
        c, idm = o.corridor, self._config.driving.idm
        target = ~c.leaves
        soon = o.rollout.a_mps2[: int(1.5 / CYCLE_S)]
        if float(np.min(soon)) < -self._config.reason.safe_brake_mps2:
            holds = int(o.rollout.binding[int(np.argmin(soon))])
            return 0.0, int(c.ids[holds]) if holds >= 0 else 0
        # across the target lane, wherever the ego is
        lateral = np.abs(c.aside_m[:, 0] + o.manoeuvre.d_m)
        in_lane = target & (lateral < 1.8)
        for row in np.flatnonzero(in_lane):
            front = c.ahead_m[row, 0] + c.half_length_m[row, 0]
            rear = c.ahead_m[row, 0] - c.half_length_m[row, 0]
            if front > -self._rear_m - 1.5 and rear < self._front_m + 1.5:
                return 0.0, int(c.ids[row])
            if front <= -self._rear_m:
                v = max(float(c.along_mps[row, 0]), 0.0)
                gap = -self._rear_m - front
                brake = idm.a_mps2 + float(
                    idm_interaction(np.asarray(v), np.asarray(gap), np.asarray(ego.v_mps), idm)
                )
                if brake < -self._config.reason.safe_brake_mps2:
                    closing = max(v - ego.v_mps, 0.1)
                    return float(gap / closing), int(c.ids[row])
        return None


def against(o: Option, risk: Risk, at_s: float, hindered_by: int = 0) -> Option:
    """The option with what speaks against it."""
    return dataclasses.replace(o, meets=(risk, at_s), hindered_by=hindered_by)
