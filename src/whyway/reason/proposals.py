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
from whyway.maps.corridor import Corridor, Surroundings, Survey, look
from whyway.maps.manoeuvre import REACH_M, Manoeuvre, aside, manoeuvre, profile_along
from whyway.maps.road import Road
from whyway.maps.swerve import Swerve
from whyway.motion import Obstacles, Rollout, SpeedProfile, roll_out
from whyway.reason.caution import Caution
from whyway.reason.detours import Detour, Detours
from whyway.reason.facts import Decision, Facts, Halt, Key, Option
from whyway.reason.halts import Halts
from whyway.reason.lane_change import LaneChanges
from whyway.reason.wording import Wording
from whyway.types import CYCLE_S, CauseKind, Direction, Floats, Lateral

SEARCH_M, SEARCH_S = 120.0, 15.0
"""So far before a lane has to be left a gap is looked for."""
DETOUR_GAIN_M = 3.0
"""How much farther a way round has to lead to be taken."""

_Seen = tuple[Manoeuvre | None, Survey | None, Corridor | None]


class _Known:
    """What has been worked out of one scene. Its counterfactuals ask for much of it again: whoever is left out of one is in few ways.

    What is asked for by its number is kept as well, so that nothing else gets that number.
    """

    def __init__(self, facts: Facts, t_s: Floats) -> None:
        self.facts = facts
        self.around = Surroundings(facts.ego, facts.objects, t_s)
        self.looks: dict[tuple[Lateral, Direction, bool, Swerve | None], _Seen] = {}
        self.profiles: dict[tuple[int, bool, bool], tuple[Manoeuvre, SpeedProfile]] = {}
        self.obstacles: dict[int, tuple[Corridor, Obstacles]] = {}
        self.rolls: dict[tuple[int, int, float, float], tuple[SpeedProfile, Rollout]] = {}


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
        self._of_scene: _Known | None = None
        self._front_m = config.vehicle.front_m

    def decide(self, facts: Facts, without: frozenset[Key] = frozenset()) -> Decision:
        """The decision, as if the causes `without` were not there."""
        if self._of_scene is None or self._of_scene.facts is not facts:
            self._of_scene = _Known(facts, self._t_s)
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
            go = self._roll(keep.profile, keep.cap_mps, stand, keep.corridor)
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
        go = self._roll(keep.profile, keep.cap_mps, keep.halt, keep.corridor)
        return dataclasses.replace(keep, rollout=go)

    def _in_time(self, facts: Facts, o: Option, left_m: float) -> Option:
        """The option, no faster than leaves time for all lane changes that the route asks for."""
        cap = self._changes.in_time(o.manoeuvre, left_m)
        if o.manoeuvre.lateral == Lateral.NUDGE or cap >= o.cap_mps:
            return o
        go = self._roll(o.profile, cap, o.halt, o.corridor)
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
        left = ~np.isin(corridor.ids, gone)
        if not left.all():
            corridor = corridor.only(left)
        profile = self._profile(m, without)
        cap, capped_by = self._cap(facts, m, profile, seen, without, detour)
        halt = self._halts.of_lines(facts, m, without)
        go = self._roll(profile, cap, halt, corridor)
        in_way, passed = self._halts.conflicts(facts, m, go, corridor)
        yields: tuple[int, ...] = ()
        possible = [y for y in in_way if self._halts.can_stop(facts.ego.v_mps, y[0])]
        if possible:
            ahead, object_id = min(possible)
            if halt is None or ahead < halt.ahead_m:
                halt, yields = Halt(ahead, (CauseKind.OBJECT, object_id)), (object_id,)
                go = self._roll(profile, cap, halt, corridor)
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
        """The manoeuvre and who is in its way."""
        known = self._of_scene
        assert known is not None
        on_route = (CauseKind.ROUTE, 0) not in without
        key = (lateral, direction, on_route, swerve)
        if key not in known.looks:
            m = manoeuvre(self._road, facts.place, lateral, direction, REACH_M, on_route=on_route)
            if m is None:
                known.looks[key] = None, None, None
                return known.looks[key]
            other = known.looks.get((lateral, direction, not on_route, swerve))
            if other is not None and _same_way(m, other[0]):
                known.looks[key] = other
                return other
            if swerve is not None and (lateral != Lateral.LANE_CHANGE or m.leaving is not None):
                m = aside(m, swerve, facts.ego)
            driving, vehicle = self._config.driving, self._config.vehicle
            corridor = look(m, facts.ego, facts.objects, vehicle, driving, self._t_s, known.around)
            known.looks[key] = m, known.around.along(m.path, m.s_m), corridor
        return known.looks[key]

    def _profile(self, m: Manoeuvre, without: frozenset[Key]) -> SpeedProfile:
        """The speed a manoeuvre's path allows, without the causes left out."""
        known = self._of_scene
        assert known is not None
        limits, curves = (
            (kind, 0) not in without for kind in (CauseKind.SPEED_LIMIT, CauseKind.CURVATURE)
        )
        key = (id(m), limits, curves)
        if key not in known.profiles:
            driving, ego = self._config.driving, known.facts.ego
            known.profiles[key] = m, profile_along(m, ego, driving, REACH_M, limits=limits, curves=curves)  # fmt: skip
        return known.profiles[key][1]

    def _roll(
        self, profile: SpeedProfile, cap: float, halt: Halt | None, corridor: Corridor
    ) -> Rollout:
        """The ego of the scene driven forward."""
        known = self._of_scene
        assert known is not None
        halt_m = halt.ahead_m if halt else math.inf
        key = (id(profile), id(corridor), cap, halt_m)
        if key not in known.rolls:
            ego, driving = known.facts.ego, self._config.driving
            if id(corridor) not in known.obstacles:
                known.obstacles[id(corridor)] = corridor, corridor.obstacles(ego.v_mps)
            known.rolls[key] = profile, roll_out(
                ego.v_mps, ego.a_mps2, profile, cap, halt_m, known.obstacles[id(corridor)][1],
                driving.idm, driving.limits, self._front_m, self._t_s,
            )  # fmt: skip
        return known.rolls[key][1]


def _same_way(m: Manoeuvre, other: Manoeuvre | None) -> bool:
    """Whether leaving the route out of account changes nothing: the ways are the very same."""
    return other is not None and m.path is other.path and m.leaving is other.leaving


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
