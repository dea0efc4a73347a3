"""Faults inside the driver, on the data's clock: a reasoner that takes its time, plans that are spoilt. Pure, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whyway.types import CYCLE_NS, Plan
from whyway.worlds.faults.injection import INSIDE, Injection


@dataclass(frozen=True)
class DriverFaults:
    """What goes wrong between scene and plan; `driver.Driver` and the nodes ask it every cycle."""

    injections: Sequence[Injection]
    seed: int = 0

    @property
    def any(self) -> bool:
        """Whether there is anything inside the driver that goes wrong."""
        return any(i.kind in INSIDE for i in self.injections)

    def delay_cycles(self, stamp_ns: int) -> int:
        """How many cycles a decision takes that begins now; 0: it is there within the cycle."""
        slow = [i.value for i in self.injections if i.kind == "slow" and i.covers(stamp_ns)]
        return round(max(slow, default=0.0))

    def spoil(self, plan: Plan) -> Plan:
        """The plan, or while `spoil:plan` acts one that violates every limit: it asks for 40 m/s2 more."""
        return _impossible(plan) if self.spoils(plan.stamp_ns) else plan

    def spoils(self, stamp_ns: int) -> tuple[Injection, ...]:
        """The faults that spoil the plan of this stamp."""
        return tuple(
            i
            for k, i in enumerate(self.injections)
            if i.kind == "spoil"
            and i.covers(stamp_ns)
            and np.random.default_rng([self.seed, k, stamp_ns // CYCLE_NS]).random() < i.value
        )


def _impossible(plan: Plan) -> Plan:
    w = plan.waypoints
    w = replace(w, v_mps=w.v_mps + 40.0 * w.t_s, a_mps2=w.a_mps2 + 40.0)
    return replace(plan, waypoints=w)
