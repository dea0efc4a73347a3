"""What is true at one instant in W worlds of A agents: a frozen tree of `[W, A]` arrays, and how it is begun.

W worlds, A agents. Nothing here steps; `engine.py` makes the next state from this one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any

import numpy as np

from whyway.types import ObjectClass
from whyway.worlds.sim.arrays import namespace

Array = Any
"""An array of the array API: numpy here, torch for ten thousand cars."""

EGO = 0
"""The ego is the first agent; scripts are played for it."""


WINDOW = 8
"""R: lines an agent looks ahead over, its own included."""

CUES = 4
"""C: cues an agent may have."""

NEIGHBOURS = 12
"""K: others an agent minds, where nobody says otherwise."""


class Mode(IntEnum):
    """Who moves an agent."""

    COMMAND = 0
    """A command: the ego, or every car that learns."""
    RAIL = 1
    """Car following along the lines of its window; cues may overrule it."""
    LOG = 2
    """A recording: it reacts to nothing."""
    LOG_REACTIVE = 3
    """A recording until somebody who has left his own (or never had one) is in its way; from then on `RAIL` along its window,
    whose first line is the recorded path."""


class When(IntEnum):
    """What makes a cue fire; `value` is the cue's `cue_value`."""

    NEVER = 0
    """No cue."""
    AT_TIME = 1
    """At `value` seconds of the world's time."""
    EGO_WITHIN = 2
    """The ego's centre is at most `value` metres from one's own."""
    EGO_ARRIVES = 3
    """The ego (faster than 2 m/s) reaches `cue_at_m` of its route with its bumper within `value` seconds, at its speed now."""
    EGO_PASSED = 4
    """The ego's centre has come to `value` metres of its route."""
    OWN_S = 5
    """One's own `s_m` on the present line is at least `value`."""
    AFTER = 6
    """`value` seconds after the cue before."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that changes from step to step and all that tells agents apart; the map (`LaneTable`, `Logs`, `Signals`) does not.

    `x_m`, `y_m` are the reference point: the rear axle of agents with `offset_m` > 0, else the box's centre,
    which lies `offset_m` ahead. `active` agents exist; the others are nowhere. `held` is the way through a junction
    that an agent has the right to, -1 for none.
    """

    tick: Array
    """`[W]` steps taken."""
    phase_s: Array
    """`[W]` added to the time for the traffic lights."""
    demand_tick: Array
    """`[W]` when the ego asked for green where lights wait for it, -1 before."""
    seed: Array
    """`[W]` of everything that traffic chooses by luck."""
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
    """How often the agent has entered again: a new road user each time."""
    window: Array
    """`[W, A, R]` lines of the `LaneTable` ahead, -1 where none is known; the first is the one the agent is on (-1: on none)."""
    came_from: Array
    """The line it was on before, -1 for none."""
    route: Array
    """Index in `Sim.routes`, -1 for an agent that wanders."""
    route_at: Array
    """Place of its line in the route; of an agent that wanders, how many lines it has chosen."""
    route_s_m: Array
    """Arc length along the route (of one that wanders: since its start)."""
    s_m: Array
    """Along the line, of the box's centre."""
    d_m: Array
    """To the left of the line, of the box's centre."""
    target_d_m: Array
    """Where it wants to be across its line..."""
    lateral_mps: Array
    """...and how fast it moves there at most."""
    changed_tick: Array
    """When it last changed lanes."""
    wish: Array
    """The side it wants to change to and cannot: 1 left, -1 right, 0 none; who follows there lets it in."""
    headway_s: Array
    s0_m: Array
    a_max_mps2: Array
    politeness: Array
    """What another's loss by one's own lane change counts (MOBIL), and how readily one stops at amber."""
    factor: Array
    """Desired speed as a part of the path's speed profile..."""
    cap_mps: Array
    """...but at most this."""
    held: Array
    standing_s: Array
    log: Array
    """Index of the recording, -1 for none."""
    collided: Array
    """Touches another agent now."""
    off_road: Array
    """A corner is off the drivable area now."""
    at_fault: Array
    """Touches another agent now as nuPlan counts it against the toucher: with its front, or one that stands."""
    ran_red: Array
    """Its front passed a stop line at red in the last step."""
    near: Array
    """`[W, A, K]` the others it minds, nearest first, -1 where there are fewer."""
    lead_gap_m: Array
    """To the bumper of the next one in its way when the last step began, `FAR_M` for none..."""
    lead_v_mps: Array
    """...and that one's speed along its way."""
    cue_when: Array
    """`[W, A, C]` `When` values: an agent's part; cues fire in order, at most one a step."""
    cue_value: Array
    cue_at_m: Array
    cue_speed_mps: Array
    """Speed from then on, negative backwards; NaN: car following under `cap_mps`."""
    cue_rate_mps2: Array
    """How hard it speeds up or brakes for `cue_speed_mps`."""
    cue_offset_m: Array
    """`target_d_m` from then on; NaN: as it was."""
    cue_lateral_mps: Array
    """`lateral_mps` from then on; NaN: as it was."""
    cue_reckless: Array
    """From then on it minds neither others nor lights nor rights of way."""
    cue_next: Array
    """Which cue fires next; the one before it is being played."""
    cue_tick: Array
    """When the last one fired, -1 before."""

    def to(self, xp: Any, dtype: Any, device: Any = None) -> State:
        """The same state in another namespace and float type, on a device; clocks stay in double precision."""
        fields = {}
        for f in dataclasses.fields(self):
            value = np.asarray(getattr(self, f.name))
            real = value.dtype.kind == "f" and f.name != "phase_s"
            fields[f.name] = xp.asarray(value, dtype=dtype if real else None, device=device)
        return State(**fields)

    def centers(self) -> tuple[Array, Array]:
        """Centres of the boxes in `map`."""
        xp = namespace(self.x_m)
        return self.x_m + self.offset_m * xp.cos(self.yaw_rad), self.y_m + self.offset_m * xp.sin(
            self.yaw_rad
        )


_FIELDS = tuple(State.__dataclass_fields__)
_EVERY = attrgetter(*_FIELDS)
_PLACE = {name: k for k, name in enumerate(_FIELDS)}


def updated(state: State, **fields: Array) -> State:
    """`dataclasses.replace`, several times quicker: a step of a single world is mostly such things."""
    values = list(_EVERY(state))
    for name, value in fields.items():
        values[_PLACE[name]] = value
    return State(*values)


FAR_M = 1e3
"""A gap to nobody."""

_INTEGERS = {
    "object_class": int(ObjectClass.CAR), "mode": int(Mode.RAIL), "generation": 0, "held": -1,
    "log": -1, "window": -1, "came_from": -1, "route": -1, "route_at": 0,
    "changed_tick": -1000, "wish": 0, "near": -1, "cue_when": int(When.NEVER), "cue_next": 0, "cue_tick": -1,
}  # fmt: skip
_BOOLEANS = {
    "active": False, "collided": False, "off_road": False, "ran_red": False, "at_fault": False, "cue_reckless": False,
}  # fmt: skip
_REALS = {
    "length_m": 4.5, "width_m": 1.8, "factor": 1.0, "cap_mps": FAR_M, "lateral_mps": 1.2, "headway_s": 1.4, "s0_m": 2.5,
    "a_max_mps2": 1.5, "politeness": 0.3, "lead_gap_m": FAR_M, "cue_speed_mps": np.nan, "cue_rate_mps2": 3.0,
    "cue_offset_m": np.nan, "cue_lateral_mps": np.nan,
}  # fmt: skip


def empty_state(
    worlds: int, agents: int, dtype: Any = np.float64, neighbours: int = NEIGHBOURS
) -> State:
    """A state of inactive cars, for the caller to fill (numpy; `dataclasses.replace` swaps arrays).

    Args:
      worlds: W.
      agents: A.
      dtype: of all that is not counted.
      neighbours: K, cut to what there is.
    """
    fields: dict[str, Array] = {
        "tick": np.zeros(worlds, dtype=np.int64),
        "phase_s": np.zeros(worlds, dtype=np.float64),
        "demand_tick": np.full(worlds, -1, dtype=np.int64),
        "seed": np.arange(worlds, dtype=np.int64),
    }
    last = {"window": WINDOW, "near": max(1, min(neighbours, agents - 1))}
    for name in State.__dataclass_fields__:
        if name in fields:
            continue
        shape: tuple[int, ...] = (worlds, agents)
        cue = name.startswith("cue_") and name not in ("cue_next", "cue_tick")
        if cue or name in last:
            shape = (*shape, CUES if cue else last[name])
        if name in _INTEGERS:
            fields[name] = np.full(shape, _INTEGERS[name], dtype=np.int64)
        elif name in _BOOLEANS:
            fields[name] = np.full(shape, _BOOLEANS[name])
        else:
            fields[name] = np.full(shape, _REALS.get(name, 0.0), dtype=dtype)
    return State(**fields)
