"""What the step needs of arrays beyond the array API, for numpy and torch: gathers, clamps, nearest others, luck by counting.

The step is dense: fixed shapes, no loop over worlds or agents, no boolean indexing. Pairs of an agent and one of its K neighbours have
shape `[K, W, A]`: the short axis first, so that reductions over it run along memory and `[W, A]` broadcasts as it stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np
from array_api_compat import array_namespace

Array = Any

NOBODY = 1e9
"""A score beyond which there is nobody."""

_KEYS = {
    size: (int(np.array(NOBODY, dtype=real).view(whole)), int(np.iinfo(whole).max))
    for size, real, whole in ((4, np.float32, np.int32), (8, np.float64, np.int64))
}
"""By size of a number: `NOBODY`'s bits read as an integer, and the largest integer."""

_NUMPY = (np.ndarray, np.generic)
"""Of arrays without axes numpy computes numbers of its own."""

_QUAD = {size: np.dtype((np.void, 4 * size)) for size in (4, 8)}
"""By size of a number: four of them as one item."""

_EXTRACT_UP_TO = 64
"""Torch: so many candidates are searched by repeated minima, which is several times quicker than its `topk` on short rows."""


def clamp(array: Array, low: Array | float | None, high: Array | float | None) -> Array:
    """The array between two bounds (numbers or arrays); several times quicker than `xp.clip` on small arrays."""
    if isinstance(array, _NUMPY):
        if low is not None:
            array = np.maximum(array, low)
        return array if high is None else np.minimum(array, high)
    if low is not None:
        array = array.clamp(min=low) if isinstance(low, int | float) else array.maximum(low)
    if high is not None:
        array = array.clamp(max=high) if isinstance(high, int | float) else array.minimum(high)
    return array


def to(array: Array, dtype: Any) -> Array:
    """The array in another type."""
    return array.astype(dtype, copy=False) if isinstance(array, _NUMPY) else array.to(dtype=dtype)


def chosen(mask: Array, new: Array, old: Array) -> Array:
    """`new` where the mask holds, else `old`, in `old`'s type; shorter masks count for whole rows."""
    for _ in range(old.ndim - mask.ndim):
        mask = mask[..., None]
    if isinstance(old, np.ndarray):
        return np.where(mask, np.asarray(new, dtype=old.dtype), old)
    new = new.to(dtype=old.dtype) if hasattr(new, "to") else new
    return old.where(~mask, new)


def pick(array: Array, index: Array) -> Array:
    """Elements by flat index, in the index's shape."""
    if isinstance(array, np.ndarray):
        return array.take(index)
    return array.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


def pick_rows(array: Array, index: Array) -> Array:
    """Rows of a matrix by index, in the index's shape and one axis more."""
    if isinstance(array, np.ndarray):
        return array.take(index, axis=0)
    return array.index_select(0, index.reshape(-1)).reshape(*index.shape, array.shape[-1])


def pick_quads(array: Array, index: Array, quad: int = 0) -> list[Array]:
    """Four columns (from `4 * quad` on) of a matrix's rows by index, each in the index's shape.

    On numpy the four go as one item, which is as quick as one column; the matrix has 4, 8, ... columns.
    """
    if not isinstance(array, np.ndarray):
        rows = pick_rows(array, index)
        return [rows[..., 4 * quad + k] for k in range(4)]
    items = array.reshape(-1).view(_QUAD[array.itemsize])
    wide = array.shape[1] // 4
    found = items.take(index.reshape(-1) if wide == 1 else index.reshape(-1) * wide + quad)
    rows = found.view(array.dtype).reshape(*index.shape, 4)
    return [rows[..., k] for k in range(4)]


def namespace(array: Array) -> Any:
    """`array_namespace`, at once for numpy."""
    return numpy_namespace if isinstance(array, np.ndarray) else array_namespace(array)


def cells(xp: Any, like: Array) -> Array:
    """Flat indices in an array's shape `[W, A]`; not to be written to."""
    if isinstance(like, np.ndarray):
        return _cells(like.shape)
    return xp.reshape(xp.arange(math.prod(like.shape), device=like.device), like.shape)


@lru_cache(maxsize=32)
def _cells(shape: tuple[int, ...]) -> Array:
    return np.arange(math.prod(shape)).reshape(shape)


def in_row(xp: Any, row: Array) -> Array:
    """Flat indices of a row of each column: of `row[..., w, a]` in an array `[R, W, A]`; or `[n]` in `[R, n]`."""
    column = row if row.ndim < 3 else row[0]
    flat = row * math.prod(column.shape)
    flat += cells(xp, column)
    return flat


def few(mask: Array) -> Array | None:
    """Flat indices where a mask holds, if that is worth it: less than half of all; on torch, whose shapes stay as they are, never."""
    if not isinstance(mask, np.ndarray):
        return None
    found = np.flatnonzero(mask)
    return found if 2 * found.size < mask.size else None


def none(mask: Array) -> bool:
    """Whether a mask holds nowhere, and that can be told at once: on numpy."""
    return isinstance(mask, np.ndarray) and not mask.any()


def filled(array: Array, mask: Array, value: float) -> Array:
    """The array with a value where a mask holds; numpy: the very one."""
    if not isinstance(array, np.ndarray):
        return array.masked_fill(mask, value)
    array[mask] = value
    return array


def put_in(array: Array, index: Array, values: Array) -> Array:
    """A copy with other elements at flat indices (numpy)."""
    array = array.copy()
    array.reshape(-1)[index] = values
    return array


def those(mask: Array) -> Array | None:
    """Flat indices where a mask holds; on torch, whose shapes stay as they are, None: all have to be taken."""
    return np.flatnonzero(mask) if isinstance(mask, np.ndarray) else None


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of an agent and a neighbour that a computation is about: on torch all `[K, W, A]`, on numpy the few that count `[n]`.

    What is computed of a pair does not depend on which others are there.
    """

    theirs: Array
    """Flat index of the neighbour in `[W, A]`."""
    counts: Array | bool
    """Which of them count: on numpy all of them."""
    at: Array | None = None
    """Numpy: flat indices of the pairs in `[K, W, A]`..."""
    mine: Array | None = None
    """...and of their agents in `[W, A]`."""
    shape: tuple[int, ...] = ()

    def own(self, values: Array) -> Array:
        """Of the agents, from values `[W, A]`."""
        return values if self.mine is None else pick(values, self.mine)

    def others(self, values: Array) -> Array:
        """Of the neighbours, from values `[W, A]`."""
        return pick(values, self.theirs)

    def of(self, values: Array) -> Array:
        """Of the pairs, from values `[K, W, A]`."""
        return values if self.at is None else pick(values, self.at)

    def spread(self, mask: Array) -> Array:
        """A mask of the pairs as `[K, W, A]`, False elsewhere."""
        if self.at is None:
            return mask
        full = np.zeros(self.shape, dtype=bool)
        full.reshape(-1)[self.at] = mask
        return full

    def only(self, mask: Array, *values: Array) -> tuple[Any, ...]:
        """Those of them for which a mask of theirs holds, and their part of some values."""
        if self.at is None or self.mine is None:
            return Pairs(self.theirs, mask & self.counts), *values
        some = np.flatnonzero(mask)
        theirs, at, mine, *rest = (v.take(some) for v in (self.theirs, self.at, self.mine, *values))
        return Pairs(theirs, True, at, mine, self.shape), *rest

    def least(self, xp: Any, values: Array, otherwise: float) -> Array:
        """The least value of each agent `[W, A]` among its pairs; who has none: another one."""
        if self.mine is None:
            return xp.min(xp.where(self.counts, values, otherwise + 0.0 * values), axis=0)
        least = np.full(self.shape[1:], otherwise, dtype=values.dtype)
        np.minimum.at(least.reshape(-1), self.mine, values)
        return least

    def any(self, xp: Any, mask: Array) -> Array:
        """Whether a mask holds for any pair of each agent `[W, A]`."""
        if self.mine is None:
            return xp.any(mask & self.counts, axis=0)
        found = np.zeros(self.shape[1:], dtype=bool)
        found.reshape(-1)[self.mine.take(np.flatnonzero(mask))] = True
        return found


def pairs(flat: Array, mask: Array) -> Pairs:
    """The pairs for which a mask `[K, W, A]` holds; `flat` tells the neighbours (`Others.flat`)."""
    at = those(mask)
    if at is None:
        return Pairs(flat, mask)
    return Pairs(pick(flat, at), True, at, _agents_of(*mask.shape).take(at), mask.shape)


@lru_cache(maxsize=8)
def _agents_of(neighbours: int, worlds: int, agents: int) -> Array:
    """Flat index in `[W, A]` of the agent of each pair `[K, W, A]`."""
    return np.tile(np.arange(worlds * agents), neighbours)


def leading(array: Array) -> Array:
    """`[W, A, K]` as `[K, W, A]`, laid out anew: a new array even where it need not be, as of one agent, so that it may be written to."""
    if isinstance(array, np.ndarray):
        return array.transpose(2, 0, 1).copy()
    return array.movedim(-1, 0).clone().contiguous()


def smallest(xp: Any, score: Array, count: int) -> Array:
    """Indices `[W, A, K]` of the least non-negative scores `[W, A, B]`, rising, -1 for scores from `NOBODY` on; the scores are spent.

    The scores' last bits carry the index: so keys are unique, and every library finds the same order.
    """
    candidates = score.shape[-1]
    low = (1 << max(1, (candidates - 1).bit_length())) - 1
    least_of_nobody, most = _KEYS[score.itemsize]
    limit = least_of_nobody & ~low
    integer = xp.int32 if score.itemsize == 4 else xp.int64
    key = score.view(integer)
    key &= ~low
    key |= xp.arange(candidates, dtype=integer, device=score.device)
    if isinstance(score, np.ndarray):
        key.sort(axis=-1)
        found = key[..., :count].copy()
    elif candidates > _EXTRACT_UP_TO or score.is_cuda:
        found = key.topk(count, dim=-1, largest=False, sorted=True).values
    else:
        least = []
        key = key.movedim(-1, 0)
        for _ in range(count):
            least.append(key.amin(0))
            key = key.masked_fill(key == least[-1], most)
        found = xp.stack(least, axis=-1)
    index, nobody = xp.astype(found & low, xp.int64), found >= limit
    return index if none(nobody) else xp.where(nobody, 0 * index - 1, index)


def first(xp: Any, masks: Array) -> Array:
    """Index along the first axis of the first mask that holds, or how many there are where none does."""
    missing = ~masks[0]
    index = missing.view(xp.int8) + 0
    for mask in masks[1:]:
        missing = missing & ~mask
        index += missing.view(xp.int8)
    return xp.astype(index, xp.int64)


def luck(*counters: Array) -> Array:
    """Whole numbers in [0, 2^31) that look random and depend on nothing but the counters (whole numbers of any shapes).

    A hash by multiplication and shifts (Mueller) in 64-bit integers below 2^62, so that nothing overflows anywhere.
    """
    h: Array = 0
    for counter in counters:
        h = (h * 31 + counter + 0x9E3779B9) & 0xFFFFFFFF
        for _ in range(2):
            h = (((h >> 16) ^ h) * 0x45D9F3B) & 0xFFFFFFFF
        h = (h >> 16) ^ h
    return h & 0x7FFFFFFF
