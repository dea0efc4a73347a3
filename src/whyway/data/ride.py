"""One drive in closed loop, as a stream of what was seen, remembered, said and would have been said by the expert. Writes nothing."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whyway.config import Config
from whyway.control import Control
from whyway.data.recipe import EXPERT, Recipe
from whyway.driver import load_mind, make_planning, make_reasoner
from whyway.geometry import boxes_overlap
from whyway.maps.manoeuvre import Place, place_of
from whyway.maps.road import Road
from whyway.perception import Perception
from whyway.reason import RuleReasoner
from whyway.reason.memory import SceneMemory
from whyway.trace.tokens import quantised
from whyway.types import CYCLE_S, Command, Plan, Scene, Trace, Truth

if TYPE_CHECKING:
    from whyway.worlds import World

STRETCH_S = (1.0, 4.0)
"""How long the expert drives instead of the driver, when it does."""
PUSH_S = (0.5, 1.5)
"""How long a command is disturbed, when it is: ..."""
PUSH_ASIDE_M = 0.8
"""... so far to either side it would lead at most, ..."""
PUSH_STEER_RAD = 0.2
PUSH_MPS2 = 2.0
"""... and so much harder or softer it accelerates at most."""
RECOVERY_NS = 2_000_000_000
"""So long after a push a cycle is marked as disturbed."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One cycle of a drive. Nothing in it changes later."""

    scene: Scene
    place: Place
    before: SceneMemory
    """What was remembered before the scene was seen ..."""
    memory: SceneMemory
    """... and when the decision was taken: what the reasoner's features are made of."""
    said: Trace
    """By who drove."""
    label: Trace
    """What the expert says to the scene with this memory; `said` itself where the expert drives."""
    plan: Plan
    """What was driven: what was said, unless that contradicted itself."""
    disturbed: bool
    """Whether the ego was pushed a moment ago."""

    @property
    def disagrees(self) -> bool:
        """Whether the expert would have decided something else."""
        return self.said.planning.decision != self.label.planning.decision


class Ride:
    """A drive: iterate over it once.

    It ends with the world, or when the ego touches somebody: what is said after that is nothing to learn from.

    Args:
      world: to drive in, not yet begun.
      config: of the driver (`driver.driver_config`).
      recipe: who drives, and how it is disturbed.
      rng: draws what the recipe leaves open.
    """

    def __init__(
        self, world: World, config: Config, recipe: Recipe, rng: np.random.Generator
    ) -> None:
        self.world, self.config = world, config
        self.road = Road(world.lane_map, world.route)
        self.expert = RuleReasoner(config, self.road)
        mind = load_mind(recipe.driver, config)
        alone = recipe.driver == EXPERT
        self._actor = None if alone else make_reasoner(recipe.driver, config, self.road, mind)
        self._perception = Perception(config, self.road)
        self._planning = make_planning(recipe.driver, config, self.road, mind)
        self._expert_planning = make_planning(EXPERT, config, self.road)
        self._control = Control(config, self.road)
        self._taken_over = Stretches(recipe.mix, STRETCH_S, rng)
        self._pushes = Stretches(recipe.disturb, PUSH_S, rng)
        self._rng = rng
        self._push = (0.0, 0.0)

    def __iter__(self) -> Iterator[Seen]:
        """Every cycle on the lanes."""
        observation, memory = self.world.reset(), SceneMemory(self.config, self.road)
        disturbed_until_ns = -1
        while not self.world.done and not touches(self.world.truth()):
            scene = self._perception.step(observation)
            place = place_of(self.road, scene.ego)
            label = self.labelled(scene, memory)
            said = self._said(scene, label)
            planning = self._expert_planning if said is label else self._planning
            decided = planning.decide(scene, said)
            plan = decided.given(decided.plan)
            command, _ = self._control.step(observation, scene, plan)
            if self._pushes.step():
                command = self._pushed(command, scene)
                disturbed_until_ns = scene.stamp_ns + RECOVERY_NS
            observation = self.world.step(command)
            if place is not None:
                before, memory = memory, memory.after(scene, place)
                yield Seen(scene, place, before, memory, said, label, plan, scene.stamp_ns <= disturbed_until_ns)  # fmt: skip
                # what was said is said in words: numbers as their bins have them
                memory = memory.told(quantised(said.planning), place)

    def labelled(self, scene: Scene, before: SceneMemory) -> Trace:
        """What the expert says to a scene, in the place of one who remembers this."""
        expert = copy.copy(self.expert)
        expert.recall(before)
        return expert.step(scene)

    def _said(self, scene: Scene, label: Trace) -> Trace:
        taken_over = self._taken_over.step()
        if self._actor is None:
            return label
        said = self._actor.step(scene)  # also when it does not drive: it remembers what it sees
        return label if taken_over else said

    def _pushed(self, command: Command, scene: Scene) -> Command:
        """A command as somebody at the wheel would spoil it, the same way for a whole stretch."""
        if self._pushes.begins:
            lasts_s, v = self._pushes.length * CYCLE_S, max(scene.ego.v_mps, 2.0)
            # y = v^2 t^2 / 2 * steer / wheelbase
            y = self._rng.uniform(-PUSH_ASIDE_M, PUSH_ASIDE_M)
            steer = 2.0 * y * self.config.vehicle.wheelbase_m / (v * lasts_s) ** 2
            steer = float(np.clip(steer, -PUSH_STEER_RAD, PUSH_STEER_RAD))
            self._push = steer, float(self._rng.uniform(-PUSH_MPS2, PUSH_MPS2))
        steer_rad, mps2 = self._push
        return dataclasses.replace(
            command,
            steer_rad=command.steer_rad + steer_rad,
            acceleration_mps2=command.acceleration_mps2 + mps2,
        )


class Stretches:
    """On and off by turns, for random lengths, on for a given share of the time.

    Args:
      share: of the cycles it is on.
      lasts_s: shortest and longest time it is on.
      rng: draws.
    """

    def __init__(
        self, share: float, lasts_s: tuple[float, float], rng: np.random.Generator
    ) -> None:
        self._share, self._rng = share, rng
        self._cycles = tuple(max(1, round(s / CYCLE_S)) for s in lasts_s)
        self._left = 0
        self.length = 0
        """Cycles of the stretch under way."""
        self.begins = False
        """Whether this cycle is its first."""

    def step(self) -> bool:
        """Whether it is on in the next cycle."""
        self.begins = False
        if self._share <= 0.0:
            return False
        if self._left == 0:
            low, high = self._cycles
            # it begins in each free cycle with the odds that make its share of the time what it should be
            mean = (low + high) / 2
            odds = 1.0 if self._share >= 1.0 else self._share / (self._share + mean * (1.0 - self._share))  # fmt: skip
            if self._rng.random() >= odds:
                return False
            self.length = self._left = int(self._rng.integers(low, high + 1))
            self.begins = True
        self._left -= 1
        return True


def touches(truth: Truth) -> bool:
    """Whether the ego's box overlaps anybody's."""
    if not truth.actors:
        return False
    ego = truth.ego
    x = ego.x_m + truth.ego_center_offset_m * np.cos(ego.yaw_rad)
    y = ego.y_m + truth.ego_center_offset_m * np.sin(ego.yaw_rad)
    near = [
        a
        for a in truth.actors
        if abs(a.x_m - x) + abs(a.y_m - y) < 2.0 * (a.length_m + truth.ego_length_m)
    ]
    if not near:
        return False
    boxes = np.array([(a.x_m, a.y_m, a.yaw_rad, a.length_m, a.width_m) for a in near]).T
    mine = (x, y, ego.yaw_rad, truth.ego_length_m, truth.ego_width_m)
    return bool(np.any(boxes_overlap(*mine, *boxes)))
