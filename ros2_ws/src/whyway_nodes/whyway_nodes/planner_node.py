"""Scene and draft Trace -> Plan, and the Trace completed with what the plan does and whether that agrees with the words."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from whyway import topics
from whyway.driver import DEFAULT_DRIVER
from whyway.trace.news import News
from whyway.types import Scene, Trace
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
    PARAMETERS = {"driver": DEFAULT_DRIVER, "inject": "", "seed": 1}

    def prepare(self) -> None:
        """Read the faults to inject, and load the model if the driver has one."""
        injections = faults.own(self.own["inject"], tuple(graph.NODES))
        self._faults = stages.driver_faults(injections, self.own["seed"])
        self._mind = stages.mind(self.own["driver"], self.config, thinks=False)

        self._news = News(self.NAME)
        self._replaced = self._withheld = 0

    def opened(self) -> None:
        """Open the views."""
        self._views = PlannerViews(self)

    def build(self, lane_map: Any, route: Any) -> None:
        """Make the planner and its road."""
        self._planning = stages.planning(
            self.own["driver"], self.config, lane_map, route, self._mind
        )
        self._views.lane_map = lane_map

    def act(self, stamp_ns: int, inputs: Mapping[str, Any]) -> None:
        """One plan and one whole trace per scene and draft."""
        scene: Scene = inputs[topics.SCENE.name]
        draft: Trace = inputs[topics.REASONING.name]
        decided, latency_ms = self.timed(self._planning.decide, scene, draft)
        plan = self._faults.spoil(dataclasses.replace(decided.plan, latency_ms=latency_ms))
        given = decided.given(plan)
        self.publish(topics.PLAN, given)
        trace = self._planning.complete(decided.draft, scene, plan)
        self.publish(topics.TRACE, trace)
        self._tell(decided, trace)
        for topic, part in PARTS:
            if self.heard(topic):
                self.publish(topic, getattr(trace, part))
        self._views.show(scene, trace, given)

    def _tell(self, decided: Any, trace: Trace) -> None:
        """What people should know of this decision: an Event when it begins, and at once a warning in diagnostics."""
        self._replaced += bool(decided.replaced)
        self._withheld += bool(decided.withheld)
        self.trouble = decided.withheld or decided.replaced
        events = self._news.of(trace, withheld=decided.withheld, replaced=decided.replaced)
        for event in events:
            self.get_logger().warning(event.detail)
            self.publish(topics.EVENT, event)
        if events:
            self.diagnose()

    def notes(self) -> Mapping[str, str]:
        """How often words and action did not agree."""
        return {"plans_replaced": str(self._replaced), "plans_withheld": str(self._withheld)}


def run() -> int:
    """The console script."""
    return main(PlannerNode)


if __name__ == "__main__":
    sys.exit(run())
