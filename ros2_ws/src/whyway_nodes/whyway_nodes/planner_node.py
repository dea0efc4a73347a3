"""Scene and draft Trace -> Plan, and the Trace completed with what the plan does and whether that agrees with the words."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from whyway import topics
from whyway.types import Plan, Scene, Trace
from whyway_nodes import faults, graph, stages
from whyway_nodes.stage_node import StageNode, main
from whyway_nodes.views import PlannerViews

PARTS = (
    (topics.TRACE_PERCEPTION, "perception"),
    (topics.TRACE_PREDICTION, "prediction"),
    (topics.TRACE_PLANNING, "planning"),
    (topics.TRACE_ACTION, "action"),
    (topics.TRACE_INTEGRITY, "integrity"),
)


class PlannerNode(StageNode):
    """Runs the planner that belongs to `driver`; the plan goes out before the trace is completed."""

    NAME = "planner"
    PARAMETERS = {"driver": "rules", "inject": ""}

    def prepare(self) -> None:
        """Read the faults to inject."""
        self._injections = [
            faults.parse(text, tuple(graph.NODES)) for text in self.own["inject"].split()
        ]
        self._told: set[faults.Injection] = set()

    def opened(self) -> None:
        """Open the views."""
        self._views = PlannerViews(self)

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the planner and its road."""
        self._planner = stages.planning(self.own["driver"], self.config, lane_map, route)
        self._views.lane_map = lane_map

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One plan and one whole trace per scene and draft."""
        scene: Scene = inputs[topics.SCENE.name]
        draft: Trace = inputs[topics.REASONING.name]
        plan, latency_ms = self.timed(self._planner.plan, scene, draft)
        plan = self._spoiled(dataclasses.replace(plan, latency_ms=latency_ms))
        self.publish(topics.PLAN, plan)
        trace = self._planner.complete(draft, scene, plan)
        self.publish(topics.TRACE, trace)
        for topic, part in PARTS:
            if self.heard(topic):
                self.publish(topic, getattr(trace, part))
        self._views.show(scene, trace, plan)

    def _spoiled(self, plan: Plan) -> Plan:
        acting = [i for i in self._injections if i.kind == "bad_plan" and i.covers(plan.stamp_ns)]
        for injection in set(acting) - self._told:
            self.report(plan.stamp_ns, faults.DATA_FAULTS[injection.kind], f"injected: {injection}")
        self._told |= set(acting)
        return faults.spoil(plan) if acting else plan


def run() -> int:
    """The console script."""
    return main(PlannerNode)


if __name__ == "__main__":
    sys.exit(run())
