"""The stages in one process, on the data's clock: observation in, command out, every value on the way kept.

The ROS nodes run the same stage objects, made by the same factories; only who carries the values differs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from whyway.config import Config, override
from whyway.files import read_bytes
from whyway.types import (
    CYCLE_NS,
    Command,
    Event,
    InputError,
    Observation,
    Plan,
    Scene,
    Trace,
    Verdict,
)

if TYPE_CHECKING:
    from whyway.maps.road import Road
    from whyway.plan import Planner, Planning
    from whyway.reason.checkpoint import Model
    from whyway.reason.reasoner import Mind

# stages are imported where they are made: a node that runs one of them does not wait for the others

DEFAULT_DRIVER = "microgpt"
"""Who drives if nobody is named."""

Clock = Callable[[], float]
"""Seconds of any monotonic clock."""


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


@dataclass(frozen=True, slots=True)
class DriverKind:
    """What drives under one name.

    Attributes:
      reasoner: makes its reasoner; the clock is for who has a budget.
      planner: makes its planner.
      supervised: whether the safety supervisor has the last word. Benchmarks' baselines go without, as they were published.
      checked: whether plans that contradict their words are kept back, and another answers: not for who is to show what wrong words do.
      learnt: whether it needs a model, which is loaded once, before anything drives.
      shuffled: who plans alike, but says the words of other scenes; compare with the driver's own safety switched off.
      dials: what it sets of the configuration.
    """

    reasoner: Callable[[Config, Road, Mind | None, Clock], Reasoner]
    planner: Callable[[Config, Road, Mind | None], Planner]
    supervised: bool = True
    checked: bool = True
    learnt: bool = False
    shuffled: str = ""
    dials: Mapping[str, Any] = field(default_factory=dict)


def _rules(config: Config, road: Road, _mind: Mind | None, _clock: Clock) -> Reasoner:
    from whyway.reason import RuleReasoner

    return RuleReasoner(config, road)


def _microgpt(config: Config, road: Road, mind: Mind | None, clock: Clock) -> Reasoner:
    from whyway.plan import Planning
    from whyway.reason.reasoner import MicrogptReasoner

    planning = Planning(_learnt_waypoints(config, road, mind), road)
    return MicrogptReasoner(config, road, mind, clock, planning.foresee)


def _silent(config: Config, road: Road, _mind: Mind | None, _clock: Clock) -> Reasoner:
    from whyway.reason.baselines import SilentReasoner

    return SilentReasoner(config, road)


def _idm(config: Config, road: Road, _mind: Mind | None, _clock: Clock) -> Reasoner:
    from whyway.reason.baselines import IdmReasoner

    return IdmReasoner(config, road)


def _blank(config: Config, road: Road, _mind: Mind | None, _clock: Clock) -> Reasoner:
    from whyway.reason.baselines import BlankReasoner

    return BlankReasoner(config, road)


def _others_words(config: Config, road: Road, _mind: Mind | None, _clock: Clock) -> Reasoner:
    from whyway.reason.shuffled import ShuffledReasoner

    return ShuffledReasoner(config, road)


def _waypoints(config: Config, road: Road, _mind: Mind | None) -> Planner:
    from whyway.plan import WaypointPlanner

    return WaypointPlanner(config, road)


def _learnt_waypoints(config: Config, road: Road, mind: Mind | None) -> Planner:
    """The model's waypoint head; a model without one is planned for by rules."""
    if mind is None or mind.model is None or not mind.model.head:
        return _waypoints(config, road, mind)
    from whyway.plan.learned import LearnedPlanner
    from whyway.plan.waypoint_head import WaypointHead

    return LearnedPlanner(config, road, WaypointHead(mind.model.head))


def _constant_velocity(config: Config, road: Road, _mind: Mind | None) -> Planner:
    from whyway.plan.baselines import ConstantVelocityPlanner

    return ConstantVelocityPlanner(config, road)


def _ego_mlp(config: Config, road: Road, _mind: Mind | None) -> Planner:
    from whyway.plan.ego_mlp import FILE, EgoMlpPlanner
    from whyway.reason.checkpoint import MODELS
    from whyway.reason.tensors import read_tensors

    path = MODELS / FILE
    data = read_bytes(
        path, "the ego-only baseline: python -m training.ego_mlp", InputError, 1 << 20
    )
    return EgoMlpPlanner(config, road, read_tensors(data, path))


DRIVERS: Mapping[str, DriverKind] = MappingProxyType(
    {
        "rules": DriverKind(_rules, _waypoints, shuffled="shuffled_rules"),
        "microgpt": DriverKind(
            _microgpt, _learnt_waypoints, learnt=True, shuffled="shuffled_trace"
        ),
        "constant_velocity": DriverKind(
            _silent, _constant_velocity, supervised=False, checked=False
        ),
        "ego_mlp": DriverKind(_silent, _ego_mlp, supervised=False, checked=False),
        # as it was published, without the calming of the ACC model
        "idm": DriverKind(
            _idm, _waypoints, supervised=False, checked=False, dials={"driving.idm.coolness": 0.0}
        ),
        # the planners of microgpt and of the rules, given no words and wrong ones
        "no_trace": DriverKind(
            _blank, _learnt_waypoints, supervised=False, checked=False, learnt=True
        ),
        "shuffled_trace": DriverKind(
            _others_words, _learnt_waypoints, supervised=False, checked=False, learnt=True
        ),
        "shuffled_rules": DriverKind(_others_words, _waypoints, supervised=False, checked=False),
    }
)
"""Who can drive."""

BASELINES = frozenset(name for name, kind in DRIVERS.items() if not kind.supervised)


def driver_kind(name: str) -> DriverKind:
    """What drives under a name.

    Raises:
      InputError: no such driver.
    """
    if name not in DRIVERS:
        raise InputError(f"no driver {name!r}; choose one of: {', '.join(DRIVERS)}")
    return DRIVERS[name]


def driver_config(name: str, config: Config) -> Config:
    """The configuration a driver runs with: baselines go without the safety supervisor.

    Raises:
      InputError: no such driver.
    """
    kind = driver_kind(name)
    unsupervised = {} if kind.supervised else {"safety.enabled": False}
    return override(config, {**unsupervised, **kind.dials})


def load_mind(name: str, config: Config, *, thinks: bool = True) -> Mind | None:
    """The model of a driver and what computes it; None for one that needs none. Slow: it is done before driving.

    Args:
      name: of the driver.
      config: the whole tree.
      thinks: False where only its waypoint head is wanted.

    Raises:
      InputError: it cannot be used, and the rules may not drive in its place.
    """
    if not driver_kind(name).learnt:
        return None
    from whyway.reason.reasoner import load_mind

    return load_mind(config.reason, thinks=thinks, check=_check_head)


def _check_head(model: Model) -> None:
    """Refuse a model whose waypoint head does not fit, before anything drives."""
    from whyway.plan.waypoint_head import WaypointHead

    if model.head:
        WaypointHead(model.head)


def make_reasoner(
    name: str, config: Config, road: Road, mind: Mind | None = None, clock: Clock = time.perf_counter
) -> Reasoner:  # fmt: skip
    """The reasoner of a driver, for a configuration of `driver_config`; a learnt one without a mind loads its own."""
    mind = mind or load_mind(name, config)
    return DRIVERS[name].reasoner(config, road, mind, clock)


def make_planner(name: str, config: Config, road: Road, mind: Mind | None = None) -> Planner:
    """The planner of a driver, for a configuration of `driver_config`; a learnt one without a mind loads its own."""
    mind = mind or load_mind(name, config, thinks=False)
    return DRIVERS[name].planner(config, road, mind)


def make_planning(name: str, config: Config, road: Road, mind: Mind | None = None) -> Planning:
    """The planning stage of a driver: its planner, and for a learnt one the rules as stand-in."""
    from whyway.plan import Planning

    kind = driver_kind(name)
    planner = make_planner(name, config, road, mind)
    if not (kind.learnt and kind.checked):
        return Planning(planner, road, checked=kind.checked)
    from whyway.plan import WaypointPlanner
    from whyway.reason.stand_in import RuleStandIn

    return Planning(
        planner,
        road,
        stand_in=RuleStandIn(config, road),
        stand_in_planner=WaypointPlanner(config, road),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """Everything one cycle went through; trace and plan are of an older stamp while a slow decision is under way.

    `events` are what people should be told of the decision, when it is a new one.
    """

    observation: Observation
    scene: Scene
    trace: Trace
    plan: Plan
    command: Command
    verdict: Verdict
    events: tuple[Event, ...] = ()


Decision = tuple[Trace, Plan, tuple[Event, ...]]


class Driver:
    """The whole driver of one car: `step(observation) -> Cycle`.

    Args:
      name: one of `DRIVERS`.
      config: the whole tree; baselines switch its safety off.
      road: map and route.
      clock: for latencies, and for the budget of a learnt reasoner (`reason.budget_ms`); no other decision is read from it.
      disturbance: faults inside the driver; None: there are none, and every decision is there within its cycle.

    Raises:
      InputError: no such driver, or its model cannot be used.
    """

    def __init__(
        self,
        name: str,
        config: Config,
        road: Road,
        clock: Clock = time.perf_counter,
        disturbance: Disturbance | None = None,
    ) -> None:
        from whyway.control import Control
        from whyway.perception import Perception
        from whyway.trace.news import News
        from whyway.trace.override import Overrides

        config = driver_config(name, config)
        self.name, self.config, self.road, self._clock = name, config, road, clock
        mind = load_mind(name, config)
        self._perception = Perception(config, road)
        self._reasoner = make_reasoner(name, config, road, mind, clock)
        self._planning = make_planning(name, config, road, mind)
        self._control = Control(config, road)
        self._disturbance = disturbance
        self._overrides, self._news = Overrides(), News("planner")
        self._decided: Decision | None = None
        self._pending: tuple[int, Decision] | None = None

    def override(self, texts: Sequence[str], duration_s: float) -> str:
        """Put a person's word into the traces for a while (`trace.override`); what will be done, in one line.

        Raises:
          InputError: words that nobody understands.
        """
        return self._overrides.ask(texts, duration_s)

    def step(self, observation: Observation) -> Cycle:
        """One cycle; its decision too, unless one is still under way."""
        clock = self._clock
        t0 = clock()
        scene = self._perception.step(observation)
        scene = dataclasses.replace(scene, latency_ms=(clock() - t0) * 1e3)
        before = self._decided
        trace, plan, events = self._decision(scene)
        t1 = clock()
        command, verdict = self._control.step(observation, scene, plan)
        verdict = dataclasses.replace(verdict, latency_ms=(clock() - t1) * 1e3)
        told = events if before is None or before[1] is not plan else ()
        return Cycle(observation, scene, trace, plan, command, verdict, told)

    def _decision(self, scene: Scene) -> Decision:
        """The newest decision there is: this scene's or, if decisions take their time, an older scene's.

        While one is under way no other is begun, as in a node that is busy; the first is waited for, as the worlds do.
        """
        faults = self._disturbance
        if faults is None:
            self._decided = self._decide(scene)
            return self._decided
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

    def _decide(self, scene: Scene) -> Decision:
        """Reason and plan for one scene."""
        from whyway.trace.integrity import with_latency

        clock = self._clock
        t0 = clock()
        draft = self._overrides.step(self._reasoner.step(scene))
        draft = with_latency(draft, "reasoner", (clock() - t0) * 1e3)
        t1 = clock()
        decided = self._planning.decide(scene, draft)
        plan = dataclasses.replace(decided.plan, latency_ms=(clock() - t1) * 1e3)
        if self._disturbance is not None:
            plan = self._disturbance.spoil(plan)
        trace = self._planning.complete(decided.draft, scene, plan)
        events = self._news.of(trace, withheld=decided.withheld, replaced=decided.replaced)
        return trace, decided.given(plan), events
