"""A person's word on a trace: fields of the decision are replaced, and the trajectory follows, because it follows the words. No clock.

    planning.longitudinal=STOP planning.stop_distance_m=12
    planning.lateral=LANE_CHANGE planning.direction=LEFT

What is checked of every trace is checked of this one too: words that nothing here can do are not driven, and the safety supervisor has the
last word as ever. What has been said is not tied to the scene any more, so it holds for a short time only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, get_type_hints

from whyway.typed_yaml import nearest
from whyway.types import (
    Direction,
    EgoState,
    InputError,
    Lateral,
    Longitudinal,
    PlanningTrace,
    Trace,
)

OVERRIDE = "override"
"""How `validator` begins where somebody's word stands in the trace."""
LONGEST_S = 30.0
COMFORT_MPS2 = 1.5
"""A stop without a distance is one of this braking."""

_HINTS = get_type_hints(PlanningTrace)
FIELDS: Mapping[str, Any] = MappingProxyType(
    {
        f"planning.{f.name}": _HINTS[f.name]
        for f in dataclasses.fields(PlanningTrace)
        if f.name not in ("causes", "rejected")
    }
)
"""What can be said, and its type. Causes and what was rejected are the reasoner's own."""
_DISTANCES = ("stop_distance_m", "offset_from_m", "offset_until_m")

Edits = Mapping[str, Any]
"""Field of `PlanningTrace` -> value."""


def parse(texts: Sequence[str]) -> Edits:
    """Edits from `field=value` texts; enums by name, `inf` where a distance may be infinite.

    Raises:
      InputError: an unknown field or value, or words that leave open what is meant; one line with the remedy.
    """
    if not texts:
        raise InputError("nothing to override: give field=value, e.g. planning.longitudinal=STOP")
    edits: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise InputError(f"{text!r}: write field=value, e.g. planning.longitudinal=STOP")
        full = name if "." in name else f"planning.{name}"
        if full not in FIELDS:
            raise InputError(f"no field {name!r} to override; {nearest(full, FIELDS, len(FIELDS))}")
        edits[full.removeprefix("planning.")] = _value(full, value)
    _check(edits)
    return MappingProxyType(edits)


def _value(name: str, text: str) -> Any:
    kind = FIELDS[name]
    if issubclass(kind, IntEnum):
        if text.upper() not in kind.__members__:
            raise InputError(f"{name}: no {text!r}; {nearest(text.upper(), kind.__members__)}")
        return kind[text.upper()]
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"{name}: {text!r} is not a number") from None
    signed = name.endswith(("acceleration_mps2", "offset_m"))
    endless = name.endswith("stop_distance_m")
    top = 1.0 if name.endswith("confidence") else math.inf
    fits = (math.isfinite(number) or (endless and number > 0)) and (signed or 0.0 <= number <= top)
    if not fits:
        allowed = (
            "a finite number"
            if signed
            else f"0 to {top:g}"
            if endless or top == 1.0
            else "0 or more"
        )
        raise InputError(f"{name}: {text} is out of range; give {allowed}")
    return number


def _check(edits: Edits) -> None:
    """Refuse words that leave open what is meant."""
    lateral = edits.get("lateral")
    side = edits.get("direction", Direction.NONE)
    if lateral is None and "direction" in edits:
        raise InputError(f"planning.direction={side.name}: say planning.lateral too")
    if lateral == Lateral.KEEP_LANE and side != Direction.NONE:
        raise InputError(f"planning.lateral=KEEP_LANE has no side; leave out direction={side.name}")
    if lateral not in (None, Lateral.KEEP_LANE) and side == Direction.NONE:
        raise InputError(
            f"planning.lateral={lateral.name}: say planning.direction=LEFT or RIGHT too"
        )
    if lateral == Lateral.NUDGE and not {"offset_m", "offset_until_m"} <= edits.keys():
        raise InputError("planning.lateral=NUDGE: say planning.offset_m and offset_until_m too")


def apply(trace: Trace, edits: Edits, moved_m: float = 0.0) -> Trace:
    """The trace with edits; what they leave open follows from them.

    Args:
      trace: a draft.
      edits: of `parse`.
      moved_m: how far the car has come since they were said: distances are shorter by so much.
    """
    values = dict(edits)
    for name in _DISTANCES:
        if name in values:
            values[name] = max(values[name] - moved_m, 0.0)
    p, v = trace.planning, trace.perception.ego.v_mps
    if "lateral" in values:
        nudge = values["lateral"] == Lateral.NUDGE and values["offset_until_m"] > 0.0
        values.setdefault("direction", Direction.NONE)
        if not nudge:
            values |= {"offset_m": 0.0, "offset_from_m": 0.0, "offset_until_m": 0.0}
    longitudinal = values.get("longitudinal")
    if longitudinal in (Longitudinal.STOP, Longitudinal.YIELD):
        values.setdefault("stop_distance_m", min(p.stop_distance_m, v * v / (2 * COMFORT_MPS2)))
    if longitudinal in (Longitudinal.RESUME_SPEED, Longitudinal.PASS):
        values.setdefault("stop_distance_m", math.inf)
        values.setdefault("target_speed_mps", trace.perception.speed_limit_mps)
    integrity = replace(trace.integrity, validator=f"{OVERRIDE}: {said(edits)}")
    return replace(trace, planning=replace(p, **values), integrity=integrity)


def said(edits: Edits) -> str:
    """Edits as texts again."""
    values = {k: v.name if isinstance(v, IntEnum) else f"{v:g}" for k, v in edits.items()}
    return ", ".join(f"{name}={value}" for name, value in values.items())


@dataclass(frozen=True, slots=True)
class Held:
    """Edits that hold until a time, and where the car was when they began to."""

    edits: Edits
    until_ns: int
    since: EgoState


class Overrides:
    """Somebody's word, as long as it holds. Between the reasoner and everybody who reads its draft."""

    def __init__(self) -> None:
        self._asked: tuple[Edits, float] | None = None
        self._held: Held | None = None

    def ask(self, texts: Sequence[str], duration_s: float) -> str:
        """From the next trace on these edits hold, instead of any before; what will be done, in one line.

        Raises:
          InputError: see `parse`, or the duration.
        """
        if not 0.0 < duration_s <= LONGEST_S:
            raise InputError(
                f"an override for {duration_s:g} s: give a time of at most {LONGEST_S:g} s"
            )
        self._asked = parse(texts), duration_s
        return f"for {duration_s:g} s: {said(self._asked[0])}"

    def step(self, draft: Trace) -> Trace:
        """The draft, with somebody's word in it while that holds."""
        ego, now_ns = draft.perception.ego, draft.stamp_ns
        if self._asked is not None:
            edits, duration_s = self._asked
            self._asked, self._held = None, Held(edits, now_ns + round(duration_s * 1e9), ego)
        held = self._held
        if held is None or now_ns >= held.until_ns:
            self._held = None
            return draft
        moved_m = math.hypot(ego.x_m - held.since.x_m, ego.y_m - held.since.y_m)
        return apply(draft, held.edits, moved_m)
