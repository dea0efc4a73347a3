"""Where everything stands: rows of a world's arrays `[rows, A]` for the kernels, and the map laid out for them.

A kernel works on one world at a time, copied into a `Desk`: floats in double precision, whatever the state's type.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import NDArray

from whyway.types import InputError
from whyway.worlds.sim import ahead
from whyway.worlds.sim.ahead import SAMPLES, arc_of_samples
from whyway.worlds.sim.lane_table import LaneTable
from whyway.worlds.sim.observe import FEATURES
from whyway.worlds.sim.sim import Sim
from whyway.worlds.sim.state import NEIGHBOURS, WINDOW, State
from whyway.worlds.sim.table import SUCCESSORS

Array = Any

LINE_BYTES = 64
"""Of a cache."""

# --------------------------------------------------------------------------------------------- a world, by its agents

FLOATS = (
    "x_m", "y_m", "yaw_rad", "v_mps", "a_mps2", "steer_rad", "s_m", "d_m", "target_d_m", "lateral_mps", "route_s_m", "standing_s",
    "lead_gap_m", "lead_v_mps",
    "length_m", "width_m", "offset_m", "headway_s", "s0_m", "a_max_mps2", "politeness", "factor", "cap_mps",
)  # fmt: skip
"""The first `FLOATS_MOVED` change in a step."""
FLOATS_MOVED = 14
(
    PX, PY, YAWS, V, A, STEER, S, D, TARGET, LATERAL, ROUTE_S, STANDING, LEAD_GAP, LEAD_V,
    LONG, WIDE, OFFSET, HEADWAY, S0, A_MAX, POLITE, FACTOR, CAP,
    COS, SIN, CENTER_X, CENTER_Y,
) = range(27)  # fmt: skip
"""Rows of `Desk.old` and `Desk.new`; the last four follow from the others."""

INTS = (
    "generation", "came_from", "route", "route_at", "changed_tick", "wish", "held", "cue_next", "cue_tick",
    "mode", "object_class", "log",
)  # fmt: skip
INTS_MOVED = 9
BOOLS = ("active", "collided", "off_road", "at_fault", "ran_red")
(
    GENERATION, CAME, ROUTE, ROUTE_AT, CHANGED, WISH, HELD, CUE_NEXT, CUE_TICK,
    MODE, CLASS, LOG, ACTIVE, COLLIDED, OFF_ROAD, FAULT, RAN_RED, PLAYS,
) = range(18)  # fmt: skip
"""Rows of `Desk.was` and `Desk.now`; the last: whether the agent has cues."""

CUES = (
    "cue_value", "cue_at_m", "cue_speed_mps", "cue_rate_mps2", "cue_offset_m", "cue_lateral_mps",
)  # fmt: skip

(
    GATE_M, EXIT_M, JOIN_M, PULL, GAP, GAP_V, PULL_BESIDE, PUSH, PUSH_BESIDE, END_M, RANK, TOLD_V, RATE,
    GO_V, GO_A, GO_M, GO_D, SPAN, CALM, AIM_X, AIM_Y, LANE_YAW, LANE_COS, LANE_SIN, LANE_V,
) = range(25)  # fmt: skip
"""Rows of `Desk.real`: what is found out about each agent in a step."""
(
    GATE_WAY, GATE_LIGHT, GATE_STOPS, GATE_RANK, JOINS, COMES, EXIT_TAKEN, NEW_LINE, GIVES_UP, CLAIMS, READY, RECKLESS, KNOWN, BACK,
    DECK,
) = range(15)  # fmt: skip
"""Rows of `Desk.whole`."""

POINT_X, POINT_Y, F, ASIDE, ALONG_X, ALONG_Y, STRAIGHT = range(7)
"""Rows of `Desk.points`: a neighbour, its arc length and offset on the way, the way's direction there, the distance to it."""


class Desk(Protocol):
    """One world at work: as it was, as it will be, and what lies between. C columns, of which the first `agents` are used.

    All of it is one record: so every place in it stands at a distance from its beginning that is known when code is made.
    """

    agents: int
    neighbours: int
    old: NDArray[Any]
    """`[rows, C]` as are `new`, `was`, `now`, `real` and `whole`."""
    new: NDArray[Any]
    was: NDArray[Any]
    now: NDArray[Any]
    real: NDArray[Any]
    whole: NDArray[Any]
    window: NDArray[Any]
    """`[C, R]` of the state the desk looks at."""
    before: NDArray[Any]
    """`[C, R]` of the state as it was."""
    near: NDArray[Any]
    """`[C, K]`."""
    line: NDArray[Any]
    """`[C, R + 2]` as are `begins` and `ways`: `ahead.Lines`, and behind them one that begins nowhere."""
    begins: NDArray[Any]
    ways: NDArray[Any]
    way: NDArray[Any]
    """`[P, 4]` x, y, ux, uy of an agent's way ..."""
    points: NDArray[Any]
    """... and the neighbours that it minds on it `[rows, K]`, ..."""
    minded: NDArray[Any]
    """... who they are `[K]`."""
    sample: NDArray[Any]
    """`[K]` the sample next to each of them, and ..."""
    moving: NDArray[Any]
    """... those that are not yet where they belong."""
    keys: NDArray[Any]
    """`[C]` scores, as they are and as whole numbers."""
    whole_keys: NDArray[Any]
    least: NDArray[Any]
    """`[K, C]` the least of them for each agent, likewise."""
    whole_least: NDArray[Any]


@lru_cache(maxsize=8)
def _desk_type(columns: int, neighbours: int) -> np.dtype[Any]:
    """What a desk is, with room for so many."""
    reals = {
        "old": (27, columns), "new": (27, columns), "real": (25, columns), "begins": (columns, WINDOW + 2),
        "way": (SAMPLES, 4), "points": (7, neighbours), "keys": (columns,), "least": (neighbours, columns),
    }  # fmt: skip
    wholes = {
        "agents": (), "neighbours": (), "was": (18, columns), "now": (18, columns), "whole": (15, columns),
        "window": (columns, WINDOW), "before": (columns, WINDOW), "near": (columns, neighbours), "line": (columns, WINDOW + 2),
        "ways": (columns, WINDOW + 2), "sample": (neighbours,), "moving": (neighbours + 1,), "minded": (neighbours,),
    }  # fmt: skip
    shapes = wholes | reals
    begins, size = {}, 0
    for name, shape in shapes.items():
        begins[name] = size
        size += -(-8 * math.prod(shape) // LINE_BYTES) * LINE_BYTES
    for name in ("keys", "least"):
        shapes["whole_" + name], begins["whole_" + name] = shapes[name], begins[name]
    return np.dtype(
        {
            "names": list(shapes),
            "formats": [(float if name in reals else np.int64, shapes[name]) for name in shapes],
            "offsets": [begins[name] for name in shapes],
            "itemsize": size,
        }
    )


def make_desk(agents: int, neighbours: int) -> NDArray[Any]:
    """An empty desk, as an array of one. Code is made anew for each size; the sizes are few."""
    # an odd number of cache lines: else all rows would share a few places in the cache
    columns = 40
    while columns < agents:
        columns = 2 * columns - 8
    kind = _desk_type(columns, max(neighbours, NEIGHBOURS))
    room = np.zeros(kind.itemsize + LINE_BYTES, dtype=np.uint8)
    at = -room.ctypes.data % LINE_BYTES
    desk = room[at : at + kind.itemsize].view(kind)
    desk["agents"], desk["neighbours"] = agents, neighbours
    desk["begins"][..., -1], desk["ways"][..., -1] = np.inf, -1
    return desk


# ------------------------------------------------------------------------------------------------------------- the map

_LINE = np.dtype(
    [(name, np.float64) for name in ("step_m", "length_m", "entry_mps", "gate_s_m")]
    + [
        (name, np.int32)
        for name in (
            "first", "last", "choices", "in_junction", "left", "right", "light", "stops", "way", "deck", "escape", "merges",
        )
    ]
    + [("following", np.int32, (SUCCESSORS,))],
    align=True,
)  # fmt: skip
"""What is known of a line, together in memory; `choices` says how many of `following` there are."""
_ROW = ("x", "y", "ux", "uy", "yaw", "curvature", "speed", "half_width")
"""Columns of `LaneTable.rows`."""

BIN_M, BINS_FROM_M = 0.5, -32.0
"""See `Map.bins`."""


class Map(NamedTuple):
    """The lane graph, one line in a row; the lights; the drivable area; and the dials."""

    rows: NDArray[Any]
    """`[N]` records `_ROW`."""
    lines: NDArray[Any]
    """`[L]` records `_LINE`."""
    entries: NDArray[Any]
    priority: NDArray[Any]
    conflict: NDArray[Any]
    swings: NDArray[Any]
    routes: NDArray[Any]
    route_start: NDArray[Any]
    period: NDArray[Any]
    offset: NDArray[Any]
    until: NDArray[Any]
    color: NDArray[Any]
    waits: NDArray[Any]
    cells: NDArray[Any]
    """Empty where there is no drivable area."""
    samples: NDArray[Any]
    """`[P + 1]` samples of a way: arc lengths `at_m`, and `from_m` where it begins to be the nearest one; the last is none."""
    bins: NDArray[Any]
    """`[B]` bins of arc length (`BIN_M` wide, from `BINS_FROM_M` on): the `sample` for the beginning of each, and `next_from_m` on
    which the next one is meant, at most one in a bin."""
    dwell_s: float
    dt_s: float
    b_mps2: float
    free_mps2: float
    origin_x_m: float
    origin_y_m: float
    cell_m: float
    grid_rows: int
    grid_columns: int
    bridges: int
    returns: int
    demand_at_m: float
    demand_latest_s: float
    wheelbase_m: float
    steer_max_rad: float
    steer_rate_max_rps: float
    car_a_max_mps2: float
    v_switch_mps: float
    v_max_mps: float


@lru_cache(maxsize=8)
def lay_out(sim: Sim) -> Map:
    """The map of a simulator in numpy; kept for the last few."""
    table, signals, surface, car = sim.table, sim.signals, sim.surface, sim.vehicle
    if table is None or not isinstance(table.rows, np.ndarray):
        raise InputError(
            "the compiled step needs a lane table of numpy arrays: give `Sim` as `make_sim` made it"
        )
    row = np.dtype([(name, table.rows.dtype) for name in _ROW])
    none = np.zeros((0, 1))
    samples, bins = _samples()
    return Map(
        rows=np.ascontiguousarray(table.rows).view(row).reshape(-1), lines=_lines(sim, table),
        entries=_ints(table.entries), priority=_ints(table.way_priority), conflict=np.ascontiguousarray(table.conflict),
        swings=np.ascontiguousarray(table.swings),
        routes=_ints(none if sim.routes is None else sim.routes),
        route_start=_reals(none if sim.route_start_m is None else sim.route_start_m),
        period=_reals(signals.period_s), offset=_reals(signals.offset_s), until=_reals(signals.until_s),
        color=_ints(signals.color), waits=np.ascontiguousarray(signals.waits, dtype=bool),
        cells=np.zeros(0, dtype=bool) if surface is None else np.ascontiguousarray(surface.cells),
        samples=samples, bins=bins, dwell_s=float(signals.dwell_s), dt_s=float(sim.dt_s),
        b_mps2=float(sim.traffic.idm.b_mps2), free_mps2=float(sim.traffic.idm.a_mps2),
        origin_x_m=0.0 if surface is None else float(surface.origin_x_m),
        origin_y_m=0.0 if surface is None else float(surface.origin_y_m),
        cell_m=1.0 if surface is None else float(surface.cell_m),
        grid_rows=0 if surface is None else int(surface.rows), grid_columns=0 if surface is None else int(surface.columns),
        bridges=int(table.has_bridges), returns=int(sim.returns), demand_at_m=float(sim.demand_at_m),
        demand_latest_s=float(sim.demand_latest_s), wheelbase_m=float(car.wheelbase_m), steer_max_rad=float(car.steer_max_rad),
        steer_rate_max_rps=float(car.steer_rate_max_rps), car_a_max_mps2=float(car.a_max_mps2),
        v_switch_mps=float(car.v_switch_mps), v_max_mps=float(car.v_max_mps),
    )  # fmt: skip


def _lines(sim: Sim, table: LaneTable) -> NDArray[Any]:
    """`Map.lines`."""
    columns = (
        table.step_m, table.length_m, table.entry_mps, table.gate_s_m, table.first, table.last, table.successors, table.in_junction,
        table.left, table.right, table.gate_light, table.gate_stops, table.way, table.deck, sim.escape, sim.merges, table.successor,
    )  # fmt: skip
    lines = np.zeros(len(table.first), dtype=_LINE)
    for name, values in zip(_LINE.names or (), columns, strict=True):
        lines[name] = values
    return lines


def _samples() -> tuple[NDArray[Any], NDArray[Any]]:
    """`Map.samples` and `Map.bins`. `ahead.project` finds samples by a root; here by bins, without one."""
    (b, c), (d, e) = ahead._AHEAD, ahead._BEHIND
    i = np.arange(1, SAMPLES) - ahead._SAMPLES_BEHIND - 0.5
    starts = np.where(i > 0, b * i + c * i * i, d * i - e * i * i)
    samples = np.zeros(SAMPLES + 1, dtype=[("at_m", np.float64), ("from_m", np.float64)])
    samples["at_m"][:SAMPLES] = arc_of_samples(xp, np.zeros(1))
    samples["from_m"] = [-np.inf, *starts, np.inf]
    edges = np.arange(BINS_FROM_M, float(starts[-1]) + BIN_M, BIN_M)
    bins = np.zeros(len(edges), dtype=[("sample", np.int64), ("next_from_m", np.float64)])
    bins["sample"] = np.searchsorted(starts, edges, side="right")
    bins["next_from_m"] = samples["from_m"][bins["sample"] + 1]
    return samples, bins


def _ints(values: Array) -> NDArray[Any]:
    return np.ascontiguousarray(values, dtype=np.int64)


def _reals(values: Array) -> NDArray[Any]:
    return np.ascontiguousarray(values, dtype=np.float64)


# ------------------------------------------------------------------------------------------------------------ states


class Before(NamedTuple):
    """A state as the kernel reads it: fields by the order of `FLOATS`, `INTS`, `BOOLS`, `CUES`."""

    floats: tuple[NDArray[Any], ...]
    ints: tuple[NDArray[Any], ...]
    bools: tuple[NDArray[Any], ...]
    cues: tuple[NDArray[Any], ...]
    when: NDArray[Any]
    reckless: NDArray[Any]
    window: NDArray[Any]
    near: NDArray[Any]
    tick: NDArray[Any]
    phase_s: NDArray[Any]
    demand_tick: NDArray[Any]
    seed: NDArray[Any]


class After(NamedTuple):
    """What the kernel writes: what changes, each kind in one block of memory."""

    floats: NDArray[Any]
    """`[FLOATS_MOVED, W, A]`."""
    ints: NDArray[Any]
    bools: NDArray[Any]
    window: NDArray[Any]
    near: NDArray[Any]
    tick: NDArray[Any]
    demand_tick: NDArray[Any]
    observation: NDArray[Any]
    reward: NDArray[Any]


def read(state: State) -> Before:
    """The arrays of a state, contiguous, floats in one type."""
    real = np.dtype(state.x_m.dtype)

    def several(names: tuple[str, ...], dtype: Any) -> tuple[NDArray[Any], ...]:
        return tuple(_plain(getattr(state, name), dtype) for name in names)

    whole = np.dtype(np.int64)
    return Before(
        several(FLOATS, real), several(INTS, whole), several(BOOLS, np.dtype(bool)), several(CUES, real),
        _plain(state.cue_when, whole), _plain(state.cue_reckless, np.dtype(bool)),
        _plain(state.window, whole), _plain(state.near, whole), _plain(state.tick, whole),
        _plain(state.phase_s, np.dtype(np.float64)), _plain(state.demand_tick, whole), _plain(state.seed, whole),
    )  # fmt: skip


def _plain(array: Array, dtype: Any) -> NDArray[Any]:
    """The array itself where it is as compiled code wants it."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable:
        same: NDArray[Any] = array
        return same
    return np.array(array, dtype=dtype, order="C")


def blank(state: State) -> After:
    """Room for the state after."""
    worlds, agents = state.x_m.shape
    real = state.x_m.dtype
    return After(
        np.empty((FLOATS_MOVED, worlds, agents), dtype=real),
        np.empty((INTS_MOVED, worlds, agents), dtype=np.int64),
        np.empty((len(BOOLS), worlds, agents), dtype=bool),
        np.empty((worlds, agents, WINDOW), dtype=np.int64),
        np.empty((worlds, agents, state.near.shape[-1]), dtype=np.int64),
        np.empty(worlds, dtype=np.int64),
        np.empty(worlds, dtype=np.int64),
        np.empty((worlds, agents, FEATURES), dtype=real),
        np.empty((worlds, agents), dtype=real),
    )


def write(state: State, after: After) -> State:
    """The state after; what does not change is shared with the one before."""
    fields = dict(zip(FLOATS[:FLOATS_MOVED], after.floats, strict=True))
    fields |= dict(zip(INTS[:INTS_MOVED], after.ints, strict=True))
    fields |= dict(zip(BOOLS, after.bools, strict=True))
    return dataclasses.replace(
        state, tick=after.tick, demand_tick=after.demand_tick, window=after.window, near=after.near, **fields
    )  # fmt: skip
