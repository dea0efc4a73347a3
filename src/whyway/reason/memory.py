"""What earlier scenes and earlier words leave behind: the learnt reasoner's memory. No clock.

The rule expert remembers what it drove; this remembers the same of what was *said*, so that a recording of the expert and the model's
own drive leave the same behind. Everything is a value: whoever keeps an older memory keeps what was known then.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from whyway.config import Config
from whyway.maps.manoeuvre import CENTRED, Place
from whyway.maps.road import Road
from whyway.reason.rules import STANDS_MPS, STOP_SIGN_REACH_M
from whyway.types import Direction, EgoState, Lateral, PlanningTrace, Scene

LONGEST_GAP_S = 2.0
"""After a longer gap in the data, time that passed counts as none."""
EGO_STANDS_MPS, EGO_DRIVES_MPS, AT_LINE_MPS = 0.5, 2.0, 0.2
"""Slower the ego waits; faster its waiting is over; so slow before a stop sign's line serves it."""
LOOK_M = 50.0


@dataclass(frozen=True, eq=False)
class SceneMemory:
    """Memory of one drive on one road; `SceneMemory(config, road)` remembers nothing.

    Each cycle: `memory = memory.after(scene, place)`, decide with it, `memory = memory.told(planning, place)`.
    """

    config: Config
    road: Road
    changing: Direction = Direction.NONE
    """The side of the lane change under way."""
    crossed: bool = False
    """Whether its border is behind us."""
    nudging: bool = False
    """Whether the ego drives aside of its lane's middle round somebody."""
    served_stops: frozenset[int] = frozenset()
    """Stop signs at which the ego has stood."""
    standing_s: Mapping[int, float] = field(default_factory=dict)
    """How long each object has been seen to stand."""
    waited_s: float = 0.0
    """How long the ego has stood itself."""
    said: PlanningTrace | None = None
    """The last decision."""
    stamp_ns: int | None = None

    def after(self, scene: Scene, place: Place) -> SceneMemory:
        """The memory once a scene is seen; the same scene again changes nothing but what standing leads to."""
        dt_s = 0.0 if self.stamp_ns is None else (scene.stamp_ns - self.stamp_ns) * 1e-9
        dt_s = dt_s if 0.0 <= dt_s < LONGEST_GAP_S else 0.0
        v, waited_s = scene.ego.v_mps, self.waited_s
        if v < EGO_STANDS_MPS:
            waited_s += dt_s
        elif v > EGO_DRIVES_MPS:
            waited_s = 0.0
        standing_s = {
            o.id: self.standing_s.get(o.id, -dt_s) + dt_s
            for o in scene.objects
            if math.hypot(o.vx_mps, o.vy_mps) < STANDS_MPS
        }
        changing, crossed = self._change(place)
        return dataclasses.replace(
            self,
            changing=changing,
            crossed=crossed,
            served_stops=self.served_stops | self._serves(scene.ego, place),
            standing_s=standing_s,
            waited_s=waited_s,
            stamp_ns=scene.stamp_ns,
        )

    def told(self, planning: PlanningTrace, place: Place) -> SceneMemory:
        """The memory once a decision is said: a change of lanes begun, gone on with or given up; a detour begun or over.

        A change that is held for a while is not said to go on; it is given up only by being rejected, or where there is no lane to
        change to any more.
        """
        changing = self.changing
        if planning.lateral == Lateral.LANE_CHANGE:
            changing = planning.direction
        elif changing != Direction.NONE and not self.crossed:
            left, right = self.road.neighbours(place.lane_id)
            rejected = any(
                r.lateral == Lateral.LANE_CHANGE and r.direction == changing
                for r in planning.rejected
            )
            if rejected or not (left if changing == Direction.LEFT else right):
                changing = Direction.NONE
        aside = planning.lateral == Lateral.NUDGE or planning.offset_m != 0.0
        return dataclasses.replace(self, changing=changing, nudging=aside, said=planning)

    def _change(self, place: Place) -> tuple[Direction, bool]:
        """The change under way and whether its border is crossed: it is over once the ego is near the new lane's middle."""
        if self.changing == Direction.NONE:
            return Direction.NONE, self.crossed
        came_from = -1.0 if self.changing == Direction.LEFT else 1.0
        half = float(self.road.lanes[place.lane_id].width_at(place.s_m)) / 2
        still_aside = place.d_m * came_from > CENTRED * half
        if self.crossed and not still_aside:
            return Direction.NONE, False
        return self.changing, self.crossed or still_aside

    def _serves(self, ego: EgoState, place: Place) -> frozenset[int]:
        """The lines the ego stands at."""
        if ego.v_mps >= AT_LINE_MPS:
            return frozenset()
        front = place.s_m + self.config.vehicle.front_m
        path = self.road.path_from(place.lane_id, place.s_m + LOOK_M)
        return frozenset(
            line.id for s, line in path.stop_lines if -1.0 < s - front < STOP_SIGN_REACH_M
        )
