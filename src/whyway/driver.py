"""The stages in one process, on the data's clock: observation in, command out, every value on the way kept.

The ROS nodes run the same stage objects, made by the same factories; only who carries the values differs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from whyway.config import Config
from whyway.control import Follower, Safety
from whyway.maps.manoeuvre import ego_path
from whyway.maps.road import Road
from whyway.perception import Perception
from whyway.plan import PlannerView, WaypointPlanner, planner_view
from whyway.plan.baselines import ConstantVelocityPlanner
from whyway.reason import RuleReasoner
from whyway.reason.baselines import IdmReasoner, SilentReasoner, plain_idm
from whyway.trace import complete
from whyway.trace.integrity import with_latency
from whyway.types import Command, Observation, Plan, Scene, Trace, Verdict

DRIVERS = ("rules", "constant_velocity", "idm")
"""Who can drive. The last two are baselines: they run without the safety supervisor, as the benchmarks they come from run them."""

BASELINES = frozenset({"constant_velocity", "idm"})


class Reasoner(Protocol):
    """Scene -> draft of a trace."""

    def step(self, scene: Scene) -> Trace:
        """One decision."""

    def reset(self) -> None:
        """Forget the past."""


class Planner(Protocol):
    """View -> plan."""

    def step(self, view: PlannerView) -> Plan:
        """One plan."""

    def reset(self) -> None:
        """Forget the past."""


def driver_config(name: str, config: Config) -> Config:
    """The configuration a driver runs with: baselines go without the safety supervisor.

    Raises:
      ValueError: no such driver.
    """
    if name not in DRIVERS:
        raise ValueError(f"no driver {name!r}; choose one of: {', '.join(DRIVERS)}")
    if name in BASELINES:
        return dataclasses.replace(config, safety=dataclasses.replace(config.safety, enabled=False))
    return config


def make_reasoner(name: str, config: Config, road: Road) -> Reasoner:
    """The reasoner of a driver."""
    kinds: dict[str, Callable[[Config, Road], Reasoner]] = {
        "rules": RuleReasoner, "constant_velocity": SilentReasoner, "idm": IdmReasoner,
    }  # fmt: skip
    return kinds[name](config, road)


def make_planner(name: str, config: Config, road: Road) -> Planner:
    """The planner of a driver."""
    if name == "constant_velocity":
        return ConstantVelocityPlanner(config, road)
    return WaypointPlanner(plain_idm(config) if name == "idm" else config, road)


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """Everything one decision went through."""

    observation: Observation
    scene: Scene
    trace: Trace
    plan: Plan
    command: Command
    verdict: Verdict


def plan_and_complete(
    planner: Planner, scene: Scene, draft: Trace, road: Road, clock: Callable[[], float]
) -> tuple[Plan, Trace]:
    """The planner's part of a cycle: the plan, and the trace completed by what the plan really does."""
    begun = clock()
    plan = planner.step(planner_view(scene, draft))
    plan = dataclasses.replace(plan, latency_ms=(clock() - begun) * 1e3)
    return plan, complete(draft, scene, plan, ego_path(road, scene.ego))


class Driver:
    """The whole driver of one car: `step(observation) -> Cycle`.

    Args:
      name: one of `DRIVERS`.
      config: the whole tree; baselines switch its safety off.
      road: map and route.
      clock: seconds of any monotonic clock; only latencies are read from it, no decision is.

    Raises:
      ValueError: no such driver.
    """

    def __init__(
        self, name: str, config: Config, road: Road, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        config = driver_config(name, config)
        self.name, self.config, self.road, self._clock = name, config, road, clock
        self._perception = Perception(config, road)
        self._reasoner = make_reasoner(name, config, road)
        self._planner = make_planner(name, config, road)
        self._follower = Follower(config, road)
        self._safety = Safety(config, road)

    def step(self, observation: Observation) -> Cycle:
        """One decision."""
        clock = self._clock
        t0 = clock()
        scene = self._perception.step(observation)
        t1 = clock()
        scene = dataclasses.replace(scene, latency_ms=(t1 - t0) * 1e3)
        draft = self._reasoner.step(scene)
        t2 = clock()
        draft = with_latency(draft, "reasoner", (t2 - t1) * 1e3)
        plan, trace = plan_and_complete(self._planner, scene, draft, self.road, clock)
        t3 = clock()
        now = observation.stamp_ns
        command = self._follower.step(observation.ego, plan, now)
        command, verdict = self._safety.step(now, observation, scene, plan, command)
        verdict = dataclasses.replace(verdict, latency_ms=(clock() - t3) * 1e3)
        return Cycle(observation, scene, trace, plan, command, verdict)
