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
    REACH_M,
    Manoeuvre,
    change_time_s,
)
from whyway.maps.road import Road
from whyway.motion import Rollout
from whyway.reason.facts import HELD_MPS2, OUTLOOK_S, Facts, Halt, Key, Option, moves_over_m
from whyway.trace.meta_actions import SHIFT_M
from whyway.types import (
    CYCLE_S,
    CauseKind,
    Direction,
    EgoState,
    Lateral,
    MarkingKind,
    Risk,
)

FOLLOWER_S = 0.6
"""Headway that is left to whoever the ego changes before."""
NOTICES_S = 1.0
"""So long after a change has begun whoever is behind sees it, and brakes."""
BEGUN = 0.7
"""Urgency of a change under way: giving it up is no safer."""
STEEPEST_1PM = 0.45
"""Bends beyond it are not begun."""
COMMITTED = 0.6
"""Share of the lane's half width beyond which a change is not given up."""
STOOD_S = 1.0
"""Who has stood so long may change lanes from standstill."""
STANDS_MPS = 0.5
BESIDE_M = 1.5
"""Free length before and behind the ego that a lane to change to needs."""
LEVEL_S = 4.0
"""In what time the ego comes level with a gap."""
AIM_M = 40.0
"""Gaps farther off are not aimed at."""
INTO_M = 1.0
"""So far into a gap it aims."""
SEARCH_MPS = 4.0
"""Not slower, looking for a gap, while there is way left."""
LAST_M = 12.0
"""Length a change takes at walking pace."""
BEHIND_M = 40.0
"""With so much way left behind a junction, no lanes are changed inside it."""
WAITS_S = 150.0
"""So long the ego waits for a gap at the end of a lane that leads away from its route: there may be no other way back to it."""
LANE_M = 3.5
"""Width of a lane, to tell how much of a change is left."""
LEAST_MPS = 3.0
"""Not slower, to have the time for all changes that are due."""
BETWEEN_S = 1.0
"""From one change to the next, beside what the changes take themselves."""


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
        standing = facts.ego.v_mps < 2.0
        if standing and facts.waited_s < STOOD_S:
            return []
        leaning = abs(facts.place.d_m) > min(0.6, CENTRED * half)
        if leaning:  # who gave up a change and stands may take it up again
            left = facts.place.d_m > 0.0
            return [Direction.LEFT if left else Direction.RIGHT] if standing else []
        by_somebody = keep.rollout.binding.max() >= 0 or (
            keep.halt is not None and keep.halt.key[0] == CauseKind.OBJECT and not keep.yields_to
        )
        held = by_somebody and float(np.mean(keep.rollout.pressure_mps2)) > 2 * HELD_MPS2
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
        half = float(self._road.lanes[facts.place.lane_id].width_at(facts.place.s_m)) / 2
        committed = abs(facts.place.d_m) > COMMITTED * half
        if under_way and not (asked or committed) and (wish is not None or lane.in_junction):
            return against(o, Risk.PROGRESS, math.inf)  # what it was begun for is missed
        border = lane.left_marking if m.direction == Direction.LEFT else lane.right_marking
        change_m = facts.ego.v_mps * change_time_s(m.d_m, self._config.driving)
        if not under_way:
            # a route that crosses a solid line knows no other way; a lane has one marking here, its main one
            if (border == MarkingKind.SOLID and not asked) or lane.in_junction:
                return against(o, Risk.RULE, 0.0)
            if asked and any(
                0.0 < a - m.s_m < min(max(change_m, LAST_M), left_m - BEHIND_M)
                for a, _ in m.path.junctions
            ):
                return against(o, Risk.PROGRESS, math.inf)  # behind the junction is soon enough
            away = self._road.next_route_lane_change(m.path.lane_ids[0])
            if not asked and (
                any(a - m.s_m < change_m + 10.0 and b > m.s_m for a, b in m.path.junctions)
                or (wish is None and away is not None and away[1] - m.s_m < change_m + 120.0)
                or m.path.length_m - m.s_m < change_m + 20.0
            ):
                return against(o, Risk.PROGRESS, math.inf)
        if under_way and committed:
            return o  # half over: there is no better place to be than on the other side
        steepest = STEEPEST_1PM * (2.0 if under_way else 1.0)
        if m.shift is not None and m.shift.bend_1pm > steepest:
            return against(o, Risk.COMFORT, 0.0)  # no room left to steer out
        if moves_over_m(facts, o, self._config.driving) < SHIFT_M:
            return against(o, Risk.PROGRESS, math.inf)  # held there too: nothing would come of it
        urgency = _urgency(facts, left_m) if asked else 0.0
        # who is behind a change under way has seen it
        notices_s = 0.0 if under_way else NOTICES_S * _ease(urgency)
        urgency = max(urgency, BEGUN if under_way else 0.0)
        unsafe = self._unsafe_at(facts.ego, o, urgency, notices_s)
        if unsafe is not None:
            return against(o, Risk.COLLISION, *unsafe)
        if under_way or (asked and left_m < 250.0):
            return o
        horizon = self._config.reason.horizon_s + OUTLOOK_S
        gain = 2.0 * (o.prospect_m - keep.prospect_m) / horizon**2
        if gain < self._config.reason.lane_change_gain_mps2:
            return against(o, Risk.PROGRESS, math.inf)
        return o

    def _unsafe_at(
        self, ego: EgoState, o: Option, urgency: float, notices_s: float
    ) -> tuple[float, int] | None:
        """When a change would be unsafe and because of whom (0: nobody): beside us, braking hard behind us, or too near ahead.

        The more urgent it is (0 to 1), the harder others may have to brake and the closer they may be.
        """
        safe_mps2 = (1.0 + 0.6 * urgency) * self._config.reason.safe_brake_mps2
        ease = _ease(urgency)
        beside = BESIDE_M * ease
        c = o.corridor
        target = ~c.leaves
        soon = o.rollout.a_mps2[: int(1.5 / CYCLE_S)]
        if float(np.min(soon)) < -safe_mps2:
            holds = int(o.rollout.binding[int(np.argmin(soon))])
            return 0.0, int(c.ids[holds]) if holds >= 0 else 0
        # across the target lane, wherever the ego is
        lateral = np.abs(c.aside_m[:, 0] + o.manoeuvre.d_m)
        in_lane = target & (lateral < 1.8)
        for row in np.flatnonzero(in_lane):
            front = c.ahead_m[row, 0] + c.half_length_m[row, 0]
            rear = c.ahead_m[row, 0] - c.half_length_m[row, 0]
            waits = float(c.along_mps[row, 0]) < STANDS_MPS and front < 0.3 * self._front_m
            if waits and ego.v_mps < STANDS_MPS:
                continue  # somebody at our rear who lets us go
            if front > -self._rear_m - beside and rear < self._front_m + beside:
                return 0.0, int(c.ids[row])
            if front <= -self._rear_m:
                v = max(float(c.along_mps[row, 0]), 0.0)
                gap = -self._rear_m - front
                loses = _loses_m(o.rollout, v, notices_s, safe_mps2)
                if gap < beside + FOLLOWER_S * ease * v + loses:
                    return float(gap / max(v - ego.v_mps, 0.1)), int(c.ids[row])
        return None

    def gap_speed(self, facts: Facts, change: Option, left_m: float) -> tuple[float, Key] | None:
        """The speed at which the ego comes level with a gap in the lane it has to change to, and because of whom; None without one.

        The gap is the nearest: before the first, between two, or behind the last.
        """
        c, d = change.corridor, change.manoeuvre.d_m
        there: dict[int, tuple[float, float, float, int]] = {}
        for row in np.flatnonzero(~c.leaves & (np.abs(c.aside_m[:, 0] + d) < 1.8)).tolist():
            x, half = float(c.ahead_m[row, 0]), float(c.half_length_m[row, 0])
            there[int(c.ids[row])] = x - half, x + half, float(c.along_mps[row, 0]), int(c.ids[row])
        if not there:
            return None
        row_ = sorted(there.values(), reverse=True)
        urgency, found = _urgency(facts, left_m), []
        beside, headway = BESIDE_M * _ease(urgency), FOLLOWER_S * _ease(urgency)
        for ahead, behind in zip([None, *row_], [*row_, None], strict=True):
            high = ahead[0] - self._front_m - beside if ahead else math.inf
            low = behind[1] + self._rear_m + beside + headway * behind[2] if behind else -math.inf
            if low < high:
                # before somebody one drives as fast as they do; behind somebody too
                speed = (ahead or behind or row_[0])[2]
                to = min(max(0.0, low + INTO_M), high)
                if abs(to) > AIM_M:
                    continue
                found.append((abs(to), speed + to / LEVEL_S, (ahead or row_[0])[3]))
        if not found:  # as fast as whoever is nearest: a short gap will do then
            _, speed, who = min((abs(a + b), v, i) for a, b, v, i in row_)
            found = [(0.0, speed, who)]
        _, speed, who = min(found)
        return max(speed, SEARCH_MPS if left_m > 30.0 else 0.5), (CauseKind.OBJECT, who)

    def last_chance(self, facts: Facts, left_m: float) -> Halt | None:
        """Where to wait for a gap at the latest, if the lane has to be left within `left_m`; nobody waits there for ever."""
        if left_m > REACH_M or facts.waited_s > WAITS_S:
            return None
        changes = self._road.route_lane_changes(facts.place.lane_id)
        for room_m in (max(changes, 1) * LAST_M, LAST_M, 1.0):
            ahead = left_m - room_m - self._front_m
            brake = 2.0 * self._config.reason.safe_brake_mps2
            if ahead > 0.0 and facts.ego.v_mps**2 < brake * max(ahead, 0.1):
                return Halt(ahead, (CauseKind.ROUTE, 0))
        return None

    def in_time(self, m: Manoeuvre, left_m: float) -> float:
        """The speed at which all lane changes that are due fit into the way that is left; inf where none is.

        Args:
          m: keeping the lane that has to be left, or the change of lanes.
          left_m: the way left to the place where the ego's own lane has to be left.
        """
        lane_id = m.path.lane_ids[0]
        wish, due = (
            self._road.next_route_lane_change(lane_id),
            float(self._road.route_lane_changes(lane_id)),
        )
        if wish is not None:
            left_m = wish[1] - m.s_m
        if m.lateral == Lateral.LANE_CHANGE:
            due += min(abs(m.d_m) / LANE_M, 1.0)
        if due <= 1.0:  # the last one is begun or waited for
            return math.inf
        each_s = self._config.driving.lane_change_s + BETWEEN_S
        return max(left_m / (due * each_s), LEAST_MPS)


def _ease(urgency: float) -> float:
    """What is left, of the room and time that others are given, in such a hurry."""
    return 1.0 - 0.7 * urgency


def _loses_m(go: Rollout, v_mps: float, notices_s: float, brake_mps2: float) -> float:
    """How much nearer a follower gets who notices the ego after some time and then brakes, as the ego goes on meanwhile.

    To an ego at constant speed, without the time to notice, that is MOBIL's (closing speed)^2 / (2 b); one that slows down for
    what it changes round is caught up with by more.
    """
    t = np.clip(go.t_s - notices_s, 0.0, v_mps / brake_mps2)
    comes = v_mps * np.minimum(go.t_s, notices_s) + v_mps * t - 0.5 * brake_mps2 * t * t
    return max(float(np.max(comes - go.ahead_m)), 0.0)


def _urgency(facts: Facts, left_m: float) -> float:
    """From 0 with all the time in the world to 1 at the end of the lane, or after a long wait."""
    return min(max(1.0 - left_m / 60.0, facts.waited_s / 10.0, 0.0), 1.0)


def against(o: Option, risk: Risk, at_s: float, hindered_by: int = 0) -> Option:
    """The option with what speaks against it."""
    return dataclasses.replace(o, meets=(risk, at_s), hindered_by=hindered_by)
