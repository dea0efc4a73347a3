"""Manoeuvres weighed: each lateral option is driven forward along its path, held back by whoever is in the way.

Proposals over lateral offsets and lanes, driven forward by a car-following law against forecasts, and the best of the safe ones
taken: PDM-Closed (Dauner, Hallgarten, Geiger, Chitta, "Parting with Misconceptions about Learning-based Vehicle Motion Planning",
CoRL 2023). The terms of the rollout are the expert's reasons: the term that holds the car back at an instant *is* the cause then.
`decide` is a pure function of the facts and of causes to leave out, so a declared counterfactual is the decision taken again
without one.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from whyway.config import Config
from whyway.maps.corridor import Corridor, Survey, look, survey
from whyway.maps.manoeuvre import REACH_M, Manoeuvre, aside, manoeuvre, profile_along
from whyway.maps.road import Road
from whyway.maps.swerve import Swerve
from whyway.motion import Rollout, SpeedProfile, roll_out
from whyway.reason.caution import Caution
from whyway.reason.detours import Detour, Detours
from whyway.reason.facts import Decision, Facts, Halt, Key, Option
from whyway.reason.halts import Halts
from whyway.reason.lane_change import LaneChanges
from whyway.reason.wording import Wording
from whyway.types import CYCLE_S, CauseKind, Direction, EgoState, Lateral

SEARCH_M, SEARCH_S = 120.0, 15.0
"""So far before a lane has to be left a gap is looked for."""
DETOUR_GAIN_M = 3.0
"""How much farther a way round has to lead to be taken."""

_Seen = tuple[Manoeuvre | None, Survey | None, Corridor | None]


class Decider:
    """`decide(facts) -> Decision` for one road and configuration.

    Args:
      config: the whole tree.
      road: map and route.
      detours: whether it drives round anybody at all.
    """

    def __init__(self, config: Config, road: Road, *, detours: bool = True) -> None:
        self._config, self._road = config, road
        self._changes = LaneChanges(config, road)
        self._halts = Halts(config, road)
        self._detours = Detours(config, road) if detours else None
        self._caution = Caution(config, road)
        self._wording = Wording(config)
        self._t_s = np.arange(0.0, config.reason.horizon_s + CYCLE_S / 2, CYCLE_S)
        self._facts: Facts | None = None
        self._looks: dict[tuple[Lateral, Direction, bool, Swerve | None], _Seen] = {}
        self._front_m = config.vehicle.front_m

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
        keep, ways, before = self._ways_round(facts, keep, without)
        options = [keep, *(o for o, _ in ways)]
        sides = self._changes.sides_worth_a_look(facts, keep, wish[0] if wish else Direction.NONE)
        for direction in sides:
            option = self._option(facts, Lateral.LANE_CHANGE, direction, without, swerve=before)
            if option is not None:
                options.append(self._changes.judged(facts, option, keep, wish, left))
        chosen = _best(facts, keep, ways, options)
        search_m = max(SEARCH_M, SEARCH_S * facts.ego.v_mps)
        wanted = wish is not None and left < search_m and chosen is keep and len(sides) > 0
        if wish is not None and chosen is keep:
            change = options[-1] if wanted and len(options) > len(ways) + 1 else None
            chosen = options[0] = self._searching(facts, keep, change, left, without)
        elif wish is not None and chosen.manoeuvre.direction == wish[0]:
            unhurried = self._in_time(facts, chosen, left)
            options[options.index(chosen)] = unhurried
            chosen = unhurried
        return self._wording.named(
            facts, chosen, tuple(o for o in options if o is not chosen), without, wanted, wish
        )

    def _ways_round(
        self, facts: Facts, keep: Option, without: frozenset[Key]
    ) -> tuple[Option, list[tuple[Option, Detour]], Swerve | None]:
        """Keeping the lane, well short of who is to be driven round; the ways round them, judged; and how to change lanes before them."""
        seen = self._looked(facts, Lateral.KEEP_LANE, Direction.NONE, without)[1]
        if self._detours is None or seen is None:
            return keep, [], None
        gone = frozenset(i for kind, i in without if kind == CauseKind.OBJECT)
        group = self._detours.in_the_way(facts, keep.manoeuvre, seen, gone)
        before = self._detours.change_before(facts, group)
        if facts.changing != Direction.NONE:
            return keep, [], before
        ways: list[tuple[Option, Detour]] = []
        for detour in self._detours.ways_round(facts, keep.manoeuvre, group):
            side = Direction.LEFT if detour.swerve.offset_m > 0.0 else Direction.RIGHT
            option = self._option(facts, Lateral.NUDGE, side, without, detour)
            if option is not None:
                ways.append((self._detours.judged(facts, option, detour, seen, gone), detour))
        stand = self._detours.stand_off(facts, keep.manoeuvre, seen, gone)
        if stand is not None and (keep.halt is None or stand.ahead_m < keep.halt.ahead_m):
            go = self._roll(facts.ego, keep.profile, keep.cap_mps, stand, keep.corridor)
            keep = dataclasses.replace(keep, halt=stand, rollout=go)
        return keep, ways, before

    def _searching(
        self, facts: Facts, keep: Option, change: Option | None, left_m: float, without: frozenset[Key]
    ) -> Option:  # fmt: skip
        """Keeping the lane that has to be left: at the speed of a gap beside it, and no farther than where it has to be left."""
        aim = self._changes.gap_speed(facts, change, left_m) if change is not None else None
        halt = self._changes.last_chance(facts, left_m)
        keep = self._in_time(facts, keep, left_m)
        if aim is not None and aim[0] < keep.cap_mps and aim[1] not in without:
            keep = dataclasses.replace(keep, cap_mps=aim[0], capped_by=aim[1])
        elif halt is None:
            return keep
        if halt is not None and (keep.halt is None or halt.ahead_m < keep.halt.ahead_m):
            keep = dataclasses.replace(keep, halt=halt, yields_to=())
        go = self._roll(facts.ego, keep.profile, keep.cap_mps, keep.halt, keep.corridor)
        return dataclasses.replace(keep, rollout=go)

    def _in_time(self, facts: Facts, o: Option, left_m: float) -> Option:
        """The option, no faster than leaves time for all lane changes that the route asks for."""
        cap = self._changes.in_time(o.manoeuvre, left_m)
        if o.manoeuvre.lateral == Lateral.NUDGE or cap >= o.cap_mps:
            return o
        go = self._roll(facts.ego, o.profile, cap, o.halt, o.corridor)
        return dataclasses.replace(o, cap_mps=cap, capped_by=(CauseKind.ROUTE, 0), rollout=go)

    # ------------------------------------------------------------------------------------------------- one option

    def _option(
        self, facts: Facts, lateral: Lateral, direction: Direction, without: frozenset[Key],
        detour: Detour | None = None, swerve: Swerve | None = None,
    ) -> Option | None:  # fmt: skip
        swerve = detour.swerve if detour else swerve
        m, seen, corridor = self._looked(facts, lateral, direction, without, swerve)
        if m is None or seen is None or corridor is None:
            return None
        gone = [i for kind, i in without if kind == CauseKind.OBJECT]
        if gone:
            corridor = corridor.only(~np.isin(corridor.ids, gone))
        profile = profile_along(
            m, facts.ego, self._config.driving, REACH_M,
            limits=(CauseKind.SPEED_LIMIT, 0) not in without, curves=(CauseKind.CURVATURE, 0) not in without,
        )  # fmt: skip
        cap, capped_by = self._cap(facts, m, profile, seen, without, detour)
        halt = self._halts.of_lines(facts, m, without)
        go = self._roll(facts.ego, profile, cap, halt, corridor)
        in_way, passed = self._halts.conflicts(facts, m, go, corridor)
        yields: tuple[int, ...] = ()
        possible = [y for y in in_way if self._halts.can_stop(facts.ego.v_mps, y[0])]
        if possible:
            ahead, object_id = min(possible)
            if halt is None or ahead < halt.ahead_m:
                halt, yields = Halt(ahead, (CauseKind.OBJECT, object_id)), (object_id,)
                go = self._roll(facts.ego, profile, cap, halt, corridor)
        return Option(
            m, corridor, profile, cap, go, halt, yields, tuple(dict.fromkeys(passed)),
            round=detour.round if detour else (), capped_by=capped_by,
        )  # fmt: skip

    def _cap(
        self, facts: Facts, m: Manoeuvre, profile: SpeedProfile, seen: Survey, without: frozenset[Key], detour: Detour | None
    ) -> tuple[float, Key | None]:  # fmt: skip
        """The speed not to exceed, and why if not because of the road."""
        span = max(2, int(facts.ego.v_mps * 5.0) + 10)
        cap = float(np.max(profile.allowed_mps[:span]))
        caps = self._caution.caps(facts, m, seen, without)
        if detour is not None and self._detours is not None:
            caps.append(self._detours.cap(detour))
        slowest = min(caps, default=None)
        if slowest is None or slowest[0] >= cap:
            return cap, None
        return slowest

    def _looked(
        self, facts: Facts, lateral: Lateral, direction: Direction, without: frozenset[Key],
        swerve: Swerve | None = None,
    ) -> _Seen:  # fmt: skip
        """The manoeuvre and who is in its way; counterfactuals look at the same scene again, so the last one is remembered."""
        if self._facts is not facts:
            self._facts, self._looks = facts, {}
        on_route = (CauseKind.ROUTE, 0) not in without
        key = (lateral, direction, on_route, swerve)
        if key not in self._looks:
            m = manoeuvre(self._road, facts.place, lateral, direction, REACH_M, on_route=on_route)
            if m is None:
                self._looks[key] = None, None, None
                return self._looks[key]
            if swerve is not None and (lateral != Lateral.LANE_CHANGE or m.leaving is not None):
                m = aside(m, swerve, facts.ego)
            if lateral != Lateral.NUDGE:
                seen = survey(m.path, m.s_m, facts.ego, facts.objects, self._t_s)
            else:
                known = self._looks[(Lateral.KEEP_LANE, Direction.NONE, on_route, None)][1]
                assert known is not None  # who is in the way was found there
                seen = known
            driving, vehicle = self._config.driving, self._config.vehicle
            corridor = look(m, facts.ego, facts.objects, vehicle, driving, self._t_s, seen)
            self._looks[key] = m, seen, corridor
        return self._looks[key]

    def _roll(
        self, ego: EgoState, profile: SpeedProfile, cap: float, halt: Halt | None, corridor: Corridor
    ) -> Rollout:  # fmt: skip
        driving = self._config.driving
        return roll_out(
            ego.v_mps, ego.a_mps2, profile, cap, halt.ahead_m if halt else math.inf,
            corridor.obstacles(ego.v_mps), driving.idm, driving.limits, self._front_m, self._t_s,
        )  # fmt: skip


def _best(
    facts: Facts, keep: Option, ways: list[tuple[Option, Detour]], options: list[Option]
) -> Option:
    """The one that gets farthest of those nothing speaks against; who is beside somebody already goes on past them."""
    sound = [o for o in options if o.manoeuvre.lateral == Lateral.LANE_CHANGE and o.meets is None]
    for o, detour in ways:
        worth = o.prospect_m > keep.prospect_m + DETOUR_GAIN_M
        if o.meets is None and (facts.nudging or detour.beside or worth):
            sound.append(o)
    finishing = [o for o, detour in ways if detour.beside and o.meets is None]
    under_way = [o for o, _ in ways if o.meets is None] if facts.nudging else []
    return max(finishing or under_way or sound, key=lambda o: o.prospect_m, default=keep)
