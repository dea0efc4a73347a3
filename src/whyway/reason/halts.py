"""Where the ego has to stand, and for whom: lights, signs, the end of the road, and those who cross or come into its way.

Who has to wait themselves is predicted to (`perception.prediction`); of the others the ego goes before those it can clear in time, by
gaps in time (Highway Capacity Manual: a critical gap of some 4 s to cross, less to join), and lets the others pass.
"""

from __future__ import annotations

import math

import numpy as np

from whyway.config import Config
from whyway.maps.corridor import Corridor
from whyway.maps.grid import OPEN_END_M
from whyway.maps.manoeuvre import REACH_M, Manoeuvre
from whyway.maps.narrows import Narrows
from whyway.maps.road import Road
from whyway.motion import Rollout
from whyway.reason.facts import Facts, Halt, Key
from whyway.types import CauseKind, Floats, LightColor

STOP_BEFORE_LINE_M = 1.0
STOP_BEFORE_OBJECT_M = 2.0
LIGHT_BEFORE_M, LIGHT_BEFORE_SHARE = 2.0, 0.6
"""A light is to stay so far before `base_link`, and this share of its distance to the side (30 degrees off the side)."""
LIGHT_BEFORE_LINE_M = 15.0
"""A light so much before the line was put there carelessly: standing at it would be standing in the middle of the road."""
HARDEST_STOP_MPS2 = 6.0
"""A halt that would need more braking than this is no longer possible."""
AMBER_STOP_MPS2 = 3.0
"""Amber: stop if this much braking suffices (German and US practice: about 3 m/s2)."""
NOSE_M, CREEPS_MPS = 2.0, 3.0
"""Who creeps, as behind a queue, and has no more than its nose over the line when the light changes, stays there."""
JOIN_BRAKE_MPS2 = 2.0
"""Nobody is made to brake harder than this by the ego's joining before them ..."""
IN_TURN_S = 4.0
"""Whoever joins the ego's way so soon after it would be over its line goes first."""
COMES_MPS, COMING_S = 0.5, 8.0
"""Who moves against the ego's way faster than this comes towards it; who gets to a narrow stretch later than this is no matter yet."""
STREET_M = 6.0
"""Who is farther aside than this is on another street."""
CLEAR_S = 0.5
"""From the last of one direction to the first of the other in a narrow stretch."""
GATE_M = 25.0
"""A line so far before a conflict is where one waits for it."""
JOIN_HEADWAY_S = 0.8
"""... or to follow closer."""


class Halts:
    """Finds halts for one road and configuration."""

    def __init__(self, config: Config, road: Road) -> None:
        self._config, self._road = config, road
        self._front_m, self._rear_m = config.vehicle.front_m, config.vehicle.rear_m
        self._narrows = Narrows(road)
        self._lights_at = {x.id: (x.x_m, x.y_m) for x in road.lane_map.lights}

    def can_stop(self, v_mps: float, ahead_m: float) -> bool:
        """Whether a halt is still possible."""
        return ahead_m > -0.5 and v_mps * v_mps <= 2.0 * HARDEST_STOP_MPS2 * max(ahead_m + 0.5, 0.1)

    def of_lines(self, facts: Facts, m: Manoeuvre, without: frozenset[Key]) -> Halt | None:
        """The first stop line that holds: red, amber that can be stopped for, or a stop sign not yet stood at."""
        v = facts.ego.v_mps
        for s, line in m.path.stop_lines:
            to_line = s - m.s_m - self._front_m
            nose_m = NOSE_M if line.light_id and v < CREEPS_MPS else 0.0
            if to_line < -max(nose_m, 0.3):
                continue
            halt = max(to_line - STOP_BEFORE_LINE_M, 0.0)
            if line.light_id:
                halt = self._in_sight(m, s, line.light_id, halt)
                key = (CauseKind.TRAFFIC_LIGHT, line.light_id)
                color = facts.lights.get(line.light_id, LightColor.UNKNOWN)
                needs = v * v / (2.0 * max(to_line + nose_m, 0.1))
                holds = (color == LightColor.RED and needs <= HARDEST_STOP_MPS2) or (
                    color == LightColor.AMBER and needs <= AMBER_STOP_MPS2
                )
            else:
                key = (CauseKind.STOP_SIGN, line.id)
                holds = line.is_stop_sign and line.id not in facts.served_stops
            if holds and key not in without:
                return Halt(halt, key)
        # where the map ends nothing is known of the road: not further than it is taken to go on
        end = m.path.length_m + OPEN_END_M - m.s_m - self._front_m - STOP_BEFORE_LINE_M
        ends = not len(self._road.lanes[m.path.lane_ids[-1]].lane.successor_ids)
        key = (CauseKind.ROUTE, 0)
        return Halt(max(end, 0.0), key) if ends and end < REACH_M and key not in without else None

    def _in_sight(self, m: Manoeuvre, line_s_m: float, light_id: int, halt_m: float) -> float:
        """Where to stand for a light: no nearer than where it is seen, if it stands on this side of its line.

        Who draws level with a light sees it no more, neither its red nor the green it waits for.
        """
        at = self._lights_at.get(light_id)
        if at is None:
            return halt_m
        x, y, yaw, _ = (float(v[0]) for v in m.path.center.at(np.array([line_s_m])))
        dx, dy = at[0] - x, at[1] - y
        beyond = math.cos(yaw) * dx + math.sin(yaw) * dy
        aside = math.cos(yaw) * dy - math.sin(yaw) * dx
        if beyond < -LIGHT_BEFORE_LINE_M:
            return halt_m  # not at this line at all
        seen = line_s_m + beyond - m.s_m - max(LIGHT_BEFORE_M, LIGHT_BEFORE_SHARE * abs(aside))
        return max(min(halt_m, seen), 0.0)

    # --------------------------------------------------------------------------------------------- crossing, joining

    def conflicts(
        self, facts: Facts, m: Manoeuvre, go: Rollout, c: Corridor
    ) -> tuple[list[tuple[float, int]], list[int]]:
        """Who crosses or joins: those to yield to (where `base_link` would have to stand, id), and those the ego goes before."""
        yields, passes = [], []
        patient = facts.waited_s < self._config.reason.patience_s
        for row in np.flatnonzero(c.inside.any(axis=1)).tolist():
            crosses = bool(c.crosses[row])
            meets = (
                self._crosses(facts, go, c, row, patient)
                if crosses
                else self._joins(m, go, c, row, patient)
            )
            if meets is None:
                continue
            near, goes_first = meets
            if goes_first:
                passes.append(int(c.ids[row]))
            else:
                yields.append((self._stand(facts, m, near, crosses), int(c.ids[row])))
        return yields + self._in_narrows(facts, m, go, c), passes

    def _crosses(
        self, facts: Facts, go: Rollout, c: Corridor, row: int, patient: bool
    ) -> tuple[float, bool] | None:
        """Where somebody's crossing begins on the path, and whether the ego goes first; None where they do not meet."""
        s, t = go.ahead_m, c.t_s
        at = np.flatnonzero(c.inside[row])
        near = float(np.min(c.ahead_m[row, at] - c.half_length_m[row, at]))
        far = float(np.max(c.ahead_m[row, at] + c.half_length_m[row, at]))
        if far < -self._rear_m or near < 0.5 * self._front_m:
            return None  # passed, or we stand in its way already: going on is the way out
        t_in, t_out = float(t[at[0]]), float(t[at[-1]]) if at[-1] < len(t) - 1 else math.inf
        arrives = _first(t, s + self._front_m >= near - 0.5)
        clears = _first(t, s - self._rear_m >= far + 0.5)
        slow = abs(float(c.along_mps[row, 0])) < 0.5 and t_in == 0.0 and t_out == math.inf
        before, after = (1.8, 0.8) if c.half_length_m[row, 0] < 0.6 else (1.0, 0.6)
        if not patient:
            before, after = 0.4, 0.2
        meets = arrives <= t_out + after and clears >= t_in - before
        reaches = math.isfinite(arrives) or near < 0.5 * facts.ego.v_mps + 12.0
        if meets and reaches and not slow:
            return near, False
        return (near, True) if math.isfinite(clears) and clears < t_in else None

    def _joins(
        self, m: Manoeuvre, go: Rollout, c: Corridor, row: int, patient: bool
    ) -> tuple[float, bool] | None:
        """The same for somebody whose lane the ego joins: it goes first if they need hardly brake for that."""
        at = int(np.argmax(c.inside[row]))
        ahead, v = float(c.ahead_m[row, at]), float(c.along_mps[row, at])
        near = ahead - float(c.half_length_m[row, at])
        if at == 0 or v < 2.0 or not self._joined_from_aside(m, c, row, at):
            return None
        s, u = float(go.ahead_m[at]), float(go.v_mps[at])
        gap = s - self._rear_m - (ahead + float(c.half_length_m[row, at]))
        closing = max(v - u, 0.0)
        ease = 1.0 if patient else 0.5
        needed = ease * (JOIN_HEADWAY_S * v + closing * closing / (2.0 * JOIN_BRAKE_MPS2))
        if near - s - self._front_m > 0.0:
            # they join before us: a lead to be, and once we are over the line they might wait for us
            gate = self._gate(m, near) or 0.0
            over = _first(go.t_s, go.ahead_m > gate - self._front_m)
            first = patient and over < float(c.t_s[at]) < over + IN_TURN_S
            return (near, False) if first else None
        return near, gap >= needed

    def _joined_from_aside(self, m: Manoeuvre, c: Corridor, row: int, at: int) -> bool:
        """Whether the ego's lane and theirs come together in a junction that it has not reached, and they are not behind it."""
        gate = self._gate(m, float(c.ahead_m[row, at]))
        beside = abs(float(c.relative_yaw_rad[row, 0])) > 0.3 or abs(float(c.aside_m[row, 0])) > 5.0
        return beside and gate is not None and not len(self._lights(m, gate))

    def _stand(self, facts: Facts, m: Manoeuvre, near_m: float, crosses: bool) -> float:
        """Where to stand for a conflict: at the line of a junction not yet entered, if that can be; else short of the conflict.

        Whoever has green waits inside the junction: cross traffic stands, and at the line it would never get away.
        """
        margin = STOP_BEFORE_OBJECT_M
        short = near_m - self._front_m - margin
        gate = self._gate(m, near_m)
        if gate is None or (crosses and len(self._lights(m, gate))):
            return short
        stand = gate - self._front_m - STOP_BEFORE_LINE_M
        comfortable = facts.ego.v_mps**2 <= 2.0 * AMBER_STOP_MPS2 * max(stand, 0.1)
        return min(short, stand) if stand > -0.3 and comfortable else short

    def _in_narrows(
        self, facts: Facts, m: Manoeuvre, go: Rollout, c: Corridor
    ) -> list[tuple[float, int]]:
        """Who comes through where two do not pass, before the ego would be through: it is waited for before it, not inside."""
        found = []
        for a, b in self._narrows.along(m.path):
            begins, ends = a - m.s_m, b - m.s_m
            stand = begins - self._front_m - STOP_BEFORE_LINE_M
            if begins < self._front_m - 0.5 or not self.can_stop(facts.ego.v_mps, stand):
                continue  # inside already, or nearly
            enters = go.time_to(begins - self._front_m)
            through = go.time_to(ends + self._rear_m) + CLEAR_S
            for row in np.flatnonzero(c.along_mps[:, 0] < -COMES_MPS).tolist():
                x, half, v = (float(w[row, 0]) for w in (c.ahead_m, c.half_length_m, -c.along_mps))
                comes, leaves = (x - half - ends) / v, (x + half - begins) / v + CLEAR_S
                beside = abs(float(c.aside_m[row, 0])) < STREET_M and x + half > begins
                if beside and comes < through and leaves > enters and (comes < COMING_S):
                    found.append((stand, int(c.ids[row])))
        return found

    def _gate(self, m: Manoeuvre, near_m: float) -> float | None:
        """The line (or else the border) of the junction in which something lies `near_m` ahead, or the line before it, if the front is not over it."""
        s, front = m.s_m + near_m, m.s_m + self._front_m - 0.5
        lines = [at for at, line in m.path.stop_lines if front < at <= s + 3.0]
        begins = [a for a, b in m.path.junctions if front < a and a - 2.0 <= s <= b + 3.0]
        within = [at for at in lines if s - at < GATE_M]
        if within:
            return within[-1] - m.s_m
        return begins[0] - m.s_m if begins else None

    @staticmethod
    def _lights(m: Manoeuvre, gate_m: float) -> list[int]:
        return [
            line.light_id
            for at, line in m.path.stop_lines
            if line.light_id and abs(at - m.s_m - gate_m) < 1.0
        ]


def _first(t: Floats, holds: np.ndarray) -> float:
    return float(t[np.argmax(holds)]) if holds.any() else math.inf
