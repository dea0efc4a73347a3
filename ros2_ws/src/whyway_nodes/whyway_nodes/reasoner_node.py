"""Scene -> the draft of a Trace: what matters, what will happen, what to do and because of what."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from whyway import topics
from whyway.trace.integrity import with_latency
from whyway_nodes import stages
from whyway_nodes.stage_node import StageNode, main


class ReasonerNode(StageNode):
    """Runs the reasoner that the parameter `driver` names."""

    NAME = "reasoner"
    PARAMETERS = {"driver": "rules"}

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the reasoner and its road."""
        self._reasoner = stages.reasoner(self.own["driver"], self.config, lane_map, route)

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One draft per scene."""
        draft, latency_ms = self.timed(self._reasoner.step, inputs[topics.SCENE.name])
        self.publish(topics.REASONING, with_latency(draft, self.NAME, latency_ms))


def run() -> int:
    """The console script."""
    return main(ReasonerNode)


if __name__ == "__main__":
    sys.exit(run())
