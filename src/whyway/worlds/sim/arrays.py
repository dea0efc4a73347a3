"""What the step needs of arrays beyond the array API, for numpy and torch: gathers, clamps, nearest others, luck by counting.

The step is dense: fixed shapes, no loop over worlds or agents, no boolean indexing. Pairs of an agent and one of its K neighbours have
shape `[K, W, A]`: the short axis first, so that reductions over it run along memory and `[W, A]` broadcasts as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any

NOBODY = 1e9
"""A score beyond which there is nobody."""

_KEYS = {
    size: (int(np.array(NOBODY, dtype=real).view(whole)), int(np.iinfo(whole).max))
    for size, real, whole in ((4, np.float32, np.int32), (8, np.float64, np.int64))
}
"""By size of a number: `NOBODY`'s bits read as an integer, and the largest integer."""

_COLUMNS = 16
"""So many columns are laid out at once: a cache line of them."""

_EXTRACT_UP_TO = 64
"""Torch: so many candidates are searched by repeated minima, which is several times quicker than its `topk` on short rows."""


def clamp(array: Array, low: Array | float | None, high: Array | float | None) -> Array:
    """The array between two bounds (numbers or arrays); several times quicker than `xp.clip` on small arrays."""
    if isinstance(array, np.ndarray):
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
    return (
        array.astype(dtype, copy=False) if isinstance(array, np.ndarray) else array.to(dtype=dtype)
    )


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
        return array.reshape(-1).take(index)
    return array.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


def pick_rows(array: Array, index: Array) -> Array:
    """Rows of a matrix by index, in the index's shape and one axis more."""
    if isinstance(array, np.ndarray):
        return array.take(index, axis=0)
    return array.index_select(0, index.reshape(-1)).reshape(*index.shape, array.shape[-1])


def pick_quads(array: Array, index: Array) -> list[Array]:
    """The first four columns of a matrix's rows by index, each in the index's shape.

    On numpy the four go as one item, which is as quick as one column; the matrix has 4, 8, ... columns.
    """
    if not isinstance(array, np.ndarray):
        rows = pick_rows(array, index)
        return [rows[..., k] for k in range(4)]
    items = array.reshape(-1, 4).view(np.dtype((np.void, 4 * array.itemsize))).reshape(-1)
    wide = array.shape[1] // 4
    found = items.take(index if wide == 1 else index * wide)
    rows = found.view(array.dtype).reshape(*index.shape, 4)
    return [np.ascontiguousarray(rows[..., k]) for k in range(4)]


def few(mask: Array) -> Array | None:
    """Flat indices where a mask holds, if that is worth it: less than half of all; on torch, whose shapes stay as they are, never."""
    if not isinstance(mask, np.ndarray):
        return None
    found = np.flatnonzero(mask)
    return found if 2 * found.size < mask.size else None


def none(mask: Array) -> bool:
    """Whether a mask holds nowhere, and that can be told at once: on numpy."""
    return isinstance(mask, np.ndarray) and not mask.any()


def put_in(array: Array, index: Array, values: Array) -> Array:
    """A copy with other elements at flat indices (numpy)."""
    array = array.copy()
    array.reshape(-1)[index] = values
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of an agent and a neighbour that a computation is about: all `[K, W, A]`, or on numpy the few that matter `[n]`.

    What is computed of a pair does not depend on which others are there.
    """

    theirs: Array
    """Flat index of the neighbour in `[W, A]`."""
    at: Array | None = None
    """Flat indices of the pairs in `[K, W, A]`, None for all of them..."""
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

    def spread(self, values: Array, otherwise: float | bool) -> Array:
        """Values of the pairs as `[K, W, A]`, with another one elsewhere."""
        if self.at is None:
            return values
        full = np.full(self.shape, otherwise, dtype=values.dtype)
        full.reshape(-1)[self.at] = values
        return full

    def least(self, xp: Any, values: Array, otherwise: float) -> Array:
        """The least one of each agent `[W, A]`; what is left out counts `otherwise`."""
        return xp.min(self.spread(values, otherwise), axis=0)

    def any(self, xp: Any, mask: Array) -> Array:
        """Whether it holds for any pair of each agent `[W, A]`."""
        return xp.any(self.spread(mask, False), axis=0)


def pairs(flat: Array, mask: Array) -> Pairs:
    """The pairs for which a mask `[K, W, A]` holds, and maybe others; `flat` tells the neighbours (`Others.flat`)."""
    at = few(mask)
    if at is None:
        return Pairs(flat)
    cells = np.arange(mask[0].size)
    agents = np.broadcast_to(cells, (mask.shape[0], cells.size)).reshape(-1)
    return Pairs(pick(flat, at), at, pick(agents, at), mask.shape)


def leading(array: Array) -> Array:
    """`[W, A, K]` as `[K, W, A]`, laid out anew."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(np.moveaxis(array, -1, 0))
    return array.movedim(-1, 0).contiguous()


def trailing(array: Array) -> Array:
    """`[K, W, A]` as `[W, A, K]`, laid out anew."""
    if isinstance(array, np.ndarray):
        laid = np.empty((*array.shape[1:], array.shape[0]), dtype=array.dtype)
        for k in range(0, array.shape[0], _COLUMNS):
            laid[..., k : k + _COLUMNS] = np.moveaxis(array[k : k + _COLUMNS], 0, -1)
        return laid
    return array.movedim(0, -1).contiguous()


def smallest(xp: Any, score: Array, count: int) -> Array:
    """Indices `[W, A, K]` of the least non-negative scores `[W, A, B]`, rising, -1 for scores from `NOBODY` on.

    The scores' last bits carry the index: so keys are unique, and every library finds the same order.
    """
    candidates = score.shape[-1]
    low = (1 << max(1, (candidates - 1).bit_length())) - 1
    nobody, most = _KEYS[score.itemsize]
    limit = nobody & ~low
    integer = xp.int32 if score.itemsize == 4 else xp.int64
    index = xp.arange(candidates, dtype=integer, device=score.device)
    key = score.view(integer) & ~low
    key |= index
    if isinstance(score, np.ndarray):
        found = np.sort(key, axis=-1)[..., :count]
    elif candidates > _EXTRACT_UP_TO or score.is_cuda:
        found = key.topk(count, dim=-1, largest=False, sorted=True).values
    else:
        least = []
        key = key.movedim(-1, 0)
        for _ in range(count):
            least.append(key.amin(0))
            key = key.masked_fill(key == least[-1], most)
        found = xp.stack(least, axis=-1)
    return xp.where(found < limit, xp.astype(found & low, xp.int64), -1)


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
