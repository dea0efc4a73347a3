"""Observation -> Scene: the tracker and its predictions as a node."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from whyway import topics
from whyway_nodes import stages
from whyway_nodes.stage_node import StageNode, main


class PerceptionNode(StageNode):
    """Runs `whyway.perception.Perception`."""

    NAME = "perception"

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the tracker and its road."""
        self._perception = stages.perception(self.config, lane_map, route)

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One scene per observation."""
        scene, latency_ms = self.timed(self._perception.step, inputs[topics.OBSERVATION.name])
        self.publish(topics.SCENE, dataclasses.replace(scene, latency_ms=latency_ms))


def run() -> int:
    """The console script."""
    return main(PerceptionNode)


if __name__ == "__main__":
    sys.exit(run())
