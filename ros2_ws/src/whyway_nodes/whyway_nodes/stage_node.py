"""The generic stage node: a lifecycle node around an object with `step`. Thin nodes say what they read, write and do.

Parameters are the dials of `whyway.config`. Inputs of one stamp are joined, the stage acts once on them, outputs carry their stamp. Messages cross
as CDR bytes (`messages.to_cdr`): half the work of filling rclpy's objects, and equal values are equal bytes in the log.

A node is *ready* when its stage is built and all who must hear it are matched; it then says so, latched, on `/whyway/ready`. The world
waits for that, so no first message is lost.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from whyway import topics
from whyway.config import Config, ConfigError, leaves, override
from whyway.messages import to_cdr
from whyway.topics import Topic
from whyway.types import Event, Fault, InputError
from whyway_nodes import graph
from whyway_nodes.join import Join
from whyway_nodes.process import ros_process, spin
from whyway_nodes.wires import advertise, listen

GC_EVERY = 100
"""Cycles between garbage collections."""
COMMON = {"autostart": False, "recorder": False, "supervised": False, "recovering": False}
"""Parameters of every node beside the configuration's (README says what they mean)."""
FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Parameters that rclpy itself declares."""


class StageNode(LifecycleNode):
    """Reads `graph.NODES[name].inputs`, calls `act` once per stamp, writes outputs.

    A thin node gives `build` (make the stage from map and route) and `act` (one cycle).
    """

    NAME = ""
    PARAMETERS: Mapping[str, Any] = {}
    """The node's own parameters and their defaults, beside the configuration's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            f"whyway_{self.NAME}", automatically_declare_parameters_from_overrides=True, **options
        )
        self.spec = graph.NODES[self.NAME]
        self.config, self.own = self._read_parameters()
        self.latencies_ms: deque[float] = deque(maxlen=100)
        self.cycles = 0
        self.trouble = ""
        """What diagnostics should warn of; empty if all is well."""
        self._built = False
        self._publishers_of: dict[str, Any] = {}
        self._latched: dict[str, Any] = {}
        self._active = False
        self._parent = os.getppid()
        if self.own["autostart"]:
            self._starter = self.create_timer(0.0, self._autostart)

    def _read_parameters(self) -> tuple[Config, dict[str, Any]]:
        """The configuration tree and our own parameters, declared so that `ros2 param` shows them.

        Raises:
          ConfigError: an unknown parameter or one of the wrong type.
        """
        own = dict(COMMON) | dict(self.PARAMETERS)
        given = {
            name: p.value
            for name, p in self.get_parameters_by_prefix("").items()
            if not name.startswith(FOREIGN)
        }
        # one parameter file serves all nodes: what belongs to another node is no error
        foreign = graph.OWN_PARAMETERS - own.keys()
        dials = {k: v for k, v in given.items() if k not in own and k not in foreign}
        config = override(Config(), dials, f"{self.get_name()} parameters")
        for name in own.keys() & given.keys():
            kind, value = type(own[name]), given[name]
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                wrong = f"{self.get_name()} parameters.{name}: {value!r} is not a {kind.__name__}"
                raise ConfigError(wrong)
            own[name] = value
        for name, value in [*leaves(config), *own.items()]:
            if name in given:
                self.undeclare_parameter(name)  # it may have come as an int where a float belongs
            self.declare_parameter(name, value, ignore_override=True)
        return config, own

    # ------------------------------------------------------------------------------------------------- lifecycle

    def _autostart(self) -> None:
        self._starter.cancel()
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise graph.SetupError(self.trouble)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open all topics; the stage is built when map and route have come."""
        try:
            self.prepare()
        except ValueError as error:
            self.trouble = str(error)
            self.get_logger().error(self.trouble)
            return TransitionCallbackReturn.FAILURE
        self._before = {
            kind: set(getattr(self, kind)) for kind in ("subscriptions", "publishers", "timers")
        }
        for topic in self.spec.outputs:
            self._publishers_of[topic.name] = advertise(self, topic)
        self._ready = advertise(self, graph.READY)
        self._diagnostics = advertise(self, topics.DIAGNOSTICS)
        self._join = Join([t.name for t in self.spec.inputs])
        for topic in (*self.spec.latched, *self.spec.inputs, *self.spec.others):
            self._subscribe(topic)
        self._ready_timer = self.create_timer(0.02, self._check_ready)
        self.create_timer(1.0, self._every_second)
        self.opened()
        return TransitionCallbackReturn.SUCCESS

    def _subscribe(self, topic: Topic) -> None:
        if topic in self.spec.latched:
            listen(self, topic, lambda value: self._on_latched(topic, value))
        elif topic in self.spec.inputs:
            listen(self, topic, lambda value: self.on_input(topic.name, value.stamp_ns, value))
        else:
            listen(self, topic, lambda value: self.on_other(topic, value))

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """From now on inputs are acted upon."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Inputs are heard and left."""
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close all topics and forget the stage."""
        self._active = self._built = False
        self._latched.clear()
        self._publishers_of.clear()
        for kind, destroy in (
            ("subscriptions", self.destroy_subscription),
            ("publishers", self.destroy_publisher),
            ("timers", self.destroy_timer),
        ):
            for entity in set(getattr(self, kind)) - self._before[kind]:
                destroy(entity)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop acting; the process ends by itself or by who started it."""
        self._active = False
        return TransitionCallbackReturn.SUCCESS

    # ------------------------------------------------------------------------------------------------------ cycle

    def prepare(self) -> None:
        """First part of configuring: read the node's own parameters; ValueError with one line if they cannot be used."""

    def opened(self) -> None:
        """Last part of configuring: the topics are open."""

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the stage."""

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One cycle on the inputs of one stamp, by topic name."""
        raise NotImplementedError

    def on_other(self, topic: Topic, value: Any) -> None:
        """Something that is no part of the join came."""

    def publish(self, topic: Topic, value: Any) -> None:
        """Send a value of `types.py`."""
        self._publishers_of[topic.name].publish(to_cdr(value))

    def heard(self, topic: Topic) -> bool:
        """Whether anybody listens; what nobody hears need not be made."""
        return bool(self._publishers_of[topic.name].get_subscription_count() > 0)

    def report(self, stamp_ns: int, fault: Fault, detail: str, source: str = "") -> None:
        """Tell people: an Event on its topic, a line in the node's log."""
        self.get_logger().warning(detail)
        self.publish(topics.EVENT, Event(stamp_ns, source or self.NAME, fault, detail))

    def timed(self, step: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """The step's value and how many milliseconds it took."""
        start = time.perf_counter()
        value = step(*args)
        latency_ms = (time.perf_counter() - start) * 1e3
        self.latencies_ms.append(latency_ms)
        return value, latency_ms

    def _on_latched(self, topic: Topic, value: Any) -> None:
        self._latched[topic.name] = value
        if len(self._latched) == len(self.spec.latched) and not self._built:
            self.build(*(self._latched[t.name] for t in self.spec.latched))
            self._built = True

    def on_input(self, name: str, stamp_ns: int, value: Any) -> None:
        """One message of the join came; nodes with deadlines look here too."""
        inputs = self._join.add(name, stamp_ns, value)
        if inputs is not None and self._built and self._active:
            self.run_cycle(stamp_ns, inputs)

    def run_cycle(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One cycle and what belongs to it."""
        self.act(stamp_ns, inputs)
        self.tidy()

    def tidy(self) -> None:
        """Count the cycle and collect garbage, now that the outputs are out and everybody else is busy."""
        self.cycles += 1
        if self.cycles % GC_EVERY == 0:
            gc.collect()

    # ------------------------------------------------------------------------------------------- ready, diagnostics

    @property
    def ready(self) -> bool:
        """Whether the stage is built, active, and heard by all who must hear it."""
        return self._built and self._active and not self.unheard()

    def unheard(self) -> list[str]:
        """Topics whose readers are not all matched yet."""
        return [
            topic.name
            for topic in self.spec.outputs
            if self._publishers_of[topic.name].get_subscription_count()
            < graph.readers_of(topic, self.own["recorder"])
        ]

    def _check_ready(self) -> None:
        if self.ready:
            # what lives now lives for good: never look at it again, and look at the rest only between cycles
            gc.collect()
            gc.freeze()
            gc.disable()
            self._ready.publish(String(data=self.NAME))
            self.destroy_timer(self._ready_timer)

    def _every_second(self) -> None:
        if self.own["supervised"] and os.getppid() != self._parent:
            raise SystemExit(1)  # the supervisor is gone: nobody would ever end us
        self.diagnose()

    def notes(self) -> Mapping[str, str]:
        """More for diagnostics to tell."""
        return {}

    def diagnose(self) -> None:
        """Publish how the node is."""
        latencies = sorted(self.latencies_ms) or [0.0]
        values = {
            "state": "active" if self._active else "inactive",
            "ready": str(self._built and self._active),
            "cycles": str(self.cycles),
            "latency_p50_ms": f"{latencies[len(latencies) // 2]:.2f}",
            "latency_max_ms": f"{latencies[-1]:.2f}",
            **self.notes(),
        }
        slow = latencies[-1] > 100.0
        level = DiagnosticStatus.WARN if self.trouble or slow else DiagnosticStatus.OK
        status = DiagnosticStatus(
            level=level,
            name=f"whyway: {self.NAME}",
            message=self.trouble or ("a step took longer than a cycle" if slow else "ok"),
            hardware_id="",
            values=[KeyValue(key=k, value=v) for k, v in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def main(node_class: type[StageNode], argv: Sequence[str] | None = None) -> int:
    """Run one node until it is told to end; the process's exit code.

    2: a parameter or file that cannot be used (one line on stderr). 0: ended by signal or by itself.
    """
    try:
        with ros_process(argv) as told:
            spin(node_class(), told)
    except InputError as error:
        print(f"{node_class.NAME}: {error}", file=sys.stderr, flush=True)
        return 2
    except SystemExit as end:
        return int(end.code or 0)
    return 0
