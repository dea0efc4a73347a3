"""The simulated world as a node: it publishes what the car senses, waits for the command, and steps.

Lock-step: simulated time stands still until the command of this stamp is here, so a drive is the same every time. Real time: one step per
0.1 s of wall clock, with the newest command. In both the vehicle brakes by itself when no command comes (`World.step(None)`).
"""

from __future__ import annotations

import json
import math
import sys
import time

from rclpy.duration import Duration
from std_msgs.msg import String

from whyway import topics
from whyway.topics import Topic
from whyway.types import CYCLE_S, Command, Event, Fault, Observation
from whyway_nodes import faults, graph, stages
from whyway_nodes.control_node import SILENT_WAIT_S
from whyway_nodes.stage_node import StageNode, main
from whyway_nodes.views import WorldViews
from whyway_nodes.wires import advertise, listen


class WorldNode(StageNode):
    """Runs what `worlds.make_world` makes of the parameters `world`, `seed` and `duration_s` (0: the world's own).

    With `sensors` it also publishes the raw sensors of the `rig` (a YAML file; "" is the default one), for other tools: no stage reads them.
    """

    NAME = "world"
    PARAMETERS = {
        "world": "town", "seed": 1, "duration_s": 0.0, "inject": "", "sensors": False, "rig": "",
    }  # fmt: skip

    def prepare(self) -> None:
        """Make the world."""
        own = self.own
        self._injections = faults.own(own["inject"], tuple(graph.NODES))
        self._world = stages.world(
            own["world"], own["seed"], self.config, own["duration_s"] or None, self._injections
        )
        self._suite = None
        if own["sensors"]:
            self._suite = stages.sensors(own["rig"], self._world.lane_map, own["seed"])
        self._before_ns: int | None = None
        self._heard_ns: int | None = None
        self._lost = False
        self._interface_braking = False
        self._awaited = {*graph.STAGES, *([graph.RECORDER] if own["recorder"] else [])}
        self._running = False
        self._command: Command | None = None
        self._silent = False
        self._deadline_s = math.inf
        # control waits for its stages first: only when that is over too is control itself the silent one
        self._patience_s = self.config.nodes.stage_deadline_s + 1.0

    def opened(self) -> None:
        """Map and route go out at once: the stages are built from them."""
        self._cycle_time = advertise(self, graph.CYCLE_TIME)
        self._views = WorldViews(self)
        self._sensors = None
        if self._suite is not None:
            from whyway_nodes.sensor_views import SensorViews  # only where it is used

            self._sensors = SensorViews(self, self._suite)
        listen(self, graph.READY, self._on_ready, depth=16)
        self.publish(topics.LANE_MAP, self._world.lane_map)
        self.publish(topics.ROUTE, self._world.route)
        self._built = True

    def _on_ready(self, message: String) -> None:
        self._awaited.discard(message.data)

    @property
    def ready(self) -> bool:
        """Whether everybody is: the first observation then misses nobody."""
        return super().ready and not self._awaited

    def _check_ready(self) -> None:
        super()._check_ready()
        if self.ready and not self._running:
            self._running = True
            self._send(self._world.reset())
            self._waiter = self.create_timer(0.02, self._check_deadline)

    # ------------------------------------------------------------------------------------------------------ cycle

    def _send(self, observation: Observation) -> None:
        now_ns = self._world.stamp_ns
        for injection in stages.begun(self._injections, self._before_ns, now_ns):
            self.report(now_ns, injection.code, f"injected: {injection}")
        self._before_ns = now_ns
        self._views.clock(now_ns)
        self._sent_s = time.perf_counter()
        # what is not newer than all before is nothing new: no stage will act, so no command is waited for
        self._lost = self._heard_ns is not None and observation.stamp_ns <= self._heard_ns
        self._stamp_ns = self._heard_ns = max(observation.stamp_ns, self._heard_ns or 0)
        for arrived in getattr(self._world, "arrivals", (observation,)):
            self.publish(topics.OBSERVATION, arrived)
        wait_s = SILENT_WAIT_S if self._silent else self._patience_s
        self._deadline_s = time.monotonic() + (0.0 if self._lost else wait_s)
        truth = self._world.truth()
        self.publish(topics.TRUTH, truth)
        self._views.show(truth)
        if self._sensors is not None:
            self._sensors.show(truth)

    def on_other(self, topic: Topic, value: Command | Event) -> None:
        """A command came, or somebody died."""
        if isinstance(value, Event):
            if value.fault == Fault.NODE_DIED and value.source == "control":
                self._silent, self.trouble = True, "control is dead"
                self._deadline_s = min(self._deadline_s, time.monotonic() + SILENT_WAIT_S)
            return
        if self._silent:  # control is back: it gets its full time again, in this cycle already
            self._silent, self.trouble = False, ""
            self._deadline_s = time.monotonic() + self._patience_s
        if not self._running or value.stamp_ns != self._stamp_ns:
            return  # of a cycle that is over
        self._views.cycle_time(self._cycle_time, value.stamp_ns, time.perf_counter() - self._sent_s)
        if self.config.nodes.realtime and self._world.stamp_ns > 0:
            self._command = value
        else:
            self._step(value)

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline_s:
            if not self._lost:
                self._miss()
            self._step(None)

    def _tick_realtime(self) -> None:
        command, self._command = self._command, None
        if command is None and not self._lost:
            self._miss()
        self._step(command)

    def _miss(self) -> None:
        if not self._silent:
            self.get_logger().warning("no command in time")
        self._silent, self.trouble = True, "no command comes"

    def _step(self, command: Command | None) -> None:
        if self.config.nodes.realtime and self._world.stamp_ns == 0:
            # the first cycle is answered, however long that took: from now on the wall clock sets the pace
            self.destroy_timer(self._waiter)
            self.create_timer(CYCLE_S, self._tick_realtime)
        observation, _ = self.timed(self._world.step, command)
        braking = self._world.interface_braking
        if braking and not self._interface_braking:
            self.report(
                self._world.stamp_ns, Fault.COMMAND_TIMEOUT, "no command: braking", source="vehicle"
            )
        self._interface_braking = braking
        if self._world.done:
            self._finish()
        self._send(observation)
        self.tidy()

    def notes(self) -> dict[str, str]:
        """What diagnostics tell of the world: its own notes, and whether the goal has been reached."""
        goal = {None: "none", True: "reached", False: "not reached"}[self._world.goal_reached]
        return {
            "name": self._world.name,
            "goal": goal,
            "world_notes": json.dumps(dict(self._world.notes)),
        }

    def _finish(self) -> None:
        """Say the last things, see that they have arrived, end."""
        self.publish(topics.TRUTH, self._world.truth())
        self.diagnose()
        for publisher in (*self._publishers_of.values(), self._diagnostics):
            publisher.wait_for_all_acked(Duration(seconds=1))
        raise SystemExit(0)


def run() -> int:
    """The console script."""
    return main(WorldNode)


if __name__ == "__main__":
    sys.exit(run())
