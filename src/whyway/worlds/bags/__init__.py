"""Recordings: reading the bags of any vehicle, finding in them what the driver needs, and driving through them as through a world."""
