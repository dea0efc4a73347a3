"""The rule expert as a stand-in: it listens to what another reasoner says, and answers when that cannot be driven. No clock, no ROS."""

from __future__ import annotations

import copy
from dataclasses import replace

from whyway.config import Config
from whyway.maps.manoeuvre import place_of
from whyway.maps.road import Road
from whyway.reason.memory import SceneMemory
from whyway.reason.rules import RuleReasoner
from whyway.types import Scene, Trace

RULES = "rules"
"""How `validator` begins where the expert answered."""


class RuleStandIn:
    """Remembers what was driven, so that its own answer goes on from there."""

    def __init__(self, config: Config, road: Road) -> None:
        self._expert, self._road = RuleReasoner(config, road), road
        self._memory = SceneMemory(config, road)

    def heard(self, scene: Scene, said: Trace) -> None:
        """Remember what was decided in a scene."""
        place = place_of(self._road, scene.ego)
        if place is not None:
            self._memory = self._memory.after(scene, place).told(said.planning, place)

    def answer(self, scene: Scene, why: str) -> Trace:
        """The expert's draft, marked as a fallback."""
        return answer_of(self._expert, scene, self._memory, why)


def answer_of(expert: RuleReasoner, scene: Scene, memory: SceneMemory, why: str) -> Trace:
    """What the expert says to a scene if it remembers this of the scenes before; it remembers nothing of it afterwards."""
    expert = copy.copy(expert)
    expert.recall(memory)
    return fallback(expert.step(scene), f"{RULES}: {why}")


def fallback(trace: Trace, why: str) -> Trace:
    """The trace marked as a fallback, and why."""
    integrity = replace(trace.integrity, fallback_used=True, validator=why)
    return replace(trace, integrity=integrity)
