"""Drives under faults: worlds x faults x severities, scores against severity, and the safety claim as a gate."""

from whyway.evaluate.faults.promise import Promise, promise
from whyway.evaluate.faults.suite import FaultSuite, read_suite

__all__ = ["FaultSuite", "Promise", "promise", "read_suite"]
