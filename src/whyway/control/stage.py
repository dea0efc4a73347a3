"""The control stage: plan -> command, with safety's last word. One object for the car, the simulator and the nodes."""

from __future__ import annotations

from whyway.config import Config
from whyway.control.follower import Follower
from whyway.control.safety import Safety
from whyway.maps.road import Road
from whyway.types import Command, Observation, Plan, Scene, Verdict


class Control:
    """Follower and safety supervisor in a row. In place of a plan that is withheld the last one is driven, while safety lets it."""

    def __init__(self, config: Config, road: Road) -> None:
        self._follower, self._safety = Follower(config, road), Safety(config, road)
        self._given: Plan | None = None

    def reset(self) -> None:
        """Forget a stop under way and the last good plan."""
        self._safety.reset()
        self._given = None

    def step(
        self, observation: Observation, scene: Scene | None, plan: Plan | None
    ) -> tuple[Command, Verdict]:
        """The command for this observation; scene and plan may be old or missing, and the ego's state may be no number."""
        now_ns = observation.stamp_ns
        withheld = plan is not None and plan.withheld
        if withheld:
            plan = self._given
        self._given = plan
        # of a position that is no number the follower can make nothing, and safety knows what to do without a command
        known = plan is not None and observation.ego.is_finite
        command = self._follower.step(observation.ego, plan, now_ns) if plan and known else None
        return self._safety.step(now_ns, observation, scene, plan, command, withheld=withheld)
