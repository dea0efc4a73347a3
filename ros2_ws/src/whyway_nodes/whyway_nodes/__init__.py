"""Whyway's face towards ROS 2: one generic stage node, thin nodes, and the supervisor that runs them."""
