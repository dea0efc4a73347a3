"""A scene as seen along the ego's own lane path: what every kind of scene token is computed from.

The ego is driven forward here as if nobody else were there, so that each road user's row says how it meets *that* motion: no row
depends on another road user's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from whyway.config import Config
from whyway.geometry import wrap_angle
from whyway.maps.corridor import Corridor, Surroundings, Survey, look
from whyway.maps.manoeuvre import REACH_M, Manoeuvre, Place, manoeuvre, place_of, profile_along
from whyway.maps.narrows import Narrows
from whyway.maps.road import LanePath, Road
from whyway.motion import Obstacles, Rollout, SpeedProfile, hypotheses, roll_out
from whyway.reason.caution import Caution
from whyway.reason.facts import OUTLOOK_S, Facts, Halt
from whyway.reason.features.margins import Margins
from whyway.reason.halts import Halts
from whyway.reason.lane_change import LaneChanges
from whyway.reason.memory import SceneMemory
from whyway.trace.meta_actions import WINDOW_S
from whyway.types import (
    CauseKind,
    Direction,
    Floats,
    Lateral,
    LightColor,
    PredictedPath,
    Scene,
    StopLine,
    TrackedObject,
)

STEP_S = 0.25
ROLL_S: Floats = np.asarray(STEP_S * np.arange(21), dtype=np.float64)
"""Times at which the ego is driven forward."""
WINDOW_STEPS = round(WINDOW_S / STEP_S) + 1
"""Of them within the words' window."""
NOBODY = Obstacles(np.zeros((0, len(ROLL_S))), np.zeros((0, len(ROLL_S))), np.zeros((0, len(ROLL_S)), dtype=np.bool_))  # fmt: skip
NOSE_M = 2.0
"""A light whose line is so little behind the front still counts."""
LINES_M = 160.0

Key = tuple[CauseKind, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A stop line ahead that may be said to be a cause."""

    key: Key
    line: StopLine
    to_line_m: float
    """From the front bumper."""
    color: LightColor
    confidence: float
    served: bool
    halt: Halt | None
    """Where it holds the ego, if it does."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One scene, seen from one lane."""

    scene: Scene
    memory: SceneMemory
    facts: Facts
    place: Place
    keep: Manoeuvre
    heading_rad: float
    """Of the ego relative to its path."""
    profile: SpeedProfile
    straight: SpeedProfile
    """What the road would allow without its bends."""
    cap_mps: float
    """Most that the road allows soon."""
    free: Rollout
    """The ego on the road without lines and without anybody."""
    held: Rollout
    """The same with the first line that holds ..."""
    held_m: float
    """... and where it does."""
    lines: tuple[Line, ...]
    road_end_m: float
    """Where the map ends and the ego has to stand; inf where it does not."""
    objects: tuple[TrackedObject, ...]
    """Those that can be met."""
    rows: dict[int, int]
    """By object: its first row in `seen` and `corridor`; its other hypotheses follow."""
    modes: dict[int, tuple[PredictedPath, ...]]
    """By object: its hypotheses."""
    seen: Survey
    corridor: Corridor
    prospect_m: float
    """How far a free ego gets, as the rules compare ways: to the end of the roll, and on at the speed it has there."""
    caps: dict[int, float]
    """By object: speed not to exceed because somebody may hide behind it."""
    visible_mps: float
    """Speed not to exceed for what cannot be seen."""


class Viewer:
    """Makes views of one road."""

    def __init__(self, config: Config, road: Road) -> None:
        self.config, self.road = config, road
        self.halts = Halts(config, road)
        self.changes = LaneChanges(config, road)
        self.narrows = Narrows(road)
        self.margins = Margins(road)
        self._goal = lru_cache(maxsize=64)(self._goal_on)
        self._caution = Caution(config, road)

    def place(self, scene: Scene) -> Place | None:
        """The ego's lane; None off the map."""
        return place_of(self.road, scene.ego)

    def goal_m(self, path: LanePath) -> float:
        """Arc length of the goal on a path; inf where the path does not lead there."""
        return self._goal(path)

    def _goal_on(self, path: LanePath) -> float:
        if self.road.route_ids[-1] not in path.lane_ids:
            return math.inf
        return float(path.center.project(self.road.route.goal_x_m, self.road.route.goal_y_m)[0])

    def view(self, scene: Scene, memory: SceneMemory, place: Place) -> View:
        """Everything along the ego's path."""
        config, ego = self.config, scene.ego
        lights = {light.light_id: light.color for light in scene.lights}
        facts = Facts(
            ego, place, scene.objects, lights, memory.changing, memory.served_stops, memory.standing_s,
            memory.waited_s, memory.nudging,
        )  # fmt: skip
        keep = manoeuvre(self.road, place, Lateral.KEEP_LANE, Direction.NONE, REACH_M)
        assert keep is not None  # every place has its own lane
        profile = profile_along(keep, ego, config.driving, REACH_M)
        straight = profile_along(keep, ego, config.driving, REACH_M, curves=False)
        span = max(2, int(ego.v_mps * 5.0) + 10)
        cap = float(np.max(profile.allowed_mps[:span]))
        lines, road_end = self._lines(scene, facts, keep)
        held = next((x.halt.ahead_m for x in lines if x.halt), math.inf)
        around = Surroundings(ego, scene.objects, ROLL_S)
        seen = around.along(keep.path, keep.s_m)
        ids, first = np.unique(seen.ids, return_index=True)
        rows = dict(zip(ids.tolist(), first.tolist(), strict=True))
        objects = tuple(o for o in scene.objects if o.id in rows)
        caps = self._caution.caps(facts, keep, seen, frozenset())
        free = self.drive(facts, profile, cap, road_end)
        return View(
            scene=scene,
            memory=memory,
            facts=facts,
            place=place,
            keep=keep,
            heading_rad=float(wrap_angle(ego.yaw_rad - float(keep.path.center.at(keep.s_m)[2]))),
            profile=profile,
            straight=straight,
            cap_mps=cap,
            free=free,
            held=self.drive(facts, profile, cap, held) if held < road_end else free,
            held_m=held,
            lines=lines,
            road_end_m=road_end,
            objects=objects,
            rows=rows,
            modes={o.id: hypotheses(o) for o in objects},
            seen=seen,
            corridor=look(keep, ego, scene.objects, config.vehicle, config.driving, ROLL_S, around),
            prospect_m=prospect_m(free),
            caps=_least(caps),
            visible_mps=min((v for v, k in caps if k[0] == CauseKind.VISIBILITY), default=math.inf),
        )

    def drive(
        self, facts: Facts, profile: SpeedProfile, cap_mps: float, halt_m: float, obstacles: Obstacles = NOBODY
    ) -> Rollout:  # fmt: skip
        """The ego driven forward."""
        driving = self.config.driving
        return roll_out(
            facts.ego.v_mps, facts.ego.a_mps2, profile, cap_mps, halt_m, obstacles, driving.idm,
            driving.limits, self.config.vehicle.front_m, ROLL_S,
        )  # fmt: skip

    def _lines(self, scene: Scene, facts: Facts, keep: Manoeuvre) -> tuple[tuple[Line, ...], float]:
        """The stop lines ahead that may be causes, the nearest first, once each; and where the map's end holds."""
        halts: dict[Key, Halt] = {}
        while halt := self.halts.of_lines(facts, keep, frozenset(halts)):
            halts[halt.key] = halt
            if halt.key[0] == CauseKind.ROUTE:
                break
        sure = {light.light_id: light.confidence for light in scene.lights}
        found: dict[Key, Line] = {}
        for s, line in keep.path.stop_lines:
            to_line = s - keep.s_m - self.config.vehicle.front_m
            if not -NOSE_M <= to_line < LINES_M or not (line.light_id or line.is_stop_sign):
                continue
            kind = CauseKind.TRAFFIC_LIGHT if line.light_id else CauseKind.STOP_SIGN
            key = (kind, line.light_id or line.id)
            found.setdefault(
                key,
                Line(
                    key, line, to_line, facts.lights.get(line.light_id, LightColor.UNKNOWN),
                    sure.get(line.light_id, 0.0), line.id in facts.served_stops, halts.get(key),
                ),
            )  # fmt: skip
        end = halts.get((CauseKind.ROUTE, 0))
        return tuple(found.values()), end.ahead_m if end else math.inf


def prospect_m(roll: Rollout) -> float:
    """How far a roll gets, and then on for `OUTLOOK_S`."""
    return float(roll.ahead_m[-1] + OUTLOOK_S * roll.v_mps[-1])


def _least(caps: list[tuple[float, Key]]) -> dict[int, float]:
    least: dict[int, float] = {}
    for speed, (kind, i) in caps:
        if kind == CauseKind.OBJECT:
            least[i] = min(speed, least.get(i, math.inf))
    return least
