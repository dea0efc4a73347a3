"""What is true at one instant in W worlds of A agents: a frozen tree of `[W, A]` arrays, and how it is begun.

W worlds, A agents. Nothing here steps; `engine.py` makes the next state from this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from whyway.types import ObjectClass

Array = Any
"""An array of the array API: numpy here, torch for ten thousand cars."""

EGO = 0
"""The ego is the first agent; scripts are played for it."""


class Mode(IntEnum):
    """Who moves an agent."""

    COMMAND = 0
    """A command: the ego, or every car that learns."""
    RAIL = 1
    """Car-following along a path of the library; scripts may overrule it."""
    LOG = 2
    """A recording: it reacts to nothing."""


class Script(IntEnum):
    """What an agent on rails is up to beside following its path."""

    NONE = 0
    BRAKE = 1
    """Past `script_at_m` of its path with the ego within `script_reach_m`: brakes at `script_rate` to
    `script_low_mps`, keeps it `script_hold_s`, then drives on."""
    CROSS = 2
    """Stands until the ego is `script_hold_s` before `script_at_m` of the ego's path, then walks at its desired speed."""
    WAKE = 3
    """Stands until the ego is within `script_reach_m` of it, then drives."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that changes from step to step and all that tells agents apart; the map (`Rails`, `Logs`, `Signals`) does not.

    `x_m`, `y_m` are the reference point: the rear axle of agents with `offset_m` > 0, else the box's centre,
    which lies `offset_m` ahead. `active` agents exist; the others are nowhere. `held` is the index of the junction passage
    (of the agent's own path) an agent has the right to, -1 for none.
    """

    tick: Array
    """`[W]` steps taken."""
    phase_s: Array
    """`[W]` added to the time for the traffic lights."""
    demand_tick: Array
    """`[W]` when the ego asked for green where lights wait for it, -1 before."""
    x_m: Array
    y_m: Array
    yaw_rad: Array
    v_mps: Array
    a_mps2: Array
    steer_rad: Array
    length_m: Array
    width_m: Array
    offset_m: Array
    object_class: Array
    mode: Array
    active: Array
    generation: Array
    """How often the agent has been put to the start of its path again: a new road user each time."""
    path: Array
    """Index in the library, -1 for none."""
    s_m: Array
    d_m: Array
    factor: Array
    """Desired speed as a part of the path's speed profile..."""
    cap_mps: Array
    """...but at most this."""
    held: Array
    standing_s: Array
    log: Array
    """Index of the recording, -1 for none."""
    script: Array
    script_at_m: Array
    script_reach_m: Array
    script_rate: Array
    script_low_mps: Array
    script_hold_s: Array
    script_tick: Array
    """When it was triggered, -1 before."""
    collided: Array
    """Touches another agent now."""
    off_road: Array
    """A corner is off the drivable area now."""

    def centers(self) -> tuple[Array, Array]:
        """Centres of the boxes in `map`."""
        xp = array_namespace(self.x_m)
        return self.x_m + self.offset_m * xp.cos(self.yaw_rad), self.y_m + self.offset_m * xp.sin(
            self.yaw_rad
        )


_INTEGERS = {
    "object_class": int(ObjectClass.CAR), "mode": int(Mode.RAIL), "generation": 0, "path": -1, "held": -1,
    "log": -1, "script": int(Script.NONE), "script_tick": -1,
}  # fmt: skip
_BOOLEANS = {"active": False, "collided": False, "off_road": False}
_REALS = {"length_m": 4.5, "width_m": 1.8, "factor": 1.0, "cap_mps": 1e3}


def empty_state(worlds: int, agents: int, dtype: Any = np.float64) -> State:
    """A state of inactive cars, for the caller to fill (numpy; `dataclasses.replace` swaps arrays)."""
    fields: dict[str, Array] = {
        "tick": np.zeros(worlds, dtype=np.int64),
        "phase_s": np.zeros(worlds, dtype=np.float64),
        "demand_tick": np.full(worlds, -1, dtype=np.int64),
    }
    for name in State.__dataclass_fields__:
        if name in fields:
            continue
        shape = (worlds, agents)
        if name in _INTEGERS:
            fields[name] = np.full(shape, _INTEGERS[name], dtype=np.int64)
        elif name in _BOOLEANS:
            fields[name] = np.full(shape, _BOOLEANS[name])
        else:
            fields[name] = np.full(shape, _REALS.get(name, 0.0), dtype=dtype)
    return State(**fields)


def flat_take(array: Array, index: Array) -> Array:
    """Elements of an array by flat index, in the index's shape."""
    xp = array_namespace(array)
    return xp.take(xp.reshape(array, (-1,)), index)


def chosen(mask: Array, new: Array, old: Array) -> Array:
    """`new` where the mask holds, else `old`, in `old`'s type."""
    xp = array_namespace(old)
    return xp.where(mask, xp.astype(new, old.dtype), old)


def clamp(array: Array, low: Array | float | None, high: Array | float | None) -> Array:
    """The array between two bounds; `xp.clip` would spend more time on checking its arguments than on small arrays."""
    xp = array_namespace(array)
    if low is not None:
        array = xp.maximum(array, low)
    return array if high is None else xp.minimum(array, high)
