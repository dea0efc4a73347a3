"""The stages in one process, on the data's clock: observation in, command out, every value on the way kept.

The ROS nodes run the same stage objects, made by the same factories; only who carries the values differs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from whyway.config import Config
from whyway.types import CYCLE_NS, Command, InputError, Observation, Plan, Scene, Trace, Verdict

if TYPE_CHECKING:
    from whyway.maps.road import Road
    from whyway.plan import Planner

# stages are imported where they are made: a node that runs one of them does not wait for the others

DRIVERS = ("rules", "constant_velocity", "idm")
"""Who can drive. The last two are baselines: they run without the safety supervisor, as the benchmarks they come from run them."""

BASELINES = frozenset({"constant_velocity", "idm"})


class Reasoner(Protocol):
    """Scene -> draft of a trace."""

    def step(self, scene: Scene) -> Trace:
        """One decision."""

    def reset(self) -> None:
        """Forget the past."""


class Disturbance(Protocol):
    """What goes wrong inside the driver, on purpose; `worlds.faults.DriverFaults` is one."""

    def delay_cycles(self, stamp_ns: int) -> int:
        """How many cycles a decision takes that begins now; 0: it is there within the cycle."""

    def spoil(self, plan: Plan) -> Plan:
        """The plan as it leaves the planner."""


def driver_config(name: str, config: Config) -> Config:
    """The configuration a driver runs with: baselines go without the safety supervisor.

    Raises:
      InputError: no such driver.
    """
    if name not in DRIVERS:
        raise InputError(f"no driver {name!r}; choose one of: {', '.join(DRIVERS)}")
    if name in BASELINES:
        config = dataclasses.replace(
            config, safety=dataclasses.replace(config.safety, enabled=False)
        )
    if name == "idm":  # as it was published, without the calming of the ACC model
        idm = dataclasses.replace(config.driving.idm, coolness=0.0)
        config = dataclasses.replace(config, driving=dataclasses.replace(config.driving, idm=idm))
    return config


def make_reasoner(name: str, config: Config, road: Road) -> Reasoner:
    """The reasoner of a driver, for a configuration of `driver_config`."""
    if name == "rules":
        from whyway.reason import RuleReasoner

        return RuleReasoner(config, road)
    from whyway.reason.baselines import IdmReasoner, SilentReasoner

    return IdmReasoner(config, road) if name == "idm" else SilentReasoner(config, road)


def make_planner(name: str, config: Config, road: Road) -> Planner:
    """The planner of a driver, for a configuration of `driver_config`."""
    if name == "constant_velocity":
        from whyway.plan.baselines import ConstantVelocityPlanner

        return ConstantVelocityPlanner(config, road)
    from whyway.plan import WaypointPlanner

    return WaypointPlanner(config, road)


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """Everything one cycle went through; trace and plan are of an older stamp while a slow decision is under way."""

    observation: Observation
    scene: Scene
    trace: Trace
    plan: Plan
    command: Command
    verdict: Verdict


class Driver:
    """The whole driver of one car: `step(observation) -> Cycle`.

    Args:
      name: one of `DRIVERS`.
      config: the whole tree; baselines switch its safety off.
      road: map and route.
      clock: seconds of any monotonic clock; only latencies are read from it, no decision is.
      disturbance: faults inside the driver; None: there are none, and every decision is there within its cycle.

    Raises:
      InputError: no such driver.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        road: Road,
        clock: Callable[[], float] = time.perf_counter,
        disturbance: Disturbance | None = None,
    ) -> None:
        from whyway.control import Control
        from whyway.perception import Perception
        from whyway.plan import Planning

        config = driver_config(name, config)
        self.name, self.config, self.road, self._clock = name, config, road, clock
        self._perception = Perception(config, road)
        self._reasoner = make_reasoner(name, config, road)
        self._planning = Planning(make_planner(name, config, road), road)
        self._control = Control(config, road)
        self._disturbance = disturbance
        self._decided: tuple[Trace, Plan] | None = None
        self._pending: tuple[int, tuple[Trace, Plan]] | None = None

    def step(self, observation: Observation) -> Cycle:
        """One cycle; its decision too, unless one is still under way."""
        clock = self._clock
        t0 = clock()
        scene = self._perception.step(observation)
        scene = dataclasses.replace(scene, latency_ms=(clock() - t0) * 1e3)
        trace, plan = self._decision(scene)
        t1 = clock()
        command, verdict = self._control.step(observation, scene, plan)
        verdict = dataclasses.replace(verdict, latency_ms=(clock() - t1) * 1e3)
        return Cycle(observation, scene, trace, plan, command, verdict)

    def _decision(self, scene: Scene) -> tuple[Trace, Plan]:
        """The newest decision there is: this scene's or, if decisions take their time, an older scene's.

        While one is under way no other is begun, as in a node that is busy; the first is waited for, as the worlds do.
        """
        faults = self._disturbance
        if faults is None:
            return self._decide(scene)
        now_ns = scene.stamp_ns
        if self._pending is not None and now_ns >= self._pending[0]:
            self._decided, self._pending = self._pending[1], None
        if self._pending is None:
            cycles = faults.delay_cycles(now_ns) if self._decided is not None else 0
            if cycles == 0:
                self._decided = self._decide(scene)
            else:
                self._pending = now_ns + cycles * CYCLE_NS, self._decide(scene)
        assert self._decided is not None  # the first is there within its cycle
        return self._decided

    def _decide(self, scene: Scene) -> tuple[Trace, Plan]:
        """Reason and plan for one scene."""
        from whyway.trace.integrity import with_latency

        clock = self._clock
        t0 = clock()
        draft = self._reasoner.step(scene)
        draft = with_latency(draft, "reasoner", (clock() - t0) * 1e3)
        t1 = clock()
        plan = self._planning.plan(scene, draft)
        plan = dataclasses.replace(plan, latency_ms=(clock() - t1) * 1e3)
        if self._disturbance is not None:
            plan = self._disturbance.spoil(plan)
        return self._planning.complete(draft, scene, plan), plan
