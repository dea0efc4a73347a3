"""How fast is too fast for what cannot be seen: behind those who stand beside the lane, and beyond the sensors' range."""

from __future__ import annotations

import math

import numpy as np

from whyway.config import Config
from whyway.maps.corridor import Survey
from whyway.maps.manoeuvre import Manoeuvre
from whyway.maps.road import Road
from whyway.reason.facts import Facts, Key
from whyway.types import CauseKind, ObjectClass

BESIDE_M = 2.0
"""Who stands farther beside the ego's flank hides nobody who could step before it without being seen."""
LOOK_M = 45.0
STANDS_MPS = 0.3
HIDING_MPS, HIDING_1PS = 6.5, 2.5
"""Speed beside somebody who may hide a pedestrian, and how much faster it may be for every metre of room."""
FIRM_BRAKE_MPS2, REACTION_S, RESERVE_M = 5.0, 0.3, 3.0
"""For what comes out of the fog, brakes are used firmly."""
UNSEEN_LIGHT_MPS2 = 2.2
"""With so much a light that turns out to be red can be stopped for: IDM's braking then peaks at its square over the comfortable 1.5."""
_HIDES = (
    ObjectClass.CAR,
    ObjectClass.TRUCK,
    ObjectClass.BUS,
    ObjectClass.TRAILER,
    ObjectClass.UNKNOWN,
)


class Caution:
    """Speeds not to exceed, for one configuration and road."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config = config
        self._lights_at = {x.id: (x.x_m, x.y_m) for x in road.lane_map.lights}
        self._front_m, self._rear_m = config.vehicle.front_m, config.vehicle.rear_m
        sensor = config.sim.sensor
        self._range_m = sensor.range_m if sensor.enabled else math.inf
        self._visible_mps = _stops_within(self._range_m - self._front_m)

    def caps(
        self, facts: Facts, m: Manoeuvre, seen: Survey, without: frozenset[Key]
    ) -> list[tuple[float, Key]]:
        """Speeds and what each is because of; the ego has time to slow down to them comfortably."""
        found: list[tuple[float, Key]] = []
        if (CauseKind.VISIBILITY, 0) not in without:
            sight = min(self._visible_mps, self._before_lights(facts, m))
            found.append((sight, (CauseKind.VISIBILITY, 0)))
        classes = {o.id: o for o in facts.objects}
        x, d = seen.ahead_m, seen.d_m
        room = np.abs(d[:, :1]) - seen.half_width_m[:, :1] - self._config.vehicle.width_m / 2
        near, far = x[:, :1] - seen.half_length_m[:, :1], x[:, :1] + seen.half_length_m[:, :1]
        beside = (room > 0.0) & (room < BESIDE_M) & (far > self._front_m - 1.0) & (near < LOOK_M)
        for row in np.flatnonzero(beside[:, 0] & seen.stands):
            o = classes[int(seen.ids[row])]
            key = (CauseKind.OBJECT, o.id)
            if o.object_class not in _HIDES or o.lane_id != 0 or key in without:
                continue
            slow = HIDING_MPS + HIDING_1PS * float(room[row, 0])
            # braking for it begins where comfortable braking has to
            to_go = max(float(near[row, 0]) - self._front_m - 3.0, 0.0)
            brake = self._config.driving.comfort_brake_mps2
            found.append((math.sqrt(slow * slow + 2.0 * brake * to_go), key))
        return found

    def _before_lights(self, facts: Facts, m: Manoeuvre) -> float:
        """The speed from which a light that is still too far off to be seen can be stopped for, once it is and shows red.

        Beyond the range of the sensors an unknown light is no news; nearer, it is one that nobody reports.
        """
        for s, line in m.path.stop_lines:
            to_line = s - m.s_m - self._front_m
            at = self._lights_at.get(line.light_id)
            if to_line <= 0.0 or at is None:
                continue
            unseen = math.hypot(at[0] - facts.ego.x_m, at[1] - facts.ego.y_m) - self._range_m
            if unseen <= 0.0:
                return math.inf
            then = 2.0 * UNSEEN_LIGHT_MPS2 * max(to_line - unseen, 0.0)
            return math.sqrt(then + 2.0 * self._config.driving.comfort_brake_mps2 * unseen)
        return math.inf


def _stops_within(sight_m: float) -> float:
    """The speed from which one can stop in so many metres: v r + v^2 / (2 b) = sight - reserve."""
    way = max(sight_m - RESERVE_M, 1.0)
    lag = FIRM_BRAKE_MPS2 * REACTION_S
    return math.sqrt(lag * lag + 2.0 * FIRM_BRAKE_MPS2 * way) - lag
