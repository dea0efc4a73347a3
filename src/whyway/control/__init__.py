"""Plan -> Command, and the last word on it: follower and safety supervisor. Rate: 10 Hz. No clock, no ROS."""

from whyway.control.follower import Follower
from whyway.control.safety import Safety
from whyway.control.stage import Control

__all__ = ["Control", "Follower", "Safety"]
