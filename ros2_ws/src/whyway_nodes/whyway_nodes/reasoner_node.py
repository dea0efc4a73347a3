"""Scene -> the draft of a Trace: what matters, what will happen, what to do and because of what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from whyway import topics
from whyway.trace.integrity import with_latency
from whyway.types import CYCLE_NS, Trace
from whyway_nodes import faults, graph, stages
from whyway_nodes.stage_node import StageNode, main


class ReasonerNode(StageNode):
    """Runs the reasoner that the parameter `driver` names."""

    NAME = "reasoner"
    PARAMETERS = {"driver": "rules", "inject": ""}

    def prepare(self) -> None:
        """Read the faults to inject, and load the model if the driver has one."""
        injections = faults.own(self.own["inject"], tuple(graph.NODES))
        self._faults = stages.driver_faults(injections)
        self._mind = stages.mind(self.own["driver"], self.config)
        self._pending: tuple[int, Trace] | None = None
        self._begun = False

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the reasoner and its road."""
        self._reasoner = stages.reasoner(
            self.own["driver"], self.config, lane_map, route, self._mind
        )

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One draft per scene; made slow on purpose, it is given out only so many cycles later, and none is begun meanwhile."""
        if self._pending is not None and stamp_ns >= self._pending[0]:
            self.publish(topics.REASONING, self._pending[1])
            self._pending = None
        if self._pending is None:
            draft, latency_ms = self.timed(self._reasoner.step, inputs[topics.SCENE.name])
            draft = with_latency(draft, self.NAME, latency_ms)
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
