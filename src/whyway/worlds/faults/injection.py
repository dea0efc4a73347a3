"""The vocabulary of faults: `kind:what=value@from-to`, e.g. `late:detections=0.3@5-10`. Times are seconds of the world's clock.

`=value` may be left out where the table has a default, `-to` where the fault lasts to the end; `freeze` lasts as long as its value
says. The same texts are given to `whyway drive --inject`, to the nodes' parameter `inject` and to suites of faults.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from whyway.typed_yaml import nearest
from whyway.types import Fault, InputError, ObjectClass

WIRES = ("all", "odometry", "pose", "detections", "lights")
"""What can be lost, late or frozen: the whole observation, stamps and all, or a part of it while the rest goes on. `pose` is the
ego's place and heading alone, under stamps that go on: a stale transform."""
SECTORS = {"front": 0.0, "left": math.pi / 2, "rear": math.pi, "right": -math.pi / 2}
"""Quarters of the view by the bearing [rad] of their middle."""
CLASSES = {c.name.lower(): c for c in ObjectClass}
INSIDE = frozenset({"slow", "spoil"})
"""Kinds that happen inside the driver, not between world and driver."""


class FaultError(InputError):
    """A fault that cannot be injected; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A kind of fault.

    Attributes:
      what: what it can happen to.
      unit: of its value, the severity.
      low, high: what the value may be.
      default: the value where none is given; None: it must be given.
      about: what happens, for people.
    """

    what: tuple[str, ...]
    unit: str
    low: float
    high: float
    default: float | None
    about: str


FAULTS: Mapping[str, Spec] = {
    "drop": Spec(WIRES, "share", 0.0, 1.0, 1.0, "so many never come; of a part the last one is seen again"),
    "late": Spec(WIRES, "s", 0.0, 10.0, None, "comes so much later (whole cycles)"),
    "freeze": Spec(WIRES, "s", 0.0, 1e4, None, "the last one is repeated for so long"),
    "duplicate": Spec(("all",), "share", 0.0, 1.0, 1.0, "so many come a second time, a cycle later"),
    "reorder": Spec(("all",), "share", 0.0, 1.0, 1.0, "so many come only after their successor"),
    "jump": Spec(("pose",), "m", -1e4, 1e4, None, "the pose is so far to the left of the truth"),
    "drift": Spec(("pose", "heading"), "m/s, rad/s", -100.0, 100.0, None,
                  "the pose moves so fast to the left of the truth, the heading turns away from it"),
    "false": Spec(("objects",), "1/s", 0.0, 50.0, None, "so many cars a second appear ahead for a second that are not there"),
    "miss": Spec(("objects", *SECTORS, *CLASSES), "share", 0.0, 1.0, 1.0, "so many detections, of a quarter or a class, are missing"),
    "nan": Spec(("odometry", "detections"), "share", 0.0, 1.0, 1.0, "so many of the values are no numbers"),
    "clock": Spec(("step",), "s", -1e6, 1e6, None, "the stamps are so far ahead of the time (negative: behind)"),
    "slow": Spec(("reasoner",), "cycles", 0.0, 1000.0, None, "a decision takes so many cycles; meanwhile the last one counts"),
    "spoil": Spec(("plan",), "share", 0.0, 1.0, 1.0, "so many plans ask for what no limit allows"),
}  # fmt: skip
"""Every kind of fault of a drive in one process; the nodes add what happens to processes."""

_TEXT = re.compile(
    r"(?P<kind>\w+):(?P<what>\w+)(=(?P<value>[^@]+))?(@(?P<from>[^-@]+)(-(?P<to>[^-@]+))?)?"
)


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault to inject.

    Attributes:
      kind: what goes wrong, a key of `FAULTS`.
      what: what it happens to.
      value: how much, in the unit of its `Spec`.
      from_s: when it begins.
      to_s: when it is over; inf: never.
    """

    kind: str
    what: str
    value: float
    from_s: float = 0.0
    to_s: float = math.inf

    def covers(self, stamp_ns: int) -> bool:
        """Whether it acts at a time of the world's clock."""
        return self.from_s <= stamp_ns * 1e-9 + 1e-6 < self.to_s

    @property
    def name(self) -> str:
        """Kind and what, without when and how much."""
        return f"{self.kind}:{self.what}"

    @property
    def code(self) -> Fault:
        """What an `Event` calls it."""
        if self.kind in INSIDE:
            return Fault.PLAN_STALE if self.kind == "slow" else Fault.PLAN_INVALID
        if self.kind in ("jump", "drift", "nan") and self.what != "detections":
            return Fault.ODOMETRY_INVALID
        stale = self.what in ("odometry", "pose")
        return Fault.ODOMETRY_STALE if stale else Fault.SCENE_STALE

    def __str__(self) -> str:
        until = f"-{self.to_s:.9g}" if math.isfinite(self.to_s) and self.kind != "freeze" else ""
        return f"{self.kind}:{self.what}={self.value:.9g}@{self.from_s:.9g}{until}"


def parse(text: str, more: Mapping[str, Spec] | None = None) -> Injection:
    """Read one fault.

    Args:
      text: as at the head of this file.
      more: kinds beside those of `FAULTS`.

    Raises:
      FaultError: it is none; one line that says what would be one.
    """
    specs = {**FAULTS, **(more or {})}
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise FaultError(
            f"--inject {text!r}: not readable; write kind:what=value@from-to, e.g. late:detections=0.3@5-10"
        )
    kind, what = found["kind"], found["what"]
    if kind not in specs:
        raise FaultError(f"--inject {text!r}: no fault {kind!r}; {nearest(kind, specs)}")
    spec = specs[kind]
    if what not in spec.what:
        raise FaultError(
            f"--inject {text!r}: {kind} happens to no {what!r}; {nearest(what, spec.what)}"
        )
    value = spec.default if found["value"] is None else _number(text, found["value"])
    start, end = _number(text, found["from"] or "0"), _number(text, found["to"] or "inf", True)
    if kind == "freeze":
        if value is None and math.isfinite(end):
            value = round(end - start, 9)
        end = math.inf if value is None else start + value
    if value is None:
        raise FaultError(f"--inject {text!r}: how much? write {kind}:{what}=VALUE ({spec.unit})")
    if not spec.low <= value <= spec.high:
        raise FaultError(
            f"--inject {text!r}: {value:g} is out of range; give {spec.low:g} to {spec.high:g} ({spec.unit})"
        )
    if not 0.0 <= start <= end:
        raise FaultError(
            f"--inject {text!r}: it must begin at 0 s or later and end after it begins"
        )
    return Injection(kind, what, value, start, end)


def begun(
    injections: Iterable[Injection], before_ns: int | None, now_ns: int
) -> tuple[Injection, ...]:
    """Those that act now and did not a cycle before, on the world's clock; None before the first cycle."""
    return tuple(
        i for i in injections if i.covers(now_ns) and (before_ns is None or not i.covers(before_ns))
    )


def _number(text: str, number: str, may_be_inf: bool = False) -> float:
    try:
        value = float(number)
    except ValueError:
        raise FaultError(f"--inject {text!r}: {number!r} is no number") from None
    if not (math.isfinite(value) or (may_be_inf and value == math.inf)):
        raise FaultError(f"--inject {text!r}: {number!r} is not finite")
    return value
