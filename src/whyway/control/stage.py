"""The control stage: plan -> command, with safety's last word. One object for the car, the simulator and the nodes."""

from __future__ import annotations

from whyway.config import Config
from whyway.control.follower import Follower
from whyway.control.safety import Safety
from whyway.maps.road import Road
from whyway.types import Command, Observation, Plan, Scene, Verdict


class Control:
    """Follower and safety supervisor in a row."""

    def __init__(self, config: Config, road: Road) -> None:
        self._follower, self._safety = Follower(config, road), Safety(config, road)

    def reset(self) -> None:
        """Forget a stop under way and the last good plan."""
        self._safety.reset()

    def step(
        self, observation: Observation, scene: Scene | None, plan: Plan | None
    ) -> tuple[Command, Verdict]:
        """The command for this observation; scene and plan may be old or missing, and the ego's state may be no number."""
        now_ns = observation.stamp_ns
        # of a position that is no number the follower can make nothing, and safety knows what to do without a command
        known = plan is not None and observation.ego.is_finite
        command = self._follower.step(observation.ego, plan, now_ns) if plan and known else None
        return self._safety.step(now_ns, observation, scene, plan, command)
