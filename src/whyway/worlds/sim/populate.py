"""Seeded traffic on any lane graph: who is where at the start, how big and how fast, and of what manners.

Whoever is put on the road can stop for the one ahead, for the next gate and for the next curve by comfortable braking, and nobody
touches anybody. Dense over worlds: W worlds, A agents, n new ones, P places. A world's traffic depends on its own seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from whyway.geometry import to_frame, wrap_angle
from whyway.types import Floats, Ints, ObjectClass
from whyway.worlds.sim.arrays import luck
from whyway.worlds.sim.pedestrians import Walks
from whyway.worlds.sim.places import BRAKE_MPS2, JITTER_M, Places, sound_squared
from whyway.worlds.sim.state import Mode, State, empty_state
from whyway.worlds.sim.table import LaneTable

MIX: Mapping[ObjectClass, float] = {
    ObjectClass.CAR: 0.78, ObjectClass.TRUCK: 0.09, ObjectClass.BUS: 0.03, ObjectClass.MOTORCYCLE: 0.06,
    ObjectClass.BICYCLE: 0.04,
}  # fmt: skip
"""Shares of the kinds of vehicles; bicycles only where one drives slowly, or on their own lanes."""

_SIZES = {
    ObjectClass.CAR: ((4.0, 4.9), (1.7, 1.9)), ObjectClass.TRUCK: ((7.0, 9.0), (2.3, 2.5)),
    ObjectClass.BUS: ((9.0, 10.3), (2.5, 2.55)), ObjectClass.MOTORCYCLE: ((2.0, 2.3), (0.75, 0.85)),
    ObjectClass.BICYCLE: ((1.7, 1.9), (0.55, 0.65)),
}  # fmt: skip
"""Least and most length and width. Buses as long as CARLA's longest: where two lanes turn side by side, a 12 m one needs part of both."""
_SLOW_MPS = 14.0
"""Bicycles share roads up to this limit."""
_START_SHARE = 0.8
"""Of the speed allowed, at the start."""
_AT_LEAST_M = 2.0
"""Between bumpers, were everybody ahead to brake comfortably to a stand."""
_PAIR_M = 60.0
_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What worlds of one map are filled from; make it once."""

    table: LaneTable
    places: Places
    walks: Walks | None = None

    def fill(
        self,
        state: State,
        *,
        vehicles: int,
        pedestrians: int = 0,
        first: int = 1,
        keep_clear_m: float = 30.0,
        mix: Mapping[ObjectClass, float] = MIX,
        calm: tuple[float, float] = (0.0, 1.0),
    ) -> State:
        """The state with new agents `first ... first + vehicles + pedestrians - 1` in every world.

        Args:
          state: `[W, A]` numpy arrays; active agents outside that range (the ego, the cast) stay as they are. `state.seed` decides.
          vehicles: how many; fewer are active where a map has too few places.
          pedestrians: behind them; fewer where there are too few walks.
          first: index of the first one.
          keep_clear_m: nobody begins so near an agent that is there already.
          mix: shares of the kinds of vehicles.
          calm: range of calmness, 0 pushing to 1 patient.

        Raises:
          ValueError: the state has too few agents.
        """
        worlds, agents = state.x_m.shape
        count = vehicles + pedestrians
        if first + count > agents:
            raise ValueError(f"{first} + {count} agents do not fit into a state of {agents}")
        blank = empty_state(worlds, max(count, 1), state.x_m.dtype)
        others = np.ones(agents, dtype=bool)
        others[first : first + count] = False
        cx, cy = state.centers()
        taken = state.active & others
        self._vehicles(blank, state, vehicles, taken, cx, cy, keep_clear_m, mix, calm)
        if pedestrians and self.walks is not None and len(self.walks.first):
            self._pedestrians(blank, state.seed, vehicles, pedestrians)
        self._slow_down(blank, state, taken, cx, cy, vehicles)
        changed: dict[str, Any] = {}
        for f in fields(State):
            old = getattr(state, f.name)
            if old.ndim < 2:
                continue
            new = old.copy()
            new[:, first : first + count] = (
                -1 if f.name == "near" else getattr(blank, f.name)[:, :count]
            )
            changed[f.name] = new
        return replace(state, **changed)

    # --------------------------------------------------------------------------------------------------------- parts

    def _vehicles(
        self, new: State, state: State, count: int, taken: Any, cx: Floats, cy: Floats, clear_m: float,
        mix: Mapping[ObjectClass, float], calm: tuple[float, float],
    ) -> None:  # fmt: skip
        if not count or not len(self.places):
            return
        table, places = self.table, self.places
        seed = state.seed[:, None]
        agent = np.arange(count)[None, :]
        place, free = _draw(places, state.seed, count, taken, cx, cy, clear_m)
        line = places.line[place]
        s = places.s_m[place] + _even(seed, agent, 1) * 2 * JITTER_M - JITTER_M
        x, y, yaw, _, limit = table.pose(line, s, np.zeros_like(s))
        bike = places.bike[place]
        kind = _kinds(_even(seed, agent, 2), mix, limit <= _SLOW_MPS, bike)
        length, width = _sizes(kind, _even(seed, agent, 3), _even(seed, agent, 4))
        patience = calm[0] + (calm[1] - calm[0]) * _even(seed, agent, 5)
        cycles = kind == int(ObjectClass.BICYCLE)
        squared = sound_squared(table, places, line, s, length / 2)
        part = slice(0, count)
        new.active[:, part] = free
        new.object_class[:, part] = kind
        new.mode[:, part] = int(Mode.RAIL)
        new.window[:, part, 0] = line
        new.s_m[:, part], new.length_m[:, part], new.width_m[:, part] = s, length, width
        new.x_m[:, part], new.y_m[:, part], new.yaw_rad[:, part] = x, y, yaw
        for name, value in manners(kind, patience).items():
            getattr(new, name)[:, part] = value
        cap = np.where(cycles, 4.0 + 2.5 * (1.0 - patience), new.cap_mps[:, part])
        new.cap_mps[:, part] = cap
        wish = np.minimum(new.factor[:, part] * np.sqrt(squared), cap)
        new.v_mps[:, part] = np.where(free, _START_SHARE * wish, 0.0)

    def _pedestrians(self, new: State, seeds: Ints, begin: int, count: int) -> None:
        walks = self.walks
        assert walks is not None
        part = slice(begin, begin + count)
        agent = np.arange(count)[None, :]
        seed = seeds[:, None]
        walk, free = _permuted(seeds, len(walks.first), count, 21)
        line = walks.first[walk] + luck(seed, agent, 22) % walks.pavements[walk]
        s = _even(seed, agent, 23) * 0.8 * self.table.length_m[line]
        x, y, yaw, _, speed = self.table.pose(line, s, np.zeros_like(s))
        factor = 0.85 + 0.3 * _even(seed, agent, 24)
        new.active[:, part] = free
        new.object_class[:, part] = int(ObjectClass.PEDESTRIAN)
        new.mode[:, part] = int(Mode.RAIL)
        new.window[:, part, 0] = line
        new.s_m[:, part], new.length_m[:, part], new.width_m[:, part] = s, 0.5, 0.6
        new.x_m[:, part], new.y_m[:, part], new.yaw_rad[:, part] = x, y, yaw
        new.factor[:, part] = factor
        new.v_mps[:, part] = np.where(free, speed * factor, 0.0)

    def _slow_down(
        self, new: State, state: State, taken: Any, cx: Floats, cy: Floats, count: int
    ) -> None:
        """Speeds from which each one can stop behind whoever is ahead, who may be slowing down for somebody, too."""
        if not count:
            return
        v = new.v_mps[:, :count].copy()
        x, y, yaw = (a[:, :count] for a in (new.x_m, new.y_m, new.yaw_rad))
        length, active = new.length_m[:, :count], new.active[:, :count]
        ox, oy = np.concatenate([x, cx], axis=1), np.concatenate([y, cy], axis=1)
        oyaw = np.concatenate([yaw, state.yaw_rad], axis=1)
        olength = np.concatenate([length, state.length_m], axis=1)
        there = np.concatenate([active, taken], axis=1)
        along, across = to_frame(
            ox[:, None, :], oy[:, None, :], x[..., None], y[..., None], yaw[..., None]
        )
        angle = np.abs(wrap_angle(oyaw[:, None, :] - yaw[..., None]))
        gap = np.hypot(along, across) - (length[..., None] + olength[:, None, :]) / 2 - _AT_LEAST_M
        # ahead on the same lane, be it bent; not those beside or coming the other way
        ahead = (along > 1.0) & (along < _PAIR_M) & (np.abs(across) < 1.8 + 0.25 * along)
        ahead &= (angle < 1.2) & there[:, None, :] & active[..., None]
        free = np.where(ahead, 2 * BRAKE_MPS2 * np.maximum(gap, 0.0), 1e6)
        for _ in range(_ROUNDS):
            leads = np.concatenate([v, state.v_mps], axis=1)
            v = np.minimum(v, np.sqrt((free + leads[:, None, :] ** 2).min(axis=-1)))
        new.v_mps[:, :count] = v


def manners(kind: Ints, patience: Floats) -> dict[str, Floats]:
    """How vehicles of some kinds drive, from pushing (patience 0) to patient (1): fields of `State`, shaped as the arguments."""
    heavy = (kind == int(ObjectClass.TRUCK)) | (kind == int(ObjectClass.BUS))
    factor = 1.1 - 0.3 * patience
    return {
        "factor": np.where(heavy, np.minimum(factor, 0.95), factor),
        "headway_s": 1.0 + patience,
        "s0_m": 1.8 + 1.2 * patience,
        "politeness": 0.05 + 0.45 * patience,
        "a_max_mps2": np.where(heavy, 0.6, 1.0) * (2.0 - 0.8 * patience),
    }


def _draw(
    places: Places, seeds: Ints, count: int, taken: Any, cx: Floats, cy: Floats, clear_m: float
) -> tuple[Ints, Any]:
    """`[W, n]` different places, away from the agents `taken`; and which of them there are."""
    tries, exists = _permuted(seeds, len(places), min(2 * count + 16, len(places)), 11)
    columns = np.nonzero(taken.any(axis=0))[0]
    for a in columns.tolist():
        away = np.hypot(places.x_m[tries] - cx[:, a, None], places.y_m[tries] - cy[:, a, None])
        exists &= (away > clear_m) | ~taken[:, a, None]
    order = np.argsort(~exists, axis=1, kind="stable")[:, :count]
    place, there = (
        np.take_along_axis(tries, order, axis=1),
        np.take_along_axis(exists, order, axis=1),
    )
    missing = count - place.shape[1]
    if missing > 0:
        place = np.pad(place, ((0, 0), (0, missing)))
        there = np.pad(there, ((0, 0), (0, missing)))
    return place, there


def _permuted(seeds: Ints, size: int, count: int, salt: int) -> tuple[Ints, Any]:
    """`[W, count]` different numbers below `size`, without pattern to the eye; past the last one, zeros that do not count.

    Multiples of a step modulo a prime: each world needs only its start and its step.
    """
    prime = _prime_from(max(size, 2))
    start = luck(seeds, salt, 0) % prime
    step = 1 + luck(seeds, salt, 1) % (prime - 1)
    # of the numbers up to the prime, those beyond the size are passed over
    k = np.arange(min(prime, count + prime - size))[None, :]
    number = (start[:, None] + k * step[:, None]) % prime
    order = np.argsort(number >= size, axis=1, kind="stable")[:, :count]
    found = np.take_along_axis(number, order, axis=1)
    if found.shape[1] < count:
        found = np.pad(found, ((0, 0), (0, count - found.shape[1])), constant_values=size)
    there = found < size
    return np.where(there, found, 0), there


def _prime_from(n: int) -> int:
    while any(n % k == 0 for k in range(2, int(n**0.5) + 1)):
        n += 1
    return n


def _even(seed: Ints, agent: Ints, salt: int) -> Floats:
    """Evenly between 0 and 1."""
    share: Floats = luck(seed, agent, salt) / 2.0**31
    return share


def _kinds(draw: Floats, mix: Mapping[ObjectClass, float], slow: Any, bike: Any) -> Ints:
    kinds = np.array([int(kind) for kind in mix])
    bounds = np.cumsum(list(mix.values())) / sum(mix.values())
    kind = kinds[np.minimum(np.searchsorted(bounds, draw, side="right"), len(kinds) - 1)]
    kind = np.where((kind == int(ObjectClass.BICYCLE)) & ~slow, int(ObjectClass.CAR), kind)
    found: Ints = np.where(bike, int(ObjectClass.BICYCLE), kind)
    return found


def _sizes(kind: Ints, long: Floats, wide: Floats) -> tuple[Floats, Floats]:
    length, width = np.zeros(kind.shape), np.zeros(kind.shape)
    for name, ((l0, l1), (w0, w1)) in _SIZES.items():
        of = kind == int(name)
        length = np.where(of, l0 + (l1 - l0) * long, length)
        width = np.where(of, w0 + (w1 - w0) * wide, width)
    return length, width
