"""Ways round whoever stands or dawdles in the lane: aside within it, or over its border when what is there is free for long enough.

Lateral offsets are the second axis of PDM-Closed's proposals (Dauner et al., "Parting with Misconceptions about Learning-based
Vehicle Motion Planning", CoRL 2023); here they are laid where somebody is in the way, just as wide as it takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whyway.config import Config
from whyway.maps.corridor import Survey
from whyway.maps.manoeuvre import Manoeuvre, aside
from whyway.maps.road import Road
from whyway.maps.swerve import Shift, Swerve, shift_length_m
from whyway.reason.facts import Facts, Halt, Key, Option
from whyway.reason.lane_change import against
from whyway.types import CauseKind, LightColor, ObjectClass, Risk, StopLine, TrackedObject

LOOK_M = 60.0
"""How far ahead somebody in the way is thought of driving round."""
LONGEST_M = 45.0
"""The longest row of blockers that is driven round at once."""
BETWEEN_M = 12.0
"""Nobody returns to the lane between two blockers nearer to each other than this."""
IN_A_ROW = 4.0
"""So many times longer it takes to believe that those who stand in a row do so for good: a queue is more likely."""
ASIDE_M = 0.9
"""Whoever stands so far from the lane's middle has parked."""
STANDS_MPS = 0.3
DAWDLES_MPS = 7.0
"""Cyclists and pedestrians slower than this are passed."""
WRONG_LANE_S = 10.0
"""How long one waits before driving with the car's middle in the oncoming lane."""
UNSEEN = 0.8
"""At this part of the limit somebody may come who is not seen yet."""
CLEAR_S = 1.0
"""How long before an oncoming road user is there the ego is back in its lane."""
YAW_RATE_RPS, LATERAL_MPS2, STEEPEST_1PM = 0.6, 4.0, 0.25
"""What moving over may take at most."""
EASY_1PM = 0.12
"""A bend that is steered into without further thought."""
LEAST_GAP_M = 0.35
CHANGE_MPS, CHANGE_LATER_M = 4.0, 3.0
"""Slower than this a change of lanes round somebody is laid to a place; so far behind the front's reaching them it may end."""
LATER_M = (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
"""How far behind the front's reaching them the swerve may be over."""
STAND_OFF_BRAKE_MPS2 = 2.0
BESIDE_MPS, BESIDE_1PS = 4.0, 12.0
"""Speed beside somebody without any room, and how much faster it may be for every metre of it."""
_VRU = (ObjectClass.PEDESTRIAN, ObjectClass.BICYCLE, ObjectClass.ANIMAL)
_THINGS = (ObjectClass.HAZARD, ObjectClass.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Blocker:
    """Somebody along the path now: near and far end ahead of `base_link`, right and left edge."""

    o: TrackedObject
    near_m: float
    far_m: float
    right_m: float
    left_m: float
    along_mps: float

    @property
    def d_m(self) -> float:
        """Its middle, left of the path."""
        return (self.left_m + self.right_m) / 2


@dataclass(frozen=True, slots=True)
class Detour:
    """A way round: the swerve, and those it is because of."""

    swerve: Swerve
    round: tuple[int, ...]
    beside: bool
    """Whether the ego is beside one of them already: there is no way back into the lane."""
    gap_m: float
    """Room beside them."""
    over_m: float
    """How far the ego's flank reaches over the lane's border; negative within it."""


class Detours:
    """Finds and judges ways round for one road and configuration."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config, self._road = config, road
        self._front_m, self._rear_m = config.vehicle.front_m, config.vehicle.rear_m
        self._half_m = config.vehicle.width_m / 2
        sensor = config.sim.sensor
        self._sight_m = sensor.range_m if sensor.enabled else math.inf

    def in_the_way(
        self, facts: Facts, m: Manoeuvre, seen: Survey, gone: frozenset[int]
    ) -> list[Blocker]:
        """Those who are to be driven round, the nearest first: one row that the ego would not return to the lane between."""
        return self._row(facts, m, self._places(facts, seen, gone))

    def stand_off(
        self, facts: Facts, m: Manoeuvre, seen: Survey, gone: frozenset[int]
    ) -> Halt | None:
        """Where to stand behind somebody who stands for no reason one can see: near enough to go, far enough to steer round them."""
        p = next(iter(self._ahead(self._places(facts, seen, gone))), None)
        stands = p is not None and math.hypot(p.o.vx_mps, p.o.vy_mps) < STANDS_MPS
        if p is None or not stands or self._may_have_to_wait(facts, m, p):
            return None
        to_go = p.near_m - self._front_m
        # at speed a little nearer rather than harder; right behind them there is nothing to be gained
        gently = facts.ego.v_mps**2 / (2.0 * STAND_OFF_BRAKE_MPS2)
        stand = max(to_go - self._config.reason.stand_off_m, gently)
        return Halt(stand, (CauseKind.OBJECT, p.o.id)) if stand < to_go - 3.0 else None

    def change_before(self, facts: Facts, group: list[Blocker]) -> Swerve | None:
        """How a change of lanes from near standstill is laid so that it is over, or nearly, when the ego reaches them."""
        if not group or facts.ego.v_mps > CHANGE_MPS or group[0].near_m < self._front_m:
            return None
        over = group[0].near_m - self._front_m + CHANGE_LATER_M
        return Swerve(0.0, over, over + 1.0)

    def cap(self, detour: Detour) -> tuple[float, Key]:
        """The speed beside them, with time to slow down to it."""
        slow = detour.gap_m * BESIDE_1PS + BESIDE_MPS
        if detour.over_m > 0.0:
            # slower still with more than half of the car over the border: that is another's lane
            wrong = detour.over_m > self._half_m
            slow = min(slow, (0.6 if wrong else 1.0) * self._config.reason.passing_mps)
        brake = 0.7 * self._config.driving.comfort_brake_mps2
        cap = math.sqrt(slow * slow + 2.0 * brake * detour.swerve.from_m)
        return cap, (CauseKind.OBJECT, detour.round[0])

    def ways_round(self, facts: Facts, m: Manoeuvre, group: list[Blocker]) -> list[Detour]:
        """The ways round those in the way, as far as there is road for them; the narrower one first."""
        if not group:
            return []
        beside = any(p.near_m < self._front_m and p.far_m > -self._rear_m for p in group)
        found = []
        for left in (True, False):
            detour = self._way(facts, m, group, left=left, beside=beside)
            if detour is not None:
                found.append(detour)
        return sorted(found, key=lambda d: abs(d.swerve.offset_m))

    def _way(
        self, facts: Facts, m: Manoeuvre, group: list[Blocker], *, left: bool, beside: bool
    ) -> Detour | None:
        """The way past a row on one side; with less room than one would like rather than over the lane's border."""
        far = max(self._passed_at(facts, p) for p in group) + self._rear_m
        side = 1.0 if left else -1.0
        edge = max(p.left_m for p in group) if left else -min(p.right_m for p in group)
        gap, least = max(self._gap_m(p.o) for p in group), self._config.reason.passing_gap_m
        at = np.linspace(m.s_m + max(group[0].near_m, 0.0), m.s_m + far, 7)
        within = float(m.path.half_width_at(at).min()) - self._half_m
        gap = min(gap, max(least, within - edge - self._half_m))
        # with a little less still rather than with its middle in another's lane
        gap = min(gap, max(LEAST_GAP_M, within - edge - 0.1))
        offset = edge + self._half_m + gap
        over, apart = offset - within, (facts.place.d_m - group[0].d_m) * side
        if offset < 0.1 or (beside and apart < 0.0):
            return None  # the lane's middle leads past them; or the ego is on their other side
        if over > 0.0 and not left:
            return None  # nobody drives over the right border
        swerve = self._laid(facts, m, group, side * offset, far)
        if over > 0.0 and not self._on_the_road(m, swerve):
            return None
        return Detour(swerve, tuple(p.o.id for p in group), beside, gap, over)

    # ---------------------------------------------------------------------------------------------- who is in the way

    def _places(self, facts: Facts, seen: Survey, gone: frozenset[int]) -> list[Blocker]:
        objects = {o.id: o for o in facts.objects}
        places: dict[int, Blocker] = {}
        for row, i in enumerate(seen.ids.tolist()):
            if i not in places and i not in gone:
                x, d = float(seen.ahead_m[row, 0]), float(seen.d_m[row, 0])
                half, w = float(seen.half_length_m[row, 0]), float(seen.half_width_m[row, 0])
                v = float(seen.along_mps[row, 0])
                places[i] = Blocker(objects[i], x - half, x + half, d - w, d + w, v)
        return sorted(places.values(), key=lambda p: (p.near_m, p.o.id))

    def _row(self, facts: Facts, m: Manoeuvre, places: list[Blocker]) -> list[Blocker]:
        """The nearest one that stands for good or dawdles in the lane, and those behind it who do too, one row."""
        ahead = self._ahead(places)
        group: list[Blocker] = []
        for p in ahead:
            until = group[-1].far_m + BETWEEN_M if group else LOOK_M
            if p.near_m > until:
                break
            if self._is_obstacle(facts, m, p, ahead):
                group.append(p)
            elif p.far_m > self._front_m:
                break  # behind somebody who moves or waits, nothing can be driven round
        if group and group[-1].far_m - group[0].near_m > LONGEST_M:
            return []
        return group

    def _ahead(self, places: list[Blocker]) -> list[Blocker]:
        """Those in the lane's middle who are not behind us."""
        behind = -self._rear_m - 0.5
        return [p for p in places if p.far_m > behind and p.right_m < self._room(p) > -p.left_m]

    def _room(self, p: Blocker) -> float:
        """Who is nearer to the lane's middle than this is in the way."""
        more = self._gap_m(p.o) / 2 if p.o.object_class in _VRU else 0.0
        return self._half_m + max(self._config.driving.corridor_margin_m, more)

    def _is_obstacle(self, facts: Facts, m: Manoeuvre, p: Blocker, ahead: list[Blocker]) -> bool:
        v = math.hypot(p.o.vx_mps, p.o.vy_mps)
        if v >= STANDS_MPS:
            return (
                p.o.object_class in _VRU
                and 0.0 < p.along_mps < DAWDLES_MPS
                and v < 1.5 * p.along_mps
            )
        stood = facts.standing_s.get(p.o.id, 0.0)
        if p.o.object_class in _THINGS or p.near_m < self._front_m:
            return True
        config = self._config.reason
        if not self._may_have_to_wait(facts, m, p):
            parked = abs(p.d_m) > ASIDE_M
            others = (q for q in ahead if 0.0 <= q.near_m - p.far_m < BETWEEN_M and q is not p)
            in_a_row = any(abs(q.d_m) < ASIDE_M for q in others)
            return parked or stood >= (IN_A_ROW if in_a_row else 1.0) * config.blocked_after_s
        return not self._has_to_wait(facts, m, p) and stood >= config.patience_s

    def _line(self, m: Manoeuvre, p: Blocker) -> StopLine | None:
        """The stop line that somebody may stand at or before."""
        at = m.s_m + p.far_m
        near = (x for s, x in m.path.stop_lines if -3.0 < s - at < (40.0 if x.light_id else 12.0))
        return next(near, None)

    def _may_have_to_wait(self, facts: Facts, m: Manoeuvre, p: Blocker) -> bool:
        """Whether there is a line or a junction before somebody who stands."""
        at = m.s_m + p.far_m
        return self._line(m, p) is not None or any(
            -3.0 < a - at < 12.0 for a, _ in m.path.junctions
        )

    def _has_to_wait(self, facts: Facts, m: Manoeuvre, p: Blocker) -> bool:
        """Whether it is a light that holds."""
        line = self._line(m, p)
        color = facts.lights.get(line.light_id, LightColor.UNKNOWN) if line else LightColor.UNKNOWN
        return color in (LightColor.RED, LightColor.AMBER)

    # ------------------------------------------------------------------------------------------------------ the swerve

    def _gap_m(self, o: TrackedObject) -> float:
        gap = self._config.reason.passing_gap_m
        return 2.0 * gap if o.object_class in _VRU else gap

    def _passed_at(self, facts: Facts, p: Blocker) -> float:
        """How far ahead of `base_link` now somebody's far end will be when it is passed."""
        if p.along_mps < STANDS_MPS:
            return p.far_m
        gains = max(facts.ego.v_mps - p.along_mps, 2.0)
        return p.far_m + p.along_mps * max(p.far_m + self._rear_m, 0.0) / gains

    def _laid(
        self, facts: Facts, m: Manoeuvre, group: list[Blocker], offset_m: float, until_m: float
    ) -> Swerve:
        """The swerve that is over when the front is beside them; later where that is too steep and the corners still clear them."""
        front = group[0].near_m - self._front_m
        wanted = Swerve(offset_m, max(front, 0.0), until_m)
        shift = aside(m, wanted, facts.ego).shift
        assert shift is not None
        if _drivable(shift, facts.ego.v_mps, EASY_1PM):
            return wanted
        for later in LATER_M:
            swerve = Swerve(offset_m, max(front + later, 0.0), until_m)
            shift = aside(m, swerve, facts.ego).shift
            if shift is not None and self._corners_clear(shift, group):
                return swerve
        return wanted

    def _corners_clear(self, shift: Shift, group: list[Blocker]) -> bool:
        x = np.arange(0.0, group[-1].far_m + self._front_m, 0.5)
        d = shift.at(x)
        yaw = np.arctan(np.gradient(d, x))[:, None]
        along = np.array([self._front_m, self._front_m, 1.3, 1.3, -self._rear_m, -self._rear_m])
        across = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]) * self._half_m
        px = x[:, None] + along * np.cos(yaw) - across * np.sin(yaw)
        py = d[:, None] + along * np.sin(yaw) + across * np.cos(yaw)
        room = 0.2
        return not any(
            (
                (px > p.near_m - room) & (px < p.far_m + room) & (py > p.right_m - room) & (py < p.left_m + room)
            ).any()
            for p in group
        )  # fmt: skip

    def _on_the_road(self, m: Manoeuvre, swerve: Swerve) -> bool:
        outer = swerve.offset_m + math.copysign(self._half_m + 0.1, swerve.offset_m)
        s = m.s_m + np.arange(swerve.from_m, swerve.until_m + 3.0, 3.0)
        x, y, _, _ = m.path.center.at(s, np.full(len(s), outer))
        return not bool(self._road.off_road(x, y, 0.0).any())

    # ---------------------------------------------------------------------------------------------------- is it free?

    def judged(
        self, facts: Facts, o: Option, detour: Detour, seen: Survey, gone: frozenset[int]
    ) -> Option:
        """The option with what speaks against it: a lane of its own beside, oncoming road users, followers there."""
        m, swerve = o.manoeuvre, detour.swerve
        if detour.beside:
            return o  # there is no way back: finishing is all there is
        ease = 1.6 if facts.nudging else 1.0  # begun is half done
        small = abs(facts.place.d_m - swerve.offset_m) < 0.3
        if m.shift is None or not (
            small or _drivable(m.shift, facts.ego.v_mps, STEEPEST_1PM, ease)
        ):
            return against(o, Risk.COMFORT, 0.0)  # too late for it
        if detour.over_m <= 0.0:
            return o
        turn = m.path.next_turn(m.s_m)
        if turn is not None and turn[1] < m.s_m + swerve.until_m:
            return against(o, Risk.RULE, 0.0)  # not while turning
        left, right = self._road.neighbours(m.path.lane_at(m.s_m + swerve.from_m))
        if (left if swerve.offset_m > 0 else right) and detour.over_m > 0.8:
            return against(o, Risk.RULE, 0.0)  # that is a lane change
        for p in self._places(facts, seen, gone):
            meets = self._meets(facts, o, detour, p)
            if meets is not None:
                return against(o, Risk.COLLISION, meets, p.o.id)
        if detour.over_m > self._half_m and facts.waited_s < WRONG_LANE_S and not facts.nudging:
            return against(o, Risk.RULE, 0.0)  # they may drive on yet
        # whoever may come has to be seen in time; after a long wait one feels one's way
        takes = o.rollout.time_to(swerve.until_m + self._front_m) - o.rollout.time_to(swerve.from_m)
        limit = float(m.path.limit_at(np.array([m.s_m]))[0])
        needed = swerve.until_m - swerve.from_m + UNSEEN * limit * takes
        if needed > self._sight_m and facts.waited_s < self._config.reason.patience_s:
            return against(o, Risk.COLLISION, takes)
        return o

    def _meets(self, facts: Facts, o: Option, detour: Detour, p: Blocker) -> float | None:
        """When the ego would meet somebody aside of its lane; None if it would not."""
        swerve, room = detour.swerve, self._half_m + self._config.driving.corridor_margin_m
        apart = (
            p.right_m > max(swerve.offset_m, 0.0) + room
            or p.left_m < min(swerve.offset_m, 0.0) - room
        )
        if p.o.id in detour.round or apart:
            return None
        back = swerve.until_m + 0.5 * shift_length_m(swerve.offset_m, facts.ego.v_mps)
        if p.along_mps < -STANDS_MPS:
            leaves = o.rollout.time_to(back + self._front_m)
            comes = (p.near_m - swerve.until_m) / -p.along_mps
            passed = p.far_m < -self._rear_m
            return None if passed or comes > leaves + CLEAR_S else max(comes, 0.0)
        in_lane = abs(p.d_m) < self._half_m
        if p.near_m < self._front_m + 1.0 and p.far_m > -self._rear_m - 1.0 and not in_lane:
            return 0.0
        behind = -self._rear_m - p.far_m
        closing = p.along_mps - facts.ego.v_mps
        if behind > 0.0 and closing > 0.5 and not in_lane and behind < 3.0 * closing + 2.0:
            return behind / closing
        return None


def _drivable(shift: Shift, v_mps: float, steepest_1pm: float, ease: float = 1.0) -> bool:
    bend = shift.bend_1pm / ease
    return v_mps * bend <= YAW_RATE_RPS and v_mps**2 * bend <= LATERAL_MPS2 and bend <= steepest_1pm
