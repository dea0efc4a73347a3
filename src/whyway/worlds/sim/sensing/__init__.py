"""Simulated raw sensors: camera, lidar, GNSS, IMU, wheel odometry. Values in, values out; no State of the simulator, no ROS, no clock.

`sensors.py` next door models what a detector would make of the world; here are the raw data a detector would read.
"""
