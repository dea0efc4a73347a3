"""Scene and trace -> plan. The planner sees other road users only through the trace. No clock, no ROS."""

from whyway.plan.stage import Decided, Planner, Planning, StandIn
from whyway.plan.view import PlannerView, planner_view
from whyway.plan.waypoints import WaypointPlanner

__all__ = [
    "Decided",
    "Planner",
    "PlannerView",
    "Planning",
    "StandIn",
    "WaypointPlanner",
    "planner_view",
]
