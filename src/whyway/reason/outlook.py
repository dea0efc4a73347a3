"""One scene looked at along the manoeuvres it allows, each thing worked out once.

Counterfactuals are decided in the same scene and ask for most of it again: whoever is left out of one is in few ways. What is asked for
by its number (`id`) is kept as well, so that nothing else gets that number.
"""

from __future__ import annotations

import math

from whyway.config import Config
from whyway.maps.corridor import Corridor, Surroundings, Survey, look
from whyway.maps.manoeuvre import REACH_M, Manoeuvre, aside, manoeuvre, profile_along
from whyway.maps.road import Road
from whyway.maps.swerve import Swerve
from whyway.motion import Obstacles, Rollout, SpeedProfile, roll_out
from whyway.reason.facts import Facts, Halt, Key
from whyway.types import CauseKind, Direction, Floats, Lateral

Seen = tuple[Manoeuvre, Survey, Corridor]
"""A manoeuvre, everybody along its path, and who is in its way."""


class Outlook:
    """What one decision and its counterfactuals look at.

    Args:
      facts: the scene, and what is remembered.
      config: the whole tree.
      road: map and route.
      t_s: (T,) times of corridors and rollouts.
    """

    def __init__(self, facts: Facts, config: Config, road: Road, t_s: Floats) -> None:
        self.facts = facts
        self._config, self._road, self._t_s = config, road, t_s
        self._around = Surroundings(facts.ego, facts.objects, t_s)
        self._seen: dict[tuple[Lateral, Direction, bool, Swerve | None], Seen | None] = {}
        self._profiles: dict[tuple[int, bool, bool], tuple[Manoeuvre, SpeedProfile]] = {}
        self._obstacles: dict[int, tuple[Corridor, Obstacles]] = {}
        self._rolls: dict[tuple[int, int, float, float], tuple[SpeedProfile, Rollout]] = {}

    def along(
        self, lateral: Lateral, direction: Direction, without: frozenset[Key], swerve: Swerve | None = None
    ) -> Seen | None:  # fmt: skip
        """A manoeuvre and who is in its way; None where it means nothing here."""
        on_route = (CauseKind.ROUTE, 0) not in without
        key = (lateral, direction, on_route, swerve)
        if key not in self._seen:
            self._seen[key] = self._look(lateral, direction, on_route, swerve)
        return self._seen[key]

    def _look(
        self, lateral: Lateral, direction: Direction, on_route: bool, swerve: Swerve | None
    ) -> Seen | None:
        facts, config = self.facts, self._config
        m = manoeuvre(self._road, facts.place, lateral, direction, REACH_M, on_route=on_route)
        if m is None:
            return None
        other = self._seen.get((lateral, direction, not on_route, swerve))
        if other is not None and m.path is other[0].path and m.leaving is other[0].leaving:
            return other  # with the route or without it, the way is the very same
        if swerve is not None and (lateral != Lateral.LANE_CHANGE or m.leaving is not None):
            m = aside(m, swerve, facts.ego)
        corridor = look(
            m, facts.ego, facts.objects, config.vehicle, config.driving, self._t_s, self._around
        )
        return m, self._around.along(m.path, m.s_m), corridor

    def profile(self, m: Manoeuvre, without: frozenset[Key]) -> SpeedProfile:
        """The speed a manoeuvre's path allows, without the causes left out."""
        limits, curves = (
            (kind, 0) not in without for kind in (CauseKind.SPEED_LIMIT, CauseKind.CURVATURE)
        )
        key = (id(m), limits, curves)
        if key not in self._profiles:
            found = profile_along(
                m, self.facts.ego, self._config.driving, REACH_M, limits=limits, curves=curves
            )
            self._profiles[key] = m, found
        return self._profiles[key][1]

    def roll(
        self, profile: SpeedProfile, cap_mps: float, halt: Halt | None, corridor: Corridor
    ) -> Rollout:
        """The ego driven forward, no faster than a profile and a cap, to a halt if there is one."""
        halt_m = halt.ahead_m if halt else math.inf
        key = (id(profile), id(corridor), cap_mps, halt_m)
        if key not in self._rolls:
            ego, driving = self.facts.ego, self._config.driving
            go = roll_out(
                ego.v_mps, ego.a_mps2, profile, cap_mps, halt_m, self._in(corridor), driving.idm,
                driving.limits, self._config.vehicle.front_m, self._t_s,
            )  # fmt: skip
            self._rolls[key] = profile, go
        return self._rolls[key][1]

    def _in(self, corridor: Corridor) -> Obstacles:
        if id(corridor) not in self._obstacles:
            found = corridor.obstacles(self.facts.ego.v_mps)
            self._obstacles[id(corridor)] = corridor, found
        return self._obstacles[id(corridor)][1]
