"""Faults on purpose, for tests and demonstrations: `--inject kill:reasoner@12.0` and its like. Pure; times are the data's clock.

kill:NODE@T[:V]         SIGKILL to a node at T s, or later, as soon as the car drives at V m/s or more
hang:NODE@T[:V]         SIGSTOP instead: the process lives and says nothing
stale_odometry@T:DUR    the odometry's stamp and values stand still for DUR s
nan_odometry@T[:DUR]    the odometry is not a number
bad_plan@T[:DUR]        the plan asks for what no limit allows
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from whyway.types import CYCLE_S, EgoState, Fault, InputError, Observation, Plan

PROCESS_FAULTS = ("kill", "hang")
DATA_FAULTS = {
    "stale_odometry": Fault.ODOMETRY_STALE,
    "nan_odometry": Fault.ODOMETRY_INVALID,
    "bad_plan": Fault.PLAN_INVALID,
}


class FaultError(InputError):
    """A fault that cannot be injected; its text is one line with the remedy."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault to inject.

    Attributes:
      kind: what goes wrong.
      node: the node it happens to ("" where the kind says it).
      at_s: when, on the data's clock.
      value: least speed [m/s] for process faults, duration [s] for data faults.
    """

    kind: str
    node: str
    at_s: float
    value: float

    def covers(self, stamp_ns: int) -> bool:
        """Whether a data fault acts at this stamp."""
        return self.at_s <= stamp_ns * 1e-9 + 1e-6 < self.at_s + max(self.value, CYCLE_S)

    def __str__(self) -> str:
        node = f":{self.node}" if self.node else ""
        return f"{self.kind}{node}@{self.at_s:g}" + (f":{self.value:g}" if self.value else "")


def parse(text: str, nodes: Sequence[str]) -> Injection:
    """Read one `--inject` text.

    Raises:
      FaultError: it is not one of the forms at the head of this file.
    """
    head, at, times = text.partition("@")
    kind, _, node = head.partition(":")
    first, _, second = times.partition(":")
    known = [f"{k}:NODE@T[:V]" for k in PROCESS_FAULTS] + [f"{k}@T[:DUR]" for k in DATA_FAULTS]
    if not at or (kind not in PROCESS_FAULTS and kind not in DATA_FAULTS):
        raise FaultError(f"--inject {text!r}: not known; write one of {', '.join(known)}")
    if (kind in PROCESS_FAULTS) != bool(node) or (node and node not in nodes):
        raise FaultError(
            f"--inject {text!r}: {kind} takes {'a node of ' + ', '.join(nodes) if kind in PROCESS_FAULTS else 'no node'}"
        )
    try:
        numbers = float(first), float(second or 0.0)
    except ValueError:
        raise FaultError(
            f"--inject {text!r}: times are seconds, e.g. {kind}{':' + node if node else ''}@12.0"
        ) from None
    if not all(math.isfinite(n) and n >= 0 for n in numbers):
        raise FaultError(f"--inject {text!r}: times are finite and not negative")
    return Injection(kind, node, *numbers)


@dataclass(slots=True)
class ObservationFaults:
    """Spoils observations on their way out of the world, as broken localisation would."""

    injections: Sequence[Injection]
    _last: Observation | None = None

    def apply(self, observation: Observation) -> tuple[Observation, Injection | None]:
        """The observation as the driver gets it, and the fault that acts on it, if one does."""
        for injection in self.injections:
            if not injection.covers(observation.stamp_ns):
                continue
            if injection.kind == "nan_odometry":
                nan = EgoState(*[math.nan] * len(dataclasses.fields(EgoState)))
                return dataclasses.replace(observation, ego=nan), injection
            if injection.kind == "stale_odometry" and self._last is not None:
                last = self._last
                return dataclasses.replace(
                    observation, ego=last.ego, ego_stamp_ns=last.ego_stamp_ns
                ), injection
        self._last = observation
        return observation, None


def spoil(plan: Plan) -> Plan:
    """A plan that violates every limit: it asks for 40 m/s2."""
    w = plan.waypoints
    return dataclasses.replace(
        plan, waypoints=dataclasses.replace(w, v_mps=w.v_mps + 40.0 * w.t_s, a_mps2=w.a_mps2 + 40.0)
    )
