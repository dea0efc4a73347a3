"""Waypoint heads for tests: nets with weights drawn at random, so that what holds for their plans holds whatever was learnt."""

from __future__ import annotations

import math

import numpy as np

from whyway.plan.waypoint_head import DELTA_SHAPES, HEAD_SHAPES, VERSION, WaypointHead


def drawn(seed: int, *, delta: bool = False, wild: float = 1.0) -> dict[str, np.ndarray]:
    """Weights; the larger `wild`, the less sensible the speeds."""
    rng = np.random.default_rng(seed)
    shapes = {**HEAD_SHAPES, **(DELTA_SHAPES if delta else {})}
    found = dict(VERSION)
    for name, shape in shapes.items():
        scale = wild if name.startswith("speeds") else 1.0
        found[name] = (scale * rng.normal(size=shape) / math.sqrt(shape[-1])).astype(np.float32)
    return found


def head(seed: int, *, delta: bool = False, wild: float = 1.0) -> WaypointHead:
    """The net with such weights."""
    return WaypointHead(drawn(seed, delta=delta, wild=wild))
