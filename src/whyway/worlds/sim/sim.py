"""What does not change while worlds are stepped: the vehicle, traffic's manners, and the map on arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whyway.config import TrafficConfig, VehicleConfig
from whyway.types import InputError
from whyway.worlds.sim.logs import Logs, Signals
from whyway.worlds.sim.surface import Surface
from whyway.worlds.sim.table import LaneTable

Array = Any

_ESCAPE_M = 150.0
"""So far before the end of a lane that leads nowhere one begins to leave it."""


@dataclass(frozen=True, slots=True, eq=False)
class Sim:
    """The map and the rules of W worlds. Parts that are None are absent; make it with `make_sim`."""

    dt_s: float
    vehicle: VehicleConfig
    traffic: TrafficConfig
    signals: Signals
    table: LaneTable | None = None
    escape: Array = None
    """`[L]` where a lane ends beside one that goes on: 1 left, -1 right, 0 none."""
    merges: Array = None
    """`[L]` whether several lines lead into it."""
    routes: Array = None
    """`[Q, n]` lines of the routes, -1 behind their ends; two neighbours in a row are a lane change."""
    route_start_m: Array = None
    """`[Q, n]` arc length of the route where each of them begins."""
    logs: Logs | None = None
    surface: Surface | None = None
    demand_at_m: float = 0.0
    """Arc length of the ego's route at which its front asks waiting lights for green."""
    demand_latest_s: float = 45.0
    """They do not wait longer than this."""
    returns: bool = True
    """Traffic that reached the end of the road enters again elsewhere, as somebody else."""

    def to(self, xp: Any, dtype: Any, device: Any = None) -> Sim:
        """The same in another namespace and float type, on a device."""

        def moved(value: Any) -> Any:
            if isinstance(value, LaneTable):
                return value.to(xp, dtype, device)
            if isinstance(value, Logs | Signals | Surface):
                parts = {f.name: moved(getattr(value, f.name)) for f in dataclasses.fields(value)}
                return type(value)(**parts)
            if isinstance(value, np.ndarray):
                real = value.dtype.kind == "f"
                return xp.asarray(value, dtype=dtype if real else None, device=device)
            return value

        return Sim(**{f.name: moved(getattr(self, f.name)) for f in dataclasses.fields(self)})


def make_sim(
    dt_s: float,
    vehicle: VehicleConfig,
    traffic: TrafficConfig,
    signals: Signals,
    table: LaneTable | None = None,
    routes: Sequence[Sequence[int]] = (),
    **rest: Any,
) -> Sim:
    """A `Sim`, with what follows from its parts.

    Args:
      dt_s: of a step.
      vehicle: of agents under command.
      traffic: manners of the others.
      signals: the lights; `build_signals((), SignalPlan())` for none.
      table: the lane graph, numpy float64.
      routes: lines of each route, in order; two neighbours in a row are a lane change.
      rest: other fields of `Sim`.

    Raises:
      InputError: routes without a table, or one over lines that it does not have.
    """
    if table is None:
        if routes:
            raise InputError("routes need a lane table to lie on; give `table`")
        return Sim(dt_s, vehicle, traffic, signals, **rest)
    lines, starts = _routes(table, routes) if routes else (None, None)
    return Sim(
        dt_s, vehicle, traffic, signals, table=table, escape=escapes(table), merges=merging(table), routes=lines,
        route_start_m=starts, **rest,
    )  # fmt: skip


def _routes(table: LaneTable, routes: Sequence[Sequence[int]]) -> tuple[Array, Array]:
    longest = max(len(route) for route in routes)
    lines = np.full((len(routes), max(longest, 1)), -1, dtype=np.int64)
    starts = np.zeros(lines.shape)
    count = len(table.length_m)
    for q, route in enumerate(routes):
        lines[q, : len(route)] = route
        if len(route) and not (lines[q, : len(route)] < count).all() | (min(route) < 0):
            raise InputError(f"route {q} uses lines that the table of {count} does not have")
        at = 0.0
        for k, line in enumerate(route):
            if k:
                last = route[k - 1]
                beside = line in (table.left[last], table.right[last])
                at += 0.0 if beside else float(table.length_m[last])
            starts[q, k] = at
    return lines, starts


def merging(table: LaneTable) -> Array:
    """`[L]` whether several lines lead into each."""
    successor = np.asarray(table.successor)
    arriving = np.bincount(successor[successor >= 0], minlength=len(successor))
    return arriving > 1


def escapes(table: LaneTable) -> Array:
    """`[L]` where a lane ends, or leads to where it ends soon, beside one that goes on: the side of that one."""
    left, right = np.asarray(table.left), np.asarray(table.right)
    successor, long = np.asarray(table.successor), np.asarray(table.length_m)
    count = len(long)
    # how far each lane leads, up to a bound: longest way ahead
    leads = np.where(successor[:, 0] < 0, 0.0, np.inf)
    for _ in range(8):
        ahead = np.where(successor >= 0, (long + leads)[successor], -1.0).max(axis=1)
        leads = np.where(successor[:, 0] < 0, 0.0, ahead)
    ends = leads < _ESCAPE_M
    side = np.zeros(count, dtype=np.int64)
    for sign, beside in ((-1, right), (1, left)):
        better = (beside >= 0) & ends & (leads[beside] > leads + 1.0)
        side = np.where(better, sign, side)
    return side
