"""What each fault does to one observation: pure functions of the observation, a memory that they hand on, and drawn numbers.

A fault of a part takes the observation as the last one left it and gives it on; what a part's message holds is replaced as a whole.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whyway.geometry import from_frame, to_frame, wrap_angle
from whyway.types import CYCLE_S, Detection, EgoState, ObjectClass, Observation
from whyway.worlds.faults.injection import CLASSES, SECTORS, Injection

Memory = tuple[Any, ...]
"""What a fault remembers from cycle to cycle; immutable."""

_PARTS = {
    "odometry": ("ego", "ego_stamp_ns"),
    "detections": ("detections",),
    "lights": ("lights",),
}
_POSE = ("x_m", "y_m", "yaw_rad")
_GHOST_S = 1.0
_GHOST_NEAR_M, _GHOST_FAR_M, _GHOST_ASIDE_M = 8.0, 40.0, 4.0
_NUMBERS = tuple(f.name for f in dataclasses.fields(Detection) if f.name != "object_class")


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: whether the fault acts, how many cycles since the world began, the true ego, and numbers to draw."""

    acts: bool
    tick: int
    ego: EgoState
    rng: np.random.Generator


Spoil = Callable[[Injection, Memory, Observation, Moment], tuple[Memory, Observation]]


def _taken(o: Observation, part: str) -> Any:
    if part == "pose":
        return tuple(getattr(o.ego, name) for name in _POSE)
    return tuple(getattr(o, name) for name in _PARTS[part])


def _given(o: Observation, part: str, content: Any) -> Observation:
    if part == "pose":
        return replace(o, ego=replace(o.ego, **dict(zip(_POSE, content, strict=True))))
    return replace(o, **dict(zip(_PARTS[part], content, strict=True)))


# -------------------------------------------------------------------------------------------------- lost, late, frozen


def _held(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    """drop, freeze: the part that came last is seen again."""
    lost = now.acts and (i.kind == "freeze" or now.rng.random() < i.value)
    content = memory[0] if lost and memory else _taken(o, i.what)
    return (content,), _given(o, i.what, content)


def delay_ticks(i: Injection) -> int:
    """A delay in whole cycles, rounded up."""
    return math.ceil(i.value / CYCLE_S - 1e-6)


def _late(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    """The newest that has arrived; memory: (when it arrives, content), oldest first."""
    arrives = now.tick + (delay_ticks(i) if now.acts else 0)
    memory = (*memory, (arrives, _taken(o, i.what)))
    arrived = [k for k, (at, _) in enumerate(memory) if at <= now.tick]
    if not arrived:  # the first ones are late: nothing older is there to be seen again
        return memory, o
    memory = memory[arrived[-1] :]
    return memory, _given(o, i.what, memory[0][1])


# ------------------------------------------------------------------------------------------------------------ odometry


def _jump(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    if not now.acts:
        return (), o
    # aside as the car stood when it began, so that the offset stays what it is in curves
    yaw = memory[0] if memory else now.ego.yaw_rad
    ego = replace(
        o.ego,
        x_m=o.ego.x_m - i.value * math.sin(yaw),
        y_m=o.ego.y_m + i.value * math.cos(yaw),
    )
    return (yaw,), replace(o, ego=ego)


def _drift(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    if not now.acts:
        return (), o
    memory = memory or (now.tick, now.ego.yaw_rad)
    off = i.value * (now.tick - memory[0] + 1) * CYCLE_S
    if i.what == "heading":
        ego = replace(o.ego, yaw_rad=float(wrap_angle(o.ego.yaw_rad + off)))
        return memory, replace(o, ego=ego)
    return memory, _jump(replace(i, value=off), memory[1:], o, now)[1]


def _nan(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    if not now.acts:
        return memory, o
    if i.what == "odometry":
        return memory, replace(o, ego=_holed(o.ego, tuple(o.ego.__slots__), i.value, now.rng))
    found = tuple(_holed(d, _NUMBERS, i.value, now.rng) for d in o.detections)
    return memory, replace(o, detections=found)


def _holed(value: Any, names: tuple[str, ...], share: float, rng: np.random.Generator) -> Any:
    hit = rng.random(len(names)) < share
    return replace(value, **{name: math.nan for name, h in zip(names, hit, strict=True) if h})


# ---------------------------------------------------------------------------------------------------------- detections


def _miss(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    if not now.acts:
        return memory, o
    hit = now.rng.random(len(o.detections)) < i.value
    left = tuple(
        d for d, h in zip(o.detections, hit, strict=True) if not (h and _concerns(i.what, d))
    )
    return memory, replace(o, detections=left)


def _concerns(what: str, d: Detection) -> bool:
    if what in SECTORS:
        return abs(float(wrap_angle(math.atan2(d.y_m, d.x_m) - SECTORS[what]))) <= math.pi / 4
    return what == "objects" or d.object_class == CLASSES[what]


def _false(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    """memory: (when it is gone, x, y, yaw in `map`, existence) of each car that is not there."""
    e = now.ego
    alive = tuple(g for g in memory if g[0] > now.tick) if now.acts else ()
    if now.acts:
        for _ in range(int(now.rng.poisson(i.value * CYCLE_S))):
            ahead = now.rng.uniform(_GHOST_NEAR_M, _GHOST_FAR_M)
            aside, sure = now.rng.uniform(-1.0, 1.0) * _GHOST_ASIDE_M, now.rng.uniform(0.5, 0.95)
            x, y = from_frame(ahead, aside, e.x_m, e.y_m, e.yaw_rad)
            gone = now.tick + round(_GHOST_S / CYCLE_S)
            alive = (*alive, (gone, float(x), float(y), e.yaw_rad, float(sure)))
    return alive, replace(o, detections=(*o.detections, *(_seen(g, e) for g in alive)))


def _seen(ghost: tuple[int, float, float, float, float], e: EgoState) -> Detection:
    _, x_map, y_map, yaw, sure = ghost
    x, y = to_frame(x_map, y_map, e.x_m, e.y_m, e.yaw_rad)
    turned = float(wrap_angle(yaw - e.yaw_rad))
    return Detection(
        ObjectClass.CAR, float(x), float(y), turned, 4.5, 1.8, 0.0, 0.0, existence_probability=sure
    )


# --------------------------------------------------------------------------------------------------------------- clock


def _clock(i: Injection, memory: Memory, o: Observation, now: Moment) -> tuple[Memory, Observation]:
    if not now.acts:
        return memory, o
    step = round(i.value * 1e9)
    stamp, ego = max(o.stamp_ns + step, 0), max(o.ego_stamp_ns + step, 0)
    return memory, replace(o, stamp_ns=stamp, ego_stamp_ns=ego)


PARTS: Mapping[str, Spoil] = {
    "drop": _held, "freeze": _held, "late": _late, "jump": _jump, "drift": _drift, "nan": _nan,
    "miss": _miss, "false": _false, "clock": _clock,
}  # fmt: skip
"""What spoils what an observation says, by kind."""


# ------------------------------------------------------------------------------------------- whole observations on a wire


def on_wire(
    i: Injection, memory: Memory, sent: tuple[Observation, ...], now: Moment
) -> tuple[Memory, tuple[Observation, ...]]:
    """What arrives in this cycle of what is sent, in the order in which it arrives.

    memory: what is under way, as (tick, observation), and for `freeze` the last that came through.
    """
    if i.kind == "freeze":
        if now.acts and memory:
            return memory, memory  # the sender says the same again
        return sent[-1:] or memory, sent
    due = tuple(o for at, o in memory if at <= now.tick)
    under_way = tuple(m for m in memory if m[0] > now.tick)
    through: tuple[Observation, ...] = ()
    for o in sent:
        hit = now.acts and (i.kind == "late" or now.rng.random() < i.value)
        if hit and i.kind != "drop":
            ticks = delay_ticks(i) if i.kind == "late" else 1
            if ticks:
                under_way = (*under_way, (now.tick + ticks, o))
        if not hit or i.kind == "duplicate" or (i.kind == "late" and not delay_ticks(i)):
            through = (*through, o)
    first, then = (through, due) if i.kind == "reorder" else (due, through)
    return under_way, (*first, *then)
