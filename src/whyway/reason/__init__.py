"""Scene -> Trace: the rule expert, whose causes are exact by construction. No clock, no ROS."""

from whyway.reason.rules import RuleReasoner

__all__ = ["RuleReasoner"]
