"""Whether odometry may be believed: each reading against what the car's own speed and yaw rate say it must have done. No clock.

Dead reckoning over a short window is nearly exact (error grows with the distance: wheel-speed scale, gyro bias), so a pose that has gone
elsewhere in it has jumped, drifted or stood still under stamps that went on. Then the last believed pose is carried on by speed and
yaw rate, and readings are refused until they are back where that leads: a pose that has once been wrong and stays there does not become
right by staying. Borenstein, Everett, Feng, "Where am I?" (1996), chapter 5, for the errors.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from whyway.config import SafetyConfig, VehicleConfig
from whyway.control.validate import ego_fault, jump_fault
from whyway.geometry import to_frame, wrap_angle
from whyway.types import EgoState

WINDOW_S = 2.0
"""So far back a reading is compared."""
ALONG_M, ALONG_SHARE = 0.4, 0.03
ACROSS_M, ACROSS_SHARE = 0.3, 0.01
"""How far a pose may be from where dead reckoning leads, along the car and across: its noise, and a share of the distance. Wheels that are
3 % off are still wheels; across, it takes a gyro that is 0.01 rad/s off at 10 m/s."""
OFF_RAD = 0.1
BACK_SHARE = 0.5
"""Of these limits, within which a pose that was lost is believed again: the distance alone must not bring it back."""
GAP_S = 1.0
"""After a longer silence dead reckoning proves nothing."""
_ROLLS_ON = 1.5, 20.0
"""Of the way to a stand and beside it: who has gone farther since the pose was lost is not stopped by us (a recording, a person), and for
him we begin anew."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A reading and, in a frame of its own, where speed and yaw rate alone have led by then."""

    stamp_ns: int
    ego: EgoState
    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    way_m: float = 0.0

    def then(self, stamp_ns: int, ego: EgoState) -> _Reading:
        """The next reading: on by the mean of both speeds and yaw rates."""
        dt_s = (stamp_ns - self.stamp_ns) * 1e-9
        way = 0.5 * (self.ego.v_mps + ego.v_mps) * dt_s
        turn = 0.5 * (self.ego.yaw_rate_rps + ego.yaw_rate_rps) * dt_s
        course = self.yaw_rad + 0.5 * turn
        return _Reading(
            stamp_ns, ego, self.x_m + way * math.cos(course), self.y_m + way * math.sin(course),
            self.yaw_rad + turn, self.way_m + abs(way),
        )  # fmt: skip

    def leads(self, to: _Reading) -> EgoState:
        """The ego of a later reading where dead reckoning from this one's pose leads."""
        turned = self.ego.yaw_rad - self.yaw_rad
        dx, dy, c, s = to.x_m - self.x_m, to.y_m - self.y_m, math.cos(turned), math.sin(turned)
        return replace(
            to.ego,
            x_m=self.ego.x_m + c * dx - s * dy,
            y_m=self.ego.y_m + s * dx + c * dy,
            yaw_rad=float(wrap_angle(to.yaw_rad + turned)),
        )


class OdometryCheck:
    """Readings in, what is wrong with them out; remembers the window, or the reading it last believed."""

    def __init__(self, vehicle: VehicleConfig, limits: SafetyConfig) -> None:
        self._vehicle, self._limits = vehicle, limits
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._window: deque[_Reading] = deque()
        self._lost = False
        self._way_m = self._until_m = 0.0

    @property
    def lost(self) -> bool:
        """Whether the pose is elsewhere than the car's own motion says: then `believed` carries the old one on."""
        return self._lost

    @property
    def stamp_ns(self) -> int:
        """Of the last reading that was one."""
        return self._window[-1].stamp_ns

    @property
    def believed(self) -> EgoState:
        """The last reading or, where its pose is not believed, the one that dead reckoning leads to."""
        last = self._window[-1]
        return self._window[0].leads(last) if self._lost else last.ego

    def step(self, stamp_ns: int, ego: EgoState) -> str | None:
        """What is wrong with a reading, in one line; None if nothing is."""
        invalid = ego_fault(ego, self._vehicle)
        if invalid is not None:
            return invalid
        last = self._window[-1] if self._window else None
        if last is None or not 0.0 <= (stamp_ns - last.stamp_ns) * 1e-9 <= GAP_S:
            self.reset()
            self._window.append(_Reading(stamp_ns, ego))
            return None
        if stamp_ns == last.stamp_ns and not self._lost:
            return None  # the same one again
        dt_s = (stamp_ns - last.stamp_ns) * 1e-9
        jumped = jump_fault(last.ego, ego, dt_s, self._vehicle, self._limits)
        self._window.append(last.then(stamp_ns, ego))
        before, off = self._lost, self._off()
        self._lost = off is not None
        if not before:
            brake = self._limits.minimal_risk_brake_mps2
            share, more_m = _ROLLS_ON
            rolls_m = share * ego.v_mps**2 / (2.0 * brake) + more_m
            self._until_m = self._window[-1].way_m + rolls_m
        elif self._lost and self._window[-1].way_m > self._until_m:
            self.reset()
            self._window.append(_Reading(stamp_ns, ego))
            return jumped
        if before or self._lost:
            # between the one still believed and the newest is none that may be
            self._window = deque((self._window[0], self._window[-1]))
        while len(self._window) > 2 and (stamp_ns - self._window[0].stamp_ns) * 1e-9 > WINDOW_S:
            self._window.popleft()
        return jumped or off

    def _off(self) -> str | None:
        old, new = self._window[0], self._window[-1]
        there, here = old.leads(new), new.ego
        ahead, aside = to_frame(here.x_m, here.y_m, there.x_m, there.y_m, there.yaw_rad)
        since_s = (new.stamp_ns - old.stamp_ns) * 1e-9
        if not self._lost:
            self._way_m = new.way_m - old.way_m
        way = self._way_m  # the limits do not grow any more once it is lost
        share = self._limits.odometry_slack * (BACK_SHARE if self._lost else 1.0)
        over = abs(ahead) > share * (ALONG_M + ALONG_SHARE * way)
        if over or abs(aside) > share * (ACROSS_M + ACROSS_SHARE * way):
            away = math.hypot(ahead, aside)
            return f"odometry is {away:.1f} m from where speed and yaw rate led in {since_s:.1f} s"
        turned = abs(float(wrap_angle(here.yaw_rad - there.yaw_rad)))
        if turned > share * OFF_RAD:
            return f"odometry heading is {turned:.2f} rad from where the yaw rate led in {since_s:.1f} s"
        return None
