"""Scene -> the draft of a Trace: what matters, what will happen, what to do and because of what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from whyway_msgs.srv import Override

from whyway import topics
from whyway.driver import DEFAULT_DRIVER
from whyway.trace.integrity import with_latency
from whyway.trace.override import Overrides
from whyway.types import CYCLE_NS, InputError, Trace
from whyway_nodes import faults, graph, stages
from whyway_nodes.stage_node import StageNode, main


class ReasonerNode(StageNode):
    """Runs the reasoner that the parameter `driver` names."""

    NAME = "reasoner"
    PARAMETERS = {"driver": DEFAULT_DRIVER, "inject": ""}

    def prepare(self) -> None:
        """Read the faults to inject, and load the model if the driver has one."""
        injections = faults.own(self.own["inject"], tuple(graph.NODES))
        self._faults = stages.driver_faults(injections)
        self._mind = stages.mind(self.own["driver"], self.config)
        self._overrides = Overrides()
        self._pending: tuple[int, Trace] | None = None
        self._begun = False
        self._fallbacks = 0

    def opened(self) -> None:
        """Open the service."""
        self._service = self.create_service(Override, graph.OVERRIDE_SERVICE, self._on_override)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the service, too."""
        self.destroy_service(self._service)
        return super().on_cleanup(state)

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the reasoner and its road."""
        self._reasoner = stages.reasoner(
            self.own["driver"], self.config, lane_map, route, self._mind
        )

    def _on_override(self, request: Any, response: Any) -> Any:
        """Somebody's word, from the next draft on."""
        try:
            response.message = self._overrides.ask(request.edits, request.duration_s)
            response.ok = True
        except InputError as wrong:
            response.message = str(wrong)
        return response

    def notes(self) -> Mapping[str, str]:
        """Who really reasons, and how often somebody else had to."""
        mind = self._mind.name if self._mind is not None else self.own["driver"]
        return {"reasons": mind, "fallbacks": str(self._fallbacks)}

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One draft per scene; made slow on purpose, it is given out only so many cycles later, and none is begun meanwhile."""
        if self._pending is not None and stamp_ns >= self._pending[0]:
            self.publish(topics.REASONING, self._pending[1])
            self._pending = None
        if self._pending is None:
            draft, latency_ms = self.timed(self._reasoner.step, inputs[topics.SCENE.name])
            self._fallbacks += draft.integrity.fallback_used
            draft = with_latency(self._overrides.step(draft), self.NAME, latency_ms)
            cycles = self._faults.delay_cycles(stamp_ns) if self._begun else 0
            self._begun = True
            if cycles == 0:
                self.publish(topics.REASONING, draft)
            else:
                self._pending = stamp_ns + cycles * CYCLE_NS, draft


def run() -> int:
    """The console script."""
    return main(ReasonerNode)


if __name__ == "__main__":
    sys.exit(run())
