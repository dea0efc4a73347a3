"""Whyway drives, says why, and does what it says."""

__version__ = "0.1.0"
