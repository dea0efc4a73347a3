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
from whyway.maps.corridor import Survey
from whyway.maps.manoeuvre import Manoeuvre
from whyway.maps.road import Road
from whyway.maps.swerve import Swerve
from whyway.motion import SpeedProfile
from whyway.reason.caution import Caution
from whyway.reason.detours import Detour, Detours
from whyway.reason.facts import Decision, Facts, Halt, Key, Option
from whyway.reason.halts import Halts
from whyway.reason.lane_change import LaneChanges
from whyway.reason.outlook import Outlook
from whyway.reason.wording import Wording
from whyway.types import CYCLE_S, CauseKind, Direction, Lateral

SEARCH_M, SEARCH_S = 120.0, 15.0
"""So far before a lane has to be left a gap is looked for."""
DETOUR_GAIN_M = 3.0
"""How much farther a way round has to lead to be taken."""


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
        self._last: Outlook | None = None
        """Of the facts that were decided on last: counterfactuals come next."""

    def decide(self, facts: Facts, without: frozenset[Key] = frozenset()) -> Decision:
        """The decision, as if the causes `without` were not there."""
        outlook = self._last
        if outlook is None or outlook.facts is not facts:
            outlook = self._last = Outlook(facts, self._config, self._road, self._t_s)
        keep = self._option(outlook, Lateral.KEEP_LANE, Direction.NONE, without)
        assert keep is not None
        wish = (
            None
            if (CauseKind.ROUTE, 0) in without
            else self._road.next_route_lane_change(facts.place.lane_id)
        )
        left = wish[1] - facts.place.s_m if wish else math.inf
        keep, ways, before = self._ways_round(outlook, keep, without)
        options = [keep, *(o for o, _ in ways)]
        sides = self._changes.sides_worth_a_look(facts, keep, wish[0] if wish else Direction.NONE)
        for direction in sides:
            option = self._option(outlook, Lateral.LANE_CHANGE, direction, without, swerve=before)
            if option is not None:
                options.append(self._changes.judged(facts, option, keep, wish, left))
        chosen = _best(facts, keep, ways, options)
        search_m = max(SEARCH_M, SEARCH_S * facts.ego.v_mps)
        wanted = wish is not None and left < search_m and chosen is keep and len(sides) > 0
        if wish is not None and chosen is keep:
            change = options[-1] if wanted and len(options) > len(ways) + 1 else None
            chosen = options[0] = self._searching(outlook, keep, change, left, without)
        elif wish is not None and chosen.manoeuvre.direction == wish[0]:
            unhurried = self._in_time(outlook, chosen, left)
            options[options.index(chosen)] = unhurried
            chosen = unhurried
        return self._wording.named(
            facts, chosen, tuple(o for o in options if o is not chosen), without, wanted, wish
        )

    def _ways_round(
        self, outlook: Outlook, keep: Option, without: frozenset[Key]
    ) -> tuple[Option, list[tuple[Option, Detour]], Swerve | None]:
        """Keeping the lane, well short of who is to be driven round; the ways round them, judged; and how to change lanes before them."""
        ahead = outlook.along(Lateral.KEEP_LANE, Direction.NONE, without)
        if self._detours is None or ahead is None:
            return keep, [], None
        facts, seen = outlook.facts, ahead[1]
        gone = frozenset(i for kind, i in without if kind == CauseKind.OBJECT)
        group = self._detours.in_the_way(facts, keep.manoeuvre, seen, gone)
        before = self._detours.change_before(facts, group)
        if facts.changing != Direction.NONE:
            return keep, [], before
        ways: list[tuple[Option, Detour]] = []
        for detour in self._detours.ways_round(facts, keep.manoeuvre, group):
            side = Direction.LEFT if detour.swerve.offset_m > 0.0 else Direction.RIGHT
            option = self._option(outlook, Lateral.NUDGE, side, without, detour)
            if option is not None:
                ways.append((self._detours.judged(facts, option, detour, seen, gone), detour))
        stand = self._detours.stand_off(facts, keep.manoeuvre, seen, gone)
        if stand is not None and (keep.halt is None or stand.ahead_m < keep.halt.ahead_m):
            go = outlook.roll(keep.profile, keep.cap_mps, stand, keep.corridor)
            keep = dataclasses.replace(keep, halt=stand, rollout=go)
        return keep, ways, before

    def _searching(
        self, outlook: Outlook, keep: Option, change: Option | None, left_m: float, without: frozenset[Key]
    ) -> Option:  # fmt: skip
        """Keeping the lane that has to be left: at the speed of a gap beside it, and no farther than where it has to be left."""
        facts = outlook.facts
        aim = self._changes.gap_speed(facts, change, left_m) if change is not None else None
        halt = self._changes.last_chance(facts, left_m)
        keep = self._in_time(outlook, keep, left_m)
        if aim is not None and aim[0] < keep.cap_mps and aim[1] not in without:
            keep = dataclasses.replace(keep, cap_mps=aim[0], capped_by=aim[1])
        elif halt is None:
            return keep
        if halt is not None and (keep.halt is None or halt.ahead_m < keep.halt.ahead_m):
            keep = dataclasses.replace(keep, halt=halt, yields_to=())
        go = outlook.roll(keep.profile, keep.cap_mps, keep.halt, keep.corridor)
        return dataclasses.replace(keep, rollout=go)

    def _in_time(self, outlook: Outlook, o: Option, left_m: float) -> Option:
        """The option, no faster than leaves time for all lane changes that the route asks for."""
        cap = self._changes.in_time(o.manoeuvre, left_m)
        if o.manoeuvre.lateral == Lateral.NUDGE or cap >= o.cap_mps:
            return o
        go = outlook.roll(o.profile, cap, o.halt, o.corridor)
        return dataclasses.replace(o, cap_mps=cap, capped_by=(CauseKind.ROUTE, 0), rollout=go)

    # ------------------------------------------------------------------------------------------------- one option

    def _option(
        self, outlook: Outlook, lateral: Lateral, direction: Direction, without: frozenset[Key],
        detour: Detour | None = None, swerve: Swerve | None = None,
    ) -> Option | None:  # fmt: skip
        swerve = detour.swerve if detour else swerve
        looked = outlook.along(lateral, direction, without, swerve)
        if looked is None:
            return None
        facts, (m, seen, corridor) = outlook.facts, looked
        gone = [i for kind, i in without if kind == CauseKind.OBJECT]
        left = ~np.isin(corridor.ids, gone)
        if not left.all():
            corridor = corridor.only(left)
        profile = outlook.profile(m, without)
        cap, capped_by = self._cap(facts, m, profile, seen, without, detour)
        halt = self._halts.of_lines(facts, m, without)
        go = outlook.roll(profile, cap, halt, corridor)
        in_way, passed = self._halts.conflicts(facts, m, go, corridor)
        yields: tuple[int, ...] = ()
        possible = [y for y in in_way if self._halts.can_stop(facts.ego.v_mps, y[0])]
        if possible:
            ahead, object_id = min(possible)
            if halt is None or ahead < halt.ahead_m:
                halt, yields = Halt(ahead, (CauseKind.OBJECT, object_id)), (object_id,)
                go = outlook.roll(profile, cap, halt, corridor)
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
