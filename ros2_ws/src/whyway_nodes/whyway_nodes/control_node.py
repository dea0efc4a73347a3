"""Observation, Scene, Plan -> Command and Verdict: the follower, and safety, which has the last word.

It waits for scene and plan of the observation's stamp up to a deadline and then goes on with what it has: safety sees by the stamps how old that
is. A stage that has missed its deadline is waited for only briefly until it speaks again. And it is not believed at once: after a stage was lost,
or after this node itself was restarted in a moving car, plans are held back until the car stands.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from whyway import topics
from whyway.topics import Topic
from whyway.types import Event, Fault, Observation, Plan, Scene
from whyway_nodes import stages
from whyway_nodes.stage_node import StageNode, main

SILENT_WAIT_S = 0.05
"""How long a stage that has missed its deadline is waited for, each cycle."""
REALTIME_WAIT_S = 0.08
"""Of the 0.1 s of a cycle, what the stages before control may take in real time."""
STANDS_MPS = 0.1
CHAIN = {topics.SCENE.name: Fault.SCENE_STALE, topics.PLAN.name: Fault.PLAN_STALE}
"""What control waits for, first things first, and what it means when it does not come."""
LOST_WITH = {
    "perception": {topics.SCENE.name, topics.PLAN.name},
    "reasoner": {topics.PLAN.name},
    "planner": {topics.PLAN.name},
}
"""What does not come while a node is dead: whoever waits for it waits in vain."""


class ControlNode(StageNode):
    """Runs `whyway.control`."""

    NAME = "control"

    def prepare(self) -> None:
        """Begin with nothing known; moving after a restart, begin by stopping."""
        self._scene: Scene | None = None
        self._plan: Plan | None = None
        self._waiting_ns: int | None = None
        self._newest_ns = -1
        self._deadline_s = math.inf
        self._silent: set[str] = set()
        self._hold = bool(self.own["recovering"])
        realtime = self.config.nodes.realtime
        self._patience_s = REALTIME_WAIT_S if realtime else self.config.nodes.stage_deadline_s

    def opened(self) -> None:
        """Look at the deadline now and then."""
        self.create_timer(0.02, self._check_deadline)

    def build(self, lane_map: Any, route: Any) -> None:
        """Make follower and safety."""
        self._control = stages.control(self.config, lane_map, route)

    def on_input(self, name: str, stamp_ns: int, value: Any) -> None:
        """Keep the newest of each, and start to wait when an observation comes."""
        if not (self._built and self._active):
            return
        if name == topics.OBSERVATION.name:
            if stamp_ns <= self._newest_ns:
                return  # the same again, or overtaken: nothing new
            self._newest_ns = stamp_ns
            if self._waiting_ns is not None:
                # the world has gone on: it wants no answer any more
                self._join.take(self._waiting_ns)
            self._waiting_ns = stamp_ns
            wait_s = SILENT_WAIT_S if self._silent else self._patience_s
            if self._plan is None and not self._hold:
                # the first cycle takes longest, and the world begins only when it is answered
                wait_s = self.config.nodes.stage_deadline_s
            self._deadline_s = time.monotonic() + wait_s
        elif name == topics.SCENE.name:
            self._scene = value
        else:
            self._plan = value
        if name in self._silent:
            # it speaks again: it gets its full time again, in this cycle already
            self._silent.discard(name)
            self._deadline_s = time.monotonic() + self._patience_s
        super().on_input(name, stamp_ns, value)

    def on_other(self, topic: Topic, value: Event) -> None:
        """A stage died: nobody need be waited for."""
        if value.fault == Fault.NODE_DIED and value.source in LOST_WITH:
            self._silent |= LOST_WITH[value.source]
            self._hold = True
            self._deadline_s = min(self._deadline_s, time.monotonic() + SILENT_WAIT_S)

    def _check_deadline(self) -> None:
        if self._waiting_ns is not None and time.monotonic() > self._deadline_s:
            self._give_up()

    def _give_up(self) -> None:
        """Go on without what has not come."""
        stamp_ns = self._waiting_ns
        assert stamp_ns is not None
        inputs = self._join.take(stamp_ns)
        late = CHAIN.keys() - inputs.keys()
        news = [name for name in CHAIN if name in late - self._silent]
        self._silent |= late
        self.trouble = f"waiting for {', '.join(sorted(self._silent))}"
        if not self._bridged(stamp_ns):
            if news and not self._hold:  # the first in the chain tells it all
                what = news[0].rpartition("/")[2]
                self.report(stamp_ns, CHAIN[news[0]], f"no {what} in time: the car is stopped")
            self._hold = True
        if topics.OBSERVATION.name in inputs:
            self.run_cycle(stamp_ns, inputs)

    def _bridged(self, stamp_ns: int) -> bool:
        """Whether the last plan will do for now: in real time a stage may be late once, in lock-step late means dead."""
        if not self.config.nodes.realtime or self._plan is None:
            return False
        return stamp_ns - self._plan.stamp_ns <= self.config.safety.plan_timeout_s * 1e9

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One command per observation, with the scene and plan there are."""
        self._waiting_ns, self._deadline_s = None, math.inf
        observation: Observation = inputs[topics.OBSERVATION.name]
        if not self._silent:
            self.trouble = ""
            self._hold = self._hold and not _stands(observation)
        plan = None if self._hold else self._plan
        (command, verdict), latency_ms = self.timed(
            self._control.step, observation, self._scene, plan
        )
        self.publish(topics.COMMAND, command)
        self.publish(topics.VERDICT, dataclasses.replace(verdict, latency_ms=latency_ms))


def _stands(observation: Observation) -> bool:
    fresh = observation.ego_stamp_ns == observation.stamp_ns
    return fresh and abs(observation.ego.v_mps) < STANDS_MPS  # false for NaN


def run() -> int:
    """The console script."""
    return main(ControlNode)


if __name__ == "__main__":
    sys.exit(run())
