"""Memory that comes near before it is needed: the place of the next world, while one is at work."""

from __future__ import annotations

from typing import Any

from whyway.worlds.sim.compiled.jit import part
from whyway.worlds.sim.compiled.layout import (
    BOOLS,
    FLOATS,
    FLOATS_MOVED,
    INTS,
    INTS_MOVED,
    LINE_BYTES,
    After,
    Before,
)
from whyway.worlds.sim.compiled.machine import fetch

_FLOATS, _INTS, _BOOLS = len(FLOATS), len(INTS), len(BOOLS)


@part
def _world(values: Any, w: int) -> None:
    """A world's values of an array `[W, A]`."""
    size = values.strides[0]
    for at in range(w * size, (w + 1) * size, LINE_BYTES):
        fetch(values, at)


@part
def _agent(rows: Any, w: int, a: int) -> None:
    """An agent's row of an array `[W, A, n]`."""
    begin = w * rows.strides[0] + a * rows.strides[1]
    for at in range(begin, begin + rows.strides[1], LINE_BYTES):
        fetch(rows, at)


@part
def fetch_ahead(now: Before, after: After, w: int, a: int) -> None:
    """What a world is read from and where it is written to, a bit of it with each agent `a`: all at once would be waited for."""
    _agent(now.window, w, a)
    _agent(now.near, w, a)
    _agent(now.when, w, a)
    _agent(after.window, w, a)
    _agent(after.near, w, a)
    _agent(after.observation, w, a)
    if a < _FLOATS:
        _world(now.floats[a], w)
    if a < _INTS:
        _world(now.ints[a], w)
    if a < _BOOLS:
        _world(now.bools[a], w)
    if a < FLOATS_MOVED:
        _world(after.floats[a], w)
    if a < INTS_MOVED:
        _world(after.ints[a], w)
